//! One line of a batch, answered by what answers a request alone.

use bytes::Bytes;
use http::StatusCode;
use memchr::memmem;

use super::super::answer::Answer;
use super::super::behaviour::{Behaviour, Fault};
use super::super::perform::{Asked, perform};
use super::super::planned;
use super::super::routes::Route;
use super::digest;
use super::page::Named;
use crate::dialects::Dialect;
use crate::error::{Kind, Refusal};

pub struct Line {
    /// The `custom_id` or the key by which its answer is known.
    pub name: String,
    /// Where it would be sent alone.
    pub path: String,
    pub dialect: Dialect,
    pub body: Bytes,
    /// In which dialect a conversation is answered, if not in its own.
    pub answered_in: Option<Dialect>,
    pub outcome: Option<Outcome>,
    pub runs: u32,
}

#[derive(Clone, Debug)]
pub enum Outcome {
    Answered { status: StatusCode, body: Bytes },
    Cancelled,
    Expired,
}

impl Named for Line {
    fn id(&self) -> &str {
        &self.name
    }
}

impl Line {
    pub fn new(name: String, path: String, dialect: Dialect, body: Bytes) -> Self {
        Self { name, path, dialect, body, answered_in: None, outcome: None, runs: 0 }
    }

    /// The same for the same line: what ids are made of.
    pub fn digest(&self) -> String {
        digest(0, &[self.name.as_bytes(), &self.body])
    }

    pub fn run(&mut self, behaviour: &Behaviour) {
        self.runs += 1;
        let (status, body) = match self.answer(behaviour) {
            Answer::Whole { body, .. } | Answer::Kept { body, .. } => (StatusCode::OK, body),
            Answer::Nothing => (StatusCode::NO_CONTENT, Bytes::new()),
            Answer::Failed { head, body } => (head.status, body),
            Answer::Stream { .. } => {
                let refusal = Refusal::invalid("A line of a batch cannot be streamed.").param("stream");
                (refusal.status(), self.dialect.write_failure(&(&refusal).into(), &self.digest()))
            }
        };
        self.outcome = Some(Outcome::Answered { status, body });
    }

    fn answer(&self, behaviour: &Behaviour) -> Answer {
        let route = Route::of(&self.path, self.dialect);
        let digest = self.digest();
        let answered = match (ordered_failure(&self.body), &route.operation) {
            (Some(status), _) => Err(planned(&Fault { status, retry_after: None, after: None, first: None, key: "" })),
            (None, Some(operation)) => {
                let nonce = digest.get(..24).unwrap_or(&digest).to_owned();
                let asked =
                    Asked { query: None, content_type: None, body: &self.body, nonce, answered_in: self.answered_in };
                perform(route.dialect, operation, asked, behaviour, None)
            }
            (None, None) => {
                let nothing = format!("There is nothing at {}.", self.path);
                Err((&Refusal::new(Kind::NotFound, nothing)).into())
            }
        };
        answered.unwrap_or_else(|failure| Answer::failed(route.dialect, &failure, &digest))
    }
}

/// `fail:429` anywhere in a request has it fail with that status.
pub fn ordered_failure(body: &[u8]) -> Option<StatusCode> {
    const ORDER: &[u8] = b"fail:";
    memmem::find_iter(body, ORDER).find_map(|at| {
        let digits = body.get(at + ORDER.len()..at + ORDER.len() + 3)?;
        let status = StatusCode::from_bytes(digits).ok()?;
        (status.is_client_error() || status.is_server_error()).then_some(status)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_it_fails() {
        assert_eq!(ordered_failure(b"please fail:fast, then fail:429."), Some(StatusCode::TOO_MANY_REQUESTS));
        for text in ["", "fail:", "fail:42", "fail:200", "fail: 500"] {
            assert_eq!(ordered_failure(text.as_bytes()), None, "{text}");
        }
    }
}
