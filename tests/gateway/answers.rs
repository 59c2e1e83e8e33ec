//! What the client receives is what the provider sent, byte for byte, but for the chunk that we asked for.

use crate::support::gateway::{JSON, Provider};
use crate::support::http::{Body, Piece};
use crate::support::http2;
use crate::support::upstream::{Gate, Reply};
use std::sync::atomic::{AtomicUsize, Ordering};

const CHAT: &str = "/v1/chat/completions";
const PLAIN: &str = r#"{"model":"m","stream":true}"#;
const ASKING: &str = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#;

const ROLE: &str = "data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"role\":\"assistant\"}}],\"usage\":null}\n\n";
const TEXT: &str = "data:{\"choices\":[{\"delta\":{\"content\":\"é😀 \\u2028 \\\"usage\\\":{}\"}}]}\r\n\r\n";
const COMMENT: &str = ": keep-alive\n\n:\n\nretry: 3000\nid: 7\nevent: ping\n\n";
const LAST: &str =
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3}}\n\n";
const COUNT: &str = "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n";
const COUNT_LOOSE: &str =
    "event: x\r\nid: 8\r\ndata:{ \"usage\" : { \"prompt_tokens\" : 3 } , \"choices\" : [ ] }\r\n\r\n";
const DONE: &str = "data: [DONE]\n\n";

#[tokio::test]
async fn json_comes_back_byte_for_byte() {
    let bodies = [
        "{ \"a\" : 1.0, \"b\":1e400 ,\"a\":2, \"usage\":{\"prompt_tokens\":1} }\r\n",
        "{\"text\":\"\\u00e9\\/ é\"}",
        "not json at all \u{0}",
        "[]",
        "",
    ];
    let next = AtomicUsize::new(0);
    let provider =
        Provider::start(move |_| Reply::json(200, bodies[next.fetch_add(1, Ordering::Relaxed) / 2 % 5])).await;
    let gateway = provider.behind_gateway().await;
    let mut h2 = http2::Client::connect(gateway.address).await;
    for body in bodies {
        let answer = gateway.chat("m").await;
        assert_eq!((answer.text(), answer.whole), (body, true));
        assert_eq!(answer.head.headers.get("content-length"), Some(body.len().to_string().as_str()));
        assert_eq!(answer.head.headers.get("content-type"), Some("application/json"));
        let answer = h2.exchange("POST", CHAT, &[], Some(br#"{"model":"m"}"#)).await;
        assert_eq!((answer.text(), answer.whole), (body, true));
    }
}

/// Binary answers, chunked answers, answers of other types.
#[tokio::test]
async fn every_type_of_answer_passes() {
    let audio: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let sent = audio.clone();
    let provider = Provider::start(move |request| match request.path.as_str() {
        "/v1/audio/speech" => Reply::whole(200, "audio/mpeg", &sent),
        "/v1/images/generations" => {
            Reply::chunked(200, &[("content-type", "application/json")]).chunk("{\"data\":").chunk("[1,2]}").end()
        }
        "/v1/moderations" => Reply::head(200, &[("content-type", "text/plain")]).bytes("until the end").cut(),
        _ => Reply::whole(201, "application/x-odd; q=1", "odd"),
    })
    .await;
    let gateway = provider.behind_gateway().await;
    let body = r#"{"model":"m"}"#;
    let speech = gateway.post("/v1/audio/speech", body).await;
    assert_eq!((speech.body.len(), speech.whole), (audio.len(), true));
    assert!(speech.body == audio);
    assert_eq!(gateway.post("/v1/images/generations", body).await.text(), "{\"data\":[1,2]}");
    assert_eq!(gateway.post("/v1/moderations", body).await.text(), "until the end");
    let odd = gateway.post("/v1/embeddings", body).await;
    assert_eq!((odd.head.status, odd.text()), (201, "odd"));
    assert_eq!(odd.head.headers.get("content-type"), Some("application/x-odd; q=1"));
}

/// Speech is heard while it is made, and a header says more than silence.
#[tokio::test]
async fn whole_answers_arrive_as_they_are_made() {
    let gate = Gate::closed();
    let held = gate.clone();
    let provider = Provider::start(move |_| {
        let head = Reply::chunked(200, &[("content-type", "audio/mpeg")]);
        head.pause(&held).chunk("first").pause(&held).chunk("second").end()
    })
    .await;
    let gateway = provider.behind_gateway().await;
    let body = br#"{"model":"m"}"#;
    let mut client = gateway.client().await;
    client.request("POST", "/v1/audio/speech", &[JSON], Body::Length(body)).await;
    let head = client.read_head().await;
    assert_eq!(head.headers.get("content-type"), Some("audio/mpeg"));
    for piece in ["first", "second"] {
        gate.open();
        assert_eq!(client.piece().await, Piece::Data(piece.into()));
    }
    assert_eq!(client.piece().await, Piece::End);

    let mut h2 = http2::Client::connect(gateway.address).await;
    let mut answer = h2.send("POST", "/v1/audio/speech", &[], Some(body)).await.incoming().await;
    for piece in ["first", "second"] {
        gate.open();
        assert_eq!(answer.data().await.expect("more").expect("data"), piece);
    }
    assert!(answer.finish().await.whole);
}

#[tokio::test]
async fn a_whole_answer_that_breaks_is_not_shown_as_whole() {
    let chunked = Reply::chunked(200, &[("content-type", "application/json")]).chunk("{\"a\":");
    let counted = Reply::head(200, &[("content-type", "application/json"), ("content-length", "100")]).bytes("{\"a\":");
    for broken in [chunked.cut(), counted.cut()] {
        let provider = Provider::always(broken).await;
        let gateway = provider.behind_gateway().await;
        let answer = gateway.chat("m").await;
        assert_eq!((answer.head.status, answer.text(), answer.whole), (200, "{\"a\":", false));
        let mut h2 = http2::Client::connect(gateway.address).await;
        let answer = h2.exchange("POST", CHAT, &[], Some(br#"{"model":"m"}"#)).await;
        assert!(!answer.whole);
        let lines = gateway.access_lines(2).await;
        assert!(lines.iter().all(|line| line["outcome"] == "error" && line["error"].is_string()), "{lines:?}");
        assert_eq!(provider.requests().len(), 2, "nobody asks again for what has begun");
    }
}

/// Whether the header comes alone or with the connection's end is chance.
#[tokio::test]
async fn nothing_is_asked_again_once_its_header_has_come() {
    let head = [("content-type", "application/json"), ("content-length", "20")];
    let provider = Provider::always(Reply::head(200, &head).cut()).await;
    let gateway = provider.behind_gateway().await;
    for count in 1..=20 {
        let answer = gateway.chat("m").await;
        assert_eq!((answer.head.status, answer.whole), (200, false));
        assert_eq!(provider.requests().len(), count);
    }
}

#[tokio::test]
async fn answers_that_have_no_body_are_shown_without() {
    let encoded = Reply::head(204, &[("content-encoding", "gzip")]);
    let odd = Reply::default().bytes("HTTP/1.1 101 X\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
    for (reply, status, body) in [(encoded, 204, Some("")), (odd, 502, None)] {
        let provider = Provider::always(reply).await;
        let answer = provider.behind_gateway().await.chat("m").await;
        assert_eq!((answer.head.status, answer.whole), (status, true));
        assert_eq!(answer.head.headers.get("transfer-encoding"), None);
        assert!(body.is_none_or(|body| answer.text() == body), "{}", answer.text());
    }
}

/// Cuts a stream at every byte; several of them for one gateway.
async fn through_every_cut(request: &'static str, stream: &str, expected: &str) {
    let owned = stream.as_bytes().to_vec();
    let cut = AtomicUsize::new(0);
    let provider = Provider::start(move |_| {
        let (first, second) = owned.split_at(cut.fetch_add(1, Ordering::Relaxed) % (owned.len() + 1));
        [first, second].into_iter().filter(|part| !part.is_empty()).fold(Reply::events(), Reply::chunk).end()
    })
    .await;
    let gateway = provider.behind_gateway().await;
    let mut client = gateway.client().await;
    let headers = [("content-type", "application/json")];
    for cut in 0..=stream.len() {
        let body = crate::support::http::Body::Length(request.as_bytes());
        let answer = client.exchange("POST", CHAT, &headers, body).await;
        assert!(answer.whole, "cut at {cut}");
        assert_eq!(answer.text(), expected, "cut at {cut}");
    }
}

#[tokio::test]
async fn the_chunk_that_counts_is_taken_out_wherever_the_stream_is_cut() {
    let stream = [ROLE, TEXT, COMMENT, LAST, COUNT, DONE].concat();
    through_every_cut(PLAIN, &stream, &[ROLE, TEXT, COMMENT, LAST, DONE].concat()).await;
}

#[tokio::test]
async fn a_loose_spelling_of_the_chunk_is_taken_out_too() {
    let stream = [TEXT, COUNT_LOOSE, DONE].concat();
    through_every_cut(PLAIN, &stream, &[TEXT, DONE].concat()).await;
}

#[tokio::test]
async fn a_client_that_asked_gets_every_byte() {
    let stream = [ROLE, TEXT, COMMENT, LAST, COUNT, DONE].concat();
    through_every_cut(ASKING, &stream, &stream).await;
}

/// Byte by byte, ends without an empty line, ends in the middle of something.
#[tokio::test]
async fn streams_end_as_they_like() {
    for (stream, expected) in [
        ([ROLE, "data: {\"choices\":[]"].concat(), [ROLE, "data: {\"choices\":[]"].concat()),
        ([ROLE, "data: [DONE]"].concat(), [ROLE, "data: [DONE]"].concat()),
        ([ROLE, "\n\n\n"].concat(), [ROLE, "\n\n\n"].concat()),
        ([TEXT, COUNT.trim_end()].concat(), TEXT.to_owned()),
        (COUNT.to_owned(), String::new()),
        (String::new(), String::new()),
        ("\u{feff}".to_owned() + ROLE, "\u{feff}".to_owned() + ROLE),
        ("data: {\"error\":{\"message\":\"x\"}}\n\n".into(), "data: {\"error\":{\"message\":\"x\"}}\n\n".into()),
    ] {
        let sent = stream.clone();
        let provider =
            Provider::start(move |_| sent.bytes().fold(Reply::events(), |reply, byte| reply.chunk([byte])).end());
        let provider = provider.await;
        let gateway = provider.behind_gateway().await;
        let answer = gateway.post(CHAT, PLAIN).await;
        assert_eq!((answer.text(), answer.whole), (expected.as_str(), true), "{stream:?}");
        let mut h2 = http2::Client::connect(gateway.address).await;
        let answer = h2.exchange("POST", CHAT, &[], Some(PLAIN.as_bytes())).await;
        assert_eq!((answer.text(), answer.whole), (expected.as_str(), true), "{stream:?}");
    }
}

/// A stream whose length was declared, and one that ends with its connection.
#[tokio::test]
async fn streams_in_other_framings() {
    let stream = [ROLE, COUNT, DONE].concat();
    let whole = Reply::whole(200, "text/event-stream; charset=utf-8", &stream);
    let close = Reply::head(200, &[("content-type", "text/event-stream")]).bytes(&stream).cut();
    for reply in [whole, close] {
        let provider = Provider::always(reply).await;
        let gateway = provider.behind_gateway().await;
        let answer = gateway.post(CHAT, PLAIN).await;
        assert_eq!((answer.text(), answer.whole), ([ROLE, DONE].concat().as_str(), true));
        let answer = gateway.post(CHAT, ASKING).await;
        assert_eq!((answer.text(), answer.whole), (stream.as_str(), true));
    }
}

/// HTTP/1.0 knows no chunks: the connection's end is the stream's.
#[tokio::test]
async fn old_clients_get_the_bare_stream() {
    let stream = [ROLE, TEXT, COUNT, DONE].concat();
    let whole = Reply::whole(200, "text/event-stream", &stream);
    for reply in [Reply::events().chunk(&stream).end(), whole] {
        let provider = Provider::always(reply).await;
        let gateway = provider.behind_gateway().await;
        let mut client = gateway.client().await;
        let head = format!("POST {CHAT} HTTP/1.0\r\nhost: x\r\ncontent-length: {}\r\n\r\n", PLAIN.len());
        client.send(head + PLAIN).await;
        let head = client.read_head().await;
        assert_eq!(head.status, 200);
        assert_eq!(head.headers.get("transfer-encoding"), None);
        assert_eq!(String::from_utf8(client.closed().await).unwrap(), [ROLE, TEXT, DONE].concat());
    }
}

#[tokio::test]
async fn statuses_and_error_bodies_pass() {
    let provider = Provider::start(|request| {
        let status: u16 = request.headers.get("x-title").and_then(|status| status.parse().ok()).expect("a status");
        Reply::whole(status, "application/problem+json", format!("{{\"is\" : {status}}}"))
    })
    .await;
    let gateway = provider.behind_gateway().await;
    for status in [200, 202, 400, 401, 402, 403, 404, 413, 415, 418, 422, 451] {
        let answer = gateway.post_with(CHAT, &[("x-title", &status.to_string())], PLAIN).await;
        assert_eq!((answer.head.status, answer.text()), (status, format!("{{\"is\" : {status}}}").as_str()));
        assert_eq!(answer.head.headers.get("content-type"), Some("application/problem+json"));
    }
    assert_eq!(provider.requests().len(), 12, "none of these is tried again");
}
