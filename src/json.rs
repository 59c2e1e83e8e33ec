//! JSON objects read one level deep.
//!
//! A request body may hold megabytes of base64; to route it we need three of its members. [`Object::read`] finds the
//! members of the outermost object and skips over their values, so its cost is that of a search, and [`Edits`] changes
//! members without touching a byte of the others: numbers keep their spelling, keys their order.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use memchr::memchr2;
use serde::de::DeserializeOwned;

/// Nesting beyond this is refused: no API has a use for it, and parsers downstream recurse.
const MAX_DEPTH: usize = 512;

/// Why a body is no JSON object. `at` counts bytes from the start of the body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct Malformed {
    pub what: &'static str,
    pub at: usize,
}

/// The members of one JSON object, as places in its text.
#[derive(Debug, Clone)]
pub struct Object {
    text: Bytes,
    /// Just behind the opening brace.
    start: usize,
    members: Vec<Member>,
}

#[derive(Debug, Clone)]
struct Member {
    /// The key between its quotes, still escaped.
    key: Range<usize>,
    value: Range<usize>,
}

impl Object {
    /// Finds the members of the object that `text` consists of. Values are skipped, not validated: strings and brackets
    /// must be closed, what is inside is the reader's business.
    pub fn read(text: Bytes) -> Result<Self, Malformed> {
        let mut scan = Scan { text: &text, at: 0 };
        // Some editors write a byte order mark; RFC 8259 §8.1 lets a parser ignore it.
        if text.starts_with(b"\xef\xbb\xbf") {
            scan.at = 3;
        }
        scan.space();
        scan.expect(b'{', "expected a JSON object")?;
        let start = scan.at;
        let mut members = Vec::with_capacity(16);
        scan.space();
        if scan.peek() == Some(b'}') {
            scan.at += 1;
        } else {
            loop {
                scan.space();
                scan.expect(b'"', "expected a member name in quotes")?;
                let key_start = scan.at;
                scan.string()?;
                let key = key_start..scan.at - 1;
                scan.space();
                scan.expect(b':', "expected ':' after the member name")?;
                scan.space();
                let value_start = scan.at;
                scan.value()?;
                members.push(Member { key, value: value_start..scan.at });
                scan.space();
                match scan.next() {
                    Some(b',') => continue,
                    Some(b'}') => break,
                    _ => return Err(scan.wrong("expected ',' or '}'")),
                }
            }
        }
        scan.space();
        if scan.at != text.len() {
            return Err(scan.here("unexpected text after the JSON object"));
        }
        Ok(Self { text, start, members })
    }

    /// The text that this object was read from.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The raw text of a member's value; of repeated members the last, which is what JSON parsers take.
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.find(key).and_then(|member| self.text.get(member.value.clone()))
    }

    /// How many members bear this name. More than one is legal JSON, yet two readers may take two different ones.
    pub fn count(&self, key: &str) -> usize {
        self.members.iter().filter(|member| self.is(member, key)).count()
    }

    /// A member read as `T`; `None` when it is absent or of another shape.
    pub fn parse<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        serde_json::from_slice(self.get(key)?).ok()
    }

    fn find(&self, key: &str) -> Option<&Member> {
        self.members.iter().rev().find(|member| self.is(member, key))
    }

    fn is(&self, member: &Member, key: &str) -> bool {
        let Some(raw) = self.text.get(member.key.clone()) else { return false };
        if memchr::memchr(b'\\', raw).is_none() {
            return raw == key.as_bytes();
        }
        // An escaped spelling of the same name must not slip past us.
        let quoted = self.text.get(member.key.start - 1..member.key.end + 1).unwrap_or_default();
        serde_json::from_slice::<String>(quoted).is_ok_and(|name| name == key)
    }
}

/// Changes to an [`Object`], to be made all at once.
#[derive(Debug, Clone, Default)]
pub struct Edits {
    changes: Vec<(Range<usize>, Cow<'static, str>)>,
}

impl Edits {
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Gives a member the value `json`, or adds the member in front of the others.
    pub fn set(&mut self, object: &Object, key: &'static str, json: impl Into<Cow<'static, str>>) {
        let json = json.into();
        match object.find(key) {
            Some(member) => self.changes.push((member.value.clone(), json)),
            None => self.insert(object.start, object.is_empty(), key, &json),
        }
    }

    /// Adds a member to an object that is itself the value of the member `outer`, in front of its others.
    pub fn set_inside(&mut self, object: &Object, outer: &str, key: &'static str, json: &'static str) {
        let Some(place) = object.find(outer).map(|member| member.value.clone()) else { return };
        let Ok(inner) = Object::read(object.text.slice(place.clone())) else { return };
        match inner.find(key) {
            Some(member) => {
                let value = place.start + member.value.start..place.start + member.value.end;
                self.changes.push((value, json.into()));
            }
            None => self.insert(place.start + inner.start, inner.is_empty(), key, json),
        }
    }

    /// Gives a member another name.
    pub fn rename(&mut self, object: &Object, from: &str, to: &'static str) {
        if let Some(member) = object.find(from) {
            self.changes.push((member.key.clone(), to.into()));
        }
    }

    /// The object's text with these changes: one allocation, one copy; without changes the very text that was read.
    pub fn apply(mut self, object: &Object) -> Bytes {
        if self.changes.is_empty() {
            return object.text.clone();
        }
        self.changes.sort_by_key(|(place, _)| place.start);
        let grown: usize = self.changes.iter().map(|(_, json)| json.len()).sum();
        let mut out = BytesMut::with_capacity(object.text.len() + grown);
        let mut copied = 0;
        for (place, json) in &self.changes {
            out.put_slice(object.text.get(copied..place.start).unwrap_or_default());
            out.put_slice(json.as_bytes());
            copied = place.end;
        }
        out.put_slice(object.text.get(copied..).unwrap_or_default());
        out.freeze()
    }

    fn insert(&mut self, at: usize, alone: bool, key: &str, json: &str) {
        let comma = if alone { "" } else { "," };
        self.changes.push((at..at, format!("\"{key}\":{json}{comma}").into()));
    }
}

/// Where `text` becomes more than a JSON value: the end of the value that it starts with.
pub fn value_end(text: &[u8]) -> Result<usize, Malformed> {
    let mut scan = Scan { text, at: 0 };
    scan.space();
    scan.value()?;
    Ok(scan.at)
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek();
        self.at += 1;
        byte
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), Malformed> {
        match self.next() {
            Some(found) if found == byte => Ok(()),
            _ => Err(self.wrong(what)),
        }
    }

    /// To just behind the closing quote, from just behind the opening one.
    fn string(&mut self) -> Result<(), Malformed> {
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            match memchr2(b'"', b'\\', rest) {
                Some(i) if rest.get(i) == Some(&b'"') => {
                    self.at += i + 1;
                    return Ok(());
                }
                Some(i) => self.at += i + 2,
                None => {
                    self.at = self.text.len();
                    return Err(self.here("unclosed string"));
                }
            }
        }
    }

    fn value(&mut self) -> Result<(), Malformed> {
        match self.next() {
            Some(b'"') => self.string(),
            Some(open @ (b'{' | b'[')) => self.nested(open),
            Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                while matches!(self.peek(), Some(b'0'..=b'9' | b'a'..=b'z' | b'.' | b'+' | b'-' | b'E')) {
                    self.at += 1;
                }
                Ok(())
            }
            _ => Err(self.wrong("expected a value")),
        }
    }

    /// Over a nested object or array, without recursion.
    fn nested(&mut self, open: u8) -> Result<(), Malformed> {
        let mut closers = Vec::with_capacity(8);
        closers.push(open + 2);
        while let Some(byte) = self.next() {
            match byte {
                b'"' => self.string()?,
                // In ASCII each closing bracket stands two behind its opening one.
                b'{' | b'[' if closers.len() == MAX_DEPTH => return Err(self.wrong("nested too deeply")),
                b'{' | b'[' => closers.push(byte + 2),
                b'}' | b']' => {
                    if closers.pop() != Some(byte) {
                        return Err(self.wrong("mismatched bracket"));
                    }
                    if closers.is_empty() {
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
        self.at = self.text.len();
        Err(self.here("unclosed bracket"))
    }

    /// At the byte that was just taken.
    fn wrong(&self, what: &'static str) -> Malformed {
        let at = self.at.saturating_sub(1).min(self.text.len());
        if at == self.text.len() {
            Malformed { what: "unexpected end of the body", at }
        } else {
            Malformed { what, at }
        }
    }

    fn here(&self, what: &'static str) -> Malformed {
        Malformed { what, at: self.at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &'static str) -> Object {
        Object::read(Bytes::from_static(text.as_bytes())).expect("an object")
    }

    fn raw(object: &Object, key: &str) -> Option<String> {
        object.get(key).map(|raw| String::from_utf8_lossy(raw).into_owned())
    }

    #[test]
    fn finds_members_whatever_surrounds_them() {
        let object = read(
            " {\n\"a\" : {\"model\":[\"}\\\"\"]}, \"model\" :\"m\\\"x\" ,\"n\":-1.50E+3,\"mod\\u0065l2\":null, \"stream\":true } ",
        );
        assert_eq!(raw(&object, "model").as_deref(), Some(r#""m\"x""#));
        assert_eq!(object.parse::<String>("model").as_deref(), Some("m\"x"));
        assert_eq!(raw(&object, "n").as_deref(), Some("-1.50E+3"));
        assert_eq!(raw(&object, "model2").as_deref(), Some("null"));
        assert_eq!(object.parse::<bool>("stream"), Some(true));
        assert_eq!(raw(&object, "absent"), None);
        assert_eq!(read("{}").get("model"), None);
        assert_eq!(read("\u{feff}{\"a\":1}").parse::<i32>("a"), Some(1));
    }

    #[test]
    fn the_last_of_repeated_members_counts() {
        let object = read(r#"{"model":"a","mod\u0065l":"b"}"#);
        assert_eq!(object.count("model"), 2);
        assert_eq!(object.parse::<String>("model").as_deref(), Some("b"));
    }

    #[test]
    fn says_where_it_is_malformed() {
        let wrong = |text: &str| Object::read(Bytes::copy_from_slice(text.as_bytes())).map(|_| ()).unwrap_err();
        assert_eq!(wrong("[1]"), Malformed { what: "expected a JSON object", at: 0 });
        assert_eq!(wrong(""), Malformed { what: "unexpected end of the body", at: 0 });
        assert_eq!(wrong(r#"{"a":1"#), Malformed { what: "unexpected end of the body", at: 6 });
        assert_eq!(wrong(r#"{"a":1 "b":2}"#), Malformed { what: "expected ',' or '}'", at: 7 });
        assert_eq!(wrong(r#"{"a":"x}"#), Malformed { what: "unclosed string", at: 8 });
        assert_eq!(wrong(r#"{"a":[1}"#), Malformed { what: "mismatched bracket", at: 7 });
        assert_eq!(wrong(r#"{"a":}"#), Malformed { what: "expected a value", at: 5 });
        assert_eq!(wrong(r#"{"a":1} x"#), Malformed { what: "unexpected text after the JSON object", at: 8 });
        let deep = format!("{{\"a\":{}", "[".repeat(600));
        assert_eq!(wrong(&deep).what, "nested too deeply");
    }

    #[test]
    fn edits_leave_every_other_byte_alone() {
        let object = read(r#"{ "x":1.0 , "model" : "a","max_completion_tokens":5 , "stream_options":{ "y":[] } }"#);
        let mut edits = Edits::default();
        edits.set(&object, "model", r#""longer-name""#);
        edits.set(&object, "added", "true");
        edits.set_inside(&object, "stream_options", "include_usage", "true");
        edits.rename(&object, "max_completion_tokens", "max_tokens");
        assert_eq!(
            edits.apply(&object),
            r#"{"added":true, "x":1.0 , "model" : "longer-name","max_tokens":5 , "stream_options":{"include_usage":true, "y":[] } }"#
        );
        let empty = read(r#"{"stream_options":{}}"#);
        let mut edits = Edits::default();
        edits.set_inside(&empty, "stream_options", "include_usage", "true");
        assert_eq!(edits.apply(&empty), r#"{"stream_options":{"include_usage":true}}"#);
        let mut edits = Edits::default();
        edits.set(&read("{}"), "a", "1");
        assert_eq!(edits.apply(&read("{}")), r#"{"a":1}"#);
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            "\\PC*".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::hash_map("\\PC{0,8}", inner, 0..6).prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(members in prop::collection::btree_map("\\PC{0,8}", any_json(), 0..8)) {
            for text in [serde_json::to_string(&members).unwrap(), serde_json::to_string_pretty(&members).unwrap()] {
                let object = Object::read(text.clone().into()).unwrap();
                for (key, value) in &members {
                    let read = object.parse::<serde_json::Value>(key);
                    prop_assert_eq!(read.as_ref(), Some(value));
                }
                let mut edits = Edits::default();
                edits.set(&object, "model", "\"z\"");
                let edited: serde_json::Value = serde_json::from_slice(&edits.apply(&object)).unwrap();
                let mut expected = serde_json::to_value(&members).unwrap();
                expected["model"] = "z".into();
                prop_assert_eq!(edited, expected);
            }
        }

        #[test]
        fn never_panics(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Object::read(text.into());
        }
    }
}
