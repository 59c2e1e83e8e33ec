//! Answers: [`wire`] has their shape, whole or in chunks, as liberal as can be; [`choice`] turns what a choice says, piece by
//! piece, into blocks; [`reader`] does so with whole answers and with streams, which are one thing here: a whole answer is a
//! stream of one chunk. [`whole`] and [`stream`] write answers to clients.

mod calls;
mod choice;
mod reader;
mod shown;
pub mod stream;
pub mod whole;
mod wire;

pub use reader::{Reader, read_response};
