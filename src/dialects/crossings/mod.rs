//! Tests: what one dialect allows and another refuses, on its way from the one to the other.

mod answers;
mod requests;
mod tools;

use bytes::BytesMut;
use serde_json::Value;

use super::ir::{Event, Losses};
use super::{Dialect, Habits, Recipient, Reply};
use crate::models::Facts;

/// What a provider with these habits is sent for a client's request, and what was left out.
fn sent(from: Dialect, to: Dialect, model: &str, habits: &Habits, body: &Value) -> (Value, Vec<String>) {
    let asked = from.client().read_request(body.to_string().as_bytes()).expect("a request");
    let mut losses = Losses::new(&[], false);
    let recipient = Recipient { facts: Facts::of(model), habits };
    let body = to.provider().write_request(&asked.request, &recipient, &mut losses).expect("a body");
    (serde_json::from_slice(&body).expect("JSON"), losses.finish().expect("no refusal"))
}

/// The events of a provider's stream.
fn events(from: Dialect, body: &str) -> Vec<Event> {
    crate::dialects::testing::events(from.provider(), [body.as_bytes()])
}

/// What a client hears of a provider's stream.
fn heard(from: Dialect, to: Dialect, body: &str) -> String {
    let mut writer = to.client().stream_writer(&Reply { counts_stream: true, ..Reply::default() });
    let mut out = BytesMut::new();
    events(from, body).into_iter().for_each(|event| writer.write(event, &mut out));
    String::from_utf8(out.to_vec()).expect("text")
}
