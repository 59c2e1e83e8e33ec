//! A provider's answer, whole or streamed.

use super::super::failure;
use super::assemble::Assembler;
use super::wire::Answer;
use crate::dialects::framing::Frame;
use crate::dialects::ir::{Event, Fold, Response, Start};
use crate::dialects::{EventReader, Unanswered, wire};
use crate::error::{Failure, Garbled};

/// A whole answer; also one that came as an array of events.
pub fn read(body: &[u8]) -> Result<Response, Unanswered> {
    let mut assembler = Assembler::default();
    let mut events = Vec::new();
    for answer in answers(body)? {
        if let Some(error) = answer.error {
            return Err(Unanswered::Failed(failure::within(&error)));
        }
        assembler.take(answer, &mut events);
    }
    assembler.end(false, &mut events);
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.push(event));
    fold.finish().map_err(Unanswered::Failed)
}

fn answers(body: &[u8]) -> Result<Vec<Answer>, Garbled> {
    if body.trim_ascii_start().starts_with(b"[") {
        return wire::read_answer(body);
    }
    wire::read_answer(body).map(|answer| vec![answer])
}

/// The events of a stream with `alt=sse`. Nothing marks its end but the end of the body, for counts may follow the last
/// words.
#[derive(Debug, Default)]
pub struct Reader {
    /// `None`: the stream has ended.
    assembler: Option<Assembler>,
    has_begun: bool,
    has_started: bool,
}

impl EventReader for Reader {
    fn read(&mut self, frame: &Frame, events: &mut Vec<Event>) {
        let data = frame.data.trim_ascii();
        if data.is_empty() || data == b"[DONE]" {
            return;
        }
        let Some(assembler) = self.assembler() else { return };
        let failure = match answers(data) {
            Err(garbled) => Failure::from(garbled),
            Ok(answers) => {
                let mut failed = None;
                for answer in answers {
                    match answer.error {
                        Some(error) => failed = failed.or(Some(failure::within(&error))),
                        None => assembler.take(answer, events),
                    }
                }
                self.has_started |= !events.is_empty();
                let Some(failure) = failed else { return };
                failure
            }
        };
        self.fail(failure, events);
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        if self.assembler().is_some()
            && let Some(assembler) = self.assembler.take()
        {
            assembler.end(true, events);
        }
    }
}

impl Reader {
    fn assembler(&mut self) -> Option<&mut Assembler> {
        if !self.has_begun {
            self.has_begun = true;
            self.assembler = Some(Assembler::default());
        }
        self.assembler.as_mut()
    }

    fn fail(&mut self, failure: Failure, events: &mut Vec<Event>) {
        self.assembler = None;
        if !self.has_started {
            events.push(Event::Start(Start::default()));
        }
        events.extend([Event::Failed(failure), Event::End]);
    }
}
