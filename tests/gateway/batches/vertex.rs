//! Jobs of Vertex AI: what exactly is put into the bucket and asked for, what becomes of the answers, and what when either says no.

use super::emulated::free;
use super::google::{Cloud, JOBS, Objects};
use super::{CHAT, Client, line, parsed, told};
use crate::support::gateway::Setup;
use crate::support::upstream::{Gate, Received, Reply};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

fn willing(_: &Received, _: usize) -> Option<Reply> {
    None
}

/// An answer to the line of this number, by the name that it was given.
fn answer(folder: &str, number: u64, text: &str) -> String {
    let mark = folder.split('/').find_map(|part| part.strip_prefix("narthex-")).expect("a mark");
    let content = json!({"role": "model", "parts": [{"text": text}]});
    let usage = json!({"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5});
    let response = json!({"candidates": [{"content": content, "finishReason": "STOP"}], "usageMetadata": usage});
    json!({"custom_id": format!("{mark}-{number}"), "status": "", "processed_time": "x", "response": response})
        .to_string()
        + "\n"
}

fn failure(number: u64, status: &str) -> String {
    let labels = json!({"narthex_block": "b0", "narthex_line": format!("l{number}"), "team": null});
    json!({"status": status, "request": {"labels": labels, "contents": null}, "response": {}}).to_string() + "\n"
}

fn put(objects: &mut Objects, folder: &str, name: &str, content: impl Into<Vec<u8>>) {
    objects.insert(format!("{folder}prediction-m-2026-11-23T00:00:00Z/{name}"), content.into());
}

fn succeeded(folder: &str, objects: &mut Objects) -> Value {
    put(objects, folder, "predictions.jsonl", answer(folder, 1, "one"));
    json!({"state": "JOB_STATE_SUCCEEDED"})
}

fn said(result: &Value) -> &str {
    result["response"]["body"]["choices"][0]["message"]["content"].as_str().unwrap_or_default()
}

/// The lines are put under a name that no other batch has; the answers come in several objects and in any order, by either of their
/// names; then all of it is taken away.
#[tokio::test]
async fn requests_and_answers_go_through_the_bucket() {
    let end = |folder: &str, objects: &mut Objects| {
        put(objects, folder, "predictions_0001.jsonl", answer(folder, 3, "three") + "not ours\n");
        put(
            objects,
            folder,
            "predictions_0002.jsonl-00000-of-00001",
            answer(folder, 1, "one") + &answer(folder, 3, "again"),
        );
        let refused =
            r#"Bad Request: {"error": {"code": 400, "message": "Use a valid role.", "status": "INVALID_ARGUMENT"}}"#;
        put(objects, folder, "errors_0001.jsonl", failure(2, refused));
        put(objects, folder, "notes.txt", "nothing to read");
        let stats = json!({"successfulCount": "2", "failedCount": "1", "incompleteCount": "-1"});
        json!({"state": "JOB_STATE_SUCCEEDED", "completionStats": stats})
    };
    let cloud = Cloud::start(end, willing).await;
    let gateway = cloud.setup().start().await;
    let client = Client::of(&gateway);
    let id = client.create(&["a", "b", "c", "d"].map(|id| line(id, "vertex/google/m"))).await;
    let batch = client.until(&id, "completed").await;
    assert_eq!(batch["request_counts"], json!({"total": 4, "completed": 2, "failed": 2}));
    assert_eq!(batch["usage"]["total_tokens"], 10);

    let mark = &id.trim_start_matches("batch_")[..24];
    let [upload] = &cloud.uploads()[..] else { panic!("one upload") };
    assert_eq!(
        upload.path,
        format!("/gcs/upload/storage/v1/b/jobs/o?uploadType=media&name=of%2Fnarthex-{mark}%2Finput.jsonl")
    );
    assert_eq!(upload.headers.get("content-type"), Some("application/jsonl"));
    assert_eq!(upload.headers.get("content-length"), Some(upload.body.len().to_string().as_str()));
    let expected = |number: u64, id: &str| {
        let labels = format!(r#"{{"narthex_block":"b0","narthex_line":"l{number}"}}"#);
        let contents = format!(r#"[{{"role":"user","parts":[{{"text":"I am {id}"}}]}}]"#);
        format!("{{\"custom_id\":\"{mark}-{number}\",\"request\":{{\"labels\":{labels},\"contents\":{contents}}}}}\n")
    };
    assert_eq!(upload.text(), expected(1, "a") + &expected(2, "b") + &expected(3, "c") + &expected(4, "d"));
    let [made] = &cloud.asked("POST", JOBS)[..] else { panic!("one job") };
    let folder = format!("gs://jobs/of/narthex-{mark}");
    assert_eq!(
        serde_json::from_slice::<Value>(&made.body).expect("JSON"),
        json!({
            "displayName": id,
            "model": "publishers/google/models/m",
            "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [format!("{folder}/input.jsonl")]}},
            "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": format!("{folder}/output/")}},
        })
    );

    let output = client.results(&batch["output_file_id"]).await;
    let told: Vec<_> = output.iter().map(|(id, result)| (id.as_str(), said(result))).collect();
    assert_eq!(told, [("a", "one"), ("c", "three")]);
    let errors = client.results(&batch["error_file_id"]).await;
    let [(second, refused), (fourth, missing)] = &errors[..] else { panic!("two: {errors:?}") };
    assert_eq!((second.as_str(), &refused["response"]["status_code"]), ("b", &400.into()));
    assert_eq!(refused["response"]["body"]["error"]["message"], "Use a valid role.");
    assert_eq!((fourth.as_str(), &missing["error"]["code"]), ("d", &"no_result".into()));
    gateway.says("1 of 5 answers").await;
    assert_eq!(cloud.objects(), Vec::<String>::new(), "what was put and what was answered is gone");
}

/// Claude's requests are Anthropic's own, without labels.
#[tokio::test]
async fn claude_has_lines_of_its_own() {
    let end = |folder: &str, objects: &mut Objects| {
        let mark = folder.split('/').find_map(|part| part.strip_prefix("narthex-")).expect("a mark");
        let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "c", "stop_reason": "end_turn",
            "stop_sequence": null, "content": [{"type": "text", "text": "hello"}], "usage": {"input_tokens": 3, "output_tokens": 2}});
        let line = json!({"custom_id": format!("{mark}-1"), "request": {}, "response": message, "status": ""});
        put(objects, folder, "predictions.jsonl", line.to_string());
        json!({"state": "JOB_STATE_SUCCEEDED"})
    };
    let cloud = Cloud::start(end, willing).await;
    let gateway = cloud.setup().start().await;
    let client = Client::of(&gateway);
    let mut request = line("a", "vertex/anthropic/c");
    request["body"]["max_tokens"] = 9.into();
    let id = client.create(&[request]).await;
    let batch = client.until(&id, "completed").await;
    assert_eq!(said(&client.results(&batch["output_file_id"]).await[0].1), "hello");
    let upload: Value = serde_json::from_slice(&cloud.uploads()[0].body).expect("one line");
    assert_eq!(upload["request"]["anthropic_version"], "vertex-2023-10-16");
    assert_eq!((upload["request"].get("labels"), upload["request"].get("model")), (None, None));
    let made: Value = serde_json::from_slice(&cloud.asked("POST", JOBS)[0].body).expect("JSON");
    assert_eq!(made["model"], "publishers/anthropic/models/c");
}

/// What the storage says no to is told with what was wanted and what can be done; no job is made then.
#[tokio::test]
async fn the_storage_may_refuse() {
    let google = |code: u16, message: &str| json!({"error": {"code": code, "message": message}}).to_string();
    for (status, body, expected) in [
        (
            403,
            google(403, "gw@p-1.iam does not have storage.objects.create access."),
            [
                "refuses storage.objects.create for gs://jobs/of/narthex-",
                "The identity of `vertex` needs storage.objects.create",
            ],
        ),
        (
            404,
            google(404, "The specified bucket does not exist."),
            ["The specified bucket does not exist", "`batch_bucket` of `vertex` names the bucket jobs: is it there?"],
        ),
        (401, "Anonymous".to_owned(), ["refuses storage.objects.create", "on the bucket jobs."]),
    ] {
        let refuse = move |request: &Received, _: usize| {
            let is_upload = request.method == "POST" && request.path.starts_with("/gcs/upload");
            is_upload.then(|| Reply::json(status, &body))
        };
        let cloud = Cloud::start(succeeded, refuse).await;
        let gateway = cloud.setup().start().await;
        let body = json!({"endpoint": CHAT, "requests": [line("a", "vertex/google/m")]});
        let answer = Client::of(&gateway).ask("POST", "/v1/batches", Some(&body)).await;
        let (told_status, _, message) = told(&answer);
        assert_eq!(told_status, status, "{message}");
        for part in expected {
            assert!(message.contains(part), "{message}\n{part}");
        }
        assert!(!message.contains("ya29"), "{message}");
        assert_eq!(cloud.asked("POST", JOBS).len(), 0);
    }
}

/// What may pass is tried again, from where it stopped: an upload, a download that breaks off. What cannot be taken away is told.
#[tokio::test]
async fn a_storage_in_trouble_is_borne() {
    let refuse = |request: &Received, before: usize| match (request.method.as_str(), request.path.as_str()) {
        ("POST", path) if path.starts_with("/gcs/upload") && before == 0 => Some(Reply::json(503, "{}")),
        ("GET", path) if path.contains("alt=media") && before == 0 => {
            Some(Reply::head(200, &[("content-length", "1000")]).bytes("{\"custom_id\"").cut())
        }
        ("DELETE", path) if path.contains("input.jsonl") => Some(Reply::json(403, "{}")),
        _ => None,
    };
    let cloud = Cloud::start(succeeded, refuse).await;
    let gateway = cloud.setup().start().await;
    let client = Client::of(&gateway);
    let id = client.create(&[line("a", "vertex/google/m")]).await;
    let batch = client.until(&id, "completed").await;
    assert_eq!(said(&client.results(&batch["output_file_id"]).await[0].1), "one");
    assert_eq!((cloud.uploads().len(), cloud.asked("POST", JOBS).len()), (2, 1));
    let output = gateway.says("objects of").await;
    assert!(output.stderr.contains("storage.objects.delete"), "{}", output.stderr);
    assert_eq!(cloud.objects().len(), 1, "the rest is gone all the same");
}

/// Nothing is left behind of a job that is not made; answers that cannot be had stay where their owner can have them.
#[tokio::test]
async fn what_is_paid_for_stays() {
    let body = json!({"endpoint": CHAT, "requests": [line("a", "vertex/google/m")]});
    let unknown = |request: &Received, _: usize| {
        let error = r#"{"error":{"code":404,"message":"The PublisherModel m does not exist.","status":"NOT_FOUND"}}"#;
        (request.method == "POST" && request.path == JOBS).then(|| Reply::json(404, error))
    };
    let cloud = Cloud::start(succeeded, unknown).await;
    let gateway = cloud.setup().start().await;
    let answer = Client::of(&gateway).ask("POST", "/v1/batches", Some(&body)).await;
    assert_eq!((told(&answer).0, told(&answer).2.as_str()), (404, "The PublisherModel m does not exist."));
    assert_eq!((cloud.uploads().len(), cloud.objects()), (1, Vec::new()));

    let unreadable = |request: &Received, _: usize| {
        let is_download = request.method == "GET" && request.path.contains("alt=media");
        is_download.then(|| Reply::whole(403, "text/html", "gw@p-1.iam does not have storage.objects.get access."))
    };
    let cloud = Cloud::start(succeeded, unreadable).await;
    let gateway = cloud.setup().start().await;
    let client = Client::of(&gateway);
    let id = client.create(&[line("a", "vertex/google/m")]).await;
    let batch = client.until(&id, "failed").await;
    let why = batch["errors"]["data"][0]["message"].as_str().expect("a reason").to_owned();
    assert!(why.starts_with("Cloud Storage refuses storage.objects.get for gs://jobs/of/narthex-"), "{why}");
    assert_eq!(cloud.objects().len(), 2);
    gateway.says("could not be read, and stay in of/narthex-").await;
}

/// A gateway dies while it hands a batch over. The next one finds what is there already: the lines, and the job if it was made.
#[tokio::test]
async fn a_crash_doubles_nothing() {
    for is_made in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let store = folder.path().join("kept.db").to_str().expect("UTF-8").to_owned();
        let gate = Gate::closed();
        let held = gate.clone();
        let refuse = move |request: &Received, before: usize| {
            let is_first = request.method == "POST" && request.path == JOBS && before == 0;
            is_first.then(|| Reply::default().pause(&held))
        };
        let cloud = Cloud::start(succeeded, refuse).await;
        let start = async || cloud.setup().env("NARTHEX_STORE_PATH", store.as_str()).start().await;
        let mut gateway = start().await;
        let asking = gateway.client().await;
        let body = json!({"endpoint": CHAT, "requests": [line("a", "vertex/google/m")]}).to_string();
        let task = tokio::spawn(async move {
            let mut client = asking;
            let headers = [crate::support::gateway::JSON];
            client.request("POST", "/v1/batches", &headers, crate::support::http::Body::Length(body.as_bytes())).await;
            client.closed().await
        });
        cloud.upstream.received_until(|requests| requests.iter().any(|request| request.path == JOBS)).await;
        gateway.signal(Signal::SIGKILL);
        gateway.ended().await;
        task.await.expect("the client sees the end");
        if is_made {
            // The answer was lost, not the request.
            let asked = cloud.asked("POST", JOBS);
            cloud.make(&asked[0].body);
        }
        free(&store).await;
        let gateway = start().await;
        let client = Client::of(&gateway);
        let list = client.get("/v1/batches").await;
        let id = list["data"][0]["id"].as_str().expect("a batch").to_owned();
        let batch = client.until(&id, "completed").await;
        assert_eq!(said(&client.results(&batch["output_file_id"]).await[0].1), "one");
        assert_eq!(cloud.uploads().len(), 1, "the lines are put once");
        assert_eq!(cloud.asked("POST", JOBS).len(), if is_made { 1 } else { 2 });
        let filter = format!("{JOBS}?pageSize=100&filter=display_name%3D%22{id}%22");
        assert_eq!(cloud.asked("GET", JOBS)[0].path, filter);
        assert_eq!(cloud.objects(), Vec::<String>::new());
    }
}

/// However a job ends, what it has answered is had, and the rest is told why it was not.
#[tokio::test]
async fn jobs_end_in_many_ways() {
    let one = |folder: &str, objects: &mut Objects| put(objects, folder, "predictions.jsonl", answer(folder, 1, "one"));
    let quota = || json!({"code": 8, "message": "Quota exceeded."});
    let cases: Vec<(&str, Value, bool, &str, &str)> = vec![
        (
            "JOB_STATE_FAILED",
            json!({"error": quota(), "completionStats": {"successfulCount": "1"}}),
            true,
            "completed",
            "429",
        ),
        (
            "JOB_STATE_FAILED",
            json!({"error": quota(), "completionStats": {"successfulCount": "1"}}),
            false,
            "failed",
            "",
        ),
        ("JOB_STATE_FAILED", json!({"error": quota()}), true, "failed", ""),
        ("JOB_STATE_PARTIALLY_SUCCEEDED", json!({"partialFailures": [quota()]}), true, "completed", "429"),
        ("JOB_STATE_EXPIRED", json!({}), true, "completed", "batch_expired"),
        ("JOB_STATE_EXPIRED", json!({}), false, "expired", "batch_expired"),
        (
            "JOB_STATE_CANCELLED",
            json!({"error": {"code": 1, "message": "CANCELED"}}),
            true,
            "completed",
            "batch_cancelled",
        ),
    ];
    for (state, mut more, has_answers, status, rest) in cases {
        more["state"] = state.into();
        let case = format!("{more} {has_answers}");
        let end = move |folder: &str, objects: &mut Objects| {
            if has_answers {
                one(folder, objects);
            }
            more.clone()
        };
        let cloud = Cloud::start(end, willing).await;
        let gateway = cloud.setup().start().await;
        let client = Client::of(&gateway);
        let id = client.create(&["a", "b"].map(|id| line(id, "vertex/google/m"))).await;
        let batch = client.until(&id, status).await;
        let output = client.results(&batch["output_file_id"]).await;
        assert_eq!(output.len(), usize::from(has_answers && status != "failed"), "{case}");
        if status == "failed" {
            assert_eq!(batch["errors"]["data"][0]["message"], "Quota exceeded.", "{case}");
        } else {
            let errors = client.results(&batch["error_file_id"]).await;
            let error = &errors.last().expect("an error").1;
            let told = error["error"]["code"].as_str().map(str::to_owned);
            assert_eq!(told.unwrap_or_else(|| error["response"]["status_code"].to_string()), rest, "{case}");
        }
        assert_eq!(cloud.objects(), Vec::<String>::new(), "{case}");
    }
}

/// Without a bucket there are no batches; one that cannot be used is said at once.
#[tokio::test]
async fn a_bucket_is_checked_at_the_start() {
    let vertex = |settings: &str| Setup::instances([("vertex", format!("models: [google/m], {settings}"))]);
    for (settings, why) in [
        ("project: p, location: l, batch_bucket: s3://jobs", "batch_bucket `s3://jobs` is not like gs://name/prefix"),
        ("api_key: k, batch_bucket: gs://jobs", "batch_bucket cannot be used with an api_key"),
        (
            "project: p, location: l, batch_bucket: gs://jobs, storage_url: here",
            "storage_url `here` must start with https://",
        ),
    ] {
        let (is_usable, output) = vertex(settings).run(&["check"]);
        assert!(!is_usable && output.stderr.contains(why), "{settings}: {}", output.stderr);
    }
    let (is_usable, output) = vertex("project: p, location: l, batch_bucket: gs://jobs/a").run(&["check"]);
    assert!(is_usable, "{}", output.stderr);
    let gateway = vertex("project: p, location: l").start().await;
    let body = json!({"endpoint": CHAT, "requests": [line("a", "vertex/google/m")]});
    let answer = Client::of(&gateway).ask("POST", "/v1/batches", Some(&body)).await;
    assert_eq!(answer.head.status, 400, "{}", parsed(&answer));
}
