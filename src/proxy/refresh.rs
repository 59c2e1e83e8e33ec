//! Fetches the providers' lists of models: at the start, and then from time to time.
//!
//! All instances are asked at once, so that one with a wrong key or a dead host never delays the others.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use http::{Method, StatusCode};
use percent_encoding::utf8_percent_encode;
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::Connector;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;

use super::ask::{Body, Question, ask};
use super::dns::Dns;
use crate::gateway::Gateway;
use crate::providers::{Listing, UNRESERVED};
use crate::routing::{Inventory, Listed, Source, Upstream, asks_provider, next_page, read_list};

/// For a whole list, from resolving the host to the last byte.
const PATIENCE: Duration = Duration::from_secs(15);
/// The first pause after a failure; it doubles up to the usual interval.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
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
            let fetched = {
                let connector = self.connectors.lend();
                let fetch = fetch(upstream, &self.dns, &connector);
                let too_late = |_| Err(format!("no answer within {}", humantime::format_duration(PATIENCE)));
                tokio::time::timeout(PATIENCE, fetch).await.unwrap_or_else(too_late)
            };
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
pub async fn fetch(upstream: &Upstream, dns: &Arc<Dns>, connector: &Connector) -> Result<Vec<Listed>, String> {
    let instance = &upstream.instance;
    let list = instance.provider.model_list.ok_or("it has none")?;
    let (mut models, mut failed, mut is_given) = (Vec::new(), None, false);
    for listing in instance.provider.urls.model_lists(instance, list) {
        match fetch_pages(upstream, dns, connector, &listing).await {
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
    let mut models = Vec::new();
    let mut path = listing.path_and_query.clone();
    for _ in 0..MOST_PAGES {
        let question = Question {
            method: Method::GET,
            base,
            path_and_query: &path,
            auth: instance.provider.auth,
            headers: Vec::new(),
            body: Body::None,
        };
        let told = ask(upstream, dns, connector, &question).await.map_err(|why| why.to_string())?;
        if told.status != StatusCode::OK {
            return Err(format!("status {}", told.status.as_u16()));
        }
        let body = told.body;
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
