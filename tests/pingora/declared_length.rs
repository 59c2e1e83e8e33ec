//! A body that was read in `request_filter` is not forwarded by itself; the callback that could send another one is
//! earned by a tail of at most 64 KiB in the retry buffer.

use crate::pair::Pair;
use crate::reading::RETRY_BUFFER;
use crate::rewriter::{Happened, rewritten};
use crate::support::http::{Body, Client};
use crate::support::http2;

const SIZES: [usize; 7] = [0, 1, RETRY_BUFFER - 1, RETRY_BUFFER, RETRY_BUFFER + 1, 2 * RETRY_BUFFER, 1_000_000];

#[tokio::test]
async fn any_size_is_replaced_and_replayed_on_http1() {
    for size in SIZES {
        let pair = Pair::serving().await;
        let body = vec![b'x'; size];
        let mut client = Client::connect(pair.address()).await;
        let answer = client.exchange("POST", "/chat", &[], Body::Length(&body)).await;
        assert_eq!((answer.head.status, answer.text()), (200, "served"), "{size}");
        pair.assert_replayed(Happened::Directly, &body);
    }
}

#[tokio::test]
async fn any_size_is_replaced_and_replayed_on_http2() {
    for size in SIZES {
        let pair = Pair::serving().await;
        let body = vec![b'x'; size];
        let length = size.to_string();
        let mut client = http2::Client::connect(pair.address()).await;
        let answer = client.exchange("POST", "/chat", &[("content-length", &length)], Some(&body)).await;
        assert_eq!((answer.status, answer.text()), (200, "served"), "{size}");
        pair.assert_replayed(Happened::Directly, &body);
    }
}

#[tokio::test]
async fn a_client_that_expects_100_continue_gets_it_before_its_body_is_read() {
    let pair = Pair::serving().await;
    let body = vec![b'x'; 1_000_000];
    let body_sent = Body::Length(&body);
    let mut client = Client::connect(pair.address()).await;
    let expect = [("expect", "100-continue")];
    client.head("POST", "/chat", &expect, &body_sent).await;
    assert_eq!(client.read_head().await.status, 100);
    client.body(&body_sent).await;
    let answer = client.answer().await;
    assert_eq!((answer.head.status, answer.text()), (200, "served"));
    pair.assert_replayed(Happened::Directly, &body);
    assert_eq!(pair.free.requests()[0].headers.get("expect"), None);
}

#[tokio::test]
async fn a_connection_serves_the_next_request_after_a_replayed_one() {
    let pair = Pair::serving().await;
    let mut client = Client::connect(pair.address()).await;
    for _ in 0..3 {
        let body = vec![b'x'; 100_000];
        let answer = client.exchange("POST", "/chat", &[], Body::Length(&body)).await;
        assert_eq!(answer.text(), "served");
    }
    let connections: Vec<_> = pair.free.requests().iter().map(|r| r.connection).collect();
    assert_eq!(connections, [0, 0, 0], "the upstream connection is reused");
}

/// Header bytes and body bytes share reads: a large header lets more than 64 KiB of body come in one piece, which
/// leaves no tail for the retry buffer. `earns_callback` notices, and a stand-in serves the exchange.
#[tokio::test]
async fn a_header_so_large_that_the_body_comes_along_with_it_is_noticed() {
    let pair = Pair::serving().await;
    let padding = "p".repeat(300_000);
    let body = vec![b'x'; RETRY_BUFFER + 1];
    let mut client = Client::connect(pair.address()).await;
    let length = body.len().to_string();
    let head = format!("POST /chat HTTP/1.1\r\nhost: test\r\nx-padding: {padding}\r\ncontent-length: {length}\r\n\r\n");
    client.send([head.as_bytes(), &body].concat()).await;
    let answer = client.answer().await;
    assert_eq!(answer.text(), "served");
    assert_eq!(pair.busy.requests()[0].body, rewritten(&body));
    assert_eq!(pair.free.requests()[0].body, rewritten(&body));
    // Which way it went depends on how the kernel cut the bytes; either way each attempt was asked once.
    let asked = [Happened::Asked(1), Happened::Asked(2)];
    assert_eq!(pair.record.before_logging()[1..], asked);
}
