//! The wire formats. Each has a folder: how its requests are read and written, how its answers are, whole and as streams,
//! and how it says that something went wrong. They meet in [`ir`], the canonical form. Nothing here knows of Pingora, of
//! tokio or of the configuration; which dialect a provider speaks stands in the providers' table.

mod anthropic;
pub mod audio;
mod converse;
pub mod count;
pub mod counts;
#[cfg(test)]
mod crossings;
mod embedded;
pub mod embeddings;
mod errors;
pub mod framing;
pub mod gemini;
pub mod invoke;
pub mod ir;
mod openai_chat;
pub mod openai_responses;
mod openai_rules;
pub mod page;
pub mod predict;
pub mod stored;
#[cfg(test)]
mod testing;
pub mod think_tags;
pub mod tool_map;
mod wire;

pub use errors::retry_after;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};

use crate::error::{Failure, Garbled, Refusal};
use crate::json::Object;
use crate::models::Facts;
use framing::{Frame, Framing};
use ir::loss::Loss;
use think_tags::ThinkTags;

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `POST /v1/chat/completions` and the endpoints that share its conventions.
    OpenaiChat,
    /// `POST /v1/responses`.
    OpenaiResponses,
    /// `POST /v1/messages`.
    Anthropic,
    /// `POST /v1beta/models/{model}:generateContent`.
    Gemini,
    /// Amazon Bedrock's `POST /model/{id}/converse`.
    Converse,
}

impl Dialect {
    pub const ALL: &[Self] = &[Self::OpenaiChat, Self::OpenaiResponses, Self::Anthropic, Self::Gemini, Self::Converse];

    pub fn name(self) -> &'static str {
        match self {
            Self::OpenaiChat => "openai_chat",
            Self::OpenaiResponses => "openai_responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Converse => "converse",
        }
    }

    /// How clients speak it.
    pub fn client(self) -> &'static dyn ClientDialect {
        match self {
            Self::OpenaiChat => &openai_chat::OpenaiChat { think_tags: ThinkTags::Keep },
            Self::OpenaiResponses => &openai_responses::OpenaiResponses,
            Self::Anthropic => &anthropic::Anthropic,
            Self::Gemini => &gemini::Gemini,
            Self::Converse => &converse::Converse,
        }
    }

    /// How providers speak it.
    pub fn provider(self) -> &'static dyn ProviderDialect {
        self.provider_with(ThinkTags::Keep)
    }

    /// How providers speak it whose texts begin with thoughts, or do not.
    pub fn provider_with(self, think_tags: ThinkTags) -> &'static dyn ProviderDialect {
        match (self, think_tags) {
            (Self::OpenaiChat, ThinkTags::Keep) => &openai_chat::OpenaiChat { think_tags: ThinkTags::Keep },
            (Self::OpenaiChat, ThinkTags::Split) => &openai_chat::OpenaiChat { think_tags: ThinkTags::Split },
            (Self::OpenaiResponses, _) => &openai_responses::OpenaiResponses,
            (Self::Anthropic, _) => &anthropic::Anthropic,
            (Self::Gemini, _) => &gemini::Gemini,
            (Self::Converse, _) => &converse::Converse,
        }
    }
}

/// A wire format that clients speak to us.
pub trait ClientDialect: Sync {
    /// Reads a request. Where the model and the wish for a stream stand in the URL, the caller puts them in.
    fn read_request(&self, body: &[u8]) -> Result<Asked, Refusal>;

    /// Writes a whole answer.
    fn write_response(&self, response: &ir::Response, reply: &Reply) -> Bytes;

    fn stream_writer(&self, reply: &Reply) -> Box<dyn EventWriter>;

    /// The content type of a streamed answer.
    fn stream_type(&self, reply: &Reply) -> &'static str;
}

/// A wire format that we speak to providers.
pub trait ProviderDialect: Sync {
    /// Writes the body of a request. What it cannot carry goes into `losses`.
    fn write_request(
        &self,
        request: &ir::Request,
        recipient: &Recipient<'_>,
        losses: &mut ir::Losses,
    ) -> Result<Bytes, Refusal>;

    /// Reads a whole answer. An answer that is an error in spite of its status is [`Unanswered::Failed`].
    fn read_response(&self, body: &[u8]) -> Result<ir::Response, Unanswered>;

    fn framing(&self) -> Box<dyn Framing>;

    fn stream_reader(&self) -> Box<dyn EventReader>;

    /// Reads an error answer, whatever shape it has: the body may be empty, or a proxy's HTML.
    fn read_failure(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure;

    /// What this dialect has no place for.
    fn losses(&self) -> &'static [Loss];
}

/// Why there is no answer in a body.
#[derive(Debug)]
pub enum Unanswered {
    Garbled(Garbled),
    Failed(Failure),
}

impl From<Garbled> for Unanswered {
    fn from(garbled: Garbled) -> Self {
        Self::Garbled(garbled)
    }
}

/// Frames → events. What it emits follows the grammar of [`ir::event`], whatever the provider sends; a frame that makes no
/// sense becomes [`ir::Event::Failed`] and the end. After the end it emits nothing.
pub trait EventReader: Send + Sync {
    fn read(&mut self, frame: &Frame, events: &mut Vec<ir::Event>);

    /// The body has ended. If the answer had not, that is a failure.
    fn end(&mut self, events: &mut Vec<ir::Event>);
}

/// Events → bytes.
pub trait EventWriter: Send + Sync {
    /// Writes what an event means to the client. After [`ir::Event::End`] nothing is written.
    fn write(&mut self, event: ir::Event, out: &mut BytesMut);
}

/// A request as it was read, and what its answer is to look like.
#[derive(Debug, Clone)]
pub struct Asked {
    pub request: ir::Request,
    pub reply: Reply,
}

/// What a writer of answers must know of the request.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// The model as the client called it: shown where the provider does not tell.
    pub model: String,
    /// A word that no other answer has, of letters and digits: ids are made of it where the provider gives none.
    pub nonce: String,
    /// Now, in seconds since 1970.
    pub created: u64,
    /// Whether a stream of chat chunks ends with the token counts.
    pub counts_stream: bool,
    /// Whether the client wants to see reasoning, where its dialect makes it ask (Gemini's `includeThoughts`).
    pub shows_thoughts: bool,
    /// Gemini without `alt=sse`: a stream is one JSON array.
    pub is_array: bool,
    /// OpenAI's Responses: the tools that it has in namespaces.
    pub namespaces: Vec<openai_responses::Namespaced>,
    /// OpenAI's Responses: whether the client searches for tools itself.
    pub searches_tools: bool,
    /// The client's request, for answers that repeat it (OpenAI's Responses). Whoever had it read puts it here.
    pub echo: Option<Object>,
}

/// To whom a request is written: what the writer must know of the model and of the provider.
#[derive(Debug, Clone, Copy)]
pub struct Recipient<'a> {
    pub facts: &'a Facts,
    pub habits: &'a Habits,
}

/// How a provider departs from its dialect, as far as a writer must know. Data: a column of the providers' table.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// Chat: the name of the member that limits the answer. `None`: as the model wants it.
    pub max_tokens: Option<&'static str>,
    /// Chat: the member of assistant messages that holds reasoning, in answers and in history.
    pub reasoning_text: &'static str,
    /// Chat: whether that member is wanted back.
    pub replays_reasoning: bool,
    /// Chat: whether it takes what only OpenAI's own models understand: `store`, `metadata`, `verbosity`, `prediction`, tools with free
    /// text, names of speakers …. Others refuse such members, or do not know them.
    pub has_openai_members: bool,
    /// Chat: whether it takes the role `developer`.
    pub has_developer_role: bool,
    /// Chat: how it is told how much to think.
    pub effort: EffortHabit,
    /// Chat: whether it knows `top_k`.
    pub has_top_k: bool,
    /// Chat: whether it reads `cache_control` beside the parts of a message.
    pub has_cache_marks: bool,
    /// Chat: how many sequences that stop the answer it takes. `None`: nothing is known of a limit.
    pub most_stops: Option<usize>,
    /// Anthropic: whether it knows `service_tier`.
    pub has_service_tier: bool,
    /// Whether it fetches images and files by URL.
    pub fetches_urls: bool,
    /// Chat: whether it takes `video_url`.
    pub has_video: bool,
    /// Chat: whether it wants Google's seals of calls back (`extra_content`).
    pub keeps_google_seals: bool,
    /// Chat: whether reasoning comes within the text unless it is asked for apart (`reasoning_split`, MiniMax).
    pub splits_reasoning: bool,
    /// Chat: whether the texts of some models begin with `<think>…</think>`.
    pub think_tags: ThinkTags,
    /// Chat: whether the arguments of calls come in pieces only where that is asked for (`tool_stream`, Z.ai).
    pub streams_calls_if_told: bool,
    /// Chat: whether it draws images when `modalities` asks for them.
    pub draws: bool,
}

/// How a chat provider is told how much to think (`reasoning_effort` and its like).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffortHabit {
    /// `reasoning_effort: low`.
    Effort,
    /// `reasoning: {effort: low}` (OpenRouter).
    Object,
    /// `thinking: {type: disabled}` and, where it thinks, `reasoning_effort` (DeepSeek, Z.ai, MiMo).
    Switch,
    /// `enable_thinking` and `thinking_budget` (Qwen).
    Budget,
    /// `reasoning_effort`; off by `chat_template_kwargs: {enable_thinking: false}` (vLLM).
    Template,
    /// `reasoning_effort: none` or, where it thinks, `default` (Qwen on Groq).
    OnOrOff,
    /// It cannot be told.
    None,
}

impl Habits {
    /// OpenAI's own.
    pub const OPENAI: Self = Self {
        max_tokens: None,
        reasoning_text: "reasoning_content",
        replays_reasoning: false,
        has_openai_members: true,
        has_developer_role: true,
        effort: EffortHabit::Effort,
        has_top_k: false,
        has_cache_marks: false,
        most_stops: Some(4),
        has_service_tier: true,
        fetches_urls: true,
        has_video: false,
        keeps_google_seals: false,
        splits_reasoning: false,
        think_tags: ThinkTags::Keep,
        streams_calls_if_told: false,
        draws: false,
    };

    /// What nearly every compatible server takes.
    pub const COMPATIBLE: Self = Self {
        max_tokens: Some("max_tokens"),
        has_openai_members: false,
        has_developer_role: false,
        most_stops: None,
        ..Self::OPENAI
    };
}
