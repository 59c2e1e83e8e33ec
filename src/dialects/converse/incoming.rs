//! What Converse puts on the wire, as far as we read it: requests of clients and answers of providers have the same blocks. Shapes
//! are those of the service model `bedrock-runtime` 2023-09-30.

use serde::{Deserialize, Deserializer};
use serde_json::Number;

use crate::dialects::ir::Json;

/// `ConverseRequest`. What has no member here is told to the client as unknown.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Usually in the URL.
    pub model_id: Option<String>,
    pub messages: Option<Vec<Message>>,
    pub system: Option<Vec<Block>>,
    pub inference_config: Option<InferenceConfig>,
    pub tool_config: Option<ToolConfig>,
    pub additional_model_request_fields: Option<Additional>,
    pub output_config: Option<OutputConfig>,
    pub service_tier: Option<ServiceTier>,
    pub performance_config: Option<PerformanceConfig>,
    pub request_metadata: Option<Json>,
}

#[derive(Debug, Deserialize)]
pub struct Message {
    pub role: Option<String>,
    /// Raw, so that what only Converse understands can be kept as it is: see [`Block`].
    pub content: Option<Vec<Json>>,
}

/// A member of one of the unions of content: one member is there, which says what it is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Block {
    pub text: Option<String>,
    pub json: Option<Json>,
    pub image: Option<Media>,
    pub document: Option<Media>,
    pub video: Option<Media>,
    pub audio: Option<Media>,
    pub tool_use: Option<ToolUse>,
    pub tool_result: Option<ToolResult>,
    pub guard_content: Option<GuardContent>,
    pub cache_point: Option<CachePoint>,
    pub reasoning_content: Option<ReasoningContent>,
    pub citations_content: Option<CitationsContent>,
    pub search_result: Option<SearchResult>,
    pub tool_addition: Option<Json>,
    pub tool_removal: Option<Json>,
}

#[derive(Debug, Deserialize)]
pub struct Media {
    pub format: Option<String>,
    /// Documents only.
    pub name: Option<String>,
    pub source: Option<Source>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// Base64.
    pub bytes: Option<String>,
    pub s3_location: Option<S3Location>,
    pub text: Option<String>,
    pub content: Option<Vec<TextItem>>,
}

#[derive(Debug, Deserialize)]
pub struct S3Location {
    pub uri: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct TextItem {
    pub text: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolUse {
    pub tool_use_id: Option<String>,
    pub name: Option<String>,
    pub input: Option<Json>,
    /// `server_tool_use`, where the provider runs the tool.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolResult {
    pub tool_use_id: Option<String>,
    pub content: Option<Vec<Block>>,
    /// `success` or `error`.
    pub status: Option<String>,
    /// Of the tools that the provider runs itself.
    #[serde(rename = "type")]
    pub _kind: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct GuardContent {
    pub text: Option<TextItem>,
    pub image: Option<Media>,
}

#[derive(Debug, Deserialize)]
pub struct CachePoint {
    #[serde(rename = "type")]
    pub _kind: Option<String>,
    pub ttl: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReasoningContent {
    pub reasoning_text: Option<ReasoningText>,
    /// Base64.
    pub redacted_content: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct ReasoningText {
    pub text: Option<String>,
    pub signature: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct CitationsContent {
    pub content: Option<Vec<TextItem>>,
    pub citations: Option<Vec<Json>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Citation {
    pub title: Option<String>,
    pub source: Option<String>,
    pub source_content: Option<Vec<TextItem>>,
    pub location: Option<Location>,
}

#[derive(Debug, Deserialize)]
pub struct Location {
    pub web: Option<Web>,
}

#[derive(Debug, Deserialize)]
pub struct Web {
    pub url: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct SearchResult {
    pub source: Option<String>,
    pub title: Option<String>,
    pub content: Option<Vec<TextItem>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InferenceConfig {
    #[serde(default, deserialize_with = "count")]
    pub max_tokens: Option<u64>,
    pub temperature: Option<Number>,
    pub top_p: Option<Number>,
    pub stop_sequences: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolConfig {
    pub tools: Option<Vec<Tool>>,
    pub tool_choice: Option<ToolChoice>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    pub tool_spec: Option<ToolSpec>,
    pub system_tool: Option<SystemTool>,
    pub cache_point: Option<CachePoint>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolSpec {
    pub name: Option<String>,
    pub description: Option<String>,
    pub input_schema: Option<InputSchema>,
    pub strict: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub struct InputSchema {
    pub json: Option<Json>,
}

#[derive(Debug, Deserialize)]
pub struct SystemTool {
    pub name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct ToolChoice {
    pub auto: Option<Nothing>,
    pub any: Option<Nothing>,
    pub tool: Option<SystemTool>,
}

/// `{}`.
#[derive(Debug, Deserialize)]
pub struct Nothing {}

/// What of `additionalModelRequestFields` has a meaning beyond one model; families spell it differently.
#[derive(Debug, Deserialize)]
pub struct Additional {
    /// Claude.
    pub thinking: Option<Thinking>,
    /// Claude, in Amazon's older documentation.
    pub reasoning_config: Option<Thinking>,
    /// Claude.
    pub output_config: Option<Effort>,
    /// Nova 2.
    #[serde(rename = "reasoningConfig")]
    pub nova_reasoning: Option<NovaReasoning>,
    /// gpt-oss.
    pub reasoning_effort: Option<String>,
    /// OpenAI's other models.
    pub reasoning: Option<Effort>,
    /// Claude.
    pub top_k: Option<Number>,
    /// Nova.
    #[serde(rename = "inferenceConfig")]
    pub inference: Option<NovaInference>,
    /// Claude.
    pub tool_choice: Option<ClaudeToolChoice>,
}

#[derive(Debug, Deserialize)]
pub struct Thinking {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    #[serde(default, deserialize_with = "count")]
    pub budget_tokens: Option<u64>,
    pub display: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Effort {
    pub effort: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NovaReasoning {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub max_reasoning_effort: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NovaInference {
    pub top_k: Option<Number>,
}

#[derive(Debug, Deserialize)]
pub struct ClaudeToolChoice {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub disable_parallel_tool_use: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputConfig {
    pub text_format: Option<TextFormat>,
    pub effort: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct TextFormat {
    #[serde(rename = "type")]
    pub _kind: Option<String>,
    pub structure: Option<Structure>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Structure {
    pub json_schema: Option<JsonSchema>,
}

#[derive(Debug, Deserialize)]
pub struct JsonSchema {
    pub name: Option<String>,
    pub description: Option<String>,
    /// A text that is JSON.
    pub schema: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct ServiceTier {
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct PerformanceConfig {
    pub latency: Option<String>,
}

/// `TokenUsage`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Usage {
    #[serde(deserialize_with = "count")]
    pub input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub output_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub cache_read_input_tokens: Option<u64>,
    #[serde(deserialize_with = "count")]
    pub cache_write_input_tokens: Option<u64>,
}

/// What of `additionalModelResponseFields` we ask for.
#[derive(Debug, Default, Deserialize)]
pub struct AdditionalAnswer {
    pub stop_sequence: Option<String>,
    pub usage: Option<AdditionalUsage>,
}

#[derive(Debug, Default, Deserialize)]
pub struct AdditionalUsage {
    pub output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Default, Deserialize)]
pub struct OutputDetails {
    #[serde(default, deserialize_with = "count")]
    pub thinking_tokens: Option<u64>,
}

/// A number of things. Some spell it `12.0`.
pub fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let Some(number) = Option::<Number>::deserialize(deserializer)? else { return Ok(None) };
    let whole = number.as_u64().or_else(|| {
        let float = number.as_f64().filter(|float| *float >= 0.0 && float.fract() == 0.0 && *float < 1e15)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole, positive and small")]
        Some(float as u64)
    });
    whole.map(Some).ok_or_else(|| serde::de::Error::custom(format!("{number} is not a whole number")))
}
