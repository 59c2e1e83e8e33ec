//! Which tools a request offers, and which of them it wants called.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::script::{Choice, Tool, ToolInput};
use super::read::{Str, bad_value, required};
use crate::error::Refusal;

/// A function or a custom tool: nested in `function` or `custom` in chat, flat in responses.
#[derive(Debug, Deserialize)]
pub struct ToolDefinition<'a> {
    #[serde(borrow)]
    r#type: Option<Str<'a>>,
    #[serde(borrow)]
    function: Option<Box<ToolDefinition<'a>>>,
    #[serde(borrow)]
    custom: Option<Box<ToolDefinition<'a>>>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
}

impl<'a> ToolDefinition<'a> {
    /// `None` for the provider's own tools, which a simulator does not have.
    fn tool(self) -> Result<Option<Tool<'a>>, Refusal> {
        let kind = required(self.r#type, "tools[].type")?;
        let inner = match &*kind.0 {
            "function" => self.function,
            "custom" => self.custom,
            _ => return Ok(None),
        };
        let (name, parameters) = match inner {
            Some(inner) => (inner.name, inner.parameters),
            None => (self.name, self.parameters),
        };
        let input = match &*kind.0 {
            "custom" => ToolInput::Text,
            _ => ToolInput::Arguments(parameters),
        };
        let name = required(name, "tools[].name")?.0;
        Ok(Some(Tool { name, input }))
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum ToolChoice<'a> {
    #[serde(borrow)]
    Mode(Str<'a>),
    Named(NamedChoice<'a>),
}

#[derive(Debug, Deserialize)]
pub struct NamedChoice<'a> {
    #[serde(borrow)]
    function: Option<Name<'a>>,
    #[serde(borrow)]
    custom: Option<Name<'a>>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    /// Chat nests what responses puts beside the type.
    #[serde(borrow)]
    allowed_tools: Option<Allowed<'a>>,
    #[serde(borrow)]
    mode: Option<Str<'a>>,
    #[serde(borrow)]
    tools: Option<Vec<NamedChoice<'a>>>,
}

#[derive(Debug, Deserialize)]
struct Name<'a> {
    #[serde(borrow)]
    name: Str<'a>,
}

#[derive(Debug, Deserialize)]
struct Allowed<'a> {
    #[serde(borrow)]
    mode: Option<Str<'a>>,
    #[serde(borrow)]
    tools: Vec<NamedChoice<'a>>,
}

impl<'a> NamedChoice<'a> {
    fn tool(self) -> Option<Cow<'a, str>> {
        let nested = self.function.or(self.custom).map(|nested| nested.name);
        Some(nested.or(self.name)?.0)
    }
}

/// The tools that may be called, and which of them must be.
pub fn read<'a>(
    definitions: Option<Vec<ToolDefinition<'a>>>,
    choice: Option<ToolChoice<'a>>,
) -> Result<(Vec<Tool<'a>>, Choice<'a>), Refusal> {
    let mut tools = Vec::new();
    let mut defined = false;
    for definition in definitions.into_iter().flatten() {
        defined = true;
        tools.extend(definition.tool()?);
    }
    let choice = match choice {
        None => Choice::Any,
        Some(_) if !defined => {
            return Err(bad_value("tool_choice", "has no sense without `tools`"));
        }
        Some(ToolChoice::Mode(mode)) => mode_choice(&mode.0)?,
        Some(ToolChoice::Named(named)) => named_choice(named, &mut tools)?,
    };
    Ok((tools, choice))
}

fn mode_choice(mode: &str) -> Result<Choice<'static>, Refusal> {
    match mode {
        "none" => Ok(Choice::None),
        "auto" | "required" => Ok(Choice::Any),
        _ => Err(bad_value("tool_choice", "is not one of none, auto and required")),
    }
}

fn named_choice<'a>(named: NamedChoice<'a>, tools: &mut Vec<Tool<'a>>) -> Result<Choice<'a>, Refusal> {
    let (mode, allowed) = match named {
        NamedChoice { allowed_tools: Some(allowed), .. } => (allowed.mode, allowed.tools),
        NamedChoice { mode, tools: Some(allowed), .. } => (mode, allowed),
        named => {
            return match named.tool() {
                Some(name) if tools.iter().any(|tool| tool.name == name) => Ok(Choice::Named(name)),
                Some(name) => {
                    let why = format!("names `{name}`, which is not among `tools`");
                    Err(bad_value("tool_choice", &why))
                }
                // One of the provider's own tools, which a simulator does not have.
                None => Ok(Choice::None),
            };
        }
    };
    let allowed: Vec<_> = allowed.into_iter().filter_map(NamedChoice::tool).collect();
    tools.retain(|tool| allowed.contains(&tool.name));
    mode.map_or(Ok(Choice::Any), |mode| mode_choice(&mode.0))
}
