//! The provider's answer: whether it counts, and what of it the client gets.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use pingora_core::{Error, ErrorType, OrErr, Result};
use pingora_proxy::Session;

use super::ResponseHeader;
use super::context::{Ask, Attempt, Exchange, Lane, Run};
use super::failure::KNOWN;
use super::headers::{
    self, X_ACCEL_BUFFERING, X_AMZN_ERRORTYPE, X_NARTHEX_ATTEMPTS, X_NARTHEX_DROPPED, X_NARTHEX_INSTANCE,
    X_NARTHEX_MODEL, X_REQUEST_ID, X_UPSTREAM_REQUEST_ID, append, insert,
};
use super::stored;
use super::tries::remedy;
use crate::dialects::retry_after;
use crate::endpoints::Operation;
use crate::error::{Failure, Garbled, Kind, Remedy};
use crate::rewrite::{
    Failed, Forward, Overheard, Rewrite, SplitThoughts, Spoken, Translate, Translation, Whole, WithoutUsage,
};

/// Marks an error that stands for a status which another try may better.
pub const ANOTHER_TRY: ErrorType = ErrorType::Custom("AnotherTry");

const EVENTS: &str = "text/event-stream";
const AMAZONS_EVENTS: &str = "application/vnd.amazon.eventstream";

/// Clients give up on headers that are too long, 8 KiB at least.
const LONGEST_LIST: usize = 4000;

/// `Err`, marked to be retried, for an answer that another target may better.
pub fn upstream_response_filter(response: &mut ResponseHeader, ctx: &mut Exchange) -> Result<()> {
    let status = response.status.as_u16();
    if response.status.is_informational() && status != 101 {
        return Ok(());
    }
    note_arrival(ctx);
    if judge(response.status, &response.headers, None, ctx) {
        let mut error = Error::explain(ANOTHER_TRY, format!("status {status}"));
        error.set_retry(true);
        return Err(error);
    }
    prepare(response, ctx)
}

/// The header of an answer has come.
pub fn note_arrival(ctx: &Exchange) {
    if let Some(attempt) = &ctx.attempt {
        attempt.target.upstream.note_latency(attempt.started.elapsed());
    }
}

/// Takes note of how an attempt went, as far as the status tells, or the failure that was read from the body. True: another one has
/// been prepared.
pub fn judge(status: StatusCode, headers: &HeaderMap, failure: Option<&Failure>, ctx: &mut Exchange) -> bool {
    let Some(attempt) = &ctx.attempt else { return false };
    let upstream = &attempt.target.upstream;
    if let (Some(credentials), Some(grant)) = (&upstream.credentials, &attempt.grant)
        && grant.is_refused_by(status, headers)
    {
        credentials.refused(grant);
        if matches!(ctx.ask, Ask::Run(_)) && ctx.tries.renew() {
            ctx.gateway.metrics.attempt(upstream.name(), "refused");
            return true;
        }
    }
    let remedy = remedy(status, headers, failure.map(|failure| failure.kind));
    if !matches!(ctx.ask, Ask::Run(_)) {
        // What a client asks for in its own words may be refused on account of them: that says nothing of what others will hear.
        if status.is_server_error() {
            upstream.health.note_failure(None);
        }
        ctx.gateway.metrics.attempt(upstream.name(), if remedy == Remedy::None { "answered" } else { "refused" });
        return false;
    }
    let requested = match remedy {
        Remedy::None => None,
        _ => failure.and_then(|failure| failure.retry_after).or_else(|| retry_after(headers)),
    };
    match remedy {
        Remedy::Again => upstream.health.note_failure(requested),
        Remedy::Elsewhere => upstream.health.note_exhausted(),
        Remedy::None => {
            upstream.health.note_success();
            ctx.gateway.metrics.attempt(upstream.name(), "answered");
            return false;
        }
    }
    ctx.gateway.metrics.attempt(upstream.name(), "refused");
    ctx.tries.prepare(remedy, requested)
}

/// Settles what is done with the answer's body.
pub fn prepare(response: &ResponseHeader, ctx: &mut Exchange) -> Result<()> {
    let status = response.status.as_u16();
    let Some(attempt) = &ctx.attempt else { return Ok(()) };
    let is_event_stream = match (&attempt.outgoing.lane, &ctx.ask) {
        (Lane::Forward { .. }, ask) => {
            let is_asked_for = matches!(ask, Ask::Run(run) if run.wants_stream) && response.status.is_success();
            is_type(&response.headers, EVENTS) || is_asked_for && is_untold(&response.headers)
        }
        (_, Ask::Run(run)) => run.wants_stream && response.status.is_success(),
        _ => false,
    };
    let rewrite = match (&attempt.outgoing.lane, &ctx.ask) {
        (Lane::Forward { .. }, Ask::Run(run)) if response.status.as_u16() >= 400 => {
            let (status, headers) = (response.status, response.headers.clone());
            let is_readable = !headers.contains_key(header::CONTENT_ENCODING);
            is_readable.then(|| Box::new(Overheard::new(status, headers, run.operation.dialect())) as Box<dyn Rewrite>)
        }
        (Lane::Forward { .. }, _) => rewrite(response, attempt, is_event_stream),
        (lane, Ask::Run(run)) => translate(response.status, &response.headers, lane, run, ctx.request_id.as_str()),
        _ => None,
    };
    let rewrite = match &ctx.ask {
        Ask::Run(run) if run.operation == Operation::Responses && response.status.is_success() => {
            let is_native = attempt.outgoing.lane.foreign().is_none();
            rewrite.map(|rewrite| stored::keeping(ctx, &attempt.target, is_native, rewrite))
        }
        _ => rewrite,
    };
    let empty = match (attempt.outgoing.lane.foreign(), &ctx.ask) {
        (Some(provider), Ask::Run(run)) if run.wants_stream && is_empty(response) => Some(provider),
        _ => None,
    };
    let answer = &mut ctx.answer;
    answer.status = status;
    answer.first_byte = Some(ctx.started.elapsed());
    answer.is_event_stream = is_event_stream;
    answer.rewrite = rewrite;
    if let Some(provider) = empty {
        let failure = match response.status.is_success() {
            true => Garbled::new("it is empty").into(),
            false => provider.provider().read_failure(response.status, &response.headers, b""),
        };
        return Err(unanswered(&mut ctx.failure, failure));
    }
    Ok(())
}

/// Whether no body will follow, and so no hook for bodies will be called.
fn is_empty(response: &ResponseHeader) -> bool {
    matches!(response.status.as_u16(), 204 | 304)
        || response.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length == "0")
}

/// An answer of another dialect than the client's. It is read whatever it is: what makes no sense becomes a failure.
pub fn translate(
    status: StatusCode,
    headers: &HeaderMap,
    lane: &Lane,
    run: &Run,
    request_id: &str,
) -> Option<Box<dyn Rewrite>> {
    let (provider, client) = (lane.foreign()?, run.operation.dialect());
    if !status.is_success() {
        let id = request_id.to_owned();
        return Some(Box::new(Failed::new(status, headers.clone(), provider, client, id)));
    }
    Some(match lane {
        Lane::Convert { conversion, .. } => Box::new(Whole::new(conversion.clone(), headers)),
        Lane::Audio(request) => Box::new(Spoken::new(request.clone())),
        Lane::Translate { think_tags, .. } | Lane::Forward { think_tags, .. } => {
            let think_tags = *think_tags;
            let is_stream = is_type(headers, EVENTS) || is_type(headers, AMAZONS_EVENTS);
            let is_stream = (is_stream || !run.wants_stream || !is_untold(headers)).then_some(is_stream);
            let reply = run.asked.as_ref().map(|asked| asked.reply.clone()).unwrap_or_default();
            let wants_stream = run.wants_stream;
            let tool_map = lane.tool_map().cloned();
            let translation = Translation { provider, think_tags, is_stream, client, wants_stream, reply, tool_map };
            Box::new(Translate::new(translation))
        }
    })
}

/// How the body is to be treated: looked at where it can tell token counts, changed only where we had asked for them.
fn rewrite(response: &ResponseHeader, attempt: &Attempt, is_event_stream: bool) -> Option<Box<dyn Rewrite>> {
    let is_readable = !response.headers.contains_key(header::CONTENT_ENCODING);
    if response.status.as_u16() != 200 || !is_readable {
        return None;
    }
    let is_told =
        is_event_stream || is_type(&response.headers, "application/json") || is_type(&response.headers, AMAZONS_EVENTS);
    let lane = &attempt.outgoing.lane;
    let same: Box<dyn Rewrite> = match is_event_stream && lane.counts_for_us() {
        true => Box::<WithoutUsage>::default(),
        false => Box::<Forward>::default(),
    };
    match is_told && lane.moves_thoughts() {
        true => Some(Box::new(SplitThoughts::new(same, is_event_stream))),
        false => is_told.then_some(same),
    }
}

/// Whether an answer does not say what it is: some servers stream without a type, or as a text.
fn is_untold(headers: &HeaderMap) -> bool {
    !headers.contains_key(header::CONTENT_TYPE) || is_type(headers, "text/plain")
}

fn is_type(headers: &HeaderMap, wanted: &str) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.get(..wanted.len()).is_some_and(|start| start.eq_ignore_ascii_case(wanted))
}

/// The headers that the client gets.
pub fn response_filter(session: &mut Session, response: &mut ResponseHeader, ctx: &mut Exchange) -> Result<()> {
    if response.status.is_informational() && response.status.as_u16() != 101 {
        return Ok(());
    }
    // Made anew, like the request's: one pass, and what is not put in here does not get through.
    let mut answer = HeaderMap::with_capacity(response.headers.len() + 6);
    let is_upgrade = response.status.as_u16() == 101;
    // Its length would be wrong once an event has been taken out.
    let lane = ctx.attempt.as_ref().map(|attempt| &attempt.outgoing.lane);
    let is_translated = lane.is_some_and(|lane| lane.foreign().is_some());
    let is_shortened = is_translated
        || ctx.answer.is_event_stream && lane.is_some_and(Lane::counts_for_us)
        || lane.is_some_and(Lane::moves_thoughts);
    // An older client knows no chunks: the connection's end is the body's.
    let knows_chunks = session.req_header().version >= Version::HTTP_11;
    let nominated = headers::nominated(&response.headers);
    for (name, value) in &response.headers {
        if is_translated && matches!(*name, header::CONTENT_TYPE | header::CONTENT_ENCODING) {
            continue;
        }
        if *name == X_REQUEST_ID {
            // Two parties name the request; ours is the name that the logs here know it by.
            if value.as_bytes() != ctx.request_id.as_str().as_bytes() {
                append(&mut answer, X_UPSTREAM_REQUEST_ID, value.clone())?;
            }
        } else if *name == header::TRANSFER_ENCODING || *name == header::CONTENT_LENGTH && is_shortened {
            if knows_chunks {
                insert(&mut answer, header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?;
            } else {
                session.set_keepalive(None);
            }
        } else if headers::is_answered(name, &nominated) || is_upgrade && headers::is_handshake(name) {
            append(&mut answer, name, value.clone())?;
        }
    }
    append(&mut answer, X_REQUEST_ID, ctx.request_id.value())?;
    if let Some(attempt) = &ctx.attempt {
        append(&mut answer, X_NARTHEX_INSTANCE, attempt.target.upstream.label.clone())?;
        if let Ok(model) = HeaderValue::from_str(&attempt.target.model)
            && !model.is_empty()
        {
            append(&mut answer, X_NARTHEX_MODEL, model)?;
        }
        append(&mut answer, X_NARTHEX_ATTEMPTS, HeaderValue::from(ctx.tries.made()))?;
        if let Ask::Run(run) = &ctx.ask
            && is_translated
        {
            translated_headers(&mut answer, response.status, run, &attempt.outgoing.lane)?;
        }
    }
    if ctx.answer.is_event_stream {
        // Asks proxies in front of us not to gather events.
        insert(&mut answer, X_ACCEL_BUFFERING, HeaderValue::from_static("no"))?;
    }
    *response = headers::response(response, answer)?;
    Ok(())
}

fn translated_headers(answer: &mut HeaderMap, status: StatusCode, run: &Run, lane: &Lane) -> Result<()> {
    let dialect = run.operation.dialect();
    let dropped = lane.dropped();
    let content_type = match (&run.asked, run.wants_stream && status.is_success()) {
        (Some(asked), true) => dialect.client().stream_type(&asked.reply),
        _ => "application/json",
    };
    let content_type = match lane {
        Lane::Audio(request) if status.is_success() => request.content_type(),
        _ => content_type,
    };
    insert(answer, header::CONTENT_TYPE, HeaderValue::from_static(content_type))?;
    if let Some(class) = dialect.error_type(Kind::of_status(status)).filter(|_| !status.is_success()) {
        insert(answer, X_AMZN_ERRORTYPE, HeaderValue::from_static(class))?;
    }
    if !dropped.is_empty() {
        let names =
            HeaderValue::try_from(listed(dropped)).or_err(ErrorType::InternalError, "names are made presentable")?;
        insert(answer, X_NARTHEX_DROPPED, names)?;
    }
    Ok(())
}

/// Names for a header. Those of unknown members are the client's own words: they may be anything, and any number.
fn listed(names: &[String]) -> String {
    let mut list = String::new();
    for (at, name) in names.iter().enumerate() {
        if list.len() + name.len() > LONGEST_LIST {
            list.push_str(&format!("{}more: {}", if at > 0 { ", " } else { "" }, names.len() - at));
            break;
        }
        list.push_str(if at > 0 { ", " } else { "" });
        list.extend(name.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }));
    }
    list
}

/// `Err`: there is no answer in what the provider sent.
pub fn response_body_filter(body: &mut Option<Bytes>, end_of_stream: bool, ctx: &mut Exchange) -> Result<()> {
    let answer = &mut ctx.answer;
    if let Some(rewrite) = &mut answer.rewrite
        && let Some(chunk) = body.take_if(|chunk| !chunk.is_empty())
    {
        // An empty chunk would look like the end of a chunked body.
        *body = Some(rewrite.push(chunk)).filter(|chunk| !chunk.is_empty());
    }
    if end_of_stream {
        answer.is_complete = true;
        let last = answer.rewrite.as_mut().map_or(Ok(Bytes::new()), |rewrite| rewrite.finish());
        let last = last.map_err(|failure| unanswered(&mut ctx.failure, failure))?;
        note_account(ctx);
        if !last.is_empty() {
            *body = Some(joined(body.take().unwrap_or_default(), last));
        }
    }
    ctx.answer.bytes += body.as_ref().map_or(0, Bytes::len);
    Ok(())
}

/// That an account is at an end may be told by the body alone. It is too late for this exchange, but not for the next.
fn note_account(ctx: &Exchange) {
    let told = ctx.answer.rewrite.as_ref().and_then(|rewrite| rewrite.failure());
    if let (Some(Remedy::Elsewhere), Some(attempt)) = (told.map(|failure| failure.kind.remedy()), &ctx.attempt) {
        attempt.target.upstream.health.note_exhausted();
    }
}

fn unanswered(place: &mut Option<Failure>, failure: Failure) -> Box<Error> {
    let error = Error::explain(KNOWN, failure.message.clone());
    *place = Some(failure);
    error
}

/// What is still to be said when trailers end the body: then no chunk is marked as the last.
pub fn finish(ctx: &mut Exchange) -> Result<Option<Bytes>> {
    ctx.answer.is_complete = true;
    let Some(rewrite) = &mut ctx.answer.rewrite else { return Ok(None) };
    let last = rewrite.finish().map_err(|failure| unanswered(&mut ctx.failure, failure))?;
    note_account(ctx);
    Ok((!last.is_empty()).then_some(last))
}

fn joined(first: Bytes, second: Bytes) -> Bytes {
    if first.is_empty() {
        return second;
    }
    let mut both = BytesMut::with_capacity(first.len() + second.len());
    both.extend_from_slice(&first);
    both.extend_from_slice(&second);
    both.freeze()
}
