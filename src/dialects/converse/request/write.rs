//! The canonical form → a provider's request.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Number;

use super::super::family::Family;
use super::super::outgoing::{self, Additional, Block, InferenceConfig, OutputConfig, Structure, TextFormat, Typed};
use super::history::{CacheMarks, History};
use super::special::{Knobs, infer, think};
use super::tools::{self, Schemas, config};
use crate::dialects::anthropic::thinking::{Occasion, lacks_signed_turn};
use crate::dialects::ir::{self, Feature, Format, Json, Losses};
use crate::dialects::{Recipient, wire};

/// Service tiers by Amazon's names.
const TIERS: &[&str] = &["priority", "default", "flex", "reserved"];

/// Writes the body of `POST /model/{id}/converse` and `/converse-stream`, which have the same.
pub fn write(request: &ir::Request, recipient: &Recipient<'_>, losses: &mut Losses) -> Bytes {
    let ir::Request {
        model,
        // It stands in the URL.
        stream: _,
        messages,
        tools,
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
    let family = Family::of(model, facts);

    let asked = tools::Asked { tools, choice: tool_choice.as_ref(), parallel: *parallel_tool_calls, messages };
    let is_prefilled = facts.has_prefill && messages.last().is_some_and(|last| last.role == ir::Role::Assistant);
    let occasion = Occasion {
        max_tokens: facts.limit(*max_tokens),
        has_forced_tool: asked.is_forced(),
        lacks_signed_turn: is_prefilled || lacks_signed_turn(messages),
    };
    let mut thought = think(thinking.as_ref(), family, facts, occasion, losses);
    let knobs = Knobs { temperature: temperature.as_ref(), top_p: top_p.as_ref(), top_k: top_k.as_ref(), stop };
    let inference = infer(knobs, &mut thought, family, facts, losses);
    let mut schemas = Schemas::of(family, facts);
    let (output_config, instruction) = shape(format.as_ref(), &mut schemas, losses);
    let mut cache = CacheMarks::new();
    let (tool_config, one_tool) = config(asked, thought.thinks, family, facts, &mut cache, &mut schemas, losses);
    thought.additional.tool_choice = one_tool;

    let mut history = History::new(family, facts, &mut cache, losses);
    messages.iter().for_each(|message| history.add(message));
    let (mut system, messages) = history.finish();
    system.extend(instruction.map(|text| Block::Text(Cow::Owned(text))));

    let is_set = |number: &Option<Number>| number.as_ref().is_some_and(|number| number.as_f64() != Some(0.0));
    let lost = [
        (max_tool_calls.is_some(), Feature::MaxToolCalls),
        (is_set(frequency_penalty), Feature::FrequencyPenalty),
        (is_set(presence_penalty), Feature::PresencePenalty),
        (seed.is_some(), Feature::Seed),
        (n.is_some_and(|n| n != 1), Feature::N),
        (logprobs.is_some(), Feature::Logprobs),
        (logit_bias.is_some(), Feature::LogitBias),
        (verbosity.is_some(), Feature::Verbosity),
        (metadata.as_ref().is_some_and(|metadata| !is_taken(metadata)), Feature::Metadata),
        (user.is_some(), Feature::User),
        (cache_key.is_some(), Feature::CacheKey),
        (cache_retention.is_some(), Feature::CacheRetention),
        (modalities.iter().any(|modality| modality != "text"), Feature::Modalities),
        (audio.is_some(), Feature::AudioOutput),
        (prediction.is_some(), Feature::Prediction),
        (*store == Some(true), Feature::Store),
        (safety.is_some(), Feature::Safety),
    ];
    lost.into_iter().filter(|(is_lost, _)| *is_lost).for_each(|(_, feature)| losses.note(feature));
    losses.unknown(unknown);

    wire::write(&outgoing::Request {
        messages,
        system,
        inference_config: (inference != InferenceConfig::default()).then_some(inference),
        tool_config,
        additional_model_request_fields: (thought.additional != Additional::default()).then_some(thought.additional),
        additional_model_response_field_paths: family.answer_paths(),
        request_metadata: metadata.as_deref().filter(|_| metadata.as_ref().is_some_and(is_taken)),
        service_tier: tier(service_tier.as_deref(), losses).map(|kind| Typed { kind }),
        output_config,
    })
}

fn tier<'a>(tier: Option<&'a str>, losses: &mut Losses) -> Option<&'a str> {
    match tier? {
        "auto" => None,
        "standard_only" => Some("default"),
        tier if TIERS.contains(&tier) => Some(tier),
        _ => {
            losses.note(Feature::ServiceTier);
            None
        }
    }
}

/// The shape of the answer, as the API knows it or, aloud, in words.
fn shape<'a>(
    format: Option<&'a Format>,
    schemas: &mut Schemas,
    losses: &mut Losses,
) -> (Option<OutputConfig<'a>>, Option<String>) {
    match format {
        None | Some(Format::Text) => (None, None),
        Some(Format::JsonObject) => {
            losses.note(Feature::JsonObject);
            (None, Some("Answer with one JSON object and nothing else.".to_owned()))
        }
        Some(Format::JsonSchema { name, description, schema, strict: _ }) => {
            let Some(taken) = schemas.taken(Cow::Borrowed(schema)) else {
                losses.note(Feature::JsonSchema);
                let words = "Answer with one JSON value that fits this JSON schema, and nothing else:";
                return (None, Some(format!("{words}\n{schema}")));
            };
            let schema = match taken {
                Cow::Borrowed(schema) => Cow::Borrowed(schema.get()),
                Cow::Owned(schema) => Cow::Owned(schema.get().to_owned()),
            };
            let structure =
                Structure::JsonSchema { name: name.as_deref(), description: description.as_deref(), schema };
            (Some(OutputConfig { text_format: TextFormat { kind: "json_schema", structure } }), None)
        }
    }
}

/// Whether Amazon takes this as `requestMetadata`: up to 16 texts of a small alphabet.
fn is_taken(metadata: &Json) -> bool {
    use std::collections::HashMap;

    #[derive(Deserialize)]
    struct Pairs<'a>(#[serde(borrow)] HashMap<Cow<'a, str>, Cow<'a, str>>);

    let is_good = |text: &str| {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || ":_@$#=/+,-.".contains(c);
        text.len() <= 256 && text.chars().all(is_allowed)
    };
    let Ok(Pairs(pairs)) = serde_json::from_str(metadata.get()) else { return false };
    let fits = |(key, value): (&Cow<'_, str>, &Cow<'_, str>)| !key.is_empty() && is_good(key) && is_good(value);
    (1..=16).contains(&pairs.len()) && pairs.iter().all(fits)
}
