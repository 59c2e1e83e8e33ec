//! The order in which a route's targets are tried.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Target;
use crate::config::Strategy;

/// The targets of a model. They stand in tiers: the first tier shares the load, each later one is a fallback.
#[derive(Debug)]
pub struct Route {
    targets: Vec<Target>,
    tiers: Vec<Tier>,
}

#[derive(Debug)]
struct Tier {
    range: Range<usize>,
    turns: Turns,
}

#[derive(Debug)]
enum Turns {
    Weighted(Shares),
    LeastBusy,
    Priority,
}

impl Route {
    pub fn new(strategy: Strategy, tiers: Vec<Vec<Target>>) -> Self {
        let mut route = Self { targets: Vec::new(), tiers: Vec::new() };
        for targets in tiers.into_iter().filter(|targets| !targets.is_empty()) {
            let start = route.targets.len();
            let turns = match strategy {
                Strategy::Weighted => Turns::Weighted(Shares::of(&targets)),
                Strategy::LeastBusy => Turns::LeastBusy,
                Strategy::Priority => Turns::Priority,
            };
            route.targets.extend(targets);
            route.tiers.push(Tier { range: start..route.targets.len(), turns });
        }
        route
    }

    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Targets in the order in which they are to be tried, each once. Those that cool down come after the others.
    pub fn order(&self) -> Vec<&Target> {
        if let [only] = self.targets.as_slice() {
            return vec![only];
        }
        let mut order = Vec::with_capacity(self.targets.len());
        for tier in &self.tiers {
            let targets = self.targets.get(tier.range.clone()).unwrap_or_default();
            let start = order.len();
            tier.turns.put_in_order(targets, &mut order);
            if let Some(added) = order.get_mut(start..) {
                // A stable sort: among equals the strategy's order holds.
                added.sort_by_cached_key(|target: &&Target| target.upstream.health.is_cooling());
            }
        }
        // A tier that is wholly down should not delay the next. The answer is cached, as it may change while we sort.
        order.sort_by_cached_key(|target| target.upstream.health.is_cooling());
        order
    }
}

impl Turns {
    fn put_in_order<'a>(&self, targets: &'a [Target], order: &mut Vec<&'a Target>) {
        let start = order.len();
        order.extend(targets);
        let Some(own) = order.get_mut(start..).filter(|own| own.len() > 1) else { return };
        match self {
            Self::Priority => {}
            Self::Weighted(shares) => own.rotate_left(shares.next(targets)),
            Self::LeastBusy => {
                // The better of two that were drawn by chance: a crowd does not rush to the one that is best now.
                fastrand::shuffle(own);
                if let [a, b, ..] = own
                    && b.upstream.is_less_busy_than(&a.upstream)
                {
                    std::mem::swap(a, b);
                }
            }
        }
    }
}

/// Turns in which each target comes as often as its weight says: a walk over all shares, in steps that reach every one
/// once before the first comes again. A step of about the golden section spreads each target's turns evenly.
#[derive(Debug)]
struct Shares {
    /// What one share is worth in weight: what all weights are multiples of, so that a cycle is no longer than it must be.
    unit: u64,
    total: u64,
    step: u64,
    turn: AtomicU64,
}

impl Shares {
    fn of(targets: &[Target]) -> Self {
        let weights = || targets.iter().map(|target| u64::from(target.weight));
        let unit = weights().fold(0, gcd).max(1);
        let total = (weights().sum::<u64>() / unit).max(1);
        let golden = total - total * 382 / 1000;
        let step = (golden..).find(|step| gcd(*step, total) == 1).unwrap_or(1);
        // Not all routes start with their first target: many are made for one request only.
        Self { unit, total, step, turn: AtomicU64::new(fastrand::u64(..total)) }
    }

    /// The index of the target whose turn it is.
    fn next(&self, targets: &[Target]) -> usize {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.total;
        let mut share = turn * self.step % self.total;
        let of_whom = targets.iter().position(|target| {
            let own = u64::from(target.weight) / self.unit;
            let is_its = share < own;
            share = share.saturating_sub(own);
            is_its
        });
        of_whom.unwrap_or_default()
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::config::{Environment, parse};
    use crate::routing::Upstream;

    fn targets(weights: &[u32]) -> Vec<Target> {
        let instance = parse("", &Environment::default()).expect("a configuration").config.instances.remove(0);
        let upstream = |index: usize| {
            let mut instance = instance.clone();
            instance.name = format!("i{index}");
            Arc::new(Upstream::new(instance, &Arc::new(crate::fetch::Client::new(None))))
        };
        weights.iter().enumerate().map(|(i, w)| Target { weight: *w, ..Target::new(&upstream(i), "m") }).collect()
    }

    fn first(route: &Route) -> String {
        route.order()[0].upstream.name().to_owned()
    }

    #[test]
    fn weights_are_kept_and_spread() {
        let turns = |weights: &[u32], count: usize| {
            let (targets, shares) = (targets(weights), Shares::of(&targets(weights)));
            (0..count).map(|_| shares.next(&targets)).collect::<Vec<_>>()
        };
        // Every cycle has each as often as it weighs, wherever it starts, and nobody's turns come all at once.
        let cycle = turns(&[5, 1, 1], 7);
        assert_eq!([0, 1, 2].map(|own| cycle.iter().filter(|turn| **turn == own).count()), [5, 1, 1]);
        let halves = turns(&[50, 50], 100);
        assert!(halves.windows(4).all(|four| four.contains(&0) && four.contains(&1)), "{halves:?}");
        assert_eq!(turns(&[1_000_000, 999_999], 1_000).len(), 1_000);
        let route = Route::new(Strategy::Weighted, vec![targets(&[3, 1])]);
        let mut counts = HashMap::new();
        (0..400).for_each(|_| *counts.entry(first(&route)).or_insert(0) += 1);
        assert_eq!(counts, HashMap::from([("i0".to_owned(), 300), ("i1".to_owned(), 100)]));
    }

    #[test]
    fn all_targets_are_tried_once_tier_by_tier() {
        let mut tiers = vec![targets(&[1, 1, 1])];
        tiers.push(targets(&[1]));
        let route = Route::new(Strategy::LeastBusy, tiers);
        let order = route.order();
        assert_eq!(order.len(), 4);
        assert!(std::ptr::eq(order[3], &route.targets()[3]));
    }

    #[test]
    fn the_busy_and_the_cooling_come_later() {
        let route = Route::new(Strategy::LeastBusy, vec![targets(&[1, 1])]);
        let _busy: Vec<_> = (0..3).map(|_| route.targets()[0].upstream.begin()).collect();
        assert!((0..50).all(|_| first(&route) == "i1"));
        // One that answers, if slowly, is better than one of which nothing has been heard.
        route.targets()[1].upstream.note_latency(Duration::from_secs(9));
        assert!((0..50).all(|_| first(&route) == "i1"));
        route.targets()[1].upstream.health.note_failure(Some(Duration::from_secs(60)));
        assert!((0..50).all(|_| first(&route) == "i0"));

        let route = Route::new(Strategy::Priority, vec![targets(&[1, 1])]);
        assert_eq!(first(&route), "i0");
        route.targets()[0].upstream.health.note_failure(None);
        assert_eq!(first(&route), "i1");
    }
}
