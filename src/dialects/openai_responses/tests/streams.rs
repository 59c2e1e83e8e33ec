//! Streams as providers send them: by the book, with pieces left out, broken.

use serde_json::{Value, json};

use super::{OpenaiResponses, events, fold, read, shown, stream};
use crate::dialects::ProviderDialect;
use crate::dialects::ir::{Event, Part, Reason, Usage, event};
use crate::error::Kind;

fn created() -> Value {
    json!({"type": "response.created", "sequence_number": 0, "response": {
        "id": "resp_1", "object": "response", "created_at": 1790000000.0, "model": "gpt-x", "status": "in_progress", "output": []}})
}

fn ended(kind: &str, status: &str, output: &Value) -> Value {
    json!({"type": kind, "response": {"id": "resp_1", "object": "response", "created_at": 1790000000.0, "model": "gpt-x",
        "status": status, "output": output, "error": null, "incomplete_details": null, "usage": {
            "input_tokens": 10, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 17}}})
}

fn completed(output: &Value) -> Value {
    ended("response.completed", "completed", output)
}

fn output() -> Value {
    json!([
        {"type": "reasoning", "id": "rs_1", "encrypted_content": "sealed", "summary": [
            {"type": "summary_text", "text": "First."}, {"type": "summary_text", "text": "Then."}]},
        {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [
            {"type": "output_text", "text": "Grüße", "logprobs": [{"token": "Grüße", "logprob": -0.5, "bytes": [71], "top_logprobs": []}],
             "annotations": [{"type": "url_citation", "url": "https://example.com", "title": "T", "start_index": 0, "end_index": 5}]},
            {"type": "refusal", "refusal": "no"}]},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "function_call", "id": "fc_1", "status": "completed", "call_id": "call_1", "name": "f", "arguments": "{\"a\": 1}"},
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_2", "name": "c", "input": "text"},
        {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "AAAA", "output_format": "webp"},
    ])
}

/// All of it, as OpenAI sends it.
fn by_the_book() -> Vec<Value> {
    let output = output();
    let piece = |kind: &str, item: u64, more: Value| {
        let mut event = json!({"type": kind, "output_index": item, "item_id": output[item as usize]["id"]});
        event.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        event
    };
    let item = |kind: &str, at: u64, item: &Value| json!({"type": kind, "output_index": at, "item": item});
    let (summary, text) = (&output[0]["summary"], &output[1]["content"][0]);
    vec![
        created(),
        json!({"type": "response.in_progress", "response": created()["response"]}),
        item(
            "response.output_item.added",
            0,
            &json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "half"}),
        ),
        piece(
            "response.reasoning_summary_part.added",
            0,
            json!({"summary_index": 0, "part": {"type": "summary_text", "text": ""}}),
        ),
        piece("response.reasoning_summary_text.delta", 0, json!({"summary_index": 0, "delta": "Fir"})),
        piece("response.reasoning_summary_text.delta", 0, json!({"summary_index": 0, "delta": "st."})),
        piece("response.reasoning_summary_text.done", 0, json!({"summary_index": 0, "text": "First."})),
        piece("response.reasoning_summary_part.done", 0, json!({"summary_index": 0, "part": summary[0]})),
        piece("response.reasoning_summary_text.delta", 0, json!({"summary_index": 1, "delta": "Then."})),
        piece("response.reasoning_summary_part.done", 0, json!({"summary_index": 1, "part": summary[1]})),
        item("response.output_item.done", 0, &output[0]),
        item(
            "response.output_item.added",
            1,
            &json!({"type": "message", "id": "msg_1", "content": [], "role": "assistant"}),
        ),
        piece(
            "response.content_part.added",
            1,
            json!({"content_index": 0, "part": {"type": "output_text", "text": "", "annotations": []}}),
        ),
        piece("response.output_text.delta", 1, json!({"content_index": 0, "delta": "Grü", "logprobs": []})),
        piece(
            "response.output_text.delta",
            1,
            json!({"content_index": 0, "delta": "ße", "logprobs": text["logprobs"]}),
        ),
        piece(
            "response.output_text.annotation.added",
            1,
            json!({"content_index": 0, "annotation_index": 0, "annotation": text["annotations"][0]}),
        ),
        piece(
            "response.output_text.done",
            1,
            json!({"content_index": 0, "text": "Grüße", "logprobs": text["logprobs"]}),
        ),
        piece("response.content_part.done", 1, json!({"content_index": 0, "part": text})),
        piece(
            "response.content_part.added",
            1,
            json!({"content_index": 1, "part": {"type": "refusal", "refusal": ""}}),
        ),
        piece("response.refusal.delta", 1, json!({"content_index": 1, "delta": "no"})),
        piece("response.refusal.done", 1, json!({"content_index": 1, "refusal": "no"})),
        piece("response.content_part.done", 1, json!({"content_index": 1, "part": output[1]["content"][1]})),
        item("response.output_item.done", 1, &output[1]),
        item("response.output_item.added", 2, &output[2]),
        piece("response.web_search_call.searching", 2, json!({})),
        item("response.output_item.done", 2, &output[2]),
        item(
            "response.output_item.added",
            3,
            &json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": ""}),
        ),
        piece("response.function_call_arguments.delta", 3, json!({"delta": "{\"a\":"})),
        piece("response.function_call_arguments.delta", 3, json!({"delta": " 1}"})),
        piece("response.function_call_arguments.done", 3, json!({"arguments": "{\"a\": 1}"})),
        item("response.output_item.done", 3, &output[3]),
        item(
            "response.output_item.added",
            4,
            &json!({"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_2", "name": "c", "input": ""}),
        ),
        piece("response.custom_tool_call_input.delta", 4, json!({"delta": "text"})),
        piece("response.custom_tool_call_input.done", 4, json!({"input": "text"})),
        item("response.output_item.done", 4, &output[4]),
        item(
            "response.output_item.added",
            5,
            &json!({"type": "image_generation_call", "id": "ig_1", "status": "in_progress"}),
        ),
        item("response.output_item.done", 5, &output[5]),
        completed(&output),
    ]
}

const SHOWN: &[&str] = &[
    "Summary First.Then. sealed",
    "text Grüße",
    "refusal no",
    "opaque web_search_call {\"action\":{\"query\":\"q\",\"type\":\"search\"},\"id\":\"ws_1\",\"status\":\"completed\",\"type\":\"web_search_call\"}",
    "Function call_1 f {\"a\": 1}",
    "Custom call_2 c text",
    "Image Some(\"image/webp\") Base64(\"AAAA\")",
];

#[test]
fn a_stream_by_the_book_is_what_the_whole_answer_is() {
    let text = stream(&by_the_book());
    let told = events(&text, usize::MAX);
    event::check(&told).expect("the grammar");
    let streamed = fold(told.clone()).expect("an answer");
    assert_eq!(shown(&streamed.choices[0].parts), SHOWN);
    assert_eq!(streamed.choices[0].finish.reason, Reason::ToolCalls);
    assert_eq!(streamed.usage, Some(Usage { input: 10, output: 7, cached: 4, reasoning: 3, ..Usage::default() }));
    assert_eq!((streamed.start.id.as_deref(), streamed.start.created), (Some("resp_1"), Some(1_790_000_000)));
    let whole = OpenaiResponses.read_response(completed(&output())["response"].to_string().as_bytes());
    assert_eq!(format!("{:?}", whole.expect("an answer")), format!("{streamed:?}"));
    for size in 1..80 {
        assert_eq!(format!("{:?}", events(&text, size)), format!("{told:?}"), "pieces of {size}");
    }
}

#[test]
fn whatever_a_server_leaves_out_the_answer_is_the_same() {
    let left_out: &[&[&str]] = &[
        &["response.output_item.added", "response.content_part.added", "response.reasoning_summary_part.added"],
        &["response.output_text.delta", "response.reasoning_summary_text.delta", "response.refusal.delta"],
        &["response.function_call_arguments.delta", "response.custom_tool_call_input.delta"],
        &["response.output_item.done", "response.content_part.done", "response.reasoning_summary_part.done"],
        &["response.output_text.annotation.added", "response.function_call_arguments.done", "response.created"],
        &["response.created", "response.in_progress", "response.output_item.done"],
    ];
    for kinds in left_out {
        let mut some = by_the_book();
        // What has a seal ends with it.
        some.retain(|event| event["item"]["type"] == "reasoning" || !kinds.iter().any(|kind| event["type"] == *kind));
        let told = events(&(stream(&some) + "data: [DONE]\n\n"), 64);
        event::check(&told).unwrap_or_else(|why| panic!("{kinds:?}: {why}"));
        let mut parts = shown(&fold(told).expect("an answer").choices[0].parts);
        // Items that are only known at the end come at the end.
        parts.sort();
        let mut expected: Vec<_> = SHOWN.iter().map(|part| (*part).to_owned()).collect();
        expected.sort();
        assert_eq!(parts, expected, "without {kinds:?}");
    }
    let told = events(&stream(&[created(), completed(&output())]), 64);
    assert_eq!(shown(&fold(told).expect("an answer").choices[0].parts), SHOWN);
}

#[test]
fn interleaved_calls_come_one_after_the_other() {
    let added = |at: u64, id: &str| {
        json!({"type": "response.output_item.added", "output_index": at,
            "item": {"type": "function_call", "id": format!("fc_{at}"), "call_id": id, "name": "f", "arguments": ""}})
    };
    let delta = |at: u64, delta: &str| json!({"type": "response.function_call_arguments.delta", "output_index": at, "delta": delta});
    let done = |at: u64, id: &str, arguments: &str| {
        json!({"type": "response.output_item.done", "output_index": at,
            "item": {"type": "function_call", "call_id": id, "name": "f", "arguments": arguments}})
    };
    let output = json!([
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{\"x\":1}"},
        {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{\"y\":2}"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    ]);
    let expected = ["Function a f {\"x\":1}", "Function b f {\"y\":2}", "Function c f {}"];
    let begun = [created(), added(0, "a"), added(1, "b"), delta(0, "{\"x\""), delta(1, "{\"y\""), added(2, "c")];
    let with_ends =
        [delta(1, ":2}"), delta(0, ":1}"), done(1, "b", "{\"y\":2}"), done(0, "a", "{\"x\":1}"), done(2, "c", "{}")];
    let without_ends = [delta(1, ":2}"), delta(0, ":1}")];
    for rest in [&with_ends[..], &without_ends[..], &[]] {
        let all: Vec<_> = begun.iter().chain(rest).cloned().chain([completed(&output)]).collect();
        let told = events(&stream(&all), 32);
        event::check(&told).unwrap_or_else(|why| panic!("{rest:?}: {why}"));
        let answer = fold(told).expect("an answer");
        assert_eq!(shown(&answer.choices[0].parts), expected, "{rest:?}");
        assert_eq!(answer.choices[0].finish.reason, Reason::ToolCalls);
    }
}

#[test]
fn what_xais_servers_have_done_is_no_call() {
    let call = json!({"type": "custom_tool_call", "id": "ctc_1", "call_id": "xs_call_1", "name": "x_keyword_search", "input": "{}"});
    let output =
        json!([call, {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "found"}]}]);
    let all = [
        created(),
        json!({"type": "response.output_item.added", "output_index": 0, "item": call}),
        json!({"type": "response.custom_tool_call_input.delta", "output_index": 0, "delta": "{}"}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": call}),
        completed(&output),
    ];
    let told = events(&stream(&all), 32);
    event::check(&told).unwrap_or_else(|why| panic!("{why}"));
    let answer = fold(told).expect("an answer");
    let [Part::Opaque(opaque), Part::Text(text)] = answer.choices[0].parts.as_slice() else {
        panic!("{:?}", answer.choices[0].parts);
    };
    assert_eq!((opaque.name.as_str(), text.text.as_str()), ("custom_tool_call", "found"));
    assert_eq!(answer.choices[0].finish.reason, Reason::Stop);
    let history = read(&json!({"model": "m", "input": [call, {"role": "user", "content": "and?"}]})).request;
    assert!(matches!(history.messages[0].parts.as_slice(), [Part::Opaque(_)]), "{:?}", history.messages[0].parts);
}

#[test]
fn answers_that_were_cut_or_filtered_say_so() {
    let output = json!([{"type": "message", "content": [{"type": "output_text", "text": "x"}]}]);
    for (reason, meant) in [("max_output_tokens", Reason::Length), ("content_filter", Reason::Filtered)] {
        let mut last = ended("response.incomplete", "incomplete", &output);
        last["response"]["incomplete_details"] = json!({"reason": reason});
        let answer = fold(events(&stream(&[created(), last]), 64)).expect("an answer");
        assert_eq!(answer.choices[0].finish.reason, meant);
    }
    let empty = fold(events(
        &stream(&[created(), completed(&json!([{"type": "reasoning", "id": "rs_1", "summary": []}]))]),
        64,
    ));
    assert!(empty.expect("an answer").choices[0].parts.is_empty());
}

#[test]
fn broken_streams_fail() {
    let delta = json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "x"});
    let mut failed = ended("response.failed", "failed", &json!([]));
    failed["response"]["error"] = json!({"code": "rate_limit_exceeded", "message": "too fast"});
    let nested =
        json!({"type": "error", "error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "too fast"}});
    let flat = json!({"type": "error", "code": "rate_limit_exceeded", "message": "too fast", "param": null});
    let bare = "data: {\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"too fast\"}}\n\n".to_owned();
    let begun = stream(&[created(), delta]);
    for (rest, kind, words) in [
        (stream(&[failed]), Kind::RateLimited, "too fast"),
        (stream(&[nested]), Kind::RateLimited, "too fast"),
        (stream(&[flat]), Kind::RateLimited, "too fast"),
        (bare, Kind::RateLimited, "too fast"),
        (String::new(), Kind::Upstream, "broke off"),
        ("data: {\"type\":\"resp".to_owned(), Kind::Upstream, "no JSON object"),
        ("data: <html>\n\n".to_owned(), Kind::Upstream, "no JSON object"),
    ] {
        for start in [begun.as_str(), ""] {
            let told = events(&format!("{start}{rest}"), 16);
            event::check(&told).unwrap_or_else(|why| panic!("{rest}: {why}"));
            assert!(matches!(told.last(), Some(Event::End)));
            let failure = fold(told).expect_err("it failed");
            assert!(failure.kind == kind && failure.message.contains(words), "{rest}: {failure:?}");
        }
    }
}

#[test]
fn whole_answers_that_are_none_fail() {
    let failed = |body: Value| match OpenaiResponses.read_response(body.to_string().as_bytes()) {
        Err(crate::dialects::Unanswered::Failed(failure)) => failure,
        other => panic!("{other:?}"),
    };
    assert_eq!(failed(json!({"error": {"code": "insufficient_quota", "message": "m"}})).kind, Kind::Quota);
    let body = json!({"status": "failed", "output": [], "error": {"code": "server_error", "message": "m"}});
    assert_eq!(failed(body).message, "m");
    assert!(failed(json!({"status": "queued"})).message.contains("queued"));
    assert!(OpenaiResponses.read_response(b"<html>").is_err());
    // What is odd but harmless does not cost the answer.
    let odd = json!({"id": 7, "created_at": "now", "model": null, "status": "completed", "usage": {"input_tokens": 3.0, "output_tokens": null},
        "output": [{"type": "message", "content": "plain"}, {"type": "function_call", "name": "f", "arguments": {"a": 1}}, {"type": 3}]});
    let answer = OpenaiResponses.read_response(odd.to_string().as_bytes()).expect("an answer");
    let parts = shown(&answer.choices[0].parts);
    assert_eq!(parts[0], "text plain");
    assert!(parts[1].starts_with("Function call_") && parts[1].ends_with(" f {\"a\":1}"), "{parts:?}");
    assert_eq!(answer.usage.map(|usage| (usage.input, usage.output)), Some((3, 0)));
}
