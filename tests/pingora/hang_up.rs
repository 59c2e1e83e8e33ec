//! A client that hangs up aborts the upstream exchange at once, whatever stage that is in.

use crate::peer;
use crate::support::http::{Body, Client};
use crate::support::http2;
use crate::support::pingora::{Running, start_proxy};
use crate::support::upstream::{Gate, Reply, Upstream};
use async_trait::async_trait;
use pingora_core::Result;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session};
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt;

struct Plain(SocketAddr);

#[async_trait]
impl ProxyHttp for Plain {
    type CTX = ();
    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(peer(self.0))
    }
}

#[tokio::test]
async fn while_it_waits_for_the_header() {
    let (upstream, proxy) = stalled(Reply::default()).await;
    let mut client = Client::connect(proxy.address).await;
    client.request("POST", "/", &[], Body::Length(b"x")).await;
    upstream.received(1).await;
    drop(client);
    upstream.hung_up(1).await;
}

#[tokio::test]
async fn in_the_middle_of_a_stream() {
    let (upstream, proxy) = stalled(Reply::events().chunk("data: 1\n\n")).await;
    let mut client = Client::connect(proxy.address).await;
    client.request("POST", "/", &[], Body::Length(b"x")).await;
    assert_eq!(client.read_head().await.status, 200);
    client.piece().await;
    drop(client);
    upstream.hung_up(1).await;
}

#[tokio::test]
async fn by_resetting_its_http2_stream() {
    let (upstream, proxy) = stalled(Reply::default()).await;
    let mut client = http2::Client::connect(proxy.address).await;
    let stream = client.send("POST", "/", &[], Some(b"x")).await;
    upstream.received(1).await;
    drop(stream);
    upstream.hung_up(1).await;

    let (upstream, proxy) = stalled(Reply::events().chunk("data: 1\n\n")).await;
    let mut client = http2::Client::connect(proxy.address).await;
    let stream = client.send("POST", "/", &[], Some(b"x")).await;
    let mut incoming = stream.incoming().await;
    incoming.data().await.unwrap().unwrap();
    drop(incoming);
    upstream.hung_up(1).await;
}

/// A client that closes only its sending half is taken for one that has hung up.
#[tokio::test]
async fn by_closing_its_sending_half() {
    let (upstream, proxy) = stalled(Reply::default()).await;
    let mut client = Client::connect(proxy.address).await;
    client.request("POST", "/", &[], Body::Length(b"x")).await;
    upstream.received(1).await;
    client.raw().shutdown().await.unwrap();
    upstream.hung_up(1).await;
    assert_eq!(client.closed().await, b"", "and gets no answer");
}

async fn stalled(begun: Reply) -> (Upstream, Running) {
    let upstream = Upstream::script([begun.pause(&Gate::closed())]).await;
    let proxy = start_proxy(Plain(upstream.address)).await;
    (upstream, proxy)
}
