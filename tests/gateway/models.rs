//! The lists of models: merged, kept, filtered, and never a reason to wait.

use crate::support::gateway::{Provider, Setup, openai};
use crate::support::upstream::{Gate, Reply, Upstream};
use serde_json::Value;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn list(ids: &[&str]) -> String {
    let entries: Vec<_> = ids.iter().map(|id| format!(r#"{{"id":"{id}","created":5}}"#)).collect();
    format!(r#"{{"object":"list","data":[{}]}}"#, entries.join(","))
}

#[tokio::test]
async fn all_lists_make_one() {
    let a = Upstream::script([Reply::json(200, list(&["z", "org/x", "z"]))]).await;
    let b = Upstream::script([Reply::json(200, r#"{"models":[{"name":"models/g-1"},{"name":"tuned/g-2"}]}"#)]).await;
    let c = Upstream::script([Reply::json(200, r#"[{"id":"bare","created":1.5},{"id":""},{}]"#)]).await;
    let gemini = format!("type: gemini, api_key: secret, base_url: \"http://{}\"", b.address);
    let gateway = Setup::instances([("a", openai(a.address)), ("gem", gemini), ("c", openai(c.address))])
        .and("models: {mine: a/z}")
        .start()
        .await;
    assert_eq!(gateway.models(&[]).await, ["a/org/x", "a/z", "c/bare", "gem/g-1", "gem/tuned/g-2", "mine"]);
    for (path, id, owner) in [
        ("/v1/models/a/org/x", "a/org/x", "a"),
        ("/v1/models/a%2Forg%2Fx", "a/org/x", "a"),
        ("/v1/models/org/x", "org/x", "a"),
        ("/models/bare", "bare", "c"),
        ("/v1/models/mine", "mine", "narthex"),
        ("/v1/models/gemini/g-1", "gemini/g-1", "gem"),
    ] {
        let answer = gateway.get(path).await;
        assert_eq!(answer.head.status, 200, "{path}: {}", answer.text());
        let model: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!((&model["id"], &model["object"], &model["owned_by"]), (&id.into(), &"model".into(), &owner.into()));
        assert!(model["created"].is_u64(), "{model}");
    }
    for path in ["/v1/models/nothing", "/v1/models/a/nothing", "/v1/models/%00", "/v1/models/..%2fz"] {
        let answer = gateway.get(path).await;
        assert_eq!(answer.head.status, 404, "{path}");
        let error: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(error["error"]["code"], "model_not_found");
    }
    let head = gateway.client().await.exchange("HEAD", "/v1/models", &[], crate::support::http::Body::None).await;
    assert_eq!((head.head.status, head.body.len()), (200, 0));
    // Each list is asked for where it is, with the instance's own credential.
    assert_eq!(a.requests()[0].path, "/v1/models");
    assert_eq!(b.requests()[0].path, "/v1beta/openai/models");
    assert_eq!(b.requests()[0].headers.get("authorization"), Some("Bearer secret"));
}

/// Some providers have the model in the path, as one segment; these two are none in any encoding.
#[tokio::test]
async fn names_do_not_climb() {
    let upstream = Upstream::script([Reply::json(200, list(&["m"]))]).await;
    let instance = |kind: &str| format!("type: {kind}, api_key: secret, base_url: \"http://{}\"", upstream.address);
    let gateway = Setup::instances([("aws", instance("bedrock")), ("g", instance("gemini"))]).start().await;
    let before = upstream.requests().len();
    for model in ["aws/..", "aws/.", "g/.."] {
        let answer = gateway.chat(model).await;
        assert_eq!(answer.head.status, 400, "{model}: {}", answer.text());
        assert!(answer.text().contains("are no names of models"), "{}", answer.text());
    }
    assert_eq!(upstream.requests().len(), before);
}

/// A time that no calendar has, or one in milliseconds, is no reason to show nothing.
#[tokio::test]
async fn odd_times_are_shown_all_the_same() {
    let odd = r#"{"data":[{"id":"late","created":1700000000000},{"id":"latest","created":18446744073709551615},{"id":"m","created":5}]}"#;
    let upstream = Upstream::script([Reply::json(200, odd)]).await;
    let gateway = Setup::instances([("up", openai(upstream.address))]).start().await;
    let answer = gateway.get_with("/v1/models", &[("anthropic-version", "2023-06-01")]).await;
    let shown: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let times: Vec<_> = shown["data"].as_array().expect("a list").iter().map(|model| &model["created_at"]).collect();
    assert_eq!(times, ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z", "1970-01-01T00:00:05Z"]);
}

/// The last good list stays in use while the provider cannot be asked; a new one takes its place.
#[tokio::test]
async fn a_list_that_was_good_is_kept() {
    let (next, asked) = (Gate::closed(), AtomicUsize::new(0));
    let held = next.clone();
    let provider = Upstream::start(move |_| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::json(200, list(&["old"])),
        1 => Reply::default().pause(&held).bytes("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"),
        2 => Reply::json(200, "<html>"),
        3 => Reply::json(200, list(&[])),
        4 => Reply::default().cut(),
        _ => Reply::json(200, list(&["new"])),
    })
    .await;
    let gateway = Setup::instances([("up", openai(provider.address))]).and("inventory: {refresh: 50ms}").start().await;
    assert_eq!(gateway.models(&[]).await, ["up/old"]);
    next.open();
    gateway.says("the last good list stays in use").await;
    assert_eq!(gateway.get("/health/ready").await.head.status, 200);
    let mut seen = Vec::new();
    while !seen.contains(&"up/new".to_owned()) {
        seen = gateway.models(&[]).await;
        assert!(seen == ["up/old"] || seen == ["up/new"], "{seen:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(gateway.chat("old").await.head.status, 404);
}

#[tokio::test]
async fn configured_lists_stand_in_or_replace() {
    let good = Upstream::start(|request| match request.method.as_str() {
        "GET" => Reply::json(200, list(&["theirs"])),
        _ => Reply::json(200, "{}"),
    })
    .await;
    let bad = Upstream::script([Reply::json(500, "{}")]).await;
    let empty = Upstream::script([Reply::json(200, list(&[]))]).await;
    let with = |address, more: &str| format!("{}, {more}", openai(address));
    let gateway = Setup::instances([
        ("good", with(good.address, "models: [mine]")),
        ("bad", with(bad.address, "models: [mine]")),
        ("empty", with(empty.address, "models: [mine]")),
        ("none", openai(bad.address)),
        ("only", with(good.address, "models: [\"a\", \"b/c\"], models_mode: allowlist")),
    ])
    .start()
    .await;
    assert_eq!(gateway.models(&[]).await, ["bad/mine", "empty/mine", "good/theirs", "only/a", "only/b/c"]);
    assert_eq!(good.requests().iter().filter(|request| request.method == "GET").count(), 1, "an allowlist asks nobody");
    assert_eq!(gateway.chat("only/a").await.head.status, 200);
    assert_eq!(gateway.chat("b/c").await.head.status, 200);
    assert_eq!(gateway.chat("good/unlisted").await.head.status, 200);
    let refused = gateway.chat("only/unlisted").await;
    assert_eq!(refused.head.status, 404);
    assert!(refused.text().contains("only"), "{}", refused.text());
    // The provider's name stands for those of its instances that are open.
    for _ in 0..4 {
        let answer = gateway.chat("openai/unlisted").await;
        assert_ne!(answer.head.headers.get("x-narthex-instance"), Some("only"));
    }
}

/// One list that never comes and one whose host does not exist: the others serve meanwhile, and waiting has an end.
#[tokio::test]
async fn a_list_that_does_not_come_delays_nobody() {
    let never = Gate::closed();
    let hanging = Upstream::start(move |_| Reply::default().pause(&never)).await;
    let fine = Provider::always(Reply::json(200, "{}")).await;
    let nowhere = "type: openai, api_key: k, base_url: \"http://no-such-host.invalid/v1\"".to_owned();
    let gateway =
        Setup::instances([("fine", fine.settings()), ("hanging", openai(hanging.address)), ("nowhere", nowhere)])
            .start_unready()
            .await;
    gateway.says("fine: 1 models listed").await;
    assert_eq!(gateway.get("/health/ready").await.head.status, 503);
    assert_eq!(gateway.get("/health/live").await.head.status, 200);
    assert_eq!(gateway.models(&[]).await, ["fine/m"]);
    assert_eq!(gateway.chat("m").await.head.status, 200);
    assert_eq!(gateway.chat("fine/unlisted").await.head.status, 200);
    let pending = gateway.chat("who-knows").await;
    assert_eq!(pending.head.status, 503);
    assert_eq!(pending.head.headers.get("retry-after"), Some("1"));
    gateway.ready().await;
    assert_eq!(gateway.chat("who-knows").await.head.status, 404);
}

/// Nothing configured: the simulator answers under any name.
#[tokio::test]
async fn the_demonstration_takes_every_name() {
    let gateway = Setup::new().start().await;
    for model in ["gpt-5.5", "org/anything", "simulator"] {
        let answer = gateway
            .post(
                "/v1/chat/completions",
                format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}]}}"#),
            )
            .await;
        assert_eq!(answer.head.status, 200, "{}", answer.text());
        let completion: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(completion["object"], "chat.completion");
    }
    assert!(gateway.output().stderr.contains("no provider is configured"));
}

/// Whoever mistypes a name is told the one that was meant, if it is one that may be used.
#[tokio::test]
async fn slips_are_pointed_out() {
    let upstream = Upstream::script([Reply::json(200, list(&["gpt-5", "secret-5"]))]).await;
    let gateway = Setup::instances([("openai", openai(upstream.address))])
        .and("models: {fast: openai/gpt-5}\nkeys: {all: {value: k-all}, few: {value: k-few, models: [fast, openai/gpt-5]}}")
        .start()
        .await;
    let told = async |key: &str, path: &str, model: &str| {
        let key = format!("Bearer {key}");
        let headers = [("authorization", key.as_str())];
        let answer = match path {
            "/v1/chat/completions" => {
                gateway.post_with(path, &headers, format!(r#"{{"model":"{model}","messages":[]}}"#)).await
            }
            path => gateway.get_with(&format!("{path}{model}"), &headers).await,
        };
        let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let message = told["error"]["message"].as_str().expect("a message").to_owned();
        (
            answer.head.status,
            message.split_once("Did you mean ").map(|(_, meant)| meant.split('?').next().expect("one").to_owned()),
        )
    };
    let meant = |status: u16, name: &str| (status, Some(format!("`{name}`")).filter(|_| !name.is_empty()));
    for (key, path, model, expected) in [
        ("k-all", "/v1/chat/completions", "opnai/gpt-5", meant(404, "openai/gpt-5")),
        ("k-all", "/v1/chat/completions", "opnai/gpt-9-turbo", meant(404, "openai/gpt-9-turbo")),
        ("k-all", "/v1/chat/completions", "secert-5", meant(404, "secret-5")),
        ("k-few", "/v1/chat/completions", "opnai/gpt-5", meant(403, "openai/gpt-5")),
        ("k-few", "/v1/chat/completions", "secert-5", meant(403, "")),
        ("k-few", "/v1/chat/completions", "openai/secret-5", meant(403, "")),
        ("k-all", "/v1/models/", "fsat", meant(404, "fast")),
        ("k-few", "/v1/models/", "openai/secert-5", meant(404, "")),
        ("k-all", "/p/", "opnai/v1/files", meant(404, "openai")),
        ("k-all", "/p/", "bedrock/x", meant(404, "")),
    ] {
        assert_eq!(told(key, path, model).await, expected, "{key} {path} {model}");
    }
}
