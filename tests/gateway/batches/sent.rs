//! What exactly a provider is sent for a batch, and what its client is shown of the provider's.

use super::{CHAT, Client, line, setup};
use crate::support::upstream::{Received, Reply, Upstream};
use serde_json::{Value, json};
use std::sync::Mutex;

const LINES: &str = "{\"custom_id\":\"a\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":{\"temperature\":1.50, \"model\":\"fast\",\"x\":[ 1]}}\n\
    {\"custom_id\":\"b\",\"url\":\"/v1/chat/completions\",\"body\":{\"model\":\"openai/m\"}}\n";

/// A provider as OpenAI: one batch, done at the second look.
async fn provider() -> Upstream {
    let looks = Mutex::new(0);
    let made = Mutex::new(Value::Null);
    Upstream::start(move |request| match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/v1/files") => {
            Reply::json(200, r#"{"id":"file-up","object":"file","purpose":"batch","bytes":1,"created_at":5,"filename":"x"}"#)
        }
        ("POST", "/v1/batches") => {
            let asked: Value = serde_json::from_slice(&request.body).unwrap();
            *made.lock().unwrap() = json!({
                "id": "batch_theirs", "object": "batch", "endpoint": asked["endpoint"], "input_file_id": asked["input_file_id"],
                "completion_window": "24h", "created_at": 5, "status": "validating", "metadata": asked["metadata"], "x_own": 1,
            });
            Reply::json(200, made.lock().unwrap().to_string())
        }
        ("GET", "/v1/batches/batch_theirs") => {
            let mut looks = looks.lock().unwrap();
            *looks += 1;
            let mut batch = made.lock().unwrap().clone();
            batch["status"] = if *looks > 1 { "completed" } else { "in_progress" }.into();
            batch["request_counts"] = json!({"total": 2, "completed": *looks, "failed": 0});
            if *looks > 1 {
                batch["output_file_id"] = "file-out".into();
                batch["usage"] = json!({"input_tokens": 7, "output_tokens": 5, "total_tokens": 12});
            }
            Reply::json(200, batch.to_string())
        }
        ("GET", "/v1/files/file-out") => {
            Reply::json(200, r#"{"id":"file-out","object":"file","purpose":"batch_output","bytes":9,"created_at":6,"filename":"out.jsonl"}"#)
        }
        ("GET", "/v1/files/file-out/content") => Reply::whole(
            200,
            "application/jsonl",
            "{\"id\":\"r\",\"custom_id\":\"a\",\"response\":{\"status_code\":200,\"request_id\":\"q\",\"body\":{\"x\": 1.50}},\"error\":null}\n",
        ),
        ("GET", "/v1/files/file-up/content") => Reply::whole(200, "application/jsonl", LINES),
        ("DELETE", _) => Reply::json(200, "{}"),
        _ => Reply::json(404, "{}"),
    })
    .await
}

fn posted(upstream: &Upstream, path: &str) -> Vec<Received> {
    upstream.requests().into_iter().filter(|request| request.method == "POST" && request.path == path).collect()
}

/// A file of an alias is made anew with the provider's names; the rest of each line stays as it was. Nobody asks how far it is, and
/// yet it is known when it is done.
#[tokio::test]
async fn names_are_replaced_and_nothing_else() {
    let upstream = provider().await;
    let gateway = setup(&upstream, "").start().await;
    let client = Client::of(&gateway);
    let file = client.file("openai", LINES).await;
    let body = json!({"input_file_id": file, "endpoint": CHAT, "completion_window": "24h", "metadata": {"who": "me"}});
    let answer = client.ask("POST", "/v1/batches", Some(&body)).await;
    assert_eq!(answer.head.status, 200, "{}", answer.text());
    let id = super::parsed(&answer)["id"].as_str().expect("an id").to_owned();
    let done = client.until(&id, "completed").await;
    let uploads = posted(&upstream, "/v1/files");
    assert!(uploads[0].text().contains(LINES), "the client's own file is there as it was");
    let expected = "{\"custom_id\":\"a\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":{\"temperature\":1.50, \"model\":\"m\",\"x\":[ 1]}}\n\
        {\"custom_id\":\"b\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":{\"model\":\"m\"}}\n";
    assert!(uploads[1].text().contains(expected), "{}", uploads[1].text());
    assert!(uploads[1].text().contains("name=\"purpose\"\r\n\r\nbatch\r\n"));
    let made: Value = serde_json::from_slice(&posted(&upstream, "/v1/batches")[0].body).unwrap();
    assert_eq!(
        made,
        json!({
            "input_file_id": "file-up", "endpoint": CHAT, "completion_window": "24h",
            "metadata": {"who": "me", "narthex_batch": id},
        })
    );
    for request in upstream.requests().iter().filter(|request| request.path.starts_with("/v1/batches")) {
        assert_eq!(request.headers.get("authorization"), Some("Bearer the-key"));
    }
    assert_eq!((&done["metadata"], &done["input_file_id"]), (&json!({"who": "me"}), &file.into()));
    assert_eq!((&done["usage"]["total_tokens"], &done["x_own"]), (&12.into(), &1.into()));
    let content = client.ask("GET", "/v1/files/file-out/content", None).await;
    assert!(content.text().contains("{\"x\": 1.50}"), "what was answered is had as it was written: {}", content.text());
    // Our own file is gone, and the client's is not.
    let deleted: Vec<_> = upstream.requests().into_iter().filter(|request| request.method == "DELETE").collect();
    assert_eq!(deleted.len(), 1);
}

/// The provider's own names of models need no second file.
#[tokio::test]
async fn a_file_that_is_fit_already_is_used_as_it_is() {
    let upstream = provider().await;
    let address = upstream.address;
    let setup = crate::support::gateway::Setup::instances([(
        "openai",
        format!("base_url: \"http://{address}/v1\", api_key: the-key, models: [m]"),
    )]);
    let gateway = setup.and("inventory: {mode: allowlist}").and("batches: {poll: 20ms}").start().await;
    let client = Client::of(&gateway);
    let file = client.file("openai", &line("a", "m").to_string()).await;
    let body = json!({"input_file_id": file, "endpoint": CHAT, "completion_window": "24h"});
    let answer = client.ask("POST", "/v1/batches", Some(&body)).await;
    assert_eq!(answer.head.status, 200, "{}", answer.text());
    let id = super::parsed(&answer)["id"].as_str().expect("an id").to_owned();
    client.until(&id, "completed").await;
    assert_eq!(posted(&upstream, "/v1/files").len(), 1);
    let made: Value = serde_json::from_slice(&posted(&upstream, "/v1/batches")[0].body).unwrap();
    assert_eq!(made["input_file_id"], "file-up");
}
