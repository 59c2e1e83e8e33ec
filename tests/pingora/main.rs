//! The facts about Pingora that narthex is built on, each proven over real sockets with a proxy of a few lines.
//!
//! One file holds one fact, and fails if an upgrade changes it. Nothing here tests narthex itself: what is shared
//! between the files (`reading`, `stand_in`, `rewriter`, `pair`) shows the smallest code that uses the facts together.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod pair;
mod reading;
mod rewriter;
mod stand_in;

mod address;
mod chunked_answer;
mod declared_length;
mod decompression;
mod end_of_answer;
mod failover;
mod hang_up;
mod held_back;
mod http2_upstream;
mod stand_ins;
mod unknown_length;
mod upgrade;

use pingora_core::upstreams::peer::HttpPeer;
use std::net::SocketAddr;

fn peer(address: SocketAddr) -> Box<HttpPeer> {
    Box::new(HttpPeer::new(address, false, String::new()))
}
