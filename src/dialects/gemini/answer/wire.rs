//! The shape of a provider's answer. Whatever is missing, null or unknown costs nothing but itself.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::super::raw::lenient;
use super::super::request::wire::{Blob, FileData};
use super::partial_args::PartialArg;
use crate::dialects::ir::Json;
use crate::dialects::wire::null_as_default;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Answer {
    #[serde(deserialize_with = "null_as_default")]
    pub candidates: Vec<Candidate>,
    #[serde(deserialize_with = "lenient")]
    pub prompt_feedback: Option<PromptFeedback>,
    /// Every event repeats these three: they are read only where they count.
    pub usage_metadata: Option<Json>,
    pub model_version: Option<Json>,
    pub response_id: Option<Json>,
    pub create_time: Option<Json>,
    pub error: Option<Json>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Candidate {
    pub index: Option<u32>,
    pub content: Option<Content>,
    pub finish_reason: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub finish_message: Option<String>,
    pub grounding_metadata: Option<Json>,
    pub citation_metadata: Option<Json>,
    pub logprobs_result: Option<Json>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Content {
    #[serde(deserialize_with = "null_as_default")]
    pub parts: Vec<Part>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PromptFeedback {
    pub block_reason: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub block_reason_message: Option<String>,
}

#[derive(Debug, Default)]
pub struct Part {
    pub text: Option<String>,
    pub is_thought: bool,
    pub signature: Option<String>,
    pub inline_data: Option<Blob>,
    pub file_data: Option<FileData>,
    pub function_call: Option<FunctionCall>,
    /// Any other kind of part, and what it holds.
    pub other: Option<(String, Json)>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FunctionCall {
    pub id: Option<String>,
    pub name: Option<String>,
    pub args: Option<Json>,
    /// Vertex's way to stream arguments.
    #[serde(deserialize_with = "null_as_default")]
    pub partial_args: Vec<PartialArg>,
    #[serde(deserialize_with = "null_as_default")]
    pub will_continue: bool,
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Part;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a part")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut part = Part::default();
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "text" => part.text = map.next_value()?,
                        "thought" => part.is_thought = map.next_value::<Option<bool>>()?.unwrap_or_default(),
                        "thoughtSignature" => part.signature = map.next_value()?,
                        "inlineData" => part.inline_data = map.next_value()?,
                        "fileData" => part.file_data = map.next_value()?,
                        "functionCall" => part.function_call = map.next_value()?,
                        _ => {
                            let value: Option<Json> = map.next_value()?;
                            // Remarks on a part are not its kind.
                            let is_kind = !name.ends_with("Metadata") && !name.starts_with("media");
                            let value = value.filter(|value| is_kind && value.get().starts_with('{'));
                            part.other = part.other.or(value.map(|value| (name, value)));
                        }
                    }
                }
                Ok(part)
            }
        }

        deserializer.deserialize_map(Members)
    }
}
