//! What exactly a provider is sent.

use super::{FORM, about_files, field, file, form, object, part, setup, told, upload, vault};
use crate::support::gateway::Setup;
use crate::support::http::Body;
use crate::support::upstream::{Received, Reply, Upstream};
use serde_json::Value;

/// Every byte of a form arrives but for the part that is ours.
#[tokio::test]
async fn a_form_is_forwarded_byte_by_byte() {
    let upstream = vault().await;
    let gateway = setup(&[("openai", &upstream), ("groq", &upstream)]).start().await;
    let odd = part("content-disposition:form-data;name=purpose\r\nx-own: yes", "vision");
    let tricky = "\r\n--a-boundar\r\n--a-boundaryx\n\0\u{1f30d}--a-boundary";
    let tricky = tricky.replace("--a-boundaryx", "--a-bound");
    let (expires, unknown) = (field("expires_after[anchor]", "created_at"), field("some[thing]", "new \u{e9}"));
    let seconds = field("expires_after[seconds]", "3600");
    let ours = field("provider", "openai");
    let file = file("a \\\"quoted\\\" name.txt", &tricky);
    let all = [&odd, &expires, &ours, &file, &seconds, &unknown];
    for at in 0..all.len() {
        // Ours may stand anywhere near a small file.
        let mut parts: Vec<String> = all.iter().filter(|part| **part != &ours).map(|part| (*part).clone()).collect();
        let expected = form(&parts);
        parts.insert(at, ours.clone());
        let answer = upload(&gateway, "/v1/files", &form(&parts)).await;
        assert_eq!(answer.head.status, 200, "{}", answer.text());
        // What the provider shows is shown, members of its own as well.
        assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap(), object("file-1", "vision"));
        let sent = about_files(&upstream).pop().expect("a request");
        assert_eq!((sent.method.as_str(), sent.path.as_str()), ("POST", "/v1/files"));
        assert_eq!(sent.text(), expected, "ours at {at}");
        assert_eq!(sent.headers.get("content-type"), Some(FORM));
        assert_eq!(sent.headers.get("content-length"), Some(expected.len().to_string().as_str()));
        assert_eq!(sent.headers.get("authorization"), Some(format!("Bearer key-{}", upstream.address.port()).as_str()));
    }
}

#[tokio::test]
async fn a_form_in_chunks_and_a_query_are_forwarded() {
    let upstream = vault().await;
    let gateway = setup(&[("openai", &upstream), ("groq", &upstream)]).start().await;
    let form = form(&[field("purpose", "vision"), file("a.txt", &"0123456789".repeat(1000))]);
    let pieces: Vec<&[u8]> = form.as_bytes().chunks(777).collect();
    let headers = [("content-type", FORM), ("authorization", "Bearer of-the-client"), ("x-narthex-instance", "groq")];
    let mut client = gateway.client().await;
    let answer = client.exchange("POST", "/v1/files?own=1", &headers, Body::Chunked(&pieces)).await;
    assert_eq!(answer.head.status, 200, "{}", answer.text());
    let sent = about_files(&upstream).pop().expect("a request");
    assert_eq!(sent.path, "/v1/files?own=1");
    assert_eq!(sent.text(), form);
    assert_eq!(sent.headers.get("transfer-encoding"), Some("chunked"));
    assert_eq!(sent.headers.all("authorization").count(), 1);
    upload(&gateway, "/v1/files?provider=groq&own=2&key=canary", &form).await;
    assert_eq!(about_files(&upstream).pop().expect("a request").path, "/v1/files?own=2");
}

/// Some providers take files without a purpose; the others say so themselves.
#[tokio::test]
async fn a_purpose_is_not_insisted_on() {
    let upstream = vault().await;
    let gateway = setup(&[("xai", &upstream)]).start().await;
    let form = form(&[file("a.txt", "x")]);
    assert_eq!(upload(&gateway, "/v1/files", &form).await.head.status, 200);
    assert_eq!(about_files(&upstream).pop().expect("a request").text(), form);
}

/// The path and the credentials by which each provider is asked, for an upload and for a file.
#[tokio::test]
async fn each_provider_is_asked_in_its_own_way() {
    type Expected = (&'static str, &'static str, &'static str, &'static str, (&'static str, &'static str));
    let expected: [Expected; 8] = [
        ("openai", "/v1", "/v1/files", "/v1/files/file-1", ("authorization", "Bearer the-key")),
        ("azure", "/openai/v1", "/openai/v1/files", "/openai/v1/files/file-1", ("api-key", "the-key")),
        (
            "azure",
            "\", api_version: \"2024-10-21",
            "/openai/files?api-version=2024-10-21",
            "/openai/files/file-1?api-version=2024-10-21",
            ("api-key", "the-key"),
        ),
        ("groq", "/openai/v1", "/openai/v1/files", "/openai/v1/files/file-1", ("authorization", "Bearer the-key")),
        ("xai", "/v1", "/v1/files", "/v1/files/file-1", ("authorization", "Bearer the-key")),
        (
            "bailian",
            "/compatible-mode/v1",
            "/compatible-mode/v1/files",
            "/compatible-mode/v1/files/file-1",
            ("authorization", "Bearer the-key"),
        ),
        ("openrouter", "/api/v1", "/api/v1/files", "/api/v1/files/file-1", ("authorization", "Bearer the-key")),
        ("anthropic", "/v1", "/v1/files", "/v1/files/file-1", ("x-api-key", "the-key")),
    ];
    for (provider, base, files, one, (name, credential)) in expected {
        let upstream = Upstream::start(move |_| match provider {
            "anthropic" => Reply::json(
                200,
                r#"{"type":"file","id":"file-1","filename":"a.txt","mime_type":"text/plain","size_bytes":11,"created_at":"2026-01-01T00:00:00Z"}"#,
            ),
            _ => Reply::json(200, object("file-1", "vision").to_string()),
        })
        .await;
        let settings = format!("base_url: \"http://{}{base}\", api_key: the-key, models: [m]", upstream.address);
        let gateway = Setup::instances([(provider, settings)]).and("inventory: {mode: allowlist}").start().await;
        let answer = upload(&gateway, "/v1/files", &form(&[field("purpose", "vision"), file("a.txt", "x")])).await;
        assert_eq!(answer.head.status, 200, "{provider}: {}", answer.text());
        assert_eq!(gateway.get("/v1/files/file-1").await.head.status, 200);
        let asked: Vec<Received> = about_files(&upstream);
        let paths: Vec<_> = asked.iter().map(|request| request.path.as_str()).collect();
        assert_eq!(paths, [files, one], "{provider}");
        for request in &asked {
            assert_eq!(request.headers.get(name), Some(credential), "{provider}");
        }
        if provider == "anthropic" {
            assert!(asked.iter().all(|request| request.headers.get("anthropic-version").is_some()));
            // It knows no purposes: a form from elsewhere loses its own.
            assert_eq!(asked[0].text(), form(&[file("a.txt", "x")]));
        }
    }
}

/// Google is told the length first, and sent the file where it says.
#[tokio::test]
async fn google_is_asked_by_its_own_protocol() {
    let address = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let own = std::sync::Arc::clone(&address);
    let upstream = Upstream::start(move |request| match request.path.as_str() {
        "/upload/v1beta/files" => {
            let url = format!("http://{}/upload/v1beta/files?upload_id=7&upload_protocol=resumable", own.get().unwrap());
            Reply::head(200, &[("x-goog-upload-url", &url), ("content-length", "0")])
        }
        _ => Reply::json(
            200,
            r#"{"file":{"name":"files/abc","displayName":"a.txt","mimeType":"text/plain","sizeBytes":"11","createTime":"2026-01-01T00:00:00Z"}}"#,
        ),
    })
    .await;
    address.set(upstream.address.to_string()).unwrap();
    let settings = format!("base_url: \"http://{}/v1beta/openai\", api_key: the-key, models: [m]", upstream.address);
    let gateway = Setup::instances([("gemini", settings)]).and("inventory: {mode: allowlist}").start().await;
    let answer =
        upload(&gateway, "/v1/files", &form(&[field("purpose", "user_data"), file("a.txt", "the content")])).await;
    assert_eq!(answer.head.status, 200, "{}", answer.text());
    let shown: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((&shown["id"], &shown["bytes"], &shown["object"]), (&"abc".into(), &11.into(), &"file".into()));
    let [begun, sent] = &about_files(&upstream)[..] else { panic!("two requests") };
    assert_eq!(begun.headers.get("x-goog-upload-header-content-length"), Some("11"));
    let file: Value = serde_json::from_slice(&begun.body).unwrap();
    assert_eq!(file["file"]["displayName"], "a.txt");
    // Names that are chosen have up to 40 small letters, digits and dashes.
    let name = file["file"]["name"].as_str().unwrap().strip_prefix("files/").unwrap().to_owned();
    assert!(name.len() <= 40 && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')), "{name}");
    assert_eq!(sent.path, "/upload/v1beta/files?upload_id=7&upload_protocol=resumable");
    assert_eq!((sent.text(), sent.headers.get("x-goog-upload-command")), ("the content", Some("upload, finalize")));
    for request in [begun, sent] {
        assert_eq!(request.headers.get("x-goog-api-key"), Some("the-key"));
    }
}

/// An id is asked for where the file is, and nowhere else.
#[tokio::test]
async fn an_id_is_never_tried_at_another_provider() {
    let (one, two) = (vault().await, vault().await);
    let gateway = setup(&[("openai", &one), ("groq", &two)]).start().await;
    let form = form(&[field("purpose", "vision"), file("a.txt", "x")]);
    assert_eq!(upload(&gateway, "/v1/files?provider=groq", &form).await.head.status, 200);
    for path in ["/v1/files/file-1", "/v1/files/file-1/content"] {
        assert_eq!(gateway.get(path).await.head.status, 200);
    }
    let (status, code, message) = told(&gateway.get("/v1/files/file-2").await);
    assert_eq!((status, code.as_str(), message.as_str()), (404, "file_not_found", "There is no file `file-2`."));
    assert!(about_files(&one).is_empty());
    assert_eq!(about_files(&two).len(), 3);
    // Whoever names a provider may ask it.
    assert_eq!(gateway.get("/v1/files/file-1?provider=openai").await.head.status, 200);
    let (status, ..) = told(&gateway.get("/v1/files/file-9?provider=openai").await);
    assert_eq!((status, about_files(&one).len()), (404, 1));
}
