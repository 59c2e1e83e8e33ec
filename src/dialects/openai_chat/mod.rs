//! OpenAI's chat completions, `POST /v1/chat/completions`: the dialect that nearly everybody speaks, each in its own way. What
//! its followers add or leave out is read liberally and written by what [`super::Habits`] says of the provider. Nothing here
//! knows a provider by name, nor the legacy completions and embeddings: these are forwarded, or have a room of their own.

mod answer;
mod details;
mod finish;
mod loose;
mod losses;
mod request;
#[cfg(test)]
mod tests;
mod usage;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::errors::read_any_failure;
use super::framing::Framing;
use super::framing::sse::Sse;
use super::ir;
use super::ir::loss::Loss;
use super::think_tags::ThinkTags;
use super::{Asked, ClientDialect, EventReader, EventWriter, ProviderDialect, Recipient, Reply, Unanswered};
use crate::error::{Failure, Refusal};

/// `think_tags`: what becomes of thoughts within the texts of answers.
#[derive(Debug, Default)]
pub struct OpenaiChat {
    pub think_tags: ThinkTags,
}

impl ClientDialect for OpenaiChat {
    fn read_request(&self, body: &[u8]) -> Result<Asked, Refusal> {
        request::read(body)
    }

    fn write_response(&self, response: &ir::Response, reply: &Reply) -> Bytes {
        answer::whole::write(response, reply)
    }

    fn stream_writer(&self, reply: &Reply) -> Box<dyn EventWriter> {
        Box::new(answer::stream::Writer::new(reply))
    }

    fn stream_type(&self, _reply: &Reply) -> &'static str {
        "text/event-stream"
    }
}

impl ProviderDialect for OpenaiChat {
    fn write_request(
        &self,
        request: &ir::Request,
        recipient: &Recipient<'_>,
        losses: &mut ir::Losses,
    ) -> Result<Bytes, Refusal> {
        request::write(request, recipient, losses)
    }

    fn read_response(&self, body: &[u8]) -> Result<ir::Response, Unanswered> {
        answer::read_response(body, self.think_tags)
    }

    fn framing(&self) -> Box<dyn Framing> {
        Box::new(Sse::default())
    }

    fn stream_reader(&self) -> Box<dyn EventReader> {
        Box::new(answer::Reader::new(self.think_tags))
    }

    fn read_failure(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
        read_any_failure(status, headers, body)
    }

    fn losses(&self) -> &'static [Loss] {
        losses::LOSSES
    }
}
