//! The shape of a request (`openai.types.responses.response_create_params`). What has many kinds, items and tools, stays raw
//! until its kind is known.

use serde::Deserialize;
use serde_json::Number;
use serde_json::value::RawValue;

use super::super::lenient::Whole;
use crate::dialects::ir::Json;
use crate::dialects::wire::TextOr;

#[derive(Debug, Deserialize)]
pub struct Body {
    pub model: Option<String>,
    pub input: Option<TextOr<Json>>,
    pub instructions: Option<String>,
    pub previous_response_id: Option<Json>,
    pub conversation: Option<Json>,
    pub prompt: Option<Json>,
    pub background: Option<bool>,
    pub background_options: Option<Json>,
    pub store: Option<bool>,
    pub stream: Option<bool>,
    #[serde(rename = "stream_options")]
    _stream_options: Option<StreamOptions>,
    pub include: Option<Vec<String>>,
    pub tools: Option<Vec<Json>>,
    pub tool_choice: Option<Json>,
    pub parallel_tool_calls: Option<bool>,
    pub max_tool_calls: Option<Whole>,
    pub max_output_tokens: Option<Whole>,
    pub reasoning: Option<Json>,
    pub text: Option<Json>,
    pub temperature: Option<Number>,
    pub top_p: Option<Number>,
    pub top_logprobs: Option<Whole>,
    pub truncation: Option<String>,
    pub metadata: Option<Json>,
    pub user: Option<String>,
    pub safety_identifier: Option<String>,
    pub prompt_cache_key: Option<String>,
    pub prompt_cache_options: Option<Json>,
    pub prompt_cache_retention: Option<Json>,
    pub service_tier: Option<String>,
    pub context_management: Option<Json>,
    pub moderation: Option<Json>,
    pub access_programs: Option<Json>,
    pub image: Option<Json>,
}

/// Padding against eavesdroppers: a matter between OpenAI and its clients.
#[derive(Debug, Deserialize)]
pub struct StreamOptions {
    #[serde(rename = "include_obfuscation")]
    _include_obfuscation: Option<bool>,
}

/// An item of `input`: the members of all the kinds that we understand.
#[derive(Debug, Deserialize)]
pub struct Item {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub id: Option<String>,
    pub role: Option<String>,
    pub content: Option<TextOr<Content>>,
    pub call_id: Option<String>,
    pub name: Option<String>,
    pub namespace: Option<String>,
    pub arguments: Option<Json>,
    pub input: Option<String>,
    pub output: Option<TextOr<Content>>,
    pub summary: Option<Vec<Content>>,
    pub encrypted_content: Option<String>,
    pub result: Option<String>,
    pub output_format: Option<String>,
    pub tools: Option<Vec<Json>>,
    // What these say is said by the order of the items, or matters to OpenAI's own models alone.
    #[serde(rename = "status")]
    _status: Option<Json>,
    #[serde(rename = "phase")]
    _phase: Option<Json>,
    #[serde(rename = "caller")]
    _caller: Option<Json>,
    #[serde(rename = "execution")]
    _execution: Option<String>,
    #[serde(rename = "revised_prompt")]
    _revised_prompt: Option<Json>,
}

/// A part of a message, of a tool's output, of reasoning.
#[derive(Debug, Deserialize)]
pub struct Content {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub text: Option<String>,
    pub refusal: Option<String>,
    pub image_url: Option<ImageUrl>,
    pub detail: Option<String>,
    pub file_id: Option<String>,
    pub file_data: Option<String>,
    pub file_url: Option<String>,
    pub filename: Option<String>,
    pub input_audio: Option<InputAudio>,
    pub prompt_cache_breakpoint: Option<CacheBreakpoint>,
    // They belong to an answer that is history by now.
    #[serde(rename = "annotations")]
    _annotations: Option<Json>,
    #[serde(rename = "logprobs")]
    _logprobs: Option<Json>,
}

/// The API wants the URL itself; who comes from chat completions sends `{url, detail}`.
#[derive(Debug)]
pub struct ImageUrl {
    pub url: String,
    pub detail: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct InputAudio {
    pub data: Option<String>,
    pub format: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct CacheBreakpoint {
    #[serde(rename = "mode")]
    _mode: Option<String>,
    pub ttl: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Tool {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub parameters: Option<Json>,
    pub strict: Option<bool>,
    pub format: Option<Json>,
    pub search_context_size: Option<String>,
    pub user_location: Option<Json>,
    pub filters: Option<Filters>,
    pub execution: Option<String>,
    /// As chat completions have it.
    pub function: Option<Box<Tool>>,
}

/// The tools of a namespace.
#[derive(Debug, Deserialize)]
pub struct Namespace {
    #[serde(rename = "type")]
    _kind: String,
    pub name: Option<String>,
    pub description: Option<String>,
    pub tools: Option<Vec<Json>>,
}

#[derive(Debug, Deserialize)]
pub struct Filters {
    pub allowed_domains: Option<Vec<String>>,
    pub blocked_domains: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
pub struct ToolChoice {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub name: Option<String>,
    pub mode: Option<String>,
    pub tools: Option<Vec<ChosenTool>>,
    /// As chat completions have it.
    pub function: Option<ChosenTool>,
}

#[derive(Debug, Deserialize)]
pub struct ChosenTool {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Reasoning {
    pub effort: Option<String>,
    pub summary: Option<String>,
    pub generate_summary: Option<String>,
    /// Which reasoning of earlier turns the model sees again.
    pub context: Option<String>,
    pub mode: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Text {
    pub format: Option<Format>,
    pub verbosity: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Format {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub schema: Option<Json>,
    pub strict: Option<bool>,
}

/// The kind of an item or a tool of which nothing else is to be known.
pub fn kind(raw: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Kind {
        #[serde(rename = "type")]
        kind: Option<String>,
    }
    serde_json::from_str::<Kind>(raw.get()).ok()?.kind
}

impl<'de> Deserialize<'de> for ImageUrl {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> serde::de::Visitor<'de> for Either {
            type Value = ImageUrl;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a URL")
            }

            fn visit_str<E>(self, url: &str) -> Result<ImageUrl, E> {
                Ok(ImageUrl { url: url.to_owned(), detail: None })
            }

            fn visit_string<E>(self, url: String) -> Result<ImageUrl, E> {
                Ok(ImageUrl { url, detail: None })
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<ImageUrl, A::Error> {
                #[derive(Deserialize)]
                struct Nested {
                    url: String,
                    detail: Option<String>,
                }
                let nested = Nested::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(ImageUrl { url: nested.url, detail: nested.detail })
            }
        }

        deserializer.deserialize_any(Either)
    }
}
