//! Who looks at a batch, and how often.

use super::{Client, line, setup};
use crate::support::gateway::Gateway;
use crate::support::postgres;
use crate::support::upstream::{Gate, Received, Reply, Upstream};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn is_look(request: &Received) -> bool {
    request.method == "GET" && request.path == "/v1/batches/batch_theirs"
}

fn batch(status: &str) -> Reply {
    Reply::json(
        200,
        json!({"id": "batch_theirs", "endpoint": super::CHAT, "status": status, "created_at": 5}).to_string(),
    )
}

/// Whose first look lasts until the gate is opened.
async fn slow(gate: &Gate) -> Upstream {
    let (gate, looks) = (gate.clone(), AtomicUsize::new(0));
    Upstream::start(move |request| match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/v1/files") => Reply::json(
            200,
            r#"{"id":"file-up","object":"file","purpose":"batch","bytes":1,"created_at":5,"filename":"x"}"#,
        ),
        ("POST", "/v1/batches") => batch("validating"),
        _ if is_look(request) => match looks.fetch_add(1, Ordering::Relaxed) {
            0 => Reply::default().pause(&gate).bytes(whole(
                &json!({"id": "batch_theirs", "endpoint": super::CHAT,
                "status": "in_progress", "created_at": 5})
                .to_string(),
            )),
            _ => batch("failed"),
        },
        _ => Reply::json(404, "{}"),
    })
    .await
}

fn whole(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn looks(upstream: &Upstream) -> usize {
    upstream.requests().iter().filter(|request| is_look(request)).count()
}

/// Gateways that share a store look at a batch one at a time; so do a gateway's own tasks, when clients ask as well.
#[tokio::test]
async fn one_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    shared("NARTHEX_STORE_PATH", folder.path().join("shared.db").to_str().expect("UTF-8")).await;
    shared("NARTHEX_STORE_URL", &postgres::shared().database().await).await;
}

async fn shared(variable: &str, place: &str) {
    let gate = Gate::closed();
    let upstream = slow(&gate).await;
    let start = async || -> Gateway { setup(&upstream, "").env(variable, place).start().await };
    let (first, second) = (start().await, start().await);
    let id = Client::of(&first).create(&[line("a", "openai/m")]).await;
    upstream.received_until(|requests| requests.iter().any(is_look)).await;
    for client in [Client::of(&first), Client::of(&second)] {
        // Both show what they know meanwhile.
        assert_eq!(client.get(&format!("/v1/batches/{id}")).await["id"], id.as_str());
        assert_eq!(client.listed(&id).await["status"], "validating");
    }
    // Ten times as long as it takes to look again.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(looks(&upstream), 1);
    gate.open();
    Client::of(&second).until(&id, "failed").await;
    assert_eq!(Client::of(&first).listed(&id).await["status"], "failed");
    let all = looks(&upstream);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(looks(&upstream), all, "nobody looks at what is over");
}

/// The pauses between two looks at a batch of which there is no news become longer.
#[tokio::test]
async fn looks_become_rare() {
    let upstream = Upstream::start(|request| match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/v1/files") => Reply::json(
            200,
            r#"{"id":"file-up","object":"file","purpose":"batch","bytes":1,"created_at":5,"filename":"x"}"#,
        ),
        ("POST", "/v1/batches") => batch("in_progress"),
        _ if is_look(request) => batch("in_progress"),
        _ => Reply::json(404, "{}"),
    })
    .await;
    let gateway = setup(&upstream, "").start().await;
    Client::of(&gateway).create(&[line("a", "openai/m")]).await;
    upstream.received_until(|requests| requests.iter().filter(|request| is_look(request)).count() >= 3).await;
    let soon = looks(&upstream);
    tokio::time::sleep(Duration::from_millis(600)).await;
    // Without pauses that grow it would be thirty more.
    assert!(looks(&upstream) - soon < 12, "{} looks", looks(&upstream) - soon);
}
