//! A provider's own API, as it is: any method, any size, both ways at once, and with the provider's credentials only.

use crate::support::gateway::{Gateway, Provider, Setup};
use crate::support::http::{Body, Client};
use crate::support::soon;
use crate::support::upstream::Reply;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[tokio::test]
async fn every_method_passes() {
    let provider = Provider::start(|request| match request.method.as_str() {
        "HEAD" => Reply::head(200, &[("content-length", "12345"), ("etag", "\"x\"")]),
        "DELETE" => Reply::head(204, &[]),
        "GET" => Reply::head(304, &[("etag", "\"x\"")]),
        _ => Reply::json(200, &request.method),
    })
    .await;
    let gateway = provider.behind_gateway().await;
    let mut client = gateway.client().await;
    for (method, status, answer) in [
        ("POST", 200, "POST"),
        ("PUT", 200, "PUT"),
        ("PATCH", 200, "PATCH"),
        ("OPTIONS", 200, "OPTIONS"),
        ("HEAD", 200, ""),
        ("DELETE", 204, ""),
        ("GET", 304, ""),
        ("POST", 200, "POST"),
    ] {
        // All on one connection: an answer without a body leaves nothing behind.
        let body = if matches!(method, "POST" | "PUT" | "PATCH") { Body::Length(b"x") } else { Body::None };
        let received = client.exchange(method, "/p/up/v1/things/1", &[], body).await;
        assert_eq!((received.head.status, received.text(), received.whole), (status, answer, true), "{method}");
        assert_eq!(received.head.headers.get("x-narthex-instance"), Some("up"));
        if method == "HEAD" {
            assert_eq!(received.head.headers.get("content-length"), Some("12345"));
        }
        assert_eq!(provider.requests().pop().expect("a request").method, method);
    }
}

#[tokio::test]
async fn paths_and_queries_are_kept() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let gateway = provider.behind_gateway().await;
    for (asked, received) in [
        ("/p/up/files", "/v1/files"),
        ("/p/up/v1/files", "/v1/files"),
        ("/p/up/v1/files/", "/v1/files/"),
        ("/p/up/files?a=1&b=%20c&a=2&", "/v1/files?a=1&b=%20c&a=2&"),
        ("/p/up/files?", "/v1/files?"),
        ("/p/up/files?x=/../y&z=%2e%2e", "/v1/files?x=/../y&z=%2e%2e"),
        ("/p/up/models/org%2Fname%20x", "/v1/models/org%2Fname%20x"),
        ("/p/up/a//b", "/v1/a//b"),
        ("/p/up/v1beta/x", "/v1/v1beta/x"),
        ("/p/openai/files", "/v1/files"),
        ("/p/up/files/a..b/...", "/v1/files/a..b/..."),
    ] {
        assert_eq!(gateway.get(asked).await.head.status, 200, "{asked}");
        assert_eq!(provider.requests().pop().expect("a request").path, received);
    }
}

/// Keys by which clients enter here, wherever the gateway takes them from.
#[tokio::test]
async fn keys_in_queries_stay_here() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let gemini = format!("type: gemini, api_key: secret, base_url: \"http://{}\"", provider.address());
    let instances = [("gemini", gemini), ("up", provider.settings())];
    let gateway = Setup::instances(instances).env("NARTHEX_MASTER_KEY", "canary").start().await;
    for (asked, received) in [
        ("/p/gemini/v1beta/models/m1:generateContent?key=canary&alt=sse", "/v1beta/models/m1:generateContent?alt=sse"),
        ("/p/up/files?a=%20b&key=canary&%4bey=canary&a=2&", "/v1/files?a=%20b&a=2&"),
        ("/p/up/files?key=canary", "/v1/files"),
        ("/p/up/files?key=canary&Access_Token=canary&api-key=canary&b", "/v1/files?b"),
        ("/v1/responses/resp_1?include[]=usage&key=canary", "/v1/responses/resp_1?include[]=usage"),
    ] {
        assert_eq!(gateway.get(asked).await.head.status, 200, "{asked}");
        let request = provider.requests().pop().expect("a request");
        assert_eq!(request.path, received);
        assert!(!format!("{request:?}").contains("canary"), "{request:?}");
    }
}

#[tokio::test]
async fn nobody_climbs_out() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let gateway = provider.behind_gateway().await;
    for path in [
        "..",
        "../secret",
        "files/../../secret",
        "files/..",
        "./files",
        "%2e%2e/secret",
        "%2E./secret",
        "files/%2e%2e%2fsecret",
        "files%2f..%2f..%2fsecret",
        "..%5csecret",
        "files/..\\secret",
        "%252e%252e/secret",
        "%25252e%25252e/secret",
        "files/..%252fsecret",
        "files/..;/secret",
        "files/..%3b/secret",
        "v1/../secret",
        "v1/%2e%2e/secret",
    ] {
        let answer = gateway.get(&format!("/p/up/{path}")).await;
        assert_eq!(answer.head.status, 400, "{path}: {:?}", provider.requests().pop().map(|request| request.path));
    }
    assert!(provider.requests().is_empty());
}

#[tokio::test]
async fn what_cannot_be_reached_is_named() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let instances = [("up", provider.settings())];
    let gateway = Setup::instances(instances).start().await;
    for (path, status, code) in [
        ("/p/nobody/files", 404, "unknown_provider"),
        ("/p/up", 400, ""),
        ("/p/up/", 400, ""),
        ("/p/", 404, "unknown_url"),
    ] {
        let answer = gateway.post(path, "{}").await;
        let error: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(answer.head.status, status, "{path}");
        assert_eq!(error["error"]["code"].as_str().unwrap_or_default(), code, "{path}");
    }
    assert!(provider.requests().is_empty());
}

/// Where each provider's own API is, and how it is asked there.
#[tokio::test]
async fn native_apis_are_reached_with_their_own_credentials() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let instance = |path: &str| format!("api_key: secret, base_url: \"http://{}{path}\"", provider.address());
    let azure = |path: &str, more: &str| format!("type: azure, {}{more}", instance(path));
    let gateway = Setup::instances([
        ("gemini", instance("")),
        ("ollama", instance("")),
        ("vllm", instance("/v1")),
        ("anthropic", instance("")),
        ("az-v1", azure("", "")),
        ("az-dep", azure("/openai/deployments/my-dep", ", api_version: \"2024-06-01\"")),
        ("az-res", azure("", ", api_version: \"2024-10-21\"")),
    ])
    .start()
    .await;
    let bearer = ("authorization", "Bearer secret");
    let azure = ("api-key", "secret");
    for (asked, received, (name, value)) in [
        (
            "/p/gemini/v1beta/models/g:generateContent?alt=sse",
            "/v1beta/models/g:generateContent?alt=sse",
            ("x-goog-api-key", "secret"),
        ),
        ("/p/gemini/upload/v1beta/files", "/upload/v1beta/files", ("x-goog-api-key", "secret")),
        ("/p/gemini/chat/completions", "/v1beta/openai/chat/completions", bearer),
        ("/p/ollama/api/chat", "/api/chat", bearer),
        ("/p/ollama/v1/chat/completions", "/v1/chat/completions", bearer),
        ("/p/vllm/tokenize", "/tokenize", bearer),
        ("/p/vllm/v1/completions", "/v1/completions", bearer),
        ("/p/anthropic/v1/messages", "/v1/messages", ("x-api-key", "secret")),
        ("/p/anthropic/messages", "/v1/messages", ("x-api-key", "secret")),
        ("/p/az-v1/responses", "/openai/v1/responses", azure),
        ("/p/az-v1/v1/files", "/openai/v1/files", azure),
        ("/p/az-dep/chat/completions", "/openai/deployments/my-dep/chat/completions?api-version=2024-06-01", azure),
        ("/p/az-dep/files?limit=2", "/openai/files?limit=2&api-version=2024-06-01", azure),
        (
            "/p/az-res/openai/deployments/d/embeddings?api-version=2025-01-01",
            "/openai/deployments/d/embeddings?api-version=2025-01-01",
            azure,
        ),
        ("/p/az-res/openai/v1/models", "/openai/v1/models", azure),
    ] {
        let theirs = [
            ("authorization", "Bearer canary"),
            ("x-api-key", "canary"),
            ("x-goog-api-key", "canary"),
            ("api-key", "canary"),
            ("anthropic-version", "2099-01-01"),
        ];
        let answer = gateway.post_with(asked, &theirs, "{}").await;
        assert_eq!(answer.head.status, 200, "{asked}: {}", answer.text());
        let request = provider.requests().pop().expect("a request");
        assert_eq!(request.path, received, "{asked}");
        assert!(!format!("{request:?}").contains("canary"), "{asked}: {:?}", request.headers);
        assert_eq!(request.headers.all(name).collect::<Vec<_>>(), [value], "{asked}");
        assert_eq!(request.headers.get("anthropic-version"), Some("2099-01-01"), "the client chooses the version");
        let credentials = ["authorization", "x-api-key", "x-goog-api-key", "api-key"];
        assert_eq!(credentials.iter().filter(|name| request.headers.get(name).is_some()).count(), 1, "{asked}");
    }
    gateway.post("/p/anthropic/v1/messages", "{}").await;
    assert_eq!(provider.requests().pop().expect("a request").headers.get("anthropic-version"), Some("2023-06-01"));
    // Models run at Azure's two surfaces, too.
    for (model, path, body) in [
        ("az-v1/d", "/openai/v1/chat/completions", r#"{"model":"d","messages":[]}"#),
        (
            "az-dep/d",
            "/openai/deployments/my-dep/chat/completions?api-version=2024-06-01",
            r#"{"model":"d","messages":[]}"#,
        ),
        (
            "az-res/d x",
            "/openai/deployments/d%20x/chat/completions?api-version=2024-10-21",
            r#"{"model":"d x","messages":[]}"#,
        ),
        (
            "az-res/../../x",
            "/openai/deployments/..%2F..%2Fx/chat/completions?api-version=2024-10-21",
            r#"{"model":"../../x","messages":[]}"#,
        ),
    ] {
        assert_eq!(gateway.chat(model).await.head.status, 200);
        let request = provider.requests().pop().expect("a request");
        assert_eq!((request.path.as_str(), request.text()), (path, body));
    }
}

/// A keyless instance gets no key at all, least of all the client's.
#[tokio::test]
async fn a_keyless_instance_gets_no_key() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let gateway = Setup::new().env("VLLM_BASE_URL", format!("http://{}", provider.address())).start().await;
    let theirs = [("authorization", "Bearer canary"), ("api-key", "canary")];
    gateway.post_with("/p/vllm/tokenize", &theirs, "{}").await;
    gateway.post_with("/v1/chat/completions", &theirs, r#"{"model":"m"}"#).await;
    for request in provider.requests() {
        assert!(!format!("{request:?}").contains("canary"));
        assert_eq!(request.headers.get("authorization"), None);
    }
    assert_eq!(provider.requests().len(), 2);
}

/// The first bytes of an upload are there before the client has sent the last, and the answer's before the upload's end.
#[tokio::test]
async fn uploads_stream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("an address");
    let settings =
        format!("type: openai, base_url: \"http://{address}/v1\", api_key: k, models: [m], models_mode: allowlist");
    let gateway = Setup::instances([("up", settings)]).start().await;
    for framing in ["content-length: 10", "transfer-encoding: chunked"] {
        let mut client = gateway.client().await;
        client.send(format!("POST /p/up/files HTTP/1.1\r\nhost: x\r\n{framing}\r\n\r\n")).await;
        let is_chunked = framing.ends_with("chunked");
        client.send(if is_chunked { "5\r\nfirst\r\n" } else { "first" }).await;
        let (mut upstream, _) = soon("a connection", listener.accept()).await.expect("accepted");
        let mut seen = Vec::new();
        while !seen.windows(5).any(|window| window == b"first") {
            let mut bytes = [0; 1024];
            let read = soon("the first bytes", upstream.read(&mut bytes)).await.expect("read");
            assert_ne!(read, 0);
            seen.extend_from_slice(&bytes[..read]);
        }
        client.send(if is_chunked { "5\r\n last\r\n0\r\n\r\n" } else { " last" }).await;
        while !seen.windows(5).any(|window| window == b" last") {
            let mut bytes = [0; 1024];
            let read = soon("the last bytes", upstream.read(&mut bytes)).await.expect("read");
            assert_ne!(read, 0);
            seen.extend_from_slice(&bytes[..read]);
        }
        upstream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
            .await
            .expect("written");
        assert_eq!(client.answer().await.text(), "ok");
    }
}

/// Neither direction has a limit: what is streamed is not kept.
#[tokio::test]
async fn size_does_not_matter() {
    let large: Vec<u8> = (0..=255).cycle().take(5 << 20).collect();
    let sent = large.clone();
    let provider = Provider::start(move |_| Reply::whole(200, "application/octet-stream", &sent)).await;
    let gateway = Setup::instances([("up", provider.settings())]).env("NARTHEX_MAX_BODY", "1K").start().await;
    let pieces: Vec<&[u8]> = large.chunks(70_000).collect();
    for body in [Body::Length(&large), Body::Chunked(&pieces)] {
        let answer = gateway.client().await.exchange("POST", "/p/up/files", &[], body).await;
        assert_eq!(answer.head.status, 200);
        assert!(answer.whole && answer.body == large);
    }
    assert!(provider.requests().iter().all(|request| request.body == large));
}

/// Retries are the client's business here; an error that the provider gave is its answer.
#[tokio::test]
async fn nothing_is_tried_again() {
    let provider = Provider::always(Reply::json(503, "{\"theirs\":1}")).await;
    let gateway = provider.behind_gateway().await;
    for method in ["GET", "POST"] {
        let answer = gateway.client().await.exchange(method, "/p/up/files", &[], Body::None).await;
        assert_eq!((answer.head.status, answer.text()), (503, "{\"theirs\":1}"));
    }
    assert_eq!(provider.requests().len(), 2);
}

/// One client's strange requests do not turn others away from an instance, nor back to it.
#[tokio::test]
async fn answers_tell_little_of_the_instance() {
    let strange = Provider::start(|request| match request.path.strip_prefix("/v1/status/") {
        Some(status) => {
            let headers = [("retry-after", "86400"), ("content-length", "0"), ("x-should-retry", "true")];
            Reply::head(status.parse().expect("a status"), &headers)
        }
        None if request.text().contains("busy") => Reply::json(429, "{}"),
        None => Reply::json(200, "{}"),
    })
    .await;
    let other = Provider::always(Reply::json(200, "{}")).await;
    let instances = || [("a", strange.settings()), ("b", other.settings())];
    let chat = async |gateway: &Gateway, words: &str| {
        let answer = gateway.post("/v1/chat/completions", format!(r#"{{"model":"m","x":"{words}"}}"#)).await;
        answer.head.headers.get("x-narthex-instance").expect("an instance").to_owned()
    };
    let gateway = Setup::instances(instances()).env("NARTHEX_STRATEGY", "priority").start().await;
    for status in [409, 401, 402, 429, 404] {
        assert_eq!(gateway.get(&format!("/p/a/status/{status}")).await.head.status, status);
        assert_eq!(chat(&gateway, "hi").await, "a", "{status}");
    }
    assert_eq!(chat(&gateway, "busy").await, "b");
    assert_eq!(gateway.get("/p/a/status/200").await.head.status, 200);
    assert_eq!(chat(&gateway, "hi").await, "b");
    // A provider that fails, fails.
    let gateway = Setup::instances(instances()).env("NARTHEX_STRATEGY", "priority").start().await;
    assert_eq!(gateway.get("/p/a/status/502").await.head.status, 502);
    assert_eq!(chat(&gateway, "hi").await, "b");
}

/// Pingora 0.9.1 ends a switched exchange at once when the provider's 101 overtakes, inside Pingora, the note that the request has no
/// body; on one machine a provider is that quick now and then. Such a connection is tried again, as a client would.
#[tokio::test]
async fn websockets_pass_both_ways() {
    let accepted = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("sec-websocket-protocol", "realtime"),
    ];
    let provider = Provider::always(Reply::head(101, &accepted).echo()).await;
    let gateway = provider.behind_gateway().await;
    let handshake = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "realtime, openai-insecure-api-key.canary, openai-beta.realtime-v1"),
        ("authorization", "Bearer canary"),
    ];
    let mut attempts = 0;
    let mut client = loop {
        attempts += 1;
        let mut client = gateway.client().await;
        client.request("GET", "/p/up/v1/realtime?model=m", &handshake, Body::None).await;
        let head = client.read_head().await;
        assert_eq!(head.status, 101);
        assert_eq!(head.headers.get("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        // A browser that has offered protocols wants one of them chosen.
        assert_eq!(head.headers.get("sec-websocket-protocol"), Some("realtime"));
        assert!(head.headers.has("upgrade", "websocket") && head.headers.has("connection", "upgrade"), "{head:?}");
        if echoes(&mut client, "\u{81}\u{5}hello").await {
            break client;
        }
        assert!(attempts < 50, "no connection lasts");
    };
    for message in ["and again", "\r\n\r\n0\r\n\r\n"] {
        assert!(echoes(&mut client, message).await, "{message:?}");
    }
    let request = &provider.requests()[0];
    assert_eq!(request.path, "/v1/realtime?model=m");
    assert_eq!(request.headers.get("sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
    assert_eq!(request.headers.get("sec-websocket-protocol"), Some("realtime, openai-beta.realtime-v1"));
    assert!(request.headers.has("upgrade", "websocket"));
    assert!(!format!("{:?}", request.headers).contains("canary"));
    drop(client);
    assert_eq!(gateway.access_lines(attempts).await[0]["status"], 101);
}

/// Not every request that shows a key so becomes a WebSocket.
#[tokio::test]
async fn keys_in_protocols_stay_here() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let gateway = provider.behind_gateway().await;
    for (offered, left) in
        [("openai-insecure-api-key.canary", None), ("realtime,openai-insecure-api-key.canary", Some("realtime"))]
    {
        assert_eq!(gateway.get_with("/p/up/x", &[("sec-websocket-protocol", offered)]).await.head.status, 200);
        let request = provider.requests().pop().expect("a request");
        assert_eq!(request.headers.get("sec-websocket-protocol"), left);
        assert!(!format!("{request:?}").contains("canary"), "{request:?}");
    }
}

/// Whether what is sent comes back, rather than the connection's end.
async fn echoes(client: &mut Client, message: &str) -> bool {
    client.send(message).await;
    let mut echoed = vec![0; message.len()];
    match soon("an echo", client.raw().read_exact(&mut echoed)).await {
        Ok(_) => echoed == message.as_bytes(),
        Err(_) => false,
    }
}

/// A switch that nobody agreed to must not turn what follows into a tunnel.
#[tokio::test]
async fn a_switch_that_was_refused_is_no_tunnel() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let gateway = provider.behind_gateway().await;
    let mut client = Client::connect(gateway.address).await;
    let handshake = "GET /p/up/x HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let smuggled = "GET /p/up/smuggled HTTP/1.1\r\nhost: x\r\nauthorization: Bearer canary\r\n\r\n";
    client.send(format!("{handshake}{smuggled}")).await;
    assert_eq!(client.answer().await.head.status, 200);
    // The second is either a request of its own, with all that this means, or nothing.
    client.closed().await;
    for request in provider.requests() {
        assert!(!format!("{request:?}").contains("canary"), "{request:?}");
    }
}
