//! What chat completions have no place for.

use crate::dialects::ir::Feature;
use crate::dialects::ir::loss::Loss;

/// OpenAI's own API knows more than its followers do: what only it knows is marked.
pub const LOSSES: &[Loss] = &[
    Loss::refused(Feature::AudioInput, "by URL, where the provider fetches none"),
    Loss::dropped(Feature::CacheKey, "but for OpenAI"),
    Loss::dropped(Feature::CacheMarks, "where the provider does not read them"),
    Loss::dropped(Feature::CacheRetention, "but for OpenAI"),
    Loss::dropped(Feature::CustomTools, "grammars, which become part of the description, but for OpenAI"),
    Loss::refused(Feature::FileIds, "of images"),
    Loss::refused(Feature::FileUrls, "where the provider fetches none"),
    Loss::dropped(Feature::FrequencyPenalty, SAMPLING),
    Loss::refused(Feature::ImageUrls, "where the provider fetches none"),
    Loss::dropped(
        Feature::JsonSchema,
        "for models that know none, and for OpenAI of anything but an object; the schema becomes an instruction",
    ),
    Loss::dropped(Feature::LogitBias, SAMPLING),
    Loss::dropped(Feature::Logprobs, SAMPLING),
    Loss::dropped(Feature::MaxToolCalls, ""),
    Loss::refused(Feature::Media, "images and videos given as text"),
    Loss::dropped(Feature::Metadata, "but for OpenAI"),
    Loss::dropped(Feature::Modalities, "images, where the provider draws none"),
    Loss::dropped(Feature::Names, "but for OpenAI"),
    Loss::dropped(Feature::Prediction, "but for OpenAI"),
    Loss::dropped(Feature::PresencePenalty, SAMPLING),
    Loss::dropped(Feature::Reasoning, "for models that do not think, or cannot be told how much"),
    Loss::dropped(Feature::ReasoningHistory, "where the provider does not want it back, or another one sealed it"),
    Loss::dropped(Feature::Safety, ""),
    Loss::dropped(Feature::ServerTools, "of other dialects"),
    Loss::dropped(Feature::ServiceTier, "but for OpenAI"),
    Loss::dropped(Feature::Stop, "for OpenAI's models that reason; those beyond the number that the provider takes"),
    Loss::dropped(Feature::Store, "but for OpenAI"),
    Loss::dropped(Feature::Strict, "where a schema leaves something open"),
    Loss::dropped(Feature::Temperature, SAMPLING),
    Loss::dropped(Feature::ToolChoice, "for models that cannot be made to call a tool"),
    Loss::dropped(Feature::TopK, "where the provider does not know it"),
    Loss::dropped(Feature::TopP, SAMPLING),
    Loss::dropped(Feature::Verbosity, "but for OpenAI"),
    Loss::refused(Feature::VideoInput, "where the provider takes none"),
    Loss::dropped(Feature::WebSearch, "but for OpenAI's search models"),
];

const SAMPLING: &str = "for models that refuse settings of their sampling";
