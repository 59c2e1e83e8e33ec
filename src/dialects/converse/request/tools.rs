//! `toolConfig`: the tools that may be called, and whether they must.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::family::Family;
use super::super::outgoing::{CachePoint, InputSchema, OneTool, Tool, ToolChoice, ToolConfig, ToolSpec};
use super::history::CacheMarks;
use crate::dialects::Dialect;
use crate::dialects::anthropic::schema::{Room, within_limits};
use crate::dialects::ir::{self, Feature, Json, Losses, Message, Part};
use crate::models::{Facts, ForcedTools};

/// What a request says of tools.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub tools: &'a [ir::Tool],
    pub choice: Option<&'a ir::ToolChoice>,
    pub parallel: Option<bool>,
    pub messages: &'a [Message],
}

impl Asked<'_> {
    /// Whether some tool must be called.
    pub fn is_forced(&self) -> bool {
        use ir::ToolChoice::{Allowed, Named, Required};
        matches!(self.choice, Some(Required | Named(_) | Allowed { required: true, .. })) && !self.tools.is_empty()
    }
}

/// Schemas that answers and calls are bound to.
#[derive(Debug)]
pub enum Schemas {
    /// The model cannot be bound.
    Refused,
    Taken,
    /// Claude takes what is within its limits, of which so much is left.
    Limited(Room),
}

impl Schemas {
    pub fn of(family: Family, facts: &Facts) -> Self {
        match family {
            _ if !facts.has_json_schema => Self::Refused,
            Family::Claude => Self::Limited(Room::default()),
            _ => Self::Taken,
        }
    }

    /// The schema as the model takes it, if it does.
    pub fn taken<'a>(&mut self, schema: Cow<'a, RawValue>) -> Option<Cow<'a, RawValue>> {
        match self {
            Self::Refused => None,
            Self::Taken => Some(schema),
            Self::Limited(room) => within_limits(&schema, room).map(Cow::Owned),
        }
    }
}

/// The tools, and what Claude is told besides.
pub fn config<'a>(
    asked: Asked<'a>,
    thinks: bool,
    family: Family,
    facts: &Facts,
    cache: &mut CacheMarks,
    schemas: &mut Schemas,
    losses: &mut Losses,
) -> (Option<ToolConfig<'a>>, Option<OneTool>) {
    let called = called_before(asked.messages);
    let is_none = asked.choice == Some(&ir::ToolChoice::None);
    if is_none && called.is_empty() {
        return (None, None);
    }
    let mut tools = Vec::new();
    for tool in asked.tools {
        tools.extend(write_tool(tool, asked.choice, family, cache, schemas, losses));
    }
    let is_callable = tools.iter().any(|tool| !matches!(tool, Tool::CachePoint(_)));
    if !is_callable {
        if asked.is_forced() {
            losses.note(Feature::ToolChoice);
        }
        // Calls in the history are refused unless there are tools.
        tools = called.into_iter().map(stand_in).collect();
        let tool_config = (!tools.is_empty()).then_some(ToolConfig { tools, tool_choice: None });
        return (tool_config, None);
    }
    let mut tool_choice = match asked.choice {
        None | Some(ir::ToolChoice::Auto | ir::ToolChoice::Allowed { required: false, .. }) => None,
        Some(ir::ToolChoice::None) => {
            losses.note(Feature::ToolChoice);
            None
        }
        Some(ir::ToolChoice::Required | ir::ToolChoice::Allowed { required: true, .. }) => Some(ToolChoice::Any {}),
        Some(ir::ToolChoice::Named(name)) => Some(ToolChoice::Tool { name }),
    };
    let is_refused = match facts.forced_tools {
        ForcedTools::Accepted => false,
        ForcedTools::WithoutThinking => thinks,
        ForcedTools::Rejected => true,
    };
    if is_refused && tool_choice.take().is_some() {
        losses.note(Feature::ToolChoice);
    }
    let one_tool = match asked.parallel {
        // Claude wants a type beside it, Amazon wants none if it is told the type itself.
        Some(false) if family == Family::Claude => {
            let kind = tool_choice.is_none().then_some("auto");
            Some(OneTool { kind, disable_parallel_tool_use: true })
        }
        Some(false) => {
            losses.note(Feature::ParallelToolCalls);
            None
        }
        _ => None,
    };
    (Some(ToolConfig { tools, tool_choice }), one_tool)
}

fn write_tool<'a>(
    tool: &'a ir::Tool,
    choice: Option<&ir::ToolChoice>,
    family: Family,
    cache: &mut CacheMarks,
    schemas: &mut Schemas,
    losses: &mut Losses,
) -> Option<Tool<'a>> {
    match tool {
        ir::Tool::Function { name, description, parameters, strict } => {
            if let Some(ir::ToolChoice::Allowed { names, .. }) = choice
                && !names.contains(name)
            {
                return None;
            }
            let schema = object_schema(parameters.as_ref());
            let bound = strict.filter(|strict| *strict).and_then(|_| schemas.taken(schema.clone()));
            if *strict == Some(true) && bound.is_none() {
                losses.note(Feature::Strict);
            }
            Some(Tool::ToolSpec(ToolSpec {
                name,
                description: description.as_deref().filter(|text| !text.trim().is_empty()),
                strict: bound.is_some().then_some(true),
                input_schema: InputSchema { json: bound.unwrap_or(schema) },
            }))
        }
        // It is a function by now: see `tool_map`.
        ir::Tool::Custom { .. } => {
            losses.note(Feature::CustomTools);
            None
        }
        ir::Tool::WebSearch(_) => {
            losses.note(Feature::WebSearch);
            None
        }
        ir::Tool::CachePoint(mark) if family.caches_tools() => {
            cache.take(losses).then(|| Tool::CachePoint(CachePoint::of(mark)))
        }
        ir::Tool::CachePoint(_) => {
            losses.note(Feature::CacheMarks);
            None
        }
        ir::Tool::Opaque(opaque) if opaque.dialect == Dialect::Converse => Some(Tool::Verbatim(&opaque.value)),
        ir::Tool::Opaque(opaque) => {
            losses.note_named(Feature::ServerTools, &format!("{} ({})", Feature::ServerTools.name(), opaque.name));
            None
        }
    }
}

/// The names of the tools that were called in the history, each once.
fn called_before(messages: &[Message]) -> Vec<&str> {
    let mut names = Vec::new();
    for part in messages.iter().flat_map(|message| &message.parts) {
        let name = match part {
            Part::ToolCall(call) => call.name.as_str(),
            // A result whose call is not there.
            Part::ToolResult(result) => match result.name.as_deref() {
                None if names.is_empty() => "tool",
                None => continue,
                Some(name) => name,
            },
            _ => continue,
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn stand_in(name: &str) -> Tool<'_> {
    Tool::ToolSpec(ToolSpec {
        name,
        description: Some("Was called earlier in this conversation. It cannot be called any more."),
        input_schema: InputSchema { json: object_schema(None) },
        strict: None,
    })
}

/// A schema must be that of an object, and say so.
fn object_schema(schema: Option<&Json>) -> Cow<'_, RawValue> {
    #[derive(Deserialize)]
    struct Typed {
        #[serde(rename = "type")]
        kind: Option<serde::de::IgnoredAny>,
    }

    let owned = |text: String| RawValue::from_string(text).ok();
    let Some(schema) = schema.filter(|schema| schema.get().starts_with('{')) else {
        let nothing = owned(r#"{"type":"object","properties":{}}"#.to_owned());
        return nothing.map_or(Cow::Borrowed(RawValue::NULL), Cow::Owned);
    };
    let rest = schema.get().strip_prefix('{').unwrap_or_default().trim_start();
    let comma = if rest.starts_with('}') { "" } else { "," };
    match serde_json::from_str::<Typed>(schema.get()) {
        Ok(Typed { kind: None }) => owned(format!(r#"{{"type":"object"{comma}{rest}"#)).map(Cow::Owned),
        _ => None,
    }
    .unwrap_or(Cow::Borrowed(schema))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_those_of_objects() {
        let json = |text: &str| RawValue::from_string(text.to_owned()).expect("JSON");
        let schema = |text: &str| object_schema(Some(&json(text))).get().to_owned();
        assert_eq!(schema(r#"{"type": "object", "x":1.0}"#), r#"{"type": "object", "x":1.0}"#);
        assert_eq!(schema("{}"), r#"{"type":"object"}"#);
        assert_eq!(schema(r#"{ "properties":{}}"#), r#"{"type":"object","properties":{}}"#);
        assert_eq!(schema("null"), r#"{"type":"object","properties":{}}"#);
        assert_eq!(object_schema(None).get(), r#"{"type":"object","properties":{}}"#);
    }
}
