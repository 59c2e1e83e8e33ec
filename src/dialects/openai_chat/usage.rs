//! Token counts as OpenAI writes them; how everybody's are read is told in [`crate::dialects::counts`].

use serde::Serialize;

use crate::dialects::ir::Usage;

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
    use crate::dialects::counts::Counts;

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
