//! Streams of providers.

use narthex::dialects::framing::sse::Sse;
use narthex::dialects::framing::{Frame, FrameKind};
use narthex::dialects::ir::{Event, Fold, event};
use narthex::dialects::{Dialect, EventReader};

use crate::{be_predictable, frames, providers, shown};

/// Whatever is read follows the grammar, and can be shown to every client. As server-sent events; for Converse, lines of an
/// event's type and payload.
pub fn streams(data: &[u8]) {
    let Some(events) = frames(&mut Sse::default(), &[data]) else { return };
    let lines: Vec<Frame> = data.split(|byte| *byte == b'\n').filter_map(line).collect();
    for (dialect, provider) in providers() {
        let frames = if dialect == Dialect::Converse { &lines } else { &events };
        be_predictable();
        check(provider.stream_reader(), frames);
    }
}

fn check(mut reader: Box<dyn EventReader>, frames: &[Frame]) {
    let mut events = Vec::new();
    frames.iter().for_each(|frame| reader.read(frame, &mut events));
    reader.end(&mut events);
    let told = events.len();
    reader.end(&mut events);
    frames.iter().for_each(|frame| reader.read(frame, &mut events));
    assert_eq!(events.len(), told, "nothing comes after the end");
    // One that says nothing at all may begin with its failure: the gateway begins it.
    if !matches!(events.first(), Some(Event::Start(_))) {
        events.insert(0, Event::Start(Default::default()));
    }
    event::check(&events).unwrap_or_else(|why| panic!("{why}"));
    shown::assert_stream(&events);
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.push(event));
    if let Ok(response) = fold.finish() {
        shown::assert_whole(&response);
    }
}

fn line(line: &[u8]) -> Option<Frame> {
    let at = line.iter().position(|byte| *byte == b' ')?;
    let (name, payload) = (line[..at].to_vec(), line[at + 1..].to_vec());
    Some(match name.strip_prefix(b"!") {
        Some(name) => Frame::new(FrameKind::Exception, name.to_vec(), payload),
        None => Frame::new(FrameKind::Event, name, payload),
    })
}
