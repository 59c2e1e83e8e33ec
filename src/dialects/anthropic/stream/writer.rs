//! Events → a stream for a Messages client: `message_start`, blocks one after the other, and at the end `message_delta` with the
//! final counts and `message_stop`.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::answer::{Ending, Shown, Totals};
use super::super::block::{self, Block, Fields};
use super::super::citation;
use crate::dialects::wire::{self, write_event};
use crate::dialects::{Dialect, EventWriter, Reply, ir};
use ir::{CallKind, Delta, Event, Finish, Part, Seal, SealKind, Start, ToolCall, Usage};

#[derive(Debug)]
pub struct Writer {
    reply: Reply,
    start: Start,
    usage: Option<Usage>,
    finish: Finish,
    /// The number of the next block, or of the open one.
    index: u32,
    open: Open,
    /// Whether the model said that it will not.
    declines: bool,
    is_ended: bool,
}

/// What the client has been told of the block that is open.
#[derive(Debug)]
enum Open {
    /// There is none, or it is not shown.
    Nothing,
    Text,
    /// Reasoning of which nothing is known yet: it may be text, or all sealed.
    Thought,
    Thinking,
    /// A call that has not begun to say what with: its seal, which goes before it, may still come.
    Call(ToolCall),
    ToolUse(CallKind),
}

#[derive(Serialize)]
struct MessageStart<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: Shown<'a>,
}

#[derive(Serialize)]
struct BlockStart<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    index: u32,
    content_block: Block<'a>,
}

/// A piece that is no text.
#[derive(Serialize)]
struct CitationsDelta<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    index: u32,
    delta: Cited<'a>,
}

#[derive(Serialize)]
struct Cited<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    citation: &'a RawValue,
}

#[derive(Serialize)]
struct BlockStop {
    #[serde(rename = "type")]
    kind: &'static str,
    index: u32,
}

#[derive(Serialize)]
struct MessageDelta<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    delta: Ending<'a>,
    usage: Totals<'a>,
}

#[derive(Serialize)]
struct MessageStop {
    #[serde(rename = "type")]
    kind: &'static str,
}

impl Writer {
    pub fn new(reply: &Reply) -> Self {
        Self {
            reply: reply.clone(),
            start: Start::default(),
            usage: None,
            finish: Finish::default(),
            index: 0,
            open: Open::Nothing,
            declines: false,
            is_ended: false,
        }
    }
}

impl EventWriter for Writer {
    fn write(&mut self, event: Event, out: &mut BytesMut) {
        if self.is_ended {
            return;
        }
        match event {
            Event::Start(start) => {
                self.start = start;
                let message = Shown::begin(&self.start, &self.reply);
                write_event(out, Some("message_start"), &MessageStart { kind: "message_start", message });
            }
            // Messages have one choice.
            Event::Open(at, part) if at.choice == 0 => self.begin(part, out),
            Event::Delta(at, delta) if at.choice == 0 => self.delta(delta, out),
            Event::Close(at) if at.choice == 0 => self.close(out),
            Event::Finish(0, finish) => self.finish = finish,
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Failed(failure) => {
                let request_id = failure.request_id.as_deref().unwrap_or_default();
                write_event(out, Some("error"), &Dialect::Anthropic.error(&failure, request_id));
                self.is_ended = true;
            }
            Event::End => self.end(out),
            Event::Open(..) | Event::Delta(..) | Event::Close(_) | Event::Finish(..) => {}
        }
    }
}

impl Writer {
    fn begin(&mut self, part: Part, out: &mut BytesMut) {
        match part {
            Part::Text(text) => {
                self.show(Block::text(""), Open::Text, out);
                self.words(&text.text, out);
                for annotation in text.annotations {
                    self.delta(Delta::Annotation(annotation), out);
                }
            }
            Part::Refusal(text) => {
                self.declines = true;
                self.show(Block::text(""), Open::Text, out);
                self.words(&text, out);
            }
            Part::Reasoning(reasoning) => {
                self.open = Open::Thought;
                self.words(&reasoning.text, out);
                if let Some(seal) = reasoning.seal {
                    self.seal(seal, out);
                }
            }
            Part::ToolCall(mut call) => {
                let arguments = std::mem::take(&mut call.arguments);
                self.open = Open::Call(call);
                self.arguments(&arguments, out);
            }
            Part::Opaque(opaque) if opaque.dialect == Dialect::Anthropic => {
                self.show(Block::Native(&opaque.value), Open::Text, out);
                self.stop(out);
            }
            Part::Opaque(_) | Part::Media(_) | Part::ToolResult(_) | Part::CachePoint(_) => self.open = Open::Nothing,
        }
    }

    fn delta(&mut self, delta: Delta, out: &mut BytesMut) {
        match delta {
            Delta::Text(text) => self.words(&text, out),
            Delta::Arguments(text) => self.arguments(&text, out),
            Delta::Seal(seal) => self.seal(seal, out),
            Delta::Annotation(annotation) => {
                let citation = citation::write(&annotation).filter(|_| matches!(self.open, Open::Text));
                if let Some(citation) = citation {
                    let (kind, index) = ("content_block_delta", self.index);
                    let delta = Cited { kind: "citations_delta", citation: &citation };
                    write_event(out, Some(kind), &CitationsDelta { kind, index, delta });
                }
            }
            Delta::Logprobs(_) | Delta::Audio(_) | Delta::Transcript(_) => {}
        }
    }

    /// Of a text or of reasoning.
    fn words(&mut self, text: &str, out: &mut BytesMut) {
        if text.is_empty() {
            return;
        }
        if matches!(self.open, Open::Thought) {
            self.show(Block::thinking("", Cow::Borrowed("")), Open::Thinking, out);
        }
        match self.open {
            Open::Text => self.piece("text_delta", "text", text, out),
            Open::Thinking => self.piece("thinking_delta", "thinking", text, out),
            _ => {}
        }
    }

    fn arguments(&mut self, text: &str, out: &mut BytesMut) {
        if text.is_empty() {
            return;
        }
        self.begin_call(out);
        match self.open {
            Open::ToolUse(CallKind::Function) => self.input(text, out),
            Open::ToolUse(CallKind::Custom) => self.input(&wire::escaped(text), out),
            _ => {}
        }
    }

    fn input(&self, json: &str, out: &mut BytesMut) {
        self.piece("input_json_delta", "partial_json", json, out);
    }

    fn seal(&mut self, seal: Seal, out: &mut BytesMut) {
        match &mut self.open {
            Open::Thought if seal.kind == SealKind::Redacted => {
                self.show(Block::redacted_thinking(block::redacted_data(&seal)), Open::Text, out);
                self.stop(out);
            }
            Open::Thought => {
                self.show(Block::thinking("", Cow::Borrowed("")), Open::Thinking, out);
                self.sign(&seal, out);
            }
            Open::Thinking => self.sign(&seal, out),
            Open::Call(call) => call.seal = Some(seal),
            Open::Nothing | Open::Text | Open::ToolUse(_) => {}
        }
    }

    fn sign(&mut self, seal: &Seal, out: &mut BytesMut) {
        let signature = block::signature(seal);
        self.piece("signature_delta", "signature", &signature, out);
    }

    /// Shows a call that was held back, behind what seals it.
    fn begin_call(&mut self, out: &mut BytesMut) {
        let call = match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Call(call) => call,
            other => {
                self.open = other;
                return;
            }
        };
        if let Some(seal) = &call.seal {
            self.show(Block::thinking("", Cow::Borrowed("")), Open::Thinking, out);
            self.sign(seal, out);
            self.stop(out);
        }
        let (id, name) = (Some(Cow::Borrowed(call.id.as_str())), Some(call.name.as_str()));
        let input = serde_json::from_str::<&RawValue>("{}").ok().map(Cow::Borrowed);
        let fields = Fields { kind: "tool_use", id, name, input, ..Fields::default() };
        self.show(Block::of(fields), Open::ToolUse(call.kind), out);
        if call.kind == CallKind::Custom {
            self.input(wire::CUSTOM_INPUT.0, out);
        }
    }

    fn close(&mut self, out: &mut BytesMut) {
        self.begin_call(out);
        if matches!(self.open, Open::ToolUse(CallKind::Custom)) {
            self.input(wire::CUSTOM_INPUT.1, out);
        }
        match self.open {
            Open::Nothing | Open::Thought => self.open = Open::Nothing,
            _ => self.stop(out),
        }
    }

    fn show(&mut self, content_block: Block<'_>, open: Open, out: &mut BytesMut) {
        let kind = "content_block_start";
        write_event(out, Some(kind), &BlockStart { kind, index: self.index, content_block });
        self.open = open;
    }

    /// A piece of the open block's text: what most of a stream consists of, hence written by hand.
    fn piece(&self, kind: &str, member: &str, text: &str, out: &mut BytesMut) {
        out.put_slice(b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":");
        wire::write_to(out, &self.index);
        for part in [",\"delta\":{\"type\":\"", kind, "\",\"", member, "\":"] {
            out.put_slice(part.as_bytes());
        }
        wire::write_to(out, &text);
        out.put_slice(b"}}\n\n");
    }

    fn stop(&mut self, out: &mut BytesMut) {
        let kind = "content_block_stop";
        write_event(out, Some(kind), &BlockStop { kind, index: self.index });
        self.index += 1;
        self.open = Open::Nothing;
    }

    fn end(&mut self, out: &mut BytesMut) {
        let delta = Ending::of(&self.finish, self.declines);
        let usage = Totals::of(self.usage.or(self.start.usage).unwrap_or_default(), None);
        write_event(out, Some("message_delta"), &MessageDelta { kind: "message_delta", delta, usage });
        write_event(out, Some("message_stop"), &MessageStop { kind: "message_stop" });
        self.is_ended = true;
    }
}
