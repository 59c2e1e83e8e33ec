//! The canonical form → an answer for a Messages client.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;

use super::super::block::{self, Block};
use crate::dialects::{Dialect, Reply, ir, wire};
use ir::{Finish, Part, Reason, Response, Start, Usage};

/// A whole answer; also the beginning of a streamed one.
#[derive(Debug, Serialize)]
pub struct Message<'a> {
    id: Cow<'a, str>,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<Block<'a>>,
    #[serde(flatten)]
    ending: Ending<'a>,
    usage: Totals<'a>,
}

/// How an answer ended.
#[derive(Debug, Default, Serialize)]
pub struct Ending<'a> {
    stop_reason: Option<&'static str>,
    stop_sequence: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_details: Option<StopDetails<'a>>,
}

#[derive(Debug, Serialize)]
struct StopDetails<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    category: Option<&'static str>,
    explanation: &'a str,
}

/// Token counts as Anthropic has them: `input_tokens` are those that no cache was involved in.
#[derive(Debug, Serialize)]
pub struct Totals<'a> {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<OutputDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct OutputDetails {
    thinking_tokens: u64,
}

impl<'a> Message<'a> {
    /// An answer that has not said anything yet.
    pub fn begin(start: &'a Start, reply: &'a Reply) -> Self {
        Self {
            id: message_id(start, reply),
            kind: "message",
            role: "assistant",
            model: start.model.as_deref().unwrap_or(&reply.model),
            content: Vec::new(),
            ending: Ending::default(),
            usage: Totals::of(start.usage.unwrap_or_default(), start.service_tier.as_deref()),
        }
    }
}

impl<'a> Ending<'a> {
    /// `declines`: whether the model said in the answer that it will not.
    pub fn of(finish: &'a Finish, declines: bool) -> Self {
        let stop_reason = match finish.reason {
            Reason::Stop if declines => "refusal",
            Reason::Stop => "end_turn",
            Reason::StopSequence => "stop_sequence",
            Reason::Length => "max_tokens",
            Reason::ToolCalls => "tool_use",
            Reason::Filtered => "refusal",
            Reason::Paused => "pause_turn",
        };
        let details = |explanation| StopDetails { kind: "refusal", category: None, explanation };
        Self {
            stop_reason: Some(stop_reason),
            stop_sequence: finish.stop_sequence.as_deref(),
            stop_details: finish.explanation.as_deref().filter(|_| stop_reason == "refusal").map(details),
        }
    }
}

impl<'a> Totals<'a> {
    pub fn of(usage: Usage, tier: Option<&'a str>) -> Self {
        let thinking = OutputDetails { thinking_tokens: usage.reasoning };
        Self {
            input_tokens: usage.fresh(),
            cache_creation_input_tokens: usage.cache_write,
            cache_read_input_tokens: usage.cached,
            output_tokens: usage.output,
            output_tokens_details: (usage.reasoning > 0).then_some(thinking),
            service_tier: match tier {
                Some("default" | "standard") => Some("standard"),
                tier => tier.filter(|tier| matches!(*tier, "priority" | "batch")),
            },
        }
    }
}

/// The answer to a request that was not for a stream. Messages have one choice.
pub fn write(response: &Response, reply: &Reply) -> Bytes {
    let start = &response.start;
    let mut message = Message::begin(start, reply);
    message.usage = Totals::of(response.usage.or(start.usage).unwrap_or_default(), start.service_tier.as_deref());
    let end = Finish::default();
    if let Some(choice) = response.choices.first() {
        choice.whole_parts().for_each(|part| show(part, &mut message.content));
        let declines = choice.parts.iter().any(|part| matches!(part, Part::Refusal(_)));
        message.ending = Ending::of(&choice.finish, declines);
    } else {
        message.ending = Ending::of(&end, false);
    }
    wire::write(&message)
}

/// What can be shown of a part. Media cannot: no answer of this dialect has any.
fn show<'a>(part: &'a Part, content: &mut Vec<Block<'a>>) {
    match part {
        Part::Text(text) if text.text.is_empty() && text.annotations.is_empty() => {}
        Part::Text(text) => content.push(Block::shown_text(text)),
        Part::Refusal(text) => content.push(Block::text(text)),
        Part::Reasoning(reasoning) => content.extend(Block::shown_reasoning(reasoning)),
        Part::ToolCall(call) => {
            content.extend(call.seal.as_ref().map(|seal| Block::thinking("", block::signature(seal))));
            content.push(Block::tool_use(call, Cow::Borrowed(&call.id)));
        }
        Part::Opaque(opaque) if opaque.dialect == Dialect::Anthropic => content.push(Block::Native(&opaque.value)),
        Part::Opaque(_) | Part::Media(_) | Part::ToolResult(_) | Part::CachePoint(_) => {}
    }
}

/// The provider's id if it is of this dialect's form, else one of our own.
fn message_id<'a>(start: &'a Start, reply: &Reply) -> Cow<'a, str> {
    match start.id.as_deref() {
        Some(id) if id.starts_with("msg_") => Cow::Borrowed(id),
        _ => Cow::Owned(format!("msg_{}", reply.nonce)),
    }
}
