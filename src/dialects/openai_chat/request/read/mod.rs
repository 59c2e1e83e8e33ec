//! From a client's request to the canonical form.

mod messages;
mod parts;
mod thinking;
mod tools;

use serde_json::Number;

use super::wire;
use crate::dialects::ir::{AudioOut, CacheMark, Format, Logprobs, Request, Shown, Unknown};
use crate::dialects::wire::{TextOr, read_request};
use crate::dialects::{Asked, Reply};
use crate::error::Refusal;

pub fn read(body: &[u8]) -> Result<Asked, Refusal> {
    let (asked, mut unknown) = read_request::<wire::Request>(body)?;
    let wire::Request {
        model,
        messages,
        stream,
        stream_options,
        tools,
        tool_choice,
        parallel_tool_calls,
        functions,
        function_call,
        max_tokens,
        max_completion_tokens,
        temperature,
        top_p,
        top_k,
        frequency_penalty,
        presence_penalty,
        stop,
        seed,
        random_seed,
        n,
        logprobs,
        top_logprobs,
        logit_bias,
        response_format,
        reasoning_effort,
        reasoning,
        thinking,
        enable_thinking,
        thinking_budget,
        reasoning_format,
        include_reasoning,
        verbosity,
        metadata,
        user,
        safety_identifier,
        service_tier,
        prompt_cache_key,
        prompt_cache_retention,
        prompt_cache_options,
        cache_control,
        modalities,
        audio,
        prediction,
        store,
        web_search_options,
        usage: _,
    } = asked;
    let messages = messages.ok_or_else(|| Refusal::invalid("`messages` is missing.").param("messages"))?;
    let mut messages = messages::read(messages, &mut unknown)?;
    if let Some(mark) = cache_control {
        messages::mark_last(&mut messages, cache_mark(mark));
    }
    let thinking = thinking::read(thinking::Said {
        reasoning_effort,
        reasoning,
        thinking,
        enable_thinking,
        thinking_budget,
        is_hidden: reasoning_format.as_deref() == Some("hidden") || include_reasoning == Some(false),
    })?;
    let reply = Reply {
        counts_stream: stream_options.and_then(|options| options.include_usage).unwrap_or(false),
        shows_thoughts: thinking.is_none_or(|thinking| thinking.shown != Shown::Hidden),
        ..Reply::default()
    };
    let request = Request {
        // Azure's clients have it in the URL; the others were asked for it when they came.
        model: model.unwrap_or_default(),
        stream: stream.unwrap_or(false),
        messages,
        tools: tools::read(tools.unwrap_or_default(), functions.unwrap_or_default(), web_search_options, body)?,
        tool_choice: tools::read_choice(tool_choice, function_call)?,
        parallel_tool_calls,
        max_tool_calls: None,
        max_tokens: match whole("max_completion_tokens", max_completion_tokens)? {
            Some(most) => Some(most),
            None => whole("max_tokens", max_tokens)?,
        },
        temperature,
        top_p,
        top_k,
        frequency_penalty,
        presence_penalty,
        stop: match stop {
            Some(TextOr::Text(stop)) => vec![stop],
            Some(TextOr::List(stop)) => stop,
            None => Vec::new(),
        },
        seed: signed("seed", seed.or(random_seed))?,
        n: small("n", n)?,
        logprobs: match (logprobs, small("top_logprobs", top_logprobs)?) {
            (Some(true), top) => Some(Logprobs { top }),
            (_, None | Some(0)) => None,
            (_, Some(_)) => {
                let why = "`top_logprobs` is set, but `logprobs` is not true.";
                return Err(Refusal::invalid(why).param("top_logprobs"));
            }
        },
        logit_bias: logit_bias.filter(|bias| bias.get() != "{}"),
        format: response_format.map(format).transpose()?,
        thinking,
        verbosity,
        metadata: metadata.filter(|metadata| metadata.get() != "{}"),
        user: user.or(safety_identifier),
        service_tier,
        cache_key: prompt_cache_key,
        cache_retention: prompt_cache_retention.or(prompt_cache_options),
        modalities: modalities.unwrap_or_default(),
        audio: audio.map(|wire::AudioOut { voice, format }| AudioOut { voice, format }),
        prediction,
        store,
        safety: None,
        unknown,
    };
    Ok(Asked { request, reply })
}

fn format(format: wire::ResponseFormat) -> Result<Format, Refusal> {
    let wrong = |why: String| Err(Refusal::invalid(why).param("response_format"));
    match (format.kind.as_deref(), format.json_schema) {
        (Some("text"), _) => Ok(Format::Text),
        (Some("json_object"), _) => Ok(Format::JsonObject),
        (Some("json_schema"), Some(wire::JsonSchema { name, description, schema: Some(schema), strict })) => {
            Ok(Format::JsonSchema { name, description, schema, strict })
        }
        (Some("json_schema"), _) => wrong("`response_format.json_schema.schema` is missing.".to_owned()),
        (kind, _) => wrong(format!(
            "`response_format.type` is {}; it must be `text`, `json_object` or `json_schema`.",
            kind.map_or("missing".to_owned(), |kind| format!("`{kind}`"))
        )),
    }
}

fn cache_mark(mark: wire::CacheControl) -> CacheMark {
    CacheMark { ttl: mark.ttl }
}

fn note(unknown: &mut Vec<Unknown>, path: String) {
    unknown.push(Unknown { path });
}

/// A whole number, however it is spelled.
fn whole(name: &'static str, number: Option<Number>) -> Result<Option<u64>, Refusal> {
    let Some(signed) = signed(name, number)? else { return Ok(None) };
    u64::try_from(signed).map(Some).map_err(|_| not_whole(name, "no less than 0"))
}

fn small(name: &'static str, number: Option<Number>) -> Result<Option<u32>, Refusal> {
    let Some(signed) = signed(name, number)? else { return Ok(None) };
    u32::try_from(signed).map(Some).map_err(|_| not_whole(name, "no less than 0, and not that large"))
}

fn signed(name: &'static str, number: Option<Number>) -> Result<Option<i64>, Refusal> {
    let Some(number) = number else { return Ok(None) };
    let of_float = || {
        let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9e15)?;
        #[expect(clippy::cast_possible_truncation, reason = "it was just seen to fit")]
        Some(float as i64)
    };
    number.as_i64().or_else(of_float).map(Some).ok_or_else(|| not_whole(name, "a whole number"))
}

fn not_whole(name: &'static str, what: &str) -> Refusal {
    Refusal::invalid(format!("`{name}` must be {what}.")).param(name)
}
