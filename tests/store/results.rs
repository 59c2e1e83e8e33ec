//! Results of lines: one for each, for ever.

use std::sync::Arc;

use narthex::store::LineResult;

use super::batches::batch;
use super::*;

fn result(line: u64, text: &str) -> LineResult {
    LineResult { line, is_error: line % 10 == 9, text: json(text) }
}

async fn lines(kept: &Store, after: Option<u64>, most: usize) -> Vec<u64> {
    kept.results(None, "batch_a", after, most).await.unwrap().iter().map(|result| result.line).collect()
}

#[tokio::test]
async fn a_line_has_one_result() {
    each(|kept| async move {
        kept.put_batch(&batch("a", Some(1)), None).await.unwrap();
        assert!(kept.put_result(None, "batch_a", &result(19, r#"{"a": 1.50}"#)).await.unwrap());
        assert!(!kept.put_result(None, "batch_a", &result(19, "2")).await.unwrap());
        assert!(kept.put_result(None, "batch_a", &result(0, "0")).await.unwrap());
        assert!(kept.put_result(None, "batch_a", &result(7, r#""\u0000""#)).await.unwrap());
        let found = kept.results(None, "batch_a", None, 9).await.unwrap();
        let found: Vec<_> = found.iter().map(|result| (result.line, result.is_error, result.text.get())).collect();
        assert_eq!(found, [(0, false, "0"), (7, false, r#""\u0000""#), (19, true, r#"{"a": 1.50}"#)]);
        assert_eq!(kept.done_lines(None, "batch_a").await.unwrap(), [0, 7, 19]);
        assert_eq!(kept.result_counts(None, "batch_a").await.unwrap(), (2, 1));
        assert_eq!(lines(&kept, Some(0), 9).await, [7, 19]);
        assert_eq!(lines(&kept, None, 2).await, [0, 7]);
        assert_eq!(lines(&kept, Some(19), 2).await, [0_u64; 0]);

        let other = Some("team");
        assert!(!kept.put_result(other, "batch_a", &result(1, "1")).await.unwrap(), "no such batch of theirs");
        assert_eq!(kept.result_counts(other, "batch_a").await.unwrap(), (0, 0));
        assert!(kept.results(other, "batch_a", None, 9).await.unwrap().is_empty());
        kept.clear_results(other, "batch_a").await.unwrap();
        assert_eq!(kept.result_counts(None, "batch_a").await.unwrap(), (2, 1));
        kept.clear_results(None, "batch_a").await.unwrap();
        assert_eq!(kept.result_counts(None, "batch_a").await.unwrap(), (0, 0));
        assert!(kept.put_result(None, "batch_a", &result(19, "2")).await.unwrap());
        assert!(kept.delete_batch(None, "batch_a").await.unwrap());
        assert_eq!(kept.done_lines(None, "batch_a").await.unwrap(), [0_u64; 0]);
        assert!(!kept.put_result(None, "batch_a", &result(20, "2")).await.unwrap(), "nobody wants it any more");
    })
    .await;
}

#[tokio::test]
async fn results_are_read_a_few_megabytes_at_a_time() {
    each(|kept| async move {
        kept.put_batch(&batch("a", Some(1)), None).await.unwrap();
        let large = format!("\"{}\"", "x".repeat(3 << 20));
        for line in 0..4 {
            kept.put_result(None, "batch_a", &result(line, if line == 1 { "1" } else { &large })).await.unwrap();
        }
        assert_eq!(lines(&kept, None, 100).await, [0, 1]);
        assert_eq!(lines(&kept, Some(1), 100).await, [2]);
        let huge = format!("\"{}\"", "x".repeat(5 << 20));
        kept.put_result(None, "batch_a", &result(4, &huge)).await.unwrap();
        assert_eq!(lines(&kept, Some(2), 100).await, [3]);
        assert_eq!(lines(&kept, Some(3), 100).await, [4], "one at least");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_write_results_at_once() {
    each_pair(|stores| async move {
        stores[0].put_batch(&batch("a", Some(1)), None).await.unwrap();
        // Four writers, of which each line is offered by two.
        let writers: Vec<_> = (0..4)
            .map(|n| {
                let kept = Arc::clone(&stores[n % 2]);
                tokio::spawn(async move {
                    let mut taken = 0;
                    for line in 0..200 {
                        if (line % 2) as usize == n / 2 {
                            let text = format!("\"{n}\"");
                            taken += usize::from(kept.put_result(None, "batch_a", &result(line, &text)).await.unwrap());
                        }
                    }
                    taken
                })
            })
            .collect();
        let mut taken = 0;
        for writer in writers {
            taken += writer.await.unwrap();
        }
        assert_eq!(taken, 200, "each is taken once");
        assert_eq!(stores[1].result_counts(None, "batch_a").await.unwrap(), (180, 20));
        assert_eq!(lines(&stores[0], None, 1000).await, (0..200).collect::<Vec<_>>());
    })
    .await;
}
