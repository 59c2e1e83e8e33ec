//! Answers in OpenAI's chat dialect that stay as they are, but for the thoughts: out of `content`, into `reasoning_content` beside it,
//! where DeepSeek, vLLM and SGLang have them.

use std::borrow::Cow;
use std::ops::Range;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{Splitter, ThinkTags, Told};
use crate::dialects::ir::event::MOST_CHOICES;

/// An answer on its way, whole or in chunks.
#[derive(Debug, Default)]
pub struct Answer {
    /// One for each choice.
    splitters: Vec<Splitter>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    Chunk,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    index: Option<usize>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Said<'a> {
    #[serde(default, borrow, deserialize_with = "given")]
    content: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "given")]
    reasoning_content: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "given")]
    reasoning: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "given")]
    tool_calls: Option<&'a RawValue>,
}

/// A member that is there, even as `null`.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Places in a text, and what is to stand there.
type Edits = Vec<(Range<usize>, String)>;

impl Answer {
    /// A whole answer. `None`: it stays as it is.
    pub fn whole(&mut self, body: &str) -> Option<String> {
        self.edited(body, Extent::Whole)
    }

    /// A chunk of a stream. `None`: it stays as it is.
    pub fn chunk(&mut self, data: &str) -> Option<String> {
        self.edited(data, Extent::Chunk)
    }

    /// What is still held back when a stream ends that has told no end of its choices: chunks for it.
    pub fn rest(&mut self) -> impl Iterator<Item = String> {
        self.splitters.iter_mut().enumerate().filter_map(|(index, splitter)| {
            let (name, text) = match splitter.settle()? {
                Told::Text(text) => ("content", text),
                Told::Thought(thought) => ("reasoning_content", thought),
            };
            let delta = format!("{{\"{name}\":{}}}", quoted(&text));
            Some(format!(
                "{{\"object\":\"chat.completion.chunk\",\"choices\":[{{\"index\":{index},\"delta\":{delta},\"finish_reason\":null}}]}}"
            ))
        })
    }

    fn edited(&mut self, text: &str, extent: Extent) -> Option<String> {
        let body: Body<'_> = serde_json::from_str(text).ok()?;
        let mut edits = Edits::new();
        for (position, choice) in body.choices.into_iter().enumerate() {
            let index = choice.index.unwrap_or(position);
            if index < MOST_CHOICES {
                self.edit_choice(text, index, &choice, extent, &mut edits);
            }
        }
        edits.sort_by_key(|(place, _)| place.start);
        (!edits.is_empty()).then(|| applied(text, &edits))
    }

    fn edit_choice(&mut self, text: &str, index: usize, choice: &Choice<'_>, extent: Extent, edits: &mut Edits) {
        while self.splitters.len() <= index {
            self.splitters.push(Splitter::new(ThinkTags::Split));
        }
        let Some(splitter) = self.splitters.get_mut(index) else { return };
        let object = match extent {
            Extent::Whole => choice.message,
            Extent::Chunk => choice.delta,
        };
        let Some(object) = object else { return };
        let Ok(said) = serde_json::from_str::<Said<'_>>(object.get()) else { return };
        if [said.reasoning_content, said.reasoning]
            .into_iter()
            .flatten()
            .any(|raw| !matches!(raw.get(), "null" | "\"\""))
        {
            splitter.leave();
        }
        if splitter.is_idle() {
            return;
        }
        let content = said.content.and_then(|raw| Some((raw, serde_json::from_str::<Cow<'_, str>>(raw.get()).ok()?)));
        let given = content.as_ref().map_or("", |(_, content)| content);
        let mut told = match extent {
            Extent::Whole => splitter.take_whole(given.to_owned()),
            Extent::Chunk => splitter.take(given.to_owned()),
        };
        let is_there = |raw: Option<&RawValue>| raw.is_some_and(|raw| raw.get() != "null");
        if is_there(choice.finish_reason) || is_there(said.tool_calls) {
            told.extend(splitter.settle());
        }
        let (mut thought, mut rest) = (String::new(), String::new());
        for piece in told {
            match piece {
                Told::Thought(piece) => thought += &piece,
                Told::Text(piece) => rest += &piece,
            }
        }
        if thought.is_empty() && rest == given {
            return;
        }
        let mut members = Vec::new();
        let mut put = |name: &str, old: Option<&RawValue>, value: &str| {
            let value = if value.is_empty() { "null".to_owned() } else { quoted(value) };
            match old.and_then(|old| place(text, old.get())) {
                Some(place) => edits.push((place, value)),
                None => members.push(format!("\"{name}\":{value}")),
            }
        };
        if rest != given {
            put("content", said.content, &rest);
        }
        if !thought.is_empty() {
            put("reasoning_content", said.reasoning_content, &thought);
        }
        // Behind the brace; a comma if it is not the only one.
        if let (Some(place), false) = (place(text, object.get()), members.is_empty()) {
            let is_empty = object.get().trim_start_matches('{').trim_start().starts_with('}');
            let comma = if is_empty { "" } else { "," };
            edits.push((place.start + 1..place.start + 1, members.join(",") + comma));
        }
    }
}

/// Where in `text` a part of it is.
fn place(text: &str, part: &str) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    (text.get(start..start + part.len())? == part).then_some(start..start + part.len())
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn applied(text: &str, edits: &Edits) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut copied = 0;
    for (place, value) in edits {
        out += text.get(copied..place.start).unwrap_or_default();
        out += value;
        copied = place.end;
    }
    out + text.get(copied..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(message: &str) -> Option<String> {
        let body = |message: &str| {
            format!(r#"{{"id":"x", "choices":[{{"message":{message},"finish_reason":"stop"}}],"new":1.0}}"#)
        };
        let edited = Answer::default().whole(&body(message))?;
        let (before, behind) = body("|").split_once('|').map(|(a, b)| (a.to_owned(), b.to_owned()))?;
        Some(edited.strip_prefix(&before)?.strip_suffix(&behind)?.to_owned())
    }

    #[test]
    fn only_the_thoughts_of_a_whole_answer_move() {
        for (message, expected) in [
            (r#"{"content":"a"}"#, None),
            (r#"{"content":null,"tool_calls":[]}"#, None),
            (r#"{"content":"<think>a</think>b","reasoning_content":"c"}"#, None),
            (
                r#"{"role":"assistant","content":"<think>\n\u00fc\n</think>\n\nb","x": 1.50}"#,
                Some(r#"{"reasoning_content":"ü","role":"assistant","content":"b","x": 1.50}"#),
            ),
            (
                r#"{"content":"<think>a","reasoning_content":null,"reasoning":null}"#,
                Some(r#"{"content":null,"reasoning_content":"a","reasoning":null}"#),
            ),
            (r#"{"content":"Hm.\n</think>\n\nb"}"#, Some(r#"{"reasoning_content":"Hm.","content":"b"}"#)),
        ] {
            assert_eq!(whole(message).as_deref(), expected, "{message}");
        }
    }

    #[test]
    fn what_is_held_back_comes_with_the_end_or_with_a_call() {
        let chunk = |delta: &str, finish: &str| {
            format!(r#"{{"choices":[{{"index":0,"delta":{delta},"finish_reason":{finish}}}]}}"#)
        };
        for (delta, finish, expected) in [
            ("{}", "\"stop\"", r#"{"content":"<thi"}"#),
            (r#"{"content":""}"#, "\"stop\"", r#"{"content":"<thi"}"#),
            (r#"{"tool_calls":[1]}"#, "null", r#"{"content":"<thi","tool_calls":[1]}"#),
        ] {
            let mut answer = Answer::default();
            assert_eq!(
                answer.chunk(&chunk(r#"{"content":"<thi"}"#, "null")),
                Some(chunk(r#"{"content":null}"#, "null"))
            );
            assert_eq!(answer.chunk(&chunk(delta, finish)), Some(chunk(expected, finish)));
            assert_eq!(answer.rest().count(), 0);
        }
        let mut broken = Answer::default();
        broken.chunk(&chunk(r#"{"content":"<thi"}"#, "null"));
        let rest: Vec<_> = broken.rest().collect();
        assert!(rest.len() == 1 && rest[0].contains(r#""delta":{"content":"<thi"}"#), "{rest:?}");
    }

    #[test]
    fn a_stream_says_what_a_whole_answer_says() {
        let said = |body: &str, name: &str| -> [String; 2] {
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            let of = |member: &str| body["choices"][0][name][member].as_str().unwrap_or_default().to_owned();
            [of("reasoning_content"), of("content")]
        };
        for text in [
            "<think>\n a ü\n</think>\n\nb\n",
            "<think>cut </th",
            " <thin",
            "b <think>a</think>",
            "a</think>",
            " \n",
            "",
        ] {
            let text = serde_json::Value::from(text);
            let body = format!(r#"{{"choices":[{{"message":{{"content":{text}}},"finish_reason":"stop"}}]}}"#);
            let whole = said(&Answer::default().whole(&body).unwrap_or(body), "message");
            let (mut answer, mut streamed) = (Answer::default(), [String::new(), String::new()]);
            let letters = text.as_str().unwrap_or_default().chars().map(|letter| (letter.to_string(), "null"));
            for (piece, finish) in letters.chain([(String::new(), "\"stop\"")]) {
                let piece = serde_json::Value::from(piece);
                let chunk = format!(r#"{{"choices":[{{"delta":{{"content":{piece}}},"finish_reason":{finish}}}]}}"#);
                let told = said(&answer.chunk(&chunk).unwrap_or(chunk), "delta");
                streamed.iter_mut().zip(told).for_each(|(all, piece)| all.push_str(&piece));
            }
            assert_eq!(streamed, whole, "{text}");
        }
    }
}
