//! Which target comes next, and when.

use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderMap, StatusCode};

use crate::error::{Kind, Remedy};
use crate::routing::Target;

/// A provider that asks for more patience than this gets none: the client is told at once, and can decide.
const MOST_PATIENCE: Duration = Duration::from_secs(30);
/// Where it does not want to begin just now, it may want to the next moment; not the tenth time.
const MOST_DECLINED: u32 = 3;
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const LONGEST_BACKOFF: Duration = Duration::from_secs(8);

/// The targets of an exchange, in the order in which they are tried.
#[derive(Debug, Default)]
pub struct Tries {
    order: Vec<Target>,
    next: usize,
    /// Further tries at a target that is the only one.
    repeats: usize,
    /// The target that was given another credential.
    renewed: Option<usize>,
    /// To be waited before the next try.
    wait: Option<Duration>,
    made: u32,
    /// How often a target has declined to begin (RFC 9113 §8.7).
    declined: u32,
    /// Addresses at which nobody could be connected to.
    unreachable: Vec<SocketAddr>,
}

impl Tries {
    /// Every target once; an only target `retries` times more.
    pub fn new(order: Vec<Target>, retries: usize) -> Self {
        // One whose account is used up will not have been filled up by the next try.
        let is_worth_it = |only: &Target| !only.upstream.health.is_exhausted();
        let repeats = if order.len() == 1 && order.iter().all(is_worth_it) { retries } else { 0 };
        Self { order, repeats, ..Self::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// All of them, in their order.
    pub fn targets(&self) -> &[Target] {
        &self.order
    }

    /// Whether several instances could be asked.
    pub fn has_choice(&self) -> bool {
        let first = self.order.first().map(|target| target.upstream.name());
        self.order.iter().any(|target| Some(target.upstream.name()) != first)
    }

    pub fn made(&self) -> u32 {
        self.made
    }

    /// Prepares a further try after one that failed. `requested` is how long the provider asked to be left alone. False:
    /// there is nothing left to try, or not within reasonable time.
    pub fn prepare(&mut self, remedy: Remedy, requested: Option<Duration>) -> bool {
        match remedy {
            Remedy::Again => {}
            Remedy::Elsewhere => return self.leave(),
            Remedy::None => return false,
        }
        if self.next < self.order.len() {
            return true;
        }
        if self.repeats == 0 || requested.is_some_and(|requested| requested > MOST_PATIENCE) {
            return false;
        }
        self.wait = Some(requested.unwrap_or_else(|| backoff(self.made)));
        true
    }

    /// Gives up the account that was tried last, under whatever model it comes again. False: there is no other.
    fn leave(&mut self) -> bool {
        self.repeats = 0;
        if let Some(last) = self.next.checked_sub(1).and_then(|at| self.order.get(at)).cloned() {
            let mut at = 0;
            let next = self.next;
            self.order.retain(|target| {
                at += 1;
                at <= next || !std::sync::Arc::ptr_eq(&target.upstream, &last.upstream)
            });
        }
        self.next < self.order.len()
    }

    /// Tries the same target once more at once, and for free: nothing has reached it, be it that a connection had gone
    /// stale, or that nobody is at one of its addresses.
    pub fn again(&mut self) {
        self.next = self.next.saturating_sub(1);
        self.made = self.made.saturating_sub(1);
    }

    /// Whether a target that has declined to begin may be tried again for free. It would decline for ever, perhaps.
    pub fn may_decline(&mut self) -> bool {
        self.declined += 1;
        self.declined <= MOST_DECLINED
    }

    pub fn unreachable(&mut self) -> &mut Vec<SocketAddr> {
        &mut self.unreachable
    }

    /// Tries the same target once more at once: what showed who we are was not taken, and there may be something better by now.
    /// False: that has been tried.
    pub fn renew(&mut self) -> bool {
        let at = Some(self.next);
        let is_first = self.renewed != at;
        self.renewed = at;
        if is_first {
            self.again();
        }
        is_first
    }

    /// Passes over the target that was given last, which cannot be asked this. False: there is no other.
    pub fn skip(&mut self) -> bool {
        self.made = self.made.saturating_sub(1);
        self.repeats = 0;
        self.next < self.order.len()
    }

    /// Waits if that was agreed on, then gives the next target.
    pub async fn next(&mut self) -> Option<Target> {
        if let Some(wait) = self.wait.take() {
            tokio::time::sleep(wait).await;
        }
        self.made += 1;
        if let Some(target) = self.order.get(self.next) {
            self.next += 1;
            return Some(target.clone());
        }
        self.repeats = self.repeats.checked_sub(1)?;
        self.order.last().cloned()
    }
}

/// Half a second, doubled with each try, less up to a quarter so that those who failed together do not return together.
fn backoff(tries_made: u32) -> Duration {
    let doubled = FIRST_BACKOFF.saturating_mul(1 << tries_made.saturating_sub(1).min(8)).min(LONGEST_BACKOFF);
    doubled.mul_f64(1.0 - fastrand::f64() / 4.0)
}

/// What may help where this status was given. `kind`: of what sort the failure is, where its body has been read. A provider that
/// says itself whether to try again (`x-should-retry`) is believed, except that of another account it knows nothing.
pub fn remedy(status: StatusCode, headers: &HeaderMap, kind: Option<Kind>) -> Remedy {
    if !status.is_client_error() && !status.is_server_error() {
        return Remedy::None;
    }
    let own = kind.unwrap_or(Kind::of_status(status)).remedy();
    match headers.get("x-should-retry").map(|value| value.as_bytes()) {
        _ if own == Remedy::Elsewhere => own,
        Some(b"true") => Remedy::Again,
        Some(b"false") => Remedy::None,
        _ => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_static(value))])
    }

    #[test]
    fn believes_the_provider_on_whether_to_retry() {
        let none = HeaderMap::new();
        let after = |status: u16, headers: &HeaderMap, kind: Option<Kind>| {
            remedy(StatusCode::from_u16(status).expect("a status"), headers, kind)
        };
        for status in [408, 409, 424, 429, 498, 500, 502, 503, 529] {
            assert_eq!(after(status, &none, None), Remedy::Again, "{status}");
        }
        for status in [200, 302, 400, 403, 404, 413, 422] {
            assert_eq!(after(status, &none, None), Remedy::None, "{status}");
        }
        for status in [401, 402] {
            assert_eq!(after(status, &none, None), Remedy::Elsewhere, "{status}");
            assert_eq!(after(status, &headers("x-should-retry", "false"), None), Remedy::Elsewhere, "{status}");
        }
        assert_eq!(after(429, &headers("x-should-retry", "false"), None), Remedy::None);
        assert_eq!(after(400, &headers("x-should-retry", "true"), None), Remedy::Again);
        assert_eq!(
            after(200, &headers("x-should-retry", "true"), None),
            Remedy::None,
            "what has succeeded is not repeated"
        );
        assert_eq!(after(429, &none, Some(Kind::Quota)), Remedy::Elsewhere, "the body says more than the status");
        assert_eq!(after(500, &none, Some(Kind::InvalidRequest)), Remedy::None);
    }

    #[test]
    fn backs_off_further_each_time() {
        for (made, full) in [(1, 500), (2, 1000), (3, 2000), (9, 8000), (90, 8000)] {
            let backoff = backoff(made);
            assert!(backoff <= Duration::from_millis(full) && backoff >= Duration::from_millis(full * 3 / 4), "{made}");
        }
    }
}
