//! What each family of models is told in words of its own: how much to think, how to choose tokens.

use serde_json::Number;

use super::super::family::{Family, nearest};
use super::super::outgoing::{Additional, Effort, InferenceConfig, NovaInference, NovaReasoning, Thinking};
use crate::dialects::anthropic::thinking::{Occasion, thinking_params};
use crate::dialects::ir::{self, Feature, Losses, Unknown};
use crate::models::{Facts, Sampling};

/// What a request says of the numbers that guide the model.
#[derive(Debug, Clone, Copy)]
pub struct Knobs<'a> {
    pub temperature: Option<&'a Number>,
    pub top_p: Option<&'a Number>,
    pub top_k: Option<&'a Number>,
    pub stop: &'a [String],
}

/// How much to think, told by the members that the family knows.
#[derive(Debug, Default)]
pub struct Thought<'a> {
    pub additional: Additional<'a>,
    pub max_tokens: Option<u64>,
    /// Whether the model will think, as far as is known.
    pub thinks: bool,
}

pub fn think<'a>(
    thinking: Option<&ir::Thinking>,
    family: Family,
    facts: &Facts,
    occasion: Occasion,
    losses: &mut Losses,
) -> Thought<'a> {
    let mut thought = Thought { max_tokens: occasion.max_tokens, ..Default::default() };
    let Some(thinking) = thinking else { return thought };
    if family == Family::Claude {
        let params = thinking_params(thinking, facts, occasion);
        if params.is_lossy {
            losses.note(Feature::Reasoning);
        }
        thought.thinks = params.thinks();
        thought.max_tokens = params.max_tokens;
        thought.additional.output_config = params.effort.map(|effort| Effort { effort });
        thought.additional.thinking = params.thinking.map(|config| Thinking {
            kind: config.kind,
            budget_tokens: config.budget_tokens,
            display: config.display,
        });
        return thought;
    }
    // Left alone, the others think as little as they can, or as much as they must.
    let Some(effort) = thinking.meant().filter(|effort| *effort != ir::Effort::None) else { return thought };
    match (family, nearest(facts, effort)) {
        (Family::Nova2, Some(effort)) => {
            thought.thinks = true;
            thought.additional.nova_reasoning =
                Some(NovaReasoning { kind: "enabled", max_reasoning_effort: Some(effort) });
        }
        (Family::GptOss, Some(effort)) => thought.additional.reasoning_effort = Some(effort),
        (Family::Openai, Some(effort)) => thought.additional.reasoning = Some(Effort { effort }),
        _ => losses.note(Feature::Reasoning),
    }
    thought
}

/// `inferenceConfig`, and what of it belongs among the family's own members.
pub fn infer<'a>(
    knobs: Knobs<'a>,
    thought: &mut Thought<'a>,
    family: Family,
    facts: &Facts,
    losses: &mut Losses,
) -> InferenceConfig<'a> {
    let Knobs { temperature, top_p, top_k, stop } = knobs;
    let takes_sampling = match facts.sampling {
        Sampling::Accepted => true,
        Sampling::Rejected => false,
        Sampling::WithoutThinking => !thought.thinks,
    };
    // Thinking its hardest, Nova 2 wants to be told neither how to choose its words nor how many.
    let is_unbound =
        matches!(&thought.additional.nova_reasoning, Some(nova) if nova.max_reasoning_effort == Some("high"));
    let takes_sampling = takes_sampling && !is_unbound;
    // What is at its default says nothing.
    let is_one = |number: &Number| number.as_f64() == Some(1.0);
    let mut taken = |value: Option<&'a Number>, feature, is_taken: bool| {
        let is_default = |value: &Number| feature != Feature::TopK && is_one(value);
        if value.is_some_and(|value| !is_taken && !is_default(value)) {
            losses.note(feature);
        }
        value.filter(|_| is_taken)
    };
    // Claude takes one of the two: the one that says something, else the temperature.
    let is_torn = family == Family::Claude && temperature.is_some() && top_p.is_some();
    let is_top_p = is_torn && temperature.is_some_and(is_one);
    let temperature = taken(temperature, Feature::Temperature, takes_sampling && !is_top_p);
    let top_p = taken(top_p, Feature::TopP, takes_sampling && (!is_torn || is_top_p));
    let has_top_k = matches!(family, Family::Claude | Family::Nova | Family::Nova2);
    let top_k = taken(top_k, Feature::TopK, takes_sampling && has_top_k);
    if temperature.and_then(Number::as_f64).is_some_and(|value| value > 1.0) {
        losses.note(Feature::Temperature);
    }
    match family {
        Family::Claude => thought.additional.top_k = top_k,
        _ => thought.additional.inference = top_k.map(|top_k| NovaInference { top_k }),
    }
    if is_unbound && thought.max_tokens.take().is_some() {
        losses.unknown(&[Unknown { path: "max_tokens".to_owned() }]);
    }
    // Empty ones are refused.
    let stop_sequences: Vec<_> = stop.iter().map(String::as_str).filter(|stop| !stop.trim().is_empty()).collect();
    if stop_sequences.len() < stop.len() {
        losses.note(Feature::Stop);
    }
    InferenceConfig {
        max_tokens: thought.max_tokens,
        temperature: temperature.map(at_most_one),
        top_p: top_p.map(at_most_one),
        stop_sequences,
    }
}

/// Elsewhere temperatures go up to 2; here the highest is 1.
fn at_most_one(number: &Number) -> Number {
    match number.as_f64() {
        Some(float) if float > 1.0 => Number::from(1),
        _ => number.clone(),
    }
}
