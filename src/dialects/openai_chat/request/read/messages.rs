//! Messages and their roles.

use super::{cache_mark, note, parts, wire};
use crate::dialects::Dialect;
use crate::dialects::ir::{
    CacheMark, CallKind, Media, MediaKind, Message, Part, Reasoning, Role, Seal, Source, ToolCall, ToolResult, Unknown,
};
use crate::dialects::openai_chat::details::Detail;
use crate::error::Refusal;
use parts::text_part;

pub fn read(messages: Vec<wire::Message>, unknown: &mut Vec<Unknown>) -> Result<Vec<Message>, Refusal> {
    let mut read: Vec<Message> = Vec::with_capacity(messages.len());
    for (at, message) in messages.into_iter().enumerate() {
        let role = match message.role.as_deref() {
            Some("system") => Role::System,
            Some("developer") => Role::Developer,
            Some("user") => Role::User,
            Some("assistant") => Role::Assistant,
            Some("tool" | "function") => Role::Tool,
            Some(other) => return Err(refusal(at, ".role", &format!("is `{other}`, which is not known"))),
            None => return Err(refusal(at, ".role", "is missing")),
        };
        match role {
            Role::Assistant => read.push(assistant(message, at)?),
            Role::Tool => {
                let result = tool_result(message, at, &read)?;
                match read.last_mut().filter(|last| last.role == Role::Tool) {
                    Some(turn) => turn.parts.push(result),
                    None => read.push(Message { role, parts: vec![result], name: None }),
                }
            }
            Role::System | Role::Developer | Role::User => read.push(plain(message, role, at, unknown)?),
        }
    }
    Ok(read)
}

fn plain(message: wire::Message, role: Role, at: usize, unknown: &mut Vec<Unknown>) -> Result<Message, Refusal> {
    let wire::Message { role: _, content, name, cache_control, tool_calls, reasoning_content, .. } = message;
    if tool_calls.is_some_and(|calls| !calls.is_empty()) {
        note(unknown, format!("messages[{at}].tool_calls"));
    }
    if reasoning_content.is_some() {
        note(unknown, format!("messages[{at}].reasoning_content"));
    }
    let mut parts = parts::read(content, at)?;
    parts.extend(cache_control.map(|mark| Part::CachePoint(cache_mark(mark))));
    Ok(Message { role, parts, name })
}

fn assistant(message: wire::Message, at: usize) -> Result<Message, Refusal> {
    let wire::Message {
        role: _,
        content,
        name,
        refusal: declined,
        tool_calls,
        function_call,
        tool_call_id: _,
        audio,
        reasoning_content,
        reasoning,
        reasoning_details,
        images,
        cache_control,
        prefix: _,
        annotations: _,
    } = message;
    let mut parts = Vec::new();
    match reasoning_details.filter(|details| !details.is_empty()) {
        Some(details) => parts.extend(details.into_iter().map(Detail::into_reasoning).map(Part::Reasoning)),
        None => {
            let text = reasoning_content.or(reasoning).filter(|text| !text.is_empty());
            parts.extend(text.map(|text| Part::Reasoning(Reasoning { text, ..Reasoning::default() })));
        }
    }
    let content = parts::read(content, at)?;
    // An empty text is how clients spell "only calls".
    parts.extend(content.into_iter().filter(|part| !matches!(part, Part::Text(text) if text.text.is_empty())));
    parts.extend(declined.filter(|text| !text.is_empty()).map(Part::Refusal));
    if let Some(id) = audio.as_ref().and_then(|audio| audio.id.clone()) {
        parts.push(Part::Media(Media {
            kind: MediaKind::Audio,
            mime: None,
            source: Source::FileId(id.clone()),
            name: None,
            detail: None,
            transcript: audio.and_then(|audio| audio.transcript),
            id: Some(id),
        }));
    }
    for image in images.into_iter().flatten() {
        let url = match image.image_url {
            Some(wire::TextOrObject::Text(url)) => Some(url),
            Some(wire::TextOrObject::Object(image)) => image.url,
            None => None,
        };
        let url = url.ok_or_else(|| refusal(at, ".images", "has one without an `image_url.url`"))?;
        parts.push(Part::Media(parts::of_url(MediaKind::Image, url)));
    }
    for (number, call) in tool_calls.into_iter().flatten().enumerate() {
        let place = |member: &str| refusal(at, &format!(".tool_calls[{number}]{member}"), "is missing");
        let id = call.id.filter(|id| !id.is_empty()).ok_or_else(|| place(".id"))?;
        let kind = if call.custom.is_some() { CallKind::Custom } else { CallKind::Function };
        let wire::FunctionCall { name, arguments, input } =
            call.custom.or(call.function).ok_or_else(|| place(".function"))?;
        let name = name.filter(|name| !name.is_empty()).ok_or_else(|| place(".function.name"))?;
        let seal = call.extra_content.and_then(|extra| extra.google).and_then(|google| google.thought_signature);
        let seal = seal.map(|value| Seal::carried_by(Dialect::Gemini, &value));
        let arguments = input.or(arguments).unwrap_or_default();
        parts.push(Part::ToolCall(ToolCall { id, name, kind, arguments, seal }));
        parts.extend(call.cache_control.map(|mark| Part::CachePoint(cache_mark(mark))));
    }
    if let Some(wire::FunctionCall { name, arguments, .. }) = function_call {
        let name = name.ok_or_else(|| refusal(at, ".function_call.name", "is missing"))?;
        let arguments = arguments.unwrap_or_default();
        let (kind, seal) = (CallKind::Function, None);
        parts.push(Part::ToolCall(ToolCall { id: legacy_id(at), name, kind, arguments, seal }));
    }
    parts.extend(cache_control.map(|mark| Part::CachePoint(cache_mark(mark))));
    Ok(Message { role: Role::Assistant, parts, name })
}

fn tool_result(message: wire::Message, at: usize, before: &[Message]) -> Result<Part, Refusal> {
    let wire::Message { role, content, name, tool_call_id, cache_control, .. } = message;
    let name_of = name.as_deref().filter(|_| role.as_deref() == Some("function"));
    let call_id = match tool_call_id.filter(|id| !id.is_empty()) {
        Some(id) => id,
        None => open_call(before, name_of).ok_or_else(|| refusal(at, ".tool_call_id", "is missing"))?,
    };
    let mut content = parts::read(content, at)?;
    content.retain(|part| !matches!(part, Part::Text(text) if text.text.is_empty()));
    for part in &mut content {
        if let Part::Refusal(text) = part {
            *part = text_part(std::mem::take(text));
        }
    }
    content.extend(cache_control.map(|mark| Part::CachePoint(cache_mark(mark))));
    Ok(Part::ToolResult(ToolResult { call_id, name, kind: CallKind::Function, content, is_error: false }))
}

/// Marks all that was said so far.
pub fn mark_last(messages: &mut [Message], mark: CacheMark) {
    let Some(last) = messages.last_mut() else { return };
    match last.parts.last_mut() {
        Some(Part::ToolResult(result)) => result.content.push(Part::CachePoint(mark)),
        _ => last.parts.push(Part::CachePoint(mark)),
    }
}

/// OpenAI's first function calls had no ids.
fn legacy_id(message: usize) -> String {
    format!("call_function_{message}")
}

/// The first call without a result, for results that do not say what they are the result of.
fn open_call(before: &[Message], name: Option<&str>) -> Option<String> {
    let last = before.iter().rposition(|message| message.role == Role::Assistant)?;
    let (calls, results) = before.get(last..)?.split_first()?;
    let is_answered = |id: &str| {
        let mut parts = results.iter().flat_map(|message| &message.parts);
        parts.any(|part| matches!(part, Part::ToolResult(result) if result.call_id == id))
    };
    calls.parts.iter().find_map(|part| match part {
        Part::ToolCall(call) if name.is_none_or(|name| name == call.name) && !is_answered(&call.id) => {
            Some(call.id.clone())
        }
        _ => None,
    })
}

fn refusal(message: usize, member: &str, why: &str) -> Refusal {
    Refusal::invalid(format!("`messages[{message}]{member}` {why}.")).param("messages")
}
