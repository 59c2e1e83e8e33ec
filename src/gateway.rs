//! What all exchanges share: the configuration, who may enter, the instances and the way to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;

use crate::config::{Access, Config, Tenant};
use crate::fetch::Client;
use crate::routing::{Routes, Upstream};
use crate::secret::{KeyDigest, Secret};
use crate::store::Store;
use crate::telemetry::{AccessLog, Metrics};

/// A running gateway, less its sockets.
#[derive(Debug)]
pub struct Gateway {
    pub config: Config,
    pub gate: Gate,
    /// Fetches tokens and media.
    pub client: Arc<Client>,
    pub upstreams: Vec<Arc<Upstream>>,
    pub routes: ArcSwap<Routes>,
    /// Opened when it is first needed.
    pub store: Arc<Store>,
    pub metrics: Metrics,
    pub access_log: AccessLog,
    /// Tells this process apart from others, for providers that want a session named.
    pub session_id: String,
    is_draining: AtomicBool,
    open: AtomicUsize,
}

/// Who may enter.
#[derive(Debug)]
pub enum Gate {
    Open,
    Keys(Vec<Arc<Tenant>>),
}

/// How far the gateway is with starting or stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Some instance has not been asked for its models yet.
    Starting,
    Ready,
    /// It finishes what it has begun and should be sent nothing new.
    Draining,
}

/// Why no gateway could be made.
#[derive(Debug, thiserror::Error)]
pub enum NoGateway {
    #[error("the metrics cannot be registered")]
    Metrics(#[from] prometheus::Error),
    #[error("no random key can be made")]
    Randomness(#[from] std::io::Error),
}

impl Gateway {
    /// A gateway for this configuration. When it has to make a key for itself, the key is returned to be shown once.
    pub fn new(config: Config, access_log: AccessLog) -> Result<(Self, Option<Secret>), NoGateway> {
        let client = Arc::new(Client::new(config.server.ca_file.as_deref()));
        let instances = config.instances.iter().cloned();
        let upstreams: Vec<_> = instances.map(|instance| Arc::new(Upstream::new(instance, &client))).collect();
        let (gate, made) = match &config.access {
            Access::Open => (Gate::Open, None),
            Access::Keys(tenants) => (Gate::Keys(tenants.iter().cloned().map(Arc::new).collect()), None),
            Access::MakeKey => {
                let key = random_key()?;
                let tenant = Tenant { name: "master".to_owned(), key: key.digest(), models: None };
                (Gate::Keys(vec![Arc::new(tenant)]), Some(key))
            }
        };
        let gateway = Self {
            gate,
            routes: ArcSwap::default(),
            client,
            upstreams,
            store: Arc::new(Store::new(config.store.clone())),
            metrics: Metrics::new()?,
            access_log,
            session_id: random_id(),
            is_draining: AtomicBool::new(false),
            open: AtomicUsize::new(0),
            config,
        };
        gateway.rebuild_routes();
        Ok((gateway, made))
    }

    /// Makes the table of model names anew, from the lists as they are now.
    pub fn rebuild_routes(&self) {
        let config = &self.config;
        let routes = Routes::build(&self.upstreams, &config.models, config.routing.strategy, config.is_demonstration);
        self.routes.store(Arc::new(routes));
    }

    pub fn readiness(&self) -> Readiness {
        if self.is_draining.load(Ordering::Relaxed) {
            Readiness::Draining
        } else if self.routes.load().is_pending() {
            // The table is made after a list has arrived: asking the lists would be a moment too early.
            Readiness::Starting
        } else {
            Readiness::Ready
        }
    }

    pub fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// Counts an exchange as open until the guard is dropped.
    pub fn enter(self: &Arc<Self>) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(self))
    }

    pub fn open_exchanges(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

impl Gate {
    /// Whether whoever may enter is one and the same: then all that the accounts hold is theirs.
    pub fn is_for_one(&self) -> bool {
        match self {
            Self::Open => true,
            Self::Keys(tenants) => tenants.len() == 1,
        }
    }

    /// The holder of a key, or nobody. Every key is compared in full, whichever matches.
    pub fn admit(&self, key: &[u8]) -> Option<Arc<Tenant>> {
        let Self::Keys(tenants) = self else { return None };
        let digest = KeyDigest::of(key);
        tenants
            .iter()
            .fold(None, |found, tenant| if tenant.key.matches(&digest) { Some(Arc::clone(tenant)) } else { found })
    }
}

impl Tenant {
    /// Whether this tenant may use a model by this name. A name in its list may end in `*`.
    pub fn may_use(&self, model: &str) -> bool {
        self.models.as_ref().is_none_or(|models| {
            models.iter().any(|allowed| match allowed.strip_suffix('*') {
                Some(prefix) => model.starts_with(prefix),
                None => model == allowed,
            })
        })
    }
}

/// An exchange under way.
#[derive(Debug)]
pub struct Open(Arc<Gateway>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// 128 random bits in hexadecimal digits, to tell requests apart.
pub fn random_id() -> String {
    digits(fastrand::u128(..))
}

/// The same for what is shown in lists, by age: of two ids that which was made in a later millisecond stands behind the other.
pub fn ordered_id() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    ordered(since.as_millis(), fastrand::u128(..))
}

fn ordered(millis: u128, random: u128) -> String {
    digits(millis << 84 | random >> 44)
}

fn digits(bits: u128) -> String {
    // One for each exchange; a formatter takes ten times as long.
    let digit = |bits: u8| bits + if bits < 10 { b'0' } else { b'a' - 10 };
    let digits = bits.to_be_bytes().map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    String::from_utf8_lossy(digits.as_flattened()).into_owned()
}

/// A key that nobody can guess: 256 bits of the operating system's randomness.
fn random_key() -> std::io::Result<Secret> {
    use std::io::Read;
    let mut bits = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bits)?;
    let digits: String = bits.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Secret::new(format!("narthex-{digits}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_the_order_of_their_time() {
        assert_eq!(digits(0x0123_4567_89ab_cdef), "00000000000000000123456789abcdef");
        let now = 1_790_000_000_123;
        let ids = [ordered(now, u128::MAX), ordered(now + 1, 0), ordered(now + 2, u128::MAX), ordered(now + 1000, 0)];
        assert!(ids.is_sorted(), "{ids:?}");
        assert!(ordered_id() > ids[0] && ordered_id().len() == 32 && ordered_id() != ordered_id());
    }
}
