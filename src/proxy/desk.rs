//! What files and batches are seen to with: the providers' ears, the gateway's own, and the store.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, Method, StatusCode};
use pingora_core::connectors::ConnectorOptions;
use pingora_core::server::configuration::ServerConf;
use tokio::sync::Notify;

use super::ask::{Body, Caller, Question, Talk, Told, Trouble};
use super::batches::InHand;
use super::dns::Dns;
use super::inner::Inner;
use crate::dialects::Dialect;
use crate::error::{Failure, Refusal};
use crate::gateway::{Gateway, random_id};
use crate::providers::{BaseUrl, Destination, with_query};
use crate::routing::Upstream;
use crate::store::StoreError;

/// Shared by all who see to files and batches.
pub struct Desk {
    pub gateway: Arc<Gateway>,
    pub caller: Caller,
    pub inner: Inner,
    /// The name of this process among those that share a store.
    pub owner: String,
    pub in_hand: InHand,
    /// Wakes whoever sees to batches.
    pub wake: Notify,
}

/// A request to a provider's own API below its base URL.
pub struct Ask<'a> {
    pub method: Method,
    /// Another place than the provider's own: its storage.
    pub at: Option<&'a BaseUrl>,
    /// Below the base URL, or a native root of the provider.
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub headers: Vec<(http::HeaderName, http::HeaderValue)>,
    pub body: Body,
}

impl<'a> Ask<'a> {
    pub fn get(path: &'a str) -> Self {
        Self { method: Method::GET, at: None, path, query: None, headers: Vec::new(), body: Body::None }
    }

    pub fn post(path: &'a str, body: Body) -> Self {
        Self { method: Method::POST, body, ..Self::get(path) }
    }

    pub fn put(path: &'a str, body: Body) -> Self {
        Self { method: Method::PUT, body, ..Self::get(path) }
    }

    pub fn delete(path: &'a str) -> Self {
        Self { method: Method::DELETE, ..Self::get(path) }
    }

    fn place(&self, upstream: &Upstream) -> Destination {
        let urls = upstream.instance.provider.urls;
        match self.at {
            None => urls.passthrough(&upstream.instance, self.path, self.query),
            Some(base) => Destination {
                path_and_query: with_query(format!("{}/{}", base.path, self.path), self.query),
                auth: upstream.instance.provider.auth.at_storage(),
                base: Some(base.clone()),
            },
        }
    }

    fn question<'q>(self, upstream: &'q Upstream, place: &'q Destination) -> Question<'q> {
        let Destination { path_and_query, auth, base } = place;
        let base = base.as_ref().unwrap_or(&upstream.instance.base);
        Question { method: self.method, base, path_and_query, auth: *auth, headers: self.headers, body: self.body }
    }
}

impl Desk {
    pub fn new(conf: &Arc<ServerConf>, gateway: &Arc<Gateway>, dns: &Arc<Dns>) -> Self {
        Self {
            caller: Caller::new(Arc::clone(dns), ConnectorOptions::from_server_conf(conf)),
            inner: Inner::new(Arc::clone(conf), Arc::clone(gateway), Arc::clone(dns)),
            gateway: Arc::clone(gateway),
            owner: random_id(),
            in_hand: InHand::default(),
            wake: Notify::new(),
        }
    }

    /// A whole exchange; an answer that says no is a failure.
    pub async fn ask(&self, upstream: &Upstream, ask: Ask<'_>) -> Result<Told, Failure> {
        let told = self.tell(upstream, ask).await?;
        if told.status.is_success() { Ok(told) } else { Err(failure(upstream, &told)) }
    }

    /// A whole exchange, whatever is answered.
    pub async fn tell(&self, upstream: &Upstream, ask: Ask<'_>) -> Result<Told, Failure> {
        let place = ask.place(upstream);
        let told = self.caller.ask(upstream, &ask.question(upstream, &place)).await;
        told.map_err(|why| unreachable(upstream, &why))
    }

    /// An exchange whose body or answer is too long to be held.
    pub async fn begin(&self, upstream: &Upstream, ask: Ask<'_>) -> Result<Talk, Failure> {
        let place = ask.place(upstream);
        let begun = self.caller.begin(upstream, &ask.question(upstream, &place)).await;
        begun.map_err(|why| unreachable(upstream, &why))
    }

    /// An answer that is too long to be held; one that says no is a failure.
    pub async fn open(&self, upstream: &Upstream, ask: Ask<'_>) -> Result<(Talk, StatusCode, HeaderMap), Failure> {
        let mut talk = self.begin(upstream, ask).await?;
        let broken = |why| unreachable(upstream, &why);
        let (status, headers) = talk.answer().await.map_err(broken)?;
        if status.is_success() {
            return Ok((talk, status, headers));
        }
        Err(failure(upstream, &talk.told_of(status, headers).await.map_err(broken)?))
    }

    pub fn upstream(&self, name: &str) -> Option<&Arc<Upstream>> {
        self.gateway.upstreams.iter().find(|upstream| upstream.name() == name)
    }
}

/// What a provider's refusal means.
pub fn failure(upstream: &Upstream, told: &Told) -> Failure {
    read_failure(upstream, told.status, &told.headers, &told.body)
}

pub fn read_failure(upstream: &Upstream, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
    let operations = upstream.instance.provider.operations;
    let dialect = operations.first().map_or(Dialect::OpenaiChat, |operation| operation.dialect());
    dialect.provider().read_failure(status, headers, body)
}

/// The provider could not be asked.
pub fn unreachable(upstream: &Upstream, why: &Trouble) -> Failure {
    Failure::new(StatusCode::BAD_GATEWAY, format!("{} cannot be asked: {why}.", upstream.name()))
}

/// The store cannot be used; what the log is told, clients are not.
pub fn unavailable(why: &StoreError) -> Refusal {
    log::error!("{why}");
    Refusal::from(why)
}

/// Now, in milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Now, in seconds since 1970.
pub fn now() -> u64 {
    now_ms() / 1000
}
