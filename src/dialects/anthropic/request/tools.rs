//! Tools of the canonical form → tools, and which of them are to be called.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::super::block::CacheControl;
use super::schema::{self, Room};
use crate::dialects::{Dialect, ir};
use crate::models::{Facts, ForcedTools};
use ir::{Feature, Losses, ToolChoice, WebSearch};

/// So many tools of a request may be strict.
const MOST_STRICT: usize = 20;

#[derive(Debug)]
pub enum Tool<'a> {
    Known(Box<Fields<'a>>),
    /// A server tool of Anthropic's.
    Native(&'a RawValue),
}

#[derive(Debug, Default, Serialize)]
pub struct Fields<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_schema: Option<Cow<'a, RawValue>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    allowed_domains: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    blocked_domains: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    max_uses: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_location: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl<'a>>,
}

#[derive(Debug, Serialize)]
pub struct Choice<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disable_parallel_tool_use: bool,
}

impl Choice<'_> {
    /// Whether a tool must be called.
    pub fn is_forced(&self) -> bool {
        matches!(self.kind, "any" | "tool")
    }
}

/// What stands in for the tools of a conversation that had some, in a request that has none.
pub fn none_at_all<'a>() -> (Vec<Tool<'a>>, Choice<'a>) {
    let fields = Fields {
        name: "none",
        description: Some("There are no tools any more."),
        input_schema: Some(object()),
        ..Fields::default()
    };
    (vec![Tool::Known(Box::new(fields))], Choice { kind: "none", name: None, disable_parallel_tool_use: false })
}

pub fn tools<'a>(
    tools: &'a [ir::Tool],
    choice: Option<&ToolChoice>,
    facts: &Facts,
    room: &mut Room,
    losses: &mut Losses,
) -> Vec<Tool<'a>> {
    let mut written = Vec::with_capacity(tools.len());
    let mut strict_left = if facts.has_json_schema { MOST_STRICT } else { 0 };
    for tool in tools {
        match tool {
            // Those that may not be called are not shown.
            ir::Tool::Function { name, .. } | ir::Tool::Custom { name, .. } if !is_allowed(choice, name) => {}
            ir::Tool::Function { name, description, parameters, strict } => {
                let limited = (*strict == Some(true)).then(|| {
                    let schema = parameters.as_deref().filter(|_| strict_left > 0);
                    schema.and_then(|schema| schema::within_limits(schema, room))
                });
                let input_schema = match limited {
                    Some(Some(schema)) => {
                        strict_left -= 1;
                        (Cow::Owned(schema), true)
                    }
                    _ => (parameters.as_deref().map_or_else(object, of_object), false),
                };
                if *strict == Some(true) && !input_schema.1 {
                    losses.note(Feature::Strict);
                }
                written.push(Tool::Known(Box::new(Fields {
                    name,
                    description: description.as_deref(),
                    input_schema: Some(input_schema.0),
                    strict: input_schema.1,
                    ..Fields::default()
                })));
            }
            // It is a function by now: see `tool_map`.
            ir::Tool::Custom { .. } => losses.note(Feature::CustomTools),
            ir::Tool::WebSearch(search) => written.push(web_search(search, losses)),
            ir::Tool::CachePoint(mark) => match written.last_mut() {
                Some(Tool::Known(fields)) => fields.cache_control = Some(mark.into()),
                _ => losses.note(Feature::CacheMarks),
            },
            ir::Tool::Opaque(opaque) if opaque.dialect == Dialect::Anthropic => {
                written.push(Tool::Native(&opaque.value));
            }
            ir::Tool::Opaque(opaque) => {
                losses.note_named(Feature::ServerTools, &format!("tools.{}", opaque.name));
            }
        }
    }
    written
}

/// Which tools are to be called. Only for requests that have tools.
pub fn choice<'a>(
    choice: Option<&'a ToolChoice>,
    parallel: Option<bool>,
    facts: &Facts,
    losses: &mut Losses,
) -> Option<Choice<'a>> {
    let is_single = parallel == Some(false);
    let forced = |kind, name, losses: &mut Losses| {
        if facts.forced_tools == ForcedTools::Rejected {
            losses.note(Feature::ToolChoice);
            return ("auto", None);
        }
        (kind, name)
    };
    let (kind, name) = match choice {
        None if is_single => ("auto", None),
        None => return None,
        Some(ToolChoice::None) => ("none", None),
        Some(ToolChoice::Auto | ToolChoice::Allowed { required: false, .. }) => ("auto", None),
        Some(ToolChoice::Required | ToolChoice::Allowed { required: true, .. }) => forced("any", None, losses),
        Some(ToolChoice::Named(name)) => forced("tool", Some(name.as_str()), losses),
    };
    Some(Choice { kind, name, disable_parallel_tool_use: is_single && kind != "none" })
}

fn web_search<'a>(search: &'a WebSearch, losses: &mut Losses) -> Tool<'a> {
    let WebSearch { context_size, location, allowed_domains, blocked_domains, max_uses } = search;
    let has_both = !allowed_domains.is_empty() && !blocked_domains.is_empty();
    if context_size.is_some() {
        losses.note_named(Feature::WebSearch, "web_search.search_context_size");
    }
    if has_both {
        losses.note_named(Feature::WebSearch, "web_search.blocked_domains");
    }
    Tool::Known(Box::new(Fields {
        kind: Some("web_search_20250305"),
        name: "web_search",
        allowed_domains,
        blocked_domains: if has_both { &[] } else { blocked_domains },
        max_uses: *max_uses,
        user_location: location.as_deref(),
        ..Fields::default()
    }))
}

fn is_allowed(choice: Option<&ToolChoice>, name: &str) -> bool {
    match choice {
        Some(ToolChoice::Allowed { names, .. }) => names.iter().any(|allowed| allowed == name),
        _ => true,
    }
}

fn object<'a>() -> Cow<'a, RawValue> {
    static ANY: &str = r#"{"type":"object","properties":{}}"#;
    serde_json::from_str::<&'static RawValue>(ANY).map_or(Cow::Borrowed(RawValue::NULL), Cow::Borrowed)
}

/// A schema with the `type` that inputs must have.
fn of_object(schema: &RawValue) -> Cow<'_, RawValue> {
    #[derive(serde::Deserialize)]
    struct Typed<'t> {
        #[serde(borrow, rename = "type")]
        kind: Option<&'t RawValue>,
    }

    let rest = || schema.get().trim_start().strip_prefix('{').map(str::trim_start);
    match serde_json::from_str::<Typed<'_>>(schema.get()) {
        Ok(Typed { kind: Some(_) }) => Cow::Borrowed(schema),
        Ok(Typed { kind: None }) => match rest() {
            Some(rest) if rest.starts_with('}') => object(),
            Some(rest) => match RawValue::from_string(format!("{{\"type\":\"object\",{rest}")) {
                Ok(schema) => Cow::Owned(schema),
                Err(_) => Cow::Borrowed(schema),
            },
            None => object(),
        },
        Err(_) => object(),
    }
}

impl Serialize for Tool<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(fields) => fields.serialize(serializer),
            Self::Native(raw) => raw.serialize(serializer),
        }
    }
}
