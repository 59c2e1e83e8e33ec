//! Media by URL, for providers that take data only: what is fetched, and what is not.

use super::{body, gemini_says_hi};
use crate::support::gateway::{Gateway, Setup};
use crate::support::http::Answer;
use crate::support::upstream::{Reply, Upstream};
use serde_json::{Value, json};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nrest";

/// Google, and the web beside it, on one socket.
async fn world() -> Upstream {
    Upstream::start(|request| match request.path.as_str() {
        "/a.png" => Reply::whole(200, "image/png", PNG),
        "/untyped" => Reply::whole(200, "application/octet-stream", PNG),
        "/page" => Reply::whole(200, "text/html", "<html>"),
        "/paper" => Reply::whole(200, "application/pdf", "%PDF-1.7"),
        "/gone" => Reply::json(404, "{}"),
        "/large" => Reply::whole(200, "image/png", vec![0; 5000]),
        "/endless" => {
            (0..100).fold(Reply::chunked(200, &[("content-type", "image/png")]), |reply, _| reply.chunk([7; 100]))
        }
        "/slow" => Reply::head(200, &[("content-length", "9")]).pause(&crate::support::upstream::Gate::closed()),
        "/there" => Reply::head(302, &[("location", "/a.png"), ("content-length", "0")]),
        "/round" => Reply::head(302, &[("location", "/round"), ("content-length", "0")]),
        "/file" => Reply::head(302, &[("location", "file:///etc/passwd"), ("content-length", "0")]),
        _ => gemini_says_hi(),
    })
    .await
}

async fn gateway(upstream: &Upstream, fetch: &str) -> Gateway {
    let config = format!(
        "providers:\n  gemini: {{api_key: k, base_url: \"http://{}\", models: [gemini-2.5-flash, g], models_mode: allowlist}}\nmedia:\n  fetch: {{{fetch}}}\n",
        upstream.address
    );
    Setup::config(config).start().await
}

async fn show(gateway: &Gateway, urls: &[String]) -> Answer {
    let parts: Vec<_> = urls.iter().map(|url| json!({"type": "image_url", "image_url": {"url": url}})).collect();
    let asked = json!({"model": "gemini/gemini-2.5-flash", "messages": [{"role": "user", "content": parts}]});
    gateway.post("/v1/chat/completions", asked.to_string()).await
}

fn refusal(answer: &Answer) -> (u16, Value) {
    let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
    (answer.head.status, told["error"].clone())
}

#[tokio::test]
async fn data_takes_the_place_of_urls() {
    let upstream = world().await;
    let gateway = gateway(&upstream, "allow_private: true").await;
    let urls =
        ["/a.png", "/there", "/untyped"].map(|path| format!("http://localhost:{}{path}", upstream.address.port()));
    let answer = show(&gateway, &urls).await;
    assert_eq!(answer.head.status, 200, "{}", answer.text());
    let sent = body(&upstream.requests().pop().expect("a request"));
    for part in sent["contents"][0]["parts"].as_array().expect("parts") {
        assert_eq!(part["inlineData"], json!({"mimeType": "image/png", "data": "iVBORw0KGgpyZXN0"}), "{sent}");
    }
    let fetched = upstream.requests().into_iter().find(|request| request.path == "/a.png").expect("fetched");
    assert_eq!(fetched.headers.get("authorization"), None);
    assert_eq!(fetched.headers.get("x-goog-api-key"), None);
    // Documents, by another dialect.
    let url = format!("http://{}/paper", upstream.address);
    let document = json!([{"type": "document", "source": {"type": "url", "url": url}}]);
    let asked = json!({"model": "gemini/g", "max_tokens": 9, "messages": [{"role": "user", "content": document}]});
    gateway.post("/v1/messages", asked.to_string()).await;
    let sent = body(&upstream.requests().pop().expect("a request"));
    assert_eq!(sent["contents"][0]["parts"][0]["inlineData"]["mimeType"], "application/pdf", "{sent}");
}

#[tokio::test]
async fn hosts_that_are_not_public_are_not_asked() {
    let upstream = world().await;
    let gateway = gateway(&upstream, "").await;
    let port = upstream.address.port();
    for url in [
        format!("http://127.0.0.1:{port}/a.png"),
        format!("http://localhost:{port}/a.png"),
        format!("http://2130706433:{port}/a.png"),
        format!("http://0x7f000001:{port}/a.png"),
        format!("http://0177.0.0.1:{port}/a.png"),
        format!("http://127.1:{port}/a.png"),
        format!("http://[::ffff:127.0.0.1]:{port}/a.png"),
        format!("http://[::1]:{port}/a.png"),
        format!("http://0.0.0.0:{port}/a.png"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "http://[fd00:ec2::254]/latest".to_owned(),
        "http://10.0.0.1/a.png".to_owned(),
        "http://224.0.0.1/a.png".to_owned(),
    ] {
        let (status, error) = refusal(&show(&gateway, std::slice::from_ref(&url)).await);
        assert_eq!((status, error["code"].as_str()), (400, Some("media_not_fetched")), "{url}: {error}");
        assert!(error["message"].as_str().expect("words").contains("not on the public internet"), "{url}: {error}");
        assert_eq!(error["param"], "image_url");
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn limits_hold() {
    let upstream = world().await;
    let gateway = gateway(&upstream, "allow_private: true, max_bytes: 4K, timeout: 500ms").await;
    for (path, why) in [
        ("/large", "larger than 4096 bytes"),
        ("/endless", "larger than 4096 bytes"),
        ("/slow", "did not come within 500ms"),
        ("/page", "text/html"),
        ("/paper", "application/pdf"),
        ("/gone", "status 404"),
        ("/round", "redirects more than 3 times"),
        ("/file", "not an http(s) URL"),
    ] {
        let before = upstream.requests().len();
        let (status, error) = refusal(&show(&gateway, &[format!("http://{}{path}", upstream.address)]).await);
        let message = error["message"].as_str().expect("words");
        assert!(status == 400 && message.contains(why), "{path}: {status} {message}");
        let asked = upstream.requests();
        assert!(asked[before..].iter().all(|request| request.path == path), "{path}: the provider was asked");
        assert!(!message.contains("127.0.0.1"), "{message}");
    }
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let upstream = world().await;
    let gateway = gateway(&upstream, "enabled: false, allow_private: true").await;
    let (status, error) = refusal(&show(&gateway, &[format!("http://{}/a.png", upstream.address)]).await);
    assert!(status == 400 && error["message"].as_str().expect("words").contains("image_url"), "{error}");
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn several_targets_see_what_was_fetched_once() {
    let upstream = world().await;
    let failing = Upstream::start(|_| Reply::json(503, "{}")).await;
    let instance =
        |at: &Upstream| format!("{{type: gemini, api_key: k, base_url: \"http://{}\", models: [g]}}", at.address);
    let config = format!(
        "providers:\n  a: {}\n  b: {}\nrouting: {{strategy: priority}}\nmedia: {{fetch: {{allow_private: true}}}}",
        instance(&failing),
        instance(&upstream)
    );
    let gateway = Setup::config(config).start().await;
    let url = format!("http://{}/a.png", upstream.address);
    let content = json!([{"type": "image_url", "image_url": {"url": url}}]);
    let asked = json!({"model": "g", "messages": [{"role": "user", "content": content}]});
    let answer = gateway.post("/v1/chat/completions", asked.to_string()).await;
    assert_eq!(answer.head.status, 200, "{}", answer.text());
    assert_eq!(upstream.requests().iter().filter(|request| request.path == "/a.png").count(), 1);
}
