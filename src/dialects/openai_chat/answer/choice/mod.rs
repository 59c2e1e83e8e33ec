//! One choice of an answer in the making: what is said of it, in whatever order, becomes blocks, one after the other.

mod intake;

use std::collections::VecDeque;

use super::calls::{Call, Calls};
use super::wire;
use crate::dialects::ir::{
    Annotation, At, Delta, Event, Finish, Media, MediaKind, Part, Reason, Reasoning, ReasoningKind, Seal, Source, Text,
};
use crate::dialects::think_tags::{Splitter, ThinkTags};
use crate::error::{Failure, Garbled};

#[derive(Debug)]
pub struct Choice {
    index: u32,
    /// Tells thoughts from text, where both come as one.
    splitter: Splitter,
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
    /// Reasoning that is nothing but its seal.
    Redacted(Reasoning, Seal),
    Call(usize),
    Arguments(usize, String),
    CallSeal(usize, Seal),
    /// An annotation, or log probabilities, of the text so far.
    Mark(Delta),
}

impl Choice {
    pub fn new(index: u32, think_tags: ThinkTags) -> Self {
        Self {
            index,
            splitter: Splitter::new(think_tags),
            blocks: 0,
            open: None,
            calls: Calls::default(),
            waiting: Vec::new(),
            marks: Vec::new(),
            has_annotations: false,
            finish: None,
        }
    }

    pub fn is_fresh(&self) -> bool {
        self.blocks == 0 && self.waiting.is_empty() && self.splitter.is_empty() && self.finish.is_none()
    }

    pub fn has_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// The first reason counts: some repeat it, and some end with a plainer one.
    pub fn note_finish(&mut self, reason: Reason, stop_sequence: Option<String>) {
        let reason = if stop_sequence.is_some() && reason == Reason::Stop { Reason::StopSequence } else { reason };
        self.finish.get_or_insert(Finish { reason, stop_sequence, explanation: None });
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
        self.settle_text(events);
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

    /// Tells a piece, or keeps it while a call is incomplete that it does not belong to.
    fn place(&mut self, piece: Piece, events: &mut Vec<Event>) {
        if !self.splitter.is_empty() && !matches!(piece, Piece::Text(_) | Piece::Thought { .. } | Piece::Mark(_)) {
            self.settle_text(events);
        }
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
            Piece::Redacted(reasoning, seal) => {
                self.close(events);
                let (open, seal) = (Event::Open(self.next(), Part::Reasoning(reasoning)), Delta::Seal(seal));
                events.extend([open, Event::Delta(self.last(), seal), Event::Close(self.last())]);
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
