//! Gemini's files and batches.

use super::*;

const UPLOAD: &str = "/upload/v1beta/files";

fn request(text: &str) -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": text}]}]})
}

impl Connection {
    /// Begins an upload; where its pieces go.
    async fn begin(&mut self, file: Value, size: usize) -> String {
        let headers = format!(
            "x-goog-upload-protocol: resumable\r\nx-goog-upload-command: start\r\n\
             x-goog-upload-header-content-length: {size}\r\nx-goog-upload-header-content-type: application/jsonl\r\n"
        );
        let answer = self.post_json(UPLOAD, &headers, json!({"file": file})).await;
        assert_eq!((answer.status, answer.header("x-goog-upload-status")), (200, Some("active")));
        let url = answer.header("x-goog-upload-url").unwrap();
        url.strip_prefix("http://simulator").unwrap().to_owned()
    }

    async fn piece(&mut self, path: &str, command: &str, offset: usize, content: &[u8]) -> Answer {
        let headers = format!("x-goog-upload-command: {command}\r\nx-goog-upload-offset: {offset}\r\n");
        self.post(path, &headers, content).await
    }

    async fn uploaded(&mut self, content: &str) -> Value {
        let path = self.begin(json!({"display_name": "in"}), content.len()).await;
        let answer = self.piece(&path, "upload, finalize", 0, content.as_bytes()).await;
        assert_eq!(answer.header("x-goog-upload-status"), Some("final"), "{}", answer.text());
        answer.json()["file"].clone()
    }

    async fn made(&mut self, headers: &str, action: &str, config: Value) -> Value {
        let path = format!("/v1beta/models/gemini-x:{action}");
        let answer =
            self.post_json(&path, headers, json!({"batch": {"displayName": "d", "inputConfig": config}})).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    async fn resource(&mut self, name: &Value) -> Value {
        self.get(&format!("/v1beta/{}", name.as_str().unwrap()), "").await.json()
    }
}

#[tokio::test]
async fn a_file_comes_in_pieces() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    let path = connection.begin(json!({"displayName": "two", "name": "files/mine"}), 6).await;
    let answer = connection.piece(&path, "upload", 0, b"abc").await;
    assert_eq!((answer.status, answer.header("x-goog-upload-status")), (200, Some("active")));
    assert_eq!(connection.piece(&path, "upload", 2, b"x").await.status, 400);
    assert_eq!(connection.piece(&path, "finalize", 3, b"").await.status, 400);
    assert_eq!(connection.piece(&path, "query", 0, b"").await.header("x-goog-upload-size-received"), Some("3"));
    let answer = connection.piece(&path, "upload, finalize", 3, b"def").await;
    assert_eq!(answer.header("x-goog-upload-status"), Some("final"));
    let file = answer.json()["file"].clone();
    assert_eq!((&file["name"], &file["displayName"]), (&json!("files/mine"), &json!("two")));
    assert_eq!(
        (&file["sizeBytes"], &file["state"], &file["source"]),
        (&json!("6"), &json!("ACTIVE"), &json!("UPLOADED"))
    );
    assert_eq!(connection.piece(&path, "upload", 6, b"x").await.status, 404);

    assert_eq!(connection.resource(&file["name"]).await, file);
    assert_eq!(connection.get("/download/v1beta/files/mine:download?alt=media", "").await.status, 400);
    let second = connection.uploaded("x").await;
    let list = connection.get("/v1beta/files?pageSize=1", "").await.json();
    assert_eq!(list["files"], json!([second]));
    let path = format!("/v1beta/files?pageToken={}", list["nextPageToken"].as_str().unwrap());
    let list = connection.get(&path, "").await.json();
    assert_eq!((&list["files"], list.get("nextPageToken")), (&json!([file]), None));
    assert_eq!(connection.delete("/v1beta/files/mine", "").await.json(), json!({}));
    let gone = connection.get("/v1beta/files/mine", "").await;
    assert_eq!((gone.status, &gone.json()["error"]["status"]), (403, &json!("PERMISSION_DENIED")));
}

#[tokio::test]
async fn a_batch_answers_requests_that_came_with_it() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    let requests = json!([
        {"request": request("hello there"), "metadata": {"key": "k1", "more": 1}},
        {"request": request("fail:429")},
    ]);
    let batch = connection.made("", "batchGenerateContent", json!({"requests": {"requests": requests}})).await;
    assert_eq!((&batch["metadata"]["state"], batch.get("done")), (&json!("BATCH_STATE_PENDING"), None));
    let batch = connection.resource(&batch["name"]).await;
    assert_eq!(batch["metadata"]["state"], "BATCH_STATE_RUNNING");
    assert_eq!(batch["metadata"]["batchStats"]["successfulRequestCount"], "1");
    let batch = connection.resource(&batch["name"]).await;
    assert_eq!((&batch["metadata"]["state"], &batch["done"]), (&json!("BATCH_STATE_SUCCEEDED"), &json!(true)));
    let expected = json!({"requestCount": "2", "successfulRequestCount": "1", "failedRequestCount": "1"});
    assert_eq!(batch["metadata"]["batchStats"], expected);
    assert_eq!(
        (&batch["metadata"]["model"], &batch["metadata"]["displayName"]),
        (&json!("models/gemini-x"), &json!("d"))
    );

    let answers = &batch["response"]["inlinedResponses"]["inlinedResponses"];
    assert_eq!(&batch["metadata"]["output"]["inlinedResponses"]["inlinedResponses"], answers);
    let text = &answers[0]["response"]["candidates"][0]["content"]["parts"][0]["text"];
    assert!(text.as_str().unwrap().contains("hello there"));
    assert_eq!(answers[0]["metadata"], json!({"key": "k1", "more": 1}));
    assert_eq!((&answers[1]["error"]["code"], answers[1].get("metadata")), (&json!(8), None));
    assert_eq!(connection.log().await["runs"], json!({"k1": 1, "#1": 1}));
    let list = connection.get("/v1beta/batches", "").await.json();
    assert_eq!(list["operations"], json!([batch]));
}

#[tokio::test]
async fn a_batch_answers_the_lines_of_a_file() {
    let simulator = start("batch-polls=0");
    let mut connection = simulator.connect().await;
    let lines = json!({"key": "a", "request": request("hello there")}).to_string()
        + "\n"
        + &json!({"key": "b", "request": request("fail:503")}).to_string();
    let file = connection.uploaded(&lines).await;
    // In the words of the page's examples.
    let batch = connection.made("", "batchGenerateContent", json!({"file_name": file["name"]})).await;
    let batch = connection.resource(&batch["name"]).await;
    assert_eq!(batch["metadata"]["inputConfig"]["fileName"], file["name"]);
    let output = &batch["response"]["responsesFile"];
    assert_eq!(&batch["metadata"]["output"]["responsesFile"], output);
    let path = format!("/download/v1beta/{}:download?alt=media", output.as_str().unwrap());
    let lines = connection.get(&path, "").await.lines();
    assert_eq!((&lines[0]["key"], &lines[1]["key"]), (&json!("a"), &json!("b")));
    assert!(lines[0]["response"]["candidates"].is_array());
    assert_eq!(lines[1]["error"]["code"], 14);
    assert!(connection.resource(output).await["downloadUri"].is_string());

    let bad = connection.uploaded("no json\n").await;
    let batch = connection.made("", "batchGenerateContent", json!({"fileName": bad["name"]})).await;
    let batch = connection.resource(&batch["name"]).await;
    assert_eq!((&batch["metadata"]["state"], &batch["error"]["code"]), (&json!("BATCH_STATE_FAILED"), &json!(3)));
}

#[tokio::test]
async fn a_batch_embeds() {
    let simulator = start("batch-polls=0");
    let mut connection = simulator.connect().await;
    let content = json!({"content": {"parts": [{"text": "some words"}]}, "outputDimensionality": 8});
    let config = json!({"requests": {"requests": [{"request": content}]}});
    let batch = connection.made("", "asyncBatchEmbedContent", config).await;
    let batch = connection.resource(&batch["name"]).await;
    let answers = &batch["metadata"]["output"]["inlinedResponses"]["inlinedResponses"];
    assert_eq!(answers[0]["response"]["embedding"]["values"].as_array().unwrap().len(), 8);
}

#[tokio::test]
async fn a_batch_ends_as_it_was_told() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    let config = json!({"requests": {"requests": [{"request": request("a")}, {"request": request("b")}]}});
    for how in ["failed", "expired", "cancelled"] {
        let headers = format!("x-simulate: batch-polls=0, batch-fail={how}\r\n");
        let batch = connection.made(&headers, "batchGenerateContent", config.clone()).await;
        let batch = connection.resource(&batch["name"]).await;
        assert_eq!(batch["metadata"]["state"], format!("BATCH_STATE_{}", how.to_uppercase()));
        assert!(batch["error"]["code"].is_u64() && batch.get("response").is_none());
    }
    let batch = connection.made("", "batchGenerateContent", config).await;
    let path = format!("/v1beta/{}", batch["name"].as_str().unwrap());
    assert_eq!(connection.post(&format!("{path}:cancel"), "", b"").await.json(), json!({}));
    assert_eq!(connection.resource(&batch["name"]).await["metadata"]["state"], "BATCH_STATE_CANCELLED");
    assert_eq!(connection.delete(&path, "").await.json(), json!({}));
    assert_eq!(connection.get(&path, "").await.status, 404);
    assert_eq!(connection.log().await["runs"], json!({"#0": 2}));
}
