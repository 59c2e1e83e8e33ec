//! What the gateway keeps for clients beyond an exchange: responses that can be asked for again and continued, files, batches.
//!
//! It is SQLite in one file, made at the first write, or PostgreSQL for several gateways that share it: who stores nothing
//! finds no file, and who cannot store gets a clear error for what needs it while the rest works. Everything belongs to the tenant that made it, and to others it does not
//! exist. What a stored text means, and what a client is answered, is not known here; nor is anything kept here that a
//! restart may forget.
//!
//! `responses` is what is kept (`keep`: in the background), `history` what a conversation has said so far. `files` are known
//! here and their bytes are in `pieces`, unless a provider has them. `batches` go on by themselves: `leases` say who sees to
//! which, `results` are what came of their lines. `sweep` is how it all ends. `database` is opened once, `schema` makes its
//! tables, `sql` is how they are spoken to; `sqlite` and `postgres` know what differs. `error` says why something is not
//! possible.

mod batches;
mod database;
mod error;
mod files;
mod history;
mod keep;
mod leases;
mod pieces;
mod postgres;
mod responses;
mod results;
mod schema;
mod sql;
mod sqlite;
mod sweep;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::value::RawValue;
use tokio::sync::OnceCell;

pub use batches::StoredBatch;
pub use error::{StoreError, Trouble};
pub use files::{FileQuery, Page, Place, PlaceFilter, StoredFile};
pub use history::History;
pub use leases::Lease;
pub use responses::{Kept, StoredResponse, Turn};
pub use results::LineResult;

use crate::config::{StorePlace, StoreSettings};
use database::Database;
use keep::Pending;

/// A JSON text, byte for byte as it was given.
pub type Json = Box<RawValue>;

/// The most that one response may hold, and that the turns of a conversation may hold together, in bytes. SQLite could keep
/// a little under 1 GB in a field; a conversation has to fit into a request again.
const MOST_BYTES: usize = 256 << 20;
/// The most turns of a conversation.
const MOST_TURNS: usize = 1000;
/// How long a statement waits for its turn. The file may be another process's as well.
const PATIENCE: Duration = Duration::from_secs(5);

/// The keeper of it all. Opened by the first call that needs the file.
#[derive(Debug)]
pub struct Store {
    settings: StoreSettings,
    patience: Duration,
    database: OnceCell<Database>,
    /// Whether opening has failed: then what is looked for may be something that could not be kept.
    has_failed: AtomicBool,
    pending: Pending,
}

impl Store {
    /// A store in this place. Nothing is opened or made yet, so nothing can fail.
    pub fn new(settings: StoreSettings) -> Self {
        Self {
            settings,
            patience: PATIENCE,
            database: OnceCell::new(),
            has_failed: AtomicBool::new(false),
            pending: Pending::default(),
        }
    }

    /// The same, but giving up on what other processes have locked after `patience` instead of 5 s.
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// For writing: the file is made if it is not there. A failure is not remembered: the next call tries again.
    async fn open(&self) -> Result<&Database, StoreError> {
        let opened = self.database.get_or_try_init(|| Database::open(&self.settings.place, self.patience));
        // They try one after the other: where each fails slowly, the last in the line would wait for all.
        let opened = tokio::time::timeout(self.patience * 2, opened).await.unwrap_or_else(|_| Err(self.no_turn()));
        self.has_failed.store(opened.is_err(), Ordering::Relaxed);
        opened
    }

    /// For reading: `None` when nothing has ever been written, nor should have been.
    async fn open_if_there(&self) -> Result<Option<&Database>, StoreError> {
        let is_there = self.database.initialized()
            || self.has_failed.load(Ordering::Relaxed)
            || match &self.settings.place {
                StorePlace::Memory => false,
                StorePlace::File(path) => path.exists(),
                StorePlace::Postgres(_) => true,
            };
        if is_there { self.open().await.map(Some) } else { Ok(None) }
    }

    fn no_turn(&self) -> StoreError {
        self.trouble(match self.settings.place {
            StorePlace::Postgres(_) => Trouble::Unreachable(sqlx::Error::PoolTimedOut),
            StorePlace::Memory | StorePlace::File(_) => Trouble::Busy,
        })
    }

    fn error(&self, why: sqlx::Error) -> StoreError {
        StoreError::of(&self.settings.place, why)
    }

    fn trouble(&self, trouble: Trouble) -> StoreError {
        StoreError::new(&self.settings.place, trouble)
    }

    /// Responses that were made before this moment, in seconds since 1970, are no longer shown.
    fn cutoff(&self, now: SystemTime) -> u64 {
        seconds(now).saturating_sub(self.settings.retention.as_secs())
    }

    /// The same of files that are here and of batches that are over.
    fn file_cutoff(&self, now: SystemTime) -> u64 {
        seconds(now).saturating_sub(self.settings.file_retention.as_secs())
    }
}

/// Since 1970.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// How a tenant is written down.
fn owner(tenant: Option<&str>) -> &str {
    tenant.unwrap_or_default()
}

/// As databases count.
fn number(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}
