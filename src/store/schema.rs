//! The tables, and how those of an older version become those of this one.
//!
//! A migration, once released, is never changed: a further one mends it. Each is applied in the transaction that
//! notes its number, so a file is of one version or of the next, whenever the process ends. The texts keep to what SQLite
//! and PostgreSQL have in common.

use super::database::Database;
use super::error::Trouble;

/// In order; the number of a migration is its place, counted from 1.
const MIGRATIONS: &[&str] = &[include_str!("migrations/1_responses.sql")];

/// Applies what is missing. Safe with several processes at once: who comes second finds it done.
pub async fn bring_up(database: &Database) -> Result<(), Trouble> {
    let known = super::number(MIGRATIONS.len());
    let mut transaction = database.write().await.map_err(Trouble::of)?;
    let tables: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .fetch_all(&mut *transaction)
        .await
        .map_err(Trouble::of)?;
    let is_ours = tables.iter().any(|table| table == "narthex_schema");
    if !is_ours && !tables.is_empty() {
        return Err(Trouble::Foreign);
    }
    sqlx::query("CREATE TABLE IF NOT EXISTS narthex_schema (version BIGINT NOT NULL PRIMARY KEY)")
        .execute(&mut *transaction)
        .await
        .map_err(Trouble::of)?;
    let found: i64 = sqlx::query_scalar("SELECT COALESCE(MAX(version), 0) FROM narthex_schema")
        .fetch_one(&mut *transaction)
        .await
        .map_err(Trouble::of)?;
    if found > known {
        return Err(Trouble::Newer { found, known });
    }
    for (version, migration) in (1_i64..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        sqlx::raw_sql(*migration).execute(&mut *transaction).await.map_err(Trouble::of)?;
        sqlx::query("INSERT INTO narthex_schema (version) VALUES ($1)")
            .bind(version)
            .execute(&mut *transaction)
            .await
            .map_err(Trouble::of)?;
    }
    transaction.commit().await.map_err(Trouble::of)
}
