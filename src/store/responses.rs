//! Responses, one by one: kept, found, deleted; and the items in them, by their own ids.

use std::borrow::Cow;
use std::time::SystemTime;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::sql::{Row, Transaction, sql};
use super::{Json, MOST_BYTES, Store, StoreError, Trouble, owner};

/// A response that a client may ask for again.
#[derive(Debug, Clone)]
pub struct StoredResponse {
    /// As the client knows it. Unique within its tenant.
    pub id: String,
    /// The holder of the key that it was asked for with; `None` where no keys are configured.
    pub tenant: Option<String>,
    /// The instance that gave it.
    pub instance: String,
    /// As the client named it.
    pub model: String,
    /// Seconds since 1970.
    pub created: u64,
    /// The id of the response that this one continues.
    pub previous: Option<String>,
    pub kept: Kept,
}

/// Who keeps a response.
#[derive(Debug, Clone)]
pub enum Kept {
    Here(Turn),
    /// The provider, under an id of its own; and we as well, if there is a turn.
    AtProvider {
        id: String,
        turn: Option<Turn>,
    },
}

/// What was said.
#[derive(Debug, Clone)]
pub struct Turn {
    /// The items of this turn alone, without those of the responses before.
    pub input: Vec<Json>,
    pub output: Vec<Json>,
    /// The response itself, as it was answered.
    pub object: Json,
}

/// In bytes. Clients may write anything there; who makes ids keeps them to a few hundred.
const LONGEST_ID: usize = 2000;
/// The sides of a turn, as the table has them: the input sorts first.
const INPUT: i64 = 0;
const OUTPUT: i64 = 1;

impl Kept {
    pub fn turn(&self) -> Option<&Turn> {
        match self {
            Self::Here(turn) => Some(turn),
            Self::AtProvider { turn, .. } => turn.as_ref(),
        }
    }

    pub fn upstream_id(&self) -> Option<&str> {
        match self {
            Self::Here(_) => None,
            Self::AtProvider { id, .. } => Some(id),
        }
    }
}

impl Turn {
    /// All items, in order.
    pub fn items(&self) -> impl Iterator<Item = &RawValue> {
        self.input.iter().chain(&self.output).map(|item| &**item)
    }

    fn bytes(&self) -> usize {
        self.items().map(|item| item.get().len()).sum()
    }
}

impl Store {
    /// Keeps a response, wholly or not at all; when this returns, it survives a crash of the process. One that is there
    /// already under this id is replaced, but continues what it continued.
    pub async fn put_response(&self, response: &StoredResponse) -> Result<(), StoreError> {
        let turn = response.kept.turn();
        let bytes = turn.map(Turn::bytes).unwrap_or_default();
        let largest = bytes.max(turn.map(|turn| turn.object.get().len()).unwrap_or_default());
        if largest > MOST_BYTES {
            return Err(self.trouble(Trouble::TooLarge { what: "response", bytes: largest, most: MOST_BYTES }));
        }
        let database = self.open().await?;
        let put = async {
            let mut transaction = database.write().await?;
            put_row(&mut transaction, response, bytes).await?;
            if let Some(turn) = turn {
                put_items(&mut transaction, response, INPUT, &turn.input).await?;
                put_items(&mut transaction, response, OUTPUT, &turn.output).await?;
            }
            transaction.commit().await
        };
        put.await.map_err(|why| self.error(why))
    }

    /// A tenant's response, until it is deleted or too old.
    pub async fn response(&self, tenant: Option<&str>, id: &str) -> Result<Option<StoredResponse>, StoreError> {
        let Some(database) = self.open_if_there().await? else { return Ok(None) };
        let read = async {
            let mut transaction = database.read().await?;
            let row = sql("SELECT previous, instance, model, created, upstream_id, object FROM responses
                 WHERE tenant = $1 AND id = $2 AND created >= $3")
            .bind(owner(tenant))
            .bind(id)
            .bind(self.cutoff(SystemTime::now()))
            .optional(&mut transaction)
            .await?;
            let Some(row) = row else { return Ok(None) };
            let turn = match row.optional_json("object")? {
                Some(object) => Some(Turn {
                    object,
                    input: items(&mut transaction, tenant, id, INPUT).await?,
                    output: items(&mut transaction, tenant, id, OUTPUT).await?,
                }),
                None => None,
            };
            let upstream_id: Option<String> = row.get("upstream_id")?;
            let kept = match (upstream_id, turn) {
                (Some(id), turn) => Kept::AtProvider { id, turn },
                (None, Some(turn)) => Kept::Here(turn),
                (None, None) => return Ok(None),
            };
            read_row(&row, tenant, id, kept).map(Some)
        };
        read.await.map_err(|why| self.error(why))
    }

    /// Whether there was one to delete. What continues it stays, and is then a conversation without its beginning.
    pub async fn delete_response(&self, tenant: Option<&str>, id: &str) -> Result<bool, StoreError> {
        let Some(database) = self.open_if_there().await? else { return Ok(false) };
        let delete = async {
            let mut transaction = database.write().await?;
            let deleted = sql("DELETE FROM responses WHERE tenant = $1 AND id = $2 AND created >= $3")
                .bind(owner(tenant))
                .bind(id)
                .bind(self.cutoff(SystemTime::now()))
                .execute(&mut transaction)
                .await?;
            transaction.commit().await?;
            Ok(deleted > 0)
        };
        delete.await.map_err(|why| self.error(why))
    }

    /// A tenant's item by its own id, as the latest response has it that holds it.
    pub async fn item(&self, tenant: Option<&str>, id: &str) -> Result<Option<Json>, StoreError> {
        let Some(database) = self.open_if_there().await? else { return Ok(None) };
        let read = async {
            let mut transaction = database.read().await?;
            let item = sql("SELECT items.item FROM items JOIN responses
                 ON responses.tenant = items.tenant AND responses.id = items.response
                 WHERE items.tenant = $1 AND items.id = $2 AND responses.created >= $3
                 ORDER BY responses.created DESC LIMIT 1")
            .bind(owner(tenant))
            .bind(id)
            .bind(self.cutoff(SystemTime::now()))
            .optional(&mut transaction)
            .await?;
            item.map(|row| row.json("item")).transpose()
        };
        read.await.map_err(|why| self.error(why))
    }
}

async fn put_row(transaction: &mut Transaction, response: &StoredResponse, bytes: usize) -> Result<(), sqlx::Error> {
    let tenant = owner(response.tenant.as_deref());
    sql(
        "INSERT INTO responses (tenant, id, chain, previous, instance, model, created, upstream_id, object, bytes)
         VALUES ($1, $2, COALESCE((SELECT chain FROM responses WHERE tenant = $1 AND id = $3), $2), $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (tenant, id) DO UPDATE SET instance = excluded.instance, model = excluded.model,
         created = excluded.created, upstream_id = excluded.upstream_id, object = excluded.object, bytes = excluded.bytes",
    )
    .bind(tenant)
    .bind(&response.id)
    .bind(response.previous.as_deref())
    .bind(&response.instance)
    .bind(&response.model)
    .bind(response.created)
    .bind(response.kept.upstream_id())
    .bind(response.kept.turn().map(|turn| turn.object.get()))
    .bind(bytes)
    .execute(transaction)
    .await?;
    sql("DELETE FROM items WHERE tenant = $1 AND response = $2")
        .bind(tenant)
        .bind(&response.id)
        .execute(transaction)
        .await?;
    Ok(())
}

async fn put_items(
    transaction: &mut Transaction,
    response: &StoredResponse,
    side: i64,
    items: &[Json],
) -> Result<(), sqlx::Error> {
    for (position, item) in items.iter().enumerate() {
        sql("INSERT INTO items (tenant, response, side, position, id, item) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(owner(response.tenant.as_deref()))
            .bind(&response.id)
            .bind(side)
            .bind(position)
            .bind(id_of(item).as_deref())
            .bind(item.get())
            .execute(transaction)
            .await?;
    }
    Ok(())
}

/// The `id` of an item, if it is an object that has one, and one that an index of PostgreSQL's takes.
fn id_of(item: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        id: Option<Cow<'a, str>>,
    }
    serde_json::from_str::<Named<'_>>(item.get()).ok()?.id.filter(|id| id.len() <= LONGEST_ID)
}

async fn items(
    transaction: &mut Transaction,
    tenant: Option<&str>,
    response: &str,
    side: i64,
) -> Result<Vec<Json>, sqlx::Error> {
    let items = sql("SELECT item FROM items WHERE tenant = $1 AND response = $2 AND side = $3 ORDER BY position");
    let rows = items.bind(owner(tenant)).bind(response).bind(side).all(transaction).await?;
    rows.iter().map(|row| row.json("item")).collect()
}

fn read_row(row: &Row, tenant: Option<&str>, id: &str, kept: Kept) -> Result<StoredResponse, sqlx::Error> {
    Ok(StoredResponse {
        id: id.to_owned(),
        tenant: tenant.map(str::to_owned),
        instance: row.get("instance")?,
        model: row.get("model")?,
        created: row.count("created")?,
        previous: row.get("previous")?,
        kept,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{StorePlace, StoreSettings};
    use crate::store::database::Database;

    fn json(text: impl Into<String>) -> Json {
        RawValue::from_string(text.into()).unwrap()
    }

    #[tokio::test]
    async fn a_full_disk_loses_nothing_and_heals() {
        let folder = tempfile::tempdir().unwrap();
        let place = StorePlace::File(folder.path().join("narthex.db"));
        let day = std::time::Duration::from_secs(24 * 3600);
        let store = Store::new(StoreSettings { place, retention: day, file_retention: day });
        let response = |n: usize| StoredResponse {
            id: n.to_string(),
            tenant: None,
            instance: String::new(),
            model: String::new(),
            created: u64::MAX,
            previous: None,
            kept: Kept::Here(Turn {
                input: vec![json(format!("\"{}\"", "x".repeat(100_000)))],
                output: Vec::new(),
                object: json("{}"),
            }),
        };
        store.put_response(&response(0)).await.unwrap();
        // SQLite's own limit ends as a disk does.
        let limit = |pages: u32| sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        let writer = match store.database.get().unwrap() {
            Database::Sqlite(sqlite) => &sqlite.writer,
            Database::Postgres(_) => panic!("it is a file"),
        };
        sqlx::query(limit(100)).execute(writer).await.unwrap();
        let mut kept = 0;
        let why = loop {
            match store.put_response(&response(kept + 1)).await {
                Ok(()) => kept += 1,
                Err(why) => break why,
            }
        };
        assert!(matches!(why.trouble, Trouble::Full) && kept > 0, "{why}");
        assert!(store.response(None, &kept.to_string()).await.unwrap().is_some());
        assert!(store.response(None, &(kept + 1).to_string()).await.unwrap().is_none());
        assert!(store.delete_response(None, "0").await.unwrap(), "the writer is as good as new");
        store.put_response(&response(kept + 1)).await.unwrap();
    }

    #[test]
    fn items_are_known_by_their_ids() {
        let id = |text: &str| id_of(&json(text)).map(Cow::into_owned);
        assert_eq!(id(r#"{"a":{"id":"no"},"id":"msg_\u00e4"}"#).as_deref(), Some("msg_ä"));
        for text in [r#"{"id":null}"#, r#"{"id":7}"#, "{}", "[]", "\"text\""] {
            assert_eq!(id(text), None, "{text}");
        }
    }
}
