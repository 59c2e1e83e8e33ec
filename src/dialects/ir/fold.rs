//! From a stream of events to the whole answer, and back.

use super::event::MOST_CHOICES;
use super::{At, Choice, Delta, Event, Part, Response, Source};
use crate::error::Failure;

/// Gathers events into the answer that they tell.
#[derive(Debug, Default)]
pub struct Fold {
    response: Response,
    failure: Option<Failure>,
}

impl Fold {
    pub fn push(&mut self, event: Event) {
        match event {
            Event::Start(start) => {
                self.response.usage = start.usage;
                self.response.start = start;
            }
            Event::Open(at, part) => {
                if let Some(choice) = self.choice(at.choice) {
                    choice.parts.push(part);
                }
            }
            Event::Delta(at, delta) => {
                if let Some(part) = self.part(at) {
                    extend(part, delta);
                }
            }
            Event::Finish(choice, finish) => {
                if let Some(choice) = self.choice(choice) {
                    choice.finish = finish;
                }
            }
            Event::Usage(usage) => self.response.usage = Some(usage),
            Event::Failed(failure) => self.failure = Some(failure),
            Event::Close(_) | Event::End => {}
        }
    }

    /// The answer, or why there is none.
    pub fn finish(self) -> Result<Response, Failure> {
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok(self.response),
        }
    }

    /// The choice with this number. The grammar rules out that there is none.
    fn choice(&mut self, index: u32) -> Option<&mut Choice> {
        let index = index as usize;
        if index < MOST_CHOICES && self.response.choices.len() <= index {
            self.response.choices.resize_with(index + 1, Choice::default);
        }
        self.response.choices.get_mut(index)
    }

    fn part(&mut self, at: At) -> Option<&mut Part> {
        self.choice(at.choice)?.parts.get_mut(at.block as usize)
    }
}

fn extend(part: &mut Part, delta: Delta) {
    match (part, delta) {
        (Part::Text(text), Delta::Text(more)) => text.text.push_str(&more),
        (Part::Text(text), Delta::Annotation(annotation)) => text.annotations.push(annotation),
        (Part::Text(text), Delta::Logprobs(more)) => text.logprobs.extend(more),
        (Part::Refusal(text), Delta::Text(more)) => text.push_str(&more),
        (Part::Reasoning(reasoning), Delta::Text(more)) => reasoning.text.push_str(&more),
        (Part::Reasoning(reasoning), Delta::Seal(seal)) => reasoning.seal = Some(seal),
        (Part::ToolCall(call), Delta::Arguments(more)) => call.arguments.push_str(&more),
        (Part::ToolCall(call), Delta::Seal(seal)) => call.seal = Some(seal),
        (Part::Media(media), Delta::Audio(more)) => match &mut media.source {
            Source::Base64(data) => data.push_str(&more),
            other => *other = Source::Base64(more),
        },
        (Part::Media(media), Delta::Transcript(more)) => media.transcript.get_or_insert_default().push_str(&more),
        // The grammar rules out every other pair.
        _ => {}
    }
}

impl Response {
    /// The events of an answer that came as a whole.
    pub fn into_events(self) -> Vec<Event> {
        let mut events = vec![Event::Start(self.start)];
        let mut finishes = Vec::new();
        for (choice, content) in (0..).zip(self.choices) {
            for (block, part) in (0..).zip(content.parts) {
                tell(&mut events, At { choice, block }, part);
            }
            finishes.push(Event::Finish(choice, content.finish));
        }
        events.extend(finishes);
        events.extend(self.usage.map(Event::Usage));
        events.push(Event::End);
        events
    }
}

fn tell(events: &mut Vec<Event>, at: At, mut part: Part) {
    let mut deltas = Vec::new();
    let text_of = |text: &mut String| Some(std::mem::take(text)).filter(|text| !text.is_empty());
    match &mut part {
        Part::Text(text) => {
            deltas.extend(text_of(&mut text.text).map(Delta::Text));
            let logprobs = std::mem::take(&mut text.logprobs);
            deltas.extend((!logprobs.is_empty()).then_some(Delta::Logprobs(logprobs)));
            deltas.extend(std::mem::take(&mut text.annotations).into_iter().map(Delta::Annotation));
        }
        Part::Refusal(text) => deltas.extend(text_of(text).map(Delta::Text)),
        Part::Reasoning(reasoning) => {
            deltas.extend(text_of(&mut reasoning.text).map(Delta::Text));
            deltas.extend(reasoning.seal.take().map(Delta::Seal));
        }
        Part::ToolCall(call) => {
            deltas.extend(text_of(&mut call.arguments).map(Delta::Arguments));
        }
        Part::Media(_) | Part::ToolResult(_) | Part::CachePoint(_) | Part::Opaque(_) => {}
    }
    events.push(Event::Open(at, part));
    events.extend(deltas.into_iter().map(|delta| Event::Delta(at, delta)));
    events.push(Event::Close(at));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::ir::{Reason, Text};

    #[test]
    fn a_number_from_the_wire_takes_no_memory() {
        let mut fold = Fold::default();
        let at = At { choice: u32::MAX, block: 0 };
        fold.push(Event::Open(at, Part::Text(Text::default())));
        fold.push(Event::Delta(at, Delta::Text("x".to_owned())));
        fold.push(Event::Finish(u32::MAX, Reason::Stop.into()));
        fold.push(Event::Finish(1, Reason::Length.into()));
        let response = fold.finish().expect("an answer");
        assert_eq!(response.choices.len(), 2);
        assert_eq!(response.choices[1].finish.reason, Reason::Length);
    }
}
