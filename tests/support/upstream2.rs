//! A scripted server for HTTP/2 with prior knowledge.

use super::soon;
use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A listening server; it stops when dropped.
pub struct Upstream {
    pub address: SocketAddr,
    log: watch::Sender<Vec<Received>>,
    accepting: JoinHandle<()>,
}

/// A request as it was received.
pub type Received = Request<Bytes>;

/// What to send: pieces of a body, then a trailer if there is one. Without either the head is the end.
#[derive(Clone)]
pub struct Reply {
    pub status: u16,
    pub content_type: &'static str,
    pub pieces: Vec<Bytes>,
    pub trailer: Option<(&'static str, &'static str)>,
}

impl Upstream {
    /// Gives the same answer to every request.
    pub async fn start(reply: Reply) -> Self {
        Self::start_over(None, reply).await
    }

    /// The same over TLS, which must offer `h2`.
    pub async fn start_tls(tls: TlsAcceptor, reply: Reply) -> Self {
        Self::start_over(Some(tls), reply).await
    }

    async fn start_over(tls: Option<TlsAcceptor>, reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("address");
        let log = watch::Sender::default();
        let accepting = tokio::spawn(accept(listener, log.clone(), Arc::new(reply), tls));
        Self { address, log, accepting }
    }

    /// Waits until this many requests have been received whole, and answers with their bodies.
    pub async fn received(&self, count: usize) -> Vec<Bytes> {
        self.requests(count).await.into_iter().map(Request::into_body).collect()
    }

    /// The same, with their heads.
    pub async fn requests(&self, count: usize) -> Vec<Received> {
        let mut log = self.log.subscribe();
        let enough = log.wait_for(|requests| requests.len() >= count);
        soon("a request to reach the upstream", enough).await.expect("the log lives").clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, log: watch::Sender<Vec<Received>>, reply: Arc<Reply>, tls: Option<TlsAcceptor>) {
    loop {
        let (stream, _) = listener.accept().await.expect("accept");
        let (log, reply) = (log.clone(), reply.clone());
        match tls.clone() {
            None => tokio::spawn(serve(stream, log, reply)),
            Some(tls) => tokio::spawn(async move {
                if let Ok(stream) = tls.accept(stream).await {
                    serve(stream, log, reply).await;
                }
            }),
        };
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, log: watch::Sender<Vec<Received>>, reply: Arc<Reply>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else {
        return;
    };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(answer(request, respond, log.clone(), reply.clone()));
    }
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    log: watch::Sender<Vec<Received>>,
    reply: Arc<Reply>,
) {
    let (head, mut incoming) = request.into_parts();
    let mut body = Vec::new();
    while let Some(data) = incoming.data().await {
        let Ok(data) = data else { return };
        let _ = incoming.flow_control().release_capacity(data.len());
        body.extend_from_slice(&data);
    }
    log.send_modify(|requests| requests.push(Request::from_parts(head, body.into())));

    let is_all = reply.pieces.is_empty() && reply.trailer.is_none();
    let head = Response::builder().status(reply.status).header("content-type", reply.content_type);
    let head = if is_all { head.header("content-length", "0") } else { head };
    let head = head.body(()).expect("head");
    let Ok(mut sending) = respond.send_response(head, is_all) else {
        return;
    };
    for (at, piece) in reply.pieces.iter().enumerate() {
        let last = reply.trailer.is_none() && at + 1 == reply.pieces.len();
        let _ = sending.send_data(piece.clone(), last);
    }
    if let Some((name, value)) = reply.trailer {
        let mut trailers = HeaderMap::new();
        trailers.insert(name, http::HeaderValue::from_static(value));
        let _ = sending.send_trailers(trailers);
    }
}
