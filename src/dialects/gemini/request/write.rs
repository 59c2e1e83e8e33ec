//! Canonical form → the body of `generateContent` and `streamGenerateContent`; the model and the wish for a stream go into
//! the URL.

use bytes::Bytes;
use serde::Serialize;

use super::super::parts::{Content, Part};
use super::contents;
use super::generation::GenerationConfig;
use super::tools::{self, OutTool, ToolConfig};
use crate::dialects::ir::{Feature, Json, Losses, Request};
use crate::dialects::{Recipient, wire};
use crate::error::Refusal;
use crate::models::ThinkingStyle;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'a>>,
    contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<OutTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    generation_config: GenerationConfig<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safety_settings: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
}

pub fn write(request: &Request, recipient: &Recipient<'_>, losses: &mut Losses) -> Result<Bytes, Refusal> {
    let Request {
        model: _,
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
    losses.unknown(unknown);
    for (is_set, feature) in [
        (*parallel_tool_calls == Some(false), Feature::ParallelToolCalls),
        (max_tool_calls.is_some(), Feature::MaxToolCalls),
        (logit_bias.is_some(), Feature::LogitBias),
        (verbosity.is_some(), Feature::Verbosity),
        (metadata.is_some(), Feature::Metadata),
        (user.is_some(), Feature::User),
        (cache_key.is_some(), Feature::CacheKey),
        (cache_retention.is_some(), Feature::CacheRetention),
        (prediction.is_some(), Feature::Prediction),
        (*store == Some(true), Feature::Store),
    ] {
        if is_set {
            losses.note(feature);
        }
    }

    let said = contents::write(messages, recipient, losses)?;
    let tools = tools::write(tools, facts, losses);
    let mut generation_config = GenerationConfig {
        max_output_tokens: facts.limit(*max_tokens),
        candidate_count: n.filter(|count| *count > 1),
        seed: *seed,
        ..GenerationConfig::default()
    };
    generation_config.think(thinking, facts.thinking, losses);
    generation_config.sample([temperature, top_p, top_k], [presence_penalty, frequency_penalty], facts, losses);
    generation_config.stop(stop, losses);
    generation_config.logprobs(*logprobs);
    generation_config.speak(modalities, audio, losses);
    // Before Gemini 3, functions and bound answers exclude each other.
    let mixes = matches!(facts.thinking, ThinkingStyle::GeminiLevel { .. } | ThinkingStyle::Unknown);
    let can_bind = facts.has_json_schema && (mixes || !tools.has_functions);
    let asking = generation_config.format(format, can_bind, losses);

    let mut parts: Vec<_> = said.instructions.into_iter().map(|text| Part::text(text).into()).collect();
    parts.extend(asking.map(|words| Part::text(words).into()));
    let mut body = Body {
        system_instruction: None,
        contents: said.contents,
        tool_config: tools.config(tool_choice, facts, losses),
        tools: tools.tools,
        generation_config,
        safety_settings: safety.as_ref(),
        service_tier: tier(service_tier.as_deref(), losses),
    };
    match body.contents.first_mut() {
        Some(first) if !facts.has_system => {
            first.parts.splice(0..0, parts);
        }
        _ if parts.is_empty() => {}
        _ => body.system_instruction = Some(Content { role: None, parts }),
    }
    Ok(wire::write(&body))
}

/// Google's word for it.
fn tier(tier: Option<&str>, losses: &mut Losses) -> Option<&'static str> {
    match tier {
        None | Some("auto") => None,
        Some("default" | "standard") => Some("standard"),
        Some("flex") => Some("flex"),
        Some("priority") => Some("priority"),
        Some(_) => {
            losses.note(Feature::ServiceTier);
            None
        }
    }
}
