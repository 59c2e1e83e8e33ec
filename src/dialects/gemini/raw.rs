//! Raw JSON, looked at one level deep.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::dialects::ir::Json;

/// The members of an object in their order.
#[derive(Debug)]
pub struct Members<'a>(pub Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    /// `None`: it is not an object.
    pub fn of(raw: &'a RawValue) -> Option<Self> {
        if !is_object(raw) {
            return None;
        }
        serde_json::from_str(raw.get()).ok()
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// For members of answers that are not worth an answer: what has another shape is not there.
pub fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let raw: Option<Json> = Option::deserialize(deserializer)?;
    Ok(raw.and_then(|raw| serde_json::from_str(raw.get()).ok()))
}

pub fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

/// The text, if that is what it is.
pub fn as_text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

/// `{}`.
pub fn empty_object() -> Cow<'static, RawValue> {
    named_object::<()>(&[])
}

/// Arguments as the object that Gemini wants. What is not an object gets a name: `{"value": …}`, `{"input": "free text"}`.
pub fn object_of(arguments: &str) -> Cow<'_, RawValue> {
    if arguments.trim().is_empty() {
        return empty_object();
    }
    match serde_json::from_str::<&RawValue>(arguments) {
        Ok(raw) if is_object(raw) => Cow::Borrowed(raw),
        Ok(raw) => named_object(&[("value", raw)]),
        Err(_) => named_object(&[("input", arguments)]),
    }
}

/// An object of these members.
pub fn named_object<T: Serialize>(members: &[(&str, T)]) -> Cow<'static, RawValue> {
    struct Named<'a, T>(&'a [(&'a str, T)]);

    impl<T: Serialize> Serialize for Named<'_, T> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
        }
    }

    Cow::Owned(json(&Named(members)))
}

/// Anything as raw JSON.
pub fn json<T: Serialize + ?Sized>(value: &T) -> Json {
    // What is written in this room has no map keys but texts: there is nothing that could go wrong.
    to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_become_objects() {
        for (arguments, object) in [
            ("", "{}"),
            (" { \"b\":1.50, \"a\":2}", "{ \"b\":1.50, \"a\":2}"),
            ("[1]", r#"{"value":[1]}"#),
            ("\"x\"", r#"{"value":"x"}"#),
            ("{\"cut", r#"{"input":"{\"cut"}"#),
        ] {
            assert_eq!(object_of(arguments).get(), object);
        }
    }
}
