//! A WebSocket passes both ways when the outgoing header set was replaced, if it keeps what makes the handshake.

use crate::peer;
use crate::support::http::{Body, Client};
use crate::support::pingora::start_proxy;
use crate::support::soon;
use crate::support::upstream::{Reply, Upstream};
use async_trait::async_trait;
use bytes::Bytes;
use pingora::http::RequestHeader;
use pingora_core::Result;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Sends a header set of its own, with the handshake's fields of the client's.
struct Switching {
    target: SocketAddr,
    /// The bytes that `request_body_filter` (`>`) and `response_body_filter` (`<`) were given.
    seen: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl ProxyHttp for Switching {
    type CTX = ();
    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(peer(self.target))
    }

    async fn upstream_request_filter(&self, _: &mut Session, request: &mut RequestHeader, _: &mut ()) -> Result<()> {
        let mut outgoing = RequestHeader::build("GET", b"/v1/realtime", None)?;
        outgoing.insert_header("host", "upstream.test")?;
        outgoing.insert_header("authorization", "Bearer ours")?;
        for (name, value) in &request.headers {
            let name = name.as_str();
            if matches!(name, "connection" | "upgrade") || name.starts_with("sec-websocket-") {
                outgoing.append_header(name.to_owned(), value.clone())?;
            }
        }
        *request = outgoing;
        Ok(())
    }

    async fn request_body_filter(&self, _: &mut Session, body: &mut Option<Bytes>, _: bool, _: &mut ()) -> Result<()> {
        self.note('>', body);
        Ok(())
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        _: bool,
        _: &mut (),
    ) -> Result<Option<Duration>> {
        self.note('<', body);
        Ok(None)
    }
}

impl Switching {
    fn note(&self, direction: char, body: &Option<Bytes>) {
        if let Some(body) = body {
            let text = String::from_utf8_lossy(body);
            self.seen.lock().unwrap().push(format!("{direction}{text}"));
        }
    }
}

const HANDSHAKE: [(&str, &str); 6] = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-key", "dGVzdA=="),
    ("sec-websocket-version", "13"),
    ("authorization", "Bearer theirs"),
    ("cookie", "theirs"),
];

#[tokio::test]
async fn passes_both_ways() {
    let accepted = [("connection", "Upgrade"), ("upgrade", "websocket")];
    let upstream = Upstream::script([Reply::head(101, &accepted).echo()]).await;
    let seen = Arc::default();
    let proxy = start_proxy(Switching { target: upstream.address, seen: Arc::clone(&seen) }).await;

    let mut client = Client::connect(proxy.address).await;
    client.request("GET", "/", &HANDSHAKE, Body::None).await;
    assert_eq!(client.read_head().await.status, 101);
    for word in ["ping", "pong"] {
        client.send(word).await;
        let mut echoed = [0; 4];
        soon("the echo", client.raw().read_exact(&mut echoed)).await.unwrap();
        assert_eq!(echoed, word.as_bytes());
    }
    client.raw().shutdown().await.unwrap();
    assert_eq!(client.closed().await, b"");

    let request = &upstream.requests()[0];
    assert_eq!(request.path, "/v1/realtime");
    assert_eq!(request.headers.get("authorization"), Some("Bearer ours"));
    assert_eq!(request.headers.get("cookie"), None);
    assert_eq!(request.headers.get("sec-websocket-key"), Some("dGVzdA=="));
    // The filters see the messages' bytes, as they come.
    assert_eq!(*seen.lock().unwrap(), [">ping", "<ping", ">pong", "<pong"]);
}

#[tokio::test]
async fn a_refused_handshake_is_an_ordinary_answer() {
    let upstream = Upstream::script([Reply::json(401, "{}")]).await;
    let proxy = start_proxy(Switching { target: upstream.address, seen: Arc::default() }).await;
    let mut client = Client::connect(proxy.address).await;
    let answer = client.exchange("GET", "/", &HANDSHAKE, Body::None).await;
    assert_eq!((answer.head.status, answer.text()), (401, "{}"));
}
