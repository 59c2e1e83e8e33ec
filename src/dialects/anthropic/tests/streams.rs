//! Streams, read and written.

use serde_json::json;

use super::*;
use crate::dialects::Dialect;
use crate::error::Kind;
use ir::{At, Delta, Reason, Seal, ToolCall, Usage, event};

/// A stream of these data, named as Anthropic names its events.
fn stream(data: &[&str]) -> String {
    let named = |data: &&str| {
        let event: Value = serde_json::from_str(data).expect("JSON");
        format!("event: {}\ndata: {data}\n\n", event["type"].as_str().unwrap_or_default())
    };
    data.iter().map(named).collect()
}

const START: &str = r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[],
    "stop_reason":null,"usage":{"input_tokens":12,"cache_creation_input_tokens":3,"cache_read_input_tokens":5,"output_tokens":1,"service_tier":"standard"}}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;

/// Every kind of block, with what may come between.
fn full() -> String {
    let start = START.replace('\n', "");
    stream(&[
        &start,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"höm"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"sig=="}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"xyz"}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
        r#"{"type":"content_block_start","index":2,"content_block":{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"query\":"}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"\"x\"}"}}"#,
        r#"{"type":"content_block_stop","index":2}"#,
        r#"{"type":"content_block_start","index":3,"content_block":{"type":"compaction","content":"so "}}"#,
        r#"{"type":"content_block_delta","index":3,"delta":{"type":"compaction_delta","content":"far","by":1}}"#,
        r#"{"type":"content_block_stop","index":3}"#,
        r#"{"type":"content_block_start","index":4,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":4,"delta":{"type":"text_delta","text":"Hi"}}"#,
        r#"{"type":"content_block_delta","index":4,"delta":{"type":"citations_delta","citation":{"type":"web_search_result_location","url":"https://x","title":"X","cited_text":"c","encrypted_index":"e"}}}"#,
        r#"{"type":"content_block_stop","index":4}"#,
        r#"{"type":"content_block_start","index":5,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_stop","index":5}"#,
        r#"{"type":"content_block_start","index":6,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}}"#,
        r#"{"type":"content_block_delta","index":6,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}"#,
        r#"{"type":"content_block_delta","index":6,"delta":{"type":"input_json_delta","partial_json":"1}"}}"#,
        r#"{"type":"content_block_stop","index":6}"#,
        r#"{"type":"content_block_start","index":7,"content_block":{"type":"tool_use","id":"toolu_2","name":"g","input":{}}}"#,
        r#"{"type":"content_block_stop","index":7}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":42,"output_tokens_details":{"thinking_tokens":9}}}"#,
        STOP,
    ])
}

const WHOLE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[
    {"type":"thinking","thinking":"höm","signature":"sig=="},{"type":"redacted_thinking","data":"xyz"},
    {"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"x"}},
    {"type":"compaction","content":"so far","by":1},
    {"type":"text","text":"Hi","citations":[{"type":"web_search_result_location","url":"https://x","title":"X","cited_text":"c","encrypted_index":"e"}]},
    {"type":"text","text":""},
    {"type":"tool_use","id":"toolu_1","name":"f","input":{"a":1}},{"type":"tool_use","id":"toolu_2","name":"g","input":{}}],
    "stop_reason":"end_turn","stop_sequence":null,
    "usage":{"input_tokens":12,"cache_creation_input_tokens":3,"cache_read_input_tokens":5,"output_tokens":42,"service_tier":"standard","output_tokens_details":{"thinking_tokens":9}}}"#;

#[test]
fn a_stream_tells_the_same_however_it_is_cut_and_folds_to_the_whole() {
    let stream = full();
    let whole = events(&stream, usize::MAX);
    assert_eq!(event::check(&whole), Ok(()));
    let shown = format!("{whole:?}");
    for size in [1, 2, 3, 7, 64] {
        assert_eq!(format!("{:?}", events(&stream, size)), shown, "in pieces of {size}");
    }
    let streamed = fold(whole);
    let read = Anthropic.read_response(WHOLE.as_bytes()).expect("an answer");
    assert_eq!(format!("{:?}", streamed.choices), format!("{:?}", read.choices));
    assert_eq!(streamed.usage, read.usage);
    let usage = Usage { input: 20, output: 42, cached: 5, cache_write: 3, reasoning: 9, ..Usage::default() };
    assert_eq!(read.usage, Some(usage));
    assert_eq!(read.choices[0].finish.reason, Reason::ToolCalls);
    assert_eq!((read.start.id.as_deref(), read.start.service_tier.as_deref()), (Some("msg_1"), Some("default")));
    assert_eq!(parts(&read).len(), 7);
}

#[test]
fn what_was_read_is_written_as_it_was() {
    let written = streamed(events(&full(), usize::MAX));
    let again = fold(events(&streamed_text(events(&full(), usize::MAX)), usize::MAX));
    assert_eq!(format!("{:?}", again.choices), format!("{:?}", fold(events(&full(), usize::MAX)).choices));
    let names: Vec<_> = written.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        (names[0], names[names.len() - 2], names[names.len() - 1]),
        ("message_start", "message_delta", "message_stop")
    );
    assert!(written.iter().all(|(name, data)| data["type"] == **name));
    assert_eq!(
        written[0].1["message"]["usage"],
        json!({"input_tokens": 12, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 5, "output_tokens": 1, "service_tier": "standard"})
    );
    let (_, delta) = &written[written.len() - 2];
    assert_eq!(delta["delta"], json!({"stop_reason": "tool_use", "stop_sequence": null}));
    assert_eq!(delta["usage"]["output_tokens"], 42);
}

fn failure(stream: &str) -> crate::error::Failure {
    let mut events = events(stream, usize::MAX);
    assert_eq!(event::check(&events), Ok(()), "{stream}");
    assert!(matches!(events.pop(), Some(Event::End)));
    match events.pop() {
        Some(Event::Failed(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stream_that_breaks_off_fails() {
    let start = START.replace('\n', "");
    let open = r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}"#;
    let error = r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#;
    let stray = r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{"}}"#;
    assert_eq!(failure("").kind, Kind::Upstream);
    assert_eq!(failure(&stream(&[&start, open])).kind, Kind::Upstream);
    assert_eq!(failure(&format!("{}data: {{\"type\n\n", stream(&[&start]))).kind, Kind::Upstream);
    assert!(failure(&stream(&[&start, open, &start])).message.contains("began anew"));
    assert!(failure(&stream(&[&start, open, stray])).message.contains("not called"));
    for stream in [
        stream(&[&start, open, error]),
        stream(&[error]),
        "data: {\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n".to_owned(),
    ] {
        let failure = failure(&stream);
        assert_eq!((failure.kind, failure.status.as_u16(), failure.message.as_str()), (Kind::Unavailable, 529, "busy"));
    }
    let written = streamed(events(&stream(&[&start, error]), usize::MAX));
    assert_eq!(
        written.last(),
        Some(&(
            "error".to_owned(),
            json!({
                "type": "error", "error": {"type": "overloaded_error", "message": "busy"}, "request_id": "",
            })
        ))
    );
}

#[test]
fn loose_streams_are_understood() {
    let delta = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#;
    let end =
        r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"input_tokens":1,"output_tokens":2}}"#;
    // Without beginnings, without the last event, with OpenAI's end, with `null`s.
    for stream in [
        stream(&[delta, end]),
        format!("{}data: [DONE]\n\n", stream(&[delta, end])),
        stream(&[delta, end, STOP, delta]),
        stream(&[r#"{"type":"message_start","message":null}"#, delta, r#"{"type":"news","index":"x"}"#, end, STOP]),
    ] {
        let events = events(&stream, usize::MAX);
        assert_eq!(event::check(&events), Ok(()), "{stream}");
        let response = fold(events);
        assert!(matches!(parts(&response), [Part::Text(text)] if text.text == "Hi"), "{stream}");
        assert_eq!(response.choices[0].finish.reason, Reason::Length);
        assert_eq!(response.usage.map(|usage| usage.total()), Some(3));
    }
    let calls = r#"{"type":"message_start","message":{"content":[{"type":"tool_use","name":"f","input":{"a":1}}]}}"#;
    let response = fold(events(&stream(&[calls, STOP]), usize::MAX));
    let [Part::ToolCall(call)] = parts(&response) else { panic!("{response:?}") };
    assert!(call.id.starts_with("toolu_") && call.id.len() > 20 && call.arguments == "{\"a\":1}");
    assert_eq!(response.choices[0].finish.reason, Reason::ToolCalls);
}

#[test]
fn foreign_seals_go_before_what_they_seal() {
    let at = |block| At { choice: 0, block };
    let seal = Seal::signature(Dialect::Gemini, "QUJD");
    let call = |seal| ToolCall { id: "c".to_owned(), name: "f".to_owned(), seal, ..ToolCall::default() };
    let arguments = || Delta::Arguments("{}".to_owned());
    let events = vec![
        Event::Start(ir::Start::default()),
        Event::Open(at(0), Part::Reasoning(ir::Reasoning::default())),
        Event::Delta(at(0), Delta::Seal(Seal::redacted(Dialect::Converse, "eHl6"))),
        Event::Close(at(0)),
        Event::Open(at(1), Part::ToolCall(call(Some(seal.clone())))),
        Event::Delta(at(1), arguments()),
        Event::Close(at(1)),
        Event::Open(at(2), Part::ToolCall(call(None))),
        Event::Delta(at(2), Delta::Seal(seal)),
        Event::Delta(at(2), arguments()),
        Event::Close(at(2)),
        Event::Open(at(3), Part::Reasoning(ir::Reasoning::default())),
        Event::Close(at(3)),
        Event::Finish(0, Reason::ToolCalls.into()),
        Event::End,
    ];
    assert_eq!(event::check(&events), Ok(()));
    let written = streamed(events);
    let starts = written.iter().filter(|(name, _)| name == "content_block_start");
    let kinds: Vec<_> = starts.map(|(_, data)| data["content_block"]["type"].as_str().expect("a type")).collect();
    assert_eq!(kinds, ["redacted_thinking", "thinking", "tool_use", "thinking", "tool_use"]);
    assert_eq!(written[1].1["content_block"]["data"], "converse:r:eHl6");
    let signed: Vec<_> = written.iter().filter_map(|(_, data)| data["delta"]["signature"].as_str()).collect();
    assert_eq!(signed, ["gemini:s:QUJD", "gemini:s:QUJD"]);
    let numbers: Vec<_> = written.iter().filter_map(|(_, data)| data["index"].as_u64()).collect();
    assert!(numbers.is_sorted() && numbers.last() == Some(&4), "{numbers:?}");
}
