//! Frames of `converse-stream` → events.

use serde::Deserialize;

use super::super::answer::{finish, usage};
use super::super::blocks::{SERVER_TOOL, annotation, call_id, redacted};
use super::super::failure;
use super::super::incoming::{AdditionalAnswer, Media, ToolUse, Usage};
use super::queue::{Gathered, Queue};
use crate::dialects::Dialect;
use crate::dialects::EventReader;
use crate::dialects::framing::{Frame, FrameKind};
use crate::dialects::ir::{Delta, Event, Json, Seal, Start};
use crate::dialects::wire::from_slice;
use crate::error::{Failure, Garbled, Kind};

#[derive(Debug, Default)]
pub struct Reader {
    stage: Stage,
    queue: Queue,
    has_call: bool,
    /// Tokens spent on reasoning, which are told before the others.
    additional: AdditionalAnswer,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Before,
    Running,
    /// The answer has ended; what it cost is still to come.
    Finished,
    Ended,
}

/// The payload of any event: members that one event has, others lack. Padding (`p`) is passed over.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    content_block_index: Option<u64>,
    start: Option<BlockStart>,
    delta: Option<BlockDelta>,
    stop_reason: Option<String>,
    additional_model_response_fields: Option<Json>,
    usage: Option<Json>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockStart {
    tool_use: Option<ToolUse>,
    tool_result: Option<ResultStart>,
    image: Option<Media>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResultStart {
    tool_use_id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    status: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockDelta {
    text: Option<String>,
    tool_use: Option<Input>,
    tool_result: Option<Vec<Json>>,
    reasoning_content: Option<ReasoningDelta>,
    citation: Option<Json>,
    image: Option<Media>,
}

#[derive(Debug, Deserialize)]
struct Input {
    input: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReasoningDelta {
    text: Option<String>,
    signature: Option<String>,
    redacted_content: Option<String>,
}

impl EventReader for Reader {
    fn read(&mut self, frame: &Frame, events: &mut Vec<Event>) {
        if self.stage == Stage::Ended {
            return;
        }
        self.start(events);
        let read = match frame.kind {
            FrameKind::Exception => Err(failure::of_frame(frame)),
            FrameKind::Event => self.event(frame, events),
        };
        if let Err(failure) = read {
            self.fail(failure, events);
        }
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        self.start(events);
        match self.stage {
            Stage::Ended => {}
            Stage::Finished => self.close(events),
            Stage::Before | Stage::Running => {
                self.fail(Failure::of_kind(Kind::Upstream, "The provider broke off its answer."), events);
            }
        }
    }
}

impl Reader {
    fn start(&mut self, events: &mut Vec<Event>) {
        if self.stage == Stage::Before {
            self.stage = Stage::Running;
            events.push(Event::Start(Start::default()));
        }
    }

    fn close(&mut self, events: &mut Vec<Event>) {
        self.stage = Stage::Ended;
        events.push(Event::End);
    }

    fn fail(&mut self, failure: Failure, events: &mut Vec<Event>) {
        events.push(Event::Failed(failure));
        self.close(events);
    }

    fn event(&mut self, frame: &Frame, events: &mut Vec<Event>) -> Result<(), Failure> {
        let name = frame.name();
        let is_content = name.starts_with("contentBlock");
        if !(is_content || matches!(name, "messageStop" | "metadata")) || is_content && self.stage == Stage::Finished {
            return Ok(());
        }
        let payload: Payload = from_slice(&frame.data)
            .map_err(|why| Garbled::new(format!("its `{name}` has another shape (column {})", why.column())))?;
        let index = payload.content_block_index.unwrap_or_default();
        match name {
            "contentBlockStart" => payload.start.map_or(Ok(()), |start| self.block_start(index, start, events))?,
            "contentBlockDelta" => payload.delta.map_or(Ok(()), |delta| self.block_delta(index, delta, events))?,
            "contentBlockStop" => self.queue.stop(index, events),
            "messageStop" if self.stage == Stage::Running => {
                self.queue.stop_all(events);
                let additional = |raw: Json| serde_json::from_str::<AdditionalAnswer>(raw.get()).ok();
                let additional = payload.additional_model_response_fields.and_then(additional);
                self.additional = additional.unwrap_or_default();
                let stop_sequence = self.additional.stop_sequence.take();
                events.push(Event::Finish(0, finish(payload.stop_reason.as_deref(), stop_sequence, self.has_call)));
                self.stage = Stage::Finished;
            }
            "metadata" => {
                let counts = payload.usage.and_then(|raw| serde_json::from_str::<Usage>(raw.get()).ok());
                events.extend(counts.map(|counts| Event::Usage(usage(&counts, &self.additional))));
                if self.stage == Stage::Finished {
                    self.close(events);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn block_start(&mut self, index: u64, start: BlockStart, events: &mut Vec<Event>) -> Result<(), Failure> {
        let present = |text: Option<String>| text.filter(|text| !text.is_empty());
        if let Some(call) = start.tool_use {
            let id = present(call.tool_use_id).unwrap_or_else(call_id);
            let name = present(call.name).ok_or_else(|| Garbled::new("a call has no name"))?;
            match call.kind.as_deref() {
                Some(SERVER_TOOL) => self.queue.gather(index, Gathered::ServerCall { id, name, input: String::new() }),
                _ => {
                    self.has_call = true;
                    self.queue.call(index, id, name, events);
                }
            }
        } else if let Some(result) = start.tool_result {
            let ResultStart { tool_use_id, kind, status } = result;
            let id = tool_use_id.unwrap_or_default();
            self.queue.gather(index, Gathered::ServerResult { id, kind, status, content: Vec::new() });
        } else if let Some(image) = start.image {
            self.queue.gather(index, Gathered::Image { format: image.format, pieces: Vec::new() });
        }
        Ok(())
    }

    fn block_delta(&mut self, index: u64, delta: BlockDelta, events: &mut Vec<Event>) -> Result<(), Failure> {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        if let Some(text) = filled(delta.text) {
            self.queue.words(index, false, Delta::Text(text), events);
        }
        if let Some(citation) = delta.citation {
            self.queue.words(index, false, Delta::Annotation(annotation(citation)), events);
        }
        if let Some(reasoning) = delta.reasoning_content {
            let signature = filled(reasoning.signature).map(|text| Seal::carried_by(Dialect::Converse, &text));
            let seals = [signature, filled(reasoning.redacted_content).map(|data| redacted(&data))];
            let deltas = filled(reasoning.text).map(Delta::Text).into_iter();
            for delta in deltas.chain(seals.into_iter().flatten().map(Delta::Seal)) {
                self.queue.words(index, true, delta, events);
            }
        }
        if let Some(piece) = delta.tool_use.and_then(|call| filled(call.input))
            && !self.queue.arguments(index, piece, events)
        {
            return Err(Garbled::new("a piece of a call comes without the call").into());
        }
        if let Some(items) = delta.tool_result {
            self.queue.add(index, |gathered| {
                if let Gathered::ServerResult { content, .. } = gathered {
                    content.extend(items);
                }
            });
        }
        if let Some(piece) = delta.image.and_then(|image| image.source?.bytes) {
            self.queue.add(index, |gathered| {
                if let Gathered::Image { pieces, .. } = gathered {
                    pieces.push(piece);
                }
            });
        }
        Ok(())
    }
}
