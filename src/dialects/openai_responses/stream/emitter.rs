//! The events as they go out: numbered, each about the last item or its last part, which grow with them.

use bytes::{BufMut, BytesMut};

use super::written::{Piece, Whole};
use crate::dialects::ir::{Annotation, Json, Usage};
use crate::dialects::openai_responses::answer::item::{self, Content, Item, Status};
use crate::dialects::openai_responses::answer::object::{Envelope, State};
use crate::dialects::openai_responses::failure::Broken;
use crate::dialects::wire;
use crate::error::Failure;

#[derive(Debug, Default)]
pub struct Emitter {
    /// The number of the next event.
    sequence: u64,
    /// The items so far.
    output: Vec<Item>,
}

impl Emitter {
    pub fn count(&self) -> usize {
        self.output.len()
    }

    /// Whether the last item has parts.
    pub fn has_parts(&self) -> bool {
        !self.parts().is_empty()
    }

    /// An event about the whole answer. The items are shown when it has come to an end of its own.
    pub fn lifecycle(
        &mut self,
        kind: &'static str,
        envelope: &Envelope,
        state: State<'_>,
        usage: Option<Usage>,
        out: &mut BytesMut,
    ) {
        let output = if matches!(state, State::InProgress | State::Failed(_)) { &[] } else { self.output.as_slice() };
        let mut response = envelope.write(state, output, usage);
        wire::in_one_line(&mut response);
        self.begin(kind, out);
        out.put_slice(b",\"response\":");
        out.put_slice(&response);
        out.put_slice(b"}\n\n");
        self.sequence += 1;
    }

    /// The end of a stream that broke: the API says so twice. SDKs raise what the first event tells, Codex looks at the second one.
    pub fn broken(&mut self, failure: &Failure, envelope: &Envelope, usage: Option<Usage>, out: &mut BytesMut) {
        wire::write_event(out, Some("error"), &Broken::of(failure, Some(self.sequence)));
        self.sequence += 1;
        self.lifecycle("response.failed", envelope, State::Failed(failure), usage, out);
    }

    /// An item begins.
    pub fn push(&mut self, item: Item, out: &mut BytesMut) {
        let kind = "response.output_item.added";
        let event = Whole { kind, sequence_number: self.sequence, output_index: self.output.len(), item: &item };
        wire::write_event(out, Some(kind), &event);
        self.sequence += 1;
        self.output.push(item);
    }

    /// The last item has ended.
    pub fn complete(&mut self, status: Status, out: &mut BytesMut) {
        let kind = "response.output_item.done";
        let output_index = self.output.len().saturating_sub(1);
        if let Some(item) = self.output.last_mut() {
            item.finish(status);
            let event = Whole { kind, sequence_number: self.sequence, output_index, item };
            wire::write_event(out, Some(kind), &event);
            self.sequence += 1;
        }
    }

    /// An item that has no pieces.
    pub fn whole(&mut self, item: Item, out: &mut BytesMut) {
        self.push(item, out);
        self.complete(Status::Completed, out);
    }

    pub fn add_part(&mut self, part: Content, out: &mut BytesMut) {
        let kind = match part {
            Content::SummaryText { .. } => "response.reasoning_summary_part.added",
            _ => "response.content_part.added",
        };
        match (self.output.last_mut(), &part) {
            (Some(Item::Reasoning { summary, .. }), Content::SummaryText { .. }) => summary.push(part),
            (Some(Item::Message { content, .. } | Item::Reasoning { content, .. }), _) => content.push(part),
            _ => return,
        }
        let event = Piece { part: self.parts().last(), ..self.piece_of_part(kind) };
        wire::write_event(out, Some(kind), &event);
        self.sequence += 1;
    }

    pub fn say(&mut self, text: &str, out: &mut BytesMut) {
        let index = self.parts().len().saturating_sub(1);
        let (kind, place, behind) = match self.parts().last() {
            Some(Content::OutputText { .. }) => ("response.output_text.delta", "content_index", ",\"logprobs\":[]"),
            Some(Content::Refusal { .. }) => ("response.refusal.delta", "content_index", ""),
            Some(Content::SummaryText { .. }) => ("response.reasoning_summary_text.delta", "summary_index", ""),
            Some(Content::ReasoningText { .. }) => ("response.reasoning_text.delta", "content_index", ""),
            None => return,
        };
        self.delta(kind, Some((place, index)), text, behind, out);
        if let Some(part) = self.part_mut() {
            part.words_mut().push_str(text);
        }
    }

    pub fn annotate(&mut self, annotation: Annotation, out: &mut BytesMut) {
        let Some(source) = item::source(annotation) else { return };
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
    pub fn logprobs(&mut self, more: Vec<Json>, out: &mut BytesMut) {
        if more.is_empty() || !matches!(self.parts().last(), Some(Content::OutputText { .. })) {
            return;
        }
        let more = item::logprobs(more);
        let kind = "response.output_text.delta";
        let event = Piece { delta: Some(""), logprobs: Some(&more), ..self.piece_of_part(kind) };
        wire::write_event(out, Some(kind), &event);
        self.sequence += 1;
        if let Some(Content::OutputText { logprobs, .. }) = self.part_mut() {
            logprobs.extend(more);
        }
    }

    /// The last part has ended, if there is one.
    pub fn end_part(&mut self, out: &mut BytesMut) {
        let Some(part) = self.parts().last() else { return };
        let (done, part_done) = match part {
            Content::OutputText { .. } => ("response.output_text.done", "response.content_part.done"),
            Content::Refusal { .. } => ("response.refusal.done", "response.content_part.done"),
            Content::ReasoningText { .. } => ("response.reasoning_text.done", "response.content_part.done"),
            Content::SummaryText { .. } => {
                ("response.reasoning_summary_text.done", "response.reasoning_summary_part.done")
            }
        };
        let place = self.piece_of_part(done);
        let event = match part {
            Content::OutputText { text, logprobs, .. } => Piece { text: Some(text), logprobs: Some(logprobs), ..place },
            Content::Refusal { refusal } => Piece { refusal: Some(refusal), ..place },
            Content::SummaryText { text } | Content::ReasoningText { text } => Piece { text: Some(text), ..place },
        };
        wire::write_event(out, Some(done), &event);
        let place = self.piece_of_part(part_done);
        let event = Piece { part: Some(part), sequence_number: self.sequence + 1, ..place };
        wire::write_event(out, Some(part_done), &event);
        self.sequence += 2;
    }

    /// More arguments of the call that is the last item.
    pub fn argue(&mut self, more: &str, out: &mut BytesMut) {
        // Of a search there are no deltas: its arguments are told when they are complete.
        if let Some(Item::ToolSearchCall { arguments, .. }) = self.output.last_mut() {
            arguments.push_str(more);
        }
        let kind = match self.output.last() {
            Some(Item::FunctionCall { .. }) => "response.function_call_arguments.delta",
            Some(Item::CustomToolCall { .. }) => "response.custom_tool_call_input.delta",
            _ => return,
        };
        if more.is_empty() {
            return;
        }
        self.delta(kind, None, more, "", out);
        if let Some(Item::FunctionCall { arguments: text, .. } | Item::CustomToolCall { input: text, .. }) =
            self.output.last_mut()
        {
            text.push_str(more);
        }
    }

    /// The arguments of the call that is the last item have ended; a function without any is called with an empty object.
    pub fn end_call(&mut self, out: &mut BytesMut) {
        if let Some(Item::FunctionCall { arguments, .. }) = self.output.last()
            && arguments.is_empty()
        {
            self.argue("{}", out);
        }
        let (kind, arguments, input) = match self.output.last() {
            Some(Item::FunctionCall { arguments, .. }) => {
                ("response.function_call_arguments.done", Some(arguments.as_str()), None)
            }
            Some(Item::CustomToolCall { input, .. }) => {
                ("response.custom_tool_call_input.done", None, Some(input.as_str()))
            }
            _ => return,
        };
        wire::write_event(out, Some(kind), &Piece { arguments, input, ..self.piece(kind) });
        self.sequence += 1;
    }

    /// The reasoning that is the last item is sealed: the event that ends it shows that.
    pub fn seal(&mut self, sealed: String) {
        if let Some(Item::Reasoning { encrypted_content, .. }) = self.output.last_mut() {
            *encrypted_content = Some(sealed);
        }
    }

    /// More text of the last item, or of its part at this place: what most of a stream consists of, hence written by hand.
    fn delta(&mut self, kind: &str, part: Option<(&str, usize)>, text: &str, behind: &str, out: &mut BytesMut) {
        self.begin(kind, out);
        wire::write_member(out, "item_id", &self.output.last().map(Item::id).unwrap_or_default());
        wire::write_member(out, "output_index", &self.output.len().saturating_sub(1));
        if let Some((place, index)) = part {
            wire::write_member(out, place, &index);
        }
        wire::write_member(out, "delta", &text);
        out.put_slice(behind.as_bytes());
        out.put_slice(b"}\n\n");
        self.sequence += 1;
    }

    /// What every event begins with.
    fn begin(&self, kind: &str, out: &mut BytesMut) {
        for part in ["event: ", kind, "\ndata: {\"type\":\"", kind, "\""] {
            out.put_slice(part.as_bytes());
        }
        wire::write_member(out, "sequence_number", &self.sequence);
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

    fn part_mut(&mut self) -> Option<&mut Content> {
        match self.output.last_mut()? {
            Item::Message { content, .. } => content.last_mut(),
            Item::Reasoning { summary, content, .. } => summary.last_mut().or(content.last_mut()),
            _ => None,
        }
    }
}
