//! The gateway as a client on its own account: it fetches tokens, and media that a model is to see. One request, one whole answer,
//! within limits that are always set.
//!
//! Exchanges between clients and providers do not come through here: they are streamed, and pooled, by `proxy`. What is fetched and
//! what becomes of it is for others to know (`credentials`, `proxy`).

mod address;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use once_cell::sync::Lazy;
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use url::{Host, Url};

use address::is_public;

/// How many times an answer may send us on.
const MOST_REDIRECTS: usize = 3;

/// Makes requests. Its connector holds a megabyte of trusted certificates, so it is made when it is first needed.
pub struct Client {
    ca_file: Option<PathBuf>,
    connector: Lazy<Connector, Box<dyn FnOnce() -> Connector + Send + Sync>>,
}

#[derive(Debug)]
pub struct Request {
    pub method: Method,
    pub url: Url,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// How far a request may go.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From resolving the host to the last byte, redirects included.
    pub timeout: Duration,
    pub max_bytes: usize,
    pub reach: Reach,
}

/// Whom a request may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Where the user's configuration says.
    Anywhere,
    /// Hosts all of whose addresses are on the public internet: the URL is a client's.
    Public,
    /// The same where this address of the machine's own counts as a public one.
    #[cfg(test)]
    PublicBeing(std::net::IpAddr),
}

/// Why there is no answer. Tells no address: who asks may have no business with what a name resolves to here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    #[error("is not an http(s) URL")]
    NotHttp,
    #[error("is at an address that is not on the public internet")]
    NotPublic,
    #[error("names a host that cannot be resolved")]
    Unresolved,
    #[error("cannot be fetched: {0}")]
    Wire(String),
    #[error("is larger than {0} bytes")]
    TooLarge(usize),
    #[error("did not come within {}", humantime::format_duration(*.0))]
    TooLate(Duration),
    #[error("redirects more than {MOST_REDIRECTS} times")]
    Astray,
    #[error("answers with status {0}")]
    Status(u16),
}

impl Client {
    /// `ca_file`: certificates to trust instead of the system's, in PEM.
    pub fn new(ca_file: Option<&Path>) -> Self {
        let ca_file = ca_file.map(Path::to_owned);
        let trusted = ca_file.as_ref().map(|path| path.display().to_string());
        let made = move || Connector::new(Some(ConnectorOptions { ca_file: trusted, ..ConnectorOptions::new(1) }));
        Self { ca_file, connector: Lazy::new(Box::new(made)) }
    }

    /// What is trusted instead of the system's certificates, for those who make their requests themselves.
    pub fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    /// Sends a request. An answer is an answer, whatever its status.
    pub async fn send(&self, request: &Request, limits: &Limits) -> Result<Answer, Failed> {
        let sent = tokio::time::timeout(limits.timeout, self.exchange(request, limits));
        sent.await.unwrap_or(Err(Failed::TooLate(limits.timeout)))
    }

    /// Gets what is at a URL, wherever that sends us; each place is checked like the first.
    pub async fn get(&self, url: Url, limits: &Limits) -> Result<Answer, Failed> {
        let followed = tokio::time::timeout(limits.timeout, self.follow(url, limits));
        followed.await.unwrap_or(Err(Failed::TooLate(limits.timeout)))
    }

    async fn follow(&self, mut url: Url, limits: &Limits) -> Result<Answer, Failed> {
        for _ in 0..=MOST_REDIRECTS {
            let request = Request { method: Method::GET, url, headers: Vec::new(), body: Bytes::new() };
            let answer = self.exchange(&request, limits).await?;
            match answer.status.as_u16() {
                200 => return Ok(answer),
                301 | 302 | 303 | 307 | 308 => {
                    let place = answer.headers.get(header::LOCATION).and_then(|place| place.to_str().ok());
                    let place = place.and_then(|place| request.url.join(place).ok());
                    url = place.ok_or_else(|| Failed::Wire("it redirects to nowhere".to_owned()))?;
                }
                status => return Err(Failed::Status(status)),
            }
        }
        Err(Failed::Astray)
    }

    /// Whoever calls this limits its time: one clock only, so that it is always told in the same words.
    async fn exchange(&self, request: &Request, limits: &Limits) -> Result<Answer, Failed> {
        let url = &request.url;
        let tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(Failed::NotHttp),
        };
        let addresses = resolve(url, limits.reach).await?;
        let mut session = self.connect(&addresses, tls, url, limits).await?;
        session.write_request_header(Box::new(head(request)?)).await.map_err(wire)?;
        if !request.body.is_empty() {
            session.write_request_body(request.body.clone(), true).await.map_err(wire)?;
        }
        session.finish_request_body().await.map_err(wire)?;
        let answer = read(&mut session, limits.max_bytes).await;
        session.shutdown().await;
        answer
    }

    /// A connection to the first of these addresses at which somebody is. Each has its share of the time, the last one what is left.
    async fn connect(
        &self,
        addresses: &[SocketAddr],
        tls: bool,
        url: &Url,
        limits: &Limits,
    ) -> Result<HttpSession, Failed> {
        // The name is for TLS and for the host's own sake: what is connected to is an address that was checked.
        let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let share = limits.timeout / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let mut failed = Failed::Unresolved;
        for (at, address) in addresses.iter().enumerate() {
            let mut peer = HttpPeer::new(*address, tls, name.to_owned());
            peer.options.total_connection_timeout = (at + 1 < addresses.len()).then_some(share);
            match self.connector.get_http_session(&peer).await {
                Ok((session, _)) => return Ok(session),
                Err(why) => failed = wire(why),
            }
        }
        Err(failed)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

/// The addresses of the URL's host. Where only public ones may be reached all must be: which of them a resolver tells first is nobody's
/// promise.
async fn resolve(url: &Url, reach: Reach) -> Result<Vec<SocketAddr>, Failed> {
    let port = url.port_or_known_default().ok_or(Failed::NotHttp)?;
    let addresses: Vec<SocketAddr> = match url.host().ok_or(Failed::NotHttp)? {
        Host::Ipv4(address) => vec![SocketAddr::from((address, port))],
        Host::Ipv6(address) => vec![SocketAddr::from((address, port))],
        Host::Domain(name) => tokio::net::lookup_host((name, port)).await.map_err(|_| Failed::Unresolved)?.collect(),
    };
    let is_within = |address: &SocketAddr| match reach {
        Reach::Anywhere => true,
        Reach::Public => is_public(address.ip()),
        #[cfg(test)]
        Reach::PublicBeing(own) => address.ip() == own || is_public(address.ip()),
    };
    if !addresses.iter().all(is_within) {
        return Err(Failed::NotPublic);
    }
    Ok(addresses)
}

fn head(request: &Request) -> Result<pingora::http::RequestHeader, Failed> {
    let url = &request.url;
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let mut head = pingora::http::RequestHeader::build(request.method.clone(), path.as_bytes(), None).map_err(wire)?;
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    let host = HeaderValue::try_from(host).map_err(|_| Failed::NotHttp)?;
    head.insert_header(header::HOST, host).map_err(wire)?;
    head.insert_header(header::USER_AGENT, concat!("narthex/", env!("CARGO_PKG_VERSION"))).map_err(wire)?;
    head.insert_header(header::ACCEPT_ENCODING, "identity").map_err(wire)?;
    head.insert_header(header::CONNECTION, "close").map_err(wire)?;
    if request.method == Method::POST {
        head.insert_header(header::CONTENT_LENGTH, request.body.len()).map_err(wire)?;
    }
    for (name, value) in &request.headers {
        head.insert_header(name.clone(), value.clone()).map_err(wire)?;
    }
    Ok(head)
}

async fn read(session: &mut HttpSession, max_bytes: usize) -> Result<Answer, Failed> {
    session.read_response_header().await.map_err(wire)?;
    while session.response_header().is_some_and(|head| head.status.is_informational()) {
        session.read_response_header().await.map_err(wire)?;
    }
    let head = session.response_header().ok_or_else(|| Failed::Wire("it has no header".to_owned()))?;
    let (status, headers) = (head.status, head.headers.clone());
    let told = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if told.is_some_and(|length| length > max_bytes) {
        return Err(Failed::TooLarge(max_bytes));
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = session.read_response_body().await.map_err(wire)? {
        if body.len() + chunk.len() > max_bytes {
            return Err(Failed::TooLarge(max_bytes));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, headers, body: body.freeze() })
}

/// Pingora's word for what went wrong: without addresses, which its context has.
#[expect(clippy::boxed_local, reason = "Pingora's errors come in boxes")]
fn wire(error: Box<pingora_core::Error>) -> Failed {
    Failed::Wire(error.etype().as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

    /// A server at this address that gives every request this answer.
    async fn serve(address: IpAddr, answer: String) -> SocketAddr {
        let listener = TcpListener::bind((address, 0)).await.expect("bind");
        let bound = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        bound
    }

    fn redirect(to: &str) -> String {
        format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
    }

    const SECRET: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret";

    async fn get(from: SocketAddr, reach: Reach) -> Result<Bytes, Failed> {
        let url = Url::parse(&format!("http://{from}/picture")).expect("a URL");
        let limits = Limits { timeout: Duration::from_secs(10), max_bytes: 100, reach };
        Client::new(None).get(url, &limits).await.map(|answer| answer.body)
    }

    #[tokio::test]
    async fn a_public_place_cannot_send_us_to_a_private_one() {
        let reach = Reach::PublicBeing(PUBLIC);
        let private = serve(Ipv4Addr::LOCALHOST.into(), SECRET.to_owned()).await;
        let public = serve(PUBLIC, SECRET.replace("secret", "public")).await;
        assert_eq!(get(public, reach).await.as_deref(), Ok(&b"public"[..]));
        assert_eq!(get(private, reach).await, Err(Failed::NotPublic));
        assert_eq!(get(public, Reach::Public).await, Err(Failed::NotPublic));
        for to in [
            format!("http://{private}/"),
            format!("http://localhost:{}/", private.port()),
            format!("//{private}/"),
            format!("http://[::ffff:127.0.0.1]:{}/", private.port()),
            "http://169.254.169.254/latest/meta-data/".to_owned(),
        ] {
            let first = serve(PUBLIC, redirect(&to)).await;
            assert_eq!(get(first, reach).await, Err(Failed::NotPublic), "{to}");
            // Nor at the second step.
            let before = serve(PUBLIC, redirect(&format!("http://{first}/"))).await;
            assert_eq!(get(before, reach).await, Err(Failed::NotPublic), "{to}");
        }
        let to_private = serve(PUBLIC, redirect(&format!("http://{private}/"))).await;
        assert_eq!(get(to_private, Reach::Anywhere).await.as_deref(), Ok(&b"secret"[..]));
        let to_public = serve(PUBLIC, redirect(&format!("http://{public}/"))).await;
        assert_eq!(get(to_public, reach).await.as_deref(), Ok(&b"public"[..]));
        let to_file = serve(PUBLIC, redirect("file:///etc/passwd")).await;
        assert_eq!(get(to_file, reach).await, Err(Failed::NotHttp));
    }

    #[tokio::test]
    async fn every_address_of_a_host_is_tried() {
        let somebody = serve(PUBLIC, SECRET.to_owned()).await;
        let nobody = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 3), somebody.port()));
        let url = Url::parse("http://two.test/").expect("a URL");
        let limits = Limits { timeout: Duration::from_secs(10), max_bytes: 100, reach: Reach::Anywhere };
        let client = Client::new(None);
        assert!(client.connect(&[nobody, somebody], false, &url, &limits).await.is_ok());
        assert!(matches!(client.connect(&[nobody], false, &url, &limits).await, Err(Failed::Wire(_))));
        assert!(matches!(client.connect(&[], false, &url, &limits).await, Err(Failed::Unresolved)));
    }

    #[tokio::test]
    async fn a_circle_has_an_end() {
        let listener = TcpListener::bind((PUBLIC, 0)).await.expect("bind");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let circle = serve(PUBLIC, redirect("/again")).await;
        assert_eq!(get(circle, Reach::PublicBeing(PUBLIC)).await, Err(Failed::Astray));
        assert!(matches!(get(address, Reach::PublicBeing(PUBLIC)).await, Err(Failed::Wire(_))));
    }
}
