//! Batches for providers that have none: every line is a request of its own, made through the gateway itself, some at a time.
//!
//! What is answered is written down at once. After a crash the lines without a result are asked again: those that were under way may
//! have been answered once already, which an `idempotency-key` tells providers that know it.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http::StatusCode;
use tokio::time::Instant;

use super::collect;
use super::convert::{Ended, Reader};
use super::flow::Progress;
use super::job::Job;
use crate::batches::{Counts, Line, Status, path_of};
use crate::dialects::retry_after;
use crate::error::{Failure, Kind, Remedy};
use crate::gateway::Readiness;
use crate::proxy::desk::{Desk, now, now_ms, unavailable};

/// How often a line is asked that might do better later, beyond what the gateway itself tries.
const TRIES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often it is written down how far it is, and seen whether it is still wanted.
const NEWS: Duration = Duration::from_secs(1);

/// Asks the lines that have no result yet, until there are none, or the batch is not to go on.
pub async fn work(job: &mut Job<'_>) -> Result<Progress, Failure> {
    let store = &job.desk.gateway.store;
    let done = store.done_lines(job.tenant(), job.id()).await.map_err(|why| Failure::from(&unavailable(&why)))?;
    let done: HashSet<u64> = done.into_iter().collect();
    let at_once = job.desk.gateway.config.batches.concurrency;
    let mut reader = Reader::new(job.input().await?);
    let mut under_way = FuturesUnordered::new();
    let (mut is_read, mut is_stopped) = (false, false);
    let often = NEWS.min(job.desk.gateway.config.batches.poll);
    let mut told = tokio::time::interval_at(Instant::now() + often, often);
    loop {
        is_stopped |= is_to_stop(job);
        while !is_read && !is_stopped && under_way.len() < at_once {
            match reader.next().await? {
                Some((number, _)) if done.contains(&number) => {}
                Some((number, text)) => {
                    under_way.push(line(job.desk, job.stored.tenant.clone(), job.id().to_owned(), number, text))
                }
                None => is_read = true,
            }
        }
        tokio::select! {
            next = under_way.next() => match next {
                Some((number, Some(ended))) => drop(collect::keep(job, number, ended).await?),
                Some((_, None)) => {}
                None => break,
            },
            // A line may take minutes.
            _ = told.tick() => news(job).await?,
        }
    }
    news(job).await?;
    let is_given_up = job.stored.is_cancel_wanted || is_expired(job);
    match is_read && !is_stopped || is_given_up {
        true => Ok(Progress::Ended),
        // Another process goes on with it.
        false => {
            job.stored.due = Some(now_ms());
            Ok(Progress::Waiting { is_changed: true })
        }
    }
}

fn is_to_stop(job: &Job<'_>) -> bool {
    job.stored.is_cancel_wanted || is_expired(job) || job.desk.gateway.readiness() == Readiness::Draining
}

fn is_expired(job: &Job<'_>) -> bool {
    job.batch.expires_at.is_some_and(|end| end <= now())
}

/// Writes down how far it is, and learns whether it is still wanted.
async fn news(job: &mut Job<'_>) -> Result<(), Failure> {
    let store = &job.desk.gateway.store;
    let unusable = |why| Failure::from(&unavailable(&why));
    let (succeeded, errored) = store.result_counts(job.tenant(), job.id()).await.map_err(unusable)?;
    job.work.counts = Counts { succeeded, errored, ..job.work.counts };
    job.batch.request_counts = Some(job.work.counts.as_openai());
    if let Some(stored) = store.batch(job.tenant(), job.id()).await.map_err(unusable)? {
        job.stored.is_cancel_wanted = stored.is_cancel_wanted;
    }
    if job.stored.is_cancel_wanted {
        job.batch.enter(Status::Cancelling, now());
    }
    job.save().await
}

/// Asks one line. `None`: it could not be asked to the end, since the gateway stops.
async fn line(desk: &Desk, tenant: Option<String>, batch: String, number: u64, text: Bytes) -> (u64, Option<Ended>) {
    let Ok(line) = Line::read(&text, None) else { return (number, None) };
    let id = format!("{batch}_{number}");
    let mut pause = FIRST_PAUSE;
    for tried in 1..=TRIES {
        let path = path_of(line.operation);
        let answered = desk.inner.post(tenant.as_deref(), path, &id, line.body.text().to_bytes()).await;
        let (ended, wait) = match answered {
            Ok(answered) => {
                let is_done =
                    Kind::of_status(answered.status).remedy() != Remedy::Again || answered.status.is_success();
                let wait = retry_after(&answered.headers);
                let ended = Ended::Answered { status: answered.status, body: answered.body };
                if is_done {
                    return (number, Some(ended));
                }
                (ended, wait)
            }
            Err(why) => {
                log::warn!("{id}: {}", why.etype().as_str());
                let failure = Failure::of_kind(Kind::Upstream, "The request broke off.");
                let body = line.operation.dialect().write_failure(&failure, &id);
                (Ended::Answered { status: StatusCode::BAD_GATEWAY, body }, None)
            }
        };
        if desk.gateway.readiness() == Readiness::Draining {
            return (number, None);
        }
        if tried == TRIES {
            return (number, Some(ended));
        }
        tokio::time::sleep(wait.unwrap_or(pause).min(LONGEST_PAUSE)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    (number, None)
}
