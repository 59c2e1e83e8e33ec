//! The gateway as its own client: a line of a batch goes the way of every other request, from admission to the access log, over a
//! connection that never leaves the process.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use once_cell::sync::Lazy;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::http::v1::client::HttpSession;
use pingora_core::server::configuration::ServerConf;
use pingora_core::{Error, ErrorType, Result};
use pingora_proxy::{HttpProxy, http_proxy};
use tokio::sync::watch;

use super::dns::Dns;
use super::whole::Connections;
use super::{Proxy, RequestHeader, Side, headers};
use crate::gateway::Gateway;

/// Room in each direction of the connection, in bytes.
const ROOM: usize = 64 << 10;
/// No answer to a line is longer.
const LONGEST: usize = 64 << 20;

type App = Arc<HttpProxy<Proxy>>;

/// Asks the gateway itself.
pub struct Inner {
    app: Lazy<App, Box<dyn FnOnce() -> App + Send>>,
    /// Never told anything: whoever asks waits for the answer.
    shutdown: watch::Sender<bool>,
}

/// What it answered.
#[derive(Debug)]
pub struct Answered {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Inner {
    /// The proxy behind it is made when it is first needed.
    pub fn new(conf: Arc<ServerConf>, gateway: Arc<Gateway>, dns: Arc<Dns>) -> Self {
        let make = move || {
            let options = pingora_core::connectors::ConnectorOptions::from_server_conf(&conf);
            let proxy = Proxy { gateway, dns, connections: Connections::new(options), side: Side::Inner };
            Arc::new(http_proxy(&conf, proxy))
        };
        Self { app: Lazy::new(Box::new(make)), shutdown: watch::Sender::new(false) }
    }

    /// One request of a tenant, who is known already.
    pub async fn post(&self, tenant: Option<&str>, path: &str, id: &str, body: Bytes) -> Result<Answered> {
        let mut request = RequestHeader::build_no_case(Method::POST, path.as_bytes(), Some(8))?;
        request.insert_header(header::HOST, "localhost")?;
        request.insert_header(header::CONTENT_TYPE, "application/json")?;
        request.insert_header(header::CONTENT_LENGTH, HeaderValue::from(body.len()))?;
        request.insert_header(headers::X_REQUEST_ID, id)?;
        // Who has answered it before a crash may know it again.
        request.insert_header("idempotency-key", id)?;
        if let Some(tenant) = tenant {
            request.insert_header(headers::X_NARTHEX_TENANT, tenant)?;
        }
        let (near, far) = tokio::io::duplex(ROOM);
        let app = Arc::clone(&self.app);
        let shutdown = self.shutdown.subscribe();
        let served = tokio::spawn(async move { app.process_new(Box::new(far), &shutdown).await });
        let mut session = HttpSession::new(Box::new(near));
        let asked = async {
            session.write_request_header(Box::new(request)).await?;
            session.write_body(&body).await?;
            session.finish_body().await?;
            session.read_response().await?;
            let (status, headers) = match session.resp_header() {
                Some(response) => (response.status, response.headers.clone()),
                None => return Err(Error::explain(ErrorType::ReadError, "it has no head")),
            };
            let mut whole = BytesMut::new();
            while let Some(piece) = session.read_body_bytes().await? {
                whole.extend_from_slice(&piece);
                if whole.len() > LONGEST {
                    return Err(Error::explain(ErrorType::ReadError, "the answer is too long"));
                }
            }
            Ok(Answered { status, headers, body: whole.freeze() })
        };
        let answered = asked.await;
        // Where the caller has given up, the other side notices by this end being gone.
        drop(session);
        drop(served);
        answered
    }
}
