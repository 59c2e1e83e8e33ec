//! `usageMetadata`, read and written.

use serde::{Deserialize, Serialize};

use super::super::raw::lenient;
use crate::dialects::ir::{Json, Usage};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Counts {
    prompt_token_count: Option<f64>,
    tool_use_prompt_token_count: Option<f64>,
    cached_content_token_count: Option<f64>,
    candidates_token_count: Option<f64>,
    thoughts_token_count: Option<f64>,
    total_token_count: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    prompt_tokens_details: Option<Vec<Detail>>,
    #[serde(deserialize_with = "lenient")]
    candidates_tokens_details: Option<Vec<Detail>>,
    #[serde(deserialize_with = "lenient")]
    service_tier: Option<String>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Detail {
    modality: Option<String>,
    token_count: Option<f64>,
}

/// Whether it holds counts: some servers' first events tell other things here.
pub fn says_something(metadata: &Json) -> bool {
    metadata.get().contains("TokenCount\"")
}

/// The counts, if there are any, and the tier that served the request. Thoughts come beside the answer's tokens; from some
/// servers they are among them, which the total tells.
pub fn read(metadata: &Json) -> (Option<Usage>, Option<String>) {
    let Ok(counts) = serde_json::from_str::<Counts>(metadata.get()) else { return (None, None) };
    let tier =
        counts.service_tier.as_deref().map(str::to_ascii_lowercase).filter(|tier| tier == "flex" || tier == "priority");
    if counts.prompt_token_count.is_none()
        && counts.candidates_token_count.is_none()
        && counts.total_token_count.is_none()
    {
        return (None, tier);
    }
    let prompt = tokens(counts.prompt_token_count);
    let input = prompt.saturating_add(tokens(counts.tool_use_prompt_token_count));
    let answer = tokens(counts.candidates_token_count);
    let thoughts = tokens(counts.thoughts_token_count);
    let total = tokens(counts.total_token_count);
    let is_within = total > 0
        && thoughts <= answer
        && (total == input.saturating_add(answer) || total == prompt.saturating_add(answer));
    let usage = Usage {
        input,
        output: if is_within { answer } else { answer.saturating_add(thoughts) },
        cached: tokens(counts.cached_content_token_count),
        cache_write: 0,
        reasoning: thoughts,
        audio_input: audio(counts.prompt_tokens_details),
        audio_output: audio(counts.candidates_tokens_details),
    };
    (Some(usage), tier)
}

fn audio(details: Option<Vec<Detail>>) -> u64 {
    let details = details.unwrap_or_default();
    let of_audio = details.iter().filter(|detail| detail.modality.as_deref() == Some("AUDIO"));
    of_audio.map(|detail| tokens(detail.token_count)).sum()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count that is none becomes 0")]
fn tokens(count: Option<f64>) -> u64 {
    count.unwrap_or_default().max(0.0) as u64
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageMetadata {
    prompt_token_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cached_content_token_count: u64,
    candidates_token_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    thoughts_token_count: u64,
    total_token_count: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    prompt_tokens_details: Vec<ModalityTokens>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates_tokens_details: Vec<ModalityTokens>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ModalityTokens {
    modality: &'static str,
    token_count: u64,
}

impl From<&Usage> for UsageMetadata {
    fn from(usage: &Usage) -> Self {
        let answer = usage.output.saturating_sub(usage.reasoning);
        Self {
            prompt_token_count: usage.input,
            cached_content_token_count: usage.cached,
            candidates_token_count: answer,
            thoughts_token_count: usage.reasoning,
            total_token_count: usage.total(),
            prompt_tokens_details: details(usage.input, usage.audio_input),
            candidates_tokens_details: details(answer, usage.audio_output),
        }
    }
}

/// Only told where there is audio: else all is text, or we do not know.
fn details(tokens: u64, audio: u64) -> Vec<ModalityTokens> {
    if audio == 0 {
        return Vec::new();
    }
    let text = ModalityTokens { modality: "TEXT", token_count: tokens.saturating_sub(audio) };
    vec![text, ModalityTokens { modality: "AUDIO", token_count: audio }]
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::super::super::raw;
    use super::*;

    fn usage(metadata: &str) -> Option<Usage> {
        read(&serde_json::from_str(metadata).expect("JSON")).0
    }

    #[test]
    fn thoughts_are_counted_once() {
        let beside = r#"{"promptTokenCount":10,"toolUsePromptTokenCount":5,"candidatesTokenCount":7,"thoughtsTokenCount":20,"totalTokenCount":42,"cachedContentTokenCount":4}"#;
        let expected = Usage { input: 15, output: 27, reasoning: 20, cached: 4, ..Usage::default() };
        assert_eq!(usage(beside), Some(expected));
        let within =
            r#"{"promptTokenCount":10,"candidatesTokenCount":27,"thoughtsTokenCount":20,"totalTokenCount":37}"#;
        assert_eq!(usage(within), Some(Usage { input: 10, output: 27, reasoning: 20, ..Usage::default() }));
        assert_eq!(usage(r#"{"trafficType":"ON_DEMAND"}"#), None);
        assert_eq!(usage(r#"{"promptTokenCount":"x"}"#), None);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let usage =
            Usage { input: 20, output: 30, cached: 5, reasoning: 10, audio_input: 4, audio_output: 6, cache_write: 0 };
        assert_eq!(read(&raw::json(&UsageMetadata::from(&usage))).0, Some(usage));
    }
}
