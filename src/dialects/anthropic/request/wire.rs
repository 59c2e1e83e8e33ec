//! A request as clients write it (Anthropic's "Create a Message"). What a block or a tool has depends on its `type`: it is left raw
//! at first, then read as the struct of its kind, so that members that its kind does not have are found out.
//!
//! Members of type [`IgnoredAny`] are known but have no place in the canonical form: they are reported like unknown ones, unless
//! they are null.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Number;
use serde_json::value::RawValue;

use super::super::word::Word;
use crate::dialects::ir::{CacheMark, Json};
use crate::dialects::wire::TextOr;

#[derive(Debug, Deserialize)]
pub struct Body<'a> {
    pub model: Option<String>,
    #[serde(default, deserialize_with = "count")]
    pub max_tokens: Option<u64>,
    #[serde(borrow)]
    pub messages: Option<Vec<Message<'a>>>,
    #[serde(borrow)]
    pub system: Option<TextOr<&'a RawValue>>,
    #[serde(borrow)]
    pub tools: Option<Vec<&'a RawValue>>,
    pub tool_choice: Option<ToolChoice>,
    pub thinking: Option<Thinking>,
    pub output_config: Option<OutputConfig>,
    /// What `output_config.format` was called at first.
    pub output_format: Option<Format>,
    pub metadata: Option<Metadata>,
    pub service_tier: Option<String>,
    pub stop_sequences: Option<Vec<String>>,
    pub stream: Option<bool>,
    pub temperature: Option<Number>,
    pub top_p: Option<Number>,
    pub top_k: Option<Number>,
    pub cache_control: Option<CacheControl>,
    /// What Vertex and Bedrock have in place of headers.
    #[serde(borrow, rename = "anthropic_version")]
    _version: Option<&'a RawValue>,
    #[serde(borrow, rename = "anthropic_beta")]
    _beta: Option<&'a RawValue>,
    #[serde(rename = "container")]
    _container: Option<IgnoredAny>,
    #[serde(rename = "context_management")]
    _context_management: Option<IgnoredAny>,
    #[serde(rename = "diagnostics")]
    _diagnostics: Option<IgnoredAny>,
    #[serde(rename = "inference_geo")]
    _inference_geo: Option<IgnoredAny>,
    #[serde(rename = "mcp_servers")]
    _mcp_servers: Option<IgnoredAny>,
    #[serde(rename = "speed")]
    _speed: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub struct Message<'a> {
    #[serde(borrow)]
    pub role: Option<Word<'a>>,
    #[serde(borrow)]
    pub content: Option<TextOr<&'a RawValue>>,
}

/// What a block or a tool calls itself. That is nearly always the first it says.
pub fn kind(raw: &RawValue) -> Option<Word<'_>> {
    let first = raw.get().strip_prefix('{').map(str::trim_start).and_then(|rest| rest.strip_prefix("\"type\""));
    let value = first.and_then(|rest| rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"'));
    match value.and_then(|value| value.split_once('"')) {
        Some((word, _)) if !word.contains('\\') => Some(Word::from(word)),
        _ => serde_json::from_str::<Kind<'_>>(raw.get()).ok()?.kind,
    }
}

/// An object of which nothing but its type is of interest.
#[derive(Debug, Deserialize)]
pub struct Kind<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Word<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct Text<'a> {
    #[serde(borrow, rename = "type")]
    _kind: Option<&'a RawValue>,
    pub text: Option<String>,
    #[serde(borrow)]
    pub citations: Option<Vec<&'a RawValue>>,
    pub cache_control: Option<CacheControl>,
}

/// An image or a document.
#[derive(Debug, Deserialize)]
pub struct Media<'a> {
    #[serde(borrow, rename = "type")]
    _kind: Option<&'a RawValue>,
    #[serde(borrow)]
    pub source: Option<Source<'a>>,
    pub title: Option<String>,
    #[serde(rename = "context")]
    _context: Option<IgnoredAny>,
    pub citations: Option<Switch>,
    pub cache_control: Option<CacheControl>,
}

#[derive(Debug, Deserialize)]
pub struct Source<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Word<'a>>,
    pub media_type: Option<String>,
    pub data: Option<String>,
    pub url: Option<String>,
    pub file_id: Option<String>,
    #[serde(borrow)]
    pub content: Option<TextOr<&'a RawValue>>,
}

#[derive(Debug, Deserialize)]
pub struct SearchResult<'a> {
    #[serde(borrow, rename = "type")]
    _kind: Option<&'a RawValue>,
    pub source: Option<String>,
    pub title: Option<String>,
    #[serde(borrow)]
    pub content: Option<TextOr<&'a RawValue>>,
    pub citations: Option<Switch>,
    pub cache_control: Option<CacheControl>,
}

#[derive(Debug, Deserialize)]
pub struct Switch {
    pub enabled: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub struct Thought<'a> {
    #[serde(borrow, rename = "type")]
    _kind: Option<&'a RawValue>,
    pub thinking: Option<String>,
    pub signature: Option<String>,
    pub data: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct ToolUse<'a> {
    #[serde(borrow, rename = "type")]
    _kind: Option<&'a RawValue>,
    pub id: Option<String>,
    pub name: Option<String>,
    #[serde(borrow)]
    pub input: Option<&'a RawValue>,
    /// Who calls: `direct` is the model itself.
    #[serde(borrow)]
    pub caller: Option<Kind<'a>>,
    pub cache_control: Option<CacheControl>,
}

#[derive(Debug, Deserialize)]
pub struct ToolResult<'a> {
    #[serde(borrow, rename = "type")]
    _kind: Option<&'a RawValue>,
    pub tool_use_id: Option<String>,
    #[serde(borrow)]
    pub content: Option<TextOr<&'a RawValue>>,
    pub is_error: Option<bool>,
    pub cache_control: Option<CacheControl>,
}

#[derive(Debug, Deserialize)]
pub struct CustomTool<'a> {
    #[serde(borrow, rename = "type")]
    _kind: Option<&'a RawValue>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub input_schema: Option<Json>,
    pub strict: Option<bool>,
    pub cache_control: Option<CacheControl>,
}

#[derive(Debug, Deserialize)]
pub struct WebSearch<'a> {
    #[serde(borrow, rename = "type")]
    _kind: Option<&'a RawValue>,
    #[serde(borrow, rename = "name")]
    _name: Option<&'a RawValue>,
    pub allowed_domains: Option<Vec<String>>,
    pub blocked_domains: Option<Vec<String>>,
    #[serde(default, deserialize_with = "count")]
    pub max_uses: Option<u64>,
    pub user_location: Option<Json>,
    pub cache_control: Option<CacheControl>,
}

#[derive(Debug, Deserialize)]
pub struct ToolChoice {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub name: Option<String>,
    pub disable_parallel_tool_use: Option<bool>,
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
pub struct OutputConfig {
    pub effort: Option<String>,
    pub format: Option<Format>,
    #[serde(rename = "task_budget")]
    _task_budget: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub struct Format {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub schema: Option<Json>,
}

#[derive(Debug, Deserialize)]
pub struct Metadata {
    pub user_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct CacheControl {
    #[serde(rename = "type")]
    _kind: Option<String>,
    pub ttl: Option<String>,
}

impl From<CacheControl> for CacheMark {
    fn from(control: CacheControl) -> Self {
        Self { ttl: control.ttl }
    }
}

/// Some clients spell whole numbers as fractions: `1024.0`.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let Some(number) = Option::<Number>::deserialize(deserializer)? else { return Ok(None) };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it was checked to be whole and positive"
    )]
    let whole = |number: f64| (number >= 0.0 && number.fract() == 0.0).then_some(number as u64);
    match number.as_u64().or_else(|| number.as_f64().and_then(whole)) {
        Some(count) => Ok(Some(count)),
        None => Err(serde::de::Error::custom(format_args!("{number} is no number of tokens"))),
    }
}
