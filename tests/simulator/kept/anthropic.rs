//! Anthropic's files and batches.

use super::*;

const BATCHES: &str = "/v1/messages/batches";
const VERSION: &str = "anthropic-version: 2023-06-01\r\n";

fn request(id: &str, text: &str) -> Value {
    let params = json!({"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": text}]});
    json!({"custom_id": id, "params": params})
}

impl Connection {
    async fn message_batch(&mut self, headers: &str, requests: Value) -> Value {
        let answer = self.post_json(BATCHES, headers, json!({"requests": requests})).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    async fn at(&mut self, batch: &Value, rest: &str) -> Answer {
        self.get(&format!("{BATCHES}/{}{rest}", batch["id"].as_str().unwrap()), VERSION).await
    }

    /// By `custom_id`.
    async fn results(&mut self, batch: &Value) -> Vec<Value> {
        let mut results = self.at(batch, "/results").await.lines();
        results.sort_by_key(|line| line["custom_id"].to_string());
        results
    }
}

#[tokio::test]
async fn a_file_is_kept_listed_and_deleted() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    let first = connection.upload("/v1/files", VERSION, &[], b"one").await.json();
    assert_eq!((&first["type"], &first["size_bytes"]), (&json!("file"), &json!(3)));
    assert_eq!((&first["mime_type"], &first["downloadable"]), (&json!("application/jsonl"), &json!(false)));
    assert!(first["created_at"].as_str().unwrap().ends_with('Z'));
    // The prefix says the same as the header.
    let second = connection.upload("/anthropic/v1/files", "", &[("expires_in_seconds", "3600")], b"two").await.json();
    assert!(second["expires_at"].is_string());

    let list = connection.get("/v1/files?limit=1", VERSION).await.json();
    assert_eq!((&list["data"], &list["has_more"]), (&json!([second]), &json!(true)));
    let next = list["next_page"].as_str().unwrap();
    let list = connection.get(&format!("/v1/files?page={next}"), VERSION).await.json();
    assert_eq!((&list["data"], &list["next_page"]), (&json!([first]), &Value::Null));
    let before = format!("/v1/files?before_id={}", first["id"].as_str().unwrap());
    assert_eq!(connection.get(&before, VERSION).await.json()["data"], json!([second]));
    // OpenAI's are others.
    assert_eq!(connection.get("/v1/files", "").await.json()["data"], json!([]));

    let path = format!("/v1/files/{}", first["id"].as_str().unwrap());
    assert_eq!(connection.get(&format!("{path}/content"), VERSION).await.status, 400);
    assert_eq!(connection.delete(&path, VERSION).await.json(), json!({"id": first["id"], "type": "file_deleted"}));
    let gone = connection.get(&path, VERSION).await;
    assert_eq!((gone.status, &gone.json()["error"]["type"]), (404, &json!("not_found_error")));
}

#[tokio::test]
async fn a_batch_answers_its_requests() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    let bad = json!({"custom_id": "c", "params": {"model": "m"}});
    let requests = json!([request("a", "hello there"), request("b", "fail:529"), bad]);
    let batch = connection.message_batch("", requests).await;
    assert_eq!((&batch["processing_status"], &batch["results_url"]), (&json!("in_progress"), &Value::Null));
    let early = connection.at(&batch, "/results").await;
    assert_eq!((early.status, &early.json()["error"]["type"]), (404, &json!("not_found_error")));
    let path = format!("{BATCHES}/{}", batch["id"].as_str().unwrap());
    assert_eq!(connection.delete(&path, VERSION).await.status, 400);
    let counts = &connection.at(&batch, "").await.json()["request_counts"];
    assert_eq!((&counts["processing"], &counts["succeeded"]), (&json!(3), &json!(0)));

    let batch = connection.at(&batch, "").await.json();
    assert_eq!(batch["processing_status"], "ended");
    let expected = json!({"processing": 0, "succeeded": 1, "errored": 2, "canceled": 0, "expired": 0});
    assert_eq!(batch["request_counts"], expected);
    let url = format!("http://simulator{path}/results");
    assert_eq!(batch["results_url"], url.as_str());

    let results = connection.results(&batch).await;
    assert_eq!(results[0]["result"]["type"], "succeeded");
    let text = &results[0]["result"]["message"]["content"][0]["text"];
    assert!(text.as_str().unwrap().contains("hello there"));
    let errors: Vec<_> = results[1..].iter().map(|line| &line["result"]["error"]["error"]["type"]).collect();
    assert_eq!(errors, ["overloaded_error", "invalid_request_error"]);
    assert_eq!(
        (&results[1]["result"]["type"], &results[1]["result"]["error"]["type"]),
        (&json!("errored"), &json!("error"))
    );
    assert_eq!(connection.log().await["runs"], json!({"a": 1, "b": 1, "c": 1}));

    let list = connection.get(&format!("{BATCHES}?limit=5"), VERSION).await.json();
    assert_eq!((&list["first_id"], &list["has_more"]), (&batch["id"], &json!(false)));
    assert_eq!(connection.delete(&path, VERSION).await.json()["type"], "message_batch_deleted");
    assert_eq!(connection.at(&batch, "").await.status, 404);
}

#[tokio::test]
async fn results_come_in_another_order() {
    let simulator = start("batch-polls=0");
    let mut connection = simulator.connect().await;
    let names: Vec<_> = (0..20).map(|number| format!("r{number:02}")).collect();
    let requests: Vec<_> = names.iter().map(|name| request(name, "hi")).collect();
    let batch = connection.message_batch("", json!(requests)).await;
    connection.at(&batch, "").await;
    let results = connection.at(&batch, "/results").await.lines();
    let came: Vec<_> = results.iter().map(|line| line["custom_id"].as_str().unwrap()).collect();
    assert_ne!(came, names);
    assert_eq!(came.len(), 20);
}

#[tokio::test]
async fn custom_ids_are_looked_at_at_once() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    let both = json!([request("a", "x"), request("a", "y")]);
    for requests in
        [json!([]), json!([request("a b", "x")]), both, json!([{"custom_id": "a"}]), json!([{"params": {}}])]
    {
        let answer = connection.post_json(BATCHES, VERSION, json!({"requests": requests})).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["type"]),
            (400, &json!("invalid_request_error")),
            "{requests}"
        );
    }
}

#[tokio::test]
async fn a_batch_ends_as_it_was_told() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    let requests = json!([request("a", "x"), request("b", "y")]);
    for (how, expected) in [
        ("expired", ["succeeded", "expired"]),
        ("cancelled", ["succeeded", "canceled"]),
        ("failed", ["errored", "errored"]),
    ] {
        let headers = format!("x-simulate: batch-polls=0, batch-fail={how}\r\n");
        let batch = connection.message_batch(&headers, requests.clone()).await;
        let batch = connection.at(&batch, "").await.json();
        assert_eq!(batch["processing_status"], "ended");
        let counted: u64 =
            batch["request_counts"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(counted, 2);
        let results = connection.results(&batch).await;
        let told: Vec<_> = results.iter().map(|line| &line["result"]["type"]).collect();
        assert_eq!(told, expected);
    }

    let batch = connection.message_batch("", requests).await;
    connection.at(&batch, "").await;
    let cancel = format!("{BATCHES}/{}/cancel", batch["id"].as_str().unwrap());
    let batch = connection.post(&cancel, VERSION, b"").await.json();
    assert_eq!(batch["processing_status"], "canceling");
    assert!(batch["cancel_initiated_at"].is_string());
    let batch = connection.at(&batch, "").await.json();
    assert_eq!((&batch["request_counts"]["succeeded"], &batch["request_counts"]["canceled"]), (&json!(1), &json!(1)));
}
