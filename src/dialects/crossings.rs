//! Tests: what one dialect allows and another refuses, on its way from the one to the other.

use bytes::BytesMut;
use serde_json::{Value, json};

use super::ir::{Event, Fold, Losses};
use super::{Dialect, EffortHabit, Habits, Recipient, Reply};
use crate::models::Facts;

/// What a provider with these habits is sent for a client's request, and what was left out.
fn sent(from: Dialect, to: Dialect, model: &str, habits: &Habits, body: &Value) -> (Value, Vec<String>) {
    let asked = from.client().read_request(body.to_string().as_bytes()).expect("a request");
    let mut losses = Losses::new(&[], false);
    let recipient = Recipient { facts: Facts::of(model), habits };
    let body = to.provider().write_request(&asked.request, &recipient, &mut losses).expect("a body");
    (serde_json::from_slice(&body).expect("JSON"), losses.finish().expect("no refusal"))
}

/// The events of a provider's stream.
fn events(from: Dialect, body: &str) -> Vec<Event> {
    let provider = from.provider();
    let (mut framing, mut reader, mut events) = (provider.framing(), provider.stream_reader(), Vec::new());
    framing.push(body.as_bytes());
    while let Some(frame) = framing.next().expect("frames") {
        reader.read(&frame, &mut events);
    }
    if let Some(frame) = framing.finish().expect("frames") {
        reader.read(&frame, &mut events);
    }
    reader.end(&mut events);
    events
}

/// What a client hears of a provider's stream.
fn heard(from: Dialect, to: Dialect, body: &str) -> String {
    let mut writer = to.client().stream_writer(&Reply { counts_stream: true, ..Reply::default() });
    let mut out = BytesMut::new();
    events(from, body).into_iter().for_each(|event| writer.write(event, &mut out));
    String::from_utf8(out.to_vec()).expect("text")
}

fn claude_code(more: &Value) -> Value {
    let mut body = json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "q"}]});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    body
}

fn gemini(config: &Value) -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "three fruits"}]}], "generationConfig": config})
}

#[test]
fn who_asks_is_told_in_as_many_letters_as_openai_takes() {
    let long = "{\"device_id\":\"".repeat(9);
    let body = claude_code(&json!({"metadata": {"user_id": long}}));
    for to in [Dialect::OpenaiChat, Dialect::OpenaiResponses] {
        let (sent, lost) = sent(Dialect::Anthropic, to, "gpt-5.5", &Habits::OPENAI, &body);
        assert_eq!((sent["user"].as_str().map(str::len), lost.len()), (Some(64), 0));
    }
}

#[test]
fn what_is_strict_for_claude_may_be_too_open_for_openai() {
    let open = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
                      "required": ["a"], "additionalProperties": false});
    let mut closed = open.clone();
    closed["required"] = json!(["a", "b"]);
    for (schema, is_strict) in [(open, false), (closed, true)] {
        let body = claude_code(&json!({
            "tools": [{"name": "f", "input_schema": schema, "strict": true}],
            "output_config": {"format": {"type": "json_schema", "schema": schema}},
        }));
        let (chat, lost) = sent(Dialect::Anthropic, Dialect::OpenaiChat, "gpt-4o", &Habits::OPENAI, &body);
        assert_eq!(chat["tools"][0]["function"]["strict"], is_strict);
        assert_eq!(chat["response_format"]["json_schema"]["strict"], is_strict);
        assert_eq!(lost.len(), if is_strict { 0 } else { 2 }, "{lost:?}");
        let (responses, lost) = sent(Dialect::Anthropic, Dialect::OpenaiResponses, "gpt-5.5", &Habits::OPENAI, &body);
        assert_eq!(responses["tools"][0]["strict"], is_strict);
        assert_eq!(responses["text"]["format"]["strict"], is_strict);
        assert_eq!(lost.len(), if is_strict { 0 } else { 2 }, "{lost:?}");
    }
}

#[test]
fn an_answer_that_is_no_object_is_asked_for_in_words() {
    let body = gemini(&json!({"responseMimeType": "application/json",
                              "responseSchema": {"type": "ARRAY", "items": {"type": "STRING"}}}));
    let (chat, lost) = sent(Dialect::Gemini, Dialect::OpenaiChat, "gpt-4o", &Habits::OPENAI, &body);
    assert_eq!((chat.get("response_format"), lost), (None, vec!["response_format.json_schema".to_owned()]));
    assert!(chat["messages"][0]["content"].as_str().is_some_and(|words| words.contains(r#""type":"array""#)), "{chat}");
    let (responses, lost) = sent(Dialect::Gemini, Dialect::OpenaiResponses, "gpt-4o", &Habits::OPENAI, &body);
    assert_eq!((responses.get("text"), lost.len()), (None, 1));
    assert!(responses["input"][0]["content"].as_str().is_some_and(|words| words.contains(r#""type":"array""#)));
    // Others take it.
    let (compatible, lost) = sent(Dialect::Gemini, Dialect::OpenaiChat, "m", &Habits::COMPATIBLE, &body);
    assert_eq!((&compatible["response_format"]["json_schema"]["schema"]["type"], lost.len()), (&json!("array"), 0));
}

#[test]
fn the_word_json_is_said_where_an_answer_is_to_be_json() {
    let body = gemini(&json!({"responseMimeType": "application/json"}));
    let (chat, _) = sent(Dialect::Gemini, Dialect::OpenaiChat, "gpt-4o", &Habits::OPENAI, &body);
    assert_eq!(
        (&chat["messages"][0]["content"], &chat["messages"][1]["role"]),
        (&json!("Answer in JSON."), &json!("user"))
    );
    // Of instructions OpenAI does not want to know: there it must be in the input.
    let body = |system: &str| {
        json!({"model": "m", "response_format": {"type": "json_object"}, "messages": [
            {"role": "system", "content": system}, {"role": "user", "content": "q"}]})
    };
    let (responses, _) =
        sent(Dialect::OpenaiChat, Dialect::OpenaiResponses, "gpt-5.5", &Habits::OPENAI, &body("As JSON!"));
    assert_eq!((responses.get("instructions"), &responses["input"][0]["content"]), (None, &json!("As JSON!")));
    let (responses, _) =
        sent(Dialect::OpenaiChat, Dialect::OpenaiResponses, "gpt-5.5", &Habits::OPENAI, &body("Be brief."));
    assert_eq!(responses["input"][0]["content"], "Answer in JSON.");
}

#[test]
fn no_more_is_asked_for_than_a_model_or_its_provider_has() {
    let many = claude_code(&json!({"max_tokens": 1_000_000, "stop_sequences": ["a", "b", "c", "d", "e"]}));
    let (chat, lost) = sent(Dialect::Anthropic, Dialect::OpenaiChat, "gpt-4o", &Habits::OPENAI, &many);
    assert_eq!((&chat["max_completion_tokens"], &chat["stop"]), (&json!(16_384), &json!(["a", "b", "c", "d"])));
    assert_eq!(lost, ["stop (beyond 4)"]);
    let (responses, _) = sent(Dialect::Anthropic, Dialect::OpenaiResponses, "gpt-4o", &Habits::OPENAI, &many);
    assert_eq!(responses["max_output_tokens"], 16_384);
    let chat = json!({"model": "m", "max_tokens": 1_000_000, "messages": [{"role": "user", "content": "q"}]});
    let (claude, _) = sent(Dialect::OpenaiChat, Dialect::Anthropic, "claude-sonnet-4-5", &Habits::COMPATIBLE, &chat);
    assert_eq!(claude["max_tokens"], 64_000);
    let model = "us.anthropic.claude-3-5-haiku-20241022-v1:0";
    let (amazon, _) = sent(Dialect::OpenaiChat, Dialect::Converse, model, &Habits::COMPATIBLE, &chat);
    assert_eq!(amazon["inferenceConfig"]["maxTokens"], 8192);
    let (google, _) = sent(Dialect::OpenaiChat, Dialect::Gemini, "gemini-2.5-flash", &Habits::COMPATIBLE, &chat);
    assert_eq!(google["generationConfig"]["maxOutputTokens"], 65_536);
}

#[test]
fn no_effort_is_named_that_nobody_has_asked_for() {
    let unknown = |more: Value| {
        let habits = Habits { effort: EffortHabit::Effort, ..Habits::COMPATIBLE };
        let (sent, _) = sent(Dialect::Anthropic, Dialect::OpenaiChat, "no-such-model", &habits, &claude_code(&more));
        sent["reasoning_effort"].clone()
    };
    assert_eq!(unknown(json!({"thinking": {"type": "enabled", "budget_tokens": 31_999}})), "high");
    assert_eq!(unknown(json!({"output_config": {"effort": "max"}})), "max");
    assert_eq!(unknown(json!({"thinking": {"type": "disabled"}})), "none");
}

#[test]
fn where_there_is_one_tier_the_usual_one_is_not_asked_for() {
    let habits = Habits { has_service_tier: false, ..Habits::COMPATIBLE };
    let asked = |tier: &str| {
        let body = json!({"model": "m", "service_tier": tier, "messages": [{"role": "user", "content": "q"}]});
        let (sent, lost) = sent(Dialect::OpenaiChat, Dialect::Anthropic, "claude-sonnet-4-5", &habits, &body);
        (sent.get("service_tier").cloned(), lost)
    };
    assert_eq!(asked("default"), (None, Vec::new()));
    assert_eq!(asked("flex"), (None, vec!["service_tier".to_owned()]));
}

#[test]
fn results_of_tools_may_have_a_role_of_their_own() {
    let body = json!({"contents": [
        {"role": "user", "parts": [{"text": "weather"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
        {"role": "tool", "parts": [{"functionResponse": {"name": "f", "response": {"result": "sun"}}}]},
    ]});
    let (sent, _) = sent(Dialect::Gemini, Dialect::OpenaiChat, "gpt-4o", &Habits::OPENAI, &body);
    assert_eq!((&sent["messages"][2]["role"], &sent["messages"][2]["content"]), (&json!("tool"), &json!("sun")));
}

#[test]
fn grammars_of_custom_tools_are_shaped_as_each_api_wants_them() {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "q"}], "tools": [{"type": "custom", "custom": {
        "name": "sql", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: \"a\""}}}}]});
    let (responses, _) = sent(Dialect::OpenaiChat, Dialect::OpenaiResponses, "gpt-5.2-codex", &Habits::OPENAI, &body);
    let flat = json!({"type": "grammar", "syntax": "lark", "definition": "start: \"a\""});
    assert_eq!(responses["tools"][0]["format"], flat);
    let (chat, _) = sent(Dialect::OpenaiChat, Dialect::OpenaiChat, "gpt-5.2", &Habits::OPENAI, &body);
    assert_eq!(chat["tools"], body["tools"]);
}

#[test]
fn files_in_googles_storage_have_a_type() {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "gs://bucket/cat.png"}}]}]});
    let (sent, _) = sent(Dialect::OpenaiChat, Dialect::Gemini, "gemini-2.5-flash", &Habits::COMPATIBLE, &body);
    let file = json!({"mimeType": "image/png", "fileUri": "gs://bucket/cat.png"});
    assert_eq!(sent["contents"][0]["parts"][0]["fileData"], file);
}

#[test]
fn an_error_that_is_in_no_frame_ends_a_stream() {
    let google = concat!(
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"First \"}]},\"finishReason\":\"STOP\"}]}\r\n\r\n",
        "{\n  \"error\": {\n    \"code\": 503,\n    \"message\": \"overloaded\",\n    \"status\": \"UNAVAILABLE\"\n  }\n}\n",
    );
    let openai =
        "data: {\"choices\":[{\"delta\":{\"content\":\"First \"}}]}\n\n{\"error\":{\"message\":\"overloaded\"}}";
    for (from, body) in [(Dialect::Gemini, google), (Dialect::OpenaiChat, openai)] {
        let last = events(from, body).into_iter().rev().nth(1);
        assert!(matches!(&last, Some(Event::Failed(failure)) if failure.message == "overloaded"), "{last:?}");
        for to in [Dialect::OpenaiChat, Dialect::OpenaiResponses, Dialect::Anthropic, Dialect::Gemini] {
            let heard = heard(from, to, body);
            assert!(heard.contains("First ") && heard.contains("overloaded"), "{heard}");
            assert!(!heard.contains("[DONE]") && !heard.contains("response.completed"), "{heard}");
        }
    }
}

#[test]
fn a_stream_without_a_choice_is_no_answer() {
    for body in ["data: [DONE]\n\n", "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\ndata: [DONE]\n\n"] {
        let events = events(Dialect::OpenaiChat, body);
        assert!(matches!(events.as_slice(), [.., Event::Failed(_), Event::End]), "{events:?}");
    }
}

#[test]
fn counts_are_found_beside_a_delta() {
    let body = concat!(
        "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\",",
        "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5,\"total_tokens\":8}}]}\n\ndata: [DONE]\n\n"
    );
    let counted = |event: &Event| matches!(event, Event::Usage(usage) if (usage.input, usage.output) == (3, 5));
    assert!(events(Dialect::OpenaiChat, body).iter().any(counted));
}

#[test]
fn pictures_that_are_thoughts_are_not_shown() {
    let body = concat!(
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"RFJBRlQ=\"},\"thought\":true},",
        "{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"RklOQUw=\"},\"thoughtSignature\":\"c2ln\"}]},\"finishReason\":\"STOP\"}]}\n\n"
    );
    let heard = heard(Dialect::Gemini, Dialect::OpenaiChat, body);
    assert!(heard.contains("RklOQUw=") && !heard.contains("RFJBRlQ="), "{heard}");
}

#[test]
fn an_answer_that_was_cut_says_so_whatever_the_reason_is_called() {
    let body = concat!(
        "data: {\"type\":\"response.incomplete\",\"response\":{\"id\":\"resp_1\",\"status\":\"incomplete\",",
        "\"incomplete_details\":{\"reason\":\"max_tokens\"},\"output\":[]}}\n\n"
    );
    assert!(heard(Dialect::OpenaiResponses, Dialect::Anthropic, body).contains("\"max_tokens\""));
}

#[test]
fn every_dialect_says_by_one_code_that_a_request_is_too_long() {
    for (from, body) in [
        (
            Dialect::Gemini,
            r#"{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}"#,
        ),
        (Dialect::Converse, r#"{"message":"Input is too long for requested model."}"#),
        (
            Dialect::OpenaiChat,
            r#"{"code":"Client specified an invalid argument","error":"This model's maximum prompt length is 131072 but the request contains 140000 tokens."}"#,
        ),
        (
            Dialect::Anthropic,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 1 + 2 > 2"}}"#,
        ),
    ] {
        let failure =
            from.provider().read_failure(http::StatusCode::BAD_REQUEST, &http::HeaderMap::new(), body.as_bytes());
        assert_eq!(failure.code.as_deref(), Some("context_length_exceeded"), "{body}");
    }
}

#[test]
fn a_call_in_whose_midst_an_answer_was_cut_is_not_to_be_carried_out() {
    let stream = |reason: &str| {
        let call = r#"{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":"}}"#;
        format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":\"I call\",\"tool_calls\":[{call}]}}}}]}}\n\n\
             data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"{reason}\"}}]}}\n\ndata: [DONE]\n\n"
        )
    };
    for (reason, is_told) in [("length", false), ("tool_calls", true)] {
        let heard = heard(Dialect::OpenaiChat, Dialect::Gemini, &stream(reason));
        assert_eq!(heard.contains("functionCall"), is_told, "{heard}");
        let mut fold = Fold::default();
        events(Dialect::OpenaiChat, &stream(reason)).into_iter().for_each(|event| fold.push(event));
        let answer = fold.finish().expect("an answer");
        for (to, word) in
            [(Dialect::Gemini, "functionCall"), (Dialect::Anthropic, "tool_use"), (Dialect::Converse, "toolUse")]
        {
            let whole = to.client().write_response(&answer, &Reply::default());
            let whole = String::from_utf8_lossy(&whole);
            assert_eq!(
                whole.contains(&format!("\"{word}\":{{")) || whole.contains("\"type\":\"tool_use\""),
                is_told,
                "{whole}"
            );
            assert!(whole.contains("I call"), "{whole}");
        }
    }
}

#[test]
fn tools_in_namespaces_are_functions_elsewhere() {
    let tool =
        |name: &str| json!({"type": "function", "name": name, "parameters": {"type": "object"}, "strict": false});
    let body = json!({"model": "m", "input": [
            {"role": "user", "content": "read it"},
            {"type": "function_call", "call_id": "c1", "name": "read", "namespace": "mcp__files__", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "it"},
        ], "tools": [tool("shell"),
            {"type": "namespace", "name": "mcp__files__", "description": "d", "tools": [tool("read"), tool("write")]},
            {"type": "namespace", "name": "mcp__web", "tools": [tool("read")]}]});
    for to in [Dialect::OpenaiChat, Dialect::Anthropic, Dialect::Gemini, Dialect::Converse] {
        let (sent, lost) = sent(Dialect::OpenaiResponses, to, "m", &Habits::COMPATIBLE, &body);
        let text = sent.to_string();
        for name in ["\"shell\"", "\"mcp__files__read\"", "\"mcp__files__write\"", "\"mcp__web__read\""] {
            assert!(text.contains(name), "{name} in {text}");
        }
        assert!(lost.is_empty() && !text.contains("\"read\""), "{lost:?} {text}");
    }
    let reply = Dialect::OpenaiResponses.client().read_request(body.to_string().as_bytes()).expect("a request").reply;
    let call = |name: &str| {
        format!(r#"{{"index":0,"id":"c2","type":"function","function":{{"name":"{name}","arguments":"{{}}"}}}}"#)
    };
    for (called, namespace, name) in [("mcp__web__read", "\"mcp__web\"", "read"), ("shell", "null", "shell")] {
        let stream = format!(
            "data: {{\"choices\":[{{\"delta\":{{\"tool_calls\":[{}]}},\"finish_reason\":\"tool_calls\"}}]}}\n\ndata: [DONE]\n\n",
            call(called)
        );
        let mut fold = Fold::default();
        let mut writer = Dialect::OpenaiResponses.client().stream_writer(&reply);
        let mut out = BytesMut::new();
        for event in events(Dialect::OpenaiChat, &stream) {
            fold.push(event.clone());
            writer.write(event, &mut out);
        }
        let streamed = String::from_utf8_lossy(&out);
        let whole = Dialect::OpenaiResponses.client().write_response(&fold.finish().expect("an answer"), &reply);
        let last = streamed.trim_end().rsplit("data: ").next().expect("an event");
        for object in [
            &serde_json::from_str::<Value>(last).expect("JSON")["response"],
            &serde_json::from_slice(&whole).expect("JSON"),
        ] {
            let item = &object["output"][0];
            assert_eq!(
                (item["name"].as_str(), item["namespace"].to_string()),
                (Some(name), namespace.to_owned()),
                "{object}"
            );
        }
    }
}

/// As Codex sends them: a search that it runs itself and what it has found, and tools that come amid the conversation.
#[test]
fn tools_that_come_later_are_tools_all_the_same() {
    let function =
        |name: &str| json!({"type": "function", "name": name, "parameters": {"type": "object"}, "strict": false});
    let found = json!([{"type": "namespace", "name": "mcp__calc", "tools": [function("add")]}]);
    let search = |id: usize| {
        let call_id = format!("s{id}");
        [
            json!({"type": "tool_search_call", "call_id": call_id, "execution": "client", "arguments": {"query": "add"}}),
            json!({"type": "tool_search_output", "call_id": call_id, "execution": "client", "status": "completed", "tools": found}),
        ]
    };
    let mut input = vec![
        json!({"type": "additional_tools", "role": "developer", "tools": [
            {"type": "namespace", "name": "functions", "tools": [function("exec")]}]}),
        json!({"role": "user", "content": "add"}),
    ];
    input.extend([search(1), search(2)].concat());
    let body = json!({"model": "m", "input": input, "tools": [
        {"type": "tool_search", "execution": "client", "description": "d", "parameters": {"type": "object"}}]});
    let (sent, lost) = sent(Dialect::OpenaiResponses, Dialect::OpenaiChat, "m", &Habits::COMPATIBLE, &body);
    let names: Vec<_> = sent["tools"].as_array().expect("tools").iter().map(|tool| &tool["function"]["name"]).collect();
    assert_eq!(names, ["tool_search", "functions__exec", "mcp__calc__add"]);
    let call = &sent["messages"][1]["tool_calls"][0];
    assert_eq!((&call["id"], &call["function"]["arguments"]), (&json!("s1"), &json!("{\"query\":\"add\"}")));
    assert_eq!(sent["messages"][2]["content"], "These tools can be called now: mcp__calc__add.");
    assert!(lost.is_empty(), "{lost:?}");

    let reply = Dialect::OpenaiResponses.client().read_request(body.to_string().as_bytes()).expect("a request").reply;
    let call = r#"{"index":0,"id":"s3","type":"function","function":{"name":"tool_search","arguments":"{\"query\":\"sub\"}"}}"#;
    let stream = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"tool_calls\":[{call}]}},\"finish_reason\":\"tool_calls\"}}]}}\n\ndata: [DONE]\n\n"
    );
    let mut writer = Dialect::OpenaiResponses.client().stream_writer(&reply);
    let mut out = BytesMut::new();
    events(Dialect::OpenaiChat, &stream).into_iter().for_each(|event| writer.write(event, &mut out));
    let told = String::from_utf8_lossy(&out);
    let last = told.trim_end().rsplit("data: ").next().expect("an event");
    let item = &serde_json::from_str::<Value>(last).expect("JSON")["response"]["output"][0];
    assert_eq!(
        (&item["type"], &item["execution"], &item["status"]),
        (&json!("tool_search_call"), &json!("client"), &json!("completed"))
    );
    assert_eq!((&item["call_id"], &item["arguments"]), (&json!("s3"), &json!({"query": "sub"})));
    assert!(!told.contains("function_call"), "{told}");
}
