//! Why something cannot be kept or found, in words for whoever can mend it.

use sqlx::Error as SqlError;

use crate::config::StorePlace;
use crate::error::{Kind, Refusal};

/// The store failed. `Display` is for the log: it names the file. Clients are told by the [`Refusal`] made of it.
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
        "is full: the disk has no room left; make room; a shorter `store.retention` and `store.file_retention` \
         keep it smaller"
    )]
    Full,
    #[error("is locked by another process for too long; stop what holds it: a backup, a shell, a second gateway")]
    Busy,
    #[error("is damaged, or no SQLite file: {0}; move it away and a new one is made, or bring back a copy of it")]
    Damaged(#[source] SqlError),
    #[error("is another program's database; name a file of its own as `store.path` (NARTHEX_STORE_PATH)")]
    Foreign,
    #[error(
        "was written by a newer narthex (schema {found}, this one knows {known}); run that one, or name another file"
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
    /// By SQLite's result codes (sqlite.org/rescode.html), of which the low byte names the class.
    pub fn of(why: SqlError) -> Self {
        if matches!(why, SqlError::PoolTimedOut) {
            return Self::Busy;
        }
        if matches!(why, SqlError::ColumnDecode { .. }) {
            return Self::Damaged(why);
        }
        let code = why.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
        match code.map(|code| code & 0xff) {
            Some(5 | 6) => Self::Busy,
            Some(13) => Self::Full,
            Some(8 | 14) => Self::Folder(why),
            Some(11 | 26) => Self::Damaged(why),
            _ => Self::Other(why),
        }
    }
}

/// What a client may know of it: not the path.
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
