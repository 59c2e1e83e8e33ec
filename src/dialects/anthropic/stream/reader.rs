//! A provider's stream → events.

use super::super::answer::{Assembly, Counts, Incoming, Message, RawDelta, finish, read_if_fits};
use super::super::failure;
use crate::dialects::framing::Frame;
use crate::dialects::wire::{TextOr, from_slice};
use crate::dialects::{EventReader, ir};
use crate::error::{Failure, Garbled, Kind};
use ir::{Event, Finish, Reason, Start};

#[derive(Debug, Default)]
pub struct Reader {
    stage: Stage,
    assembly: Assembly,
    /// The provider's number of the open block.
    index: Option<u64>,
    counts: Counts,
    finish: Option<Finish>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Before,
    Running,
    Ended,
}

impl EventReader for Reader {
    fn read(&mut self, frame: &Frame, events: &mut Vec<Event>) {
        // Some end a stream as OpenAI does, and some keep it alive with nothing.
        if self.stage == Stage::Ended || frame.data.is_empty() || *frame.data == *b"[DONE]" {
            return;
        }
        match from_slice::<Incoming<'_>>(&frame.data) {
            Ok(event) => self.event(event, frame, events),
            Err(_) => {
                let garbled = Garbled::new("an event of its stream is no JSON, or has another shape than it should");
                self.fail(garbled.into(), events);
            }
        }
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        if self.stage == Stage::Ended {
            return;
        }
        if self.finish.is_some() {
            return self.complete(events);
        }
        let what = "The provider's stream broke off before the answer was complete.";
        self.fail(Failure::of_kind(Kind::Upstream, what), events);
    }
}

impl Reader {
    fn event(&mut self, event: Incoming<'_>, frame: &Frame, events: &mut Vec<Event>) {
        let Incoming { kind, index, message, content_block, delta, usage, error } = event;
        match kind.as_deref().unwrap_or(frame.name()) {
            "message_start" => self.begin(read_if_fits(message).unwrap_or_default(), events),
            "content_block_start" => {
                self.start(Message::default(), events);
                self.index = index.or(self.index);
                if let Some(block) = content_block {
                    self.assembly.begin(block, events);
                }
            }
            "content_block_delta" => {
                self.start(Message::default(), events);
                if index.is_some() && index != self.index {
                    self.assembly.end(events);
                    self.index = index;
                }
                let raw = || Some(serde_json::from_slice::<RawDelta<'_>>(&frame.data).ok()?.delta.to_owned());
                let Some(delta) = delta else { return };
                if let Err(why) = self.assembly.piece(delta, raw, events) {
                    self.fail(Garbled::new(why).into(), events);
                }
            }
            "content_block_stop" if index.is_none() || index == self.index => self.assembly.end(events),
            "message_delta" => {
                self.counts.update(read_if_fits(usage).unwrap_or_default());
                let Some(delta) = delta.filter(|delta| delta.stop_reason.is_some()) else { return };
                let details = read_if_fits(delta.stop_details);
                self.finish = Some(finish(delta.stop_reason.as_deref(), delta.stop_sequence, details));
            }
            "message_stop" => self.complete(events),
            "error" => {
                let what = "The provider broke off and did not say why.";
                let failure = error.map_or_else(|| Failure::of_kind(Kind::Upstream, what), failure::of_event);
                self.fail(failure, events);
            }
            // `ping`, and whatever comes next; an error that does not call itself an event.
            _ => {
                if let Some(error) = error {
                    self.fail(failure::of_event(error), events);
                }
            }
        }
    }

    fn begin(&mut self, mut message: Message<'_>, events: &mut Vec<Event>) {
        // A proxy that tries again in the middle of an answer: what was told cannot be taken back.
        if self.assembly.is_in_call() {
            return self.fail(Garbled::new("it began anew in the middle of a call").into(), events);
        }
        self.assembly.end(events);
        self.counts.update(message.usage.take().unwrap_or_default());
        let content = message.content.take();
        self.start(message, events);
        // Calls that a server tool made come with the start of the message that tells of them.
        if let Some(TextOr::List(blocks)) = content {
            blocks.into_iter().for_each(|block| self.assembly.begin(block, events));
            self.assembly.end(events);
        }
    }

    fn start(&mut self, mut message: Message<'_>, events: &mut Vec<Event>) {
        if self.stage == Stage::Before {
            self.stage = Stage::Running;
            let usage = self.counts.usage();
            events.push(Event::Start(Start { usage, service_tier: self.counts.tier(), ..message.start() }));
        }
    }

    fn complete(&mut self, events: &mut Vec<Event>) {
        self.start(Message::default(), events);
        self.assembly.end(events);
        let mut finish = self.finish.take().unwrap_or_default();
        if self.assembly.has_call && finish.reason == Reason::Stop {
            finish.reason = Reason::ToolCalls;
        }
        events.push(Event::Finish(0, finish));
        events.extend(self.counts.usage().map(Event::Usage));
        events.push(Event::End);
        self.stage = Stage::Ended;
    }

    fn fail(&mut self, failure: Failure, events: &mut Vec<Event>) {
        self.start(Message::default(), events);
        events.extend([Event::Failed(failure), Event::End]);
        self.stage = Stage::Ended;
    }
}
