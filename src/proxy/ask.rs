//! Requests of our own to a provider: for its list of models, and to see whether it can be reached at all.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use pingora_core::connectors::http::Connector;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType};

use super::dns::Dns;
use super::{RequestHeader, outbound};
use crate::credentials::NoGrant;
use crate::providers::{Auth, BaseUrl, HeaderSource};
use crate::routing::Upstream;

/// The longest silence.
const PATIENCE: Duration = Duration::from_secs(15);
const LONGEST: usize = 16 << 20;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

pub struct Question<'a> {
    pub method: Method,
    pub base: &'a BaseUrl,
    pub path_and_query: &'a str,
    pub auth: Auth,
    pub body: &'static [u8],
}

#[derive(Debug)]
pub struct Told {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why nothing was told.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error("the host {host} cannot be resolved: {why}")]
    Unresolved { host: String, why: std::io::Error },
    #[error(transparent)]
    NoGrant(#[from] NoGrant),
    #[error("{}", broken(.0))]
    Broken(Box<Error>),
    #[error("it is too long")]
    TooLong,
}

impl From<Box<Error>> for Trouble {
    fn from(error: Box<Error>) -> Self {
        Self::Broken(error)
    }
}

/// What went wrong on the wire, in words. Pingora's context may name what is nobody's business.
fn broken(error: &Error) -> String {
    match error.etype() {
        ErrorType::ConnectTimedout => "nobody answers there: the connection timed out".to_owned(),
        ErrorType::ConnectRefused => "the connection is refused: nothing listens there".to_owned(),
        ErrorType::ConnectNoRoute => "there is no route to it".to_owned(),
        ErrorType::TLSHandshakeFailure | ErrorType::TLSHandshakeTimedout => {
            "the TLS handshake failed: is it really https that is spoken there?".to_owned()
        }
        ErrorType::InvalidCert => {
            "its certificate is not one that is trusted here: `server.ca_file` adds authorities".to_owned()
        }
        ErrorType::ReadTimedout => format!("it kept silent for {} s", PATIENCE.as_secs()),
        ErrorType::ConnectionClosed | ErrorType::ReadError => {
            "it hung up without an answer; where http and https are mixed up, that is what happens".to_owned()
        }
        other => other.as_str().to_owned(),
    }
}

/// One exchange, with the instance's credentials.
pub async fn ask(
    upstream: &Upstream,
    dns: &Arc<Dns>,
    connector: &Connector,
    question: &Question<'_>,
) -> Result<Told, Trouble> {
    let (instance, base) = (&upstream.instance, question.base);
    let unresolved = |why| Trouble::Unresolved { host: base.host.clone(), why };
    let address = dns.resolve(&base.host, base.port).await.map_err(unresolved)?;
    let mut peer = HttpPeer::new(address, base.tls, base.host.clone());
    peer.options.total_connection_timeout = Some(instance.timeouts.connect);

    let request = request(upstream, question).await?;
    let (mut session, _) = connector.get_http_session(&peer).await?;
    session.set_read_timeout(Some(PATIENCE));
    session.write_request_header(Box::new(request)).await?;
    if !question.body.is_empty() {
        session.write_request_body(Bytes::from_static(question.body), true).await?;
    }
    session.finish_request_body().await?;
    session.read_response_header().await?;
    let (status, headers) = match session.response_header() {
        Some(response) => (response.status, response.headers.clone()),
        None => return Err(Error::explain(ErrorType::ReadError, "it has no head").into()),
    };
    let mut body = BytesMut::new();
    while let Some(chunk) = session.read_response_body().await? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST {
            return Err(Trouble::TooLong);
        }
    }
    connector.release_http_session(session, &peer, None).await;
    Ok(Told { status, headers, body: body.freeze() })
}

async fn request(upstream: &Upstream, question: &Question<'_>) -> Result<RequestHeader, Trouble> {
    let instance = &upstream.instance;
    let path = question.path_and_query;
    let mut request = RequestHeader::build_no_case(question.method.clone(), path.as_bytes(), Some(8))?;
    let host = HeaderValue::try_from(question.base.authority()).unwrap_or(HeaderValue::from_static(""));
    request.insert_header(header::HOST, host)?;
    request.insert_header(header::ACCEPT, JSON)?;
    request.insert_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))?;
    request.insert_header(header::USER_AGENT, concat!("narthex/", env!("CARGO_PKG_VERSION")))?;
    if !question.body.is_empty() {
        request.insert_header(header::CONTENT_TYPE, JSON)?;
        request.insert_header(header::CONTENT_LENGTH, HeaderValue::from(question.body.len()))?;
    }
    for default in instance.provider.headers {
        if let HeaderSource::Fixed(value) = default.value {
            request.insert_header(HeaderName::from_static(default.name), value)?;
        }
    }
    if let Some((name, value)) = instance.credential(question.auth) {
        request.insert_header(name, value)?;
    }
    for (name, value) in &instance.headers {
        request.insert_header(name.clone(), value.clone())?;
    }
    if let Some(credentials) = &upstream.credentials {
        let grant = credentials.grant().await?;
        outbound::authorise(&mut request, path, question.body, instance, &grant)?;
    }
    Ok(request)
}
