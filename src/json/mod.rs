//! JSON objects read one level deep.
//!
//! A request body may hold megabytes of base64; to route it we need three of its members. [`Object::read`] finds the
//! members of the outermost object and skips over their values, so its cost is that of a search, and [`Edits`] changes
//! members without touching a byte of the others: numbers keep their spelling, keys their order.
//!
//! The text may come in pieces, as it was read from a socket, and leaves in pieces: what is long is never put together.

mod edits;
mod scan;

use std::borrow::Cow;
use std::ops::Range;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use edits::Edits;
use scan::{Found, Scan};

use crate::rope::Rope;

/// Why a body is no JSON object. `at` counts bytes from the start of the body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct Malformed {
    pub what: &'static str,
    pub at: usize,
}

/// Writes `before`, which is JSON up to the value of a member, and the value. For texts that are written for each exchange: names that
/// stand in the program need no escaping.
pub fn put(out: &mut Vec<u8>, before: &str, value: impl Serialize) {
    out.extend_from_slice(before.as_bytes());
    // Writing into memory cannot fail.
    let _ = serde_json::to_writer(out, &value);
}

/// The members of one JSON object, as places in its text.
#[derive(Debug, Clone)]
pub struct Object {
    text: Rope,
    /// Just behind the opening brace.
    start: usize,
    members: Vec<Member>,
}

#[derive(Debug, Clone)]
struct Member {
    /// The key between its quotes, still escaped.
    key: Range<usize>,
    value: Range<usize>,
    /// Whether there is a backslash in the key.
    is_escaped: bool,
}

impl Object {
    /// Finds the members of the object that `text` consists of. Values are skipped, not validated: strings and brackets
    /// must be closed, what is inside is the reader's business.
    pub fn read(text: impl Into<Rope>) -> Result<Self, Malformed> {
        let text = text.into();
        let mut scan = Scan::new();
        for piece in text.pieces() {
            scan.push(piece)?;
        }
        let Found { start, members } = scan.finish()?;
        Ok(Self { text, start, members })
    }

    /// The text that this object was read from.
    pub fn text(&self) -> &Rope {
        &self.text
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The raw text of a member's value; of repeated members the last, which is what JSON parsers take.
    pub fn get(&self, key: &str) -> Option<Cow<'_, [u8]>> {
        self.find(key).map(|member| self.text.slice(&member.value))
    }

    /// How many members bear this name. More than one is legal JSON, yet two readers may take two different ones.
    pub fn count(&self, key: &str) -> usize {
        self.members.iter().filter(|member| self.is(member, key)).count()
    }

    /// A member read as `T`; `None` when it is absent or of another shape.
    pub fn parse<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        serde_json::from_slice(&self.get(key)?).ok()
    }

    /// A member that is a text, read; borrowed where it stands so in the object.
    pub fn text_of(&self, key: &str) -> Option<Cow<'_, str>> {
        let raw = self.get(key)?;
        if let Cow::Borrowed([b'"', text @ .., b'"']) = raw
            && !text.iter().any(|byte| *byte == b'\\' || *byte < b' ')
        {
            return std::str::from_utf8(text).ok().map(Cow::Borrowed);
        }
        serde_json::from_slice(&raw).ok().map(Cow::Owned)
    }

    /// The members in their order: names, and values as raw text.
    pub fn members(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, [u8]>)> {
        self.members.iter().map(|member| (self.name(member), self.text.slice(&member.value)))
    }

    fn name(&self, member: &Member) -> Cow<'_, str> {
        let raw = self.text.slice(&member.key);
        match raw {
            Cow::Borrowed(raw) if !member.is_escaped => String::from_utf8_lossy(raw),
            raw => {
                let quoted = self.text.slice(&(member.key.start - 1..member.key.end + 1));
                let name = serde_json::from_slice(&quoted);
                Cow::Owned(name.unwrap_or_else(|_| String::from_utf8_lossy(&raw).into_owned()))
            }
        }
    }

    fn find(&self, key: &str) -> Option<&Member> {
        self.members.iter().rev().find(|member| self.is(member, key))
    }

    fn is(&self, member: &Member, key: &str) -> bool {
        if !member.is_escaped {
            return member.key.len() == key.len() && *self.text.slice(&member.key) == *key.as_bytes();
        }
        // Another spelling of the same name must not slip past us.
        let quoted = self.text.slice(&(member.key.start - 1..member.key.end + 1));
        serde_json::from_slice::<String>(&quoted).is_ok_and(|name| name == key)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use proptest::prelude::*;

    fn read(text: &'static str) -> Object {
        Object::read(Bytes::from_static(text.as_bytes())).expect("an object")
    }

    fn raw(object: &Object, key: &str) -> Option<String> {
        object.get(key).map(|raw| String::from_utf8_lossy(&raw).into_owned())
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
    fn escapes_do_not_end_texts_early_nor_late() {
        let object = read(r#"{"a":"\\\\","b":"\\\"","c":["\\",{"d":"\\\\\""}],"e":"\n\t\u0022"}"#);
        assert_eq!(raw(&object, "a").as_deref(), Some(r#""\\\\""#));
        assert_eq!(raw(&object, "b").as_deref(), Some(r#""\\\"""#));
        assert_eq!(raw(&object, "c").as_deref(), Some(r#"["\\",{"d":"\\\\\""}]"#));
        assert_eq!(raw(&object, "e").as_deref(), Some(r#""\n\t\u0022""#));
    }

    #[test]
    fn texts_are_read_as_parsers_read_them() {
        let object = read(r#"{"a":"plain ü","b":"\u0061\"","c":5,"d":"","e":null}"#);
        for name in ["a", "b", "c", "d", "e", "f"] {
            assert_eq!(object.text_of(name).map(Cow::into_owned), object.parse::<String>(name), "{name}");
        }
        assert!(matches!(object.text_of("a"), Some(Cow::Borrowed("plain ü"))));
        let odd = Object::read(Bytes::from_static(b"{\"a\":\"\xff\",\"b\":\"a\nb\"}")).expect("an object");
        assert_eq!((odd.text_of("a"), odd.text_of("b")), (None, None));
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
        assert_eq!(wrong(r#"{"a":[{"b":1}"#), Malformed { what: "unclosed bracket", at: 13 });
        let members = |count: usize| format!("{{{}\"\":0}}", "\"\":0,".repeat(count - 1));
        assert!(Object::read(Bytes::from(members(4096))).is_ok());
        assert_eq!(wrong(&members(4097)).what, "too many members (4096 at most)");
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
            edits.apply(&object).to_bytes(),
            r#"{"added":true, "x":1.0 , "model" : "longer-name","max_tokens":5 , "stream_options":{"include_usage":true, "y":[] } }"#
        );
        let empty = read(r#"{"stream_options":{}}"#);
        let mut edits = Edits::default();
        edits.set_inside(&empty, "stream_options", "include_usage", "true");
        assert_eq!(edits.apply(&empty).to_bytes(), r#"{"stream_options":{"include_usage":true}}"#);
        let mut edits = Edits::default();
        edits.set(&read("{}"), "a", "1");
        assert_eq!(edits.apply(&read("{}")).to_bytes(), r#"{"a":1}"#);
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
                let object = Object::read(Bytes::from(text.clone())).unwrap();
                for (key, value) in &members {
                    let read = object.parse::<serde_json::Value>(key);
                    prop_assert_eq!(read.as_ref(), Some(value));
                }
                let mut edits = Edits::default();
                edits.set(&object, "model", "\"z\"");
                let edited: serde_json::Value = serde_json::from_slice(&edits.apply(&object).to_bytes()).unwrap();
                let mut expected = serde_json::to_value(&members).unwrap();
                expected["model"] = "z".into();
                prop_assert_eq!(edited, expected);
            }
        }

        #[test]
        fn reads_the_same_however_it_is_cut(members in prop::collection::btree_map("\\PC{0,8}", any_json(), 0..5), seed in any::<u64>()) {
            let text = serde_json::to_string(&members).unwrap();
            let whole = Object::read(Bytes::from(text.clone())).unwrap();
            let mut random = fastrand::Rng::with_seed(seed);
            let mut rest = Bytes::from(text.clone());
            let next = || (!rest.is_empty()).then(|| rest.split_to(random.usize(1..=rest.len().min(7))));
            let cut = Object::read(std::iter::from_fn(next).collect::<Rope>()).unwrap();
            for key in members.keys() {
                prop_assert_eq!(cut.get(key), whole.get(key));
            }
            let mut edits = Edits::default();
            edits.set(&cut, "model", "1");
            let mut same = Edits::default();
            same.set(&whole, "model", "1");
            prop_assert_eq!(edits.apply(&cut).to_bytes(), same.apply(&whole).to_bytes());
        }

        #[test]
        fn never_panics(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let text = Bytes::from(text);
            let cut = text.len() / 2;
            let rope: Rope = [text.slice(..cut), text.slice(cut..)].into_iter().collect();
            let pieces = Object::read(rope).map(|object| object.count("a"));
            prop_assert_eq!(pieces, Object::read(text).map(|object| object.count("a")));
        }
    }
}
