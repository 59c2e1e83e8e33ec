//! The shape of requests as clients send them.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Number;

use crate::dialects::ir::Json;
use crate::dialects::openai_chat::details::Detail;
use crate::dialects::wire::TextOr;

/// A member that is known and need not be read; were it left out here, it would be reported as lost.
pub type Unread = Json;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Request {
    pub model: Option<String>,
    pub messages: Option<Vec<Message>>,
    pub stream: Option<bool>,
    pub stream_options: Option<StreamOptions>,
    pub tools: Option<Vec<Tool>>,
    pub tool_choice: Option<TextOrObject<ToolChoice>>,
    pub parallel_tool_calls: Option<bool>,
    pub functions: Option<Vec<Function>>,
    pub function_call: Option<TextOrObject<Named>>,
    pub max_tokens: Option<Number>,
    pub max_completion_tokens: Option<Number>,
    pub temperature: Option<Number>,
    pub top_p: Option<Number>,
    pub top_k: Option<Number>,
    pub frequency_penalty: Option<Number>,
    pub presence_penalty: Option<Number>,
    pub stop: Option<TextOr<String>>,
    pub seed: Option<Number>,
    /// Mistral.
    pub random_seed: Option<Number>,
    pub n: Option<Number>,
    pub logprobs: Option<bool>,
    pub top_logprobs: Option<Number>,
    pub logit_bias: Option<Json>,
    pub response_format: Option<ResponseFormat>,
    pub reasoning_effort: Option<String>,
    /// OpenRouter.
    pub reasoning: Option<Reasoning>,
    /// Anthropic's, which many followers took over.
    pub thinking: Option<Thinking>,
    /// Alibaba.
    pub enable_thinking: Option<bool>,
    pub thinking_budget: Option<Number>,
    /// Groq: `hidden` keeps the reasoning from the client.
    pub reasoning_format: Option<String>,
    pub include_reasoning: Option<bool>,
    pub verbosity: Option<String>,
    pub metadata: Option<Json>,
    pub user: Option<String>,
    pub safety_identifier: Option<String>,
    pub service_tier: Option<String>,
    pub prompt_cache_key: Option<String>,
    pub prompt_cache_retention: Option<Json>,
    pub prompt_cache_options: Option<Json>,
    /// OpenRouter: the provider finds the place for the mark.
    pub cache_control: Option<CacheControl>,
    pub modalities: Option<Vec<String>>,
    pub audio: Option<AudioOut>,
    pub prediction: Option<Json>,
    pub store: Option<bool>,
    pub web_search_options: Option<WebSearchOptions>,
    /// OpenRouter's wish for what we tell anyway.
    pub usage: Option<Unread>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct StreamOptions {
    pub include_usage: Option<bool>,
    /// Padding against eavesdroppers; the transport to the client is not the provider's.
    pub include_obfuscation: Option<Unread>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Message {
    pub role: Option<String>,
    pub content: Option<TextOr<Part>>,
    pub name: Option<String>,
    pub refusal: Option<String>,
    pub tool_calls: Option<Vec<ToolCall>>,
    pub function_call: Option<FunctionCall>,
    pub tool_call_id: Option<String>,
    pub audio: Option<AudioRef>,
    pub reasoning_content: Option<String>,
    pub reasoning: Option<String>,
    pub reasoning_details: Option<Vec<Detail>>,
    pub images: Option<Vec<Part>>,
    pub cache_control: Option<CacheControl>,
    /// DeepSeek, Mistral: the answer goes on from here, as it does from any last message of the assistant.
    pub prefix: Option<Unread>,
    /// What our answers say, and what history need not repeat.
    pub annotations: Option<Unread>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Part {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub text: Option<String>,
    pub refusal: Option<String>,
    /// Mistral.
    pub thinking: Option<TextOr<Self>>,
    pub image_url: Option<TextOrObject<Url>>,
    pub video_url: Option<TextOrObject<Url>>,
    /// Mistral.
    pub document_url: Option<TextOrObject<Url>>,
    pub document_name: Option<String>,
    pub input_audio: Option<TextOrObject<AudioIn>>,
    pub file: Option<File>,
    pub cache_control: Option<CacheControl>,
    pub prompt_cache_breakpoint: Option<CacheControl>,
    /// Of pictures in our answers.
    pub index: Option<Unread>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Url {
    pub url: Option<String>,
    pub detail: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct AudioIn {
    pub data: Option<String>,
    pub format: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct File {
    pub file_id: Option<String>,
    pub file_data: Option<String>,
    pub filename: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct AudioRef {
    pub id: Option<String>,
    /// Clients may send back the whole of it.
    pub data: Option<Unread>,
    pub expires_at: Option<Unread>,
    pub transcript: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CacheControl {
    /// `ephemeral`; there is no other.
    #[serde(rename = "type")]
    pub kind: Option<Unread>,
    pub mode: Option<Unread>,
    pub ttl: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ToolCall {
    pub id: Option<String>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub function: Option<FunctionCall>,
    pub custom: Option<FunctionCall>,
    pub extra_content: Option<Extra>,
    pub cache_control: Option<CacheControl>,
    /// Of streams, kept by some clients.
    pub index: Option<Unread>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FunctionCall {
    pub name: Option<String>,
    pub arguments: Option<String>,
    /// Of custom tools.
    pub input: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Extra {
    pub google: Option<GoogleExtra>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct GoogleExtra {
    pub thought_signature: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Tool {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub function: Option<Function>,
    pub custom: Option<Custom>,
    /// OpenRouter's server tools.
    pub parameters: Option<Json>,
    pub cache_control: Option<CacheControl>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Function {
    pub name: Option<String>,
    pub description: Option<String>,
    pub parameters: Option<Json>,
    pub strict: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Custom {
    pub name: Option<String>,
    pub description: Option<String>,
    pub format: Option<Json>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ToolChoice {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub function: Option<Named>,
    pub custom: Option<Named>,
    pub name: Option<String>,
    pub allowed_tools: Option<AllowedTools>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct AllowedTools {
    pub mode: Option<String>,
    pub tools: Option<Vec<ToolChoice>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Named {
    pub name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ResponseFormat {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub json_schema: Option<JsonSchema>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct JsonSchema {
    pub name: Option<String>,
    pub description: Option<String>,
    pub schema: Option<Json>,
    pub strict: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Reasoning {
    pub effort: Option<String>,
    pub max_tokens: Option<Number>,
    pub enabled: Option<bool>,
    pub exclude: Option<bool>,
    pub summary: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Thinking {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub budget_tokens: Option<Number>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct AudioOut {
    pub voice: Option<Json>,
    pub format: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct WebSearchOptions {
    pub search_context_size: Option<String>,
    pub user_location: Option<UserLocation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UserLocation {
    /// `approximate`; there is no other.
    #[serde(rename = "type")]
    pub kind: Option<Unread>,
    pub approximate: Option<Place>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(default)]
pub struct Place {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

/// A member that may be a text or an object.
#[derive(Debug)]
pub enum TextOrObject<T> {
    Text(String),
    Object(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for TextOrObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = TextOrObject<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or an object")
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(TextOrObject::Text(text.to_owned()))
            }

            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(TextOrObject::Text(text))
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(TextOrObject::Object)
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
}
