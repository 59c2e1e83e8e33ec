//! The blocks of an answer → events. A stream feeds it piece by piece; a whole answer, block by block: so the two agree.

use serde_json::value::RawValue;

use super::super::citation;
use super::super::members::Members;
use super::wire::{Block, Delta as Piece};
use crate::dialects::{Dialect, ir};
use ir::{Annotation, At, CallKind, Delta, Event, Opaque, Part, Reasoning, Seal, ToolCall};

/// The block that is being read, and how many there were.
#[derive(Debug, Default)]
pub struct Assembly {
    block: u32,
    open: Option<Open>,
    /// Whether the model called a tool of the client's.
    pub has_call: bool,
}

/// Text and reasoning are opened when there is some.
#[derive(Debug)]
enum Open {
    /// Citations are told at its end: then it is known how long it is.
    Text {
        is_told: bool,
        length: u64,
        citations: Vec<Annotation>,
    },
    Reasoning {
        is_told: bool,
    },
    Call {
        input: String,
        has_pieces: bool,
    },
    Native(Native),
}

/// A block that only Anthropic understands is told when it is complete.
#[derive(Debug)]
struct Native {
    name: String,
    members: Vec<(String, Box<RawValue>)>,
    /// Pieces of the member `input`.
    input: String,
}

impl Assembly {
    /// A block begins; one that is open ends.
    pub fn begin(&mut self, raw: &RawValue, events: &mut Vec<Event>) {
        self.end(events);
        let Ok(block) = serde_json::from_str::<Block<'_>>(raw.get()) else {
            return self.begin_native(raw, None);
        };
        match block.kind.as_deref() {
            Some("text") => {
                self.text(block.text.unwrap_or_default(), events);
                for citation in block.citations.unwrap_or_default() {
                    self.citation(citation, events);
                }
            }
            Some("thinking") => {
                self.thought(block.thinking.unwrap_or_default(), events);
                self.signature(block.signature.unwrap_or_default(), events);
            }
            Some("redacted_thinking") => {
                self.thought(String::new(), events);
                self.seal(Seal::redacted(Dialect::Anthropic, block.data.unwrap_or_default()), events);
            }
            Some("tool_use") => match block.name.filter(|name| !name.is_empty()) {
                Some(name) => {
                    let id = block.id.filter(|id| !id.is_empty()).unwrap_or_else(invented_id);
                    let call = ToolCall { id, name, kind: CallKind::Function, arguments: String::new(), seal: None };
                    events.push(Event::Open(self.at(), Part::ToolCall(call)));
                    let input = block.input.map_or("{}", RawValue::get).to_owned();
                    self.open = Some(Open::Call { input, has_pieces: false });
                    self.has_call = true;
                }
                None => self.begin_native(raw, Some("tool_use")),
            },
            kind => self.begin_native(raw, kind),
        }
    }

    /// A piece of the open block; of a new one, if it fits no other way. `raw` is the piece as it came.
    pub fn piece(
        &mut self,
        piece: Piece<'_>,
        raw: impl FnOnce() -> Option<Box<RawValue>>,
        events: &mut Vec<Event>,
    ) -> Result<(), &'static str> {
        match piece.kind.as_deref() {
            Some("text_delta") => self.text(piece.text.unwrap_or_default(), events),
            Some("thinking_delta") => self.thought(piece.thinking.unwrap_or_default(), events),
            Some("signature_delta") => self.signature(piece.signature.unwrap_or_default(), events),
            Some("citations_delta") => {
                if let Some(citation) = piece.citation {
                    self.citation(citation, events);
                }
            }
            Some("input_json_delta") => {
                let more = piece.partial_json.unwrap_or_default();
                let at = self.at();
                match &mut self.open {
                    Some(Open::Call { has_pieces, .. }) if !more.is_empty() => {
                        *has_pieces = true;
                        events.push(Event::Delta(at, Delta::Arguments(more)));
                    }
                    Some(Open::Native(native)) => native.input.push_str(&more),
                    _ if more.is_empty() => {}
                    _ => return Err("it brings input for a tool that was not called"),
                }
            }
            _ => {
                if let (Some(Open::Native(native)), Some(raw)) = (&mut self.open, raw()) {
                    native.grow(&raw);
                }
            }
        }
        Ok(())
    }

    /// The open block ends, if there is one.
    pub fn end(&mut self, events: &mut Vec<Event>) {
        let at = self.at();
        match self.open.take() {
            None | Some(Open::Text { is_told: false, .. } | Open::Reasoning { is_told: false }) => return,
            Some(Open::Reasoning { .. }) => {}
            Some(Open::Text { length, citations, .. }) => {
                let whole = |citation| Annotation { span: Some((0, length)), ..citation };
                events.extend(citations.into_iter().map(|it| Event::Delta(at, Delta::Annotation(whole(it)))));
            }
            Some(Open::Call { input, has_pieces }) => {
                if !has_pieces {
                    events.push(Event::Delta(at, Delta::Arguments(input)));
                }
            }
            Some(Open::Native(native)) => {
                let Some(opaque) = native.complete() else { return };
                events.push(Event::Open(at, Part::Opaque(opaque)));
            }
        }
        events.push(Event::Close(at));
        self.block += 1;
    }

    pub fn is_in_call(&self) -> bool {
        matches!(self.open, Some(Open::Call { .. }))
    }

    pub fn text(&mut self, more: String, events: &mut Vec<Event>) {
        if !matches!(self.open, Some(Open::Text { .. })) {
            self.end(events);
            self.open = Some(Open::Text { is_told: false, length: 0, citations: Vec::new() });
        }
        if !more.is_empty() {
            self.tell_text(events);
            if let Some(Open::Text { length, .. }) = &mut self.open {
                *length += more.chars().count() as u64;
            }
            events.push(Event::Delta(self.at(), Delta::Text(more)));
        }
    }

    fn citation(&mut self, raw: &RawValue, events: &mut Vec<Event>) {
        self.text(String::new(), events);
        self.tell_text(events);
        if let Some(Open::Text { citations, .. }) = &mut self.open {
            citations.push(citation::read(raw));
        }
    }

    fn tell_text(&mut self, events: &mut Vec<Event>) {
        if let Some(Open::Text { is_told: is_told @ false, .. }) = &mut self.open {
            *is_told = true;
            events.push(Event::Open(self.at(), Part::Text(ir::Text::default())));
        }
    }

    fn thought(&mut self, more: String, events: &mut Vec<Event>) {
        if !matches!(self.open, Some(Open::Reasoning { .. })) {
            self.end(events);
            self.open = Some(Open::Reasoning { is_told: false });
        }
        if !more.is_empty() {
            self.tell_reasoning(events);
            events.push(Event::Delta(self.at(), Delta::Text(more)));
        }
    }

    fn signature(&mut self, signature: String, events: &mut Vec<Event>) {
        if !signature.is_empty() {
            self.thought(String::new(), events);
            self.seal(Seal::signature(Dialect::Anthropic, signature), events);
        }
    }

    fn seal(&mut self, seal: Seal, events: &mut Vec<Event>) {
        self.tell_reasoning(events);
        events.push(Event::Delta(self.at(), Delta::Seal(seal)));
    }

    fn tell_reasoning(&mut self, events: &mut Vec<Event>) {
        if let Some(Open::Reasoning { is_told: is_told @ false }) = &mut self.open {
            *is_told = true;
            events.push(Event::Open(self.at(), Part::Reasoning(Reasoning::default())));
        }
    }

    fn begin_native(&mut self, raw: &RawValue, kind: Option<&str>) {
        let Ok(members) = serde_json::from_str::<Members<'_>>(raw.get()) else { return };
        let told = || {
            let (_, value) = members.0.iter().find(|(name, _)| name == "type")?;
            serde_json::from_str::<String>(value.get()).ok()
        };
        let name = kind.map(str::to_owned).or_else(told).unwrap_or_else(|| "block".to_owned());
        let members = members.0.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        self.open = Some(Open::Native(Native { name, members, input: String::new() }));
    }

    fn at(&self) -> At {
        At { choice: 0, block: self.block }
    }
}

impl Native {
    /// Takes a piece of a kind that we do not know: texts go on, whatever else is new.
    fn grow(&mut self, piece: &RawValue) {
        let Ok(piece) = serde_json::from_str::<Members<'_>>(piece.get()) else { return };
        for (name, more) in piece.0.into_iter().filter(|(name, _)| name != "type") {
            let text = |raw: &RawValue| serde_json::from_str::<String>(raw.get()).ok();
            match self.members.iter_mut().find(|(member, _)| *member == name) {
                Some((_, value)) => {
                    let longer = text(value).zip(text(more)).map(|(before, more)| before + &more);
                    let longer = longer.and_then(|longer| serde_json::value::to_raw_value(&longer).ok());
                    *value = longer.unwrap_or_else(|| more.to_owned());
                }
                None => self.members.push((name, more.to_owned())),
            }
        }
    }

    fn complete(mut self) -> Option<Opaque> {
        if let Ok(input) = RawValue::from_string(std::mem::take(&mut self.input)) {
            match self.members.iter_mut().find(|(name, _)| name == "input") {
                Some((_, value)) => *value = input,
                None => self.members.push(("input".to_owned(), input)),
            }
        }
        let mut json = String::from("{");
        for (at, (name, value)) in self.members.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            json.push_str(comma);
            json.push_str(&serde_json::to_string(name).ok()?);
            json.push(':');
            json.push_str(value.get());
        }
        json.push('}');
        let value = RawValue::from_string(json).ok()?;
        Some(Opaque { dialect: Dialect::Anthropic, name: self.name, value })
    }
}

fn invented_id() -> String {
    let unique = std::iter::repeat_with(fastrand::alphanumeric).take(24).collect::<String>();
    format!("toolu_{unique}")
}
