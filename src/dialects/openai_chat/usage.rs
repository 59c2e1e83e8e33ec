//! Token counts, read from everybody and written as OpenAI does.

use serde::{Deserialize, Serialize};

use super::loose::{Count, Later, read};
use crate::dialects::ir::Usage;

/// `usage` as it may come: OpenAI's, and others' names for the same.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Counts<'a> {
    prompt_tokens: Count,
    completion_tokens: Count,
    total_tokens: Count,
    input_tokens: Count,
    output_tokens: Count,
    #[serde(borrow)]
    prompt_tokens_details: Later<'a>,
    completion_tokens_details: Later<'a>,
    /// DeepSeek.
    prompt_cache_hit_tokens: Count,
    /// Moonshot.
    cached_tokens: Count,
    /// Perplexity.
    reasoning_tokens: Count,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Count,
    cache_write_tokens: Count,
    /// Alibaba.
    cache_creation_input_tokens: Count,
    audio_tokens: Count,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Count,
    audio_tokens: Count,
}

impl Counts<'_> {
    /// The counts in normal form; `None` if there are none.
    pub fn usage(&self) -> Option<Usage> {
        let input = self.prompt_tokens.0.or(self.input_tokens.0);
        let output = self.completion_tokens.0.or(self.output_tokens.0);
        let total = self.total_tokens.0;
        if input.is_none() && output.is_none() && total.is_none() {
            return None;
        }
        let (input, output) = (input.or(total).unwrap_or(0), output.unwrap_or(0));
        let of_input: InputDetails = read(self.prompt_tokens_details).unwrap_or_default();
        let of_output: OutputDetails = read(self.completion_tokens_details).unwrap_or_default();
        let cached = of_input.cached_tokens.0.or(self.prompt_cache_hit_tokens.0).or(self.cached_tokens.0);
        let cache_write = of_input.cache_write_tokens.0.or(of_input.cache_creation_input_tokens.0);
        let reasoning = of_output.reasoning_tokens.0.or(self.reasoning_tokens.0).unwrap_or(0);
        // xAI counts reasoning beside the completion; its total gives that away.
        let is_beside = reasoning > 0 && total == Some(input.saturating_add(output).saturating_add(reasoning));
        Some(Usage {
            input,
            output: if is_beside { output.saturating_add(reasoning) } else { output },
            cached: cached.unwrap_or(0),
            cache_write: cache_write.unwrap_or(0),
            reasoning,
            audio_input: of_input.audio_tokens.0.unwrap_or(0),
            audio_output: of_output.audio_tokens.0.unwrap_or(0),
        })
    }
}

/// `usage` as we write it.
#[derive(Debug, Serialize)]
pub struct Written {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: WrittenInput,
    completion_tokens_details: WrittenOutput,
}

#[derive(Debug, Serialize)]
struct WrittenInput {
    cached_tokens: u64,
    cache_write_tokens: u64,
    audio_tokens: u64,
}

#[derive(Debug, Serialize)]
struct WrittenOutput {
    reasoning_tokens: u64,
    audio_tokens: u64,
    accepted_prediction_tokens: u64,
    rejected_prediction_tokens: u64,
}

impl From<&Usage> for Written {
    fn from(usage: &Usage) -> Self {
        Self {
            prompt_tokens: usage.input,
            completion_tokens: usage.output,
            total_tokens: usage.total(),
            prompt_tokens_details: WrittenInput {
                cached_tokens: usage.cached,
                cache_write_tokens: usage.cache_write,
                audio_tokens: usage.audio_input,
            },
            completion_tokens_details: WrittenOutput {
                reasoning_tokens: usage.reasoning,
                audio_tokens: usage.audio_output,
                accepted_prediction_tokens: 0,
                rejected_prediction_tokens: 0,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(json: &str) -> Option<Usage> {
        serde_json::from_str::<Counts>(json).expect("counts").usage()
    }

    #[test]
    fn reads_everybodys_counts() {
        let plain = Usage { input: 10, output: 7, ..Usage::default() };
        assert_eq!(counted(r#"{"prompt_tokens":10,"completion_tokens":7,"total_tokens":17}"#), Some(plain));
        assert_eq!(
            counted(
                r#"{"prompt_tokens":10,"completion_tokens":7,"total_tokens":20,"prompt_tokens_details":{"cached_tokens":4},
                "completion_tokens_details":{"reasoning_tokens":3,"x":null}}"#
            ),
            Some(Usage { output: 10, cached: 4, reasoning: 3, ..plain })
        );
        assert_eq!(
            counted(
                r#"{"prompt_tokens":10,"completion_tokens":7,"prompt_cache_hit_tokens":4,"prompt_tokens_details":null}"#
            ),
            Some(Usage { cached: 4, ..plain })
        );
        assert_eq!(counted(r#"{"prompt_tokens":null,"queue_time":0.1}"#), None);
        let counts = serde_json::to_string(&Written::from(&Usage { cached: 4, cache_write: 2, reasoning: 3, ..plain }));
        assert_eq!(counted(&counts.expect("JSON")), Some(Usage { cached: 4, cache_write: 2, reasoning: 3, ..plain }));
    }
}
