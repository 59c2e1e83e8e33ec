//! Amazon Bedrock's jobs, and the objects of S3 that they are about.

use super::*;

const JOBS: &str = "/model-invocation-job";

fn record(id: &str, text: &str) -> String {
    let content = json!([{"text": text}]);
    json!({"recordId": id, "modelInput": {"messages": [{"role": "user", "content": content}]}}).to_string()
}

fn order(name: &str) -> Value {
    json!({
        "jobName": name, "roleArn": "arn:aws:iam::123456789012:role/r", "modelId": "m", "modelInvocationType": "Converse",
        "inputDataConfig": {"s3InputDataConfig": {"s3Uri": "s3://b/in.jsonl"}},
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": format!("s3://b/{name}")}},
    })
}

impl Connection {
    async fn put(&mut self, path: &str, headers: &str, content: &str) -> Answer {
        let length = content.len();
        let head =
            format!("PUT {path} HTTP/1.1\r\nhost: simulator\r\n{headers}content-length: {length}\r\n\r\n{content}");
        self.write(head.as_bytes()).await;
        self.answer().await.unwrap()
    }

    /// A job of this name that was looked at once, and its id.
    async fn ran(&mut self, headers: &str, name: &str) -> (Value, String) {
        let made = self.post_json(JOBS, headers, order(name)).await;
        assert_eq!(made.status, 200, "{}", made.text());
        let id = made.json()["jobArn"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        (self.get(&format!("{JOBS}/{id}"), "").await.json(), id)
    }
}

#[tokio::test]
async fn jobs_end_as_they_are_told_to() {
    let simulator = start("batch-polls=0");
    let mut connection = simulator.connect().await;
    let lines = ["a", "b", "c", "d"].map(|id| record(id, id)).join("\n");
    assert_eq!(connection.put("/s3/b/in.jsonl", "", &lines).await.status, 200);
    for (ending, status, answered) in [
        ("none", "Completed", 4),
        ("expired", "PartiallyCompleted", 2),
        ("cancelled", "Stopped", 2),
        ("failed", "Failed", 0),
    ] {
        let (job, id) = connection.ran(&format!("x-simulate: batch-fail={ending}\r\n"), ending).await;
        assert_eq!((&job["status"], &job["successRecordCount"]), (&json!(status), &json!(answered)));
        assert_eq!(job["totalRecordCount"], 4);
        assert_eq!(job.get("message").is_some(), ending == "failed");
        let output = connection.get(&format!("/s3/b/{ending}/{id}/in.jsonl.out"), "").await;
        match answered {
            0 => assert_eq!(output.status, 404),
            count => assert_eq!(output.lines().len(), count),
        }
    }
    let log = connection.log().await;
    assert_eq!((&log["batches_made"], &log["runs"]["a"], &log["runs"]["d"]), (&json!(4), &json!(3), &json!(1)));
    assert_eq!(log["batches"][0]["vendor"], "bedrock");
}

#[tokio::test]
async fn what_goes_wrong_is_told_as_each_of_both_does() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    let fails = "x-simulate: error=503\r\n";
    let answer = connection.put("/s3/b/k", fails, "x").await;
    assert_eq!((answer.status, answer.header("content-type")), (503, Some("application/xml")));
    assert!(answer.text().contains("<Error><Code>SlowDown</Code><Message>"), "{}", answer.text());
    let answer = connection.get(&format!("{JOBS}/x"), fails).await;
    assert_eq!((answer.status, answer.header("x-amzn-errortype")), (503, Some("ServiceUnavailableException")));
    let answer = connection.get(&format!("{JOBS}/x"), "").await;
    assert_eq!((answer.status, answer.header("x-amzn-errortype")), (404, Some("ResourceNotFoundException")));
    assert_eq!(connection.post("/s3/b/k", "", b"x").await.status, 405);
    assert_eq!(connection.get("/s3/b?list-type=1", "").await.status, 501);
    assert_eq!(connection.put("/s3/b/k", "", "x").await.status, 200);
    let gone = connection.delete("/s3/b/k", "").await;
    assert_eq!((gone.status, gone.header("content-length"), gone.header("content-type")), (204, None, None));
    // The connection goes on behind an answer without a body.
    let answer = connection.get("/s3/b/k", "").await;
    assert!(answer.status == 404 && answer.text().contains("<Code>NoSuchKey</Code>"));
    let log = connection.log().await;
    assert_eq!((&log["files_made"], &log["files"]), (&json!(1), &json!([])));
}
