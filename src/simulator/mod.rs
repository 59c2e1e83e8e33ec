//! A model provider that needs no account, no key and no network: for trying things out, for tests, for benchmarks.
//!
//! What it answers is decided in `script` (from what was asked, never from chance) and how fast, or how badly, in
//! `behaviour`; neither knows a wire format. `conversation` answers in every dialect, by the readers and writers that the
//! gateway has for its clients; what OpenAI has beside them is in `openai`, and the lists of models are in `models`.
//! Files and batches are `kept`. All of them are plain functions from bytes to bytes: only `http` touches a connection, and only it waits.
//!
//! Nothing else of the gateway belongs here: the simulator stands where a provider stands, on the other side of a socket.

mod answer;
mod behaviour;
mod conversation;
mod discard;
mod headers;
mod http;
mod kept;
mod models;
mod openai;
mod perform;
mod routes;
mod schema;
mod script;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::http::{Method, StatusCode};
use async_trait::async_trait;
use log::debug;
use pingora_core::apps::{HttpPersistentSettings, HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;

use self::answer::Answer;
use self::behaviour::Fault;
pub use self::behaviour::{BadSetting, Behaviour};
use self::conversation::Late;
use self::http::{Body, Head, Outcome, Received};
use self::kept::{Call, Stock};
use self::perform::{Asked, perform};
use self::routes::{Operation, Route};
use crate::dialects::Dialect;
use crate::error::{Failure, Kind, Refusal};

/// The provider, ready to be given to a listening service. It speaks HTTP/1.1, and HTTP/2 without TLS (h2c).
pub fn app(defaults: Behaviour) -> Simulator {
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    Simulator { defaults, options, failed: Mutex::default(), stock: Stock::default() }
}

pub struct Simulator {
    defaults: Behaviour,
    options: HttpServerOptions,
    /// How often each `key` was made to fail so far; `fail-first` stops at its number.
    failed: Mutex<HashMap<String, u32>>,
    stock: Stock,
}

#[async_trait]
impl HttpServerApp for Simulator {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        match session.read_request().await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(e) => {
                debug!("simulator: cannot read a request: {e}");
                return None;
            }
        }
        let stopping = *shutdown.borrow();
        session.set_keepalive((!stopping).then_some(http::KEEPALIVE_SECONDS));

        match self.exchange(&mut session).await {
            Ok(Outcome::Answered) => {}
            // Dropping a session that has not been finished is what a vanishing peer looks like: a connection that
            // closes in mid-body on HTTP/1.1, a reset of the stream on HTTP/2.
            Ok(Outcome::Cut) => return None,
            Err(e) => {
                debug!("simulator: the exchange broke: {e}");
                return None;
            }
        }

        let settings = HttpPersistentSettings::for_session(&session);
        match session.finish().await {
            Ok(reusable) => reusable.map(|stream| ReusedHttpStream::from_reusable_stream(stream, settings)),
            Err(e) => {
                debug!("simulator: cannot finish an exchange: {e}");
                None
            }
        }
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.options)
    }
}

impl Simulator {
    async fn exchange(&self, session: &mut ServerSession) -> pingora_core::Result<Outcome> {
        let head = Head::of(session);
        let behaviour = self.behaviour(&head);
        let route = Route::of(&head.path, head.client);
        let limits = http::Limits::of(route.operation.as_ref(), behaviour.as_deref().unwrap_or(&self.defaults));
        let body = match http::receive(session, &limits).await? {
            Received::Body(body) => Ok(body),
            Received::Refused(refusal) => Err(refusal),
            Received::Cut => return Ok(Outcome::Cut),
        };
        let failed = |failure: &Failure| {
            let own = match &route.operation {
                Some(Operation::Kept(place)) => kept::failed(place, failure, head.id()),
                _ => None,
            };
            own.unwrap_or_else(|| Answer::failed(route.dialect, failure, head.id()))
        };
        let refused = |refusal: &Refusal| failed(&refusal.into());

        let (answer, behaviour) = match (behaviour, body, &route.operation) {
            (Err(bad), ..) => {
                let refusal = Refusal::invalid(format!("x-simulate: {bad}.")).param("x-simulate");
                (refused(&refusal), Cow::Borrowed(&self.defaults))
            }
            (Ok(behaviour), Err(refusal), _) => (refused(&refusal), behaviour),
            (Ok(behaviour), _, None) => (refused(&unknown_path(&head)), behaviour),
            (Ok(behaviour), _, Some(operation)) if !operation.methods().contains(&head.method) => {
                (wrong_method(route.dialect, operation, &head), behaviour)
            }
            (Ok(behaviour), Ok(body), Some(operation)) => {
                let answer = self.answer(route.dialect, operation, &head, &body, &behaviour);
                (answer.unwrap_or_else(|failure| failed(&failure)), behaviour)
            }
        };
        http::send(session, &head, answer, &behaviour, headers::of(route.dialect)).await
    }

    fn behaviour(&self, head: &Head) -> Result<Cow<'_, Behaviour>, BadSetting> {
        match &head.simulate {
            None => Ok(Cow::Borrowed(&self.defaults)),
            Some(header) => {
                let text = String::from_utf8_lossy(header.as_bytes());
                self.defaults.with(&text).map(Cow::Owned)
            }
        }
    }

    fn answer(
        &self,
        dialect: Dialect,
        operation: &Operation,
        head: &Head,
        body: &Body,
        behaviour: &Behaviour,
    ) -> Result<Answer, Failure> {
        let late = match (self.planned_failure(operation, behaviour), behaviour.error_after) {
            (Some(failure), Some(after)) if matches!(operation, Operation::Chat(_)) => Some(Late { after, failure }),
            (Some(failure), _) => return Err(failure),
            (None, _) => None,
        };
        match operation {
            Operation::Kept(place) => {
                let call = Call { head, body: &body.bytes, discarded: body.discarded, behaviour };
                kept::answer(&self.stock, place, &call).map_err(|refusal| Failure::from(&refusal))
            }
            Operation::Log => Ok(kept::log(&self.stock)),
            Operation::Token => Ok(Answer::json(&Token::default())),
            _ => {
                if let Some(status) = kept::ordered_failure(&body.bytes).filter(|_| operation.can_fail()) {
                    return Err(planned(&Fault { status, retry_after: None, after: None, first: None, key: "" }));
                }
                let (query, content_type) = (head.query.as_deref(), head.content_type.as_ref());
                let asked = Asked { query, content_type, body: &body.bytes, nonce: answer::nonce(), answered_in: None };
                perform(dialect, operation, asked, behaviour, late)
            }
        }
    }

    fn planned_failure(&self, operation: &Operation, behaviour: &Behaviour) -> Option<Failure> {
        let fault = behaviour.fault().filter(|_| operation.can_fail())?;
        if let Some(first) = fault.first {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            let count = failed.entry(fault.key.to_owned()).or_default();
            if *count >= first {
                return None;
            }
            *count += 1;
        }
        Some(planned(&fault))
    }
}

/// Any token will do here: this one is as good as any other.
#[derive(serde::Serialize)]
struct Token {
    access_token: &'static str,
    expires_in: u32,
    token_type: &'static str,
}

impl Default for Token {
    fn default() -> Self {
        Self { access_token: "simulated", expires_in: 3600, token_type: "Bearer" }
    }
}

fn unknown_path(head: &Head) -> Refusal {
    let Head { method, path, .. } = head;
    Refusal::new(Kind::NotFound, format!("There is nothing at {method} {path}.")).code("unknown_url")
}

fn wrong_method(dialect: Dialect, operation: &Operation, head: &Head) -> Answer {
    let Head { method, path, .. } = head;
    let allowed = match operation.methods() {
        [Method::GET] => "GET",
        [Method::POST] => "POST",
        [Method::DELETE] => "DELETE",
        [Method::GET, Method::DELETE] => "GET, DELETE",
        _ => "GET, POST",
    };
    let refusal = Refusal::new(Kind::MethodNotAllowed, format!("{path} takes {allowed}, not {method}."))
        .code("method_not_supported");
    Answer::failed(dialect, &Failure::from(&refusal), head.id()).with_header("allow", allowed)
}

/// A failure that was ordered, with the word for programs that OpenAI sends with such a status.
fn planned(fault: &Fault) -> Failure {
    let status = fault.status;
    let mut failure = Failure::new(status, format!("The simulator was told to fail with {status}."));
    failure.retry_after = fault.retry_after.map(|seconds| Duration::from_secs(seconds.into()));
    let code = match status {
        StatusCode::UNAUTHORIZED => Some("invalid_api_key"),
        StatusCode::PAYMENT_REQUIRED => Some("insufficient_quota"),
        StatusCode::TOO_MANY_REQUESTS => Some("rate_limit_exceeded"),
        _ => None,
    };
    failure.code = code.map(str::to_owned);
    failure
}
