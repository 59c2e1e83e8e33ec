//! Fetches the providers' lists of models: at the start, and then from time to time.
//!
//! All instances are asked at once, so that one with a wrong key or a dead host never delays the others.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use http::{Method, header};
use percent_encoding::utf8_percent_encode;
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::Connector;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use pingora_core::upstreams::peer::HttpPeer;

use super::dns::Dns;
use super::{RequestHeader, outbound};
use crate::gateway::Gateway;
use crate::providers::{BaseUrl, Listing, UNRESERVED};
use crate::routing::{Inventory, Listed, Source, Upstream, asks_provider, next_page, read_list};

/// For a whole list, from resolving the host to the last byte.
const PATIENCE: Duration = Duration::from_secs(15);
/// The first pause after a failure; it doubles up to the usual interval.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LARGEST_LIST: usize = 16 << 20;
const MOST_PAGES: usize = 100;

pub struct Refresh {
    pub gateway: Arc<Gateway>,
    pub dns: Arc<Dns>,
    pub connectors: Connectors,
}

/// Makes connectors, one at a time. A connector holds all certificates that are trusted: a megabyte that nobody needs in the
/// hour between two rounds.
pub struct Connectors {
    options: ConnectorOptions,
    in_use: Mutex<Weak<Connector>>,
}

impl Connectors {
    pub fn new(options: ConnectorOptions) -> Self {
        Self { options, in_use: Mutex::default() }
    }

    /// The one that is in use, or a new one.
    fn lend(&self) -> Arc<Connector> {
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.upgrade().unwrap_or_else(|| {
            let connector = Arc::new(Connector::new(Some(self.options.clone())));
            *in_use = Arc::downgrade(&connector);
            connector
        })
    }
}

#[async_trait]
impl BackgroundService for Refresh {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let asked = self.gateway.upstreams.iter().filter(|upstream| asks_provider(&upstream.instance));
        let rounds = futures::future::join_all(asked.map(|upstream| self.keep_fresh(upstream)));
        tokio::select! {
            _ = rounds => {}
            _ = shutdown.changed() => {}
        }
    }
}

impl Refresh {
    async fn keep_fresh(&self, upstream: &Upstream) {
        let interval = self.gateway.config.inventory_refresh;
        let mut pause = FIRST_PAUSE;
        loop {
            let fetch = fetch(upstream, &self.dns, &self.connectors);
            let fetched = tokio::time::timeout(PATIENCE, fetch)
                .await
                .unwrap_or_else(|_| Err(format!("no answer within {}", humantime::format_duration(PATIENCE))));
            let is_fetched = fetched.is_ok();
            take(&self.gateway, upstream, fetched);
            pause = if is_fetched { interval } else { (pause * 2).min(interval) };
            // Instances that were started together should not all ask at once.
            tokio::time::sleep(pause.mul_f64(0.9 + fastrand::f64() / 5.0)).await;
        }
    }
}

/// Makes the outcome the instance's inventory, and the table of names anew if that changes anything.
fn take(gateway: &Gateway, upstream: &Upstream, fetched: Result<Vec<Listed>, String>) {
    let before = upstream.inventory.load_full();
    let inventory = match fetched {
        Ok(models) if !models.is_empty() => Inventory { models, source: Source::Provider },
        Ok(_) => before.without_provider(&upstream.instance),
        Err(why) => {
            let inventory = before.without_provider(&upstream.instance);
            let kept = match inventory.source {
                Source::Provider => "the last good list stays in use",
                Source::Configured => "the configured list is used",
                Source::Pending | Source::Unavailable => "its models are reached by qualified names only",
            };
            log::warn!("{}: the list of models cannot be fetched ({why}); {kept}", upstream.name());
            inventory
        }
    };
    let is_new = inventory.models != before.models || inventory.source != before.source;
    upstream.inventory.store(Arc::new(inventory));
    if is_new {
        gateway.rebuild_routes();
        log::info!("{}: {} models listed", upstream.name(), upstream.inventory.load().models.len());
    }
}

/// All the lists that the instance's list consists of. What is refused of several is left out as long as one is given: each of them
/// may need a right of its own.
async fn fetch(upstream: &Upstream, dns: &Arc<Dns>, connectors: &Connectors) -> Result<Vec<Listed>, String> {
    let instance = &upstream.instance;
    let list = instance.provider.model_list.ok_or("it has none")?;
    let connector = connectors.lend();
    let (mut models, mut failed, mut is_given) = (Vec::new(), None, false);
    for listing in instance.provider.urls.model_lists(instance, list) {
        match fetch_pages(upstream, dns, &connector, &listing).await {
            Ok(listed) => {
                is_given = true;
                models.extend(listed);
            }
            Err(why) => failed = Some(format!("{}: {why}", listing.path_and_query)),
        }
    }
    match failed {
        Some(why) if !is_given => Err(why),
        Some(why) => {
            log::warn!("{}: a part of the list of models cannot be fetched ({why})", upstream.name());
            Ok(models)
        }
        None => Ok(models),
    }
}

async fn fetch_pages(
    upstream: &Upstream,
    dns: &Arc<Dns>,
    connector: &Connector,
    listing: &Listing,
) -> Result<Vec<Listed>, String> {
    let instance = &upstream.instance;
    let base = listing.base.as_ref().unwrap_or(&instance.base);
    let address = dns.resolve(&base.host, base.port).await.map_err(|why| why.to_string())?;
    let mut peer = HttpPeer::new(address, base.tls, base.host.clone());
    peer.options.total_connection_timeout = Some(instance.timeouts.connect);
    let mut models = Vec::new();
    let mut path = listing.path_and_query.clone();
    for _ in 0..MOST_PAGES {
        let body = get(connector, &peer, upstream, base, &path).await?;
        models.extend(read_list(instance, &body).ok_or("what it sent is not a list of models")?);
        let Some((name, next)) = listing.next.and_then(|name| Some((name, next_page(&body, name)?))) else {
            return Ok(models);
        };
        let joint = if listing.path_and_query.contains('?') { '&' } else { '?' };
        let next = utf8_percent_encode(&next, UNRESERVED);
        path = format!("{}{joint}{name}={next}", listing.path_and_query);
    }
    Err("it has too many pages".to_owned())
}

async fn get(
    connector: &Connector,
    peer: &HttpPeer,
    upstream: &Upstream,
    base: &BaseUrl,
    path: &str,
) -> Result<BytesMut, String> {
    let instance = &upstream.instance;
    let wire = |error: Box<pingora_core::Error>| error.etype().as_str().to_owned();
    let mut request = RequestHeader::build_no_case(Method::GET, path.as_bytes(), Some(6)).map_err(wire)?;
    let mut headers = vec![
        (header::HOST, http::HeaderValue::try_from(base.authority()).map_err(|why| why.to_string())?),
        (header::ACCEPT, http::HeaderValue::from_static("application/json")),
        (header::ACCEPT_ENCODING, http::HeaderValue::from_static("identity")),
        (header::USER_AGENT, http::HeaderValue::from_static(concat!("narthex/", env!("CARGO_PKG_VERSION")))),
    ];
    headers.extend(instance.credential(instance.provider.auth));
    headers.extend(instance.headers.iter().cloned());
    for (name, value) in headers {
        request.insert_header(name, value).map_err(wire)?;
    }
    if let Some(credentials) = &upstream.credentials {
        let grant = credentials.grant().await.map_err(|why| why.to_string())?;
        outbound::authorise(&mut request, path, b"", instance, &grant).map_err(wire)?;
    }
    let (mut session, _) = connector.get_http_session(peer).await.map_err(wire)?;
    session.set_read_timeout(Some(PATIENCE));
    session.write_request_header(Box::new(request)).await.map_err(wire)?;
    session.finish_request_body().await.map_err(wire)?;
    session.read_response_header().await.map_err(wire)?;
    let status = session.response_header().map_or(0, |response| response.status.as_u16());
    if status != 200 {
        return Err(format!("status {status}"));
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = session.read_response_body().await.map_err(wire)? {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST_LIST {
            return Err("it is too long".to_owned());
        }
    }
    connector.release_http_session(session, peer, None).await;
    Ok(body)
}
