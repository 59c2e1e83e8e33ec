//! What we answer ourselves: health, the models, and refusals.

use std::collections::HashMap;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use pingora_core::Result;
use pingora_proxy::Session;
use serde_json::{Value, json};

use super::admit::Stop;
use super::context::{Ask, Exchange, Run};
use super::{ResponseHeader, headers};
use crate::dialects::{count, stored};
use crate::endpoints::{Endpoint, Operation};
use crate::error::{Failure, Kind, Refusal};
use crate::gateway::Readiness;
use crate::payload::Payload;
use crate::routing::Upstream;

pub async fn health(session: &mut Session, ctx: &mut Exchange, endpoint: Endpoint) -> Result<()> {
    let (status, word) = match (endpoint, ctx.gateway.readiness()) {
        (Endpoint::Ready, Readiness::Starting) => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        (Endpoint::Ready, Readiness::Draining) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        (Endpoint::Ready, Readiness::Ready) => (StatusCode::OK, "ready"),
        _ => (StatusCode::OK, "ok"),
    };
    answer(session, ctx, status, &json!({ "status": word })).await
}

/// `GET /v1/models`: everything that a client may ask for, by qualified names, and the names that the user has given.
pub async fn list_models(session: &mut Session, ctx: &mut Exchange) -> Result<(), Stop> {
    let models: Vec<Value> = all_models(ctx).into_iter().map(|(_, model)| model).collect();
    if models.is_empty() && ctx.gateway.readiness() == Readiness::Starting {
        return Err(not_ready().into());
    }
    let list = match () {
        () if is_anthropic(session) => anthropic_list(&models),
        () if is_google(session) => return gemini_models(session, ctx, "").await,
        () => json!({ "object": "list", "data": models }),
    };
    answer(session, ctx, StatusCode::OK, &list).await?;
    Ok(())
}

/// `GET /v1beta/models` and `GET /v1beta/models/{id}`: the same as Gemini's SDKs read it.
pub async fn gemini_models(session: &mut Session, ctx: &mut Exchange, tail: &str) -> Result<(), Stop> {
    let shown = |id: &str| {
        json!({
            "name": format!("models/{id}"),
            "displayName": id,
            "supportedGenerationMethods": ["generateContent", "countTokens"],
        })
    };
    if !tail.is_empty() {
        let id = percent_encoding::percent_decode_str(tail).decode_utf8_lossy().into_owned();
        let model = find_model(ctx, &id)?;
        answer(session, ctx, StatusCode::OK, &shown(model.get("id").and_then(Value::as_str).unwrap_or(&id))).await?;
        return Ok(());
    }
    let models: Vec<Value> = all_models(ctx).into_iter().map(|(id, _)| shown(&id)).collect();
    answer(session, ctx, StatusCode::OK, &json!({ "models": models })).await?;
    Ok(())
}

/// `GET /v1/models/{id}`: any name that leads somewhere.
pub async fn retrieve_model(session: &mut Session, ctx: &mut Exchange, tail: &str) -> Result<(), Stop> {
    let id = percent_encoding::percent_decode_str(tail).decode_utf8_lossy().into_owned();
    let model = find_model(ctx, &id)?;
    if is_google(session) {
        return gemini_models(session, ctx, tail).await;
    }
    let model = if is_anthropic(session) { anthropic_object(&model) } else { model };
    answer(session, ctx, StatusCode::OK, &model).await?;
    Ok(())
}

fn find_model(ctx: &Exchange, id: &str) -> Result<Value, Refusal> {
    let listed = all_models(ctx).into_iter().find(|(name, _)| name == id).map(|(_, model)| model);
    listed.or_else(|| bare_model(ctx, id)).ok_or_else(|| {
        if ctx.gateway.readiness() == Readiness::Starting {
            return not_ready();
        }
        let message = format!("The model `{id}` does not exist here; /v1/models lists those that do.");
        Refusal::new(Kind::NotFound, message).code("model_not_found").param("model")
    })
}

/// Anthropic's SDKs name the version of the API that they speak, and want its shape of the list.
fn is_anthropic(session: &Session) -> bool {
    session.req_header().headers.contains_key("anthropic-version")
}

/// Google's SDKs name themselves.
fn is_google(session: &Session) -> bool {
    session.req_header().headers.contains_key("x-goog-api-client")
}

fn anthropic_object(model: &Value) -> Value {
    let id = model.get("id").cloned().unwrap_or_default();
    let created = model.get("created").and_then(Value::as_u64).unwrap_or(0);
    let created = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(created)).to_string();
    json!({ "type": "model", "id": id, "display_name": id, "created_at": created })
}

fn anthropic_list(models: &[Value]) -> Value {
    let data: Vec<Value> = models.iter().map(anthropic_object).collect();
    let id_of = |model: Option<&Value>| model.and_then(|model| model.get("id")).cloned();
    json!({ "first_id": id_of(data.first()), "last_id": id_of(data.last()), "has_more": false, "data": data })
}

fn not_ready() -> Refusal {
    let message = "The providers' lists of models are still being fetched.";
    Refusal::new(Kind::Unavailable, message).code("models_not_ready").retry_after(1)
}

/// The models that this tenant may use, sorted by id.
fn all_models(ctx: &Exchange) -> Vec<(String, Value)> {
    let gateway = &ctx.gateway;
    let own = gateway.config.models.iter().map(|entry| (entry.name.clone(), object(&entry.name, 0, "narthex")));
    let listed = gateway.upstreams.iter().flat_map(|upstream| of_upstream(upstream));
    let may_use = |name: &str| ctx.tenant.as_ref().is_none_or(|tenant| tenant.may_use(name));
    // A tenant's list may have names that ours spells otherwise.
    let spelled = ctx.tenant.iter().flat_map(|tenant| tenant.models.iter().flatten());
    let spelled = spelled.filter_map(|name| Some((name.clone(), bare_model(ctx, name)?)));
    let mut models: Vec<_> = own.chain(listed).chain(spelled).filter(|(name, _)| may_use(name)).collect();
    models.sort_by(|a, b| a.0.cmp(&b.0));
    // A name that the user has given stands before a model that is called the same.
    models.dedup_by(|later, first| later.0 == first.0);
    models
}

fn of_upstream(upstream: &Upstream) -> Vec<(String, Value)> {
    let inventory = upstream.inventory.load();
    let named = inventory.models.iter().map(|model| {
        let id = format!("{}/{}", upstream.name(), model.id);
        let object = object(&id, model.created.unwrap_or(0), upstream.name());
        (id, object)
    });
    named.collect()
}

/// A name that the list spells otherwise: `gpt-5.5`, or `provider/model` over several instances.
fn bare_model(ctx: &Exchange, id: &str) -> Option<Value> {
    let routes = ctx.gateway.routes.load();
    let is_allowed = ctx.tenant.as_ref().is_none_or(|tenant| tenant.may_use(id));
    if !routes.is_listed(id) || !is_allowed {
        return None;
    }
    let route = routes.resolve(id).ok()?;
    let target = route.targets().first()?;
    let inventory = target.upstream.inventory.load();
    let created = inventory.models.iter().find(|model| model.id == *target.model).and_then(|model| model.created);
    Some(object(id, created.unwrap_or(0), target.upstream.name()))
}

fn object(id: &str, created: u64, owned_by: &str) -> Value {
    json!({ "id": id, "object": "model", "created": created, "owned_by": owned_by })
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

async fn answer(session: &mut Session, ctx: &mut Exchange, status: StatusCode, body: &Value) -> Result<()> {
    answer_json(session, ctx, status, Bytes::from(body.to_string())).await
}

pub async fn answer_json(session: &mut Session, ctx: &mut Exchange, status: StatusCode, body: Bytes) -> Result<()> {
    let header = header_of(ctx, status, body.len())?;
    write(session, ctx, header, body).await
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
