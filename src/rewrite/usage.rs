//! How many tokens an exchange took.

use memchr::memmem::Finder;
use once_cell::sync::Lazy;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::dialects::ir::Usage;

/// From a `usage` object as OpenAI's endpoints and their like send it. `None` when it counts nothing.
fn from_counts(counts: Counts) -> Option<Usage> {
    let (input, output, total) = (counts.input.0, counts.output.0, counts.total.0);
    if input.is_none() && output.is_none() && total.is_none() {
        return None;
    }
    let (input, output) = (input.or(total).unwrap_or(0), output.unwrap_or(0));
    let reasoning = counts.output_details.and_then(|details| details.reasoning_tokens.0).unwrap_or(0);
    let cached = counts.input_details.and_then(|details| details.cached_tokens.0).or(counts.cached.0).unwrap_or(0);
    // xAI's chat counts reasoning beside the completion; its total gives that away.
    let beside = total.is_some_and(|total| reasoning > 0 && total == input + output + reasoning);
    let output = if beside { output + reasoning } else { output };
    Some(Usage { input, output, cached, reasoning, ..Usage::default() })
}

#[derive(Deserialize)]
struct Counts {
    #[serde(default, alias = "prompt_tokens", alias = "input_tokens")]
    input: Count,
    #[serde(default, alias = "completion_tokens", alias = "output_tokens")]
    output: Count,
    #[serde(default, alias = "total_tokens")]
    total: Count,
    /// DeepSeek's and Anthropic's names.
    #[serde(default, alias = "prompt_cache_hit_tokens", alias = "cache_read_input_tokens")]
    cached: Count,
    #[serde(default, alias = "prompt_tokens_details", alias = "input_tokens_details")]
    input_details: Option<Details>,
    #[serde(default, alias = "completion_tokens_details", alias = "output_tokens_details")]
    output_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    cached_tokens: Count,
    #[serde(default)]
    reasoning_tokens: Count,
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

const KEY: &[u8] = b"\"usage\"";
static FINDER: Lazy<Finder<'static>> = Lazy::new(|| Finder::new(KEY));

/// A usage object is small; what is longer than this is something else.
const LONGEST: usize = 64 * 1024;

/// Finds `"usage":{…}` in passing, whatever the framing, however the bytes are cut. Inside a JSON string the quotes would be
/// escaped, so this never mistakes text for a count. The last one counts: streams may repeat it as it grows.
#[derive(Debug, Default)]
pub struct Tap {
    usage: Option<Usage>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Looking for the key; holds the bytes behind us that may be its beginning.
    Searching(Vec<u8>),
    /// Behind the key: the value so far.
    Reading(Vec<u8>),
}

impl Default for State {
    fn default() -> Self {
        Self::Searching(Vec::new())
    }
}

impl Tap {
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    pub fn push(&mut self, mut chunk: &[u8]) {
        while !chunk.is_empty() {
            chunk = match &mut self.state {
                State::Searching(behind) => match search(behind, chunk) {
                    Some(rest) => {
                        self.state = State::Reading(Vec::new());
                        rest
                    }
                    None => return,
                },
                State::Reading(_) => match self.read(chunk) {
                    Some(rest) => {
                        self.state = State::default();
                        rest
                    }
                    None => return,
                },
            };
        }
    }

    /// Reads on in the value; returns what comes behind it once it is complete.
    fn read<'a>(&mut self, chunk: &'a [u8]) -> Option<&'a [u8]> {
        let State::Reading(value) = &mut self.state else { return Some(chunk) };
        if value.is_empty() {
            // The usual case: all of it is in this chunk, and need not be copied.
            return match read_value(chunk) {
                Value::Counts(usage, end) => {
                    self.usage = Some(usage);
                    chunk.get(end..)
                }
                Value::Other => Some(chunk),
                Value::Unfinished => {
                    value.extend_from_slice(chunk);
                    None
                }
            };
        }
        let before = value.len();
        value.extend_from_slice(chunk);
        match read_value(value) {
            Value::Counts(usage, end) => {
                self.usage = Some(usage);
                chunk.get(end.saturating_sub(before)..)
            }
            Value::Unfinished if value.len() < LONGEST => None,
            Value::Other | Value::Unfinished => Some(chunk),
        }
    }
}

/// What stands behind the key.
enum Value {
    /// The counts, and where they end.
    Counts(Usage, usize),
    Other,
    /// More bytes, please.
    Unfinished,
}

fn read_value(text: &[u8]) -> Value {
    let space = |text: &[u8]| text.len() - text.trim_ascii_start().len();
    let colon = space(text);
    let start = match text.get(colon) {
        None => return Value::Unfinished,
        Some(b':') => {
            let rest = text.get(colon + 1..).unwrap_or_default();
            colon + 1 + space(rest)
        }
        Some(_) => return Value::Other,
    };
    match text.get(start) {
        None => return Value::Unfinished,
        Some(b'{') => {}
        Some(_) => return Value::Other,
    }
    let mut values = serde_json::Deserializer::from_slice(text.get(start..).unwrap_or_default()).into_iter::<Counts>();
    match values.next() {
        Some(Ok(counts)) => match from_counts(counts) {
            Some(usage) => Value::Counts(usage, start + values.byte_offset()),
            None => Value::Other,
        },
        Some(Err(why)) if why.is_eof() => Value::Unfinished,
        Some(Err(_)) | None => Value::Other,
    }
}

/// The place behind the key, if `chunk` completes it.
fn search<'a>(behind: &mut Vec<u8>, chunk: &'a [u8]) -> Option<&'a [u8]> {
    if !behind.is_empty() {
        let old = behind.len();
        behind.extend_from_slice(chunk.get(..KEY.len() - 1).unwrap_or(chunk));
        if let Some(at) = FINDER.find(behind) {
            let end = at + KEY.len() - old;
            behind.clear();
            return chunk.get(end..);
        }
        if chunk.len() < KEY.len() {
            let start = beginning_of_key(behind);
            behind.drain(..start);
            return None;
        }
        behind.clear();
    }
    if let Some(at) = FINDER.find(chunk) {
        return chunk.get(at + KEY.len()..);
    }
    behind.extend_from_slice(chunk.get(beginning_of_key(chunk)..).unwrap_or_default());
    None
}

/// Where, at the end of `text`, the key may begin; the length of `text` if nowhere.
fn beginning_of_key(text: &[u8]) -> usize {
    let start = text.len().saturating_sub(KEY.len() - 1);
    let tail = text.get(start..).unwrap_or_default();
    let place = memchr::memchr_iter(b'"', tail).find(|at| KEY.starts_with(tail.get(*at..).unwrap_or_default()));
    place.map_or(text.len(), |at| start + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = concat!(
        "data: {\"choices\":[{\"delta\":{\"content\":\"say \\\"usage\\\":{\\\"prompt_tokens\\\":9}\"}}],\"usage\":null}\n\n",
        "data: {\"choices\":[],\"usage\" : {\"prompt_tokens\":10,\"completion_tokens\":7,\"total_tokens\":17,",
        "\"prompt_tokens_details\":{\"cached_tokens\":4},\"completion_tokens_details\":{\"reasoning_tokens\":3},\"x\":\"}\"}}\n\n",
        "data: [DONE]\n\n"
    );
    const ZERO: Usage =
        Usage { input: 0, output: 0, cached: 0, cache_write: 0, reasoning: 0, audio_input: 0, audio_output: 0 };
    const COUNTED: Usage = Usage { input: 10, output: 7, cached: 4, reasoning: 3, ..ZERO };

    #[test]
    fn finds_the_counts_however_the_bytes_are_cut() {
        for first in 0..STREAM.len() {
            for second in [first, first + 1, first + 7, STREAM.len()] {
                let mut tap = Tap::default();
                let second = second.clamp(first, STREAM.len());
                for part in [&STREAM[..first], &STREAM[first..second], &STREAM[second..]] {
                    tap.push(part.as_bytes());
                }
                assert_eq!(tap.usage(), Some(COUNTED), "cut at {first} and {second}");
            }
        }
        let mut tap = Tap::default();
        STREAM.bytes().for_each(|byte| tap.push(&[byte]));
        assert_eq!(tap.usage(), Some(COUNTED));
    }

    #[test]
    fn the_last_count_wins_and_nonsense_is_none() {
        let mut tap = Tap::default();
        tap.push(b"{\"usage\":{\"prompt_tokens\":1}} {\"usage\":{\"input_tokens\":2,\"output_tokens\":3}} \"usage\":3 \"usage\":{}");
        assert_eq!(tap.usage(), Some(Usage { input: 2, output: 3, ..Usage::default() }));
        let mut tap = Tap::default();
        tap.push(b"\"usage\":{");
        tap.push(&[b'x'; LONGEST]);
        tap.push(b"\"usage\":{\"prompt_tokens\":1}");
        assert_eq!(tap.usage().map(|usage| usage.input), Some(1));
    }

    fn read(object: &str) -> Option<Usage> {
        match read_value(format!(":{object}").as_bytes()) {
            Value::Counts(usage, _) => Some(usage),
            Value::Other | Value::Unfinished => None,
        }
    }

    #[test]
    fn counts_reasoning_in_the_output() {
        let usage = read(
            r#"{"prompt_tokens":10,"completion_tokens":2,"total_tokens":20,"completion_tokens_details":{"reasoning_tokens":8}}"#,
        );
        assert_eq!(usage, Some(Usage { input: 10, output: 10, reasoning: 8, ..ZERO }));
        assert_eq!(read(r#"{"total_tokens":5}"#).map(|usage| usage.input), Some(5));
        assert_eq!(read("[]"), None);
        assert_eq!(read("{}"), None);
        let odd = read(
            r#"{"prompt_tokens":1.5,"completion_tokens":2,"total_tokens":null,"prompt_tokens_details":null,"cost":{},"prompt_cache_hit_tokens":[{}]}"#,
        );
        assert_eq!(odd, Some(Usage { output: 2, ..Usage::default() }));
    }
}
