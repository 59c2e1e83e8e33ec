//! What breaks off, on whichever side.

use super::{FORM, about_files, field, file, form, object, setup, told, upload, vault};
use crate::support::http::Body;
use crate::support::upstream::{Reply, Upstream};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// A client that leaves in the middle of an upload leaves nothing behind, wherever the file was on its way to.
#[tokio::test]
async fn a_broken_off_upload_leaves_nothing() {
    let upstream = vault().await;
    let gateway = setup(&[("openai", &upstream), ("anthropic", &upstream)]).start().await;
    let large = format!("{{\"custom_id\":\"a\"}}\n{}", "x".repeat(3 << 20));
    for (provider, purpose) in [("openai", "vision"), ("anthropic", "batch")] {
        let whole = form(&[field("purpose", purpose), file("a.jsonl", &large)]);
        let path = format!("/v1/files?provider={provider}");
        let mut client = gateway.client().await;
        client.head("POST", &path, &[("content-type", FORM)], &Body::Length(whole.as_bytes())).await;
        client.send(&whole.as_bytes()[..2 << 20]).await;
        drop(client);
        gateway.access_lines(if provider == "openai" { 1 } else { 2 }).await;
    }
    // It was begun there, and never whole.
    assert!(about_files(&upstream).is_empty());
    let listed: Value = serde_json::from_slice(&gateway.get("/v1/files?purpose=batch").await.body).unwrap_or_default();
    assert_eq!(listed["data"].as_array().map_or(0, Vec::len), 0);
}

/// A download that breaks off must not look whole.
#[tokio::test]
async fn a_broken_off_download_is_not_shown_as_whole() {
    let upstream = Upstream::start(|request| match (request.method.as_str(), request.path.as_str()) {
        ("POST", _) => Reply::json(200, object("file-1", "vision").to_string()),
        (_, "/v1/files/file-1/content") => Reply::head(200, &[("content-length", "1000")]).bytes("a beginning").cut(),
        (_, "/v1/files/file-2/content") => Reply::chunked(200, &[]).chunk("a beginning").cut(),
        _ => Reply::json(404, "{}"),
    })
    .await;
    let gateway = setup(&[("openai", &upstream)]).start().await;
    for id in ["file-1", "file-2"] {
        let answer = gateway.get(&format!("/v1/files/{id}/content")).await;
        assert_eq!((answer.head.status, answer.text(), answer.whole), (200, "a beginning", false), "{id}");
    }
}

/// Without its provider a file is shown as it was seen last; its content is not to be had.
#[tokio::test]
async fn without_its_provider_a_file_is_shown_as_it_was() {
    let status = Arc::new(AtomicU8::new(0));
    let now = Arc::clone(&status);
    let upstream = Upstream::start(move |_| match now.load(Ordering::Relaxed) {
        0 => Reply::json(200, object("file-1", "vision").to_string()),
        1 => Reply::json(503, r#"{"error":{"message":"not now"}}"#),
        2 => Reply::default().cut(),
        _ => Reply::json(404, r#"{"error":{"message":"No such File object: file-1"}}"#),
    })
    .await;
    let gateway = setup(&[("openai", &upstream)]).start().await;
    upload(&gateway, "/v1/files", &form(&[field("purpose", "vision"), file("a.txt", "x")])).await;
    for state in [1, 2] {
        status.store(state, Ordering::Relaxed);
        let answer = gateway.get("/v1/files/file-1").await;
        assert_eq!(answer.head.status, 200, "{}", answer.text());
        assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap(), object("file-1", "vision"));
        let (status, ..) = told(&gateway.get("/v1/files/file-1/content").await);
        assert!(status >= 500, "{status}");
    }
    // Gone is gone.
    status.store(3, Ordering::Relaxed);
    assert_eq!(told(&gateway.get("/v1/files/file-1").await).2, "There is no file `file-1`.");
}

/// A provider that refuses an upload without reading it has its say.
#[tokio::test]
async fn an_early_refusal_is_told() {
    let refusal = r#"{"error":{"message":"No.","type":"invalid_request_error","param":null,"code":"no"}}"#;
    let upstream = Upstream::start(move |_| Reply::json(403, refusal)).await;
    let gateway = setup(&[("openai", &upstream)]).start().await;
    let large = form(&[field("purpose", "vision"), file("a", &"x".repeat(5 << 20))]);
    assert_eq!(told(&upload(&gateway, "/v1/files", &large).await), (403, "no".into(), "No.".into()));
}
