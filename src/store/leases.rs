//! Who sees to a batch: one process at a time, for a while.

use super::batches::{self, StoredBatch, columns};
use super::sql::sql;
use super::{Store, StoreError, owner};

/// A process's hold on a batch. It ends by itself, so that what a process has left behind is seen to by another. It should be
/// much longer than the clocks of machines that share a database differ.
#[derive(Debug, Clone, Copy)]
pub struct Lease<'a> {
    /// Names the process: another name for each run of each.
    pub owner: &'a str,
    /// Milliseconds since 1970.
    pub until: u64,
}

macro_rules! claim {
    ($lock:literal) => {
        concat!(
            "WITH free AS (SELECT tenant, id FROM batches WHERE due <= $1 AND leased_until <= $1
                           ORDER BY due, created, id LIMIT $4 ",
            $lock,
            ") UPDATE batches SET owner = $2, leased_until = $3 WHERE (tenant, id) IN (SELECT tenant, id FROM free) RETURNING ",
            columns!()
        )
    };
}

impl Store {
    /// Leases up to `most` batches, of any tenant, that are due at `now` (milliseconds since 1970) and that nobody holds: the
    /// earliest due first. Those that `lease.owner` itself holds already are not among them: it is seeing to them.
    pub async fn claim_batches(&self, now: u64, lease: Lease<'_>, most: usize) -> Result<Vec<StoredBatch>, StoreError> {
        let Some(database) = self.open_if_there().await? else { return Ok(Vec::new()) };
        let claim = async {
            let mut transaction = database.write().await?;
            // SQLite lets in one writer at a time. PostgreSQL lets in all, and each takes what no other is just taking.
            let claim = sql(transaction.either(claim!(""), claim!("FOR UPDATE SKIP LOCKED")));
            let rows = claim.bind(now).bind(lease.owner).bind(lease.until).bind(most).all(&mut transaction).await?;
            transaction.commit().await?;
            let mut claimed = rows.iter().map(batches::read_row).collect::<Result<Vec<_>, _>>()?;
            claimed.sort_by(|a, b| (a.due, a.created, &a.id).cmp(&(b.due, b.created, &b.id)));
            Ok(claimed)
        };
        claim.await.map_err(|why| self.error(why))
    }

    /// Leases this batch, due or not, or renews the lease of `lease.owner`. `None` when another holds it at `now`
    /// (milliseconds since 1970), or there is none.
    pub async fn claim_batch(
        &self,
        tenant: Option<&str>,
        id: &str,
        now: u64,
        lease: Lease<'_>,
    ) -> Result<Option<StoredBatch>, StoreError> {
        let Some(database) = self.open_if_there().await? else { return Ok(None) };
        let claim = async {
            let mut transaction = database.write().await?;
            let claim = sql(concat!(
                "UPDATE batches SET owner = $4, leased_until = $5
                 WHERE tenant = $1 AND id = $2 AND (leased_until <= $3 OR owner = $4) RETURNING ",
                columns!()
            ));
            let claim = claim.bind(owner(tenant)).bind(id).bind(now).bind(lease.owner).bind(lease.until);
            let row = claim.optional(&mut transaction).await?;
            transaction.commit().await?;
            row.as_ref().map(batches::read_row).transpose()
        };
        claim.await.map_err(|why| self.error(why))
    }

    /// Whether `lease.owner` still holds the batch, and now until then. A lease that is over but that nobody has taken is
    /// still its own.
    pub async fn renew_lease(&self, tenant: Option<&str>, id: &str, lease: Lease<'_>) -> Result<bool, StoreError> {
        let Some(database) = self.open_if_there().await? else { return Ok(false) };
        let renew = async {
            let mut transaction = database.write().await?;
            let renew = sql("UPDATE batches SET leased_until = $4 WHERE tenant = $1 AND id = $2 AND owner = $3");
            let renew = renew.bind(owner(tenant)).bind(id).bind(lease.owner).bind(lease.until);
            let renewed = renew.execute(&mut transaction).await?;
            transaction.commit().await?;
            Ok(renewed > 0)
        };
        renew.await.map_err(|why| self.error(why))
    }

    /// Writes what `holder` has made of a batch, and gives it back if `is_released`. `false` when the lease was lost: then
    /// nothing is written.
    ///
    /// If a client has asked meanwhile to cancel it, which `batch` does not know yet, it stays due at once.
    pub async fn save_batch(&self, batch: &StoredBatch, holder: &str, is_released: bool) -> Result<bool, StoreError> {
        let Some(database) = self.open_if_there().await? else { return Ok(false) };
        let save = async {
            let mut transaction = database.write().await?;
            let save = sql("UPDATE batches SET instance = $4, flow = $5, upstream_id = $6, object = $7, work = $8,
                     due = CASE WHEN is_cancel_wanted > $10 AND $9 IS NOT NULL THEN due ELSE $9 END,
                     owner = CASE WHEN $11 = 1 THEN NULL ELSE owner END,
                     leased_until = CASE WHEN $11 = 1 THEN 0 ELSE leased_until END
                 WHERE tenant = $1 AND id = $2 AND owner = $3");
            let saved = save
                .bind(owner(batch.tenant.as_deref()))
                .bind(&batch.id)
                .bind(holder)
                .bind(&batch.instance)
                .bind(&batch.flow)
                .bind(batch.upstream_id.as_deref())
                .bind(&batch.object)
                .bind(&batch.work)
                .bind(batch.due)
                .bind(batch.is_cancel_wanted)
                .bind(is_released)
                .execute(&mut transaction)
                .await?;
            transaction.commit().await?;
            Ok(saved > 0)
        };
        save.await.map_err(|why| self.error(why))
    }
}
