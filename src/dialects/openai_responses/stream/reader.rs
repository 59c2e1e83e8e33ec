//! A provider's stream of events → events of the canonical form.
//!
//! Servers that only resemble OpenAI's leave events out: whatever tells a text, a call or an item as a whole is compared with
//! what was told of it before, and the rest is told then.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::block::{Of, Spot};
use super::told::Told;
use super::wire::{Event as Wire, read};
use crate::dialects::EventReader;
use crate::dialects::framing::Frame;
use crate::dialects::ir::{CallKind, Event, Finish, Json, Reason, ReasoningKind, Start};
use crate::dialects::openai_responses::answer::wire::{Content, Item, Response, annotation};
use crate::dialects::openai_responses::failure;
use crate::dialects::wire::from_slice;
use crate::error::{Failure, Garbled, Kind};

#[derive(Debug, Default)]
pub struct Reader {
    stage: Stage,
    told: Told,
    /// Events of other items that came while a call was not complete.
    held: Vec<Bytes>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Before,
    Running,
    Ended,
}

impl EventReader for Reader {
    fn read(&mut self, frame: &Frame, events: &mut Vec<Event>) {
        let data = frame.data.trim_ascii();
        if self.stage != Stage::Ended && !data.is_empty() && data != b"[DONE]" {
            self.event(&frame.data, frame.name(), events);
        }
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        if self.stage != Stage::Ended {
            let message = "The provider broke off before its answer was complete.";
            self.fail(Failure::of_kind(Kind::Upstream, message), events);
        }
    }
}

impl Reader {
    /// Tells an answer that came as a whole.
    pub fn whole(&mut self, response: &Response<'_>, events: &mut Vec<Event>) {
        self.start(response.start(), events);
        self.finish(response, events);
    }

    fn event(&mut self, data: &Bytes, name: &str, events: &mut Vec<Event>) {
        let mut event: Wire<'_> = match from_slice(data) {
            Ok(event) => event,
            Err(why) => {
                let garbled = Garbled::new(format!("an event of the stream is no JSON object ({why})"));
                return self.fail(garbled.into(), events);
            }
        };
        let kind = event.kind.take();
        let kind = kind.as_deref().unwrap_or(name);
        let index = event.output_index.map(|index| index.0);
        if index.is_some() && self.told.blocks.is_waiting_for_another(index) {
            return self.held.push(data.clone());
        }
        match kind {
            "response.created" | "response.queued" | "response.in_progress" => {
                self.start(response(event.response).start(), events);
            }
            "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled" => {
                self.last(kind, &response(event.response), events);
            }
            "error" => self.fail_as_told(data, events),
            _ if kind.starts_with("response.") => {
                self.start(Start::default(), events);
                self.piece(kind, index.unwrap_or_default(), event, events);
            }
            _ if event.error.is_some() => self.fail_as_told(data, events),
            // A sign of life.
            _ => {}
        }
    }

    /// An event about an item.
    fn piece(&mut self, kind: &str, item: u64, event: Wire<'_>, events: &mut Vec<Event>) {
        let told = &mut self.told;
        let part = event.content_index.unwrap_or_default().0;
        let words = Spot { item, part, of: Of::Words };
        let raw = Spot { of: Of::Reasoning(ReasoningKind::Raw), ..words };
        let part = event.summary_index.unwrap_or_default().0;
        let summary = Spot { item, part, of: Of::Reasoning(ReasoningKind::Summary) };
        let (function, custom) = (Spot::call(item, CallKind::Function), Spot::call(item, CallKind::Custom));
        let delta = event.delta.unwrap_or_default();
        let id = event.item_id.as_deref();
        match kind {
            "response.output_text.delta" => told.words(words, delta, logprobs(event.logprobs), events),
            "response.refusal.delta" => told.refusal(words, delta, events),
            "response.reasoning_text.delta" => told.thought(raw, delta, id, events),
            "response.reasoning_summary_text.delta" => told.thought(summary, delta, id, events),
            "response.function_call_arguments.delta" => told.blocks.argue(function, delta, events),
            "response.custom_tool_call_input.delta" => told.blocks.argue(custom, delta, events),
            "response.function_call_arguments.done" => {
                told.blocks.argue_whole(function, &event.arguments.unwrap_or_default(), events);
            }
            "response.custom_tool_call_input.done" => {
                told.blocks.argue_whole(custom, &event.input.unwrap_or_default(), events);
            }
            "response.reasoning_text.done" => told.thoughts(raw, event.text.unwrap_or_default(), id, events),
            "response.reasoning_summary_text.done" => {
                told.thoughts(summary, event.text.unwrap_or_default(), id, events);
            }
            "response.output_text.annotation.added" => {
                if let Some(one) = read::<Json>(event.annotation) {
                    told.annotation(words, annotation(one), events);
                }
            }
            "response.content_part.done" => {
                if let Some(content) = read::<Content>(event.part) {
                    told.content(item, words.part, content, id, events);
                }
            }
            "response.output_item.added" => {
                if let Some(added) = read::<Item>(event.item) {
                    told.added(item, &added, events);
                }
            }
            "response.output_item.done" => {
                if let Some(raw) = event.item {
                    told.done(item, raw, events);
                    self.release(events);
                }
            }
            // What the parts and items tell as they end, how far a server's tool has come, what nobody has heard of yet.
            _ => {}
        }
    }

    fn start(&mut self, start: Start, events: &mut Vec<Event>) {
        if self.stage == Stage::Before {
            self.stage = Stage::Running;
            events.push(Event::Start(start));
        }
    }

    /// Tells what was held back while a call was not complete.
    fn release(&mut self, events: &mut Vec<Event>) {
        for data in std::mem::take(&mut self.held) {
            if self.stage != Stage::Ended {
                self.event(&data, "", events);
            }
        }
    }

    fn last(&mut self, kind: &str, response: &Response<'_>, events: &mut Vec<Event>) {
        self.start(response.start(), events);
        let has_failed = matches!(kind, "response.failed" | "response.cancelled")
            || matches!(response.status.as_deref(), Some("failed" | "cancelled"));
        if has_failed {
            let failure = response.error.map(|error| failure::of_error(error.get().as_bytes()));
            let nameless = || Failure::of_kind(Kind::Upstream, "The provider gave its answer up without saying why.");
            return self.fail(failure.unwrap_or_else(nameless), events);
        }
        // A call that was never completed does not keep the others from being told.
        while !self.held.is_empty() && self.stage != Stage::Ended {
            self.told.end_open(response.output.as_deref().unwrap_or_default(), events);
            self.release(events);
        }
        if self.stage != Stage::Ended {
            self.finish(response, events);
        }
    }

    fn finish(&mut self, response: &Response<'_>, events: &mut Vec<Event>) {
        self.told.all(response.output.as_deref().unwrap_or_default(), events);
        let details = response.incomplete_details.as_ref();
        let reason = match (response.status.as_deref(), details.and_then(|details| details.reason.as_deref())) {
            (_, Some("content_filter")) => Reason::Filtered,
            (_, Some("max_output_tokens")) | (Some("incomplete"), _) => Reason::Length,
            _ if self.told.blocks.has_call => Reason::ToolCalls,
            _ => Reason::Stop,
        };
        self.stage = Stage::Ended;
        events.push(Event::Finish(0, Finish::from(reason)));
        events.extend(response.usage().map(Event::Usage));
        events.push(Event::End);
    }

    /// The event is an error, or has one.
    fn fail_as_told(&mut self, data: &[u8], events: &mut Vec<Event>) {
        self.fail(failure::of_error(data), events);
    }

    fn fail(&mut self, failure: Failure, events: &mut Vec<Event>) {
        self.start(Start::default(), events);
        self.stage = Stage::Ended;
        events.extend([Event::Failed(failure), Event::End]);
    }
}

/// The response object of an event; without one there is nothing to know but the event itself.
fn response(raw: Option<&RawValue>) -> Response<'_> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

fn logprobs(raw: Option<&RawValue>) -> Vec<Json> {
    // Nearly always there are none.
    read(raw.filter(|raw| raw.get() != "[]")).unwrap_or_default()
}
