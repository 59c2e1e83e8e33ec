//! How many tokens an exchange took, found in passing.

use memchr::memmem::Finder;
use once_cell::sync::Lazy;

use crate::dialects::counts::Counts;
use crate::dialects::ir::Usage;

/// How `"usage"` and Gemini's `"usageMetadata"` begin.
const KEY: &[u8] = b"\"usage";
static FINDER: Lazy<Finder<'static>> = Lazy::new(|| Finder::new(KEY));

/// A usage object is small; what is longer than this is something else.
const LONGEST: usize = 64 * 1024;

/// Finds `"usage":{…}` in passing, whatever the framing, however the bytes are cut. Inside a JSON string the quotes would be
/// escaped, so this never mistakes text for a count. The last one counts: streams may repeat it as it grows.
#[derive(Debug, Default)]
pub struct Tap {
    counts: Option<Counts>,
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
        self.counts.map(|counts| counts.normal())
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
                Value::Counts(counts, end) => {
                    self.counts = Some(counts.after(self.counts.unwrap_or_default()));
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
            Value::Counts(counts, end) => {
                self.counts = Some(counts.after(self.counts.unwrap_or_default()));
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
    Counts(Counts, usize),
    Other,
    /// More bytes, please.
    Unfinished,
}

fn read_value(text: &[u8]) -> Value {
    let space = |text: &[u8]| text.len() - text.trim_ascii_start().len();
    let key = match rest_of_key(text) {
        Some(Some(end)) => end,
        Some(None) => return Value::Unfinished,
        None => return Value::Other,
    };
    let colon = key + space(text.get(key..).unwrap_or_default());
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
        Some(Ok(counts)) if counts.counts() => Value::Counts(counts, start + values.byte_offset()),
        Some(Ok(_)) => Value::Other,
        Some(Err(why)) if why.is_eof() => Value::Unfinished,
        Some(Err(_)) | None => Value::Other,
    }
}

/// Where the key ends whose beginning stands before `text`. `Some(None)`: more bytes, please; `None`: it is another key.
fn rest_of_key(text: &[u8]) -> Option<Option<usize>> {
    [&b"\""[..], b"Metadata\""].into_iter().find_map(|rest| match text.len() < rest.len() {
        true => rest.starts_with(text).then_some(None),
        false => text.starts_with(rest).then_some(Some(rest.len())),
    })
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
    #[test]
    fn knows_the_counts_of_every_dialect() {
        let counted = |text: &str| {
            let mut tap = Tap::default();
            text.as_bytes().chunks(3).for_each(|part| tap.push(part));
            tap.usage()
        };
        let anthropic = concat!(
            "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":5,\"cache_read_input_tokens\":3,\"output_tokens\":1}}}\n\n",
            "data: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":9}}\n\n"
        );
        assert_eq!(counted(anthropic), Some(Usage { input: 8, output: 9, cached: 3, ..ZERO }));
        let gemini = r#"{"usageMetadata" : {"promptTokenCount":5,"candidatesTokenCount":7,"thoughtsTokenCount":20,"totalTokenCount":32}}"#;
        assert_eq!(counted(gemini), Some(Usage { input: 5, output: 27, reasoning: 20, ..ZERO }));
        let converse = r#"xx{"usage":{"inputTokens":5,"outputTokens":2,"totalTokens":7,"cacheReadInputTokens":0}}"#;
        assert_eq!(counted(converse), Some(Usage { input: 5, output: 2, ..ZERO }));
        let both =
            r#"{"usage":{"prompt_tokens":9,"input_tokens":9,"cache_read_input_tokens":4,"completion_tokens":1}}"#;
        assert_eq!(counted(both), Some(Usage { input: 9, output: 1, cached: 4, ..ZERO }));
    }

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
        match read_value(format!("\":{object}").as_bytes()) {
            Value::Counts(usage, _) => Some(usage.normal()),
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
