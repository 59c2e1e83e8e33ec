//! A rewrite whose outcome is kept: another rewrite does the work, and the response that it makes is handed on.

use bytes::Bytes;

use super::{Rewrite, Usage};
use crate::dialects::stored::{Answered, Watch};
use crate::error::Failure;

/// Where the response goes.
type Keeper = Box<dyn FnOnce(Answered) + Send + Sync>;

pub struct Keep {
    inner: Box<dyn Rewrite>,
    watch: Watch,
    keeper: Option<Keeper>,
}

impl Keep {
    pub fn new(inner: Box<dyn Rewrite>, watch: Watch, keeper: Keeper) -> Self {
        Self { inner, watch, keeper: Some(keeper) }
    }
}

impl Keep {
    /// The response is handed on before its last bytes are: a client that has all of it can ask for it.
    fn watch(&mut self, out: &[u8], is_end: bool) {
        if self.keeper.is_none() {
            return;
        }
        self.watch.push(out);
        if let Some(answered) = self.watch.take(is_end)
            && let Some(keeper) = self.keeper.take()
        {
            keeper(answered);
        }
    }
}

impl Rewrite for Keep {
    fn push(&mut self, chunk: Bytes) -> Bytes {
        let out = self.inner.push(chunk);
        self.watch(&out, false);
        out
    }

    fn finish(&mut self) -> Result<Bytes, Failure> {
        let last = self.inner.finish()?;
        self.watch(&last, true);
        Ok(last)
    }

    fn fail(&mut self, failure: &Failure) -> Option<Bytes> {
        self.inner.fail(failure)
    }

    fn usage(&self) -> Option<Usage> {
        self.inner.usage()
    }

    fn failure(&self) -> Option<&Failure> {
        self.inner.failure()
    }
}
