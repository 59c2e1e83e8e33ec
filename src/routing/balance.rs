//! The order in which a route's targets are tried.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    /// Indexes into the tier, each as often as its weight says, spread evenly.
    Weighted {
        schedule: Vec<usize>,
        turn: AtomicUsize,
    },
    LeastBusy,
    Priority,
}

impl Route {
    pub fn new(strategy: Strategy, tiers: Vec<Vec<Target>>) -> Self {
        let mut route = Self { targets: Vec::new(), tiers: Vec::new() };
        for targets in tiers.into_iter().filter(|targets| !targets.is_empty()) {
            let start = route.targets.len();
            let turns = match strategy {
                Strategy::Weighted => {
                    let schedule = schedule(&targets);
                    // Not all routes start with their first target: many are made for one request only.
                    let turn = AtomicUsize::new(fastrand::usize(..schedule.len()));
                    Turns::Weighted { schedule, turn }
                }
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
            Self::Weighted { schedule, turn } => {
                let turn = turn.fetch_add(1, Ordering::Relaxed) % schedule.len();
                let first = schedule.get(turn).copied().unwrap_or_default();
                own.rotate_left(first);
            }
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

/// Smooth weighted round-robin, played through once: in each step everyone gains its weight, the richest is chosen and
/// pays the sum of all.
fn schedule(targets: &[Target]) -> Vec<usize> {
    let divisor = targets.iter().fold(0, |divisor, target| gcd(divisor, target.weight)).max(1);
    let weights: Vec<i64> = targets.iter().map(|target| i64::from(target.weight / divisor)).collect();
    let total: i64 = weights.iter().sum();
    let mut credit = vec![0; weights.len()];
    (0..total.max(1))
        .map(|_| {
            credit.iter_mut().zip(&weights).for_each(|(credit, weight)| *credit += weight);
            // Of equals the first.
            let (chosen, _) = credit.iter().enumerate().rev().max_by_key(|(_, credit)| **credit).unwrap_or((0, &0));
            if let Some(credit) = credit.get_mut(chosen) {
                *credit -= total;
            }
            chosen
        })
        .collect()
}

fn gcd(a: u32, b: u32) -> u32 {
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
            Arc::new(Upstream::new(instance))
        };
        weights
            .iter()
            .enumerate()
            .map(|(i, w)| Target { upstream: upstream(i), model: "m".into(), weight: *w })
            .collect()
    }

    fn first(route: &Route) -> String {
        route.order()[0].upstream.name().to_owned()
    }

    #[test]
    fn weights_are_kept_and_spread() {
        assert_eq!(schedule(&targets(&[5, 1, 1])), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(schedule(&targets(&[20, 10])), [0, 1, 0]);
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
