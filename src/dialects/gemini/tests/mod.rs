//! Requests and answers in both directions.

mod answers;
mod history;
mod losses;
mod requests;
mod streams;

use crate::dialects::ir::{Event, Fold, Losses, Request, Response};
use crate::dialects::{Asked, Dialect, Habits, Recipient, Reply};
use crate::error::Failure;
use crate::models::Facts;

fn read(body: &str) -> Asked {
    Dialect::Gemini.client().read_request(body.as_bytes()).expect("a request")
}

/// What this model is sent, and what was left out.
fn write_to(model: &str, request: &Request) -> (String, Vec<String>) {
    let provider = Dialect::Gemini.provider();
    let habits = Habits { fetches_urls: false, ..Habits::OPENAI };
    let mut losses = Losses::new(provider.losses(), false);
    let recipient = Recipient { facts: Facts::of(model), habits: &habits };
    let body = provider.write_request(request, &recipient, &mut losses).expect("a body");
    (String::from_utf8(body.to_vec()).expect("text"), losses.finish().expect("no refusal"))
}

/// The events of a body that arrives in these pieces.
fn events_of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
    crate::dialects::testing::events(Dialect::Gemini.provider(), pieces)
}

fn fold(events: impl IntoIterator<Item = Event>) -> Result<Response, Failure> {
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.push(event));
    fold.finish()
}

fn reply() -> Reply {
    Reply { model: "gemini".to_owned(), nonce: "n1".to_owned(), shows_thoughts: true, ..Reply::default() }
}
