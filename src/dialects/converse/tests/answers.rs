//! Whole answers.

use super::*;
use crate::dialects::Dialect;
use crate::dialects::Unanswered;
use crate::dialects::ir::{
    Annotation, Choice, Part, Reason, Reasoning, Response, Seal, SealKind, Text, ToolCall, Usage,
};
use crate::error::Kind;

fn read(body: &str) -> Response {
    Converse.read_response(body.as_bytes()).expect("an answer")
}

fn write(parts: Vec<Part>, reason: Reason) -> String {
    let usage = Usage { input: 30, output: 5, cached: 10, cache_write: 4, ..Default::default() };
    let choices = vec![Choice { parts, finish: reason.into() }];
    let response = Response { choices, usage: Some(usage), ..Default::default() };
    String::from_utf8(Converse.write_response(&response, &Reply::default()).to_vec()).expect("text")
}

#[test]
fn an_answer_is_read() {
    let response = read(
        r#"{"metrics":{"latencyMs":1},"output":{"message":{"role":"assistant","content":[
        {"reasoningContent":{"reasoningText":{"text":"hm","signature":"c2ln"}}},
        {"type":"text","text":"It is "},{"text":""},
        {"citationsContent":{"content":[{"text":"so."}],"citations":[{"title":"T","source":"https://e.com","sourceContent":[{"text":"q"}],"location":{"web":{"url":"https://e.com/a"}}}]}},
        {"toolUse":{"toolUseId":"t1","name":"f","input":{"a": 1.0},"type":"tool_use"}},
        {"toolUse":{"toolUseId":"t2","name":"code","input":{},"type":"server_tool_use"}},
        {"song":[1]}]}},
        "stopReason":"end_turn","additionalModelResponseFields":{"stop_sequence":null,"usage":{"output_tokens_details":{"thinking_tokens":3}}},
        "usage":{"inputTokens":12,"outputTokens":5,"totalTokens":37,"cacheReadInputTokens":20,"cacheWriteInputTokens":0.0,"serverToolUsage":{}}}"#,
    );
    let choice = &response.choices[0];
    assert_eq!(choice.finish.reason, Reason::ToolCalls, "a call is a call whatever the reason says");
    let [
        Part::Reasoning(thought),
        Part::Text(said),
        Part::Text(cited),
        Part::ToolCall(call),
        Part::Opaque(server),
        Part::Opaque(song),
    ] = choice.parts.as_slice()
    else {
        panic!("{:?}", choice.parts)
    };
    assert_eq!(thought.seal, Some(Seal::signature(Dialect::Converse, "c2ln")));
    assert_eq!((said.text.as_str(), cited.text.as_str()), ("It is ", "so."));
    let Annotation { url, title, quote, .. } = &cited.annotations[0];
    assert_eq!([url, title, quote].map(|text| text.as_deref()), [Some("https://e.com/a"), Some("T"), Some("q")]);
    assert_eq!(call.arguments, r#"{"a": 1.0}"#);
    assert_eq!((server.name.as_str(), song.name.as_str()), ("server_tool_use", "song"));
    assert_eq!(song.value.get(), r#"{"song":[1]}"#);
    let usage = Usage { input: 32, output: 5, cached: 20, reasoning: 3, ..Default::default() };
    assert_eq!(response.usage, Some(usage));
}

#[test]
fn odd_answers_are_read_as_far_as_they_go() {
    for (stop_reason, expected) in [
        ("\"stop_sequence\"", Reason::StopSequence),
        ("\"max_tokens\"", Reason::Length),
        ("\"model_context_window_exceeded\"", Reason::Length),
        ("\"guardrail_intervened\"", Reason::Filtered),
        ("\"content_filtered\"", Reason::Filtered),
        ("\"malformed_tool_use\"", Reason::Stop),
        ("\"brand_new\"", Reason::Stop),
        ("null", Reason::Stop),
    ] {
        let body = format!(r#"{{"output":{{"message":{{"content":[]}}}},"stopReason":{stop_reason},"usage":"none"}}"#);
        let response = read(&body);
        assert_eq!((response.choices[0].finish.reason, response.usage), (expected, None), "{stop_reason}");
    }
    let failed = Converse.read_response(br#"{"__type":"ThrottlingException","message":"slow"}"#);
    assert!(matches!(failed, Err(Unanswered::Failed(failure)) if failure.kind == Kind::RateLimited));
    for garbled in ["{}", "<html>", "", r#"{"output":{"message":{"content":[{"toolUse":{"toolUseId":"t"}}]}}}"#] {
        assert!(matches!(Converse.read_response(garbled.as_bytes()), Err(Unanswered::Garbled(_))), "{garbled}");
    }
}

#[test]
fn an_answer_is_written() {
    let text = |text: &str, annotations| Part::Text(Text { text: text.to_owned(), annotations, logprobs: vec![] });
    let annotation =
        Annotation { url: Some("https://e.com".to_owned()), title: Some("T".to_owned()), ..Default::default() };
    let call = ToolCall {
        id: "t1".to_owned(),
        name: "f".to_owned(),
        seal: Some(Seal::signature(Dialect::Gemini, "Z2Vt")),
        ..Default::default()
    };
    let seal = Some(Seal::signature(Dialect::Converse, "c2ln"));
    let thought = Reasoning { text: "hm".to_owned(), seal, ..Default::default() };
    let parts = vec![
        Part::Reasoning(thought),
        text("", vec![]),
        text("a", vec![]),
        text("b", vec![annotation]),
        Part::ToolCall(call),
    ];
    let expected = concat!(
        r#"{"output":{"message":{"role":"assistant","content":["#,
        r#"{"reasoningContent":{"reasoningText":{"text":"hm","signature":"c2ln"}}},{"text":"a"},"#,
        r#"{"citationsContent":{"content":[{"text":"b"}],"citations":[{"title":"T","location":{"web":{"url":"https://e.com"}}}]}},"#,
        r#"{"reasoningContent":{"reasoningText":{"text":"","signature":"gemini:s:Z2Vt"}}},"#,
        r#"{"toolUse":{"toolUseId":"t1","name":"f","input":{}}}]}},"stopReason":"tool_use","#,
        r#""usage":{"inputTokens":16,"outputTokens":5,"totalTokens":35,"cacheReadInputTokens":10,"cacheWriteInputTokens":4},"#,
        r#""metrics":{"latencyMs":0}}"#,
    );
    assert_eq!(write(parts, Reason::ToolCalls), expected);
}

#[test]
fn seals_of_every_dialect_come_back_by_the_clients_history() {
    for dialect in Dialect::ALL {
        for kind in [SealKind::Signature, SealKind::Redacted] {
            let seal = Seal { dialect: *dialect, kind, value: "QUJD".to_owned() };
            let part = Part::Reasoning(Reasoning { seal: Some(seal.clone()), ..Default::default() });
            let body: serde_json::Value = serde_json::from_str(&write(vec![part], Reason::Stop)).expect("JSON");
            let body = format!(r#"{{"messages":[{}]}}"#, body["output"]["message"]);
            let request = read_request(&body).request;
            let Part::Reasoning(reasoning) = &request.messages[0].parts[0] else { panic!("reasoning") };
            assert_eq!(reasoning.seal, Some(seal));
        }
    }
}

#[test]
fn what_is_read_is_written_again() {
    let body = concat!(
        r#"{"output":{"message":{"role":"assistant","content":[{"reasoningContent":{"redactedContent":"AAAA"}},"#,
        r#"{"citationsContent":{"content":[{"text":"x"}],"citations":[{"location":{"documentChar":{"start":1}}}]}},"#,
        r#"{"image":{"format":"png","source":{"bytes":"iVBORw0="}}},"#,
        r#"{"toolResult":{"toolUseId":"t","type":"code_result","content":[{"json":{"a": 1}}]}}]}},"#,
        r#""stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3},"metrics":{"latencyMs":0}}"#,
    );
    let written = Converse.write_response(&read(body), &Reply::default());
    assert_eq!(written, body);
}
