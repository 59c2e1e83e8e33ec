//! What the gateway keeps for clients beyond an exchange: responses that can be asked for again and continued.
//!
//! It is SQLite in one file, made at the first write: who stores nothing finds no file, and who cannot store gets a clear
//! error for what needs it while the rest works. Everything belongs to the tenant that made it, and to others it does not
//! exist. What a stored text means, and what a client is answered, is not known here; nor is anything kept here that a
//! restart may forget.
//!
//! `responses` is what is kept (`keep`: in the background), `history` what a conversation has said so far, `sweep` how it ends. `database` opens the file,
//! `schema` makes its tables, `error` says why something is not possible.

mod database;
mod error;
mod history;
mod keep;
mod responses;
mod schema;
mod sweep;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::value::RawValue;
use tokio::sync::OnceCell;

pub use error::{StoreError, Trouble};
pub use history::History;
pub use responses::{Kept, StoredResponse, Turn};

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
        let opened = self.database.get_or_try_init(|| Database::open(&self.settings.place, self.patience)).await;
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
            };
        if is_there { self.open().await.map(Some) } else { Ok(None) }
    }

    fn error(&self, why: sqlx::Error) -> StoreError {
        StoreError::of(&self.settings.place, why)
    }

    fn trouble(&self, trouble: Trouble) -> StoreError {
        StoreError::new(&self.settings.place, trouble)
    }

    /// What was made before this moment, in seconds since 1970, is no longer shown.
    fn cutoff(&self, now: SystemTime) -> i64 {
        let age = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        number(age.saturating_sub(self.settings.retention).as_secs())
    }
}

/// How a tenant is written down.
fn owner(tenant: Option<&str>) -> &str {
    tenant.unwrap_or_default()
}

/// As databases count.
fn number(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}
