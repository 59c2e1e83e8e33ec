//! How long it is kept, and what happens when it cannot be.

use super::{Client, error, heard, lines, parsed, provider, setup};
use crate::support::postgres;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("kept.db").to_str().expect("UTF-8").to_owned();
    restarted("NARTHEX_STORE_PATH", &path).await;
    restarted("NARTHEX_STORE_URL", &postgres::shared().database().await).await;
}

async fn restarted(variable: &str, place: &str) {
    let upstream = provider().await;
    let start = || setup(&upstream).env(variable, place).start();
    let mut first_run = start().await;
    let first = Client::of(&first_run).turn("chat/m", None, "one").await;
    let streamed = Client::of(&first_run)
        .create(json!({"model": "chat/m", "input": "two", "stream": true, "previous_response_id": first["id"]}))
        .await;
    // Told to stop, it first writes down what it has answered.
    first_run.signal(Signal::SIGTERM);
    assert!(first_run.ended().await.success());
    let second_run = start().await;
    let client = Client::of(&second_run);
    assert_eq!(parsed(&client.get(&first["id"], "").await.body), first);
    assert_eq!(parsed(&client.get(&streamed["id"], "").await.body), streamed);
    client.turn("chat/m", Some(&streamed), "three").await;
    let sent = upstream.requests().pop().expect("a request");
    let expected = ["user: one", "assistant: answer 1", "user: two", "assistant: answer 2", "user: three"];
    assert_eq!(lines(&heard(&sent)), expected);
    // Two at a time may use it.
    let beside = start().await;
    let third = Client::of(&beside).turn("chat/m", Some(&streamed), "beside").await;
    // Whoever asks the one that answered waits until it is written; then the other finds it as well.
    assert_eq!(Client::of(&beside).get(&third["id"], "").await.head.status, 200);
    assert_eq!(client.get(&third["id"], "").await.head.status, 200);
}

/// Gateways that share a database, and one day miss it.
#[tokio::test]
async fn a_database_may_come_and_go() {
    let upstream = provider().await;
    let server = postgres::Server::start(None);
    let url = server.database().await;
    let start = || setup(&upstream).env("NARTHEX_LOG", "debug").env("NARTHEX_STORE_URL", &url).start();
    let (one, other) = (start().await, start().await);
    let first = Client::of(&one).turn("chat/m", None, "one").await;
    assert_eq!(Client::of(&one).get(&first["id"], "").await.head.status, 200);
    let second = Client::of(&other).turn("chat/m", Some(&first), "two").await;
    // Asked for, it is written first.
    assert_eq!(Client::of(&other).get(&second["id"], "").await.head.status, 200);
    server.stop_it();
    let answer = Client::of(&other).get(&second["id"], "").await;
    assert_eq!(error(&answer).0, 503);
    assert!(!answer.text().contains("postgres"), "{}", answer.text());
    let chat = one.post("/v1/chat/completions", r#"{"model":"chat/m","messages":[{"role":"user","content":"hi"}]}"#);
    assert_eq!(chat.await.head.status, 200, "what needs no store does not notice");
    other.says("cannot be reached").await;
    server.start_it();
    for gateway in [&one, &other] {
        assert_eq!(parsed(&Client::of(gateway).get(&second["id"], "").await.body), second);
        let output = gateway.output();
        let password = "narthex-tests";
        assert!(!output.stdout.contains(password) && !output.stderr.contains(password), "{output:?}");
    }
}

#[tokio::test]
async fn memory_forgets_with_the_process() {
    let upstream = provider().await;
    let start = || setup(&upstream).env("NARTHEX_STORE_PATH", ":memory:").start();
    let gateway = start().await;
    let first = Client::of(&gateway).turn("chat/m", None, "one").await;
    assert_eq!(Client::of(&gateway).get(&first["id"], "").await.head.status, 200);
    Client::of(&gateway).turn("chat/m", Some(&first), "two").await;
    let gateway = start().await;
    assert_eq!(error(&Client::of(&gateway).get(&first["id"], "").await).0, 404);
}

#[tokio::test]
async fn what_is_too_old_is_gone() {
    let upstream = provider().await;
    let gateway = setup(&upstream).env("NARTHEX_STORE_RETENTION", "1s").start().await;
    let client = Client::of(&gateway);
    let first = client.turn("chat/m", None, "one").await;
    assert_eq!(client.get(&first["id"], "").await.head.status, 200);
    // Times are kept in seconds.
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(error(&client.get(&first["id"], "").await).0, 404);
    let (status, ..) =
        client.refused(json!({"model": "chat/m", "input": "x", "previous_response_id": first["id"]})).await;
    assert!(matches!(status, 400 | 404), "{status}");
}

/// A store that cannot be used is in nobody's way who does not need it.
#[tokio::test]
async fn without_a_store_the_rest_goes_on() {
    let upstream = provider().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    // One that is no database, and one that cannot be made: even the superuser puts no file into a file.
    let damaged = file("damaged.db", &[b'x'; 5000]);
    let impossible = file("file", b"") + "/kept.db";
    for path in [damaged, impossible] {
        let gateway = setup(&upstream).env("NARTHEX_STORE_PATH", &path).start().await;
        let client = Client::of(&gateway);
        let mut previous = Value::Null;
        for is_stream in [false, true] {
            let response = client.create(json!({"model": "chat/m", "input": "x", "stream": is_stream})).await;
            assert_eq!(response["status"], "completed");
            previous = response["id"].clone();
        }
        gateway.says("is not kept").await;
        let chat = gateway
            .post("/v1/chat/completions", r#"{"model":"chat/m","messages":[{"role":"user","content":"hi"}]}"#)
            .await;
        assert_eq!(chat.head.status, 200);
        let (status, code, _) =
            client.refused(json!({"model": "chat/m", "input": "x", "previous_response_id": previous})).await;
        assert_eq!((status, code), (503, "store_unavailable".into()), "{path}");
        let answer = client.get(&previous, "").await;
        assert_eq!(error(&answer).0, 503, "{path}");
        assert!(!answer.text().contains(folder.path().to_str().expect("UTF-8")), "{}", answer.text());
    }
}
