//! What several operations read alike: text that is a string or a list, words for tools, and clear refusals.
//! Everything borrows from the body, so that a long prompt is looked at but not copied.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

pub use super::super::answer::{bad_value, missing};
use super::super::script::{Form, count_words};
use crate::error::Refusal;

pub fn body<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|e| match e.is_data() {
        true => Refusal::invalid(format!("The body does not fit this endpoint: {e}.")),
        false => Refusal::invalid(format!("The body is not valid JSON: {e}.")),
    })
}

pub fn required<T>(value: Option<T>, name: &'static str) -> Result<T, Refusal> {
    value.ok_or_else(|| missing(name))
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
            Self::List(parts) => parts.into_iter().filter_map(|part| Some(part.text?.0)).collect(),
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

pub fn form<'a>(format: Option<Format<'a>>, param: &'static str) -> Result<Form<'a>, Refusal> {
    let Some(format) = format else {
        return Ok(Form::Text);
    };
    match &*format.r#type.0 {
        "text" => Ok(Form::Text),
        "json_object" => Ok(Form::AnyObject),
        "json_schema" => {
            let nested = format.json_schema.and_then(|nested| nested.schema);
            let schema = nested.or(format.schema);
            schema.map(Form::Schema).ok_or_else(|| bad_value(param, "has no schema"))
        }
        _ => Err(bad_value(param, "has a type that is none of text, json_object and json_schema")),
    }
}
