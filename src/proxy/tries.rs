//! Which target comes next, and when.

use std::time::Duration;

use http::HeaderMap;

use crate::routing::Target;

/// A provider that asks for more patience than this gets none: the client is told at once, and can decide.
const MOST_PATIENCE: Duration = Duration::from_secs(30);
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
}

impl Tries {
    /// Every target once; an only target `retries` times more.
    pub fn new(order: Vec<Target>, retries: usize) -> Self {
        let repeats = if order.len() == 1 { retries } else { 0 };
        Self { order, repeats, ..Self::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub fn made(&self) -> u32 {
        self.made
    }

    /// Prepares a further try after one that failed. `requested` is how long the provider asked to be left alone. False:
    /// there is nothing left to try, or not within reasonable time.
    pub fn prepare(&mut self, requested: Option<Duration>) -> bool {
        if self.next < self.order.len() {
            return true;
        }
        if self.repeats == 0 || requested.is_some_and(|requested| requested > MOST_PATIENCE) {
            return false;
        }
        self.wait = Some(requested.unwrap_or_else(|| backoff(self.made)));
        true
    }

    /// Tries the same target once more at once, and for free: the connection that was lent to us had gone stale.
    pub fn again(&mut self) {
        self.next = self.next.saturating_sub(1);
        self.made = self.made.saturating_sub(1);
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

/// Whether another try may succeed where this status was given: it is about the moment or about the server, not about the
/// request. A provider that says so itself (`x-should-retry`) is believed.
pub fn is_retryable(status: u16, headers: &HeaderMap) -> bool {
    match headers.get("x-should-retry").map(|value| value.as_bytes()) {
        Some(b"true") => status >= 400,
        Some(b"false") => false,
        _ => matches!(status, 408 | 409 | 429 | 500..),
    }
}

/// How long the provider wants to be left alone: `retry-after-ms`, else `retry-after` in seconds or as a date (RFC 9110 §10.2.3).
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(millis) = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(millis / 1000.0).ok();
    }
    let text = text("retry-after")?;
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(std::time::SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_static(value))])
    }

    #[test]
    fn reads_every_form_of_retry_after() {
        assert_eq!(retry_after(&headers("retry-after", "2")), Some(Duration::from_secs(2)));
        assert_eq!(retry_after(&headers("retry-after-ms", "250")), Some(Duration::from_millis(250)));
        assert_eq!(retry_after(&headers("retry-after", "Thu, 01 Jan 1970 00:00:00 GMT")), Some(Duration::ZERO));
        assert_eq!(retry_after(&headers("retry-after", "soon")), None);
        assert_eq!(retry_after(&headers("retry-after", "-1")), None);
        let later = retry_after(&headers("retry-after", "Tue, 31 Dec 2999 23:59:59 GMT")).unwrap();
        assert!(later > MOST_PATIENCE);
    }

    #[test]
    fn believes_the_provider_on_whether_to_retry() {
        let none = HeaderMap::new();
        assert!([408, 409, 429, 500, 502, 503, 529].into_iter().all(|status| is_retryable(status, &none)));
        assert!([200, 400, 401, 403, 404, 413, 422].into_iter().all(|status| !is_retryable(status, &none)));
        assert!(!is_retryable(429, &headers("x-should-retry", "false")));
        assert!(is_retryable(400, &headers("x-should-retry", "true")));
        assert!(!is_retryable(200, &headers("x-should-retry", "true")), "what has succeeded is not repeated");
    }

    #[test]
    fn backs_off_further_each_time() {
        for (made, full) in [(1, 500), (2, 1000), (3, 2000), (9, 8000), (90, 8000)] {
            let backoff = backoff(made);
            assert!(backoff <= Duration::from_millis(full) && backoff >= Duration::from_millis(full * 3 / 4), "{made}");
        }
    }
}
