//! What the dialects' readers and writers have in common.

use std::borrow::Cow;
use std::marker::PhantomData;

use bytes::{BufMut, Bytes, BytesMut};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::ir::Unknown;
use crate::error::{Garbled, Refusal};

/// Reads a client's request; beside it, the members that `T` has no name for, at any depth. The refusal says where the
/// request does not fit.
///
/// `T` must not use serde's `flatten`, `untagged` or internally tagged enums: what passes through their buffers can neither be kept as
/// raw JSON nor be reported as unknown. A struct of optional members with a `type` does instead.
pub fn read_request<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<(T, Vec<Unknown>), Refusal> {
    let text = std::str::from_utf8(body)
        .map_err(|why| Refusal::invalid(format!("The body is not UTF-8, from byte {} on.", why.valid_up_to())))?;
    let mut unknown = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let note = |path: serde_ignored::Path<'_>| unknown.push(Unknown { path: spelled(&path) });
    match serde_ignored::deserialize(&mut deserializer, note) {
        Ok(request) => deserializer.end().map(|()| (request, unknown)).map_err(|why| not_json(&why)),
        Err(_) => Err(explain::<T>(text)),
    }
}

/// Reads a member that [`read_request`] left as raw text because its shape depends on its `type`. `place` spells where it stands:
/// `messages[2].content[0]`.
pub fn read_member<'a, T: Deserialize<'a>>(
    raw: &'a RawValue,
    place: &dyn Fn() -> String,
    unknown: &mut Vec<Unknown>,
) -> Result<T, Refusal> {
    let mut deserializer = serde_json::Deserializer::from_str(raw.get());
    let note =
        |path: serde_ignored::Path<'_>| unknown.push(Unknown { path: format!("{}.{}", place(), spelled(&path)) });
    serde_ignored::deserialize(&mut deserializer, note).map_err(|why| {
        let why = match serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_str(raw.get())) {
            Err(why) if why.path().iter().len() > 0 => {
                format!("`{}.{}` does not fit: {}.", place(), why.path(), why.inner())
            }
            _ => format!("`{}` does not fit: {why}.", place()),
        };
        Refusal::invalid(why)
    })
}

/// Reads JSON. That it is UTF-8 is checked for all of it at once: the parser would do so for each text by itself.
pub fn from_slice<'a, T: Deserialize<'a>>(json: &'a [u8]) -> serde_json::Result<T> {
    match std::str::from_utf8(json) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(json),
    }
}

/// Reads what a provider answered.
pub fn read_answer<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Garbled> {
    from_slice(body).map_err(|why| {
        let what = match why.classify() {
            serde_json::error::Category::Data => "its JSON has another shape than the provider's answers have",
            _ => "it is not JSON, or not all of it",
        };
        Garbled::new(format!("{what} (line {}, column {})", why.line(), why.column()))
    })
}

/// Writes a body.
pub fn write<T: Serialize>(value: &T) -> Bytes {
    // Into a vector: of the many small pieces that JSON is written in, each costs less than half of what it costs elsewhere.
    let mut out = Vec::with_capacity(2048);
    let written = serde_json::to_writer(&mut out, value);
    debug_assert!(written.is_ok(), "{written:?}");
    out.into()
}

/// Writes JSON behind what is there.
pub fn write_to<T: Serialize>(out: &mut BytesMut, value: &T) {
    let written = serde_json::to_writer(out.writer(), value);
    // Nothing that is written here has map keys other than texts, and memory does not fail.
    debug_assert!(written.is_ok(), "{written:?}");
}

/// Writes a member behind others.
pub fn write_member<T: Serialize>(out: &mut BytesMut, name: &str, value: &T) {
    for part in [",\"", name, "\":"] {
        out.put_slice(part.as_bytes());
    }
    write_to(out, value);
}

/// Writes a server-sent event.
pub fn write_event<T: Serialize>(out: &mut BytesMut, name: Option<&str>, data: &T) {
    if let Some(name) = name {
        out.put_slice(b"event: ");
        out.put_slice(name.as_bytes());
        out.put_slice(b"\n");
    }
    out.put_slice(b"data: ");
    let start = out.len();
    write_to(out, data);
    in_one_line(out.get_mut(start..).unwrap_or_default());
    out.put_slice(b"\n\n");
}

/// Raw JSON keeps its line breaks; they stand outside of strings, where a space means the same, and would end the line of an event.
pub fn in_one_line(json: &mut [u8]) {
    for byte in json {
        if matches!(*byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

/// A document of plain text where texts have no titles.
pub fn titled<'a>(title: Option<&str>, text: &'a str) -> Cow<'a, str> {
    title.map_or(Cow::Borrowed(text), |title| Cow::Owned(format!("{title}:\n\n{text}")))
}

/// What stands around the text of a custom tool's call where calls take objects only.
pub const CUSTOM_INPUT: (&str, &str) = ("{\"input\":\"", "\"}");

/// A text as it stands in JSON, without its quotes.
pub fn escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}

/// A member that may be a text or a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextOr<T> {
    Text(String),
    List(Vec<T>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for TextOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = TextOr<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text or a list")
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(TextOr::Text(text.to_owned()))
            }

            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(TextOr::Text(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(items)).map(TextOr::List)
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
}

/// For members of answers that may be `null` where they are usually a list, a text, a number.
pub fn null_as_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// The parts of a `data:` URL (RFC 2397) in base64: its media type without parameters, and its data.
pub fn parse_data_url(url: &str) -> Option<(&str, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let mime = head.strip_suffix(";base64")?;
    Some((mime.split(';').next().unwrap_or_default(), data))
}

pub fn data_url(mime: &str, data: &str) -> String {
    format!("data:{mime};base64,{data}")
}

fn spelled(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", spelled(parent)),
        Path::Map { parent, key } => match spelled(parent) {
            parent if parent.is_empty() => key.clone(),
            parent => format!("{parent}.{key}"),
        },
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => spelled(parent),
    }
}

/// Reads once more, slowly, to say where the request does not fit.
fn explain<'a, T: Deserialize<'a>>(body: &'a str) -> Refusal {
    let mut deserializer = serde_json::Deserializer::from_str(body);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Ok(_) => Refusal::invalid("The body cannot be read."),
        Err(why) if why.inner().is_data() => {
            Refusal::invalid(format!("`{}` does not fit: {}.", why.path(), why.inner()))
        }
        Err(why) => not_json(why.inner()),
    }
}

fn not_json(why: &serde_json::Error) -> Refusal {
    Refusal::invalid(format!("The body is not JSON: {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::ir::Json;

    #[derive(Debug, Deserialize)]
    struct Outer {
        list: Vec<Inner>,
        other: Option<Box<Inner>>,
    }

    #[derive(Debug, Deserialize)]
    struct Inner {
        content: Option<TextOr<Inner>>,
        schema: Option<Json>,
    }

    #[test]
    fn tells_what_it_does_not_know_and_keeps_raw_json_raw() {
        let body = br#"{"list":[{"content":[{"schema":{"n": 1.50}, "mood":1}]}],"other":{"x":{}},"y":null}"#;
        let (outer, unknown) = read_request::<Outer>(body).expect("a request");
        let paths: Vec<_> = unknown.iter().map(|unknown| unknown.path.as_str()).collect();
        assert_eq!(paths, ["list[0].content[0].mood", "other.x", "y"]);
        let Some(TextOr::List(inner)) = &outer.list[0].content else { panic!("a list") };
        assert_eq!(inner[0].schema.as_ref().map(|raw| raw.get()), Some(r#"{"n": 1.50}"#));
        assert!(outer.other.is_some());
    }

    #[test]
    fn reads_members_that_were_left_raw() {
        let raw = RawValue::from_string(r#"{"schema":1,"mood":{"x":2}}"#.to_owned()).expect("JSON");
        let mut unknown = Vec::new();
        let place = || "list[3]".to_owned();
        assert!(read_member::<Inner>(&raw, &place, &mut unknown).is_ok());
        assert_eq!(unknown, [Unknown { path: "list[3].mood".to_owned() }]);
        let raw = RawValue::from_string(r#"{"content":1}"#.to_owned()).expect("JSON");
        let wrong = read_member::<Inner>(&raw, &place, &mut unknown).expect_err("wrong");
        assert!(wrong.message.starts_with("`list[3].content` does not fit: "), "{wrong}");
    }

    #[test]
    fn says_where_a_request_does_not_fit() {
        let wrong = |body: &str| read_request::<Outer>(body.as_bytes()).expect_err("wrong").message;
        assert!(wrong(r#"{"list":[{"content":7}]}"#).starts_with("`list[0].content` does not fit: "));
        assert!(wrong(r#"{"list":["#).starts_with("The body is not JSON: "));
        assert!(wrong(r#"{"list":[]} x"#).starts_with("The body is not JSON: "));
    }

    #[test]
    fn an_event_is_on_one_line() {
        let raw = RawValue::from_string("{\n  \"a\": \"b\\nc\"\r\n}".to_owned()).expect("JSON");
        let mut out = BytesMut::new();
        write_event(&mut out, Some("x"), &raw);
        assert_eq!(out, "event: x\ndata: {   \"a\": \"b\\nc\"  }\n\n");
    }

    #[test]
    fn reads_data_urls() {
        assert_eq!(parse_data_url("data:image/png;base64,AAA="), Some(("image/png", "AAA=")));
        assert_eq!(parse_data_url("data:image/png;name=x;base64,A"), Some(("image/png", "A")));
        assert_eq!(parse_data_url("https://x/a,b"), None);
        assert_eq!(parse_data_url("data:text/plain,x"), None);
    }
}
