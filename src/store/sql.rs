//! Statements, what they are given and what they find, whichever database they are for.

use serde_json::value::RawValue;
use sqlx::postgres::{PgArguments, PgRow, Postgres};
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Decode, Encode, PgTransaction, Row as _, SqliteTransaction, Type};

use super::postgres::{answered, in_own_words};
use super::{Json, number};

/// A text of SQL that every database here understands, and the values of its `$1`, `$2`, ….
#[must_use]
#[derive(Debug, Clone)]
pub struct Statement<'a> {
    text: &'static str,
    values: Vec<Value<'a>>,
}

#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    Text(Option<&'a str>),
    Number(Option<i64>),
    Bytes(&'a [u8]),
}

/// Statements that take effect together or not at all.
#[derive(Debug)]
pub enum Transaction {
    Sqlite(SqliteTransaction<'static>),
    Postgres(PgTransaction<'static>),
}

#[derive(Debug)]
pub enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// What a column can be read as.
pub trait Column: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres> {}

impl<T> Column for T where T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres> {}

pub fn sql<'a>(text: &'static str) -> Statement<'a> {
    Statement { text, values: Vec::new() }
}

impl<'a> Statement<'a> {
    pub fn bind(mut self, value: impl Into<Value<'a>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// How many rows it has changed.
    pub async fn execute(self, transaction: &mut Transaction) -> Result<u64, sqlx::Error> {
        match transaction {
            Transaction::Sqlite(sqlite) => {
                let query = sqlx::query_with(self.text, arguments::<SqliteArguments>(&self.values)?);
                Ok(query.execute(&mut **sqlite).await?.rows_affected())
            }
            Transaction::Postgres(postgres) => {
                let query = sqlx::query_with(self.text, self.in_postgres()?);
                Ok(answered(query.execute(&mut **postgres)).await?.rows_affected())
            }
        }
    }

    pub async fn all(self, transaction: &mut Transaction) -> Result<Vec<Row>, sqlx::Error> {
        match transaction {
            Transaction::Sqlite(sqlite) => {
                let query = sqlx::query_with(self.text, arguments::<SqliteArguments>(&self.values)?);
                Ok(query.fetch_all(&mut **sqlite).await?.into_iter().map(Row::Sqlite).collect())
            }
            Transaction::Postgres(postgres) => {
                let query = sqlx::query_with(self.text, self.in_postgres()?);
                Ok(answered(query.fetch_all(&mut **postgres)).await?.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    /// PostgreSQL takes no text with a NUL in it, which clients may well put into a name. JSON has none.
    fn in_postgres(&self) -> Result<PgArguments, sqlx::Error> {
        let clean = |value: &Value<'a>| match value {
            Value::Text(Some(text)) if text.contains('\0') => Some(text.replace('\0', "\u{fffd}")),
            _ => None,
        };
        let cleaned: Vec<_> = self.values.iter().map(clean).collect();
        let values = self.values.iter().zip(&cleaned).map(|(value, clean)| match clean {
            Some(text) => Value::Text(Some(text)),
            None => *value,
        });
        arguments(&values.collect::<Vec<_>>())
    }

    pub async fn optional(self, transaction: &mut Transaction) -> Result<Option<Row>, sqlx::Error> {
        Ok(self.all(transaction).await?.into_iter().next())
    }

    /// The only row of what has exactly one.
    pub async fn one(self, transaction: &mut Transaction) -> Result<Row, sqlx::Error> {
        self.optional(transaction).await?.ok_or(sqlx::Error::RowNotFound)
    }
}

/// The values as a database wants them.
fn arguments<'a, A: Arguments>(values: &[Value<'a>]) -> Result<A, sqlx::Error>
where
    Option<&'a str>: Encode<'a, A::Database> + Type<A::Database>,
    Option<i64>: Encode<'a, A::Database> + Type<A::Database>,
    &'a [u8]: Encode<'a, A::Database> + Type<A::Database>,
{
    let mut arguments = A::default();
    for value in values {
        let added = match *value {
            Value::Text(text) => arguments.add(text),
            Value::Number(number) => arguments.add(number),
            Value::Bytes(bytes) => arguments.add(bytes),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

impl Transaction {
    /// Several statements in a row, without values.
    pub async fn run(&mut self, text: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(sqlite) => sqlx::raw_sql(text).execute(&mut **sqlite).await.map(drop),
            Self::Postgres(postgres) => {
                let text = AssertSqlSafe(in_own_words(text));
                answered(sqlx::raw_sql(text).execute(&mut **postgres)).await.map(drop)
            }
        }
    }

    /// The one or the other, by the sort of the database: for what they do not have in common.
    pub fn either<T>(&self, sqlite: T, postgres: T) -> T {
        match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgres(_) => postgres,
        }
    }

    pub async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.commit().await,
            Self::Postgres(postgres) => answered(postgres.commit()).await,
        }
    }
}

impl Row {
    pub fn get<T: Column>(&self, column: &str) -> Result<T, sqlx::Error> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    /// Whose it is; `None` where no keys are configured.
    pub fn tenant(&self) -> Result<Option<String>, sqlx::Error> {
        Ok(Some(self.get::<String>("tenant")?).filter(|tenant| !tenant.is_empty()))
    }

    /// Of what is never negative.
    pub fn count(&self, column: &str) -> Result<u64, sqlx::Error> {
        Ok(self.get::<i64>(column)?.try_into().unwrap_or_default())
    }

    pub fn optional_count(&self, column: &str) -> Result<Option<u64>, sqlx::Error> {
        Ok(self.get::<Option<i64>>(column)?.map(|count| count.try_into().unwrap_or_default()))
    }

    pub fn flag(&self, column: &str) -> Result<bool, sqlx::Error> {
        Ok(self.get::<i64>(column)? != 0)
    }

    /// What was written as JSON and is none any more was damaged.
    pub fn json(&self, column: &str) -> Result<Json, sqlx::Error> {
        json(column, self.get(column)?)
    }

    pub fn optional_json(&self, column: &str) -> Result<Option<Json>, sqlx::Error> {
        self.get::<Option<String>>(column)?.map(|text| json(column, text)).transpose()
    }
}

fn json(column: &str, text: String) -> Result<Json, sqlx::Error> {
    RawValue::from_string(text)
        .map_err(|why| sqlx::Error::ColumnDecode { index: column.to_owned(), source: Box::new(why) })
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(text))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(Some(text))
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a Json> for Value<'a> {
    fn from(json: &'a Json) -> Self {
        Self::Text(Some(json.get()))
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<i64> for Value<'_> {
    fn from(count: i64) -> Self {
        Self::Number(Some(count))
    }
}

impl From<u64> for Value<'_> {
    fn from(count: u64) -> Self {
        Self::Number(Some(number(count)))
    }
}

impl From<usize> for Value<'_> {
    fn from(count: usize) -> Self {
        Self::Number(Some(number(count)))
    }
}

impl From<Option<u64>> for Value<'_> {
    fn from(count: Option<u64>) -> Self {
        Self::Number(count.map(number))
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Self::Number(Some(i64::from(flag)))
    }
}
