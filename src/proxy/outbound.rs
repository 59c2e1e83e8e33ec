//! What the provider is sent: our header set in place of the client's, and the body that was made for this attempt.

use std::borrow::Cow;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora_core::protocols::http::compression::ResponseCompressionCtx;
use pingora_core::{ErrorType::InternalError, OkOrErr, OrErr, Result};
use pingora_proxy::Session;

use super::context::{Ask, Exchange, Lane, Outgoing};
use super::conversation::conversation;
use super::headers::{append, insert};
use super::{RequestHeader, headers};
use crate::credentials::Grant;
use crate::credentials::aws::{self, Signable, Signed};
use crate::dialects::Dialect;
use crate::payload::Payload;
use crate::providers::{Auth, HeaderSource, Instance, bedrock};
use crate::rope::Rope;

const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// The version that its translation is written for.
const ANTHROPIC_VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("anthropic-version"), HeaderValue::from_static("2023-06-01"));
const WEBSOCKET_FAMILY: &str = "sec-websocket-";

/// **Replaces** the header set: what is not put in here does not leave.
pub fn upstream_request_filter(session: &mut Session, request: &mut RequestHeader, ctx: &mut Exchange) -> Result<()> {
    let attempt = ctx.attempt.as_ref().or_err(InternalError, "an attempt has been made")?;
    let instance = &attempt.target.upstream.instance;
    let client = session.req_header();
    let mut outgoing = HeaderMap::with_capacity(client.headers.len() + 8);
    let host = match &attempt.outgoing.base {
        None => attempt.target.upstream.host.clone(),
        Some(base) => HeaderValue::try_from(base.authority()).or_err(InternalError, "a host is a header value")?,
    };
    append(&mut outgoing, header::HOST, host)?;
    match &ctx.ask {
        Ask::Run(run) => run_headers(client, &run.payload, &attempt.outgoing, &mut outgoing)?,
        ask => {
            passthrough_headers(
                client,
                request,
                matches!(ask, Ask::Passthrough(rest) if rest.is_upgrade),
                &mut outgoing,
            )?;
            if let Some(body) = &attempt.outgoing.body {
                outgoing.remove(header::TRANSFER_ENCODING);
                insert(&mut outgoing, header::CONTENT_LENGTH, HeaderValue::from(body.len()))?;
            }
        }
    }
    append(&mut outgoing, header::ACCEPT_ENCODING, IDENTITY)?;
    // The client's own id only where it was fit to be the exchange's.
    insert(&mut outgoing, headers::X_REQUEST_ID, ctx.request_id.value())?;
    let body =
        attempt.outgoing.body.as_ref().filter(|_| matches!(&ctx.ask, Ask::Run(run) if run.operation.generates()));
    provider_headers(instance, &ctx.gateway.session_id, body, &mut outgoing)?;
    if let Some((name, value)) = attempt.target.upstream.credential(attempt.outgoing.auth) {
        insert(&mut outgoing, name, value.clone())?;
    }
    if let Some(grant) = attempt.grant.as_deref() {
        let Outgoing { path_and_query, auth, body, .. } = &attempt.outgoing;
        let body = body.as_ref().map(Rope::to_bytes).unwrap_or_default();
        let body = Signed::Bytes(&body);
        let unsigned = Unsigned { method: client.method.as_str(), path_and_query, body, auth: *auth };
        authorise(&unsigned, &mut outgoing, instance, grant)?;
    }
    // Pingora has set the version that the provider speaks.
    let path = &attempt.outgoing.path_and_query;
    *request = headers::request(client.method.clone(), path, request.version, outgoing)?;
    session.upstream_compression = ResponseCompressionCtx::new(0, false, false);
    if attempt.outgoing.body.is_none() {
        expect_encoded(session);
    }
    Ok(())
}

/// A request but for what shows who sends it.
pub struct Unsigned<'a> {
    pub method: &'a str,
    pub path_and_query: &'a str,
    pub body: Signed<'a>,
    pub auth: Auth,
}

/// Puts a grant on the headers of a request. Comes last: nothing that a signature covers may change behind it.
pub fn authorise(
    &Unsigned { method, path_and_query, body, auth }: &Unsigned<'_>,
    headers: &mut HeaderMap,
    instance: &Instance,
    grant: &Grant,
) -> Result<()> {
    let (credentials, service) = match (grant, auth) {
        (Grant::Bearer(value), _) => return insert(headers, header::AUTHORIZATION, value.clone()),
        (Grant::Aws(credentials), Auth::AwsSignature(service)) => (credentials, service),
        (Grant::Aws(_), _) => return Ok(()),
    };
    let request = Signable { method, path_and_query, headers, body, service };
    let region = bedrock::region(instance);
    let made =
        aws::sign(&request, credentials, region, SystemTime::now()).or_err(InternalError, "it has no signature")?;
    made.into_iter().try_for_each(|(name, value)| insert(headers, name, value))
}

/// An answer that comes encoded although `identity` was asked for is decoded; only a part of an encoded file cannot be. Pingora's decoder
/// would read at some length what encodings are asked for, unless it is told to work only after the header has been sent. It is
/// made anew for each attempt: what it decided for one must not stick to the next.
pub fn expect_encoded(session: &mut Session) {
    let decodes = !session.req_header().headers.contains_key(header::RANGE);
    session.upstream_compression = ResponseCompressionCtx::new(0, decodes, false);
}

/// Pingora asks for the body with the client's bytes in hand. A body of our own takes their place, whole, at the end.
pub fn request_body_filter(session: &mut Session, body: &mut Option<Bytes>, end_of_stream: bool, ctx: &mut Exchange) {
    let Some(outgoing) = ctx.attempt.as_ref().and_then(|attempt| attempt.outgoing.body.as_ref()) else { return };
    // `None` would end the body.
    *body = Some(if end_of_stream { outgoing.to_bytes() } else { Bytes::new() });
    if end_of_stream {
        expect_encoded(session);
    }
}

fn run_headers(client: &RequestHeader, payload: &Payload, sent: &Outgoing, outgoing: &mut HeaderMap) -> Result<()> {
    let nominated = headers::nominated(&client.headers);
    let is_translated = sent.lane.foreign().is_some();
    for (name, value) in client.headers.iter().filter(|(name, _)| headers::is_forwarded(name, &nominated)) {
        if !is_translated || !headers::is_of_a_dialect(name) {
            append(outgoing, name, value.clone())?;
        }
    }
    if sent.lane.foreign() == Some(Dialect::Anthropic) {
        append(outgoing, ANTHROPIC_VERSION.0, ANTHROPIC_VERSION.1)?;
    }
    if matches!(payload, Payload::Json(_)) || matches!(sent.lane, Lane::Audio(_)) {
        let is_json = |value: &HeaderValue| value.as_bytes().windows(4).any(|word| word.eq_ignore_ascii_case(b"json"));
        if !outgoing.get(header::CONTENT_TYPE).is_some_and(is_json) {
            insert(outgoing, header::CONTENT_TYPE, JSON)?;
        }
    }
    let length = sent.body.as_ref().map_or(0, Rope::len);
    append(outgoing, header::CONTENT_LENGTH, HeaderValue::from(length))?;
    Ok(())
}

/// `request` is what Pingora would send: it knows how the client framed its body.
fn passthrough_headers(
    client: &RequestHeader,
    request: &RequestHeader,
    is_upgrade: bool,
    outgoing: &mut HeaderMap,
) -> Result<()> {
    let nominated = headers::nominated(&client.headers);
    for (name, value) in &client.headers {
        let passes =
            headers::is_passed_through(name, &nominated) || is_upgrade && name.as_str().starts_with(WEBSOCKET_FAMILY);
        let value = match *name {
            _ if !passes => None,
            header::SEC_WEBSOCKET_PROTOCOL => headers::protocols_without_keys(value),
            _ => Some(value.clone()),
        };
        if let Some(value) = value {
            append(outgoing, name, value)?;
        }
    }
    for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
        if let Some(value) = request.headers.get(&name) {
            insert(outgoing, name, value.clone())?;
        }
    }
    if is_upgrade {
        for name in [header::CONNECTION, header::UPGRADE] {
            if let Some(value) = client.headers.get(&name) {
                insert(outgoing, name, value.clone())?;
            }
        }
    }
    Ok(())
}

/// What the provider's row and the user want sent. The client's own headers win over the row's, the user's over both.
fn provider_headers(
    instance: &Instance,
    session_id: &str,
    body: Option<&Rope>,
    outgoing: &mut HeaderMap,
) -> Result<()> {
    for default in instance.provider.headers {
        let name = HeaderName::from_static(default.name);
        if outgoing.contains_key(&name) {
            continue;
        }
        let value = match default.value {
            HeaderSource::Fixed(value) => Some(Cow::Borrowed(value)),
            HeaderSource::Option(option, otherwise) => instance.option(option).or(otherwise).map(Cow::Borrowed),
            HeaderSource::Session => Some(Cow::Borrowed(session_id)),
            HeaderSource::Conversation => body.and_then(conversation).map(Cow::Owned),
        };
        if let Some(value) = value {
            let value = HeaderValue::try_from(&*value).or_err(InternalError, "a setting is no header value")?;
            insert(outgoing, name, value)?;
        }
    }
    for (name, value) in &instance.headers {
        insert(outgoing, name, value.clone())?;
    }
    Ok(())
}
