//! Bodies of every size in every framing: they arrive whole, are sent again whole, and are refused when too large.

use crate::support::gateway::{Gateway, JSON, Provider, Setup};
use crate::support::http::{Body, Client};
use crate::support::http2;
use crate::support::upstream::Reply;

const CHAT: &str = "/v1/chat/completions";
const MIB: usize = 1 << 20;

fn request(size: usize) -> Vec<u8> {
    let (before, after) = (r#"{"messages":[{"content":""#, r#""}], "model" : "m" }"#);
    let text: Vec<u8> = (b'a'..=b'z').cycle().take(size - before.len() - after.len()).collect();
    [before.as_bytes(), &text, after.as_bytes()].concat()
}

/// Sends one body in every framing that there is; answers with the statuses.
async fn in_every_framing(gateway: &Gateway, body: &[u8]) -> Vec<u16> {
    let mut statuses = Vec::new();
    let pieces: Vec<&[u8]> = body.chunks(50_000).collect();
    for framing in [Body::Length(body), Body::Chunked(&[body]), Body::Chunked(&pieces)] {
        let answer = gateway.client().await.exchange("POST", CHAT, &[JSON], framing).await;
        assert!(answer.whole);
        statuses.push(answer.head.status);
    }
    let length = body.len().to_string();
    for headers in [vec![], vec![("content-length", length.as_str())]] {
        let mut client = http2::Client::connect(gateway.address).await;
        statuses.push(client.exchange("POST", CHAT, &headers, Some(body)).await.status);
    }
    statuses
}

#[tokio::test]
async fn every_size_arrives_in_every_framing() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let gateway = provider.behind_gateway().await;
    for size in [100, 65_535, 65_536, 65_537, 131_072, 131_073, MIB, 3 * MIB] {
        let body = request(size);
        assert_eq!(in_every_framing(&gateway, &body).await, [200; 5], "{size} bytes");
    }
    for request in provider.requests() {
        assert_eq!(request.headers.get("content-length"), Some(request.body.len().to_string().as_str()));
    }
    assert_eq!(provider.requests().iter().filter(|received| received.body == request(MIB)).count(), 5);
}

#[tokio::test]
async fn twenty_mebibytes_are_sent_again_after_a_429() {
    let provider = Provider::start({
        let turn = std::sync::atomic::AtomicUsize::new(0);
        move |_| match turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 2 {
            0 => Reply::head(429, &[("retry-after-ms", "1"), ("content-length", "0")]),
            _ => Reply::json(200, "{}"),
        }
    })
    .await;
    let gateway = provider.behind_gateway().await;
    let body = request(20 * MIB);
    assert_eq!(in_every_framing(&gateway, &body).await, [200; 5]);
    let requests = provider.requests();
    assert_eq!(requests.len(), 10);
    assert!(requests.iter().all(|request| request.body == body));
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let gateway = Setup::instances([("up", provider.settings())]).env("NARTHEX_MAX_BODY", "100K").start().await;
    assert_eq!(in_every_framing(&gateway, &request(100 * 1024)).await, [200; 5]);
    assert_eq!(in_every_framing(&gateway, &request(100 * 1024 + 1)).await, [413; 5]);
    assert_eq!(in_every_framing(&gateway, &request(MIB)).await, [413; 5]);
    assert_eq!(provider.requests().len(), 5);

    // Without having read a byte of it, and in the client's dialect.
    let mut client = gateway.client().await;
    client.send("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n").await;
    let answer = client.answer().await;
    assert_eq!(answer.head.status, 413);
    let error: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(error["error"]["code"], "request_too_large");
    assert_eq!(error["error"]["type"], "invalid_request_error");
    // What it sends behind that is not taken for another request.
    client.send("GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(client.closed().await, b"");
}

#[tokio::test]
async fn clients_that_ask_first_are_told_to_go_on() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let gateway = Setup::instances([("up", provider.settings())]).env("NARTHEX_MAX_BODY", "2M").start().await;
    for (path, size) in [(CHAT, 200), (CHAT, MIB), ("/p/up/files", 200), ("/p/up/files", MIB)] {
        let body = request(size);
        for framing in [Body::Length(&body), Body::Chunked(&[&body])] {
            let mut client = gateway.client().await;
            client.head("POST", path, &[JSON, ("expect", "100-continue")], &framing).await;
            assert_eq!(client.read_head().await.status, 100, "{path} {size}");
            client.body(&framing).await;
            let answer = client.answer().await;
            assert_eq!((answer.head.status, answer.text()), (200, "{}"));
            let received = provider.requests().pop().expect("a request");
            assert!(received.body == body);
            assert_eq!(received.headers.get("expect"), None);
        }
    }
    // One that should not go on is told so at once.
    let mut client = gateway.client().await;
    client
        .send(format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3000000\r\n\r\n"))
        .await;
    assert_eq!(client.read_head().await.status, 413);
}

/// A slow client's body, piece by piece; then one that breaks off.
#[tokio::test]
async fn bodies_may_arrive_slowly_but_must_arrive() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let gateway = provider.behind_gateway().await;
    let body = request(300);
    let mut client = gateway.client().await;
    client.send(format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len())).await;
    for byte in &body {
        client.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.answer().await.head.status, 200);
    assert_eq!(provider.requests()[0].body, body);
    // Its line is written after the answer.
    gateway.access_lines(1).await;

    for start in ["content-length: 900\r\n\r\n{\"model\":\"m\"", "transfer-encoding: chunked\r\n\r\n5\r\n{\"mod"] {
        let mut client = gateway.client().await;
        client.send(format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\n{start}")).await;
        drop(client);
    }
    let lines = gateway.access_lines(3).await;
    assert_eq!(provider.requests().len(), 1, "half a request is none");
    for line in &lines[1..] {
        assert_eq!(line["outcome"], "client_gone", "{line}");
    }
}

/// Audio is uploaded as a form, in which the model may stand before or behind the file.
#[tokio::test]
async fn forms_keep_their_files() {
    let provider = Provider::script([
        Reply::head(429, &[("retry-after-ms", "1"), ("content-length", "0")]),
        Reply::json(200, r#"{"text":"hello"}"#),
    ])
    .await;
    let gateway = provider.behind_gateway().await;
    let mut audio: Vec<u8> = (0..=255).cycle().take(500_000).collect();
    audio.extend_from_slice(b"\r\n--not-the-boundary\r\n\r\n--bound");
    for (path, model_first) in [("/v1/audio/transcriptions", true), ("/v1/audio/translations", false)] {
        let form = |model: &str| {
            let model = format!("--bound-1\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n{model}\r\n");
            let head = "--bound-1\r\nContent-Disposition: form-data; name=\"file\"; filename=\"model\"\r\nContent-Type: audio/wav\r\n\r\n";
            let file = [head.as_bytes(), &audio, b"\r\n"].concat();
            let parts = if model_first { [model.as_bytes(), &file] } else { [file.as_slice(), model.as_bytes()] };
            let rest = "--bound-1\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\n--odd  \r\n--bound-1--\r\n";
            [parts[0], parts[1], rest.as_bytes()].concat()
        };
        let sent = form("up/whisper-1");
        let kind = [("content-type", "multipart/form-data; boundary=bound-1")];
        for framing in [Body::Length(&sent), Body::Chunked(&[&sent])] {
            let answer = gateway.client().await.exchange("POST", path, &kind, framing).await;
            assert_eq!((answer.head.status, answer.text()), (200, r#"{"text":"hello"}"#));
        }
        for request in provider.requests().iter().filter(|request| request.path == path) {
            assert!(request.body == form("whisper-1"), "{path}: the form was changed");
            assert_eq!(request.headers.get("content-type"), Some(kind[0].1));
            assert_eq!(request.headers.get("content-length"), Some(request.body.len().to_string().as_str()));
        }
    }
    assert_eq!(provider.requests().len(), 5);
}

/// Many requests on one connection, of all framings, keep their order and their bounds.
#[tokio::test]
async fn one_connection_carries_all_framings() {
    let provider = Provider::start(|request| Reply::json(200, request.body.len().to_string())).await;
    let gateway = provider.behind_gateway().await;
    let mut client = Client::connect(gateway.address).await;
    for size in [100, 70_000, 200, 300_000, 100] {
        let body = request(size);
        for framing in [Body::Length(&body), Body::Chunked(&[&body])] {
            let answer = client.exchange("POST", CHAT, &[JSON], framing).await;
            assert_eq!(answer.text(), size.to_string());
        }
    }
}
