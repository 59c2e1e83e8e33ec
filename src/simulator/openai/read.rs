//! What several operations read alike: text that is a string or a list, words for tools, and clear refusals.
//! Everything borrows from the body, so that a long prompt is looked at but not copied.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::super::http::Failure;
use super::super::script::{Choice, Form, Tool, ToolInput, count_words};

pub fn body<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|e| match e.is_data() {
        true => Failure::invalid(format!("The body does not fit this endpoint: {e}.")),
        false => Failure::invalid(format!("The body is not valid JSON: {e}.")),
    })
}

pub fn required<T>(value: Option<T>, name: &'static str) -> Result<T, Failure> {
    value.ok_or_else(|| missing(name))
}

pub fn missing(name: &'static str) -> Failure {
    Failure::invalid(format!("The parameter `{name}` is missing."))
        .at(name)
        .code("missing_required_parameter")
}

pub fn bad_value(name: &'static str, why: &str) -> Failure {
    Failure::invalid(format!("The parameter `{name}` {why}."))
        .at(name)
        .code("invalid_value")
}

/// A borrowed string where serde would make an owned one, as within a list or an option.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(transparent)]
pub struct Str<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// A string, or a list of something.
#[derive(Debug)]
pub enum TextOr<'a, T> {
    Text(Cow<'a, str>),
    List(Vec<T>),
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for TextOr<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = TextOr<'de, T>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a string or a list")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(TextOr::Text(text.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(TextOr::Text(text.to_owned().into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::with_capacity(items.size_hint().unwrap_or_default());
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(TextOr::List(list))
            }

            /// Some results of server tools are objects; they have no text for us.
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(TextOr::List(Vec::new()))
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
}

/// A content part; only those with a text say something to a simulator.
#[derive(Debug, Deserialize)]
pub struct Part<'a> {
    #[serde(borrow)]
    pub text: Option<Str<'a>>,
}

pub type Content<'a> = TextOr<'a, Part<'a>>;

impl<'a> Content<'a> {
    pub fn words(&self) -> usize {
        match self {
            Self::Text(text) => count_words(text),
            Self::List(parts) => {
                let texts = parts.iter().filter_map(|part| part.text.as_ref());
                texts.map(|text| count_words(&text.0)).sum()
            }
        }
    }

    pub fn into_texts(self) -> Vec<Cow<'a, str>> {
        match self {
            Self::Text(text) => vec![text],
            Self::List(parts) => parts
                .into_iter()
                .filter_map(|part| Some(part.text?.0))
                .collect(),
        }
    }
}

pub type Stops<'a> = TextOr<'a, Str<'a>>;

pub fn stops(stop: Option<Stops<'_>>) -> Vec<Cow<'_, str>> {
    match stop {
        None => Vec::new(),
        Some(TextOr::Text(text)) => vec![text],
        Some(TextOr::List(list)) => list.into_iter().map(|text| text.0).collect(),
    }
}

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
    fn tool(self) -> Result<Option<Tool<'a>>, Failure> {
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
pub fn tools<'a>(
    definitions: Option<Vec<ToolDefinition<'a>>>,
    choice: Option<ToolChoice<'a>>,
) -> Result<(Vec<Tool<'a>>, Choice<'a>), Failure> {
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

fn mode_choice(mode: &str) -> Result<Choice<'static>, Failure> {
    match mode {
        "none" => Ok(Choice::None),
        "auto" | "required" => Ok(Choice::Any),
        _ => Err(bad_value(
            "tool_choice",
            "is not one of none, auto and required",
        )),
    }
}

fn named_choice<'a>(
    named: NamedChoice<'a>,
    tools: &mut Vec<Tool<'a>>,
) -> Result<Choice<'a>, Failure> {
    let (mode, allowed) = match named {
        NamedChoice {
            allowed_tools: Some(allowed),
            ..
        } => (allowed.mode, allowed.tools),
        NamedChoice {
            mode,
            tools: Some(allowed),
            ..
        } => (mode, allowed),
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

/// `response_format` of chat and `text.format` of responses.
#[derive(Debug, Deserialize)]
pub struct Format<'a> {
    #[serde(borrow)]
    r#type: Str<'a>,
    #[serde(borrow)]
    json_schema: Option<SchemaFormat<'a>>,
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct SchemaFormat<'a> {
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
}

pub fn form<'a>(format: Option<Format<'a>>, param: &'static str) -> Result<Form<'a>, Failure> {
    let Some(format) = format else {
        return Ok(Form::Text);
    };
    match &*format.r#type.0 {
        "text" => Ok(Form::Text),
        "json_object" => Ok(Form::AnyObject),
        "json_schema" => {
            let nested = format.json_schema.and_then(|nested| nested.schema);
            let schema = nested.or(format.schema);
            schema
                .map(Form::Schema)
                .ok_or_else(|| bad_value(param, "has no schema"))
        }
        _ => Err(bad_value(
            param,
            "has a type that is none of text, json_object and json_schema",
        )),
    }
}
