//! How an answer ends: which hooks are called for one without a body, and how one that breaks can still end cleanly.

use crate::peer;
use crate::rewriter::{LAST_EVENT, end_stream_with};
use crate::support::http::{Body, Client};
use crate::support::http2;
use crate::support::pingora::{Running, start_proxy};
use crate::support::upstream::{Reply, Upstream};
use async_trait::async_trait;
use bytes::Bytes;
use pingora::http::ResponseHeader;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, Result};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Notes which hooks are called, and ends broken answers with [`LAST_EVENT`].
struct Noting {
    target: SocketAddr,
    hooks: Hooks,
}

type Hooks = Arc<Mutex<Vec<Hook>>>;

#[derive(Clone, Debug, PartialEq)]
enum Hook {
    Header,
    Body { bytes: usize, end: bool },
    Failure,
}

const HEADER: Hook = Hook::Header;

#[async_trait]
impl ProxyHttp for Noting {
    type CTX = ();
    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(peer(self.target))
    }

    async fn response_filter(&self, _: &mut Session, _: &mut ResponseHeader, _: &mut ()) -> Result<()> {
        self.hooks.lock().unwrap().push(HEADER);
        Ok(())
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        _: &mut (),
    ) -> Result<Option<Duration>> {
        let bytes = body.as_ref().map_or(0, Bytes::len);
        self.hooks.lock().unwrap().push(Hook::Body { bytes, end });
        Ok(None)
    }

    async fn fail_to_proxy(&self, session: &mut Session, _: &Error, _: &mut ()) -> FailToProxy {
        self.hooks.lock().unwrap().push(Hook::Failure);
        if session.response_written().is_some() {
            let _ = end_stream_with(session, LAST_EVENT.into()).await;
        }
        FailToProxy { error_code: 0, can_reuse_downstream: true }
    }
}

#[tokio::test]
async fn an_answer_without_a_body_calls_no_body_hook() {
    let bodiless = [
        ("POST", Reply::head(204, &[])),
        ("POST", Reply::head(304, &[])),
        ("HEAD", Reply::head(200, &[("content-length", "6")])),
    ];
    for (method, reply) in bodiless {
        let (_upstream, proxy, hooks) = noting(reply).await;
        let mut client = Client::connect(proxy.address).await;
        let answer = client.exchange(method, "/", &[], Body::None).await;
        assert!(answer.whole);
        assert_eq!(*hooks.lock().unwrap(), [HEADER], "{method} {}", answer.head.status);
    }
}

#[tokio::test]
async fn an_empty_body_may_call_the_hook_or_not() {
    let (_upstream, proxy, hooks) = noting(Reply::json(200, "")).await;
    let mut client = Client::connect(proxy.address).await;
    client.exchange("POST", "/", &[], Body::None).await;
    assert_eq!(*hooks.lock().unwrap(), [HEADER], "content-length: 0");

    let (_upstream, proxy, hooks) = noting(Reply::events().end()).await;
    let mut client = Client::connect(proxy.address).await;
    client.exchange("POST", "/", &[], Body::None).await;
    let end = Hook::Body { bytes: 0, end: true };
    assert_eq!(*hooks.lock().unwrap(), [HEADER, end], "chunked");
}

#[tokio::test]
async fn the_end_comes_with_the_last_bytes_or_alone() {
    let (_upstream, proxy, hooks) = noting(Reply::json(200, "served")).await;
    let mut client = Client::connect(proxy.address).await;
    client.exchange("POST", "/", &[], Body::None).await;
    let whole = Hook::Body { bytes: 6, end: true };
    assert_eq!(*hooks.lock().unwrap(), [HEADER, whole], "content-length");

    let (_upstream, proxy, hooks) = noting(Reply::events().chunk("served").end()).await;
    let mut client = Client::connect(proxy.address).await;
    client.exchange("POST", "/", &[], Body::None).await;
    let data = Hook::Body { bytes: 6, end: false };
    let end = Hook::Body { bytes: 0, end: true };
    assert_eq!(*hooks.lock().unwrap(), [HEADER, data, end], "chunked");
}

/// No hook ends the body then. `fail_to_proxy` can still write a last piece, and end the answer.
#[tokio::test]
async fn a_chunked_answer_that_breaks_can_end_with_a_last_event() {
    let (_upstream, proxy, hooks) = noting(Reply::events().chunk("data: 1\n\n").cut()).await;
    let expected = format!("data: 1\n\n{LAST_EVENT}");
    let broken = [HEADER, Hook::Body { bytes: 9, end: false }, Hook::Failure];

    let mut client = Client::connect(proxy.address).await;
    client.request("POST", "/", &[], Body::Length(b"x")).await;
    let answer = client.answer().await;
    assert_eq!((answer.text(), answer.whole), (expected.as_str(), true));
    assert_eq!(std::mem::take(&mut *hooks.lock().unwrap()), broken);
    // The answer was whole, yet Pingora closes the connection, whatever `can_reuse_downstream` says.
    assert_eq!(client.closed().await, b"");

    let mut client = http2::Client::connect(proxy.address).await;
    for _ in 0..2 {
        let answer = client.exchange("POST", "/", &[], Some(b"x")).await;
        assert_eq!((answer.text(), answer.whole), (expected.as_str(), true));
        assert_eq!(std::mem::take(&mut *hooks.lock().unwrap()), broken);
    }
}

/// With a declared length there is no room for a last event; the client sees that the answer is cut short.
#[tokio::test]
async fn an_answer_of_declared_length_that_breaks_is_cut_on_http1() {
    let cut = Reply::head(200, &[("content-length", "100")]).bytes("short").cut();
    let (_upstream, proxy, _) = noting(cut).await;
    let mut client = Client::connect(proxy.address).await;
    let answer = client.exchange("POST", "/", &[], Body::Length(b"x")).await;
    assert!(!answer.whole, "{answer:?}");
}

async fn noting(reply: Reply) -> (Upstream, Running, Hooks) {
    let upstream = Upstream::script([reply]).await;
    let hooks = Hooks::default();
    let proxy = start_proxy(Noting { target: upstream.address, hooks: hooks.clone() }).await;
    (upstream, proxy, hooks)
}
