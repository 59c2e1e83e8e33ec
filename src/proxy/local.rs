//! What we answer ourselves: health, refusals, and what no provider can; for the list of models see `listing`.

use std::collections::HashMap;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use pingora_core::{Error, ErrorType, Result};
use pingora_proxy::Session;
use serde_json::{Value, json};

use super::context::{Ask, Exchange, Run};
use super::{ResponseHeader, headers};
use crate::dialects::{count, stored};
use crate::endpoints::{Endpoint, Operation};
use crate::error::{Failure, Refusal};
use crate::gateway::Readiness;
use crate::payload::Payload;

pub async fn health(session: &mut Session, ctx: &mut Exchange, endpoint: Endpoint) -> Result<()> {
    let (status, word) = match (endpoint, ctx.gateway.readiness()) {
        (Endpoint::Ready, Readiness::Starting) => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        (Endpoint::Ready, Readiness::Draining) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        (Endpoint::Ready, Readiness::Ready) => (StatusCode::OK, "ready"),
        _ => (StatusCode::OK, "ok"),
    };
    answer(session, ctx, status, &json!({ "status": word })).await
}

/// What needs no provider where none of them can: the number of a request's tokens, estimated; a conversation that is not made
/// shorter.
pub async fn without_provider(session: &mut Session, ctx: &mut Exchange) -> Result<()> {
    let Ask::Run(Run { operation, asked: Some(asked), payload: Payload::Json(object), .. }) = &ctx.ask else {
        return Ok(());
    };
    let tokens = count::estimate(&asked.request);
    let body = match operation {
        Operation::Compact => {
            let id = format!("resp_{}", asked.reply.nonce);
            stored::not_compacted(&id, asked.reply.created, &stored::own_input(object, &HashMap::new()), tokens)
        }
        operation => count::write_count(operation.dialect(), tokens),
    };
    let mut header = header_of(ctx, StatusCode::OK, body.len())?;
    header.insert_header(headers::X_NARTHEX_ESTIMATED, "true")?;
    write(session, ctx, header, body).await
}

/// Answers with our refusal in the client's dialect.
pub async fn refuse(session: &mut Session, ctx: &mut Exchange, refusal: Refusal) -> Result<()> {
    fail(session, ctx, Failure::from(&refusal)).await
}

/// Answers with a failure, a provider's or our own, in the client's dialect.
pub async fn fail(session: &mut Session, ctx: &mut Exchange, failure: Failure) -> Result<()> {
    let body = ctx.dialect().write_failure(&failure, ctx.request_id.as_str());
    let status = failure.status;
    let mut header = header_of(ctx, status, body.len())?;
    if let Some(class) = ctx.dialect().error_type(failure.kind) {
        header.insert_header(headers::X_AMZN_ERRORTYPE, class)?;
    }
    if let Some(patience) = failure.retry_after {
        header.insert_header(header::RETRY_AFTER, patience.as_secs().max(1).to_string())?;
    }
    if let Some(attempt) = &ctx.attempt {
        header.insert_header(headers::X_NARTHEX_INSTANCE, attempt.target.upstream.label.clone())?;
        header.insert_header(headers::X_NARTHEX_ATTEMPTS, HeaderValue::from(ctx.tries.made()))?;
    }
    if status == StatusCode::UNAUTHORIZED {
        header.insert_header(header::WWW_AUTHENTICATE, "Bearer")?;
    }
    ctx.failure = Some(failure);
    // What is left of a body that nobody will read would be taken for the next request.
    if !session.as_downstream_mut().is_body_done() {
        session.set_keepalive(None);
    }
    write(session, ctx, header, body).await
}

pub async fn answer(session: &mut Session, ctx: &mut Exchange, status: StatusCode, body: &Value) -> Result<()> {
    answer_json(session, ctx, status, Bytes::from(body.to_string())).await
}

pub async fn answer_json(session: &mut Session, ctx: &mut Exchange, status: StatusCode, body: Bytes) -> Result<()> {
    let header = header_of(ctx, status, body.len())?;
    write(session, ctx, header, body).await
}

/// Begins an answer that comes in pieces.
pub async fn begin(session: &mut Session, ctx: &mut Exchange, mut header: ResponseHeader) -> Result<()> {
    header.insert_header(headers::X_REQUEST_ID, ctx.request_id.value())?;
    if !header.headers.contains_key(header::CONTENT_LENGTH) {
        header.insert_header(header::TRANSFER_ENCODING, "chunked")?;
    }
    ctx.answer.status = header.status.as_u16();
    session.write_response_header(Box::new(header), false).await.map_err(|error| error.into_down())
}

pub async fn go_on(session: &mut Session, ctx: &mut Exchange, piece: Bytes) -> Result<()> {
    ctx.answer.bytes += piece.len();
    session.write_response_body(Some(piece), false).await.map_err(|error| error.into_down())
}

pub async fn end(session: &mut Session, ctx: &mut Exchange) -> Result<()> {
    session.write_response_body(None, true).await.map_err(|error| error.into_down())?;
    ctx.answer.is_complete = true;
    Ok(())
}

/// Breaks off an answer that cannot be completed, so that it does not look whole.
pub fn broken(why: &str) -> Box<Error> {
    Error::explain(ErrorType::InternalError, why.to_owned())
}

fn header_of(ctx: &Exchange, status: StatusCode, length: usize) -> Result<ResponseHeader> {
    let mut header = ResponseHeader::build_no_case(status, Some(8))?;
    header.insert_header(header::CONTENT_TYPE, "application/json")?;
    header.insert_header(header::CONTENT_LENGTH, HeaderValue::from(length))?;
    header.insert_header(headers::X_REQUEST_ID, ctx.request_id.value())?;
    Ok(header)
}

async fn write(session: &mut Session, ctx: &mut Exchange, header: ResponseHeader, body: Bytes) -> Result<()> {
    ctx.answer.bytes = body.len();
    let is_head = session.req_header().method == Method::HEAD;
    // Apart, since every exchange would carry the room that this takes, and few are answered here.
    Box::pin(session.write_response_header(Box::new(header), is_head)).await?;
    if !is_head {
        Box::pin(session.write_response_body(Some(body), true)).await?;
    }
    ctx.answer.is_complete = true;
    Ok(())
}
