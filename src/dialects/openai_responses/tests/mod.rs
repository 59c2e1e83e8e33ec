//! The room as a whole: requests and answers there and back, streams cut anywhere.

mod answers;
mod losses;
mod requests;
mod streams;

use bytes::BytesMut;
use serde_json::Value;

use super::OpenaiResponses;
use crate::dialects::ir::{self, Event, Fold, Losses, Part};
use crate::dialects::{Asked, ClientDialect, Habits, ProviderDialect, Recipient, Reply};
use crate::error::Failure;
use crate::models::Facts;

fn read(body: &Value) -> Asked {
    OpenaiResponses.read_request(body.to_string().as_bytes()).expect("a request")
}

/// The body for a model, and what was left out.
fn write(request: &ir::Request, model: &str) -> (Value, Vec<String>) {
    let mut losses = Losses::new(OpenaiResponses.losses(), false);
    let recipient = Recipient { facts: Facts::of(model), habits: &Habits::OPENAI };
    let body = OpenaiResponses.write_request(request, &recipient, &mut losses).expect("a body");
    (serde_json::from_slice(&body).expect("JSON"), losses.finish().expect("nothing is refused"))
}

fn reply() -> Reply {
    Reply { model: "asked-for".to_owned(), nonce: "n0".to_owned(), created: 1_790_000_000, ..Reply::default() }
}

/// The events of a stream that comes in pieces of this size.
fn events(stream: &str, size: usize) -> Vec<Event> {
    crate::dialects::testing::events(&OpenaiResponses, stream.as_bytes().chunks(size))
}

fn fold(events: Vec<Event>) -> Result<ir::Response, Failure> {
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.push(event));
    fold.finish()
}

fn written(events: Vec<Event>, reply: &Reply) -> String {
    let (mut writer, mut out) = (OpenaiResponses.stream_writer(reply), BytesMut::new());
    events.into_iter().for_each(|event| writer.write(event, &mut out));
    String::from_utf8(out.to_vec()).expect("text")
}

/// The data of a stream's events; their names must be their types.
fn data(stream: &str) -> Vec<Value> {
    let events = stream.split_terminator("\n\n").map(|event| {
        let (name, data) = event.split_once('\n').expect("two lines");
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
        assert_eq!(name, format!("event: {}", data["type"].as_str().expect("a type")));
        data
    });
    events.collect()
}

/// A stream of these events.
fn stream(events: &[Value]) -> String {
    let one = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default());
    events.iter().map(one).collect()
}

/// What a message or an answer consists of, in short.
fn shown(parts: &[Part]) -> Vec<String> {
    let one = |part: &Part| match part {
        Part::Text(text) => format!("text {}", text.text),
        Part::Refusal(text) => format!("refusal {text}"),
        Part::Reasoning(reasoning) => format!(
            "{:?} {} {}",
            reasoning.kind,
            reasoning.text,
            reasoning.seal.as_ref().map(|seal| seal.value.as_str()).unwrap_or_default()
        ),
        Part::ToolCall(call) => format!("{:?} {} {} {}", call.kind, call.id, call.name, call.arguments),
        Part::ToolResult(result) => format!("result {} {}", result.call_id, shown(&result.content).join("+")),
        Part::Media(media) => format!("{:?} {:?} {:?}", media.kind, media.mime, media.source),
        Part::CachePoint(mark) => format!("cache {:?}", mark.ttl),
        Part::Opaque(opaque) => format!("opaque {} {}", opaque.name, opaque.value),
    };
    parts.iter().map(one).collect()
}
