//! Streams.

use bytes::BytesMut;

use super::*;
use crate::dialects::framing::{Frame, FrameKind};
use crate::dialects::ir::{Part, Reason, event};

const TALK: &str = concat!(
    r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"think","thought":true}]},"index":0}],"usageMetadata":{"promptTokenCount":5,"totalTokenCount":5},"modelVersion":"gemini-x","responseId":"r1"}"#,
    "\n",
    r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"ing","thought":true}]},"index":0}],"groundingMetadata":{}}"#,
    "\n",
    r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Grü","thoughtSignature":"c2ln"}]},"index":0}]}"#,
    "\n",
    r#"{"candidates":[{"content":{"role":"model","parts":[{"text":""}]},"index":0}]}"#,
    "\n",
    r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"ße"}]},"index":0,"groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://a"}}]},"finishReason":"STOP"}]}"#,
    "\n",
    r#"{"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":7,"thoughtsTokenCount":2,"totalTokenCount":14}}"#,
);

const CALLS: &str = concat!(
    r#"{"candidates":[{"content":{"parts":[{"functionCall":{"id":"c1","name":"f","args":{"a":1}},"thoughtSignature":"c2ln"},{"functionCall":{"id":"c2","name":"g"}}]}}]}"#,
    "\n",
    r#"{"candidates":[{"content":{"parts":[{"functionCall":{"id":"c3","name":"h","willContinue":true}}]}}]}"#,
    "\n",
    r#"{"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.a[0]","stringValue":"x","willContinue":true}],"willContinue":true}}]}}]}"#,
    "\n",
    r#"{"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.a[0]","stringValue":"y"}],"willContinue":true}}]}}]}"#,
    "\n",
    r#"{"candidates":[{"content":{"parts":[{"functionCall":{}}]},"finishReason":"STOP"}]}"#,
);

const CHOICES: &str = concat!(
    r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}},{"index":1,"content":{"parts":[{"text":"b"}]}}]}"#,
    "\n",
    r#"{"candidates":[{"index":1,"content":{"parts":[{"text":"B"},{"inlineData":{"mimeType":"audio/L16","data":"AA=="}}]},"finishReason":"MAX_TOKENS"}]}"#,
    "\n",
    r#"{"candidates":[{"content":{"parts":[{"text":"","thoughtSignature":"c2ln"},{"codeExecutionResult":{"output":"1"}}]},"finishReason":"STOP"}]}"#,
);

fn sse(lines: &str, end: &str) -> String {
    lines.lines().map(|line| format!("data: {line}{end}{end}")).collect()
}

#[test]
fn events_do_not_depend_on_the_cuts() {
    for lines in [TALK, CALLS, CHOICES] {
        let expected = format!("{:?}", events_of([sse(lines, "\n").as_bytes()]));
        event::check(&events_of([sse(lines, "\n").as_bytes()])).expect("the grammar");
        for end in ["\n", "\r\n"] {
            let text = sse(lines, end);
            for cut in 0..=text.len() {
                let (first, second) = text.as_bytes().split_at(cut);
                assert_eq!(format!("{:?}", events_of([first, second])), expected, "cut at {cut}");
            }
            assert_eq!(format!("{:?}", events_of(text.as_bytes().chunks(1))), expected);
        }
    }
}

/// What a stream says, as one line: parts, how they ended, and the counts.
fn shown(response: &Response) -> String {
    let mut shown = String::new();
    for choice in &response.choices {
        for part in &choice.parts {
            shown += &match part {
                Part::Text(text) => format!("{}+{} ", text.text, text.annotations.len()),
                Part::Reasoning(thought) => {
                    format!("({}{}) ", thought.text, if thought.seal.is_some() { "*" } else { "" })
                }
                Part::ToolCall(call) => {
                    format!("{}{}{} ", call.name, call.arguments, if call.seal.is_some() { "*" } else { "" })
                }
                Part::Media(_) => "media ".to_owned(),
                Part::Opaque(opaque) => format!("{} ", opaque.name),
                _ => "? ".to_owned(),
            };
        }
        shown += &format!("{:?}; ", choice.finish.reason);
    }
    shown + &response.usage.map(|usage| format!("{}/{}", usage.input, usage.output)).unwrap_or_default()
}

#[test]
fn a_stream_says_what_its_whole_would() {
    for (lines, expected) in [
        (TALK, "(thinking) Grüße+1 (*) Stop; 5/9"),
        (CALLS, r#"f{"a":1}* g{} h{"a":["xy"]} ToolCalls; "#),
        (CHOICES, "a+0 (*) codeExecutionResult Stop; bB+0 media Length; "),
    ] {
        let streamed = fold(events_of([sse(lines, "\n").as_bytes()])).expect("an answer");
        assert_eq!(shown(&streamed), expected);
        let array = format!("[{}]", lines.lines().collect::<Vec<_>>().join(","));
        let whole = Dialect::Gemini.provider().read_response(array.as_bytes()).expect("an answer");
        assert_eq!(format!("{whole:?}"), format!("{streamed:?}"));
    }
}

#[test]
fn what_breaks_off_has_failed() {
    let cut: Vec<_> = TALK.lines().take(4).collect();
    let said = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#;
    for (text, message) in [
        (sse(&cut.join("\n"), "\n"), "The provider broke off: the stream ended before the answer did."),
        (String::new(), "The provider's answer holds no candidate."),
        (": ping\n\n".to_owned(), "The provider's answer holds no candidate."),
        (
            format!("data: {said}\n\ndata: {{\"error\":{{\"code\":503,\"message\":\"busy\"}}}}\n\ndata: {said}\n\n"),
            "busy",
        ),
        ("data: [{\"error\":{\"code\":429,\"message\":\"slow\"}}]\n\n".to_owned(), "slow"),
        (
            "data: {\"candidates\":\n\n".to_owned(),
            "the provider's answer cannot be read: it is not JSON, or not all of it (line 1, column 14)",
        ),
    ] {
        let events = events_of([text.as_bytes()]);
        event::check(&events).expect("the grammar");
        assert_eq!(fold(events).expect_err("a failure").message, message, "{text}");
    }
    // Nothing comes after the end.
    let mut reader = Dialect::Gemini.provider().stream_reader();
    let mut events = Vec::new();
    reader.end(&mut events);
    let told = events.len();
    reader.read(&Frame::new(FrameKind::Event, "", said), &mut events);
    assert_eq!(events.len(), told);
}

#[test]
fn a_blocked_prompt_and_a_useless_end_are_answers() {
    let blocked = "data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}\n\ndata: [DONE]\n\n";
    let events = events_of([blocked.as_bytes()]);
    event::check(&events).expect("the grammar");
    assert_eq!(fold(events).expect("an answer").choices[0].finish.reason, Reason::Filtered);
}

fn written(events: Vec<Event>, reply: &Reply) -> String {
    let mut writer = Dialect::Gemini.client().stream_writer(reply);
    let mut out = BytesMut::new();
    for event in events {
        writer.write(event, &mut out);
    }
    writer.write(Event::End, &mut out);
    String::from_utf8(out.to_vec()).expect("text")
}

#[test]
fn what_is_written_says_what_was_read() {
    for lines in [TALK, CALLS, CHOICES] {
        let events = events_of([sse(lines, "\n").as_bytes()]);
        let read = fold(events.clone()).expect("an answer");
        let again = events_of([written(events.clone(), &reply()).as_bytes()]);
        event::check(&again).expect("the grammar");
        assert_eq!(shown(&fold(again).expect("an answer")), shown(&read));
        let array = written(events, &Reply { is_array: true, ..reply() });
        let whole = Dialect::Gemini.provider().read_response(array.as_bytes()).expect("an array of answers");
        assert_eq!(shown(&whole), shown(&read));
        // Of a whole answer, the events are the same answer too.
        let again = events_of([written(read.clone().into_events(), &reply()).as_bytes()]);
        assert_eq!(shown(&fold(again).expect("an answer")), shown(&read));
    }
}

#[test]
fn every_event_is_a_whole_answer() {
    let events = events_of([sse(TALK, "\n").as_bytes()]);
    let hidden = Reply { shows_thoughts: false, ..reply() };
    let names = r#""modelVersion":"gemini-x","responseId":"r1"}"#;
    let saying = |part: &str| {
        format!(
            "data: {{\"candidates\":[{{\"content\":{{\"role\":\"model\",\"parts\":[{part}]}},\"index\":0}}],{names}\n\n"
        )
    };
    let last = concat!(
        r#"data: {"candidates":[{"content":{"role":"model","parts":[{"text":""}]},"finishReason":"STOP","index":0,"groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://a"}}]}}],"#,
        r#""usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":7,"thoughtsTokenCount":2,"totalTokenCount":14},"#
    );
    let expected = [
        saying(r#"{"text":"Grü"}"#),
        saying(r#"{"text":"ße"}"#),
        saying(r#"{"text":"","thoughtSignature":"c2ln"}"#),
        format!("{last}{names}\n\n"),
    ];
    assert_eq!(written(events, &hidden), expected.concat());
}

#[test]
fn a_broken_stream_ends_in_an_error() {
    let events = || events_of([&b"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\n\n"[..]]);
    let error = r#"{"error":{"code":502,"message":"The provider broke off: the stream ended before the answer did.","status":"UNAVAILABLE"}}"#;
    assert!(written(events(), &reply()).ends_with(&format!("\n\ndata: {error}\n\n")));
    let array = written(events(), &Reply { is_array: true, ..reply() });
    assert!(array.ends_with(&format!(",\r\n{error}\n]")), "{array}");
    assert!(serde_json::from_str::<Vec<serde_json::Value>>(&array).is_ok());
}

#[test]
fn nobody_asks_for_so_many_candidates() {
    let flood: String = (0..=event::MOST_CHOICES)
        .map(|index| {
            format!(
                r#"{{"candidates":[{{"index":{index},"content":{{"parts":[{{"text":"a"}}]}},"finishReason":"STOP"}}]}}"#
            ) + "\n"
        })
        .collect();
    let events = events_of([sse(&flood, "\n").as_bytes()]);
    event::check(&events).expect("the grammar");
    assert!(fold(events).expect_err("a failure").message.contains("more candidates"));
}
