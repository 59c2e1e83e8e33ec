//! Targets of several dialects for one model: whoever fails, the next is asked in its own.

use super::{ask, json, refused, understood};
use crate::support::gateway::{Gateway, Setup};
use crate::support::upstream::{Received, Reply, Upstream};
use crate::support::wire::{TEXT, Told, Wire};

/// Two upstreams of these dialects, the first of which is asked first.
struct Two {
    gateway: Gateway,
    first: Upstream,
    second: Upstream,
}

async fn two((first, failing): (Wire, Reply), (second, then): (Wire, fn(&Received) -> Reply)) -> Two {
    let (first_at, second_at) = (Upstream::start(move |_| failing.clone()).await, Upstream::start(then).await);
    let instance = |wire: Wire, upstream: &Upstream| {
        wire.instance(&format!("http://{}", upstream.address)).replace("models: [m]", "models: [m, gpt-5-codex]")
    };
    let gateway = Setup::instances([("a", instance(first, &first_at)), ("b", instance(second, &second_at))])
        .and(&format!("models: {{ours: {{targets: [a/{}], fallbacks: [b/{}]}}}}", first.model(), second.model()))
        .start()
        .await;
    Two { gateway, first: first_at, second: second_at }
}

fn is_text(told: &Told) -> bool {
    told.text == TEXT && told.is_finished && told.errors.is_empty()
}

#[tokio::test]
async fn another_dialect_takes_over() {
    for first in Wire::ALL {
        for second in Wire::ALL {
            for failure in [Reply::json(529, first.error(529, "busy")), Reply::default().cut()] {
                let Two { gateway, first: failed, second: fine } = two((first, failure), (second, Wire::reply)).await;
                for client in [Wire::Chat, Wire::Messages, Wire::Converse] {
                    for is_stream in [false, true] {
                        let context = format!("{client:?} over {first:?}, then {second:?}, stream: {is_stream}");
                        let answer = ask(&gateway, client, "ours", is_stream).await;
                        assert!(is_text(&understood(client, is_stream, &answer)), "{context}");
                        assert_eq!(answer.head.headers.get("x-narthex-instance"), Some("b"), "{context}");
                        let content_type = if is_stream { client.stream_type() } else { "application/json" };
                        assert_eq!(
                            answer.head.headers.all("content-type").collect::<Vec<_>>(),
                            [content_type],
                            "{context}"
                        );
                        assert_eq!(
                            Wire::asked(&fine.requests().pop().expect("a request")),
                            (second, is_stream),
                            "{context}"
                        );
                    }
                }
                let tried = failed.requests().len();
                assert!(tried >= 1, "{first:?} was asked");
                let lines = gateway.access_lines(6).await;
                assert_eq!(
                    (&lines[0]["attempts"], &lines[0]["outcome"], &lines[0]["status"]),
                    (&2.into(), &"ok".into(), &200.into())
                );
                assert!(lines.iter().all(|line| line.get("error").is_none_or(serde_json::Value::is_null)), "{lines:?}");
            }
        }
    }
}

/// An error that is the request's own fault is told, not tried elsewhere.
#[tokio::test]
async fn the_requests_own_fault_is_told() {
    let failure = Reply::json(400, Wire::Messages.error(400, "bad"));
    let two = two((Wire::Messages, failure), (Wire::Chat, Wire::reply)).await;
    let answer = ask(&two.gateway, Wire::Chat, "ours", false).await;
    assert_eq!(refused(Wire::Chat, &answer), (400, "bad".to_owned()));
    assert!(two.second.requests().is_empty());
}

/// When all have failed, the last one's words are told, in the client's dialect, whoever the last was.
#[tokio::test]
async fn the_last_failure_is_told() {
    for (first, second) in [(Wire::Messages, Wire::Chat), (Wire::Chat, Wire::Messages), (Wire::Gemini, Wire::Converse)]
    {
        let failing: fn(&Received) -> Reply = |request| {
            let (wire, _) = Wire::asked(request);
            let body = wire.error(429, "the last");
            let length = body.len().to_string();
            Reply::head(429, &[("content-type", "application/json"), ("content-length", &length), ("retry-after", "9")])
                .bytes(body)
        };
        let two = two((first, Reply::json(503, first.error(503, "the first"))), (second, failing)).await;
        for client in Wire::ALL {
            let answer = ask(&two.gateway, client, "ours", true).await;
            assert_eq!(answer.head.headers.get("retry-after"), Some("9"), "{client:?}");
            assert_eq!(answer.head.headers.get("x-narthex-instance"), Some("b"), "{client:?}");
            assert_eq!(answer.head.status, 429, "{client:?}");
            // Its own dialect's error is forwarded, others are told anew.
            assert!(client == second || refused(client, &answer) == (429, "the last".to_owned()), "{client:?}");
        }
    }
}

/// A target that cannot be asked this is passed over, and is no try.
#[tokio::test]
async fn a_refusal_at_one_goes_on_to_the_next() {
    let refusing = Reply::json(500, "never asked");
    let two = two((Wire::Messages, refusing), (Wire::Chat, Wire::reply)).await;
    let body = r#"{"model":"ours","messages":[{"role":"user","content":"hi"}],"seed":5}"#;
    let answer = two.gateway.post_with("/v1/chat/completions", &[("x-narthex-strict", "true")], body).await;
    assert_eq!((answer.head.status, answer.head.headers.get("x-narthex-attempts")), (200, Some("1")));
    assert_eq!(answer.head.headers.get("x-narthex-dropped"), None);
    assert!(two.first.requests().is_empty());
    assert_eq!(json(&two.second.requests()[0].body)["seed"], 5);
}

/// It is the other way round that the last target refuses: the failure of the first is no news then, the refusal is.
#[tokio::test]
async fn a_refusal_after_a_failure_is_told() {
    let failing = Reply::json(503, Wire::Chat.error(503, "busy"));
    let two = two((Wire::Chat, failing), (Wire::Messages, Wire::reply)).await;
    let body = r#"{"model":"ours","messages":[{"role":"user","content":"hi"}],"n":2}"#;
    let answer = two.gateway.post("/v1/chat/completions", body).await;
    let (status, message) = refused(Wire::Chat, &answer);
    assert!(status == 400 && message.contains("`n`") || status == 503 && message == "busy", "{status} {message}");
    assert!(two.second.requests().is_empty());
}

/// Each target is told of its own losses; the header speaks of the one that answered.
#[tokio::test]
async fn losses_are_those_of_the_one_that_answered() {
    let failing = Reply::json(529, Wire::Messages.error(529, "busy"));
    let two = two((Wire::Messages, failing), (Wire::Gemini, Wire::reply)).await;
    let body = r#"{"model":"ours","messages":[{"role":"user","content":"hi"}],"seed":5,"logit_bias":{"1":1}}"#;
    let answer = two.gateway.post("/v1/chat/completions", body).await;
    assert_eq!((answer.head.status, answer.head.headers.get("x-narthex-attempts")), (200, Some("2")));
    assert_eq!(answer.head.headers.get("x-narthex-dropped"), Some("logit_bias"));
}

/// An answer that is none is a failure like any other.
#[tokio::test]
async fn garbage_is_a_failure_like_any_other() {
    let two = two((Wire::Messages, Reply::json(200, "<html>busy</html>")), (Wire::Chat, Wire::reply)).await;
    let answer = ask(&two.gateway, Wire::Chat, "ours", false).await;
    assert!(is_text(&understood(Wire::Chat, false, &answer)));
    assert_eq!(answer.head.headers.get("x-narthex-attempts"), Some("2"));
    let line = two.gateway.access_lines(1).await.remove(0);
    assert_eq!((&line["outcome"], &line["error"]), (&"ok".into(), &serde_json::Value::Null), "{line}");
}
