//! The end of what was kept: conversations go when their last turn is too old.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use super::{Store, StoreError, number};

/// So many responses are deleted in one transaction: writers get in between.
const BATCH: usize = 200;
/// The shortest and the longest time from one sweep to the next.
const OFTEN: Duration = Duration::from_secs(60);
const SELDOM: Duration = Duration::from_secs(3600);
/// A sweep gives back so many pages of 4 KiB to the disk at most, since nobody else writes meanwhile.
const GIVE_BACK: &str = "PRAGMA incremental_vacuum(8192)";

/// Responses too old to be shown, but for those that a younger one of the same conversation continues.
const EXPIRED: &str = "DELETE FROM responses WHERE (tenant, id) IN (
    SELECT tenant, id FROM responses AS old WHERE created < $1 AND NOT EXISTS (
        SELECT 1 FROM responses AS young
        WHERE young.tenant = old.tenant AND young.chain = old.chain AND young.created >= $1)
    LIMIT $2)";

impl Store {
    /// Deletes what is too old, and returns how many responses that were.
    pub async fn sweep(&self, now: SystemTime) -> Result<u64, StoreError> {
        let Some(database) = self.open_if_there().await? else { return Ok(0) };
        let sweep = async {
            let mut swept = 0;
            loop {
                let mut transaction = database.write().await?;
                let deleted = sqlx::query(EXPIRED)
                    .bind(self.cutoff(now))
                    .bind(number(BATCH))
                    .execute(&mut *transaction)
                    .await?
                    .rows_affected();
                transaction.commit().await?;
                swept += deleted;
                if number(deleted) < number(BATCH) {
                    break;
                }
            }
            if swept > 0 {
                sqlx::query(GIVE_BACK).execute(database.upkeep()).await?;
            }
            Ok(swept)
        };
        sweep.await.map_err(|why| self.error(why))
    }

    /// Sweeps now and then until `shutdown` turns true or its sender is gone. The first sweep opens a file that is there,
    /// so that what is wrong with it is in the log before a client meets it.
    pub async fn keep_clean(self: Arc<Self>, mut shutdown: watch::Receiver<bool>) {
        let pause = (self.settings.retention / 24).clamp(OFTEN, SELDOM);
        loop {
            match self.sweep(SystemTime::now()).await {
                Ok(0) => {}
                Ok(swept) => log::info!("store: {swept} responses were too old and are deleted"),
                Err(why) => log::error!("{why}"),
            }
            tokio::select! {
                _ = shutdown.wait_for(|is_over| *is_over) => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        if let Err(why) = self.settle().await {
            log::warn!("{why}");
        }
    }

    /// Brings the write-ahead log into the file itself, which is then all there is to copy.
    async fn settle(&self) -> Result<(), StoreError> {
        let Some(database) = self.database.get() else { return Ok(()) };
        let settled = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(database.upkeep()).await;
        settled.map(drop).map_err(|why| self.error(why))
    }
}
