//! Prometheus metrics. Every label has a bounded set of values: instances and operations are configured, models count only
//! when some list or the configuration names them.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::rewrite::Usage;
use crate::routing::Upstream;

/// What is shown for a model that only a client has named.
const OTHER_MODEL: &str = "other";

/// From a token to a long agent turn, in seconds.
const SECONDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];

/// What is measured of one exchange.
#[derive(Debug)]
pub struct Measured<'a> {
    pub operation: &'a str,
    /// Empty when no target was found.
    pub instance: &'a str,
    pub model: Option<&'a str>,
    pub status: u16,
    pub duration: Duration,
    pub first_byte: Option<Duration>,
    pub usage: Option<Usage>,
}

const KINDS: [&str; 4] = ["input", "output", "cached", "reasoning"];

thread_local! {
    /// Most exchanges are like the one before: what that one counted in need not be looked up again.
    static LATEST: RefCell<Option<Series>> = const { RefCell::new(None) };
}

/// What exchanges of one kind are counted in.
struct Series {
    /// The [`Metrics`] that it belongs to.
    metrics: usize,
    instance: String,
    model: String,
    operation: String,
    status: u16,
    requests: IntCounter,
    duration: Histogram,
    // What was never counted is not shown.
    first_byte: Option<Histogram>,
    /// By [`KINDS`].
    tokens: [Option<IntCounter>; 4],
}

impl Series {
    fn is_for(&self, metrics: usize, measured: &Measured<'_>) -> bool {
        self.metrics == metrics
            && self.status == measured.status
            && self.instance == measured.instance
            && self.operation == measured.operation
            && self.model == measured.model.unwrap_or(OTHER_MODEL)
    }
}

#[derive(Debug)]
pub struct Metrics {
    /// Tells these metrics from others in the same process.
    id: usize,
    registry: Registry,
    requests: IntCounterVec,
    duration: HistogramVec,
    first_byte: HistogramVec,
    tokens: IntCounterVec,
    attempts: IntCounterVec,
    batches: IntCounterVec,
    in_flight: IntGaugeVec,
    cooling: IntGaugeVec,
    models: IntGaugeVec,
}

impl Metrics {
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| -> Result<_, prometheus::Error> {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let gauge = |name: &str, help: &str| -> Result<_, prometheus::Error> {
            let gauge = IntGaugeVec::new(Opts::new(name, help), &["instance"])?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let histogram = |name: &str, help: &str| -> Result<_, prometheus::Error> {
            let opts = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
            let histogram = HistogramVec::new(opts, &["instance", "operation"])?;
            registry.register(Box::new(histogram.clone()))?;
            Ok(histogram)
        };
        let build =
            IntGaugeVec::new(Opts::new("narthex_build_info", "Always 1; the version is a label."), &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let metrics = Self {
            id: MADE.fetch_add(1, Ordering::Relaxed),
            requests: counter(
                "narthex_requests_total",
                "Exchanges that have ended, by the status that the client saw (0: the client left first).",
                &["instance", "model", "operation", "status"],
            )?,
            duration: histogram(
                "narthex_request_duration_seconds",
                "From the request's header to the answer's last byte.",
            )?,
            first_byte: histogram(
                "narthex_time_to_first_byte_seconds",
                "From the request's header to the answer's header.",
            )?,
            tokens: counter(
                "narthex_tokens_total",
                "Tokens as counted by the providers; cached is part of input, reasoning part of output.",
                &["instance", "model", "kind"],
            )?,
            attempts: counter(
                "narthex_attempts_total",
                "Tries at an instance: answered, refused (a status that another target may not give), failed.",
                &["instance", "outcome"],
            )?,
            batches: counter(
                "narthex_batches_total",
                "Batches that are over, by how they ended; `emulated` is the instance of those that were asked line by line.",
                &["instance", "status"],
            )?,
            in_flight: gauge("narthex_in_flight", "Exchanges under way at an instance.")?,
            cooling: gauge("narthex_instance_cooling", "1 while an instance that failed is tried last.")?,
            models: gauge("narthex_models", "Models that an instance lists.")?,
            registry: registry.clone(),
        };
        registry.register(Box::new(build))?;
        Ok(metrics)
    }

    pub fn exchange(&self, measured: &Measured<'_>) {
        LATEST.with_borrow_mut(|latest| {
            let series = match latest {
                Some(series) if series.is_for(self.id, measured) => series,
                _ => latest.insert(self.series(measured)),
            };
            series.requests.inc();
            series.duration.observe(measured.duration.as_secs_f64());
            if let Some(first_byte) = measured.first_byte {
                let labels = [series.instance.as_str(), series.operation.as_str()];
                let histogram = series.first_byte.get_or_insert_with(|| self.first_byte.with_label_values(&labels));
                histogram.observe(first_byte.as_secs_f64());
            }
            if let Some(usage) = measured.usage {
                let counts = [usage.input, usage.output, usage.cached, usage.reasoning];
                for ((kind, counter), count) in KINDS.iter().zip(&mut series.tokens).zip(counts) {
                    if count > 0 {
                        let labels = [series.instance.as_str(), series.model.as_str(), kind];
                        counter.get_or_insert_with(|| self.tokens.with_label_values(&labels)).inc_by(count);
                    }
                }
            }
        });
    }

    fn series(&self, measured: &Measured<'_>) -> Series {
        let Measured { operation, instance, status, .. } = *measured;
        let model = measured.model.unwrap_or(OTHER_MODEL);
        let mut digits = [0; 3];
        Series {
            metrics: self.id,
            instance: instance.to_owned(),
            model: model.to_owned(),
            operation: operation.to_owned(),
            status,
            requests: self.requests.with_label_values(&[instance, model, operation, status_text(status, &mut digits)]),
            duration: self.duration.with_label_values(&[instance, operation]),
            first_byte: None,
            tokens: [const { None }; 4],
        }
    }

    pub fn attempt(&self, instance: &str, outcome: &str) {
        self.attempts.with_label_values(&[instance, outcome]).inc();
    }

    /// A batch is over. `usage` is what its lines took together, where they were not counted one by one.
    pub fn batch(&self, instance: &str, model: Option<&str>, status: &str, usage: Option<Usage>) {
        self.batches.with_label_values(&[instance, status]).inc();
        let Some(usage) = usage else { return };
        let counts = [usage.input, usage.output, usage.cached, usage.reasoning];
        for (kind, count) in KINDS.iter().zip(counts).filter(|(_, count)| *count > 0) {
            self.tokens.with_label_values(&[instance, model.unwrap_or(OTHER_MODEL), kind]).inc_by(count);
        }
    }

    /// Everything in Prometheus's text format.
    pub fn text<'a>(&self, upstreams: impl Iterator<Item = &'a Upstream>) -> Result<Vec<u8>, prometheus::Error> {
        for upstream in upstreams {
            let label = &[upstream.name()];
            self.in_flight.with_label_values(label).set(i64::from(upstream.in_flight()));
            self.cooling.with_label_values(label).set(i64::from(upstream.health.is_cooling()));
            let models = upstream.inventory.load().models.len();
            self.models.with_label_values(label).set(i64::try_from(models).unwrap_or(i64::MAX));
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// A status in digits, without an allocation for each exchange.
fn status_text(status: u16, digits: &mut [u8; 3]) -> &str {
    if status < 100 {
        return "0";
    }
    *digits = [status / 100, status / 10 % 10, status % 10].map(|digit| b'0' + u8::try_from(digit % 10).unwrap_or(0));
    std::str::from_utf8(digits).unwrap_or("0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_it_is_told() {
        let metrics = Metrics::new().unwrap();
        let usage = Some(Usage { input: 5, output: 2, reasoning: 1, ..Usage::default() });
        metrics.exchange(&Measured {
            operation: "chat completions",
            instance: "openai",
            model: None,
            status: 429,
            duration: Duration::from_millis(30),
            first_byte: Some(Duration::from_millis(20)),
            usage,
        });
        metrics.attempt("openai", "failed");
        let text = String::from_utf8(metrics.text(std::iter::empty()).unwrap()).unwrap();
        for line in [
            r#"narthex_requests_total{instance="openai",model="other",operation="chat completions",status="429"} 1"#,
            r#"narthex_tokens_total{instance="openai",kind="input",model="other"} 5"#,
            r#"narthex_attempts_total{instance="openai",outcome="failed"} 1"#,
            r#"narthex_time_to_first_byte_seconds_bucket{instance="openai",operation="chat completions",le="0.025"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains(r#"kind="cached""#), "nothing was cached");
        assert_eq!(status_text(0, &mut [0; 3]), "0");
    }
}
