//! What is kept for clients, in real files: nothing acknowledged is lost, nobody finds another's, and what is wrong with a file
//! is said clearly.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use narthex::config::{StorePlace, StoreSettings};
use narthex::error::Refusal;
use narthex::store::{History, Json, Kept, Store, StoredResponse, Trouble, Turn};
use sqlx::{Connection, SqliteConnection};

const DAY: u64 = 24 * 3600;
const RETENTION: Duration = Duration::from_secs(30 * DAY);

fn store(path: &Path) -> Store {
    Store::new(StoreSettings { place: StorePlace::File(path.to_owned()), retention: RETENTION })
        .patience(Duration::from_secs(20))
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

#[tokio::test]
async fn what_is_kept_is_found_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("narthex.db");
    let kept = store(&path);
    kept.put_response(&continues("before", "a")).await.unwrap();
    kept.put_response(&StoredResponse {
        kept: Kept::AtProvider { id: "up_1".to_owned(), turn: Some(turn("b")) },
        ..response("b")
    })
    .await
    .unwrap();
    drop(kept);

    let kept = store(&path);
    let found = kept.response(None, "resp_a").await.unwrap().unwrap();
    assert_eq!((found.instance.as_str(), found.model.as_str()), ("groq", "fast"));
    assert_eq!((found.previous.as_deref(), found.kept.upstream_id()), (Some("resp_before"), None));
    assert!(now() - found.created < 60);
    let (was, is) = (turn("a"), found.kept.turn().unwrap());
    assert_eq!(texts(&is.input), texts(&was.input));
    assert_eq!(texts(&is.output), texts(&was.output));
    assert_eq!(is.object.get(), was.object.get());
    let found = kept.response(None, "resp_b").await.unwrap().unwrap();
    assert_eq!((found.kept.upstream_id(), found.kept.turn().unwrap().output.len()), (Some("up_1"), 2));

    assert_eq!(kept.item(None, "rs_a").await.unwrap().unwrap().get(), was.output[0].get());
    assert!(kept.item(None, "rs_z").await.unwrap().is_none());
    assert!(kept.delete_response(None, "resp_a").await.unwrap());
    assert!(!kept.delete_response(None, "resp_a").await.unwrap());
    assert!(kept.response(None, "resp_a").await.unwrap().is_none());
    assert!(kept.item(None, "rs_a").await.unwrap().is_none(), "items go with their response");
}

#[tokio::test]
async fn a_response_can_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let kept = store(&folder.path().join("narthex.db"));
    kept.put_response(&response("a")).await.unwrap();
    kept.put_response(&continues("a", "b")).await.unwrap();
    let mut changed = turn("b");
    changed.output.truncate(1);
    kept.put_response(&StoredResponse { kept: Kept::Here(changed), ..continues("b", "b") }).await.unwrap();
    assert_eq!(ids(&kept, "resp_b").await, "msg_a_in rs_a msg_a_out msg_b_in rs_b", "it still continues the first");
    assert!(kept.item(None, "msg_b_out").await.unwrap().is_none());
}

#[tokio::test]
async fn nothing_is_made_before_something_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("narthex.db");
    let kept = Arc::new(store(&path));
    assert!(kept.response(None, "resp_a").await.unwrap().is_none());
    assert!(kept.item(None, "rs_a").await.unwrap().is_none());
    assert!(!kept.delete_response(None, "resp_a").await.unwrap());
    assert!(matches!(kept.history(None, "resp_a").await.unwrap(), History::NotFound));
    assert_eq!(kept.sweep(SystemTime::now()).await.unwrap(), 0);
    let (over, shutdown) = tokio::sync::watch::channel(false);
    let cleaner = tokio::spawn(Arc::clone(&kept).keep_clean(shutdown));
    assert!(!path.exists());

    kept.put_response(&response("a")).await.unwrap();
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o077, 0, "it is nobody else's to read");
    over.send(true).unwrap();
    tokio::time::timeout(Duration::from_secs(20), cleaner).await.expect("it ends when told to").unwrap();
    let log = folder.path().join("narthex.db-wal");
    assert!(log.metadata().map_or(0, |log| log.len()) == 0, "the file holds everything");
}

#[tokio::test]
async fn memory_keeps_without_a_file() {
    let kept = Store::new(StoreSettings { place: StorePlace::Memory, retention: RETENTION });
    assert!(kept.response(None, "resp_a").await.unwrap().is_none());
    kept.put_response(&response("a")).await.unwrap();
    kept.put_response(&continues("a", "b")).await.unwrap();
    assert_eq!(ids(&kept, "resp_b").await, "msg_a_in rs_a msg_a_out msg_b_in rs_b msg_b_out");
}

#[tokio::test]
async fn tenants_do_not_find_each_others() {
    let folder = tempfile::tempdir().unwrap();
    let kept = store(&folder.path().join("narthex.db"));
    kept.put_response(&of("a", response("x"))).await.unwrap();
    for other in [None, Some("b"), Some("master"), Some("A"), Some("")] {
        assert!(kept.response(other, "resp_x").await.unwrap().is_none(), "{other:?}");
        assert!(kept.item(other, "rs_x").await.unwrap().is_none());
        assert!(!kept.delete_response(other, "resp_x").await.unwrap());
        assert!(matches!(kept.history(other, "resp_x").await.unwrap(), History::NotFound));
    }
    // The same id is another response, and continuing somebody else's leads nowhere.
    kept.put_response(&of("b", at_provider("up", response("x")))).await.unwrap();
    kept.put_response(&of("c", continues("x", "y"))).await.unwrap();
    assert!(kept.response(Some("a"), "resp_x").await.unwrap().unwrap().kept.turn().is_some());
    assert!(kept.response(Some("b"), "resp_x").await.unwrap().unwrap().kept.turn().is_none());
    let history = kept.history(Some("c"), "resp_y").await.unwrap();
    assert!(matches!(history, History::Broken { missing } if missing == "resp_x"));
}

#[tokio::test]
async fn a_conversation_is_told_from_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let kept = store(&folder.path().join("narthex.db"));
    kept.put_response(&response("1")).await.unwrap();
    kept.put_response(&continues("1", "2")).await.unwrap();
    kept.put_response(&continues("2", "3")).await.unwrap();
    kept.put_response(&continues("1", "fork")).await.unwrap();
    let first = "msg_1_in rs_1 msg_1_out";
    assert_eq!(ids(&kept, "resp_1").await, first);
    assert_eq!(ids(&kept, "resp_fork").await, format!("{first} msg_fork_in rs_fork msg_fork_out"));
    assert_eq!(
        ids(&kept, "resp_3").await,
        format!("{first} msg_2_in rs_2 msg_2_out msg_3_in rs_3 msg_3_out")
    );
    assert!(matches!(kept.history(None, "resp_4").await.unwrap(), History::NotFound));

    kept.put_response(&at_provider("up_5", continues("3", "5"))).await.unwrap();
    kept.put_response(&continues("5", "6")).await.unwrap();
    let history = kept.history(None, "resp_6").await.unwrap();
    assert!(matches!(history, History::AtProvider { instance, id } if instance == "groq" && id == "up_5"));

    kept.delete_response(None, "resp_2").await.unwrap();
    let history = kept.history(None, "resp_3").await.unwrap();
    assert!(matches!(history, History::Broken { missing } if missing == "resp_2"));
}

#[tokio::test]
async fn a_conversation_has_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let kept = store(&folder.path().join("narthex.db"));
    kept.put_response(&response("0")).await.unwrap();
    for n in 1..=1000 {
        kept.put_response(&continues(&(n - 1).to_string(), &n.to_string())).await.unwrap();
    }
    let History::Whole(items) = kept.history(None, "resp_999").await.unwrap() else { panic!("it is not too long") };
    assert_eq!(items.len(), 3000);
    assert!(matches!(kept.history(None, "resp_1000").await.unwrap(), History::TooLong { .. }));
    // Nothing that is put can make a ring; one that was made elsewhere ends, too.
    kept.put_response(&continues("self", "self")).await.unwrap();
    assert!(matches!(kept.history(None, "resp_self").await.unwrap(), History::TooLong { .. }));
}

#[tokio::test]
async fn what_is_too_old_goes() {
    let folder = tempfile::tempdir().unwrap();
    let kept = store(&folder.path().join("narthex.db"));
    for n in 0..450 {
        kept.put_response(&aged(31, response(&format!("old{n}")))).await.unwrap();
    }
    kept.put_response(&aged(29, response("young"))).await.unwrap();
    kept.put_response(&aged(40, response("first"))).await.unwrap();
    kept.put_response(&aged(35, continues("first", "second"))).await.unwrap();
    kept.put_response(&aged(5, continues("second", "third"))).await.unwrap();

    assert!(kept.response(None, "resp_old1").await.unwrap().is_none(), "too old to be shown, swept or not");
    assert!(kept.item(None, "rs_old1").await.unwrap().is_none());
    assert!(!kept.delete_response(None, "resp_old1").await.unwrap());
    assert_eq!(kept.sweep(SystemTime::now()).await.unwrap(), 450);
    assert!(kept.response(None, "resp_young").await.unwrap().is_some());

    assert!(kept.response(None, "resp_second").await.unwrap().is_none());
    assert!(matches!(kept.history(None, "resp_second").await.unwrap(), History::NotFound));
    let whole = "msg_first_in rs_first msg_first_out msg_second_in rs_second msg_second_out msg_third_in rs_third msg_third_out";
    assert_eq!(ids(&kept, "resp_third").await, whole, "a conversation ends as a whole");
    let later = SystemTime::now() + Duration::from_secs(26 * DAY);
    assert_eq!(kept.sweep(later).await.unwrap(), 4);
    assert_eq!(kept.sweep(later).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_write_and_read_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("narthex.db");
    // Two gateways on one file.
    let stores = [Arc::new(store(&path)), Arc::new(store(&path))];
    let tasks: Vec<_> = (0..50)
        .map(|task| {
            let kept = Arc::clone(&stores[task % 2]);
            tokio::spawn(async move {
                for n in 0..10 {
                    let next = if n == 0 {
                        response(&format!("{task}_0"))
                    } else {
                        continues(&format!("{task}_{}", n - 1), &format!("{task}_{n}"))
                    };
                    kept.put_response(&next).await.unwrap();
                    let History::Whole(items) = kept.history(None, &next.id).await.unwrap() else { panic!("{n}") };
                    assert_eq!(items.len(), 3 * (n + 1), "one sees what one has written");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for task in 0..50 {
        let History::Whole(items) = stores[0].history(None, &format!("resp_{task}_9")).await.unwrap() else { panic!() };
        assert_eq!(items.len(), 30);
    }
}

/// Started by itself with this variable, this test is the writer that gets killed.
const WRITER: &str = "NARTHEX_TEST_WRITES_TO";

#[tokio::test]
async fn a_kill_loses_nothing_that_was_acknowledged() {
    #[expect(clippy::disallowed_methods, reason = "a message to a process of this very test")]
    if let Some(path) = std::env::var_os(WRITER) {
        let kept = store(Path::new(&path));
        for n in 0.. {
            kept.put_response(&response(&n.to_string())).await.unwrap();
            println!("written {n}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("narthex.db");
    for round in [30, 200, 31] {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_kill_loses_nothing_that_was_acknowledged", "--nocapture"])
            .env(WRITER, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines().map_while(Result::ok);
        let number = |line: String| line.rsplit_once("written ")?.1.parse::<u32>().ok();
        let mut last = lines.by_ref().filter_map(number).find(|n| *n >= round).expect("it writes");
        writer.kill().unwrap();
        writer.wait().unwrap();
        // What it acknowledged before the signal came.
        last = lines.filter_map(number).last().unwrap_or(last);

        let kept = store(&path);
        for n in 0..=last {
            let found = kept.response(None, &format!("resp_{n}")).await.unwrap();
            assert_eq!(found.expect("acknowledged").kept.turn().map(|turn| turn.items().count()), Some(3), "{n}");
        }
        kept.put_response(&response("after")).await.unwrap();
        let sound: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut raw(&path).await).await.unwrap();
        assert_eq!(sound, "ok");
    }
}

/// What keeping fails with, and what reading does, in words.
async fn told(path: &Path) -> (Trouble, String) {
    let kept = store(path).patience(Duration::from_millis(200));
    let why = kept.put_response(&response("a")).await.unwrap_err();
    let refusal = Refusal::from(&why);
    assert_eq!(refusal.status(), 503, "{why}");
    assert!(!refusal.message.contains(&path.display().to_string()), "{refusal}");
    let text = why.to_string();
    assert!(text.contains(&path.display().to_string()), "{text}");
    (why.trouble, text)
}

/// A folder in which nobody can make a file, whoever runs this test.
fn unwritable() -> (Option<tempfile::TempDir>, PathBuf) {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o555)).unwrap();
    match std::fs::write(folder.path().join("probe"), "") {
        Ok(()) => (None, PathBuf::from("/proc")),
        Err(_) => (Some(folder), PathBuf::new()),
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_named() {
    let (folder, other) = unwritable();
    let place = folder.as_ref().map_or(other, |folder| folder.path().to_owned());
    let folder = tempfile::tempdir().unwrap();
    for path in [place.join("narthex.db"), folder.path().join("not-there/narthex.db"), folder.path().to_owned()] {
        let (trouble, text) = told(&path).await;
        assert!(matches!(trouble, Trouble::NotWritable(_)), "{text}");
        assert!(text.contains("NARTHEX_STORE_PATH"), "{text}");
    }
    // Once it is mended the same store works.
    let path = folder.path().join("later/narthex.db");
    let kept = store(&path);
    kept.put_response(&response("a")).await.unwrap_err();
    std::fs::create_dir(folder.path().join("later")).unwrap();
    kept.put_response(&response("a")).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_store_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("narthex.db");
    let text = "this is a text, and by no means a database. ".repeat(200);
    std::fs::write(&path, &text).unwrap();
    assert!(matches!(told(&path).await.0, Trouble::Damaged(_)));
    assert!(store(&path).response(None, "resp_a").await.is_err(), "reading does not pretend that there is nothing");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);

    let path = folder.path().join("foreign.db");
    sqlx::raw_sql("CREATE TABLE recipes (name TEXT)").execute(&mut raw(&path).await).await.unwrap();
    assert!(matches!(told(&path).await.0, Trouble::Foreign));

    let path = folder.path().join("newer.db");
    store(&path).put_response(&response("a")).await.unwrap();
    sqlx::raw_sql("INSERT INTO narthex_schema VALUES (99)").execute(&mut raw(&path).await).await.unwrap();
    assert!(matches!(told(&path).await.0, Trouble::Newer { found: 99, .. }));
}

#[tokio::test]
async fn a_damaged_page_is_not_an_empty_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("narthex.db");
    let kept = store(&path);
    for n in 0..200 {
        kept.put_response(&response(&n.to_string())).await.unwrap();
    }
    drop(kept);
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut raw(&path).await).await.unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    // Page 1 says what the tables are, so the file still opens.
    bytes[2 * 4096..].fill(0xA5);
    std::fs::write(&path, bytes).unwrap();
    let why = store(&path).response(None, "resp_7").await.unwrap_err();
    assert!(matches!(why.trouble, Trouble::Damaged(_)), "{why}");
}

#[tokio::test]
async fn a_lock_of_somebody_else_hinders_writers_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("narthex.db");
    let kept = store(&path).patience(Duration::from_millis(200));
    kept.put_response(&response("a")).await.unwrap();
    let mut other = raw(&path).await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let why = kept.put_response(&response("b")).await.unwrap_err();
    assert!(matches!(why.trouble, Trouble::Busy), "{why}");
    assert_eq!(Refusal::from(&why).retry_after, Some(1));
    assert!(kept.response(None, "resp_a").await.unwrap().is_some());
    assert!(matches!(told(&path).await.0, Trouble::Busy), "one that opens it meanwhile says so, too");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    kept.put_response(&response("b")).await.unwrap();
}

#[tokio::test]
async fn a_client_that_is_gone_leaves_no_half() {
    let folder = tempfile::tempdir().unwrap();
    let kept = store(&folder.path().join("narthex.db"));
    kept.put_response(&response("warm")).await.unwrap();
    let large = Turn { input: (0..200).map(|n| json(n.to_string())).collect(), ..turn("large") };
    let large = StoredResponse { kept: Kept::Here(large), ..response("large") };
    for micros in [0, 50, 200, 500, 1000, 2000, 4000] {
        let put = tokio::time::timeout(Duration::from_micros(micros), kept.put_response(&large));
        let is_done = put.await.is_ok();
        let found = kept.response(None, "resp_large").await.unwrap();
        let count = found.as_ref().and_then(|found| Some(found.kept.turn()?.items().count()));
        assert!(count == Some(202) || count.is_none() && !is_done, "{count:?}");
        kept.delete_response(None, "resp_large").await.unwrap();
    }
    kept.put_response(&response("next")).await.unwrap();
}
