//! Streamed answers.

use super::*;
use crate::dialects::Dialect;
use crate::dialects::ir::{Part, Reason, Seal};
use crate::error::Kind;

/// Reasoning, text with a source, a call, and padding as Amazon sends it; text and reasoning come without a start.
const PLAIN: &[(&str, &str)] = &[
    ("messageStart", r#"{"p":"abc","role":"assistant"}"#),
    ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"hm"}},"p":"ab"}"#),
    ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"c2ln"}}}"#),
    ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
    ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"text":""}}"#),
    ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"text":"Grüße"}}"#),
    (
        "contentBlockDelta",
        r#"{"contentBlockIndex":1,"delta":{"citation":{"title":"T","sourceContent":[{"text":"q"}]}}}"#,
    ),
    ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"text":"!"}}"#),
    ("contentBlockStop", r#"{"contentBlockIndex":1}"#),
    ("contentBlockStart", r#"{"contentBlockIndex":2,"start":{"toolUse":{"toolUseId":"t1","name":"f"}}}"#),
    ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"toolUse":{"input":""}}}"#),
    ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"toolUse":{"input":"{\"a\": "}}}"#),
    ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"toolUse":{"input":"1.0}"}}}"#),
    ("contentBlockStop", r#"{"contentBlockIndex":2}"#),
    ("messageStop", r#"{"stopReason":"tool_use"}"#),
    (
        "metadata",
        r#"{"metrics":{"latencyMs":9},"usage":{"inputTokens":5,"outputTokens":7,"totalTokens":15,"cacheReadInputTokens":3}}"#,
    ),
];

const WHOLE: &str = r#"{"output":{"message":{"content":[
    {"reasoningContent":{"reasoningText":{"text":"hm","signature":"c2ln"}}},
    {"citationsContent":{"content":[{"text":"Grüße!"}],"citations":[{"title":"T","sourceContent":[{"text":"q"}]}]}},
    {"toolUse":{"toolUseId":"t1","name":"f","input":{"a": 1.0}}}]}},"stopReason":"tool_use",
    "usage":{"inputTokens":5,"outputTokens":7,"cacheReadInputTokens":3}}"#;

fn shown<T: std::fmt::Debug>(value: T) -> String {
    format!("{value:?}")
}

fn parts_of(stream: &[(&'static str, &'static str)]) -> Vec<Part> {
    let bytes = super::stream(stream);
    fold(events(&[&bytes])).expect("an answer").choices.remove(0).parts
}

#[test]
fn a_stream_folds_to_the_whole_answer_wherever_it_is_cut() {
    let stream = stream(PLAIN);
    let whole = Converse.read_response(WHOLE.as_bytes()).expect("an answer");
    let all = events(&[&stream]);
    for cut in 0..stream.len() {
        let (first, second) = stream.split_at(cut);
        assert_eq!(shown(events(&[first, second])), shown(&all), "cut at {cut}");
    }
    assert_eq!(shown(fold(all).expect("an answer")), shown(whole));
}

#[test]
fn what_is_written_is_read_the_same() {
    let whole = Converse.read_response(WHOLE.as_bytes()).expect("an answer");
    let out = written(whole.clone().into_events());
    let names: Vec<_> = frames(&out).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.first().map(String::as_str), Some("messageStart"));
    assert_eq!(names.last().map(String::as_str), Some("metadata"));
    assert_eq!(names.iter().filter(|name| *name == "contentBlockStart").count(), 1, "only calls have a start");
    assert_eq!(shown(fold(events(&[&out])).expect("an answer")), shown(whole));
}

#[test]
fn the_words_of_a_stream() {
    let out = written(events(&[&stream(PLAIN)]));
    let expected = [
        ("messageStart", r#"{"role":"assistant"}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"hm"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"c2ln"}}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"text":"Grüße"}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"text":"!"}}"#),
        (
            "contentBlockDelta",
            r#"{"contentBlockIndex":1,"delta":{"citation":{"title":"T","sourceContent":[{"text":"q"}]}}}"#,
        ),
        ("contentBlockStop", r#"{"contentBlockIndex":1}"#),
        ("contentBlockStart", r#"{"contentBlockIndex":2,"start":{"toolUse":{"toolUseId":"t1","name":"f"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"toolUse":{"input":"{\"a\": "}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"toolUse":{"input":"1.0}"}}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":2}"#),
        ("messageStop", r#"{"stopReason":"tool_use"}"#),
    ];
    let mut frames = frames(&out);
    let (name, metadata) = frames.pop().expect("a frame");
    assert_eq!(frames, expected.map(|(name, payload)| (name.to_owned(), payload.to_owned())));
    let usage = r#"{"usage":{"inputTokens":5,"outputTokens":7,"totalTokens":15,"cacheReadInputTokens":3},"metrics":{"latencyMs":"#;
    assert!(name == "metadata" && metadata.starts_with(usage), "{metadata}");
}

#[test]
fn calls_that_come_interleaved_are_told_apart() {
    let start = |index: &'static str| ("contentBlockStart", index);
    let delta = |piece: &'static str| ("contentBlockDelta", piece);
    let stream = [
        start(r#"{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"a","name":"f"}}}"#),
        delta(r#"{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{\"x\":"}}}"#),
        start(r#"{"contentBlockIndex":1,"start":{"toolUse":{"name":"g"}}}"#),
        delta(r#"{"contentBlockIndex":1,"delta":{"toolUse":{"input":"{\"y\":2}"}}}"#),
        delta(r#"{"contentBlockIndex":2,"delta":{"text":"also"}}"#),
        delta(r#"{"contentBlockIndex":0,"delta":{"toolUse":{"input":"1}"}}}"#),
        ("messageStop", r#"{"stopReason":"end_turn"}"#),
    ];
    let response = fold(events(&[&super::stream(&stream)])).expect("an answer");
    assert_eq!(response.choices[0].finish.reason, Reason::ToolCalls);
    let [Part::ToolCall(first), Part::ToolCall(second), Part::Text(text)] = response.choices[0].parts.as_slice() else {
        panic!("{:?}", response.choices[0].parts)
    };
    assert_eq!((first.arguments.as_str(), second.arguments.as_str()), (r#"{"x":1}"#, r#"{"y":2}"#));
    assert!(second.id.starts_with("tooluse_"), "an id is made up");
    assert_eq!(text.text, "also");
}

#[test]
fn text_and_reasoning_never_wait() {
    let bytes = stream(&PLAIN[..2]);
    let mut framing = Converse.framing();
    let (mut reader, mut events) = (Converse.stream_reader(), Vec::new());
    framing.push(&bytes);
    while let Some(frame) = framing.next().expect("frames") {
        reader.read(&frame, &mut events);
    }
    assert!(matches!(events.last(), Some(Event::Delta(..))), "{events:?}");
}

#[test]
fn blocks_of_other_kinds_are_gathered() {
    let parts = parts_of(&[
        (
            "contentBlockStart",
            r#"{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"s1","name":"code","type":"server_tool_use"}}}"#,
        ),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{\"a\":"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"toolUse":{"input":"1}"}}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
        (
            "contentBlockStart",
            r#"{"contentBlockIndex":1,"start":{"toolResult":{"toolUseId":"s1","type":"code_result"}}}"#,
        ),
        ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"toolResult":[{"json":{"out": 7}}]}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":1}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"reasoningContent":{"redactedContent":"AAAA"}}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":2}"#),
        ("contentBlockStart", r#"{"contentBlockIndex":3,"start":{"image":{"format":"png"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":3,"delta":{"image":{"source":{"bytes":"iVA="}}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":3,"delta":{"image":{"source":{"bytes":"iVA="}}}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":3}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":4,"delta":{"brandNew":{"a":1}}}"#),
        ("somethingElse", "[]"),
        ("messageStop", r#"{"stopReason":"end_turn"}"#),
    ]);
    let [Part::Opaque(call), Part::Opaque(result), Part::Reasoning(hidden), Part::Media(image)] = parts.as_slice()
    else {
        panic!("{parts:?}")
    };
    let whole = r#"{"toolUse":{"toolUseId":"s1","name":"code","input":{"a":1},"type":"server_tool_use"}}"#;
    assert_eq!(call.value.get(), whole);
    assert_eq!(
        result.value.get(),
        r#"{"toolResult":{"toolUseId":"s1","content":[{"json":{"out": 7}}],"type":"code_result"}}"#
    );
    assert_eq!(hidden.seal, Some(Seal::redacted(Dialect::Converse, "AAAA")));
    assert_eq!(shown(&image.source), r#"Base64("iVCJUA==")"#);
}

#[test]
fn an_answer_may_lack_its_counts_but_not_its_end() {
    let stop = ("messageStop", r#"{"stopReason":"max_tokens","additionalModelResponseFields":{"stop_sequence":"X"}}"#);
    let response = fold(events(&[&stream(&[PLAIN[0], stop])])).expect("an answer");
    assert_eq!(
        shown(&response.choices[0].finish),
        r#"Finish { reason: Length, stop_sequence: Some("X"), explanation: None }"#
    );
    assert!(response.choices[0].parts.is_empty() && response.usage.is_none());
    for cut in 0..14 {
        let failure = fold(events(&[&stream(&PLAIN[..cut])])).expect_err("broken off");
        assert_eq!(failure.kind, Kind::Upstream);
    }
}

#[test]
fn failures_amid_a_stream_are_told() {
    let broken = [PLAIN[1], ("throttlingException", r#"{"message":"Too many tokens, please wait."}"#), PLAIN[2]];
    let failed = events(&[&stream(&broken)]);
    let failure = fold(failed.clone()).expect_err("a failure");
    assert_eq!((failure.kind, failure.message.as_str()), (Kind::RateLimited, "Too many tokens, please wait."));
    let out = written(failed);
    let (name, payload) = frames(&out).pop().expect("a frame");
    assert_eq!(name, "throttlingException");
    assert_eq!(payload, r#"{"message":"Too many tokens, please wait."}"#);
    for garbled in [
        ("contentBlockDelta", "{"),
        ("contentBlockDelta", r#"{"delta":{"toolUse":{"input":"x"}}}"#),
        ("contentBlockStart", r#"{"start":{"toolUse":{}}}"#),
    ] {
        let failure = fold(events(&[&stream(&[PLAIN[0], garbled])])).expect_err("garbled");
        assert_eq!(failure.kind, Kind::Upstream, "{garbled:?}");
    }
}
