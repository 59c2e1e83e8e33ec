//! How Claude is told how much to think, by its generation (Anthropic's "Extended thinking", "Adaptive thinking" and "Effort").
//! Bedrock's Converse passes the same members on as they are, so that its writer uses this too.

use serde::Serialize;

use crate::dialects::{Dialect, ir};
use crate::models::{Facts, ForcedTools, Off, ThinkingStyle};
use ir::{Effort, Mode, Part, Shown, Thinking};

/// The fewest tokens that a budget may have.
const LEAST_BUDGET: u64 = 1024;

/// The rest of the request, as far as it bears on thinking.
#[derive(Debug, Clone, Copy, Default)]
pub struct Occasion {
    /// The most tokens to answer with, if the request is to say so.
    pub max_tokens: Option<u64>,
    /// Whether a tool must be called.
    pub has_forced_tool: bool,
    /// Whether the turn that the model is to go on with lacks its signed thinking ([`lacks_signed_turn`]).
    pub lacks_signed_turn: bool,
}

/// The members of a request that say how much to think.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ThinkingParams {
    pub thinking: Option<ThinkingConfig>,
    /// For `output_config.effort`.
    pub effort: Option<&'static str>,
    /// As it was, or larger where a budget needs room. `None`: it was not given, and need not be.
    pub max_tokens: Option<u64>,
    /// Whether the model will think otherwise than was asked: [`ir::Feature::Reasoning`] is to be noted.
    pub is_lossy: bool,
}

impl ThinkingParams {
    /// Whether the model will think, as far as is known: sampling and forced tools depend on it.
    pub fn thinks(&self) -> bool {
        self.thinking.as_ref().is_some_and(|config| matches!(config.kind, "enabled" | "adaptive"))
    }
}

/// `thinking`, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ThinkingConfig {
    /// `enabled`, `adaptive`, `disabled`, `between_tools`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_tokens: Option<u64>,
    /// `summarized`, `omitted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<&'static str>,
}

impl ThinkingConfig {
    fn of(kind: &'static str) -> Self {
        Self { kind, budget_tokens: None, display: None }
    }
}

/// What a request says to have the model think as asked, or as close to that as the model can.
pub fn thinking_params(thinking: &Thinking, facts: &Facts, occasion: Occasion) -> ThinkingParams {
    let nothing = ThinkingParams { max_tokens: occasion.max_tokens, ..ThinkingParams::default() };
    let wish = Wish::of(thinking);
    match (facts.thinking, wish) {
        (_, Wish::Nothing) => nothing,
        (ThinkingStyle::Adaptive { off, efforts }, Wish::Off) => {
            let kept = |effort: Effort| nearest(efforts, effort.min(Effort::High));
            switch_off(off, thinking.effort.filter(|effort| *effort != Effort::None).and_then(kept), nothing)
        }
        (ThinkingStyle::Adaptive { efforts, .. }, _) => ThinkingParams {
            thinking: Some(ThinkingConfig { display: Some(display(thinking.shown)), ..ThinkingConfig::of("adaptive") }),
            effort: wish.effort().and_then(|effort| nearest(efforts, effort)),
            ..nothing
        },
        // Thinking is off unless it is asked for.
        (ThinkingStyle::Budget, Wish::Off | Wish::Shown) | (ThinkingStyle::Unknown, Wish::Shown) => nothing,
        (ThinkingStyle::Unknown, Wish::Off) => {
            ThinkingParams { thinking: Some(ThinkingConfig::of("disabled")), ..nothing }
        }
        // Other makers who speak this dialect took over what Claude had first: a budget.
        (ThinkingStyle::Budget | ThinkingStyle::Unknown, _) => {
            let is_refused = facts.forced_tools != ForcedTools::Accepted && occasion.has_forced_tool;
            if is_refused || occasion.lacks_signed_turn {
                return ThinkingParams { is_lossy: true, ..nothing };
            }
            by_budget(wish.budget(), thinking.shown, facts, nothing)
        }
        (_, wish) => ThinkingParams { is_lossy: wish != Wish::Off && wish != Wish::Shown, ..nothing },
    }
}

/// Whether the model is about to go on with a turn in which it called tools, while the thinking that led there is not at hand
/// with its signature: it came from another model. Claude refuses to think by a budget then.
pub fn lacks_signed_turn(messages: &[ir::Message]) -> bool {
    let Some((at, turn)) = messages.iter().enumerate().rfind(|(_, message)| message.role == ir::Role::Assistant) else {
        return false;
    };
    let is_signed = |part: &Part| match part {
        Part::Reasoning(reasoning) => reasoning.seal.as_ref().is_some_and(|seal| seal.is_for(Dialect::Anthropic)),
        _ => false,
    };
    let is_answered = messages.get(at + 1).is_some_and(|next| next.role == ir::Role::Tool);
    is_answered && !turn.parts.iter().any(is_signed)
}

/// What is asked for, in the terms that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Nothing,
    /// Not how much, but to see it.
    Shown,
    Off,
    /// As much as the model thinks fit.
    Open,
    Effort(Effort),
    /// Tokens.
    Budget(u64),
}

impl Wish {
    fn of(thinking: &Thinking) -> Self {
        match (thinking.mode, thinking.effort, thinking.budget) {
            (Some(Mode::Off), ..) | (_, Some(Effort::None), _) | (_, None, Some(0)) => Self::Off,
            (_, Some(effort), None) => Self::Effort(effort),
            (_, effort, Some(budget)) => match (u64::try_from(budget), effort) {
                (Ok(tokens), _) => Self::Budget(tokens),
                (Err(_), Some(effort)) => Self::Effort(effort),
                (Err(_), None) => Self::Open,
            },
            (Some(Mode::On | Mode::Adaptive), None, None) => Self::Open,
            (None, None, None) if matches!(thinking.shown, Shown::Unsaid | Shown::Hidden) => Self::Nothing,
            (None, None, None) => Self::Shown,
        }
    }

    fn effort(self) -> Option<Effort> {
        match self {
            Self::Effort(effort) => Some(effort),
            Self::Budget(tokens) => Some(Effort::of_budget(tokens)),
            Self::Nothing | Self::Shown | Self::Off | Self::Open => None,
        }
    }

    fn budget(self) -> u64 {
        match self {
            Self::Effort(effort) => effort.budget(),
            Self::Budget(tokens) => tokens,
            Self::Nothing | Self::Shown | Self::Off | Self::Open => Effort::Medium.budget(),
        }
    }
}

fn switch_off(off: Off, effort: Option<&'static str>, nothing: ThinkingParams) -> ThinkingParams {
    match off {
        Off::Disabled => ThinkingParams { thinking: Some(ThinkingConfig::of("disabled")), effort, ..nothing },
        Off::BetweenTools => ThinkingParams { thinking: Some(ThinkingConfig::of("between_tools")), effort, ..nothing },
        Off::Impossible => ThinkingParams { effort: Some("low"), is_lossy: true, ..nothing },
    }
}

/// A budget is at least 1024 and less than the limit of the answer, which grows where it must.
fn by_budget(wanted: u64, shown: Shown, facts: &Facts, nothing: ThinkingParams) -> ThinkingParams {
    let most = facts.max_output.unwrap_or(u64::MAX).max(LEAST_BUDGET + 1);
    let budget = wanted.clamp(LEAST_BUDGET, most - 1);
    let max_tokens = match nothing.max_tokens {
        Some(limit) if limit <= budget => Some(budget.saturating_add(limit.max(1)).min(most)),
        limit => limit,
    };
    let config = ThinkingConfig {
        kind: "enabled",
        budget_tokens: Some(budget),
        display: (shown == Shown::Hidden).then_some("omitted"),
    };
    ThinkingParams { thinking: Some(config), max_tokens, ..nothing }
}

/// Without it the newest models send thinking without its text.
fn display(shown: Shown) -> &'static str {
    match shown {
        Shown::Hidden => "omitted",
        Shown::Unsaid | Shown::Summary | Shown::ConciseSummary | Shown::DetailedSummary => "summarized",
    }
}

/// The effort among these that is closest from below, else the least.
fn nearest(efforts: &'static [&'static str], wanted: Effort) -> Option<&'static str> {
    let is_within = |name: &&&str| Effort::named(name).is_some_and(|effort| effort <= wanted);
    efforts.iter().rfind(is_within).or(efforts.first()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(model: &str, thinking: Thinking, occasion: Occasion) -> (String, Option<&'static str>, Option<u64>, bool) {
        let params = thinking_params(&thinking, Facts::of(model), occasion);
        let config = params.thinking.map(|config| serde_json::to_string(&config).expect("JSON")).unwrap_or_default();
        (config.replace('"', ""), params.effort, params.max_tokens, params.is_lossy)
    }

    fn effort(effort: Effort) -> Thinking {
        Thinking { effort: Some(effort), ..Thinking::default() }
    }

    #[test]
    fn says_it_as_each_generation_understands() {
        let limit = Occasion { max_tokens: Some(300), ..Occasion::default() };
        let budget = Thinking { budget: Some(5000), mode: Some(Mode::On), ..Thinking::default() };
        let open = Thinking { mode: Some(Mode::Adaptive), shown: Shown::Hidden, ..Thinking::default() };
        let adaptive = "{type:adaptive,display:summarized}";
        for (model, thinking, config, level, max_tokens, is_lossy) in [
            ("claude-sonnet-5", effort(Effort::Low), adaptive, Some("low"), 300, false),
            ("claude-sonnet-5", effort(Effort::Minimal), adaptive, Some("low"), 300, false),
            ("claude-opus-4-6", effort(Effort::Xhigh), adaptive, Some("high"), 300, false),
            ("claude-opus-4-6", effort(Effort::Max), adaptive, Some("max"), 300, false),
            ("claude-sonnet-5", budget, adaptive, Some("high"), 300, false),
            ("claude-sonnet-5", open, "{type:adaptive,display:omitted}", None, 300, false),
            ("claude-sonnet-5", effort(Effort::None), "{type:disabled}", None, 300, false),
            ("claude-sonnet-5-5", effort(Effort::None), "{type:between_tools}", None, 300, false),
            ("claude-opus-5-5", effort(Effort::None), "", Some("low"), 300, true),
            ("claude-sonnet-4-5", effort(Effort::Low), "{type:enabled,budget_tokens:1024}", None, 1324, false),
            ("claude-sonnet-4-5", budget, "{type:enabled,budget_tokens:5000}", None, 5300, false),
            ("claude-sonnet-4-5", effort(Effort::None), "", None, 300, false),
            ("claude-3-haiku", effort(Effort::Low), "", None, 300, true),
            ("claude-3-haiku", effort(Effort::None), "", None, 300, false),
            ("claude-sonnet-5", Thinking::default(), "", None, 300, false),
            ("somebody-else", effort(Effort::Low), "{type:enabled,budget_tokens:1024}", None, 1324, false),
        ] {
            let expected = (config.to_owned(), level, Some(max_tokens), is_lossy);
            assert_eq!(told(model, thinking, limit), expected, "{model} {thinking:?}");
        }
    }

    #[test]
    fn an_effort_may_go_with_thinking_switched_off() {
        let both = Thinking { mode: Some(Mode::Off), effort: Some(Effort::Max), ..Thinking::default() };
        let expected = ("{type:disabled}".to_owned(), Some("high"), None, false);
        assert_eq!(told("claude-haiku-5-5", both, Occasion::default()), expected);
    }

    #[test]
    fn a_budget_gives_way_to_what_it_does_not_go_with() {
        let forced = Occasion { has_forced_tool: true, ..Occasion::default() };
        let foreign = Occasion { lacks_signed_turn: true, ..Occasion::default() };
        for occasion in [forced, foreign] {
            assert_eq!(told("claude-opus-4-1", effort(Effort::High), occasion), (String::new(), None, None, true));
            assert!(!told("claude-sonnet-5", effort(Effort::High), occasion).3);
        }
        let huge = Thinking { budget: Some(1_000_000), ..Thinking::default() };
        let limit = Occasion { max_tokens: Some(4096), ..Occasion::default() };
        let (config, _, max_tokens, _) = told("claude-opus-4-1", huge, limit);
        assert_eq!((config.as_str(), max_tokens), ("{type:enabled,budget_tokens:31999}", Some(32_000)));
    }
}
