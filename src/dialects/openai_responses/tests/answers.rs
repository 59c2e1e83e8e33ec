//! Answers as clients get them.

use serde_json::{Value, json};

use super::{OpenaiResponses, data, events, fold, read, reply, shown, written};
use crate::dialects::ir::{
    Annotation, At, CallKind, Choice, Delta, Event, Finish, Media, MediaKind, Opaque, Part, Reason, Reasoning,
    ReasoningKind, Response, Seal, Source, Start, Text, ToolCall, Usage, event,
};
use crate::dialects::{ClientDialect, Dialect, ProviderDialect, Reply};
use crate::error::{Failure, Kind};
use crate::json::Object;

fn text(text: &str) -> Part {
    Part::Text(Text { text: text.to_owned(), ..Text::default() })
}

/// One of everything that providers of other dialects answer with.
fn answer() -> Response {
    let cited = Annotation { url: Some("https://example.com".to_owned()), span: Some((0, 2)), ..Annotation::default() };
    let logprob =
        json!({"token": "ü", "bytes": null, "logprob": -0.5, "top_logprobs": [{"token": "u", "logprob": -1}]});
    let words = Text {
        text: "Grüße".to_owned(),
        annotations: vec![cited],
        logprobs: vec![serde_json::value::to_raw_value(&logprob).expect("JSON")],
    };
    let thought = |text: &str, kind, seal| Part::Reasoning(Reasoning { text: text.to_owned(), kind, seal, id: None });
    let call = |id: &str, kind, arguments: &str, seal| {
        Part::ToolCall(ToolCall {
            id: id.to_owned(),
            name: "f".to_owned(),
            kind,
            arguments: arguments.to_owned(),
            seal,
        })
    };
    let media = |kind, transcript: Option<&str>, data: &str| {
        let (source, transcript) = (Source::Base64(data.to_owned()), transcript.map(str::to_owned));
        Part::Media(Media { kind, mime: None, source, name: None, detail: None, transcript, id: None })
    };
    let foreign = serde_json::value::to_raw_value(&json!({"type": "server_tool_use"})).expect("JSON");
    let parts = vec![
        thought("hm", ReasoningKind::Raw, Some(Seal::signature(Dialect::Anthropic, "sig"))),
        thought("told", ReasoningKind::Summary, None),
        thought("", ReasoningKind::Raw, Some(Seal::redacted(Dialect::Anthropic, "secret"))),
        Part::Text(words),
        Part::Opaque(Opaque { dialect: Dialect::Anthropic, name: "server_tool_use".to_owned(), value: foreign }),
        text(" more"),
        Part::Refusal("no".to_owned()),
        media(MediaKind::Image, None, "AAAA"),
        media(MediaKind::Audio, Some("spoken"), "BBBB"),
        call("call_1", CallKind::Function, "{\"a\": 1}", Some(Seal::signature(Dialect::Gemini, "c2ln"))),
        call("call_2", CallKind::Function, "", None),
        call("call_3", CallKind::Custom, "ls", None),
    ];
    Response {
        start: Start { id: Some("chatcmpl-1".to_owned()), model: Some("m-1".to_owned()), ..Start::default() },
        choices: vec![Choice { parts, finish: Reason::ToolCalls.into() }],
        usage: Some(Usage { input: 10, output: 5, cached: 4, cache_write: 1, reasoning: 2, ..Usage::default() }),
    }
}

fn whole(response: &Response, reply: &Reply) -> Value {
    serde_json::from_slice(&OpenaiResponses.write_response(response, reply)).expect("JSON")
}

#[test]
fn an_answer_is_a_response_object() {
    let object = whole(&answer(), &reply());
    assert_eq!(
        object["output"],
        json!([
            {"type": "reasoning", "id": "rs_n00", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}],
                "encrypted_content": "anthropic:s:sig"},
            {"type": "reasoning", "id": "rs_n01", "summary": [{"type": "summary_text", "text": "told"}]},
            {"type": "reasoning", "id": "rs_n02", "summary": [], "encrypted_content": "anthropic:r:secret"},
            {"type": "message", "id": "msg_n03", "status": "completed", "role": "assistant", "content": [
                {"type": "output_text", "text": "Grüße",
                    "annotations": [{"type": "url_citation", "url": "https://example.com", "title": "", "start_index": 0, "end_index": 2}],
                    "logprobs": [{"token": "ü", "bytes": [195, 188], "logprob": -0.5, "top_logprobs": [
                        {"token": "u", "bytes": [117], "logprob": -1}]}]},
                {"type": "output_text", "text": " more", "annotations": [], "logprobs": []},
                {"type": "refusal", "refusal": "no"}]},
            {"type": "image_generation_call", "id": "ig_n04", "status": "completed", "result": "AAAA"},
            {"type": "message", "id": "msg_n05", "status": "completed", "role": "assistant", "content": [
                {"type": "output_text", "text": "spoken", "annotations": [], "logprobs": []}]},
            {"type": "reasoning", "id": "rs_n06", "summary": [], "encrypted_content": "gemini:s:c2ln"},
            {"type": "function_call", "id": "fc_n07", "status": "completed", "call_id": "call_1", "name": "f", "arguments": "{\"a\": 1}"},
            {"type": "function_call", "id": "fc_n08", "status": "completed", "call_id": "call_2", "name": "f", "arguments": "{}"},
            {"type": "custom_tool_call", "id": "ctc_n09", "status": "completed", "call_id": "call_3", "name": "f", "input": "ls"},
        ])
    );
    let mut rest = object;
    rest.as_object_mut().expect("an object").remove("output");
    assert_eq!(
        rest,
        json!({
            "id": "resp_n0", "object": "response", "created_at": 1_790_000_000, "status": "completed", "background": false,
            "completed_at": 1_790_000_000, "error": null, "incomplete_details": null, "instructions": null,
            "max_output_tokens": null, "max_tool_calls": null, "model": "m-1", "parallel_tool_calls": true,
            "previous_response_id": null, "prompt_cache_key": null, "prompt_cache_retention": null,
            "reasoning": {"effort": null, "summary": null}, "safety_identifier": null, "service_tier": "default",
            "store": true, "temperature": 1.0, "text": {"format": {"type": "text"}, "verbosity": "medium"},
            "tool_choice": "auto", "tools": [], "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled",
            "usage": {"input_tokens": 10, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
                "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 15},
            "user": null, "metadata": {},
        })
    );
}

#[test]
fn the_stream_tells_the_same_as_the_whole() {
    let told = answer().into_events();
    event::check(&told).expect("the grammar");
    let stream = written(told, &reply());
    let sent = data(&stream);
    for (number, event) in sent.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
    }
    let last = sent.last().expect("events");
    assert_eq!(last["type"], "response.completed");
    assert_eq!(last["response"], whole(&answer(), &reply()));
    // Each item begins once and ends once, under one id; its pieces make up what it is in the end.
    for (index, item) in last["response"]["output"].as_array().expect("items").iter().enumerate() {
        let about: Vec<_> = sent.iter().filter(|event| event["output_index"] == index).collect();
        assert_eq!(about.first().expect("events")["type"], "response.output_item.added");
        assert_eq!(about.first().expect("events")["item"]["id"], item["id"]);
        assert_eq!(about.last().expect("events")["type"], "response.output_item.done");
        assert_eq!(&about.last().expect("events")["item"], item);
        let ids = about.iter().filter_map(|event| event.get("item_id"));
        assert!(ids.into_iter().all(|id| *id == item["id"]));
    }
    let types: Vec<_> = sent.iter().filter_map(|event| event["type"].as_str()).take(15).collect();
    assert_eq!(
        types,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.reasoning_text.delta",
            "response.reasoning_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.output_item.added",
            "response.reasoning_summary_part.added",
            "response.reasoning_summary_text.delta",
            "response.reasoning_summary_text.done",
            "response.reasoning_summary_part.done",
            "response.output_item.done",
            "response.output_item.added",
        ]
    );
    // Read again, it is the answer that it was, but for what this dialect has no place for.
    let again = events(&stream, usize::MAX);
    event::check(&again).expect("the grammar");
    let again = fold(again).expect("an answer");
    let object = OpenaiResponses.write_response(&answer(), &reply());
    let whole = OpenaiResponses.read_response(&object).expect("an answer");
    assert_eq!(shown(&again.choices[0].parts), shown(&whole.choices[0].parts));
    assert_eq!(again.choices[0].parts.len(), 12);
    assert_eq!(again.usage, answer().usage);
}

#[test]
fn history_made_of_an_answer_has_its_seals() {
    let output = &whole(&answer(), &reply())["output"];
    let request = read(&json!({"model": "m", "input": output})).request;
    assert_eq!(request.messages.len(), 1);
    let seals = request.messages[0].parts.iter().filter_map(|part| match part {
        Part::Reasoning(reasoning) => reasoning.seal.clone(),
        _ => None,
    });
    let seals: Vec<_> = seals.collect();
    assert_eq!(
        seals,
        [
            Seal::signature(Dialect::Anthropic, "sig"),
            Seal::redacted(Dialect::Anthropic, "secret"),
            Seal::signature(Dialect::Gemini, "c2ln"),
        ]
    );
}

#[test]
fn an_answer_repeats_its_request() {
    let body = json!({
        "model": "m", "input": "x", "instructions": "be brief", "tools": [{"type": "function", "name": "f", "parameters": {"z": 1.50}}],
        "tool_choice": "required", "parallel_tool_calls": false, "temperature": 0.25, "top_p": 0.5, "max_output_tokens": 99,
        "reasoning": {"effort": "low", "summary": "auto"}, "text": {"verbosity": "low"}, "truncation": "auto", "store": false,
        "metadata": {"k": "v"}, "user": "u", "prompt_cache_key": "k", "top_logprobs": 2,
    });
    let request = Object::read(bytes::Bytes::from(body.to_string())).ok();
    let object = whole(&answer(), &Reply { echo: request, ..reply() });
    for (member, said) in
        body.as_object().expect("an object").iter().filter(|(member, _)| *member != "input" && *member != "model")
    {
        let shown = &object[member];
        match member.as_str() {
            // A format there always is.
            "text" => assert_eq!(shown, &json!({"format": {"type": "text"}, "verbosity": "low"})),
            _ => assert_eq!(shown, said, "{member}"),
        }
    }
    // Who asks for a summary can read nothing else.
    assert_eq!(object["output"][0]["summary"], json!([{"type": "summary_text", "text": "hm"}]));
    // A whole body, with what was put in its place before it was read, does as well.
    let echo =
        json!({"model": "m", "input": [], "previous_response_id": "resp_9", "conversation": "conv_1"}).to_string();
    let object = whole(&answer(), &Reply { echo: Object::read(bytes::Bytes::from(echo)).ok(), ..Reply::default() });
    assert_eq!(object["previous_response_id"], "resp_9");
    assert_eq!(object["conversation"], json!({"id": "conv_1"}));
}

#[test]
fn how_an_answer_ended_is_its_status() {
    for (reason, status, details, kind) in [
        (Reason::Stop, "completed", Value::Null, "response.completed"),
        (Reason::Paused, "completed", Value::Null, "response.completed"),
        (Reason::Length, "incomplete", json!({"reason": "max_output_tokens"}), "response.incomplete"),
        (Reason::Filtered, "incomplete", json!({"reason": "content_filter"}), "response.incomplete"),
    ] {
        let finish: Finish = reason.into();
        let answer = Response { choices: vec![Choice { parts: vec![text("x")], finish }], ..Response::default() };
        let object = whole(&answer, &reply());
        assert_eq!((&object["status"], &object["incomplete_details"]), (&json!(status), &details));
        assert_eq!(object["output"][0]["status"], status);
        assert_eq!(object["usage"], Value::Null);
        let sent = data(&written(answer.into_events(), &reply()));
        let last = sent.last().expect("events");
        assert_eq!((&last["type"], &last["response"]), (&json!(kind), &object));
    }
}

#[test]
fn a_seal_that_comes_with_a_call_goes_ahead_of_it() {
    let at = At::default();
    let call = ToolCall { id: "c".to_owned(), name: "f".to_owned(), ..ToolCall::default() };
    let told = vec![
        Event::Start(Start::default()),
        Event::Open(at, Part::ToolCall(call)),
        Event::Delta(at, Delta::Seal(Seal::signature(Dialect::Gemini, "c2ln"))),
        Event::Delta(at, Delta::Arguments("{\"a\"".to_owned())),
        Event::Delta(at, Delta::Arguments(":1}".to_owned())),
        Event::Close(at),
        Event::Finish(0, Reason::ToolCalls.into()),
        Event::End,
    ];
    let sent = data(&written(told, &reply()));
    let output = &sent.last().expect("events")["response"]["output"];
    assert_eq!(output[0]["encrypted_content"], "gemini:s:c2ln");
    assert_eq!((&output[1]["call_id"], &output[1]["arguments"]), (&json!("c"), &json!("{\"a\":1}")));
}

#[test]
fn a_stream_that_breaks_ends_with_an_error() {
    let failure = Failure { code: Some("x".to_owned()), ..Failure::of_kind(Kind::RateLimited, "too fast") };
    let told =
        vec![Event::Start(Start::default()), Event::Open(At::default(), text("")), Event::Failed(failure), Event::End];
    let sent = data(&written(told, &reply()));
    let [.., error, last] = sent.as_slice() else { panic!("{sent:?}") };
    assert_eq!(
        error,
        &json!({"type": "error", "sequence_number": sent.len() - 2, "code": "x", "message": "too fast", "param": null,
            "error": {"code": "x", "message": "too fast", "param": null, "type": "rate_limit_error"}})
    );
    // Codex looks at this one alone, and at its code.
    assert_eq!((&last["type"], &last["sequence_number"]), (&json!("response.failed"), &json!(sent.len() - 1)));
    assert_eq!(last["response"]["error"], json!({"code": "rate_limit_exceeded", "message": "too fast"}));
    assert_eq!((&last["response"]["status"], &last["response"]["id"]), (&json!("failed"), &sent[0]["response"]["id"]));
}
