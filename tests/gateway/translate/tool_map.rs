//! Tools that the provider would refuse as they are: it is told of others, and the client hears of its own.

use super::json;
use crate::support::gateway::{Gateway, Setup};
use crate::support::http::Answer;
use crate::support::upstream::{Reply, Upstream};
use serde_json::{Value, json};

/// As Claude Code names the tools of a server; OpenAI takes 64 characters.
const LONG: &str = "mcp__plugin_chrome-devtools-mcp_chrome-devtools__performance_analyze_insight";

/// What Codex edits files with.
const PATCH: &str = "*** Begin Patch\n\"ü\"\n*** End Patch";

/// A chat provider that is as strict as OpenAI is, and calls the first tool.
fn calls(body: &[u8]) -> Reply {
    let request: Value = serde_json::from_slice(body).expect("JSON");
    let names: Vec<_> =
        request["tools"].as_array().expect("tools").iter().map(|tool| &tool["function"]["name"]).collect();
    let said = request["messages"].as_array().expect("messages").iter();
    let called: Vec<_> = said.flat_map(|message| message["tool_calls"].as_array().into_iter().flatten()).collect();
    let called = called.iter().map(|call| &call["function"]["name"]);
    for name in names.iter().copied().chain(called).map(|name| name.as_str().expect("a name")) {
        let is_taken =
            name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        if !is_taken {
            return Reply::json(400, json!({"error": {"message": format!("Invalid name {name}")}}).to_string());
        }
    }
    let takes_text = !request["tools"][0]["function"]["parameters"]["properties"]["input"].is_null();
    let arguments = if takes_text { json!({"input": PATCH}) } else { json!({}) }.to_string();
    let call = |more: Value| {
        let function = json!({"name": names[0], "arguments": arguments});
        let mut call = json!({"id": "call_1", "type": "function", "function": function});
        call.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        call
    };
    let head = |object: &str| json!({"id": "c", "object": object, "created": 1, "model": "m"});
    let with = |mut head: Value, choice: Value| {
        head["choices"] = json!([choice]);
        head
    };
    if request["stream"] != true {
        let message = json!({"role": "assistant", "content": null, "tool_calls": [call(json!({}))]});
        let choice = json!({"index": 0, "message": message, "finish_reason": "tool_calls"});
        return Reply::json(200, with(head("chat.completion"), choice).to_string());
    }
    let delta = json!({"role": "assistant", "tool_calls": [call(json!({"index": 0}))]});
    let events = [
        json!({"index": 0, "delta": delta, "finish_reason": null}),
        json!({"index": 0, "delta": {}, "finish_reason": "tool_calls"}),
    ];
    let events = events.map(|choice| format!("data: {}\n\n", with(head("chat.completion.chunk"), choice)));
    events.iter().fold(Reply::events(), Reply::chunk).chunk("data: [DONE]\n\n").end()
}

async fn started(kind: &str) -> (Gateway, Upstream) {
    let upstream = Upstream::start(|request| calls(&request.body)).await;
    let settings = format!(
        "type: {kind}, base_url: \"http://{}\", api_key: k, models: [m], models_mode: allowlist",
        upstream.address
    );
    (Setup::instances([("up", settings)]).start().await, upstream)
}

/// The names of the tools that the provider was told last.
fn told(upstream: &Upstream) -> Vec<String> {
    let request: Value = serde_json::from_slice(&upstream.requests().pop().expect("a request").body).expect("JSON");
    let tools = request["tools"].as_array().expect("tools").iter();
    tools.map(|tool| tool["function"]["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn a_client_hears_the_names_that_it_gave() {
    let (gateway, upstream) = started("groq").await;
    let schema = json!({"type": "object"});
    let messages = |is_stream: bool| {
        json!({"model": "up/m", "max_tokens": 99, "stream": is_stream, "tool_choice": {"type": "tool", "name": LONG},
            "tools": [{"name": LONG, "input_schema": schema}, {"name": "plain", "input_schema": schema}],
            "messages": [{"role": "user", "content": "hi"},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": LONG, "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "ok"}]}]})
        .to_string()
    };
    let answer = gateway.post("/v1/messages", messages(false)).await;
    assert_eq!(answer.head.status, 200, "{}", answer.text());
    assert_eq!(json(&answer.body)["content"][0]["name"], LONG);
    let told_whole = told(&upstream);
    assert!(told_whole[0].starts_with("mcp__plugin_chrome-devtools") && told_whole[0].len() == 64, "{told_whole:?}");
    assert_eq!(told_whole[1], "plain");
    let answer = gateway.post("/v1/messages", messages(true)).await;
    assert!(answer.text().contains(&format!(r#""name":"{LONG}""#)), "{}", answer.text());
    assert_eq!(told(&upstream), told_whole, "one name always becomes the same");
    // Signs that the dialect has and the provider has not.
    let gemini = json!({"contents": [{"parts": [{"text": "hi"}]}],
        "tools": [{"functionDeclarations": [{"name": "files.read"}, {"name": "files_read"}]}]});
    for (method, place) in [("generateContent", ""), ("streamGenerateContent", "?alt=sse")] {
        let path = format!("/v1beta/models/up%2Fm:{method}{place}");
        let answer = gateway.post(&path, gemini.to_string()).await;
        assert!(answer.text().contains(r#""name":"files.read""#), "{}", answer.text());
        let told = told(&upstream);
        assert!(told[0].starts_with("files_read-") && told[1] == "files_read", "{told:?}");
    }
}

/// As Codex asks, of a provider that has neither custom tools nor namespaces.
#[tokio::test]
async fn tools_of_text_and_of_namespaces_are_functions_on_their_way() {
    let (gateway, upstream) = started("zai").await;
    let patch = json!({"type": "custom", "name": "apply_patch", "description": "Edits files.",
        "format": {"type": "grammar", "syntax": "lark", "definition": "start: begin"}});
    let files = json!({"type": "namespace", "name": "mcp__files", "tools": [
        {"type": "function", "name": "read", "parameters": {"type": "object", "properties": {}}}]});
    let ask = |tools: Value, is_stream: bool| {
        json!({"model": "up/m", "stream": is_stream, "store": false, "tools": tools, "input": [
            {"role": "user", "content": "hi"},
            {"type": "custom_tool_call", "call_id": "c0", "name": "apply_patch", "input": "before"},
            {"type": "custom_tool_call_output", "call_id": "c0", "output": "ok"}]})
        .to_string()
    };
    for is_stream in [false, true] {
        let answer = gateway.post("/v1/responses", ask(json!([patch, files]), is_stream)).await;
        assert_eq!(answer.head.status, 200, "{}", answer.text());
        assert_eq!(answer.head.headers.get("x-narthex-dropped"), Some("tools.custom (grammar of apply_patch)"));
        let item = json!({"type": "custom_tool_call", "call_id": "call_1", "name": "apply_patch", "input": PATCH});
        let object = last_object(is_stream, &answer);
        for (member, value) in item.as_object().expect("an object") {
            assert_eq!(&object["output"][0][member], value, "{object}");
        }
        assert_eq!(told(&upstream), ["apply_patch", "mcp__files__read"]);
        let sent: Value = serde_json::from_slice(&upstream.requests().pop().expect("a request").body).expect("JSON");
        let description = sent["tools"][0]["function"]["description"].as_str().expect("a description");
        assert!(description.starts_with("Edits files.") && description.ends_with("start: begin"), "{description}");
        assert_eq!(sent["messages"][1]["tool_calls"][0]["function"]["arguments"], r#"{"input":"before"}"#);
        let answer = gateway.post("/v1/responses", ask(json!([files, patch]), is_stream)).await;
        let object = last_object(is_stream, &answer);
        let item = &object["output"][0];
        assert_eq!((&item["namespace"], &item["name"]), (&json!("mcp__files"), &json!("read")), "{object}");
    }
}

/// The response object, be it the answer or in the last event of a stream.
fn last_object(is_stream: bool, answer: &Answer) -> Value {
    if !is_stream {
        return json(&answer.body);
    }
    let last = answer.text().trim_end().rsplit("data: ").next().expect("an event").to_owned();
    json(last.as_bytes())["response"].clone()
}
