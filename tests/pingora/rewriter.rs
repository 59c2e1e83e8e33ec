//! A proxy that reads every body, sends another one instead, and tries the next target after a 429.

use crate::reading::{earns_callback, read_body};
use crate::support::soon;
use crate::{peer, stand_in};
use async_trait::async_trait;
use bytes::Bytes;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorSource, ErrorType::HTTPStatus, Result};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// What a stream that broke ends with.
pub const LAST_EVENT: &str = "event: error\ndata: {}\n\n";

pub struct Rewriter {
    targets: Vec<HttpPeer>,
    record: Arc<Record>,
}

/// What the proxy saw Pingora do.
#[derive(Default)]
pub struct Record(watch::Sender<Vec<Happened>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// The body was read, and the exchange goes on in the client's own session.
    Directly,
    /// The body was read, and a stand-in takes over.
    ByStandIn,
    /// The n-th attempt was asked for its body's end.
    Asked(usize),
    /// `fail_to_proxy`, and whether a final header had been written.
    Failed {
        after_header: bool,
        stand_in: bool,
    },
    Logged {
        error: bool,
        stand_in: bool,
    },
}

pub struct Context {
    outgoing: Bytes,
    attempt: usize,
}

/// The body that is sent in place of `body`.
pub fn rewritten(body: &[u8]) -> Vec<u8> {
    [b"{\"rewritten\":\"", body, b"\"}"].concat()
}

impl Rewriter {
    pub fn new(targets: impl IntoIterator<Item = SocketAddr>) -> (Self, Arc<Record>) {
        Self::among(targets.into_iter().map(|target| *peer(target)))
    }

    pub fn among(targets: impl IntoIterator<Item = HttpPeer>) -> (Self, Arc<Record>) {
        let record = Arc::<Record>::default();
        let rewriter = Self { targets: targets.into_iter().collect(), record: record.clone() };
        (rewriter, record)
    }

    fn has_another(&self, context: &Context) -> bool {
        context.attempt < self.targets.len()
    }
}

impl Record {
    pub fn all(&self) -> Vec<Happened> {
        self.0.borrow().clone()
    }

    /// What happened up to the answer: all but the logging, which may come after the client has its answer.
    pub fn before_logging(&self) -> Vec<Happened> {
        let mut all = self.all();
        all.retain(|happened| !matches!(happened, Happened::Logged { .. }));
        all
    }

    /// Waits until this has happened.
    pub async fn until(&self, happened: Happened) {
        let mut all = self.0.subscribe();
        let what = format!("{happened:?}");
        let _ = soon(&what, all.wait_for(|all| all.contains(&happened))).await;
    }

    fn add(&self, happened: Happened) {
        self.0.send_modify(|all| all.push(happened));
    }
}

#[async_trait]
impl ProxyHttp for Rewriter {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context { outgoing: Bytes::new(), attempt: 0 }
    }

    fn allow_spawning_subrequest(&self, _: &Session, _: &Context) -> bool {
        true
    }

    async fn request_filter(&self, session: &mut Session, context: &mut Context) -> Result<bool> {
        if let Some(outgoing) = stand_in::take_over::<Bytes>(session).await? {
            context.outgoing = *outgoing;
            return Ok(false);
        }
        context.outgoing = rewritten(&read_body(session).await?).into();
        if earns_callback(session) {
            self.record.add(Happened::Directly);
            return Ok(false);
        }
        self.record.add(Happened::ByStandIn);
        stand_in::relay(session, Box::new(context.outgoing.clone())).await?;
        Ok(true)
    }

    async fn upstream_peer(&self, _: &mut Session, context: &mut Context) -> Result<Box<HttpPeer>> {
        context.attempt += 1;
        Ok(Box::new(self.targets[context.attempt - 1].clone()))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        context: &mut Context,
    ) -> Result<()> {
        let path = session.req_header().raw_path();
        let mut outgoing = RequestHeader::build("POST", path, None)?;
        outgoing.insert_header("host", "upstream.test")?;
        outgoing.insert_header("content-length", context.outgoing.len())?;
        // Pingora has set the version that the upstream speaks, and panics if an HTTP/2 request has another.
        outgoing.set_version(request.version);
        *request = outgoing;
        Ok(())
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        context: &mut Context,
    ) -> Result<()> {
        *body = Some(if end {
            self.record.add(Happened::Asked(context.attempt));
            context.outgoing.clone()
        } else {
            Bytes::new()
        });
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        _: &mut Session,
        response: &mut ResponseHeader,
        context: &mut Context,
    ) -> Result<()> {
        if response.status == 429 && self.has_another(context) {
            let mut error = Error::explain(HTTPStatus(429), "the next target, please");
            error.set_retry(true);
            return Err(error);
        }
        Ok(())
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        _: &mut Session,
        mut error: Box<Error>,
        context: &mut Context,
        reused: bool,
    ) -> Box<Error> {
        // Left undecided, the question makes Pingora panic.
        error.retry.decide_reuse(reused && self.has_another(context));
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, _: &mut Context) -> FailToProxy {
        let after_header = session.response_written().is_some_and(|header| !header.status.is_informational());
        self.record.add(Happened::Failed { after_header, stand_in: session.subrequest_ctx.is_some() });
        if *error.esource() != ErrorSource::Downstream {
            let _ = if after_header {
                end_stream_with(session, LAST_EVENT.into()).await
            } else {
                session.respond_error_with_body(502, "{}".into()).await
            };
        }
        FailToProxy { error_code: 502, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, _: &mut Context) {
        self.record.add(Happened::Logged { error: error.is_some(), stand_in: session.subrequest_ctx.is_some() });
    }
}

/// Ends an answer that has begun, with these bytes as its last.
///
/// A stand-in's session ignores the end flag, hence `finish_body`; the other kinds have ended by then and ignore that.
pub async fn end_stream_with(session: &mut Session, bytes: Bytes) -> Result<()> {
    session.write_response_body(Some(bytes), true).await?;
    session.as_downstream_mut().finish_body().await
}
