//! Events of the canonical form → a stream of this dialect, complete enough for the SDKs to build the answer of it at any time.

use bytes::BytesMut;

use super::emitter::Emitter;
use crate::dialects::ir::{Delta, Event, Finish, Media, MediaKind, Part, Reasoning, Source, Start, ToolCall, Usage};
use crate::dialects::openai_responses::answer::item::{Content, Item, Naming, Status, carried};
use crate::dialects::openai_responses::answer::object::{Envelope, State};
use crate::dialects::{Dialect, EventWriter, Reply};

#[derive(Debug)]
pub struct Writer {
    reply: Reply,
    /// From the start to the end.
    envelope: Option<Envelope>,
    wants_summaries: bool,
    emitter: Emitter,
    open: Open,
    finish: Finish,
    usage: Option<Usage>,
}

/// What the last item is, while more of it may come.
#[derive(Debug)]
enum Open {
    Nothing,
    /// A message. It stays open as long as texts follow each other: they are its parts.
    Message {
        in_part: bool,
    },
    Reasoning {
        is_summary: bool,
    },
    /// A call, until it is announced: a seal that comes before its arguments has an item of its own, ahead of it.
    Call(Option<ToolCall>),
}

impl EventWriter for Writer {
    fn write(&mut self, event: Event, out: &mut BytesMut) {
        match event {
            Event::Start(start) => self.start(&start, out),
            _ if self.envelope.is_none() => {}
            Event::Open(at, part) if at.choice == 0 => self.open(part, out),
            Event::Delta(at, delta) if at.choice == 0 => self.delta(delta, out),
            Event::Close(at) if at.choice == 0 => self.close(out),
            Event::Finish(0, finish) => self.finish = finish,
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Failed(failure) => {
                if let Some(envelope) = self.envelope.take() {
                    self.emitter.broken(&failure, &envelope, self.usage, out);
                }
            }
            Event::End => self.end(out),
            // The dialect has one answer to a question.
            Event::Open(..) | Event::Delta(..) | Event::Close(_) | Event::Finish(..) => {}
        }
    }
}

impl Writer {
    pub fn new(reply: &Reply) -> Self {
        Self {
            reply: reply.clone(),
            envelope: None,
            wants_summaries: false,
            emitter: Emitter::default(),
            open: Open::Nothing,
            finish: Finish::default(),
            usage: None,
        }
    }

    fn start(&mut self, start: &Start, out: &mut BytesMut) {
        let envelope = Envelope::new(start, &self.reply);
        self.wants_summaries = envelope.echo.wants_summaries;
        self.usage = start.usage;
        for kind in ["response.created", "response.in_progress"] {
            self.emitter.lifecycle(kind, &envelope, State::InProgress, None, out);
        }
        self.envelope = Some(envelope);
    }

    fn open(&mut self, part: Part, out: &mut BytesMut) {
        match part {
            Part::Text(text) => {
                self.open_words(Content::output_text(), out);
                self.say(&text.text, out);
                self.emitter.logprobs(text.logprobs, out);
                text.annotations.into_iter().for_each(|annotation| self.emitter.annotate(annotation, out));
            }
            Part::Refusal(text) => {
                self.open_words(Content::Refusal { refusal: String::new() }, out);
                self.say(&text, out);
            }
            Part::Reasoning(reasoning) => self.open_reasoning(&reasoning, out),
            Part::ToolCall(call) => {
                self.leave_message(Status::Completed, out);
                self.open = Open::Call(Some(call));
            }
            Part::Media(Media { kind: MediaKind::Image, source: Source::Base64(data), id, .. }) => {
                self.leave_message(Status::Completed, out);
                self.emitter.whole(self.naming().image(id.as_ref(), &data, self.emitter.count()), out);
            }
            Part::Media(Media { kind: MediaKind::Audio, transcript, .. }) => {
                self.open_words(Content::output_text(), out);
                self.say(transcript.as_deref().unwrap_or_default(), out);
            }
            Part::Opaque(opaque) if opaque.dialect == Dialect::OpenaiResponses => {
                self.leave_message(Status::Completed, out);
                self.emitter.whole(Item::Opaque(opaque.value), out);
            }
            // There is no item that could show it.
            Part::Media(_) | Part::Opaque(_) | Part::ToolResult(_) | Part::CachePoint(_) => {}
        }
    }

    fn open_words(&mut self, content: Content, out: &mut BytesMut) {
        if !matches!(self.open, Open::Message { .. }) {
            self.emitter.push(self.naming().message(self.emitter.count()), out);
        }
        self.open = Open::Message { in_part: true };
        self.emitter.add_part(content, out);
    }

    fn open_reasoning(&mut self, reasoning: &Reasoning, out: &mut BytesMut) {
        self.leave_message(Status::Completed, out);
        let (item, is_summary) = self.naming().reasoning(reasoning, self.emitter.count());
        self.emitter.push(item, out);
        self.open = Open::Reasoning { is_summary };
        self.say(&reasoning.text, out);
    }

    fn delta(&mut self, delta: Delta, out: &mut BytesMut) {
        match delta {
            Delta::Text(text) | Delta::Transcript(text) => self.say(&text, out),
            Delta::Arguments(text) => {
                self.announce(out);
                self.emitter.argue(&text, out);
            }
            Delta::Seal(seal) => match self.open {
                Open::Reasoning { .. } => self.emitter.seal(carried(&seal)),
                Open::Call(Some(_)) => self.emitter.whole(self.naming().sealed(&seal, self.emitter.count()), out),
                // Too late to go ahead of its call, where alone it would be found again.
                Open::Call(None) | Open::Nothing | Open::Message { .. } => {}
            },
            Delta::Annotation(annotation) => self.emitter.annotate(annotation, out),
            Delta::Logprobs(logprobs) => self.emitter.logprobs(logprobs, out),
            Delta::Audio(_) => {}
        }
    }

    fn say(&mut self, text: &str, out: &mut BytesMut) {
        if text.is_empty() {
            return;
        }
        match self.open {
            Open::Message { in_part: true } => {}
            Open::Reasoning { is_summary } if !self.emitter.has_parts() => {
                let text = String::new();
                let part = if is_summary { Content::SummaryText { text } } else { Content::ReasoningText { text } };
                self.emitter.add_part(part, out);
            }
            Open::Reasoning { .. } => {}
            Open::Nothing | Open::Message { in_part: false } | Open::Call(_) => return,
        }
        self.emitter.say(text, out);
    }

    fn close(&mut self, out: &mut BytesMut) {
        match self.open {
            Open::Nothing | Open::Message { in_part: false } => {}
            Open::Message { in_part: true } => {
                self.emitter.end_part(out);
                self.open = Open::Message { in_part: false };
            }
            Open::Reasoning { .. } => {
                self.emitter.end_part(out);
                self.complete(Status::Completed, out);
            }
            Open::Call(_) => {
                self.announce(out);
                self.emitter.end_call(out);
                self.complete(Status::Completed, out);
            }
        }
    }

    /// A call begins for the client.
    fn announce(&mut self, out: &mut BytesMut) {
        let Open::Call(call) = &mut self.open else { return };
        let Some(call) = call.take() else { return };
        if let Some(seal) = &call.seal {
            self.emitter.whole(self.naming().sealed(seal, self.emitter.count()), out);
        }
        self.emitter.push(self.naming().call(&call, self.emitter.count()), out);
        self.emitter.argue(&call.arguments, out);
    }

    /// A message ends when something else begins.
    fn leave_message(&mut self, status: Status, out: &mut BytesMut) {
        if matches!(self.open, Open::Message { .. }) {
            self.complete(status, out);
        }
    }

    fn complete(&mut self, status: Status, out: &mut BytesMut) {
        self.emitter.complete(status, out);
        self.open = Open::Nothing;
    }

    fn end(&mut self, out: &mut BytesMut) {
        let state = State::of(&self.finish);
        let (kind, status) = match state {
            State::Incomplete { .. } => ("response.incomplete", Status::Incomplete),
            State::InProgress | State::Completed | State::Failed(_) => ("response.completed", Status::Completed),
        };
        self.leave_message(status, out);
        if let Some(envelope) = self.envelope.take() {
            self.emitter.lifecycle(kind, &envelope, state, self.usage, out);
        }
    }

    fn naming(&self) -> Naming<'_> {
        let Reply { nonce, namespaces, searches_tools, .. } = &self.reply;
        Naming { nonce, wants_summaries: self.wants_summaries, namespaces, searches_tools: *searches_tools }
    }
}
