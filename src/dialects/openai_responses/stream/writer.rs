//! Events → a stream of events of this dialect, complete enough for the SDKs to build the answer of it at any time.

use bytes::BytesMut;

use super::written::{Broken, Lifecycle, Piece, Whole};
use crate::dialects::ir::{
    Annotation, Delta, Event, Finish, Json, Media, MediaKind, Part, Reasoning, Source, Start, ToolCall, Usage,
};
use crate::dialects::openai_responses::answer::item::{Content, Item, Naming, Status, carried, source};
use crate::dialects::openai_responses::answer::object::{Envelope, State};
use crate::dialects::{Dialect, EventWriter, Reply, wire};
use crate::error::Failure;

#[derive(Debug)]
pub struct Writer {
    reply: Reply,
    /// From the start to the end.
    envelope: Option<Envelope>,
    wants_summaries: bool,
    sequence: u64,
    /// The items so far; while one is open, it is the last.
    output: Vec<Item>,
    open: Open,
    finish: Finish,
    usage: Option<Usage>,
}

/// What is being written.
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
            Event::Failed(failure) => self.fail(&failure, out),
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
            sequence: 0,
            output: Vec::new(),
            open: Open::Nothing,
            finish: Finish::default(),
            usage: None,
        }
    }

    fn start(&mut self, start: &Start, out: &mut BytesMut) {
        let envelope = Envelope::new(start, &self.reply);
        self.wants_summaries = envelope.echo.wants_summaries();
        self.usage = start.usage;
        for kind in ["response.created", "response.in_progress"] {
            let response = envelope.object(State::InProgress, &[], None);
            let event = Lifecycle { kind, sequence_number: self.sequence, response };
            wire::write_event(out, Some(kind), &event);
            self.sequence += 1;
        }
        self.envelope = Some(envelope);
    }

    fn open(&mut self, part: Part, out: &mut BytesMut) {
        let index = self.output.len();
        match part {
            Part::Text(text) => {
                self.open_words(Content::output_text(), out);
                self.say(&text.text, out);
                self.logprobs(text.logprobs, out);
                text.annotations.into_iter().for_each(|annotation| self.annotate(annotation, out));
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
                let item = self.naming().image(id.as_ref(), &data, self.output.len());
                self.push(item, out);
                self.complete(Status::Completed, out);
            }
            Part::Media(media) if media.kind == MediaKind::Audio => {
                self.open_words(Content::output_text(), out);
                self.say(media.transcript.as_deref().unwrap_or_default(), out);
            }
            Part::Opaque(opaque) if opaque.dialect == Dialect::OpenaiResponses => {
                self.leave_message(Status::Completed, out);
                self.push(Item::Opaque(opaque.value), out);
                self.complete(Status::Completed, out);
            }
            // There is no item that could show it.
            Part::Media(_) | Part::Opaque(_) | Part::ToolResult(_) | Part::CachePoint(_) => {
                debug_assert_eq!(index, self.output.len());
            }
        }
    }

    fn open_words(&mut self, content: Content, out: &mut BytesMut) {
        if !matches!(self.open, Open::Message { .. }) {
            let item = self.naming().message(self.output.len());
            self.push(item, out);
        }
        self.open = Open::Message { in_part: true };
        self.add_part(content, out);
    }

    fn open_reasoning(&mut self, reasoning: &Reasoning, out: &mut BytesMut) {
        self.leave_message(Status::Completed, out);
        let (item, is_summary) = self.naming().reasoning(reasoning, self.output.len());
        self.push(item, out);
        self.open = Open::Reasoning { is_summary };
        self.say(&reasoning.text, out);
    }

    fn delta(&mut self, delta: Delta, out: &mut BytesMut) {
        match delta {
            Delta::Text(text) | Delta::Transcript(text) => self.say(&text, out),
            Delta::Arguments(text) => self.argue(&text, out),
            Delta::Seal(seal) => match (&self.open, self.output.last_mut()) {
                (Open::Reasoning { .. }, Some(Item::Reasoning { encrypted_content, .. })) => {
                    *encrypted_content = Some(carried(&seal));
                }
                (Open::Call(Some(_)), _) => {
                    let item = self.naming().sealed(&seal, self.output.len());
                    self.push(item, out);
                    self.complete(Status::Completed, out);
                }
                // Too late to go ahead of its call, where alone it would be found again.
                _ => {}
            },
            Delta::Annotation(annotation) => self.annotate(annotation, out),
            Delta::Logprobs(logprobs) => self.logprobs(logprobs, out),
            Delta::Audio(_) => {}
        }
    }

    fn say(&mut self, text: &str, out: &mut BytesMut) {
        if text.is_empty() {
            return;
        }
        let kind = match self.open {
            Open::Message { in_part: true } => match self.parts().last() {
                Some(Content::Refusal { .. }) => "response.refusal.delta",
                _ => "response.output_text.delta",
            },
            Open::Reasoning { is_summary } => {
                let empty = String::new();
                match (self.parts().is_empty(), is_summary) {
                    (true, true) => self.add_part(Content::SummaryText { text: empty }, out),
                    (true, false) => self.add_part(Content::ReasoningText { text: empty }, out),
                    (false, _) => {}
                }
                match is_summary {
                    true => "response.reasoning_summary_text.delta",
                    false => "response.reasoning_text.delta",
                }
            }
            Open::Nothing | Open::Message { in_part: false } | Open::Call(_) => return,
        };
        let logprobs = (kind == "response.output_text.delta").then_some(&[] as &[Json]);
        let event = Piece { delta: Some(text), logprobs, ..self.piece_of_part(kind) };
        wire::write_event(out, Some(kind), &event);
        self.sequence += 1;
        if let Some(part) = self.part_mut() {
            part.words_mut().push_str(text);
        }
    }

    fn argue(&mut self, more: &str, out: &mut BytesMut) {
        self.announce(out);
        let kind = match self.output.last() {
            Some(Item::FunctionCall { .. }) => "response.function_call_arguments.delta",
            Some(Item::CustomToolCall { .. }) => "response.custom_tool_call_input.delta",
            _ => return,
        };
        if !matches!(self.open, Open::Call(None)) || more.is_empty() {
            return;
        }
        let event = Piece { delta: Some(more), ..self.piece(kind) };
        wire::write_event(out, Some(kind), &event);
        self.sequence += 1;
        if let Some(Item::FunctionCall { arguments: text, .. } | Item::CustomToolCall { input: text, .. }) =
            self.output.last_mut()
        {
            text.push_str(more);
        }
    }

    fn annotate(&mut self, annotation: Annotation, out: &mut BytesMut) {
        let Some(source) = source(annotation) else { return };
        let Some(Content::OutputText { annotations, .. }) = self.parts().last() else { return };
        let kind = "response.output_text.annotation.added";
        let annotation_index = Some(annotations.len());
        let event = Piece { annotation: Some(&source), annotation_index, ..self.piece_of_part(kind) };
        wire::write_event(out, Some(kind), &event);
        self.sequence += 1;
        if let Some(Content::OutputText { annotations, .. }) = self.part_mut() {
            annotations.push(source);
        }
    }

    /// They come after their text: with a delta of none.
    fn logprobs(&mut self, more: Vec<Json>, out: &mut BytesMut) {
        if more.is_empty() || !matches!(self.open, Open::Message { in_part: true }) {
            return;
        }
        let kind = "response.output_text.delta";
        let event = Piece { delta: Some(""), logprobs: Some(&more), ..self.piece_of_part(kind) };
        wire::write_event(out, Some(kind), &event);
        self.sequence += 1;
        if let Some(Content::OutputText { logprobs, .. }) = self.part_mut() {
            logprobs.extend(more);
        }
    }

    fn close(&mut self, out: &mut BytesMut) {
        match self.open {
            Open::Nothing | Open::Message { in_part: false } => {}
            Open::Message { in_part: true } => {
                self.end_part(out);
                self.open = Open::Message { in_part: false };
            }
            Open::Reasoning { .. } => {
                if !self.parts().is_empty() {
                    self.end_part(out);
                }
                self.complete(Status::Completed, out);
            }
            Open::Call(_) => {
                self.announce(out);
                if let Some(Item::FunctionCall { arguments, .. }) = self.output.last()
                    && arguments.is_empty()
                {
                    self.argue("{}", out);
                }
                self.end_call(out);
                self.complete(Status::Completed, out);
            }
        }
    }

    fn announce(&mut self, out: &mut BytesMut) {
        let Open::Call(call) = &mut self.open else { return };
        let Some(call) = call.take() else { return };
        if let Some(seal) = &call.seal {
            let item = self.naming().sealed(seal, self.output.len());
            self.push(item, out);
            self.complete(Status::Completed, out);
        }
        let item = self.naming().call(&call, self.output.len());
        self.push(item, out);
        self.open = Open::Call(None);
        self.argue(&call.arguments, out);
    }

    fn end_part(&mut self, out: &mut BytesMut) {
        let Some(part) = self.parts().last() else { return };
        let (done, part_done) = match part {
            Content::OutputText { .. } => ("response.output_text.done", "response.content_part.done"),
            Content::Refusal { .. } => ("response.refusal.done", "response.content_part.done"),
            Content::SummaryText { .. } => {
                ("response.reasoning_summary_text.done", "response.reasoning_summary_part.done")
            }
            Content::ReasoningText { .. } => ("response.reasoning_text.done", "response.content_part.done"),
        };
        let piece = self.piece_of_part(done);
        let event = match part {
            Content::OutputText { text, logprobs, .. } => Piece { text: Some(text), logprobs: Some(logprobs), ..piece },
            Content::Refusal { refusal } => Piece { refusal: Some(refusal), ..piece },
            Content::SummaryText { text } | Content::ReasoningText { text } => Piece { text: Some(text), ..piece },
        };
        wire::write_event(out, Some(done), &event);
        let piece = self.piece_of_part(part_done);
        let event = Piece { part: Some(part), sequence_number: self.sequence + 1, ..piece };
        wire::write_event(out, Some(part_done), &event);
        self.sequence += 2;
    }

    fn end_call(&mut self, out: &mut BytesMut) {
        let (kind, arguments, input) = match self.output.last() {
            Some(Item::FunctionCall { arguments, .. }) => {
                ("response.function_call_arguments.done", Some(arguments.as_str()), None)
            }
            Some(Item::CustomToolCall { input, .. }) => {
                ("response.custom_tool_call_input.done", None, Some(input.as_str()))
            }
            _ => return,
        };
        let event = Piece { arguments, input, ..self.piece(kind) };
        wire::write_event(out, Some(kind), &event);
        self.sequence += 1;
    }

    /// Messages end when something else begins.
    fn leave_message(&mut self, status: Status, out: &mut BytesMut) {
        if matches!(self.open, Open::Message { .. }) {
            self.complete(status, out);
        }
    }

    fn push(&mut self, item: Item, out: &mut BytesMut) {
        let kind = "response.output_item.added";
        let output_index = self.output.len();
        let event = Whole { kind, sequence_number: self.sequence, output_index, item: &item };
        wire::write_event(out, Some(kind), &event);
        self.sequence += 1;
        self.output.push(item);
    }

    fn complete(&mut self, status: Status, out: &mut BytesMut) {
        let kind = "response.output_item.done";
        let output_index = self.output.len().saturating_sub(1);
        if let Some(item) = self.output.last_mut() {
            item.finish(status);
            let event = Whole { kind, sequence_number: self.sequence, output_index, item };
            wire::write_event(out, Some(kind), &event);
            self.sequence += 1;
        }
        // A pending call goes on after the seal that came ahead of it.
        if !matches!(self.open, Open::Call(Some(_))) {
            self.open = Open::Nothing;
        }
    }

    fn add_part(&mut self, part: Content, out: &mut BytesMut) {
        let kind = match part {
            Content::SummaryText { .. } => "response.reasoning_summary_part.added",
            _ => "response.content_part.added",
        };
        if let Some(parts) = self.parts_mut(&part) {
            parts.push(part);
        }
        let event = Piece { part: self.parts().last(), ..self.piece_of_part(kind) };
        wire::write_event(out, Some(kind), &event);
        self.sequence += 1;
    }

    fn fail(&mut self, failure: &Failure, out: &mut BytesMut) {
        self.envelope = None;
        let envelope = Dialect::OpenaiResponses.error(failure, &self.reply.nonce);
        let event = Broken {
            kind: "error",
            sequence_number: self.sequence,
            code: failure.code.as_deref(),
            message: &failure.message,
            param: failure.param.as_deref(),
            error: envelope.get("error"),
        };
        wire::write_event(out, Some("error"), &event);
    }

    fn end(&mut self, out: &mut BytesMut) {
        let state = State::of(&self.finish);
        let (kind, status) = match state {
            State::Incomplete { .. } => ("response.incomplete", Status::Incomplete),
            State::InProgress | State::Completed => ("response.completed", Status::Completed),
        };
        self.leave_message(status, out);
        if let Some(envelope) = self.envelope.take() {
            let response = envelope.object(state, &self.output, self.usage);
            let event = Lifecycle { kind, sequence_number: self.sequence, response };
            wire::write_event(out, Some(kind), &event);
        }
    }

    fn naming(&self) -> Naming<'_> {
        Naming { nonce: &self.reply.nonce, wants_summaries: self.wants_summaries }
    }

    /// An event about the last item.
    fn piece(&self, kind: &'static str) -> Piece<'_> {
        Piece {
            kind,
            sequence_number: self.sequence,
            item_id: self.output.last().map(Item::id).unwrap_or_default(),
            output_index: self.output.len().saturating_sub(1),
            ..Piece::default()
        }
    }

    /// An event about the last part of the last item.
    fn piece_of_part(&self, kind: &'static str) -> Piece<'_> {
        let parts = self.parts();
        let index = Some(parts.len().saturating_sub(1));
        match parts.last() {
            Some(Content::SummaryText { .. }) => Piece { summary_index: index, ..self.piece(kind) },
            _ => Piece { content_index: index, ..self.piece(kind) },
        }
    }

    fn parts(&self) -> &[Content] {
        match self.output.last() {
            Some(Item::Message { content, .. }) => content,
            Some(Item::Reasoning { summary, .. }) if !summary.is_empty() => summary,
            Some(Item::Reasoning { content, .. }) => content,
            _ => &[],
        }
    }

    /// Where parts like this one stand.
    fn parts_mut(&mut self, part: &Content) -> Option<&mut Vec<Content>> {
        match (self.output.last_mut()?, part) {
            (Item::Reasoning { summary, .. }, Content::SummaryText { .. }) => Some(summary),
            (Item::Message { content, .. } | Item::Reasoning { content, .. }, _) => Some(content),
            _ => None,
        }
    }

    fn part_mut(&mut self) -> Option<&mut Content> {
        match self.output.last_mut()? {
            Item::Message { content, .. } => content.last_mut(),
            Item::Reasoning { summary, content, .. } => summary.last_mut().or(content.last_mut()),
            _ => None,
        }
    }
}
