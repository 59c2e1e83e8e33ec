//! Whole answers that are translated: they are gathered first, and judged when they are complete.
//!
//! What a provider says under a status of success may still turn out to be an error, or no answer at all, and the client has to be told
//! so by a status of ours; another target may even do better.

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::{HeaderValue, Version, header};
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Result, RetryType};
use pingora_proxy::Session;

use super::context::{Exchange, Lane};
use super::gathered::gathered;
use super::sending::send;
use super::whole::{Incoming, release, request};
use super::{RequestHeader, ResponseHeader, answer};
use crate::dialects::{Dialect, invoke};
use crate::error::Failure;

/// Further calls of one request that are under way at once.
const AT_ONCE: usize = 8;

/// What an attempt has brought.
pub struct Collected {
    pub header: Box<ResponseHeader>,
    pub body: Result<Bytes, Failure>,
}

/// Gathers the answer whose header has come, and those to the further calls.
pub async fn collect(
    mut incoming: Incoming<'_>,
    header: Box<ResponseHeader>,
    ctx: &mut Exchange,
    peer: &HttpPeer,
    connector: &Connector,
    further: Vec<Further>,
) -> Result<Collected> {
    answer::note_arrival(ctx);
    answer::prepare(&header, ctx)?;
    let mut rest = BytesMut::new();
    while let Some(chunk) = incoming.next().await? {
        match &mut ctx.answer.rewrite {
            Some(rewrite) => rest.extend_from_slice(&rewrite.push(chunk)),
            None => rest.extend_from_slice(&chunk),
        }
    }
    if header.status.is_success()
        && !further.is_empty()
        && let Some(rewrite) = &mut ctx.answer.rewrite
    {
        // Their futures are large, and few exchanges have any.
        match Box::pin(all(connector, peer, further)).await.map_err(|error| error.into_up())? {
            Ok(pieces) => pieces.into_iter().for_each(|piece| rest.extend_from_slice(&rewrite.push(piece))),
            Err(failure) => return Ok(Collected { header, body: Err(failure) }),
        }
    }
    let finished = ctx.answer.rewrite.as_mut().map_or(Ok(Bytes::new()), |rewrite| rewrite.finish());
    let body = finished.map(|last| if rest.is_empty() { last } else { [rest.freeze(), last].concat().into() });
    Ok(Collected { header, body })
}

/// A call that one request takes besides the first.
pub type Further = (Box<RequestHeader>, Bytes);

/// The further calls of this attempt, each with a header of its own: signatures cover the bodies.
pub fn further(
    session: &mut Session,
    ctx: &mut Exchange,
    peer: &HttpPeer,
    upstream: &HttpSession,
) -> Result<Vec<Further>> {
    let Some(attempt) = &mut ctx.attempt else { return Ok(Vec::new()) };
    let Lane::Convert { more, .. } = &mut attempt.outgoing.lane else { return Ok(Vec::new()) };
    let bodies = std::mem::take(more);
    let first = attempt.outgoing.body.take();
    let mut calls = Vec::with_capacity(bodies.len());
    for body in bodies {
        if let Some(attempt) = &mut ctx.attempt {
            attempt.outgoing.body = Some(body.clone().into());
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
            Err(error) if is_reused && matches!(error.retry, RetryType::ReusedOnly) => {}
            Err(error) => return Err(error),
        }
    }
}

async fn call(
    upstream: &mut HttpSession,
    header: Box<RequestHeader>,
    body: Bytes,
) -> Result<std::result::Result<[Bytes; 2], Failure>> {
    let header = send(upstream, header, body.into()).await?;
    let mut body = BytesMut::new();
    while let Some(chunk) = upstream.read_response_body().await? {
        body.extend_from_slice(&chunk);
    }
    Ok(match header.status.is_success() {
        true => Ok([invoke::told(&header.headers), body.freeze()]),
        false => Err(Dialect::Converse.provider().read_failure(header.status, &header.headers, &body)),
    })
}

/// Takes note of the answer. True: it is an error which says, in its body if not by its status, that it may be bettered, and another
/// try has been prepared.
pub fn is_refused_and_retried(header: &ResponseHeader, ctx: &mut Exchange) -> bool {
    let failure = ctx.answer.rewrite.as_ref().and_then(|rewrite| rewrite.failure()).cloned();
    let failure = failure.filter(|_| !header.status.is_success());
    answer::judge(header.status, &header.headers, failure.as_ref(), ctx)
}

pub async fn give(
    session: &mut Session,
    ctx: &mut Exchange,
    mut header: Box<ResponseHeader>,
    body: Bytes,
) -> Result<()> {
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
