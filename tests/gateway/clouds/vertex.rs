//! Vertex AI: tokens by service account, login and metadata server; paths by publisher; tokens that are not taken.

use super::{body, chat_says_hi, claude_says_hi, form, gemini_says_hi, member, token};
use crate::support::gateway::{Gateway, Setup};
use crate::support::upstream::{Received, Reply, Upstream};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

const PROJECT: &str = "/projects/p-1/locations/europe-west4";
const PEM: &str = include_str!("service-account.pem");

/// Google, all of it on one socket.
fn google(request: &Received) -> Reply {
    match request.path.as_str() {
        "/token" => token("ya29.test"),
        path if path.starts_with("/computeMetadata/") => token("ya29.machine"),
        path if path.contains(":generateContent") => gemini_says_hi(),
        path if path.contains("count-tokens:rawPredict") => Reply::json(200, r#"{"input_tokens":7}"#),
        path if path.contains(":rawPredict") => claude_says_hi(),
        path if path.contains(":countTokens") => Reply::json(200, r#"{"totalTokens":5}"#),
        path if path.contains(":predict") => Reply::json(
            200,
            r#"{"predictions":[{"embeddings":{"statistics":{"truncated":false,"token_count":2},"values":[0.25,-1]}}]}"#,
        ),
        path if path.ends_with("/chat/completions") => chat_says_hi(),
        _ => Reply::json(200, "{}"),
    }
}

fn key(upstream: &Upstream) -> String {
    json!({"type": "service_account", "project_id": "p-1", "private_key_id": "k-1", "private_key": PEM,
        "client_email": "gateway@p-1.iam.example", "token_uri": format!("http://{}/token", upstream.address)})
    .to_string()
}

fn setup(upstream: &Upstream) -> Setup {
    Setup::new()
        .env("VERTEX_PROJECT", "p-1")
        .env("VERTEX_LOCATION", "europe-west4")
        .env("VERTEX_BASE_URL", format!("http://{}", upstream.address))
}

async fn with_key(upstream: &Upstream) -> Gateway {
    let setup = setup(upstream);
    let file = setup.file("key.json", key(upstream));
    setup.env("GOOGLE_APPLICATION_CREDENTIALS", file).start().await
}

fn messages(model: &str) -> String {
    json!({"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}).to_string()
}

fn part(jwt: &str, at: usize) -> Value {
    let part = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(at).expect("a part")).expect("base64");
    serde_json::from_slice(&part).expect("JSON")
}

#[tokio::test]
async fn a_service_account_signs_for_its_token() {
    let upstream = Upstream::start(google).await;
    let gateway = with_key(&upstream).await;
    let answer = gateway.post("/v1/chat/completions", messages("vertex/google/gemini-2.5-flash")).await;
    assert_eq!(answer.head.status, 200, "{}", answer.text());
    let requests = upstream.requests();
    let asked = form(&requests[0]);
    assert_eq!(member(&asked, "grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let jwt = member(&asked, "assertion");
    assert_eq!(part(jwt, 0), json!({"alg": "RS256", "typ": "JWT", "kid": "k-1"}));
    let claims = part(jwt, 1);
    assert_eq!(claims["iss"], "gateway@p-1.iam.example");
    assert_eq!(claims["aud"], format!("http://{}/token", upstream.address));
    assert_eq!(claims["scope"], "https://www.googleapis.com/auth/cloud-platform");
    assert_eq!(claims["exp"].as_u64().expect("a time") - claims["iat"].as_u64().expect("a time"), 3600);
    assert_eq!(requests[1].headers.all("authorization").collect::<Vec<_>>(), ["Bearer ya29.test"]);
    assert_eq!(
        requests[1].path,
        format!("/v1beta1{PROJECT}/publishers/google/models/gemini-2.5-flash:generateContent")
    );
    assert_eq!(body(&requests[1])["contents"][0]["parts"][0]["text"], "Hi");
    // The next exchange has a token already.
    gateway.post("/v1/chat/completions", messages("vertex/google/gemini-2.5-flash")).await;
    assert_eq!(upstream.requests().len(), 3);
}

#[tokio::test]
async fn every_publisher_is_asked_its_own_way() {
    let upstream = Upstream::start(google).await;
    let gateway = with_key(&upstream).await;
    let claude = format!("/v1{PROJECT}/publishers/anthropic/models");
    let gemini = format!("/v1beta1{PROJECT}/publishers/google/models");
    for (path, model, theirs) in [
        (
            "/v1/messages",
            "anthropic/claude-sonnet-4-5@20250929",
            format!("{claude}/claude-sonnet-4-5%4020250929:rawPredict"),
        ),
        ("/v1/chat/completions", "anthropic/claude-opus-4-6", format!("{claude}/claude-opus-4-6:rawPredict")),
        ("/v1/messages/count_tokens", "anthropic/claude-opus-4-6", format!("{claude}/count-tokens:rawPredict")),
        ("/v1/messages", "google/gemini-2.5-flash", format!("{gemini}/gemini-2.5-flash:generateContent")),
        ("/v1/messages/count_tokens", "google/gemini-2.5-flash", format!("{gemini}/gemini-2.5-flash:countTokens")),
        ("/v1/chat/completions", "meta/llama-4-maas", format!("/v1{PROJECT}/endpoints/openapi/chat/completions")),
    ] {
        let answer = gateway.post(path, messages(&format!("vertex/{model}"))).await;
        assert_eq!(answer.head.status, 200, "{path} {model}: {}", answer.text());
        let sent = upstream.requests().pop().expect("a request");
        assert_eq!(sent.path, theirs);
        let sent = body(&sent);
        let version = theirs.contains("anthropic").then_some("vertex-2023-10-16");
        assert_eq!(sent.get("anthropic_version").and_then(Value::as_str), version, "{sent}");
        let named = match () {
            () if theirs.contains("count-tokens") => Some("claude-opus-4-6"),
            () if theirs.contains("openapi") => Some("meta/llama-4-maas"),
            () => None,
        };
        assert_eq!(sent.get("model").and_then(Value::as_str), named, "{sent}");
    }
    let stream = json!({"model": "vertex/anthropic/claude-opus-4-6", "max_tokens": 9, "stream": true, "messages": []});
    gateway.post("/v1/messages", stream.to_string()).await;
    let sent = upstream.requests().pop().expect("a request");
    assert_eq!(sent.path, format!("{claude}/claude-opus-4-6:streamRawPredict"));
    assert_eq!(body(&sent)["stream"], true);
}

#[tokio::test]
async fn embeddings_are_predicted() {
    let upstream = Upstream::start(google).await;
    let gateway = with_key(&upstream).await;
    let asked = r#"{"model":"vertex/google/text-embedding-005","input":"a","dimensions":2}"#;
    let answer = gateway.post("/v1/embeddings", asked).await;
    let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(told["data"][0]["embedding"], json!([0.25, -1]), "{told}");
    assert_eq!(told["usage"], json!({"prompt_tokens": 2, "total_tokens": 2}));
    let sent = upstream.requests().pop().expect("a request");
    assert_eq!(sent.path, format!("/v1{PROJECT}/publishers/google/models/text-embedding-005:predict"));
    assert_eq!(body(&sent), json!({"instances": [{"content": "a"}], "parameters": {"outputDimensionality": 2}}));

    let asked = r#"{"model":"vertex/google/text-embedding-005","input":"a","user":"u"}"#;
    let answer = gateway.post("/v1/embeddings", asked).await;
    assert_eq!((answer.head.status, answer.head.headers.get("x-narthex-dropped")), (200, Some("user")));
    let before = upstream.requests().len();
    let answer = gateway.post_with("/v1/embeddings", &[("x-narthex-strict", "true")], asked).await;
    assert!(answer.head.status == 400 && answer.text().contains("`user`"), "{}", answer.text());
    assert_eq!(upstream.requests().len(), before);
}

#[tokio::test]
async fn the_compatible_endpoint_is_used_where_that_is_wanted() {
    let upstream = Upstream::start(google).await;
    let setup = setup(&upstream).env("VERTEX_API_MODE", "openai");
    let inline = STANDARD.encode(key(&upstream));
    let gateway = setup.env("VERTEX_SERVICE_ACCOUNT_JSON", inline).start().await;
    let answer = gateway.post("/v1/chat/completions", messages("vertex/google/gemini-2.5-flash")).await;
    assert_eq!(answer.head.status, 200, "{}", answer.text());
    let sent = upstream.requests().pop().expect("a request");
    assert_eq!(sent.path, format!("/v1{PROJECT}/endpoints/openapi/chat/completions"));
    assert_eq!(body(&sent)["model"], "google/gemini-2.5-flash");
}

#[tokio::test]
async fn passthrough_carries_the_token() {
    let upstream = Upstream::start(google).await;
    let gateway = with_key(&upstream).await;
    for (path, theirs) in [
        ("/p/vertex/batchPredictionJobs?pageSize=1", format!("/v1{PROJECT}/batchPredictionJobs?pageSize=1")),
        ("/p/vertex/v1beta1/publishers/google/models", "/v1beta1/publishers/google/models".to_owned()),
    ] {
        gateway.get(path).await;
        let sent = upstream.requests().pop().expect("a request");
        assert_eq!(
            (sent.path.as_str(), sent.headers.get("authorization")),
            (theirs.as_str(), Some("Bearer ya29.test"))
        );
    }
}

#[tokio::test]
async fn a_login_and_the_machine_have_tokens_too() {
    let upstream = Upstream::start(google).await;
    let login = json!({"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r",
        "token_uri": format!("http://{}/token", upstream.address)});
    let by_login = setup(&upstream);
    let file = by_login.file("login.json", login.to_string());
    let by_login = by_login.env("GOOGLE_APPLICATION_CREDENTIALS", file).start().await;
    by_login.post("/v1/chat/completions", messages("vertex/google/gemini-2.5-flash")).await;
    let asked = form(&upstream.requests()[0]);
    assert_eq!((member(&asked, "grant_type"), member(&asked, "refresh_token")), ("refresh_token", "r"));

    let machine = setup(&upstream).env("GCE_METADATA_HOST", upstream.address.to_string()).env("HOME", "/nonexistent");
    let machine = machine.start().await;
    machine.post("/v1/chat/completions", messages("vertex/google/gemini-2.5-flash")).await;
    let requests = upstream.requests();
    let asked = &requests[requests.len() - 2];
    assert_eq!(asked.path, "/computeMetadata/v1/instance/service-accounts/default/token");
    assert_eq!(asked.headers.get("metadata-flavor"), Some("Google"));
    assert_eq!(requests[requests.len() - 1].headers.get("authorization"), Some("Bearer ya29.machine"));
}

#[tokio::test]
async fn a_token_that_is_not_taken_is_replaced_once() {
    for takes_second in [true, false] {
        let given = AtomicUsize::new(0);
        let upstream = Upstream::start(move |request| match request.path.as_str() {
            "/token" => token(&format!("t-{}", given.fetch_add(1, Ordering::SeqCst))),
            _ if takes_second && request.headers.get("authorization") == Some("Bearer t-1") => gemini_says_hi(),
            _ => Reply::json(401, r#"{"error":{"code":401,"message":"expired","status":"UNAUTHENTICATED"}}"#),
        })
        .await;
        let gateway = with_key(&upstream).await;
        for is_stream in [false, true] {
            let path = if is_stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
            let path = format!("/v1beta/models/vertex%2Fgoogle%2Fgemini-2.5-flash:{path}");
            let answer = gateway.post(&path, r#"{"contents":[{"parts":[{"text":"Hi"}]}]}"#).await;
            assert_eq!(answer.head.status, if takes_second { 200 } else { 401 }, "{}", answer.text());
        }
        // Token, refused, token, taken; the second exchange has the good one. Else each exchange tries twice.
        let paths: Vec<_> = upstream.requests().iter().map(|request| request.path == "/token").collect();
        let expected: &[bool] = if takes_second {
            &[true, false, true, false, false]
        } else {
            &[true, false, true, false, true, false, true, false]
        };
        assert_eq!(paths, expected);
    }
}

#[tokio::test]
async fn many_at_once_fetch_one_token() {
    let upstream = Upstream::start(google).await;
    let gateway = with_key(&upstream).await;
    let asked = messages("vertex/google/gemini-2.5-flash");
    let asks = (0..100).map(|_| gateway.post("/v1/chat/completions", &asked));
    let answers = futures::future::join_all(asks).await;
    assert!(answers.iter().all(|answer| answer.head.status == 200));
    assert_eq!(upstream.requests().iter().filter(|request| request.path == "/token").count(), 1);
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let upstream = Upstream::start(|_| {
        Reply::json(400, r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#)
    })
    .await;
    let gateway = with_key(&upstream).await;
    let answer = gateway.post("/v1/chat/completions", messages("vertex/google/gemini-2.5-flash")).await;
    assert_eq!(answer.head.status, 502);
    assert!(answer.text().contains("invalid_grant: Invalid JWT Signature."), "{}", answer.text());

    let (ok, output) = Setup::new().env("VERTEX_US_PROJECT", "p").env("VERTEX_LOCATION", "l").run(&["check"]);
    assert!(
        !ok && output.stderr.contains("VERTEX_US_LOCATION") && output.stderr.contains("vertex-us"),
        "{}",
        output.stderr
    );
}
