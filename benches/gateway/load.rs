//! The two ways to send: as fast as answers come (CPU cost), and at a fixed rate (latency).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use crate::Outcome;
use crate::client::{Call, Connection};

/// Closed loop: `connections` callers share `requests`, each sends its next when the last was answered.
pub async fn closed(call: &Arc<Call>, connections: usize, requests: usize) -> Outcome<()> {
    let left = Arc::new(AtomicUsize::new(requests));
    let mut callers = JoinSet::new();
    for _ in 0..connections {
        let (call, left) = (Arc::clone(call), Arc::clone(&left));
        callers.spawn(async move {
            let mut connection = Connection::open(call).await?;
            while take_one(&left) {
                connection.exchange().await?;
            }
            Outcome::Ok(())
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller??;
    }
    Ok(())
}

fn take_one(left: &AtomicUsize) -> bool {
    left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// Latencies in seconds of every request of an open-loop run.
#[derive(Default)]
pub struct Latencies {
    pub whole: Vec<f64>,
    pub first_byte: Vec<f64>,
}

/// Open loop: requests leave at `rate` per second whether or not earlier ones were answered. A latency counts from the moment
/// at which its request was due to leave, so that a stall is charged to every request that it held up.
pub async fn open(call: &Arc<Call>, connections: usize, rate: u32, span: Duration) -> Outcome<Latencies> {
    let (due, queue) = mpsc::unbounded_channel();
    let queue = Arc::new(Mutex::new(queue));
    let mut callers = JoinSet::new();
    for _ in 0..connections {
        let mut connection = Connection::open(Arc::clone(call)).await?;
        let queue = Arc::clone(&queue);
        callers.spawn(async move {
            let mut latencies = Latencies::default();
            loop {
                let next = queue.lock().await.recv().await;
                let Some(due) = next else {
                    return Outcome::Ok(latencies);
                };
                let timing = connection.exchange().await?;
                latencies.whole.push(timing.end.duration_since(due).as_secs_f64());
                latencies.first_byte.push(timing.first_byte.duration_since(due).as_secs_f64());
            }
        });
    }
    // A thread, because the runtime's timers tick in whole milliseconds.
    let pacer = std::thread::spawn(move || pace(rate, span, &due));
    let mut all = Latencies::default();
    while let Some(caller) = callers.join_next().await {
        let latencies = caller??;
        all.whole.extend(latencies.whole);
        all.first_byte.extend(latencies.first_byte);
    }
    pacer.join().map_err(|_| "the pacing thread failed")?;
    Ok(all)
}

fn pace(rate: u32, span: Duration, due: &mpsc::UnboundedSender<Instant>) {
    let start = Instant::now();
    let step = Duration::from_secs(1) / rate;
    let mut at = Duration::ZERO;
    while at < span {
        std::thread::sleep((start + at).saturating_duration_since(Instant::now()));
        if due.send(Instant::now()).is_err() {
            return;
        }
        at += step;
    }
}
