//! The response object: what an answer is as a whole, and what several events of a stream hold.

use std::io::Write;

use serde::Serialize;

use super::echo::Echo;
use super::item::Item;
use crate::dialects::Reply;
use crate::dialects::ir::{Finish, Reason, Start, Usage};
use crate::dialects::openai_responses::failure;
use crate::error::Failure;
use crate::json::put;

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
#[derive(Debug, Clone, Copy)]
pub enum State<'a> {
    InProgress,
    Completed,
    Incomplete { reason: &'static str },
    Failed(&'a Failure),
}

/// `openai.types.responses.ResponseError`.
#[derive(Debug, Serialize)]
struct Error<'a> {
    code: &'a str,
    message: &'a str,
}

#[derive(Debug, Serialize)]
struct IncompleteDetails {
    reason: &'static str,
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

    /// The response as it stands: all that `openai.types.responses.Response` demands, and what OpenAI always sends beside.
    pub fn write(&self, state: State<'_>, output: &[Item], usage: Option<Usage>) -> Vec<u8> {
        let details = match state {
            State::Incomplete { reason } => Some(IncompleteDetails { reason }),
            State::InProgress | State::Completed | State::Failed(_) => None,
        };
        let error = match state {
            State::Failed(failure) => Some(Error { code: failure::code(failure), message: &failure.message }),
            State::InProgress | State::Completed | State::Incomplete { .. } => None,
        };
        let tier = match (&self.service_tier, state) {
            (Some(tier), _) => tier,
            (None, State::InProgress | State::Failed(_)) => "auto",
            (None, _) => "default",
        };
        let mut out = Vec::with_capacity(1024 + self.echo.members.len());
        put(&mut out, r#"{"id":"#, &self.id);
        put(&mut out, r#","object":"response","created_at":"#, self.created_at);
        put(&mut out, r#","status":"#, state.name());
        put(
            &mut out,
            r#","background":false,"completed_at":"#,
            matches!(state, State::Completed).then_some(self.completed_at),
        );
        put(&mut out, r#","error":"#, error);
        put(&mut out, r#","incomplete_details":"#, details);
        put(&mut out, r#","model":"#, &self.model);
        put(&mut out, r#","output":"#, output);
        put(&mut out, r#","service_tier":"#, tier);
        out.extend_from_slice(br#","usage":"#);
        match usage {
            Some(usage) => put_usage(&mut out, usage),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(self.echo.members.as_bytes());
        out.push(b'}');
        out
    }
}

fn put_usage(out: &mut Vec<u8>, usage: Usage) {
    let Usage { input, cached, cache_write, output, reasoning, .. } = usage;
    // Writing into memory cannot fail.
    let _ = write!(
        out,
        "{{\"input_tokens\":{input},\"input_tokens_details\":{{\"cached_tokens\":{cached},\"cache_write_tokens\":{cache_write}}},\
         \"output_tokens\":{output},\"output_tokens_details\":{{\"reasoning_tokens\":{reasoning}}},\"total_tokens\":{}}}",
        usage.total()
    );
}

impl State<'_> {
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
            Self::Failed(_) => "failed",
        }
    }
}
