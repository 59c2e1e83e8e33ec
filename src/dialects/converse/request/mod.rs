//! Requests: read from clients, written to providers. What only some families of models understand is decided in `special.rs`.

mod history;
mod read;
mod special;
mod tools;
mod write;

pub use read::read;
pub use write::write;
