//! Streamed answers: frames → events, and events → frames.

mod queue;
mod reader;
mod writer;

pub use reader::Reader;
pub use writer::Writer;
