//! OpenAI's Responses (`POST /v1/responses`), as clients speak it and as providers do.
//!
//! Requests are in `request`, whole answers in `answer`, streams in `stream`, failures in `failure`; what requests may
//! hold that has no place here is listed in `losses`. Stored answers, and ids that refer to them, are not the dialect's
//! business: it reads requests in which they have been put in their place.

mod answer;
mod failure;
mod lenient;
mod losses;
mod namespace;
mod request;
mod stream;
#[cfg(test)]
mod tests;
mod tool_search;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::errors::read_any_failure;
use super::framing::Framing;
use super::framing::sse::Sse;
use super::ir;
use super::ir::loss::Loss;
use super::{Asked, ClientDialect, EventReader, EventWriter, ProviderDialect, Recipient, Reply, Unanswered};
use crate::error::{Failure, Refusal};

pub use failure::last_event;
pub use namespace::Namespaced;
pub use request::input_items;

pub struct OpenaiResponses;

impl ClientDialect for OpenaiResponses {
    fn read_request(&self, body: &[u8]) -> Result<Asked, Refusal> {
        request::read(body)
    }

    fn write_response(&self, response: &ir::Response, reply: &Reply) -> Bytes {
        response_object(response, reply)
    }

    fn stream_writer(&self, reply: &Reply) -> Box<dyn EventWriter> {
        Box::new(stream::Writer::new(reply))
    }

    fn stream_type(&self, _reply: &Reply) -> &'static str {
        "text/event-stream"
    }
}

impl ProviderDialect for OpenaiResponses {
    fn write_request(
        &self,
        request: &ir::Request,
        recipient: &Recipient<'_>,
        losses: &mut ir::Losses,
    ) -> Result<Bytes, Refusal> {
        Ok(request::write(request, recipient, losses))
    }

    fn read_response(&self, body: &[u8]) -> Result<ir::Response, Unanswered> {
        answer::read(body)
    }

    fn framing(&self) -> Box<dyn Framing> {
        Box::new(Sse::default())
    }

    fn stream_reader(&self) -> Box<dyn EventReader> {
        Box::new(stream::Reader::default())
    }

    fn read_failure(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
        read_any_failure(status, headers, body)
    }

    fn losses(&self) -> &'static [Loss] {
        losses::TABLE
    }
}

/// An answer as clients get it whole, and as it is stored.
pub fn response_object(response: &ir::Response, reply: &Reply) -> Bytes {
    answer::write(response, reply)
}
