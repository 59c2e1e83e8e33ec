//! What is PostgreSQL's own: connections that come and go with the server, and what its errors mean.

use std::future::Future;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection};
use tokio::runtime::{Builder, Runtime};

use super::error::Trouble;
use super::sql::Transaction;
use crate::config::PostgresUrl;

/// A gateway has so many connections at most.
const CONNECTIONS: u32 = 10;
/// No answer to a statement takes longer, unless its server is gone without a word.
const LONGEST: Duration = Duration::from_secs(60);
/// Who waits here is alone in bringing up the tables. The number means nothing; others should not use the same.
pub const ONE_MIGRATES: &str = "SELECT pg_advisory_xact_lock(7881299347898477)";

/// Connections to a server. They are opened as they are needed; one that was lost is found out before it is used.
#[derive(Debug)]
pub struct Postgres {
    pool: PgPool,
    patience: Duration,
    home: Home,
}

/// Where connections are at home: a socket ends with the runtime that opened it, and those of the gateway's services end one
/// by one, while others still have something to keep.
#[derive(Debug)]
struct Home(Option<Runtime>);

impl Postgres {
    pub async fn connect(url: &PostgresUrl, patience: Duration) -> Result<Self, Trouble> {
        let options = PgConnectOptions::from_str(url.expose()).map_err(Trouble::of)?;
        let options = match options.get_host().strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            // As a URL writes an IPv6 address; nothing else does.
            Some(bare) => options.clone().host(bare),
            None => options,
        };
        let home = Home::new().map_err(|why| Trouble::of(why.into()))?;
        let opened = home.run(async move {
            // The pool would try again and again, and tell in the end that there was no time left: not why.
            let first = tokio::time::timeout(patience, PgConnection::connect_with(&options)).await;
            let first = first.unwrap_or_else(|_| Err(silence("it did not take a connection", patience)));
            first?.close().await?;
            Ok(pool(patience).connect_lazy_with(options))
        });
        let pool = opened.await.map_err(Trouble::of)?;
        Ok(Self { pool, patience, home })
    }

    /// A transaction that may write. It waits for no lock longer than patience lasts.
    pub async fn write(&self) -> Result<Transaction, sqlx::Error> {
        self.begin(format!("BEGIN; {}; SET LOCAL lock_timeout = {}", limit(), self.patience.as_millis())).await
    }

    /// A transaction that sees one moment.
    pub async fn read(&self) -> Result<Transaction, sqlx::Error> {
        self.begin(format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {}", limit())).await
    }

    async fn begin(&self, statement: String) -> Result<Transaction, sqlx::Error> {
        let pool = self.pool.clone();
        // Not to be dropped half-way, as a client may go away at any moment: sqlx 0.9 would give the connection back within
        // a transaction that it knows nothing of, and what others then write on it might never be committed.
        let begun = self.home.run(async move { answered(pool.begin_with(AssertSqlSafe(statement))).await });
        match begun.await.map(Transaction::Postgres) {
            Err(sqlx::Error::PoolTimedOut) => Err(silence("there was no connection to it", self.patience)),
            begun => begun,
        }
    }
}

impl Home {
    fn new() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("store").enable_all().build()?;
        Ok(Self(Some(runtime)))
    }

    /// Goes on to the end, even if nobody waits for it any more.
    async fn run<T: Send + 'static>(
        &self,
        task: impl Future<Output = Result<T, sqlx::Error>> + Send + 'static,
    ) -> Result<T, sqlx::Error> {
        let Some(runtime) = &self.0 else { return Err(sqlx::Error::WorkerCrashed) };
        runtime.spawn(task).await.map_err(|_| sqlx::Error::WorkerCrashed)?
    }
}

impl Drop for Home {
    /// Without waiting, which is not allowed on another runtime.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// An answer, unless there is none for longer than the server itself would take.
pub async fn answered<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let longest = LONGEST + Duration::from_secs(5);
    tokio::time::timeout(longest, answer).await.unwrap_or_else(|_| Err(silence("it did not answer", longest)))
}

/// The texts of migrations are SQLite's. Keys are compared by their bytes in both.
pub fn in_own_words(migration: &str) -> String {
    migration.replace(" BLOB", " BYTEA").replace(" TEXT", " TEXT COLLATE \"C\"")
}

/// By SQLSTATE (postgresql.org/docs/current/errcodes-appendix.html), of which the first two characters are the class.
pub fn trouble(code: &str, why: sqlx::Error) -> Trouble {
    match code {
        "53100" => Trouble::Full,
        // A lock was not to be had, or somebody's was in the way of somebody else's.
        "55P03" | "40001" | "40P01" => Trouble::Busy,
        "3D000" => Trouble::NoDatabase(why),
        // A schema that may not be used is none to make tables in.
        "42501" | "3F000" => Trouble::NotAllowed(why),
        _ => match code.get(..2) {
            Some("28") => Trouble::NotLetIn(why),
            // Connections, resources, and an operator's interventions.
            Some("08" | "53" | "57") => Trouble::Unreachable(why),
            Some("XX") => Trouble::Damaged(why),
            _ => Trouble::Other(why),
        },
    }
}

fn limit() -> String {
    format!("SET LOCAL statement_timeout = {}", LONGEST.as_millis())
}

fn silence(what: &str, patience: Duration) -> sqlx::Error {
    let message = format!("{what} for {}", humantime::format_duration(patience));
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, message))
}

fn pool(patience: Duration) -> PgPoolOptions {
    PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(patience).test_before_acquire(true).after_release(
        move |connection, _| {
            Box::pin(async move {
                // A server that is gone without a word would keep it for a quarter of an hour.
                let alive = tokio::time::timeout(patience, connection.ping()).await;
                alive.unwrap_or_else(|_| Err(silence("it did not answer", patience))).map(|()| true)
            })
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_translated() {
        let text = "-- A TEXT.\nCREATE TABLE a (id TEXT NOT NULL, piece BLOB NOT NULL, item TEXT);";
        let own = in_own_words(text);
        assert!(
            own.ends_with("(id TEXT COLLATE \"C\" NOT NULL, piece BYTEA NOT NULL, item TEXT COLLATE \"C\");"),
            "{own}"
        );
    }

    #[test]
    fn codes_say_what_is_wrong() {
        let of = |code| trouble(code, sqlx::Error::RowNotFound);
        assert!(matches!(of("53100"), Trouble::Full));
        assert!(matches!(of("40P01"), Trouble::Busy));
        assert!(matches!(of("28P01"), Trouble::NotLetIn(_)));
        assert!(matches!(of("3D000"), Trouble::NoDatabase(_)));
        assert!(matches!(of("42501"), Trouble::NotAllowed(_)));
        for code in ["57P01", "57P03", "08006", "53300", "57014"] {
            assert!(matches!(of(code), Trouble::Unreachable(_)), "{code}");
        }
        assert!(matches!(of("XX001"), Trouble::Damaged(_)));
        for code in ["42P01", "", "ü"] {
            assert!(matches!(of(code), Trouble::Other(_)), "{code}");
        }
    }
}
