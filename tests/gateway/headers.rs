//! Which headers cross the gateway: credentials and hops end here, everything that client and provider say to each other
//! arrives.

use crate::support::gateway::{JSON, Provider, Setup};
use crate::support::http::Body;
use crate::support::http2;
use crate::support::upstream::{Received, Reply};

const CHAT: &str = "/v1/chat/completions";
const CANARY: &str = "canary";

/// Headers that must end here, whatever is asked.
const PRIVATE: &[(&str, &str)] = &[
    ("authorization", "Bearer canary"),
    ("x-api-key", "canary"),
    ("x-goog-api-key", "canary"),
    ("api-key", "canary"),
    ("ocp-apim-subscription-key", "canary"),
    ("proxy-authorization", "Basic canary"),
    ("cookie", "session=canary"),
    ("x-forwarded-for", "canary"),
    ("x-forwarded-host", "canary"),
    ("forwarded", "for=canary"),
    ("x-real-ip", "canary"),
    ("via", "1.1 canary"),
    ("cf-connecting-ip", "canary"),
    ("keep-alive", "timeout=canary"),
    ("proxy-connection", "canary"),
    ("te", "canary"),
    ("trailer", "x-canary"),
    ("x-narthex-canary", "canary"),
    ("x-secret", "canary"),
    ("openai-secret", "canary"),
    ("connection", "x-secret, openai-secret"),
    ("expect", ""),
    ("accept-encoding", "gzip"),
];

/// Headers by which a client talks to the provider.
const PUBLIC: &[(&str, &str)] = &[
    ("accept", "text/event-stream"),
    ("openai-organization", "org-1"),
    ("openai-project", "proj"),
    ("openai-beta", "a=1"),
    ("anthropic-beta", "b"),
    ("idempotency-key", "idem"),
    ("user-agent", "sdk/1.0"),
    ("x-stainless-lang", "rust"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("tracestate", "a=b"),
];

fn assert_private(request: &Received, key: &str) {
    assert!(!format!("{:?}", request.headers).contains(CANARY), "{:?}", request.headers);
    assert_eq!(request.headers.all("authorization").collect::<Vec<_>>(), [format!("Bearer {key}")]);
    for name in ["x-api-key", "api-key", "x-goog-api-key", "cookie", "connection", "upgrade", "te", "keep-alive"] {
        assert_eq!(request.headers.get(name), None, "{name}");
    }
    assert_eq!(request.headers.all("host").count(), 1);
    assert_eq!(request.headers.all("x-request-id").count(), 1);
}

#[tokio::test]
async fn what_leaves_when_a_model_is_run() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let gateway = provider.behind_gateway().await;
    let key = format!("key-{}", provider.address().port());
    let sent = [&[JSON], PRIVATE, PUBLIC].concat();
    let body = r#"{"model":"m"}"#;
    gateway.client().await.exchange("POST", CHAT, &sent, Body::Length(body.as_bytes())).await;
    // By way of a stand-in, too.
    let long = format!("{{\"model\":\"m\",\"x\":\"{}\"}}", "y".repeat(200_000));
    gateway.client().await.exchange("POST", CHAT, &sent, Body::Chunked(&[long.as_bytes()])).await;
    let over_h2: Vec<_> = sent
        .iter()
        .copied()
        .filter(|(name, _)| {
            !matches!(*name, "connection" | "keep-alive" | "proxy-connection" | "te" | "x-secret" | "openai-secret")
        })
        .collect();
    let mut h2 = http2::Client::connect(gateway.address).await;
    assert_eq!(h2.exchange("POST", CHAT, &over_h2, Some(body.as_bytes())).await.status, 200);
    assert_eq!(h2.exchange("POST", CHAT, &over_h2, Some(long.as_bytes())).await.status, 200);

    let requests = provider.requests();
    assert_eq!(requests.len(), 4);
    for request in requests {
        assert_private(&request, &key);
        assert_eq!(request.headers.get("host"), Some(provider.address().to_string().as_str()));
        assert_eq!(request.headers.get("content-type"), Some("application/json"));
        assert_eq!(request.headers.get("content-length"), Some(request.body.len().to_string().as_str()));
        for (name, value) in PUBLIC {
            assert_eq!(request.headers.all(name).collect::<Vec<_>>(), [*value], "{name}");
        }
    }
}

#[tokio::test]
async fn what_leaves_through_passthrough() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let gateway = provider.behind_gateway().await;
    let key = format!("key-{}", provider.address().port());
    let more = [("x-custom", "kept"), ("content-type", "application/x-odd"), ("range", "bytes=0-1")];
    let sent = [PRIVATE, PUBLIC, &more].concat();
    gateway.client().await.exchange("POST", "/p/up/files", &sent, Body::Length(b"abc")).await;
    gateway.client().await.exchange("POST", "/p/up/files", &sent, Body::Chunked(&[b"a", b"bc"])).await;
    gateway.client().await.exchange("DELETE", "/p/up/files", &sent, Body::None).await;
    let requests = provider.requests();
    assert_eq!(requests.len(), 3);
    for request in &requests {
        assert_private(request, &key);
        assert_eq!(request.headers.get("host"), Some(provider.address().to_string().as_str()));
        for (name, value) in PUBLIC.iter().chain(&more) {
            assert_eq!(request.headers.all(name).collect::<Vec<_>>(), [*value], "{name}");
        }
    }
    assert_eq!((requests[0].headers.get("content-length"), requests[0].body.as_slice()), (Some("3"), &b"abc"[..]));
    assert_eq!(
        (requests[1].headers.get("transfer-encoding"), requests[1].body.as_slice()),
        (Some("chunked"), &b"abc"[..])
    );
    assert_eq!(requests[2].body, b"");
}

#[tokio::test]
async fn what_comes_back() {
    let provider = Provider::start(|request| {
        let headers = [
            ("content-type", "application/json"),
            ("content-length", "2"),
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-requests", "1s"),
            ("openai-processing-ms", "12"),
            ("openai-version", "2020-10-01"),
            ("x-request-id", "req_theirs"),
            ("retry-after", "7"),
            ("set-cookie", "canary=1"),
            ("set-cookie", "canary=2"),
            ("strict-transport-security", "canary"),
            ("alt-svc", "canary"),
            ("keep-alive", "timeout=5"),
            ("connection", "x-hop, keep-alive"),
            ("x-hop", "canary"),
            ("proxy-authenticate", "canary"),
            ("x-narthex-instance", "canary"),
            ("x-narthex-dropped", "canary"),
        ];
        Reply::head(if request.path.contains("chat") { 200 } else { 400 }, &headers).bytes("{}")
    })
    .await;
    let gateway = provider.behind_gateway().await;
    for path in [CHAT, "/v1/embeddings", "/p/up/chat"] {
        let answer = gateway.post_with(path, &[("x-request-id", "mine-1")], r#"{"model":"up/x/y"}"#).await;
        let headers = &answer.head.headers;
        assert!(!format!("{headers:?}").contains(CANARY), "{headers:?}");
        for (name, value) in [
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-requests", "1s"),
            ("openai-processing-ms", "12"),
            ("openai-version", "2020-10-01"),
            ("retry-after", "7"),
            ("x-upstream-request-id", "req_theirs"),
            ("x-request-id", "mine-1"),
            ("x-narthex-instance", "up"),
            ("x-narthex-attempts", "1"),
            ("content-length", "2"),
        ] {
            assert_eq!(headers.all(name).collect::<Vec<_>>(), [value], "{path}: {name}");
        }
        let model = if path.starts_with("/v1") { Some("x/y") } else { None };
        assert_eq!(headers.get("x-narthex-model"), model);
        assert_eq!(headers.get("transfer-encoding"), None);
    }
}

/// The client's own id, or a new one: the same one for the provider, the client and the log.
#[tokio::test]
async fn requests_have_one_id() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let gateway = provider.behind_gateway().await;
    let long = "x".repeat(500);
    let given = ["abc-123", "two words", "", &long, "caf\u{e9}", "a,b;c=d"];
    for (at, id) in given.into_iter().enumerate() {
        for (path, twice) in [(CHAT, 0), ("/p/up/files", 1)] {
            let answer = gateway.post_with(path, &[("x-request-id", id)], r#"{"model":"m"}"#).await;
            let ours = answer.head.headers.get("x-request-id").expect("an id").to_owned();
            assert_eq!(ours == id, matches!(at, 0 | 5), "{id:?} became {ours:?}");
            assert!(!ours.is_empty() && ours.len() <= 128);
            let received = provider.requests();
            assert_eq!(
                received[2 * at + twice].headers.all("x-request-id").collect::<Vec<_>>(),
                [ours.as_str()],
                "{path}"
            );
            let lines = gateway.access_lines(2 * at + twice + 1).await;
            assert_eq!(lines[2 * at + twice]["request_id"], ours);
        }
    }
    // Two requests without an id have two different ones.
    let ids = [gateway.chat("m").await, gateway.chat("m").await]
        .map(|answer| answer.head.headers.get("x-request-id").unwrap().to_owned());
    assert_ne!(ids[0], ids[1]);
    // Refusals and local answers have one as well.
    for path in ["/v1/models", "/health", "/nowhere", "/v1/chat/completions"] {
        let answer = gateway.get_with(path, &[("x-request-id", "abc")]).await;
        assert_eq!(answer.head.headers.get("x-request-id"), Some("abc"), "{path}");
    }
}

/// The user's own headers are sent with every request and win over the client's.
#[tokio::test]
async fn configured_headers_win() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let settings =
        format!("{}, headers: {{openai-organization: ours, X-Extra: \"1\", user-agent: us}}", provider.settings());
    let gateway = Setup::instances([("up", settings)]).start().await;
    let theirs = [("openai-organization", "theirs"), ("x-extra", "2"), ("user-agent", "them")];
    for path in [CHAT, "/p/up/files"] {
        gateway.post_with(path, &theirs, r#"{"model":"m"}"#).await;
        let request = provider.requests().pop().expect("a request");
        for (name, value) in [("openai-organization", "ours"), ("x-extra", "1"), ("user-agent", "us")] {
            assert_eq!(request.headers.all(name).collect::<Vec<_>>(), [value], "{path}: {name}");
        }
    }
    assert_eq!(provider.upstream.requests()[0].headers.get("x-extra"), Some("1"), "the list of models, too");
}

/// Without a content type, or with the one that `curl -d` claims, JSON is still sent as JSON.
#[tokio::test]
async fn json_is_called_json() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let gateway = provider.behind_gateway().await;
    for (sent, received) in [
        (None, "application/json"),
        (Some("application/x-www-form-urlencoded"), "application/json"),
        (Some("text/plain"), "application/json"),
        (Some("application/json; charset=utf-8"), "application/json; charset=utf-8"),
        (Some("application/vnd.api+json"), "application/vnd.api+json"),
    ] {
        let headers: Vec<_> = sent.map(|value| ("content-type", value)).into_iter().collect();
        gateway.client().await.exchange("POST", CHAT, &headers, Body::Length(br#"{"model":"m"}"#)).await;
        let request = provider.requests().pop().expect("a request");
        assert_eq!(request.headers.all("content-type").collect::<Vec<_>>(), [received]);
    }
}
