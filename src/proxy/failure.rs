//! When an attempt or an exchange goes wrong on the wire: whether to try again, and what to tell the client.

use bytes::Bytes;
use pingora_core::upstreams::peer::{HttpPeer, Peer};
use pingora_core::{Error, ErrorSource, ErrorType, RetryType};
use pingora_proxy::{FailToProxy, Session};

use super::answer::ANOTHER_TRY;
use super::context::{Ask, Exchange};
use super::dns::Dns;
use super::local;
use crate::error::{Failure, Kind, Refusal, Remedy};

/// Marks an error that stands for a failure which is in the exchange already.
pub const KNOWN: ErrorType = ErrorType::Custom("Known");

/// Takes note of an attempt that failed before any answer. True: another one has been prepared.
pub fn is_worth_another_try(ctx: &mut Exchange, why: &str, remedy: Remedy) -> bool {
    if let Some(attempt) = &ctx.attempt {
        let upstream = &attempt.target.upstream;
        match remedy {
            Remedy::Elsewhere => upstream.health.note_exhausted(),
            Remedy::Again | Remedy::None => upstream.health.note_failure(None),
        }
        ctx.gateway.metrics.attempt(upstream.name(), "failed");
        log::warn!("{}: try {} of request {}: {why}", upstream.name(), ctx.tries.made(), ctx.request_id);
    }
    ctx.tries.prepare(remedy, None)
}

pub fn fail_to_connect(peer: &HttpPeer, ctx: &mut Exchange, mut error: Box<Error>, dns: &Dns) -> Box<Error> {
    if let (Some(attempt), Some(address)) = (&ctx.attempt, peer.address().as_inet()) {
        let host = &attempt.base().host;
        if dns.pass_by(host, *address, error.etype(), ctx.tries.unreachable()) {
            log::warn!(
                "{host} cannot be reached at {}: {}; another of its addresses is tried",
                address.ip(),
                reason(&error)
            );
            ctx.tries.again();
            error.set_retry(true);
            return error;
        }
    }
    let retry = is_worth_another_try(ctx, &reason(&error), Remedy::Again);
    error.set_retry(retry);
    error
}

pub fn error_while_proxy(
    session: &mut Session,
    mut error: Box<Error>,
    ctx: &mut Exchange,
    client_reused: bool,
) -> Box<Error> {
    if *error.etype() == ANOTHER_TRY {
        return error;
    }
    let is_replayable = match &ctx.ask {
        Ask::Run(_) => true,
        _ => session.req_header().method.is_idempotent() && !session.retry_buffer_truncated(),
    };
    let is_early = session.response_written().is_none_or(|header| header.status.is_informational());
    let is_theirs = *error.esource() != ErrorSource::Downstream;
    // It was judged by its status before; only what came under a status of success is news.
    let is_final = *error.etype() == KNOWN
        && (ctx.answer.status >= 400
            || ctx.failure.as_ref().is_none_or(|failure| failure.kind.remedy() == Remedy::None));
    if is_final {
        error.set_retry(false);
        return error;
    }
    if !is_replayable || !is_early || !is_theirs {
        if is_theirs {
            note_broken_answer(ctx, &error);
        }
        error.set_retry(false);
        return error;
    }
    // A pooled connection that the provider closed just now says nothing about the provider, and there are only so many.
    let is_stale = matches!(error.retry, RetryType::ReusedOnly);
    error.retry.decide_reuse(client_reused);
    if error.retry() && (is_stale || ctx.tries.may_decline()) {
        ctx.tries.again();
        return error;
    }
    let known = ctx.failure.as_ref().filter(|_| *error.etype() == KNOWN);
    let remedy = known.map_or(Remedy::Again, |failure| failure.kind.remedy());
    let is_worth_it = is_worth_another_try(ctx, &reason(&error), remedy);
    // Having waited that long once, a client does not want to wait again.
    error.set_retry(is_worth_it && !matches!(error.etype(), ErrorType::ReadTimedout | ErrorType::WriteTimedout));
    error
}

/// Takes note of an answer that was a failure in spite of its status; another try has been prepared.
pub fn note_refused(ctx: &Exchange, failure: &Failure) {
    let Some(attempt) = &ctx.attempt else { return };
    let upstream = &attempt.target.upstream;
    match failure.kind.remedy() {
        Remedy::Elsewhere => upstream.health.note_exhausted(),
        _ => upstream.health.note_failure(failure.retry_after),
    }
    ctx.gateway.metrics.attempt(upstream.name(), "refused");
    log::warn!("{}: try {} of request {}: {failure}", upstream.name(), ctx.tries.made(), ctx.request_id);
}

fn note_broken_answer(ctx: &Exchange, error: &Error) {
    if let Some(attempt) = &ctx.attempt {
        let upstream = &attempt.target.upstream;
        upstream.health.note_failure(None);
        ctx.gateway.metrics.attempt(upstream.name(), "failed");
        log::warn!("{}: the answer to request {} broke off: {}", upstream.name(), ctx.request_id, reason(error));
    }
}

/// Tells the client, in its dialect: as an answer, or as the last event of a stream that has begun.
pub async fn fail_to_proxy(session: &mut Session, error: &Error, ctx: &mut Exchange) -> FailToProxy {
    // Before an answer the connection could go on; whatever else has failed, it cannot be known what is still on it.
    let end = |error_code| FailToProxy { error_code, can_reuse_downstream: false };
    if *error.esource() == ErrorSource::Downstream && !is_clients_mistake(error) {
        return end(0);
    }
    let failure = failure(error, ctx);
    let status = failure.status.as_u16();
    let told = match session.response_written() {
        Some(header) if !header.status.is_informational() => {
            let written = header.status.as_u16();
            let can_be_told = ctx.answer.is_event_stream && !ctx.answer.is_complete;
            ctx.failure = Some(failure);
            if !can_be_told {
                return end(written);
            }
            end_stream(session, ctx).await
        }
        _ => {
            session.set_keepalive(None);
            local::fail(session, ctx, failure).await
        }
    };
    if let Err(why) = told {
        log::debug!("the client of request {} has left before it was told of a failure: {why}", ctx.request_id);
    }
    end(status)
}

/// Ends an answer that has begun. A stand-in's session ignores the end mark, hence `finish_body`; others have ended by then.
async fn end_stream(session: &mut Session, ctx: &mut Exchange) -> pingora_core::Result<()> {
    let last = last_words(ctx);
    session.write_response_body(Some(last), true).await?;
    session.as_downstream_mut().finish_body().await
}

/// The end of a stream that broke. A stream that we write ourselves ends as its writer says.
fn last_words(ctx: &mut Exchange) -> Bytes {
    let Some(failure) = &ctx.failure else { return Bytes::new() };
    let rewrite = ctx.answer.rewrite.as_mut();
    let (rest, is_told) = match rewrite.map(|rewrite| rewrite.fail(failure).ok_or_else(|| rewrite.finish())) {
        Some(Ok(last)) => (last, true),
        Some(Err(rest)) => (rest.unwrap_or_default(), false),
        None => (Bytes::new(), false),
    };
    if is_told {
        return rest;
    }
    let event = ctx.dialect().write_failure_event(failure, ctx.request_id.as_str());
    // Half an event, perhaps, is in the client's hands: an empty line keeps ours apart from it.
    Bytes::from([rest.as_ref(), b"\n\n", event.as_ref()].concat())
}

fn is_clients_mistake(error: &Error) -> bool {
    use ErrorType::{ConnectionClosed, H2Error, ReadError, ReadTimedout, WriteError, WriteTimedout};
    // A stream of HTTP/2 that was reset is a client that has left; its mistakes are dealt with below us.
    !matches!(
        error.etype(),
        ConnectionClosed | ReadError | WriteError | ReadTimedout | WriteTimedout | H2Error | ErrorType::ConnectError
    )
}

/// What is to be told: what is in the exchange already, or what the error means.
fn failure(error: &Error, ctx: &mut Exchange) -> Failure {
    let known = ctx.failure.take().filter(|_| *error.etype() == KNOWN);
    known.unwrap_or_else(|| Failure::from(&refusal(error, ctx)))
}

fn refusal(error: &Error, ctx: &Exchange) -> Refusal {
    if *error.esource() == ErrorSource::Downstream {
        return Refusal::invalid("The request is not valid HTTP.");
    }
    let Some(attempt) = &ctx.attempt else {
        return Refusal::new(Kind::Internal, "The gateway has failed; its log tells why.");
    };
    let name = attempt.target.upstream.name();
    let tries = ctx.tries.made();
    let after = if tries > 1 { format!(" after {tries} tries") } else { String::new() };
    let (kind, code, what) = match error.etype() {
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => {
            let patience = humantime::format_duration(attempt.target.upstream.instance.timeouts.read);
            (Kind::Timeout, "upstream_timeout", format!("said nothing for {patience}"))
        }
        _ if ctx.answer.status == 0 => {
            (Kind::Upstream, "upstream_unreachable", format!("could not be reached ({})", reason(error)))
        }
        _ => (Kind::Upstream, "upstream_broke_off", "broke off in the middle of its answer".to_owned()),
    };
    Refusal::new(kind, format!("`{name}` {what}{after}.")).code(code)
}

/// What went wrong, in few words and without addresses.
fn reason(error: &Error) -> String {
    let what = match error.etype() {
        ErrorType::ConnectTimedout => "connecting took too long",
        ErrorType::ConnectRefused => "connection refused",
        ErrorType::ConnectNoRoute => "no route to its host",
        ErrorType::TLSHandshakeTimedout => "the TLS handshake took too long",
        ErrorType::TLSHandshakeFailure | ErrorType::HandshakeError => "the TLS handshake failed",
        ErrorType::InvalidCert => "its certificate is not valid",
        ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError => "the connection was closed",
        ErrorType::ReadTimedout => "it said nothing for too long",
        ErrorType::InvalidHTTPHeader | ErrorType::H1Error | ErrorType::H2Error | ErrorType::InvalidH2 => {
            "what it sent is not valid HTTP"
        }
        other => other.as_str(),
    };
    match error.context.as_ref().filter(|_| *error.etype() == ErrorType::ConnectNoRoute) {
        Some(context) => context.as_str().to_owned(),
        None => what.to_owned(),
    }
}
