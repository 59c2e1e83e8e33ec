//! What can be wrong with a file, and what is said about it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use narthex::error::Refusal;
use narthex::store::Trouble;

use super::*;

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
        Err(_) => {
            let path = folder.path().to_owned();
            (Some(folder), path)
        }
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_named() {
    let (_guard, place) = unwritable();
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

/// As the image has it: the file itself is on a volume.
#[tokio::test]
async fn a_link_leads_to_the_file() {
    let (folder, volume) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (link, path) = (folder.path().join("narthex.db"), volume.path().join("narthex.db"));
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(store(&link).response(None, "resp_a").await.unwrap().is_none());
    store(&link).put_response(&response("a")).await.unwrap();
    assert!(store(&path).response(None, "resp_a").await.unwrap().is_some());
    assert_eq!(folder.path().read_dir().unwrap().count(), 1, "nothing beside the link");
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
    assert!(store(&path).response(None, "resp_a").await.unwrap().is_some(), "to open it for reading writes nothing");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    kept.put_response(&response("b")).await.unwrap();
}
