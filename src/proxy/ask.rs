//! Requests of our own to a provider: for its list of models, for files and batches, and to see whether it can be reached at all.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use once_cell::sync::Lazy;
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType};

use super::dns::Dns;
use super::gathered::gathered;
use super::headers::insert;
use super::outbound::{self, Unsigned};
use super::sending::{final_header, still_answered};
use super::{RequestHeader, headers};
use crate::credentials::aws::Signed;
use crate::credentials::{Credentials, Grant, NoGrant};
use crate::providers::{Auth, BaseUrl, HeaderSource};
use crate::routing::Upstream;

/// The longest silence.
const PATIENCE: Duration = Duration::from_secs(15);
const LONGEST: usize = 16 << 20;
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("narthex/", env!("CARGO_PKG_VERSION")));

pub struct Question<'a> {
    pub method: Method,
    pub base: &'a BaseUrl,
    pub path_and_query: &'a str,
    pub auth: Auth,
    /// Beside those that every request has.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Body,
}

/// What is sent along.
#[derive(Debug, Clone)]
pub enum Body {
    None,
    Json(Bytes),
    /// It is written when the connection is there: so many bytes, where that is known.
    Following(Option<u64>),
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

/// Asks on behalf of files and batches, from wherever they are seen to.
pub struct Caller {
    dns: Arc<Dns>,
    /// Made when it is first needed: it holds a megabyte of trusted certificates.
    connector: Lazy<Connector, Box<dyn FnOnce() -> Connector + Send>>,
}

impl Caller {
    pub fn new(dns: Arc<Dns>, options: ConnectorOptions) -> Self {
        Self { dns, connector: Lazy::new(Box::new(move || Connector::new(Some(options)))) }
    }

    /// One whole exchange.
    pub async fn ask(&self, upstream: &Upstream, question: &Question<'_>) -> Result<Told, Trouble> {
        ask(upstream, &self.dns, &self.connector, question).await
    }

    /// An exchange whose body or answer is too long to be held. Silence is borne as long as with any exchange of the instance.
    pub async fn begin(&self, upstream: &Upstream, question: &Question<'_>) -> Result<Talk, Trouble> {
        begin(upstream, &self.dns, &self.connector, question, upstream.instance.timeouts.read).await
    }
}

/// An exchange under way.
pub struct Talk {
    session: HttpSession,
    peer: HttpPeer,
    is_reused: bool,
    /// Whether what was written so far was taken.
    sent: pingora_core::Result<()>,
    /// What allows it, and whose it is, where a key is not enough.
    grant: Option<(Arc<Credentials>, Arc<Grant>)>,
    /// The provider has not taken the grant: another try gets a new one.
    is_grant_refused: bool,
}

impl Talk {
    /// A piece of the body. False: nobody takes any more of it; what is answered tells why.
    pub async fn write(&mut self, piece: Bytes) -> bool {
        if self.sent.is_ok() {
            self.sent = self.session.write_request_body(piece, false).await;
        }
        self.sent.is_ok()
    }

    /// The body is complete; what is answered?
    pub async fn answer(&mut self) -> Result<(StatusCode, HeaderMap), Trouble> {
        let sent = match std::mem::replace(&mut self.sent, Ok(())) {
            Ok(()) => self.session.finish_request_body().await,
            failed => failed,
        };
        still_answered(sent)?;
        let header = final_header(&mut self.session).await?;
        if let Some((credentials, grant)) = &self.grant
            && grant.is_refused_by(header.status, &header.headers)
        {
            credentials.refused(grant);
            self.is_grant_refused = true;
        }
        Ok((header.status, header.headers.clone()))
    }

    /// The next piece of the answer's body.
    pub async fn read(&mut self) -> Result<Option<Bytes>, Trouble> {
        Ok(self.session.read_response_body().await?)
    }

    /// The whole answer.
    pub async fn told(&mut self) -> Result<Told, Trouble> {
        let (status, headers) = self.answer().await?;
        self.told_of(status, headers).await
    }

    /// The rest of an answer whose header is known.
    pub async fn told_of(&mut self, status: StatusCode, headers: HeaderMap) -> Result<Told, Trouble> {
        let mut body = BytesMut::new();
        while let Some(piece) = self.read().await? {
            body.extend_from_slice(&piece);
            if body.len() > LONGEST {
                return Err(Trouble::TooLong);
            }
        }
        Ok(Told { status, headers, body: body.freeze() })
    }
}

/// One exchange, with the instance's credentials.
pub async fn ask(
    upstream: &Upstream,
    dns: &Arc<Dns>,
    connector: &Connector,
    question: &Question<'_>,
) -> Result<Told, Trouble> {
    let mut is_renewed = false;
    loop {
        let mut talk = begin(upstream, dns, connector, question, PATIENCE).await?;
        match talk.told().await {
            Ok(told) => {
                let Talk { session, peer, is_grant_refused, .. } = talk;
                if peer.group_key == 0 {
                    connector.release_http_session(session, &peer, None).await;
                }
                if is_grant_refused && !std::mem::replace(&mut is_renewed, true) {
                    continue;
                }
                return Ok(told);
            }
            // A connection from the pool may have been closed just now.
            Err(Trouble::Broken(_)) if talk.is_reused => {}
            Err(why) => return Err(why),
        }
    }
}

async fn begin(
    upstream: &Upstream,
    dns: &Arc<Dns>,
    connector: &Connector,
    question: &Question<'_>,
    patience: Duration,
) -> Result<Talk, Trouble> {
    let (instance, base) = (&upstream.instance, question.base);
    let unresolved = |why| Trouble::Unresolved { host: base.host.clone(), why };
    let grant = match &upstream.credentials {
        Some(credentials) => Some((Arc::clone(credentials), credentials.grant().await?)),
        None => None,
    };
    let request = request(upstream, question, grant.as_ref().map(|(_, grant)| &**grant))?;
    let mut unreachable = Vec::new();
    let (session, is_reused, peer) = loop {
        let address = dns.resolve(&base.host, base.port, &unreachable).await.map_err(unresolved)?;
        let mut peer = HttpPeer::new(address, base.tls, base.host.clone());
        peer.options.total_connection_timeout = Some(instance.timeouts.connect);
        if !question.method.is_safe() {
            // What must not be done twice goes over a connection that nobody has closed.
            peer.group_key = fastrand::u64(1..);
        }
        match connector.get_http_session(&peer).await {
            Ok((session, is_reused)) => break (session, is_reused, peer),
            Err(why) if dns.pass_by(&base.host, address, why.etype(), &mut unreachable) => {}
            Err(why) => return Err(why.into()),
        }
    };
    let mut session = gathered(session, &peer);
    session.set_read_timeout(Some(patience));
    session.set_write_timeout(Some(patience));
    let sent = async {
        session.write_request_header(Box::new(request)).await?;
        match &question.body {
            Body::Json(body) => session.write_request_body(body.clone(), true).await,
            Body::None | Body::Following(_) => Ok(()),
        }
    };
    let sent = sent.await;
    Ok(Talk { session, peer, is_reused, sent, grant, is_grant_refused: false })
}

fn request(upstream: &Upstream, question: &Question<'_>, grant: Option<&Grant>) -> Result<RequestHeader, Trouble> {
    let instance = &upstream.instance;
    let path = question.path_and_query;
    let mut headers = HeaderMap::with_capacity(8);
    let host = HeaderValue::try_from(question.base.authority()).unwrap_or(HeaderValue::from_static(""));
    insert(&mut headers, header::HOST, host)?;
    insert(&mut headers, header::ACCEPT, JSON)?;
    insert(&mut headers, header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))?;
    insert(&mut headers, header::USER_AGENT, USER_AGENT)?;
    // What the provider and the user want sent is for the provider, not for a storage elsewhere.
    let is_storage = instance.bucket.as_ref().is_some_and(|bucket| bucket.storage == *question.base);
    for default in instance.provider.headers.iter().filter(|_| !is_storage) {
        if let HeaderSource::Fixed(value) = default.value {
            insert(&mut headers, HeaderName::from_static(default.name), HeaderValue::from_static(value))?;
        }
    }
    for (name, value) in &question.headers {
        insert(&mut headers, name, value.clone())?;
    }
    let mut signed = Signed::Bytes(b"");
    match &question.body {
        Body::None if question.method.is_safe() => {}
        Body::None => insert(&mut headers, header::CONTENT_LENGTH, HeaderValue::from(0))?,
        Body::Json(body) => {
            signed = Signed::Bytes(body);
            insert(&mut headers, header::CONTENT_TYPE, JSON)?;
            insert(&mut headers, header::CONTENT_LENGTH, HeaderValue::from(body.len()))?;
        }
        Body::Following(length) => {
            signed = Signed::Unknown;
            match length {
                Some(length) => insert(&mut headers, header::CONTENT_LENGTH, HeaderValue::from(*length))?,
                None => insert(&mut headers, header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?,
            }
        }
    }
    if let Some((name, value)) = instance.credential(question.auth) {
        insert(&mut headers, name, value)?;
    }
    for (name, value) in instance.headers.iter().filter(|_| !is_storage) {
        insert(&mut headers, name, value.clone())?;
    }
    if let Some(grant) = grant {
        let unsigned =
            Unsigned { method: question.method.as_str(), path_and_query: path, body: signed, auth: question.auth };
        outbound::authorise(&unsigned, &mut headers, instance, grant)?;
    }
    Ok(headers::request(question.method.clone(), path, Version::HTTP_11, headers)?)
}
