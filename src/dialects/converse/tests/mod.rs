//! What the room does as a whole, with requests and answers made up for it.

mod answers;
mod losses;
mod requests;
mod streams;

use bytes::BytesMut;

use super::Converse;
use crate::dialects::framing::event_stream::write_frame;
use crate::dialects::framing::{Frame, FrameKind};
use crate::dialects::ir::{self, Event, Fold, Losses};
use crate::dialects::{Asked, ClientDialect, EventWriter, Habits, ProviderDialect, Recipient, Reply};
use crate::error::{Failure, Refusal};
use crate::models::Facts;

fn read_request(body: &str) -> Asked {
    Converse.read_request(body.as_bytes()).expect("a request")
}

/// The body that a provider gets for this model, and the names of what was left out.
fn write_request(request: &ir::Request) -> Result<(String, Vec<String>), Refusal> {
    let mut losses = Losses::new(Converse.losses(), false);
    let recipient = Recipient { facts: Facts::of(&request.model), habits: &Habits::OPENAI };
    let body = Converse.write_request(request, &recipient, &mut losses)?;
    losses.finish().map(|dropped| (String::from_utf8(body.to_vec()).expect("text"), dropped))
}

/// A stream of these events' types and payloads.
fn stream(events: &[(&'static str, &'static str)]) -> BytesMut {
    let mut out = BytesMut::new();
    for (name, payload) in events {
        let kind = if name.ends_with("Exception") { FrameKind::Exception } else { FrameKind::Event };
        write_frame(&mut out, kind, name, *payload);
    }
    out
}

/// The events of a stream that comes in these pieces; they follow the grammar.
fn events(pieces: &[&[u8]]) -> Vec<Event> {
    let events = crate::dialects::testing::events(&Converse, pieces.iter().copied());
    ir::event::check(&events).expect("the grammar");
    events
}

fn fold(events: Vec<Event>) -> Result<ir::Response, Failure> {
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.push(event));
    fold.finish()
}

/// What the client gets for these events.
fn written(events: Vec<Event>) -> BytesMut {
    let mut writer: Box<dyn EventWriter> = Converse.stream_writer(&Reply::default());
    let mut out = BytesMut::new();
    events.into_iter().for_each(|event| writer.write(event, &mut out));
    out
}

/// The frames of a stream: their types and payloads.
fn frames(stream: &[u8]) -> Vec<(String, String)> {
    let mut framing = Converse.framing();
    framing.push(stream);
    let shown = |frame: Frame| (frame.name().to_owned(), String::from_utf8_lossy(&frame.data).into_owned());
    std::iter::from_fn(|| framing.next().expect("frames")).map(shown).collect()
}
