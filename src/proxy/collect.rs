//! Whole answers that are translated: they are gathered first, and judged when they are complete.
//!
//! Pingora sends a response's header as soon as it has one. What a provider says under a status of success may still turn out to
//! be an error, or no answer at all, and the client has to be told so by a status of ours; another target may even do better.
//! So these exchanges do not go through Pingora's proxying, but use its connectors and its pool directly. Every phase is the
//! one that the other exchanges meet, in the same order.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::{HeaderMap, HeaderValue, Method, Version, header};
use once_cell::sync::Lazy;
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::{HttpPeer, Peer};
use pingora_core::{Error, ErrorType, OrErr, Result};
use pingora_proxy::Session;

use super::context::{Ask, Exchange, Lane};
use super::dns::Dns;
use super::gathered::{gathered, is_sent};
use super::sending::send;
use super::{RequestHeader, ResponseHeader, answer, dispatch, failure, headers, local, outbound};
use crate::dialects::{Dialect, invoke};
use crate::error::Failure;
use crate::rewrite::Rewrite;

/// Further calls of one request that are under way at once.
const AT_ONCE: usize = 8;

/// Connections to providers, beside those that Pingora's proxy keeps. Made when the first answer is collected: it holds a megabyte of
/// trusted certificates.
pub struct Collector {
    connector: Lazy<Connector, Box<dyn FnOnce() -> Connector + Send>>,
}

/// What an attempt has brought.
struct Collected {
    header: Box<ResponseHeader>,
    body: Result<Bytes, Failure>,
}

impl Collector {
    pub fn new(options: ConnectorOptions) -> Self {
        Self { connector: Lazy::new(Box::new(move || Connector::new(Some(options)))) }
    }
}

/// Whether an exchange is one of these.
pub fn is_wanted(ctx: &Exchange) -> bool {
    matches!(&ctx.ask, Ask::Run(run) if !run.wants_stream && (run.asked.is_some() || run.is_converted_whole))
}

/// Asks one target after the other, and answers.
pub async fn run(session: &mut Session, ctx: &mut Exchange, dns: &Arc<Dns>, collector: &Collector) -> Result<()> {
    let error = loop {
        let peer = match dispatch::upstream_peer(session, ctx, dns).await {
            Ok(peer) => peer,
            Err(error) => break error,
        };
        let (mut upstream, is_reused) = match collector.connector.get_http_session(&*peer).await {
            Ok((session, is_reused)) => (gathered(session, &peer), is_reused),
            Err(error) => {
                let error = failure::fail_to_connect(&peer, ctx, error.into_up(), dns);
                if error.retry() {
                    continue;
                }
                break error;
            }
        };
        match exchange(session, ctx, &peer, &mut upstream, &collector.connector).await {
            Ok(collected) => {
                release(&collector.connector, upstream, &peer).await;
                if is_refused_and_retried(&collected.header, ctx) {
                    continue;
                }
                match collected.body {
                    Ok(body) => return give(session, ctx, collected.header, body).await,
                    Err(failure) if ctx.tries.prepare(failure.kind.remedy(), failure.retry_after) => {
                        failure::note_refused(ctx, &failure);
                    }
                    Err(failure) => return local::fail(session, ctx, failure).await,
                }
            }
            Err(error) => {
                let error = failure::error_while_proxy(session, error, ctx, is_reused);
                if !error.retry() {
                    break error;
                }
            }
        }
    };
    match error.esource() {
        pingora_core::ErrorSource::Downstream => Err(error),
        _ => {
            failure::fail_to_proxy(session, &error, ctx).await;
            Ok(())
        }
    }
}

/// Sends the request and gathers the answer, while the client is there.
async fn exchange(
    session: &mut Session,
    ctx: &mut Exchange,
    peer: &HttpPeer,
    upstream: &mut HttpSession,
    connector: &Connector,
) -> Result<Collected> {
    let further = further(session, ctx, peer, upstream)?;
    let request = request(session, ctx, peer, upstream)?;
    let body = ctx.attempt.as_ref().and_then(|attempt| attempt.outgoing.body.clone()).unwrap_or_default();
    upstream.set_read_timeout(peer.options.read_timeout);
    upstream.set_write_timeout(peer.options.write_timeout);
    let (downstream, decoder) = (&mut session.downstream_session, &mut session.upstream_compression);
    let gathered = async {
        let theirs = |error: Box<Error>| error.into_up();
        let mut header = send(upstream, request, body).await.map_err(theirs)?;
        decoder.response_header_filter(&mut header, false);
        answer::note_arrival(ctx);
        answer::prepare(&header, ctx)?;
        let mut rest = BytesMut::new();
        let mut keep = |rewrite: &mut Option<Box<dyn Rewrite>>, chunk: Bytes| match rewrite {
            Some(rewrite) => rest.extend_from_slice(&rewrite.push(chunk)),
            None => rest.extend_from_slice(&chunk),
        };
        while let Some(chunk) = upstream.read_response_body().await.map_err(theirs)? {
            let decoded = if decoder.is_enabled() { decoder.response_body_filter(Some(&chunk), false) } else { None };
            keep(&mut ctx.answer.rewrite, decoded.unwrap_or(chunk));
        }
        if let Some(last) = decoder.is_enabled().then(|| decoder.response_body_filter(None, true)).flatten() {
            keep(&mut ctx.answer.rewrite, last);
        }
        if header.status.is_success()
            && !further.is_empty()
            && let Some(rewrite) = &mut ctx.answer.rewrite
        {
            // Their futures are large, and few exchanges have any.
            match Box::pin(all(connector, peer, further)).await.map_err(theirs)? {
                Ok(pieces) => pieces.into_iter().for_each(|piece| rest.extend_from_slice(&rewrite.push(piece))),
                Err(failure) => return Ok(Collected { header, body: Err(failure) }),
            }
        }
        let finished = ctx.answer.rewrite.as_mut().map_or(Ok(Bytes::new()), |rewrite| rewrite.finish());
        let body = finished.map(|last| if rest.is_empty() { last } else { [rest.freeze(), last].concat().into() });
        Ok(Collected { header, body })
    };
    tokio::select! {
        collected = gathered => collected,
        gone = hang_up(downstream) => Err(gone),
    }
}

/// A call that one request takes besides the first.
type Further = (Box<RequestHeader>, Bytes);

/// The further calls of this attempt, each with a header of its own: signatures cover the bodies.
fn further(session: &mut Session, ctx: &mut Exchange, peer: &HttpPeer, upstream: &HttpSession) -> Result<Vec<Further>> {
    let Some(attempt) = &mut ctx.attempt else { return Ok(Vec::new()) };
    let Lane::Convert { more, .. } = &mut attempt.outgoing.lane else { return Ok(Vec::new()) };
    let bodies = std::mem::take(more);
    let first = attempt.outgoing.body.take();
    let mut calls = Vec::with_capacity(bodies.len());
    for body in bodies {
        if let Some(attempt) = &mut ctx.attempt {
            attempt.outgoing.body = Some(body.clone());
        }
        calls.push((request(session, ctx, peer, upstream)?, body));
    }
    if let Some(attempt) = &mut ctx.attempt {
        attempt.outgoing.body = first;
    }
    Ok(calls)
}

/// Makes further calls, some at once: what their answers say, one after the other, or why there is none.
async fn all(
    connector: &Connector,
    peer: &HttpPeer,
    calls: Vec<Further>,
) -> Result<std::result::Result<Vec<Bytes>, Failure>> {
    let mut answers = futures::stream::iter(calls).map(|call| also(connector, peer, call)).buffered(AT_ONCE);
    let mut pieces = Vec::new();
    while let Some(answer) = answers.next().await {
        match answer? {
            Ok(told) => pieces.extend(told),
            Err(failure) => return Ok(Err(failure)),
        }
    }
    Ok(Ok(pieces))
}

/// Makes a further call: what its answer says, or why there is none. A pooled connection may have been closed just now.
async fn also(
    connector: &Connector,
    peer: &HttpPeer,
    (header, body): Further,
) -> Result<std::result::Result<[Bytes; 2], Failure>> {
    loop {
        let (session, is_reused) = connector.get_http_session(peer).await?;
        let mut upstream = gathered(session, peer);
        upstream.set_read_timeout(peer.options.read_timeout);
        upstream.set_write_timeout(peer.options.write_timeout);
        match call(&mut upstream, header.clone(), body.clone()).await {
            Ok(answer) => {
                release(connector, upstream, peer).await;
                return Ok(answer);
            }
            Err(mut error) => {
                error.retry.decide_reuse(is_reused);
                if !error.retry() {
                    return Err(error);
                }
            }
        }
    }
}

async fn call(
    upstream: &mut HttpSession,
    header: Box<RequestHeader>,
    body: Bytes,
) -> Result<std::result::Result<[Bytes; 2], Failure>> {
    let header = send(upstream, header, body).await?;
    let mut body = BytesMut::new();
    while let Some(chunk) = upstream.read_response_body().await? {
        body.extend_from_slice(&chunk);
    }
    Ok(match header.status.is_success() {
        true => Ok([invoke::told(&header.headers), body.freeze()]),
        false => Err(Dialect::Converse.provider().read_failure(header.status, &header.headers, &body)),
    })
}

fn request(
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
async fn release(connector: &Connector, upstream: HttpSession, peer: &HttpPeer) {
    if is_sent(&upstream) {
        connector.release_http_session(upstream, peer, peer.idle_timeout()).await;
    }
}

/// Comes back when the client has left.
async fn hang_up(downstream: &mut pingora_core::protocols::http::ServerSession) -> Box<Error> {
    loop {
        if let Err(error) = downstream.read_body_or_idle(true).await {
            return error.into_down();
        }
    }
}

/// Takes note of the answer. True: it is an error which says, in its body if not by its status, that it may be bettered, and another
/// try has been prepared.
fn is_refused_and_retried(header: &ResponseHeader, ctx: &mut Exchange) -> bool {
    let failure = ctx.answer.rewrite.as_ref().and_then(|rewrite| rewrite.failure()).cloned();
    let failure = failure.filter(|_| !header.status.is_success());
    answer::judge(header.status, &header.headers, failure.as_ref(), ctx)
}

async fn give(session: &mut Session, ctx: &mut Exchange, mut header: Box<ResponseHeader>, body: Bytes) -> Result<()> {
    answer::response_filter(session, &mut header, ctx)?;
    // The provider's connection may be HTTP/2; in a header of that version the client's cannot be written.
    header.set_version(Version::HTTP_11);
    header.remove_header(&header::TRANSFER_ENCODING);
    header.insert_header(header::CONTENT_LENGTH, HeaderValue::from(body.len()))?;
    ctx.answer.bytes = body.len();
    session.write_response_header(header, false).await.map_err(|error| error.into_down())?;
    session.write_response_body(Some(body), true).await.map_err(|error| error.into_down())?;
    ctx.answer.is_complete = true;
    Ok(())
}
