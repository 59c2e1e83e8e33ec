//! The end of what was kept: conversations go when their last turn is too old; files when they expire, or are as old as files
//! get; batches when they are over and that old.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use super::database::Database;
use super::sql::{Statement, sql};
use super::{Store, StoreError, seconds};

/// So many responses are deleted in one transaction, and so many files and batches looked up at once: writers get in between.
const AT_ONCE: usize = 200;
/// An upload that is not finished by then never will be.
const DAY: u64 = 24 * 3600;
/// The shortest and the longest time from one sweep to the next.
const OFTEN: Duration = Duration::from_secs(60);
const SELDOM: Duration = Duration::from_secs(3600);

/// Responses too old to be shown, but for those that a younger one of the same conversation continues.
const OLD_RESPONSES: &str = "DELETE FROM responses WHERE (tenant, id) IN (
    SELECT tenant, id FROM responses AS old WHERE created < $1 AND NOT EXISTS (
        SELECT 1 FROM responses AS young
        WHERE young.tenant = old.tenant AND young.chain = old.chain AND young.created >= $1)
    LIMIT $2)";
/// Files that are expired, as old as files get, or left half-written or half-deleted.
const OLD_FILES: &str = "SELECT tenant, id FROM files
    WHERE expires < $1 OR (instance IS NULL AND created < $2) OR (is_finished = 0 AND created < $3) LIMIT $4";
const OLD_BATCHES: &str = "SELECT tenant, id FROM batches WHERE due IS NULL AND created < $1 LIMIT $2";

impl Store {
    /// Deletes what is too old, and returns how many responses, files and batches that were.
    pub async fn sweep(&self, now: SystemTime) -> Result<u64, StoreError> {
        let Some(database) = self.open_if_there().await? else { return Ok(0) };
        let responses = self.sweep_responses(database, now).await.map_err(|why| self.error(why))?;
        let swept = responses + self.sweep_files(database, now).await? + self.sweep_batches(database, now).await?;
        database.give_back().await.map_err(|why| self.error(why))?;
        Ok(swept)
    }

    async fn sweep_responses(&self, database: &Database, now: SystemTime) -> Result<u64, sqlx::Error> {
        let mut swept = 0;
        loop {
            let mut transaction = database.write().await?;
            let old = sql(OLD_RESPONSES).bind(self.cutoff(now)).bind(AT_ONCE);
            let deleted = old.execute(&mut transaction).await?;
            transaction.commit().await?;
            swept += deleted;
            if deleted < AT_ONCE as u64 {
                return Ok(swept);
            }
        }
    }

    async fn sweep_files(&self, database: &Database, now: SystemTime) -> Result<u64, StoreError> {
        let mut swept = 0;
        loop {
            let old = sql(OLD_FILES).bind(seconds(now)).bind(self.file_cutoff(now));
            let old = self.names(database, old.bind(seconds(now).saturating_sub(DAY)).bind(AT_ONCE)).await?;
            for (tenant, id) in &old {
                self.discard_file(tenant.as_deref(), id).await?;
            }
            swept += old.len() as u64;
            if old.len() < AT_ONCE {
                return Ok(swept);
            }
        }
    }

    async fn sweep_batches(&self, database: &Database, now: SystemTime) -> Result<u64, StoreError> {
        let mut swept = 0;
        loop {
            let old = sql(OLD_BATCHES).bind(self.file_cutoff(now)).bind(AT_ONCE);
            let old = self.names(database, old).await?;
            for (tenant, id) in &old {
                self.delete_batch(tenant.as_deref(), id).await?;
            }
            swept += old.len() as u64;
            if old.len() < AT_ONCE {
                return Ok(swept);
            }
        }
    }

    /// Whose is old, and what it is called.
    async fn names(
        &self,
        database: &Database,
        old: Statement<'_>,
    ) -> Result<Vec<(Option<String>, String)>, StoreError> {
        let read = async {
            let rows = old.all(&mut database.read().await?).await?;
            rows.iter().map(|row| Ok((row.tenant()?, row.get("id")?))).collect::<Result<_, _>>()
        };
        read.await.map_err(|why| self.error(why))
    }

    /// Sweeps now and then until `shutdown` turns true or its sender is gone. The first sweep opens a file that is there,
    /// so that what is wrong with it is in the log before a client meets it.
    pub async fn keep_clean(self: Arc<Self>, mut shutdown: watch::Receiver<bool>) {
        let pause = (self.settings.retention.min(self.settings.file_retention) / 24).clamp(OFTEN, SELDOM);
        loop {
            match self.sweep(SystemTime::now()).await {
                Ok(0) => {}
                Ok(swept) => log::info!("store: {swept} responses, files and batches were too old and are deleted"),
                Err(why) => log::error!("{why}"),
            }
            tokio::select! {
                _ = shutdown.wait_for(|is_over| *is_over) => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        let Some(database) = self.database.get() else { return };
        if let Err(why) = database.settle().await {
            log::warn!("{}", self.error(why));
        }
    }
}
