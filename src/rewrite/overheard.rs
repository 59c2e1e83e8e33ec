//! An error answer that the client gets as it is, read in passing: what it is about decides what becomes of the provider.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{Rewrite, Usage};
use crate::dialects::Dialect;
use crate::error::Failure;
use crate::rope::Rope;

/// An error is told in few words; what is longer than this is something else.
const LONGEST: usize = 64 << 10;

pub struct Overheard {
    status: StatusCode,
    headers: HeaderMap,
    dialect: Dialect,
    body: Rope,
    failure: Option<Failure>,
}

impl Overheard {
    pub fn new(status: StatusCode, headers: HeaderMap, dialect: Dialect) -> Self {
        Self { status, headers, dialect, body: Rope::default(), failure: None }
    }
}

impl Rewrite for Overheard {
    fn push(&mut self, chunk: Bytes) -> Bytes {
        if self.body.len() < LONGEST {
            self.body.push(chunk.clone());
        }
        chunk
    }

    fn finish(&mut self) -> Result<Bytes, Failure> {
        if self.failure.is_none() {
            let body = std::mem::take(&mut self.body).to_bytes();
            self.failure = Some(self.dialect.provider().read_failure(self.status, &self.headers, &body));
        }
        Ok(Bytes::new())
    }

    fn usage(&self) -> Option<Usage> {
        None
    }

    fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn the_bytes_stay_and_their_meaning_is_known() {
        let status = StatusCode::TOO_MANY_REQUESTS;
        let mut overheard = Overheard::new(status, HeaderMap::new(), Dialect::OpenaiChat);
        let body = Bytes::from_static(br#"{"error":{"code":"1113","message":"no balance"}}"#);
        let out: Vec<_> = [body.slice(..9), body.slice(9..)].into_iter().map(|piece| overheard.push(piece)).collect();
        assert_eq!(out.concat(), body);
        assert_eq!(overheard.finish(), Ok(Bytes::new()));
        assert_eq!(overheard.failure().map(|failure| failure.kind), Some(Kind::Quota));
    }
}
