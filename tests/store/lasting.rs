//! Many at once, and ends of all kinds: of a process, of a runtime, of a client's patience.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use narthex::store::{History, Kept, StoredResponse, Turn};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_write_and_read_at_once() {
    each_pair(many_write_and_read).await;
}

async fn many_write_and_read(stores: [Arc<Store>; 2]) {
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

/// Each service of the gateway has a runtime of its own, and they end one by one.
#[test]
fn runtimes_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = runtime().block_on(postgres::shared().database());
    for place in [StorePlace::File(folder.path().join("narthex.db")), in_postgres(&url)] {
        come_and_go(&Arc::new(placed(&place)));
    }
}

fn come_and_go(kept: &Arc<Store>) {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for n in 0..20 {
        let (first, second) = (runtime(), runtime());
        first.block_on(kept.put_response(&response(&format!("{n}a")))).unwrap();
        let writing = Arc::clone(kept);
        // Ends in the midst of a write.
        first.spawn(async move {
            loop {
                writing.put_response(&response("endless")).await.unwrap();
            }
        });
        first.block_on(async { tokio::time::sleep(Duration::from_micros(300 * n)).await });
        drop(first);
        second.block_on(async {
            kept.put_response(&response(&format!("{n}b"))).await.unwrap();
            assert!(kept.response(None, &format!("resp_{n}a")).await.unwrap().is_some());
        });
    }
}

/// Started by itself with this variable, this test is the writer that gets killed.
const WRITER: &str = "NARTHEX_TEST_WRITES_TO";

#[tokio::test]
async fn a_kill_loses_nothing_that_was_acknowledged() {
    #[expect(clippy::disallowed_methods, reason = "a message to a process of this very test")]
    if let Ok(place) = std::env::var(WRITER) {
        let kept = match place.contains("://") {
            true => placed(&in_postgres(&place)),
            false => store(Path::new(&place)),
        };
        for n in 0.. {
            kept.put_response(&response(&n.to_string())).await.unwrap();
            println!("written {n}");
        }
    }
    each_place(|place| async move {
        for round in [30, 200, 31] {
            let last = killed_after(&place, round);
            let kept = placed(&place);
            for n in 0..=last {
                let found = kept.response(None, &format!("resp_{n}")).await.unwrap();
                assert_eq!(found.expect("acknowledged").kept.turn().map(|turn| turn.items().count()), Some(3), "{n}");
            }
            kept.put_response(&response("after")).await.unwrap();
            if let StorePlace::File(path) = &place {
                let sound = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut raw(path).await).await;
                assert_eq!(sound.unwrap_or_else(|why| why.to_string()), "ok");
            }
        }
    })
    .await;
}

/// Kills a writer in the midst of its work, and returns the last number that it acknowledged.
fn killed_after(place: &StorePlace, round: u32) -> u32 {
    let place = match place {
        StorePlace::Postgres(url) => url.expose().to_owned(),
        other => other.to_string(),
    };
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lasting::a_kill_loses_nothing_that_was_acknowledged", "--nocapture"])
        .env(WRITER, place)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines().map_while(Result::ok);
    let number = |line: String| line.rsplit_once("written ")?.1.parse::<u32>().ok();
    let last = lines.by_ref().filter_map(number).find(|n| *n >= round).expect("it writes");
    writer.kill().unwrap();
    writer.wait().unwrap();
    // What it acknowledged before the signal came.
    lines.filter_map(number).last().unwrap_or(last)
}

#[tokio::test]
async fn a_client_that_is_gone_leaves_no_half() {
    each(|kept| async move {
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
    })
    .await;
}
