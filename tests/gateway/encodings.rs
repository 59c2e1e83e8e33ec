//! Answers that come encoded although `identity` was asked for.

use crate::support::gateway::{Provider, Setup};
use crate::support::http::Body;
use crate::support::upstream::Reply;
use pingora_core::protocols::http::compression::Algorithm;

const CHAT: &str = "/v1/chat/completions";
const STREAM: &str = r#"{"model":"m","stream":true}"#;
const TEXT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n\n";
const COUNT: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n";

#[tokio::test]
async fn nobody_is_asked_to_encode() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let gateway = provider.behind_gateway().await;
    gateway.post_with(CHAT, &[("accept-encoding", "gzip, br")], r#"{"model":"m"}"#).await;
    gateway.get_with("/p/up/files", &[("accept-encoding", "gzip, br")]).await;
    for request in provider.requests() {
        assert_eq!(request.headers.all("accept-encoding").collect::<Vec<_>>(), ["identity"]);
    }
}

#[tokio::test]
async fn what_can_be_decoded_is_read_like_any_other() {
    for (name, algorithm) in [("gzip", Algorithm::Gzip), ("br", Algorithm::Brotli)] {
        let json = r#"{"usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
        let replies = [
            encoded(200, name, "application/json", json, algorithm),
            encoded(200, name, "text/event-stream", &[TEXT, COUNT].concat(), algorithm),
        ];
        let provider = Provider::script(replies).await;
        let gateway = provider.behind_gateway().await;
        let answer = gateway.post(CHAT, r#"{"model":"m"}"#).await;
        assert_eq!((answer.text(), answer.whole), (json, true), "{name}");
        assert_eq!(answer.head.headers.get("content-encoding"), None);
        let answer = gateway.post(CHAT, STREAM).await;
        assert_eq!((answer.text(), answer.whole), (TEXT, true), "{name}");
        for line in gateway.access_lines(2).await {
            assert_eq!((line["input_tokens"].as_u64(), line["output_tokens"].as_u64()), (Some(3), Some(4)), "{line}");
        }
    }
}

#[tokio::test]
async fn what_cannot_passes_with_its_header() {
    for name in ["zstd", "deflate", "x-odd", "gzip, br"] {
        let body = [0, 1, 2, 0xff, b'"', b'\n', b'\n'];
        let length = body.len().to_string();
        let headers =
            |content_type| [("content-type", content_type), ("content-encoding", name), ("content-length", &length)];
        let replies =
            ["application/json", "text/event-stream"].map(|kind| Reply::head(200, &headers(kind)).bytes(body));
        let provider = Provider::script(replies).await;
        let gateway = provider.behind_gateway().await;
        for request in [r#"{"model":"m"}"#, STREAM] {
            let answer = gateway.post(CHAT, request).await;
            assert_eq!((answer.body.as_slice(), answer.whole), (&body[..], true), "{name}");
            assert_eq!(answer.head.headers.get("content-encoding"), Some(name));
        }
    }
}

/// An encoded answer to a failed try does not decide about the next.
#[tokio::test]
async fn each_try_is_decoded_for_itself() {
    let busy = Provider::always(encoded(429, "gzip", "application/json", "{}", Algorithm::Gzip)).await;
    let fine = Provider::always(Reply::json(200, "{}")).await;
    let gateway = Setup::instances([("a", busy.settings()), ("b", fine.settings())])
        .env("NARTHEX_STRATEGY", "priority")
        .start()
        .await;
    let answer = gateway.chat("m").await;
    assert_eq!((answer.head.status, answer.text()), (200, "{}"));
    assert_eq!(answer.head.headers.get("x-narthex-attempts"), Some("2"));
}

/// A part of an encoded file is no encoded file, and an answer without a body has none to decode.
#[tokio::test]
async fn parts_and_heads_pass_as_they_are() {
    let whole = compressed("a file that was stored encoded", Algorithm::Gzip);
    let part = whole[..20].to_vec();
    let sent = part.clone();
    let headers = [("content-encoding", "gzip"), ("content-length", "20"), ("content-range", "bytes 0-19/99")];
    let provider = Provider::start(move |request| match request.method.as_str() {
        "HEAD" => Reply::head(200, &headers[..2]),
        _ => Reply::head(206, &headers).bytes(&sent),
    })
    .await;
    let gateway = provider.behind_gateway().await;
    let answer = gateway.get_with("/p/up/files/1/content", &[("range", "bytes=0-19")]).await;
    assert_eq!((answer.head.status, answer.body.as_slice(), answer.whole), (206, part.as_slice(), true));
    assert_eq!(answer.head.headers.get("content-encoding"), Some("gzip"));
    let head = gateway.client().await.exchange("HEAD", "/p/up/files/1/content", &[], Body::None).await;
    assert_eq!(head.head.status, 200);
}

fn compressed(text: &str, algorithm: Algorithm) -> Vec<u8> {
    let mut encoder = algorithm.compressor(5).expect("a compressor");
    let mut bytes = encoder.encode(text.as_bytes(), false).expect("encoded").to_vec();
    bytes.extend_from_slice(&encoder.encode(b"", true).expect("encoded"));
    bytes
}

fn encoded(status: u16, name: &str, content_type: &str, body: &str, algorithm: Algorithm) -> Reply {
    let bytes = compressed(body, algorithm);
    let length = bytes.len().to_string();
    let headers = [("content-type", content_type), ("content-encoding", name), ("content-length", &length)];
    Reply::head(status, &headers).bytes(bytes)
}
