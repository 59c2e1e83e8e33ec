//! The ledger of what a dialect could not carry.
//!
//! Each dialect has a table of the features that it has no place for, and says for each whether it is left out or refused.
//! Its writer notes such a feature when it meets one in a request; what becomes of it stands in the table, not in the writer.

use super::Unknown;
use crate::error::Refusal;

/// What a request may hold that some dialect has no place for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Feature {
    AllowedTools,
    AudioInput,
    AudioOutput,
    CacheKey,
    CacheMarks,
    CacheRetention,
    CustomTools,
    FileIds,
    FileUrls,
    FrequencyPenalty,
    ImageUrls,
    JsonObject,
    JsonSchema,
    LogitBias,
    Logprobs,
    MaxToolCalls,
    Media,
    Metadata,
    Modalities,
    N,
    Names,
    ParallelToolCalls,
    Prediction,
    PresencePenalty,
    Reasoning,
    ReasoningHistory,
    Safety,
    Seed,
    ServerTools,
    ServiceTier,
    Stop,
    Store,
    Strict,
    Temperature,
    ToolChoice,
    ToolResultMedia,
    TopK,
    TopP,
    User,
    Verbosity,
    VideoInput,
    WebSearch,
}

impl Feature {
    pub const ALL: &[Self] = &[
        Self::AllowedTools,
        Self::AudioInput,
        Self::AudioOutput,
        Self::CacheKey,
        Self::CacheMarks,
        Self::CacheRetention,
        Self::CustomTools,
        Self::FileIds,
        Self::FileUrls,
        Self::FrequencyPenalty,
        Self::ImageUrls,
        Self::JsonObject,
        Self::JsonSchema,
        Self::LogitBias,
        Self::Logprobs,
        Self::MaxToolCalls,
        Self::Media,
        Self::Metadata,
        Self::Modalities,
        Self::N,
        Self::Names,
        Self::ParallelToolCalls,
        Self::Prediction,
        Self::PresencePenalty,
        Self::Reasoning,
        Self::ReasoningHistory,
        Self::Safety,
        Self::Seed,
        Self::ServerTools,
        Self::ServiceTier,
        Self::Stop,
        Self::Store,
        Self::Strict,
        Self::Temperature,
        Self::ToolChoice,
        Self::ToolResultMedia,
        Self::TopK,
        Self::TopP,
        Self::User,
        Self::Verbosity,
        Self::VideoInput,
        Self::WebSearch,
    ];

    /// As the header `x-narthex-dropped` and messages call it: OpenAI's name of the member, where it has one.
    pub fn name(self) -> &'static str {
        match self {
            Self::AllowedTools => "tool_choice.allowed_tools",
            Self::AudioInput => "input_audio",
            Self::AudioOutput => "audio",
            Self::CacheKey => "prompt_cache_key",
            Self::CacheMarks => "cache_control",
            Self::CacheRetention => "prompt_cache_retention",
            Self::CustomTools => "tools.custom",
            Self::FileIds => "file_id",
            Self::FileUrls => "file_url",
            Self::FrequencyPenalty => "frequency_penalty",
            Self::ImageUrls => "image_url",
            Self::JsonObject => "response_format.json_object",
            Self::JsonSchema => "response_format.json_schema",
            Self::LogitBias => "logit_bias",
            Self::Logprobs => "logprobs",
            Self::MaxToolCalls => "max_tool_calls",
            Self::Media => "media",
            Self::Metadata => "metadata",
            Self::Modalities => "modalities",
            Self::N => "n",
            Self::Names => "messages.name",
            Self::ParallelToolCalls => "parallel_tool_calls",
            Self::Prediction => "prediction",
            Self::PresencePenalty => "presence_penalty",
            Self::Reasoning => "reasoning_effort",
            Self::ReasoningHistory => "messages.reasoning",
            Self::Safety => "safetySettings",
            Self::Seed => "seed",
            Self::ServerTools => "tools.server",
            Self::ServiceTier => "service_tier",
            Self::Stop => "stop",
            Self::Store => "store",
            Self::Strict => "tools.strict",
            Self::Temperature => "temperature",
            Self::ToolChoice => "tool_choice",
            Self::ToolResultMedia => "tool_result.media",
            Self::TopK => "top_k",
            Self::TopP => "top_p",
            Self::User => "user",
            Self::Verbosity => "verbosity",
            Self::VideoInput => "video",
            Self::WebSearch => "web_search",
        }
    }
}

/// What becomes of a feature that a dialect has no place for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Left out: the answer makes sense without it.
    Dropped,
    /// The request is refused: an answer without it would answer something else.
    Refused,
}

/// A line of a dialect's table: a feature that it lacks, and what that means.
#[derive(Debug, Clone, Copy)]
pub struct Loss {
    pub feature: Feature,
    pub fate: Fate,
    /// For the documentation: when, or why, or what stands in for it. May be empty.
    pub note: &'static str,
}

impl Loss {
    pub const fn dropped(feature: Feature, note: &'static str) -> Self {
        Self { feature, fate: Fate::Dropped, note }
    }

    pub const fn refused(feature: Feature, note: &'static str) -> Self {
        Self { feature, fate: Fate::Refused, note }
    }
}

/// What was lost of one request on its way into one dialect.
#[derive(Debug)]
pub struct Losses {
    table: &'static [Loss],
    /// Whether nothing may be left out.
    is_strict: bool,
    dropped: Vec<String>,
    refusal: Option<Refusal>,
}

impl Losses {
    pub fn new(table: &'static [Loss], is_strict: bool) -> Self {
        Self { table, is_strict, dropped: Vec::new(), refusal: None }
    }

    /// The dialect has no place for this; its table says what becomes of it. A feature that is not in the table is one that only
    /// this model, or this combination, cannot have: it is left out.
    pub fn note(&mut self, feature: Feature) {
        self.note_named(feature, feature.name());
    }

    /// The same, under a name that says more: `tools.server (code_execution)`.
    pub fn note_named(&mut self, feature: Feature, name: &str) {
        let fate = self.table.iter().find(|loss| loss.feature == feature).map_or(Fate::Dropped, |loss| loss.fate);
        match fate {
            Fate::Dropped => self.drop(name),
            Fate::Refused => self.refuse(name, "this model's provider has nothing like it"),
        }
    }

    /// Members that no dialect but the client's knows, or nobody does.
    pub fn unknown(&mut self, unknown: &[Unknown]) {
        unknown.iter().for_each(|unknown| self.drop(&unknown.path));
    }

    /// Refuses the request for a reason of its own.
    pub fn refuse(&mut self, name: &str, why: &str) {
        if self.refusal.is_none() {
            let message =
                format!("`{name}` cannot be carried to this model: {why}. Leave it out, or ask another model.");
            self.refusal = Some(Refusal::invalid(message).code("unsupported_parameter"));
        }
    }

    fn drop(&mut self, name: &str) {
        if self.is_strict {
            return self.refuse(name, "its provider has nothing like it, and strict mode lets nothing be left out");
        }
        if !self.dropped.iter().any(|dropped| dropped == name) {
            self.dropped.push(name.to_owned());
        }
    }

    /// The names of what was left out, each once; or why the request is refused.
    pub fn finish(self) -> Result<Vec<String>, Refusal> {
        match self.refusal {
            Some(refusal) => Err(refusal),
            None => Ok(self.dropped),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Loss] = &[Loss::dropped(Feature::Seed, ""), Loss::refused(Feature::AudioInput, "")];

    #[test]
    fn leaves_out_aloud_or_refuses() {
        let mut losses = Losses::new(TABLE, false);
        losses.note(Feature::Seed);
        losses.note(Feature::Seed);
        losses.note_named(Feature::ServerTools, "tools.server (x)");
        losses.unknown(&[Unknown { path: "mood".to_owned() }]);
        assert_eq!(losses.finish().expect("no refusal"), ["seed", "tools.server (x)", "mood"]);
        let mut losses = Losses::new(TABLE, false);
        losses.note(Feature::AudioInput);
        assert!(losses.finish().expect_err("refused").message.contains("`input_audio`"));
        let mut losses = Losses::new(TABLE, true);
        losses.note(Feature::Seed);
        assert!(losses.finish().expect_err("strict").message.contains("strict mode"));
    }

    #[test]
    fn every_feature_is_listed_once() {
        let mut sorted = Feature::ALL.to_vec();
        sorted.dedup();
        assert_eq!(sorted, Feature::ALL);
        assert!(Feature::ALL.is_sorted());
    }
}
