//! Whole answers, written to clients.

use bytes::Bytes;
use serde::Serialize;

use super::calls::invented_id;
use super::shown::{ExtraContent, ShownAnnotation, ShownImage, tier};
use crate::dialects::Reply;
use crate::dialects::ir::{self, CallKind, Json, MediaKind, Part, Response, Source, ToolCall};
use crate::dialects::openai_chat::details::Detail;
use crate::dialects::openai_chat::finish;
use crate::dialects::openai_chat::usage::Written;
use crate::dialects::wire;

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Written>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_fingerprint: Option<&'a str>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: usize,
    message: Message<'a>,
    logprobs: Option<Logprobs<'a>>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Logprobs<'a> {
    content: Vec<&'a Json>,
    refusal: (),
}

#[derive(Default, Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<String>,
    refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasoning_details: Vec<Detail>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<ShownAnnotation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<ShownImage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio: Option<Audio>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
}

#[derive(Serialize)]
struct Audio {
    id: String,
    data: String,
    expires_at: u64,
    transcript: String,
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<Function<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<Custom<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<ExtraContent>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

#[derive(Serialize)]
struct Custom<'a> {
    name: &'a str,
    input: &'a str,
}

/// How long audio can be referred to, where the provider does not say. In seconds.
const AUDIO_LIFE: u64 = 3600;

pub fn write(response: &Response, reply: &Reply) -> Bytes {
    let start = &response.start;
    let own_id = if start.id.is_none() { format!("chatcmpl-{}", reply.nonce) } else { String::new() };
    wire::write(&Body {
        id: start.id.as_deref().unwrap_or(&own_id),
        object: "chat.completion",
        created: start.created.unwrap_or(reply.created),
        model: start.model.as_deref().unwrap_or(&reply.model),
        choices: response.choices.iter().enumerate().map(|(index, choice)| of_choice(index, choice, reply)).collect(),
        usage: response.usage.as_ref().map(Written::from),
        service_tier: tier(start.service_tier.as_deref()),
        system_fingerprint: start.fingerprint.as_deref(),
    })
}

fn of_choice<'a>(index: usize, choice: &'a ir::Choice, reply: &Reply) -> Choice<'a> {
    let mut message = Message { role: "assistant", ..Message::default() };
    let is_sealed = |part: &Part| matches!(part, Part::Reasoning(reasoning) if reasoning.seal.is_some());
    let has_details = choice.parts.iter().any(is_sealed);
    let mut logprobs = Vec::new();
    for part in &choice.parts {
        match part {
            Part::Text(text) => {
                let before = || message.content.as_ref().map_or(0, |content| content.chars().count() as u64);
                let before = if text.annotations.is_empty() { 0 } else { before() };
                let shown = text.annotations.iter().filter_map(|it| ShownAnnotation::of(it, before, None));
                message.annotations.extend(shown);
                logprobs.extend(&text.logprobs);
                message.content.get_or_insert_default().push_str(&text.text);
            }
            Part::Refusal(text) => message.refusal.get_or_insert_default().push_str(text),
            Part::Reasoning(reasoning) if reply.shows_thoughts => {
                if !reasoning.text.is_empty() {
                    message.reasoning_content.get_or_insert_default().push_str(&reasoning.text);
                }
                // Whoever finds details looks nowhere else: it is all of them or none.
                let index = message.reasoning_details.len() as u64;
                message.reasoning_details.extend(has_details.then(|| Detail::of(reasoning, index)));
            }
            Part::ToolCall(call) => message.tool_calls.push(of_call(call)),
            Part::Media(media) if media.kind == MediaKind::Audio => message.audio = Some(of_audio(media, reply)),
            Part::Media(media) => message.images.extend(ShownImage::of(media, message.images.len() as u64)),
            // Of these nothing can be shown.
            Part::Reasoning(_) | Part::Opaque(_) | Part::ToolResult(_) | Part::CachePoint(_) => {}
        }
    }
    let says_something = !message.tool_calls.is_empty() || message.refusal.is_some() || message.audio.is_some();
    if message.content.is_none() && !says_something {
        message.content = Some(String::new());
    }
    if message.refusal.is_none() {
        message.refusal = choice.finish.explanation.clone();
    }
    Choice {
        index,
        message,
        logprobs: (!logprobs.is_empty()).then_some(Logprobs { content: logprobs, refusal: () }),
        finish_reason: finish::name(choice.finish.reason),
    }
}

fn of_call(call: &ToolCall) -> Call<'_> {
    let ToolCall { id, name, kind, arguments, seal } = call;
    let extra_content = seal.as_ref().map(ExtraContent::of);
    match kind {
        CallKind::Function => {
            let arguments = if arguments.is_empty() { "{}" } else { arguments };
            Call { id, kind: "function", function: Some(Function { name, arguments }), custom: None, extra_content }
        }
        CallKind::Custom => {
            Call { id, kind: "custom", function: None, custom: Some(Custom { name, input: arguments }), extra_content }
        }
    }
}

fn of_audio(media: &ir::Media, reply: &Reply) -> Audio {
    Audio {
        id: media.id.clone().unwrap_or_else(invented_id),
        data: match &media.source {
            Source::Base64(data) => data.clone(),
            Source::Url(_) | Source::FileId(_) | Source::Text(_) => String::new(),
        },
        expires_at: reply.created + AUDIO_LIFE,
        transcript: media.transcript.clone().unwrap_or_default(),
    }
}
