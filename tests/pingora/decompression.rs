//! `upstream_compression` decodes an answer that came encoded although `identity` was asked for: gzip and Brotli, and
//! nothing else. What it decided for one attempt sticks to the next, so each attempt needs a fresh one.

use crate::peer;
use crate::support::http::{Body, Client, Piece};
use crate::support::pingora::{Running, start_proxy};
use crate::support::soon;
use crate::support::upstream::{Gate, Reply, Upstream};
use async_trait::async_trait;
use bytes::Bytes;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora_core::protocols::http::compression::{Algorithm, ResponseCompressionCtx};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType::HTTPStatus, Result};
use pingora_proxy::{ProxyHttp, Session};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::watch;

/// Asks for no encoding, decodes what comes, and tries again after a 429.
struct Decoding {
    target: SocketAddr,
    switched_on: SwitchedOn,
    /// What `response_body_filter` was given.
    seen: Seen,
}

type Seen = watch::Sender<Vec<Bytes>>;

#[derive(PartialEq)]
enum SwitchedOn {
    PerRequest,
    PerAttempt,
}

#[async_trait]
impl ProxyHttp for Decoding {
    type CTX = ();
    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, _: &mut ()) -> Result<bool> {
        if self.switched_on == SwitchedOn::PerRequest {
            session.upstream_compression.adjust_decompression(true);
        }
        Ok(false)
    }

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(peer(self.target))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        _: &mut (),
    ) -> Result<()> {
        if self.switched_on == SwitchedOn::PerAttempt {
            session.upstream_compression = ResponseCompressionCtx::new(0, true, false);
        }
        request.insert_header("accept-encoding", "identity")
    }

    async fn upstream_response_filter(&self, _: &mut Session, response: &mut ResponseHeader, _: &mut ()) -> Result<()> {
        if response.status != 429 {
            return Ok(());
        }
        let mut error = Error::explain(HTTPStatus(429), "once more");
        error.set_retry(true);
        Err(error)
    }

    fn error_while_proxy(&self, _: &HttpPeer, _: &mut Session, error: Box<Error>, _: &mut (), _: bool) -> Box<Error> {
        error
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        _: bool,
        _: &mut (),
    ) -> Result<Option<Duration>> {
        let bytes = body.clone().unwrap_or_default();
        self.seen.send_modify(|seen| seen.push(bytes));
        Ok(None)
    }
}

#[tokio::test]
async fn gzip_and_brotli_are_decoded_before_the_body_filter() {
    for (name, algorithm) in [("gzip", Algorithm::Gzip), ("br", Algorithm::Brotli)] {
        let reply = encoded(200, name, &compress(algorithm));
        let (_upstream, proxy, seen) = decoding([reply], SwitchedOn::PerAttempt).await;
        let mut client = Client::connect(proxy.address).await;
        // What the client accepts does not matter: the upstream was asked for `identity`.
        let accepted = [("accept-encoding", "gzip, br")];
        let answer = client.exchange("POST", "/", &accepted, Body::None).await;
        assert_eq!(answer.text(), "served");
        assert_eq!(seen.borrow().concat(), b"served");
        let headers = &answer.head.headers;
        assert_eq!(headers.get("content-encoding"), None);
        assert_eq!(headers.get("content-length"), None);
        assert!(headers.has("transfer-encoding", "chunked"));
        assert!(headers.has("vary", "accept-encoding"), "added by Pingora");
    }
}

#[tokio::test]
async fn other_encodings_pass_as_they_are() {
    let deflated = b"\x78\x9c\x2b\x4e\x2d\x2a\x4b\x4d\x01\x00\x09\x09\x02\x8a";
    let zstd = compress(Algorithm::Zstd);
    let gzip = compress(Algorithm::Gzip);
    let others: [(&str, &[u8]); 4] = [("deflate", deflated), ("zstd", &zstd), ("x-gzip", &gzip), ("gzip, gzip", &gzip)];
    for (name, body) in others {
        let reply = encoded(200, name, body);
        let (_upstream, proxy, seen) = decoding([reply], SwitchedOn::PerAttempt).await;
        let mut client = Client::connect(proxy.address).await;
        let answer = client.exchange("POST", "/", &[], Body::None).await;
        assert_eq!(answer.head.headers.get("content-encoding"), Some(name));
        assert_eq!(answer.body, body);
        assert_eq!(seen.borrow().concat(), body);
    }
}

/// The decoder hands over what a piece held only when the next piece comes: an event would wait for its successor.
#[tokio::test]
async fn a_stream_is_decoded_one_piece_late() {
    const FIRST: &[u8] =
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4a\x49\x2c\x49\xb4\x52\x30\xe4\xe2\x02\x00\x00\x00\xff\xff";
    const SECOND: &[u8] = b"\x4b\x01\x33\x8c\xb8\xb8\x00\x06\x2d\x00\x8f\x12\x00\x00\x00";
    let gate = Gate::closed();
    let headers = [("content-encoding", "gzip"), ("content-type", "text/event-stream")];
    let reply = Reply::chunked(200, &headers).chunk(FIRST).pause(&gate).chunk(SECOND).end();
    let (_upstream, proxy, seen) = decoding([reply], SwitchedOn::PerAttempt).await;
    let mut client = Client::connect(proxy.address).await;
    client.request("POST", "/", &[], Body::None).await;
    client.read_head().await;

    let mut watching = seen.subscribe();
    let first = watching.wait_for(|seen| !seen.is_empty());
    assert_eq!(soon("the first piece", first).await.unwrap()[..], [""]);
    gate.open();
    let mut rest = Vec::new();
    while let Piece::Data(data) = client.piece().await {
        rest.extend_from_slice(&data);
    }
    assert_eq!(rest, b"data: 1\n\ndata: 2\n\n");
}

/// Its header says by then that the answer is not encoded.
#[tokio::test]
async fn what_cannot_be_decoded_passes_as_it_is() {
    let reply = encoded(200, "gzip", b"not gzip at all");
    let (_upstream, proxy, _) = decoding([reply], SwitchedOn::PerAttempt).await;
    let mut client = Client::connect(proxy.address).await;
    let answer = client.exchange("POST", "/", &[], Body::None).await;
    assert_eq!(answer.head.headers.get("content-encoding"), None);
    assert_eq!((answer.text(), answer.whole), ("not gzip at all", true));
}

#[tokio::test]
async fn switched_on_per_attempt_it_survives_a_failover() {
    let gzip = compress(Algorithm::Gzip);
    for busy in [Reply::json(429, "{}"), encoded(429, "gzip", &gzip)] {
        let replies = [busy, encoded(200, "gzip", &gzip)];
        let (_upstream, proxy, _) = decoding(replies, SwitchedOn::PerAttempt).await;
        let mut client = Client::connect(proxy.address).await;
        let answer = client.exchange("POST", "/", &[], Body::None).await;
        assert_eq!((answer.head.status, answer.text()), (200, "served"));
    }
}

#[tokio::test]
async fn switched_on_per_request_it_forgets_the_second_attempt() {
    let gzip = compress(Algorithm::Gzip);
    let replies = [Reply::json(429, "{}"), encoded(200, "gzip", &gzip)];
    let (_upstream, proxy, _) = decoding(replies, SwitchedOn::PerRequest).await;
    let mut client = Client::connect(proxy.address).await;
    let answer = client.exchange("POST", "/", &[], Body::None).await;
    assert_eq!(answer.head.headers.get("content-encoding"), Some("gzip"));
    assert_eq!(answer.body, gzip);
}

/// Pingora panics, and the client gets no answer at all.
#[tokio::test]
async fn switched_on_per_request_it_dies_of_an_encoded_429() {
    let gzip = compress(Algorithm::Gzip);
    let replies = [encoded(429, "gzip", &gzip), encoded(200, "gzip", &gzip)];
    let (upstream, proxy, _) = decoding(replies, SwitchedOn::PerRequest).await;
    let mut client = Client::connect(proxy.address).await;
    client.request("POST", "/", &[], Body::None).await;
    assert_eq!(client.closed().await, b"");
    assert_eq!(upstream.requests().len(), 1);
}

fn compress(algorithm: Algorithm) -> Vec<u8> {
    let mut encoder = algorithm.compressor(3).unwrap();
    let mut encoded = encoder.encode(b"served", false).unwrap().to_vec();
    encoded.extend_from_slice(&encoder.encode(b"", true).unwrap());
    encoded
}

fn encoded(status: u16, encoding: &str, body: &[u8]) -> Reply {
    let length = body.len().to_string();
    let headers = [("content-encoding", encoding), ("content-length", &length)];
    Reply::head(status, &headers).bytes(body)
}

async fn decoding(replies: impl IntoIterator<Item = Reply>, switched_on: SwitchedOn) -> (Upstream, Running, Seen) {
    let upstream = Upstream::script(replies).await;
    let seen = Seen::default();
    let proxy = start_proxy(Decoding { target: upstream.address, switched_on, seen: seen.clone() }).await;
    (upstream, proxy, seen)
}
