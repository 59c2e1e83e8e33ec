//! One choice of an answer in the making: what is said of it, in whatever order, becomes blocks, one after the other.

use std::collections::VecDeque;

use super::calls::{Call, Calls, Fragment};
use super::wire;
use crate::dialects::Dialect;
use crate::dialects::ir::{
    Annotation, At, Delta, Event, Finish, Json, Media, MediaKind, Opaque, Part, Reason, Reasoning, ReasoningKind, Seal,
    SealKind, Source, Text,
};
use crate::dialects::openai_chat::loose::Count;
use crate::dialects::wire::parse_data_url;
use crate::error::{Failure, Garbled};

#[derive(Debug, Default)]
pub struct Choice {
    index: u32,
    /// Blocks that were opened so far.
    blocks: u32,
    open: Option<Open>,
    calls: Calls,
    /// What must wait until the open call is complete, in the order in which it came.
    waiting: Vec<Piece>,
    /// What belongs to a text that has not come yet.
    marks: Vec<Delta>,
    has_annotations: bool,
    finish: Option<Finish>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Text,
    Refusal,
    Thought(Thought),
    Call(usize),
    Audio,
}

/// Which reasoning it is: pieces of the same one go together until it is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Thought {
    /// The index of its detail.
    detail: Option<u64>,
    kind: ReasoningKind,
    is_sealed: bool,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Refusal(String),
    Thought {
        of: Thought,
        id: Option<String>,
        text: String,
    },
    Seal {
        of: Thought,
        id: Option<String>,
        seal: Seal,
    },
    Audio {
        id: Option<String>,
        delta: Option<Delta>,
    },
    /// Something that comes at once.
    Whole(Part),
    Call(usize),
    Arguments(usize, String),
    CallSeal(usize, Seal),
    /// An annotation, or log probabilities, of the text so far.
    Mark(Delta),
}

impl Choice {
    pub fn new(index: u32) -> Self {
        Self { index, ..Self::default() }
    }

    pub fn is_fresh(&self) -> bool {
        self.blocks == 0 && self.waiting.is_empty() && self.finish.is_none()
    }

    pub fn has_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// The first reason counts: some repeat it, and some end with a plainer one.
    pub fn note_finish(&mut self, reason: Reason, stop_sequence: Option<String>) {
        let reason = if stop_sequence.is_some() && reason == Reason::Stop { Reason::StopSequence } else { reason };
        self.finish.get_or_insert(Finish { reason, stop_sequence, explanation: None });
    }

    pub fn take(&mut self, message: wire::Message<'_>, is_whole: bool, events: &mut Vec<Event>) {
        let wire::Message {
            content,
            refusal,
            reasoning_content,
            reasoning,
            reasoning_details,
            tool_calls,
            function_call,
            audio,
            images,
            annotations,
        } = message;
        let details = reasoning_details.0.unwrap_or_default();
        let filled = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        if !details.iter().any(|detail| filled(&detail.text) || filled(&detail.summary)) {
            self.think(reasoning_content.owned().or_else(|| reasoning.owned()), events);
        }
        for detail in details {
            self.take_detail(detail, events);
        }
        self.take_content(content, events);
        if let Some(refusal) = refusal.owned() {
            self.place(Piece::Refusal(refusal), events);
        }
        self.take_audio(audio.0.unwrap_or_default(), events);
        for image in images.0.into_iter().flatten() {
            self.take_image(image, events);
        }
        for annotation in annotations.0.into_iter().flatten() {
            self.annotate(annotation_of(annotation), events);
        }
        let legacy = function_call.filter(|call| !(call.is_empty() && self.calls.is_empty()));
        let legacy = legacy.map(|call| wire::ToolCall {
            index: Count(Some(u64::MAX)),
            function: Some(call),
            ..wire::ToolCall::default()
        });
        for entry in tool_calls.into_iter().flatten().chain(legacy) {
            self.take_call(entry, is_whole, events);
        }
    }

    pub fn take_logprobs(&mut self, logprobs: wire::Logprobs, events: &mut Vec<Event>) {
        if let Some(logprobs) = logprobs.content.filter(|logprobs| !logprobs.is_empty()) {
            self.place(Piece::Mark(Delta::Logprobs(logprobs)), events);
        }
    }

    /// Sources of the answer as a whole.
    pub fn cite(&mut self, sources: &[String], events: &mut Vec<Event>) {
        if !self.has_annotations && self.open == Some(Open::Text) {
            for source in sources {
                self.annotate(Annotation { url: Some(source.clone()), ..Annotation::default() }, events);
            }
        }
    }

    /// Tells what is left, and closes the last block.
    pub fn close_all(&mut self, events: &mut Vec<Event>) -> Result<(), Failure> {
        if self.calls.lack_a_name() {
            return Err(Garbled::new("a tool is called that has no name").into());
        }
        loop {
            self.close(events);
            if self.waiting.is_empty() {
                break;
            }
            self.settle(events);
        }
        if self.marks.iter().any(|mark| matches!(mark, Delta::Annotation(_))) {
            self.open_as(Open::Text, || Part::Text(Text::default()), events);
            self.tell_marks(events);
            self.close(events);
        }
        Ok(())
    }

    /// How it ended, once all is told.
    pub fn finish(&mut self) -> Event {
        let mut finish = self.finish.take().unwrap_or_default();
        if !self.calls.is_empty() && matches!(finish.reason, Reason::Stop | Reason::StopSequence) {
            finish.reason = Reason::ToolCalls;
        }
        Event::Finish(self.index, finish)
    }

    fn think(&mut self, text: Option<String>, events: &mut Vec<Event>) {
        if let Some(text) = text {
            let of = Thought { detail: None, kind: ReasoningKind::Raw, is_sealed: false };
            self.place(Piece::Thought { of, id: None, text }, events);
        }
    }

    fn take_detail(&mut self, mut detail: crate::dialects::openai_chat::details::Detail, events: &mut Vec<Event>) {
        let seal = detail.seal();
        let (text, kind) = detail.text().unzip();
        let of = Thought { detail: detail.index, kind: kind.unwrap_or_default(), is_sealed: false };
        let id = detail.id;
        if let Some(text) = text {
            self.place(Piece::Thought { of, id: id.clone(), text }, events);
        }
        match seal {
            Some(seal) if seal.kind == SealKind::Redacted => {
                let reasoning = Reasoning { seal: Some(seal), id, ..Reasoning::default() };
                self.place(Piece::Whole(Part::Reasoning(reasoning)), events);
            }
            Some(seal) => self.place(Piece::Seal { of, id, seal }, events),
            None => {}
        }
    }

    fn take_content(&mut self, content: wire::Content<'_>, events: &mut Vec<Event>) {
        match content {
            wire::Content::None => {}
            wire::Content::Text(text) => self.place(Piece::Text(text.into_owned()), events),
            wire::Content::Json(text) => self.place(Piece::Text(text), events),
            wire::Content::Parts(parts) => {
                for part in parts {
                    self.take_part(part, events);
                }
            }
        }
    }

    fn take_part(&mut self, part: wire::Part<'_>, events: &mut Vec<Event>) {
        match part {
            wire::Part { thinking: wire::Content::Text(text), .. } => self.think(Some(text.into_owned()), events),
            wire::Part { thinking: wire::Content::Parts(parts), .. } => {
                for part in parts {
                    self.think(part.text.owned(), events);
                }
            }
            part if part.image_url.0.is_some() => self.take_image(part, events),
            part => {
                if let Some(text) = part.text.owned() {
                    self.place(Piece::Text(text), events);
                }
                if let Some(refusal) = part.refusal.owned() {
                    self.place(Piece::Refusal(refusal), events);
                }
            }
        }
    }

    fn take_image(&mut self, image: wire::Part<'_>, events: &mut Vec<Event>) {
        let Some(url) = image.image_url.0.and_then(|image| image.url.owned()) else { return };
        let (mime, source) = match parse_data_url(&url) {
            Some((mime, data)) => (Some(mime.to_owned()), Source::Base64(data.to_owned())),
            None => (None, Source::Url(url)),
        };
        let media =
            Media { kind: MediaKind::Image, mime, source, name: None, detail: None, transcript: None, id: None };
        self.place(Piece::Whole(Part::Media(media)), events);
    }

    fn take_audio(&mut self, audio: wire::Audio<'_>, events: &mut Vec<Event>) {
        let wire::Audio { id, data, transcript } = audio;
        let mut id = id.owned();
        let deltas = [data.owned().map(Delta::Audio), transcript.owned().map(Delta::Transcript)];
        if id.is_some() && deltas.iter().all(Option::is_none) {
            self.place(Piece::Audio { id: id.take(), delta: None }, events);
        }
        for delta in deltas.into_iter().flatten() {
            self.place(Piece::Audio { id: id.clone(), delta: Some(delta) }, events);
        }
    }

    fn take_call(&mut self, entry: wire::ToolCall<'_>, is_whole: bool, events: &mut Vec<Event>) {
        let Fragment { call, arguments, seal } = self.calls.take(entry, is_whole);
        let Some(known) = self.calls.get_mut(call) else { return };
        if !known.is_named() {
            known.early.extend(arguments);
            return;
        }
        if !known.is_announced {
            known.is_announced = true;
            let early = std::mem::take(&mut known.early);
            self.place(Piece::Call(call), events);
            if !early.is_empty() {
                self.place(Piece::Arguments(call, early), events);
            }
        }
        if let Some(arguments) = arguments {
            self.place(Piece::Arguments(call, arguments), events);
        }
        if let Some(seal) = seal {
            self.place(Piece::CallSeal(call, seal), events);
        }
    }

    fn annotate(&mut self, annotation: Annotation, events: &mut Vec<Event>) {
        self.has_annotations = true;
        self.place(Piece::Mark(Delta::Annotation(annotation)), events);
    }

    /// Tells a piece, or keeps it while a call is incomplete that it does not belong to.
    fn place(&mut self, piece: Piece, events: &mut Vec<Event>) {
        if self.must_wait(&piece) {
            self.waiting.push(piece);
            return;
        }
        self.tell(piece, events);
        if !self.waiting.is_empty() {
            self.settle(events);
        }
    }

    fn must_wait(&self, piece: &Piece) -> bool {
        let of = match piece {
            Piece::Call(call) | Piece::Arguments(call, _) | Piece::CallSeal(call, _) => Some(*call),
            Piece::Mark(_) => return false,
            _ => None,
        };
        match self.open {
            Some(Open::Call(open)) => of != Some(open) && !self.calls.get(open).is_some_and(Call::is_complete),
            _ => false,
        }
    }

    /// Tells what waits, as far as can be.
    fn settle(&mut self, events: &mut Vec<Event>) {
        let mut queue = VecDeque::from(std::mem::take(&mut self.waiting));
        while let Some(piece) = queue.pop_front() {
            if self.must_wait(&piece) {
                self.waiting.push(piece);
                continue;
            }
            self.tell(piece, events);
            // A call may have become complete: what was kept meanwhile comes first.
            if self.waiting.first().is_some_and(|first| !self.must_wait(first)) {
                for kept in self.waiting.drain(..).rev() {
                    queue.push_front(kept);
                }
            }
        }
    }

    fn tell(&mut self, piece: Piece, events: &mut Vec<Event>) {
        match piece {
            Piece::Text(text) => {
                self.open_as(Open::Text, || Part::Text(Text::default()), events);
                self.tell_marks(events);
                self.delta(Delta::Text(text), events);
            }
            Piece::Refusal(text) => {
                self.open_as(Open::Refusal, || Part::Refusal(String::new()), events);
                self.delta(Delta::Text(text), events);
            }
            Piece::Thought { of, id, text } => {
                let part = || Part::Reasoning(Reasoning { kind: of.kind, id, ..Reasoning::default() });
                self.open_as(Open::Thought(of), part, events);
                self.delta(Delta::Text(text), events);
            }
            Piece::Seal { of, id, seal } => {
                // It comes behind the text, often by itself: then it does not say of what kind the text was.
                let is_of = |open: &Thought| open.detail == of.detail && !open.is_sealed;
                let of = match self.open {
                    Some(Open::Thought(open)) if is_of(&open) => open,
                    _ => of,
                };
                let part = || Part::Reasoning(Reasoning { kind: of.kind, id, ..Reasoning::default() });
                self.open_as(Open::Thought(of), part, events);
                self.delta(Delta::Seal(seal), events);
                self.open = Some(Open::Thought(Thought { is_sealed: true, ..of }));
            }
            Piece::Audio { id, delta } => {
                let audio = Media {
                    kind: MediaKind::Audio,
                    mime: None,
                    source: Source::Base64(String::new()),
                    name: None,
                    detail: None,
                    transcript: None,
                    id,
                };
                self.open_as(Open::Audio, || Part::Media(audio), events);
                if let Some(delta) = delta {
                    self.delta(delta, events);
                }
            }
            Piece::Whole(part) => {
                self.close(events);
                let at = self.next();
                events.extend([Event::Open(at, part), Event::Close(at)]);
            }
            Piece::Call(call) => {
                self.close(events);
                if let Some(part) = self.calls.get_mut(call).map(Call::part) {
                    events.push(Event::Open(self.next(), Part::ToolCall(part)));
                    self.open = Some(Open::Call(call));
                }
            }
            // What comes to a call behind its last brace can only be space.
            Piece::Arguments(call, arguments) if self.open == Some(Open::Call(call)) => {
                if let Some(call) = self.calls.get_mut(call) {
                    call.weigh(&arguments);
                }
                self.delta(Delta::Arguments(arguments), events);
            }
            Piece::CallSeal(call, seal) if self.open == Some(Open::Call(call)) => {
                self.delta(Delta::Seal(seal), events);
            }
            Piece::Arguments(..) | Piece::CallSeal(..) => {}
            Piece::Mark(mark) if self.open == Some(Open::Text) => self.delta(mark, events),
            Piece::Mark(mark) => self.marks.push(mark),
        }
    }

    fn tell_marks(&mut self, events: &mut Vec<Event>) {
        for mark in std::mem::take(&mut self.marks) {
            self.delta(mark, events);
        }
    }

    fn open_as(&mut self, open: Open, part: impl FnOnce() -> Part, events: &mut Vec<Event>) {
        if self.open != Some(open) {
            self.close(events);
            events.push(Event::Open(self.next(), part()));
            self.open = Some(open);
        }
    }

    fn close(&mut self, events: &mut Vec<Event>) {
        if self.open.take().is_some() {
            events.push(Event::Close(self.last()));
        }
    }

    fn delta(&self, delta: Delta, events: &mut Vec<Event>) {
        events.push(Event::Delta(self.last(), delta));
    }

    fn next(&mut self) -> At {
        self.blocks += 1;
        self.last()
    }

    /// Where the last block is that was opened.
    fn last(&self) -> At {
        At { choice: self.index, block: self.blocks.saturating_sub(1) }
    }
}

fn annotation_of(native: Json) -> Annotation {
    let read: wire::Annotation<'_> = serde_json::from_str(native.get()).unwrap_or_default();
    let citation = read.url_citation.0.unwrap_or_default();
    let (start, end) = (citation.start_index.0, citation.end_index.0);
    let span = start.zip(end).filter(|(start, end)| start < end);
    let (url, title, quote) = (citation.url.owned(), citation.title.owned(), citation.content.owned());
    let native = Opaque { dialect: Dialect::OpenaiChat, name: "annotation".to_owned(), value: native };
    Annotation { url, title, quote, span, native: Some(native) }
}
