//! A body of unknown length earns its callback by the retry buffer up to 64 KiB; beyond that the buffer is void, and
//! only a stand-in (see `stand_in`) can make more than one attempt.

use crate::reading::{RETRY_BUFFER, earns_callback, read_body};
use crate::rewriter::{Happened, LAST_EVENT, Record, Rewriter, rewritten};
use crate::support::http::{Body, Client, Piece};
use crate::support::http2;
use crate::support::pingora::{Running, start_proxy};
use crate::support::upstream::{Gate, Reply, Upstream};
use async_trait::async_trait;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType::HTTPStatus, Result};
use pingora_proxy::{ProxyHttp, Session};
use std::sync::Arc;

static MEGABYTE: [u8; 1_000_000] = [b'x'; 1_000_000];

#[tokio::test]
async fn up_to_64_kib_is_replayed_directly_on_http1() {
    for size in [0, 1, RETRY_BUFFER - 1, RETRY_BUFFER] {
        let (busy, free, proxy, record) = busy_then(Reply::json(200, "served")).await;
        let body = vec![b'x'; size];
        let pieces: Vec<_> = body.chunks(10_000).collect();
        let mut client = Client::connect(proxy.address).await;
        let answer = client
            .exchange("POST", "/chat", &[], Body::Chunked(&pieces))
            .await;
        assert_eq!(answer.text(), "served");
        assert_replayed(&busy, &free, &record, Happened::Directly, &body);
    }
}

#[tokio::test]
async fn up_to_64_kib_is_replayed_directly_on_http2() {
    for size in [0, 1, RETRY_BUFFER] {
        let (busy, free, proxy, record) = busy_then(Reply::json(200, "served")).await;
        let body = vec![b'x'; size];
        let mut client = http2::Client::connect(proxy.address).await;
        let answer = client.exchange("POST", "/chat", &[], Some(&body)).await;
        assert_eq!(answer.text(), "served");
        assert_replayed(&busy, &free, &record, Happened::Directly, &body);
    }
}

/// What would happen without a stand-in: nothing is left to send, and Pingora would wait for more.
#[tokio::test]
async fn beyond_64_kib_nothing_is_left_to_replay() {
    struct Confessing;

    #[async_trait]
    impl ProxyHttp for Confessing {
        type CTX = ();
        fn new_ctx(&self) {}

        async fn upstream_peer(&self, session: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
            read_body(session).await?;
            assert!(session.is_body_done());
            let hopeless = session.retry_buffer_truncated() && !earns_callback(session);
            Error::e_explain(HTTPStatus(if hopeless { 413 } else { 500 }), "confession")
        }
    }

    let proxy = start_proxy(Confessing).await;
    let mut client = Client::connect(proxy.address).await;
    let answer = client
        .exchange(
            "POST",
            "/",
            &[],
            Body::Chunked(&[&MEGABYTE[..RETRY_BUFFER + 1]]),
        )
        .await;
    assert_eq!(answer.head.status, 413);
}

#[tokio::test]
async fn a_stand_in_replays_a_megabyte_on_http1() {
    let (busy, free, proxy, record) = busy_then(Reply::json(200, "served")).await;
    let mut client = Client::connect(proxy.address).await;
    let answer = client
        .exchange("POST", "/chat?a=b", &[], Body::Chunked(&[&MEGABYTE]))
        .await;
    assert_eq!((answer.head.status, answer.text()), (200, "served"));
    assert_eq!(answer.head.headers.get("content-length"), Some("6"));
    assert_replayed(&busy, &free, &record, Happened::ByStandIn, &MEGABYTE);
    assert_eq!(free.requests()[0].path, "/chat?a=b");
    assert_eq!(free.requests()[0].headers.get("transfer-encoding"), None);
}

#[tokio::test]
async fn a_stand_in_replays_a_megabyte_on_http2() {
    let (busy, free, proxy, record) = busy_then(Reply::json(200, "served")).await;
    let mut client = http2::Client::connect(proxy.address).await;
    let answer = client
        .exchange("POST", "/chat?a=b", &[], Some(&MEGABYTE))
        .await;
    assert_eq!((answer.status, answer.text()), (200, "served"));
    assert!(answer.whole);
    assert_replayed(&busy, &free, &record, Happened::ByStandIn, &MEGABYTE);
    assert_eq!(free.requests()[0].path, "/chat?a=b");
}

#[tokio::test]
async fn a_stand_in_serves_a_client_that_expects_100_continue() {
    let (busy, free, proxy, record) = busy_then(Reply::json(200, "served")).await;
    let body = Body::Chunked(&[&MEGABYTE]);
    let mut client = Client::connect(proxy.address).await;
    let expect = [("expect", "100-continue")];
    client.head("POST", "/chat", &expect, &body).await;
    assert_eq!(client.read_head().await.status, 100);
    client.body(&body).await;
    let head = client.read_head().await;
    assert_eq!(head.status, 200, "no second 100 comes between");
    assert_eq!(client.piece().await, Piece::Data(b"served".to_vec()));
    assert_replayed(&busy, &free, &record, Happened::ByStandIn, &MEGABYTE);
}

#[tokio::test]
async fn request_trailers_do_not_disturb() {
    // On HTTP/2 the trailers count as a rest of the body: the callback comes twice per attempt, and only the
    // second call ends the body.
    let (busy, free, proxy, record) = busy_then(Reply::json(200, "served")).await;
    let mut client = http2::Client::connect(proxy.address).await;
    let mut stream = client.open("POST", "/chat", &[], false).await;
    stream.upload(b"small", false).await;
    stream.finish_with_trailer("x-checksum", "1");
    let answer = stream.incoming().await.finish().await;
    assert_eq!(answer.text(), "served");
    assert_replayed(&busy, &free, &record, Happened::Directly, b"small");

    let mut stream = client.open("POST", "/chat", &[], false).await;
    stream.upload(&MEGABYTE, false).await;
    stream.finish_with_trailer("x-checksum", "1");
    let answer = stream.incoming().await.finish().await;
    assert_eq!(answer.text(), "served");
    assert!(free.requests()[1].body == rewritten(&MEGABYTE));
}

#[tokio::test]
async fn a_stand_in_relays_a_stream_event_by_event() {
    let gate = Gate::closed();
    let stream = Reply::events()
        .chunk("data: 1\n\n")
        .pause(&gate)
        .chunk("data: 2\n\n")
        .end();
    let (_busy, _free, proxy, _) = busy_then(stream).await;

    let mut client = Client::connect(proxy.address).await;
    let body = Body::Chunked(&[&MEGABYTE]);
    client.request("POST", "/chat", &[], body).await;
    assert_eq!(client.read_head().await.status, 200);
    assert_eq!(client.piece().await, Piece::Data(b"data: 1\n\n".to_vec()));
    gate.open();
    assert_eq!(client.piece().await, Piece::Data(b"data: 2\n\n".to_vec()));
    assert_eq!(client.piece().await, Piece::End);
}

#[tokio::test]
async fn a_stand_in_relays_a_stream_event_by_event_on_http2() {
    let gate = Gate::closed();
    let stream = Reply::events()
        .chunk("data: 1\n\n")
        .pause(&gate)
        .chunk("data: 2\n\n")
        .end();
    let (_busy, _free, proxy, _) = busy_then(stream).await;

    let mut client = http2::Client::connect(proxy.address).await;
    let stream = client.send("POST", "/chat", &[], Some(&MEGABYTE)).await;
    let mut incoming = stream.incoming().await;
    assert_eq!(incoming.data().await.unwrap().unwrap(), "data: 1\n\n");
    gate.open();
    let rest = incoming.finish().await;
    assert_eq!((rest.text(), rest.whole), ("data: 2\n\n", true));
}

#[tokio::test]
async fn a_connection_serves_the_next_request_after_a_stand_in() {
    let (_busy, free, proxy, record) = busy_then(Reply::json(200, "served")).await;
    let mut client = Client::connect(proxy.address).await;
    for _ in 0..3 {
        let answer = client
            .exchange("POST", "/chat", &[], Body::Chunked(&[&MEGABYTE]))
            .await;
        assert_eq!(answer.text(), "served");
    }
    let connections: Vec<_> = free.requests().iter().map(|r| r.connection).collect();
    assert_eq!(connections, [0, 0, 0], "the upstream connection is reused");
    // The stand-in is logged before the client's own session, and neither has an error.
    let logged: Vec<_> = record
        .all()
        .into_iter()
        .filter(|happened| matches!(happened, Happened::Logged { .. } | Happened::Failed { .. }))
        .collect();
    let by = |stand_in| Happened::Logged {
        error: false,
        stand_in,
    };
    assert_eq!(logged[..4], [by(true), by(false), by(true), by(false)]);
}

#[tokio::test]
async fn a_stand_in_is_aborted_when_its_client_hangs_up_before_the_header() {
    let waiting = Reply::default().pause(&Gate::closed());
    let (_busy, free, proxy, record) = busy_then(waiting).await;
    let mut client = Client::connect(proxy.address).await;
    let body = Body::Chunked(&[&MEGABYTE]);
    client.request("POST", "/chat", &[], body).await;
    free.received(1).await;
    drop(client);
    free.hung_up(1).await;
    logged_as_failed(&record).await;
}

#[tokio::test]
async fn a_stand_in_is_aborted_when_its_client_hangs_up_mid_stream() {
    let stream = Reply::events().chunk("data: 1\n\n").pause(&Gate::closed());
    let (_busy, free, proxy, record) = busy_then(stream).await;
    let mut client = Client::connect(proxy.address).await;
    let body = Body::Chunked(&[&MEGABYTE]);
    client.request("POST", "/chat", &[], body).await;
    assert_eq!(client.read_head().await.status, 200);
    client.piece().await;
    drop(client);
    free.hung_up(1).await;
    logged_as_failed(&record).await;
}

#[tokio::test]
async fn a_stand_in_is_aborted_when_its_client_resets_the_stream() {
    let waiting = Reply::default().pause(&Gate::closed());
    let (_busy, free, proxy, record) = busy_then(waiting).await;
    let mut client = http2::Client::connect(proxy.address).await;
    let stream = client.send("POST", "/chat", &[], Some(&MEGABYTE)).await;
    free.received(1).await;
    drop(stream);
    free.hung_up(1).await;
    logged_as_failed(&record).await;
}

/// Both sessions come to their `logging`, so nothing that was counted stays counted.
async fn logged_as_failed(record: &Record) {
    for stand_in in [true, false] {
        let error = true;
        record.until(Happened::Logged { error, stand_in }).await;
    }
}

#[tokio::test]
async fn an_answer_without_a_body_ends_at_once() {
    for status in [204, 304] {
        let (_busy, _free, proxy, _) = busy_then(Reply::head(status, &[])).await;
        let mut client = Client::connect(proxy.address).await;
        for _ in 0..2 {
            let answer = client
                .exchange("POST", "/chat", &[], Body::Chunked(&[&MEGABYTE]))
                .await;
            assert_eq!((answer.head.status, answer.whole), (status, true));
        }
        let mut client = http2::Client::connect(proxy.address).await;
        let answer = client.exchange("POST", "/chat", &[], Some(&MEGABYTE)).await;
        assert_eq!((answer.status, answer.whole), (status, true));
    }
}

/// The stand-in writes the failure in its own name; the client's session just passes it on.
#[tokio::test]
async fn a_failure_before_the_header_is_told_by_the_stand_in() {
    let (_busy, _free, proxy, record) = busy_then(Reply::default().cut()).await;
    let mut client = Client::connect(proxy.address).await;
    for _ in 0..2 {
        let answer = client
            .exchange("POST", "/chat", &[], Body::Chunked(&[&MEGABYTE]))
            .await;
        assert_eq!((answer.head.status, answer.text()), (502, "{}"));
    }
    let failed = Happened::Failed {
        after_header: false,
        stand_in: true,
    };
    assert_eq!(record.before_logging()[3], failed);
    let by_client = record.all().contains(&Happened::Logged {
        error: true,
        stand_in: false,
    });
    assert!(!by_client, "the client's session sees no error");
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_the_stand_ins_last_event() {
    let broken = Reply::events().chunk("data: 1\n\n").cut();
    let (_busy, _free, proxy, _) = busy_then(broken).await;
    let expected = format!("data: 1\n\n{LAST_EVENT}");

    let mut client = Client::connect(proxy.address).await;
    for _ in 0..2 {
        let answer = client
            .exchange("POST", "/chat", &[], Body::Chunked(&[&MEGABYTE]))
            .await;
        assert_eq!((answer.text(), answer.whole), (expected.as_str(), true));
    }
    let mut client = http2::Client::connect(proxy.address).await;
    let answer = client.exchange("POST", "/chat", &[], Some(&MEGABYTE)).await;
    assert_eq!((answer.text(), answer.whole), (expected.as_str(), true));
}

/// With a declared length there is no room for a last event: the client must see that the answer is cut short.
#[tokio::test]
async fn an_answer_of_declared_length_that_breaks_is_cut_for_the_client_too() {
    let broken = Reply::head(200, &[("content-length", "100")])
        .bytes("short")
        .cut();
    let (_busy, _free, proxy, _) = busy_then(broken).await;
    let mut client = Client::connect(proxy.address).await;
    let answer = client
        .exchange("POST", "/chat", &[], Body::Chunked(&[&MEGABYTE]))
        .await;
    assert!(!answer.whole, "{answer:?}");
    let mut client = http2::Client::connect(proxy.address).await;
    let answer = client.exchange("POST", "/chat", &[], Some(&MEGABYTE)).await;
    assert!(!answer.whole, "{answer:?}");
}

#[tokio::test]
async fn a_stand_in_passes_interim_answers_on() {
    let hinted = Reply::head(103, &[("link", "</style.css>")])
        .bytes("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nserved");
    let (_busy, _free, proxy, _) = busy_then(hinted).await;
    let mut client = Client::connect(proxy.address).await;
    let body = Body::Chunked(&[&MEGABYTE]);
    client.request("POST", "/chat", &[], body).await;
    assert_eq!(client.read_head().await.status, 103);
    assert_eq!(client.answer().await.text(), "served");
}

async fn busy_then(reply: Reply) -> (Upstream, Upstream, Running, Arc<Record>) {
    let busy = Upstream::script([Reply::json(429, "{}")]).await;
    let free = Upstream::script([reply]).await;
    let (rewriter, record) = Rewriter::new([busy.address, free.address]);
    let proxy = start_proxy(rewriter).await;
    (busy, free, proxy, record)
}

fn assert_replayed(busy: &Upstream, free: &Upstream, record: &Record, way: Happened, body: &[u8]) {
    let happened = [way, Happened::Asked(1), Happened::Asked(2)];
    assert_eq!(record.before_logging(), happened, "{}", body.len());
    for upstream in [busy, free] {
        let requests = upstream.requests();
        assert_eq!(requests.len(), 1);
        assert!(requests[0].body == rewritten(body), "{}", body.len());
    }
}
