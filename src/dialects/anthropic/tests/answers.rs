//! Whole answers, read and written.

use serde_json::json;

use super::*;
use crate::dialects::{Dialect, Unanswered};
use crate::error::Kind;
use ir::{Annotation, Choice, Finish, Reason, Reasoning, Seal, Start, ToolCall, Usage};

fn answered(response: &Response) -> Value {
    serde_json::from_slice(&Anthropic.write_response(response, &reply())).expect("JSON")
}

fn of_parts(parts: Vec<Part>, finish: Finish) -> Response {
    Response { start: Start::default(), choices: vec![Choice { parts, finish }], usage: None }
}

#[test]
fn every_ending_has_its_word() {
    let read = |reason: &str| {
        let body = format!(
            r#"{{"type":"message","content":[{{"type":"text","text":"x"}}],"stop_reason":{reason},"stop_sequence":"S"}}"#
        );
        Anthropic.read_response(body.as_bytes()).expect("an answer").choices[0].finish.reason
    };
    for (word, reason, back) in [
        ("\"end_turn\"", Reason::Stop, "end_turn"),
        ("\"stop_sequence\"", Reason::StopSequence, "stop_sequence"),
        ("\"max_tokens\"", Reason::Length, "max_tokens"),
        ("\"model_context_window_exceeded\"", Reason::Length, "max_tokens"),
        ("\"tool_use\"", Reason::ToolCalls, "tool_use"),
        ("\"refusal\"", Reason::Filtered, "refusal"),
        ("\"pause_turn\"", Reason::Paused, "pause_turn"),
        ("\"news\"", Reason::Stop, "end_turn"),
        ("null", Reason::Stop, "end_turn"),
    ] {
        assert_eq!(read(word), reason, "{word}");
        assert_eq!(answered(&of_parts(Vec::new(), reason.into()))["stop_reason"], back);
    }
}

#[test]
fn an_answer_of_another_provider_is_a_message() {
    let annotation =
        Annotation { url: Some("https://x".to_owned()), title: Some("X".to_owned()), ..Annotation::default() };
    let (text, logprobs) = ("Hi".to_owned(), Vec::new());
    let seal = |value: &str| Some(Seal::signature(Dialect::OpenaiResponses, value));
    let parts = vec![
        Part::Reasoning(Reasoning { text: "hm".to_owned(), ..Reasoning::default() }),
        Part::Reasoning(Reasoning { seal: seal("enc"), ..Reasoning::default() }),
        Part::Reasoning(Reasoning::default()),
        Part::Text(ir::Text { text, annotations: vec![annotation, Annotation::default()], logprobs }),
        Part::ToolCall(ToolCall {
            id: "call.1".to_owned(),
            name: "f".to_owned(),
            arguments: "{\"a\": 1.0}".to_owned(),
            ..ToolCall::default()
        }),
    ];
    let usage = Usage { input: 10, output: 5, cached: 3, cache_write: 2, reasoning: 4, ..Usage::default() };
    let start = Start { id: Some("chatcmpl-1".to_owned()), model: Some("gpt".to_owned()), ..Start::default() };
    let response = Response { start, usage: Some(usage), ..of_parts(parts, Reason::ToolCalls.into()) };
    let expected = json!({
        "id": "msg_n1", "type": "message", "role": "assistant", "model": "gpt",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": ""},
            {"type": "thinking", "thinking": "", "signature": "openai_responses:s:enc"},
            {"type": "text", "text": "Hi", "citations": [
                {"type": "web_search_result_location", "url": "https://x", "title": "X", "cited_text": "", "encrypted_index": ""}]},
            {"type": "tool_use", "id": "call.1", "name": "f", "input": {"a": 1.0}},
        ],
        "stop_reason": "tool_use", "stop_sequence": null,
        "usage": {"input_tokens": 5, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 3, "output_tokens": 5,
            "output_tokens_details": {"thinking_tokens": 4}},
    });
    assert_eq!(answered(&response), expected);
    // The stream of it tells the same.
    let again = streamed_text(response.into_events());
    assert_eq!(answered(&fold(events(&again, usize::MAX))), expected);
}

#[test]
fn who_declines_refuses() {
    let refusal = of_parts(vec![Part::Refusal("I will not.".to_owned())], Finish::default());
    let message = answered(&refusal);
    assert_eq!((&message["stop_reason"], &message["content"][0]["text"]), (&json!("refusal"), &json!("I will not.")));
    let written = streamed(refusal.into_events());
    assert_eq!(written[written.len() - 2].1["delta"]["stop_reason"], "refusal");
    let body = r#"{"type":"message","content":[],"stop_reason":"refusal","stop_details":{"type":"refusal","category":"bio","explanation":null}}"#;
    let response = Anthropic.read_response(body.as_bytes()).expect("an answer");
    assert_eq!(response.choices[0].finish.explanation.as_deref(), Some("bio"));
    assert_eq!(answered(&response)["stop_details"], json!({"type": "refusal", "category": null, "explanation": "bio"}));
}

#[test]
fn odd_members_do_not_cost_the_answer() {
    let body = r#"{"type":"message","id":7,"model":null,"content":[{"type":"text","text":"Hi","citations":null},{"type":"text","text":8},
        {"type":"tool_use","id":null,"name":"f"},{"kind":"?"}],"stop_reason":1,"usage":{"input_tokens":"many","output_tokens":4},"new":{}}"#;
    let response = Anthropic.read_response(body.as_bytes()).expect("an answer");
    let [Part::Text(_), Part::Opaque(odd), Part::ToolCall(call), Part::Opaque(_)] = parts(&response) else {
        panic!("{response:?}")
    };
    assert_eq!((odd.name.as_str(), call.arguments.as_str()), ("text", "{}"));
    assert_eq!(response.usage.map(|usage| (usage.input, usage.output)), Some((0, 4)));
    let text = Anthropic.read_response(br#"{"content":"Hi","stop_reason":"end_turn"}"#).expect("an answer");
    assert!(matches!(parts(&text), [Part::Text(text)] if text.text == "Hi"));
}

#[test]
fn what_is_no_answer_is_not_taken_for_one() {
    let error = br#"{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}"#;
    match Anthropic.read_response(error) {
        Err(Unanswered::Failed(failure)) => {
            assert_eq!((failure.kind, failure.status.as_u16()), (Kind::RateLimited, 429))
        }
        other => panic!("{other:?}"),
    }
    for body in ["", "[]", "{}", "<html>", r#"{"content":[{"type":"text""#] {
        assert!(matches!(Anthropic.read_response(body.as_bytes()), Err(Unanswered::Garbled(_))), "{body}");
    }
}
