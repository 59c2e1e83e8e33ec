//! Files: what is sent to whom, what is refused, what is left when something breaks off, and whose they are.

mod broken;
mod named;
mod refused;
mod sent;

use crate::support::gateway::{Gateway, Setup};
use crate::support::http::{Answer, Body};
use crate::support::upstream::{Received, Reply, Upstream};
use serde_json::{Value, json};

pub const BOUNDARY: &str = "a-boundary";
pub const FORM: &str = "multipart/form-data; boundary=a-boundary";

/// A part of a form, as odd as parts may be.
pub fn part(headers: &str, content: &str) -> String {
    format!("--{BOUNDARY}\r\n{headers}\r\n\r\n{content}\r\n")
}

pub fn field(name: &str, value: &str) -> String {
    part(&format!("Content-Disposition: form-data; name=\"{name}\""), value)
}

pub fn file(name: &str, content: &str) -> String {
    let headers = format!(
        "Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: application/octet-stream"
    );
    part(&headers, content)
}

pub fn form(parts: &[String]) -> String {
    format!("{}--{BOUNDARY}--\r\n", parts.concat())
}

/// A provider that keeps files as OpenAI does, each under the id `file-1`, in words at least.
pub async fn vault() -> Upstream {
    Upstream::start(|request| match (request.method.as_str(), request.path.split('?').next().unwrap_or_default()) {
        ("POST", _) => Reply::json(200, object("file-1", "vision").to_string()),
        ("DELETE", _) => Reply::json(200, r#"{"id":"file-1","object":"file","deleted":true}"#),
        ("GET", path) if path.ends_with("/files/file-1") => Reply::json(200, object("file-1", "vision").to_string()),
        ("GET", path) if path.ends_with("/content") => Reply::whole(200, "text/plain", "the content"),
        ("GET", path) if path.ends_with("/models") => Reply::json(200, r#"{"object":"list","data":[]}"#),
        _ => Reply::json(
            404,
            r#"{"error":{"message":"nothing here","type":"invalid_request_error","code":null,"param":null}}"#,
        ),
    })
    .await
}

pub fn object(id: &str, purpose: &str) -> Value {
    json!({
        "id": id, "object": "file", "bytes": 11, "created_at": 1_700_000_000, "filename": "a.txt", "purpose": purpose,
        "status": "processed", "x_own": [1.50, "kept"],
    })
}

pub fn setup(upstreams: &[(&str, &Upstream)]) -> Setup {
    let settings = |upstream: &Upstream| {
        format!("base_url: \"http://{}/v1\", api_key: key-{}, models: [m]", upstream.address, upstream.address.port())
    };
    Setup::instances(upstreams.iter().map(|(name, upstream)| (*name, settings(upstream))))
        .and("inventory: {mode: allowlist}")
        .env("NARTHEX_RETRIES", "0")
}

pub async fn upload(gateway: &Gateway, path: &str, form: &str) -> Answer {
    let headers = [("content-type", FORM)];
    gateway.client().await.exchange("POST", path, &headers, Body::Length(form.as_bytes())).await
}

/// Status, code and message of a refusal in OpenAI's shape.
pub fn told(answer: &Answer) -> (u16, String, String) {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_else(|why| panic!("{why}: {}", answer.text()));
    let text = |name: &str| body["error"][name].as_str().unwrap_or_default().to_owned();
    (answer.head.status, text("code"), text("message"))
}

/// What concerns files, of all that an upstream has received.
pub fn about_files(upstream: &Upstream) -> Vec<Received> {
    upstream.requests().into_iter().filter(|request| request.path.contains("files")).collect()
}
