//! Seeing to batches: one step after the other, each written down, so that whoever comes next goes on where the last one stopped.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;

use super::collect;
use super::flow::{Flow, Progress};
use super::job::{Job, lease};
use crate::batches::{Stage, Status};
use crate::error::{Failure, Kind, Remedy};
use crate::gateway::Readiness;
use crate::proxy::desk::{Desk, now, now_ms};
use crate::rewrite::Usage;
use crate::store::StoredBatch;

/// Batches that one process sees to at once.
const AT_ONCE: usize = 16;
/// A lease is renewed so often.
const RENEWAL: Duration = Duration::from_secs(4);
/// Batches of others are looked for at least so often: they may be left behind.
const ROUND: Duration = Duration::from_secs(5);
/// So many failures in a row are borne, if they may pass.
const PATIENCE: u32 = 100;
/// And so many of those that will not pass by themselves.
const REFUSALS: u32 = 3;

/// A batch's id and whose it is.
type Name = (Option<String>, String);

/// The batches that this process has in hand. A lease tells processes apart, this the tasks of one.
#[derive(Debug, Default)]
pub struct InHand(Mutex<HashSet<Name>>);

/// One batch in hand, until it is dropped.
#[derive(Debug)]
struct Grip<'h> {
    all: &'h InHand,
    name: Name,
}

impl InHand {
    fn take(&self, tenant: Option<&str>, id: &str) -> Option<Grip<'_>> {
        let name = (tenant.map(str::to_owned), id.to_owned());
        let is_free = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
        // Made only then: one that is dropped lets go.
        is_free.then(|| Grip { all: self, name })
    }
}

impl Drop for Grip<'_> {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

/// Sees to all batches that are due, for as long as the process lives.
pub struct Worker(pub Arc<Desk>);

#[async_trait]
impl BackgroundService for Worker {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let desk = &self.0;
        let round = desk.gateway.config.batches.poll.min(ROUND);
        loop {
            if desk.gateway.readiness() != Readiness::Draining {
                match desk.gateway.store.claim_batches(now_ms(), lease(desk), AT_ONCE).await {
                    Ok(claimed) => claimed.into_iter().for_each(|stored| {
                        tokio::spawn(by_itself(Arc::clone(desk), stored));
                    }),
                    Err(why) => log::error!("{why}"),
                }
            }
            tokio::select! {
                _ = shutdown.wait_for(|is_over| *is_over) => return,
                () = desk.wake.notified() => {}
                () = tokio::time::sleep(round) => {}
            }
        }
    }
}

async fn by_itself(desk: Arc<Desk>, stored: StoredBatch) {
    let _open = desk.gateway.enter();
    let Some(_grip) = desk.in_hand.take(stored.tenant.as_deref(), &stored.id) else { return };
    if let Err(failure) = see_if_due(&desk, &stored).await {
        log::warn!("a batch goes on later: {}", failure.message);
    }
}

/// What was claimed before it was taken in hand may have been seen to in between, by another task of this process.
async fn see_if_due(desk: &Desk, claimed: &StoredBatch) -> Result<(), Failure> {
    match claim(desk, claimed.tenant.as_deref(), &claimed.id).await? {
        Some(stored) if stored.due.is_some_and(|due| due <= now_ms()) => see_to(desk, stored, false).await,
        Some(stored) => Job::read(desk, stored)?.release().await,
        None => Ok(()),
    }
}

/// Looks at a batch now, if nobody else does: its client asks for it.
pub async fn look_now(desk: &Desk, tenant: Option<&str>, id: &str) -> Result<(), Failure> {
    let Some(_grip) = desk.in_hand.take(tenant, id) else { return Ok(()) };
    match claim(desk, tenant, id).await? {
        Some(stored) => see_to(desk, stored, false).await,
        None => Ok(()),
    }
}

/// Leases a batch that is in hand, and tells how it stands. `None`: it is another process's.
async fn claim(desk: &Desk, tenant: Option<&str>, id: &str) -> Result<Option<StoredBatch>, Failure> {
    let claimed = desk.gateway.store.claim_batch(tenant, id, now_ms(), lease(desk)).await;
    claimed.map_err(|why| Failure::from(&crate::proxy::desk::unavailable(&why)))
}

/// Takes a new batch as far as it goes at once. `Err`: it cannot be carried out.
pub async fn begin(desk: &Desk, stored: StoredBatch) -> Result<(), Failure> {
    let Some(_grip) = desk.in_hand.take(stored.tenant.as_deref(), &stored.id) else { return Ok(()) };
    see_to(desk, stored, true).await
}

/// Takes a batch as far as it goes, while its lease is renewed.
async fn see_to(desk: &Desk, stored: StoredBatch, is_new: bool) -> Result<(), Failure> {
    let (tenant, id) = (stored.tenant.clone(), stored.id.clone());
    let renewing = async {
        loop {
            tokio::time::sleep(RENEWAL).await;
            match desk.gateway.store.renew_lease(tenant.as_deref(), &id, lease(desk)).await {
                Ok(true) => {}
                Ok(false) => return,
                // It may do better the next time; if not, others take over.
                Err(why) => log::error!("{why}"),
            }
        }
    };
    tokio::select! {
        done = advance(desk, stored, is_new) => done,
        () = renewing => Err(lost()),
    }
}

async fn advance(desk: &Desk, stored: StoredBatch, is_new: bool) -> Result<(), Failure> {
    let mut job = Job::read(desk, stored)?;
    let flow = Flow::by_name(&job.stored.flow)
        .ok_or_else(|| Failure::of_kind(Kind::Internal, "This batch was made by another version of the gateway."))?;
    job.work.is_resumed = !is_new;
    job.work.looked_at = now_ms();
    let was_over = job.work.stage == Stage::Over;
    loop {
        let step = step(&mut job, flow).await;
        match step {
            Ok(true) => job.work.failures = 0,
            Ok(false) => {
                job.work.failures = 0;
                job.release().await?;
                if !was_over && job.work.stage == Stage::Over {
                    count(&job, flow);
                }
                return Ok(());
            }
            Err(failure) if failure.code.as_deref() == Some(LOST) => return Err(failure),
            Err(failure) => {
                let is_final = is_new && failure.kind.remedy() != Remedy::Again && job.work.stage == Stage::Submitting;
                if !is_final && bear(&mut job, flow, &failure) {
                    job.release().await?;
                    return Ok(());
                }
                flow.tidy(&mut job).await;
                job.fail(&failure);
                job.release().await?;
                count(&job, flow);
                return Err(failure);
            }
        }
    }
}

/// Counts a batch that is over.
fn count(job: &Job<'_>, flow: Flow) {
    let usage = job.batch.usage.filter(|_| flow != Flow::Emulated).map(|usage| Usage {
        input: usage.input_tokens,
        output: usage.output_tokens,
        cached: usage.input_tokens_details.cached_tokens,
        reasoning: usage.output_tokens_details.reasoning_tokens,
        ..Usage::default()
    });
    let instance = if flow == Flow::Emulated { flow.name() } else { &job.stored.instance };
    job.desk.gateway.metrics.batch(instance, job.batch.model.as_deref(), job.batch.status.name(), usage);
}

/// Whether a failure is borne: the batch is looked at again later.
fn bear(job: &mut Job<'_>, flow: Flow, failure: &Failure) -> bool {
    if failure.code.as_deref() == Some(ANOTHER) {
        // What was taken for it at the provider is another: it is handed over after all.
        job.work.mistaken.extend(job.stored.upstream_id.take());
        job.work.stage = Stage::Submitting;
        job.stored.due = Some(now_ms());
        return true;
    }
    job.work.failures += 1;
    let patience = if failure.kind.remedy() == Remedy::Again { PATIENCE } else { REFUSALS };
    if job.work.failures > patience {
        return false;
    }
    log::warn!("{} ({}): {}", job.id(), flow.name(), failure.message);
    job.put_off(false);
    true
}

/// One step. Whether there is another one at once.
async fn step(job: &mut Job<'_>, flow: Flow) -> Result<bool, Failure> {
    match job.work.stage {
        Stage::Submitting => {
            if job.stored.is_cancel_wanted && job.work.asked_at.is_none() {
                return cancelled_before_it_began(job, flow).await;
            }
            flow.submit(job).await?;
            job.work.stage = Stage::Running;
            if job.batch.status == Status::Validating && flow != Flow::Native(crate::providers::BatchesApi::Openai) {
                job.batch.enter(Status::InProgress, now());
            }
            job.put_off(true);
            job.save().await?;
            // It has only just been handed over; nothing can have changed.
            Ok(flow == Flow::Emulated || job.stored.is_cancel_wanted)
        }
        Stage::Running => {
            if job.stored.is_cancel_wanted && job.batch.cancelling_at.is_none() {
                flow.cancel(job).await?;
                job.batch.enter(Status::Cancelling, now());
                job.batch.cancelling_at.get_or_insert(now());
                job.save().await?;
            }
            match flow.look(job).await? {
                Progress::Waiting { is_changed } => {
                    if job.stored.due.is_none_or(|due| due > now_ms()) || flow != Flow::Emulated {
                        job.put_off(is_changed);
                    }
                    Ok(false)
                }
                Progress::Ended => {
                    if job.batch.status != Status::Cancelling {
                        job.batch.enter(Status::Finalizing, now());
                    }
                    job.work.stage = Stage::Collecting;
                    job.save().await?;
                    Ok(true)
                }
                Progress::Over => {
                    flow.tidy(job).await;
                    let status = job.batch.status;
                    job.end(status);
                    Ok(false)
                }
            }
        }
        Stage::Collecting => {
            flow.results(job).await?;
            collect::assemble(job, flow).await?;
            flow.tidy(job).await;
            job.save().await?;
            let cleared = job.desk.gateway.store.clear_results(job.tenant(), job.id()).await;
            cleared.map_err(|why| Failure::from(&crate::proxy::desk::unavailable(&why)))?;
            Ok(false)
        }
        Stage::Over => {
            job.stored.due = None;
            Ok(false)
        }
    }
}

/// Nobody was asked for anything: every line is cancelled.
async fn cancelled_before_it_began(job: &mut Job<'_>, flow: Flow) -> Result<bool, Failure> {
    job.batch.enter(Status::Cancelling, now());
    collect::assemble(job, flow).await?;
    Ok(false)
}

const LOST: &str = "lease_lost";
const ANOTHER: &str = "another_batch";

/// Another process has taken it over.
pub fn lost() -> Failure {
    Failure { code: Some(LOST.to_owned()), ..Failure::of_kind(Kind::Conflict, "Another process sees to this batch.") }
}

/// The provider's batch is not this one.
pub fn another() -> Failure {
    let message = "What the provider has carried out is another batch.";
    Failure { code: Some(ANOTHER.to_owned()), ..Failure::of_kind(Kind::Conflict, message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_in_one_hand() {
        let all = InHand::default();
        let grip = all.take(None, "batch_1").expect("it is free");
        // However often others try.
        assert!(all.take(None, "batch_1").is_none());
        assert!(all.take(None, "batch_1").is_none());
        assert!(all.take(Some("tenant"), "batch_1").is_some());
        drop(grip);
        assert!(all.take(None, "batch_1").is_some());
    }
}
