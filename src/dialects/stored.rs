//! What of OpenAI's Responses concerns those who keep them: what a request continues, and which response an answer is.

use std::collections::HashMap;

use bytes::{BufMut, Bytes, BytesMut};
use memchr::memmem::Finder;
use once_cell::sync::Lazy;
use serde::Deserialize;
use serde_json::json;

use super::framing::{Framing, sse::Sse};
pub use super::ir::Json;
use super::openai_responses;
use super::wire::write;
use crate::json::Object;

/// What a request says about keeping.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Whether the answer is to be kept: unless the client says no.
    pub store: bool,
    /// The response that is continued.
    pub previous: Option<String>,
    /// Items that are named instead of given.
    pub references: Vec<String>,
}

/// A searcher that is made once.
static ITEM_REFERENCE: Lazy<Finder<'_>> = Lazy::new(|| Finder::new("item_reference"));

impl Wishes {
    pub fn of(request: &Object) -> Self {
        #[derive(Deserialize)]
        struct Item {
            r#type: Option<String>,
            id: Option<String>,
        }
        let input = request.get("input").unwrap_or_default();
        let is_likely = ITEM_REFERENCE.find(&input).is_some();
        let items: Vec<Item> = if is_likely { request.parse("input").unwrap_or_default() } else { Vec::new() };
        let references = items.into_iter().filter(|item| item.r#type.as_deref() == Some("item_reference"));
        Self {
            store: request.parse::<bool>("store").unwrap_or(true),
            previous: request.parse::<Option<String>>("previous_response_id").flatten(),
            references: references.filter_map(|item| item.id).collect(),
        }
    }
}

/// A request that says all itself: with the items before its own, without what it continued, and with the items that it named.
pub fn complete(request: &Object, before: &[Json], named: &HashMap<String, Json>) -> Bytes {
    let mut out =
        BytesMut::with_capacity(request.text().len() + before.iter().map(|item| item.get().len()).sum::<usize>());
    out.put_slice(b"{\"input\":[");
    let own = own_input(request, named);
    for (at, item) in before.iter().chain(&own).enumerate() {
        if at > 0 {
            out.put_slice(b",");
        }
        out.put_slice(item.get().as_bytes());
    }
    out.put_slice(b"]");
    for (key, value) in request.members().filter(|(key, _)| !matches!(&**key, "input" | "previous_response_id")) {
        out.put_slice(b",");
        out.put_slice(&write(&key));
        out.put_slice(b":");
        out.put_slice(&value);
    }
    out.put_slice(b"}");
    out.freeze()
}

/// The items of a request's own input; a text is a message. Items that it only names are given.
pub fn own_input(request: &Object, named: &HashMap<String, Json>) -> Vec<Json> {
    if let Some(text) = request.parse::<String>("input") {
        let message = json!({ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": text }] });
        return serde_json::value::to_raw_value(&message).into_iter().collect();
    }
    let items: Vec<Json> = request.parse("input").unwrap_or_default();
    if named.is_empty() {
        return items;
    }
    items.into_iter().map(|item| reference(&item).and_then(|id| named.get(&id).cloned()).unwrap_or(item)).collect()
}

/// The same, each with an id, by which it can be named later.
pub fn kept_input(request: &Object, named: &HashMap<String, Json>) -> Vec<Json> {
    let given = || own_input(request, named);
    openai_responses::input_items(&complete(request, &[], named)).unwrap_or_else(|_| given())
}

fn reference(item: &Json) -> Option<String> {
    #[derive(Deserialize)]
    struct Item {
        r#type: Option<String>,
        id: Option<String>,
    }
    let item: Item = serde_json::from_str(item.get()).ok()?;
    item.id.filter(|_| item.r#type.as_deref() == Some("item_reference"))
}

/// A response as it was answered, and what must be known of it to keep it.
#[derive(Debug, Clone)]
pub struct Answered {
    pub id: String,
    pub output: Vec<Json>,
    pub object: Json,
}

impl Answered {
    /// Reads a response object; `None` if it is none, or one that has failed where all of it is sought.
    fn read(object: &[u8], sought: Sought) -> Option<Self> {
        #[derive(Deserialize)]
        struct Response {
            id: String,
            #[serde(default)]
            output: Vec<Json>,
            status: Option<String>,
        }
        let response: Response = serde_json::from_slice(object).ok()?;
        if sought == Sought::Whole && matches!(response.status.as_deref(), Some("failed" | "cancelled")) {
            return None;
        }
        Some(Self { id: response.id, output: response.output, object: serde_json::from_slice(object).ok()? })
    }
}

/// What of a response is sought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought {
    /// All of it, which a stream's last event has.
    Whole,
    /// Its id, which the first has: whoever began it in the background may ask for it before it is over.
    Id,
}

impl Sought {
    /// The events that tell it.
    fn events(self) -> &'static [&'static str] {
        match self {
            Self::Whole => &["response.completed", "response.incomplete"],
            Self::Id => &["response.created", "response.completed", "response.incomplete"],
        }
    }
}

/// Finds the response in the bytes that a client is sent, however they are cut.
pub struct Watch {
    framing: Sse,
    is_stream: bool,
    sought: Sought,
    body: Vec<u8>,
    found: Option<Answered>,
}

impl Watch {
    pub fn new(is_stream: bool, sought: Sought) -> Self {
        Self { framing: Sse::default(), is_stream, sought, body: Vec::new(), found: None }
    }

    pub fn push(&mut self, chunk: &[u8]) {
        if !self.is_stream {
            return self.body.extend_from_slice(chunk);
        }
        self.framing.push(chunk);
        while let Ok(Some(frame)) = self.framing.next() {
            // Cheaper than reading every delta.
            let events = self.sought.events();
            let may_tell = events.iter().any(|name| memchr::memmem::find(&frame.data, name.as_bytes()).is_some());
            if may_tell && let Ok(event) = Object::read(frame.data.clone()) {
                let kind: Option<String> = event.parse("type");
                if kind.is_some_and(|kind| events.contains(&kind.as_str())) {
                    let read = |response: std::borrow::Cow<'_, [u8]>| Answered::read(&response, self.sought);
                    self.found = event.get("response").and_then(read).or(self.found.take());
                }
            }
        }
    }

    /// The response, once it is known: in a stream by an event that tells it, of a whole body when that has ended.
    pub fn take(&mut self, is_end: bool) -> Option<Answered> {
        if !self.is_stream && is_end {
            self.found = Answered::read(&std::mem::take(&mut self.body), self.sought);
        }
        self.found.take()
    }
}

/// The page of a list of items, in OpenAI's form (`GET /v1/responses/{id}/input_items`).
pub fn item_list(items: &[Json], query: &str) -> Bytes {
    let value = |name: &str| {
        query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let limit = value("limit").and_then(|limit| limit.parse().ok()).unwrap_or(20_usize).clamp(1, 100);
    let id = |item: &Json| -> Option<String> {
        let object = Object::read(Bytes::copy_from_slice(item.get().as_bytes())).ok()?;
        object.parse("id")
    };
    let mut ordered: Vec<&Json> = items.iter().collect();
    if value("order") != Some("asc") {
        ordered.reverse();
    }
    let start = value("after").and_then(|after| {
        let at = ordered.iter().position(|item| id(item).as_deref() == Some(after))?;
        Some(at + 1)
    });
    let mut page: Vec<&Json> = ordered.into_iter().skip(start.unwrap_or(0)).take(limit + 1).collect();
    let has_more = page.len() > limit;
    page.truncate(limit);
    write(&json!({
        "object": "list",
        "first_id": page.first().and_then(|item| id(item)),
        "last_id": page.last().and_then(|item| id(item)),
        "has_more": has_more,
        "data": page,
    }))
}

/// A conversation that was to be made shorter, and is as it was: only its provider could do that.
pub fn not_compacted(id: &str, created: u64, items: &[Json], tokens: u64) -> Bytes {
    write(&json!({
        "id": id,
        "object": "response.compaction",
        "created_at": created,
        "output": items,
        "usage": {
            "input_tokens": tokens,
            "input_tokens_details": { "cached_tokens": 0, "cache_write_tokens": 0 },
            "output_tokens": 0,
            "output_tokens_details": { "reasoning_tokens": 0 },
            "total_tokens": tokens,
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Object {
        Object::read(Bytes::copy_from_slice(text.as_bytes())).expect("an object")
    }

    fn raw(text: &str) -> Json {
        serde_json::value::RawValue::from_string(text.to_owned()).expect("JSON")
    }

    #[test]
    fn a_completed_request_needs_no_memory() {
        let request = object(
            r#"{"model":"m","previous_response_id":"resp_1","input":[{"type":"item_reference","id":"a"},{"role":"user","content":"x"}],"n":1.50}"#,
        );
        let wishes = Wishes::of(&request);
        assert_eq!(
            wishes,
            Wishes { store: true, previous: Some("resp_1".to_owned()), references: vec!["a".to_owned()] }
        );
        let named = HashMap::from([("a".to_owned(), raw(r#"{"id":"a","z":1}"#))]);
        assert_eq!(
            complete(&request, &[raw("{\"b\": 2}")], &named),
            r#"{"input":[{"b": 2},{"id":"a","z":1},{"role":"user","content":"x"}],"model":"m","n":1.50}"#
        );
        let plain = object(r#"{"input":"hi","store":false,"previous_response_id":null}"#);
        assert_eq!(Wishes::of(&plain), Wishes::default());
        assert!(own_input(&plain, &HashMap::new())[0].get().contains(r#""text":"hi""#));
    }

    #[test]
    fn finds_the_response_in_what_is_sent() {
        let stream = concat!(
            "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"output\":[]}}\n\n",
            "data: {\"type\":\"response.output_text.delta\",\"delta\":\"\\\"response.completed\\\"\"}\n\n",
            "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"created_at\":5.0,\"output\":[{\"id\":\"msg_1\"}]}}\n\n"
        );
        for size in [1, 7, stream.len()] {
            let mut watch = Watch::new(true, Sought::Whole);
            stream.as_bytes().chunks(size).for_each(|chunk| watch.push(chunk));
            let answered = watch.take(false).expect("a response");
            assert_eq!((answered.id.as_str(), answered.output.len()), ("resp_1", 1));
        }
        let mut whole = Watch::new(false, Sought::Whole);
        whole.push(br#"{"id":"resp_2","status":"completed","output":[]}"#);
        assert_eq!(whole.take(true).map(|answered| answered.id).as_deref(), Some("resp_2"));
        let mut failed = Watch::new(false, Sought::Whole);
        failed.push(br#"{"id":"resp_2","status":"failed"}"#);
        assert!(failed.take(true).is_none());
        let mut begun = Watch::new(true, Sought::Id);
        begun.push(stream.split_inclusive("\n\n").next().expect("an event").as_bytes());
        assert_eq!(begun.take(false).map(|answered| answered.id).as_deref(), Some("resp_1"));
    }

    #[test]
    fn lists_items_in_pages() {
        let items: Vec<Json> = (0..3).map(|n| raw(&format!(r#"{{"id":"i{n}"}}"#))).collect();
        let page = |query: &str| String::from_utf8(item_list(&items, query).to_vec()).expect("text");
        assert!(page("limit=2").starts_with(r#"{"data":[{"id":"i2"},{"id":"i1"}],"first_id":"i2","has_more":true"#));
        assert!(page("order=asc&after=i0").starts_with(r#"{"data":[{"id":"i1"},{"id":"i2"}]"#));
    }
}
