//! Tools and their calls.

use bytes::BytesMut;
use serde_json::{Value, json};

use super::{events, heard, sent};
use crate::dialects::ir::Fold;
use crate::dialects::{Dialect, Habits, Reply};

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
            {"type": "namespace", "name": "mcp__files__", "description": "Files.", "tools": [tool("read"), tool("write")]},
            {"type": "namespace", "name": "mcp__web", "tools": [tool("read")]}]});
    for to in [Dialect::OpenaiChat, Dialect::Anthropic, Dialect::Gemini, Dialect::Converse] {
        let (sent, lost) = sent(Dialect::OpenaiResponses, to, "m", &Habits::COMPATIBLE, &body);
        let text = sent.to_string();
        for name in ["\"shell\"", "\"mcp__files__read\"", "\"mcp__files__write\"", "\"mcp__web__read\""] {
            assert!(text.contains(name), "{name} in {text}");
        }
        assert!(lost.is_empty() && !text.contains("\"read\""), "{lost:?} {text}");
        assert_eq!(text.matches("Of all tools of `mcp__files__`: Files.").count(), 1, "{text}");
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

#[test]
fn a_search_that_openai_runs_is_not_the_clients() {
    let body = json!({"model": "m", "input": "q", "tools": [
        {"type": "function", "name": "tool_search", "parameters": {"type": "object"}}, {"type": "tool_search"}]});
    let asked = Dialect::OpenaiResponses.client().read_request(body.to_string().as_bytes()).expect("a request");
    assert!(!asked.reply.searches_tools);
    let (sent, lost) = sent(Dialect::OpenaiResponses, Dialect::OpenaiChat, "m", &Habits::COMPATIBLE, &body);
    assert_eq!((sent["tools"].as_array().map(Vec::len), lost.len()), (Some(1), 1));
}
