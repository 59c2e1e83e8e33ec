//! The shape of a request as we write it.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::Number;
use serde_json::value::RawValue;

/// `POST /v1/responses`.
#[derive(Debug, Serialize)]
pub struct Body<'a> {
    pub model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<&'a str>,
    pub input: Vec<Item<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tool_calls: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Reasoning<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<&'static str>,
    pub store: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_cache_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_cache_options: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_cache_retention: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Item<'a> {
    Message {
        role: &'static str,
        content: Contents<'a>,
    },
    Reasoning {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        summary: Vec<Content<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        content: Option<[Content<'a>; 1]>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<&'a str>,
    },
    FunctionCall {
        call_id: &'a str,
        name: &'a str,
        arguments: &'a str,
    },
    CustomToolCall {
        call_id: &'a str,
        name: &'a str,
        input: &'a str,
    },
    FunctionCallOutput {
        call_id: &'a str,
        output: Contents<'a>,
    },
    CustomToolCallOutput {
        call_id: &'a str,
        output: Contents<'a>,
    },
    ImageGenerationCall {
        id: &'a str,
        status: &'static str,
        result: &'a str,
    },
    #[serde(untagged)]
    Opaque(&'a RawValue),
}

impl<'a> Item<'a> {
    pub fn instruction(words: Cow<'a, str>) -> Self {
        Self::Message { role: "system", content: Contents::Text(words) }
    }
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Contents<'a> {
    Text(Cow<'a, str>),
    List(Vec<Content<'a>>),
}

impl Contents<'_> {
    /// Puts words before the first text, for what has no other place.
    pub fn prefix(&mut self, words: &'static str) {
        match self {
            Self::Text(text) => text.to_mut().insert_str(0, words),
            Self::List(list) => match list.first_mut() {
                Some(Content::InputText { text }) => text.to_mut().insert_str(0, words),
                _ => list.insert(0, Content::InputText { text: Cow::Borrowed(words) }),
            },
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content<'a> {
    InputText {
        text: Cow<'a, str>,
    },
    Refusal {
        refusal: &'a str,
    },
    SummaryText {
        text: &'a str,
    },
    ReasoningText {
        text: &'a str,
    },
    InputImage {
        #[serde(skip_serializing_if = "Option::is_none")]
        image_url: Option<Url<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_id: Option<&'a str>,
        detail: &'a str,
    },
    InputFile(File<'a>),
    InputAudio {
        input_audio: InputAudio<'a>,
    },
}

/// Where data is, or the data themselves (RFC 2397).
#[derive(Debug)]
pub enum Url<'a> {
    Plain(&'a str),
    Data { mime: &'a str, data: &'a str },
}

impl Serialize for Url<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(url) => serializer.serialize_str(url),
            // Written piece by piece: data may be long.
            Self::Data { mime, data } => serializer.collect_str(&format_args!("data:{mime};base64,{data}")),
        }
    }
}

#[derive(Debug, Default, Serialize)]
pub struct File<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filename: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_data: Option<Url<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'a str>,
}

#[derive(Debug, Serialize)]
pub struct InputAudio<'a> {
    pub data: &'a str,
    pub format: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Tool<'a> {
    Function {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        parameters: Schema<'a>,
        strict: bool,
    },
    Custom {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        format: Option<&'a RawValue>,
    },
    WebSearch {
        #[serde(skip_serializing_if = "Option::is_none")]
        search_context_size: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        user_location: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        filters: Option<Filters<'a>>,
    },
    #[serde(untagged)]
    Opaque(&'a RawValue),
}

/// The parameters of a function, or that it has none.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Schema<'a> {
    Raw(&'a RawValue),
    Empty {
        #[serde(rename = "type")]
        kind: &'static str,
        properties: NoMembers,
    },
}

#[derive(Debug, Serialize)]
pub struct NoMembers {}

impl Schema<'_> {
    pub const NONE: Self = Self::Empty { kind: "object", properties: NoMembers {} };
}

#[derive(Debug, Serialize)]
pub struct Filters<'a> {
    pub allowed_domains: &'a [String],
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum ToolChoice<'a> {
    Word(&'static str),
    Named(Named<'a>),
    Allowed {
        #[serde(rename = "type")]
        kind: &'static str,
        mode: &'static str,
        tools: Vec<Named<'a>>,
    },
}

#[derive(Debug, Serialize)]
pub struct Named<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub name: &'a str,
}

#[derive(Debug, Serialize)]
pub struct Reasoning<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<&'a str>,
}

#[derive(Debug, Serialize)]
pub struct Text<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verbosity: Option<&'a str>,
}

#[derive(Debug, Default, Serialize)]
pub struct Format<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}
