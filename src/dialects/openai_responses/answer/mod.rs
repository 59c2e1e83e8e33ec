//! Answers: what they are made of ([`object`], [`item`]), what they repeat of the request ([`echo`]), whole ones read and written.
//! Streams have a room of their own, [`super::stream`], and do the work for whole ones too: an answer that came whole is read
//! as if all its items came at once.

pub mod echo;
pub mod item;
pub mod object;
mod read;
pub mod wire;
mod write;

pub use read::read;
pub use write::write;
