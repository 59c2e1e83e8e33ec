//! An error answer of another dialect than the client's: read whole, told in the client's words.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{Rewrite, Usage};
use crate::dialects::Dialect;
use crate::error::Failure;
use crate::rope::Rope;

/// An error is told in few words; what is longer than this is something else.
const LONGEST: usize = 1 << 20;

/// Gathers the body of an error answer and gives the client its own dialect's.
pub struct Failed {
    status: StatusCode,
    headers: HeaderMap,
    provider: Dialect,
    client: Dialect,
    request_id: String,
    body: Rope,
    told: Option<Failure>,
}

impl Failed {
    pub fn new(status: StatusCode, headers: HeaderMap, provider: Dialect, client: Dialect, request_id: String) -> Self {
        Self { status, headers, provider, client, request_id, body: Rope::default(), told: None }
    }
}

impl Rewrite for Failed {
    fn push(&mut self, chunk: Bytes) -> Bytes {
        if self.body.len() < LONGEST {
            self.body.push(chunk);
        }
        Bytes::new()
    }

    fn finish(&mut self) -> Result<Bytes, Failure> {
        if self.told.is_some() {
            return Ok(Bytes::new());
        }
        let body = self.body.to_bytes();
        let failure = self.provider.provider().read_failure(self.status, &self.headers, &body);
        let told = self.client.write_failure(&failure, &self.request_id);
        self.told = Some(failure);
        Ok(told)
    }

    fn usage(&self) -> Option<Usage> {
        None
    }

    fn failure(&self) -> Option<&Failure> {
        self.told.as_ref()
    }
}
