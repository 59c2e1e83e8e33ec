//! An exchange that a stand-in runs is, for the client, like any other.

use crate::pair::Pair;
use crate::rewriter::{Happened, LAST_EVENT, Record};
use crate::support::http::{Body, Client, Piece};
use crate::support::http2;
use crate::support::upstream::{Gate, Reply};

static MEGABYTE: [u8; 1_000_000] = [b'x'; 1_000_000];

#[tokio::test]
async fn a_stand_in_replays_a_megabyte_on_http1() {
    let pair = Pair::serving().await;
    let mut client = Client::connect(pair.address()).await;
    let answer = client.exchange("POST", "/chat?a=b", &[], Body::Chunked(&[&MEGABYTE])).await;
    assert_eq!((answer.head.status, answer.text()), (200, "served"));
    assert_eq!(answer.head.headers.get("content-length"), Some("6"));
    pair.assert_replayed(Happened::ByStandIn, &MEGABYTE);
    assert_eq!(pair.free.requests()[0].path, "/chat?a=b");
    assert_eq!(pair.free.requests()[0].headers.get("transfer-encoding"), None);
}

#[tokio::test]
async fn a_stand_in_replays_a_megabyte_on_http2() {
    let pair = Pair::serving().await;
    let mut client = http2::Client::connect(pair.address()).await;
    let answer = client.exchange("POST", "/chat?a=b", &[], Some(&MEGABYTE)).await;
    assert_eq!((answer.status, answer.text()), (200, "served"));
    assert!(answer.whole);
    pair.assert_replayed(Happened::ByStandIn, &MEGABYTE);
    assert_eq!(pair.free.requests()[0].path, "/chat?a=b");
}

#[tokio::test]
async fn a_stand_in_serves_a_client_that_expects_100_continue() {
    let pair = Pair::serving().await;
    let body = Body::Chunked(&[&MEGABYTE]);
    let mut client = Client::connect(pair.address()).await;
    let expect = [("expect", "100-continue")];
    client.head("POST", "/chat", &expect, &body).await;
    assert_eq!(client.read_head().await.status, 100);
    client.body(&body).await;
    let head = client.read_head().await;
    assert_eq!(head.status, 200, "no second 100 comes between");
    assert_eq!(client.piece().await, Piece::Data(b"served".to_vec()));
    pair.assert_replayed(Happened::ByStandIn, &MEGABYTE);
}

#[tokio::test]
async fn a_stand_in_relays_a_stream_event_by_event() {
    let gate = Gate::closed();
    let stream = Reply::events().chunk("data: 1\n\n").pause(&gate).chunk("data: 2\n\n").end();
    let pair = Pair::answering(stream).await;

    let mut client = Client::connect(pair.address()).await;
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
    let stream = Reply::events().chunk("data: 1\n\n").pause(&gate).chunk("data: 2\n\n").end();
    let pair = Pair::answering(stream).await;

    let mut client = http2::Client::connect(pair.address()).await;
    let stream = client.send("POST", "/chat", &[], Some(&MEGABYTE)).await;
    let mut incoming = stream.incoming().await;
    assert_eq!(incoming.data().await.unwrap().unwrap(), "data: 1\n\n");
    gate.open();
    let rest = incoming.finish().await;
    assert_eq!((rest.text(), rest.whole), ("data: 2\n\n", true));
}

#[tokio::test]
async fn a_connection_serves_the_next_request_after_a_stand_in() {
    let pair = Pair::serving().await;
    let mut client = Client::connect(pair.address()).await;
    for _ in 0..3 {
        let answer = client.exchange("POST", "/chat", &[], Body::Chunked(&[&MEGABYTE])).await;
        assert_eq!(answer.text(), "served");
    }
    let connections: Vec<_> = pair.free.requests().iter().map(|r| r.connection).collect();
    assert_eq!(connections, [0, 0, 0], "the upstream connection is reused");
    // The stand-in is logged before the client's own session, and neither has an error.
    let logged: Vec<_> = pair
        .record
        .all()
        .into_iter()
        .filter(|happened| matches!(happened, Happened::Logged { .. } | Happened::Failed { .. }))
        .collect();
    let by = |stand_in| Happened::Logged { error: false, stand_in };
    assert_eq!(logged[..4], [by(true), by(false), by(true), by(false)]);
}

#[tokio::test]
async fn a_stand_in_is_aborted_when_its_client_hangs_up_before_the_header() {
    let waiting = Reply::default().pause(&Gate::closed());
    let pair = Pair::answering(waiting).await;
    let mut client = Client::connect(pair.address()).await;
    let body = Body::Chunked(&[&MEGABYTE]);
    client.request("POST", "/chat", &[], body).await;
    pair.free.received(1).await;
    drop(client);
    pair.free.hung_up(1).await;
    logged_as_failed(&pair.record).await;
}

#[tokio::test]
async fn a_stand_in_is_aborted_when_its_client_hangs_up_mid_stream() {
    let stream = Reply::events().chunk("data: 1\n\n").pause(&Gate::closed());
    let pair = Pair::answering(stream).await;
    let mut client = Client::connect(pair.address()).await;
    let body = Body::Chunked(&[&MEGABYTE]);
    client.request("POST", "/chat", &[], body).await;
    assert_eq!(client.read_head().await.status, 200);
    client.piece().await;
    drop(client);
    pair.free.hung_up(1).await;
    logged_as_failed(&pair.record).await;
}

#[tokio::test]
async fn a_stand_in_is_aborted_when_its_client_resets_the_stream() {
    let waiting = Reply::default().pause(&Gate::closed());
    let pair = Pair::answering(waiting).await;
    let mut client = http2::Client::connect(pair.address()).await;
    let stream = client.send("POST", "/chat", &[], Some(&MEGABYTE)).await;
    pair.free.received(1).await;
    drop(stream);
    pair.free.hung_up(1).await;
    logged_as_failed(&pair.record).await;
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
        let pair = Pair::answering(Reply::head(status, &[])).await;
        let mut client = Client::connect(pair.address()).await;
        for _ in 0..2 {
            let answer = client.exchange("POST", "/chat", &[], Body::Chunked(&[&MEGABYTE])).await;
            assert_eq!((answer.head.status, answer.whole), (status, true));
        }
        let mut client = http2::Client::connect(pair.address()).await;
        let answer = client.exchange("POST", "/chat", &[], Some(&MEGABYTE)).await;
        assert_eq!((answer.status, answer.whole), (status, true));
    }
}

/// The stand-in writes the failure in its own name; the client's session just passes it on.
#[tokio::test]
async fn a_failure_before_the_header_is_told_by_the_stand_in() {
    let pair = Pair::answering(Reply::default().cut()).await;
    let mut client = Client::connect(pair.address()).await;
    for _ in 0..2 {
        let answer = client.exchange("POST", "/chat", &[], Body::Chunked(&[&MEGABYTE])).await;
        assert_eq!((answer.head.status, answer.text()), (502, "{}"));
    }
    let failed = Happened::Failed { after_header: false, stand_in: true };
    assert_eq!(pair.record.before_logging()[3], failed);
    let by_client = pair.record.all().contains(&Happened::Logged { error: true, stand_in: false });
    assert!(!by_client, "the client's session sees no error");
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_the_stand_ins_last_event() {
    let broken = Reply::events().chunk("data: 1\n\n").cut();
    let pair = Pair::answering(broken).await;
    let expected = format!("data: 1\n\n{LAST_EVENT}");

    let mut client = Client::connect(pair.address()).await;
    for _ in 0..2 {
        let answer = client.exchange("POST", "/chat", &[], Body::Chunked(&[&MEGABYTE])).await;
        assert_eq!((answer.text(), answer.whole), (expected.as_str(), true));
    }
    let mut client = http2::Client::connect(pair.address()).await;
    let answer = client.exchange("POST", "/chat", &[], Some(&MEGABYTE)).await;
    assert_eq!((answer.text(), answer.whole), (expected.as_str(), true));
}

/// With a declared length there is no room for a last event: the client must see that the answer is cut short.
#[tokio::test]
async fn an_answer_of_declared_length_that_breaks_is_cut_for_the_client_too() {
    let broken = Reply::head(200, &[("content-length", "100")]).bytes("short").cut();
    let pair = Pair::answering(broken).await;
    let mut client = Client::connect(pair.address()).await;
    let answer = client.exchange("POST", "/chat", &[], Body::Chunked(&[&MEGABYTE])).await;
    assert!(!answer.whole, "{answer:?}");
    let mut client = http2::Client::connect(pair.address()).await;
    let answer = client.exchange("POST", "/chat", &[], Some(&MEGABYTE)).await;
    assert!(!answer.whole, "{answer:?}");
}

#[tokio::test]
async fn a_stand_in_passes_interim_answers_on() {
    let hinted =
        Reply::head(103, &[("link", "</style.css>")]).bytes("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nserved");
    let pair = Pair::answering(hinted).await;
    let mut client = Client::connect(pair.address()).await;
    let body = Body::Chunked(&[&MEGABYTE]);
    client.request("POST", "/chat", &[], body).await;
    assert_eq!(client.read_head().await.status, 103);
    assert_eq!(client.answer().await.text(), "served");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_do_not_disturb_each_other() {
    let pair = Pair::serving().await;
    let address = pair.address();
    let clients: Vec<_> = (0..32)
        .map(|at| {
            tokio::spawn(async move {
                let body = vec![b'x'; 66_000 + at];
                let mut over_http1 = Client::connect(address).await;
                let mut over_http2 = http2::Client::connect(address).await;
                for _ in 0..3 {
                    let body_sent = Body::Chunked(&[&body]);
                    let answer = over_http1.exchange("POST", "/", &[], body_sent).await;
                    assert_eq!((answer.text(), answer.whole), ("served", true));
                    let answer = over_http2.exchange("POST", "/", &[], Some(&body)).await;
                    assert_eq!((answer.text(), answer.whole), ("served", true));
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let failed = |happened: &Happened| matches!(happened, Happened::Failed { .. });
    assert!(!pair.record.all().iter().any(failed));
}
