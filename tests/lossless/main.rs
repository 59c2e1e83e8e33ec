//! What must come through as it went in, with bodies and answers that nobody thought of: generated ones.
//!
//! [`forwarding`]: between two sides of one dialect nothing changes but what is declared. [`answers`]: what a client is told of an
//! answer, it can tell again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod answers;
mod forwarding;
mod json;
