//! What is kept for clients, in real files: nothing acknowledged is lost, nobody finds another's, and what is wrong with a file
//! is said clearly.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../support/postgres.rs"]
mod postgres;

mod batches;
mod conversations;
mod files;
mod kept;
mod lasting;
mod results;
mod schema;
mod server;
mod troubles;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use narthex::config::{PostgresUrl, StorePlace, StoreSettings};
use narthex::store::{History, Json, Kept, Store, StoredResponse, Turn};
use sqlx::{Connection, SqliteConnection};

const DAY: u64 = 24 * 3600;
const RETENTION: Duration = Duration::from_secs(30 * DAY);

fn store(path: &Path) -> Store {
    placed(&StorePlace::File(path.to_owned()))
}

fn placed(place: &StorePlace) -> Store {
    let settings = StoreSettings { place: place.clone(), retention: RETENTION, file_retention: RETENTION };
    Store::new(settings).patience(Duration::from_secs(20))
}

fn in_postgres(url: &str) -> StorePlace {
    StorePlace::Postgres(PostgresUrl::parse(url).unwrap())
}

/// Tries it with a new store of each sort.
async fn each<F: Future<Output = ()>>(test: impl Fn(Store) -> F) {
    test(placed(&StorePlace::Memory)).await;
    each_place(|place| test(placed(&place))).await;
}

/// Tries it with a new place of each sort that lasts, and that several can share.
async fn each_place<F: Future<Output = ()>>(test: impl Fn(StorePlace) -> F) {
    let folder = tempfile::tempdir().unwrap();
    test(StorePlace::File(folder.path().join("narthex.db"))).await;
    test(in_postgres(&postgres::shared().database().await)).await;
}

/// Tries it with two gateways in one place.
async fn each_pair<F: Future<Output = ()>>(test: impl Fn([Arc<Store>; 2]) -> F) {
    each_place(|place| test([Arc::new(placed(&place)), Arc::new(placed(&place))])).await;
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn json(text: impl Into<String>) -> Json {
    Json::from(serde_json::value::RawValue::from_string(text.into()).unwrap())
}

fn turn(name: &str) -> Turn {
    Turn {
        input: vec![json(format!(r#"{{"id":"msg_{name}_in", "n":1.50}}"#))],
        output: vec![
            json(format!(r#"{{"type":"reasoning","id":"rs_{name}"}}"#)),
            json(format!(r#"{{"id":"msg_{name}_out","text":"ü\u0000"}}"#)),
        ],
        object: json(format!(r#"{{"id":"resp_{name}","object":"response"}}"#)),
    }
}

/// A response `resp_{name}` of nobody in particular.
fn response(name: &str) -> StoredResponse {
    StoredResponse {
        id: format!("resp_{name}"),
        tenant: None,
        instance: "groq".to_owned(),
        model: "fast".to_owned(),
        created: now(),
        previous: None,
        kept: Kept::Here(turn(name)),
    }
}

fn continues(previous: &str, name: &str) -> StoredResponse {
    StoredResponse { previous: Some(format!("resp_{previous}")), ..response(name) }
}

fn of(tenant: &str, response: StoredResponse) -> StoredResponse {
    StoredResponse { tenant: Some(tenant.to_owned()), ..response }
}

fn aged(days: u64, response: StoredResponse) -> StoredResponse {
    StoredResponse { created: now() - days * DAY, ..response }
}

fn at_provider(id: &str, response: StoredResponse) -> StoredResponse {
    StoredResponse { kept: Kept::AtProvider { id: id.to_owned(), turn: None }, ..response }
}

fn texts(items: &[Json]) -> Vec<&str> {
    items.iter().map(|item| item.get()).collect()
}

async fn ids(store: &Store, id: &str) -> String {
    match store.history(None, id).await.unwrap() {
        History::Whole(items) => {
            let id = |item: &Json| {
                serde_json::from_str::<serde_json::Value>(item.get()).unwrap()["id"].as_str().unwrap().to_owned()
            };
            items.iter().map(id).collect::<Vec<_>>().join(" ")
        }
        other => format!("{other:?}"),
    }
}

async fn raw(path: &Path) -> SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    SqliteConnection::connect_with(&options).await.unwrap()
}
