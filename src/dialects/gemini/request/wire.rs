//! The shape of a client's request: Google's JSON for Protocol Buffers, which takes every name in camel case and in snake
//! case, and whose parsers are often given one object for a list of one.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Number;

use crate::dialects::ir::Json;

/// `generateContent`, `streamGenerateContent`; and `countTokens`, which may wrap one.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Body {
    pub model: Option<String>,
    pub contents: Option<Loose<Content>>,
    #[serde(alias = "system_instruction")]
    pub system_instruction: Option<Loose<Content>>,
    pub tools: Option<Loose<Tool>>,
    #[serde(alias = "tool_config")]
    pub tool_config: Option<ToolConfig>,
    #[serde(alias = "generation_config")]
    pub generation_config: Option<GenerationConfig>,
    #[serde(alias = "safety_settings")]
    pub safety_settings: Option<Json>,
    #[serde(alias = "service_tier")]
    pub service_tier: Option<String>,
    #[serde(alias = "generate_content_request")]
    pub generate_content_request: Option<Box<Body>>,
}

#[derive(Debug, Default, Deserialize)]
pub struct Content {
    pub role: Option<String>,
    pub parts: Option<Loose<Part>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    pub text: Option<String>,
    pub thought: Option<bool>,
    #[serde(alias = "thought_signature")]
    pub thought_signature: Option<String>,
    #[serde(alias = "inline_data")]
    pub inline_data: Option<Blob>,
    #[serde(alias = "file_data")]
    pub file_data: Option<FileData>,
    #[serde(alias = "function_call")]
    pub function_call: Option<FunctionCall>,
    #[serde(alias = "function_response")]
    pub function_response: Option<FunctionResponse>,
    #[serde(alias = "executable_code")]
    pub executable_code: Option<Json>,
    #[serde(alias = "code_execution_result")]
    pub code_execution_result: Option<Json>,
    #[serde(alias = "tool_call")]
    pub tool_call: Option<Json>,
    #[serde(alias = "tool_response")]
    pub tool_response: Option<Json>,
}

/// Also in answers.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Blob {
    #[serde(alias = "mime_type")]
    pub mime_type: Option<String>,
    pub data: Option<String>,
    #[serde(alias = "display_name")]
    pub display_name: Option<String>,
}

/// Also in answers.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileData {
    #[serde(alias = "mime_type")]
    pub mime_type: Option<String>,
    #[serde(alias = "file_uri")]
    pub file_uri: Option<String>,
    #[serde(alias = "display_name")]
    pub display_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub struct FunctionCall {
    pub id: Option<String>,
    pub name: Option<String>,
    pub args: Option<Json>,
}

#[derive(Debug, Default, Deserialize)]
pub struct FunctionResponse {
    pub id: Option<String>,
    pub name: Option<String>,
    pub response: Option<Json>,
    pub parts: Option<Loose<Part>>,
}

/// One kind of tool, or (for functions) a list of them. What is not a function or a search is kept as it is.
#[derive(Debug, Default)]
pub struct Tool {
    pub functions: Vec<FunctionDeclaration>,
    pub search: Option<GoogleSearch>,
    pub others: Vec<(String, Json)>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionDeclaration {
    pub name: Option<String>,
    pub description: Option<String>,
    /// A subset of OpenAPI's schemas, with types in capitals.
    pub parameters: Option<Json>,
    #[serde(alias = "parameters_json_schema")]
    pub parameters_json_schema: Option<Json>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GoogleSearch {
    #[serde(alias = "exclude_domains")]
    pub exclude_domains: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolConfig {
    #[serde(alias = "function_calling_config")]
    pub function_calling_config: Option<FunctionCallingConfig>,
    /// Searching beside functions needs it; nobody else asks.
    #[serde(alias = "include_server_side_tool_invocations", rename = "includeServerSideToolInvocations")]
    pub _shows_server_tools: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionCallingConfig {
    pub mode: Option<String>,
    #[serde(alias = "allowed_function_names")]
    pub allowed_function_names: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GenerationConfig {
    #[serde(alias = "max_output_tokens")]
    pub max_output_tokens: Option<Number>,
    pub temperature: Option<Number>,
    #[serde(alias = "top_p")]
    pub top_p: Option<Number>,
    #[serde(alias = "top_k")]
    pub top_k: Option<Number>,
    #[serde(alias = "candidate_count")]
    pub candidate_count: Option<Number>,
    #[serde(alias = "stop_sequences")]
    pub stop_sequences: Option<Vec<String>>,
    pub seed: Option<Number>,
    #[serde(alias = "presence_penalty")]
    pub presence_penalty: Option<Number>,
    #[serde(alias = "frequency_penalty")]
    pub frequency_penalty: Option<Number>,
    #[serde(alias = "response_mime_type")]
    pub response_mime_type: Option<String>,
    #[serde(alias = "response_schema")]
    pub response_schema: Option<Json>,
    #[serde(alias = "response_json_schema")]
    pub response_json_schema: Option<Json>,
    #[serde(alias = "response_logprobs")]
    pub response_logprobs: Option<bool>,
    pub logprobs: Option<Number>,
    #[serde(alias = "response_modalities")]
    pub response_modalities: Option<Vec<String>>,
    #[serde(alias = "speech_config")]
    pub speech_config: Option<SpeechConfig>,
    #[serde(alias = "thinking_config")]
    pub thinking_config: Option<ThinkingConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpeechConfig {
    #[serde(alias = "voice_config")]
    pub voice_config: Option<VoiceConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VoiceConfig {
    #[serde(alias = "prebuilt_voice_config")]
    pub prebuilt_voice_config: Option<PrebuiltVoiceConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrebuiltVoiceConfig {
    #[serde(alias = "voice_name")]
    pub voice_name: Option<Json>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThinkingConfig {
    #[serde(alias = "include_thoughts")]
    pub include_thoughts: Option<bool>,
    #[serde(alias = "thinking_budget")]
    pub thinking_budget: Option<Number>,
    #[serde(alias = "thinking_level")]
    pub thinking_level: Option<String>,
}

/// A list, or the only one of it, or a text that stands for it.
#[derive(Debug)]
pub enum Loose<T> {
    Text(String),
    One(Box<T>),
    List(Vec<T>),
}

impl<T> Loose<T> {
    pub fn into_list(self, of_text: impl Fn(String) -> T) -> Vec<T> {
        match self {
            Self::Text(text) => vec![of_text(text)],
            Self::One(one) => vec![*one],
            Self::List(list) => list,
        }
    }
}

impl Part {
    pub fn of_text(text: String) -> Self {
        Self { text: Some(text), ..Self::default() }
    }
}

impl Content {
    pub fn of_text(text: String) -> Self {
        Self { role: None, parts: Some(Loose::Text(text)) }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Loose<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Any<T> {
            type Value = Loose<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list, an object or a text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Loose::Text(text.to_owned()))
            }

            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(Loose::Text(text))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|one| Loose::One(Box::new(one)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(items)).map(Loose::List)
            }
        }

        deserializer.deserialize_any(Any(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Tool {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Tool;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a tool")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut tool = Tool::default();
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "functionDeclarations" | "function_declarations" => {
                            let functions: Option<Loose<FunctionDeclaration>> = map.next_value()?;
                            let named = |name| FunctionDeclaration { name: Some(name), ..Default::default() };
                            tool.functions = functions.map(|list| list.into_list(named)).unwrap_or_default();
                        }
                        "googleSearch" | "google_search" => tool.search = map.next_value()?,
                        // Gemini 1.5's name of it; its settings are about when to search.
                        "googleSearchRetrieval" | "google_search_retrieval" => {
                            let setting: Option<Json> = map.next_value()?;
                            tool.search = setting.map(|_| GoogleSearch::default());
                        }
                        _ => {
                            let setting: Option<Json> = map.next_value()?;
                            tool.others.extend(setting.map(|setting| (name, setting)));
                        }
                    }
                }
                Ok(tool)
            }
        }

        deserializer.deserialize_map(Members)
    }
}
