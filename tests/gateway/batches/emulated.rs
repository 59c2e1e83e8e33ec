//! Batches that the gateway carries out itself, line by line.

use super::{Client, chat, line, setup};
use crate::support::gateway::Gateway;
use crate::support::postgres;
use crate::support::upstream::{Gate, Received, Reply, Upstream};
use nix::sys::signal::Signal;
use serde_json::Value;
use sqlx::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const LINES: usize = 12;
const ANSWERED: usize = 5;

fn is_chat(request: &Received) -> bool {
    request.path == "/plain/v1/chat/completions"
}

fn chats(upstream: &Upstream) -> Vec<Received> {
    upstream.requests().into_iter().filter(is_chat).collect()
}

/// Answers some requests; the others wait at the gate, until it is told to be quick.
async fn halting(is_quick: &Arc<AtomicBool>, gate: &Gate) -> Upstream {
    let (is_quick, count, gate) = (Arc::clone(is_quick), AtomicUsize::new(0), gate.clone());
    Upstream::start(move |request| {
        if !is_chat(request) {
            return Reply::json(404, "{}");
        }
        let number = count.fetch_add(1, Ordering::Relaxed);
        let held = if is_quick.load(Ordering::Relaxed) || number < ANSWERED {
            Reply::default()
        } else {
            Reply::default().pause(&gate)
        };
        let body = chat(&request.body);
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        held.bytes(head).bytes(body)
    })
    .await
}

/// A gateway dies in the middle of a batch, told to or not: the next one goes on, and each line has one result. What was answered is
/// not asked again.
async fn goes_on_after(signal: Signal) {
    let folder = tempfile::tempdir().expect("a folder");
    goes_on_in("NARTHEX_STORE_PATH", folder.path().join("lasting.db").to_str().expect("UTF-8"), signal).await;
    goes_on_in("NARTHEX_STORE_URL", &postgres::shared().database().await, signal).await;
}

async fn goes_on_in(variable: &str, place: &str, signal: Signal) {
    let (is_quick, gate) = (Arc::new(AtomicBool::new(false)), Gate::closed());
    let upstream = halting(&is_quick, &gate).await;
    let start =
        async || -> Gateway { setup(&upstream, ", emulate: true, concurrency: 3").env(variable, place).start().await };
    let mut gateway = start().await;
    let requests: Vec<Value> = (0..LINES).map(|number| line(&format!("l{number:02}"), "ollama/p")).collect();
    let id = Client::of(&gateway).create(&requests).await;
    // Three at a time: those that are answered, and three that are not.
    upstream
        .received_until(|requests| requests.iter().filter(|request| is_chat(request)).count() == ANSWERED + 3)
        .await;
    // Its results are written by the time that it asks for more.
    gateway.signal(signal);
    let kept = match signal {
        Signal::SIGKILL => ANSWERED,
        // Told to stop, it waits for what is under way, and begins no more.
        _ => {
            gateway.says("under way").await;
            (0..3).for_each(|_| gate.open());
            ANSWERED + 3
        }
    };
    gateway.ended().await;
    is_quick.store(true, Ordering::Relaxed);
    let before = chats(&upstream).len();
    assert_eq!(before, ANSWERED + 3);
    if signal == Signal::SIGKILL {
        free(place).await;
    }
    let gateway = start().await;
    let client = Client::of(&gateway);
    let batch = client.until(&id, "completed").await;
    assert_eq!(batch["request_counts"], serde_json::json!({"total": LINES, "completed": LINES, "failed": 0}));
    let results = client.results(&batch["output_file_id"]).await;
    let ids: Vec<_> = results.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(ids, (0..LINES).map(|number| format!("l{number:02}")).collect::<Vec<_>>());
    for (id, result) in &results {
        let said = &result["response"]["body"]["choices"][0]["message"]["content"];
        assert_eq!(*said, format!("you: I am {id}"));
    }
    for request in chats(&upstream) {
        let words: Value = serde_json::from_slice(&request.body).expect("JSON");
        let number: usize =
            words["messages"][0]["content"].as_str().expect("words")["I am l".len()..].parse().expect("a number");
        assert_eq!(request.headers.get("idempotency-key"), Some(format!("{id}_{}", number + 1).as_str()));
    }
    // What was under way is asked again, and nothing else.
    assert_eq!(chats(&upstream).len() - before, LINES - kept);
    assert_eq!(batch["usage"]["total_tokens"], 5 * LINES);
}

/// What a dead process holds is free after a while; this is that while.
pub async fn free(place: &str) {
    const FREE: &str = "UPDATE batches SET leased_until = 0";
    match place.strip_prefix("postgres") {
        Some(_) => {
            let mut database = sqlx::PgConnection::connect(place).await.expect("the store");
            sqlx::query(FREE).execute(&mut database).await.expect("freed");
        }
        None => {
            let mut database = sqlx::SqliteConnection::connect(&format!("sqlite://{place}")).await.expect("the store");
            sqlx::query(FREE).execute(&mut database).await.expect("freed");
        }
    }
}

#[tokio::test]
async fn a_crash_loses_and_doubles_nothing() {
    goes_on_after(Signal::SIGKILL).await;
}

#[tokio::test]
async fn a_shutdown_loses_and_doubles_nothing() {
    goes_on_after(Signal::SIGTERM).await;
}

/// No more lines are under way at once than are allowed, and what is cancelled is asked no more.
#[tokio::test]
async fn lines_are_asked_some_at_a_time() {
    let (is_quick, gate) = (Arc::new(AtomicBool::new(false)), Gate::closed());
    let upstream = halting(&is_quick, &gate).await;
    let gateway = setup(&upstream, ", emulate: true, concurrency: 2").start().await;
    let client = Client::of(&gateway);
    let requests: Vec<Value> = (0..LINES).map(|number| line(&format!("l{number:02}"), "ollama/p")).collect();
    let id = client.create(&requests).await;
    upstream
        .received_until(|requests| requests.iter().filter(|request| is_chat(request)).count() == ANSWERED + 2)
        .await;
    let shown = client.get(&format!("/v1/batches/{id}")).await;
    assert_eq!(shown["status"], "in_progress");
    let cancelled = client.ask("POST", &format!("/v1/batches/{id}/cancel"), None).await;
    assert_eq!(super::parsed(&cancelled)["status"], "cancelling");
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(chats(&upstream).len(), ANSWERED + 2);
}

/// Lines that fail are told as single requests are; what will pass is tried again.
#[tokio::test]
async fn failures_are_told_or_borne() {
    let busy = AtomicUsize::new(0);
    let upstream = Upstream::start(move |request| match request.text() {
        text if text.contains("I am bad") => Reply::json(
            400,
            r#"{"error":{"message":"Nonsense.","type":"invalid_request_error","code":"bad","param":null}}"#,
        ),
        text if text.contains("I am busy") && busy.fetch_add(1, Ordering::Relaxed) == 0 => Reply::json(503, "{}"),
        _ => Reply::json(200, chat(&request.body)),
    })
    .await;
    let gateway = setup(&upstream, ", emulate: true").start().await;
    let client = Client::of(&gateway);
    let id = client.create(&["good", "bad", "busy"].map(|id| line(id, "ollama/p"))).await;
    let batch = client.until(&id, "completed").await;
    let output = client.results(&batch["output_file_id"]).await;
    assert_eq!(output.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["busy", "good"]);
    let errors = client.results(&batch["error_file_id"]).await;
    let [(id, failed)] = &errors[..] else { panic!("one: {errors:?}") };
    assert_eq!((id.as_str(), &failed["response"]["status_code"]), ("bad", &400.into()));
    assert_eq!(failed["response"]["body"]["error"]["message"], "Nonsense.");
}
