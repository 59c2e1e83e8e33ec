//! The connection's side of an exchange: the request's bytes in, the answer's bytes out, each stream event on its own.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, RETRY_AFTER};
use http::header::{HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora_core::Result;
use pingora_core::protocols::http::ServerSession;

use super::Behaviour;
use super::answer::{Answer, Events};
use super::discard::{Discarded, Sieve};
use super::headers::DialectHeaders;
use super::routes::Operation;
use crate::dialects::Dialect;
use crate::error::{Kind, Refusal};

pub const KEEPALIVE_SECONDS: u64 = 60;

/// Enough for audio and long documents, too little to fill a small machine's memory by accident.
const BODY_LIMIT: usize = 64 << 20;

/// OpenAI's limit of a file, and some room for the form around it.
const UPLOAD_LIMIT: usize = (512 << 20) + (1 << 20);

/// Of what is sent from the stock.
const PIECE: usize = 64 << 10;

const TIME_TO_WRITE: Duration = Duration::from_millis(20);

/// A request without its body.
pub struct Head {
    pub method: Method,
    /// Without the query.
    pub path: String,
    pub query: Option<String>,
    pub content_type: Option<HeaderValue>,
    /// As the client calls us.
    pub host: Option<HeaderValue>,
    /// The headers of an upload in pieces, which begin with `x-goog-upload-`.
    pub upload: HeaderMap,
    /// The dialect of the client, as far as its headers tell.
    pub client: Dialect,
    /// The `x-simulate` header.
    pub simulate: Option<HeaderValue>,
    pub id: HeaderValue,
    received: Instant,
}

impl Head {
    pub fn of(session: &ServerSession) -> Self {
        let head = session.req_header();
        Self {
            method: head.method.clone(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().map(str::to_owned),
            content_type: head.headers.get(CONTENT_TYPE).cloned(),
            host: host(head),
            upload: upload(&head.headers),
            client: client(&head.headers),
            simulate: head.headers.get("x-simulate").cloned(),
            id: head.headers.get("x-request-id").cloned().unwrap_or_else(new_id),
            received: Instant::now(),
        }
    }

    pub fn id(&self) -> &str {
        self.id.to_str().unwrap_or_default()
    }
}

/// How an exchange ended, as far as the simulator had a say in it.
pub enum Outcome {
    Answered,
    /// The peer is to be left alone in mid-answer.
    Cut,
}

/// How much of a body is taken.
pub struct Limits {
    most: usize,
    /// Where the connection is closed instead.
    cut: Option<usize>,
    /// Whether files in forms are not kept.
    discards: bool,
}

impl Limits {
    pub fn of(operation: Option<&Operation>, behaviour: &Behaviour) -> Self {
        match operation {
            Some(Operation::Kept(_)) => {
                Self { most: UPLOAD_LIMIT, cut: behaviour.cut_upload, discards: behaviour.discard_uploads }
            }
            _ => Self { most: BODY_LIMIT, cut: None, discards: false },
        }
    }
}

pub struct Body {
    pub bytes: Bytes,
    /// The file in it that was not kept; `bytes` are without its middle.
    pub discarded: Option<Discarded>,
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, discarded: None }
    }
}

pub enum Received {
    Body(Body),
    Refused(Refusal),
    Cut,
}

/// The body is refused if it is too long.
pub async fn receive(session: &mut ServerSession, limits: &Limits) -> Result<Received> {
    let head = session.req_header();
    let length = head
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok())
        .unwrap_or_default();
    let waits = head.headers.contains_key(EXPECT);
    if length > limits.most {
        return Ok(Received::Refused(too_large(session, limits)));
    }
    if waits {
        session.write_continue_response().await?;
    }
    let is_form = |kind: &HeaderValue| kind.as_bytes().starts_with(b"multipart/form-data");
    if limits.discards && session.req_header().headers.get(CONTENT_TYPE).is_some_and(is_form) {
        return sieve(session, limits).await;
    }
    // Nearly always the body comes in one piece, which then need not be copied.
    let Some(first) = session.read_request_body().await? else {
        return Ok(Received::Body(Bytes::new().into()));
    };
    if limits.cut.is_some_and(|cut| first.len() >= cut) {
        return Ok(Received::Cut);
    }
    let Some(second) = session.read_request_body().await? else {
        return Ok(Received::Body(first.into()));
    };
    let mut body = BytesMut::with_capacity(length.max(first.len() + second.len()));
    body.extend_from_slice(&first);
    body.extend_from_slice(&second);
    loop {
        if limits.cut.is_some_and(|cut| body.len() >= cut) {
            return Ok(Received::Cut);
        }
        let Some(chunk) = session.read_request_body().await? else {
            return Ok(Received::Body(body.freeze().into()));
        };
        if body.len() + chunk.len() > limits.most {
            return Ok(Received::Refused(too_large(session, limits)));
        }
        body.extend_from_slice(&chunk);
    }
}

/// A form, without the bytes of its file.
async fn sieve(session: &mut ServerSession, limits: &Limits) -> Result<Received> {
    let mut sieve = Sieve::default();
    while let Some(chunk) = session.read_request_body().await? {
        sieve.push(&chunk);
        if limits.cut.is_some_and(|cut| sieve.len() >= cut) {
            return Ok(Received::Cut);
        }
        if sieve.len() > limits.most {
            return Ok(Received::Refused(too_large(session, limits)));
        }
    }
    let (bytes, discarded) = sieve.finish();
    Ok(Received::Body(Body { bytes, discarded }))
}

/// The rest of such a body is not worth reading: the connection ends with the answer.
fn too_large(session: &mut ServerSession, limits: &Limits) -> Refusal {
    session.set_keepalive(None);
    Refusal::new(Kind::TooLarge, format!("The body exceeds {} bytes.", limits.most))
}

pub async fn send(
    session: &mut ServerSession,
    request: &Head,
    answer: Answer,
    behaviour: &Behaviour,
    headers: &DialectHeaders,
) -> Result<Outcome> {
    wait(behaviour.latency).await;
    if behaviour.cut == Some(0) {
        return Ok(Outcome::Cut);
    }
    match answer {
        Answer::Whole { content_type, body } => {
            let head = head(StatusCode::OK, content_type, request, headers)?;
            send_whole(session, head, body).await
        }
        Answer::Nothing => {
            let mut head = ResponseHeader::build_no_case(StatusCode::NO_CONTENT, Some(headers.constant.len()))?;
            for (name, value) in headers.constant {
                head.insert_header(*name, HeaderValue::from_static(value))?;
            }
            session.write_response_header(Box::new(head)).await?;
            Ok(Outcome::Answered)
        }
        Answer::Failed { head: failure, body } => {
            let mut head = head(failure.status, "application/json", request, headers)?;
            if let Some(after) = failure.retry_after {
                head.insert_header(RETRY_AFTER, after.as_secs())?;
            }
            if let Some((name, value)) = failure.header {
                head.insert_header(name, value)?;
            }
            send_whole(session, head, body).await
        }
        Answer::Kept { headers: own, body } => {
            let mut head = head(StatusCode::OK, "application/json", request, headers)?;
            for (name, value) in own {
                head.insert_header(name, value)?;
            }
            send_pieces(session, head, body, behaviour).await
        }
        Answer::Stream { content_type, events } => {
            let mut head = head(StatusCode::OK, content_type, request, headers)?;
            head.insert_header(CACHE_CONTROL, HeaderValue::from_static("no-cache"))?;
            send_stream(session, head, events, behaviour).await
        }
    }
}

async fn send_whole(session: &mut ServerSession, mut head: ResponseHeader, body: Bytes) -> Result<Outcome> {
    head.insert_header(CONTENT_LENGTH, body.len())?;
    session.write_response_header(Box::new(head)).await?;
    session.write_response_body(body, true).await?;
    Ok(Outcome::Answered)
}

/// With a length, so that the peer notices a cut.
async fn send_pieces(
    session: &mut ServerSession,
    mut head: ResponseHeader,
    mut body: Bytes,
    behaviour: &Behaviour,
) -> Result<Outcome> {
    head.insert_header(CONTENT_LENGTH, body.len())?;
    session.write_response_header(Box::new(head)).await?;
    let mut sent = 0;
    while !body.is_empty() {
        if behaviour.cut.is_some_and(|cut| sent >= cut) {
            return cut_off(session).await;
        }
        let piece = body.split_to(PIECE.min(body.len()));
        session.write_response_body(piece, false).await?;
        sent += 1;
    }
    session.write_response_body(Bytes::new(), true).await?;
    Ok(Outcome::Answered)
}

/// A reset of an HTTP/2 stream throws away what its connection has not written yet.
async fn cut_off(session: &ServerSession) -> Result<Outcome> {
    if session.is_http2() {
        wait(TIME_TO_WRITE).await;
    }
    Ok(Outcome::Cut)
}

async fn send_stream(
    session: &mut ServerSession,
    mut head: ResponseHeader,
    events: Events,
    behaviour: &Behaviour,
) -> Result<Outcome> {
    if session.req_header().version >= Version::HTTP_11 {
        head.insert_header(TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?;
    } else {
        // An older client reads until the connection closes.
        session.set_keepalive(None);
    }
    session.write_response_header(Box::new(head)).await?;
    for (sent, frame) in events.into_frames().enumerate() {
        if behaviour.cut.is_some_and(|cut| sent >= cut) {
            return cut_off(session).await;
        }
        if sent > 0 {
            wait(behaviour.pace).await;
        }
        session.write_response_body(frame, false).await?;
    }
    session.write_response_body(Bytes::new(), true).await?;
    Ok(Outcome::Answered)
}

fn head(
    status: StatusCode,
    content_type: &'static str,
    request: &Head,
    headers: &DialectHeaders,
) -> Result<ResponseHeader> {
    let mut head = ResponseHeader::build_no_case(status, Some(headers.constant.len() + 8))?;
    head.insert_header(CONTENT_TYPE, HeaderValue::from_static(content_type))?;
    if let Some(name) = headers.request_id {
        head.insert_header(name, request.id.clone())?;
    }
    if let Some(name) = headers.milliseconds {
        let millis = u64::try_from(request.received.elapsed().as_millis()).unwrap_or(u64::MAX);
        head.insert_header(name, millis)?;
    }
    for (name, value) in headers.constant {
        head.insert_header(*name, HeaderValue::from_static(value))?;
    }
    Ok(head)
}

/// Two vendors' clients send what no other does.
fn client(headers: &HeaderMap) -> Dialect {
    if headers.contains_key("anthropic-version") {
        Dialect::Anthropic
    } else if headers.contains_key("x-goog-api-key") {
        Dialect::Gemini
    } else {
        Dialect::OpenaiChat
    }
}

fn host(head: &RequestHeader) -> Option<HeaderValue> {
    let authority = || HeaderValue::try_from(head.uri.authority()?.as_str()).ok();
    head.headers.get(HOST).cloned().or_else(authority)
}

/// Costs nothing where there are none.
fn upload(headers: &HeaderMap) -> HeaderMap {
    if !headers.contains_key("x-goog-upload-command") {
        return HeaderMap::new();
    }
    let mut found = HeaderMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| name.as_str().starts_with("x-goog-upload-")) {
        found.append(name, value.clone());
    }
    found
}

fn new_id() -> HeaderValue {
    let id = format!("req_{:032x}", fastrand::u128(..));
    HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("req_0"))
}

async fn wait(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}
