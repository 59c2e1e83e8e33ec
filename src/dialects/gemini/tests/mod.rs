//! Requests and answers in both directions.
