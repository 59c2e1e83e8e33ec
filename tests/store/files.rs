//! Files: written piece by piece, found one by one and in pages, gone when their time is over.

use std::time::{Duration, SystemTime};

use narthex::store::{FileQuery, Place, PlaceFilter, StoredFile, Trouble};

use super::*;

/// A file `file_{name}` of nobody in particular, its bytes here.
fn file(name: &str) -> StoredFile {
    StoredFile {
        id: format!("file_{name}"),
        tenant: None,
        place: Place::Here,
        purpose: "batch".to_owned(),
        filename: format!("{name}.jsonl"),
        bytes: 3,
        created: now(),
        expires: None,
        object: json(format!(r#"{{"id":"file_{name}", "bytes":3.0}}"#)),
        notes: json(r#"{"lines":1}"#),
    }
}

fn there(instance: &str, name: &str) -> StoredFile {
    let place = Place::AtProvider { instance: instance.to_owned(), id: format!("up_{name}") };
    StoredFile { place, purpose: "user_data".to_owned(), ..file(name) }
}

async fn upload(kept: &Store, file: &StoredFile, pieces: &[&[u8]]) {
    kept.begin_file(file).await.unwrap();
    for (position, piece) in (0..).zip(pieces) {
        kept.append_piece(file.tenant.as_deref(), &file.id, position, piece).await.unwrap();
    }
    kept.finish_file(file).await.unwrap();
}

async fn names(kept: &Store, query: FileQuery<'_>, after: Option<&str>, is_ascending: bool, most: usize) -> String {
    match kept.files(None, &query, after, is_ascending, most).await.unwrap() {
        Some(page) => {
            let names: Vec<_> = page.items.iter().map(|file| file.id.strip_prefix("file_").unwrap()).collect();
            names.join(" ") + if page.has_more { " …" } else { "" }
        }
        None => "no such cursor".to_owned(),
    }
}

#[tokio::test]
async fn a_file_is_shown_when_it_is_whole() {
    each(|kept| async move {
        let a = file("a");
        let large: Vec<u8> = (0..1 << 20).map(|n| (n % 251) as u8).collect();
        kept.begin_file(&a).await.unwrap();
        kept.append_piece(None, "file_a", 0, &large).await.unwrap();
        kept.append_piece(None, "file_a", 1, b"\0\xff").await.unwrap();
        assert!(kept.file(None, "file_a").await.unwrap().is_none());
        assert_eq!(
            kept.piece(None, "file_a", 1).await.unwrap().unwrap(),
            b"\0\xff",
            "whoever writes it may look at it"
        );
        assert_eq!(names(&kept, FileQuery::default(), None, false, 10).await, "");
        assert!(!kept.delete_file(None, "file_a").await.unwrap());
        let why = kept.append_piece(None, "file_a", 2, &[0; (1 << 20) + 1]).await.unwrap_err();
        assert!(matches!(why.trouble, Trouble::TooLarge { .. }), "{why}");

        let whole = StoredFile { bytes: 1_048_578, notes: json("[7.50]"), expires: Some(now() + 60), ..a.clone() };
        kept.finish_file(&whole).await.unwrap();
        let found = kept.file(None, "file_a").await.unwrap().unwrap();
        assert_eq!((found.bytes, found.notes.get(), found.expires), (1_048_578, "[7.50]", whole.expires));
        assert_eq!((found.object.get(), &found.place, found.tenant), (a.object.get(), &Place::Here, None));
        assert_eq!((found.filename.as_str(), found.purpose.as_str()), ("a.jsonl", "batch"));
        assert_eq!(kept.piece(None, "file_a", 0).await.unwrap().unwrap(), large);
        assert_eq!(kept.piece(None, "file_a", 1).await.unwrap().unwrap(), b"\0\xff");
        assert!(kept.piece(None, "file_a", 2).await.unwrap().is_none());

        // What is finished takes no more, and what was never begun nothing at all.
        for id in ["file_a", "file_b"] {
            let why = kept.append_piece(None, id, 2, b"more").await.unwrap_err();
            assert!(matches!(&why.trouble, Trouble::NotBegun { file } if file == id), "{why}");
        }
        assert!(matches!(kept.finish_file(&a).await.unwrap_err().trouble, Trouble::NotBegun { .. }));
        kept.drop_unfinished(None, "file_a").await.unwrap();
        assert!(kept.file(None, "file_a").await.unwrap().is_some(), "it is finished");
    })
    .await;
}

#[tokio::test]
async fn an_upload_that_broke_off_begins_anew() {
    each(|kept| async move {
        let a = file("a");
        kept.begin_file(&a).await.unwrap();
        for position in 0..40 {
            kept.append_piece(None, "file_a", position, b"old").await.unwrap();
        }
        upload(&kept, &a, &[b"new"]).await;
        assert_eq!(kept.piece(None, "file_a", 0).await.unwrap().unwrap(), b"new");
        assert!(kept.piece(None, "file_a", 1).await.unwrap().is_none(), "nothing is left of the first");

        kept.begin_file(&file("b")).await.unwrap();
        kept.append_piece(None, "file_b", 0, b"x").await.unwrap();
        // The same piece again, by a writer that did not hear that it was taken.
        kept.append_piece(None, "file_b", 0, b"y").await.unwrap();
        kept.drop_unfinished(None, "file_b").await.unwrap();
        assert!(matches!(kept.finish_file(&file("b")).await.unwrap_err().trouble, Trouble::NotBegun { .. }));
        kept.drop_unfinished(None, "file_b").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn files_come_in_pages() {
    each(|kept| async move {
        assert_eq!(names(&kept, FileQuery::default(), None, false, 10).await, "");
        assert_eq!(names(&kept, FileQuery::default(), Some("file_x"), false, 10).await, "no such cursor");
        let start = now() - 100;
        // Two of each second: within it they are in order of their ids.
        for (n, name) in ["a", "B", "c", "d", "e", "f", "g"].into_iter().enumerate() {
            let file = if n % 3 == 0 { there(if n == 0 { "groq" } else { "openai" }, name) } else { file(name) };
            kept.put_file(&StoredFile { created: start + n as u64 / 2, ..file }).await.unwrap();
        }
        let all = FileQuery::default();
        assert_eq!(names(&kept, all, None, false, 10).await, "g f e d c a B");
        assert_eq!(names(&kept, all, None, true, 10).await, "B a c d e f g");
        assert_eq!(names(&kept, all, None, false, 7).await, "g f e d c a B");
        assert_eq!(names(&kept, all, None, false, 3).await, "g f e …");
        assert_eq!(names(&kept, all, Some("file_e"), false, 3).await, "d c a …");
        assert_eq!(names(&kept, all, Some("file_a"), false, 3).await, "B");
        assert_eq!(names(&kept, all, Some("file_B"), false, 3).await, "");
        assert_eq!(names(&kept, all, Some("file_a"), true, 2).await, "c d …");
        assert_eq!(names(&kept, all, Some("file_x"), true, 2).await, "no such cursor");
        let of = |purpose, place| FileQuery { purpose, place };
        assert_eq!(names(&kept, of(Some("user_data"), None), None, false, 9).await, "g d a");
        assert_eq!(names(&kept, of(Some("other"), None), None, false, 9).await, "");
        assert_eq!(names(&kept, of(None, Some(PlaceFilter::Here)), None, true, 2).await, "B c …");
        assert_eq!(names(&kept, of(None, Some(PlaceFilter::Instance("openai"))), None, false, 9).await, "g d");
        assert_eq!(names(&kept, of(Some("batch"), Some(PlaceFilter::Instance("openai"))), None, false, 9).await, "");
        // A cursor need not be of the kind that is asked for; once it is deleted there is none.
        assert_eq!(names(&kept, of(Some("user_data"), None), Some("file_f"), false, 9).await, "d a");
        assert!(kept.delete_file(None, "file_f").await.unwrap());
        assert_eq!(names(&kept, all, Some("file_f"), false, 9).await, "no such cursor");
    })
    .await;
}

#[tokio::test]
async fn what_is_known_of_a_file_can_change() {
    each(|kept| async move {
        upload(&kept, &file("a"), &[b"abc"]).await;
        kept.put_file(&StoredFile { notes: json("true"), ..file("a") }).await.unwrap();
        assert_eq!(kept.file(None, "file_a").await.unwrap().unwrap().notes.get(), "true");
        assert_eq!(kept.piece(None, "file_a", 0).await.unwrap().unwrap(), b"abc", "its bytes stay");
        kept.put_file(&there("groq", "b")).await.unwrap();
        let found = kept.file(None, "file_b").await.unwrap().unwrap();
        assert_eq!(found.place, Place::AtProvider { instance: "groq".to_owned(), id: "up_b".to_owned() });
        // What a client calls its file is not for us to judge.
        let id = "file_odd\0".to_owned();
        let odd = StoredFile { id, filename: "a\0b\u{1f600}\u{202e}'; --".to_owned(), ..file("odd") };
        kept.put_file(&odd).await.unwrap();
        let found = kept.file(None, "file_odd\0").await.unwrap().unwrap();
        assert_eq!(found.filename.replace('\u{fffd}', "\0"), odd.filename);
    })
    .await;
}

#[tokio::test]
async fn files_belong_to_their_tenants() {
    each(|kept| async move {
        let of = |tenant: &str, file| StoredFile { tenant: Some(tenant.to_owned()), ..file };
        upload(&kept, &of("a", file("x")), &[b"a's"]).await;
        upload(&kept, &of("b", file("x")), &[b"b's"]).await;
        for other in [None, Some("c"), Some("A"), Some("")] {
            assert!(kept.file(other, "file_x").await.unwrap().is_none(), "{other:?}");
            assert!(kept.piece(other, "file_x", 0).await.unwrap().is_none());
            assert!(!kept.delete_file(other, "file_x").await.unwrap());
            let page = kept.files(other, &FileQuery::default(), None, false, 9).await.unwrap().unwrap();
            assert!(page.items.is_empty());
            assert!(kept.files(other, &FileQuery::default(), Some("file_x"), false, 9).await.unwrap().is_none());
        }
        assert!(kept.delete_file(Some("a"), "file_x").await.unwrap());
        assert!(!kept.delete_file(Some("a"), "file_x").await.unwrap());
        assert!(kept.piece(Some("a"), "file_x", 0).await.unwrap().is_none());
        assert_eq!(kept.piece(Some("b"), "file_x", 0).await.unwrap().unwrap(), b"b's");
        let found = kept.file(Some("b"), "file_x").await.unwrap().unwrap();
        assert_eq!(found.tenant.as_deref(), Some("b"));
    })
    .await;
}

#[tokio::test]
async fn files_end() {
    each(|kept| async move {
        let made = |days: u64, file| StoredFile { created: now() - days * DAY, ..file };
        upload(&kept, &StoredFile { expires: Some(now() - 1), ..file("expired") }, &[b"abc"]).await;
        upload(&kept, &StoredFile { expires: Some(now() + 600), ..file("expiring") }, &[b"abc"]).await;
        upload(&kept, &made(31, file("old")), &[b"abc".as_slice(); 40]).await;
        upload(&kept, &made(29, file("young")), &[b"abc"]).await;
        kept.put_file(&made(400, there("openai", "there"))).await.unwrap();
        kept.put_file(&StoredFile { expires: Some(now() - 1), ..there("openai", "gone") }).await.unwrap();
        kept.begin_file(&made(2, file("broken"))).await.unwrap();
        kept.append_piece(None, "file_broken", 0, b"abc").await.unwrap();
        kept.begin_file(&file("coming")).await.unwrap();

        let shown = names(&kept, FileQuery::default(), None, false, 10).await;
        assert_eq!(shown, "expiring young there", "swept or not");
        assert!(kept.file(None, "file_old").await.unwrap().is_none());
        assert!(!kept.delete_file(None, "file_expired").await.unwrap());
        assert_eq!(kept.sweep(SystemTime::now()).await.unwrap(), 4);
        assert_eq!(kept.sweep(SystemTime::now()).await.unwrap(), 0);
        assert_eq!(names(&kept, FileQuery::default(), None, false, 10).await, "expiring young there");
        assert!(kept.piece(None, "file_old", 0).await.unwrap().is_none());
        kept.append_piece(None, "file_coming", 0, b"abc").await.unwrap();
        kept.finish_file(&file("coming")).await.unwrap();
        // Files that a provider has are forgotten when they expire, and not for their age.
        let later = SystemTime::now() + Duration::from_secs(60 * DAY);
        assert_eq!(kept.sweep(later).await.unwrap(), 3);
        assert_eq!(names(&kept, FileQuery::default(), None, false, 10).await, "there");
    })
    .await;
}
