//! The blocks of a streamed answer, brought into an order in which one is open at a time. Providers send one after the other;
//! where they do not, a call whose arguments are not complete holds back what comes behind it, and nothing else does.

use std::collections::VecDeque;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::value::{RawValue, to_raw_value};

use super::super::blocks::{SERVER_TOOL, opaque};
use super::super::media;
use crate::dialects::ir::{
    Annotation, At, Delta, Event, Json, Media, MediaKind, Part, Reasoning, Source, Text, ToolCall,
};

/// Blocks that are open or wait for it.
#[derive(Debug, Default)]
pub struct Queue {
    blocks: VecDeque<Block>,
    /// How many were opened so far.
    opened: u32,
}

#[derive(Debug)]
struct Block {
    /// The provider's number of it.
    index: u64,
    kind: Kind,
    pending: Vec<Delta>,
    is_open: bool,
    /// Whether the provider has said that it ends.
    is_stopped: bool,
}

#[derive(Debug)]
enum Kind {
    /// What a text rests on is told at its end: then it is known how long it is.
    Text {
        characters: u64,
        citations: Vec<Annotation>,
    },
    Reasoning,
    Call {
        /// Until it is opened.
        id: String,
        name: String,
        /// All that came so far, to know whether it is complete.
        arguments: String,
    },
    /// What is emitted whole once it has ended.
    Gathered(Gathered),
}

#[derive(Debug)]
pub enum Gathered {
    /// A call that the provider answers itself.
    ServerCall {
        id: String,
        name: String,
        input: String,
    },
    ServerResult {
        id: String,
        kind: Option<String>,
        status: Option<String>,
        content: Vec<Json>,
    },
    Image {
        format: Option<String>,
        pieces: Vec<String>,
    },
}

impl Queue {
    /// A piece of text or reasoning. Pieces open their blocks.
    pub fn words(&mut self, index: u64, is_reasoning: bool, delta: Delta, events: &mut Vec<Event>) {
        let is_kind = |kind: &Kind| match kind {
            Kind::Text { .. } => !is_reasoning,
            Kind::Reasoning => is_reasoning,
            _ => false,
        };
        let found = self.blocks.iter_mut().find(|block| block.index == index && !block.is_stopped);
        match found {
            Some(block) if is_kind(&block.kind) => block.pending.push(delta),
            found => {
                if let Some(other) = found {
                    other.is_stopped = true;
                }
                let text = Kind::Text { characters: 0, citations: Vec::new() };
                let kind = if is_reasoning { Kind::Reasoning } else { text };
                self.push(index, kind, vec![delta]);
            }
        }
        self.settle(events);
    }

    pub fn call(&mut self, index: u64, id: String, name: String, events: &mut Vec<Event>) {
        self.push(index, Kind::Call { id, name, arguments: String::new() }, Vec::new());
        self.settle(events);
    }

    pub fn gather(&mut self, index: u64, gathered: Gathered) {
        self.push(index, Kind::Gathered(gathered), Vec::new());
    }

    /// A piece of a call's arguments; false, if there is no such call.
    #[must_use]
    pub fn arguments(&mut self, index: u64, piece: String, events: &mut Vec<Event>) -> bool {
        let Some(block) = self.blocks.iter_mut().find(|block| block.index == index && !block.is_stopped) else {
            return false;
        };
        match &mut block.kind {
            Kind::Call { arguments, .. } => {
                arguments.push_str(&piece);
                block.pending.push(Delta::Arguments(piece));
            }
            Kind::Gathered(Gathered::ServerCall { input, .. }) => input.push_str(&piece),
            _ => return false,
        }
        self.settle(events);
        true
    }

    /// Pieces of what is gathered. What belongs to nothing is passed over.
    pub fn add(&mut self, index: u64, more: impl FnOnce(&mut Gathered)) {
        let found = self.blocks.iter_mut().find(|block| block.index == index && !block.is_stopped);
        if let Some(Block { kind: Kind::Gathered(gathered), .. }) = found {
            more(gathered);
        }
    }

    pub fn stop(&mut self, index: u64, events: &mut Vec<Event>) {
        for block in self.blocks.iter_mut().filter(|block| block.index == index) {
            block.is_stopped = true;
        }
        self.settle(events);
    }

    pub fn stop_all(&mut self, events: &mut Vec<Event>) {
        self.blocks.iter_mut().for_each(|block| block.is_stopped = true);
        self.settle(events);
    }

    fn push(&mut self, index: u64, kind: Kind, pending: Vec<Delta>) {
        self.blocks.push_back(Block { index, kind, pending, is_open: false, is_stopped: false });
    }

    /// Emits what can be emitted.
    fn settle(&mut self, events: &mut Vec<Event>) {
        let mut is_last = self.blocks.len() == 1;
        while let Some(block) = self.blocks.front_mut() {
            if let Kind::Gathered(gathered) = &mut block.kind {
                if !block.is_stopped {
                    return;
                }
                if let Some(part) = gathered.take() {
                    let at = At { choice: 0, block: self.opened };
                    self.opened += 1;
                    events.extend([Event::Open(at, part), Event::Close(at)]);
                }
            } else {
                if !block.is_open {
                    block.is_open = true;
                    events.push(Event::Open(At { choice: 0, block: self.opened }, block.kind.part()));
                    self.opened += 1;
                }
                let at = At { choice: 0, block: self.opened - 1 };
                let pending = block.pending.drain(..).filter_map(|delta| block.kind.hold(delta));
                events.extend(pending.map(|delta| Event::Delta(at, delta)));
                if !block.is_stopped && (is_last || !block.kind.may_end()) {
                    return;
                }
                events.extend(block.kind.citations().map(|it| Event::Delta(at, Delta::Annotation(it))));
                events.push(Event::Close(at));
            }
            self.blocks.pop_front();
            is_last = self.blocks.len() == 1;
        }
    }
}

impl Kind {
    fn part(&mut self) -> Part {
        match self {
            Self::Call { id, name, .. } => {
                Part::ToolCall(ToolCall { id: std::mem::take(id), name: std::mem::take(name), ..Default::default() })
            }
            Self::Reasoning => Part::Reasoning(Reasoning::default()),
            Self::Text { .. } | Self::Gathered(_) => Part::Text(Text::default()),
        }
    }

    /// What can be told of a piece by now.
    fn hold(&mut self, delta: Delta) -> Option<Delta> {
        match (self, delta) {
            (Self::Text { citations, .. }, Delta::Annotation(citation)) => {
                citations.push(citation);
                None
            }
            (Self::Text { characters, .. }, Delta::Text(text)) => {
                *characters += text.chars().count() as u64;
                Some(Delta::Text(text))
            }
            (_, delta) => Some(delta),
        }
    }

    /// All of the text rests on them.
    fn citations(&mut self) -> impl Iterator<Item = Annotation> + use<> {
        let (length, citations) = match self {
            Self::Text { characters, citations } => (*characters, std::mem::take(citations)),
            _ => (0, Vec::new()),
        };
        citations.into_iter().map(move |citation| Annotation { span: Some((0, length)), ..citation })
    }

    /// Whether it may be closed because something else begins.
    fn may_end(&self) -> bool {
        match self {
            Self::Call { arguments, .. } => serde_json::from_str::<IgnoredAny>(arguments).is_ok(),
            Self::Text { .. } | Self::Reasoning => true,
            Self::Gathered(_) => false,
        }
    }
}

/// Server tools' blocks as a whole answer has them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Whole<'a> {
    #[serde(rename_all = "camelCase")]
    ToolUse {
        tool_use_id: &'a str,
        name: &'a str,
        input: &'a RawValue,
        #[serde(rename = "type")]
        kind: &'a str,
    },
    #[serde(rename_all = "camelCase")]
    ToolResult {
        tool_use_id: &'a str,
        content: &'a [Json],
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<&'a str>,
        #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
        kind: Option<&'a str>,
    },
}

impl Gathered {
    /// The part that was gathered; nothing, if nothing was.
    fn take(&mut self) -> Option<Part> {
        match self {
            Self::ServerCall { id, name, input } => {
                let text = if input.trim().is_empty() { "{}" } else { input.as_str() };
                let input = serde_json::from_str::<&RawValue>(text).unwrap_or(RawValue::NULL);
                let whole = Whole::ToolUse { tool_use_id: id, name, input, kind: SERVER_TOOL };
                Some(opaque(SERVER_TOOL, to_raw_value(&whole).ok()?))
            }
            Self::ServerResult { id, kind, status, content } => {
                let (status, kind) = (status.as_deref(), kind.as_deref());
                let whole = Whole::ToolResult { tool_use_id: id, content, status, kind };
                Some(opaque("tool_result", to_raw_value(&whole).ok()?))
            }
            Self::Image { format, pieces } => Some(Part::Media(Media {
                kind: MediaKind::Image,
                mime: media::mime(MediaKind::Image, format.as_deref()),
                source: Source::Base64(joined(pieces)?),
                name: None,
                detail: None,
                transcript: None,
                id: None,
            })),
        }
    }
}

/// Each piece is base64 of its own.
fn joined(pieces: &mut Vec<String>) -> Option<String> {
    if pieces.len() < 2 {
        return pieces.pop();
    }
    let bytes: Result<Vec<_>, _> = pieces.iter().map(|piece| STANDARD.decode(piece)).collect();
    bytes.ok().map(|bytes| STANDARD.encode(bytes.concat()))
}
