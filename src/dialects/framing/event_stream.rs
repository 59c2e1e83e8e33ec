//! Amazon's event streams (`application/vnd.amazon.eventstream`).
