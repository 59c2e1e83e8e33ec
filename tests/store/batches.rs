//! Batches: found by their tenants, seen to by one process at a time, in the order in which they are due.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use narthex::store::{Lease, LineResult, StoredBatch};

use super::*;

/// A batch `batch_{name}` of nobody in particular.
pub fn batch(name: &str, due: Option<u64>) -> StoredBatch {
    StoredBatch {
        id: format!("batch_{name}"),
        tenant: None,
        instance: "groq".to_owned(),
        flow: "lines".to_owned(),
        upstream_id: None,
        created: now(),
        due,
        is_cancel_wanted: false,
        object: json(format!(r#"{{"id":"batch_{name}", "status":"validating"}}"#)),
        work: json(r#"{"step":1}"#),
    }
}

fn lease(owner: &str, until: u64) -> Lease<'_> {
    Lease { owner, until }
}

fn names(batches: &[StoredBatch]) -> String {
    batches.iter().map(|batch| batch.id.strip_prefix("batch_").unwrap()).collect::<Vec<_>>().join(" ")
}

async fn claim(kept: &Store, owner: &str, now: u64, until: u64) -> String {
    names(&kept.claim_batches(now, lease(owner, until), 10).await.unwrap())
}

#[tokio::test]
async fn batches_are_found_by_their_tenants() {
    each(|kept| async move {
        assert!(kept.batch(None, "batch_a").await.unwrap().is_none());
        assert!(kept.batches(None, None, 10).await.unwrap().unwrap().items.is_empty());
        assert!(kept.batches(None, Some("batch_x"), 10).await.unwrap().is_none());
        let given = StoredBatch {
            upstream_id: Some("up_1".to_owned()),
            tenant: Some("team".to_owned()),
            is_cancel_wanted: true,
            ..batch("a", Some(5))
        };
        kept.put_batch(&given, None).await.unwrap();
        kept.put_batch(&given, None).await.expect_err("there is one already");
        let found = kept.batch(Some("team"), "batch_a").await.unwrap().unwrap();
        assert_eq!((found.object.get(), found.work.get()), (given.object.get(), given.work.get()));
        assert_eq!((found.instance.as_str(), found.flow.as_str(), found.due), ("groq", "lines", Some(5)));
        assert_eq!((found.upstream_id.as_deref(), found.tenant.as_deref()), (Some("up_1"), Some("team")));
        assert_eq!((found.created, found.is_cancel_wanted), (given.created, false), "only a wish to cancel is one");
        for other in [None, Some("a"), Some("Team"), Some("")] {
            assert!(kept.batch(other, "batch_a").await.unwrap().is_none(), "{other:?}");
            assert!(kept.batches(other, Some("batch_a"), 9).await.unwrap().is_none());
            assert!(kept.batches(other, None, 9).await.unwrap().unwrap().items.is_empty());
            assert!(kept.claim_batch(other, "batch_a", 9, lease("p", 99)).await.unwrap().is_none());
            assert!(!kept.want_cancel(other, "batch_a", 9).await.unwrap());
            assert!(!kept.delete_batch(other, "batch_a").await.unwrap());
        }

        for (n, name) in ["v", "w", "x", "y", "z"].into_iter().enumerate() {
            kept.put_batch(&StoredBatch { created: now() - 9 + n as u64 / 2, ..batch(name, None) }, None)
                .await
                .unwrap();
        }
        let page = async |after, most| {
            let page = kept.batches(None, after, most).await.unwrap().unwrap();
            names(&page.items) + if page.has_more { " …" } else { "" }
        };
        assert_eq!(page(None, 10).await, "z y x w v");
        assert_eq!(page(None, 2).await, "z y …");
        assert_eq!(page(Some("batch_y"), 2).await, "x w …");
        assert_eq!(page(Some("batch_x"), 2).await, "w v");
        assert!(kept.delete_batch(None, "batch_x").await.unwrap());
        assert!(kept.batches(None, Some("batch_x"), 2).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn one_process_at_a_time_sees_to_a_batch() {
    each(|kept| async move {
        kept.put_batch(&batch("c", Some(300)), None).await.unwrap();
        kept.put_batch(&batch("a", Some(100)), None).await.unwrap();
        kept.put_batch(&StoredBatch { tenant: Some("team".to_owned()), ..batch("b", Some(200)) }, None).await.unwrap();
        kept.put_batch(&batch("over", None), None).await.unwrap();
        kept.put_batch(&batch("held", Some(0)), Some(lease("maker", 500))).await.unwrap();
        let first = kept.claim_batches(250, lease("p", 400), 1).await.unwrap();
        assert_eq!(names(&first), "a", "the earliest due");
        assert_eq!(claim(&kept, "q", 250, 400).await, "b", "of any tenant, and nothing that another holds");
        assert_eq!(claim(&kept, "p", 250, 400).await, "", "nor what it is seeing to already");
        assert!(kept.claim_batch(None, "batch_a", 250, lease("q", 400)).await.unwrap().is_none());
        let again = kept.claim_batch(None, "batch_a", 250, lease("p", 450)).await.unwrap().unwrap();
        assert_eq!((again.due, again.work.get()), (Some(100), r#"{"step":1}"#));
        assert!(kept.claim_batch(None, "batch_over", 250, lease("q", 400)).await.unwrap().is_some(), "due or not");
        assert!(kept.claim_batch(None, "batch_x", 250, lease("q", 400)).await.unwrap().is_none());

        // Released it is anybody's when it is due; kept, it is not.
        let done = StoredBatch { work: json("2"), due: Some(420), flow: "next".to_owned(), ..again };
        assert!(!kept.save_batch(&done, "q", true).await.unwrap(), "it is not q's");
        assert!(kept.save_batch(&done, "p", false).await.unwrap());
        assert_eq!(claim(&kept, "q", 430, 900).await, "b c", "p's lease goes on until 450, q's own was over at 400");
        assert!(kept.save_batch(&done, "p", true).await.unwrap());
        assert!(!kept.save_batch(&done, "p", true).await.unwrap(), "it has given it back");
        assert!(!kept.renew_lease(None, "batch_a", lease("p", 999)).await.unwrap());
        assert_eq!(claim(&kept, "r", 410, 900).await, "", "not due yet");
        let found = kept.claim_batches(420, lease("r", 900), 9).await.unwrap();
        assert_eq!((names(&found).as_str(), found[0].work.get(), found[0].flow.as_str()), ("a", "2", "next"));
    })
    .await;
}

#[tokio::test]
async fn a_lease_ends_by_itself() {
    each(|kept| async move {
        kept.put_batch(&batch("a", Some(100)), Some(lease("p", 200))).await.unwrap();
        assert_eq!(claim(&kept, "q", 199, 300).await, "");
        assert!(kept.renew_lease(None, "batch_a", lease("p", 250)).await.unwrap());
        assert!(!kept.renew_lease(None, "batch_a", lease("q", 250)).await.unwrap());
        assert_eq!(claim(&kept, "q", 249, 300).await, "");
        assert!(kept.renew_lease(None, "batch_a", lease("p", 260)).await.unwrap(), "late, but nobody has taken it");
        let mut held = kept.claim_batches(260, lease("q", 400), 9).await.unwrap();
        assert_eq!(names(&held), "a");

        let late = StoredBatch { work: json(r#""p's""#), due: None, ..held[0].clone() };
        assert!(!kept.save_batch(&late, "p", true).await.unwrap(), "p has lost it");
        assert!(!kept.renew_lease(None, "batch_a", lease("p", 900)).await.unwrap());
        let found = kept.batch(None, "batch_a").await.unwrap().unwrap();
        assert_eq!((found.work.get(), found.due), (r#"{"step":1}"#, Some(100)), "and has written nothing");
        let own = StoredBatch { work: json(r#""q's""#), due: None, ..held.remove(0) };
        assert!(kept.save_batch(&own, "q", true).await.unwrap());
        assert_eq!(claim(&kept, "r", 9999, 99999).await, "", "what is over is never due");
        assert!(kept.delete_batch(None, "batch_a").await.unwrap());
        assert!(!kept.save_batch(&own, "q", true).await.unwrap(), "nor is there anything to save of what is deleted");
    })
    .await;
}

#[tokio::test]
async fn a_wish_to_cancel_is_not_overlooked() {
    each(|kept| async move {
        kept.put_batch(&batch("a", Some(5000)), None).await.unwrap();
        assert!(!kept.want_cancel(None, "batch_x", 100).await.unwrap());
        assert_eq!(claim(&kept, "p", 100, 200).await, "");
        let held = kept.claim_batch(None, "batch_a", 100, lease("p", 200)).await.unwrap().unwrap();
        assert!(kept.want_cancel(None, "batch_a", 110).await.unwrap());
        // Its holder does not know yet, and wants to rest for a while.
        assert!(!held.is_cancel_wanted);
        assert!(kept.save_batch(&StoredBatch { due: Some(9000), ..held }, "p", true).await.unwrap());
        let found = kept.claim_batches(120, lease("q", 300), 9).await.unwrap();
        assert_eq!(names(&found), "a", "so it is due at once");
        assert!(found[0].is_cancel_wanted);
        // Whoever knows may rest.
        let resting = StoredBatch { due: Some(700), is_cancel_wanted: true, ..found[0].clone() };
        assert!(kept.save_batch(&resting, "q", true).await.unwrap());
        assert_eq!(claim(&kept, "p", 699, 800).await, "");
        assert_eq!(claim(&kept, "p", 700, 800).await, "a");
        // It ends whoever wishes what.
        let over = StoredBatch { due: None, is_cancel_wanted: false, ..found[0].clone() };
        assert!(kept.save_batch(&over, "p", true).await.unwrap());
        let found = kept.batch(None, "batch_a").await.unwrap().unwrap();
        assert_eq!((found.due, found.is_cancel_wanted), (None, true), "saving does not take a wish back");
        assert!(!kept.want_cancel(None, "batch_a", 800).await.unwrap(), "too late");
    })
    .await;
}

#[tokio::test]
async fn batches_end() {
    each(|kept| async move {
        let made = |days: u64, batch| StoredBatch { created: now() - days * DAY, ..batch };
        kept.put_batch(&made(31, batch("old", None)), None).await.unwrap();
        kept.put_batch(&made(29, batch("young", None)), None).await.unwrap();
        kept.put_batch(&made(90, batch("endless", Some(1))), None).await.unwrap();
        let result = LineResult { line: 0, is_error: false, text: json("{}") };
        assert!(kept.put_result(None, "batch_old", &result).await.unwrap());
        assert_eq!(names(&kept.batches(None, None, 9).await.unwrap().unwrap().items), "young endless", "swept or not");
        assert!(kept.batch(None, "batch_old").await.unwrap().is_none());
        assert_eq!(kept.sweep(SystemTime::now()).await.unwrap(), 1);
        assert_eq!(kept.done_lines(None, "batch_old").await.unwrap(), [0_u64; 0], "results go with their batch");
        assert_eq!(kept.sweep(SystemTime::now()).await.unwrap(), 0);
        assert_eq!(names(&kept.batches(None, None, 9).await.unwrap().unwrap().items), "young endless");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_batch_is_claimed_once() {
    each_pair(|stores| async move {
        for n in 0..200 {
            stores[0].put_batch(&batch(&format!("{n:03}"), Some(n)), None).await.unwrap();
        }
        let claimers: Vec<_> = (0..8)
            .map(|n| {
                let kept = Arc::clone(&stores[n % 2]);
                tokio::spawn(async move {
                    let (owner, mut own) = (format!("p{n}"), Vec::new());
                    loop {
                        let claimed = kept.claim_batches(1000, lease(&owner, 2000), 7).await.unwrap();
                        if claimed.is_empty() {
                            // Others may have had some in hand that they did not get after all.
                            break own;
                        }
                        own.extend(claimed.into_iter().map(|batch| batch.id));
                    }
                })
            })
            .collect();
        let mut all = Vec::new();
        for claimer in claimers {
            all.extend(claimer.await.unwrap());
        }
        assert_eq!(all.len(), 200);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 200);
    })
    .await;
}
