//! What a client asks of a model.

use serde_json::Number;

use super::{CacheMark, Json, Media, Opaque, Part};

/// A request in canonical form. Writers take it apart member by member: a member that is added here does not compile until
/// each dialect maps, drops or refuses it.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The model by the provider's name.
    pub model: String,
    pub stream: bool,
    /// In order; instructions are messages of the roles `System` and `Developer`, wherever they stand.
    pub messages: Vec<Message>,
    pub tools: Vec<Tool>,
    pub tool_choice: Option<ToolChoice>,
    pub parallel_tool_calls: Option<bool>,
    pub max_tool_calls: Option<u64>,
    /// The most tokens to answer with, reasoning included.
    pub max_tokens: Option<u64>,
    pub temperature: Option<Number>,
    pub top_p: Option<Number>,
    pub top_k: Option<Number>,
    pub frequency_penalty: Option<Number>,
    pub presence_penalty: Option<Number>,
    pub stop: Vec<String>,
    pub seed: Option<i64>,
    /// How many alternatives are wanted.
    pub n: Option<u32>,
    pub logprobs: Option<Logprobs>,
    pub logit_bias: Option<Json>,
    pub format: Option<Format>,
    pub thinking: Option<Thinking>,
    /// `low`, `medium`, `high`: how long-winded the answer may be.
    pub verbosity: Option<String>,
    /// Keys and values that the provider keeps with the answer.
    pub metadata: Option<Json>,
    /// Who the client's own user is.
    pub user: Option<String>,
    pub service_tier: Option<String>,
    /// OpenAI's `prompt_cache_key`.
    pub cache_key: Option<String>,
    /// OpenAI's `prompt_cache_retention` or `prompt_cache_options`.
    pub cache_retention: Option<Json>,
    /// `text`, `audio`, `image`.
    pub modalities: Vec<String>,
    pub audio: Option<AudioOut>,
    /// OpenAI's predicted output.
    pub prediction: Option<Json>,
    /// Whether the provider may keep the answer.
    pub store: Option<bool>,
    /// Gemini's `safetySettings`.
    pub safety: Option<Json>,
    /// What we have no name for.
    pub unknown: Vec<Unknown>,
}

impl Request {
    /// All images, sounds and files of the conversation, those in results of tools as well.
    pub fn media_mut(&mut self) -> Vec<&mut Media> {
        fn collect<'a>(parts: &'a mut [Part], media: &mut Vec<&'a mut Media>) {
            for part in parts {
                match part {
                    Part::Media(found) => media.push(found),
                    Part::ToolResult(result) => collect(&mut result.content, media),
                    _ => {}
                }
            }
        }
        let mut media = Vec::new();
        self.messages.iter_mut().for_each(|message| collect(&mut message.parts, &mut media));
        media
    }
}

/// A member that the reader of a request did not know, or that its dialect alone knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// `messages[2].mood`.
    pub path: String,
}

#[derive(Debug, Clone)]
pub struct Message {
    pub role: Role,
    /// Only tool results if the role is `Tool`, and none otherwise.
    pub parts: Vec<Part>,
    /// The name of a participant.
    pub name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    System,
    Developer,
    User,
    Assistant,
    /// The results of tools: those of one turn are one message.
    Tool,
}

#[derive(Debug, Clone)]
pub enum Tool {
    Function {
        name: String,
        description: Option<String>,
        /// A JSON schema.
        parameters: Option<Json>,
        strict: Option<bool>,
    },
    /// OpenAI's tools that take free text.
    Custom {
        name: String,
        description: Option<String>,
        format: Option<Json>,
    },
    WebSearch(WebSearch),
    CachePoint(CacheMark),
    /// A server tool of one dialect.
    Opaque(Opaque),
}

#[derive(Debug, Clone, Default)]
pub struct WebSearch {
    /// `low`, `medium`, `high`.
    pub context_size: Option<String>,
    /// `{type: "approximate", city, country, region, timezone}`.
    pub location: Option<Json>,
    pub allowed_domains: Vec<String>,
    pub blocked_domains: Vec<String>,
    pub max_uses: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    Auto,
    None,
    /// Some tool must be called.
    Required,
    /// This tool must be called.
    Named(String),
    /// One of these may be called, or must be if `required`.
    Allowed {
        names: Vec<String>,
        required: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logprobs {
    /// How many alternatives of each token.
    pub top: Option<u32>,
}

#[derive(Debug, Clone)]
pub enum Format {
    Text,
    /// Any JSON object.
    JsonObject,
    JsonSchema {
        name: Option<String>,
        description: Option<String>,
        schema: Json,
        strict: Option<bool>,
    },
}

/// What is asked of a model that can reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Thinking {
    pub mode: Option<Mode>,
    pub effort: Option<Effort>,
    /// Tokens; -1 leaves it to the model (Gemini).
    pub budget: Option<i64>,
    pub shown: Shown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Off,
    On,
    /// As much as the model thinks fit.
    Adaptive,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    Xhigh,
    Max,
}

/// Whether the client wants to read the reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shown {
    #[default]
    Unsaid,
    Hidden,
    /// Told in other words, as `auto`, `concise` or `detailed` as the provider does.
    Summary,
    ConciseSummary,
    DetailedSummary,
}

#[derive(Debug, Clone)]
pub struct AudioOut {
    pub voice: Option<Json>,
    pub format: Option<String>,
}

impl Effort {
    pub const ALL: &[Self] = &[Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::Xhigh, Self::Max];

    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Xhigh => "xhigh",
            Self::Max => "max",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|effort| effort.name().eq_ignore_ascii_case(name))
    }

    /// Tokens, for models that are told a number instead (the steps that LiteLLM takes).
    pub fn budget(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Minimal | Self::Low => 1024,
            Self::Medium => 2048,
            Self::High => 4096,
            Self::Xhigh => 8192,
            Self::Max => 16384,
        }
    }

    /// The effort that a number of tokens stands for.
    pub fn of_budget(tokens: u64) -> Self {
        match tokens {
            0 => Self::None,
            1..1024 => Self::Minimal,
            1024..2048 => Self::Low,
            2048..4096 => Self::Medium,
            4096..8192 => Self::High,
            _ => Self::Xhigh,
        }
    }
}

impl Thinking {
    /// The effort that is meant, whichever way it was said. `None`: the model may decide.
    pub fn meant(&self) -> Option<Effort> {
        match (self.mode, self.effort, self.budget) {
            (Some(Mode::Off), ..) => Some(Effort::None),
            (_, Some(effort), _) => Some(effort),
            (_, None, Some(budget)) => u64::try_from(budget).ok().map(Effort::of_budget),
            (Some(Mode::Adaptive | Mode::On), None, None) => Some(Effort::Medium),
            (None, None, None) => None,
        }
    }
}
