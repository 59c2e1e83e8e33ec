//! Bytes → frames. A framing gives the same frames however the bytes are cut; "no frame yet" never means "the end".

pub mod sse;
