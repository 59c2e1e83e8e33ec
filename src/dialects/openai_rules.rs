//! What OpenAI demands of a request in both of its APIs, and other dialects do not: a request that breaks one of these rules is refused as
//! a whole.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::ir::{Json, Message, Part};

/// The longest `user`, in characters (error `string_above_max_length`).
const LONGEST_USER: usize = 64;

/// Asks for JSON, where nobody has.
pub const IN_JSON: &str = "Answer in JSON.";

/// Asks for an answer by a schema that cannot be demanded.
pub fn in_words(schema: &Json) -> String {
    format!("Answer with nothing but JSON that fits this JSON schema:\n{schema}")
}

/// Who asks. Claude Code's users have 150 characters: of them OpenAI gets a digest, which tells them apart as well and is the same each time.
pub fn user(user: &str) -> Cow<'_, str> {
    if user.chars().count() <= LONGEST_USER {
        return Cow::Borrowed(user);
    }
    let digest = Sha256::digest(user).iter().fold(String::with_capacity(LONGEST_USER), |mut hex, byte| {
        // Writing to a text cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    Cow::Owned(digest)
}

/// Whether a schema can be a strict one: it closes its objects, and lists every member of them as required. Anthropic's may leave members
/// out.
pub fn is_closed(schema: &Json) -> bool {
    serde_json::from_str::<Value>(schema.get())
        .is_ok_and(|schema| schema.get("type").is_some_and(|kind| kind == "object") && objects_are_closed(&schema))
}

/// Whether a schema says to be one of something else than an object, which no answer may be. Gemini's may be lists and enumerations.
pub fn has_other_root(schema: &Json) -> bool {
    #[derive(serde::Deserialize)]
    struct Root {
        #[serde(rename = "type")]
        kind: Option<Value>,
    }
    serde_json::from_str::<Root>(schema.get()).is_ok_and(|root| root.kind.is_some_and(|kind| kind != "object"))
}

/// Whether the word JSON is said, without which no answer may be bound to be JSON.
pub fn mentions_json(messages: &[Message]) -> bool {
    let mentions = |text: &str| text.as_bytes().windows(4).any(|word| word.eq_ignore_ascii_case(b"json"));
    let says = |part: &Part| matches!(part, Part::Text(text) if mentions(&text.text));
    messages.iter().flat_map(|message| &message.parts).any(says)
}

/// Members of a schema that are a schema each, lists of them, or maps to them.
const SCHEMAS: &[&str] = &["items", "additionalProperties", "not", "anyOf", "allOf", "oneOf", "prefixItems"];
const MAPS: &[&str] = &["properties", "$defs", "definitions"];

fn objects_are_closed(schema: &Value) -> bool {
    let of_object = match schema.get("properties").and_then(Value::as_object) {
        Some(properties) => {
            let required = schema.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            schema.get("additionalProperties") == Some(&Value::Bool(false))
                && properties.keys().all(|name| required.iter().any(|known| known == name))
        }
        None => true,
    };
    let within = SCHEMAS.iter().filter_map(|name| schema.get(name)).flat_map(|within| match within {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    });
    let mapped = MAPS.iter().filter_map(|name| schema.get(name)?.as_object()).flat_map(serde_json::Map::values);
    of_object && within.chain(mapped).all(objects_are_closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        serde_json::from_str(text).expect("JSON")
    }

    #[test]
    fn users_that_are_too_long_are_told_apart_by_a_digest() {
        let (short, long) = ("u".repeat(64), "u".repeat(65));
        assert_eq!(user(&short), short);
        assert_eq!(user(&long).len(), 64);
        assert_eq!(user(&long), user(&long));
        assert_ne!(user(&long), user(&"u".repeat(66)));
    }

    #[test]
    fn schemas_are_closed_at_every_depth() {
        for (schema, expected) in [
            (
                r#"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}"#,
                true,
            ),
            (r#"{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}"#, false),
            (r#"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}"#, false),
            (r#"{"type":"object","properties":{}}"#, false),
            (r#"{"type":"object"}"#, true),
            (r#"{"type":"array","items":{"type":"string"}}"#, false),
            // A member may be called like a keyword.
            (
                r#"{"type":"object","properties":{"properties":{"type":"object","properties":{},"additionalProperties":false}},
                    "required":["properties"],"additionalProperties":false}"#,
                true,
            ),
            (r##"{"type":"object","$defs":{"a":{"type":"object","properties":{"b":{}}}}}"##, false),
            (r#"{"type":"object","enum":[{"properties":{"b":1}}]}"#, true),
            (
                r#"{"type":"object","properties":{"a":{"type":"array","items":{"type":"object","properties":{"b":{}}}}},"required":["a"],"additionalProperties":false}"#,
                false,
            ),
        ] {
            assert_eq!(is_closed(&json(schema)), expected, "{schema}");
        }
    }

    #[test]
    fn only_objects_are_answers() {
        for (schema, expected) in [
            (r#"{"type":"object"}"#, false),
            (r#"{"type":"array"}"#, true),
            (r#"{"type":["object","null"]}"#, true),
            (r##"{"$ref":"#/$defs/a"}"##, false),
            ("true", false),
        ] {
            assert_eq!(has_other_root(&json(schema)), expected, "{schema}");
        }
    }
}
