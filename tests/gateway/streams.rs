//! Streams: each event at once, an honest end, and nobody works for a client that has left.

use crate::support::gateway::{Gateway, JSON, Provider, Setup};
use crate::support::http::{Body, Client, Piece};
use crate::support::http2;
use crate::support::upstream::{Gate, Reply};
use serde_json::Value;

const CHAT: &str = "/v1/chat/completions";
const STREAM: &str = r#"{"model":"m","stream":true}"#;

fn event(n: usize) -> String {
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{n}\"}}}}]}}\n\n")
}

/// Larger than what Pingora can send again: it takes the way by a stand-in.
fn long_request() -> String {
    format!(r#"{{"model":"m","stream":true,"messages":[{{"content":"{}"}}]}}"#, "x".repeat(150_000))
}

async fn ask(gateway: &Gateway, path: &str, body: Body<'_>) -> Client {
    let mut client = gateway.client().await;
    client.request("POST", path, &[JSON], body).await;
    client
}

#[tokio::test]
async fn events_arrive_one_by_one() {
    let gate = Gate::closed();
    let held = gate.clone();
    let provider = Provider::start(move |_| {
        (0..5).fold(Reply::events(), |reply, n| reply.chunk(event(n)).pause(&held)).chunk("data: [DONE]\n\n").end()
    })
    .await;
    let gateway = provider.behind_gateway().await;
    let long = long_request();
    for body in [Body::Length(STREAM.as_bytes()), Body::Chunked(&[long.as_bytes()])] {
        let mut client = ask(&gateway, CHAT, body).await;
        let head = client.read_head().await;
        assert_eq!(head.headers.get("content-type"), Some("text/event-stream"));
        assert_eq!(head.headers.get("x-accel-buffering"), Some("no"));
        for n in 0..5 {
            assert_eq!(client.piece().await, Piece::Data(event(n).into_bytes()));
            gate.open();
        }
        assert_eq!(client.piece().await, Piece::Data(b"data: [DONE]\n\n".to_vec()));
        assert_eq!(client.piece().await, Piece::End);
    }
    let mut h2 = http2::Client::connect(gateway.address).await;
    for body in [STREAM, &long] {
        let mut answer = h2.send("POST", CHAT, &[], Some(body.as_bytes())).await.incoming().await;
        for n in 0..5 {
            assert_eq!(answer.data().await.expect("more").expect("data"), event(n));
            gate.open();
        }
        assert_eq!(answer.finish().await.text(), "data: [DONE]\n\n");
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_work() {
    let never = Gate::closed();
    let held = never.clone();
    let provider = Provider::start(move |_| Reply::events().chunk(event(0)).pause(&held)).await;
    let gateway = provider.behind_gateway().await;
    let long = long_request();
    for (count, body) in [Body::Length(STREAM.as_bytes()), Body::Chunked(&[long.as_bytes()])].into_iter().enumerate() {
        let mut client = ask(&gateway, CHAT, body).await;
        assert_eq!(client.read_head().await.status, 200);
        drop(client);
        provider.upstream.hung_up(count + 1).await;
    }
    let mut client = http2::Client::connect(gateway.address).await;
    for (count, body) in [STREAM, &long].into_iter().enumerate() {
        let answer = client.send("POST", CHAT, &[], Some(body.as_bytes())).await.incoming().await;
        assert_eq!(answer.status, 200);
        drop(answer);
        provider.upstream.hung_up(count + 3).await;
    }
    for line in gateway.access_lines(4).await {
        assert_eq!((&line["outcome"], &line["status"]), (&Value::from("client_gone"), &Value::from(200)), "{line}");
        assert_eq!(line["attempts"], 1);
    }
    let metrics = gateway.metrics().await;
    assert!(metrics.contains(r#"narthex_in_flight{instance="up"} 0"#), "{metrics}");
    assert!(
        metrics.contains(r#"narthex_instance_cooling{instance="up"} 0"#),
        "a client's leave is not the provider's fault"
    );
}

/// Before anything has been answered.
#[tokio::test]
async fn a_client_that_does_not_wait_ends_the_work_too() {
    let never = Gate::closed();
    let held = never.clone();
    let provider = Provider::start(move |_| Reply::default().pause(&held)).await;
    let gateway = provider.behind_gateway().await;
    let long = long_request();
    for (count, body) in [Body::Length(STREAM.as_bytes()), Body::Chunked(&[long.as_bytes()])].into_iter().enumerate() {
        let client = ask(&gateway, CHAT, body).await;
        provider.received(count + 1).await;
        drop(client);
        provider.upstream.hung_up(count + 1).await;
    }
    let mut h2 = http2::Client::connect(gateway.address).await;
    let stream = h2.send("POST", CHAT, &[], Some(STREAM.as_bytes())).await;
    provider.received(3).await;
    drop(stream);
    provider.upstream.hung_up(3).await;
    for line in gateway.access_lines(3).await {
        assert_eq!(
            (&line["outcome"], &line["status"], &line["attempts"]),
            (&"client_gone".into(), &0.into(), &1.into()),
            "{line}"
        );
    }
}

/// The events of an answer, the last of which must be the dialect's error.
fn error_event(path: &str, answer: &str) -> Value {
    let last = answer.trim_end().rsplit("\n\n").next().expect("an event");
    let mut lines: Vec<_> = last.lines().collect();
    if path == "/v1/responses" {
        assert_eq!(lines.remove(0), "event: error");
    }
    let [line] = lines.as_slice() else { panic!("not one line: {last:?}") };
    serde_json::from_str(line.strip_prefix("data: ").expect("data")).expect("JSON")
}

#[tokio::test]
async fn a_stream_that_breaks_ends_in_an_error_event() {
    let half = "data: {\"choices\":[{\"delta\":{\"con";
    for broken in [
        Reply::events().chunk(event(0)).cut(),
        Reply::events().chunk(event(0)).chunk(half).cut(),
        Reply::events().chunk(event(0)).bytes("ff\r\ndata: x").cut(),
        Reply::events().chunk(event(0)).bytes("zz\r\n").cut(),
    ] {
        let provider = Provider::always(broken).await;
        let gateway = provider.behind_gateway().await;
        let long = long_request();
        for path in [CHAT, "/v1/responses"] {
            for body in [Body::Length(STREAM.as_bytes()), Body::Chunked(&[long.as_bytes()])] {
                let answer = gateway.client().await.exchange("POST", path, &[JSON], body).await;
                check(path, answer.whole, answer.text());
            }
            let mut h2 = http2::Client::connect(gateway.address).await;
            let answer = h2.exchange("POST", path, &[], Some(STREAM.as_bytes())).await;
            check(path, answer.whole, answer.text());
        }
        let lines = gateway.access_lines(6).await;
        assert!(
            lines.iter().all(|line| line["outcome"] == "error" && line["status"] == 200 && line["error"].is_string()),
            "{lines:?}"
        );
    }

    fn check(path: &str, is_whole: bool, text: &str) {
        assert!(is_whole, "a stream that tells of its end should end well: {text:?}");
        assert!(text.starts_with(&event(0)), "{text:?}");
        let error = error_event(path, text);
        let code = if path == CHAT { &error["error"]["code"] } else { &error["code"] };
        assert_eq!(code, "upstream_broke_off", "{text}");
        assert!(!text.contains("[DONE]"));
    }
}

/// A stream of declared length has no room for an event more.
#[tokio::test]
async fn a_stream_of_declared_length_that_breaks_is_cut() {
    let head = [("content-type", "text/event-stream"), ("content-length", "1000")];
    let provider = Provider::always(Reply::head(200, &head).bytes(event(0)).cut()).await;
    let gateway = provider.behind_gateway().await;
    let asking = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#;
    let answer = gateway.post(CHAT, asking).await;
    assert!(answer.text().starts_with(&event(0)));
    // Either it is told in an event and ends well, or it does not end well.
    assert!(!answer.whole || answer.text().contains("upstream_broke_off"), "{:?}", answer.text());
}

#[tokio::test]
async fn a_provider_that_falls_silent_is_given_up() {
    let never = Gate::closed();
    let held = never.clone();
    let provider = Provider::start(move |request| {
        let begun =
            if request.headers.get("x-title").is_some() { Reply::events().chunk(event(0)) } else { Reply::default() };
        begun.pause(&held)
    })
    .await;
    let settings = format!("{}, timeouts: {{read: 300ms}}", provider.settings());
    let gateway = Setup::instances([("up", settings)]).start().await;
    let answer = gateway.post(CHAT, STREAM).await;
    assert_eq!(answer.head.status, 504);
    let error: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!((&error["error"]["code"], &error["error"]["type"]), (&"upstream_timeout".into(), &"timeout".into()));
    assert_eq!(provider.requests().len(), 1, "nobody waits that long twice");
    provider.upstream.hung_up(1).await;

    let answer = gateway.post_with(CHAT, &[("x-title", "begin")], STREAM).await;
    assert!(answer.whole);
    assert_eq!(error_event(CHAT, answer.text())["error"]["code"], "upstream_timeout");
    provider.upstream.hung_up(2).await;
}

/// What a provider says in its stream is for the client, errors included.
#[tokio::test]
async fn errors_of_the_provider_in_its_stream_pass() {
    let stream = [
        event(0).as_str(),
        "event: error\ndata: {\"error\":{\"message\":\"overloaded\",\"code\":529}}\n\n",
        "data: {\"type\":\"response.failed\"}\n\n",
    ]
    .concat();
    let provider = Provider::always(Reply::events().chunk(&stream).end()).await;
    let gateway = provider.behind_gateway().await;
    let answer = gateway.post(CHAT, STREAM).await;
    assert_eq!((answer.head.status, answer.text(), answer.whole), (200, stream.as_str(), true));
    assert_eq!(provider.requests().len(), 1);
}

/// A reader that is slow gets all of it, and what it has not read is not fetched.
#[tokio::test]
async fn a_slow_reader_gets_everything() {
    let events: String = (0..40_000).map(event).collect();
    let sent = events.clone();
    let provider =
        Provider::start(move |_| sent.as_bytes().chunks(100_000).fold(Reply::events(), Reply::chunk).end()).await;
    let gateway = provider.behind_gateway().await;
    let long = long_request();
    for body in [Body::Length(STREAM.as_bytes()), Body::Chunked(&[long.as_bytes()])] {
        let mut client = ask(&gateway, CHAT, body).await;
        client.read_head().await;
        let mut received = Vec::new();
        while let Piece::Data(data) = client.piece().await {
            received.extend_from_slice(&data);
            tokio::task::yield_now().await;
        }
        assert!(received == events.as_bytes());
    }
}

/// Interim answers are the connection's business, not an answer.
#[tokio::test]
async fn interim_answers_do_not_confuse() {
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
    let stream = Reply::default()
        .bytes(interim)
        .bytes("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        .chunk(event(0))
        .end();
    let provider = Provider::always(stream).await;
    let gateway = provider.behind_gateway().await;
    let long = long_request();
    for body in [Body::Length(STREAM.as_bytes()), Body::Chunked(&[long.as_bytes()])] {
        let answer = ask(&gateway, CHAT, body).await.answer().await;
        assert_eq!((answer.head.status, answer.text(), answer.whole), (200, event(0).as_str(), true));
        assert_eq!(answer.head.headers.get("x-narthex-instance"), Some("up"));
    }
}
