//! Streams of events, read from providers and written for clients.

mod reader;
mod writer;

pub use reader::Reader;
pub use writer::Writer;
