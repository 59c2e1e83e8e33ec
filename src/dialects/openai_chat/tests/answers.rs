//! Whole answers, read and written again.

use serde_json::{Value, json};

use super::*;
use crate::dialects::ir::{Annotation, Choice, Finish, Opaque, Part, Reason, Reasoning, Response, Seal, Source, Text};
use crate::dialects::{Dialect, Unanswered};
use crate::error::Kind;

pub fn reply() -> Reply {
    Reply {
        model: "asked".to_owned(),
        nonce: "n0nce".to_owned(),
        created: 7,
        shows_thoughts: true,
        counts_stream: true,
        ..Reply::default()
    }
}

fn read(body: &Value) -> Response {
    OpenaiChat::default().read_response(body.to_string().as_bytes()).expect("an answer")
}

fn write(response: &Response) -> Value {
    serde_json::from_slice(&OpenaiChat::default().write_response(response, &reply())).expect("JSON")
}

fn answer(message: Value, finish: Value) -> Value {
    json!({"choices": [{"message": message, "finish_reason": finish}]})
}

fn failure(body: &str) -> Unanswered {
    OpenaiChat::default().read_response(body.as_bytes()).expect_err("no answer")
}

#[test]
fn what_openai_answers_stays_as_it_is() {
    let body = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 5, "model": "gpt-x",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant", "content": "hi", "refusal": null,
                    "annotations": [{"type": "url_citation", "url_citation":
                        {"url": "https://x.test", "title": "X", "start_index": 0, "end_index": 2}}],
                    "tool_calls": [
                        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}},
                        {"id": "call_2", "type": "custom", "custom": {"name": "c", "input": "free"}},
                    ],
                },
                "logprobs": {"content": [{"token": "hi", "logprob": -0.1}], "refusal": null},
                "finish_reason": "tool_calls",
            },
            {
                "index": 1,
                "message": {"role": "assistant", "content": null, "refusal": "no"},
                "logprobs": null,
                "finish_reason": "stop",
            },
        ],
        "usage": {
            "prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17,
            "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
        },
        "service_tier": "default", "system_fingerprint": "fp",
    });
    assert_eq!(write(&read(&body)), body);
}

#[test]
fn followers_are_understood() {
    let parts = |message: Value| read(&answer(message, json!("stop"))).choices.remove(0).parts;
    assert!(matches!(&parts(json!({"content": "a", "reasoning": "hm"}))[..], [Part::Reasoning(_), Part::Text(_)]));
    let mistral =
        json!([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}]);
    assert!(matches!(&parts(json!({"content": mistral}))[..], [Part::Reasoning(_), Part::Text(_)]));
    let image =
        json!({"content": "", "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]});
    let [Part::Media(media)] = &parts(image)[..] else { panic!("an image") };
    assert!(matches!(&media.source, Source::Base64(data) if data == "AA=="));
    let audio =
        json!({"content": null, "audio": {"id": "audio_1", "data": "AA==", "transcript": "hi", "expires_at": 9}});
    let [Part::Media(media)] = &parts(audio)[..] else { panic!("audio") };
    assert_eq!((media.id.as_deref(), media.transcript.as_deref()), (Some("audio_1"), Some("hi")));
    let object = json!({"content": {"a": 1}, "tool_calls": null, "refusal": 7, "annotations": "odd"});
    assert!(matches!(&parts(object)[..], [Part::Text(text)] if text.text == "{\"a\":1}"));
    let legacy = json!({"content": null, "function_call": {"name": "f", "arguments": {"a": 1}}});
    let response = read(&answer(legacy, json!("function_call")));
    let [Part::ToolCall(call)] = &response.choices[0].parts[..] else { panic!("a call") };
    assert_eq!((&*call.arguments, response.choices[0].finish.reason), ("{\"a\":1}", Reason::ToolCalls));
}

#[test]
fn endings_are_folded() {
    let call = json!({"tool_calls": [{"id": "", "function": {"name": "f", "arguments": ""}}]});
    for (message, finish, reason) in [
        (json!({"content": "a"}), json!("eos"), Reason::Stop),
        (json!({"content": "a"}), json!("FAKE_NEW_REASON"), Reason::Stop),
        (json!({"content": "a"}), json!(""), Reason::Stop),
        (json!({"content": "a"}), Value::Null, Reason::Stop),
        (json!({"content": "a"}), json!("sensitive"), Reason::Filtered),
        (call.clone(), json!("stop"), Reason::ToolCalls),
        (call.clone(), json!(""), Reason::ToolCalls),
        (call, json!("length"), Reason::Length),
    ] {
        let response = read(&answer(message, finish.clone()));
        assert_eq!(response.choices[0].finish.reason, reason, "{finish}");
    }
}

#[test]
fn an_error_is_not_an_answer() {
    for (body, kind) in [
        (r#"{"error":{"code":429,"message":"slow"}}"#, Kind::RateLimited),
        (r#"{"base_resp":{"status_code":1008,"status_msg":"pay"},"choices":null}"#, Kind::Quota),
        (r#"{"choices":[{"error":{"code":502,"message":"down"},"message":{"content":""}}]}"#, Kind::Upstream),
        (r#"{"choices":[{"message":{"content":"a"},"finish_reason":"error"}]}"#, Kind::Upstream),
        (r#"{"choices":[{"message":{"tool_calls":[{"id":"a","function":{"arguments":"{}"}}]}}]}"#, Kind::Upstream),
    ] {
        assert!(matches!(failure(body), Unanswered::Failed(failure) if failure.kind == kind), "{body}");
    }
    for body in ["", "{", "[]", "<html>", r#"{"id":"x"}"#, r#"{"choices":[]}"#, r#"{"choices":{}}"#] {
        assert!(matches!(failure(body), Unanswered::Garbled(_)), "{body}");
    }
}

#[test]
fn what_others_answer_is_shown() {
    let sealed = Reasoning {
        text: "hm".to_owned(),
        seal: Some(Seal::signature(Dialect::Anthropic, "sig")),
        ..Reasoning::default()
    };
    let cited = Text {
        text: "β".to_owned(),
        annotations: vec![Annotation { url: Some("u".to_owned()), span: Some((0, 1)), ..Annotation::default() }],
        ..Text::default()
    };
    let server = Opaque {
        dialect: Dialect::Anthropic,
        name: "web_search".to_owned(),
        value: serde_json::value::to_raw_value(&1).expect("JSON"),
    };
    let parts = vec![
        Part::Reasoning(sealed),
        Part::Text(Text { text: "äé".to_owned(), ..Text::default() }),
        Part::Opaque(server),
        Part::Text(cited),
    ];
    let finish = Finish { reason: Reason::Filtered, stop_sequence: None, explanation: Some("policy".to_owned()) };
    let response = Response { choices: vec![Choice { parts, finish }], ..Response::default() };
    let written = write(&response);
    let message = &written["choices"][0]["message"];
    assert_eq!(
        (&written["id"], &written["model"], &written["created"]),
        (&json!("chatcmpl-n0nce"), &json!("asked"), &json!(7))
    );
    assert_eq!((&message["content"], &message["reasoning_content"]), (&json!("äéβ"), &json!("hm")));
    assert_eq!(message["annotations"][0]["url_citation"]["start_index"], 2);
    assert_eq!(message["refusal"], "policy");
    let detail = json!([{"type": "reasoning.text", "text": "hm", "signature": "anthropic:s:sig", "format": "anthropic-claude-v1", "index": 0}]);
    assert_eq!(message["reasoning_details"], detail);
    let hidden = Reply { shows_thoughts: false, ..reply() };
    let written = OpenaiChat::default().write_response(&response, &hidden);
    assert!(!String::from_utf8_lossy(&written).contains("reasoning"));
}
