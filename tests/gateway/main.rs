//! The gateway as its users meet it: the real binary, real sockets, and scripted providers that record what reaches them.
//!
//! One file holds one subject. What Pingora does by itself is tested in `tests/pingora`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod amazon;
mod answers;
mod bad_input;
mod balance;
mod batches;
mod bodies;
mod capabilities;
mod clouds;
mod connections;
mod counting;
mod doctor;
mod encodings;
mod failover;
mod files;
mod headers;
mod kept;
mod models;
mod passthrough;
mod quirks;
mod requests;
mod shutdown;
mod streams;
mod surfaces;
mod telemetry;
mod tls;
mod translate;
