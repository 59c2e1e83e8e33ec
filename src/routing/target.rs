//! Instances at work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{HeaderName, HeaderValue};

use super::{Health, Inventory, Listed};
use crate::credentials::{self, Credentials};
use crate::fetch::Client;
use crate::models::{Known, Limits};
use crate::providers::{Auth, Instance};

/// An instance with what is known of it from moment to moment.
#[derive(Debug)]
pub struct Upstream {
    pub instance: Instance,
    pub health: Health,
    pub inventory: ArcSwap<Inventory>,
    /// Its name, as a header's value.
    pub label: HeaderValue,
    /// What the `host` header of its requests says.
    pub host: HeaderValue,
    /// Where its key is not enough.
    pub credentials: Option<Arc<Credentials>>,
    /// The header that carries its key: on its usual surface, and on its native one.
    keys: [(Auth, Option<(HeaderName, HeaderValue)>); 2],
    in_flight: AtomicU32,
    /// A moving average of the time to the first byte of an answer, in microseconds; 0 before the first answer.
    latency: AtomicU64,
}

/// An instance and the model that it is asked for, by the instance's own name of the model.
#[derive(Debug, Clone)]
pub struct Target {
    pub upstream: Arc<Upstream>,
    pub model: Arc<str>,
    /// What is known of the model: looked up here once instead of in every exchange.
    pub known: Arc<Known>,
    pub weight: u32,
}

/// One exchange under way at an upstream; it counts until it is dropped.
#[derive(Debug)]
pub struct InFlight(Arc<Upstream>);

impl Upstream {
    pub fn new(instance: Instance, client: &Arc<Client>) -> Self {
        let inventory = Inventory::initial(&instance);
        let value = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
        let provider = instance.provider;
        Self {
            label: value(&instance.name),
            host: value(&instance.base.authority()),
            credentials: credentials::of(&instance, client),
            keys: [provider.auth, provider.native.auth].map(|auth| (auth, instance.credential(auth))),
            instance,
            health: Health::default(),
            inventory: ArcSwap::from_pointee(inventory),
            in_flight: AtomicU32::new(0),
            latency: AtomicU64::new(0),
        }
    }

    pub fn name(&self) -> &str {
        &self.instance.name
    }

    /// The header that shows who we are, if there is a key.
    pub fn credential(&self, wanted: Auth) -> Option<&(HeaderName, HeaderValue)> {
        self.keys.iter().find(|(auth, _)| *auth == wanted)?.1.as_ref()
    }

    /// Whether its requests carry a signature, which covers their bodies.
    pub fn is_signed(&self) -> bool {
        matches!(self.instance.provider.auth, Auth::AwsSignature(_)) && self.credentials.is_some()
    }

    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// Takes note of the time to an answer's first byte. An answer counts for an eighth of the average.
    pub fn note_latency(&self, latency: Duration) {
        let latency = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1);
        // Two exchanges at once may lose one measurement; an average can bear it.
        let average = self.latency.load(Ordering::Relaxed);
        let average = if average == 0 { latency } else { average - average / 8 + latency / 8 };
        self.latency.store(average, Ordering::Relaxed);
    }

    /// Whether a further exchange would have to wait less here, as far as one can tell. One that has never answered is not taken
    /// for quick: then only the exchanges under way count.
    pub fn is_less_busy_than(&self, other: &Self) -> bool {
        let wait =
            |upstream: &Self, latency: u64| latency.max(1000).saturating_mul(u64::from(upstream.in_flight()) + 1);
        match (self.latency.load(Ordering::Relaxed), other.latency.load(Ordering::Relaxed)) {
            (0, _) | (_, 0) => self.in_flight() < other.in_flight(),
            (own, others) => wait(self, own) < wait(other, others),
        }
    }
}

impl Target {
    pub fn new(upstream: &Arc<Upstream>, model: &str) -> Self {
        Self::with_known(upstream, model, Arc::new(upstream.instance.known(model, Limits::default())))
    }

    /// A model that it lists.
    pub fn listed(upstream: &Arc<Upstream>, listed: &Listed) -> Self {
        Self::with_known(upstream, &listed.id, Arc::clone(&listed.known))
    }

    fn with_known(upstream: &Arc<Upstream>, model: &str, known: Arc<Known>) -> Self {
        let model = upstream.instance.sent_name(model);
        Self { upstream: Arc::clone(upstream), model: model.into(), known, weight: upstream.instance.weight }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
