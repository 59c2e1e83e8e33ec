//! The last phase: what is told of an exchange.

use std::time::{Duration, SystemTime};

use pingora_core::{Error, ErrorSource};
use pingora_proxy::Session;

use super::context::{Ask, Exchange};
use crate::telemetry::{Line, Measured};

pub fn logging(session: &mut Session, error: Option<&Error>, ctx: &mut Exchange) {
    let (operation, asked, stream, bytes_in) = match &ctx.ask {
        // The stand-in tells of it, however it ended.
        Ask::Relayed => return,
        Ask::Unknown => ("unknown", None, false, 0),
        Ask::Local(endpoint) => (endpoint.name(), None, false, 0),
        Ask::Run(run) => (run.operation.name(), Some(run), run.wants_stream, run.payload.size()),
        Ask::Passthrough(_) => ("passthrough", None, ctx.answer.is_event_stream, session.body_bytes_read()),
    };
    let written = session.response_written().map_or(0, |header| header.status.as_u16());
    let is_client_gone =
        error.is_some_and(|error| *error.esource() == ErrorSource::Downstream) && ctx.failure.is_none();
    let status = if is_client_gone && written == 0 { 0 } else { written };
    let duration = ctx.started.elapsed();
    let told = || ctx.answer.rewrite.as_ref().and_then(|rewrite| rewrite.failure());
    let failure = ctx.failure.as_ref().or_else(told).map(|failure| failure.message.as_str());
    let usage = ctx.answer.rewrite.as_ref().and_then(|rewrite| rewrite.usage());
    let target = ctx.attempt.as_ref().map(|attempt| &attempt.target);
    let instance = target.map(|target| target.upstream.name());
    let upstream_model = target.map(|target| target.model.as_ref()).filter(|model| !model.is_empty());

    if !matches!(&ctx.ask, Ask::Local(endpoint) if !endpoint.is_guarded()) {
        ctx.gateway.metrics.exchange(&Measured {
            operation,
            instance: instance.unwrap_or_default(),
            model: upstream_model.filter(|_| asked.is_some_and(|run| run.is_listed)),
            status,
            duration,
            first_byte: ctx.answer.first_byte,
            usage,
        });
    }
    if !ctx.gateway.access_log.is_on() {
        return;
    }
    let request = session.req_header();
    ctx.gateway.access_log.write(&Line {
        time: SystemTime::now(),
        request_id: ctx.request_id.as_str(),
        client: session.client_addr().and_then(|address| Some(address.as_inet()?.ip())),
        tenant: ctx.tenant.as_ref().map(|tenant| tenant.name.as_str()),
        method: request.method.as_str(),
        path: request.uri.path(),
        operation,
        model: asked.map(|run| run.model.as_str()),
        instance,
        upstream_model,
        status,
        outcome: match (is_client_gone, error.is_some() || failure.is_some() || status >= 400) {
            (true, _) => "client_gone",
            (false, true) => "error",
            (false, false) => "ok",
        },
        attempts: ctx.tries.made(),
        stream,
        bytes_in,
        bytes_out: ctx.answer.bytes,
        duration_ms: millis(duration),
        first_byte_ms: ctx.answer.first_byte.map(millis),
        usage,
        error: failure,
    });
}

/// To a hundredth of a millisecond.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 100_000.0).round() / 100.0
}
