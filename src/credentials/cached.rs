//! One grant for all exchanges, renewed in time.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Grant, NoGrant, Source};

/// Whoever asks for a grant waits so long at most.
const PATIENCE: Duration = Duration::from_secs(20);
/// So long a failure is told again instead of being tried again: a thousand exchanges make one request.
const PAUSE: Duration = Duration::from_secs(5);

/// The grants of one instance.
#[derive(Debug)]
pub struct Credentials {
    source: Box<dyn Source>,
    held: ArcSwapOption<Held>,
    /// Held by whoever is fetching.
    fetching: Mutex<Option<Failed>>,
}

#[derive(Debug)]
struct Held {
    grant: Arc<Grant>,
    expires: Option<SystemTime>,
}

#[derive(Debug)]
struct Failed {
    at: Instant,
    why: NoGrant,
}

impl Credentials {
    pub fn new(source: impl Source + 'static) -> Arc<Self> {
        Arc::new(Self { source: Box::new(source), held: ArcSwapOption::empty(), fetching: Mutex::new(None) })
    }

    /// What is good now. Waits only where nothing is.
    pub async fn grant(self: &Arc<Self>) -> Result<Arc<Grant>, NoGrant> {
        let Some(held) = self.usable(Duration::ZERO) else { return self.fetched().await };
        if self.usable(self.source.margin()).is_none() {
            self.renew();
        }
        Ok(held)
    }

    /// The provider did not take it: the next exchange gets another. One that has been replaced meanwhile changes nothing.
    pub fn refused(&self, grant: &Arc<Grant>) {
        let held = self.held.load();
        if held.as_ref().is_some_and(|held| Arc::ptr_eq(&held.grant, grant)) {
            self.held.compare_and_swap(&held, None);
        }
    }

    /// The grant that is held, if it is good for so long still.
    fn usable(&self, margin: Duration) -> Option<Arc<Grant>> {
        let held = self.held.load();
        let held = held.as_ref()?;
        held.expires.is_none_or(|expires| expires > SystemTime::now() + margin).then(|| Arc::clone(&held.grant))
    }

    /// In the background, unless somebody does already.
    fn renew(self: &Arc<Self>) {
        let credentials = Arc::clone(self);
        if self.fetching.try_lock().is_err() {
            return;
        }
        tokio::spawn(async move {
            let Ok(mut failed) = credentials.fetching.try_lock() else { return };
            if credentials.usable(credentials.source.margin()).is_some() {
                return;
            }
            if let Err(why) = credentials.fetch(&mut failed).await {
                log::warn!("credentials cannot be renewed, those at hand are used while they last: {why}");
            }
        });
    }

    async fn fetched(&self) -> Result<Arc<Grant>, NoGrant> {
        let mut failed = self.fetching.lock().await;
        match self.usable(Duration::ZERO) {
            Some(grant) => Ok(grant),
            None => self.fetch(&mut failed).await,
        }
    }

    async fn fetch(&self, failed: &mut Option<Failed>) -> Result<Arc<Grant>, NoGrant> {
        if let Some(failed) = failed.as_ref().filter(|failed| failed.at.elapsed() < PAUSE) {
            return Err(failed.why.clone());
        }
        let too_late = |_| Err(NoGrant(format!("none came within {} s", PATIENCE.as_secs())));
        match tokio::time::timeout(PATIENCE, self.source.fetch()).await.unwrap_or_else(too_late) {
            Ok(fetched) => {
                *failed = None;
                let grant = Arc::new(fetched.grant);
                self.held.store(Some(Arc::new(Held { grant: Arc::clone(&grant), expires: fetched.expires })));
                Ok(grant)
            }
            Err(why) => {
                *failed = Some(Failed { at: Instant::now(), why: why.clone() });
                Err(why)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Fetched;
    use super::*;
    use async_trait::async_trait;
    use http::HeaderValue;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[derive(Debug)]
    struct Counting {
        count: Arc<AtomicU32>,
        lasts: Option<Duration>,
        fails: bool,
    }

    #[async_trait]
    impl Source for Counting {
        async fn fetch(&self) -> Result<Fetched, NoGrant> {
            let number = self.count.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            if self.fails {
                return Err(NoGrant("nobody answers".to_owned()));
            }
            let grant = Grant::Bearer(HeaderValue::from(number));
            Ok(Fetched { grant, expires: self.lasts.map(|lasts| SystemTime::now() + lasts) })
        }
    }

    fn counting(lasts: Option<u64>, fails: bool) -> (Arc<Credentials>, Arc<AtomicU32>) {
        let count = Arc::new(AtomicU32::new(0));
        let source = Counting { count: Arc::clone(&count), lasts: lasts.map(Duration::from_secs), fails };
        (Credentials::new(source), count)
    }

    #[tokio::test]
    async fn a_thousand_fetch_once() {
        for fails in [false, true] {
            let (credentials, count) = counting(Some(3600), fails);
            let all = futures::future::join_all((0..1000).map(|_| credentials.grant())).await;
            assert!(all.iter().all(|grant| grant.is_err() == fails));
            assert_eq!(count.load(Ordering::SeqCst), 1);
        }
    }

    #[tokio::test]
    async fn what_is_about_to_expire_is_renewed_behind_the_scenes() {
        let (credentials, count) = counting(Some(60), false);
        let first = credentials.grant().await.expect("a grant");
        let still = credentials.grant().await.expect("a grant");
        assert!(Arc::ptr_eq(&first, &still), "nobody waits");
        while count.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await;
        assert!(!Arc::ptr_eq(&first, &credentials.grant().await.expect("a grant")));
    }

    #[tokio::test]
    async fn what_is_refused_is_replaced_once() {
        let (credentials, count) = counting(None, false);
        let first = credentials.grant().await.expect("a grant");
        credentials.refused(&first);
        let second = credentials.grant().await.expect("a grant");
        // Others have been refused the same.
        credentials.refused(&first);
        assert!(Arc::ptr_eq(&second, &credentials.grant().await.expect("a grant")));
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }
}
