//! What happens when a provider fails before its answer has begun: another target, or the same one again.

use crate::support::gateway::{Gateway, JSON, Provider, Setup, openai};
use crate::support::http::Body;
use crate::support::upstream::Reply;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;

const CHAT: &str = "/v1/chat/completions";
const REQUEST: &str = r#"{ "model":"m", "x":1.0 }"#;

/// Nobody listens there any more.
async fn dead_end() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// Instances `a` and `b`, tried in this order.
async fn in_order(a: String, b: String) -> Gateway {
    Setup::instances([("a", a), ("b", b)]).env("NARTHEX_STRATEGY", "priority").start().await
}

fn fails_with(status: u16) -> Reply {
    Reply::json(status, r#"{"error":{"message":"theirs"}}"#)
}

/// That an account is used up is told in words only, under a status that blames the request.
#[tokio::test]
async fn what_an_error_says_leads_to_another_target() {
    let fine = Provider::always(Reply::json(200, "{}")).await;
    let empty = Provider::always(Reply::json(400, r#"{"error":{"message":"x","code":"insufficient_quota"}}"#)).await;
    let wrong = Provider::always(Reply::json(400, r#"{"error":{"message":"no such parameter"}}"#)).await;
    let gateway = in_order(empty.settings(), fine.settings()).await;
    let answer = gateway.post(CHAT, REQUEST).await;
    assert_eq!((answer.head.status, answer.head.headers.get("x-narthex-instance")), (200, Some("b")));
    let gateway = in_order(wrong.settings(), fine.settings()).await;
    let answer = gateway.post(CHAT, REQUEST).await;
    assert_eq!((answer.head.status, answer.text()), (400, r#"{"error":{"message":"no such parameter"}}"#));
}

#[tokio::test]
async fn the_next_target_gets_the_same_body() {
    let fine = Provider::always(Reply::json(200, "{}")).await;
    for failure in [
        fails_with(408),
        fails_with(409),
        fails_with(429),
        fails_with(500),
        fails_with(502),
        fails_with(503),
        fails_with(529),
        Reply::default().cut(),
        Reply::default().bytes("HTTP/1.1 200 OK\r\ncontent-").cut(),
        Reply::default().bytes("SSH-2.0-OpenSSH_9.2\r\n\r\n").cut(),
        Reply::chunked(500, &[]).chunk("half an err").cut(),
    ] {
        let failing = Provider::always(failure).await;
        let gateway = in_order(failing.settings(), fine.settings()).await;
        for path in [CHAT, "/v1/embeddings"] {
            let answer = gateway.post(path, REQUEST).await;
            assert_eq!((answer.head.status, answer.text()), (200, "{}"));
            assert_eq!(answer.head.headers.get("x-narthex-instance"), Some("b"));
            let theirs = fine.requests().pop().expect("a request");
            assert_eq!(theirs.text(), REQUEST);
            let key = format!("Bearer key-{}", fine.address().port());
            assert_eq!(theirs.headers.all("authorization").collect::<Vec<_>>(), [key.as_str()]);
            assert_eq!(theirs.headers.get("host"), Some(fine.address().to_string().as_str()));
        }
        // The first of the two requests found `a` first; the second found it cooling down.
        assert_eq!(failing.requests().len(), 1);
        assert_eq!(failing.requests()[0].text(), REQUEST);
    }
}

#[tokio::test]
async fn whom_nobody_can_reach_is_passed_by() {
    let fine = Provider::always(Reply::json(200, "{}")).await;
    let nowhere = "type: openai, base_url: \"http://no-such-host.invalid/v1\", api_key: k".to_owned();
    for dead in [openai(dead_end().await), nowhere] {
        // Models are listed, or the dead instance would not be asked at all.
        let gateway = in_order(format!("{dead}, models: [m]"), fine.settings()).await;
        let answer = gateway.chat("m").await;
        assert_eq!((answer.head.status, answer.text()), (200, "{}"));
        assert_eq!(answer.head.headers.get("x-narthex-attempts"), Some("2"));
        // Now it is known; the next request does not try it first.
        assert_eq!(gateway.chat("m").await.head.headers.get("x-narthex-attempts"), Some("1"));
    }
}

#[tokio::test]
async fn an_only_target_is_tried_again() {
    for failure in [fails_with(429), fails_with(500), Reply::default().cut()] {
        let provider = Provider::script([failure.clone(), failure, Reply::json(200, "{}")]).await;
        let gateway = provider.behind_gateway().await;
        let answer = gateway.post(CHAT, REQUEST).await;
        assert_eq!((answer.head.status, answer.text()), (200, "{}"));
        assert_eq!(answer.head.headers.get("x-narthex-attempts"), Some("3"));
        assert!(provider.requests().iter().all(|request| request.text() == REQUEST));
    }
}

#[tokio::test]
async fn the_number_of_tries_is_a_setting() {
    let provider = Provider::always(fails_with(503)).await;
    let gateway = Setup::instances([("up", provider.settings())]).env("NARTHEX_RETRIES", "0").start().await;
    assert_eq!(gateway.chat("m").await.head.status, 503);
    assert_eq!(provider.requests().len(), 1);
}

#[tokio::test]
async fn the_last_error_is_passed_on() {
    let body = r#"{ "error" : {"message":"busy","code":"rate_limit"} }"#;
    let headers = [("content-type", "application/json"), ("retry-after", "0"), ("x-ratelimit-reset-tokens", "6m")];
    let length = body.len().to_string();
    let last = Reply::head(429, &[&headers[..], &[("content-length", &length)]].concat()).bytes(body);
    let (first, second) = (Provider::always(fails_with(500)).await, Provider::always(last.clone()).await);
    let both = in_order(first.settings(), second.settings()).await;
    let alone = second.behind_gateway().await;
    for (gateway, attempts) in [(both, "2"), (alone, "3")] {
        let answer = gateway.post(CHAT, r#"{"model":"m","stream":true}"#).await;
        assert_eq!((answer.head.status, answer.text()), (429, body));
        assert_eq!(answer.head.headers.get("retry-after"), Some("0"));
        assert_eq!(answer.head.headers.get("x-ratelimit-reset-tokens"), Some("6m"));
        assert_eq!(answer.head.headers.get("x-narthex-attempts"), Some(attempts));
    }
}

#[tokio::test]
async fn when_nobody_can_be_reached_we_say_so() {
    let gateway =
        in_order(openai(dead_end().await) + ", models: [m]", openai(dead_end().await) + ", models: [m]").await;
    let answer = gateway.chat("m").await;
    assert_eq!(answer.head.status, 502);
    let error: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(error["error"]["code"], "upstream_unreachable", "{error}");
    assert_eq!(answer.head.headers.get("x-narthex-attempts"), Some("2"));
    assert!(!answer.text().contains("127.0.0.1"), "addresses are nobody's business: {}", answer.text());
}

#[tokio::test]
async fn what_is_the_requests_own_fault_is_not_tried_again() {
    let provider = Provider::start(|request| {
        let status = request.headers.get("x-title").and_then(|status| status.parse().ok()).expect("a status");
        fails_with(status)
    })
    .await;
    let gateway = in_order(provider.settings(), provider.settings()).await;
    for (count, status) in [400_u16, 403, 404, 413, 422].into_iter().enumerate() {
        let answer = gateway.post_with(CHAT, &[("x-title", &status.to_string())], REQUEST).await;
        assert_eq!(answer.head.status, status);
        assert_eq!(provider.requests().len(), count + 1);
    }
}

#[tokio::test]
async fn the_provider_decides_whether_it_should_be_tried_again() {
    let says = |status, word: &str, body: &str| {
        let length = body.len().to_string();
        Reply::head(status, &[("x-should-retry", word), ("content-length", &length), ("retry-after-ms", "1")])
            .bytes(body)
    };
    let stubborn = Provider::always(says(500, "false", "no")).await;
    let gateway = stubborn.behind_gateway().await;
    assert_eq!(gateway.chat("m").await.text(), "no");
    assert_eq!(stubborn.requests().len(), 1);

    let willing = Provider::script([says(400, "true", "again"), Reply::json(200, "{}")]).await;
    let gateway = willing.behind_gateway().await;
    assert_eq!(gateway.chat("m").await.text(), "{}");
    assert_eq!(willing.requests().len(), 2);

    // An answer that succeeded is an answer, whatever is written on it.
    let odd = Provider::always(says(200, "true", "done")).await;
    let gateway = odd.behind_gateway().await;
    assert_eq!(gateway.chat("m").await.text(), "done");
    assert_eq!(odd.requests().len(), 1);
}

/// Waiting is shown by a wait that cannot be mistaken; that one does not wait too long is shown by not waiting in vain.
#[tokio::test]
async fn retry_after_is_kept_to() {
    let soon = httpdate::fmt_http_date(SystemTime::now() - Duration::from_secs(3600));
    for (name, value, least) in [
        ("retry-after", "1", 1000),
        ("retry-after-ms", "1200", 1200),
        ("retry-after", soon.as_str(), 0),
        ("retry-after", "1.5", 1500),
    ] {
        let busy = Reply::head(429, &[(name, value), ("content-length", "0")]);
        let provider = Provider::script([busy, Reply::json(200, "{}")]).await;
        let gateway = provider.behind_gateway().await;
        let started = std::time::Instant::now();
        assert_eq!(gateway.chat("m").await.head.status, 200);
        assert!(started.elapsed() >= Duration::from_millis(least), "{name}: {value}");
    }
    // Nobody waits for a minute: the client is told.
    let late = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3600));
    for (name, value) in [("retry-after", "60"), ("retry-after", late.as_str()), ("retry-after-ms", "60000")] {
        let provider =
            Provider::always(Reply::head(429, &[(name, value), ("content-length", "4")]).bytes("busy")).await;
        let gateway = provider.behind_gateway().await;
        let answer = gateway.chat("m").await;
        assert_eq!((answer.head.status, answer.text()), (429, "busy"));
        assert_eq!(answer.head.headers.get(name), Some(value));
        assert_eq!(provider.requests().len(), 1);
    }
}

/// A pooled connection that the provider has closed costs nothing: not a try, not an error, not a pause.
#[tokio::test]
async fn a_stale_connection_is_nobodys_fault() {
    let used = Mutex::new(HashSet::new());
    let provider = Provider::start(move |request| {
        let is_fresh = used.lock().expect("not poisoned").insert(request.connection);
        if is_fresh { Reply::json(200, "{}") } else { Reply::default().cut() }
    })
    .await;
    let gateway = Setup::instances([("up", provider.settings())]).env("NARTHEX_RETRIES", "0").start().await;
    for _ in 0..6 {
        let answer = gateway.chat("m").await;
        assert_eq!((answer.head.status, answer.text()), (200, "{}"));
        assert_eq!(answer.head.headers.get("x-narthex-attempts"), Some("1"));
    }
    assert!(provider.requests().len() > 6, "some met a connection that had been used before");
}

/// Once the client has a byte, there is no second try.
#[tokio::test]
async fn nothing_is_tried_again_after_the_first_byte() {
    for begun in [
        Reply::chunked(200, &[("content-type", "application/json")]).chunk("{\"a\":").cut(),
        Reply::head(200, &[("content-length", "100"), ("content-type", "application/json")]).bytes("{\"a\":").cut(),
    ] {
        let (breaking, fine) = (Provider::always(begun).await, Provider::always(Reply::json(200, "{}")).await);
        let gateway = in_order(breaking.settings(), fine.settings()).await;
        let answer = gateway.chat("m").await;
        assert_eq!((answer.text(), answer.whole), ("{\"a\":", false), "half an answer must not look whole");
        assert!(fine.requests().is_empty());
    }
}

/// A hundred clients at work while one of two instances dies.
#[tokio::test]
async fn no_client_sees_an_instance_die() {
    let (east, west) = (Provider::always(Reply::json(200, "{}")).await, Provider::always(Reply::json(200, "{}")).await);
    let setup = [("EAST", &east), ("WEST", &west)].into_iter().fold(Setup::new(), |setup, (suffix, provider)| {
        setup
            .env(&format!("OPENAI_{suffix}_API_KEY"), "k")
            .env(&format!("OPENAI_{suffix}_BASE_URL"), format!("http://{}", provider.address()))
            .env(&format!("OPENAI_{suffix}_MODELS"), "gpt-5.5")
    });
    let gateway = setup.env("CONFIGURED_PROVIDER_MODELS_MODE", "allowlist").start().await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let mut client = gateway.client().await;
        clients.spawn(async move {
            for _ in 0..40 {
                let body = Body::Length(br#"{"model":"gpt-5.5"}"#);
                let answer = client.exchange("POST", CHAT, &[JSON], body).await;
                assert_eq!((answer.head.status, answer.text()), (200, "{}"));
            }
        });
    }
    east.received(50).await;
    west.received(50).await;
    drop(east);
    while let Some(done) = clients.join_next().await {
        done.expect("no client sees an error");
    }
    assert!(gateway.access_lines(640).await.iter().all(|line| line["status"] == 200));
}

/// A key that is not taken, an account without money: another account may do, the same one will not by the next try.
#[tokio::test]
async fn what_is_wrong_with_the_account_is_not_tried_again_there() {
    let fine = Provider::always(Reply::json(200, "{}")).await;
    for status in [401, 402] {
        let broke = Provider::always(fails_with(status)).await;
        let gateway = in_order(broke.settings(), fine.settings()).await;
        for attempts in ["2", "1"] {
            let answer = gateway.post(CHAT, REQUEST).await;
            assert_eq!((answer.head.status, answer.head.headers.get("x-narthex-attempts")), (200, Some(attempts)));
        }
        assert_eq!(broke.requests().len(), 1, "it cools down");
        let alone = broke.behind_gateway().await;
        assert_eq!(alone.post(CHAT, REQUEST).await.head.status, status);
        assert_eq!(broke.requests().len(), 2);
    }
}

/// Some say with 429 that the account is used up. Whoever reads the body knows; who passes it on knows it the next time.
#[tokio::test]
async fn an_account_that_is_used_up_is_told_from_a_busy_one() {
    let used_up = Reply::json(429, r#"{"error":{"code":"1113","message":"no balance"}}"#);
    let broke = Provider::always(used_up.clone()).await;
    let fine = Provider::always(Reply::json(200, "{}")).await;
    let gateway = broke.behind_gateway().await;
    let messages = r#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}]}"#;
    let answer = gateway.post("/v1/messages", messages).await;
    assert_eq!((answer.head.status, broke.requests().len()), (429, 1), "read, and not tried again");
    let error: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!((&error["error"]["type"], &error["error"]["message"]), (&"billing_error".into(), &"no balance".into()));
    assert_eq!(gateway.post(CHAT, REQUEST).await.head.status, 429);
    assert_eq!(broke.requests().len(), 2, "it is known by now");

    let both = in_order(broke.settings(), fine.settings()).await;
    assert_eq!(both.post(CHAT, REQUEST).await.head.headers.get("x-narthex-instance"), Some("b"));

    // What is the request's own fault may come with a status that says otherwise.
    let confused = Provider::always(Reply::json(500, r#"{"error":{"message":"prompt is too long: 9 tokens"}}"#)).await;
    let gateway = in_order(confused.settings(), fine.settings()).await;
    assert_eq!(gateway.post("/v1/messages", messages).await.head.status, 500);
    assert_eq!(confused.requests().len(), 1);
}
