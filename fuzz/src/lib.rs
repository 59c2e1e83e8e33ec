//! What must hold of any bytes. Each function is a fuzz target; every input goes to all dialects, so that the transcripts and
//! requests in `tests/golden` are seeds as they are.

mod answers;
mod requests;
mod shown;
mod streams;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode};
use narthex::dialects::framing::event_stream::{EventStream, write_frame};
use narthex::dialects::framing::sse::Sse;
use narthex::dialects::framing::{Frame, FrameKind, Framing};
use narthex::dialects::think_tags::ThinkTags;
use narthex::dialects::{Dialect, ProviderDialect};
use narthex::json::Object;
use narthex::payload::Payload;
use narthex::rewrite::{Forward, Rewrite, SplitThoughts, WithoutUsage};
use narthex::rope::Rope;

pub use answers::answers;
pub use requests::requests;
pub use streams::streams;

/// The same frames wherever the bytes are cut, or the same complaint.
pub fn framings(data: &[u8]) {
    let (cut, data) = cut(data);
    let in_two = |first: &mut dyn Framing, second: &mut dyn Framing| {
        let (left, right) = data.split_at(cut);
        assert_eq!(frames(first, &[left, right]), frames(second, &[data]));
    };
    in_two(&mut Sse::default(), &mut Sse::default());
    in_two(&mut EventStream::default(), &mut EventStream::default());
    // What we write is read.
    let mut out = BytesMut::new();
    write_frame(&mut out, FrameKind::Event, "x", Bytes::copy_from_slice(data));
    let read = frames(&mut EventStream::default(), &[&out]).expect("a frame");
    assert_eq!(read, [Frame::new(FrameKind::Event, "x", Bytes::copy_from_slice(data))]);
}

/// Errors of every sort can be told to every client. The first line is a header's value.
pub fn failures(data: &[u8]) {
    let mut lines = data.splitn(2, |byte| *byte == b'\n');
    let (first, body) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(first) {
        for name in ["retry-after", "retry-after-ms", "x-amzn-errortype", "x-should-retry", "request-id"] {
            headers.insert(name, value.clone());
        }
    }
    let statuses = [200, 400, 404, 429, 500, 503, 529].map(|code| StatusCode::from_u16(code).expect("a status"));
    for provider in Dialect::ALL {
        for status in statuses {
            let failure = provider.provider().read_failure(status, &headers, body);
            assert!(failure.status.as_u16() >= 400, "{failure:?}");
            for client in Dialect::ALL {
                shown::assert_json(&client.write_failure(&failure, "r"));
                client.write_failure_event(&failure, "r");
            }
        }
    }
}

/// Bodies that are forwarded.
pub fn bodies(data: &[u8]) {
    let (cut, data) = cut(data);
    let (left, right) = data.split_at(cut);
    let rope: Rope = [left, right].into_iter().map(Bytes::copy_from_slice).collect();
    let in_two = Object::read(rope.clone()).map(|object| members(&object));
    let whole = Object::read(Bytes::copy_from_slice(data)).map(|object| members(&object));
    assert_eq!(in_two, whole);
    if serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(data).is_ok() {
        assert!(whole.is_ok(), "JSON is refused");
    }
    if let Ok(payload) = Payload::read("application/json", rope.clone()) {
        assert_eq!(payload.outgoing(None, |_, _| {}), data);
        let _ = (payload.model().is_ok(), payload.wants_stream());
        let edited = payload.outgoing(Some("m"), |object, edits| edits.set(object, "stream", "true"));
        Object::read(edited).expect("an object");
    }
    let _ = Payload::read("multipart/form-data; boundary=x", rope);
    for rewrite in [&mut Forward::default() as &mut dyn Rewrite, &mut WithoutUsage::default()] {
        let mut out = rewrite.push(Bytes::copy_from_slice(left)).to_vec();
        out.extend(rewrite.push(Bytes::copy_from_slice(right)));
        out.extend(rewrite.finish().expect("no failure"));
        assert!(out.len() <= data.len());
    }
    for is_stream in [true, false] {
        let through = |pieces: &[&[u8]]| {
            let mut rewrite = SplitThoughts::new(Box::<Forward>::default(), is_stream);
            let mut out: Vec<u8> =
                pieces.iter().flat_map(|piece| rewrite.push(Bytes::copy_from_slice(piece))).collect();
            out.extend(rewrite.finish().expect("no failure"));
            out
        };
        assert_eq!(through(&[left, right]), through(&[data]));
    }
}

fn members(object: &Object) -> Vec<(String, Vec<u8>)> {
    object.members().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

/// The first two bytes say where the rest is cut.
fn cut(data: &[u8]) -> (usize, &[u8]) {
    match data {
        [high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])) % (rest.len() + 1), rest),
        rest => (0, rest),
    }
}

fn frames(framing: &mut dyn Framing, pieces: &[&[u8]]) -> Option<Vec<Frame>> {
    let mut frames = Vec::new();
    for piece in pieces {
        framing.push(piece);
        while let Some(frame) = framing.next().ok()? {
            frames.push(frame);
        }
    }
    frames.extend(framing.finish().ok()?);
    Some(frames)
}

/// Ids that are made up are the same every time.
fn be_predictable() {
    fastrand::seed(7);
}

fn providers() -> impl Iterator<Item = (Dialect, &'static dyn ProviderDialect)> {
    let tagged = (Dialect::OpenaiChat, Dialect::OpenaiChat.provider_with(ThinkTags::Split));
    Dialect::ALL.iter().map(|dialect| (*dialect, dialect.provider())).chain([tagged])
}
