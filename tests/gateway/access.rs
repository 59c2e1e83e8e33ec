//! Who may enter, and that no secret is ever printed.

use crate::support::gateway::{Gateway, JSON, Provider, Setup};
use crate::support::http::Body;
use crate::support::http2;
use crate::support::upstream::Reply;
use serde_json::Value;

const CHAT: &str = "/v1/chat/completions";

async fn status(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> u16 {
    gateway.post_with(path, headers, r#"{"model":"m"}"#).await.head.status
}

/// A key from `.env` is what Docker's `--env-file` would make of the same line.
#[tokio::test]
async fn a_key_may_hold_a_dollar() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let setup = Setup::instances([("up", provider.settings())]).env("HOME", "elsewhere");
    setup.file(".env", "NARTHEX_MASTER_KEY=pa$$word-$HOME-x\n");
    let gateway = setup.start().await;
    for (key, status) in [("pa$$word-$HOME-x", 200), ("pa-elsewhere-x", 401)] {
        let bearer = format!("Bearer {key}");
        assert_eq!(gateway.get_with("/v1/models", &[("authorization", &bearer)]).await.head.status, status, "{key}");
    }
}

#[tokio::test]
async fn without_a_key_the_loopback_is_open() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let gateway = provider.behind_gateway().await;
    assert_eq!(status(&gateway, CHAT, &[]).await, 200);
    assert_eq!(status(&gateway, CHAT, &[("authorization", "Bearer whatever")]).await, 200);
    assert!(gateway.output().stderr.contains("open: no key is asked for"));
}

#[tokio::test]
async fn the_master_key_opens_in_every_form_that_sdks_use() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let setup = Setup::instances([("up", provider.settings())]).env("NARTHEX_MASTER_KEY", "master-canary\n");
    let gateway = setup.start().await;
    for header in [
        ("authorization", "Bearer master-canary"),
        ("authorization", "bearer   master-canary"),
        ("x-api-key", "master-canary"),
        ("x-goog-api-key", "master-canary"),
        ("api-key", "master-canary"),
    ] {
        for path in [CHAT, "/p/up/files"] {
            assert_eq!(status(&gateway, path, &[header]).await, 200, "{header:?}");
        }
    }
    let accepted = provider.requests().len();
    for headers in [
        vec![],
        vec![("authorization", "Bearer master-canar")],
        vec![("authorization", "Bearer master-canaryy")],
        vec![("authorization", "Bearer MASTER-CANARY")],
        vec![("authorization", "Bearer ")],
        vec![("authorization", "Basic master-canary")],
        vec![("authorization", "master-canary")],
        vec![("x-api-key", "")],
        vec![("cookie", "master-canary")],
    ] {
        for path in [CHAT, "/v1/responses", "/v1/models", "/v1/models/m", "/p/up/files", "/p/nobody/x"] {
            let method = if path.starts_with("/v1/models") { "GET" } else { "POST" };
            let headers = [&[JSON], headers.as_slice()].concat();
            let answer = gateway.client().await.exchange(method, path, &headers, Body::None).await;
            assert_eq!(answer.head.status, 401, "{path} {headers:?}");
            assert_eq!(answer.head.headers.get("www-authenticate"), Some("Bearer"));
            let error: Value = serde_json::from_slice(&answer.body).expect("JSON");
            assert_eq!(error["error"]["type"], "authentication_error");
            assert_eq!(error["error"]["code"], "invalid_api_key");
            assert!(error["error"].as_object().expect("an object").len() == 4, "{error}");
        }
    }
    assert_eq!(provider.requests().len(), accepted, "nobody without a key reaches a provider");
    for path in
        ["/health", "/health/live", "/health/ready", "/healthz", "/readyz", "/health/liveliness", "/health/readiness"]
    {
        assert_eq!(gateway.get(path).await.head.status, 200, "{path}");
    }
    let mut h2 = http2::Client::connect(gateway.address).await;
    assert_eq!(h2.exchange("POST", CHAT, &[], Some(b"{}")).await.status, 401);
    let line = &gateway.access_lines(11).await[10];
    assert_eq!((&line["status"], &line["tenant"]), (&401.into(), &Value::Null), "{line}");
}

const DIGEST_OF_HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

#[tokio::test]
async fn tenants_have_their_own_keys_and_models() {
    let provider = Provider::listing(&["m", "big", "small"], |_| Reply::json(200, "{}")).await;
    let setup = Setup::instances([("up", provider.settings())]).env("TEAM_KEY", "team-canary");
    let file = setup.file("key.txt", "file-canary\n");
    let gateway = setup
        .and("models: {cheap: up/small}")
        .and("keys:")
        .and("  team: {value: \"${TEAM_KEY}\", models: [cheap, up/m, \"up/s*\", small]}")
        .and(&format!("  filed: {{file: {file:?}}}"))
        .and(&format!("  digest: {{sha256: {DIGEST_OF_HELLO}, models: []}}"))
        .start()
        .await;
    let team = [("authorization", "Bearer team-canary")];
    let filed = [("x-api-key", "file-canary")];
    let digest = [("api-key", "hello")];
    for (headers, model, expected) in [
        (&team, "cheap", 200),
        (&team, "up/m", 200),
        (&team, "up/small", 200),
        (&team, "small", 200),
        (&team, "big", 403),
        (&team, "up/big", 403),
        (&team, "m", 403),
        (&team, "openai/m", 403),
        (&team, "nowhere", 403),
        (&filed, "big", 200),
        (&digest, "cheap", 403),
    ] {
        let answer = gateway.post_with(CHAT, headers, format!(r#"{{"model":"{model}"}}"#)).await;
        assert_eq!(answer.head.status, expected, "{headers:?} {model}: {}", answer.text());
        if expected == 403 {
            let error: Value = serde_json::from_slice(&answer.body).expect("JSON");
            assert_eq!(
                (&error["error"]["type"], &error["error"]["code"]),
                (&"permission_error".into(), &"model_not_allowed".into())
            );
        }
    }
    assert_eq!(gateway.models(&team).await, ["cheap", "small", "up/m", "up/small"]);
    assert_eq!(gateway.models(&filed).await, ["cheap", "up/big", "up/m", "up/small"]);
    assert_eq!(gateway.models(&digest).await, [""; 0]);
    assert_eq!(gateway.get_with("/v1/models/up/big", &team).await.head.status, 404);
    assert_eq!(gateway.get_with("/v1/models/up/m", &team).await.head.status, 200);
    assert_eq!(gateway.get_with("/v1/models/big", &team).await.head.status, 404);
    // A provider's whole API would be a way around the list.
    assert_eq!(status(&gateway, "/p/up/files", &team).await, 403);
    assert_eq!(status(&gateway, "/p/up/files", &filed).await, 200);
    assert_eq!(status(&gateway, CHAT, &[("x-api-key", DIGEST_OF_HELLO)]).await, 401, "the digest is not the key");
    assert!(gateway.access_lines(6).await.iter().any(|line| line["tenant"] == "team"));
}

/// Reachable from elsewhere and no key set: one is made, and printed once.
#[tokio::test]
async fn an_exposed_gateway_makes_a_key() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let exposed = || Setup::instances([("up", provider.settings())]).env("NARTHEX_LISTEN", "0.0.0.0:0");
    let (gateway, other) = (exposed().start().await, exposed().start().await);
    let key = made_key(&gateway);
    assert!(key.len() > 40 && key != made_key(&other), "{key}");
    assert_eq!(status(&gateway, CHAT, &[]).await, 401);
    assert_eq!(status(&gateway, CHAT, &[("authorization", &format!("Bearer {key}"))]).await, 200);
    assert_eq!(status(&gateway, CHAT, &[("authorization", &format!("Bearer {}", made_key(&other)))]).await, 401);
    let printed = gateway.output();
    assert_eq!(printed.stderr.matches(&key).count(), 1);
    assert!(!printed.stdout.contains(&key));

    let open = exposed().env("NARTHEX_ALLOW_OPEN", "true").start().await;
    assert_eq!(status(&open, CHAT, &[]).await, 200);
    let keyed = exposed().env("NARTHEX_MASTER_KEY", "k").start().await;
    assert_eq!(status(&keyed, CHAT, &[]).await, 401);
    assert!(!keyed.output().stderr.contains("made for this run"));
}

fn made_key(gateway: &Gateway) -> String {
    let stderr = gateway.output().stderr;
    let key = stderr.split_once("made for this run: ").expect("a key").1;
    key.lines().next().expect("a line").to_owned()
}

/// Everything that is printed, everywhere, while all sorts of things go well and wrong.
#[tokio::test]
async fn secrets_are_not_printed() {
    let provider = Provider::script([Reply::json(200, "{}"), Reply::json(401, "{}"), Reply::default().cut()]).await;
    let settings = format!(
        "type: openai, base_url: \"http://{}/v1\", api_key: upstream-canary, headers: {{x-extra: header-canary}}, timeouts: {{read: 5s}}",
        provider.address()
    );
    let broken = "type: openai, base_url: \"http://127.0.0.1:1\", api_key: upstream-canary";
    let setup = Setup::instances([("up", settings), ("broken", broken.to_owned())])
        .and("keys: {team: {value: tenant-canary}}")
        .env("NARTHEX_MASTER_KEY", "master-canary")
        .env("NARTHEX_LOG", "debug")
        .env("NARTHEX_RETRIES", "0");
    let (is_fine, checked) = setup.run(&["check"]);
    assert!(is_fine && !format!("{checked:?}").contains("canary"), "{checked:?}");
    let gateway = setup.start().await;
    for key in ["master-canary", "tenant-canary", "wrong-canary"] {
        for path in [CHAT, "/p/up/files?key=query-canary", "/p/broken/x", "/v1/nowhere?key=query-canary"] {
            let bearer = format!("Bearer {key}");
            let headers = [("authorization", bearer.as_str()), ("cookie", "cookie-canary")];
            gateway.post_with(path, &headers, r#"{"model":"m","messages":"body-canary"}"#).await;
        }
    }
    gateway.client().await.send("GET /\u{1} canary\r\n\r\n").await;
    let metrics = gateway.metrics().await;
    gateway.access_lines(12).await;
    let printed = gateway.output();
    for text in [&printed.stdout, &printed.stderr, &metrics] {
        let leak = text.lines().find(|line| line.contains("canary"));
        assert_eq!(leak, None);
    }
}

/// Not even when the configuration is so wrong that it cannot be read.
#[tokio::test]
async fn secrets_are_not_printed_when_nothing_starts() {
    for config in [
        "providers:\n  up: {api_key: canary-1\n   base_url: [",
        "providers:\n  up:\n    api_key: canary-1\n   base_url: x",
        "providers:\n  up: {type: openai, api_key: [canary-1]}",
        "providers:\n  up: {type: openai, api_key: canary-1, base_url: \"http://u:canary-2@x/v1\"}",
        "providers:\n  up: {type: openai, api_key: \"canary-1\\nx\"}",
        "providers:\n  up: {type: openai, api_key: \"${canary\"}",
        "providers: {up: {type: openai, headers: {x: \"canary\\n\"}}}",
        "keys: {team: {sha256: canary-1}}",
        "keys: {team: {value: canary-1, file: canary-no-such-file}}",
        "server: {master_key: [canary]}",
        "server: {master_key: canary-1, listen: nowhere}",
        "server: {master_key: canary-1}\nserver: {master_key: canary-2}",
        "server: {master_key: \"canary-1}",
    ] {
        for command in ["check", "health"] {
            let (is_fine, printed) = Setup::config(config).run(&[command]);
            assert!(!is_fine, "{config}");
            let leak = format!("{printed:?}").replace("canary-no-such-file", "");
            assert!(!leak.contains("canary"), "{config}\n{leak}");
        }
    }
    let setup = Setup::new();
    setup.file(".env", "A=1\nOPENAI_API_KEY=can\"ary canary-1\n");
    let (is_fine, printed) = setup.run(&["check"]);
    assert!(!is_fine && !format!("{printed:?}").contains("canary"), "{printed:?}");
    assert!(printed.stderr.contains("line 2"), "{printed:?}");
}
