//! Requests: a client's into the canonical form, and from there into what Anthropic wants to read. What becomes of the answer does
//! not belong here.

mod blocks;
mod read;
mod wire;

pub use read::read;
