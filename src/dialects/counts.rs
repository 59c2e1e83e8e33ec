//! A usage object of any dialect, read liberally and brought to normal form.

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::dialects::ir::Usage;

/// What a usage object of any dialect says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    input: Option<u64>,
    output: Option<u64>,
    total: Option<u64>,
    cached: Option<u64>,
    cache_write: Option<u64>,
    reasoning: Option<u64>,
    audio_input: Option<u64>,
    audio_output: Option<u64>,
    /// Gemini's, beside `output`.
    thoughts: Option<u64>,
    /// Gemini's, beside `input`.
    tool_prompt: Option<u64>,
    /// Whether what went through the cache is counted beside `input`, as Anthropic and Bedrock do.
    is_cache_beside: bool,
    /// Whether the input came under OpenAI's name.
    has_prompt: bool,
}

impl Counts {
    pub fn counts(&self) -> bool {
        self.input.is_some() || self.output.is_some() || self.total.is_some()
    }

    /// What these say, and what `before` said of which these say nothing: Anthropic counts the prompt when a stream starts and the
    /// answer when it ends.
    pub fn after(self, before: Self) -> Self {
        Self {
            input: self.input.or(before.input),
            output: self.output.or(before.output),
            total: self.total,
            cached: self.cached.or(before.cached),
            cache_write: self.cache_write.or(before.cache_write),
            reasoning: self.reasoning.or(before.reasoning),
            audio_input: self.audio_input.or(before.audio_input),
            audio_output: self.audio_output.or(before.audio_output),
            thoughts: self.thoughts.or(before.thoughts),
            tool_prompt: self.tool_prompt.or(before.tool_prompt),
            is_cache_beside: self.is_cache_beside || before.is_cache_beside,
            has_prompt: self.has_prompt || before.has_prompt,
        }
    }

    /// The counts in normal form; `None` if there are none.
    pub fn usage(&self) -> Option<Usage> {
        self.counts().then(|| self.normal())
    }

    pub fn normal(&self) -> Usage {
        let of = |count: Option<u64>| count.unwrap_or(0);
        let (cached, cache_write) = (of(self.cached), of(self.cache_write));
        let beside = if self.is_cache_beside { cached + cache_write } else { 0 };
        let input = self.input.or(self.total).unwrap_or(0) + beside + of(self.tool_prompt);
        let (output, reasoning) = (of(self.output), of(self.reasoning.or(self.thoughts)));
        // xAI's chat and Gemini count reasoning beside the answer; the total gives that away.
        let is_beside = match self.total {
            Some(total) => total == input + output + reasoning,
            None => self.thoughts.is_some(),
        };
        let output = if is_beside { output + reasoning } else { output };
        let (audio_input, audio_output) = (of(self.audio_input), of(self.audio_output));
        Usage { input, output, cached, cache_write, reasoning, audio_input, audio_output }
    }

    fn take_details(&mut self, of_input: bool, details: Details) {
        let audio = if of_input { &mut self.audio_input } else { &mut self.audio_output };
        *audio = details.audio_tokens.0;
        self.cached = either(self.cached, details.cached_tokens.0);
        let cache_write = either(details.cache_write_tokens.0, details.cache_creation_input_tokens.0);
        self.cache_write = either(self.cache_write, cache_write);
        self.reasoning = either(self.reasoning, either(details.reasoning_tokens.0, details.thinking_tokens.0));
    }
}

/// Some send a count under two names, of which one may be a 0 that nobody has filled in.
fn either(first: Option<u64>, second: Option<u64>) -> Option<u64> {
    first.filter(|count| *count > 0).or(second.filter(|count| *count > 0)).or(first).or(second)
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Counts;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object that counts tokens")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Counts, A::Error> {
                let mut counts = Counts::default();
                while let Some(name) = members.next_key::<Name>()? {
                    let has_openai_name = matches!(name, Name::Prompt | Name::Completion);
                    let place = match name {
                        Name::Prompt | Name::Input => &mut counts.input,
                        Name::Output | Name::Completion => &mut counts.output,
                        Name::Total => &mut counts.total,
                        Name::Cached | Name::CachedBeside => &mut counts.cached,
                        Name::CacheWriteBeside => &mut counts.cache_write,
                        Name::Reasoning => &mut counts.reasoning,
                        Name::Thoughts => &mut counts.thoughts,
                        Name::ToolPrompt => &mut counts.tool_prompt,
                        Name::InputDetails | Name::OutputDetails => {
                            let details = members.next_value::<Option<Details>>()?;
                            counts.take_details(matches!(name, Name::InputDetails), details.unwrap_or_default());
                            continue;
                        }
                        Name::Other => {
                            members.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    let count = members.next_value::<Count>()?.0;
                    *place = if has_openai_name { either(count, *place) } else { either(*place, count) };
                    counts.is_cache_beside |= matches!(name, Name::CachedBeside | Name::CacheWriteBeside);
                    // A gateway that speaks OpenAI's dialect may repeat Anthropic's counts, which it has included.
                    counts.has_prompt |= matches!(name, Name::Prompt);
                }
                counts.is_cache_beside &= !counts.has_prompt;
                Ok(counts)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// What the members of usage objects are called.
#[derive(Clone, Copy, Deserialize)]
#[serde(field_identifier)]
enum Name {
    #[serde(rename = "prompt_tokens")]
    Prompt,
    #[serde(rename = "input_tokens", alias = "inputTokens", alias = "promptTokenCount")]
    Input,
    #[serde(rename = "completion_tokens")]
    Completion,
    #[serde(rename = "output_tokens", alias = "outputTokens", alias = "candidatesTokenCount")]
    Output,
    #[serde(rename = "total_tokens", alias = "totalTokens", alias = "totalTokenCount")]
    Total,
    /// DeepSeek's, Moonshot's, Gemini's.
    #[serde(rename = "prompt_cache_hit_tokens", alias = "cached_tokens", alias = "cachedContentTokenCount")]
    Cached,
    /// Anthropic's, Bedrock's.
    #[serde(rename = "cache_read_input_tokens", alias = "cacheReadInputTokens")]
    CachedBeside,
    #[serde(rename = "cache_creation_input_tokens", alias = "cacheWriteInputTokens")]
    CacheWriteBeside,
    /// Perplexity's.
    #[serde(rename = "reasoning_tokens")]
    Reasoning,
    #[serde(rename = "thoughtsTokenCount")]
    Thoughts,
    #[serde(rename = "toolUsePromptTokenCount")]
    ToolPrompt,
    #[serde(rename = "prompt_tokens_details", alias = "input_tokens_details")]
    InputDetails,
    #[serde(rename = "completion_tokens_details", alias = "output_tokens_details")]
    OutputDetails,
    #[serde(other)]
    Other,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    cached_tokens: Count,
    cache_write_tokens: Count,
    /// Alibaba's.
    cache_creation_input_tokens: Count,
    reasoning_tokens: Count,
    thinking_tokens: Count,
    audio_tokens: Count,
}

/// A count if it is one. Whatever else a provider puts in its place must not cost us the other counts.
#[derive(Debug, Default)]
struct Count(Option<u64>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyCount;

        impl<'de> Visitor<'de> for AnyCount {
            type Value = Count;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number of tokens")
            }

            fn visit_u64<E>(self, count: u64) -> Result<Count, E> {
                Ok(Count(Some(count)))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Count, E> {
                Ok(Count(None))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Count, E> {
                Ok(Count(None))
            }

            fn visit_unit<E>(self) -> Result<Count, E> {
                Ok(Count(None))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Count, E> {
                Ok(Count(None))
            }

            fn visit_str<E>(self, _: &str) -> Result<Count, E> {
                Ok(Count(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Count, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Count(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Count, A::Error> {
                while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Count(None))
            }
        }

        deserializer.deserialize_any(AnyCount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_under_another_name_is_no_count() {
        let usage = |text: &str| serde_json::from_str::<Counts>(text).expect("counts").normal();
        let twice = usage(
            r#"{"prompt_tokens":3,"completion_tokens":793,"total_tokens":796,"prompt_tokens_details":{"cached_tokens":2},
                "input_tokens":0,"output_tokens":0,"input_tokens_details":null,"prompt_cache_hit_tokens":0}"#,
        );
        assert_eq!((twice.input, twice.output, twice.cached), (3, 793, 2));
        let twice = usage(r#"{"input_tokens":0,"output_tokens":4,"prompt_tokens":3,"completion_tokens":5}"#);
        assert_eq!((twice.input, twice.output), (3, 5));
        let none = usage(r#"{"prompt_tokens":3,"completion_tokens":0,"total_tokens":3}"#);
        assert_eq!((none.input, none.output), (3, 0));
    }
}
