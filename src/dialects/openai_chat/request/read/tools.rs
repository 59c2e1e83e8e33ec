//! Tools, and which of them must be called.

use serde::Deserialize;
use serde_json::value::to_raw_value;

use super::super::grammar;
use super::{cache_mark, wire};
use crate::dialects::Dialect;
use crate::dialects::ir::{Json, Opaque, Tool, ToolChoice, WebSearch};
use crate::error::Refusal;
use wire::TextOrObject;

/// `body` is the request: tools that only their provider understands are kept as they are.
pub fn read(
    tools: Vec<wire::Tool>,
    functions: Vec<wire::Function>,
    search: Option<wire::WebSearchOptions>,
    body: &[u8],
) -> Result<Vec<Tool>, Refusal> {
    let mut found = Vec::with_capacity(tools.len() + functions.len());
    for (at, tool) in tools.into_iter().enumerate() {
        let wire::Tool { kind, function, custom, parameters: _, cache_control } = tool;
        let place = || format!("tools[{at}]");
        found.push(match (kind.as_deref(), function, custom) {
            (Some("function") | None, Some(function), _) => of_function(function, || format!("tools[{at}].function"))?,
            (Some("custom") | None, _, Some(wire::Custom { name, description, format })) => {
                let format = format.map(grammar::flat);
                Tool::Custom { name: named(name, || format!("tools[{at}].custom"))?, description, format }
            }
            (Some("function"), None, _) => return Err(missing(&format!("{}.function", place()))),
            (Some("custom"), _, None) => return Err(missing(&format!("{}.custom", place()))),
            (None, ..) => return Err(missing(&format!("{}.type", place()))),
            (Some(kind), ..) => {
                let value = raw_tool(body, at).ok_or_else(|| missing(&place()))?;
                Tool::Opaque(Opaque { dialect: Dialect::OpenaiChat, name: kind.to_owned(), value })
            }
        });
        found.extend(cache_control.map(|mark| Tool::CachePoint(cache_mark(mark))));
    }
    for (at, function) in functions.into_iter().enumerate() {
        found.push(of_function(function, || format!("functions[{at}]"))?);
    }
    found.extend(search.map(|search| Tool::WebSearch(of_search(search))));
    Ok(found)
}

pub fn read_choice(
    choice: Option<TextOrObject<wire::ToolChoice>>,
    legacy: Option<TextOrObject<wire::Named>>,
) -> Result<Option<ToolChoice>, Refusal> {
    let wrong = |why: &str| Err(Refusal::invalid(format!("`tool_choice` {why}.")).param("tool_choice"));
    let word = |word: &str| match word {
        "auto" => Ok(Some(ToolChoice::Auto)),
        "none" => Ok(Some(ToolChoice::None)),
        // `any` is Mistral's.
        "required" | "any" => Ok(Some(ToolChoice::Required)),
        _ => wrong("must be `auto`, `none`, `required` or an object"),
    };
    match (choice, legacy) {
        (Some(TextOrObject::Text(choice)), _) | (None, Some(TextOrObject::Text(choice))) => word(&choice),
        (Some(TextOrObject::Object(mut choice)), _) => match choice.allowed_tools.take() {
            Some(wire::AllowedTools { mode, tools }) => {
                let names: Vec<_> = tools.into_iter().flatten().filter_map(name_of).collect();
                Ok(Some(ToolChoice::Allowed { names, required: mode.as_deref() == Some("required") }))
            }
            None => match name_of(choice) {
                Some(name) => Ok(Some(ToolChoice::Named(name))),
                None => wrong("names no tool"),
            },
        },
        (None, Some(TextOrObject::Object(legacy))) => Ok(legacy.name.map(ToolChoice::Named)),
        (None, None) => Ok(None),
    }
}

fn name_of(choice: wire::ToolChoice) -> Option<String> {
    choice.function.or(choice.custom).and_then(|named| named.name).or(choice.name)
}

fn of_function(function: wire::Function, place: impl FnOnce() -> String) -> Result<Tool, Refusal> {
    let wire::Function { name, description, parameters, strict } = function;
    Ok(Tool::Function { name: named(name, place)?, description, parameters, strict })
}

fn named(name: Option<String>, place: impl FnOnce() -> String) -> Result<String, Refusal> {
    name.filter(|name| !name.is_empty()).ok_or_else(|| missing(&format!("{}.name", place())))
}

fn missing(what: &str) -> Refusal {
    Refusal::invalid(format!("`{what}` is missing.")).param("tools")
}

fn of_search(search: wire::WebSearchOptions) -> WebSearch {
    /// The canonical form has the place flat.
    #[derive(serde::Serialize)]
    struct Location {
        #[serde(rename = "type")]
        kind: &'static str,
        city: Option<String>,
        country: Option<String>,
        region: Option<String>,
        timezone: Option<String>,
    }

    let place = search.user_location.and_then(|location| location.approximate);
    let location = place.and_then(|wire::Place { city, country, region, timezone }| {
        to_raw_value(&Location { kind: "approximate", city, country, region, timezone }).ok()
    });
    WebSearch { context_size: search.search_context_size, location, ..WebSearch::default() }
}

/// The tool as it was sent. It is rarely needed: that is why it is not kept from the first.
fn raw_tool(body: &[u8], at: usize) -> Option<Json> {
    #[derive(Deserialize)]
    struct Raw {
        tools: Vec<Json>,
    }

    serde_json::from_slice::<Raw>(body).ok()?.tools.into_iter().nth(at)
}
