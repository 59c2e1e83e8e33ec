//! The database, of one sort or the other: how it is opened, and what is done with it as a whole.

use std::time::Duration;

use super::error::{StoreError, Trouble};
use super::postgres::Postgres;
use super::schema;
use super::sql::Transaction;
use super::sqlite::Sqlite;
use crate::config::StorePlace;

/// An open store, its tables in order.
#[derive(Debug)]
pub enum Database {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Database {
    pub async fn open(place: &StorePlace, patience: Duration) -> Result<Self, StoreError> {
        Self::connect(place, patience).await.map_err(|trouble| StoreError::new(place, trouble))
    }

    async fn connect(place: &StorePlace, patience: Duration) -> Result<Self, Trouble> {
        let database = match place {
            StorePlace::Memory => Self::Sqlite(Sqlite::in_memory(patience).await?),
            StorePlace::File(path) => Self::Sqlite(Sqlite::file(path, patience).await?),
            StorePlace::Postgres(url) => Self::Postgres(Postgres::connect(url, patience).await?),
        };
        schema::bring_up(&database).await?;
        Ok(database)
    }

    /// A transaction that may write.
    pub async fn write(&self) -> Result<Transaction, sqlx::Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.write().await,
            Self::Postgres(postgres) => postgres.write().await,
        }
    }

    /// A transaction that sees one moment.
    pub async fn read(&self) -> Result<Transaction, sqlx::Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.read().await,
            Self::Postgres(postgres) => postgres.read().await,
        }
    }

    /// Gives room that nothing is in any more back to the disk. PostgreSQL sees to that itself.
    pub async fn give_back(&self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.give_back().await,
            Self::Postgres(_) => Ok(()),
        }
    }

    /// Leaves everything in order behind when the process is about to end; exchanges may still go on.
    pub async fn settle(&self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.settle().await,
            Self::Postgres(_) => Ok(()),
        }
    }
}
