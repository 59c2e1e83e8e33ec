//! A model provider that needs no account, no key and no network: for trying things out, for tests, for benchmarks.
//!
//! What it answers is decided in `script` (from what was asked, never from chance) and how fast, or how badly, in
//! `behaviour`; neither knows a wire format. The dialect folders read a request into a `script::Ask` and write a
//! `script::Script` as their dialect would. A new dialect is a folder beside `openai` and a line in `answer`.
//! Writers are plain functions from bytes to bytes: only `http` touches a connection, and only it waits.
//!
//! Nothing of the gateway belongs here: the simulator stands where a provider stands, on the other side of a socket.

mod answer;
mod behaviour;
mod http;
mod openai;
mod schema;
mod script;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use log::debug;
use pingora_core::apps::{HttpPersistentSettings, HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;

use answer::{Answer, Failure};
pub use behaviour::{BadSetting, Behaviour};
use http::{Outcome, Request};

/// The provider, ready to be given to a listening service. It speaks HTTP/1.1, and HTTP/2 without TLS (h2c).
pub fn app(defaults: Behaviour) -> Simulator {
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    Simulator { defaults, options, failed: Mutex::default() }
}

pub struct Simulator {
    defaults: Behaviour,
    options: HttpServerOptions,
    /// How often each `key` was made to fail so far; `fail-first` stops at its number.
    failed: Mutex<HashMap<String, u32>>,
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
        let (id, answer, behaviour) = match http::receive(session).await? {
            Err((id, failure)) => (id, openai::failure(&failure), Cow::Borrowed(&self.defaults)),
            Ok(request) => match self.behaviour(&request) {
                Err(bad) => {
                    let failure = Failure::invalid(format!("x-simulate: {bad}.")).at("x-simulate");
                    let answer = openai::failure(&failure);
                    (request.id, answer, Cow::Borrowed(&self.defaults))
                }
                Ok(behaviour) => {
                    let answer = self.answer(&request, &behaviour);
                    (request.id, answer, behaviour)
                }
            },
        };
        http::send(session, &id, answer, &behaviour, &openai::HEADERS).await
    }

    fn behaviour(&self, request: &Request) -> Result<Cow<'_, Behaviour>, BadSetting> {
        match &request.simulate {
            None => Ok(Cow::Borrowed(&self.defaults)),
            Some(header) => {
                let text = String::from_utf8_lossy(header.as_bytes());
                self.defaults.with(&text).map(Cow::Owned)
            }
        }
    }

    fn answer(&self, request: &Request, behaviour: &Behaviour) -> Answer {
        let answer = openai::Operation::of(&request.method, &request.path).and_then(|operation| {
            // Listing models does not fail on order: a gateway that looks around must not use up `fail-first`.
            if operation.calls_a_model()
                && let Some(failure) = self.planned_failure(behaviour)
            {
                return Err(failure);
            }
            operation.answer(request, behaviour)
        });
        answer.unwrap_or_else(|failure| openai::failure(&failure))
    }

    fn planned_failure(&self, behaviour: &Behaviour) -> Option<Failure> {
        let fault = behaviour.fault()?;
        if let Some(first) = fault.first {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            let count = failed.entry(fault.key.to_owned()).or_default();
            if *count >= first {
                return None;
            }
            *count += 1;
        }
        Some(Failure::planned(fault.status, fault.retry_after))
    }
}
