//! From a body to a request in canonical form.

use std::collections::BTreeMap;

use super::tools::Offered;
use super::wire::Body;
use super::{items, settings, tools, wire as shape};
use crate::dialects::ir::{Json, Logprobs, Message, Part, Request, Role, Text, Unknown};
use crate::dialects::wire::{self, TextOr};
use crate::dialects::{Asked, Reply};
use crate::error::Refusal;

/// Reads a request (`POST /v1/responses`). What refers to the past by an id must have been put into `input` before.
pub fn read(body: &[u8]) -> Result<Asked, Refusal> {
    let (body, mut unknown) = wire::read_request::<Body>(body)?;
    refuse_what_lives_elsewhere(&body)?;
    let (mut messages, mut more_tools) = (Vec::new(), Vec::new());
    if let Some(instructions) = body.instructions.filter(|text| !text.is_empty()) {
        messages.push(said(Role::System, instructions));
    }
    match body.input {
        None => return Err(Refusal::invalid("`input` is missing: a text, or a list of items.").param("input")),
        Some(TextOr::Text(text)) => messages.push(said(Role::User, text)),
        Some(TextOr::List(list)) => {
            let (turns, more) = items::read(&list, &mut unknown)?;
            messages.extend(turns);
            more_tools = more;
        }
    }
    let format = settings::format(body.text.as_deref(), &mut unknown)?;
    let mut offered = body.tools.unwrap_or_default();
    offered.append(&mut more_tools);
    let Offered { tools, namespaces, searches: searches_tools } = tools::read(&offered, &mut unknown)?;
    let tool_choice = tools::read_choice(body.tool_choice.as_deref(), &tools, &mut unknown)?;
    let thinking = settings::thinking(body.reasoning.as_deref(), &mut unknown)?;
    let logprobs = logprobs(body.include.as_deref(), body.top_logprobs.map(|top| top.0), &mut unknown);
    let mut only_ours = |name: &str, is_set: bool| {
        if is_set {
            unknown.push(Unknown { path: name.to_owned() });
        }
    };
    only_ours("truncation", body.truncation.is_some_and(|truncation| truncation != "disabled"));
    only_ours("context_management", body.context_management.is_some());
    only_ours("moderation", body.moderation.is_some());
    only_ours("access_programs", body.access_programs.is_some());
    only_ours("image", body.image.is_some());
    let model = body.model.unwrap_or_default();
    let request = Request {
        model: model.clone(),
        stream: body.stream.unwrap_or_default(),
        messages,
        tools,
        tool_choice,
        parallel_tool_calls: body.parallel_tool_calls,
        max_tool_calls: body.max_tool_calls.map(|number| number.0),
        max_tokens: body.max_output_tokens.map(|number| number.0),
        temperature: body.temperature,
        top_p: body.top_p,
        logprobs,
        format: format.format,
        thinking,
        verbosity: format.verbosity,
        metadata: body.metadata,
        user: body.safety_identifier.or(body.user),
        service_tier: body.service_tier,
        cache_key: body.prompt_cache_key,
        cache_retention: body.prompt_cache_options.or(body.prompt_cache_retention),
        store: body.store,
        unknown,
        ..Request::default()
    };
    Ok(Asked { request, reply: Reply { model, namespaces, searches_tools, ..Reply::default() } })
}

/// The items of a request's `input`, as they were sent but for an `id` where there was none: a text is one message of the user.
///
/// # Errors
/// If the body has no `input`, or it is neither a text nor a list of objects.
pub fn input_items(body: &[u8]) -> Result<Vec<Json>, Refusal> {
    #[derive(serde::Deserialize)]
    struct Input {
        input: Option<TextOr<Json>>,
    }
    let list = match wire::read_request::<Input>(body)?.0.input {
        None => return Err(Refusal::invalid("`input` is missing: a text, or a list of items.").param("input")),
        Some(TextOr::List(list)) => list,
        Some(TextOr::Text(text)) => {
            let content = [serde_json::json!({"type": "input_text", "text": text})];
            let item = serde_json::json!({"type": "message", "role": "user", "content": content});
            vec![serde_json::value::to_raw_value(&item).map_err(|why| Refusal::invalid(why.to_string()))?]
        }
    };
    list.into_iter().enumerate().map(|(index, item)| with_id(item, index)).collect()
}

fn with_id(item: Json, index: usize) -> Result<Json, Refusal> {
    let members = serde_json::from_str::<BTreeMap<String, Json>>(item.get());
    let mut members = members.map_err(|why| Refusal::invalid(format!("`input[{index}]` does not fit: {why}.")))?;
    if members.get("id").is_some_and(|id| id.get() != "null") {
        return Ok(item);
    }
    let kind = shape::kind(&item);
    let prefix = items::id_prefix(kind.as_deref().unwrap_or("message"));
    let written = |value: &str| serde_json::value::to_raw_value(value).map_err(|why| Refusal::invalid(why.to_string()));
    members.insert("id".to_owned(), written(&format!("{prefix}{:032x}", fastrand::u128(..)))?);
    if kind.is_none() {
        members.insert("type".to_owned(), written("message")?);
    }
    serde_json::value::to_raw_value(&members).map_err(|why| Refusal::invalid(why.to_string()))
}

fn refuse_what_lives_elsewhere(body: &Body) -> Result<(), Refusal> {
    let refuse =
        |param: &'static str, message: &str| Err(Refusal::invalid(message).param(param).code("unsupported_parameter"));
    if body.background == Some(true) || body.background_options.is_some() {
        return refuse("background", "`background` is not possible with this model: ask without it, or with `stream`.");
    }
    if let Some(previous) = &body.previous_response_id {
        let message = format!("There is no response {previous} here: send the whole conversation in `input`.");
        return Err(Refusal::invalid(message).param("previous_response_id").code("previous_response_not_found"));
    }
    if body.conversation.is_some() {
        let message = "`conversation` needs the stored conversation, which is not at hand: send all of it in `input`.";
        return refuse("conversation", message);
    }
    if body.prompt.is_some() {
        let message =
            "`prompt` names a template that lives at OpenAI: send its text in `instructions` and `input` instead.";
        return refuse("prompt", message);
    }
    Ok(())
}

fn said(role: Role, text: String) -> Message {
    Message { role, parts: vec![Part::Text(Text { text, ..Text::default() })], name: None }
}

/// Log probabilities are asked for by `include`. What else it names belongs to server tools, but for what every answer has anyway.
fn logprobs(include: Option<&[String]>, top: Option<u64>, unknown: &mut Vec<Unknown>) -> Option<Logprobs> {
    let mut is_included = false;
    for (index, name) in include.unwrap_or_default().iter().enumerate() {
        match name.as_str() {
            "message.output_text.logprobs" => is_included = true,
            "reasoning.encrypted_content" | "message.input_image.image_url" => {}
            _ => unknown.push(Unknown { path: format!("include[{index}]") }),
        }
    }
    let top = top.and_then(|top| u32::try_from(top).ok()).filter(|top| *top > 0);
    (is_included || top.is_some()).then_some(Logprobs { top })
}
