//! What no batch can be made of, and what of a batch cannot be had.

use super::{CHAT, Client, line, parsed, setup, told};
use crate::support::gateway::Setup;
use crate::support::upstream::{Reply, Upstream};
use serde_json::{Value, json};

async fn nobody() -> Upstream {
    Upstream::start(|_| Reply::json(500, "{}")).await
}

/// Each bad line is told with its number and what is wrong with it. The file itself is taken: it is the batch that is not.
#[tokio::test]
async fn bad_lines_are_told_with_number_and_reason() {
    let upstream = nobody().await;
    let gateway = setup(&upstream, "").start().await;
    let client = Client::of(&gateway);
    let good = line("a", "anthropic/m").to_string();
    let other = |change: &dyn Fn(&mut Value)| {
        let mut line = line("b", "anthropic/m");
        change(&mut line);
        line.to_string()
    };
    let without = |name: &'static str| other(&move |line| drop(line.as_object_mut().unwrap().remove(name)));
    let set = |name: &'static str, value: Value| other(&|line| line[name] = value.clone());
    let bad: Vec<(String, &str)> = vec![
        ("{\"custom_id\"".into(), "line 3: this is not a JSON object: EOF while parsing an object at line 1 column 12"),
        ("[]".into(), "line 3: this is not a JSON object: "),
        (without("custom_id"), "line 3: `custom_id` is missing or empty"),
        (without("url"), "line 3: `url` is missing or empty"),
        (without("body"), "line 3: `body` is missing or empty"),
        (set("method", "GET".into()), "line 3: `method` must be POST"),
        (
            set("url", "/v1/files".into()),
            "line 3: `url` is none of those that batches know: /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/messages, \
             /v1/moderations, /v1/responses",
        ),
        (set("body", json!([])), "line 3: `body` is not a JSON object: "),
        (set("body", json!({})), "line 3: `body.model` is missing or empty"),
        (
            set("body", json!({"model": "anthropic/m", "stream": true})),
            "line 3: `stream` is not possible in a batch: leave it out",
        ),
        (good.clone(), "line 3: `custom_id` has been used before"),
        (format!("\"{}\"", "x".repeat(16 << 20)), "line 3: the line is longer than 16 MiB"),
        (
            set("url", "/v1/responses".into()),
            "line 3 asks `/v1/responses`, and the batch is for `/v1/chat/completions` (line 1 asks `/v1/chat/completions`)",
        ),
        (set("body", json!({"model": "nobody/m"})), "Line 3: The model `nobody/m` does not exist here."),
    ];
    for (text, expected) in bad {
        // An empty line counts.
        let file = client.file("anthropic", &format!("{good}\n\n{text}\n")).await;
        let body = json!({"input_file_id": file, "endpoint": CHAT, "completion_window": "24h"});
        let (status, _, message) = told(&client.ask("POST", "/v1/batches", Some(&body)).await);
        assert!(matches!(status, 400 | 404), "{status}");
        assert!(message.contains(expected), "{message}\n{expected}");
    }
    let file = client.file("anthropic", " \n").await;
    let (status, code, message) = told(&client.ask("POST", "/v1/batches", Some(&json!({"input_file_id": file}))).await);
    assert_eq!((status, code.as_str()), (400, "invalid_batch_lines"));
    assert_eq!(message, "The requests cannot be carried out: the file holds no requests.");
    // Many are told as many.
    let file = client.file("anthropic", &"x\n".repeat(30)).await;
    let (_, _, message) = told(&client.ask("POST", "/v1/batches", Some(&json!({"input_file_id": file}))).await);
    assert!(message.contains("line 20: ") && message.ends_with("; and 10 more."), "{message}");
    assert!(
        upstream.requests().iter().all(|request| request.method == "GET"),
        "nobody is asked for what cannot be done"
    );
    assert_eq!(client.get("/v1/batches").await["data"], json!([]));
}

#[tokio::test]
async fn bad_requests_are_told() {
    let upstream = nobody().await;
    let gateway = setup(&upstream, "").start().await;
    let client = Client::of(&gateway);
    let file = client.file("anthropic", &line("a", "anthropic/m").to_string()).await;
    let requests = json!([line("a", "openai/m"), {"custom_id": "b"}]);
    let refused: Vec<(Value, u16, &str)> = vec![
        (json!([]), 400, "The body cannot be read as a batch: "),
        (json!({}), 400, "`input_file_id` is missing: name the uploaded file of requests, or send `requests`."),
        (
            json!({"input_file_id": file, "requests": requests}),
            400,
            "A batch has `input_file_id` or `requests`, not both.",
        ),
        (json!({"endpoint": CHAT, "requests": requests}), 400, "request 2: `body` is missing or empty"),
        (json!({"input_file_id": "file-none"}), 404, "There is no file `file-none`."),
        (json!({"input_file_id": file, "endpoint": "/v1/files"}), 400, "Batches know no endpoint `/v1/files`."),
        (json!({"input_file_id": file, "endpoint": "/v1/responses"}), 400, "the batch is for `/v1/responses`"),
        (
            json!({"input_file_id": file, "completion_window": "soon"}),
            400,
            "`completion_window` is a time such as `24h`, not `soon`.",
        ),
        (
            json!({"requests": [line("a", "openai/m"), line("b", "ollama/p")]}),
            400,
            "The requests of a batch go to one instance, and none serves all of these models: line 2 asks for `ollama/p` (`ollama`), \
             line 1 for `openai/m` (`openai`).",
        ),
        (
            json!({"requests": [line("a", "ollama/p")]}),
            400,
            "`ollama` has no batches; with `batches.emulate: true` the gateway asks the requests one by one.",
        ),
        (
            json!({"requests": [line("a", "openai/m")], "metadata": {"provider": "anthropic"}}),
            400,
            "All requests of this batch go to `anthropic`. Line 1 asks for `openai/m`, which it does not serve.",
        ),
    ];
    for (body, expected, words) in refused {
        let (status, _, message) = told(&client.ask("POST", "/v1/batches", Some(&body)).await);
        assert_eq!(status, expected, "{body}: {message}");
        // Models are told in the order of their names.
        assert!(message.contains(words), "{message}\n{words}");
    }
}

#[tokio::test]
async fn unknown_batches_and_early_results_are_told() {
    let upstream = nobody().await;
    let gateway = setup(&upstream, ", emulate: true").start().await;
    let client = Client::of(&gateway);
    for (method, path) in [("GET", ""), ("POST", "/cancel"), ("GET", "/results"), ("DELETE", "")] {
        let path = format!("/v1/batches/batch_none{path}");
        let (status, code, message) = told(&client.ask(method, &path, None).await);
        assert_eq!(
            (status, code.as_str(), message.as_str()),
            (404, "batch_not_found", "There is no batch `batch_none`.")
        );
    }
    assert_eq!(
        told(&client.ask("GET", "/v1/batches?limit=0", None).await).2,
        "`limit` is a number from 1 to 100, not `0`."
    );
    // What is refused for a moment is tried again, so there is time to ask.
    let id = client.create(&[line("a", "ollama/p")]).await;
    let (status, code, _) = told(&client.ask("GET", &format!("/v1/batches/{id}/results"), None).await);
    assert_eq!((status, code.as_str()), (409, "results_not_ready"));
    let (status, code, _) = told(&client.ask("DELETE", &format!("/v1/batches/{id}"), None).await);
    assert_eq!((status, code.as_str()), (409, "batch_not_over"));
}

/// What a provider says to a batch is told to its client, and no batch is left.
#[tokio::test]
async fn what_a_provider_refuses_is_told_in_the_clients_dialect() {
    let upstream = Upstream::start(|request| match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/v1/files") => Reply::json(
            200,
            r#"{"id":"file-up","object":"file","purpose":"batch","bytes":1,"created_at":5,"filename":"x"}"#,
        ),
        ("POST", "/v1/batches") => Reply::json(
            400,
            r#"{"error":{"message":"Quota of batches.","type":"invalid_request_error","code":"quota","param":null}}"#,
        ),
        ("DELETE", _) => Reply::json(200, "{}"),
        _ => Reply::json(404, "{}"),
    })
    .await;
    let gateway = setup(&upstream, "").start().await;
    let client = Client::of(&gateway);
    let body = json!({"requests": [line("a", "openai/m")], "endpoint": CHAT});
    let answer = client.ask("POST", "/v1/batches", Some(&body)).await;
    assert_eq!(told(&answer), (400, "quota".into(), "Quota of batches.".into()));
    let params = json!({"model": "openai/m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]});
    let body = json!({"requests": [{"custom_id": "a", "params": params}]});
    let answer = client.ask("POST", "/v1/messages/batches", Some(&body)).await;
    let shown = parsed(&answer);
    assert_eq!((answer.head.status, &shown["error"]["message"]), (400, &"Quota of batches.".into()));
    assert_eq!((&shown["type"], &shown["error"]["type"]), (&"error".into(), &"invalid_request_error".into()));
    assert_eq!(client.get("/v1/batches").await["data"], json!([]));
    // What was put there for it is taken away.
    assert_eq!(upstream.requests().iter().filter(|request| request.method == "DELETE").count(), 2);
}

/// Each key has its own.
#[tokio::test]
async fn another_key_finds_nothing() {
    let upstream = Upstream::start(|request| Reply::json(200, super::chat(&request.body))).await;
    let keys = "keys: {one: {value: sk-one-one-one}, two: {value: sk-two-two-two}}";
    let setup: Setup = setup(&upstream, ", emulate: true").and(keys);
    let gateway = setup.start().await;
    let (one, two) =
        (Client { gateway: &gateway, key: "sk-one-one-one" }, Client { gateway: &gateway, key: "sk-two-two-two" });
    let id = one.create(&[line("a", "ollama/p")]).await;
    let batch = one.until(&id, "completed").await;
    let text = |name: &str| batch[name].as_str().expect("an id").to_owned();
    let (input, output) = (text("input_file_id"), text("output_file_id"));
    for (method, path) in [
        ("GET", format!("/v1/batches/{id}")),
        ("POST", format!("/v1/batches/{id}/cancel")),
        ("GET", format!("/v1/batches/{id}/results")),
        ("DELETE", format!("/v1/batches/{id}")),
        ("GET", format!("/v1/messages/batches/{id}/results")),
        ("GET", format!("/v1/files/{input}")),
        ("GET", format!("/v1/files/{output}/content")),
        ("DELETE", format!("/v1/files/{output}")),
    ] {
        let answer = two.ask(method, &path, None).await;
        assert_eq!(answer.head.status, 404, "{method} {path}: {}", answer.text());
    }
    let (status, ..) = told(&two.ask("POST", "/v1/batches", Some(&json!({"input_file_id": input}))).await);
    assert_eq!(status, 404);
    assert_eq!(two.get("/v1/batches").await["data"], json!([]));
    assert_eq!(two.get("/v1/files").await["data"], json!([]));
    assert_eq!(one.results(&batch["output_file_id"]).await.len(), 1);
}
