//! Audio answers of models that speak in chats: whole, or piece by piece.

use bytes::{Bytes, BytesMut};

use super::{Rewrite, Usage};
use crate::dialects::Dialect;
use crate::dialects::audio::{Pieces, Request};
use crate::dialects::framing::Framing;
use crate::error::Failure;
use crate::rope::Rope;

pub struct Spoken {
    source: Source,
    failure: Option<Failure>,
    is_finished: bool,
}

enum Source {
    Whole { request: Request, body: Rope },
    Pieces { pieces: Pieces, framing: Box<dyn Framing> },
}

impl Spoken {
    pub fn new(request: Request) -> Self {
        let source = match request.pieces() {
            Some(pieces) => Source::Pieces { pieces, framing: Dialect::OpenaiChat.provider().framing() },
            None => Source::Whole { request, body: Rope::default() },
        };
        Self { source, failure: None, is_finished: false }
    }
}

impl Rewrite for Spoken {
    fn push(&mut self, chunk: Bytes) -> Bytes {
        let (pieces, framing) = match &mut self.source {
            Source::Whole { body, .. } => {
                body.push(chunk);
                return Bytes::new();
            }
            Source::Pieces { pieces, framing } => (pieces, framing),
        };
        let mut out = BytesMut::new();
        framing.push(&chunk);
        while self.failure.is_none() {
            let read = match framing.next() {
                Ok(Some(frame)) => pieces.read(&frame, &mut out),
                Ok(None) => break,
                Err(garbled) => Err(garbled.into()),
            };
            self.failure = read.err();
        }
        out.freeze()
    }

    /// A failure amid the audio cannot be told in it: the answer breaks off.
    fn finish(&mut self) -> Result<Bytes, Failure> {
        if std::mem::replace(&mut self.is_finished, true) {
            return Ok(Bytes::new());
        }
        match (&mut self.source, &self.failure) {
            (Source::Whole { request, body }, _) => request.read(&body.to_bytes()),
            (_, Some(failure)) => Err(failure.clone()),
            (Source::Pieces { pieces, .. }, None) => pieces.end(),
        }
    }

    fn fail(&mut self, failure: &Failure) -> Option<Bytes> {
        let Source::Pieces { pieces, .. } = &self.source else { return None };
        pieces.wants_events().then(|| Dialect::OpenaiChat.write_failure_event(failure, ""))
    }

    fn usage(&self) -> Option<Usage> {
        None
    }
}
