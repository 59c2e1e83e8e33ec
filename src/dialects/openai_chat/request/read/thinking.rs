//! The many ways in which a request says how much to think.

use serde_json::Number;

use super::{signed, wire};
use crate::dialects::ir::{Effort, Mode, Shown, Thinking};
use crate::error::Refusal;

pub struct Said {
    pub reasoning_effort: Option<String>,
    pub reasoning: Option<wire::Reasoning>,
    pub thinking: Option<wire::Thinking>,
    pub enable_thinking: Option<bool>,
    pub thinking_budget: Option<Number>,
    pub is_hidden: bool,
}

/// What is meant by all of it; `None` if nothing was said.
pub fn read(said: Said) -> Result<Option<Thinking>, Refusal> {
    let Said { reasoning_effort, reasoning, thinking, enable_thinking, thinking_budget, is_hidden } = said;
    let mut meant = Thinking {
        mode: enable_thinking.map(switch),
        effort: effort("reasoning_effort", reasoning_effort)?,
        budget: signed("thinking_budget", thinking_budget)?,
        shown: if is_hidden { Shown::Hidden } else { Shown::Unsaid },
    };
    if let Some(wire::Reasoning { effort: name, max_tokens, enabled, exclude, summary }) = reasoning {
        meant.effort = effort("reasoning", name)?.or(meant.effort);
        meant.budget = signed("reasoning", max_tokens)?.or(meant.budget);
        meant.mode = enabled.map(switch).or(meant.mode);
        meant.shown = match (exclude, summary.as_deref()) {
            (Some(true), _) => Shown::Hidden,
            (_, Some("concise")) => Shown::ConciseSummary,
            (_, Some("detailed")) => Shown::DetailedSummary,
            (_, Some(_)) => Shown::Summary,
            (_, None) => meant.shown,
        };
    }
    if let Some(wire::Thinking { kind, budget_tokens }) = thinking {
        meant.mode = match kind.as_deref() {
            Some("enabled") => Some(Mode::On),
            Some("disabled") => Some(Mode::Off),
            Some("adaptive" | "auto") => Some(Mode::Adaptive),
            None => meant.mode,
            Some(kind) => {
                let why = format!("`thinking.type` is `{kind}`; it must be `enabled`, `disabled` or `adaptive`.");
                return Err(Refusal::invalid(why).param("thinking"));
            }
        };
        meant.budget = signed("thinking", budget_tokens)?.or(meant.budget);
    }
    Ok((meant != Thinking::default()).then_some(meant))
}

fn switch(is_on: bool) -> Mode {
    if is_on { Mode::On } else { Mode::Off }
}

/// `default` (Groq) leaves it to the model.
fn effort(param: &'static str, name: Option<String>) -> Result<Option<Effort>, Refusal> {
    let Some(name) = name.filter(|name| name != "default") else { return Ok(None) };
    let known = || {
        let names: Vec<_> = Effort::ALL.iter().map(|effort| effort.name()).collect();
        let why = format!("The reasoning effort `{name}` is not known; it must be one of {}.", names.join(", "));
        Refusal::invalid(why).param(param)
    };
    Effort::named(&name).map(Some).ok_or_else(known)
}
