//! Why an answer ended, in the words of all who speak this dialect.

use crate::dialects::ir::Reason;
use crate::error::{Failure, Kind};

/// What a provider's `finish_reason` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Of(Reason),
    /// The answer broke off: what there is of it is not an answer.
    Broken,
}

/// OpenAI's own, then what others send, native names that pass through middlemen included.
const ENDINGS: &[(&str, Ending)] = &[
    ("stop", Ending::Of(Reason::Stop)),
    ("tool_calls", Ending::Of(Reason::ToolCalls)),
    ("length", Ending::Of(Reason::Length)),
    ("content_filter", Ending::Of(Reason::Filtered)),
    ("function_call", Ending::Of(Reason::ToolCalls)),
    ("tool_call", Ending::Of(Reason::ToolCalls)),
    ("tool_use", Ending::Of(Reason::ToolCalls)),
    ("end", Ending::Of(Reason::Stop)),
    ("end_turn", Ending::Of(Reason::Stop)),
    ("eos", Ending::Of(Reason::Stop)),
    ("stop_sequence", Ending::Of(Reason::StopSequence)),
    ("complete", Ending::Of(Reason::Stop)),
    ("max_tokens", Ending::Of(Reason::Length)),
    ("max_output", Ending::Of(Reason::Length)),
    ("max_output_tokens", Ending::Of(Reason::Length)),
    ("model_length", Ending::Of(Reason::Length)),
    ("model_context_window_exceeded", Ending::Of(Reason::Length)),
    ("insufficient_system_resource", Ending::Of(Reason::Length)),
    ("sensitive", Ending::Of(Reason::Filtered)),
    ("refusal", Ending::Of(Reason::Filtered)),
    ("safety", Ending::Of(Reason::Filtered)),
    ("recitation", Ending::Of(Reason::Filtered)),
    ("blocklist", Ending::Of(Reason::Filtered)),
    ("prohibited_content", Ending::Of(Reason::Filtered)),
    ("spii", Ending::Of(Reason::Filtered)),
    ("image_safety", Ending::Of(Reason::Filtered)),
    ("content_filtered", Ending::Of(Reason::Filtered)),
    ("guardrail_intervened", Ending::Of(Reason::Filtered)),
    ("pause_turn", Ending::Of(Reason::Paused)),
    ("error", Ending::Broken),
    ("network_error", Ending::Broken),
];

impl Ending {
    /// A word that nobody knows is an end like any other.
    pub fn named(word: &str) -> Self {
        let named = ENDINGS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        named.map_or(Self::Of(Reason::Stop), |(_, ending)| *ending)
    }
}

/// What a client is told.
pub fn name(reason: Reason) -> &'static str {
    match reason {
        // To go on after a pause, a client asks with the answer as history, as it does after any answer.
        Reason::Stop | Reason::StopSequence | Reason::Paused => "stop",
        Reason::Length => "length",
        Reason::ToolCalls => "tool_calls",
        Reason::Filtered => "content_filter",
    }
}

pub fn broken() -> Failure {
    Failure::of_kind(Kind::Upstream, "The provider broke off its answer because of an error of its own.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_what_others_say() {
        assert_eq!(Ending::named("MAX_TOKENS"), Ending::Of(Reason::Length));
        assert_eq!(Ending::named("error"), Ending::Broken);
        assert_eq!(Ending::named("NEW_REASON"), Ending::Of(Reason::Stop));
        for reason in [Reason::Stop, Reason::Length, Reason::ToolCalls, Reason::Filtered] {
            assert_eq!(Ending::named(name(reason)), Ending::Of(reason));
        }
    }
}
