//! Events as a dialect's writer writes them, each on its own, and the failure in their midst that was ordered.

use super::super::answer::{Events, FindEnd};
use crate::dialects::EventWriter;
use crate::dialects::framing::sse;
use crate::dialects::ir::Event;
use crate::error::Failure;

/// How a stream is to break off.
pub struct Late {
    /// After so many events.
    pub after: usize,
    pub failure: Failure,
}

pub struct Frames {
    writer: Box<dyn EventWriter>,
    end: FindEnd,
    events: Events,
    late: Option<Late>,
    has_failed: bool,
}

/// What a frame usually takes at most.
const BYTES_EACH: usize = 320;

impl Frames {
    pub fn new(writer: Box<dyn EventWriter>, content_type: &str, expected: usize, late: Option<Late>) -> Self {
        let end: FindEnd = match content_type {
            "application/vnd.amazon.eventstream" => message_end,
            "application/json" => |_| None,
            _ => |text| sse::event_end(text, 0),
        };
        Self { writer, end, events: Events::with_capacity(expected, BYTES_EACH), late, has_failed: false }
    }

    pub fn put(&mut self, event: Event) {
        if self.has_failed {
            return;
        }
        self.write(event);
        if let Some(late) = self.late.take_if(|late| late.after <= self.events.len()) {
            self.write(Event::Failed(late.failure));
            self.write(Event::End);
            self.has_failed = true;
        }
    }

    pub fn into_events(self) -> Events {
        self.events
    }

    fn write(&mut self, event: Event) {
        let Self { writer, end, events, .. } = self;
        events.push_all(*end, |out| writer.write(event, out));
    }
}

/// The messages of Amazon's event streams begin with their length.
fn message_end(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_be_bytes(*bytes.first_chunk()?);
    usize::try_from(length).ok().filter(|end| (1..=bytes.len()).contains(end))
}
