//! Requests: [`wire`] has the shape that clients send, OpenAI's and the extensions of its many followers; [`read`] turns it into
//! the canonical form, [`write`] turns that into what a provider takes.

mod grammar;
mod read;
mod wire;
mod write;

pub use read::read;
pub use write::write;
