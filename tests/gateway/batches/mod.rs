//! Batches: what is sent to whom and when, what is refused, whose they are, and what a restart or a second gateway changes.

mod bedrock;
mod emulated;
mod google;
mod looks;
mod refused;
mod sent;
mod vertex;

use crate::support::gateway::{Gateway, JSON, Setup};
use crate::support::http::{Answer, Body};
use crate::support::soon;
use crate::support::upstream::Upstream;
use serde_json::{Value, json};
use std::time::Duration;

pub const CHAT: &str = "/v1/chat/completions";

/// A line that asks a model something.
pub fn line(id: &str, model: &str) -> Value {
    let messages = json!([{"role": "user", "content": format!("I am {id}")}]);
    json!({"custom_id": id, "method": "POST", "url": CHAT, "body": {"model": model, "messages": messages}})
}

pub fn setup(upstream: &Upstream, batches: &str) -> Setup {
    let address = upstream.address;
    let instance = |path: &str| format!("base_url: \"http://{address}{path}\", api_key: the-key, models: [m, n]");
    Setup::instances([
        ("openai", instance("/v1")),
        ("anthropic", instance("/v1")),
        ("ollama", format!("base_url: \"http://{address}/plain/v1\", models: [p]")),
    ])
    .and("inventory: {mode: allowlist}")
    .and("models: {fast: openai/m}")
    .and(&format!("batches: {{poll: 20ms{batches}}}"))
    .env("NARTHEX_RETRIES", "0")
}

/// A client with a key, or without.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    pub gateway: &'a Gateway,
    pub key: &'a str,
}

impl<'a> Client<'a> {
    pub fn of(gateway: &'a Gateway) -> Self {
        Self { gateway, key: "none" }
    }

    pub async fn ask(self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let bearer = format!("Bearer {}", self.key);
        let text = body.map(Value::to_string);
        let body = text.as_ref().map_or(Body::None, |text| Body::Length(text.as_bytes()));
        let headers = [JSON, ("authorization", bearer.as_str())];
        self.gateway.client().await.exchange(method, path, &headers, body).await
    }

    pub async fn get(self, path: &str) -> Value {
        let answer = self.ask("GET", path, None).await;
        assert_eq!(answer.head.status, 200, "{path}: {}", answer.text());
        parsed(&answer)
    }

    /// Uploads lines for an instance.
    pub async fn file(self, provider: &str, lines: &str) -> String {
        let answer = self.upload(provider, lines).await;
        assert_eq!(answer.head.status, 200, "{}", answer.text());
        parsed(&answer)["id"].as_str().expect("an id").to_owned()
    }

    pub async fn upload(self, provider: &str, lines: &str) -> Answer {
        let form = format!(
            "--b\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b\r\n\
             content-disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n{lines}\r\n--b--\r\n"
        );
        let bearer = format!("Bearer {}", self.key);
        let headers = [("content-type", "multipart/form-data; boundary=b"), ("authorization", bearer.as_str())];
        let path = format!("/v1/files?provider={provider}");
        self.gateway.client().await.exchange("POST", &path, &headers, Body::Length(form.as_bytes())).await
    }

    /// A batch of these requests, which must be taken.
    pub async fn create(self, requests: &[Value]) -> String {
        let body = json!({"endpoint": CHAT, "completion_window": "24h", "requests": requests});
        let answer = self.ask("POST", "/v1/batches", Some(&body)).await;
        assert_eq!(answer.head.status, 200, "{}", answer.text());
        parsed(&answer)["id"].as_str().expect("an id").to_owned()
    }

    /// As the list has it: nobody looks at it for that.
    pub async fn listed(self, id: &str) -> Value {
        let list = self.get("/v1/batches").await;
        let found = list["data"].as_array().expect("a list").iter().find(|batch| batch["id"] == id);
        found.unwrap_or_else(|| panic!("no {id} in {list}")).clone()
    }

    /// Waits until the list has it with this status.
    pub async fn until(self, id: &str, status: &str) -> Value {
        let wait = async {
            loop {
                let batch = self.listed(id).await;
                if batch["status"] == status {
                    return batch;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        soon(&format!("{id} to be {status}"), wait).await
    }

    /// The custom ids of a file of results, sorted, and what was answered.
    pub async fn results(self, file: &Value) -> Vec<(String, Value)> {
        let Some(id) = file.as_str() else { return Vec::new() };
        let answer = self.ask("GET", &format!("/v1/files/{id}/content"), None).await;
        assert_eq!((answer.head.status, answer.whole), (200, true), "{}", answer.text());
        let lines = answer.text().lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let mut found: Vec<_> =
            lines.map(|line| (line["custom_id"].as_str().expect("an id").to_owned(), line)).collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }
}

pub fn parsed(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|why| panic!("{why}: {}", answer.text()))
}

/// Status, code and message of a refusal in OpenAI's shape.
pub fn told(answer: &Answer) -> (u16, String, String) {
    let body = parsed(answer);
    let text = |name: &str| body["error"][name].as_str().unwrap_or_default().to_owned();
    (answer.head.status, text("code"), text("message"))
}

/// An answer to a chat that says who asked.
pub fn chat(body: &[u8]) -> String {
    let asked: Value = serde_json::from_slice(body).expect("JSON");
    let said = asked["messages"][0]["content"].as_str().unwrap_or_default();
    json!({
        "id": "c1", "object": "chat.completion", "created": 5, "model": "up",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": format!("you: {said}")}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    })
    .to_string()
}
