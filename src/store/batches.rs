//! Batches: what was asked for, how far it is, and when somebody should see to it again.

use std::time::SystemTime;

use super::files::Page;
use super::leases::Lease;
use super::sql::{Row, Statement, sql};
use super::{Json, Store, StoreError, owner, results};

/// A batch that a client may ask for.
#[derive(Debug, Clone)]
pub struct StoredBatch {
    /// As the client knows it. Unique within its tenant.
    pub id: String,
    /// The holder of the key that it was made with; `None` where no keys are configured.
    pub tenant: Option<String>,
    pub instance: String,
    /// How it is carried out, in a word. The store does not know what it means.
    pub flow: String,
    /// Where the provider knows it as well: by this id.
    pub upstream_id: Option<String>,
    /// Seconds since 1970.
    pub created: u64,
    /// Milliseconds since 1970 from which somebody should see to it; `None`: it is over.
    pub due: Option<u64>,
    /// Written by [`Store::want_cancel`] alone: putting and saving never change it.
    pub is_cancel_wanted: bool,
    /// The batch as it was last shown.
    pub object: Json,
    /// The state of its flow, for itself.
    pub work: Json,
}

/// Named one by one: another version's table may have more.
macro_rules! columns {
    () => {
        "tenant, id, instance, flow, upstream_id, created, due, is_cancel_wanted, object, work"
    };
}
pub(super) use columns;

/// What is shown of a tenant's: all that goes on, and what is over if it is not older than `$2`.
macro_rules! shown {
    () => {
        "tenant = $1 AND (due IS NOT NULL OR created >= $2)"
    };
}

const BATCH: &str = concat!("SELECT ", columns!(), " FROM batches WHERE ", shown!(), " AND id = $3");
const PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM batches WHERE ",
    shown!(),
    " AND ($3 IS NULL OR (created, id) < ($3, $4)) ORDER BY created DESC, id DESC LIMIT $5"
);

impl Store {
    /// Keeps a new batch, which is an error if there is one under its id. With a lease nobody else sees to it at first. When
    /// this returns it survives a crash of the process.
    pub async fn put_batch(&self, batch: &StoredBatch, lease: Option<Lease<'_>>) -> Result<(), StoreError> {
        let database = self.open().await?;
        let put = async {
            let mut transaction = database.write().await?;
            let put =
                sql("INSERT INTO batches (tenant, id, instance, flow, upstream_id, created, due, object, work, owner,
                     leased_until, is_cancel_wanted)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0)");
            put.bind(owner(batch.tenant.as_deref()))
                .bind(&batch.id)
                .bind(&batch.instance)
                .bind(&batch.flow)
                .bind(batch.upstream_id.as_deref())
                .bind(batch.created)
                .bind(batch.due)
                .bind(&batch.object)
                .bind(&batch.work)
                .bind(lease.map(|lease| lease.owner))
                .bind(lease.map(|lease| lease.until).unwrap_or_default())
                .execute(&mut transaction)
                .await?;
            transaction.commit().await
        };
        put.await.map_err(|why| self.error(why))
    }

    /// A tenant's batch, until it is deleted or, when it is over, too old.
    pub async fn batch(&self, tenant: Option<&str>, id: &str) -> Result<Option<StoredBatch>, StoreError> {
        let Some(database) = self.open_if_there().await? else { return Ok(None) };
        let read = async {
            let row = self.of_batches(BATCH, tenant).bind(id).optional(&mut database.read().await?).await?;
            row.as_ref().map(read_row).transpose()
        };
        read.await.map_err(|why| self.error(why))
    }

    /// A tenant's batches, the newest first: `most` of those behind the batch `after`. `None` when there is no such batch.
    pub async fn batches(
        &self,
        tenant: Option<&str>,
        after: Option<&str>,
        most: usize,
    ) -> Result<Option<Page<StoredBatch>>, StoreError> {
        let nothing = Page { items: Vec::new(), has_more: false };
        let Some(database) = self.open_if_there().await? else { return Ok(after.is_none().then_some(nothing)) };
        let read = async {
            let mut moment = database.read().await?;
            let created = match after {
                Some(id) => match self.of_batches(BATCH, tenant).bind(id).optional(&mut moment).await? {
                    Some(row) => Some(row.count("created")?),
                    None => return Ok(None),
                },
                None => None,
            };
            let page = self.of_batches(PAGE, tenant).bind(created).bind(after).bind(most.saturating_add(1));
            Page::of(page.all(&mut moment).await?, most, read_row).map(Some)
        };
        read.await.map_err(|why| self.error(why))
    }

    /// Notes that a batch is not wanted any more, and makes it due `now` (milliseconds since 1970). `false` when there is none
    /// that goes on: what is over stays as it is.
    pub async fn want_cancel(&self, tenant: Option<&str>, id: &str, now: u64) -> Result<bool, StoreError> {
        let Some(database) = self.open_if_there().await? else { return Ok(false) };
        let want = async {
            let mut transaction = database.write().await?;
            let want = sql("UPDATE batches SET is_cancel_wanted = 1, due = CASE WHEN due < $3 THEN due ELSE $3 END
                 WHERE tenant = $1 AND id = $2 AND due IS NOT NULL");
            let wanted = want.bind(owner(tenant)).bind(id).bind(now).execute(&mut transaction).await?;
            transaction.commit().await?;
            Ok(wanted > 0)
        };
        want.await.map_err(|why| self.error(why))
    }

    /// Whether there was one to delete. Its results go with it.
    pub async fn delete_batch(&self, tenant: Option<&str>, id: &str) -> Result<bool, StoreError> {
        let Some(database) = self.open_if_there().await? else { return Ok(false) };
        let delete = async {
            results::clear(database, tenant, id).await?;
            let mut transaction = database.write().await?;
            let delete = sql("DELETE FROM batches WHERE tenant = $1 AND id = $2").bind(owner(tenant)).bind(id);
            let deleted = delete.execute(&mut transaction).await?;
            transaction.commit().await?;
            Ok(deleted > 0)
        };
        delete.await.map_err(|why| self.error(why))
    }

    /// A statement about what is shown now, its first two values given.
    fn of_batches<'a>(&self, text: &'static str, tenant: Option<&'a str>) -> Statement<'a> {
        sql(text).bind(owner(tenant)).bind(self.file_cutoff(SystemTime::now()))
    }
}

pub fn read_row(row: &Row) -> Result<StoredBatch, sqlx::Error> {
    Ok(StoredBatch {
        id: row.get("id")?,
        tenant: row.tenant()?,
        instance: row.get("instance")?,
        flow: row.get("flow")?,
        upstream_id: row.get("upstream_id")?,
        created: row.count("created")?,
        due: row.optional_count("due")?,
        is_cancel_wanted: row.flag("is_cancel_wanted")?,
        object: row.json("object")?,
        work: row.json("work")?,
    })
}
