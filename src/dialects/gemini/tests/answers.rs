//! Whole answers.

use super::*;
use crate::dialects::Unanswered;
use crate::dialects::ir::{
    Annotation, Choice, Finish, Media, MediaKind, Opaque, Part, Reason, Reasoning, Seal, Source, Start, Text, ToolCall,
    Usage,
};

fn response(body: &str) -> Response {
    Dialect::Gemini.provider().read_response(body.as_bytes()).expect("an answer")
}

fn failure(body: &str) -> Failure {
    match Dialect::Gemini.provider().read_response(body.as_bytes()) {
        Err(Unanswered::Failed(failure)) => failure,
        Err(Unanswered::Garbled(garbled)) => garbled.into(),
        Ok(response) => panic!("{response:?}"),
    }
}

#[test]
fn an_answer_is_read() {
    let response = response(
        r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"hm","thought":true},{"text":"Hi","thoughtSignature":"c2ln"},
            {"functionCall":{"id":"c1","name":"f","args":{"b": 1, "a": 2.50}}},{"executableCode":{"code":"1"},"thoughtSignature":"eA=="},
            {"novelty":{"x":1}},{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]},"finishReason":"STOP","index":0}],
        "usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":7,"thoughtsTokenCount":20,"totalTokenCount":32,"serviceTier":"FLEX"},
        "modelVersion":"gemini-x","responseId":"r1","createTime":"1970-01-01T00:01:00.5Z"}"#,
    );
    assert_eq!((response.start.id.as_deref(), response.start.model.as_deref()), (Some("r1"), Some("gemini-x")));
    assert_eq!((response.start.created, response.start.service_tier.as_deref()), (Some(60), Some("flex")));
    assert_eq!(response.usage, Some(Usage { input: 5, output: 27, reasoning: 20, ..Usage::default() }));
    assert_eq!(response.choices[0].finish, Reason::ToolCalls.into());
    let [
        Part::Reasoning(thought),
        Part::Text(text),
        Part::Reasoning(seal),
        Part::ToolCall(call),
        Part::Opaque(code),
        Part::Opaque(novelty),
        Part::Media(image),
    ] = &response.choices[0].parts[..]
    else {
        panic!("{:?}", response.choices[0].parts);
    };
    assert_eq!((thought.text.as_str(), text.text.as_str()), ("hm", "Hi"));
    assert_eq!(seal.seal, Some(Seal::signature(Dialect::Gemini, "c2ln")));
    assert_eq!((call.id.as_str(), call.arguments.as_str()), ("c1", r#"{"b": 1, "a": 2.50}"#));
    assert_eq!(code.value.get(), r#"{"executableCode":{"code":"1"},"thoughtSignature":"eA=="}"#);
    assert_eq!((novelty.name.as_str(), image.kind), ("novelty", MediaKind::Image));
}

#[test]
fn ends_are_told_apart() {
    for (candidate, reason, explanation) in [
        (r#""finishReason":"MAX_TOKENS","content":{}"#, Reason::Length, None),
        (r#""finishReason":"SAFETY""#, Reason::Filtered, Some("SAFETY")),
        (r#""finishReason":"OTHER","finishMessage":"why""#, Reason::Filtered, Some("why")),
        (r#""finishReason":"NEWER_THAN_US","content":{"parts":null}"#, Reason::Stop, None),
        (r#""content":{"parts":[{"text":"no end"}]},"finishMessage":7"#, Reason::Stop, None),
        (r#""finishReason":"UNEXPECTED_TOOL_CALL","content":{"parts":[{"text":"x"}]}"#, Reason::Stop, None),
        (r#""finishReason":"MAX_TOKENS","content":{"parts":[{"functionCall":{"name":"f"}}]}"#, Reason::Length, None),
    ] {
        let response = response(&format!(r#"{{"candidates":[{{{candidate}}}]}}"#));
        let finish = Finish { explanation: explanation.map(str::to_owned), ..reason.into() };
        assert_eq!(response.choices[0].finish, finish, "{candidate}");
    }
    let blocked = response(r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":3}}"#);
    assert!(blocked.choices[0].parts.is_empty());
    assert_eq!(blocked.choices[0].finish.reason, Reason::Filtered);
    assert_eq!(blocked.usage.map(|usage| usage.input), Some(3));
}

#[test]
fn what_is_no_answer_is_a_failure() {
    for (body, message) in [
        (r#"{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"bad call"}]}"#, "bad call"),
        ("{}", "The provider's answer holds no candidate."),
        (r#"{"error":{"code":503,"message":"busy"}}"#, "busy"),
        (r#"[{"error":{"code":503,"message":"busy"}}]"#, "busy"),
        ("<html>", "the provider's answer cannot be read: it is not JSON, or not all of it (line 1, column 1)"),
    ] {
        assert_eq!(failure(body).message, message);
    }
}

#[test]
fn an_answer_is_written() {
    let text = Text {
        text: "Größe".to_owned(),
        annotations: vec![Annotation {
            url: Some("https://a".to_owned()),
            span: Some((2, 4)),
            ..Annotation::default()
        }],
        logprobs: Vec::new(),
    };
    let seal = |dialect| Some(Seal::signature(dialect, "sig"));
    let call = ToolCall {
        id: "c1".to_owned(),
        name: "f".to_owned(),
        arguments: "[1]".to_owned(),
        seal: seal(Dialect::Gemini),
        ..ToolCall::default()
    };
    let audio = Media {
        kind: MediaKind::Audio,
        mime: Some("audio/wav".to_owned()),
        source: Source::Base64("AAAA".to_owned()),
        name: None,
        detail: None,
        transcript: Some("words".to_owned()),
        id: None,
    };
    let parts = vec![
        Part::Reasoning(Reasoning { text: "hm".to_owned(), seal: seal(Dialect::Anthropic), ..Reasoning::default() }),
        Part::Text(text),
        Part::Opaque(Opaque { dialect: Dialect::Anthropic, name: "x".to_owned(), value: super::super::raw::json("x") }),
        Part::ToolCall(call),
        Part::Media(audio),
    ];
    let usage = Some(Usage { input: 5, output: 7, reasoning: 3, cached: 2, ..Usage::default() });
    let blocked = Finish { explanation: Some("no".to_owned()), ..Reason::Filtered.into() };
    let choices =
        vec![Choice { parts, finish: Reason::ToolCalls.into() }, Choice { parts: Vec::new(), finish: blocked }];
    let response = Response { start: Start::default(), choices, usage };
    let written = |shows_thoughts| {
        let reply = Reply { shows_thoughts, ..reply() };
        String::from_utf8(Dialect::Gemini.client().write_response(&response, &reply).to_vec()).expect("text")
    };
    let expected = concat!(
        r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"hm","thought":true,"thoughtSignature":"YW50aHJvcGljOnM6c2ln"},"#,
        r#"{"text":"Größe"},{"functionCall":{"id":"c1","name":"f","args":{"value":[1]}},"thoughtSignature":"sig"},"#,
        r#"{"inlineData":{"mimeType":"audio/wav","data":"AAAA"}},{"text":"words"}]},"finishReason":"STOP","index":0,"#,
        r#""groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://a"}}],"groundingSupports":[{"segment":{"startIndex":2,"endIndex":6,"text":"öß"},"groundingChunkIndices":[0]}]}},"#,
        r#"{"content":{"role":"model","parts":[{"text":""}]},"finishReason":"SAFETY","finishMessage":"no","index":1}],"#,
        r#""usageMetadata":{"promptTokenCount":5,"cachedContentTokenCount":2,"candidatesTokenCount":4,"thoughtsTokenCount":3,"totalTokenCount":12},"#,
        r#""modelVersion":"gemini","responseId":"n1"}"#
    );
    assert_eq!(written(true), expected);
    assert_eq!(written(false), expected.replace(r#"{"text":"hm","#, r#"{"text":"","#));
}
