//! Whole answers, and what they share with streams: how an answer ended, and how many tokens it took.

mod read;
mod write;

use super::incoming::{AdditionalAnswer, Usage};
use crate::dialects::ir::{self, Finish, Reason};

pub use read::read;
pub use write::write;

/// Reasons and their names. The first name of a reason is the one that is written.
const REASONS: &[(&str, Reason)] = &[
    ("end_turn", Reason::Stop),
    ("tool_use", Reason::ToolCalls),
    ("max_tokens", Reason::Length),
    ("model_context_window_exceeded", Reason::Length),
    ("stop_sequence", Reason::StopSequence),
    ("content_filtered", Reason::Filtered),
    ("guardrail_intervened", Reason::Filtered),
];

pub fn finish(stop_reason: Option<&str>, stop_sequence: Option<String>, has_call: bool) -> Finish {
    let known = REASONS.iter().find(|(name, _)| Some(*name) == stop_reason);
    let reason = match known.map_or(Reason::Stop, |(_, reason)| *reason) {
        Reason::Stop if has_call => Reason::ToolCalls,
        reason => reason,
    };
    // What the model wrote made no sense to Amazon: neither an end of its own nor a fault of the request.
    let explanation = stop_reason.filter(|name| name.starts_with("malformed_")).map(str::to_owned);
    Finish { reason, stop_sequence, explanation }
}

pub fn stop_reason(reason: Reason) -> &'static str {
    REASONS.iter().find(|(_, other)| *other == reason).map_or("end_turn", |(name, _)| name)
}

/// Amazon counts what came from a cache or went into one beside the input.
pub fn usage(usage: &Usage, additional: &AdditionalAnswer) -> ir::Usage {
    let cached = usage.cache_read_input_tokens.unwrap_or_default();
    let cache_write = usage.cache_write_input_tokens.unwrap_or_default();
    let details = additional.usage.as_ref().and_then(|usage| usage.output_tokens_details.as_ref());
    ir::Usage {
        input: usage.input_tokens.unwrap_or_default().saturating_add(cached).saturating_add(cache_write),
        output: usage.output_tokens.unwrap_or_default(),
        cached,
        cache_write,
        reasoning: details.and_then(|details| details.thinking_tokens).unwrap_or_default(),
        ..Default::default()
    }
}
