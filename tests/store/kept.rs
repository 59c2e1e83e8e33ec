//! Responses one by one: byte for byte, each to its tenant.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use narthex::store::{History, Kept, StoredResponse, Turn};

use super::*;

#[tokio::test]
async fn what_is_kept_is_found_byte_for_byte() {
    each_place(|place| async move {
        let kept = placed(&place);
        kept.put_response(&continues("before", "a")).await.unwrap();
        kept.put_response(&StoredResponse {
            kept: Kept::AtProvider { id: "up_1".to_owned(), turn: Some(turn("b")) },
            ..response("b")
        })
        .await
        .unwrap();
        drop(kept);

        let kept = placed(&place);
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
    })
    .await;
}

#[tokio::test]
async fn a_response_can_be_replaced() {
    each(|kept| async move {
        kept.put_response(&response("a")).await.unwrap();
        kept.put_response(&continues("a", "b")).await.unwrap();
        let mut changed = turn("b");
        changed.output.truncate(1);
        kept.put_response(&StoredResponse { kept: Kept::Here(changed), ..continues("b", "b") }).await.unwrap();
        assert_eq!(ids(&kept, "resp_b").await, "msg_a_in rs_a msg_a_out msg_b_in rs_b", "it still continues the first");
        assert!(kept.item(None, "msg_b_out").await.unwrap().is_none());
    })
    .await;
}

/// Ids of items are the client's own, and databases have limits.
#[tokio::test]
async fn odd_ids_do_no_harm() {
    each(|kept| async move {
        let long: String = (0..4000).map(|n| char::from(b'a' + (n * n % 23) as u8)).collect();
        let item = |id: &str| json(serde_json::json!({"id": id, "n": id.len()}).to_string());
        let input = vec![item(&long), item("a\0b"), item(&long[..1500]), item("'; DROP TABLE items; --")];
        kept.put_response(&StoredResponse { kept: Kept::Here(Turn { input, ..turn("a") }), ..response("a") })
            .await
            .unwrap();
        let found = kept.response(None, "resp_a").await.unwrap().unwrap();
        assert_eq!(found.kept.turn().unwrap().input[0].get(), item(&long).get(), "it is there all the same");
        for id in ["a\0b", &long[..1500], "'; DROP TABLE items; --"] {
            assert!(kept.item(None, id).await.unwrap().is_some(), "{id}");
        }
        assert!(kept.item(None, &long).await.unwrap().is_none());
        for id in ["", "\0", &long, "\u{10ffff}", "%"] {
            assert!(kept.response(Some(id), id).await.unwrap().is_none());
            assert!(!kept.delete_response(None, id).await.unwrap());
            assert!(kept.file(None, id).await.unwrap().is_none());
            assert!(kept.batch(None, id).await.unwrap().is_none());
        }
    })
    .await;
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
async fn tenants_do_not_find_each_others() {
    each(|kept| async move {
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
        assert!(matches!(history, History::Broken));
    })
    .await;
}
