//! Calls of tools as they come: in fragments that name their call by an index, by an id, or not at all.

use super::wire;
use crate::dialects::Dialect;
use crate::dialects::ir::{CallKind, Seal, ToolCall};
use crate::dialects::openai_chat::loose::read;

/// The calls of one choice.
#[derive(Debug, Default)]
pub struct Calls {
    calls: Vec<Call>,
}

#[derive(Debug, Default)]
pub struct Call {
    /// The provider's number, if it gave one.
    index: Option<u64>,
    /// As the provider gave it.
    id: Option<String>,
    name: String,
    kind: CallKind,
    seal: Option<Seal>,
    /// What came of the arguments before the name did.
    pub early: String,
    pub is_announced: bool,
    balance: Balance,
}

/// What a fragment adds to its call.
#[derive(Debug)]
pub struct Fragment {
    /// The place of the call among [`Calls`].
    pub call: usize,
    pub arguments: Option<String>,
    /// A seal that came after the beginning.
    pub seal: Option<Seal>,
}

impl Calls {
    /// Takes in a fragment. In a whole answer every entry is a call of its own, whatever its index.
    pub fn take(&mut self, entry: wire::ToolCall<'_>, is_whole: bool) -> Fragment {
        let wire::ToolCall { index, id, kind, function, custom, extra_content } = entry;
        let is_custom = custom.is_some() || kind.get() == Some("custom");
        let function = custom.or(function).unwrap_or_default();
        let found = if is_whole { None } else { self.find(index.0, id.get(), function.name.0.is_some()) };
        let call = found.unwrap_or(self.calls.len());
        if found.is_none() {
            self.calls.push(Call { index: index.0, ..Call::default() });
        }
        let arguments = function.arguments();
        let google = read::<wire::Extra<'_>>(extra_content).and_then(|extra| extra.google);
        let seal = google.and_then(|google| google.thought_signature.owned());
        let mut seal = seal.map(|value| Seal::carried_by(Dialect::Gemini, &value));
        if let Some(known) = self.calls.get_mut(call) {
            known.id = known.id.take().or_else(|| id.owned());
            if known.name.is_empty() {
                known.name = function.name.owned().unwrap_or_default();
            }
            if is_custom {
                known.kind = CallKind::Custom;
            }
            if !known.is_announced {
                known.seal = seal.take().or_else(|| known.seal.take());
            }
        }
        Fragment { call, arguments, seal }
    }

    fn find(&self, index: Option<u64>, id: Option<&str>, is_named: bool) -> Option<usize> {
        let last = self.calls.len().checked_sub(1);
        let with_id = |id: &str| self.calls.iter().rposition(|call| call.id.as_deref() == Some(id));
        match (index, id) {
            (Some(index), id) => {
                let at = self.calls.iter().rposition(|call| call.index == Some(index))?;
                let known = self.calls.get(at)?.id.as_deref();
                // Some give every call the same index.
                let is_another = is_named && id.is_some() && known.is_some() && id != known;
                if is_another { id.and_then(with_id) } else { Some(at) }
            }
            (None, Some(id)) => with_id(id).or(if is_named { None } else { last }),
            (None, None) => {
                if is_named {
                    None
                } else {
                    last
                }
            }
        }
    }

    pub fn get(&self, call: usize) -> Option<&Call> {
        self.calls.get(call)
    }

    pub fn get_mut(&mut self, call: usize) -> Option<&mut Call> {
        self.calls.get_mut(call)
    }

    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Whether there is a call that says something, but not what is to be called.
    pub fn lack_a_name(&self) -> bool {
        self.calls.iter().any(|call| call.name.is_empty() && !(call.early.is_empty() && call.id.is_none()))
    }
}

impl Call {
    pub fn is_named(&self) -> bool {
        !self.name.is_empty()
    }

    /// The call without its arguments.
    pub fn part(&mut self) -> ToolCall {
        let id = self.id.take().unwrap_or_else(invented_id);
        self.id = Some(id.clone());
        let (kind, seal) = (self.kind, self.seal.take());
        ToolCall { id, name: self.name.clone(), kind, arguments: String::new(), seal }
    }

    pub fn weigh(&mut self, arguments: &str) {
        self.balance.weigh(arguments);
    }

    /// Whether nothing more can come. Free text cannot tell.
    pub fn is_complete(&self) -> bool {
        self.kind == CallKind::Custom || self.balance.is_even()
    }
}

pub fn invented_id() -> String {
    let random = std::iter::repeat_with(fastrand::alphanumeric).take(24);
    "call_".chars().chain(random).collect()
}

/// Whether a JSON object, fragment by fragment, is complete.
#[derive(Debug, Default)]
struct Balance {
    depth: u32,
    has_begun: bool,
    is_in_text: bool,
    is_escaped: bool,
}

impl Balance {
    fn weigh(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.is_in_text => self.is_escaped = true,
                b'"' => self.is_in_text = !self.is_in_text,
                _ if self.is_in_text => {}
                b'{' | b'[' => {
                    self.depth = self.depth.saturating_add(1);
                    self.has_begun = true;
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    fn is_even(&self) -> bool {
        self.has_begun && self.depth == 0 && !self.is_in_text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_complete_when_its_braces_are() {
        for (text, is_even) in
            [("", false), ("{\"a\":\"}", false), ("{\"a\":\"\\\"}\"", false), ("{\"a\":[{}]}", true), ("[1]", true)]
        {
            let mut balance = Balance::default();
            text.char_indices().for_each(|(at, letter)| balance.weigh(&text[at..at + letter.len_utf8()]));
            assert_eq!(balance.is_even(), is_even, "{text}");
        }
    }

    #[test]
    fn fragments_find_their_call() {
        let mut calls = Calls::default();
        let mut take = |json: &str| calls.take(serde_json::from_str(json).expect("a call"), false).call;
        assert_eq!(take(r#"{"index":0,"id":"a","function":{"name":"f"}}"#), 0);
        assert_eq!(take(r#"{"index":0,"id":"a","function":{"arguments":"{"}}"#), 0);
        assert_eq!(take(r#"{"index":1,"id":"b","function":{"name":"f"}}"#), 1);
        assert_eq!(take(r#"{"index":0,"function":{"arguments":"}"}}"#), 0);
        assert_eq!(take(r#"{"index":0,"id":"c","function":{"name":"f"}}"#), 2, "another call with the same index");
        assert_eq!(take(r#"{"index":0,"id":"","function":{"arguments":"{}"}}"#), 2);
        assert_eq!(take(r#"{"id":"d","function":{"name":"f"}}"#), 3);
        assert_eq!(take(r#"{"function":{"arguments":"{}"}}"#), 3);
        assert_eq!(take(r#"{"id":"d","function":{"arguments":" "}}"#), 3);
    }
}
