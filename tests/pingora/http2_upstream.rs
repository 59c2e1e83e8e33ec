//! Where an HTTP/2 upstream differs: a request without a body calls no body filter and can be given none, and an answer
//! with trailers never calls `response_body_filter` with its end.

use crate::peer;
use crate::rewriter::{Happened, Rewriter, rewritten};
use crate::support::http::{Body, Client};
use crate::support::http2;
use crate::support::pingora::start_proxy;
use crate::support::upstream2::{Reply, Upstream};
use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use pingora_core::Result;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SERVED: Reply = Reply { status: 200, content_type: "text/plain", pieces: Vec::new(), trailer: None };

#[tokio::test]
async fn a_body_is_replaced_and_replayed() {
    static LARGE: [u8; 1_000_000] = [b'x'; 1_000_000];
    let ways = [(Body::Length(&LARGE), Happened::Directly), (Body::Chunked(&[&LARGE]), Happened::ByStandIn)];
    for (body, way) in ways {
        let busy = Upstream::start(Reply { status: 429, pieces: vec!["{}".into()], ..SERVED }).await;
        let free = Upstream::start(Reply { pieces: vec!["served".into()], ..SERVED }).await;
        let targets = [busy.address, free.address].map(|target| *http2_peer(target));
        let (rewriter, record) = Rewriter::among(targets);
        let proxy = start_proxy(rewriter).await;
        let mut client = Client::connect(proxy.address).await;
        let answer = client.exchange("POST", "/", &[], body).await;
        assert_eq!((answer.head.status, answer.text()), (200, "served"));
        assert!(busy.received(1).await[0] == rewritten(&LARGE));
        assert!(free.received(1).await[0] == rewritten(&LARGE));
        let asked = [way, Happened::Asked(1), Happened::Asked(2)];
        assert_eq!(record.before_logging(), asked);
    }
}

/// On HTTP/1.1 the filter would be called, and could fill the void.
#[tokio::test]
async fn a_request_without_a_body_cannot_be_given_one() {
    let upstream = Upstream::start(Reply { pieces: vec!["served".into()], ..SERVED }).await;
    let (proxy, hooks) = noting(upstream.address);
    let proxy = start_proxy(proxy).await;
    let mut client = Client::connect(proxy.address).await;
    let answer = client.exchange("POST", "/", &[], Body::Length(b"")).await;
    assert_eq!(answer.text(), "served");
    assert_eq!(upstream.received(1).await, [""]);
    let hooks = hooks.lock().unwrap();
    assert!(!hooks.iter().any(|hook| matches!(hook, Hook::RequestBody)));
}

#[tokio::test]
async fn trailers_take_the_place_of_the_bodys_end() {
    let upstream =
        Upstream::start(Reply { pieces: vec!["served".into()], trailer: Some(("x-checksum", "1")), ..SERVED }).await;
    let (proxy, hooks) = noting(upstream.address);
    let proxy = start_proxy(proxy).await;
    let expected = [Hook::RequestBody, Hook::AnswerBody { end: false }, Hook::Trailers];

    // HTTP/1.1 clients get what the trailer hook returned, but no trailers.
    let mut client = Client::connect(proxy.address).await;
    let answer = client.exchange("POST", "/", &[], Body::Length(b"x")).await;
    assert_eq!((answer.text(), answer.whole), ("served, and more", true));
    assert_eq!(std::mem::take(&mut *hooks.lock().unwrap()), expected);

    // For HTTP/2 clients it takes the place of the trailers.
    let mut client = http2::Client::connect(proxy.address).await;
    let answer = client.exchange("POST", "/", &[], Some(b"x")).await;
    assert_eq!((answer.text(), answer.whole), ("served, and more", true));
    assert!(answer.trailers.is_none());
    assert_eq!(*hooks.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_stand_in_passes_trailers_on() {
    let upstream =
        Upstream::start(Reply { pieces: vec!["served".into()], trailer: Some(("x-checksum", "1")), ..SERVED }).await;
    let (rewriter, record) = Rewriter::among([*http2_peer(upstream.address)]);
    let proxy = start_proxy(rewriter).await;
    let large = [b'x'; 100_000];

    let mut client = http2::Client::connect(proxy.address).await;
    let answer = client.exchange("POST", "/", &[], Some(&large)).await;
    assert_eq!((answer.text(), answer.whole), ("served", true));
    let trailers = answer.trailers.unwrap();
    assert_eq!(trailers.get("x-checksum"), Some("1"));

    let mut client = Client::connect(proxy.address).await;
    let body = Body::Chunked(&[&large]);
    let answer = client.exchange("POST", "/", &[], body).await;
    assert_eq!((answer.text(), answer.whole), ("served", true));

    let stand_ins = record.before_logging();
    assert_eq!(stand_ins, [Happened::ByStandIn, Happened::Asked(1)].repeat(2));
}

/// Notes which hooks are called, and adds to the body where it ends.
struct Noting {
    target: SocketAddr,
    hooks: Hooks,
}

type Hooks = Arc<Mutex<Vec<Hook>>>;

#[derive(Debug, PartialEq)]
enum Hook {
    RequestBody,
    AnswerBody { end: bool },
    Trailers,
}

#[async_trait]
impl ProxyHttp for Noting {
    type CTX = ();
    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(http2_peer(self.target))
    }

    async fn request_body_filter(&self, _: &mut Session, _: &mut Option<Bytes>, _: bool, _: &mut ()) -> Result<()> {
        self.hooks.lock().unwrap().push(Hook::RequestBody);
        Ok(())
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        _: &mut Option<Bytes>,
        end: bool,
        _: &mut (),
    ) -> Result<Option<Duration>> {
        self.hooks.lock().unwrap().push(Hook::AnswerBody { end });
        Ok(None)
    }

    async fn response_trailer_filter(&self, _: &mut Session, _: &mut HeaderMap, _: &mut ()) -> Result<Option<Bytes>> {
        self.hooks.lock().unwrap().push(Hook::Trailers);
        Ok(Some(", and more".into()))
    }
}

fn noting(target: SocketAddr) -> (Noting, Hooks) {
    let hooks = Hooks::default();
    let noting = Noting { target, hooks: hooks.clone() };
    (noting, hooks)
}

fn http2_peer(address: SocketAddr) -> Box<HttpPeer> {
    let mut peer = peer(address);
    peer.options.set_http_version(2, 2);
    peer
}
