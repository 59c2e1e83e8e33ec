//! Responses over providers that forget them: kept here, continued, shown, deleted, each key's own. Those that a provider keeps stay
//! there. How they lie in the file is tested in `tests/store`.

mod chains;
mod keepers;
mod lasting;
mod shown;

use crate::support::gateway::{Gateway, JSON, Setup};
use crate::support::http::{Answer, Body};
use crate::support::upstream::{Received, Reply, Upstream};
use crate::support::wire::{Told, Wire};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A gateway over a provider of chat completions, which says `answer 1`, `answer 2` and so on, always under the same id.
pub struct Talk {
    pub gateway: Gateway,
    pub upstream: Upstream,
}

/// A client with a key, or without.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    gateway: &'a Gateway,
    key: Option<&'a str>,
}

pub async fn provider() -> Upstream {
    let count = AtomicUsize::new(0);
    Upstream::start(move |request| {
        let (wire, is_stream) = Wire::asked(request);
        let number = count.fetch_add(1, Ordering::Relaxed) + 1;
        said(wire, is_stream, number, &format!("answer {number}"))
    })
    .await
}

/// An answer. Only chat has the same id each time.
pub fn said(wire: Wire, is_stream: bool, number: usize, text: &str) -> Reply {
    let escaped = json!(crate::support::wire::TEXT).to_string();
    let replaced =
        |body: &str| body.replace(escaped.trim_matches('"'), text).replace("resp_1", &format!("resp_own{number}"));
    match is_stream {
        false => Reply::json(200, replaced(&wire.answer())),
        true => {
            assert_eq!(wire, Wire::Chat, "only chat is streamed here");
            let chunk = |delta: Value, reason: Value| {
                let choice = json!({"index": 0, "delta": delta, "finish_reason": reason});
                format!("data: {}\n\n", json!({"id": "c1", "created": 5, "model": "up", "choices": [choice]}))
            };
            let end = [chunk(json!({}), "stop".into()), "data: [DONE]\n\n".to_owned()].concat();
            Reply::events().chunk(chunk(json!({"content": text}), Value::Null)).chunk(end).end()
        }
    }
}

pub fn setup(upstream: &Upstream) -> Setup {
    let root = format!("http://{}", upstream.address);
    Setup::instances([
        ("chat", Wire::Chat.instance(&root)),
        ("messages", Wire::Messages.instance(&root)),
        ("native", Wire::Responses.instance(&root) + ", keeps_responses: false"),
    ])
    .env("NARTHEX_RETRIES", "0")
}

impl Talk {
    pub async fn start() -> Self {
        let upstream = provider().await;
        let gateway = setup(&upstream).start().await;
        Self { gateway, upstream }
    }

    pub fn client(&self) -> Client<'_> {
        Client { gateway: &self.gateway, key: None }
    }

    pub fn last(&self) -> Received {
        self.upstream.requests().pop().expect("a request")
    }

    /// Who has said what to the provider of chat completions, in the last request.
    pub fn heard(&self) -> Vec<(String, String)> {
        heard(&self.last())
    }
}

pub fn heard(request: &Received) -> Vec<(String, String)> {
    let body = parsed(&request.body);
    let said = |message: &Value| {
        let content = match &message["content"] {
            Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
            content => content.as_str().unwrap_or_default().to_owned(),
        };
        (message["role"].as_str().expect("a role").to_owned(), content)
    };
    body["messages"].as_array().expect("messages").iter().map(said).collect()
}

/// The same, in short.
pub fn lines(heard: &[(String, String)]) -> Vec<String> {
    heard.iter().map(|(role, text)| format!("{role}: {text}")).collect()
}

impl<'a> Client<'a> {
    pub fn of(gateway: &'a Gateway) -> Self {
        Self { gateway, key: None }
    }

    pub fn with_key(gateway: &'a Gateway, key: &'a str) -> Self {
        Self { gateway, key: Some(key) }
    }

    pub async fn ask(self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let bearer = self.key.map(|key| format!("Bearer {key}"));
        let mut headers = Vec::new();
        headers.extend(body.map(|_| JSON));
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        let text = body.map(Value::to_string);
        let body = text.as_ref().map_or(Body::None, |text| Body::Length(text.as_bytes()));
        self.gateway.client().await.exchange(method, path, &headers, body).await
    }

    /// Asks for a response; fails the test if there is none.
    pub async fn create(self, body: Value) -> Value {
        let is_stream = body["stream"] == true;
        let answer = self.ask("POST", "/v1/responses", Some(&body)).await;
        assert_eq!((answer.head.status, answer.whole), (200, true), "{}", answer.text());
        if !is_stream {
            return parsed(&answer.body);
        }
        let told = Told::of_stream(Wire::Responses, &answer.body);
        assert!(told.is_finished && told.errors.is_empty(), "{told:?}");
        completed(answer.text()).expect("the response as a whole")
    }

    /// A turn of a conversation with this model.
    pub async fn turn(self, model: &str, previous: Option<&Value>, words: &str) -> Value {
        let previous = previous.map(|previous| previous["id"].clone());
        self.create(json!({"model": model, "input": words, "previous_response_id": previous})).await
    }

    pub async fn get(self, id: &Value, rest: &str) -> Answer {
        self.ask("GET", &format!("/v1/responses/{}{rest}", id.as_str().expect("an id")), None).await
    }

    pub async fn delete(self, id: &Value) -> Answer {
        self.ask("DELETE", &format!("/v1/responses/{}", id.as_str().expect("an id")), None).await
    }

    /// Status, code and parameter of a refusal.
    pub async fn refused(self, body: Value) -> (u16, Value, Value) {
        let answer = self.ask("POST", "/v1/responses", Some(&body)).await;
        error(&answer)
    }
}

/// Status, code and parameter of an error, which must be OpenAI's.
pub fn error(answer: &Answer) -> (u16, Value, Value) {
    let body = parsed(&answer.body);
    assert!(!Wire::Responses.message_of(&body).is_empty());
    (answer.head.status, body["error"]["code"].clone(), body["error"]["param"].clone())
}

pub fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|why| panic!("{why}: {:?}", String::from_utf8_lossy(bytes)))
}

/// The response that a stream's last event tells, if it has come.
pub fn completed(stream: &str) -> Option<Value> {
    let event = stream.split("\n\n").find(|event| event.starts_with("event: response.completed\n"))?;
    let data = event.lines().find_map(|line| line.strip_prefix("data: "))?;
    Some(parsed(data.as_bytes())["response"].clone())
}
