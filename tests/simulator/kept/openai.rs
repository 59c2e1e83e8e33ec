//! OpenAI's files and batches.

use super::*;

const CHAT: &str = "/v1/chat/completions";

fn line(id: &str, text: &str) -> String {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": text}]});
    json!({"custom_id": id, "method": "POST", "url": CHAT, "body": body}).to_string() + "\n"
}

impl Connection {
    async fn batch_of(&mut self, headers: &str, lines: &str) -> Value {
        let file = self.upload("/v1/files", "", &[("purpose", "batch")], lines.as_bytes()).await.json();
        let asked = json!({
            "input_file_id": file["id"], "endpoint": CHAT, "completion_window": "24h", "metadata": {"for": "a test"},
        });
        let answer = self.post_json("/v1/batches", headers, asked).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    async fn look(&mut self, batch: &Value) -> Value {
        let id = batch["id"].as_str().unwrap();
        self.get(&format!("/v1/batches/{id}"), "").await.json()
    }

    async fn content(&mut self, id: &Value) -> Answer {
        self.get(&format!("/v1/files/{}/content", id.as_str().unwrap()), "").await
    }
}

#[tokio::test]
async fn a_file_is_kept_listed_and_deleted() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    let fields = [("purpose", "batch"), ("expires_after[anchor]", "created_at"), ("expires_after[seconds]", "3600")];
    let line = line("a", "hi");
    let file = connection.upload("/v1/files", "", &fields, line.as_bytes()).await.json();
    assert_eq!(file["object"], "file");
    assert_eq!((&file["bytes"], &file["purpose"]), (&json!(line.len()), &json!("batch")));
    assert_eq!((&file["filename"], &file["status"]), (&json!("in.jsonl"), &json!("processed")));
    assert_eq!(file["expires_at"].as_u64().unwrap() - file["created_at"].as_u64().unwrap(), 3600);

    // As Azure and Groq have it.
    let id = file["id"].as_str().unwrap();
    for path in ["/files/{}", "/v1/files/{}", "/openai/v1/files/{}", "/openai/files/{}?api-version=2024-10-21"] {
        assert_eq!(connection.get(&path.replace("{}", id), "").await.json(), file);
    }
    let content = connection.get(&format!("/v1/files/{id}/content"), "").await;
    assert_eq!(content.header("content-type"), Some("application/octet-stream"));
    assert_eq!(content.text(), line);

    let second = connection.upload("/v1/files", "", &[("purpose", "user_data")], b"x").await.json();
    let list = connection.get("/v1/files?limit=1", "").await.json();
    assert_eq!((&list["data"][0], &list["has_more"]), (&second, &json!(true)));
    let list = connection.get(&format!("/v1/files?after={}", second["id"].as_str().unwrap()), "").await.json();
    assert_eq!((&list["data"][0], &list["last_id"], &list["has_more"]), (&file, &file["id"], &json!(false)));
    let list = connection.get("/v1/files?purpose=user_data&order=asc", "").await.json();
    assert_eq!(list["data"], json!([second]));
    assert_eq!(connection.content(&second["id"]).await.status, 400);

    let deleted = connection.delete(&format!("/v1/files/{id}"), "").await.json();
    assert_eq!(deleted, json!({"object": "file", "id": id, "deleted": true}));
    assert_eq!(connection.get(&format!("/v1/files/{id}"), "").await.status, 404);
    assert_eq!(connection.delete(&format!("/v1/files/{id}"), "").await.status, 404);
    let wrong = connection.post(&format!("/v1/files/{id}"), "", b"").await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET, DELETE")));
}

#[tokio::test]
async fn a_bad_upload_is_refused() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    for (fields, content) in [
        (&[][..], "{}"),
        (&[("purpose", "fun")], "{}"),
        (&[("purpose", "batch")], "{no json"),
        (&[("purpose", "batch")], ""),
        (&[("purpose", "batch"), ("expires_after[seconds]", "3600")], "{}"),
        (&[("purpose", "batch"), ("expires_after[anchor]", "created_at"), ("expires_after[seconds]", "9")], "{}"),
    ] {
        let answer = connection.upload("/v1/files", "", fields, content.as_bytes()).await;
        assert_eq!(answer.status, 400, "{fields:?}");
    }
    let body = form(&[("purpose", "batch")], &[b' '; 9000]);
    let head = "POST /v1/files HTTP/1.1\r\nhost: s\r\nx-simulate: cut-upload=1000\r\n";
    connection.write(format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes()).await;
    connection.write(&body[..2000]).await;
    assert!(connection.answer().await.is_none());
    let mut connection = simulator.connect().await;
    assert_eq!(connection.log().await["files_made"], 0);
}

#[tokio::test]
async fn a_download_can_be_cut_and_an_upload_forgotten() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    let long = vec![b'x'; 300_000];
    let purpose = [("purpose", "user_data")];
    let kept = connection.upload("/v1/files", "", &[("purpose", "vision")], &long).await.json();
    let path = format!("/v1/files/{}/content", kept["id"].as_str().unwrap());
    assert_eq!(connection.get(&path, "").await.chunks.concat(), long);

    let forgotten =
        connection.upload("/v1/files", "x-simulate: discard-uploads=true\r\n", &purpose, &long).await.json();
    assert_eq!((&forgotten["bytes"], &forgotten["purpose"]), (&json!(300_000), &json!("user_data")));
    let log = connection.log().await;
    assert_eq!((&log["files"][0]["sha256"], &log["files"][0]["downloads"]), (&log["files"][1]["sha256"], &json!(1)));

    let head = format!("GET {path} HTTP/1.1\r\nhost: s\r\nx-simulate: cut=1\r\n\r\n");
    connection.write(head.as_bytes()).await;
    let mut all = Vec::new();
    connection.0.read_to_end(&mut all).await.unwrap();
    assert!(all.len() > 65_536 && all.len() < 70_000, "{}", all.len());
}

#[tokio::test]
async fn a_batch_answers_its_lines() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    let lines = line("a", "hello there") + &line("b", "fail:429") + &line("c", "three words here");
    let batch = connection.batch_of("", &lines).await;
    assert_eq!((&batch["status"], &batch["request_counts"]["total"]), (&json!("validating"), &json!(0)));
    let batch = connection.look(&batch).await;
    assert_eq!((&batch["status"], &batch["output_file_id"]), (&json!("in_progress"), &Value::Null));
    assert_eq!(batch["request_counts"], json!({"total": 3, "completed": 1, "failed": 0}));

    let batch = connection.look(&batch).await;
    assert_eq!((&batch["status"], &batch["model"]), (&json!("completed"), &json!("m")));
    assert_eq!(batch["request_counts"], json!({"total": 3, "completed": 2, "failed": 1}));
    assert_eq!(batch["metadata"], json!({"for": "a test"}));
    assert_eq!(batch["usage"]["input_tokens"], 5);
    assert!(batch["completed_at"].is_u64() && batch["expires_at"].is_u64() && batch["failed_at"].is_null());

    let mut output = connection.content(&batch["output_file_id"]).await.lines();
    output.sort_by_key(|line| line["custom_id"].to_string());
    assert_eq!(output.len(), 2);
    assert_eq!((&output[0]["custom_id"], &output[0]["error"]), (&json!("a"), &Value::Null));
    assert_eq!(output[0]["response"]["status_code"], 200);
    let text = &output[0]["response"]["body"]["choices"][0]["message"]["content"];
    assert!(text.as_str().unwrap().contains("hello there"));
    let errors = connection.content(&batch["error_file_id"]).await.lines();
    assert_eq!((&errors[0]["custom_id"], &errors[0]["response"]["status_code"]), (&json!("b"), &json!(429)));
    assert_eq!(errors[0]["response"]["body"]["error"]["code"], "rate_limit_exceeded");

    // However often one looks, nothing is done twice.
    assert_eq!(connection.look(&batch).await, batch);
    let log = connection.log().await;
    assert_eq!(log["runs"], json!({"a": 1, "b": 1, "c": 1}));
    assert_eq!((&log["batches_made"], &log["files_made"]), (&json!(1), &json!(3)));
    assert_eq!((&log["batches"][0]["looks"], &log["batches"][0]["state"]), (&json!(3), &json!("completed")));

    // The same lines get the same answers.
    let other = connection.batch_of("x-simulate: batch-polls=0\r\n", &lines).await;
    let other = connection.look(&other).await;
    let mut again = connection.content(&other["output_file_id"]).await.lines();
    again.sort_by_key(|line| line["custom_id"].to_string());
    assert_eq!(again[0]["id"], output[0]["id"]);
    assert_eq!(again[0]["response"]["body"]["id"], output[0]["response"]["body"]["id"]);
    let list = connection.get("/v1/batches?limit=1", "").await.json();
    assert_eq!((&list["data"][0]["id"], &list["has_more"]), (&other["id"], &json!(true)));
}

#[tokio::test]
async fn a_batch_with_bad_lines_fails() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    let lines = line("a", "x") + "{}\n" + &line("a", "y");
    let batch = connection.batch_of("", &lines).await;
    assert_eq!(batch["status"], "validating");
    let batch = connection.look(&batch).await;
    assert_eq!((&batch["status"], &batch["errors"]["object"]), (&json!("failed"), &json!("list")));
    let codes: Vec<_> = batch["errors"]["data"].as_array().unwrap().iter().map(|e| (&e["code"], &e["line"])).collect();
    assert_eq!(codes, [(&json!("missing_required_parameter"), &json!(2)), (&json!("duplicate_custom_id"), &json!(3))]);
    assert!(batch["failed_at"].is_u64() && batch["output_file_id"].is_null());
    let cancel = format!("/v1/batches/{}/cancel", batch["id"].as_str().unwrap());
    assert_eq!(connection.post(&cancel, "", b"").await.status, 409);

    let unknown = json!({"input_file_id": "file-1", "endpoint": CHAT, "completion_window": "24h"});
    let batch = connection.post_json("/v1/batches", "", unknown).await.json();
    assert_eq!(connection.look(&batch).await["errors"]["data"][0]["code"], "invalid_request");
    for (name, value) in
        [("endpoint", json!("/v1/x")), ("completion_window", json!("1h")), ("metadata", json!({"a": 1}))]
    {
        let mut asked = json!({"input_file_id": "file-1", "endpoint": CHAT, "completion_window": "24h"});
        asked[name] = value;
        let answer = connection.post_json("/v1/batches", "", asked).await;
        assert_eq!((answer.status, &answer.json()["error"]["param"]), (400, &json!(name)));
    }
    assert_eq!(connection.log().await["runs"], json!({}));
}

#[tokio::test]
async fn a_batch_ends_as_it_was_told() {
    let simulator = start("batch-polls=0");
    let mut connection = simulator.connect().await;
    let lines = line("a", "x") + &line("b", "y");
    for (how, code) in [("expired", "batch_expired"), ("cancelled", "batch_cancelled")] {
        let batch = connection.batch_of(&format!("x-simulate: batch-fail={how}\r\n"), &lines).await;
        let batch = connection.look(&batch).await;
        assert_eq!(batch["status"], how);
        assert_eq!(connection.content(&batch["output_file_id"]).await.lines()[0]["custom_id"], "a");
        let errors = connection.content(&batch["error_file_id"]).await.lines();
        assert_eq!((&errors[0]["custom_id"], &errors[0]["response"]), (&json!("b"), &Value::Null));
        assert_eq!(errors[0]["error"]["code"], code);
    }
    let batch = connection.batch_of("x-simulate: batch-fail=failed\r\n", &lines).await;
    let batch = connection.look(&batch).await;
    assert_eq!((&batch["status"], &batch["errors"]["data"][0]["line"]), (&json!("failed"), &Value::Null));

    // All lines are done, their answers are not there yet.
    let batch = connection.batch_of("x-simulate: batch-polls=2\r\n", &lines).await;
    assert_eq!(connection.look(&batch).await["status"], "in_progress");
    let batch = connection.look(&batch).await;
    assert_eq!((&batch["status"], &batch["request_counts"]["completed"]), (&json!("finalizing"), &json!(2)));
    assert!(batch["finalizing_at"].is_u64() && batch["output_file_id"].is_null());
    assert_eq!(connection.look(&batch).await["status"], "completed");

    // Cancelled by its client, in between.
    let batch = connection.batch_of("x-simulate: batch-polls=3\r\n", &lines).await;
    for _ in 0..2 {
        assert_eq!(connection.look(&batch).await["status"], "in_progress");
    }
    let cancel = format!("/v1/batches/{}/cancel", batch["id"].as_str().unwrap());
    assert_eq!(connection.post(&cancel, "", b"").await.json()["status"], "cancelling");
    let batch = connection.look(&batch).await;
    assert_eq!((&batch["status"], &batch["request_counts"]["completed"]), (&json!("cancelled"), &json!(1)));
    assert_eq!(connection.post(&cancel, "", b"").await.json()["status"], "cancelled");
}
