//! How a stream is cut into frames: bytes in, frames out, the same frames however the bytes were cut. What a frame says is
//! the dialect's business.

pub mod event_stream;
pub mod sse;

use bytes::Bytes;

use crate::error::Garbled;

/// One event as it was framed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: FrameKind,
    /// What the frame calls itself: the `event` field, the `:event-type` header. May be empty.
    name: Bytes,
    pub data: Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    Event,
    /// Event streams mark errors as such.
    Exception,
}

impl Frame {
    pub fn new(kind: FrameKind, name: impl Into<Bytes>, data: impl Into<Bytes>) -> Self {
        Self { kind, name: name.into(), data: data.into() }
    }

    pub fn name(&self) -> &str {
        std::str::from_utf8(&self.name).unwrap_or_default()
    }
}

/// Bytes → frames.
pub trait Framing: Send + Sync {
    fn push(&mut self, chunk: &[u8]);

    /// The next frame; `None`: more bytes, please.
    fn next(&mut self) -> Result<Option<Frame>, Garbled>;

    /// What is left when the bytes have ended: a last frame that was not closed, if it looks like one.
    fn finish(&mut self) -> Result<Option<Frame>, Garbled>;
}
