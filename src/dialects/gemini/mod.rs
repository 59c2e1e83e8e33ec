//! Google's `generateContent` and `streamGenerateContent` (Gemini API v1beta; Vertex AI v1), as clients speak it to us and as
//! we speak it to Google. URLs are not known here: the model and the wish for a stream stand in them, so the caller puts both
//! into what was read, and builds the address of what is written.

mod answer;
mod failure;
mod losses;
mod media;
mod parts;
mod raw;
mod request;
mod seals;
#[cfg(test)]
mod tests;

pub use media::reads_by_itself;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::framing::Framing;
use super::framing::sse::Sse;
use super::ir;
use super::ir::loss::Loss;
use super::{Asked, ClientDialect, EventReader, EventWriter, ProviderDialect, Recipient, Reply, Unanswered};
use crate::error::{Failure, Refusal};

pub struct Gemini;

/// Reads the body of `countTokens`: `contents` alone, or a whole request as `generateContentRequest`, which may name the
/// model.
pub fn count_tokens_request(body: &[u8]) -> Result<Asked, Refusal> {
    request::read::read_count(body)
}

impl ClientDialect for Gemini {
    fn read_request(&self, body: &[u8]) -> Result<Asked, Refusal> {
        request::read::read(body)
    }

    fn write_response(&self, response: &ir::Response, reply: &Reply) -> Bytes {
        answer::write::write(response, reply)
    }

    fn stream_writer(&self, reply: &Reply) -> Box<dyn EventWriter> {
        Box::new(answer::stream::Writer::new(reply))
    }

    fn stream_type(&self, reply: &Reply) -> &'static str {
        if reply.is_array { "application/json" } else { "text/event-stream" }
    }
}

impl ProviderDialect for Gemini {
    fn write_request(
        &self,
        request: &ir::Request,
        recipient: &Recipient<'_>,
        losses: &mut ir::Losses,
    ) -> Result<Bytes, Refusal> {
        request::write::write(request, recipient, losses)
    }

    fn read_response(&self, body: &[u8]) -> Result<ir::Response, Unanswered> {
        answer::read::read(body)
    }

    /// Streams are asked for with `alt=sse`.
    fn framing(&self) -> Box<dyn Framing> {
        Box::new(Sse::default())
    }

    fn stream_reader(&self) -> Box<dyn EventReader> {
        Box::new(answer::read::Reader::default())
    }

    fn read_failure(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
        failure::read(status, headers, body)
    }

    fn losses(&self) -> &'static [Loss] {
        losses::TABLE
    }
}
