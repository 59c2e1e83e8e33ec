//! Tests of the room as a whole, by what they are about.

mod answers;
mod losses;
mod requests;
mod streams;
mod writing;

use bytes::BytesMut;
use serde_json::Value;

use super::*;
use crate::dialects::Habits;
use crate::models::Facts;
use ir::{Event, Fold, Losses, Part, Request, Response};

fn read(body: &str) -> Request {
    Anthropic.read_request(body.as_bytes()).expect("a request").request
}

/// What is written of this for that model, and what is lost.
fn written(request: &Request, model: &str) -> (Value, Vec<String>) {
    let mut losses = Losses::new(Anthropic.losses(), false);
    let recipient = Recipient { facts: Facts::of(model), habits: &Habits::OPENAI };
    let body = Anthropic.write_request(request, &recipient, &mut losses).expect("a body");
    (serde_json::from_slice(&body).expect("JSON"), losses.finish().expect("no refusal"))
}

/// The events of a stream that came in pieces of this size.
fn events(stream: &str, size: usize) -> Vec<Event> {
    crate::dialects::testing::events(&Anthropic, stream.as_bytes().chunks(size))
}

fn fold(events: Vec<Event>) -> Response {
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.push(event));
    fold.finish().expect("no failure")
}

fn reply() -> Reply {
    Reply { model: "asked".to_owned(), nonce: "n1".to_owned(), ..Reply::default() }
}

/// A stream as a client gets it.
fn streamed_text(events: Vec<Event>) -> String {
    let mut writer = Anthropic.stream_writer(&reply());
    let mut out = BytesMut::new();
    events.into_iter().for_each(|event| writer.write(event, &mut out));
    String::from_utf8(out.to_vec()).expect("text")
}

/// The name and the data of each event of it.
fn streamed(events: Vec<Event>) -> Vec<(String, Value)> {
    let split = |event: &str| {
        let (name, data) = event.split_once('\n').expect("two lines");
        let name = name.strip_prefix("event: ").expect("a name").to_owned();
        (name, serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON"))
    };
    streamed_text(events).split_terminator("\n\n").map(split).collect()
}

fn parts(response: &Response) -> &[Part] {
    &response.choices[0].parts
}
