//! Requests: read from clients ([`read`]), written to providers ([`write`]).

mod contents;
mod generation;
pub mod read;
mod schema;
mod settings;
mod tools;
pub mod wire;
pub mod write;
