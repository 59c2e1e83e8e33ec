//! Short answers that are read whole: counts of tokens, embeddings.

use bytes::Bytes;

use super::usage::Tap;
use super::{Rewrite, Usage};
use crate::dialects::{Dialect, count, embeddings, invoke, predict};
use crate::error::{Failure, Garbled};
use crate::rope::Rope;

/// What an answer is made into.
type Conversion = Box<dyn Fn(&[u8]) -> Result<Bytes, Garbled> + Send + Sync>;

/// Gathers an answer and converts it.
pub struct Whole {
    body: Rope,
    tap: Tap,
    conversion: Option<Conversion>,
}

impl Whole {
    /// A count of tokens.
    pub fn count(provider: Dialect, client: Dialect) -> Self {
        Self::new(Box::new(move |body| {
            count::read_count(provider, body).map(|tokens| count::write_count(client, tokens))
        }))
    }

    /// Embeddings in Gemini's form.
    pub fn embed(request: embeddings::Request) -> Self {
        Self::new(Box::new(move |body| request.rewrite(body)))
    }

    /// Embeddings in OpenAI's form. `model` is what the client calls it.
    pub fn predict(request: predict::Request, model: String) -> Self {
        Self::new(Box::new(move |body| request.rewrite(body, &model)))
    }

    /// Embeddings in OpenAI's form, from the answers of one call or of several. `model` is what the client calls it.
    pub fn invoke(request: invoke::Request, model: String) -> Self {
        Self::new(Box::new(move |body| request.rewrite(body, &model)))
    }

    fn new(conversion: Conversion) -> Self {
        Self { body: Rope::default(), tap: Tap::default(), conversion: Some(conversion) }
    }
}

impl Rewrite for Whole {
    fn push(&mut self, chunk: Bytes) -> Bytes {
        self.tap.push(&chunk);
        self.body.push(chunk);
        Bytes::new()
    }

    fn finish(&mut self) -> Result<Bytes, Failure> {
        let Some(conversion) = self.conversion.take() else { return Ok(Bytes::new()) };
        let converted = conversion(&self.body.to_bytes()).map_err(Failure::from)?;
        if self.tap.usage().is_none() {
            // Where the provider's own form has no counts that we know, ours may have them.
            self.tap.push(&converted);
        }
        Ok(converted)
    }

    fn usage(&self) -> Option<Usage> {
        self.tap.usage()
    }
}
