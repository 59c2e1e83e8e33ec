//! Requests that name files: who is asked.

use serde_json::{Value, json};

use super::{field, file, form, told, upload, vault};
use crate::support::gateway::Setup;
use crate::support::upstream::{Reply, Upstream};

fn chat(id: &str) -> String {
    let content = json!([{"type": "file", "file": {"file_id": id}}, {"type": "text", "text": "What is in it?"}]);
    json!({"model": "m", "messages": [{"role": "user", "content": content}]}).to_string()
}

/// Instances of OpenAI's, each with its model.
fn instances<const N: usize>(all: [(&str, &Upstream, &str); N]) -> Setup {
    let settings = |upstream: &Upstream, model: &str| {
        format!("base_url: \"http://{}/v1\", api_key: key, models: [{model}], type: openai", upstream.address)
    };
    Setup::instances(all.map(|(name, upstream, model)| (name, settings(upstream, model))))
        .and("inventory: {mode: allowlist}")
        .env("NARTHEX_RETRIES", "0")
}

fn chats(upstream: &Upstream) -> usize {
    upstream.requests().iter().filter(|request| request.path == "/v1/chat/completions").count()
}

/// Of several instances the one that has the file is asked; a file that nobody knows may be anywhere.
#[tokio::test]
async fn a_file_leads_to_its_instance() {
    let (east, west) = (vault().await, vault().await);
    let gateway = instances([("east", &east, "m"), ("west", &west, "m")]).start().await;
    let form = form(&[field("purpose", "vision"), file("a.txt", "x")]);
    assert_eq!(upload(&gateway, "/v1/files?provider=west", &form).await.head.status, 200);
    for _ in 0..6 {
        gateway.post("/v1/chat/completions", chat("file-1")).await;
    }
    assert_eq!((chats(&east), chats(&west)), (0, 6));
    for _ in 0..6 {
        gateway.post("/v1/chat/completions", chat("file-unknown")).await;
    }
    assert_eq!((chats(&east) > 0, chats(&east) + chats(&west)), (true, 12));
    // What is only quoted is no name.
    let quoted =
        json!({"model": "m", "messages": [{"role": "user", "content": r#"{"file_id":"file-1"}"#}]}).to_string();
    let before = chats(&east);
    for _ in 0..6 {
        gateway.post("/v1/chat/completions", &quoted).await;
    }
    assert!(chats(&east) > before);
}

/// No target has what is named: the client is told where it is.
#[tokio::test]
async fn a_file_elsewhere_is_told_of() {
    let (one, two, three) = (vault().await, vault().await, vault().await);
    let gateway = instances([("one", &one, "m"), ("two", &two, "m"), ("three", &three, "another")]).start().await;
    let form = form(&[field("purpose", "vision"), file("a.txt", "x")]);
    assert_eq!(upload(&gateway, "/v1/files?provider=three", &form).await.head.status, 200);
    let (status, code, message) = told(&gateway.post("/v1/chat/completions", chat("file-1")).await);
    assert_eq!((status, code.as_str()), (400, "file_elsewhere"));
    assert_eq!(message, "The file `file-1` is at `three`, which does not serve `m`.");
    assert_eq!(chats(&one) + chats(&two), 0);
}

/// What was uploaded to Google is named as Google wants it, with its kind, whatever the client speaks.
#[tokio::test]
async fn a_file_at_google_is_named_as_google_names_it() {
    let address = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let own = std::sync::Arc::clone(&address);
    let upstream = Upstream::start(move |request| match request.path.split('?').next().unwrap_or_default() {
        "/upload/v1beta/files" if request.headers.get("x-goog-upload-command") == Some("start") => {
            let url = format!("http://{}/upload/v1beta/files?upload_id=7", own.get().unwrap());
            Reply::head(200, &[("x-goog-upload-url", &url), ("content-length", "0")])
        }
        "/upload/v1beta/files" => Reply::json(
            200,
            r#"{"file":{"name":"files/abc","displayName":"a.pdf","mimeType":"application/pdf","sizeBytes":"1","createTime":"2026-01-01T00:00:00Z"}}"#,
        ),
        _ => Reply::json(
            200,
            r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"A clock."}]},"finishReason":"STOP"}],"usageMetadata":{}}"#,
        ),
    })
    .await;
    address.set(upstream.address.to_string()).unwrap();
    let settings = format!("base_url: \"http://{}\", api_key: the-key, models: [m]", upstream.address);
    let gateway = Setup::instances([("gemini", settings)]).and("inventory: {mode: allowlist}").start().await;
    let form = form(&[field("purpose", "user_data"), file("a.pdf", "x")]);
    assert_eq!(upload(&gateway, "/v1/files", &form).await.head.status, 200);
    let answer = gateway.post("/v1/chat/completions", chat("abc")).await;
    assert_eq!(answer.head.status, 200, "{}", answer.text());
    let asked = upstream.requests().into_iter().find(|request| request.path.contains("generateContent")).unwrap();
    let asked: Value = serde_json::from_slice(&asked.body).unwrap();
    assert_eq!(
        asked["contents"][0]["parts"][0],
        json!({"fileData": {"mimeType": "application/pdf", "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc"}})
    );
}
