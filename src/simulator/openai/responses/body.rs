//! The shape of a response and of its items.

use serde::Serialize;
use serde_json::value::RawValue;

use super::super::super::script::Pieces;
use super::super::chat::Token;

#[derive(Serialize)]
pub struct Body<'a> {
    pub id: &'a str,
    pub object: &'static str,
    pub created_at: u64,
    pub completed_at: Option<u64>,
    pub status: Status,
    pub background: bool,
    pub error: (),
    pub incomplete_details: Option<Incomplete>,
    pub instructions: Option<&'a RawValue>,
    pub max_output_tokens: Option<usize>,
    pub model: &'a str,
    pub output: &'a [Item<'a>],
    pub parallel_tool_calls: bool,
    pub previous_response_id: Option<&'a str>,
    pub reasoning: Reasoning<'a>,
    pub service_tier: &'static str,
    pub store: bool,
    pub temperature: f64,
    pub text: OrElse<'a, TextOptions>,
    pub tool_choice: OrElse<'a, &'static str>,
    pub tools: OrElse<'a, [(); 0]>,
    pub top_p: f64,
    pub truncation: &'a str,
    pub usage: Option<Usage>,
    pub metadata: OrElse<'a, Empty>,
}

#[derive(Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    InProgress,
    Completed,
    Incomplete,
}

#[derive(Serialize)]
pub struct Incomplete {
    pub reason: &'static str,
}

#[derive(Serialize)]
pub struct Reasoning<'a> {
    pub effort: Option<&'a str>,
    pub summary: Option<&'a str>,
}

/// What the request said, else what it would have meant.
pub struct OrElse<'a, T>(pub Option<&'a RawValue>, pub T);

impl<T: Serialize> Serialize for OrElse<'_, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(raw) => raw.serialize(serializer),
            None => self.1.serialize(serializer),
        }
    }
}

#[derive(Serialize)]
pub struct Empty {}

#[derive(Default, Serialize)]
pub struct TextOptions {
    pub format: PlainFormat,
}

#[derive(Serialize)]
pub struct PlainFormat {
    pub r#type: &'static str,
}

impl Default for PlainFormat {
    fn default() -> Self {
        Self { r#type: "text" }
    }
}

#[derive(Serialize)]
pub struct Usage {
    pub input_tokens: usize,
    pub input_tokens_details: InputDetails,
    pub output_tokens: usize,
    pub output_tokens_details: OutputDetails,
    pub total_tokens: usize,
}

#[derive(Default, Serialize)]
pub struct InputDetails {
    pub cached_tokens: usize,
    pub cache_write_tokens: usize,
}

#[derive(Serialize)]
pub struct OutputDetails {
    pub reasoning_tokens: usize,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Item<'a> {
    Reasoning {
        id: String,
        summary: Vec<SummaryText<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<String>,
    },
    Message {
        id: String,
        status: Status,
        role: &'static str,
        content: Vec<OutputText<'a>>,
    },
    FunctionCall {
        id: String,
        call_id: &'a str,
        name: &'a str,
        arguments: Written<'a>,
        status: Status,
    },
    CustomToolCall {
        id: String,
        call_id: &'a str,
        name: &'a str,
        input: Written<'a>,
    },
}

impl<'a> Item<'a> {
    pub fn id(&self) -> &str {
        match self {
            Self::Reasoning { id, .. }
            | Self::Message { id, .. }
            | Self::FunctionCall { id, .. }
            | Self::CustomToolCall { id, .. } => id,
        }
    }

    /// As it is announced: without what the next events bring.
    pub fn opened(&self) -> Item<'a> {
        const NOTHING: Written = Written(&Pieces::EMPTY);
        let id = self.id().to_owned();
        match self {
            Self::Reasoning { .. } => Item::Reasoning { id, summary: Vec::new(), encrypted_content: None },
            Self::Message { role, .. } => Item::Message { id, status: Status::InProgress, role, content: Vec::new() },
            Self::FunctionCall { call_id, name, .. } => {
                Item::FunctionCall { id, call_id, name, arguments: NOTHING, status: Status::InProgress }
            }
            Self::CustomToolCall { call_id, name, .. } => Item::CustomToolCall { id, call_id, name, input: NOTHING },
        }
    }
}

/// Pieces, put together again.
pub struct Written<'a>(pub &'a Pieces);

impl Serialize for Written<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.text())
    }
}

#[derive(Serialize)]
pub struct SummaryText<'a> {
    pub r#type: &'static str,
    pub text: &'a str,
}

impl<'a> SummaryText<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { r#type: "summary_text", text }
    }
}

#[derive(Serialize)]
pub struct OutputText<'a> {
    pub r#type: &'static str,
    pub text: &'a str,
    pub annotations: [(); 0],
    pub logprobs: Vec<Token<'a>>,
}

impl<'a> OutputText<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { r#type: "output_text", text, annotations: [], logprobs: Vec::new() }
    }
}
