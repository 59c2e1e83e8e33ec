//! Anthropic's Messages (`POST /v1/messages`), as clients speak it to us and as we speak it to Anthropic and to those who host
//! Claude or took over its dialect: Vertex (`rawPredict`) and Bedrock (`InvokeModel`) have the same bodies.
//!
//! [`request`] reads and writes requests, [`answer`] whole answers and blocks, [`stream`] streams, [`failure`] errors; [`thinking`]
//! knows how each Claude is told to think, which Bedrock's Converse needs too. Headers, versions and keys belong to the providers.

mod answer;
mod block;
mod citation;
mod failure;
mod input;
mod losses;
mod members;
mod request;
mod stream;
#[cfg(test)]
mod tests;
pub(in crate::dialects) mod thinking;
mod word;

pub(in crate::dialects) use request::schema;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::framing::Framing;
use super::framing::sse::Sse;
use super::ir;
use super::ir::loss::Loss;
use super::{Asked, ClientDialect, EventReader, EventWriter, ProviderDialect, Recipient, Reply, Unanswered};
use crate::error::{Failure, Refusal};

pub struct Anthropic;

impl ClientDialect for Anthropic {
    fn read_request(&self, body: &[u8]) -> Result<Asked, Refusal> {
        request::read(body)
    }

    fn write_response(&self, response: &ir::Response, reply: &Reply) -> Bytes {
        answer::write(response, reply)
    }

    fn stream_writer(&self, reply: &Reply) -> Box<dyn EventWriter> {
        Box::new(stream::Writer::new(reply))
    }

    fn stream_type(&self, _reply: &Reply) -> &'static str {
        "text/event-stream"
    }
}

impl ProviderDialect for Anthropic {
    fn write_request(
        &self,
        request: &ir::Request,
        recipient: &Recipient<'_>,
        losses: &mut ir::Losses,
    ) -> Result<Bytes, Refusal> {
        request::write(request, recipient, losses)
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
        failure::read(status, headers, body)
    }

    fn losses(&self) -> &'static [Loss] {
        losses::TABLE
    }
}
