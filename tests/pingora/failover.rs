//! An error marked *retry* leads back to `upstream_peer`, unless `error_while_proxy` objects: its default does so for
//! every POST. `max_retries` counts attempts.

use crate::peer;
use crate::support::http::{Body, Client};
use crate::support::pingora::start_proxy;
use crate::support::upstream::{Reply, Upstream};
use async_trait::async_trait;
use pingora::http::ResponseHeader;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType::HTTPStatus, Result};
use pingora_proxy::{ProxyHttp, Session};
use std::net::SocketAddr;

/// Marks every answer but a 200 as worth another attempt, at the same target.
struct Persistent(SocketAddr);

#[async_trait]
impl ProxyHttp for Persistent {
    type CTX = ();
    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(peer(self.0))
    }

    async fn upstream_response_filter(&self, _: &mut Session, response: &mut ResponseHeader, _: &mut ()) -> Result<()> {
        if response.status == 200 {
            return Ok(());
        }
        let mut error = Error::explain(HTTPStatus(response.status.as_u16()), "once more");
        error.set_retry(true);
        Err(error)
    }

    fn error_while_proxy(&self, _: &HttpPeer, _: &mut Session, error: Box<Error>, _: &mut (), _: bool) -> Box<Error> {
        error
    }
}

/// The same with the `error_while_proxy` that comes with the trait.
struct Plain(SocketAddr);

#[async_trait]
impl ProxyHttp for Plain {
    type CTX = ();
    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(peer(self.0))
    }

    async fn upstream_response_filter(&self, _: &mut Session, _: &mut ResponseHeader, _: &mut ()) -> Result<()> {
        let mut error = Error::explain(HTTPStatus(429), "once more");
        error.set_retry(true);
        Err(error)
    }
}

#[tokio::test]
async fn by_default_a_post_is_not_tried_again() {
    let upstream = Upstream::script([Reply::json(429, "{}")]).await;
    let proxy = start_proxy(Plain(upstream.address)).await;
    let mut client = Client::connect(proxy.address).await;
    let answer = client.exchange("POST", "/", &[], Body::Length(b"x")).await;
    assert_eq!(answer.head.status, 429);
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn a_post_is_tried_again_where_error_while_proxy_allows_it() {
    let replies = [Reply::json(429, "{}"), Reply::json(503, "{}"), Reply::json(200, "served")];
    let upstream = Upstream::script(replies).await;
    let proxy = start_proxy(Persistent(upstream.address)).await;
    let mut client = Client::connect(proxy.address).await;
    let answer = client.exchange("POST", "/", &[], Body::Length(b"x")).await;
    assert_eq!((answer.head.status, answer.text()), (200, "served"));
    assert_eq!(upstream.requests().len(), 3);
    // An attempt that is given up gives up its connection: the rest of the answer was never read.
    assert_eq!(upstream.connections(), 3);
}

#[tokio::test]
async fn attempts_are_bounded_by_max_retries() {
    let upstream = Upstream::script([Reply::json(429, "{}")]).await;
    let proxy = start_proxy(Persistent(upstream.address)).await;
    let mut client = Client::connect(proxy.address).await;
    let answer = client.exchange("POST", "/", &[], Body::Length(b"x")).await;
    assert_eq!(answer.head.status, 429);
    assert_eq!(ServerConf::default().max_retries, 16);
    assert_eq!(upstream.requests().len(), 16);
}

/// An I/O error says "again, if the connection was a used one", and waits for `error_while_proxy` to tell. Whoever
/// overrides that must decide: otherwise Pingora panics, and the client gets no answer at all.
#[tokio::test]
async fn an_undecided_error_takes_the_exchange_down() {
    let upstream = Upstream::script([Reply::default().cut()]).await;
    let careless = start_proxy(Persistent(upstream.address)).await;
    let careful = start_proxy(Plain(upstream.address)).await;
    for (proxy, answered) in [(careless, false), (careful, true)] {
        let mut client = Client::connect(proxy.address).await;
        client.request("GET", "/", &[], Body::None).await;
        let answer = client.closed().await;
        assert_eq!(answer.starts_with(b"HTTP/1.1 502"), answered);
    }
}
