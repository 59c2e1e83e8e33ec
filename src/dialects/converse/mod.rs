//! Amazon Bedrock's Converse: `POST /model/{id}/converse` and `/converse-stream`, spoken by clients and to providers. The wire's
//! shapes stand in `incoming` (read) and `outgoing` (written); requests, whole answers and streams have a folder each. Signing,
//! addresses and Bedrock's other doors (`invoke`, its OpenAI-like endpoints) do not belong here.

mod answer;
mod blocks;
mod failure;
mod family;
mod incoming;
mod losses;
mod media;
mod names;
mod outgoing;
mod request;
mod stream;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::framing::Framing;
use super::framing::event_stream::EventStream;
use super::ir;
use super::ir::loss::Loss;
use super::{Asked, ClientDialect, EventReader, EventWriter, ProviderDialect, Recipient, Reply, Unanswered};
use crate::error::{Failure, Refusal};

pub(super) use failure::{error_type, write_exception};

pub struct Converse;

impl ClientDialect for Converse {
    fn read_request(&self, body: &[u8]) -> Result<Asked, Refusal> {
        request::read(body)
    }

    fn write_response(&self, response: &ir::Response, _reply: &Reply) -> Bytes {
        answer::write(response)
    }

    fn stream_writer(&self, _reply: &Reply) -> Box<dyn EventWriter> {
        Box::new(stream::Writer::new())
    }

    fn stream_type(&self, _reply: &Reply) -> &'static str {
        "application/vnd.amazon.eventstream"
    }
}

impl ProviderDialect for Converse {
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
        Box::new(EventStream::default())
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
