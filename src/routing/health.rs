//! Whether an upstream is worth trying first.
//!
//! An upstream that failed cools down. While it does, others are tried before it; when there are no others it is tried all
//! the same, so that a wrong guess costs a try and never an answer.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use once_cell::sync::Lazy;

const FIRST_COOLDOWN: Duration = Duration::from_secs(1);
const LONGEST_COOLDOWN: Duration = Duration::from_secs(30);
/// For an account that is used up, or a key that is not taken: somebody has to do something about it.
const EXHAUSTED_COOLDOWN: Duration = Duration::from_secs(120);
/// An upstream may ask for more patience than we would show it of our own accord, but not for ever.
const LONGEST_REQUESTED: Duration = Duration::from_secs(300);

static EPOCH: Lazy<Instant> = Lazy::new(Instant::now);

#[derive(Debug, Default)]
pub struct Health {
    failures: AtomicU32,
    /// Milliseconds since [`EPOCH`].
    cooling_until: AtomicU64,
    /// Whether it cools down because its account is at an end.
    is_exhausted: AtomicBool,
}

impl Health {
    /// A failure that another upstream might not have had. `requested` is what the upstream itself asked for.
    pub fn note_failure(&self, requested: Option<Duration>) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed);
        let own = FIRST_COOLDOWN.saturating_mul(1 << failures.min(10)).min(LONGEST_COOLDOWN);
        let cooldown = requested.map_or(own, |requested| requested.min(LONGEST_REQUESTED));
        self.cooling_until.fetch_max(millis(EPOCH.elapsed() + cooldown), Ordering::Relaxed);
    }

    /// A failure that is about the account.
    pub fn note_exhausted(&self) {
        self.is_exhausted.store(true, Ordering::Relaxed);
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.cooling_until.fetch_max(millis(EPOCH.elapsed() + EXHAUSTED_COOLDOWN), Ordering::Relaxed);
    }

    /// Whether the last failure was about the account, a short while ago.
    pub fn is_exhausted(&self) -> bool {
        self.is_exhausted.load(Ordering::Relaxed) && self.is_cooling()
    }

    pub fn note_success(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
            self.cooling_until.store(0, Ordering::Relaxed);
            self.is_exhausted.store(false, Ordering::Relaxed);
        }
    }

    pub fn is_cooling(&self) -> bool {
        let until = self.cooling_until.load(Ordering::Relaxed);
        until != 0 && until > millis(EPOCH.elapsed())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cools_down_until_it_succeeds() {
        let health = Health::default();
        assert!(!health.is_cooling());
        health.note_failure(None);
        assert!(health.is_cooling());
        health.note_success();
        assert!(!health.is_cooling());
        health.note_failure(Some(Duration::from_secs(100_000)));
        assert!(health.cooling_until.load(Ordering::Relaxed) <= millis(EPOCH.elapsed() + LONGEST_REQUESTED));
        assert!(!health.is_exhausted());
        health.note_exhausted();
        assert!(health.is_exhausted() && health.is_cooling());
        health.note_success();
        assert!(!health.is_exhausted());
    }
}
