//! An answer as providers write it. Only what is needed to understand it must have the right type.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::super::word::Word;
use crate::dialects::ir::{Finish, Reason, Start, Usage};
use crate::dialects::wire::TextOr;

/// A whole answer; also the beginning of a streamed one.
#[derive(Debug, Default, Deserialize)]
pub struct Message<'a> {
    #[serde(default, borrow, rename = "type")]
    pub kind: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient")]
    pub id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub model: Option<String>,
    #[serde(default, borrow)]
    pub content: Option<TextOr<&'a RawValue>>,
    #[serde(default, deserialize_with = "lenient")]
    pub stop_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub stop_sequence: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub stop_details: Option<StopDetails>,
    #[serde(default, deserialize_with = "lenient")]
    pub usage: Option<Counts>,
    #[serde(default, borrow)]
    pub error: Option<&'a RawValue>,
}

impl Message<'_> {
    /// What is known before the answer says anything.
    pub fn start(&mut self) -> Start {
        let service_tier = self.usage.as_ref().and_then(Counts::tier);
        Start { id: self.id.take(), model: self.model.take(), service_tier, ..Start::default() }
    }
}

/// A block of any kind, or its beginning.
#[derive(Debug, Deserialize)]
pub struct Block<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Word<'a>>,
    pub text: Option<String>,
    #[serde(borrow)]
    pub citations: Option<Vec<&'a RawValue>>,
    pub thinking: Option<String>,
    pub signature: Option<String>,
    pub data: Option<String>,
    pub id: Option<String>,
    pub name: Option<String>,
    #[serde(borrow)]
    pub input: Option<&'a RawValue>,
}

/// An event of a stream. What only few of them have is read later, by [`read_if_fits`].
#[derive(Debug, Deserialize)]
pub struct Incoming<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Word<'a>>,
    #[serde(default, deserialize_with = "lenient")]
    pub index: Option<u64>,
    /// [`Message`].
    #[serde(borrow)]
    pub message: Option<&'a RawValue>,
    #[serde(borrow)]
    pub content_block: Option<&'a RawValue>,
    #[serde(borrow)]
    pub delta: Option<Delta<'a>>,
    /// [`Counts`].
    #[serde(borrow)]
    pub usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
}

/// A piece of a block, or the end of the answer.
#[derive(Debug, Deserialize)]
pub struct Delta<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Word<'a>>,
    pub text: Option<String>,
    pub thinking: Option<String>,
    pub signature: Option<String>,
    pub partial_json: Option<String>,
    #[serde(borrow)]
    pub citation: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient")]
    pub stop_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub stop_sequence: Option<String>,
    /// [`StopDetails`].
    #[serde(borrow)]
    pub stop_details: Option<&'a RawValue>,
}

/// Only the raw piece, for blocks that only Anthropic understands.
#[derive(Debug, Deserialize)]
pub struct RawDelta<'a> {
    #[serde(borrow)]
    pub delta: &'a RawValue,
}

/// Why an answer was refused.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct StopDetails {
    #[serde(deserialize_with = "lenient")]
    pub category: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub explanation: Option<String>,
}

/// Token counts: what came from a cache or went into one is not in `input_tokens`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Counts {
    #[serde(deserialize_with = "lenient")]
    input_tokens: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    output_tokens: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    cache_read_input_tokens: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    cache_creation_input_tokens: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    output_tokens_details: Option<OutputDetails>,
    #[serde(deserialize_with = "lenient")]
    service_tier: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    #[serde(deserialize_with = "lenient")]
    thinking_tokens: Option<u64>,
}

impl Counts {
    /// Later counts of a stream are totals; those that are left out stay.
    pub fn update(&mut self, later: Self) {
        let Self {
            input_tokens,
            output_tokens,
            cache_read_input_tokens,
            cache_creation_input_tokens,
            output_tokens_details,
            service_tier,
        } = later;
        self.input_tokens = input_tokens.or(self.input_tokens);
        self.output_tokens = output_tokens.or(self.output_tokens);
        self.cache_read_input_tokens = cache_read_input_tokens.or(self.cache_read_input_tokens);
        self.cache_creation_input_tokens = cache_creation_input_tokens.or(self.cache_creation_input_tokens);
        self.output_tokens_details = output_tokens_details.or(self.output_tokens_details.take());
        self.service_tier = service_tier.or(self.service_tier.take());
    }

    /// The service tier by the name that most others use.
    pub fn tier(&self) -> Option<String> {
        let tier = self.service_tier.as_deref()?;
        Some(if tier == "standard" { "default" } else { tier }.to_owned())
    }

    /// In normal form; `None` if nothing was counted.
    pub fn usage(&self) -> Option<Usage> {
        if self.input_tokens.is_none() && self.output_tokens.is_none() {
            return None;
        }
        let (cached, cache_write) =
            (self.cache_read_input_tokens.unwrap_or(0), self.cache_creation_input_tokens.unwrap_or(0));
        let fresh = self.input_tokens.unwrap_or(0);
        Some(Usage {
            input: fresh.saturating_add(cached).saturating_add(cache_write),
            output: self.output_tokens.unwrap_or(0),
            cached,
            cache_write,
            reasoning: self.output_tokens_details.as_ref().and_then(|details| details.thinking_tokens).unwrap_or(0),
            ..Usage::default()
        })
    }
}

/// How an answer ended.
pub fn finish(reason: Option<&str>, sequence: Option<String>, details: Option<StopDetails>) -> Finish {
    let reason = match reason {
        Some("stop_sequence") => Reason::StopSequence,
        // Compaction ends an answer as an exhausted limit does: it goes on in the next.
        Some("max_tokens" | "model_context_window_exceeded" | "compaction") => Reason::Length,
        Some("tool_use") => Reason::ToolCalls,
        Some("refusal") => Reason::Filtered,
        Some("pause_turn") => Reason::Paused,
        _ => Reason::Stop,
    };
    let explanation = details.and_then(|details| details.explanation.or(details.category));
    Finish { reason, stop_sequence: sequence, explanation }
}

/// A member that is worth having, but not worth failing for.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str::<Option<T>>(raw.get()).ok().flatten())
}

/// A member that was left raw, if it is there and has the right shape.
pub fn read_if_fits<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}
