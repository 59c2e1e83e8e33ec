//! A provider's stream of events → events of the canonical form.
//!
//! Servers that only resemble OpenAI's leave events out: whatever tells a text, a call or an item as a whole is compared with
//! what was told of it before, and the rest is told then.

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

use super::block::{Blocks, Of, Spot};
use super::wire::{Event as Wire, read};
use crate::dialects::framing::Frame;
use crate::dialects::ir::{
    CallKind, Event, Finish, Json, Media, MediaKind, Opaque, Part, Reason, Reasoning, ReasoningKind, Seal, Source,
    Start, Text, ToolCall,
};
use crate::dialects::openai_responses::answer::wire::{Content, Item, Response, annotation};
use crate::dialects::openai_responses::failure;
use crate::dialects::wire::TextOr;
use crate::dialects::{Dialect, EventReader};
use crate::error::{Failure, Garbled, Kind};

#[derive(Debug, Default)]
pub struct Reader {
    stage: Stage,
    blocks: Blocks,
    /// The items that were told, by their index, and whether they were told to their end.
    items: Vec<(u64, bool)>,
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
        if self.stage == Stage::Ended || data.is_empty() || data == b"[DONE]" {
            return;
        }
        self.event(&frame.data, frame.name(), events);
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        if self.stage != Stage::Ended {
            self.fail(
                Failure::of_kind(Kind::Upstream, "The provider broke off before its answer was complete."),
                events,
            );
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
        let event: Wire<'_> = match serde_json::from_slice(data) {
            Ok(event) => event,
            Err(why) => {
                let garbled = Garbled::new(format!("an event of the stream is no JSON object ({why})"));
                return self.fail(garbled.into(), events);
            }
        };
        let kind = event.kind().unwrap_or(name);
        let index = event.output_index();
        if index.is_some() && self.blocks.is_waiting_for_another(index) {
            return self.held.push(data.clone());
        }
        let item = index.unwrap_or_default();
        let part = |member| read(member).unwrap_or_default();
        let words = Spot { item, part: part(event.content_index), of: Of::Words };
        match kind {
            "response.output_text.delta" => {
                self.touch(item, events);
                self.blocks.tell(words, read(event.delta).unwrap_or_default(), text, events);
                self.blocks.logprobs(words, logprobs(event.logprobs), events);
            }
            "response.refusal.delta" => {
                self.touch(item, events);
                self.blocks.tell(words, read(event.delta).unwrap_or_default(), refusal, events);
            }
            "response.output_text.done" => {
                self.touch(item, events);
                self.blocks.fill(words, read(event.text).unwrap_or_default(), text, events);
                self.blocks.logprobs_whole(words, logprobs(event.logprobs), events);
            }
            "response.refusal.done" => {
                self.touch(item, events);
                self.blocks.fill(words, read(event.refusal).unwrap_or_default(), refusal, events);
            }
            "response.output_text.annotation.added" => {
                if let Some(raw) = read::<Json>(event.annotation) {
                    self.touch(item, events);
                    self.blocks.annotate_more(words, annotation(raw), text, events);
                }
            }
            "response.content_part.done" | "response.reasoning_summary_part.done" => {
                if let Some(content) = read::<Content>(event.part) {
                    self.touch(item, events);
                    let part = part(event.summary_index.or(event.content_index));
                    self.content(item, part, content, read(event.item_id).as_ref(), events);
                }
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_summary_text.done" => {
                let spot = Spot { part: part(event.summary_index), of: Of::Reasoning(ReasoningKind::Summary), ..words };
                self.thought(spot, &event, events);
            }
            "response.reasoning_text.delta" | "response.reasoning_text.done" => {
                self.thought(Spot { of: Of::Reasoning(ReasoningKind::Raw), ..words }, &event, events);
            }
            "response.output_item.added" => {
                if let Some(added) = read::<Item>(event.item) {
                    self.added(item, &added, events);
                }
            }
            "response.function_call_arguments.delta" => {
                self.blocks.argue(call_spot(item, CallKind::Function), read(event.delta).unwrap_or_default(), events);
            }
            "response.custom_tool_call_input.delta" => {
                self.blocks.argue(call_spot(item, CallKind::Custom), read(event.delta).unwrap_or_default(), events);
            }
            "response.function_call_arguments.done" => {
                let whole = read::<String>(event.arguments).unwrap_or_default();
                self.blocks.argue_whole(call_spot(item, CallKind::Function), &whole, events);
            }
            "response.custom_tool_call_input.done" => {
                let whole = read::<String>(event.input).unwrap_or_default();
                self.blocks.argue_whole(call_spot(item, CallKind::Custom), &whole, events);
            }
            "response.output_item.done" => {
                if let Some(raw) = event.item {
                    self.done(item, raw, events);
                    self.release(events);
                }
            }
            "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled" => {
                let response = event.response.and_then(|raw| serde_json::from_str::<Response<'_>>(raw.get()).ok());
                self.last(kind, &response.unwrap_or_default(), events);
            }
            "response.created" | "response.queued" | "response.in_progress" => {
                let response = event.response.and_then(|raw| serde_json::from_str::<Response<'_>>(raw.get()).ok());
                self.start(response.unwrap_or_default().start(), events);
            }
            _ if kind == "error" || event.error.is_some() => {
                let told: Value = serde_json::from_slice(data).unwrap_or_default();
                self.fail(failure::of_value(&told), events);
            }
            // How far a server's tool has come, or what nobody has heard of yet.
            _ => {}
        }
    }

    fn start(&mut self, start: Start, events: &mut Vec<Event>) {
        if self.stage == Stage::Before {
            self.stage = Stage::Running;
            events.push(Event::Start(start));
        }
    }

    /// An item is told.
    fn touch(&mut self, item: u64, events: &mut Vec<Event>) {
        self.start(Start::default(), events);
        if !self.items.iter().any(|(index, _)| *index == item) {
            self.items.push((item, false));
        }
    }

    fn thought(&mut self, spot: Spot, event: &Wire<'_>, events: &mut Vec<Event>) {
        self.touch(spot.item, events);
        let begin = || reasoning(spot.of, read(event.item_id));
        match read(event.delta) {
            Some(more) => self.blocks.tell(spot, more, begin, events),
            None => self.blocks.fill(spot, read(event.text).unwrap_or_default(), begin, events),
        }
    }

    fn added(&mut self, index: u64, item: &Item, events: &mut Vec<Event>) {
        let kind = match item.kind.as_deref() {
            Some("function_call") => CallKind::Function,
            Some("custom_tool_call") => CallKind::Custom,
            _ => return,
        };
        // Without a name nothing can be called: perhaps the item has one when it is complete.
        if let (Some(id), Some(name)) = (&item.call_id, &item.name)
            && !id.is_empty()
            && !name.is_empty()
        {
            self.touch(index, events);
            self.blocks.call(call_spot(index, kind), || called(id.clone(), name.clone(), kind), events);
        }
    }

    /// An item is known as a whole.
    fn done(&mut self, index: u64, raw: &RawValue, events: &mut Vec<Event>) {
        self.touch(index, events);
        match self.items.iter_mut().find(|(item, _)| *item == index) {
            Some((_, is_done)) if *is_done => return,
            Some((_, is_done)) => *is_done = true,
            None => {}
        }
        let item: Item = serde_json::from_str(raw.get()).unwrap_or_default();
        let id = item.id.as_ref();
        match item.kind.as_deref() {
            Some("message") => match item.content {
                Some(TextOr::List(list)) => {
                    for (part, content) in (0..).zip(list) {
                        self.content(index, part, content, id, events);
                    }
                }
                Some(TextOr::Text(text)) => {
                    let content = Content { text: Some(text), ..Content::default() };
                    self.content(index, 0, content, id, events);
                }
                None => {}
            },
            Some("reasoning") => self.reasoned(index, item, events),
            Some("function_call") => self.called(index, &item, CallKind::Function, events),
            Some("custom_tool_call") => self.called(index, &item, CallKind::Custom, events),
            Some("image_generation_call") if item.result.as_ref().is_some_and(|data| !data.is_empty()) => {
                self.blocks.whole(drawn(item), events);
            }
            Some(_) => {
                let name = item.kind.unwrap_or_default();
                let opaque = Opaque { dialect: Dialect::OpenaiResponses, name, value: raw.to_owned() };
                self.blocks.whole(Part::Opaque(opaque), events);
            }
            None => {}
        }
        self.blocks.close_item(index, events);
    }

    /// A part of a message or of reasoning is known as a whole.
    fn content(&mut self, item: u64, part: u64, content: Content, id: Option<&String>, events: &mut Vec<Event>) {
        let words = Spot { item, part, of: Of::Words };
        let Content { kind, text: told, refusal: refused, annotations, logprobs } = content;
        let thought = match kind.as_deref() {
            Some("summary_text") => ReasoningKind::Summary,
            Some("reasoning_text") => ReasoningKind::Raw,
            Some("refusal") => {
                self.blocks.fill(words, refused.unwrap_or_default(), refusal, events);
                return self.blocks.close_spot(words, events);
            }
            _ => {
                self.blocks.fill(words, told.unwrap_or_default(), text, events);
                self.blocks.logprobs_whole(words, logprobs.unwrap_or_default(), events);
                let annotations = annotations.unwrap_or_default().into_iter().map(annotation).collect();
                self.blocks.annotate(words, annotations, events);
                return self.blocks.close_spot(words, events);
            }
        };
        let spot = Spot { of: Of::Reasoning(thought), ..words };
        self.blocks.fill(spot, told.unwrap_or_default(), || reasoning(spot.of, id.cloned()), events);
    }

    fn reasoned(&mut self, index: u64, item: Item, events: &mut Vec<Event>) {
        let id = item.id;
        if let Some(TextOr::List(list)) = item.content {
            for (part, content) in (0..).zip(list) {
                let content = Content { kind: Some("reasoning_text".to_owned()), ..content };
                self.content(index, part, content, id.as_ref(), events);
            }
        }
        for (part, content) in (0..).zip(item.summary.unwrap_or_default()) {
            let content = Content { kind: Some("summary_text".to_owned()), ..content };
            self.content(index, part, content, id.as_ref(), events);
        }
        if let Some(sealed) = item.encrypted_content.filter(|sealed| !sealed.is_empty()) {
            let seal = Seal::signature(Dialect::OpenaiResponses, sealed);
            self.blocks.seal(index, seal, || reasoning(Of::Reasoning(ReasoningKind::Summary), id), events);
        }
    }

    fn called(&mut self, index: u64, item: &Item, kind: CallKind, events: &mut Vec<Event>) {
        let Some(name) = item.name.clone().filter(|name| !name.is_empty()) else { return };
        let spot = call_spot(index, kind);
        let id = || item.call_id.clone().filter(|id| !id.is_empty()).unwrap_or_else(invented);
        self.blocks.call(spot, || called(id(), name, kind), events);
        let whole = match kind {
            CallKind::Function => item.arguments(),
            CallKind::Custom => item.input.clone().unwrap_or_default(),
        };
        self.blocks.argue_whole(spot, &whole, events);
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
            let failure = response.error.map(failure::of_error);
            let nameless = || Failure::of_kind(Kind::Upstream, "The provider gave its answer up without saying why.");
            return self.fail(failure.unwrap_or_else(nameless), events);
        }
        // A call that was never completed does not keep the others from being told.
        while !self.held.is_empty() && self.stage != Stage::Ended {
            self.blocks.close(events);
            self.release(events);
        }
        if self.stage != Stage::Ended {
            self.finish(response, events);
        }
    }

    fn finish(&mut self, response: &Response<'_>, events: &mut Vec<Event>) {
        let output = response.output.as_deref().unwrap_or_default();
        // Some servers number their items otherwise than the answer does: then only what is surely missing is added.
        let has_more = output.len() > self.items.len();
        for (index, raw) in (0..).zip(output) {
            match self.items.iter().find(|(item, _)| *item == index) {
                Some((_, true)) => {}
                Some((_, false)) => self.done(index, raw, events),
                None if has_more => self.done(index, raw, events),
                None => {}
            }
        }
        self.blocks.close(events);
        let details = response.incomplete_details.as_ref();
        let reason = match (response.status.as_deref(), details.and_then(|details| details.reason.as_deref())) {
            (_, Some("content_filter")) => Reason::Filtered,
            (_, Some("max_output_tokens")) | (Some("incomplete"), None) => Reason::Length,
            _ if self.blocks.has_call => Reason::ToolCalls,
            _ => Reason::Stop,
        };
        self.stage = Stage::Ended;
        events.push(Event::Finish(0, Finish::from(reason)));
        events.extend(response.usage().map(Event::Usage));
        events.push(Event::End);
    }

    fn fail(&mut self, failure: Failure, events: &mut Vec<Event>) {
        self.start(Start::default(), events);
        self.stage = Stage::Ended;
        events.extend([Event::Failed(failure), Event::End]);
    }
}

fn text() -> Part {
    Part::Text(Text::default())
}

fn refusal() -> Part {
    Part::Refusal(String::new())
}

fn reasoning(of: Of, id: Option<String>) -> Part {
    let kind = match of {
        Of::Reasoning(kind) => kind,
        Of::Words | Of::Call(_) => ReasoningKind::default(),
    };
    Part::Reasoning(Reasoning { text: String::new(), kind, seal: None, id })
}

fn called(id: String, name: String, kind: CallKind) -> Part {
    Part::ToolCall(ToolCall { id, name, kind, arguments: String::new(), seal: None })
}

/// An id for a call whose server gave it none.
fn invented() -> String {
    format!("call_{:016x}", fastrand::u64(..))
}

fn call_spot(item: u64, kind: CallKind) -> Spot {
    Spot { item, part: 0, of: Of::Call(kind) }
}

fn drawn(item: Item) -> Part {
    Part::Media(Media {
        kind: MediaKind::Image,
        mime: Some(format!("image/{}", item.output_format.as_deref().unwrap_or("png"))),
        source: Source::Base64(item.result.unwrap_or_default()),
        name: None,
        detail: None,
        transcript: None,
        id: item.id,
    })
}

fn logprobs(raw: Option<&RawValue>) -> Vec<Json> {
    // Nearly always there are none.
    read(raw.filter(|raw| raw.get() != "[]")).unwrap_or_default()
}
