//! Short answers that are read whole: counts of tokens, embeddings.

use bytes::Bytes;
use http::HeaderMap;

use super::usage::Tap;
use super::{Rewrite, Usage};
use crate::dialects::{Dialect, count, embeddings, invoke, predict};
use crate::error::{Failure, Garbled};
use crate::rope::Rope;

/// What an answer is made into. `model` is what the client calls it.
#[derive(Debug, Clone)]
pub enum Conversion {
    /// A count of tokens.
    Count { provider: Dialect, client: Dialect },
    /// OpenAI's embeddings in Gemini's form.
    Embed(embeddings::Request),
    /// Embeddings of Google's `:predict` in OpenAI's form.
    Predict { request: predict::Request, model: String },
    /// Embeddings of Bedrock's InvokeModel in OpenAI's form, from the answers of one call or of several.
    Invoke { request: invoke::Request, model: String },
}

impl Conversion {
    fn convert(&self, body: &[u8]) -> Result<Bytes, Garbled> {
        match self {
            Self::Count { provider, client } => {
                count::read_count(*provider, body).map(|tokens| count::write_count(*client, tokens))
            }
            Self::Embed(request) => request.rewrite(body),
            Self::Predict { request, model } => request.rewrite(body, model),
            Self::Invoke { request, model } => request.rewrite(body, model),
        }
    }
}

/// Gathers an answer and converts it.
pub struct Whole {
    body: Rope,
    tap: Tap,
    conversion: Option<Conversion>,
}

impl Whole {
    /// `headers`: those of the answer.
    pub fn new(conversion: Conversion, headers: &HeaderMap) -> Self {
        let mut body = Rope::default();
        if let Conversion::Invoke { .. } = conversion {
            body.push(invoke::told(headers));
        }
        Self { body, tap: Tap::default(), conversion: Some(conversion) }
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
        let converted = conversion.convert(&self.body.to_bytes()).map_err(Failure::from)?;
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
