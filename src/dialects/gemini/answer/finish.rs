//! Why an answer ended: `finishReason` and `promptFeedback.blockReason`.

use super::wire::PromptFeedback;
use crate::dialects::ir::{Finish, Reason};

/// What a `finishReason` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    Finished(Reason),
    /// The model got lost: its call could not be read, or it called what there is not.
    Lost,
}

/// Those of `FinishReason` in Google's SDK; one that is newer than this table is taken for an ordinary end.
const REASONS: &[(&str, Meaning)] = &[
    ("STOP", Meaning::Finished(Reason::Stop)),
    ("MAX_TOKENS", Meaning::Finished(Reason::Length)),
    ("CONTINUATION", Meaning::Finished(Reason::Length)),
    ("SAFETY", Meaning::Finished(Reason::Filtered)),
    ("RECITATION", Meaning::Finished(Reason::Filtered)),
    ("LANGUAGE", Meaning::Finished(Reason::Filtered)),
    ("OTHER", Meaning::Finished(Reason::Filtered)),
    ("BLOCKLIST", Meaning::Finished(Reason::Filtered)),
    ("PROHIBITED_CONTENT", Meaning::Finished(Reason::Filtered)),
    ("SPII", Meaning::Finished(Reason::Filtered)),
    ("IMAGE_SAFETY", Meaning::Finished(Reason::Filtered)),
    ("IMAGE_PROHIBITED_CONTENT", Meaning::Finished(Reason::Filtered)),
    ("IMAGE_RECITATION", Meaning::Finished(Reason::Filtered)),
    ("IMAGE_OTHER", Meaning::Finished(Reason::Filtered)),
    ("NO_IMAGE", Meaning::Finished(Reason::Filtered)),
    ("MODEL_ARMOR", Meaning::Finished(Reason::Filtered)),
    ("ESCALATION", Meaning::Finished(Reason::Filtered)),
    ("MALFORMED_FUNCTION_CALL", Meaning::Lost),
    ("UNEXPECTED_TOOL_CALL", Meaning::Lost),
    ("TOO_MANY_TOOL_CALLS", Meaning::Lost),
    ("MISSING_THOUGHT_SIGNATURE", Meaning::Lost),
    ("MALFORMED_RESPONSE", Meaning::Lost),
];

pub fn meaning(reason: &str) -> Meaning {
    let known = REASONS.iter().find(|(name, _)| *name == reason);
    known.map_or(Meaning::Finished(Reason::Stop), |(_, meaning)| *meaning)
}

/// The end of a choice. A call makes an ordinary end into a wish for its result.
pub fn finish(reason: &str, message: Option<String>, has_calls: bool) -> Finish {
    let reason_word = match meaning(reason) {
        Meaning::Finished(reason) => reason,
        Meaning::Lost => Reason::Stop,
    };
    match reason_word {
        Reason::Stop if has_calls => Reason::ToolCalls.into(),
        Reason::Filtered => {
            Finish { explanation: Some(message.unwrap_or_else(|| reason.to_owned())), ..Reason::Filtered.into() }
        }
        reason => reason.into(),
    }
}

/// A prompt that was not let through.
pub fn blocked(feedback: PromptFeedback) -> Option<Finish> {
    let reason = feedback.block_reason.filter(|reason| !reason.is_empty())?;
    Some(Finish { explanation: feedback.block_reason_message.or(Some(reason)), ..Reason::Filtered.into() })
}

/// The `finishReason` that says this.
pub fn name(reason: Reason) -> &'static str {
    match reason {
        Reason::Stop | Reason::StopSequence | Reason::ToolCalls | Reason::Paused => "STOP",
        Reason::Length => "MAX_TOKENS",
        Reason::Filtered => "SAFETY",
    }
}
