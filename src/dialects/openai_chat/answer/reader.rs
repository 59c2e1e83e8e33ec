//! From what a provider sends to events. A whole answer is a stream of one chunk, so that both are read by the same rules.

use http::{HeaderMap, StatusCode};

use super::choice::Choice;
use super::wire::{self, Chunk};
use crate::dialects::counts::Counts;
use crate::dialects::errors::read_any_failure;
use crate::dialects::framing::{Frame, FrameKind};
use crate::dialects::ir::event::MOST_CHOICES;
use crate::dialects::ir::{Event, Fold, Reason, Response, Start, Usage};
use crate::dialects::openai_chat::finish::{self, Ending};
use crate::dialects::openai_chat::loose::read;
use crate::dialects::think_tags::ThinkTags;
use crate::dialects::wire::read_answer;
use crate::dialects::{EventReader, Unanswered};
use crate::error::{Failure, Garbled, Kind};

#[derive(Debug)]
pub struct Reader {
    think_tags: ThinkTags,
    stage: Stage,
    choices: Vec<Choice>,
    usage: Option<Usage>,
    citations: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Before,
    Running,
    Ended,
}

/// Reads a whole answer.
pub fn read_response(body: &[u8], think_tags: ThinkTags) -> Result<Response, Unanswered> {
    let chunk: Chunk<'_> = read_answer(body)?;
    if !chunk.is_error() && chunk.choices.as_ref().is_none_or(Vec::is_empty) {
        return Err(Garbled::new("it has no choices").into());
    }
    let (mut reader, mut events) = (Reader::new(think_tags), Vec::with_capacity(16));
    reader.take(chunk, body, Extent::Whole, &mut events);
    reader.finish(&mut events);
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.push(event));
    fold.finish().map_err(Unanswered::Failed)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    Chunk,
}

impl EventReader for Reader {
    fn read(&mut self, frame: &Frame, events: &mut Vec<Event>) {
        let data = frame.data.trim_ascii();
        if self.stage == Stage::Ended || data.is_empty() {
            return;
        }
        if data == b"[DONE]" {
            return self.finish(events);
        }
        if frame.kind == FrameKind::Exception || frame.name() == "error" {
            return self.fail(failure(data), events);
        }
        match read_answer::<Chunk<'_>>(data) {
            Ok(chunk) => self.take(chunk, data, Extent::Chunk, events),
            Err(garbled) => self.fail(garbled.into(), events),
        }
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        match self.stage {
            Stage::Ended => {}
            _ if self.choices.iter().any(Choice::has_finished) => self.finish(events),
            _ => {
                let why = "The provider's answer ended in the middle.";
                self.fail(Failure::of_kind(Kind::Upstream, why), events);
            }
        }
    }
}

impl Reader {
    pub fn new(think_tags: ThinkTags) -> Self {
        let stage = Stage::Before;
        Self { think_tags, stage, choices: Vec::new(), usage: None, citations: Vec::new() }
    }

    /// `body` is what the chunk was read from.
    fn take(&mut self, chunk: Chunk<'_>, body: &[u8], extent: Extent, events: &mut Vec<Event>) {
        if chunk.is_error() {
            let groq = read::<wire::Groq<'_>>(chunk.x_groq).and_then(|groq| groq.error);
            let said = if chunk.error.is_some() { body } else { groq.map_or(body, |raw| raw.get().as_bytes()) };
            return self.fail(failure(said), events);
        }
        let of_groq = || read::<wire::Groq<'_>>(chunk.x_groq)?.usage;
        let choices = chunk.choices.unwrap_or_default();
        let of_choice = || choices.iter().find_map(|choice| choice.usage);
        let usage = read::<Counts>(chunk.usage.or_else(of_groq).or_else(of_choice)).and_then(|counts| counts.usage());
        self.usage = usage.or(self.usage);
        if let Some(citations) = read(chunk.citations) {
            self.citations = citations;
        }
        // Azure begins with a chunk that has neither choices nor an id: the answer begins later.
        if self.stage == Stage::Before && (usage.is_some() || !choices.is_empty()) {
            self.start(
                Start {
                    id: chunk.id.owned(),
                    model: chunk.model.owned(),
                    created: chunk.created.0.filter(|created| *created > 0),
                    service_tier: chunk.service_tier.owned(),
                    fingerprint: chunk.system_fingerprint.owned(),
                    usage: None,
                },
                events,
            );
        }
        if choices.len() > MOST_CHOICES {
            return self.fail(Garbled::new("it has more choices than anybody asks for").into(), events);
        }
        for (position, choice) in choices.into_iter().enumerate() {
            if let Some(error) = choice.error() {
                return self.fail(failure(error.get().as_bytes()), events);
            }
            if self.take_choice(position, choice, extent, events) == Ending::Broken {
                return self.fail(finish::broken(), events);
            }
        }
    }

    fn take_choice(
        &mut self,
        position: usize,
        choice: wire::Choice<'_>,
        extent: Extent,
        events: &mut Vec<Event>,
    ) -> Ending {
        let wire::Choice { index, delta, message, finish_reason, stop_reason, logprobs, error: _, usage: _ } = choice;
        let index = index.0.and_then(|index| usize::try_from(index).ok()).filter(|index| *index < MOST_CHOICES);
        let known = self.choice(index.unwrap_or(position));
        // Some repeat the whole message at the end of a stream.
        let said = match extent {
            Extent::Whole => message.or(delta),
            Extent::Chunk => delta.or_else(|| message.filter(|_| known.is_fresh())),
        };
        // They belong to the text, behind which more may come in a whole answer.
        let (before, behind) = match extent {
            Extent::Whole => (read(logprobs), None),
            Extent::Chunk => (None, read(logprobs)),
        };
        if let Some(logprobs) = before {
            known.take_logprobs(logprobs, events);
        }
        if let Some(said) = said {
            known.take(*said, extent == Extent::Whole, events);
        }
        if let Some(logprobs) = behind {
            known.take_logprobs(logprobs, events);
        }
        let ending = finish_reason.get().map(Ending::named);
        if let Some(Ending::Of(reason)) = ending {
            known.note_finish(reason, stop_reason.owned());
        }
        ending.unwrap_or(Ending::Of(Reason::Stop))
    }

    fn choice(&mut self, index: usize) -> &mut Choice {
        while self.choices.len() <= index {
            let index = u32::try_from(self.choices.len()).unwrap_or(u32::MAX);
            self.choices.push(Choice::new(index, self.think_tags));
        }
        #[expect(clippy::indexing_slicing, reason = "it was just made to be there")]
        &mut self.choices[index]
    }

    fn start(&mut self, start: Start, events: &mut Vec<Event>) {
        if self.stage == Stage::Before {
            self.stage = Stage::Running;
            events.push(Event::Start(start));
        }
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        if self.stage == Stage::Ended {
            return;
        }
        if self.choices.is_empty() {
            return self.fail(Garbled::new("it has no choices").into(), events);
        }
        self.start(Start::default(), events);
        let citations = std::mem::take(&mut self.citations);
        for choice in &mut self.choices {
            choice.cite(&citations, events);
            if let Err(failure) = choice.close_all(events) {
                return self.fail(failure, events);
            }
        }
        events.extend(self.choices.iter_mut().map(Choice::finish));
        events.extend(self.usage.map(Event::Usage));
        events.push(Event::End);
        self.stage = Stage::Ended;
    }

    fn fail(&mut self, failure: Failure, events: &mut Vec<Event>) {
        self.start(Start::default(), events);
        events.extend([Event::Failed(failure), Event::End]);
        self.stage = Stage::Ended;
    }
}

/// An error that came with a successful status.
fn failure(body: &[u8]) -> Failure {
    read_any_failure(StatusCode::OK, &HeaderMap::new(), body)
}
