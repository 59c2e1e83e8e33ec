//! An answer whose `content-length` is removed can be chunked, and so become longer than its upstream declared it.

use crate::peer;
use crate::support::http::{Body, Client};
use crate::support::http2;
use crate::support::pingora::{Running, start_proxy};
use crate::support::upstream::{Reply, Upstream};
use async_trait::async_trait;
use bytes::Bytes;
use pingora::http::ResponseHeader;
use pingora_core::Result;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session};
use std::net::SocketAddr;
use std::time::Duration;

/// Makes every answer longer than its upstream declared it.
struct Prolix {
    target: SocketAddr,
    unframed: Unframed,
}

/// Where the length is removed.
#[derive(Clone, Copy, PartialEq)]
enum Unframed {
    /// In `upstream_response_filter`: before Pingora looks for a framing.
    Before,
    /// In `response_filter`: after that.
    After,
    /// In `response_filter`, naming the other framing.
    AfterByName,
}

#[async_trait]
impl ProxyHttp for Prolix {
    type CTX = ();
    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(peer(self.target))
    }

    async fn upstream_response_filter(&self, _: &mut Session, response: &mut ResponseHeader, _: &mut ()) -> Result<()> {
        if self.unframed == Unframed::Before {
            response.remove_header("content-length");
        }
        Ok(())
    }

    async fn response_filter(&self, _: &mut Session, response: &mut ResponseHeader, _: &mut ()) -> Result<()> {
        response.remove_header("content-length");
        if self.unframed == Unframed::AfterByName {
            response.insert_header("transfer-encoding", "chunked")?;
        }
        Ok(())
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        _: &mut (),
    ) -> Result<Option<Duration>> {
        if end {
            let longer = [body.as_deref().unwrap_or_default(), b" and more"].concat();
            *body = Some(longer.into());
        }
        Ok(None)
    }
}

#[tokio::test]
async fn if_the_length_goes_early_or_the_framing_is_named() {
    for unframed in [Unframed::Before, Unframed::AfterByName] {
        let (_upstream, proxy) = prolix(unframed).await;
        let mut client = Client::connect(proxy.address).await;
        for _ in 0..2 {
            let answer = client.exchange("POST", "/", &[], Body::Length(b"x")).await;
            assert!(answer.head.headers.has("transfer-encoding", "chunked"));
            assert_eq!((answer.text(), answer.whole), ("served and more", true));
        }
    }
}

/// By the time of `response_filter` Pingora has added what framing was missing; a length removed there leaves none at
/// all, and the answer ends by closing the connection.
#[tokio::test]
async fn not_if_the_length_is_only_removed_late() {
    let (_upstream, proxy) = prolix(Unframed::After).await;
    let mut client = Client::connect(proxy.address).await;
    let answer = client.exchange("POST", "/", &[], Body::Length(b"x")).await;
    assert_eq!(answer.head.headers.get("transfer-encoding"), None);
    assert_eq!(answer.head.headers.get("content-length"), None);
    assert_eq!(answer.text(), "served and more");
}

#[tokio::test]
async fn on_http2_the_length_can_just_be_removed() {
    for unframed in [Unframed::Before, Unframed::After, Unframed::AfterByName] {
        let (_upstream, proxy) = prolix(unframed).await;
        let mut client = http2::Client::connect(proxy.address).await;
        let answer = client.exchange("POST", "/", &[], Some(b"x")).await;
        assert_eq!((answer.text(), answer.whole), ("served and more", true));
        assert_eq!(answer.headers.get("transfer-encoding"), None);
    }
}

async fn prolix(unframed: Unframed) -> (Upstream, Running) {
    let upstream = Upstream::script([Reply::json(200, "served")]).await;
    let target = upstream.address;
    let proxy = start_proxy(Prolix { target, unframed }).await;
    (upstream, proxy)
}
