//! To be written.
//! To be written.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

mod block;
mod citation;
mod input;
mod losses;
mod request;
pub(in crate::dialects) mod thinking;

use super::framing::Framing;
use super::ir;
use super::ir::loss::Loss;
use super::{Asked, ClientDialect, EventReader, EventWriter, ProviderDialect, Recipient, Reply, Unanswered};
use crate::error::{Failure, Refusal};

pub struct Anthropic;

impl ClientDialect for Anthropic {
    fn read_request(&self, body: &[u8]) -> Result<Asked, Refusal> {
        request::read(body)
    }

    fn write_response(&self, _response: &ir::Response, _reply: &Reply) -> Bytes {
        unimplemented!()
    }

    fn stream_writer(&self, _reply: &Reply) -> Box<dyn EventWriter> {
        unimplemented!()
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

    fn read_response(&self, _body: &[u8]) -> Result<ir::Response, Unanswered> {
        unimplemented!()
    }

    fn framing(&self) -> Box<dyn Framing> {
        unimplemented!()
    }

    fn stream_reader(&self) -> Box<dyn EventReader> {
        unimplemented!()
    }

    fn read_failure(&self, _status: StatusCode, _headers: &HeaderMap, _body: &[u8]) -> Failure {
        unimplemented!()
    }

    fn losses(&self) -> &'static [Loss] {
        losses::TABLE
    }
}
