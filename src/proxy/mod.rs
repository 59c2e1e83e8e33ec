//! The gateway on the wire, and the only room that knows Pingora's proxy.
//!
//! [`Proxy`] implements Pingora's trait by delegation: each phase of an exchange has a file of its own, in the order in which
//! a request meets them: `door` → `admit` (with `body`, `local`, `relay`) → `dispatch` → `outbound` → `answer` → `failure` → `record`. What they
//! hand to each other is in `context`. Whole answers are asked for by `whole`, without Pingora's proxying (`collect` gathers, `hand_on` does
//! not), and leave by `sending`, over `gathered` connections. `server` puts
//! services on sockets; `refresh` fetches lists of models and `doctor` examines providers, both by `ask`; `dns` resolves.

mod admin;
mod admit;
mod answer;
mod ask;
mod batches;
mod body;
mod collect;
mod context;
mod conversation;
mod desk;
mod dispatch;
mod dns;
mod doctor;
mod door;
mod failure;
mod files;
mod gathered;
mod hand_on;
mod headers;
mod inner;
mod listing;
mod local;
mod media;
mod named_files;
mod outbound;
mod query;
mod record;
mod refresh;
mod relay;
mod sending;
mod server;
mod stored;
mod tries;
mod whole;
mod wrapped;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use pingora_core::modules::http::HttpModules;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, Result};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};

use context::Exchange;
use desk::Desk;
use dns::Dns;
pub use doctor::examine;
pub use server::{Sockets, StartError, run, run_simulator};
use whole::Connections;

use crate::gateway::Gateway;

type RequestHeader = pingora::http::RequestHeader;
type ResponseHeader = pingora::http::ResponseHeader;

/// The proxy service.
pub struct Proxy {
    gateway: Arc<Gateway>,
    dns: Arc<Dns>,
    connections: Connections,
    side: Side,
}

/// Who is on the other side of a proxy's connections.
enum Side {
    /// Clients, who show keys, and may come with files and batches.
    Clients(Arc<Desk>),
    /// The gateway itself, with lines of batches: it says whose they are.
    Inner,
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Exchange;

    fn new_ctx(&self) -> Exchange {
        Exchange::new(&self.gateway)
    }

    /// Pingora's own modules (compression towards the client) would only cost; streams must not be held back.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    fn allow_spawning_subrequest(&self, session: &Session, _ctx: &Exchange) -> bool {
        relay::may_be_needed(session)
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Exchange) -> Result<bool> {
        if admit::request_filter(session, ctx, &self.side).await? {
            return Ok(true);
        }
        if whole::is_wanted(ctx) {
            // Apart, since every exchange would carry the room that this takes.
            Box::pin(whole::run(session, ctx, &self.dns, &self.connections)).await?;
            return Ok(true);
        }
        Ok(false)
    }

    async fn upstream_peer(&self, session: &mut Session, ctx: &mut Exchange) -> Result<Box<HttpPeer>> {
        dispatch::upstream_peer(session, ctx, &self.dns).await
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Exchange,
    ) -> Result<()> {
        outbound::upstream_request_filter(session, request, ctx)
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Exchange,
    ) -> Result<()> {
        outbound::request_body_filter(session, body, end_of_stream, ctx);
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Exchange,
    ) -> Result<()> {
        answer::upstream_response_filter(response, ctx)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Exchange,
    ) -> Result<()> {
        answer::response_filter(session, response, ctx)
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Exchange,
    ) -> Result<Option<Duration>> {
        answer::response_body_filter(body, end_of_stream, ctx)?;
        Ok(None)
    }

    async fn response_trailer_filter(
        &self,
        _session: &mut Session,
        _trailers: &mut http::HeaderMap,
        ctx: &mut Exchange,
    ) -> Result<Option<Bytes>> {
        answer::finish(ctx)
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        peer: &HttpPeer,
        ctx: &mut Exchange,
        error: Box<Error>,
    ) -> Box<Error> {
        failure::fail_to_connect(peer, ctx, error, &self.dns)
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        ctx: &mut Exchange,
        client_reused: bool,
    ) -> Box<Error> {
        failure::error_while_proxy(session, error, ctx, client_reused)
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Exchange) -> FailToProxy {
        failure::fail_to_proxy(session, error, ctx).await
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Exchange) {
        record::logging(session, error, ctx);
        stored::settle(ctx).await;
    }

    /// The access line tells what went wrong; Pingora's own line would repeat it, with the query.
    fn suppress_error_log(&self, _session: &Session, _ctx: &Exchange, _error: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        _ctx: &Exchange,
        _error: &Error,
        _at: ProxyWarnLogContext,
    ) -> bool {
        true
    }

    fn request_summary(&self, session: &Session, ctx: &Exchange) -> String {
        let header = session.req_header();
        format!("{} {} ({})", header.method, header.uri.path(), ctx.request_id)
    }
}
