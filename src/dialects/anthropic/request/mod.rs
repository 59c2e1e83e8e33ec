//! Requests: a client's into the canonical form, and from there into what Anthropic wants to read. What becomes of the answer does
//! not belong here.

mod blocks;
mod media;
mod read;
pub mod schema;
mod tools;
mod turns;
mod wire;
mod write;

pub use read::read;
pub use write::write;
