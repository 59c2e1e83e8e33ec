//! From a request in canonical form to a body.

use std::borrow::Cow;

use bytes::Bytes;

use super::written::{self, Body, Text};
use super::{history, settings, tools};
use crate::dialects::ir::{Effort, Feature, Format, Losses, Request, ToolChoice};
use crate::dialects::{Recipient, openai_rules, wire};
use crate::models::{Sampling, ThinkingStyle};

/// OpenAI refuses to answer with less.
const LEAST_OUTPUT: u64 = 16;
const SERVICE_TIERS: &[&str] = &["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"];

pub fn write(request: &Request, recipient: &Recipient<'_>, losses: &mut Losses) -> Bytes {
    let Request {
        model,
        stream,
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
    let is_json = matches!(format, Some(Format::JsonObject));
    // Of an answer in JSON `input` must speak, whatever the instructions say.
    let (instructions, turns) = match history::instructions(messages) {
        (_, turns) if is_json && !openai_rules::mentions_json(turns) => (None, messages.as_slice()),
        split => split,
    };
    let written_tools = tools::write(tools, losses);
    let has_tools = !written_tools.is_empty();
    let reasoning = thinking.as_ref().and_then(|thinking| settings::write_thinking(thinking, facts.thinking, losses));
    let is_sampled = match facts.sampling {
        Sampling::Accepted => true,
        Sampling::Rejected => false,
        Sampling::WithoutThinking => thinking.and_then(|thinking| thinking.meant()) == Some(Effort::None),
    };
    let mut include = Vec::new();
    // What is not stored can only be read again if it is in the answer, sealed.
    if matches!(facts.thinking, ThinkingStyle::Efforts(_)) {
        include.push("reasoning.encrypted_content");
    }
    if logprobs.is_some() && is_sampled {
        include.push("message.output_text.logprobs");
    }
    let retention = cache_retention.as_deref();
    let (retention, options) = match retention.is_some_and(|retention| retention.get().starts_with('{')) {
        true => (None, retention),
        false => (retention, None),
    };
    let mut input = history::write(turns, recipient.habits, losses);
    let mut ask = |words: Cow<'static, str>| input.insert(0, written::Item::instruction(words));
    let format = match format.as_ref() {
        Some(Format::JsonSchema { schema, .. }) if !facts.has_json_schema || openai_rules::has_other_root(schema) => {
            losses.note(Feature::JsonSchema);
            ask(openai_rules::in_words(schema).into());
            None
        }
        Some(Format::JsonObject) if !openai_rules::mentions_json(messages) => {
            ask(openai_rules::IN_JSON.into());
            format.as_ref()
        }
        format => format,
    };
    let format = format.map(|format| settings::write_format(format, losses));

    let mut lacks = |feature: Feature, is_set: bool| {
        if is_set {
            losses.note(feature);
        }
    };
    lacks(Feature::TopK, top_k.is_some());
    lacks(Feature::FrequencyPenalty, frequency_penalty.is_some());
    lacks(Feature::PresencePenalty, presence_penalty.is_some());
    lacks(Feature::Stop, !stop.is_empty());
    lacks(Feature::Seed, seed.is_some());
    lacks(Feature::N, n.is_some_and(|n| n > 1));
    lacks(Feature::LogitBias, logit_bias.is_some());
    lacks(Feature::Prediction, prediction.is_some());
    lacks(Feature::Safety, safety.is_some());
    lacks(Feature::AudioOutput, audio.is_some() || modalities.iter().any(|kind| kind == "audio"));
    lacks(Feature::Modalities, modalities.iter().any(|kind| kind != "text" && kind != "audio"));
    lacks(Feature::Temperature, temperature.is_some() && !is_sampled);
    lacks(Feature::TopP, top_p.is_some() && !is_sampled);
    lacks(Feature::Logprobs, logprobs.is_some() && !is_sampled);
    let is_binding = |choice: &ToolChoice| !matches!(choice, ToolChoice::Auto | ToolChoice::None);
    lacks(Feature::ToolChoice, !has_tools && tool_choice.as_ref().is_some_and(is_binding));
    let tier = service_tier.as_deref().filter(|tier| SERVICE_TIERS.contains(tier));
    lacks(Feature::ServiceTier, service_tier.is_some() && tier.is_none());
    losses.unknown(unknown);

    wire::write(&Body {
        model,
        instructions,
        input,
        tool_choice: tool_choice.as_ref().filter(|_| has_tools).map(|choice| tools::write_choice(choice, tools)),
        tools: written_tools,
        parallel_tool_calls: parallel_tool_calls.filter(|_| has_tools),
        max_tool_calls: *max_tool_calls,
        max_output_tokens: facts.limit(*max_tokens).map(|tokens| tokens.max(LEAST_OUTPUT)),
        temperature: temperature.as_ref().filter(|_| is_sampled),
        top_p: top_p.as_ref().filter(|_| is_sampled),
        top_logprobs: logprobs.filter(|_| is_sampled).and_then(|logprobs| logprobs.top),
        reasoning,
        text: (format.is_some() || verbosity.is_some()).then_some(Text { format, verbosity: verbosity.as_deref() }),
        include,
        store: store.unwrap_or(false),
        metadata: metadata.as_deref(),
        user: user.as_deref().map(openai_rules::user),
        service_tier: tier,
        prompt_cache_key: cache_key.as_deref(),
        prompt_cache_options: options,
        prompt_cache_retention: retention,
        stream: *stream,
    })
}
