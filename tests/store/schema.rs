//! Tables of older and newer versions, and several gateways that make them at once.

use std::sync::Arc;

use narthex::store::{FileQuery, History, StoredBatch, Trouble};
use sqlx::PgConnection;

use super::batches::batch;
use super::*;

#[tokio::test]
async fn a_file_of_the_first_version_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("narthex.db");
    let mut first = raw(&path).await;
    for text in [
        "CREATE TABLE narthex_schema (version BIGINT NOT NULL PRIMARY KEY)",
        include_str!("../../src/store/migrations/1_responses.sql"),
        "INSERT INTO narthex_schema (version) VALUES (1)",
        r#"INSERT INTO responses (tenant, id, chain, instance, model, created, object, bytes)
           VALUES ('', 'resp_1', 'resp_1', 'groq', 'fast', 9000000000, '{"id":"resp_1"}', 14);
           INSERT INTO items VALUES ('', 'resp_1', 0, 0, 'msg_1', '{"id":"msg_1"}')"#,
    ] {
        sqlx::raw_sql(text).execute(&mut first).await.unwrap();
    }
    drop(first);
    let kept = store(&path);
    assert_eq!(ids(&kept, "resp_1").await, "msg_1");
    kept.put_response(&continues("1", "2")).await.unwrap();
    assert_eq!(ids(&kept, "resp_2").await, "msg_1 msg_2_in rs_2 msg_2_out");
    kept.put_batch(&batch("a", Some(1)), None).await.unwrap();
    let page = kept.files(None, &FileQuery::default(), None, false, 9).await.unwrap().unwrap();
    assert!(page.items.is_empty());
    let versions: Vec<i64> = sqlx::query_scalar("SELECT version FROM narthex_schema ORDER BY version")
        .fetch_all(&mut raw(&path).await)
        .await
        .unwrap();
    assert_eq!(versions, [1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_may_make_the_tables_at_once() {
    each_place(|place| async move {
        let stores: Vec<_> = (0..8).map(|_| Arc::new(placed(&place))).collect();
        let tasks = stores.iter().enumerate().map(|(n, kept)| {
            let kept = Arc::clone(kept);
            tokio::spawn(async move {
                kept.put_response(&response(&n.to_string())).await.unwrap();
                kept.put_batch(&batch(&n.to_string(), Some(1)), None).await.unwrap();
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        for n in 0..8 {
            assert!(stores[7 - n].response(None, &format!("resp_{n}")).await.unwrap().is_some());
        }
    })
    .await;
}

/// Which of them make the file, and keep another from it, is a matter of a moment: it takes many tries to hit it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_file_may_be_made_by_several_at_once() {
    for _ in 0..100 {
        let folder = tempfile::tempdir().unwrap();
        let place = StorePlace::File(folder.path().join("narthex.db"));
        let tasks = (0..4).map(|n| {
            let kept = placed(&place);
            tokio::spawn(async move { kept.put_response(&response(&n.to_string())).await })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn other_tables_in_a_database_are_left_alone() {
    let foreign = postgres::shared().database().await;
    let mut other = PgConnection::connect(&foreign).await.unwrap();
    sqlx::raw_sql("CREATE TABLE recipes (name TEXT)").execute(&mut other).await.unwrap();
    let why = placed(&in_postgres(&foreign)).put_response(&response("a")).await.unwrap_err();
    assert!(matches!(why.trouble, Trouble::Foreign), "{why}");
    // In a schema of its own it is welcome.
    sqlx::raw_sql("CREATE SCHEMA narthex").execute(&mut other).await.unwrap();
    let own = placed(&in_postgres(&format!("{foreign}?options[search_path]=narthex")));
    own.put_response(&response("a")).await.unwrap();
    assert!(own.response(None, "resp_a").await.unwrap().is_some());
    let tables: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'")
        .fetch_one(&mut other)
        .await
        .unwrap();
    assert_eq!(tables, 1);

    let newer = postgres::shared().database().await;
    placed(&in_postgres(&newer)).put_response(&response("a")).await.unwrap();
    let mut other = PgConnection::connect(&newer).await.unwrap();
    sqlx::raw_sql("INSERT INTO narthex_schema VALUES (99)").execute(&mut other).await.unwrap();
    let why = placed(&in_postgres(&newer)).put_response(&response("b")).await.unwrap_err();
    assert!(matches!(why.trouble, Trouble::Newer { found: 99, .. }), "{why}");
}

/// A table may have more columns than this version knows of.
#[tokio::test]
async fn a_newer_gateway_may_widen_a_table_under_an_older_one() {
    let url = postgres::shared().database().await;
    let kept = placed(&in_postgres(&url));
    let given = StoredBatch { due: None, ..batch("a", None) };
    kept.put_batch(&given, None).await.unwrap();
    assert!(kept.batch(None, "batch_a").await.unwrap().is_some());
    kept.put_response(&response("a")).await.unwrap();
    let mut other = PgConnection::connect(&url).await.unwrap();
    for table in ["batches", "files", "responses", "items", "results", "pieces"] {
        let wider = format!("ALTER TABLE {table} ADD COLUMN more TEXT");
        sqlx::raw_sql(sqlx::AssertSqlSafe(wider)).execute(&mut other).await.unwrap();
    }
    assert!(kept.batch(None, "batch_a").await.unwrap().is_some());
    assert!(matches!(kept.history(None, "resp_a").await.unwrap(), History::Whole(_)));
}
