//! What messages and answers consist of.

use serde::de::IgnoredAny;

use super::{Json, Seal};
use crate::dialects::Dialect;

/// A piece of a message. Answers have the same pieces, so that an answer can become history.
#[derive(Debug, Clone)]
pub enum Part {
    Text(Text),
    /// The model declines, in words of its own.
    Refusal(String),
    Media(Media),
    Reasoning(Reasoning),
    ToolCall(ToolCall),
    /// Only in messages of [`super::Role::Tool`].
    ToolResult(ToolResult),
    /// What stands before this may be cached by the provider. Only in requests.
    CachePoint(CacheMark),
    Opaque(Opaque),
}

#[derive(Debug, Clone, Default)]
pub struct Text {
    pub text: String,
    pub annotations: Vec<Annotation>,
    /// OpenAI's form of a token's log probability: `{token, bytes, logprob, top_logprobs}`.
    pub logprobs: Vec<Json>,
}

/// A source that a text rests on.
#[derive(Debug, Clone, Default)]
pub struct Annotation {
    pub url: Option<String>,
    pub title: Option<String>,
    /// What the source says.
    pub quote: Option<String>,
    /// The part of our text that rests on it, in characters.
    pub span: Option<(u64, u64)>,
    /// As its own dialect writes it.
    pub native: Option<Opaque>,
}

#[derive(Debug, Clone)]
pub struct Media {
    pub kind: MediaKind,
    /// `image/png`. `None`: not told.
    pub mime: Option<String>,
    pub source: Source,
    /// A file's name or a document's title.
    pub name: Option<String>,
    /// OpenAI's `detail` of an image.
    pub detail: Option<String>,
    /// What spoken audio says, where the dialect tells.
    pub transcript: Option<String>,
    /// Its name at the provider, by which a later request may refer to it.
    pub id: Option<String>,
}

impl Media {
    /// Whether it has a URL that anybody can fetch; `s3://…` and `gs://…` are for their owner's provider.
    pub fn is_on_the_web(&self) -> bool {
        let is_http = |url: &str| ["http://", "https://", "data:"].iter().any(|scheme| url.starts_with(scheme));
        matches!(&self.source, Source::Url(url) if is_http(url))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    Image,
    Audio,
    Video,
    /// A PDF or any other document.
    File,
}

#[derive(Debug, Clone)]
pub enum Source {
    Base64(String),
    Url(String),
    /// The provider's own id of an uploaded file (Gemini: a URI of its Files API).
    FileId(String),
    /// A document of plain text.
    Text(String),
}

#[derive(Debug, Clone, Default)]
pub struct Reasoning {
    pub text: String,
    pub kind: ReasoningKind,
    /// What proves to the provider that it wrote this. A block may be nothing but its seal.
    pub seal: Option<Seal>,
    /// OpenAI's id of the item.
    pub id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReasoningKind {
    /// As the model thought it.
    #[default]
    Raw,
    /// Told in other words.
    Summary,
}

#[derive(Debug, Clone, Default)]
pub struct ToolCall {
    /// What the result refers to. Never empty: readers invent one where the dialect has none.
    pub id: String,
    pub name: String,
    pub kind: CallKind,
    /// JSON text, or free text for a custom tool; just as it was sent. Empty stands for `{}`.
    pub arguments: String,
    /// Gemini's `thoughtSignature` of a call.
    pub seal: Option<Seal>,
}

impl ToolCall {
    /// Whether its arguments are no JSON, or not all of it.
    pub fn is_cut(&self) -> bool {
        let is_function = self.kind == CallKind::Function && !self.arguments.trim().is_empty();
        is_function && serde_json::from_str::<IgnoredAny>(&self.arguments).is_err()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CallKind {
    #[default]
    Function,
    /// OpenAI's custom tools take free text.
    Custom,
}

#[derive(Debug, Clone, Default)]
pub struct ToolResult {
    pub call_id: String,
    /// The tool's name, where the dialect says it.
    pub name: Option<String>,
    pub kind: CallKind,
    /// Texts and media.
    pub content: Vec<Part>,
    pub is_error: bool,
}

/// A mark for prompt caching.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CacheMark {
    /// `5m`, `1h`.
    pub ttl: Option<String>,
}

/// What only one dialect understands: server tools, blocks of kinds unknown to us.
#[derive(Debug, Clone)]
pub struct Opaque {
    pub dialect: Dialect,
    /// What the dialect calls it, for the ledger of losses: `web_search_call`.
    pub name: String,
    pub value: Json,
}
