//! Conversations, in every dialect: the request is read and the answer written by what the gateway itself has for its
//! clients, so that whatever it can be sent, the simulator understands, and each half is tested against the other.
//!
//! Between the two it is one way for all: `ask` finds in the canonical form what a `script` is written from, `telling` says
//! the script in the canonical form, whole or event by event, and `frames` has events written. What a dialect alone demands
//! of its clients, and the real API would refuse, is in `rules`, with the seals that it puts on reasoning in `seals`.

mod ask;
mod frames;
mod logprobs;
mod rules;
mod seals;
mod telling;
#[cfg(test)]
mod tests;

use bytes::Bytes;
pub use frames::Late;

use self::frames::Frames;
use self::rules::Names;
use self::telling::Telling;
use super::answer::{Answer, now};
use super::routes::InPath;
use super::script;
use crate::dialects::{Asked, Dialect, Reply, count, ir};
use crate::error::{Failure, Refusal};
use crate::json::Object;

/// A conversation that is to go on.
pub struct Turn {
    dialect: Dialect,
    request: ir::Request,
    reply: Reply,
}

impl Turn {
    /// Reads a request. `place`: what the path says; `query`: how the dialect wants its stream, perhaps; `nonce`: what makes
    /// the ids of the answer its own.
    pub fn read(
        dialect: Dialect,
        place: Option<&InPath>,
        query: Option<&str>,
        body: &Bytes,
        nonce: String,
    ) -> Result<Self, Refusal> {
        let rest = rules::without_history(dialect, body);
        let Asked { mut request, mut reply } = dialect.client().read_request(rest.as_ref().unwrap_or(body))?;
        // What was taken out is repeated all the same.
        reply.echo = Object::read(body.clone()).ok();
        if let Some(InPath { model, stream }) = place {
            request.model = model.clone().into_owned();
            request.stream = *stream;
        }
        rules::check(dialect, &request)?;
        reply.model.clone_from(&request.model);
        reply.nonce = nonce;
        reply.created = now();
        reply.is_array = dialect == Dialect::Gemini && !query.is_some_and(wants_events);
        Ok(Self { dialect, request, reply })
    }

    /// To be answered in another dialect, if one is named.
    pub fn answered_in(self, dialect: Option<Dialect>) -> Self {
        Self { dialect: dialect.unwrap_or(self.dialect), ..self }
    }

    /// `tokens`: the length of a text; `late`: how the stream is to break off, instead of a whole answer.
    pub fn answer(&self, tokens: Option<usize>, late: Option<Late>) -> Result<Answer, Failure> {
        let Self { dialect, request, reply } = self;
        let late = match late {
            Some(late) if !request.stream => return Err(late.failure),
            late => late,
        };
        let telling = self.telling(tokens).map_err(|refusal| Failure::from(&refusal))?;
        let client = dialect.client();
        if !request.stream {
            let body = client.write_response(&telling.whole(), reply);
            return Ok(Answer::Whole { content_type: "application/json", body });
        }
        let content_type = client.stream_type(reply);
        let mut frames = Frames::new(client.stream_writer(reply), content_type, telling.events(), late);
        telling.tell(|event| frames.put(event));
        Ok(Answer::Stream { content_type, events: frames.into_events() })
    }

    fn telling(&self, tokens: Option<usize>) -> Result<Telling, Refusal> {
        let names = Names::of(self.dialect);
        let ask = ask::ask(&self.request, names)?;
        let blamed = if self.request.format.is_some() { names.format } else { names.tools };
        let script = script::write(&ask, tokens)
            .map_err(|why| Refusal::invalid(format!("No answer can be made: {why}.")).param(blamed))?;
        Ok(Telling::new(self.dialect, &self.request, script))
    }
}

/// How long a conversation is.
pub fn count(dialect: Dialect, body: &Bytes) -> Result<Answer, Refusal> {
    let rest = rules::without_history(dialect, body);
    let asked = count::read_request(dialect, rest.as_ref().unwrap_or(body))?;
    let body = count::write_count(dialect, telling::count(ask::prompt_tokens(&asked.request)));
    Ok(Answer::Whole { content_type: "application/json", body })
}

/// Whether a query asks for server-sent events.
fn wants_events(query: &str) -> bool {
    query.split('&').any(|pair| pair == "alt=sse")
}
