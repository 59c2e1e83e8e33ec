//! The response object: what an answer is as a whole, and what several events of a stream hold.

use serde::Serialize;
use serde_json::value::RawValue;

use super::echo::Echo;
use super::item::Item;
use crate::dialects::Reply;
use crate::dialects::ir::{Finish, Reason, Start, Usage};

const SERVICE_TIERS: &[&str] = &["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"];

/// What stays the same from the first event to the last.
#[derive(Debug)]
pub struct Envelope {
    id: String,
    model: String,
    created_at: u64,
    completed_at: u64,
    service_tier: Option<String>,
    pub echo: Echo,
}

/// Where an answer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    InProgress,
    Completed,
    Incomplete { reason: &'static str },
}

/// `openai.types.responses.Response`. All that its types demand is there, and what OpenAI always sends beside.
#[derive(Debug, Serialize)]
pub struct Object<'a> {
    id: &'a str,
    object: &'static str,
    created_at: u64,
    status: &'static str,
    background: bool,
    completed_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<Conversation<'a>>,
    error: Option<()>,
    incomplete_details: Option<IncompleteDetails>,
    instructions: Option<&'a RawValue>,
    max_output_tokens: Option<&'a RawValue>,
    max_tool_calls: Option<&'a RawValue>,
    model: &'a str,
    output: &'a [Item],
    parallel_tool_calls: Or<'a, bool>,
    previous_response_id: Option<&'a RawValue>,
    prompt_cache_key: Option<&'a RawValue>,
    prompt_cache_retention: Option<&'a RawValue>,
    reasoning: Or<'a, NoReasoning>,
    safety_identifier: Option<&'a RawValue>,
    service_tier: &'a str,
    store: Or<'a, bool>,
    temperature: Or<'a, f64>,
    text: Text<'a>,
    tool_choice: Or<'a, &'static str>,
    tools: Or<'a, [(); 0]>,
    top_logprobs: Or<'a, u32>,
    top_p: Or<'a, f64>,
    truncation: Or<'a, &'static str>,
    usage: Option<WrittenUsage>,
    user: Option<&'a RawValue>,
    metadata: Or<'a, Nothing>,
}

/// As the client said, or what holds if it said nothing.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Or<'a, T> {
    Said(&'a RawValue),
    Default(T),
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Conversation<'a> {
    Object(&'a RawValue),
    Id { id: &'a RawValue },
}

#[derive(Debug, Serialize)]
struct IncompleteDetails {
    reason: &'static str,
}

#[derive(Debug, Serialize)]
struct NoReasoning {
    effort: Option<()>,
    summary: Option<()>,
}

#[derive(Debug, Serialize)]
struct Text<'a> {
    format: Or<'a, PlainFormat>,
    verbosity: Or<'a, &'static str>,
}

#[derive(Debug, Serialize)]
struct PlainFormat {
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Debug, Serialize)]
struct Nothing {}

#[derive(Debug, Serialize)]
struct WrittenUsage {
    input_tokens: u64,
    input_tokens_details: InputDetails,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
    total_tokens: u64,
}

#[derive(Debug, Serialize)]
struct InputDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Debug, Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
}

impl Envelope {
    pub fn new(start: &Start, reply: &Reply) -> Self {
        let own = start.id.as_ref().filter(|id| id.starts_with("resp_"));
        let created_at = start.created.unwrap_or(reply.created);
        Self {
            id: own.cloned().unwrap_or_else(|| format!("resp_{}", reply.nonce)),
            model: start.model.as_ref().unwrap_or(&reply.model).clone(),
            created_at,
            completed_at: created_at.max(reply.created),
            service_tier: start.service_tier.clone().filter(|tier| SERVICE_TIERS.contains(&tier.as_str())),
            echo: Echo::of(reply.echo.as_ref()),
        }
    }

    pub fn object<'a>(&'a self, state: State, output: &'a [Item], usage: Option<Usage>) -> Object<'a> {
        let echo = &self.echo;
        let text = echo.text();
        Object {
            id: &self.id,
            object: "response",
            created_at: self.created_at,
            status: state.name(),
            background: false,
            completed_at: (state == State::Completed).then_some(self.completed_at),
            conversation: echo.get("conversation").map(|raw| match raw.get().starts_with('{') {
                true => Conversation::Object(raw),
                false => Conversation::Id { id: raw },
            }),
            error: None,
            incomplete_details: match state {
                State::Incomplete { reason } => Some(IncompleteDetails { reason }),
                State::InProgress | State::Completed => None,
            },
            instructions: echo.get("instructions"),
            max_output_tokens: echo.get("max_output_tokens"),
            max_tool_calls: echo.get("max_tool_calls"),
            model: &self.model,
            output,
            parallel_tool_calls: or(echo.get("parallel_tool_calls"), true),
            previous_response_id: echo.get("previous_response_id"),
            prompt_cache_key: echo.get("prompt_cache_key"),
            prompt_cache_retention: echo.get("prompt_cache_retention"),
            reasoning: or(echo.get("reasoning"), NoReasoning { effort: None, summary: None }),
            safety_identifier: echo.get("safety_identifier"),
            service_tier: match (&self.service_tier, state) {
                (Some(tier), _) => tier,
                (None, State::InProgress) => "auto",
                (None, _) => "default",
            },
            store: or(echo.get("store"), true),
            temperature: or(echo.get("temperature"), 1.0),
            text: Text {
                format: or(text.format, PlainFormat { kind: "text" }),
                verbosity: or(text.verbosity, "medium"),
            },
            tool_choice: or(echo.get("tool_choice"), "auto"),
            tools: or(echo.get("tools"), []),
            top_logprobs: or(echo.get("top_logprobs"), 0),
            top_p: or(echo.get("top_p"), 1.0),
            truncation: or(echo.get("truncation"), "disabled"),
            usage: usage.map(WrittenUsage::from),
            user: echo.get("user"),
            metadata: or(echo.get("metadata"), Nothing {}),
        }
    }
}

fn or<T>(said: Option<&RawValue>, default: T) -> Or<'_, T> {
    said.map_or(Or::Default(default), Or::Said)
}

impl State {
    /// How an answer stands that ended so.
    pub fn of(finish: &Finish) -> Self {
        match finish.reason {
            Reason::Stop | Reason::StopSequence | Reason::ToolCalls | Reason::Paused => Self::Completed,
            Reason::Length => Self::Incomplete { reason: "max_output_tokens" },
            Reason::Filtered => Self::Incomplete { reason: "content_filter" },
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete { .. } => "incomplete",
        }
    }
}

impl From<Usage> for WrittenUsage {
    fn from(usage: Usage) -> Self {
        Self {
            input_tokens: usage.input,
            input_tokens_details: InputDetails { cached_tokens: usage.cached, cache_write_tokens: usage.cache_write },
            output_tokens: usage.output,
            output_tokens_details: OutputDetails { reasoning_tokens: usage.reasoning },
            total_tokens: usage.total(),
        }
    }
}
