//! A client's request → the canonical form.

use serde_json::value::RawValue;

use super::blocks::{self, Owner, Parts};
use super::wire::{self, Body, CustomTool, Format, Message, OutputConfig, Thinking, ToolChoice, WebSearch};
use crate::dialects::wire::{TextOr, read_member, read_request};
use crate::dialects::{Asked, Dialect, Reply, ir};
use crate::error::Refusal;
use ir::{CacheMark, Effort, Mode, Opaque, Part, Role, Shown, Tool, Unknown};

pub fn read(body: &[u8]) -> Result<Asked, Refusal> {
    let (body, mut unknown) = read_request::<Body<'_>>(body)?;
    let model = body.model.ok_or_else(|| Refusal::invalid("`model` is missing.").param("model"))?;
    let mut messages = system(body.system, &mut unknown)?;
    let turns = body.messages.unwrap_or_default();
    if turns.is_empty() {
        return Err(Refusal::invalid("`messages` is missing or empty.").param("messages"));
    }
    for (at, turn) in turns.into_iter().enumerate() {
        read_message(turn, at, &mut messages, &mut unknown)?;
    }
    if let Some(control) = body.cache_control {
        mark_last(&mut messages, control.into());
    }
    let (choice, parallel_tool_calls) = tool_choice(body.tool_choice)?;
    let (effort, format) = match body.output_config {
        Some(OutputConfig { effort, format, .. }) => (effort, format),
        None => (None, None),
    };
    let request = ir::Request {
        stream: body.stream.unwrap_or(false),
        messages,
        tools: tools(body.tools.unwrap_or_default(), &mut unknown)?,
        tool_choice: choice,
        parallel_tool_calls,
        max_tokens: body.max_tokens,
        temperature: body.temperature,
        top_p: body.top_p,
        top_k: body.top_k,
        stop: body.stop_sequences.unwrap_or_default(),
        format: self::format(format.or(body.output_format))?,
        thinking: thinking(body.thinking, effort)?,
        user: body.metadata.and_then(|metadata| metadata.user_id),
        service_tier: body.service_tier.map(common_tier),
        unknown,
        model,
        ..ir::Request::default()
    };
    // Messages clients always see reasoning.
    let reply = Reply { model: request.model.clone(), shows_thoughts: true, ..Reply::default() };
    Ok(Asked { request, reply })
}

fn system(content: Option<TextOr<&RawValue>>, unknown: &mut Vec<Unknown>) -> Result<Vec<ir::Message>, Refusal> {
    let Some(content) = content.filter(|content| !matches!(content, TextOr::Text(text) if text.is_empty())) else {
        return Ok(Vec::new());
    };
    let parts = blocks::read(content, Owner::System, &|| "system".to_owned(), unknown)?.parts;
    Ok(if parts.is_empty() { Vec::new() } else { vec![ir::Message { role: Role::System, parts, name: None }] })
}

fn read_message(
    message: Message<'_>,
    at: usize,
    messages: &mut Vec<ir::Message>,
    unknown: &mut Vec<Unknown>,
) -> Result<(), Refusal> {
    let (role, owner) = match message.role.as_deref() {
        Some("user") => (Role::User, Owner::User),
        Some("assistant") => (Role::Assistant, Owner::Assistant),
        Some("system") => (Role::System, Owner::System),
        _ => {
            let what = "`user`, `assistant` or `system` is expected";
            return Err(Refusal::invalid(format!("`messages[{at}].role` does not fit: {what}.")));
        }
    };
    let Some(content) = message.content else {
        return Err(Refusal::invalid(format!("`messages[{at}].content` is missing.")));
    };
    let Parts { parts, results } = blocks::read(content, owner, &|| format!("messages[{at}].content"), unknown)?;
    let has_results = !results.is_empty();
    add_results(messages, results);
    if !parts.is_empty() || !has_results {
        messages.push(ir::Message { role, parts, name: None });
    }
    Ok(())
}

/// The results of a turn are one message, even if the client sent them in several.
fn add_results(messages: &mut Vec<ir::Message>, mut results: Vec<Part>) {
    if results.is_empty() {
        return;
    }
    let turn = messages.iter_mut().rev().take_while(|message| message.role != Role::Assistant);
    match turn.filter(|message| message.role == Role::Tool).last() {
        Some(message) => message.parts.append(&mut results),
        None => messages.push(ir::Message { role: Role::Tool, parts: results, name: None }),
    }
}

/// `cache_control` of the request itself marks its last block.
fn mark_last(messages: &mut [ir::Message], mark: CacheMark) {
    let Some(last) = messages.last_mut() else { return };
    let parts = match last.parts.last_mut() {
        Some(Part::ToolResult(result)) => &mut result.content,
        _ => &mut last.parts,
    };
    if !matches!(parts.last(), Some(Part::CachePoint(_))) {
        parts.push(Part::CachePoint(mark));
    }
}

fn tools(raw: Vec<&RawValue>, unknown: &mut Vec<Unknown>) -> Result<Vec<Tool>, Refusal> {
    let mut tools = Vec::with_capacity(raw.len());
    for (at, raw) in raw.into_iter().enumerate() {
        let place = || format!("tools[{at}]");
        let kind = wire::kind(raw).unwrap_or_default();
        let control = match &*kind {
            "" | "custom" => {
                let tool: CustomTool<'_> = read_member(raw, &place, unknown)?;
                let Some(name) = tool.name else {
                    return Err(Refusal::invalid(format!("`tools[{at}].name` is missing.")));
                };
                let CustomTool { description, input_schema: parameters, strict, .. } = tool;
                tools.push(Tool::Function { name, description, parameters, strict });
                tool.cache_control
            }
            search if search.starts_with("web_search_") => {
                let tool: WebSearch<'_> = read_member(raw, &place, unknown)?;
                tools.push(Tool::WebSearch(ir::WebSearch {
                    context_size: None,
                    location: tool.user_location,
                    allowed_domains: tool.allowed_domains.unwrap_or_default(),
                    blocked_domains: tool.blocked_domains.unwrap_or_default(),
                    max_uses: tool.max_uses,
                }));
                tool.cache_control
            }
            name => {
                let (dialect, name, value) = (Dialect::Anthropic, name.to_owned(), raw.to_owned());
                tools.push(Tool::Opaque(Opaque { dialect, name, value }));
                None
            }
        };
        tools.extend(control.map(|control| Tool::CachePoint(control.into())));
    }
    Ok(tools)
}

fn tool_choice(choice: Option<ToolChoice>) -> Result<(Option<ir::ToolChoice>, Option<bool>), Refusal> {
    let Some(choice) = choice else { return Ok((None, None)) };
    let wanted = match (choice.kind.as_deref(), choice.name) {
        (Some("auto"), _) => ir::ToolChoice::Auto,
        (Some("any"), _) => ir::ToolChoice::Required,
        (Some("none"), _) => ir::ToolChoice::None,
        (Some("tool"), Some(name)) => ir::ToolChoice::Named(name),
        (Some("tool"), None) => return Err(Refusal::invalid("`tool_choice.name` is missing.").param("tool_choice")),
        _ => {
            let message = "`tool_choice.type` does not fit: `auto`, `any`, `tool` or `none` is expected.";
            return Err(Refusal::invalid(message).param("tool_choice"));
        }
    };
    Ok((Some(wanted), choice.disable_parallel_tool_use.map(|is_disabled| !is_disabled)))
}

fn thinking(thinking: Option<Thinking>, effort: Option<String>) -> Result<Option<ir::Thinking>, Refusal> {
    let effort = match effort {
        Some(name) => Some(Effort::named(&name).ok_or_else(|| {
            let message = "`output_config.effort` does not fit: `low`, `medium`, `high`, `xhigh` or `max` is expected.";
            Refusal::invalid(message).param("output_config")
        })?),
        None => None,
    };
    let Some(thinking) = thinking else {
        return Ok(effort.map(|effort| ir::Thinking { effort: Some(effort), ..ir::Thinking::default() }));
    };
    let mode = match thinking.kind.as_deref() {
        Some("enabled") => Mode::On,
        Some("adaptive") => Mode::Adaptive,
        // Thinking between the calls of tools is the least that some models can do.
        Some("disabled" | "between_tools") => Mode::Off,
        _ => {
            let expected = "`enabled`, `adaptive`, `disabled` or `between_tools` is expected";
            return Err(Refusal::invalid(format!("`thinking.type` does not fit: {expected}.")).param("thinking"));
        }
    };
    let shown = match thinking.display.as_deref() {
        Some("omitted") => Shown::Hidden,
        Some("summarized") => Shown::Summary,
        _ => Shown::Unsaid,
    };
    let budget = thinking.budget_tokens.and_then(|tokens| i64::try_from(tokens).ok());
    Ok(Some(ir::Thinking { mode: Some(mode), effort, budget, shown }))
}

fn format(format: Option<Format>) -> Result<Option<ir::Format>, Refusal> {
    let Some(format) = format else { return Ok(None) };
    match (format.kind.as_deref(), format.schema) {
        (Some("json_schema"), Some(schema)) => {
            Ok(Some(ir::Format::JsonSchema { name: None, description: None, schema, strict: Some(true) }))
        }
        _ => {
            let message = "`output_config.format` does not fit: `type: json_schema` and a `schema` are expected.";
            Err(Refusal::invalid(message).param("output_config"))
        }
    }
}

/// Service tiers by the names that most others use.
fn common_tier(tier: String) -> String {
    if tier == "standard_only" { "default".to_owned() } else { tier }
}
