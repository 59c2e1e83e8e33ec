//! What each dialect calls things, and what its real API demands beyond what a reader must know: platform.claude.com ("Extended
//! thinking"), ai.google.dev ("Thought signatures"), the API reference of OpenAI.

use std::collections::BTreeMap;

use bytes::Bytes;
use memchr::memmem;
use serde_json::value::RawValue;

use super::super::answer::{bad_value, missing};
use super::seals;
use crate::dialects::{Dialect, ir};
use crate::error::Refusal;

const MOST_CHOICES: u32 = 128;
const LEAST_BUDGET: u64 = 1024;

/// The members that may be to blame.
pub struct Names {
    pub messages: &'static str,
    pub tools: &'static str,
    pub tool_choice: &'static str,
    pub format: &'static str,
    pub choices: &'static str,
    /// Whether a choice of tools without tools is refused.
    pub choice_needs_tools: bool,
}

impl Names {
    pub fn of(dialect: Dialect) -> &'static Self {
        match dialect {
            Dialect::OpenaiChat => &CHAT,
            Dialect::OpenaiResponses => &RESPONSES,
            Dialect::Anthropic => &ANTHROPIC,
            Dialect::Gemini => &GEMINI,
            Dialect::Converse => &CONVERSE,
        }
    }
}

const CHAT: Names = Names {
    messages: "messages",
    tools: "tools",
    tool_choice: "tool_choice",
    format: "response_format",
    choices: "n",
    choice_needs_tools: true,
};

const RESPONSES: Names = Names { messages: "input", format: "text.format", ..CHAT };

const ANTHROPIC: Names = Names { format: "output_config.format", ..CHAT };

const GEMINI: Names = Names {
    messages: "contents",
    tools: "tools",
    tool_choice: "toolConfig",
    format: "generationConfig.responseJsonSchema",
    choices: "generationConfig.candidateCount",
    choice_needs_tools: false,
};

const CONVERSE: Names = Names {
    tools: "toolConfig.tools",
    tool_choice: "toolConfig.toolChoice",
    format: "outputConfig.textFormat",
    ..CHAT
};

pub fn check(dialect: Dialect, request: &ir::Request) -> Result<(), Refusal> {
    if request.n.is_some_and(|choices| choices == 0 || choices > MOST_CHOICES) {
        return Err(bad_value(Names::of(dialect).choices, "is not between 1 and 128"));
    }
    match dialect {
        // Whoever speaks chat checks no seals.
        Dialect::OpenaiChat => return Ok(()),
        Dialect::Anthropic => check_limits(request)?,
        _ => {}
    }
    seals::check(dialect, request)
}

/// Anthropic's: there must be a limit, and room below it for what is thought.
fn check_limits(request: &ir::Request) -> Result<(), Refusal> {
    let limit = request.max_tokens.ok_or_else(|| missing("max_tokens"))?;
    match request.thinking.and_then(|thinking| thinking.budget).map(u64::try_from) {
        Some(Ok(..LEAST_BUDGET)) => Err(bad_value("thinking.budget_tokens", "is less than 1024")),
        Some(Ok(budget)) if budget >= limit => {
            Err(bad_value("max_tokens", "is not greater than `thinking.budget_tokens`"))
        }
        _ => Ok(()),
    }
}

/// A request without what it says of stored answers. Nothing is stored here, but an answer depends on what came last only:
/// the history that they stand for would not change a word.
pub fn without_history(dialect: Dialect, body: &Bytes) -> Option<Bytes> {
    const STORED: [&str; 2] = ["previous_response_id", "conversation"];

    if dialect != Dialect::OpenaiResponses || STORED.iter().all(|name| memmem::find(body, name.as_bytes()).is_none()) {
        return None;
    }
    let mut members: BTreeMap<String, &RawValue> = serde_json::from_slice(body).ok()?;
    members.retain(|name, _| !STORED.contains(&name.as_str()));
    serde_json::to_vec(&members).ok().map(Bytes::from)
}
