//! The tables, and how those of an older version become those of this one.
//!
//! A migration, once released, is never changed: a further one mends it. Each is applied in the transaction that
//! notes its number, so a file is of one version or of the next, whenever the process ends. The texts keep to what SQLite
//! and PostgreSQL have in common.

use super::database::Database;
use super::error::Trouble;
use super::number;
use super::postgres::ONE_MIGRATES;
use super::sql::{Transaction, sql};

/// In order; the number of a migration is its place, counted from 1.
const MIGRATIONS: &[&str] =
    &[include_str!("migrations/1_responses.sql"), include_str!("migrations/2_files_and_batches.sql")];

/// Applies what is missing. A file that is up to date is only read: a full disk does not keep it from being opened. Safe with
/// several processes at once: who comes second finds it done.
pub async fn bring_up(database: &Database) -> Result<(), Trouble> {
    let known = number(MIGRATIONS.len());
    let found = version(&mut database.read().await.map_err(Trouble::of)?).await?;
    if found == known {
        return Ok(());
    }
    if found > known {
        return Err(Trouble::Newer { found, known });
    }
    let mut transaction = database.write().await.map_err(Trouble::of)?;
    // SQLite lets in one writer anyway.
    if let Some(wait) = transaction.either(None, Some(ONE_MIGRATES)) {
        sql(wait).all(&mut transaction).await.map_err(Trouble::of)?;
    }
    let found = version(&mut transaction).await?;
    migrate(&mut transaction, found).await.map_err(Trouble::of)?;
    transaction.commit().await.map_err(Trouble::of)
}

/// The last migration that has been applied; 0 in an empty database.
async fn version(transaction: &mut Transaction) -> Result<i64, Trouble> {
    let tables = transaction.either(
        "SELECT name FROM sqlite_schema WHERE type = 'table'",
        "SELECT CAST(tablename AS TEXT) AS name FROM pg_tables WHERE schemaname = current_schema()",
    );
    let tables = sql(tables).all(transaction).await.map_err(Trouble::of)?;
    if tables.is_empty() {
        return Ok(0);
    }
    if !tables.iter().any(|table| table.get::<String>("name").is_ok_and(|name| name == "narthex_schema")) {
        return Err(Trouble::Foreign);
    }
    let version = sql("SELECT COALESCE(MAX(version), 0) AS version FROM narthex_schema").one(transaction).await;
    version.and_then(|row| row.get("version")).map_err(Trouble::of)
}

async fn migrate(transaction: &mut Transaction, found: i64) -> Result<(), sqlx::Error> {
    transaction.run("CREATE TABLE IF NOT EXISTS narthex_schema (version BIGINT NOT NULL PRIMARY KEY)").await?;
    for (version, migration) in (1_i64..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        transaction.run(migration).await?;
        sql("INSERT INTO narthex_schema (version) VALUES ($1)").bind(version).execute(transaction).await?;
    }
    Ok(())
}
