//! What is told of exchanges: one access line each, and counters.

use crate::support::gateway::{Provider, Setup, openai};
use crate::support::http::Body;
use crate::support::upstream::Reply;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const CHAT: &str = "/v1/chat/completions";
const USAGE: &str = r#"{"usage":{"prompt_tokens":10,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":3}}}"#;

/// The members of `line` that `expected` has.
fn assert_line(line: &Value, expected: Value) {
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(line.get(name).unwrap_or(&Value::Null), value, "{name} in {line}");
    }
}

#[tokio::test]
async fn every_exchange_leaves_one_line() {
    let stream = format!("data: {{\"choices\":[{{}}]}}\n\ndata: {{\"choices\":[],{}\n\ndata: [DONE]\n\n", &USAGE[1..]);
    let good = Provider::start(move |request| match request.text().contains("stream") {
        true => Reply::events().chunk(&stream).end(),
        false => Reply::json(200, USAGE),
    })
    .await;
    let busy = Provider::always(Reply::json(429, "{}")).await;
    let gateway = Setup::instances([("busy", busy.settings()), ("good", good.settings())])
        .and("models: {alias: {strategy: priority, targets: [busy/x, good/y]}}")
        .env("NARTHEX_RETRIES", "0")
        .start()
        .await;
    // A line is written after the answer: each is waited for, so that they stand in this order.
    gateway.post_with("/v1/chat/completions?key=query", &[("x-request-id", "first")], r#"{"model":"good/m"}"#).await;
    gateway.access_lines(1).await;
    gateway.post(CHAT, r#"{"model":"alias","stream":true}"#).await;
    gateway.access_lines(2).await;
    gateway.post(CHAT, r#"{"model":"busy/m"}"#).await;
    gateway.access_lines(3).await;
    gateway.post(CHAT, r#"{"model":"unknown-model"}"#).await;
    gateway.access_lines(4).await;
    gateway.post("/nowhere", "{}").await;
    gateway.access_lines(5).await;
    gateway.client().await.exchange("PUT", "/p/good/files", &[], Body::Length(b"12345")).await;
    gateway.access_lines(6).await;
    gateway.get("/v1/models").await;
    gateway.access_lines(7).await;
    let long = format!(r#"{{"model":"good/m","x":"{}"}}"#, "y".repeat(100_000));
    gateway.client().await.exchange("POST", "/v1/responses", &[], Body::Chunked(&[long.as_bytes()])).await;
    gateway.get("/health").await;
    let lines = gateway.access_lines(8).await;
    let counted = json!({"input_tokens": 10, "output_tokens": 7, "cached_tokens": 4, "reasoning_tokens": 3});
    let expected = [
        json!({"request_id": "first", "method": "POST", "path": CHAT, "operation": "chat completions", "model": "good/m", "instance": "good",
            "upstream_model": "m", "status": 200, "outcome": "ok", "attempts": 1, "stream": false, "bytes_in": 18, "bytes_out": USAGE.len(),
            "client": "127.0.0.1", "tenant": null, "error": null}),
        json!({"model": "alias", "instance": "good", "upstream_model": "y", "status": 200, "outcome": "ok", "attempts": 2, "stream": true}),
        json!({"model": "busy/m", "instance": "busy", "status": 429, "outcome": "error", "attempts": 1, "bytes_out": 2, "input_tokens": null}),
        json!({"model": "unknown-model", "instance": null, "status": 404, "outcome": "error", "attempts": 0}),
        json!({"operation": "unknown", "path": "/nowhere", "status": 404, "outcome": "error", "model": null}),
        json!({"operation": "passthrough", "method": "PUT", "path": "/p/good/files", "instance": "good", "status": 200, "model": null,
            "upstream_model": null, "bytes_in": 5, "outcome": "ok"}),
        json!({"operation": "models", "method": "GET", "status": 200, "outcome": "ok"}),
        json!({"operation": "responses", "model": "good/m", "status": 200, "outcome": "ok", "attempts": 1, "bytes_in": long.len(), "client": "127.0.0.1"}),
    ];
    assert_eq!(lines.len(), expected.len(), "health leaves none of ours");
    for (line, expected) in lines.iter().zip(expected) {
        assert_line(line, expected);
        assert!(line["duration_ms"].as_f64().expect("a duration") >= line["first_byte_ms"].as_f64().unwrap_or(0.0));
        assert!(line["time"].as_str().expect("a time").ends_with('Z'));
    }
    for at in [0, 1, 7] {
        assert_line(&lines[at], counted.clone());
    }
    let printed = gateway.output().stdout;
    assert!(!printed.contains("query") && !printed.contains("key-"), "{printed}");
}

#[tokio::test]
async fn the_log_can_be_switched_off() {
    let gateway = Setup::new().env("NARTHEX_ACCESS_LOG", "off").start().await;
    gateway.chat("m").await;
    let mut gateway = gateway;
    gateway.signal(nix::sys::signal::Signal::SIGTERM);
    gateway.ended().await;
    assert_eq!(gateway.output().stdout, "");
}

/// The value of a metric with these labels, in the order in which they are printed.
fn value(metrics: &str, name: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is missing in\n{metrics}")).parse().expect("a number")
}

#[tokio::test]
async fn metrics_count() {
    let good = Provider::always(Reply::json(200, USAGE)).await;
    let failing = Provider::always(Reply::json(500, "{}")).await;
    let gateway = Setup::instances([("good", good.settings()), ("failing", failing.settings())])
        .env("NARTHEX_STRATEGY", "priority")
        .env("NARTHEX_RETRIES", "0")
        .start()
        .await;
    gateway.chat("m").await; // failing, then good
    for n in 0..30 {
        gateway.chat(&format!("good/made-up-{n}")).await;
        gateway.chat(&format!("made-up-{n}")).await;
        gateway.get(&format!("/made-up-{n}")).await;
    }
    gateway.get("/health").await;
    gateway.access_lines(91).await;
    let metrics = gateway.metrics().await;
    let good = r#"instance="good",model="#;
    for (name, expected) in [
        (format!(r#"narthex_requests_total{{{good}"m",operation="chat completions",status="200"}}"#), 1),
        (format!(r#"narthex_requests_total{{{good}"other",operation="chat completions",status="200"}}"#), 30),
        (
            r#"narthex_requests_total{instance="",model="other",operation="chat completions",status="404"}"#.to_owned(),
            30,
        ),
        (r#"narthex_requests_total{instance="",model="other",operation="unknown",status="404"}"#.to_owned(), 30),
        (r#"narthex_tokens_total{instance="good",kind="input",model="m"}"#.to_owned(), 10),
        (r#"narthex_tokens_total{instance="good",kind="output",model="m"}"#.to_owned(), 7),
        (r#"narthex_tokens_total{instance="good",kind="cached",model="m"}"#.to_owned(), 4),
        (r#"narthex_tokens_total{instance="good",kind="reasoning",model="m"}"#.to_owned(), 3),
        (r#"narthex_attempts_total{instance="failing",outcome="refused"}"#.to_owned(), 1),
        (r#"narthex_attempts_total{instance="good",outcome="answered"}"#.to_owned(), 31),
        (r#"narthex_request_duration_seconds_count{instance="good",operation="chat completions"}"#.to_owned(), 31),
        (r#"narthex_time_to_first_byte_seconds_count{instance="good",operation="chat completions"}"#.to_owned(), 31),
        (r#"narthex_in_flight{instance="good"}"#.to_owned(), 0),
        (r#"narthex_instance_cooling{instance="failing"}"#.to_owned(), 1),
        (r#"narthex_models{instance="good"}"#.to_owned(), 1),
    ] {
        assert_eq!(value(&metrics, &name), expected, "{name}");
    }
    assert!(!metrics.contains("made-up"), "labels are bounded");
    let models: BTreeSet<_> =
        metrics.lines().filter_map(|line| line.split_once("model=\"")?.1.split('"').next()).collect();
    assert_eq!(models, BTreeSet::from(["m", "other"]));
    // Administration has a listener of its own.
    assert_eq!(gateway.get("/metrics").await.head.status, 404);
    let mut admin = crate::support::http::Client::connect(gateway.admin).await;
    for (path, status) in [("/health", 200), ("/health/ready", 200), ("/v1/models", 404), ("/p/good/x", 404)] {
        assert_eq!(admin.exchange("GET", path, &[], Body::None).await.head.status, status, "{path}");
    }
}

#[tokio::test]
async fn a_dead_provider_is_told_of() {
    let dead = "127.0.0.1:1".parse().expect("an address");
    let settings = openai(dead) + ", models: [m]";
    let gateway = Setup::instances([("dead", settings)]).env("NARTHEX_RETRIES", "1").start().await;
    gateway.chat("m").await;
    let line = &gateway.access_lines(1).await[0];
    assert_line(
        line,
        json!({"instance": "dead", "status": 502, "outcome": "error", "attempts": 2, "first_byte_ms": null}),
    );
    assert!(line["error"].as_str().expect("an error").contains("connection refused"), "{line}");
    assert_eq!(value(&gateway.metrics().await, r#"narthex_attempts_total{instance="dead",outcome="failed"}"#), 2);
}
