//! Whole answers: asked for over Pingora's connectors and its pool, without its proxying.
//!
//! Pingora sends the header of a request before it looks at the body, and that of a response as soon as it has one. Where the answer is
//! to come in one piece, so can the request leave; and an answer that has to be translated is judged before any of it is told. Every phase
//! is the one that streams meet, in the same order.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Version, header};
use once_cell::sync::Lazy;
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::protocols::http::compression::ResponseCompressionCtx;
use pingora_core::upstreams::peer::{HttpPeer, Peer};
use pingora_core::{Error, ErrorSource, ErrorType, OrErr, Result};
use pingora_proxy::Session;

use super::collect::{self, Collected, collect};
use super::context::{self, Ask, Exchange};
use super::dns::Dns;
use super::gathered::{gathered, is_sent};
use super::hand_on::hand_on;
use super::sending::send;
use super::{RequestHeader, ResponseHeader, answer, dispatch, failure, headers, local, outbound};

/// Connections to providers, beside those that Pingora's proxy keeps. Made when the first answer is asked for: it holds a megabyte of
/// trusted certificates.
pub struct Connections {
    connector: Lazy<Connector, Box<dyn FnOnce() -> Connector + Send>>,
}

impl Connections {
    pub fn new(options: ConnectorOptions) -> Self {
        Self { connector: Lazy::new(Box::new(move || Connector::new(Some(options)))) }
    }
}

/// What an attempt has brought.
enum Answer {
    Collected(Collected),
    /// One that is handed on as it comes. Its header is there.
    Coming(Box<ResponseHeader>),
}

/// Whether an exchange is one of these.
pub fn is_wanted(ctx: &Exchange) -> bool {
    matches!(&ctx.ask, Ask::Run(run) if !run.wants_stream)
}

/// Asks one target after the other, and answers.
pub async fn run(session: &mut Session, ctx: &mut Exchange, dns: &Arc<Dns>, connections: &Connections) -> Result<()> {
    let connector = &*connections.connector;
    let error = loop {
        // What the try before was answered counts no more.
        ctx.answer = context::Answer::default();
        let peer = match dispatch::upstream_peer(session, ctx, dns).await {
            Ok(peer) => peer,
            Err(error) => break error,
        };
        let (mut upstream, is_reused) = match connector.get_http_session(&*peer).await {
            Ok((session, is_reused)) => (gathered(session, &peer), is_reused),
            Err(error) => {
                let error = failure::fail_to_connect(&peer, ctx, error.into_up(), dns);
                if error.retry() {
                    continue;
                }
                break error;
            }
        };
        let answered = match exchange(session, ctx, &peer, &mut upstream, connector).await {
            Ok(Answer::Coming(header)) => hand_on(session, ctx, header, &mut upstream).await.map(|()| None),
            Ok(Answer::Collected(collected)) => Ok(Some(collected)),
            Err(error) => Err(error),
        };
        // Of HTTP/2 only the stream may be out of order, not the connection.
        if answered.is_ok() || matches!(upstream, HttpSession::H2(_)) {
            release(connector, upstream, &peer).await;
        }
        match answered {
            Ok(None) => return Ok(()),
            Ok(Some(Collected { header, .. })) if collect::is_refused_and_retried(&header, ctx) => {}
            Ok(Some(Collected { header, body: Ok(body) })) => return collect::give(session, ctx, header, body).await,
            Ok(Some(Collected { body: Err(failure), .. })) => {
                if !ctx.tries.prepare(failure.kind.remedy(), failure.retry_after) {
                    return local::fail(session, ctx, failure).await;
                }
                failure::note_refused(ctx, &failure);
            }
            Err(error) => {
                if matches!(error.etype(), ErrorType::H2Downgrade | ErrorType::InvalidH2) {
                    connector.prefer_h1(&*peer);
                }
                let error = failure::error_while_proxy(session, error, ctx, is_reused);
                if !error.retry() {
                    break error;
                }
            }
        }
    };
    let has_begun = session.response_written().is_some_and(|header| !header.status.is_informational());
    if *error.esource() == ErrorSource::Downstream || has_begun {
        return Err(error);
    }
    failure::fail_to_proxy(session, &error, ctx).await;
    Ok(())
}

/// Sends the request and awaits the answer, while the client is there.
async fn exchange(
    session: &mut Session,
    ctx: &mut Exchange,
    peer: &HttpPeer,
    upstream: &mut HttpSession,
    connector: &Connector,
) -> Result<Answer> {
    let further = collect::further(session, ctx, peer, upstream)?;
    let request = request(session, ctx, peer, upstream)?;
    let outgoing = ctx.attempt.as_ref().map(|attempt| &attempt.outgoing);
    let body = outgoing.and_then(|outgoing| outgoing.body.clone()).unwrap_or_default();
    let is_translated = outgoing.is_some_and(|outgoing| outgoing.lane.foreign().is_some());
    let is_gathered = is_translated && !dispatch::comes_in_pieces(&ctx.ask);
    upstream.set_read_timeout(peer.options.read_timeout);
    upstream.set_write_timeout(peer.options.write_timeout);
    let (downstream, decoder) = (&mut session.downstream_session, &mut session.upstream_compression);
    let answer = async {
        let mut header = send(upstream, request, body).await.map_err(|error| error.into_up())?;
        decoder.response_header_filter(&mut header, upstream.response_done());
        // What an error says may make another target worth a try.
        if !is_gathered && header.status.as_u16() < 400 {
            answer::upstream_response_filter(&mut header, ctx)?;
            return Ok(Answer::Coming(header));
        }
        let incoming = Incoming::new(upstream, decoder);
        collect(incoming, header, ctx, peer, connector, further).await.map(Answer::Collected)
    };
    tokio::select! {
        answer = answer => answer,
        gone = hang_up(downstream) => Err(gone),
    }
}

/// The body of an answer, decoded.
pub struct Incoming<'a> {
    upstream: &'a mut HttpSession,
    decoder: &'a mut ResponseCompressionCtx,
    is_over: bool,
}

impl<'a> Incoming<'a> {
    pub fn new(upstream: &'a mut HttpSession, decoder: &'a mut ResponseCompressionCtx) -> Self {
        Self { upstream, decoder, is_over: false }
    }

    /// The next piece. Whoever stops waiting for it has lost nothing.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.is_over {
            return Ok(None);
        }
        let chunk = self.upstream.read_response_body().await.map_err(|error| error.into_up())?;
        self.is_over = chunk.is_none();
        if !self.decoder.is_enabled() {
            return Ok(chunk);
        }
        Ok(self.decoder.response_body_filter(chunk.as_ref(), self.is_over).or(chunk))
    }

    /// Whether it is known that nothing more comes.
    pub fn is_done(&mut self) -> bool {
        self.is_over || !self.decoder.is_enabled() && self.upstream.response_done()
    }
}

/// The header of a request to this target.
pub fn request(
    session: &mut Session,
    ctx: &mut Exchange,
    peer: &HttpPeer,
    upstream: &HttpSession,
) -> Result<Box<RequestHeader>> {
    let is_h2 = matches!(upstream, HttpSession::H2(_));
    let version = if is_h2 { Version::HTTP_2 } else { Version::HTTP_11 };
    let mut request = headers::request(Method::POST, "/", version, HeaderMap::new())?;
    outbound::upstream_request_filter(session, &mut request, ctx)?;
    outbound::expect_encoded(session);
    if is_h2 && let Some(host) = request.remove_header(&header::HOST) {
        let path = request.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri = http::Uri::builder()
            .scheme(if peer.is_tls() { "https" } else { "http" })
            .authority(host.as_bytes())
            .path_and_query(path)
            .build()
            .or_err(ErrorType::InvalidHTTPHeader, "the provider's address is no URI")?;
        request.set_uri(uri);
    }
    Ok(Box::new(request))
}

/// Keeps a connection for the next exchange, if there is nothing left on it of this one.
pub async fn release(connector: &Connector, upstream: HttpSession, peer: &HttpPeer) {
    if is_sent(&upstream) {
        connector.release_http_session(upstream, peer, peer.idle_timeout()).await;
    }
}

/// Comes back when the client has left.
pub async fn hang_up(downstream: &mut ServerSession) -> Box<Error> {
    loop {
        if let Err(error) = downstream.read_body_or_idle(true).await {
            return error.into_down();
        }
    }
}
