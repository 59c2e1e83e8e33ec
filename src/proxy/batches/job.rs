//! A batch in hand: what is stored of it, read; and written back.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::to_raw_value;

use crate::batches::{Batch, Input, LineError, Status, Work};
use crate::error::{Failure, Kind, Refusal};
use crate::proxy::desk::{Desk, now, now_ms, unavailable};
use crate::proxy::files::Source;
use crate::routing::Upstream;
use crate::store::{Json, Lease, StoredBatch, StoredFile};

/// How long a lease holds unless it is renewed. A process that dies holds up its batches for so long.
const LEASE_MS: u64 = 15_000;
/// The pauses between two looks grow to so many times the first one.
const LONGEST_PAUSE: u64 = 100;

/// A batch that this process sees to.
pub struct Job<'d> {
    pub desk: &'d Desk,
    pub stored: StoredBatch,
    pub batch: Batch,
    pub work: Work,
}

impl<'d> Job<'d> {
    pub fn read(desk: &'d Desk, stored: StoredBatch) -> Result<Self, Failure> {
        let garbled =
            |why| Failure::of_kind(Kind::Internal, format!("The batch `{}` cannot be read: {why}.", stored.id));
        let batch = serde_json::from_str(stored.object.get()).map_err(garbled)?;
        let work = serde_json::from_str(stored.work.get()).map_err(garbled)?;
        Ok(Self { desk, stored, batch, work })
    }

    pub fn tenant(&self) -> Option<&str> {
        self.stored.tenant.as_deref()
    }

    pub fn id(&self) -> &str {
        &self.stored.id
    }

    /// The instance that carries it out.
    pub fn upstream(&self) -> Result<Arc<Upstream>, Failure> {
        self.desk.upstream(&self.stored.instance).cloned().ok_or_else(|| {
            let message = format!("The batch is at `{}`, which is not configured any more.", self.stored.instance);
            Failure::from(&Refusal::new(Kind::NotFound, message))
        })
    }

    /// What the provider calls it.
    pub fn upstream_id(&self) -> Result<&str, Failure> {
        let id = self.stored.upstream_id.as_deref();
        id.ok_or_else(|| Failure::of_kind(Kind::Internal, "The batch has not been handed to its provider yet."))
    }

    /// What one of its lines is called at the provider: no line of another batch is called so.
    pub fn line_name(&self, number: u64) -> String {
        format!("{}-{number}", self.mark())
    }

    /// The number of the line of this name; `None`: it is another batch's.
    pub fn line_number(&self, name: &str) -> Option<u64> {
        name.strip_prefix(self.mark())?.strip_prefix('-')?.parse().ok()
    }

    /// A part of its id that no other has.
    pub fn mark(&self) -> &str {
        let digits = self.id().rsplit('_').next().unwrap_or_default();
        digits.get(..24).unwrap_or(digits)
    }

    /// Notes that the provider is about to be asked to make it. True if that had been noted before: then it may be there already.
    pub async fn is_asked_again(&mut self) -> Result<bool, Failure> {
        let is_again = self.work.asked_at.is_some();
        if !is_again {
            self.work.asked_at = Some(now());
            self.save().await?;
        }
        Ok(is_again)
    }

    /// Writes down how it stands; it stays in hand. Fails if it is in others' hands by now: then nothing more may be done to it.
    pub async fn save(&mut self) -> Result<(), Failure> {
        if self.write(false).await? { Ok(()) } else { Err(super::see::lost()) }
    }

    /// Writes down how it stands, and lets go of it until it is due again.
    pub async fn release(&mut self) -> Result<(), Failure> {
        self.write(true).await.map(drop)
    }

    async fn write(&mut self, is_released: bool) -> Result<bool, Failure> {
        self.stored.object = json(&self.batch);
        self.stored.work = json(&self.work);
        let saved = self.desk.gateway.store.save_batch(&self.stored, &self.desk.owner, is_released).await;
        saved.map_err(|why| Failure::from(&unavailable(&why)))
    }

    /// It is looked at again after a while: the longer nothing happens, the longer.
    pub fn put_off(&mut self, is_changed: bool) {
        self.work.looks = if is_changed { 0 } else { self.work.looks.saturating_add(1) };
        let first = u64::try_from(self.desk.gateway.config.batches.poll.as_millis()).unwrap_or(u64::MAX);
        let factor = 1.5_f64.powi(i32::try_from(self.work.looks.min(20)).unwrap_or(20)).min(LONGEST_PAUSE as f64);
        // Instances that were asked together should not all be asked at once again.
        let pause = first as f64 * factor * (0.9 + fastrand::f64() / 5.0);
        self.stored.due = Some(now_ms().saturating_add(pause as u64));
    }

    /// It is not looked at any more.
    pub fn end(&mut self, status: Status) {
        self.batch.enter(status, now());
        self.work.stage = crate::batches::Stage::Over;
        self.stored.due = None;
    }

    /// It cannot be carried out, and why.
    pub fn fail(&mut self, failure: &Failure) {
        let errors = vec![LineError {
            code: Some(failure.code.clone().unwrap_or_else(|| "batch_failed".to_owned())),
            line: None,
            message: Some(failure.message.clone()),
            param: failure.param.clone(),
        }];
        self.batch.fail(errors, now());
        self.end(Status::Failed);
    }

    /// Its lines, from the first.
    pub async fn input(&self) -> Result<Source, Failure> {
        match &self.work.input {
            Input::Kept(id) => self.kept(id).await.map(|file| Source::kept(self.desk, &file)),
            Input::AtProvider(id) => Source::at_provider(self.desk, &*self.upstream()?, id).await,
        }
    }

    /// A file of its tenant that the gateway keeps.
    pub async fn kept(&self, id: &str) -> Result<StoredFile, Failure> {
        let found = self.desk.gateway.store.file(self.tenant(), id).await;
        found.map_err(|why| Failure::from(&unavailable(&why)))?.ok_or_else(|| {
            Failure::from(&Refusal::new(Kind::NotFound, format!("The file `{id}` is not there any more.")))
        })
    }
}

/// A lease of this process, from now on.
pub fn lease(desk: &Desk) -> Lease<'_> {
    Lease { owner: &desk.owner, until: now_ms() + LEASE_MS }
}

/// As it is stored.
pub fn json(value: &impl Serialize) -> Json {
    // Nothing that is stored has keys that are not texts.
    to_raw_value(value).unwrap_or_default()
}
