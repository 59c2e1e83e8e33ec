//! What is SQLite's own: a file and the ways into it, one connection that writes and a few that read.
//!
//! SQLite lets one writer in at a time. With a single writing connection, writers of this process wait in line, fairly and
//! asleep, instead of polling a lock; readers never wait for them (write-ahead log).

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::Connection;
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::error::Trouble;
use super::sql::Transaction;

const READERS: u32 = 4;
const NEXT_TRY: Duration = Duration::from_millis(5);
/// So many pages of 4 KiB are given back at once, since nobody else writes meanwhile; and so often until the next sweep.
const GIVE_BACK: &str = "PRAGMA incremental_vacuum(2048)";
const MOST_GIVEN: usize = 256;

/// An open file, or what takes its place in memory.
#[derive(Debug)]
pub struct Sqlite {
    pub(super) writer: SqlitePool,
    readers: SqlitePool,
}

impl Sqlite {
    pub async fn in_memory(patience: Duration) -> Result<Self, Trouble> {
        let only = pool(1, patience).connect_with(options(patience).in_memory(true)).await.map_err(Trouble::of)?;
        Ok(Self { writer: only.clone(), readers: only })
    }

    pub async fn file(path: &Path, patience: Duration) -> Result<Self, Trouble> {
        let is_new = is_new(path).map_err(Trouble::NotWritable)?;
        let options = options(patience).filename(path);
        let mut writing = options
            .clone()
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .pragma("journal_size_limit", "67108864");
        if is_new {
            // Must be known before the first table is made; later it would be a write, which a full disk refuses.
            writing = writing.auto_vacuum(SqliteAutoVacuum::Incremental);
        }
        let writer = writer(writing, patience).await?;
        let reading = options.pragma("query_only", "ON");
        Ok(Self { writer, readers: pool(READERS, patience).connect_lazy_with(reading) })
    }

    /// A transaction that may write, begun as one: it cannot come to wait for a lock half-way.
    pub async fn write(&self) -> Result<Transaction, sqlx::Error> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map(Transaction::Sqlite)
    }

    /// A transaction that sees one moment.
    pub async fn read(&self) -> Result<Transaction, sqlx::Error> {
        self.readers.begin().await.map(Transaction::Sqlite)
    }

    /// Gives pages that nothing is in any more back to the disk.
    pub async fn give_back(&self) -> Result<(), sqlx::Error> {
        let mut before = i64::MAX;
        for _ in 0..MOST_GIVEN {
            let free: i64 = sqlx::query_scalar("PRAGMA freelist_count").fetch_one(&self.readers).await?;
            // A file that was made otherwise keeps its pages.
            if free == 0 || free == before {
                break;
            }
            before = free;
            // Not within a transaction.
            sqlx::query(GIVE_BACK).execute(&self.writer).await?;
        }
        Ok(())
    }

    /// Brings the write-ahead log into the file itself, which is then all there is to copy.
    pub async fn settle(&self) -> Result<(), sqlx::Error> {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.writer).await.map(drop)
    }
}

/// What one of SQLite's result codes (sqlite.org/rescode.html) means: their low byte names the class.
pub fn trouble(code: &str, why: sqlx::Error) -> Trouble {
    match code.parse::<u32>().map(|code| code & 0xff) {
        Ok(5 | 6) => Trouble::Busy,
        Ok(13) => Trouble::Full,
        Ok(8 | 14) => Trouble::Folder(why),
        Ok(11 | 26) => Trouble::Damaged(why),
        _ => Trouble::Other(why),
    }
}

fn options(patience: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .foreign_keys(true)
        .busy_timeout(patience)
        // Deleted texts are overwritten where that costs no further page.
        .pragma("secure_delete", "FAST")
}

/// SQLite waits for whoever writes, but not for whoever makes a new file keep a write-ahead log, as each who opens it does: of
/// two that do so at once, one is told right away that the file is busy.
async fn writer(options: SqliteConnectOptions, patience: Duration) -> Result<SqlitePool, Trouble> {
    let until = Instant::now() + patience;
    loop {
        match pool(1, patience).connect_with(options.clone()).await.map_err(Trouble::of) {
            Err(Trouble::Busy) if Instant::now() < until => tokio::time::sleep(NEXT_TRY).await,
            writer => return writer,
        }
    }
}

/// Makes the file if it is not there, for its owner's eyes alone: what it will hold is what people have said. If that cannot be,
/// the system's own reason is clearer than SQLite's.
fn is_new(path: &Path) -> std::io::Result<bool> {
    let mut options = std::fs::OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    Ok(file.metadata()?.len() == 0)
}

/// Connections stay: opening one reads the schema anew, and closing the only one of a store in memory would lose it.
///
/// But for one: when a disk is full SQLite ends the transaction by itself, and sqlx 0.9 goes on counting it as open, which would
/// make the connection useless for good.
fn pool(connections: u32, patience: Duration) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(patience)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_release(|connection, _| {
            Box::pin(async move {
                // Waits for a rollback that is still on its way.
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
}
