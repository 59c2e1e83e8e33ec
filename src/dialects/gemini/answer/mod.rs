//! Answers: what providers send, whole or as the events of a stream (each is a whole answer that says a bit more), and what
//! clients are sent. A whole answer is read as a stream of one event.

mod aligned;
mod assemble;
mod finish;
mod grounding;
mod logprobs;
mod partial_args;
pub mod read;
pub mod stream;
mod usage;
mod wire;
pub mod write;
