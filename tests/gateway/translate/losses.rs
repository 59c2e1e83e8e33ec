//! What a provider's dialect has no place for: named, or refused.

use super::{Hub, json, model, refused, setup};
use crate::support::gateway::{Gateway, Setup};
use crate::support::http::Answer;
use crate::support::upstream::Upstream;
use crate::support::wire::Wire;
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

/// A chat request with these members.
fn chat(provider: Wire, members: &Value) -> String {
    let mut body = json!({"model": model(provider), "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().expect("an object").extend(members.as_object().expect("an object").clone());
    body.to_string()
}

fn dropped(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.head.status, 200, "{}", answer.text());
    assert!(answer.head.headers.all("x-narthex-dropped").count() <= 1);
    let mut names: Vec<_> = answer
        .head
        .headers
        .get("x-narthex-dropped")
        .into_iter()
        .flat_map(|names| names.split(", "))
        .map(str::to_owned)
        .collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn what_was_left_out_is_named() {
    let hub = Hub::answering(Wire::reply).await;
    for (provider, expected) in [
        (Wire::Messages, &["logit_bias", "seed"][..]),
        (Wire::Converse, &["logit_bias", "seed"]),
        (Wire::Responses, &["logit_bias", "seed"]),
        (Wire::Gemini, &["logit_bias"]),
    ] {
        for is_stream in [false, true] {
            let body = chat(provider, &json!({"seed": 7, "logit_bias": {"5": 1}, "stream": is_stream}));
            assert_eq!(dropped(&hub.gateway.post(CHAT, body).await), expected, "{provider:?}");
            let sent = json(&hub.last().body);
            assert!(sent.get("logit_bias").is_none() && sent.get("seed").is_none(), "{sent}");
        }
    }
}

#[tokio::test]
async fn members_that_nobody_knows_are_named_with_their_place() {
    let hub = Hub::answering(Wire::reply).await;
    for provider in [Wire::Messages, Wire::Gemini, Wire::Converse, Wire::Responses] {
        let body = chat(
            provider,
            &json!({"mööd": 1, "messages": [{"role": "user", "mood": "good", "content": [{"type": "text", "text": "hi", "tone": 1}]}]}),
        );
        // A header holds ASCII only.
        let expected = ["m??d", "messages[0].content[0].tone", "messages[0].mood"];
        assert_eq!(dropped(&hub.gateway.post(CHAT, body).await), expected, "{provider:?}");
        assert!(!hub.last().text().contains("mood"), "{}", hub.last().text());
    }
    for (client, path, body) in [
        (
            Wire::Messages,
            "/v1/messages",
            r#"{"model":"chat/m","max_tokens":5,"messages":[{"role":"user","content":"hi"}],"mood":1}"#,
        ),
        (Wire::Responses, "/v1/responses", r#"{"model":"chat/m","input":"hi","mood":1}"#),
        (
            Wire::Gemini,
            "/v1beta/models/chat%2Fm:generateContent",
            r#"{"contents":[{"parts":[{"text":"hi"}]}],"mood":1}"#,
        ),
        (
            Wire::Converse,
            "/model/chat%2Fm/converse",
            r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}],"mood":1}"#,
        ),
    ] {
        assert_eq!(dropped(&hub.gateway.post(path, body).await), ["mood"], "{client:?}");
    }
}

/// A name is a client's own text: it must not be able to forge a header.
#[tokio::test]
async fn a_name_cannot_break_out_of_its_header() {
    let hub = Hub::answering(Wire::reply).await;
    let name = "a\r\nx-forged: 1\r\n\r\nHTTP/1.1 200 OK\u{0}\u{7f}";
    let answer = hub.gateway.post(CHAT, chat(Wire::Messages, &json!({ name: 1 }))).await;
    assert_eq!(answer.head.headers.get("x-forged"), None);
    assert_eq!(answer.head.headers.get("x-narthex-dropped"), Some("a??x-forged: 1????HTTP/1.1 200 OK??"));
    // So many that no client would read the header.
    let many: serde_json::Map<_, _> = (0..4000).map(|n| (format!("unknown_member_{n}"), json!(1))).collect();
    let answer = hub.gateway.post(CHAT, chat(Wire::Messages, &many.into())).await;
    assert_eq!(answer.head.status, 200);
    let header = answer.head.headers.get("x-narthex-dropped").expect("it is told");
    assert!(header.contains("unknown_member_0"), "{}", header.len());
    assert!(header.len() <= 8192, "a header of {} bytes", header.len());
}

#[tokio::test]
async fn in_strict_mode_nothing_is_left_out() {
    let hub = Hub::answering(Wire::reply).await;
    let cases = [
        (Wire::Chat, CHAT, r#"{"model":"messages/m","messages":[{"role":"user","content":"hi"}],"seed":1}"#, "seed"),
        (
            Wire::Chat,
            CHAT,
            r#"{"model":"messages/m","messages":[{"role":"user","content":"hi","mood":1}]}"#,
            "messages[0].mood",
        ),
        (
            Wire::Messages,
            "/v1/messages",
            r#"{"model":"chat/m","max_tokens":5,"messages":[{"role":"user","content":"hi"}],"mood":1}"#,
            "mood",
        ),
        (
            Wire::Responses,
            "/v1/responses",
            r#"{"model":"messages/m","input":"hi","text":{"verbosity":"low"}}"#,
            "verbosity",
        ),
        (
            Wire::Gemini,
            "/v1beta/models/messages%2Fm:generateContent",
            r#"{"contents":[{"parts":[{"text":"hi"}]}],"generationConfig":{"seed":5}}"#,
            "seed",
        ),
        (
            Wire::Converse,
            "/model/chat%2Fm/converse",
            r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}],"mood":1}"#,
            "mood",
        ),
    ];
    let upstream = Upstream::start(Wire::reply).await;
    let strict = setup(&upstream).and("routing: {strict: true}").start().await;
    let by_variable = setup(&upstream).env("NARTHEX_STRICT", "true").start().await;
    let ask = async |gateway: &Gateway, headers: &[(&str, &str)], path: &str, body: &str| {
        gateway.post_with(path, headers, body).await
    };
    for (client, path, body, name) in cases {
        assert!(dropped(&ask(&hub.gateway, &[], path, body).await).contains(&name.to_owned()), "{client:?}");
        for answer in [
            ask(&hub.gateway, &[("x-narthex-strict", "true")], path, body).await,
            ask(&strict, &[], path, body).await,
            ask(&by_variable, &[], path, body).await,
        ] {
            let (status, message) = refused(client, &answer);
            assert_eq!(status, 400, "{client:?}: {message}");
            assert!(message.contains(&format!("`{name}`")), "{client:?}: {message}");
            if matches!(client, Wire::Chat | Wire::Responses) {
                assert_eq!(json(&answer.body)["error"]["code"], "unsupported_parameter");
            }
        }
    }
    assert!(upstream.requests().is_empty(), "nobody was asked");
    let fine = ask(&strict, &[], CHAT, &chat(Wire::Messages, &json!({"temperature": 0.5}))).await;
    assert!(dropped(&fine).is_empty());
}

/// What is forwarded needs no place: strict mode has nothing to say there.
#[tokio::test]
async fn strict_mode_is_about_translation() {
    let hub = Hub::answering(Wire::reply).await;
    let answer =
        hub.gateway.post_with(CHAT, &[("x-narthex-strict", "true")], chat(Wire::Chat, &json!({"mood": 1}))).await;
    assert_eq!(answer.head.status, 200);
    assert_eq!(hub.last().headers.get("x-narthex-strict"), None, "it is for us");
}

#[tokio::test]
async fn what_would_be_another_question_is_refused() {
    let hub = Hub::answering(Wire::reply).await;
    let audio = json!({"messages": [{"role": "user", "content": [
        {"type": "text", "text": "what is said?"},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}]}]});
    for (provider, members, name) in [
        (Wire::Messages, &audio, "input_audio"),
        (Wire::Messages, &json!({"n": 2}), "n"),
        (Wire::Converse, &json!({"n": 2}), "n"),
        (Wire::Responses, &json!({"n": 2}), "n"),
        (
            Wire::Converse,
            &json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.org/a.png"}}]}]}),
            "image_url",
        ),
    ] {
        for is_stream in [false, true] {
            let mut members = members.clone();
            members["stream"] = is_stream.into();
            let answer = hub.gateway.post(CHAT, chat(provider, &members)).await;
            let (status, message) = refused(Wire::Chat, &answer);
            assert_eq!(status, 400, "{provider:?}: {message}");
            assert!(message.contains(&format!("`{name}`")), "{provider:?}: {message}");
        }
    }
    assert!(hub.upstream.requests().is_empty(), "nobody was asked");
    let count = hub.gateway.access_lines(10).await;
    assert!(count.iter().all(|line| line["status"] == 400 && line["outcome"] == "error" && line["error"].is_string()));
    // Gemini hears.
    assert_eq!(hub.gateway.post(CHAT, chat(Wire::Gemini, &audio)).await.head.status, 200);
    assert!(hub.last().text().contains("UklGRg=="));
}

/// Requests that make no sense in the client's own dialect are refused before anybody is asked, and name the place.
#[tokio::test]
async fn what_cannot_be_read_is_refused() {
    let hub = Hub::answering(Wire::reply).await;
    for (client, path, body, place) in [
        (Wire::Chat, CHAT, r#"{"model":"messages/m"}"#, "messages"),
        (Wire::Chat, CHAT, r#"{"model":"messages/m","messages":"hi"}"#, "messages"),
        (Wire::Chat, CHAT, r#"{"model":"messages/m","messages":[{"role":"wizard","content":"x"}]}"#, "wizard"),
        (
            Wire::Messages,
            "/v1/messages",
            r#"{"model":"chat/m","max_tokens":5,"messages":[{"role":"user","content":5}]}"#,
            "messages[0].content",
        ),
        (Wire::Responses, "/v1/responses", r#"{"model":"chat/m"}"#, "input"),
        (Wire::Gemini, "/v1beta/models/chat%2Fm:generateContent", r#"{"contents":[]}"#, "contents"),
        (
            Wire::Converse,
            "/model/chat%2Fm/converse",
            r#"{"messages":[{"role":"user","content":[{"text":5}]}]}"#,
            "messages[0].content",
        ),
    ] {
        let (status, message) = refused(client, &hub.gateway.post(path, body).await);
        assert_eq!(status, 400, "{client:?}: {message}");
        assert!(message.contains(place), "{client:?}: {message}");
    }
    assert!(hub.upstream.requests().is_empty());
}

/// A key's instance may be of another dialect than all others; the refusal says so only if none of them can.
#[tokio::test]
async fn a_target_that_can_is_found() {
    let upstream = Upstream::start(Wire::reply).await;
    let root = format!("http://{}", upstream.address);
    let gateway = Setup::instances([("a", Wire::Messages.instance(&root)), ("b", Wire::Gemini.instance(&root))])
        .env("NARTHEX_STRATEGY", "priority")
        .start()
        .await;
    let audio = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}}]}]}"#;
    for _ in 0..3 {
        let answer = gateway.post(CHAT, audio).await;
        assert_eq!(answer.head.status, 200, "{}", answer.text());
        assert_eq!(answer.head.headers.get("x-narthex-instance"), Some("b"));
        assert_eq!(answer.head.headers.get("x-narthex-attempts"), Some("1"));
    }
    let strict = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"seed":5}"#;
    let answer = gateway.post_with(CHAT, &[("x-narthex-strict", "true")], strict).await;
    assert_eq!((answer.head.status, answer.head.headers.get("x-narthex-instance")), (200, Some("b")));
    let answer = gateway.post(CHAT, strict).await;
    assert_eq!(answer.head.headers.get("x-narthex-instance"), Some("a"), "else the first will do");
    let neither = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"logit_bias":{"1":1}}"#;
    let answer = gateway.post_with(CHAT, &[("x-narthex-strict", "true")], neither).await;
    assert_eq!(refused(Wire::Chat, &answer).0, 400);
}
