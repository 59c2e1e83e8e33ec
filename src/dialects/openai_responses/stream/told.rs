//! The items of an answer as far as they are told: from pieces, and from what is known as a whole.

use serde_json::value::RawValue;

use super::block::{Blocks, Of, Spot};
use crate::dialects::Dialect;
use crate::dialects::ir::{
    Annotation, CallKind, Event, Json, Media, MediaKind, Opaque, Part, Reasoning, ReasoningKind, Seal, Source, Text,
    ToolCall,
};
use crate::dialects::openai_responses::answer::wire::{Content, Item, annotation};
use crate::dialects::openai_responses::request::is_served_by_xai;
use crate::dialects::wire::TextOr;

#[derive(Debug, Default)]
pub struct Told {
    pub blocks: Blocks,
    /// The items that were told, by their index, and whether they were told to their end.
    items: Vec<(u64, bool)>,
}

impl Told {
    pub fn words(&mut self, spot: Spot, more: String, logprobs: Vec<Json>, events: &mut Vec<Event>) {
        self.touch(spot.item);
        self.blocks.tell(spot, more, text, events);
        self.blocks.logprobs(spot, logprobs, events);
    }

    pub fn refusal(&mut self, spot: Spot, more: String, events: &mut Vec<Event>) {
        self.touch(spot.item);
        self.blocks.tell(spot, more, refusal, events);
    }

    pub fn thought(&mut self, spot: Spot, more: String, id: Option<&str>, events: &mut Vec<Event>) {
        self.touch(spot.item);
        self.blocks.tell(spot, more, || reasoning(spot.of, id), events);
    }

    /// A part of reasoning is known as a whole. The block stays open: its seal is yet to come.
    pub fn thoughts(&mut self, spot: Spot, whole: String, id: Option<&str>, events: &mut Vec<Event>) {
        self.touch(spot.item);
        self.blocks.fill(spot, whole, || reasoning(spot.of, id), events);
    }

    pub fn annotation(&mut self, spot: Spot, one: Annotation, events: &mut Vec<Event>) {
        self.touch(spot.item);
        self.blocks.annotate_more(spot, one, text, events);
    }

    /// An item begins.
    pub fn added(&mut self, index: u64, item: &Item, events: &mut Vec<Event>) {
        let kind = match item.kind.as_deref() {
            Some("function_call") => CallKind::Function,
            Some("custom_tool_call") if !is_served_by_xai(item.call_id.as_deref()) => CallKind::Custom,
            _ => return,
        };
        // Without a name nothing can be called: perhaps the item has one when it is complete.
        if let (Some(id), Some(name)) = (&item.call_id, &item.name)
            && !id.is_empty()
            && !name.is_empty()
        {
            self.touch(index);
            self.blocks.call(Spot::call(index, kind), || called(id.clone(), name.clone(), kind), events);
        }
    }

    /// An item is known as a whole.
    pub fn done(&mut self, index: u64, raw: &RawValue, events: &mut Vec<Event>) {
        self.touch(index);
        match self.items.iter_mut().find(|(item, _)| *item == index) {
            Some((_, is_done)) if *is_done => return,
            Some((_, is_done)) => *is_done = true,
            None => {}
        }
        let item: Item = serde_json::from_str(raw.get()).unwrap_or_default();
        match item.kind.as_deref() {
            Some("message") => self.message(index, item, events),
            Some("reasoning") => self.reasoned(index, item, events),
            Some("function_call") => self.called(index, &item, CallKind::Function, events),
            Some("custom_tool_call") if !is_served_by_xai(item.call_id.as_deref()) => {
                self.called(index, &item, CallKind::Custom, events)
            }
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

    /// Ends the item that is open, by what is known of it now.
    pub fn end_open(&mut self, output: &[&RawValue], events: &mut Vec<Event>) {
        let known = self.blocks.open_item().and_then(|item| Some((item, output.get(usize::try_from(item).ok()?)?)));
        if let Some((item, raw)) = known {
            self.done(item, raw, events);
        }
        self.blocks.close(events);
    }

    /// All the items are known: tells what is missing of them.
    pub fn all(&mut self, output: &[&RawValue], events: &mut Vec<Event>) {
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
    }

    /// A part of a message or of reasoning is known as a whole.
    pub fn content(&mut self, item: u64, part: u64, content: Content, id: Option<&str>, events: &mut Vec<Event>) {
        self.touch(item);
        let Content { kind, text: whole, refusal: refused, annotations, logprobs } = content;
        let words = Spot { item, part, of: Of::Words };
        match kind.as_deref() {
            Some("reasoning_text") => {
                let spot = Spot { of: Of::Reasoning(ReasoningKind::Raw), ..words };
                return self.thoughts(spot, whole.unwrap_or_default(), id, events);
            }
            Some("refusal") => self.blocks.fill(words, refused.unwrap_or_default(), refusal, events),
            _ => {
                self.blocks.fill(words, whole.unwrap_or_default(), text, events);
                self.blocks.logprobs_whole(words, logprobs.unwrap_or_default(), events);
                let annotations = annotations.unwrap_or_default().into_iter().map(annotation).collect();
                self.blocks.annotate(words, annotations, events);
            }
        }
        self.blocks.close_spot(words, events);
    }

    fn message(&mut self, index: u64, item: Item, events: &mut Vec<Event>) {
        match item.content {
            Some(TextOr::List(list)) => {
                for (part, content) in (0..).zip(list) {
                    self.content(index, part, content, None, events);
                }
            }
            Some(TextOr::Text(text)) => {
                let content = Content { text: Some(text), ..Content::default() };
                self.content(index, 0, content, None, events);
            }
            None => {}
        }
    }

    fn reasoned(&mut self, index: u64, item: Item, events: &mut Vec<Event>) {
        let id = item.id.as_deref();
        let raw = match item.content {
            Some(TextOr::List(list)) => list,
            Some(TextOr::Text(text)) => vec![Content { text: Some(text), ..Content::default() }],
            None => Vec::new(),
        };
        for (kind, list) in [(ReasoningKind::Raw, raw), (ReasoningKind::Summary, item.summary.unwrap_or_default())] {
            for (part, content) in (0..).zip(list) {
                let spot = Spot { item: index, part, of: Of::Reasoning(kind) };
                self.thoughts(spot, content.text.unwrap_or_default(), id, events);
            }
        }
        if let Some(sealed) = item.encrypted_content.filter(|sealed| !sealed.is_empty()) {
            let seal = Seal::signature(Dialect::OpenaiResponses, sealed);
            self.blocks.seal(index, seal, || reasoning(Of::Reasoning(ReasoningKind::Summary), id), events);
        }
    }

    fn called(&mut self, index: u64, item: &Item, kind: CallKind, events: &mut Vec<Event>) {
        let Some(name) = item.name.clone().filter(|name| !name.is_empty()) else { return };
        let spot = Spot::call(index, kind);
        let id = || item.call_id.clone().filter(|id| !id.is_empty()).unwrap_or_else(invented);
        self.blocks.call(spot, || called(id(), name, kind), events);
        let whole = match kind {
            CallKind::Function => item.arguments(),
            CallKind::Custom => item.input.clone().unwrap_or_default(),
        };
        self.blocks.argue_whole(spot, &whole, events);
    }

    fn touch(&mut self, item: u64) {
        // It is nearly always the last one.
        if !self.items.iter().rev().any(|(index, _)| *index == item) {
            self.items.push((item, false));
        }
    }
}

fn text() -> Part {
    Part::Text(Text::default())
}

fn refusal() -> Part {
    Part::Refusal(String::new())
}

fn reasoning(of: Of, id: Option<&str>) -> Part {
    let kind = match of {
        Of::Reasoning(kind) => kind,
        Of::Words | Of::Call(_) => ReasoningKind::default(),
    };
    Part::Reasoning(Reasoning { text: String::new(), kind, seal: None, id: id.map(str::to_owned) })
}

fn called(id: String, name: String, kind: CallKind) -> Part {
    Part::ToolCall(ToolCall { id, name, kind, arguments: String::new(), seal: None })
}

/// An id for a call whose server gave it none.
fn invented() -> String {
    format!("call_{:016x}", fastrand::u64(..))
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
