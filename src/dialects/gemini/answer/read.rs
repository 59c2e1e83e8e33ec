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
#[derive(Debug)]
pub struct Reader {
    /// `None`: the stream has ended.
    assembler: Option<Assembler>,
}

impl Default for Reader {
    fn default() -> Self {
        Self { assembler: Some(Assembler::default()) }
    }
}

impl EventReader for Reader {
    fn read(&mut self, frame: &Frame, events: &mut Vec<Event>) {
        let data = frame.data.trim_ascii();
        if data.is_empty() || data == b"[DONE]" {
            return;
        }
        let Some(assembler) = &mut self.assembler else { return };
        if let Err(failure) = take(assembler, data, events) {
            if !assembler.has_started {
                events.push(Event::Start(Start::default()));
            }
            events.extend([Event::Failed(failure), Event::End]);
            self.assembler = None;
        }
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        if let Some(assembler) = self.assembler.take() {
            assembler.end(true, events);
        }
    }
}

fn take(assembler: &mut Assembler, data: &[u8], events: &mut Vec<Event>) -> Result<(), Failure> {
    for answer in answers(data)? {
        if let Some(error) = answer.error {
            return Err(failure::within(&error));
        }
        assembler.take(answer, events);
    }
    Ok(())
}
