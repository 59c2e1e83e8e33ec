//! The canonical form → a request to a provider.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Number;
use serde_json::value::RawValue;

use super::super::block::Block;
use super::super::thinking::{self, Occasion, ThinkingConfig};
use super::schema::{self, Room};
use super::tools::{Choice, Tool};
use super::{tools, turns};
use crate::dialects::{Recipient, ir, wire};
use crate::error::Refusal;
use crate::models::{Facts, Sampling};
use ir::{Feature, Format, Losses};

/// The limit of an answer whose request sets none, for models of which nothing is known: the API demands one.
const DEFAULT_MAX_TOKENS: u64 = 4096;

#[derive(Debug, Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    messages: Vec<turns::Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<ThinkingConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Cow<'a, Number>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<&'a Number>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
}

#[derive(Debug, Serialize)]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<JsonFormat<'a>>,
}

#[derive(Debug, Serialize)]
struct JsonFormat<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: Cow<'a, RawValue>,
}

#[derive(Debug, Serialize)]
struct Metadata<'a> {
    user_id: &'a str,
}

pub fn write(request: &ir::Request, recipient: &Recipient<'_>, losses: &mut Losses) -> Result<Bytes, Refusal> {
    let ir::Request {
        model,
        stream,
        messages,
        tools: offered,
        tool_choice,
        parallel_tool_calls,
        max_tool_calls,
        max_tokens,
        temperature,
        top_p,
        top_k,
        frequency_penalty,
        presence_penalty,
        stop,
        seed,
        n,
        logprobs,
        logit_bias,
        format,
        thinking,
        verbosity,
        metadata,
        user,
        service_tier,
        cache_key,
        cache_retention,
        modalities,
        audio,
        prediction,
        store,
        safety,
        unknown,
    } = request;
    let facts = recipient.facts;
    let is_set = |number: &Option<Number>| number.as_ref().is_some_and(|number| number.as_f64() != Some(0.0));
    for (is_lost, feature) in [
        (max_tool_calls.is_some(), Feature::MaxToolCalls),
        (is_set(frequency_penalty), Feature::FrequencyPenalty),
        (is_set(presence_penalty), Feature::PresencePenalty),
        (seed.is_some(), Feature::Seed),
        (n.is_some_and(|n| n != 1), Feature::N),
        (logprobs.is_some(), Feature::Logprobs),
        (logit_bias.is_some(), Feature::LogitBias),
        (verbosity.is_some(), Feature::Verbosity),
        (metadata.is_some(), Feature::Metadata),
        (cache_key.is_some(), Feature::CacheKey),
        (cache_retention.is_some(), Feature::CacheRetention),
        (modalities.iter().any(|modality| modality != "text"), Feature::Modalities),
        (audio.is_some(), Feature::AudioOutput),
        (prediction.is_some(), Feature::Prediction),
        (*store == Some(true), Feature::Store),
        (safety.is_some(), Feature::Safety),
    ] {
        if is_lost {
            losses.note(feature);
        }
    }
    losses.unknown(unknown);

    let mut conversation = turns::write(messages, recipient, losses);
    let mut room = Room::default();
    let format = json_format(format.as_ref(), facts, &mut room, &mut conversation.system, losses);
    let mut tools = tools::tools(offered, tool_choice.as_ref(), facts, &mut room, losses);
    let mut choice = None;
    if !tools.is_empty() {
        choice = tools::choice(tool_choice.as_ref(), *parallel_tool_calls, facts, losses);
    } else if matches!(tool_choice, Some(ir::ToolChoice::Required | ir::ToolChoice::Named(_))) {
        losses.note(Feature::ToolChoice);
    }
    if tools.is_empty() && conversation.has_tool_blocks() {
        let (stand_in, none) = tools::none_at_all();
        (tools, choice) = (stand_in, Some(none));
    }
    let occasion = Occasion {
        max_tokens: Some(facts.limit(*max_tokens).or(facts.max_output).unwrap_or(DEFAULT_MAX_TOKENS)),
        has_forced_tool: choice.as_ref().is_some_and(Choice::is_forced),
        lacks_signed_turn: conversation.is_prefilled || thinking::lacks_signed_turn(messages),
    };
    let params = thinking::thinking_params(&thinking.unwrap_or_default(), facts, occasion);
    if params.is_lossy {
        losses.note(Feature::Reasoning);
    }
    let sampling = Knobs { temperature: temperature.as_ref(), top_p: top_p.as_ref(), top_k: top_k.as_ref() };
    let sampling = sampling.accepted(facts, params.thinks(), losses);
    let has_output_config = params.effort.is_some() || format.is_some();
    Ok(wire::write(&Body {
        model,
        max_tokens: params.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
        system: conversation.system,
        messages: conversation.turns,
        tools,
        tool_choice: choice,
        thinking: params.thinking,
        output_config: has_output_config.then_some(OutputConfig { effort: params.effort, format }),
        temperature: sampling.temperature.map(within_one),
        top_p: sampling.top_p,
        top_k: sampling.top_k,
        stop_sequences: stop_sequences(stop, losses),
        metadata: user_id(user.as_deref(), losses).map(|user_id| Metadata { user_id }),
        service_tier: tier(service_tier.as_deref(), recipient.habits.has_service_tier, losses),
        stream: *stream,
    }))
}

/// The format natively, or told in the instructions where that cannot be.
fn json_format<'a>(
    format: Option<&Format>,
    facts: &Facts,
    room: &mut Room,
    system: &mut Vec<Block<'a>>,
    losses: &mut Losses,
) -> Option<JsonFormat<'a>> {
    let told = match format {
        None | Some(Format::Text) => return None,
        Some(Format::JsonObject) => {
            losses.note(Feature::JsonObject);
            "Answer with one JSON object and nothing else: no explanation, no code fence.".to_owned()
        }
        Some(Format::JsonSchema { name: _, description, schema, strict: _ }) => {
            let limited = facts.has_json_schema.then(|| schema::within_limits(schema, room)).flatten();
            if let Some(schema) = limited {
                // There is no member for what the format is for.
                system.extend(description.clone().map(Block::text));
                return Some(JsonFormat { kind: "json_schema", schema: Cow::Owned(schema) });
            }
            losses.note(Feature::JsonSchema);
            let about = description.as_ref().map(|text| format!("\n{text}")).unwrap_or_default();
            format!(
                "Answer with one JSON value and nothing else: no explanation, no code fence. It must match this JSON schema:\n{schema}{about}"
            )
        }
    };
    system.push(Block::text(told));
    None
}

/// What shapes the choice of tokens.
#[derive(Debug, Clone, Copy)]
struct Knobs<'a> {
    temperature: Option<&'a Number>,
    top_p: Option<&'a Number>,
    top_k: Option<&'a Number>,
}

impl Knobs<'_> {
    /// Those that this model takes, never `top_p` beside `temperature`. One that is at its default says nothing.
    fn accepted(mut self, facts: &Facts, thinks: bool, losses: &mut Losses) -> Self {
        let is_one = |number: &Number| number.as_f64() == Some(1.0);
        let is_above_one = |number: &Number| number.as_f64().is_some_and(|number| number > 1.0);
        let is_narrow = |number: &Number| number.as_f64().is_some_and(|number| number < 0.95);
        let takes_none = facts.sampling == Sampling::Rejected;
        let takes_few = facts.sampling == Sampling::WithoutThinking && thinks;
        if self.temperature.is_some_and(is_above_one) {
            losses.note(Feature::Temperature);
        }
        if let Some(temperature) = self.temperature.filter(|_| takes_none || takes_few) {
            self.temperature = None;
            if !is_one(temperature) {
                losses.note(Feature::Temperature);
            }
        }
        if self.top_k.is_some() && (takes_none || takes_few) {
            self.top_k = None;
            losses.note(Feature::TopK);
        }
        // Of the two, the one that says something; else the temperature.
        if self.temperature.is_some_and(is_one) && self.top_p.is_some_and(|top_p| !is_one(top_p)) {
            self.temperature = None;
        }
        if let Some(top_p) = self.top_p {
            let is_refused = takes_none || takes_few && is_narrow(top_p) || self.temperature.is_some();
            if is_refused {
                self.top_p = None;
                if !is_one(top_p) {
                    losses.note(Feature::TopP);
                }
            }
        }
        self
    }
}

fn within_one(temperature: &Number) -> Cow<'_, Number> {
    match temperature.as_f64() {
        Some(value) if value > 1.0 => Cow::Owned(Number::from(1)),
        Some(value) if value < 0.0 => Cow::Owned(Number::from(0)),
        _ => Cow::Borrowed(temperature),
    }
}

fn stop_sequences<'a>(stop: &'a [String], losses: &mut Losses) -> Vec<&'a str> {
    let kept: Vec<_> = stop.iter().map(String::as_str).filter(|stop| !stop.trim().is_empty()).collect();
    if kept.len() < stop.len() {
        losses.note(Feature::Stop);
    }
    kept
}

/// Mail addresses are not taken, and should not be given away either.
fn user_id<'a>(user: Option<&'a str>, losses: &mut Losses) -> Option<&'a str> {
    let user = user.filter(|user| !user.is_empty())?;
    if user.contains('@') {
        losses.note(Feature::User);
        return None;
    }
    Some(user)
}

/// Where there is but one tier, to ask for the usual one is to ask for nothing.
fn tier(tier: Option<&str>, has_tiers: bool, losses: &mut Losses) -> Option<&'static str> {
    match tier? {
        "auto" => has_tiers.then_some("auto"),
        "default" | "standard" | "standard_only" => has_tiers.then_some("standard_only"),
        _ => {
            losses.note(Feature::ServiceTier);
            None
        }
    }
}
