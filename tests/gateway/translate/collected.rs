//! Whole answers are gathered before the client hears of them; that must not show in anything but their being right.

use super::{Hub, ask, model, refused, setup, understood};
use crate::support::gateway::{JSON, Setup};
use crate::support::http::{Body, Client};
use crate::support::http2;
use crate::support::upstream::{Gate, Reply, Upstream};
use crate::support::wire::{TEXT, Told, Wire};
use std::collections::HashSet;
use std::sync::Mutex;

/// A request whose body is of this size at least.
fn long(client: Wire, size: usize) -> (String, String) {
    client.asking(&model(Wire::Messages), &"long ".repeat(size / 5), false)
}

#[tokio::test]
async fn bodies_of_any_size_and_framing_are_sent() {
    let hub = Hub::answering(Wire::reply).await;
    for size in [10, 60_000, 70_000, 200_000, 2_000_000] {
        let (path, body) = long(Wire::Chat, size);
        let pieces: Vec<&[u8]> = body.as_bytes().chunks(9000).collect();
        for framing in [Body::Length(body.as_bytes()), Body::Chunked(&[body.as_bytes()]), Body::Chunked(&pieces)] {
            let mut connection = hub.gateway.client().await;
            // Twice on one connection: nothing of the first may be left on it.
            for _ in 0..2 {
                connection.request("POST", &path, &[JSON], framing.clone()).await;
                let answer = connection.answer().await;
                assert_eq!(understood(Wire::Chat, false, &answer).text, TEXT, "{size}");
                assert!(answer.whole && hub.last().body.len() > size);
            }
        }
        let mut h2 = http2::Client::connect(hub.gateway.address).await;
        for _ in 0..2 {
            let answer = h2.exchange("POST", &path, &[JSON], Some(body.as_bytes())).await;
            assert_eq!((answer.status, answer.whole), (200, true), "{size}");
            let text = std::str::from_utf8(&answer.body).expect("UTF-8");
            assert_eq!(Told::of(Wire::Chat, text).text, TEXT, "{size}");
            assert!(hub.last().body.len() > size);
        }
    }
}

#[tokio::test]
async fn who_waits_for_a_go_ahead_gets_it() {
    let hub = Hub::answering(Wire::reply).await;
    let (path, body) = long(Wire::Messages, 100_000);
    let path = path.as_str();
    let body = Body::Length(body.as_bytes());
    let mut connection = hub.gateway.client().await;
    connection.head("POST", path, &[JSON, ("expect", "100-continue")], &body).await;
    assert_eq!(connection.read_head().await.status, 100);
    connection.body(&body).await;
    let answer = connection.answer().await;
    assert_eq!(understood(Wire::Messages, false, &answer).text, TEXT);
}

#[tokio::test]
async fn connections_are_used_again_on_both_sides() {
    let hub = Hub::answering(Wire::reply).await;
    let (path, body) = Wire::Gemini.asking(&model(Wire::Chat), "hi", false);
    let mut connection = hub.gateway.client().await;
    for _ in 0..10 {
        connection.request("POST", &path, &[JSON], Body::Length(body.as_bytes())).await;
        assert_eq!(connection.answer().await.head.status, 200);
    }
    let used: HashSet<_> = hub.upstream.requests().into_iter().map(|request| request.connection).collect();
    assert_eq!(used.len(), 1, "the provider was greeted once");
}

/// A pooled connection that the provider has closed costs nothing.
#[tokio::test]
async fn a_stale_connection_is_nobodys_fault() {
    let used = Mutex::new(HashSet::new());
    let hub = Hub::answering(move |request| {
        let is_fresh = used.lock().expect("not poisoned").insert(request.connection);
        if is_fresh { Wire::reply(request) } else { Reply::default().cut() }
    })
    .await;
    for _ in 0..6 {
        let answer = hub.ask(Wire::Chat, Wire::Messages, false).await;
        assert_eq!(understood(Wire::Chat, false, &answer).text, TEXT);
        assert_eq!(answer.head.headers.get("x-narthex-attempts"), Some("1"));
    }
    assert!(hub.upstream.requests().len() > 6, "some met a connection that had been used before");
}

#[tokio::test]
async fn interim_answers_do_not_confuse() {
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
    let hub = Hub::answering(move |_| {
        let body = Wire::Messages.answer();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        Reply::default().bytes(interim).bytes(head).bytes(body)
    })
    .await;
    for client in [Wire::Chat, Wire::Converse] {
        let answer = hub.ask(client, Wire::Messages, false).await;
        assert_eq!(understood(client, false, &answer).text, TEXT);
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_providers_work() {
    let never = Gate::closed();
    let hub = Hub::answering(move |request| match request.headers.get("x-title") {
        Some("begun") => Reply::chunked(200, &[JSON]).chunk("{").pause(&never),
        _ => Reply::default().pause(&never),
    })
    .await;
    let (path, body) = Wire::Chat.asking(&model(Wire::Messages), "hi", false);
    for (count, title) in ["none", "begun"].into_iter().enumerate() {
        let mut connection = hub.gateway.client().await;
        connection.request("POST", &path, &[JSON, ("x-title", title)], Body::Length(body.as_bytes())).await;
        hub.upstream.received(count + 1).await;
        drop(connection);
        hub.upstream.hung_up(count + 1).await;
        let line = hub.gateway.access_lines(count + 1).await.remove(count);
        assert_eq!((&line["outcome"], &line["status"]), (&"client_gone".into(), &0.into()), "{line}");
    }
}

/// Half-way through, a connection that breaks is a failure like any other: another target is asked.
#[tokio::test]
async fn half_an_answer_is_none() {
    let half = |wire: Wire| {
        let body = wire.answer();
        let length = body.len().to_string();
        Reply::head(200, &[JSON, ("content-length", &length)]).bytes(&body[..body.len() / 2]).cut()
    };
    let hub = Hub::answering(move |request| half(Wire::asked(request).0)).await;
    for client in [Wire::Chat, Wire::Gemini] {
        let answer = hub.ask(client, Wire::Messages, false).await;
        assert_eq!(refused(client, &answer).0, 502);
    }
    let broken = Upstream::start(move |request| half(Wire::asked(request).0)).await;
    let fine = Upstream::start(Wire::reply).await;
    let instance = |wire: Wire, upstream: &Upstream| wire.instance(&format!("http://{}", upstream.address));
    let gateway = Setup::instances([("a", instance(Wire::Messages, &broken)), ("b", instance(Wire::Chat, &fine))])
        .env("NARTHEX_STRATEGY", "priority")
        .start()
        .await;
    let answer = ask(&gateway, Wire::Gemini, "m", false).await;
    assert_eq!(understood(Wire::Gemini, false, &answer).text, TEXT);
    assert_eq!(answer.head.headers.get("x-narthex-attempts"), Some("2"));
    assert_eq!(broken.requests().len(), 1);
}

/// A target of the client's own dialect may be among them: its answer still passes byte for byte.
#[tokio::test]
async fn what_needs_no_translation_stays_as_it_is() {
    let odd = "{ \"choices\":[ ], \"n\":1.0 }";
    let busy = Upstream::start(|_| Reply::json(529, Wire::Messages.error(529, "busy"))).await;
    let fine = Upstream::start(move |request| match request.headers.get("x-title") {
        Some("error") => Reply::whole(422, "application/problem+json", odd),
        _ => Reply::whole(200, "application/json; charset=utf-8", odd),
    })
    .await;
    let instance = |wire: Wire, upstream: &Upstream| wire.instance(&format!("http://{}", upstream.address));
    let gateway = Setup::instances([("a", instance(Wire::Messages, &busy)), ("b", instance(Wire::Chat, &fine))])
        .env("NARTHEX_STRATEGY", "priority")
        .start()
        .await;
    let body = "{ \"model\":\"m\", \"x\":1.0, \"messages\":[{\"role\":\"user\",\"content\":\"hi\"}] }";
    let answer = gateway.post("/v1/chat/completions", body).await;
    assert_eq!((answer.head.status, answer.text()), (200, odd));
    assert_eq!(answer.head.headers.get("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(answer.head.headers.get("x-narthex-attempts"), Some("2"));
    assert_eq!(fine.requests()[0].text(), body);
    let answer = gateway.post_with("/v1/chat/completions", &[("x-title", "error")], body).await;
    assert_eq!((answer.head.status, answer.text()), (422, odd));
    assert_eq!(answer.head.headers.get("content-type"), Some("application/problem+json"));
}

/// Many at once, on few connections, of all kinds.
#[tokio::test]
async fn many_at_once_do_not_mix() {
    let upstream = Upstream::start(|request| {
        let (wire, _) = Wire::asked(request);
        let number = request.headers.get("x-title").expect("a number").to_owned();
        let escaped = serde_json::json!(TEXT).to_string();
        Reply::json(200, wire.answer().replace(escaped.trim_matches('"'), &number))
    })
    .await;
    let gateway = setup(&upstream).start().await;
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..40_usize {
        let address = gateway.address;
        clients.spawn(async move {
            let mut connection = Client::connect(address).await;
            for turn in 0..10 {
                let (client, provider) = (Wire::ALL[number % 5], Wire::ALL[(number + turn) % 5]);
                let (path, body) = client.asking(&model(provider), "hi", false);
                let number = format!("{number}-{turn}");
                let answer = connection
                    .exchange("POST", &path, &[JSON, ("x-title", &number)], Body::Length(body.as_bytes()))
                    .await;
                assert_eq!(Told::of(client, answer.text()).text, number);
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done.expect("each got its own");
    }
}
