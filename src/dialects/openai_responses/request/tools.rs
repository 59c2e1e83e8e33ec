//! Tools and the choice among them, both ways.

use std::collections::HashSet;

use serde_json::value::RawValue;

use super::super::tool_search;
use super::{wire, written};
use crate::dialects::Dialect;
use crate::dialects::ir::{Feature, Json, Losses, Opaque, Tool, ToolChoice, Unknown, WebSearch};
use crate::dialects::openai_responses::namespace::{Namespaced, joined};
use crate::dialects::openai_rules::is_closed;
use crate::dialects::wire::read_member;
use crate::error::Refusal;

/// The tools that a client offers.
#[derive(Debug, Default)]
pub struct Offered {
    pub tools: Vec<Tool>,
    /// Those that are in namespaces.
    pub namespaces: Vec<Namespaced>,
    /// Whether one is a search that the client runs itself.
    pub searches: bool,
}

pub fn read(tools: &[Json], unknown: &mut Vec<Unknown>) -> Result<Offered, Refusal> {
    let (mut read, mut namespaces, mut searches) = (Vec::with_capacity(tools.len()), Vec::new(), false);
    for (index, raw) in tools.iter().enumerate() {
        let place = format!("tools[{index}]");
        let may_be = raw.get().contains("\"namespace\"");
        if may_be && wire::kind(raw).as_deref() == Some("namespace") {
            read_namespace(raw, &place, &mut read, &mut namespaces, unknown)?;
        } else if let Some(search) = read_search(raw, &place, unknown) {
            searches = true;
            read.push(search);
        } else {
            read.push(read_tool(raw, &place, unknown)?);
        }
    }
    // A tool may have been found twice.
    let mut names = HashSet::new();
    read.retain(|tool| match tool {
        Tool::Function { name, .. } | Tool::Custom { name, .. } => names.insert(name.clone()),
        Tool::WebSearch(_) | Tool::CachePoint(_) | Tool::Opaque(_) => true,
    });
    Ok(Offered { tools: read, namespaces, searches })
}

fn read_namespace(
    raw: &RawValue,
    place: &str,
    read: &mut Vec<Tool>,
    namespaces: &mut Vec<Namespaced>,
    unknown: &mut Vec<Unknown>,
) -> Result<(), Refusal> {
    let namespace = read_member::<wire::Namespace>(raw, &|| place.to_owned(), unknown)?;
    let prefix = namespace.name.filter(|name| !name.is_empty());
    let prefix = prefix.ok_or_else(|| Refusal::invalid(format!("`{place}.name` is missing.")).param("tools"))?;
    // What is said of all of them has its place at the first.
    let mut of_all = namespace.description.filter(|text| !text.trim().is_empty());
    for (index, raw) in namespace.tools.unwrap_or_default().iter().enumerate() {
        let mut tool = read_tool(raw, &format!("{place}.tools[{index}]"), unknown)?;
        if let Tool::Function { name, description, .. } | Tool::Custom { name, description, .. } = &mut tool {
            namespaces.push(Namespaced::new(&prefix, name));
            *name = joined(&prefix, name);
            if let Some(of_all) = of_all.take() {
                let own = description.take().unwrap_or_default();
                *description = Some(format!("{own}\n\nOf all tools of `{prefix}`: {of_all}").trim().to_owned());
            }
        }
        read.push(tool);
    }
    Ok(())
}

/// A search for tools, if the client runs it itself.
fn read_search(raw: &RawValue, place: &str, unknown: &mut Vec<Unknown>) -> Option<Tool> {
    if !raw.get().contains("\"tool_search\"") || wire::kind(raw)? != tool_search::NAME {
        return None;
    }
    let before = unknown.len();
    let read = read_member::<wire::Tool>(raw, &|| place.to_owned(), unknown);
    match read.ok().filter(|tool| tool.execution.as_deref() == Some("client")) {
        Some(wire::Tool { description, parameters, .. }) => {
            Some(Tool::Function { name: tool_search::NAME.to_owned(), description, parameters, strict: None })
        }
        None => {
            unknown.truncate(before);
            None
        }
    }
}

fn read_tool(raw: &RawValue, place: &str, unknown: &mut Vec<Unknown>) -> Result<Tool, Refusal> {
    let before = unknown.len();
    let read = read_member::<wire::Tool>(raw, &|| place.to_owned(), unknown);
    let kind = match &read {
        Ok(tool) => tool.kind.clone(),
        Err(_) => wire::kind(raw),
    };
    let kind = match kind {
        Some(kind) => kind,
        None => {
            read?;
            return Err(Refusal::invalid(format!("`{place}.type` is missing.")).param("tools"));
        }
    };
    let is_search = kind.starts_with("web_search");
    if !is_search && kind != "function" && kind != "custom" {
        // Its members are no concern of ours: it is kept as it is.
        unknown.truncate(before);
        return Ok(Tool::Opaque(Opaque { dialect: Dialect::OpenaiResponses, name: kind, value: raw.to_owned() }));
    }
    let tool = read?;
    if is_search {
        let filters = tool.filters;
        let (allowed_domains, blocked_domains) =
            filters.map_or((None, None), |filters| (filters.allowed_domains, filters.blocked_domains));
        return Ok(Tool::WebSearch(WebSearch {
            context_size: tool.search_context_size,
            location: tool.user_location,
            allowed_domains: allowed_domains.unwrap_or_default(),
            blocked_domains: blocked_domains.unwrap_or_default(),
            max_uses: None,
        }));
    }
    let (tool, is_boxed) = match tool.function {
        Some(_) => (unboxed(tool), true),
        None => (tool, false),
    };
    let name = tool.name.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Refusal::invalid(format!("`{place}.name` is missing.")).param("tools"))?;
    Ok(match kind.as_str() {
        "custom" => Tool::Custom { name, description: tool.description, format: tool.format },
        // Here a function is strict unless it says otherwise; in chat completions it is the other way round. But nobody who said
        // nothing is refused: what strictness has no room for is not strict.
        _ => Tool::Function {
            name,
            description: tool.description,
            strict: tool.strict.or_else(|| (!is_boxed).then(|| tool.parameters.as_ref().is_some_and(is_closed))),
            parameters: tool.parameters,
        },
    })
}

/// Whoever comes from chat completions may have left the function in its box.
fn unboxed(mut tool: wire::Tool) -> wire::Tool {
    if let Some(function) = tool.function.take() {
        tool.name = tool.name.or(function.name);
        tool.description = tool.description.or(function.description);
        tool.parameters = tool.parameters.or(function.parameters);
        tool.strict = tool.strict.or(function.strict);
    }
    tool
}

pub fn read_choice(
    raw: Option<&RawValue>,
    tools: &[Tool],
    unknown: &mut Vec<Unknown>,
) -> Result<Option<ToolChoice>, Refusal> {
    let Some(raw) = raw else { return Ok(None) };
    if raw.get().starts_with('"') {
        let word = read_member::<String>(raw, &|| "tool_choice".to_owned(), unknown)?;
        return match word.as_str() {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            "required" => Ok(Some(ToolChoice::Required)),
            other => Err(wrong_choice(other)),
        };
    }
    let choice = read_member::<wire::ToolChoice>(raw, &|| "tool_choice".to_owned(), unknown)?;
    let name = choice.name.or_else(|| choice.function.and_then(|function| function.name));
    match (choice.kind.as_deref(), name) {
        (Some("function" | "custom"), Some(name)) => Ok(Some(ToolChoice::Named(name))),
        (Some("function" | "custom"), None) => {
            Err(Refusal::invalid("`tool_choice.name` is missing.").param("tool_choice"))
        }
        (Some("allowed_tools"), _) => {
            let mut names = Vec::new();
            for (index, tool) in choice.tools.unwrap_or_default().into_iter().enumerate() {
                match tool.name.filter(|_| matches!(tool.kind.as_deref(), None | Some("function" | "custom"))) {
                    Some(name) => names.push(name),
                    None => unknown.push(Unknown { path: format!("tool_choice.tools[{index}]") }),
                }
            }
            Ok(Some(ToolChoice::Allowed { names, required: choice.mode.as_deref() == Some("required") }))
        }
        // A server tool is forced. Where it is the only one, that can be said of any model.
        (Some(kind), _) => {
            if kind.starts_with("web_search") && matches!(tools, [Tool::WebSearch(_)]) {
                return Ok(Some(ToolChoice::Required));
            }
            unknown.push(Unknown { path: "tool_choice".to_owned() });
            Ok(None)
        }
        (None, _) => Err(wrong_choice(raw.get())),
    }
}

fn wrong_choice(found: &str) -> Refusal {
    let found = found.chars().take(40).collect::<String>();
    Refusal::invalid(format!(
        "`tool_choice` is `{found}`: it may be `auto`, `none`, `required`, or an object with the `type` of a tool."
    ))
    .param("tool_choice")
}

pub fn write<'a>(tools: &'a [Tool], losses: &mut Losses) -> Vec<written::Tool<'a>> {
    tools.iter().filter_map(|tool| write_tool(tool, losses)).collect()
}

fn write_tool<'a>(tool: &'a Tool, losses: &mut Losses) -> Option<written::Tool<'a>> {
    match tool {
        Tool::Function { name, description, parameters, strict } => Some(written::Tool::Function {
            name,
            description: description.as_deref(),
            parameters: match parameters {
                Some(parameters) => written::Schema::Raw(parameters),
                None => written::Schema::NONE,
            },
            // Left out it would mean yes.
            strict: *strict == Some(true) && {
                let can_be = parameters.as_ref().is_some_and(is_closed);
                if !can_be {
                    losses.note(Feature::Strict);
                }
                can_be
            },
        }),
        Tool::Custom { name, description, format } => {
            Some(written::Tool::Custom { name, description: description.as_deref(), format: format.as_deref() })
        }
        Tool::WebSearch(search) => {
            let WebSearch { context_size, location, allowed_domains, blocked_domains, max_uses } = search;
            if !blocked_domains.is_empty() {
                losses.note_named(Feature::WebSearch, "web_search.blocked_domains");
            }
            if max_uses.is_some() {
                losses.note_named(Feature::WebSearch, "web_search.max_uses");
            }
            Some(written::Tool::WebSearch {
                search_context_size: context_size.as_deref(),
                user_location: location.as_deref(),
                filters: (!allowed_domains.is_empty()).then_some(written::Filters { allowed_domains }),
            })
        }
        Tool::CachePoint(_) => {
            losses.note(Feature::CacheMarks);
            None
        }
        Tool::Opaque(opaque) if opaque.dialect == Dialect::OpenaiResponses => {
            Some(written::Tool::Opaque(&opaque.value))
        }
        Tool::Opaque(opaque) => {
            losses.note_named(Feature::ServerTools, &format!("tools.server ({})", opaque.name));
            None
        }
    }
}

pub fn write_choice<'a>(choice: &'a ToolChoice, tools: &[Tool]) -> written::ToolChoice<'a> {
    let kind = |name: &str| {
        let is_custom = |tool: &Tool| matches!(tool, Tool::Custom { name: custom, .. } if custom == name);
        if tools.iter().any(is_custom) { "custom" } else { "function" }
    };
    match choice {
        ToolChoice::Auto => written::ToolChoice::Word("auto"),
        ToolChoice::None => written::ToolChoice::Word("none"),
        ToolChoice::Required => written::ToolChoice::Word("required"),
        ToolChoice::Named(name) => written::ToolChoice::Named(written::Named { kind: kind(name), name }),
        ToolChoice::Allowed { names, required } => written::ToolChoice::Allowed {
            kind: "allowed_tools",
            mode: if *required { "required" } else { "auto" },
            tools: names.iter().map(|name| written::Named { kind: kind(name), name }).collect(),
        },
    }
}
