//! What Converse puts on the wire, as far as we write it: requests to providers and answers to clients have the same blocks.
//! Shapes are those of the service model `bedrock-runtime` 2023-09-30. A union is an enum: serde's usual form of enums is theirs.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Number;
use serde_json::value::RawValue;

use crate::dialects::ir;

/// `ConverseRequest`, without what stands in the URL.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Request<'a> {
    pub messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub system: Vec<Block<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference_config: Option<InferenceConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_model_request_fields: Option<Additional<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub additional_model_response_field_paths: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_metadata: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<Typed<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_config: Option<OutputConfig<'a>>,
}

#[derive(Debug, Serialize)]
pub struct Message<'a> {
    pub role: &'static str,
    pub content: Vec<Block<'a>>,
}

/// `ContentBlock`, `SystemContentBlock` and `ToolResultContentBlock`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Block<'a> {
    Text(Cow<'a, str>),
    Image(Media<'a>),
    Video(Media<'a>),
    Audio(Media<'a>),
    Document(Document<'a>),
    ToolUse(ToolUse<'a>),
    ToolResult(ToolResult<'a>),
    ReasoningContent(Reasoning<'a>),
    CitationsContent(CitationsContent<'a>),
    CachePoint(CachePoint<'a>),
    /// A block that was kept as it came.
    #[serde(untagged)]
    Verbatim(&'a RawValue),
}

#[derive(Debug, Serialize)]
pub struct Media<'a> {
    pub format: &'static str,
    pub source: Source<'a>,
}

#[derive(Debug, Serialize)]
pub struct Document<'a> {
    pub format: &'static str,
    pub name: String,
    pub source: Source<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Source<'a> {
    /// Base64.
    Bytes(Cow<'a, str>),
    S3Location {
        uri: &'a str,
    },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolUse<'a> {
    pub tool_use_id: Cow<'a, str>,
    pub name: &'a str,
    pub input: Input<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Input<'a> {
    Json(&'a RawValue),
    /// What is not JSON: the input of a custom tool, a call that was cut off.
    Free {
        input: &'a str,
    },
    Empty {},
}

impl<'a> Input<'a> {
    /// A call's input has to be an object.
    pub fn of(arguments: &'a str) -> Self {
        match serde_json::from_str::<&RawValue>(arguments) {
            _ if arguments.trim().is_empty() => Self::Empty {},
            Ok(json) if json.get().starts_with('{') => Self::Json(json),
            _ => Self::Free { input: arguments },
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolResult<'a> {
    pub tool_use_id: Cow<'a, str>,
    pub content: Vec<Block<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Reasoning<'a> {
    ReasoningText {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<Cow<'a, str>>,
    },
    /// Base64.
    RedactedContent(Cow<'a, str>),
}

#[derive(Debug, Serialize)]
pub struct CitationsContent<'a> {
    pub content: [TextItem<'a>; 1],
    pub citations: Vec<Citation<'a>>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct TextItem<'a> {
    pub text: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Citation<'a> {
    Verbatim(&'a RawValue),
    #[serde(rename_all = "camelCase")]
    Told {
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        source_content: Option<[TextItem<'a>; 1]>,
        #[serde(skip_serializing_if = "Option::is_none")]
        location: Option<Location<'a>>,
    },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Location<'a> {
    Web { url: &'a str },
}

impl<'a> Citation<'a> {
    /// `None`: what is known of the source cannot be told here.
    pub fn of(annotation: &'a ir::Annotation) -> Option<Self> {
        let ir::Annotation { url, title, quote, span: _, native } = annotation;
        match (native, url, title, quote) {
            (Some(native), ..) if native.dialect == crate::dialects::Dialect::Converse => {
                Some(Self::Verbatim(&native.value))
            }
            (_, None, None, None) => None,
            _ => Some(Self::Told {
                title: title.as_deref(),
                source_content: quote.as_deref().map(|text| [TextItem { text }]),
                location: url.as_deref().map(|url| Location::Web { url }),
            }),
        }
    }
}

#[derive(Debug, Serialize)]
pub struct CachePoint<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<&'a str>,
}

impl<'a> CachePoint<'a> {
    /// Five minutes is what is meant where nothing is said, and models that know nothing else refuse to be told.
    pub fn of(mark: &'a ir::CacheMark) -> Self {
        Self { kind: "default", ttl: mark.ttl.as_deref().filter(|ttl| *ttl == "1h") }
    }
}

#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InferenceConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<Number>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop_sequences: Vec<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolConfig<'a> {
    pub tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Tool<'a> {
    ToolSpec(ToolSpec<'a>),
    CachePoint(CachePoint<'a>),
    #[serde(untagged)]
    Verbatim(&'a RawValue),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolSpec<'a> {
    pub name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
    pub input_schema: InputSchema<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

#[derive(Debug, Serialize)]
pub struct InputSchema<'a> {
    pub json: Cow<'a, RawValue>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ToolChoice<'a> {
    Any {},
    Tool { name: &'a str },
}

/// `additionalModelRequestFields`: what only one family of models understands.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Additional<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_config: Option<Effort>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "reasoningConfig")]
    pub nova_reasoning: Option<NovaReasoning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Effort>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "inferenceConfig")]
    pub inference: Option<NovaInference<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<OneTool>,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Thinking {
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<&'static str>,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Effort {
    pub effort: &'static str,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NovaReasoning {
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_reasoning_effort: Option<&'static str>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NovaInference<'a> {
    pub top_k: &'a Number,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct OneTool {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    pub disable_parallel_tool_use: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputConfig<'a> {
    pub text_format: TextFormat<'a>,
}

#[derive(Debug, Serialize)]
pub struct TextFormat<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub structure: Structure<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Structure<'a> {
    JsonSchema {
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        /// A text that is JSON.
        schema: Cow<'a, str>,
    },
}

#[derive(Debug, Serialize)]
pub struct Typed<'a> {
    #[serde(rename = "type")]
    pub kind: &'a str,
}

/// `ConverseResponse`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer<'a> {
    pub output: Output<'a>,
    pub stop_reason: &'static str,
    pub usage: Usage,
    pub metrics: Metrics,
}

#[derive(Debug, Serialize)]
pub struct Output<'a> {
    pub message: Message<'a>,
}

/// `TokenUsage`: input without what came from a cache or went into one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub total_tokens: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_read_input_tokens: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write_input_tokens: u64,
}

impl From<ir::Usage> for Usage {
    fn from(usage: ir::Usage) -> Self {
        Self {
            input_tokens: usage.fresh(),
            output_tokens: usage.output,
            total_tokens: usage.total(),
            cache_read_input_tokens: usage.cached,
            cache_write_input_tokens: usage.cache_write,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    pub latency_ms: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes members by reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
