//! A body of unknown length earns its callback by the retry buffer up to 64 KiB; beyond that the buffer is void, and
//! only a stand-in (see `stand_in`) can make more than one attempt.

use crate::pair::Pair;
use crate::reading::{RETRY_BUFFER, earns_callback, read_body};
use crate::rewriter::{Happened, rewritten};
use crate::support::http::{Body, Client};
use crate::support::http2;
use crate::support::pingora::start_proxy;
use async_trait::async_trait;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType::HTTPStatus, Result};
use pingora_proxy::{ProxyHttp, Session};

static MEGABYTE: [u8; 1_000_000] = [b'x'; 1_000_000];

#[tokio::test]
async fn up_to_64_kib_is_replayed_directly_on_http1() {
    for size in [0, 1, RETRY_BUFFER - 1, RETRY_BUFFER] {
        let pair = Pair::serving().await;
        let body = vec![b'x'; size];
        let pieces: Vec<_> = body.chunks(10_000).collect();
        let mut client = Client::connect(pair.address()).await;
        let answer = client.exchange("POST", "/chat", &[], Body::Chunked(&pieces)).await;
        assert_eq!(answer.text(), "served");
        pair.assert_replayed(Happened::Directly, &body);
    }
}

#[tokio::test]
async fn up_to_64_kib_is_replayed_directly_on_http2() {
    for size in [0, 1, RETRY_BUFFER] {
        let pair = Pair::serving().await;
        let body = vec![b'x'; size];
        let mut client = http2::Client::connect(pair.address()).await;
        let answer = client.exchange("POST", "/chat", &[], Some(&body)).await;
        assert_eq!(answer.text(), "served");
        pair.assert_replayed(Happened::Directly, &body);
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
    let answer = client.exchange("POST", "/", &[], Body::Chunked(&[&MEGABYTE[..RETRY_BUFFER + 1]])).await;
    assert_eq!(answer.head.status, 413);
}

#[tokio::test]
async fn request_trailers_do_not_disturb() {
    // On HTTP/2 the trailers count as a rest of the body: the callback comes twice per attempt, and only the
    // second call ends the body.
    let pair = Pair::serving().await;
    let mut client = http2::Client::connect(pair.address()).await;
    let mut stream = client.open("POST", "/chat", &[], false).await;
    stream.upload(b"small", false).await;
    stream.finish_with_trailer("x-checksum", "1");
    let answer = stream.incoming().await.finish().await;
    assert_eq!(answer.text(), "served");
    pair.assert_replayed(Happened::Directly, b"small");

    let mut stream = client.open("POST", "/chat", &[], false).await;
    stream.upload(&MEGABYTE, false).await;
    stream.finish_with_trailer("x-checksum", "1");
    let answer = stream.incoming().await.finish().await;
    assert_eq!(answer.text(), "served");
    assert!(pair.free.requests()[1].body == rewritten(&MEGABYTE));
}
