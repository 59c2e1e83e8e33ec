//! What has no place in a request to this API.

use crate::dialects::ir::Feature;
use crate::dialects::ir::loss::Loss;

/// Sorted by feature. What only some models lack is here too, since a table has one line for each.
pub const TABLE: &[Loss] = &[
    Loss::refused(Feature::AudioInput, "other than WAV and MP3, or by URL"),
    Loss::refused(Feature::AudioOutput, ""),
    Loss::dropped(Feature::CacheMarks, "prompts are cached without being told"),
    Loss::refused(Feature::FileUrls, "where the provider fetches none"),
    Loss::dropped(Feature::FrequencyPenalty, ""),
    Loss::refused(Feature::ImageUrls, "where the provider fetches none"),
    Loss::dropped(
        Feature::JsonSchema,
        "by models without it, and of anything but an object; the schema becomes an instruction",
    ),
    Loss::dropped(Feature::LogitBias, ""),
    Loss::dropped(Feature::Logprobs, "while the model thinks"),
    Loss::dropped(Feature::Media, "in the assistant's turns; of spoken audio the transcript is kept"),
    Loss::dropped(Feature::Modalities, "other than text and audio"),
    Loss::refused(Feature::N, "more than one answer"),
    Loss::dropped(Feature::Names, ""),
    Loss::dropped(Feature::Prediction, ""),
    Loss::dropped(Feature::PresencePenalty, ""),
    Loss::dropped(Feature::Reasoning, "by models that cannot think, or cannot be kept from it"),
    Loss::dropped(Feature::ReasoningHistory, "of other makers, or of which only the text is known"),
    Loss::dropped(Feature::Safety, ""),
    Loss::dropped(Feature::Seed, ""),
    Loss::dropped(Feature::ServerTools, "of other dialects"),
    Loss::dropped(Feature::ServiceTier, "tiers that OpenAI does not have"),
    Loss::dropped(Feature::Stop, ""),
    Loss::dropped(Feature::Strict, "where a schema leaves something open"),
    Loss::dropped(Feature::Temperature, "while the model thinks"),
    Loss::dropped(Feature::ToolChoice, "if no tool is left to choose"),
    Loss::dropped(Feature::ToolResultMedia, "audio"),
    Loss::dropped(Feature::TopK, ""),
    Loss::dropped(Feature::TopP, "while the model thinks"),
    Loss::refused(Feature::VideoInput, ""),
    Loss::dropped(Feature::WebSearch, "blocked domains, a number of uses"),
];
