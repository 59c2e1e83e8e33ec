//! Streams, read and written again.

use bytes::BytesMut;
use serde_json::Value;

use super::answers::reply;
use super::*;
use crate::dialects::Dialect;
use crate::dialects::ir::{At, Delta, Event, Fold, Part, Reason, Seal, Start, ToolCall, Usage, event};
use crate::error::Kind;

fn sse(chunks: &[&str]) -> String {
    chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect()
}

/// A chunk of choice 0.
fn delta(delta: &str) -> String {
    format!(r#"{{"id":"c","created":5,"model":"m","choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#)
}

fn finish(reason: &str) -> String {
    format!(r#"{{"id":"c","choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}]}}"#)
}

fn read_in(parts: &[&[u8]]) -> Vec<Event> {
    crate::dialects::testing::events(&OpenaiChat::default(), parts.iter().copied())
}

/// Reads it whole and in two pieces, wherever it may be cut.
fn read(text: &str) -> Vec<Event> {
    let events = read_in(&[text.as_bytes()]);
    event::check(&events).expect("the grammar");
    let shown = format!("{events:?}");
    for cut in 0..text.len() {
        let (first, second) = text.as_bytes().split_at(cut);
        assert_eq!(format!("{:?}", read_in(&[first, second])), shown, "cut at {cut}");
    }
    events
}

/// The events in short.
fn told(text: &str) -> String {
    let short = |event: &Event| match event {
        Event::Start(_) => "start".to_owned(),
        Event::Open(at, part) => {
            let kind = match part {
                Part::Text(_) => "text".to_owned(),
                Part::Refusal(_) => "refusal".to_owned(),
                Part::Reasoning(_) => "thought".to_owned(),
                Part::ToolCall(call) => call.name.clone(),
                Part::Media(_) => "media".to_owned(),
                other => format!("{other:?}"),
            };
            format!("{}.{}:{kind}", at.choice, at.block)
        }
        Event::Delta(_, Delta::Text(text) | Delta::Arguments(text) | Delta::Audio(text)) => format!("'{text}'"),
        Event::Delta(_, Delta::Annotation(annotation)) => format!("@{}", annotation.url.as_deref().unwrap_or_default()),
        Event::Delta(_, Delta::Seal(seal)) => format!("#{}", seal.value),
        Event::Delta(_, Delta::Transcript(text)) => format!("~{text}"),
        Event::Delta(_, Delta::Logprobs(logprobs)) => format!("%{}", logprobs.len()),
        Event::Close(_) => "close".to_owned(),
        Event::Finish(choice, finish) => format!("{choice}={:?}", finish.reason),
        Event::Usage(usage) => format!("{}+{}", usage.input, usage.output),
        Event::Failed(failure) => format!("failed {}", failure.message),
        Event::End => "end".to_owned(),
    };
    read(text).iter().map(short).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_stream_by_the_book() {
    let text = sse(&[
        &delta(r#"{"role":"assistant","content":""}"#),
        &delta(r#"{"content":"h\u00e9"}"#),
        &delta(r#"{"content":"llo"}"#),
        &delta(
            r#"{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]}"#,
        ),
        &delta(r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]}"#),
        &delta(r#"{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}"#),
        &finish("tool_calls"),
        r#"{"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#,
        "[DONE]",
    ]);
    assert_eq!(told(&text), "start 0.0:text 'hé' 'llo' close 0.1:f '{\"a\":' '1}' close 0=ToolCalls 3+4 end");
}

#[test]
fn a_stream_by_no_book() {
    let oddities = [
        // Azure's first chunk, a delta that is none, an empty reason, the reason twice, counts beside choices, twice.
        r#"{"id":"","created":0,"model":"","choices":[],"prompt_filter_results":[{}]}"#,
        r#"{"id":"c","choices":[{"index":0,"delta":null,"finish_reason":"","logprobs":-0.5}],"usage":null}"#,
        r#"{"id":"c","choices":[{"delta":{"content":"a","reasoning_content":null,"tool_calls":null}}]}"#,
        r#"{"id":"c","choices":[{"index":0,"delta":{"content":[{"type":"text","text":"b"}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#,
        r#"{"id":"c","choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#,
        r#"{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"content":"ab"},"finish_reason":"stop"}]}"#,
    ];
    let events = "start 0.0:text 'a' 'b' close 0=Stop 3+2 end";
    assert_eq!(told(&sse(&oddities)), events, "no [DONE] is needed behind a reason");
    let commented = sse(&oddities)
        .replace("data: ", ": OPENROUTER PROCESSING\r\n\r\ndata:")
        .replace('\n', "\r\n")
        .replace("\r\r", "\r");
    assert_eq!(told(&commented), events);
    assert_eq!(told(&sse(&[&delta("{}"), "[DONE]"])), "start 0=Stop end", "nothing was said");
    let whole = r#"{"choices":[{"index":0,"message":{"content":"ab"},"finish_reason":"stop"}]}"#;
    assert_eq!(told(&sse(&[whole])), "start 0.0:text 'ab' close 0=Stop end", "a whole answer in a stream");
}

#[test]
fn reasoning_in_every_place() {
    let text = sse(&[
        &delta(
            r#"{"reasoning":"a","reasoning_details":[{"type":"reasoning.text","text":"a","format":"unknown","index":0}]}"#,
        ),
        &delta(r#"{"reasoning":"b","reasoning_details":[{"type":"reasoning.text","text":"b","index":0}]}"#),
        &delta(r#"{"reasoning_details":[{"type":"reasoning.text","signature":"s","format":"f","index":0}]}"#),
        &delta(
            r#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"d","id":"rs_1","format":"f","index":1}]}"#,
        ),
        &delta(r#"{"content":"x"}"#),
        &finish("stop"),
    ]);
    assert_eq!(
        told(&text),
        "start 0.0:thought 'a' 'b' #f::s close 0.1:thought #f:rs_1:d close 0.2:text 'x' close 0=Stop end"
    );
    let mistral = delta(r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]}"#);
    let text = sse(&[&mistral, &delta(r#"{"reasoning":"!"}"#), &finish("stop")]);
    assert_eq!(told(&text), "start 0.0:thought 'hm' '!' close 0=Stop end");
}

#[test]
fn interleaved_calls_are_told_one_after_the_other() {
    let call = |index: u32, arguments: &str| {
        delta(&format!(r#"{{"tool_calls":[{{"index":{index},"function":{{"arguments":{arguments:?}}}}}]}}"#))
    };
    let begin = |index: u32, name: &str| {
        delta(&format!(r#"{{"tool_calls":[{{"index":{index},"id":"id{index}","function":{{"name":"{name}"}}}}]}}"#))
    };
    let text = sse(&[
        &begin(0, "f"),
        &begin(1, "g"),
        &begin(2, "h"),
        &call(1, "{\"b\":"),
        &call(0, "{\"a\":"),
        &call(2, "{}"),
        &call(0, "1}"),
        &delta(r#"{"content":"x"}"#),
        &call(1, "2}"),
        &finish("stop"),
    ]);
    let calls = "0.0:f '{\"a\":' '1}' close 0.1:g '{\"b\":' '2}' close 0.2:h '{}' close";
    assert_eq!(told(&text), format!("start {calls} 0.3:text 'x' close 0=ToolCalls end"));
    let unfinished = sse(&[&begin(0, "f"), &call(0, "{\"a"), &begin(1, "g"), &call(1, "{}"), &finish("length")]);
    assert_eq!(told(&unfinished), "start 0.0:f '{\"a' close 0.1:g '{}' close 0=Length end");
}

#[test]
fn marks_find_their_text() {
    let citation = r#"{"type":"url_citation","url_citation":{"url":"u","title":"t","start_index":0,"end_index":1}}"#;
    let text = sse(&[
        &delta(&format!(r#"{{"annotations":[{citation}]}}"#)),
        r#"{"choices":[{"index":0,"delta":{"content":"x"},"logprobs":{"content":[{"token":"x","logprob":0}]}}]}"#,
        &finish("stop"),
    ]);
    assert_eq!(told(&text), "start 0.0:text @u 'x' %1 close 0=Stop end");
    let cited = sse(&[r#"{"citations":["v"],"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}"#]);
    assert_eq!(told(&cited), "start 0.0:text 'x' @v close 0=Stop end");
    let audio = sse(&[
        &delta(r#"{"audio":{"id":"audio_1"}}"#),
        &delta(r#"{"audio":{"data":"AA"}}"#),
        &delta(r#"{"audio":{"transcript":"hi"}}"#),
        &finish("stop"),
    ]);
    assert_eq!(told(&audio), "start 0.0:media 'AA' ~hi close 0=Stop end");
}

#[test]
fn what_breaks_off_is_a_failure() {
    let begun = delta(r#"{"content":"a"}"#);
    for (last, why) in [
        (
            r#"{"error":{"message":"down","code":502},"choices":[{"delta":{"content":""},"finish_reason":"error"}]}"#,
            "down",
        ),
        (r#"{"x_groq":{"error":"tool_use_failed"},"choices":[]}"#, "tool_use_failed"),
        (r#"{"choices":[{"index":0,"delta":{},"finish_reason":"network_error"}]}"#, "The provider broke off"),
        ("{\"choices\":[{\"index\":0,\"del", "the provider's answer cannot be read"),
    ] {
        let told = told(&sse(&[&begun, last, "[DONE]"]));
        assert!(told.starts_with(&format!("start 0.0:text 'a' failed {why}")) && told.ends_with(" end"), "{told}");
    }
    assert!(told(&sse(&[&begun])).ends_with("failed The provider's answer ended in the middle. end"));
    assert!(told("").starts_with("start failed"));
    let named = format!("event: error\ndata: {}\n\n", r#"{"message":"no"}"#);
    assert_eq!(told(&named), "start failed no end");
    let events = read(&sse(&[r#"{"error":{"message":"x","type":"invalid_request_error"}}"#]));
    assert!(matches!(&events[1], Event::Failed(failure) if failure.kind == Kind::InvalidRequest));
}

#[test]
fn many_alternatives() {
    let text = sse(&[
        r#"{"choices":[{"index":1,"delta":{"content":"b"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"b"},"finish_reason":"length"}]}"#,
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        "[DONE]",
    ]);
    assert_eq!(told(&text), "start 1.0:text 'b' 0.0:text 'a' 'b' close close 0=Stop 1=Length end");
    let far = sse(&[r#"{"choices":[{"index":4000000000,"delta":{"content":"a"},"finish_reason":"stop"}]}"#]);
    assert_eq!(told(&far), "start 0.0:text 'a' close 0=Stop end");
    let choice = r#"{"delta":{"content":"a"},"finish_reason":"stop"}"#;
    let flood = sse(&[&format!(r#"{{"choices":[{}]}}"#, vec![choice; event::MOST_CHOICES + 1].join(","))]);
    let events = read_in(&[flood.as_bytes()]);
    event::check(&events).expect("the grammar");
    assert!(matches!(&events[1], Event::Failed(_)));
}

fn written(events: Vec<Event>, reply: &Reply) -> String {
    event::check(&events).expect("the grammar");
    let (mut writer, mut out) = (OpenaiChat::default().stream_writer(reply), BytesMut::new());
    events.into_iter().for_each(|event| writer.write(event, &mut out));
    String::from_utf8(out.to_vec()).expect("text")
}

fn chunks(text: &str) -> Vec<Value> {
    let data = text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str(data).expect("JSON")).collect()
}

#[test]
fn what_is_written_is_read_again() {
    let at = |block| At { choice: 0, block };
    let call = ToolCall {
        id: "a".to_owned(),
        name: "f".to_owned(),
        seal: Some(Seal::signature(Dialect::Gemini, "c2ln")),
        ..ToolCall::default()
    };
    let seal = Seal::signature(Dialect::Anthropic, "sig");
    let events = vec![
        Event::Start(Start { id: Some("msg_1".to_owned()), ..Start::default() }),
        Event::Open(at(0), Part::Reasoning(ir::Reasoning::default())),
        Event::Delta(at(0), Delta::Text("h\n".to_owned())),
        Event::Delta(at(0), Delta::Text("m".to_owned())),
        Event::Delta(at(0), Delta::Seal(seal.clone())),
        Event::Close(at(0)),
        Event::Open(at(1), Part::Text(ir::Text::default())),
        Event::Delta(at(1), Delta::Text("\"é\"".to_owned())),
        Event::Close(at(1)),
        Event::Open(at(2), Part::ToolCall(call)),
        Event::Close(at(2)),
        Event::Finish(0, Reason::ToolCalls.into()),
        Event::Usage(Usage { input: 3, output: 4, ..Usage::default() }),
        Event::End,
    ];
    let text = written(events.clone(), &reply());
    assert!(text.ends_with("data: [DONE]\n\n"));
    let chunks = chunks(&text);
    assert!(chunks.iter().all(|chunk| chunk["id"] == "msg_1" && chunk["model"] == "asked" && chunk["created"] == 7));
    let roles = chunks.iter().filter(|chunk| chunk["choices"][0]["delta"].get("role").is_some()).count();
    let reasons = chunks.iter().filter(|chunk| chunk["choices"][0]["finish_reason"].is_string()).count();
    let counts = chunks.iter().filter(|chunk| chunk["usage"].is_object()).count();
    assert_eq!((roles, reasons, counts), (1, 1, 1));
    let quiet = written(events.clone(), &Reply { counts_stream: false, shows_thoughts: false, ..reply() });
    assert!(!quiet.contains("usage") && !quiet.contains("reasoning"));

    let mut fold = Fold::default();
    read(&text).into_iter().for_each(|event| fold.push(event));
    let response = fold.finish().expect("an answer");
    let [Part::Reasoning(thought), Part::Text(said), Part::ToolCall(call)] = &response.choices[0].parts[..] else {
        panic!("{response:?}")
    };
    assert_eq!((&*thought.text, &thought.seal, &*said.text), ("h\nm", &Some(seal), "\"é\""));
    assert_eq!((&*call.arguments, &call.seal), ("{}", &Some(Seal::signature(Dialect::Gemini, "c2ln"))));
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.push(event));
    let whole = OpenaiChat::default().write_response(&fold.finish().expect("an answer"), &reply());
    let whole = OpenaiChat::default().read_response(&whole).expect("an answer");
    assert_eq!(format!("{:?}", whole.choices), format!("{:?}", response.choices), "whole is fold");
}

#[test]
fn a_broken_stream_does_not_look_complete() {
    let failure = Failure::of_kind(Kind::Upstream, "cut");
    let events = vec![Event::Start(Start::default()), Event::Failed(failure), Event::End];
    let text = written(events, &reply());
    assert!(text.ends_with("\"message\":\"cut\",\"param\":null,\"type\":\"server_error\"}}\n\n"), "{text}");
    assert!(!text.contains("[DONE]"));
}

/// The events of a stream from a server that leaves thoughts within the text, in whatever pieces it sends them.
#[test]
fn thoughts_within_the_text_are_told_apart() {
    let read = |contents: &[&str], last: &str| {
        let chunks: Vec<_> = contents.iter().map(|text| delta(&format!(r#"{{"content":{text:?}}}"#))).collect();
        let chunks: Vec<_> = chunks.iter().map(String::as_str).chain([last, "[DONE]"]).collect();
        let text = sse(&chunks);
        let dialect = OpenaiChat { think_tags: ThinkTags::Split };
        let (mut framing, mut reader, mut events) = (dialect.framing(), dialect.stream_reader(), Vec::new());
        framing.push(text.as_bytes());
        while let Some(frame) = framing.next().expect("frames") {
            reader.read(&frame, &mut events);
        }
        reader.end(&mut events);
        event::check(&events).expect("the grammar");
        let mut fold = Fold::default();
        events.into_iter().for_each(|event| fold.push(event));
        format!("{:?}", fold.finish().expect("an answer").choices)
    };
    let call = r#"{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"1","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}"#;
    for text in ["<think>\na b\n</think>\n\nHi\n", "<think>a</think>", "<think>cut </th", " \n", "Hi <think>a</think>"]
    {
        for last in [finish("stop").as_str(), call] {
            let whole = read(&[text], last);
            for cut in 0..text.len() {
                let (first, second) = text.split_at(cut);
                assert_eq!(read(&[first, second], last), whole, "{text:?} cut at {cut}");
            }
            let message = r#"{"content":CONTENT}"#.replace("CONTENT", &format!("{text:?}"));
            let body = match last == call {
                true => last.replace(r#""delta":{"#, &format!(r#""message":{},"#, message.trim_end_matches('}'))),
                false => last.replace(r#""delta":{}"#, &format!(r#""message":{message}"#)),
            };
            let answer = OpenaiChat { think_tags: ThinkTags::Split }.read_response(body.as_bytes()).expect("an answer");
            assert_eq!(format!("{:?}", answer.choices), whole, "{text:?} whole: {body}");
        }
    }
}
