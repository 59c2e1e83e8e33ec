//! Streams: their events read, and written. The order of things, which both rooms rely on:
//!
//! ```text
//! response.created response.in_progress
//!   (output_item.added  (content_part.added delta* done content_part.done)*  output_item.done)*
//! response.completed | response.incomplete | response.failed | error
//! ```

mod block;
mod emitter;
mod reader;
mod told;
mod wire;
mod writer;
mod written;

pub use reader::Reader;
pub use writer::Writer;
