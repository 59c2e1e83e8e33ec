//! Files, one by one and in pages: what is known of each. Their bytes are in `pieces`, unless a provider has them.

use std::time::SystemTime;

use super::sql::{Row, Statement, Transaction, sql};
use super::{Json, Store, StoreError, owner, seconds};

/// A file that a client may ask for.
#[derive(Debug, Clone)]
pub struct StoredFile {
    /// As the client knows it. Unique within its tenant.
    pub id: String,
    /// The holder of the key that it was given with; `None` where no keys are configured.
    pub tenant: Option<String>,
    pub place: Place,
    pub purpose: String,
    pub filename: String,
    pub bytes: u64,
    /// Seconds since 1970.
    pub created: u64,
    /// Seconds since 1970. Later than that it is not shown, and swept.
    pub expires: Option<u64>,
    /// The file object as it was last shown.
    pub object: Json,
    /// What the gateway knows of its content, for itself.
    pub notes: Json,
}

/// Who has the bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// We have, in pieces, as long as `store.file_retention` says.
    Here,
    /// An instance has, under an id of its own; we remember until it expires.
    AtProvider { instance: String, id: String },
}

/// Which of a tenant's files are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileQuery<'a> {
    pub purpose: Option<&'a str>,
    pub place: Option<PlaceFilter<'a>>,
}

#[derive(Debug, Clone, Copy)]
pub enum PlaceFilter<'a> {
    Here,
    Instance(&'a str),
}

/// A part of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Whether the list goes on behind it.
    pub has_more: bool,
}

/// Named one by one: another version's table may have more.
macro_rules! columns {
    () => {
        "tenant, id, instance, upstream_id, purpose, filename, bytes, created, expires, object, notes"
    };
}

/// What a client may see at the moment `$2`, of what is here if it is not older than `$3`.
macro_rules! shown {
    () => {
        "tenant = $1 AND is_finished = 1 AND (expires IS NULL OR expires >= $2) AND (instance IS NOT NULL OR created >= $3)"
    };
}

const FILE: &str = concat!("SELECT ", columns!(), " FROM files WHERE ", shown!(), " AND id = $4");

/// A page behind the file that was made at `$6` and is named `$7`.
macro_rules! page {
    ($beyond:literal, $order:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM files WHERE ",
            shown!(),
            " AND ($4 IS NULL OR purpose = $4) AND ($5 IS NULL OR COALESCE(instance, '') = $5)
              AND ($6 IS NULL OR (created, id) ",
            $beyond,
            " ($6, $7)) ORDER BY created ",
            $order,
            ", id ",
            $order,
            " LIMIT $8"
        )
    };
}

impl Store {
    /// Remembers a file, or what has become of it. When this returns it survives a crash of the process. Pieces that there
    /// are under its id stay.
    pub async fn put_file(&self, file: &StoredFile) -> Result<(), StoreError> {
        let database = self.open().await?;
        let put = async {
            let mut transaction = database.write().await?;
            put(&mut transaction, file, true).await?;
            transaction.commit().await
        };
        put.await.map_err(|why| self.error(why))
    }

    /// A tenant's file, if it is finished, until it is deleted, expired or, with its bytes here, too old.
    pub async fn file(&self, tenant: Option<&str>, id: &str) -> Result<Option<StoredFile>, StoreError> {
        let Some(database) = self.open_if_there().await? else { return Ok(None) };
        let read = async {
            let row = self.of_shown(FILE, tenant).bind(id).optional(&mut database.read().await?).await?;
            row.as_ref().map(read_row).transpose()
        };
        read.await.map_err(|why| self.error(why))
    }

    /// A tenant's files by age, the newest first unless `is_ascending`: `most` of those behind the file `after`. `None` when
    /// there is no such file.
    pub async fn files(
        &self,
        tenant: Option<&str>,
        query: &FileQuery<'_>,
        after: Option<&str>,
        is_ascending: bool,
        most: usize,
    ) -> Result<Option<Page<StoredFile>>, StoreError> {
        let nothing = Page { items: Vec::new(), has_more: false };
        let Some(database) = self.open_if_there().await? else { return Ok(after.is_none().then_some(nothing)) };
        let read = async {
            let mut moment = database.read().await?;
            let created = match after {
                Some(id) => match self.of_shown(FILE, tenant).bind(id).optional(&mut moment).await? {
                    Some(row) => Some(row.count("created")?),
                    None => return Ok(None),
                },
                None => None,
            };
            let place = query.place.map(|place| match place {
                PlaceFilter::Here => "",
                PlaceFilter::Instance(instance) => instance,
            });
            let page = if is_ascending { page!(">", "ASC") } else { page!("<", "DESC") };
            let page = self.of_shown(page, tenant).bind(query.purpose).bind(place).bind(created).bind(after);
            let rows = page.bind(most.saturating_add(1)).all(&mut moment).await?;
            Page::of(rows, most, read_row).map(Some)
        };
        read.await.map_err(|why| self.error(why))
    }

    /// Whether there was one to delete. Its bytes go with it.
    pub async fn delete_file(&self, tenant: Option<&str>, id: &str) -> Result<bool, StoreError> {
        let Some(database) = self.open_if_there().await? else { return Ok(false) };
        let delete = async {
            let mut transaction = database.write().await?;
            let hidden =
                self.of_shown(concat!("UPDATE files SET is_finished = 0 WHERE ", shown!(), " AND id = $4"), tenant);
            let hidden = hidden.bind(id).execute(&mut transaction).await?;
            transaction.commit().await?;
            Ok(hidden > 0)
        };
        let is_deleted = delete.await.map_err(|why| self.error(why))?;
        if is_deleted {
            self.drop_unfinished(tenant, id).await?;
        }
        Ok(is_deleted)
    }

    /// A statement about what is shown now, its first three values given.
    fn of_shown<'a>(&self, text: &'static str, tenant: Option<&'a str>) -> Statement<'a> {
        let now = SystemTime::now();
        sql(text).bind(owner(tenant)).bind(seconds(now)).bind(self.file_cutoff(now))
    }
}

/// Writes the row of a file, new or not.
pub async fn put(transaction: &mut Transaction, file: &StoredFile, is_finished: bool) -> Result<(), sqlx::Error> {
    let (instance, upstream_id) = match &file.place {
        Place::Here => (None, None),
        Place::AtProvider { instance, id } => (Some(instance.as_str()), Some(id.as_str())),
    };
    let put = sql(
        "INSERT INTO files (tenant, id, instance, upstream_id, purpose, filename, bytes, created, expires, is_finished,
             object, notes)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (tenant, id) DO UPDATE SET instance = excluded.instance, upstream_id = excluded.upstream_id,
             purpose = excluded.purpose, filename = excluded.filename, bytes = excluded.bytes, created = excluded.created,
             expires = excluded.expires, is_finished = excluded.is_finished, object = excluded.object,
             notes = excluded.notes",
    );
    put.bind(owner(file.tenant.as_deref()))
        .bind(&file.id)
        .bind(instance)
        .bind(upstream_id)
        .bind(&file.purpose)
        .bind(&file.filename)
        .bind(file.bytes)
        .bind(file.created)
        .bind(file.expires)
        .bind(is_finished)
        .bind(&file.object)
        .bind(&file.notes)
        .execute(transaction)
        .await
        .map(drop)
}

fn read_row(row: &Row) -> Result<StoredFile, sqlx::Error> {
    Ok(StoredFile {
        id: row.get("id")?,
        tenant: row.tenant()?,
        place: match row.get("instance")? {
            Some(instance) => Place::AtProvider { instance, id: row.get("upstream_id")? },
            None => Place::Here,
        },
        purpose: row.get("purpose")?,
        filename: row.get("filename")?,
        bytes: row.count("bytes")?,
        created: row.count("created")?,
        expires: row.optional_count("expires")?,
        object: row.json("object")?,
        notes: row.json("notes")?,
    })
}

impl<T> Page<T> {
    /// Of rows of which one more than `most` was asked for.
    pub(super) fn of(
        mut rows: Vec<Row>,
        most: usize,
        read: impl FnMut(&Row) -> Result<T, sqlx::Error>,
    ) -> Result<Self, sqlx::Error> {
        let has_more = rows.len() > most;
        rows.truncate(most);
        Ok(Self { items: rows.iter().map(read).collect::<Result<_, _>>()?, has_more })
    }
}
