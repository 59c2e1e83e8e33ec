//! Requests that are wrong: each is told what is wrong with it, and none becomes two.

use crate::support::gateway::{Gateway, Provider, Setup};
use crate::support::http::{Body, Client};
use crate::support::upstream::Reply;
use serde_json::Value;

const CHAT: &str = "/v1/chat/completions";

async fn fine() -> (Provider, Gateway) {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let gateway = provider.behind_gateway().await;
    (provider, gateway)
}

#[tokio::test]
async fn bodies_are_told_what_is_wrong() {
    let (provider, gateway) = fine().await;
    let deep = format!("{{\"model\":\"m\",\"x\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
    let wide = format!("{{{}\"model\":\"m\"}}", "\"\":0,".repeat(1 << 20));
    for (body, says, param) in [
        ("", "no body", None),
        ("x", "at byte 0", None),
        ("[]", "expected a JSON object at byte 0", None),
        ("\"model\"", "at byte 0", None),
        ("{\"model\":\"m\"", "at byte 12", None),
        ("{\"model\":\"m\",}", "at byte 13", None),
        ("{\"model\":\"m\" \"x\":1}", "at byte 13", None),
        ("{\"model\":\"m}", "at byte 12", None),
        ("{model:\"m\"}", "at byte 1", None),
        ("{\"model\":\"m\",\"x\":[}", "at byte 18", None),
        ("{\"model\":\"m\"}{}", "at byte 13", None),
        ("{\"model\":\"m\",\"x\":NaN}", "at byte 17", None),
        (deep.as_str(), "nested too deeply", None),
        (wide.as_str(), "too many members (4096 at most)", None),
        ("{}", "`model` is missing", Some("model")),
        ("{\"model\":null}", "`model`", Some("model")),
        ("{\"model\":\"\"}", "`model`", Some("model")),
        ("{\"model\":[\"m\"]}", "`model`", Some("model")),
        ("{\"model\":5}", "`model`", Some("model")),
        ("{\"model\":\"\\ud800\"}", "`model`", Some("model")),
        ("{\"model\":\"m\",\"model\":\"m\"}", "more than once", Some("model")),
        ("{\"model\":\"m\",\"mod\\u0065l\":\"other\"}", "more than once", Some("model")),
        ("{\"x\":{\"model\":\"m\"}}", "`model` is missing", Some("model")),
    ] {
        for path in [CHAT, "/v1/responses", "/v1/embeddings"] {
            let answer = gateway.post(path, body).await;
            let shown = body.get(..40).unwrap_or(body);
            assert_eq!(answer.head.status, 400, "{shown}");
            let error: Value = serde_json::from_slice(&answer.body).expect("JSON");
            let error = error["error"].as_object().expect("an object").clone();
            assert!(error["message"].as_str().expect("a message").contains(says), "{shown}: {error:?}");
            assert_eq!(
                (error["param"].as_str(), &error["type"], error.len()),
                (param, &"invalid_request_error".into(), 4)
            );
        }
    }
    let compressed = gateway.post_with(CHAT, &[("content-encoding", "gzip")], b"\x1f\x8b").await;
    assert!(compressed.head.status == 400 && compressed.text().contains("content-encoding"));
    for (kind, body) in [
        ("multipart/form-data", "--b\r\n\r\n\r\n--b--"),
        ("multipart/form-data; boundary=x", "--b\r\n\r\n\r\n--b--"),
        ("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n\r\n--b--"),
    ] {
        let kind = [("content-type", kind)];
        let body = Body::Length(body.as_bytes());
        let answer = gateway.client().await.exchange("POST", "/v1/audio/transcriptions", &kind, body).await;
        assert_eq!(answer.head.status, 400, "{}", answer.text());
    }
    assert!(provider.requests().is_empty());
}

#[tokio::test]
async fn paths_and_methods_are_told_what_is_wrong() {
    let (provider, gateway) = fine().await;
    for (method, path, status, code) in [
        ("GET", CHAT, 405, "method_not_allowed"),
        ("DELETE", CHAT, 405, "method_not_allowed"),
        ("POST", "/v1/models", 405, "method_not_allowed"),
        ("POST", "/health", 405, "method_not_allowed"),
        ("OPTIONS", "/v1/responses", 405, "method_not_allowed"),
        ("GET", "/", 404, "unknown_url"),
        ("POST", "/v1", 404, "unknown_url"),
        ("POST", "/v1/chat", 404, "unknown_url"),
        ("POST", "/v1/v1/chat/completions", 404, "unknown_url"),
        ("POST", "/v2/chat/completions", 404, "unknown_url"),
        ("GET", "/metrics", 404, "unknown_url"),
        ("POST", "//v1/chat/completions", 404, "unknown_url"),
        ("POST", "/V1/chat/completions", 404, "unknown_url"),
        ("POST", "/v1/chat%2Fcompletions", 404, "unknown_url"),
        ("POST", "/p/../v1/chat/completions", 404, "unknown_provider"),
    ] {
        let answer = gateway.client().await.exchange(method, path, &[], Body::Length(br#"{"model":"m"}"#)).await;
        assert_eq!(answer.head.status, status, "{method} {path}");
        let error: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(error["error"]["code"], code, "{method} {path}");
    }
    for path in [CHAT, "/chat/completions", "/v1/chat/completions/", "/v1/chat/completions?api-version=1"] {
        assert_eq!(gateway.post(path, r#"{"model":"m"}"#).await.head.status, 200, "{path}");
        assert_eq!(provider.requests().pop().expect("a request").path, CHAT);
    }
    assert_eq!(provider.requests().len(), 4);
}

/// A refused request's body is not the next request, and the connection goes on where it can.
#[tokio::test]
async fn refusals_leave_the_connection_in_order() {
    let (provider, gateway) = fine().await;
    let mut client = gateway.client().await;
    for _ in 0..3 {
        let answer = client.exchange("POST", CHAT, &[], Body::Length(b"{}")).await;
        assert_eq!(answer.head.status, 400);
    }
    assert_eq!(client.exchange("POST", CHAT, &[], Body::Length(br#"{"model":"m"}"#)).await.head.status, 200);

    let smuggled = "POST /p/up/smuggled HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
    for path in ["/nowhere", "/p/nobody/x", "/health"] {
        let mut client = gateway.client().await;
        client.request("POST", path, &[], Body::Length(smuggled.as_bytes())).await;
        let status = client.answer().await.head.status;
        assert!(status >= 400, "{path}");
        client.send("GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        client.closed().await;
    }
    let paths: Vec<_> = provider.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, [CHAT]);
}

/// Whatever is between one request and two: the provider sees at most the first one, and nothing is called smuggled.
#[tokio::test]
async fn nothing_is_smuggled() {
    let (provider, gateway) = fine().await;
    let hidden = "GET /p/up/smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
    let size = hidden.len();
    let requests = [
        format!("content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("content-length: {}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}", size + 5),
        format!("transfer-encoding: chunked\r\ncontent-length: {}\r\n\r\n0\r\n\r\n{hidden}", size + 5),
        format!("content-length: 0\r\ncontent-length: {size}\r\n\r\n{hidden}"),
        format!("content-length: {size}\r\ncontent-length: 0\r\n\r\n{hidden}"),
        format!("content-length: 0, {size}\r\n\r\n{hidden}"),
        format!("content-length: +{size}\r\n\r\n{hidden}"),
        format!("content-length: 0x{size:x}\r\n\r\n{hidden}"),
        format!("content-length: -1\r\n\r\n{hidden}"),
        format!("content-length : {size}\r\n\r\n{hidden}"),
        format!("content-length:\r\n {size}\r\n\r\n{hidden}"),
        format!("x: y\r\n content-length: {size}\r\n\r\n{hidden}"),
        format!("transfer-encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("transfer-encoding : chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("transfer-encoding: chunked, identity\r\ncontent-length: {size}\r\n\r\n{hidden}"),
        format!(
            "transfer-encoding: identity\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!("transfer-encoding:\x0bchunked\r\ncontent-length: {size}\r\n\r\n{hidden}"),
        format!("transfer-encoding: chunked\r\n\r\n0;x=\n\r\n\r\n{hidden}"),
        format!("transfer-encoding: chunked\r\n\r\n0x0\r\n\r\n{hidden}"),
        format!("transfer-encoding: chunked\r\n\r\n-1\r\n\r\n{hidden}"),
        format!("transfer-encoding: chunked\r\n\r\n1\r\nab0\r\n\r\n{hidden}"),
        format!("transfer-encoding: chunked\r\n\r\nfffffffffffffffff0\r\n\r\n{hidden}"),
        format!("x: a\nb: c\r\ncontent-length: {size}\r\n\r\n{hidden}"),
        format!("x: a\rcontent-length: {size}\r\n\r\n{hidden}"),
        format!("x: a\0b\r\ncontent-length: {size}\r\n\r\n{hidden}"),
        format!("connection: content-length\r\ncontent-length: {size}\r\n\r\n{hidden}"),
        format!(
            "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n{hidden}"
        ),
    ];
    for path in [CHAT, "/p/up/first"] {
        for headers in &requests {
            let before = provider.requests().len();
            let mut client = Client::connect(gateway.address).await;
            client.send(format!("POST {path} HTTP/1.1\r\nhost: x\r\n{headers}")).await;
            let said = client.everything().await;
            let new = provider.requests().split_off(before);
            let smuggled = new.iter().any(|request| request.path.contains("smuggled"));
            // A gateway that answers twice has read two requests, as a front before it might not have.
            let answers = said.matches("HTTP/1.1 ").count();
            assert!(!smuggled && new.len() <= 1, "{path} {headers:?}: {new:?}\n{said}");
            assert!(answers <= 1, "{path} {headers:?}: {said}");
        }
    }
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let (provider, gateway) = fine().await;
    let long_header = format!("GET /p/up/x HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(3 << 20));
    for request in [
        "\r\n\r\n\r\n",
        "hello\r\n\r\n",
        "GET /p/up/x\r\n\r\n",
        "GET /p/up/x HTTP/9.9\r\nhost: x\r\n\r\n",
        "GET p/up/x HTTP/1.1\r\nhost: x\r\n\r\n",
        "G\u{0}T /p/up/x HTTP/1.1\r\nhost: x\r\n\r\n",
        "CONNECT 127.0.0.1:80 HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /p/up/x HTTP/1.1\r\n: empty\r\n\r\n",
        &long_header,
    ] {
        let mut client = Client::connect(gateway.address).await;
        client.send(request).await;
        let said = client.everything().await;
        let shown: String = request.chars().take(60).collect();
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{shown:?}: {said}");
        assert!(provider.requests().is_empty(), "{shown:?}");
    }
    assert_eq!(gateway.chat("m").await.head.status, 200, "it lives");
}

/// A URL that names another host is still ours to answer, and says nothing about where the request goes.
#[tokio::test]
async fn the_target_is_ours_whatever_host_is_named() {
    let (provider, gateway) = fine().await;
    let mut client = gateway.client().await;
    client.send("GET http://evil.example/p/up/x HTTP/1.1\r\nhost: other.example\r\n\r\n").await;
    let status = client.answer().await.head.status;
    let received = provider.requests();
    assert!(status == 200 || received.is_empty());
    assert!(
        received.iter().all(|request| request.headers.get("host") == Some(provider.address().to_string().as_str()))
    );
    assert!(received.iter().all(|request| request.path == "/v1/x"), "{received:?}");
}

/// Each kind of refusal, in one test: they have all four members, a request id, and nothing of the client's body.
#[tokio::test]
async fn refusals_do_not_repeat_the_body() {
    let gateway = Setup::new().env("NARTHEX_MAX_BODY", "2K").start().await;
    let large = format!("{{\"model\":\"{}\"}}", "canary".repeat(1000));
    for body in ["{\"model\":\"m\",\"canary", "canary", &large] {
        let answer = gateway.post(CHAT, body).await;
        assert!(answer.head.status >= 400 && !answer.text().contains("canary"), "{}", answer.text());
        assert!(answer.head.headers.get("x-request-id").is_some());
    }
}
