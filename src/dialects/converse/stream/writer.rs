//! Events → frames of `converse-stream`.

use std::borrow::Cow;
use std::time::Instant;

use bytes::BytesMut;
use serde::Serialize;

use super::super::answer::stop_reason;
use super::super::blocks::redacted_content;
use super::super::failure;
use super::super::media;
use super::super::outgoing::{Citation, Media, Metrics, Source, Usage};
use crate::dialects::framing::FrameKind;
use crate::dialects::framing::event_stream::write_frame;
use crate::dialects::ir::{CallKind, Delta, Event, MediaKind, Part, Seal, SealKind, Usage as Counts};
use crate::dialects::{Dialect, EventWriter, wire};

#[derive(Debug)]
pub struct Writer {
    started: Instant,
    /// Of the block that is written, or will be next: those that show nothing have none.
    index: u32,
    block: Block,
    /// Whether anything of the call's input was written.
    has_input: bool,
    usage: Counts,
    is_ended: bool,
}

/// The open block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    /// Nothing of it is written, and perhaps never will be.
    Silent(Kind),
    Written(Kind),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Reasoning,
    Call(CallKind),
    /// What cannot be shown, but for the words in it.
    Other,
}

#[derive(Debug, Serialize)]
struct MessageStart {
    role: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockStart<'a> {
    content_block_index: u32,
    start: Opening<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Opening<'a> {
    #[serde(rename_all = "camelCase")]
    ToolUse {
        tool_use_id: &'a str,
        name: &'a str,
    },
    Image {
        format: &'a str,
    },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockDelta<'a> {
    content_block_index: u32,
    delta: Piece<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Piece<'a> {
    Text(&'a str),
    ToolUse { input: &'a str },
    ReasoningContent(Reasoning<'a>),
    Citation(Citation<'a>),
    Image { source: Source<'a> },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Reasoning<'a> {
    Text(&'a str),
    Signature(Cow<'a, str>),
    /// Base64.
    RedactedContent(Cow<'a, str>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockStop {
    content_block_index: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageStop {
    stop_reason: &'static str,
}

#[derive(Debug, Serialize)]
struct Metadata {
    usage: Usage,
    metrics: Metrics,
}

impl Writer {
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            index: 0,
            block: Block::Silent(Kind::Other),
            has_input: false,
            usage: Counts::default(),
            is_ended: false,
        }
    }

    fn open(&mut self, part: &Part, out: &mut BytesMut) {
        let kind = match part {
            Part::Text(_) | Part::Refusal(_) => Kind::Text,
            Part::Reasoning(_) => Kind::Reasoning,
            Part::ToolCall(call) => Kind::Call(call.kind),
            Part::Media(_) | Part::ToolResult(_) | Part::CachePoint(_) | Part::Opaque(_) => Kind::Other,
        };
        self.block = Block::Silent(kind);
        match part {
            Part::ToolCall(call) => {
                if let Some(seal) = &call.seal {
                    self.seal(seal, out);
                    self.close(out);
                }
                self.start(Opening::ToolUse { tool_use_id: &call.id, name: &call.name }, out);
                self.block = Block::Written(kind);
                self.has_input = false;
            }
            Part::Media(shown) if shown.kind == MediaKind::Image => {
                if let Some(Media { format, source }) = media::image(shown) {
                    self.start(Opening::Image { format }, out);
                    self.piece(Piece::Image { source }, out);
                }
            }
            _ => {}
        }
    }

    fn delta(&mut self, delta: &Delta, out: &mut BytesMut) {
        let (Block::Silent(kind) | Block::Written(kind)) = self.block;
        match (kind, delta) {
            (_, Delta::Text(text) | Delta::Transcript(text) | Delta::Arguments(text)) if text.is_empty() => {}
            (Kind::Text, Delta::Text(text)) | (Kind::Other, Delta::Transcript(text)) => {
                self.piece(Piece::Text(text), out);
            }
            (Kind::Reasoning, Delta::Text(text)) => self.piece(Piece::ReasoningContent(Reasoning::Text(text)), out),
            (Kind::Reasoning, Delta::Seal(seal)) => self.seal(seal, out),
            (Kind::Call(CallKind::Function), Delta::Arguments(input)) => self.input(input, out),
            (Kind::Call(CallKind::Custom), Delta::Arguments(text)) => {
                if !self.has_input {
                    self.input(wire::CUSTOM_INPUT.0, out);
                }
                self.input(&wire::escaped(text), out);
            }
            (Kind::Text, Delta::Annotation(annotation)) => {
                if let Some(citation) = Citation::of(annotation) {
                    self.piece(Piece::Citation(citation), out);
                }
            }
            // No SDK of this dialect could show it.
            _ => {}
        }
    }

    fn input(&mut self, input: &str, out: &mut BytesMut) {
        self.has_input = true;
        self.piece(Piece::ToolUse { input }, out);
    }

    /// A seal that is all there is of its block has its own place.
    fn seal(&mut self, seal: &Seal, out: &mut BytesMut) {
        let piece = match (seal.kind, self.block) {
            (SealKind::Redacted, Block::Silent(_)) => Reasoning::RedactedContent(redacted_content(seal).into()),
            _ => Reasoning::Signature(seal.carried(Dialect::Converse).into()),
        };
        self.piece(Piece::ReasoningContent(piece), out);
    }

    fn start(&mut self, start: Opening<'_>, out: &mut BytesMut) {
        event(out, "contentBlockStart", &BlockStart { content_block_index: self.index, start });
    }

    fn piece(&mut self, delta: Piece<'_>, out: &mut BytesMut) {
        let (Block::Silent(kind) | Block::Written(kind)) = self.block;
        self.block = Block::Written(kind);
        event(out, "contentBlockDelta", &BlockDelta { content_block_index: self.index, delta });
    }

    fn close(&mut self, out: &mut BytesMut) {
        // Clients parse what they get.
        match self.block {
            Block::Written(Kind::Call(CallKind::Function)) if !self.has_input => self.input("{}", out),
            Block::Written(Kind::Call(CallKind::Custom)) if self.has_input => self.input(wire::CUSTOM_INPUT.1, out),
            Block::Written(Kind::Call(CallKind::Custom)) => self.input(r#"{"input":""}"#, out),
            _ => {}
        }
        if let Block::Written(kind) = self.block {
            event(out, "contentBlockStop", &BlockStop { content_block_index: self.index });
            self.index += 1;
            self.block = Block::Silent(kind);
        }
    }

    fn end(&mut self, out: &mut BytesMut) {
        let latency_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        event(out, "metadata", &Metadata { usage: Usage::from(self.usage), metrics: Metrics { latency_ms } });
        self.is_ended = true;
    }
}

impl EventWriter for Writer {
    fn write(&mut self, told: Event, out: &mut BytesMut) {
        if self.is_ended {
            return;
        }
        match &told {
            Event::Start(start) => {
                self.usage = start.usage.unwrap_or_default();
                event(out, "messageStart", &MessageStart { role: "assistant" });
            }
            // There is room for one answer.
            Event::Open(at, _) | Event::Delta(at, _) | Event::Close(at) if at.choice > 0 => {}
            Event::Open(_, part) => self.open(part, out),
            Event::Delta(_, delta) => self.delta(delta, out),
            Event::Close(_) => self.close(out),
            Event::Finish(0, finish) => {
                event(out, "messageStop", &MessageStop { stop_reason: stop_reason(finish.reason) });
            }
            Event::Finish(..) => {}
            Event::Usage(usage) => self.usage = *usage,
            Event::Failed(failure) => {
                failure::write_exception(out, failure.kind, &failure.message);
                self.is_ended = true;
            }
            Event::End => self.end(out),
        }
    }
}

fn event<T: Serialize>(out: &mut BytesMut, name: &'static str, payload: &T) {
    write_frame(out, FrameKind::Event, name, wire::write(payload));
}
