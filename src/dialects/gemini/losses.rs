//! What Gemini has no place for.

use crate::dialects::ir::Feature;
use crate::dialects::ir::loss::Loss;

pub static TABLE: &[Loss] = &[
    Loss::dropped(Feature::AllowedTools, "models before 2.5: any of the tools may be called"),
    Loss::dropped(Feature::AudioOutput, "the format: audio is always 16-bit PCM"),
    Loss::dropped(Feature::CacheKey, "caching is implicit"),
    Loss::dropped(Feature::CacheMarks, "caching is implicit"),
    Loss::dropped(Feature::CacheRetention, "caching is implicit"),
    Loss::dropped(Feature::CustomTools, "grammars, which become part of the description"),
    Loss::refused(Feature::FileIds, "other than of Google's own Files API"),
    Loss::refused(Feature::FileUrls, "only Vertex fetches; YouTube, Cloud Storage and the Files API work everywhere"),
    Loss::dropped(Feature::FrequencyPenalty, "models from 2.5 on refuse it"),
    Loss::refused(Feature::ImageUrls, "only Vertex fetches; Cloud Storage and the Files API work everywhere"),
    Loss::dropped(Feature::JsonObject, "beside functions before Gemini 3: asked for in the instructions"),
    Loss::dropped(Feature::JsonSchema, "beside functions before Gemini 3: asked for in the instructions"),
    Loss::dropped(Feature::LogitBias, ""),
    Loss::dropped(Feature::MaxToolCalls, ""),
    Loss::dropped(Feature::Media, "in instructions, which are text"),
    Loss::dropped(Feature::Metadata, ""),
    Loss::dropped(Feature::Modalities, "other than text, audio, image and video"),
    Loss::dropped(Feature::Names, ""),
    Loss::dropped(Feature::ParallelToolCalls, "calls may come in parallel"),
    Loss::dropped(Feature::Prediction, ""),
    Loss::dropped(Feature::PresencePenalty, "models from 2.5 on refuse it"),
    Loss::dropped(
        Feature::Reasoning,
        "models that do not think; `none` where it cannot be switched off, which becomes the least",
    ),
    Loss::dropped(Feature::ReasoningHistory, "signatures of other providers"),
    Loss::dropped(Feature::ServerTools, "of other providers"),
    Loss::dropped(Feature::ServiceTier, "other than default, flex and priority"),
    Loss::dropped(Feature::Stop, "after the fifth"),
    Loss::dropped(Feature::Store, ""),
    Loss::dropped(Feature::Strict, "models before 2.5"),
    Loss::dropped(Feature::User, ""),
    Loss::dropped(Feature::Verbosity, ""),
    Loss::dropped(Feature::WebSearch, "its settings; before Gemini 3 all of it, beside functions"),
];
