//! Thoughts within the text: told apart for clients of other dialects, and for chat clients where the user says so.

use super::{ask, json};
use crate::support::gateway::{Gateway, Setup};
use crate::support::upstream::{Received, Reply, Upstream};
use crate::support::wire::Wire;
use serde_json::{Value, json};

const TEXT: &str = "<think>\nHm, \"ü\"?\n</think>\n\nFive.\n";
const THOUGHT: &str = "Hm, \"ü\"?";

/// A server without a parser for thoughts, which sends streams a few characters at a time and its bytes in pieces of seven.
fn unparsed(request: &Received) -> Reply {
    if !Wire::asked(request).1 {
        return Reply::json(200, whole());
    }
    let chunk = |delta: Value, reason: Value| {
        format!("data: {}\n\n", json!({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}))
    };
    let letters: Vec<_> = TEXT.chars().collect();
    let mut stream: String =
        letters.chunks(3).map(|piece| chunk(json!({"content": String::from_iter(piece)}), json!(null))).collect();
    stream += &chunk(json!({}), json!("stop"));
    stream += "data: [DONE]\n\n";
    stream.as_bytes().chunks(7).fold(Reply::events(), Reply::chunk).end()
}

fn whole() -> String {
    let message = json!({"role": "assistant", "content": TEXT});
    json!({"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "own": 1.50}).to_string()
}

/// Instances of these kinds, each named as its setting.
async fn gateway(upstream: &Upstream) -> Gateway {
    let settings = |kind: &str, more: &str| {
        format!(
            "type: {kind}, base_url: \"http://{}/v1\", api_key: k, models: [m], models_mode: allowlist{more}",
            upstream.address
        )
    };
    Setup::instances([
        ("usual", settings("groq", "")),
        ("split", settings("groq", ", think_tags: split")),
        ("keep", settings("groq", ", think_tags: keep")),
        ("compatible", settings("openai", "")),
        ("parsed", settings("oracle", "")),
    ])
    .start()
    .await
}

/// Thoughts and text of an answer in Anthropic's dialect.
fn blocks(answer: &Value) -> (String, String) {
    let of = |kind: &str, member: &str| {
        let blocks = answer["content"].as_array().expect("blocks").iter().filter(|block| block["type"] == kind);
        blocks.map(|block| block[member].as_str().expect("text")).collect::<String>()
    };
    (of("thinking", "thinking"), of("text", "text"))
}

/// The same of a stream of events, whose deltas have these members.
fn deltas<'e>(events: impl Iterator<Item = &'e Value>, thought: &str, text: &str) -> (String, String) {
    let mut told = (String::new(), String::new());
    for delta in events {
        told.0 += delta[thought].as_str().unwrap_or_default();
        told.1 += delta[text].as_str().unwrap_or_default();
    }
    told
}

fn events(body: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(body).expect("UTF-8");
    text.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect()
}

#[tokio::test]
async fn another_dialect_has_a_place_for_thoughts() {
    let upstream = Upstream::start(unparsed).await;
    let gateway = gateway(&upstream).await;
    let split = (THOUGHT.to_owned(), "Five.\n".to_owned());
    let kept = (String::new(), TEXT.to_owned());
    for (instance, expected) in
        [("usual", &kept), ("split", &split), ("compatible", &kept), ("keep", &kept), ("parsed", &kept)]
    {
        let model = format!("{instance}/m");
        let answer = ask(&gateway, Wire::Messages, &model, false).await;
        assert_eq!(blocks(&json(&answer.body)), *expected, "{instance}");
        let answer = ask(&gateway, Wire::Messages, &model, true).await;
        let events = events(&answer.body);
        assert_eq!(deltas(events.iter().map(|event| &event["delta"]), "thinking", "text"), *expected, "{instance}");
    }
}

#[tokio::test]
async fn chat_answers_are_touched_only_where_the_user_says_so() {
    let upstream = Upstream::start(unparsed).await;
    let gateway = gateway(&upstream).await;
    for instance in ["usual", "keep", "compatible"] {
        let answer = ask(&gateway, Wire::Chat, &format!("{instance}/m"), false).await;
        assert_eq!(answer.text(), whole(), "{instance}");
    }
    let answer = ask(&gateway, Wire::Chat, "split/m", false).await;
    let edited = json(&answer.body);
    let message = &edited["choices"][0]["message"];
    assert_eq!((&message["reasoning_content"], &message["content"]), (&json!(THOUGHT), &json!("Five.\n")));
    assert!(answer.text().contains("\"own\":1.5"), "{}", answer.text());
    assert!(answer.whole);
    let answer = ask(&gateway, Wire::Chat, "split/m", true).await;
    let events = events(&answer.body);
    let told = deltas(events.iter().map(|event| &event["choices"][0]["delta"]), "reasoning_content", "content");
    assert_eq!(told, (THOUGHT.to_owned(), "Five.\n".to_owned()));
    assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
}

#[tokio::test]
async fn another_word_for_it_is_refused() {
    let (ok, output) = Setup::new().env("GROQ_API_KEY", "k").env("GROQ_THINK_TAGS", "maybe").run(&["check"]);
    assert!(!ok && output.stderr.contains("think_tags `maybe` is none of split, keep"), "{}", output.stderr);
}
