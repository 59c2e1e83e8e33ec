//! What came of the lines of a batch: one result for each, for ever.

use super::database::Database;
use super::sql::sql;
use super::{Json, Store, StoreError, owner};

/// What came of one line.
#[derive(Debug, Clone)]
pub struct LineResult {
    pub line: u64,
    pub is_error: bool,
    pub text: Json,
}

/// About so many bytes of text are read at once.
const AT_ONCE: u64 = 4 << 20;
/// So many results are deleted in one transaction.
const SWEPT_AT_ONCE: usize = 1000;

impl Store {
    /// Keeps the result of a line, if it has none yet; else `false`, and nothing changes. `false` as well for a batch that
    /// is deleted. When this returns it survives a crash of the process.
    pub async fn put_result(&self, tenant: Option<&str>, batch: &str, result: &LineResult) -> Result<bool, StoreError> {
        let database = self.open().await?;
        let put = async {
            let mut transaction = database.write().await?;
            let put = sql("INSERT INTO results (tenant, batch, line, is_error, bytes, text)
                 SELECT tenant, id, $3, $4, $5, $6 FROM batches WHERE tenant = $1 AND id = $2
                 ON CONFLICT (tenant, batch, line) DO NOTHING");
            let put = put.bind(owner(tenant)).bind(batch).bind(result.line).bind(result.is_error);
            let put = put.bind(result.text.get().len()).bind(&result.text).execute(&mut transaction).await?;
            transaction.commit().await?;
            Ok(put > 0)
        };
        put.await.map_err(|why| self.error(why))
    }

    /// Results by line, behind the line `after`: `most` of them, or as many as make about 4 MiB of text, but at least one if
    /// there is one.
    pub async fn results(
        &self,
        tenant: Option<&str>,
        batch: &str,
        after: Option<u64>,
        most: usize,
    ) -> Result<Vec<LineResult>, StoreError> {
        let Some(database) = self.open_if_there().await? else { return Ok(Vec::new()) };
        let after = after.map_or(-1, super::number);
        let read = async {
            let mut moment = database.read().await?;
            let sizes = sql(
                "SELECT line, bytes FROM results WHERE tenant = $1 AND batch = $2 AND line > $3 ORDER BY line LIMIT $4",
            );
            let sizes = sizes.bind(owner(tenant)).bind(batch).bind(after).bind(most).all(&mut moment).await?;
            let (mut last, mut bytes) = (None, 0);
            for size in sizes {
                bytes += size.count("bytes")?;
                if last.is_some() && bytes > AT_ONCE {
                    break;
                }
                last = Some(size.count("line")?);
            }
            let Some(last) = last else { return Ok(Vec::new()) };
            let results = sql("SELECT line, is_error, text FROM results
                 WHERE tenant = $1 AND batch = $2 AND line > $3 AND line <= $4 ORDER BY line");
            let rows = results.bind(owner(tenant)).bind(batch).bind(after).bind(last).all(&mut moment).await?;
            let result = |row: &super::sql::Row| {
                Ok(LineResult { line: row.count("line")?, is_error: row.flag("is_error")?, text: row.json("text")? })
            };
            rows.iter().map(result).collect()
        };
        read.await.map_err(|why| self.error(why))
    }

    /// The lines that have a result, in order.
    pub async fn done_lines(&self, tenant: Option<&str>, batch: &str) -> Result<Vec<u64>, StoreError> {
        let Some(database) = self.open_if_there().await? else { return Ok(Vec::new()) };
        let read = async {
            let lines = sql("SELECT line FROM results WHERE tenant = $1 AND batch = $2 ORDER BY line");
            let rows = lines.bind(owner(tenant)).bind(batch).all(&mut database.read().await?).await?;
            rows.iter().map(|row| row.count("line")).collect::<Result<_, _>>()
        };
        read.await.map_err(|why| self.error(why))
    }

    /// How many results are good, and how many are errors.
    pub async fn result_counts(&self, tenant: Option<&str>, batch: &str) -> Result<(u64, u64), StoreError> {
        let Some(database) = self.open_if_there().await? else { return Ok((0, 0)) };
        let read = async {
            let counts =
                sql("SELECT COUNT(*) AS results, CAST(COALESCE(SUM(is_error), 0) AS BIGINT) AS errors FROM results
                 WHERE tenant = $1 AND batch = $2");
            let row = counts.bind(owner(tenant)).bind(batch).one(&mut database.read().await?).await?;
            let (all, errors) = (row.count("results")?, row.count("errors")?);
            Ok((all.saturating_sub(errors), errors))
        };
        read.await.map_err(|why| self.error(why))
    }

    /// Forgets all results of a batch.
    pub async fn clear_results(&self, tenant: Option<&str>, batch: &str) -> Result<(), StoreError> {
        let Some(database) = self.open_if_there().await? else { return Ok(()) };
        clear(database, tenant, batch).await.map_err(|why| self.error(why))
    }
}

/// Deletes all results of a batch, a part of them in each transaction: writers get in between.
pub async fn clear(database: &Database, tenant: Option<&str>, batch: &str) -> Result<(), sqlx::Error> {
    loop {
        let mut transaction = database.write().await?;
        let clear = sql("DELETE FROM results WHERE tenant = $1 AND batch = $2 AND line IN (
                 SELECT line FROM results WHERE tenant = $1 AND batch = $2 ORDER BY line LIMIT $3)");
        let cleared = clear.bind(owner(tenant)).bind(batch).bind(SWEPT_AT_ONCE).execute(&mut transaction).await?;
        transaction.commit().await?;
        if cleared < SWEPT_AT_ONCE as u64 {
            return Ok(());
        }
    }
}
