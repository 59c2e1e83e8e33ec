//! xAI's batches, below `/xai`, because its paths are OpenAI's.

use super::*;

const BATCHES: &str = "/xai/v1/batches";

fn request(id: &str, text: &str) -> Value {
    let body = json!({"model": "grok", "messages": [{"role": "user", "content": text}]});
    json!({"batch_request_id": id, "batch_request": {"chat_get_completion": body}})
}

impl Connection {
    async fn xai(&mut self, asked: Value) -> String {
        let batch = self.post_json(BATCHES, "", asked).await.json();
        format!("{BATCHES}/{}", batch["batch_id"].as_str().unwrap())
    }
}

#[tokio::test]
async fn requests_are_added_and_answered() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    let path = connection.xai(json!({"name": "mine"})).await;
    // Nothing to do yet.
    let batch = connection.get(&path, "").await.json();
    assert_eq!((&batch["name"], &batch["state"]["num_requests"]), (&json!("mine"), &json!(0)));
    let responses = json!({"model": "grok", "input": "and this"});
    let added = json!([
        request("a", "hello there"), request("b", "fail:500"),
        {"batch_request_id": "c", "batch_request": {"responses": responses}},
    ]);
    let requests = format!("{path}/requests");
    assert_eq!(connection.post_json(&requests, "", json!({"batch_requests": added})).await.json(), json!({}));
    // The same again is no mistake, something else under the same id is.
    assert_eq!(connection.post_json(&requests, "", json!({"batch_requests": added})).await.status, 200);
    let other = connection.post_json(&requests, "", json!({"batch_requests": [request("a", "else")]})).await;
    assert_eq!((other.status, other.json()["error"].is_string()), (412, true));

    let state = &connection.get(&path, "").await.json()["state"];
    assert_eq!(
        (&state["num_requests"], &state["num_pending"], &state["num_success"]),
        (&json!(3), &json!(2), &json!(1))
    );
    let results = connection.get(&format!("{path}/results"), "").await.json();
    assert_eq!(results["results"].as_array().unwrap().len(), 1);
    let listed = connection.get(&format!("{requests}?limit=2"), "").await.json();
    let states: Vec<_> = listed["batch_request_metadata"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["succeeded", "pending"]);
    assert_eq!(listed["batch_request_metadata"][0]["model"], "grok");

    let state = connection.get(&path, "").await.json()["state"].clone();
    let expected = json!({"num_requests": 3, "num_pending": 0, "num_success": 2, "num_error": 1, "num_cancelled": 0});
    assert_eq!(state, expected);
    let first = connection.get(&format!("{path}/results?limit=2"), "").await.json();
    let answer = &first["results"][0]["batch_result"]["response"]["chat_get_completion"];
    assert!(answer["choices"][0]["message"]["content"].as_str().unwrap().contains("hello there"));
    assert!(first["results"][1]["batch_result"]["error"].is_string());
    let token = first["pagination_token"].as_str().unwrap();
    let second = connection.get(&format!("{path}/results?limit=2&pagination_token={token}"), "").await.json();
    assert_eq!((&second["results"][0]["batch_request_id"], &second["pagination_token"]), (&json!("c"), &Value::Null));
    // What was asked as a response is answered as a chat completion.
    let answer = &second["results"][0]["batch_result"]["response"]["chat_get_completion"];
    assert_eq!(answer["object"], "chat.completion");
    assert!(answer["choices"][0]["message"]["content"].as_str().unwrap().contains("and this"));
    assert_eq!(connection.log().await["runs"], json!({"a": 1, "b": 1, "c": 1}));

    // One that is done takes more.
    let more = json!({"batch_requests": [request("d", "x")]});
    connection.post_json(&requests, "", more.clone()).await;
    assert_eq!(connection.get(&path, "").await.json()["state"]["num_pending"], 1);
    let cancelled = connection.post(&format!("{path}:cancel"), "", b"").await.json();
    assert_eq!(cancelled["cancel_time"].as_str().unwrap().len(), "2026-01-01".len());
    assert_eq!((&cancelled["state"]["num_pending"], &cancelled["state"]["num_cancelled"]), (&json!(0), &json!(1)));
    let results = connection.get(&format!("{path}/results"), "").await.json();
    assert_eq!(results["results"][3], json!({"batch_request_id": "d", "batch_result": {"error": "Batch cancelled"}}));
    assert_eq!(connection.post_json(&requests, "", more).await.status, 403);
    let list = connection.get(BATCHES, "").await.json();
    assert_eq!(list["batches"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_file_makes_a_batch() {
    let simulator = start("batch-polls=0");
    let mut connection = simulator.connect().await;
    let body = json!({"model": "grok", "messages": [{"role": "user", "content": "hi"}]});
    let line = json!({"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}).to_string();
    let file = connection.upload("/xai/v1/files", "", &[], line.as_bytes()).await.json();
    assert_eq!((&file["purpose"], file.get("status")), (&json!(""), None));
    let path = connection.xai(json!({"name": "n", "input_file_id": file["id"]})).await;
    assert_eq!(connection.get(BATCHES, "").await.json()["batches"][0]["state"]["num_requests"], 0);
    assert_eq!(connection.get(&path, "").await.json()["state"]["num_success"], 1);
    let sealed = connection.post_json(&format!("{path}/requests"), "", json!({"batch_requests": []})).await;
    assert_eq!(sealed.status, 412);

    let bad = connection.upload("/xai/v1/files", "", &[("expires_after", "3600")], b"{}").await.json();
    assert_eq!(bad["expires_at"].as_u64().unwrap() - bad["created_at"].as_u64().unwrap(), 3600);
    let path = connection.xai(json!({"name": "n", "input_file_id": bad["id"]})).await;
    let batch = connection.get(&path, "").await.json();
    assert!(batch["cancel_by_xai_message"].as_str().unwrap().starts_with("JSONL file validation failed: line 1"));
    assert!(batch["cancel_time"].is_string());
    let missing = connection.get("/xai/v1/batches/none", "").await;
    assert_eq!((missing.status, missing.json()["error"].is_string()), (404, true));
}
