//! JSON objects read one level deep.
//!
//! A request body may hold megabytes of base64; to route it we need three of its members. [`Object::read`] finds the
//! members of the outermost object and skips over their values, so its cost is that of a search, and [`Edits`] changes
//! members without touching a byte of the others: numbers keep their spelling, keys their order.
//!
//! The text may come in pieces, as it was read from a socket: it is put together once, when it is written out again.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use memchr::memchr;
use serde::de::DeserializeOwned;
use wide::u8x16;

use crate::rope::Rope;

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
        match scan.state {
            State::End => Ok(Self { start: scan.start, members: scan.members, text }),
            State::InKey | State::InText => Err(Malformed { what: "unclosed string", at: text.len() }),
            State::Nested | State::InNestedText => Err(Malformed { what: "unclosed bracket", at: text.len() }),
            _ => Err(Malformed { what: "unexpected end of the body", at: text.len() }),
        }
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

    fn find(&self, key: &str) -> Option<&Member> {
        self.members.iter().rev().find(|member| self.is(member, key))
    }

    fn is(&self, member: &Member, key: &str) -> bool {
        // The name itself, or a longer spelling of it.
        if member.key.len() < key.len() {
            return false;
        }
        let raw = self.text.slice(&member.key);
        if memchr(b'\\', &raw).is_none() {
            return *raw == *key.as_bytes();
        }
        // An escaped spelling of the same name must not slip past us.
        let quoted = self.text.slice(&(member.key.start - 1..member.key.end + 1));
        serde_json::from_slice::<String>(&quoted).is_ok_and(|name| name == key)
    }
}

/// Changes to an [`Object`], to be made all at once.
#[derive(Debug, Clone, Default)]
pub struct Edits {
    changes: Vec<(Range<usize>, Cow<'static, str>)>,
}

impl Edits {
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
        let Ok(inner) = Object::read(Bytes::from(object.text.slice(&place).into_owned())) else { return };
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

    /// The object's text with these changes, in one piece: one allocation, one copy. Neither, for a text that is in one
    /// piece already and is not changed.
    pub fn apply(mut self, object: &Object) -> Bytes {
        if self.changes.is_empty() {
            return object.text.to_bytes();
        }
        self.changes.sort_by_key(|(place, _)| place.start);
        let grown: usize = self.changes.iter().map(|(_, json)| json.len()).sum();
        let mut out = BytesMut::with_capacity(object.text.len() + grown);
        let mut copied = 0;
        for (place, json) in &self.changes {
            object.text.copy_to(&(copied..place.start), &mut out);
            out.put_slice(json.as_bytes());
            copied = place.end;
        }
        object.text.copy_to(&(copied..object.text.len()), &mut out);
        out.freeze()
    }

    fn insert(&mut self, at: usize, alone: bool, key: &str, json: &str) {
        let comma = if alone { "" } else { "," };
        self.changes.push((at..at, format!("\"{key}\":{json}{comma}").into()));
    }
}

/// What comes next in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    /// A name, or the end of an object that is empty.
    FirstKey,
    Key,
    InKey,
    Colon,
    Value,
    InText,
    InScalar,
    Nested,
    InNestedText,
    Comma,
    End,
}

/// A machine that is pushed the text piece by piece.
struct Scan {
    state: State,
    /// Bytes of the pieces before this one.
    behind: usize,
    start: usize,
    members: Vec<Member>,
    key: Range<usize>,
    value_start: usize,
    /// The brackets that are to close what is open in a nested value.
    closers: Vec<u8>,
    /// The piece before ended in the middle of an escape.
    is_escaped: bool,
}

impl Scan {
    fn new() -> Self {
        Self {
            state: State::Start,
            behind: 0,
            start: 0,
            members: Vec::with_capacity(16),
            key: 0..0,
            value_start: 0,
            closers: Vec::new(),
            is_escaped: false,
        }
    }

    fn push(&mut self, piece: &[u8]) -> Result<(), Malformed> {
        let mut at = 0;
        while let Some(&byte) = piece.get(at) {
            at = match self.state {
                State::InKey => match self.text_end(piece, at) {
                    Some(end) => {
                        self.key.end = self.behind + end - 1;
                        self.state = State::Colon;
                        end
                    }
                    None => break,
                },
                State::InText => match self.text_end(piece, at) {
                    Some(end) => self.value_ends(end),
                    None => break,
                },
                State::InNestedText => match self.text_end(piece, at) {
                    Some(end) => {
                        self.state = State::Nested;
                        end
                    }
                    None => break,
                },
                State::Nested => self.nested(piece, at)?,
                State::InScalar => match byte {
                    b'0'..=b'9' | b'a'..=b'z' | b'.' | b'+' | b'-' | b'E' => at + 1,
                    _ => self.value_ends(at),
                },
                _ if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') => at + 1,
                _ => self.token(byte, at)?,
            };
        }
        self.behind += piece.len();
        Ok(())
    }

    /// One byte outside values and names.
    fn token(&mut self, byte: u8, at: usize) -> Result<usize, Malformed> {
        let here = self.behind + at;
        self.state = match (self.state, byte) {
            // Some editors write a byte order mark; RFC 8259 §8.1 lets a parser ignore it.
            (State::Start, 0xef | 0xbb | 0xbf) if here < 3 => State::Start,
            (State::Start, b'{') => {
                self.start = here + 1;
                State::FirstKey
            }
            (State::Start, _) => return Err(Malformed { what: "expected a JSON object", at: here }),
            (State::FirstKey, b'}') | (State::Comma, b'}') => State::End,
            (State::FirstKey | State::Key, b'"') => {
                self.key.start = here + 1;
                State::InKey
            }
            (State::FirstKey | State::Key, _) => {
                return Err(Malformed { what: "expected a member name in quotes", at: here });
            }
            (State::Colon, b':') => State::Value,
            (State::Colon, _) => return Err(Malformed { what: "expected ':' after the member name", at: here }),
            (State::Value, _) => {
                self.value_start = here;
                match byte {
                    b'"' => State::InText,
                    b'{' | b'[' => {
                        self.closers.push(closer(byte));
                        State::Nested
                    }
                    b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => State::InScalar,
                    _ => return Err(Malformed { what: "expected a value", at: here }),
                }
            }
            (State::Comma, b',') => State::Key,
            (State::Comma, _) => return Err(Malformed { what: "expected ',' or '}'", at: here }),
            (State::End, _) => return Err(Malformed { what: "unexpected text after the JSON object", at: here }),
            (State::InKey | State::InText | State::InScalar | State::Nested | State::InNestedText, _) => self.state,
        };
        Ok(at + 1)
    }

    fn value_ends(&mut self, at: usize) -> usize {
        let value = self.value_start..self.behind + at;
        self.members.push(Member { key: self.key.clone(), value });
        self.state = State::Comma;
        at
    }

    /// Just behind the quote that closes the text which `piece` is in the middle of; `None` if the piece ends before.
    fn text_end(&mut self, piece: &[u8], at: usize) -> Option<usize> {
        // Texts are full of escapes, yet seldom of escaped quotes: so only quotes are looked for, and whether one is
        // escaped is seen from the backslashes before it.
        let start = at + usize::from(std::mem::take(&mut self.is_escaped));
        let text = piece.get(start..).unwrap_or_default();
        let mut unescaped = quotes(text).filter(|quote| !is_escaped_at(text, *quote));
        let end = unescaped.next();
        self.is_escaped = end.is_none() && is_escaped_at(text, text.len());
        Some(start + end? + 1)
    }

    /// On in a nested value, without recursion.
    fn nested(&mut self, piece: &[u8], mut at: usize) -> Result<usize, Malformed> {
        // Between texts there is mostly a comma or a colon; a longer run is worth skipping a block at a time.
        let mut run = 0;
        while let Some(&byte) = piece.get(at) {
            at += 1;
            match byte {
                b'"' => {
                    self.state = State::InNestedText;
                    return Ok(at);
                }
                b'{' | b'[' => {
                    if self.closers.len() == MAX_DEPTH {
                        return Err(Malformed { what: "nested too deeply", at: self.behind + at - 1 });
                    }
                    self.closers.push(closer(byte));
                    run = 0;
                }
                b'}' | b']' => {
                    if self.closers.pop() != Some(byte) {
                        return Err(Malformed { what: "mismatched bracket", at: self.behind + at - 1 });
                    }
                    if self.closers.is_empty() {
                        return Ok(self.value_ends(at));
                    }
                    run = 0;
                }
                _ if run == BLOCK => {
                    at = skip_plain(piece, at);
                    run = 0;
                }
                _ => run += 1,
            }
        }
        Ok(at)
    }
}

/// Bytes that are looked at together.
const BLOCK: usize = 16;

fn closer(open: u8) -> u8 {
    if open == b'{' { b'}' } else { b']' }
}

/// The places of all quotes, found a block at a time: pasted code has one every few words, and looking for each anew would
/// cost more than the looking.
fn quotes(text: &[u8]) -> impl Iterator<Item = usize> {
    let quote = u8x16::splat(b'"');
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    let behind = blocks.len() * BLOCK;
    let in_blocks = blocks.iter().enumerate().flat_map(move |(index, block)| {
        let mut found = u8x16::new(*block).simd_eq(quote).to_bitmask();
        std::iter::from_fn(move || {
            let place = usize::try_from(found.trailing_zeros()).ok().filter(|_| found != 0)?;
            found &= found - 1;
            Some(index * BLOCK + place)
        })
    });
    in_blocks.chain(memchr::memchr_iter(b'"', rest).map(move |place| behind + place))
}

/// Whether an odd number of backslashes stands before this place: each pair of them is a backslash of the text.
fn is_escaped_at(text: &[u8], place: usize) -> bool {
    let before = text.get(..place).unwrap_or_default();
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// Over bytes that are neither quotes nor brackets, a block at a time: long lists of numbers consist of little else.
fn skip_plain(piece: &[u8], at: usize) -> usize {
    let rest = piece.get(at..).unwrap_or_default();
    // Bit 5 is all that tells `[` from `{` and `]` from `}`.
    let is_plain = |byte: u8| (byte != b'"') & (byte | 0x20 != b'{') & (byte | 0x20 != b'}');
    let blocks =
        rest.chunks_exact(BLOCK).take_while(|block| block.iter().fold(true, |all, byte| all & is_plain(*byte)));
    at + blocks.count() * BLOCK
}

#[cfg(test)]
mod tests {
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
                let object = Object::read(Bytes::from(text.clone())).unwrap();
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
        fn reads_the_same_however_it_is_cut(members in prop::collection::btree_map("\\PC{0,8}", any_json(), 0..5), seed in any::<u64>()) {
            let text = serde_json::to_string(&members).unwrap();
            let whole = Object::read(Bytes::from(text.clone())).unwrap();
            let mut random = fastrand::Rng::with_seed(seed);
            let mut rope = Rope::default();
            let mut rest = Bytes::from(text.clone());
            while !rest.is_empty() {
                rope.push(rest.split_to(random.usize(1..=rest.len().min(7))));
            }
            let cut = Object::read(rope).unwrap();
            for key in members.keys() {
                prop_assert_eq!(cut.get(key), whole.get(key));
            }
            let mut edits = Edits::default();
            edits.set(&cut, "model", "1");
            let mut same = Edits::default();
            same.set(&whole, "model", "1");
            prop_assert_eq!(edits.apply(&cut), same.apply(&whole));
        }

        #[test]
        fn never_panics(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let text = Bytes::from(text);
            let cut = text.len() / 2;
            let mut rope = Rope::from(text.slice(..cut));
            rope.push(text.slice(cut..));
            let pieces = Object::read(rope).map(|object| object.count("a"));
            prop_assert_eq!(pieces, Object::read(text).map(|object| object.count("a")));
        }
    }
}
