//! In `request_body_filter`, `Some` of no bytes holds the body back; `None` ends it.

use crate::peer;
use crate::support::http::{Body, Client};
use crate::support::pingora::start_proxy;
use crate::support::upstream::{Reply, Upstream};
use async_trait::async_trait;
use bytes::Bytes;
use pingora::http::RequestHeader;
use pingora_core::Result;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session};
use std::net::SocketAddr;

/// Puts `instead` in place of everything but the body's end, and there adds some last words.
struct Holding {
    target: SocketAddr,
    instead: Option<Bytes>,
}

#[async_trait]
impl ProxyHttp for Holding {
    type CTX = ();
    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(peer(self.target))
    }

    async fn upstream_request_filter(&self, _: &mut Session, request: &mut RequestHeader, _: &mut ()) -> Result<()> {
        request.remove_header("content-length");
        request.insert_header("transfer-encoding", "chunked")
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        _: &mut (),
    ) -> Result<()> {
        *body = if end { Some("last words".into()) } else { self.instead.clone() };
        Ok(())
    }
}

#[tokio::test]
async fn no_bytes_hold_the_body_back() {
    assert_eq!(sent(Some(Bytes::new())).await, "last words");
}

#[tokio::test]
async fn none_ends_the_body_before_the_last_words() {
    assert_eq!(sent(None).await, "");
}

async fn sent(instead: Option<Bytes>) -> String {
    let upstream = Upstream::script([Reply::json(200, "served")]).await;
    let target = upstream.address;
    let proxy = start_proxy(Holding { target, instead }).await;
    let mut client = Client::connect(proxy.address).await;
    let body = Body::Length(&[b'x'; 200_000]);
    let answer = client.exchange("POST", "/", &[], body).await;
    assert_eq!(answer.text(), "served");
    upstream.requests()[0].text().to_owned()
}
