//! Jobs of Amazon Bedrock: what is put into the bucket and asked, what becomes of what is found there, and what a crash changes.

use super::emulated::free;
use super::{Client, line, parsed, told};
use crate::support::gateway::{Gateway, Setup};
use crate::support::upstream::{Gate, Received, Reply, Upstream};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const ARN: &str = "arn:aws:bedrock:eu-west-1:123456789012:model-invocation-job/abcdefghij12";
const JOB: &str =
    "/model-invocation-job/arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Amodel-invocation-job%2Fabcdefghij12";
const ROLE: &str = "arn:aws:iam::123456789012:role/batches";

/// A bucket and a job, which ends as it is told to at the first look.
#[derive(Default)]
struct Cloud {
    objects: BTreeMap<String, Vec<u8>>,
    job: Option<Value>,
    status: &'static str,
    message: &'static str,
    /// How each line ends: that which stands beside its `recordId`. Those beyond have no answer.
    ends: Vec<Value>,
    /// The answers to requests of this method on what ends so, while there are some.
    faults: Vec<(&'static str, &'static str, Reply)>,
    /// Whether jobs that are asked for are made.
    makes: bool,
}

fn answered(text: &str) -> Value {
    json!({"modelOutput": {
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}}, "stopReason": "end_turn",
        "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}, "metrics": {"latencyMs": 1},
    }})
}

fn xml(status: u16, code: &str, message: &str) -> Reply {
    let more = "<StringToSign>never shown</StringToSign>";
    let text = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>");
    Reply::whole(status, "application/xml", text)
}

impl Cloud {
    fn done(status: &'static str, ends: Vec<Value>) -> Self {
        Self { status, ends, makes: true, ..Self::default() }
    }

    async fn start(self) -> (Upstream, Arc<Mutex<Self>>) {
        let cloud = Arc::new(Mutex::new(self));
        let own = Arc::clone(&cloud);
        (Upstream::start(move |request| own.lock().expect("not poisoned").answer(request)).await, cloud)
    }

    fn answer(&mut self, request: &Received) -> Reply {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let fault = self.faults.iter().position(|(method, end, _)| *method == request.method && path.ends_with(end));
        if let Some(fault) = fault {
            self.note(request);
            return self.faults.remove(fault).2;
        }
        if let Some(key) = path.strip_prefix("/s3/jobs/") {
            return self.storage(&request.method, key, query, &request.body);
        }
        match (request.method.as_str(), path) {
            ("POST", "/model-invocation-job") => {
                self.note(request);
                Reply::json(200, json!({"jobArn": ARN}).to_string())
            }
            ("POST", _) if path == format!("{JOB}/stop") => {
                self.status = "Stopped";
                Reply::json(200, "{}")
            }
            ("GET", "/model-invocation-jobs") => {
                let name = query.split('&').find_map(|pair| pair.strip_prefix("nameContains=")).unwrap_or_default();
                let found = self.job.iter().filter(|job| job["jobName"].as_str().is_some_and(|own| own.contains(name)));
                let found: Vec<_> = found.map(|job| json!({"jobArn": ARN, "jobName": job["jobName"]})).collect();
                Reply::json(200, json!({"invocationJobSummaries": found}).to_string())
            }
            ("GET", JOB) => {
                self.answer_lines();
                let mut job = self.job.clone().expect("a job");
                job["status"] = self.status.into();
                job["message"] = self.message.into();
                job["successRecordCount"] = 1.into();
                Reply::json(200, job.to_string())
            }
            _ => Reply::json(404, "{}"),
        }
    }

    fn note(&mut self, request: &Received) {
        if self.makes && request.path == "/model-invocation-job" {
            self.job = serde_json::from_slice(&request.body).ok();
        }
    }

    fn storage(&mut self, method: &str, key: &str, query: &str, body: &[u8]) -> Reply {
        match (method, key) {
            ("PUT", _) => drop(self.objects.insert(key.to_owned(), body.to_vec())),
            ("DELETE", _) => drop(self.objects.remove(key)),
            (_, "") => {
                let prefix = query.split_once("prefix=").expect("a prefix").1.replace("%2F", "/");
                let found = self.objects.iter().filter(|(key, _)| key.starts_with(&prefix));
                let found = found
                    .map(|(key, text)| format!("<Contents><Key>{key}</Key><Size>{}</Size></Contents>", text.len()));
                let found: String = found.collect();
                return Reply::whole(200, "application/xml", format!("<ListBucketResult>{found}</ListBucketResult>"));
            }
            _ => return Reply::whole(200, "binary/octet-stream", &self.objects[key]),
        }
        Reply::head(200, &[("content-length", "0")])
    }

    fn answer_lines(&mut self) {
        let job = self.job.as_ref().expect("a job");
        let key = |pointer: &str| {
            let uri = job.pointer(pointer).and_then(Value::as_str).expect("a URI");
            uri.strip_prefix("s3://jobs/").expect("of the bucket").to_owned()
        };
        let input = &self.objects[&key("/inputDataConfig/s3InputDataConfig/s3Uri")];
        let mut text = String::new();
        for (line, end) in input.split(|byte| *byte == b'\n').zip(&self.ends) {
            let mut line: Value = serde_json::from_slice(line).expect("JSON");
            line.as_object_mut().expect("an object").extend(end.as_object().expect("an object").clone());
            text = format!("{line}\n{text}");
        }
        if !text.is_empty() {
            let folder = key("/outputDataConfig/s3OutputDataConfig/s3Uri") + "abcdefghij12/";
            self.objects.insert(format!("{folder}input.jsonl.out"), text.into_bytes());
            self.objects.insert(format!("{folder}manifest.json.out"), b"{}".to_vec());
        }
    }
}

fn setup(upstream: &Upstream) -> Setup {
    let root = format!("http://{}", upstream.address);
    let keys = "region: eu-west-1, access_key_id: AKID, secret_access_key: very-secret";
    let bucket = format!("batch_bucket: \"s3://jobs/of/us\", batch_role: \"{ROLE}\", storage_url: \"{root}/s3\"");
    Setup::instances([("bedrock", format!("base_url: \"{root}\", {keys}, {bucket}, models: [m]"))])
        .and("inventory: {mode: allowlist}")
        .and("batches: {poll: 20ms}")
        .env("NARTHEX_RETRIES", "0")
}

fn two() -> [Value; 2] {
    [line("a", "bedrock/m"), line("b", "bedrock/m")]
}

fn sent(upstream: &Upstream, method: &str, part: &str) -> Vec<Received> {
    let is_it = |request: &Received| request.method == method && request.path.contains(part);
    upstream.requests().into_iter().filter(is_it).collect()
}

#[tokio::test]
async fn what_is_put_is_asked_for_and_taken_away() {
    let bad = json!({"error": {"errorCode": 400, "errorMessage": "bad request"}});
    let (upstream, cloud) = Cloud::done("Completed", vec![answered("one"), bad]).start().await;
    let gateway = setup(&upstream).start().await;
    let client = Client::of(&gateway);
    let id = client.create(&two()).await;
    let batch = client.until(&id, "completed").await;
    let mark = &id["batch_".len()..][..24];
    let name = format!("narthex-{mark}-{}", batch["created_at"]);
    let put = &sent(&upstream, "PUT", "/s3/jobs/")[0];
    assert_eq!(put.path, format!("/s3/jobs/of/us/{name}/input.jsonl"));
    let record = |number: u32, who: &str| {
        format!(
            "{{\"recordId\":\"{mark}-{number}\",\"modelInput\":{{\"messages\":[{{\"role\":\"user\",\
             \"content\":[{{\"text\":\"I am {who}\"}}]}}]}}}}\n"
        )
    };
    let lines = record(1, "a") + &record(2, "b");
    assert_eq!(put.text(), lines);
    assert_eq!(put.headers.get("content-length"), Some(lines.len().to_string().as_str()));
    assert_eq!(put.headers.get("x-amz-content-sha256"), Some("UNSIGNED-PAYLOAD"));
    let made = sent(&upstream, "POST", "/model-invocation-job");
    let place = |end: &str| format!("s3://jobs/of/us/{name}/{end}");
    assert_eq!(
        serde_json::from_slice::<Value>(&made[0].body).expect("JSON"),
        json!({
            "jobName": name, "clientRequestToken": name, "roleArn": ROLE, "modelId": "m",
            "modelInvocationType": "Converse", "timeoutDurationInHours": 24,
            "inputDataConfig": {"s3InputDataConfig": {"s3InputFormat": "JSONL", "s3Uri": place("input.jsonl")}},
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": place("output/")}},
        })
    );
    for request in upstream.requests() {
        let service = if request.path.starts_with("/s3/") { "/eu-west-1/s3/" } else { "/eu-west-1/bedrock/" };
        assert!(request.headers.get("authorization").is_some_and(|given| given.contains(service)), "{}", request.path);
    }
    let output = client.results(&batch["output_file_id"]).await;
    assert_eq!(output[0].1["response"]["body"]["choices"][0]["message"]["content"], "one");
    let errors = client.results(&batch["error_file_id"]).await;
    assert_eq!((errors[0].0.as_str(), &errors[0].1["response"]["status_code"]), ("b", &400.into()));
    assert_eq!(errors[0].1["response"]["body"]["error"]["message"], "bad request");
    assert_eq!(batch["usage"]["total_tokens"], 5);
    assert!(cloud.lock().expect("a cloud").objects.is_empty(), "all of it was taken away");
}

/// A storage that says no is told with what to do; what was signed is not. Nothing is left of the batch.
#[tokio::test]
async fn a_storage_that_refuses_is_told() {
    let refusals = [
        (403, "AccessDenied", 403, "S3 denies s3:PutObject on s3://jobs/of/us/narthex-"),
        (404, "NoSuchBucket", 404, "There is no bucket `jobs` at http://"),
        (301, "PermanentRedirect", 400, "The bucket `jobs` is in another region than `bedrock`, which is in eu-west-1"),
        (403, "SignatureDoesNotMatch", 403, "S3 does not take the AWS credentials of `bedrock`"),
        (400, "EntityTooLarge", 400, "S3 refuses s3:PutObject on s3://jobs/of/us/narthex-"),
    ];
    for (status, code, shown, words) in refusals {
        let fault = ("PUT", "input.jsonl", xml(status, code, "No &amp; no."));
        let (upstream, _) = Cloud { faults: vec![fault], ..Cloud::done("Completed", Vec::new()) }.start().await;
        let gateway = setup(&upstream).start().await;
        let client = Client::of(&gateway);
        let answer = client.ask("POST", "/v1/batches", Some(&json!({"requests": two()}))).await;
        let (status, told_code, message) = told(&answer);
        assert_eq!((status, told_code.as_str()), (shown, code), "{message}");
        assert!(message.contains(words), "{message}");
        assert!(code == "NoSuchBucket" || message.contains(&format!("({code}: No & no)")), "{message}");
        assert!(!answer.text().contains("never shown") && !answer.text().contains("very-secret"));
        assert_eq!(client.get("/v1/batches").await["data"], json!([]));
        assert!(sent(&upstream, "POST", "/model-invocation-job").is_empty());
    }
}

/// What passes is tried again: an error of the storage, an answer that breaks off, a list that cannot be had. What cannot be
/// taken away is a matter of the log.
#[tokio::test]
async fn a_storage_that_stumbles_is_asked_again() {
    let cut = Reply::head(200, &[("content-length", "100000")]).bytes(b"{\"recordId\":").cut();
    let faults = vec![
        ("PUT", "input.jsonl", xml(500, "InternalError", "Again.")),
        ("GET", "/s3/jobs/", xml(503, "SlowDown", "Slowly.")),
        ("GET", "input.jsonl.out", cut),
        ("DELETE", "manifest.json.out", xml(403, "AccessDenied", "Not this one.")),
    ];
    let done = Cloud::done("Completed", vec![answered("one"), answered("two")]);
    let (upstream, cloud) = Cloud { faults, ..done }.start().await;
    let gateway = setup(&upstream).start().await;
    let client = Client::of(&gateway);
    let id = client.create(&two()).await;
    let batch = client.until(&id, "completed").await;
    assert_eq!(batch["request_counts"], json!({"total": 2, "completed": 2, "failed": 0}));
    assert_eq!(sent(&upstream, "PUT", "input.jsonl").len(), 2);
    assert_eq!(sent(&upstream, "POST", "/model-invocation-job").len(), 1);
    assert!(cloud.lock().expect("a cloud").faults.is_empty(), "all of it happened");
    gateway.says("is left behind: S3 denies s3:DeleteObject on s3://jobs/of/us/narthex-").await;
}

/// What a job has come to by its end is told line by line.
#[tokio::test]
async fn every_end_is_told() {
    for (status, ended, code) in [
        ("PartiallyCompleted", "completed", "batch_expired"),
        ("Expired", "completed", "batch_expired"),
        ("Stopped", "completed", "batch_cancelled"),
        ("Completed", "completed", "no_result"),
    ] {
        let (upstream, cloud) = Cloud::done(status, vec![answered("one")]).start().await;
        let gateway = setup(&upstream).start().await;
        let client = Client::of(&gateway);
        let batch = client.until(&client.create(&two()).await, ended).await;
        assert_eq!(client.results(&batch["output_file_id"]).await[0].0, "a", "{status}");
        let errors = client.results(&batch["error_file_id"]).await;
        assert_eq!((errors[0].0.as_str(), &errors[0].1["error"]["code"]), ("b", &code.into()), "{status}");
        assert!(cloud.lock().expect("a cloud").objects.is_empty());
    }
    // What failed before it began has no lines, and what failed in between has some.
    for ends in [vec![], vec![answered("one")]] {
        let message = "The role may not read the bucket.";
        let (upstream, cloud) = Cloud { message, ..Cloud::done("Failed", ends.clone()) }.start().await;
        let gateway = setup(&upstream).start().await;
        let client = Client::of(&gateway);
        let id = client.create(&two()).await;
        if ends.is_empty() {
            let batch = client.until(&id, "failed").await;
            assert_eq!(batch["errors"]["data"][0]["message"], message);
        } else {
            let batch = client.until(&id, "completed").await;
            let errors = client.results(&batch["error_file_id"]).await;
            assert_eq!(errors[0].1["response"]["body"]["error"]["message"], message);
        }
        assert!(cloud.lock().expect("a cloud").objects.is_empty());
    }
}

/// A job that is being validated cannot be stopped: it is told so again until it can.
#[tokio::test]
async fn a_stop_that_comes_too_early_is_repeated() {
    let refused = || Reply::json(400, r#"{"message":"State was: Validating"}"#);
    let faults = vec![("POST", "/stop", refused()), ("POST", "/stop", refused())];
    let (upstream, cloud) = Cloud { faults, ..Cloud::done("Validating", Vec::new()) }.start().await;
    let gateway = setup(&upstream).start().await;
    let client = Client::of(&gateway);
    let id = client.create(&two()).await;
    let answer = client.ask("POST", &format!("/v1/batches/{id}/cancel"), None).await;
    assert_eq!(parsed(&answer)["status"], "cancelling");
    let batch = client.until(&id, "cancelled").await;
    assert_eq!(client.results(&batch["error_file_id"]).await[1].1["error"]["code"], "batch_cancelled");
    assert_eq!(sent(&upstream, "POST", "/stop").len(), 3);
    assert!(cloud.lock().expect("a cloud").objects.is_empty());
}

/// An answer repeats its request: it may be longer than any request.
#[tokio::test]
async fn answers_may_be_longer_than_requests() {
    let text = "x".repeat(17 << 20);
    let (upstream, _) = Cloud::done("Completed", vec![answered(&text), answered("two")]).start().await;
    let gateway = setup(&upstream).start().await;
    let client = Client::of(&gateway);
    let batch = client.until(&client.create(&two()).await, "completed").await;
    let output = client.results(&batch["output_file_id"]).await;
    let said = output[0].1["response"]["body"]["choices"][0]["message"]["content"].as_str().expect("text");
    assert!(said == text, "{} bytes", said.len());
}

#[tokio::test]
async fn tools_are_refused_before_anybody_is_asked() {
    let (upstream, _) = Cloud::done("Completed", Vec::new()).start().await;
    let gateway = setup(&upstream).start().await;
    let mut lines = two();
    lines[1]["body"]["tools"] =
        json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    let answer = Client::of(&gateway).ask("POST", "/v1/batches", Some(&json!({"requests": lines}))).await;
    let (status, code, message) = told(&answer);
    assert_eq!((status, code.as_str()), (400, "invalid_batch_lines"));
    assert!(message.contains("line 2: Bedrock takes no tools in batches"), "{message}");
    assert!(upstream.requests().is_empty());
}

/// A gateway dies while it asks for a job. The next one finds what was put, and the job if it was made; nothing is made twice.
#[tokio::test]
async fn a_crash_before_the_job_is_known_makes_nothing_twice() {
    for makes in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("lasting.db").to_str().expect("UTF-8").to_owned();
        let gate = Gate::closed();
        let fault = ("POST", "/model-invocation-job", Reply::default().pause(&gate));
        let done = Cloud::done("Completed", vec![answered("one"), answered("two")]);
        let (upstream, cloud) = Cloud { faults: vec![fault], makes, ..done }.start().await;
        let start = async || -> Gateway { setup(&upstream).env("NARTHEX_STORE_PATH", &place).start().await };
        let mut gateway = start().await;
        let mut connection = gateway.client().await;
        let body = json!({"requests": two()}).to_string();
        let creating = tokio::spawn(async move {
            let body = crate::support::http::Body::Length(body.as_bytes());
            connection.exchange("POST", "/v1/batches", &[crate::support::gateway::JSON], body).await;
        });
        upstream.received_until(|requests| requests.iter().any(|request| request.method == "POST")).await;
        gateway.signal(Signal::SIGKILL);
        gateway.ended().await;
        creating.abort();
        free(&place).await;
        cloud.lock().expect("a cloud").makes = true;
        let gateway = start().await;
        let client = Client::of(&gateway);
        let id = client.get("/v1/batches").await["data"][0]["id"].as_str().expect("a batch").to_owned();
        let batch = client.until(&id, "completed").await;
        assert_eq!(batch["request_counts"]["completed"], 2);
        assert_eq!(sent(&upstream, "PUT", "input.jsonl").len(), 1, "it was there already");
        let asked = sent(&upstream, "POST", "/model-invocation-job");
        assert_eq!(asked.len(), if makes { 1 } else { 2 });
        assert!(asked.iter().all(|request| request.body == asked[0].body), "both mean the same job");
        assert!(cloud.lock().expect("a cloud").objects.is_empty());
    }
}

/// A wrong bucket is told when the configuration is read.
#[tokio::test]
async fn a_wrong_bucket_is_told_at_once() {
    let told = |settings: &str, variables: &[(&str, &str)]| {
        let setup = Setup::instances([("bedrock", format!("base_url: us-east-1, {settings}"))]);
        let setup = variables.iter().fold(setup, |setup, (name, value)| setup.env(name, *value));
        let (is_fine, output) = setup.run(&["check"]);
        (is_fine, output.stdout + &output.stderr)
    };
    let role = format!("batch_role: \"{ROLE}\"");
    let (is_fine, text) = told(&format!("batch_bucket: \"s3://jobs/x\", {role}"), &[]);
    assert!(is_fine && text.contains("s3://jobs/x"), "{text}");
    for (settings, variables, words) in [
        ("batch_bucket: \"s3://jobs\"".to_owned(), vec![], "batch_bucket needs a batch_role"),
        (role.clone(), vec![], "batch_role is for batches, and batch_bucket is missing"),
        (format!("batch_bucket: jobs, {role}"), vec![], "batch_bucket `jobs` is not like s3://name/prefix"),
        (format!("batch_bucket: \"s3://jobs\", {role}, api_key: k"), vec![], "a Bedrock API key"),
        (
            format!("batch_bucket: \"s3://jobs\", {role}"),
            vec![("AWS_BEARER_TOKEN_BEDROCK", "k")],
            "opens no bucket of S3",
        ),
    ] {
        let (is_fine, text) = told(&settings, &variables);
        assert!(!is_fine && text.contains(words), "{text}");
    }
}

/// Without a bucket there are no batches, as ever.
#[tokio::test]
async fn without_a_bucket_there_are_no_jobs() {
    let setup = Setup::instances([("bedrock", "base_url: us-east-1, models: [m]".to_owned())]);
    let gateway = setup.and("inventory: {mode: allowlist}").start().await;
    let answer = Client::of(&gateway).ask("POST", "/v1/batches", Some(&json!({"requests": two()}))).await;
    assert_eq!(answer.head.status, 400);
    assert!(parsed(&answer)["error"]["message"].as_str().is_some_and(|text| text.contains("`bedrock` has no batches")));
}
