//! From the canonical form to what a provider takes.

mod body;
mod content;
mod messages;
mod thinking;
mod tools;

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::Number;

use crate::dialects::ir::{Effort, Feature, Format, Json, Losses, Message, Request};
use crate::dialects::{Recipient, openai_rules, wire};
use crate::error::Refusal;
use crate::models::{Sampling, ThinkingStyle};
use body::{AudioOut, Body, JsonSchema, ResponseFormat, StreamOptions};

/// Whom the request is written to, and what is lost on the way.
struct Writer<'a> {
    recipient: Recipient<'a>,
    losses: &'a mut Losses,
}

pub fn write(request: &Request, recipient: &Recipient<'_>, losses: &mut Losses) -> Result<Bytes, Refusal> {
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
    let mut writer = Writer { recipient: *recipient, losses };
    writer.losses.unknown(unknown);
    let meant = thinking.and_then(|thinking| thinking.meant());
    let samples = writer.samples(meant);
    let has_penalties = samples && recipient.facts.has_stops;
    let (tools, search) = writer.tools(tools, tool_choice.as_ref(), model);
    let has_tools = !tools.is_empty();
    let most = recipient.facts.limit(*max_tokens);
    let (max_tokens, max_completion_tokens) = if writer.limits_completions() { (None, most) } else { (most, None) };
    let is_off = meant == Some(Effort::None);
    let mut written = writer.messages(messages, is_off);
    let body = Body {
        response_format: writer.format(format.as_ref(), messages, &mut written),
        model,
        messages: written,
        stream: *stream,
        stream_options: stream.then_some(StreamOptions { include_usage: true }),
        tool_choice: writer.tool_choice(tool_choice.as_ref(), has_tools, &request.tools, meant),
        tools,
        // Without tools it is an error to speak of them.
        parallel_tool_calls: parallel_tool_calls.filter(|_| has_tools),
        max_tokens,
        max_completion_tokens,
        temperature: writer.sampled(temperature.as_ref(), 1.0, samples, Feature::Temperature),
        top_p: writer.sampled(top_p.as_ref(), 1.0, samples, Feature::TopP),
        top_k: {
            let known = samples && recipient.habits.has_top_k;
            writer.if_can(known, top_k.as_ref(), Feature::TopK)
        },
        frequency_penalty: writer.sampled(frequency_penalty.as_ref(), 0.0, has_penalties, Feature::FrequencyPenalty),
        presence_penalty: writer.sampled(presence_penalty.as_ref(), 0.0, has_penalties, Feature::PresencePenalty),
        stop: {
            // OpenAI's models cannot be stopped while they reason.
            let reasons = matches!(recipient.facts.thinking, ThinkingStyle::Efforts(_));
            let can_stop = recipient.facts.has_stops && (samples || !reasons);
            let first = recipient.habits.most_stops.and_then(|most| Some((most, stop.get(..most)?)));
            let taken = match first {
                Some((most, first)) if first.len() < stop.len() && can_stop => {
                    writer.losses.note_named(Feature::Stop, &format!("stop (beyond {most})"));
                    first
                }
                _ => stop.as_slice(),
            };
            writer.if_can(can_stop, (!taken.is_empty()).then_some(taken), Feature::Stop)
        },
        seed: *seed,
        n: n.filter(|n| *n != 1),
        logprobs: writer.if_can(samples, logprobs.map(|_| true), Feature::Logprobs),
        top_logprobs: logprobs.and_then(|logprobs| logprobs.top).filter(|_| samples),
        logit_bias: writer.if_can(samples, logit_bias.as_ref(), Feature::LogitBias),
        thinking: writer.thinking(thinking.as_ref(), *stream),
        reasoning_split: recipient.habits.splits_reasoning.then_some(true),
        tool_stream: (*stream && has_tools && recipient.habits.streams_calls_if_told).then_some(true),
        verbosity: writer.of_openai(verbosity.as_deref(), Feature::Verbosity),
        metadata: writer.of_openai(metadata.as_ref(), Feature::Metadata),
        user: user.as_deref().map(openai_rules::user),
        service_tier: {
            // What stands for "as usual" need not be said.
            let tier = service_tier.as_deref().filter(|tier| !matches!(*tier, "auto" | "default" | "standard_only"));
            writer.of_openai(tier, Feature::ServiceTier)
        },
        prompt_cache_key: writer.of_openai(cache_key.as_deref(), Feature::CacheKey),
        prompt_cache_retention: {
            // Two members share this place; only the older one is a text.
            let retention = cache_retention.as_ref().filter(|it| it.get().starts_with('"'));
            writer.of_openai(retention, Feature::CacheRetention)
        },
        prompt_cache_options: {
            let options = cache_retention.as_ref().filter(|it| it.get().starts_with('{'));
            writer.of_openai(options, Feature::CacheRetention)
        },
        modalities: {
            let is_usual = modalities.iter().all(|modality| modality == "text");
            let can_be_had = recipient.habits.draws || modalities.iter().all(|modality| modality != "image");
            writer.if_can(can_be_had, (!is_usual).then_some(modalities), Feature::Modalities)
        },
        audio: audio.as_ref().map(|audio| AudioOut { voice: audio.voice.as_ref(), format: audio.format.as_deref() }),
        prediction: writer.of_openai(prediction.as_ref(), Feature::Prediction),
        // It is not kept unless that is asked for.
        store: writer.of_openai(store.filter(|store| *store), Feature::Store),
        web_search_options: search,
    };
    writer.if_can(false, max_tool_calls.as_ref(), Feature::MaxToolCalls);
    writer.if_can(false, safety.as_ref(), Feature::Safety);
    Ok(wire::write(&body))
}

impl<'a> Writer<'a> {
    /// The value if it can be carried; else it is lost.
    fn if_can<T>(&mut self, can: bool, value: Option<T>, feature: Feature) -> Option<T> {
        if value.is_some() && !can {
            self.losses.note(feature);
        }
        value.filter(|_| can)
    }

    /// What only OpenAI understands.
    fn of_openai<T>(&mut self, value: Option<T>, feature: Feature) -> Option<T> {
        self.if_can(self.recipient.habits.has_openai_members, value, feature)
    }

    /// Whether the model takes settings for its sampling.
    fn samples(&self, effort: Option<Effort>) -> bool {
        match self.recipient.facts.sampling {
            Sampling::Accepted => true,
            Sampling::Rejected => false,
            Sampling::WithoutThinking => effort == Some(Effort::None),
        }
    }

    /// A setting of the sampling. One that says what holds anyway is not lost when it is left out.
    fn sampled<'v>(
        &mut self,
        value: Option<&'v Number>,
        usual: f64,
        samples: bool,
        feature: Feature,
    ) -> Option<&'v Number> {
        let value = value.filter(|value| samples || value.as_f64() != Some(usual));
        self.if_can(samples, value, feature)
    }

    /// Whether it shall be strict. What leaves something open cannot be.
    fn strict(&mut self, wanted: Option<bool>, schema: &Json, name: &str) -> Option<bool> {
        if wanted == Some(true) && !openai_rules::is_closed(schema) {
            self.losses.note_named(Feature::Strict, name);
            return Some(false);
        }
        wanted
    }

    /// Whether the answer's limit is called `max_completion_tokens`. OpenAI takes that for all of its models.
    fn limits_completions(&self) -> bool {
        match self.recipient.habits.max_tokens {
            Some(name) => name == "max_completion_tokens",
            None => {
                let reasons = matches!(self.recipient.facts.thinking, ThinkingStyle::Efforts(_));
                reasons || self.recipient.habits.has_openai_members
            }
        }
    }

    fn format<'v>(
        &mut self,
        format: Option<&'v Format>,
        said: &[Message],
        messages: &mut Vec<body::Message<'v>>,
    ) -> Option<ResponseFormat<'v>> {
        let mut ask = |words: Cow<'static, str>| {
            let leading = messages.iter().take_while(|message| message.is_instruction()).count();
            messages.insert(leading, body::Message::instruction(words));
        };
        let json_object = Some(ResponseFormat { kind: "json_object", json_schema: None });
        match format? {
            Format::Text => None,
            Format::JsonObject => {
                if !openai_rules::mentions_json(said) {
                    ask(openai_rules::IN_JSON.into());
                }
                json_object
            }
            Format::JsonSchema { schema, .. }
                if self.recipient.habits.has_openai_members && openai_rules::has_other_root(schema) =>
            {
                self.losses.note(Feature::JsonSchema);
                ask(openai_rules::in_words(schema).into());
                None
            }
            Format::JsonSchema { name, description, schema, strict } if self.recipient.facts.has_json_schema => {
                let name = name.as_deref().unwrap_or("answer");
                let strict = self.strict(*strict, schema, "response_format.strict");
                let json_schema = JsonSchema { name, description: description.as_deref(), schema, strict };
                Some(ResponseFormat { kind: "json_schema", json_schema: Some(json_schema) })
            }
            Format::JsonSchema { schema, .. } => {
                // The model is asked to keep to it; nothing makes it.
                self.losses.note(Feature::JsonSchema);
                ask(openai_rules::in_words(schema).into());
                json_object.filter(|_| !openai_rules::has_other_root(schema))
            }
        }
    }
}
