//! The shape of answers, whole and in chunks. Everything may be missing, `null`, or something else.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::dialects::ir::Json;
use crate::dialects::openai_chat::loose::{Count, Later, Words, read};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Chunk<'a> {
    #[serde(borrow)]
    pub id: Words<'a>,
    pub model: Words<'a>,
    pub created: Count,
    pub system_fingerprint: Words<'a>,
    pub service_tier: Words<'a>,
    pub choices: Option<Vec<Choice<'a>>>,
    /// [`Counts`](crate::dialects::counts::Counts).
    pub usage: Later<'a>,
    /// [`Groq`].
    pub x_groq: Later<'a>,
    /// Perplexity: the sources of the answer, a list of URLs.
    pub citations: Later<'a>,
    pub error: Later<'a>,
    /// An error without an envelope.
    pub message: Later<'a>,
    pub detail: Later<'a>,
    /// [`BaseResp`].
    pub base_resp: Later<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Groq<'a> {
    #[serde(borrow)]
    pub usage: Later<'a>,
    pub error: Later<'a>,
}

/// MiniMax's word on success.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct BaseResp {
    pub status_code: Count,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Choice<'a> {
    pub index: Count,
    #[serde(borrow)]
    pub delta: Option<Box<Message<'a>>>,
    pub message: Option<Box<Message<'a>>>,
    pub finish_reason: Words<'a>,
    /// vLLM: the stop sequence that was met.
    pub stop_reason: Words<'a>,
    /// [`Logprobs`].
    pub logprobs: Later<'a>,
    /// OpenRouter: this choice failed.
    pub error: Later<'a>,
    /// Moonshot: counts beside the last delta.
    pub usage: Later<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Logprobs {
    pub content: Option<Vec<Json>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Message<'a> {
    #[serde(borrow)]
    pub content: Content<'a>,
    pub refusal: Words<'a>,
    pub reasoning_content: Words<'a>,
    pub reasoning: Words<'a>,
    /// A list of [`Detail`](crate::dialects::openai_chat::details::Detail).
    pub reasoning_details: Later<'a>,
    pub tool_calls: Option<Vec<ToolCall<'a>>>,
    /// [`Function`].
    pub function_call: Later<'a>,
    /// [`Audio`].
    pub audio: Later<'a>,
    /// A list of [`Part`].
    pub images: Later<'a>,
    /// A list of [`Annotation`].
    pub annotations: Later<'a>,
}

/// A text, Mistral's list of parts, or Cloudflare's bare JSON.
#[derive(Debug, Default)]
pub enum Content<'a> {
    #[default]
    None,
    Text(Cow<'a, str>),
    Parts(Vec<Part<'a>>),
    Json(String),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Part<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Words<'a>,
    pub text: Words<'a>,
    pub refusal: Words<'a>,
    /// Mistral: a text, or parts of text.
    pub thinking: Content<'a>,
    /// [`ImageUrl`].
    pub image_url: Later<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ImageUrl<'a> {
    #[serde(borrow)]
    pub url: Words<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Audio<'a> {
    #[serde(borrow)]
    pub id: Words<'a>,
    pub data: Words<'a>,
    pub transcript: Words<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ToolCall<'a> {
    pub index: Count,
    #[serde(borrow)]
    pub id: Words<'a>,
    #[serde(rename = "type")]
    pub kind: Words<'a>,
    pub function: Option<Function<'a>>,
    pub custom: Option<Function<'a>>,
    /// [`Extra`].
    pub extra_content: Later<'a>,
}

/// A function's name and arguments, or a custom tool's name and input.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Function<'a> {
    #[serde(borrow)]
    pub name: Words<'a>,
    /// A text; some send the object itself.
    pub arguments: Option<&'a RawValue>,
    pub input: Words<'a>,
}

/// Google's own, behind its compatible endpoint.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Extra<'a> {
    #[serde(borrow)]
    pub google: Option<GoogleExtra<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct GoogleExtra<'a> {
    #[serde(borrow)]
    pub thought_signature: Words<'a>,
}

/// An annotation with a place in the canonical form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Annotation<'a> {
    #[serde(borrow)]
    pub url_citation: Option<UrlCitation<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UrlCitation<'a> {
    #[serde(borrow)]
    pub url: Words<'a>,
    pub title: Words<'a>,
    pub content: Words<'a>,
    pub start_index: Count,
    pub end_index: Count,
}

/// Whether an `error` says that there is one.
fn is_something(raw: &RawValue) -> bool {
    !matches!(raw.get(), "null" | "false" | "\"\"" | "{}")
}

impl<'a> Choice<'a> {
    pub fn error(&self) -> Option<&'a RawValue> {
        self.error.filter(|error| is_something(error))
    }
}

impl Chunk<'_> {
    /// Whether this is an error, by itself or in the middle of an answer.
    pub fn is_error(&self) -> bool {
        let groq = || read::<Groq<'_>>(self.x_groq).and_then(|groq| groq.error);
        let resp = read::<BaseResp>(self.base_resp).and_then(|resp| resp.status_code.0);
        let is_refused = resp.is_some_and(|code| code != 0);
        self.error.or_else(groq).is_some_and(is_something)
            || is_refused
            || self.choices.is_none() && self.message.or(self.detail).is_some_and(is_something)
    }
}

impl Function<'_> {
    pub fn arguments(&self) -> Option<String> {
        if let Some(input) = self.input.get() {
            return Some(input.to_owned());
        }
        match self.arguments?.get() {
            "null" | "\"\"" => None,
            text if text.starts_with('"') => serde_json::from_str(text).ok(),
            json => Some(json.to_owned()),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.name.0.is_none() && self.arguments().is_none()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyContent)
    }
}

struct AnyContent;

impl<'de> Visitor<'de> for AnyContent {
    type Value = Content<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("content")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(if text.is_empty() { Content::None } else { Content::Text(Cow::Borrowed(text)) })
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(if text.is_empty() { Content::None } else { Content::Text(Cow::Owned(text.to_owned())) })
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Content::None)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Content::Json(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Content::Json(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Content::Json(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Content::Json(value.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(items)).map(Content::Parts)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut json = String::from("{");
        while let Some((name, value)) = entries.next_entry::<String, &RawValue>()? {
            if json.len() > 1 {
                json.push(',');
            }
            json.push_str(&serde_json::Value::from(name).to_string());
            json.push(':');
            json.push_str(value.get());
        }
        json.push('}');
        Ok(Content::Json(json))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_anything() {
        let read = |json: &'static str| serde_json::from_str::<Content>(json).expect("content");
        assert!(matches!(read("\"a\""), Content::Text(Cow::Borrowed("a"))));
        assert!(matches!(read("null"), Content::None));
        assert!(matches!(read("[{\"type\":\"text\",\"text\":\"a\"}]"), Content::Parts(parts) if parts.len() == 1));
        assert!(matches!(read("{\"b\": 1.0, \"a\":\"x\"}"), Content::Json(json) if json == "{\"b\":1.0,\"a\":\"x\"}"));
    }

    #[test]
    fn errors_are_known_from_answers() {
        let is_error = |json: &str| serde_json::from_str::<Chunk>(json).expect("a chunk").is_error();
        assert!(is_error(r#"{"error":{"message":"x"}}"#) && is_error(r#"{"error":"x","code":"y"}"#));
        assert!(is_error(r#"{"object":"error","message":"x"}"#) && is_error(r#"{"base_resp":{"status_code":1004}}"#));
        assert!(is_error(r#"{"choices":[],"x_groq":{"error":"x"}}"#));
        assert!(!is_error(r#"{"choices":[],"error":null,"message":"hi","base_resp":{"status_code":0}}"#));
    }
}
