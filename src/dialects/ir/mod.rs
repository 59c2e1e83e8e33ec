//! The canonical form: what every dialect is read into and written from when the two sides of an exchange differ.
//!
//! It names what the dialects share and carries the rest along, marked with the dialect that understands it. It knows no
//! wire format: whoever adds a member here is sent to every dialect by the compiler, since writers take requests apart
//! member by member.

pub mod event;
mod fold;
pub mod loss;
mod part;
mod request;
mod seal;
mod usage;

use serde_json::value::RawValue;

pub use event::{At, Delta, Event, Finish, Reason, Start};
pub use fold::Fold;
pub use loss::{Feature, Losses};
pub use part::{
    Annotation, CacheMark, CallKind, Media, MediaKind, Opaque, Part, Reasoning, ReasoningKind, Source, Text, ToolCall,
    ToolResult,
};
pub use request::{
    AudioOut, Effort, Format, Logprobs, Message, Mode, Request, Role, Shown, Thinking, Tool, ToolChoice, Unknown,
    WebSearch,
};
pub use seal::{Seal, SealKind};
pub use usage::Usage;

/// A JSON value as it was spelled.
pub type Json = Box<RawValue>;

/// A whole answer. It is what its event stream folds to ([`Fold`]).
#[derive(Debug, Clone, Default)]
pub struct Response {
    pub start: Start,
    pub choices: Vec<Choice>,
    pub usage: Option<Usage>,
}

/// One of the alternatives that were asked for; nearly always the only one.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    pub parts: Vec<Part>,
    pub finish: Finish,
}

impl Choice {
    /// What was said, but for a call in whose midst the answer came to its limit: where arguments are objects there is no writing it down
    /// such that nobody carries it out.
    pub fn whole_parts(&self) -> impl Iterator<Item = &Part> {
        let is_cut = |part: &Part| matches!(part, Part::ToolCall(call) if call.is_cut());
        self.parts.iter().filter(move |part| self.finish.reason != Reason::Length || !is_cut(part))
    }
}
