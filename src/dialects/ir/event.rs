//! An answer as it comes into being. Readers of loose dialects make up what these leave out, so that writers may rely on the
//! grammar, which [`check`] knows:
//!
//! ```text
//! Start (Open Delta* Close | Usage)* Finish+ Usage* End        and, anywhere after Start:  … Failed End
//! ```
//!
//! Each choice has at most one block open at a time, counted from 0; every choice finishes once, with no block open. There are
//! at most [`MOST_CHOICES`] of them, whatever a provider says.

use super::{Annotation, Json, Part, Seal, Usage};
use crate::error::Failure;

/// No dialect lets anybody ask for more alternatives. A number from the wire must not decide how much memory we take.
pub const MOST_CHOICES: usize = 128;

#[derive(Debug, Clone)]
pub enum Event {
    Start(Start),
    /// A block begins. The part is empty, but for what is known from the first: the kind, a call's id, name and seal, the whole of
    /// what does not come in pieces ([`Part::Opaque`], [`Part::Media`]). Texts, arguments and the seals of reasoning come in pieces.
    Open(At, Part),
    Delta(At, Delta),
    Close(At),
    Finish(u32, Finish),
    /// The counts so far: the last ones are right.
    Usage(Usage),
    /// The provider failed, or broke off. Only `End` may follow.
    Failed(Failure),
    End,
}

/// Where a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct At {
    pub choice: u32,
    /// Counted from 0 in each choice.
    pub block: u32,
}

/// What is known of an answer before it says anything.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// The provider's id of the answer.
    pub id: Option<String>,
    /// The model by the provider's name.
    pub model: Option<String>,
    /// Seconds since 1970.
    pub created: Option<u64>,
    pub service_tier: Option<String>,
    pub fingerprint: Option<String>,
    /// What is known of the prompt's size so far.
    pub usage: Option<Usage>,
}

#[derive(Debug, Clone)]
pub enum Delta {
    /// Of a text, a refusal or reasoning.
    Text(String),
    /// Of a call.
    Arguments(String),
    /// Of reasoning, or of a call.
    Seal(Seal),
    Annotation(Annotation),
    /// Of the text so far.
    Logprobs(Vec<Json>),
    /// Of audio: base64.
    Audio(String),
    /// What audio says.
    Transcript(String),
}

/// How a choice ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finish {
    pub reason: Reason,
    /// The stop sequence that was met, where the dialect tells.
    pub stop_sequence: Option<String>,
    /// Why it was refused or blocked, in the provider's words.
    pub explanation: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reason {
    #[default]
    Stop,
    StopSequence,
    Length,
    ToolCalls,
    /// Blocked by a filter, or refused by the model.
    Filtered,
    /// The provider wants to be asked again with this answer as history (Anthropic's `pause_turn`).
    Paused,
}

impl From<Reason> for Finish {
    fn from(reason: Reason) -> Self {
        Self { reason, stop_sequence: None, explanation: None }
    }
}

/// Whether events follow the grammar; the first offence in words.
pub fn check<'a>(events: impl IntoIterator<Item = &'a Event>) -> Result<(), String> {
    let mut grammar = Grammar::default();
    for (at, event) in events.into_iter().enumerate() {
        grammar.take(event).map_err(|why| format!("event {at}, {event:?}: {why}"))?;
    }
    if grammar.stage == Stage::Ended { Ok(()) } else { Err("the stream has no end".to_owned()) }
}

#[derive(Debug, Default)]
struct Grammar {
    stage: Stage,
    choices: Vec<ChoiceState>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Before,
    Running,
    Failed,
    Ended,
}

#[derive(Debug, Default)]
struct ChoiceState {
    /// Blocks that were opened so far.
    blocks: u32,
    open: Option<OpenKind>,
    is_finished: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OpenKind {
    Text,
    Words,
    Reasoning,
    Call,
    Media,
    Opaque,
}

impl Grammar {
    fn take(&mut self, event: &Event) -> Result<(), &'static str> {
        match (&self.stage, event) {
            (Stage::Before, Event::Start(_)) => {
                self.stage = Stage::Running;
                Ok(())
            }
            (Stage::Before, _) => Err("nothing comes before the start"),
            (Stage::Ended, _) => Err("nothing comes after the end"),
            (Stage::Failed, Event::End) => {
                self.stage = Stage::Ended;
                Ok(())
            }
            (Stage::Failed, _) => Err("only the end follows a failure"),
            (Stage::Running, event) => self.run(event),
        }
    }

    fn run(&mut self, event: &Event) -> Result<(), &'static str> {
        match event {
            Event::Start(_) => Err("a stream starts once"),
            Event::Failed(_) => {
                self.stage = Stage::Failed;
                Ok(())
            }
            Event::Usage(_) => Ok(()),
            Event::End if self.choices.is_empty() || !self.choices.iter().all(|choice| choice.is_finished) => {
                Err("a choice has not finished")
            }
            Event::End => {
                self.stage = Stage::Ended;
                Ok(())
            }
            Event::Open(at, part) => {
                let choice = self.choice(at.choice)?;
                if choice.is_finished {
                    return Err("the choice has finished");
                }
                if choice.open.is_some() || choice.blocks != at.block {
                    return Err("blocks come one after the other");
                }
                choice.blocks += 1;
                choice.open = Some(kind(part)?);
                Ok(())
            }
            Event::Delta(at, delta) => {
                let choice = self.choice(at.choice)?;
                match choice.open {
                    Some(kind) if choice.blocks == at.block + 1 && fits(kind, delta) => Ok(()),
                    Some(_) if choice.blocks == at.block + 1 => Err("this kind of block has no such piece"),
                    _ => Err("the block is not open"),
                }
            }
            Event::Close(at) => {
                let choice = self.choice(at.choice)?;
                if choice.open.take().is_none() || choice.blocks != at.block + 1 {
                    return Err("the block is not open");
                }
                Ok(())
            }
            Event::Finish(index, _) => {
                let choice = self.choice(*index)?;
                if choice.is_finished || choice.open.is_some() {
                    return Err("a choice finishes once, with no block open");
                }
                choice.is_finished = true;
                Ok(())
            }
        }
    }

    fn choice(&mut self, index: u32) -> Result<&mut ChoiceState, &'static str> {
        let index = index as usize;
        if index >= MOST_CHOICES {
            return Err("nobody asks for so many choices");
        }
        if self.choices.len() <= index {
            self.choices.resize_with(index + 1, ChoiceState::default);
        }
        self.choices.get_mut(index).ok_or("there is no such choice")
    }
}

fn kind(part: &Part) -> Result<OpenKind, &'static str> {
    let is_empty = match part {
        Part::Text(text) => text.text.is_empty() && text.annotations.is_empty() && text.logprobs.is_empty(),
        Part::Refusal(text) => text.is_empty(),
        Part::Reasoning(reasoning) => reasoning.text.is_empty() && reasoning.seal.is_none(),
        Part::ToolCall(call) => call.arguments.is_empty(),
        _ => true,
    };
    if !is_empty {
        return Err("what comes in pieces has none when it begins");
    }
    Ok(match part {
        Part::Text(_) => OpenKind::Text,
        Part::Refusal(_) => OpenKind::Words,
        Part::Reasoning(_) => OpenKind::Reasoning,
        Part::ToolCall(call) if call.id.is_empty() || call.name.is_empty() => {
            return Err("a call has an id and a name");
        }
        Part::ToolCall(_) => OpenKind::Call,
        Part::Media(_) => OpenKind::Media,
        Part::Opaque(_) => OpenKind::Opaque,
        Part::ToolResult(_) | Part::CachePoint(_) => return Err("this is for requests only"),
    })
}

fn fits(kind: OpenKind, delta: &Delta) -> bool {
    match delta {
        Delta::Text(_) => matches!(kind, OpenKind::Text | OpenKind::Words | OpenKind::Reasoning),
        Delta::Arguments(_) => kind == OpenKind::Call,
        Delta::Seal(_) => matches!(kind, OpenKind::Reasoning | OpenKind::Call),
        Delta::Annotation(_) | Delta::Logprobs(_) => kind == OpenKind::Text,
        Delta::Audio(_) | Delta::Transcript(_) => kind == OpenKind::Media,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finishing(choice: u32) -> [Event; 3] {
        [Event::Start(Start::default()), Event::Finish(choice, Reason::Stop.into()), Event::End]
    }

    #[test]
    fn choices_are_few() {
        assert_eq!(check(&finishing(0)), Ok(()));
        let least = check(&finishing(MOST_CHOICES as u32)).expect_err("too many");
        assert!(least.contains("so many choices"), "{least}");
        assert!(check(&finishing(u32::MAX)).is_err());
    }

    #[test]
    fn blocks_begin_empty() {
        let seal = Some(crate::dialects::ir::Seal::redacted(crate::dialects::Dialect::Anthropic, "x"));
        let sealed = Part::Reasoning(crate::dialects::ir::Reasoning { seal, ..Default::default() });
        let events = [Event::Start(Start::default()), Event::Open(At::default(), sealed)];
        assert!(check(&events).expect_err("a seal").contains("when it begins"));
    }
}
