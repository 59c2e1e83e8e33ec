//! How a provider is told how much to think: the habit says in which words, the model's facts which of them it knows.

use serde::Serialize;

use super::Writer;
use crate::dialects::EffortHabit;
use crate::dialects::ir::{Effort, Feature, Mode, Shown, Thinking};
use crate::models::ThinkingStyle;

/// The members that say it.
#[derive(Default, Serialize)]
pub struct Told {
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Switch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enable_thinking: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chat_template_kwargs: Option<Template>,
}

/// OpenRouter's.
#[derive(Default, PartialEq, Serialize)]
struct Object {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exclude: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'static str>,
}

#[derive(Serialize)]
struct Switch {
    #[serde(rename = "type")]
    kind: &'static str,
}

/// What vLLM hands to the template of the model: those of Qwen and DeepSeek know this.
#[derive(Serialize)]
struct Template {
    enable_thinking: bool,
}

impl Writer<'_> {
    pub fn thinking(&mut self, thinking: Option<&Thinking>, is_stream: bool) -> Told {
        let is_off_unless_streamed =
            !is_stream && self.recipient.facts.thinks_in_streams && self.recipient.habits.effort == EffortHabit::Budget;
        let unsaid = Told { enable_thinking: is_off_unless_streamed.then_some(false), ..Told::default() };
        let Some(thinking) = thinking else { return unsaid };
        let (meant, is_said) = (thinking.meant(), thinking.effort.is_some());
        if self.recipient.facts.thinking == ThinkingStyle::Never {
            // It does as it is told, if it is told not to.
            if meant.is_some_and(|effort| effort != Effort::None) {
                self.losses.note(Feature::Reasoning);
            }
            return Told::default();
        }
        match self.recipient.habits.effort {
            EffortHabit::Effort => {
                Told { reasoning_effort: meant.and_then(|effort| self.effort(effort, is_said)), ..Told::default() }
            }
            EffortHabit::Object => {
                let object = object(thinking);
                Told { reasoning: (object != Object::default()).then_some(object), ..Told::default() }
            }
            EffortHabit::Switch => self.switch(thinking),
            EffortHabit::Budget if is_off_unless_streamed => {
                if meant.is_some_and(|effort| effort != Effort::None) {
                    self.losses.note(Feature::Reasoning);
                }
                unsaid
            }
            EffortHabit::Budget => budget(thinking),
            EffortHabit::Template if meant == Some(Effort::None) => {
                Told { chat_template_kwargs: Some(Template { enable_thinking: false }), ..Told::default() }
            }
            EffortHabit::Template => {
                Told { reasoning_effort: meant.and_then(|effort| self.effort(effort, is_said)), ..Told::default() }
            }
            EffortHabit::OnOrOff => {
                let name = |effort| if effort == Effort::None { "none" } else { "default" };
                Told { reasoning_effort: meant.map(name), ..Told::default() }
            }
            EffortHabit::None => {
                if meant.is_some() {
                    self.losses.note(Feature::Reasoning);
                }
                Told::default()
            }
        }
    }

    /// The effort by a name that the model knows. `is_said`: it is the client's own word, and not what a number of tokens comes to.
    fn effort(&mut self, effort: Effort, is_said: bool) -> Option<&'static str> {
        const COMMON: &[&str] = &["low", "medium", "high"];
        const COMMON_OR_NONE: &[&str] = &["none", "low", "medium", "high"];
        match self.recipient.facts.thinking {
            ThinkingStyle::Unknown | ThinkingStyle::Never if is_said => Some(effort.name()),
            ThinkingStyle::Unknown | ThinkingStyle::Never => nearest(effort, COMMON_OR_NONE),
            ThinkingStyle::Efforts(names) | ThinkingStyle::GeminiLevel { levels: names, .. } => {
                let name = nearest(effort, names);
                if name.is_none() {
                    self.losses.note(Feature::Reasoning);
                }
                name
            }
            ThinkingStyle::GeminiBudget { can_be_off: true, .. } => nearest(effort, COMMON_OR_NONE),
            ThinkingStyle::GeminiBudget { can_be_off: false, .. } => nearest(effort, COMMON),
            // Claude thinks only when it is told to.
            ThinkingStyle::Budget | ThinkingStyle::Adaptive { .. } => {
                (effort != Effort::None).then(|| nearest(effort, COMMON)).flatten()
            }
        }
    }

    fn switch(&mut self, thinking: &Thinking) -> Told {
        let kind = |kind| Some(Switch { kind });
        match thinking.meant() {
            None => Told::default(),
            Some(Effort::None) => Told { thinking: kind("disabled"), ..Told::default() },
            Some(effort) => {
                let is_told = thinking.effort.is_some() || thinking.budget.is_some();
                let reasoning_effort = if is_told { self.effort(effort, thinking.effort.is_some()) } else { None };
                Told { thinking: kind("enabled"), reasoning_effort, ..Told::default() }
            }
        }
    }
}

fn object(thinking: &Thinking) -> Object {
    let Thinking { mode, effort, budget, shown } = *thinking;
    let is_off = thinking.meant() == Some(Effort::None);
    let budget = budget.and_then(|budget| u64::try_from(budget).ok()).filter(|_| effort.is_none() && !is_off);
    let effort = if is_off { Some(Effort::None) } else { effort };
    Object {
        effort: effort.map(Effort::name),
        max_tokens: budget,
        enabled: (effort.is_none() && budget.is_none() && mode.is_some()).then_some(mode != Some(Mode::Off)),
        exclude: (shown == Shown::Hidden).then_some(true),
        summary: match shown {
            Shown::Unsaid | Shown::Hidden => None,
            Shown::Summary => Some("auto"),
            Shown::ConciseSummary => Some("concise"),
            Shown::DetailedSummary => Some("detailed"),
        },
    }
}

fn budget(thinking: &Thinking) -> Told {
    let Thinking { effort, budget, .. } = *thinking;
    let is_on = thinking.meant().map(|effort| effort != Effort::None);
    let tokens = budget.and_then(|budget| u64::try_from(budget).ok()).or(effort.map(Effort::budget));
    Told { enable_thinking: is_on, thinking_budget: tokens.filter(|_| is_on == Some(true)), ..Told::default() }
}

/// The name of the effort that is nearest, rather less than more; who does not want any thinking gets the least.
fn nearest(effort: Effort, names: &[&'static str]) -> Option<&'static str> {
    let known = names.iter().filter_map(|name| Some((*name, Effort::named(name)?)));
    let distance = |of: Effort| (of as i32 - effort as i32).abs();
    // Some thinking is not none.
    let known = known.filter(|(_, of)| (*of == Effort::None) <= (effort == Effort::None));
    known.min_by_key(|(_, of)| (distance(*of), *of)).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_effort_is_taken() {
        assert_eq!(nearest(Effort::Max, &["none", "low", "high"]), Some("high"));
        assert_eq!(nearest(Effort::None, &["low", "high"]), Some("low"));
        assert_eq!(nearest(Effort::Minimal, &["none", "medium", "high"]), Some("medium"));
        assert_eq!(nearest(Effort::Medium, &["low", "high"]), Some("low"));
        assert_eq!(nearest(Effort::Low, &[]), None);
    }
}
