//! Why something cannot be kept or found, in words for whoever can mend it.

use std::io::ErrorKind;

use sqlx::Error as SqlError;
use sqlx::postgres::PgDatabaseError;

use super::{postgres, sqlite};
use crate::config::StorePlace;
use crate::error::{Kind, Refusal};

/// The store failed. `Display` is for the log: it names the place. Clients are told by the [`Refusal`] made of it.
#[derive(Debug, thiserror::Error)]
#[error("the store {place} {trouble}")]
pub struct StoreError {
    pub place: String,
    pub trouble: Trouble,
}

/// What is wrong, and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error(
        "cannot be opened for writing: {0}; name a file in a folder where this user may write as `store.path` \
         (NARTHEX_STORE_PATH)"
    )]
    NotWritable(#[source] std::io::Error),
    #[error("cannot be opened: {0}; its folder must be writable as well, for the files that SQLite puts beside it")]
    Folder(#[source] SqlError),
    #[error(
        "is full: the disk has no room left; make room; a shorter `store.retention` and `store.file_retention` keep it \
         smaller"
    )]
    Full,
    #[error("is locked by another process for too long; stop what holds it: a backup, a shell, a second gateway")]
    Busy,
    #[error(
        "cannot be reached: {0}; see that it runs, and that `store.url` (NARTHEX_STORE_URL) names its host and port"
    )]
    Unreachable(#[source] SqlError),
    #[error(
        "cannot be reached as its `sslmode` demands: {0}; `sslrootcert=FILE` in `store.url` names an authority that is \
         trusted beside the system's"
    )]
    Tls(#[source] SqlError),
    #[error("does not let us in: {0}; see the user and the password in `store.url` (NARTHEX_STORE_URL)")]
    NotLetIn(#[source] SqlError),
    #[error(
        "is not there: {0}; make it with `CREATE DATABASE`, or name another one in `store.url` (NARTHEX_STORE_URL)"
    )]
    NoDatabase(#[source] SqlError),
    #[error("does not let its user do what is needed: {0}; `GRANT` it, or name the database's owner in `store.url`")]
    NotAllowed(#[source] SqlError),
    #[error("is damaged, or no SQLite file: {0}; move it away and a new one is made, or bring back a copy of it")]
    Damaged(#[source] SqlError),
    #[error("holds another program's tables; name a file or a database of its own as `store.path` or `store.url`")]
    Foreign,
    #[error(
        "was written by a newer narthex (schema {found}, this one knows {known}); run that one, or name another place"
    )]
    Newer { found: i64, known: i64 },
    #[error("takes {most} bytes for one {what}, not {bytes}")]
    TooLarge { what: &'static str, bytes: usize, most: usize },
    #[error("has no file {file} that was begun and is not finished")]
    NotBegun { file: String },
    #[error("does not work: {0}")]
    Other(#[source] SqlError),
}

impl StoreError {
    pub fn new(place: &StorePlace, trouble: Trouble) -> Self {
        Self { place: place.to_string(), trouble }
    }

    pub fn of(place: &StorePlace, why: SqlError) -> Self {
        Self::new(place, Trouble::of(why))
    }
}

impl Trouble {
    pub fn of(why: SqlError) -> Self {
        match &why {
            SqlError::PoolTimedOut => return Self::Busy,
            SqlError::ColumnDecode { .. } => return Self::Damaged(why),
            SqlError::Tls(_) => return Self::Tls(why),
            // So rustls says what is wrong with a certificate.
            SqlError::Io(error) if error.kind() == ErrorKind::InvalidData => return Self::Tls(why),
            // Of files there are no others: SQLite has codes of its own for what happens to them.
            SqlError::Io(_) | SqlError::WorkerCrashed => return Self::Unreachable(why),
            _ => {}
        }
        let Some(error) = why.as_database_error() else { return Self::Other(why) };
        let code = error.code().unwrap_or_default().into_owned();
        if error.try_downcast_ref::<PgDatabaseError>().is_some() {
            postgres::trouble(&code, why)
        } else {
            sqlite::trouble(&code, why)
        }
    }
}

/// What a client may know of it: not the place.
impl From<&StoreError> for Refusal {
    fn from(error: &StoreError) -> Self {
        let (what, retry_after) = match &error.trouble {
            Trouble::TooLarge { what, bytes, most } => {
                let message = format!("A {what} of {bytes} bytes cannot be stored; up to {most} can be.");
                return Self::new(Kind::TooLarge, message).code("response_too_large");
            }
            Trouble::NotBegun { .. } => {
                let message = "The file was deleted, or begun anew, while it was being written.";
                return Self::new(Kind::Conflict, message).code("file_interrupted");
            }
            Trouble::Full => ("its disk is full", None),
            Trouble::Busy => ("its store is busy", Some(1)),
            Trouble::Unreachable(_) => ("its store cannot be reached", Some(1)),
            _ => ("its store cannot be used; its log says why", None),
        };
        let message = format!(
            "This gateway cannot keep or find responses, files and batches now: {what}. A request with `store: false` needs \
             no store."
        );
        let refusal = Self::new(Kind::Unavailable, message).code("store_unavailable");
        retry_after.into_iter().fold(refusal, Self::retry_after)
    }
}
