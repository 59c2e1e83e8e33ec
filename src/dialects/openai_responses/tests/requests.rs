//! Requests: read, written, and both.

use serde_json::{Value, json};

use super::{read, shown, write};
use crate::dialects::ClientDialect;
use crate::dialects::ir::{
    CallKind, Effort, Message, Mode, Part, Reasoning, ReasoningKind, Request, Role, Seal, Shown, Text, Thinking, Tool,
    ToolCall, ToolChoice, ToolResult,
};
use crate::dialects::openai_responses::{OpenaiResponses, input_items};
use crate::dialects::{Dialect, Habits};

fn conversation() -> Value {
    json!({
        "model": "gpt-5",
        "instructions": "be brief",
        "input": [
            {"role": "developer", "content": "in English"},
            {"role": "user", "content": [
                {"type": "input_text", "text": "what is this?", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}},
                {"type": "input_image", "image_url": "data:image/jpeg;base64,AAAA", "detail": "low"},
                {"type": "input_image", "image_url": "https://example.com/a.png"},
                {"type": "input_image", "file_id": "file-1"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,BBBB"},
                {"type": "input_file", "file_url": "https://example.com/b.pdf"},
                {"type": "input_audio", "input_audio": {"data": "CCCC", "format": "mp3"}},
            ]},
            {"type": "reasoning", "id": "rs_1", "summary": [
                {"type": "summary_text", "text": "first"}, {"type": "summary_text", "text": "then"},
            ], "encrypted_content": "sealed"},
            {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "phase": "commentary", "content": [
                {"type": "output_text", "text": "let me see", "annotations": [], "logprobs": []},
            ]},
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": "{\"b\": 1.50, \"a\":2}"},
            {"type": "custom_tool_call", "call_id": "call_2", "name": "run", "input": "ls -l"},
            {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}},
            {"type": "function_call_output", "call_id": "call_1", "output": "seen"},
            {"type": "custom_tool_call_output", "call_id": "call_2", "output": [
                {"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "data:image/png;base64,DDDD"},
            ]},
            {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "raw"}],
                "encrypted_content": "gemini:s:c2ln"},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "I will not"}]},
            {"role": "user", "content": "and now?"},
        ],
    })
}

#[test]
fn items_become_turns() {
    let request = read(&conversation()).request;
    let turns: Vec<_> = request.messages.iter().map(|message| (message.role, shown(&message.parts))).collect();
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        turns,
        [
            (Role::System, texts(&["text be brief"])),
            (Role::Developer, texts(&["text in English"])),
            (
                Role::User,
                texts(&[
                    "text what is this?",
                    "cache Some(\"30m\")",
                    "Image Some(\"image/jpeg\") Base64(\"AAAA\")",
                    "Image None Url(\"https://example.com/a.png\")",
                    "Image None FileId(\"file-1\")",
                    "File Some(\"application/pdf\") Base64(\"BBBB\")",
                    "File None Url(\"https://example.com/b.pdf\")",
                    "Audio Some(\"audio/mpeg\") Base64(\"CCCC\")",
                ])
            ),
            (
                Role::Assistant,
                texts(&[
                    "Summary firstthen sealed",
                    "text let me see",
                    "Function call_1 look {\"b\": 1.50, \"a\":2}",
                    "Custom call_2 run ls -l",
                    "opaque web_search_call {\"action\":{\"query\":\"x\",\"type\":\"search\"},\"id\":\"ws_1\",\"status\":\"completed\",\"type\":\"web_search_call\"}",
                ])
            ),
            (
                Role::Tool,
                texts(&["result call_1 text seen", "result call_2 text a+Image Some(\"image/png\") Base64(\"DDDD\")"])
            ),
            (Role::Assistant, texts(&["Raw raw c2ln", "refusal I will not"])),
            (Role::User, texts(&["text and now?"])),
        ]
    );
    assert!(request.unknown.is_empty(), "{:?}", request.unknown);
    let Some(Part::Reasoning(reasoning)) = request.messages[5].parts.first() else { panic!("reasoning") };
    assert_eq!(reasoning.seal, Some(Seal::signature(Dialect::Gemini, "c2ln")));
}

#[test]
fn turns_become_items_again() {
    let (body, lost) = write(&read(&conversation()).request, "gpt-5");
    assert_eq!(lost, ["cache_control", "messages.reasoning"]);
    assert_eq!(
        body,
        json!({
            "model": "gpt-5",
            "instructions": "be brief",
            "input": [
                {"type": "message", "role": "developer", "content": "in English"},
                {"type": "message", "role": "user", "content": [
                    {"type": "input_text", "text": "what is this?"},
                    {"type": "input_image", "image_url": "data:image/jpeg;base64,AAAA", "detail": "low"},
                    {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"},
                    {"type": "input_image", "file_id": "file-1", "detail": "auto"},
                    {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,BBBB"},
                    {"type": "input_file", "file_url": "https://example.com/b.pdf"},
                    {"type": "input_audio", "input_audio": {"data": "CCCC", "format": "mp3"}},
                ]},
                {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "firstthen"}],
                    "encrypted_content": "sealed"},
                {"type": "message", "role": "assistant", "content": "let me see"},
                {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{\"b\": 1.50, \"a\":2}"},
                {"type": "custom_tool_call", "call_id": "call_2", "name": "run", "input": "ls -l"},
                {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}},
                {"type": "function_call_output", "call_id": "call_1", "output": "seen"},
                {"type": "custom_tool_call_output", "call_id": "call_2", "output": [
                    {"type": "input_text", "text": "a"},
                    {"type": "input_image", "image_url": "data:image/png;base64,DDDD", "detail": "auto"},
                ]},
                {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "I will not"}]},
                {"type": "message", "role": "user", "content": "and now?"},
            ],
            "include": ["reasoning.encrypted_content"],
            "store": false,
        })
    );
}

#[test]
fn settings_go_there_and_back() {
    let body = json!({
        "model": "gpt-5.1",
        "input": [{"type": "message", "role": "user", "content": "hello"}],
        "tools": [
            {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true},
            {"type": "custom", "name": "c", "format": {"type": "text"}},
            {"type": "web_search", "search_context_size": "low", "user_location": {"type": "approximate", "city": "Oslo"},
                "filters": {"allowed_domains": ["example.com"]}},
            {"type": "code_interpreter", "container": {"type": "auto"}},
        ],
        "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "c"}]},
        "parallel_tool_calls": false,
        "max_tool_calls": 3,
        "max_output_tokens": 500,
        "temperature": 0.5,
        "top_p": 0.25,
        "top_logprobs": 2,
        "reasoning": {"effort": "none", "summary": "detailed"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"z": 1, "type": "object", "a": 2}, "strict": true}, "verbosity": "low"},
        "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
        "store": true,
        "metadata": {"k": "v"},
        "user": "u",
        "service_tier": "flex",
        "prompt_cache_key": "k",
        "prompt_cache_retention": "24h",
        "stream": true,
    });
    let asked = read(&body);
    assert!(asked.request.unknown.is_empty(), "{:?}", asked.request.unknown);
    assert_eq!(asked.reply.model, "gpt-5.1");
    assert_eq!(write(&asked.request, "gpt-5.1"), (body, Vec::new()));
}

#[test]
fn a_text_is_a_message_and_functions_with_open_schemas_are_not_strict() {
    let request = read(&json!({"model": "m", "input": "hi", "max_output_tokens": 64.0, "tools": [
        {"type": "function", "name": "f"},
        {"type": "function", "name": "g", "strict": false},
        {"type": "function", "function": {"name": "h", "description": "d"}},
        {"type": "function", "name": "i", "function": {"description": "d"}},
    ]}))
    .request;
    assert_eq!(request.messages.len(), 1);
    assert_eq!(shown(&request.messages[0].parts), ["text hi"]);
    assert_eq!(request.max_tokens, Some(64));
    let tools = request.tools.iter().map(|tool| match tool {
        Tool::Function { name, strict, description, .. } => (name.as_str(), *strict, description.as_deref()),
        other => panic!("{other:?}"),
    });
    let tools: Vec<_> = tools.collect();
    assert_eq!(
        tools,
        [("f", Some(false), None), ("g", Some(false), None), ("h", None, Some("d")), ("i", None, Some("d"))]
    );
    let (body, _) = write(&Request { tools: request.tools[2..3].to_vec(), ..Request::default() }, "m");
    assert_eq!(
        body["tools"],
        json!([{"type": "function", "name": "h", "description": "d", "parameters": {"type": "object", "properties": {}}, "strict": false}])
    );
}

#[test]
fn what_nobody_else_understands_is_listed() {
    let request = read(&json!({
        "model": "m", "mood": 1, "truncation": "auto", "context_management": [], "include": ["file_search_call.results"],
        "stream_options": {"include_obfuscation": false}, "reasoning": {"context": "all_turns", "pace": 1},
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "x", "colour": "red"}], "tone": "loud"},
            {"type": "shell_call", "call_id": "c", "action": {"commands": ["ls"]}, "shade": 1},
        ],
        "tools": [{"type": "function", "name": "f", "defer_loading": true}, {"type": "mcp", "server_label": "l"}],
    }));
    let mut paths: Vec<_> = request.request.unknown.into_iter().map(|unknown| unknown.path).collect();
    paths.sort();
    assert_eq!(
        paths,
        [
            "context_management",
            "include[0]",
            "input[0].content[0].colour",
            "input[0].tone",
            "mood",
            "reasoning.context",
            "reasoning.pace",
            "tools[0].defer_loading",
            "truncation",
        ]
    );
}

#[test]
fn every_choice_of_tools_is_understood() {
    let choice = |choice: Value, tools: Value| {
        let request = read(&json!({"model": "m", "input": "x", "tools": tools, "tool_choice": choice})).request;
        (request.tool_choice, request.unknown.into_iter().map(|unknown| unknown.path).collect::<Vec<_>>())
    };
    let functions = json!([{"type": "function", "name": "f"}]);
    let search = json!([{"type": "web_search_preview"}]);
    for (said, tools, meant, unknown) in [
        (json!("auto"), &functions, Some(ToolChoice::Auto), vec![]),
        (json!("none"), &functions, Some(ToolChoice::None), vec![]),
        (json!("required"), &functions, Some(ToolChoice::Required), vec![]),
        (json!({"type": "function", "name": "f"}), &functions, Some(ToolChoice::Named("f".to_owned())), vec![]),
        (json!({"type": "custom", "name": "f"}), &functions, Some(ToolChoice::Named("f".to_owned())), vec![]),
        (
            json!({"type": "function", "function": {"name": "f"}}),
            &functions,
            Some(ToolChoice::Named("f".to_owned())),
            vec![],
        ),
        (json!({"type": "web_search_preview"}), &search, Some(ToolChoice::Required), vec![]),
        (json!({"type": "web_search_preview"}), &functions, None, vec!["tool_choice".to_owned()]),
        (
            json!({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}, {"type": "mcp"}]}),
            &functions,
            Some(ToolChoice::Allowed { names: vec!["f".to_owned()], required: false }),
            vec!["tool_choice.tools[1]".to_owned()],
        ),
        (json!(null), &functions, None, vec![]),
    ] {
        assert_eq!(choice(said.clone(), tools.clone()), (meant, unknown), "{said}");
    }
}

#[test]
fn bad_requests_are_refused_with_the_place() {
    for (body, words) in [
        (json!({"model": "m"}), "`input` is missing"),
        (json!({"model": "m", "input": 7}), "`input` does not fit"),
        (json!({"model": "m", "input": "x", "previous_response_id": "resp_1"}), "There is no response \"resp_1\""),
        (json!({"model": "m", "input": "x", "conversation": {"id": "c"}}), "`conversation` needs"),
        (json!({"model": "m", "input": "x", "prompt": {"id": "p"}}), "`prompt` names"),
        (json!({"model": "m", "input": "x", "background": true}), "`background` is not possible"),
        (json!({"model": "m", "input": [{"type": "item_reference", "id": "i"}]}), "`input[0]` refers to"),
        (
            json!({"model": "m", "input": [{"role": "user", "content": "x"}, {"role": "narrator", "content": "x"}]}),
            "`input[1].role` does not fit: `narrator`",
        ),
        (
            json!({"model": "m", "input": [{"type": "mesage", "role": "user"}]}),
            "`input[0].type` does not fit: `mesage`",
        ),
        (
            json!({"model": "m", "input": [{"role": "user", "content": [{"type": "smell"}]}]}),
            "`input[0].content[0].type` is `smell`",
        ),
        (
            json!({"model": "m", "input": [{"role": "user", "content": [{"type": "input_image"}]}]}),
            "`input[0].content[0]` holds no image",
        ),
        (
            json!({"model": "m", "input": [{"role": "user", "content": [{"text": 7}]}]}),
            "`input[0].content[0].text` does not fit",
        ),
        (json!({"model": "m", "input": ["x"]}), "`input[0]` does not fit"),
        (json!({"model": "m", "input": [{"type": "function_call", "name": "f"}]}), "`input[0].call_id` does not fit"),
        (json!({"model": "m", "input": "x", "tools": [{"type": "function"}]}), "`tools[0].name` is missing"),
        (json!({"model": "m", "input": "x", "tools": [{"name": "f"}]}), "`tools[0].type` is missing"),
        (json!({"model": "m", "input": "x", "tool_choice": "perhaps"}), "`tool_choice` is `perhaps`"),
        (json!({"model": "m", "input": "x", "text": {"format": {"type": "xml"}}}), "`text.format.type` is `xml`"),
        (
            json!({"model": "m", "input": "x", "text": {"format": {"type": "json_schema"}}}),
            "`text.format.schema` is missing",
        ),
        (json!({"model": "m", "input": "x", "reasoning": {"effort": "heroic"}}), "`reasoning.effort` is `heroic`"),
        (json!({"model": "m", "input": "x", "max_output_tokens": -1}), "`max_output_tokens` does not fit"),
    ] {
        let refusal = OpenaiResponses.read_request(body.to_string().as_bytes()).expect_err("wrong");
        assert!(refusal.message.starts_with(words), "{body}: {}", refusal.message);
    }
    assert!(OpenaiResponses.read_request(b"{\"input\":").is_err());
}

fn user(text: &str) -> Message {
    Message { role: Role::User, parts: vec![said(text)], name: None }
}

fn said(text: &str) -> Part {
    Part::Text(Text { text: text.to_owned(), ..Text::default() })
}

#[test]
fn thinking_is_asked_for_as_the_model_knows_it() {
    let asked = |thinking: Thinking, model: &str| {
        let request = Request { thinking: Some(thinking), messages: vec![user("x")], ..Request::default() };
        let (body, lost) = write(&request, model);
        (body["reasoning"].clone(), lost)
    };
    let effort = |effort| Thinking { effort: Some(effort), ..Thinking::default() };
    assert_eq!(asked(effort(Effort::Max), "gpt-5"), (json!({"effort": "high"}), vec![]));
    assert_eq!(asked(effort(Effort::None), "gpt-5.1"), (json!({"effort": "none"}), vec![]));
    let impossible = vec!["reasoning_effort (none)".to_owned()];
    assert_eq!(asked(effort(Effort::None), "gpt-5"), (json!({"effort": "minimal"}), impossible));
    assert_eq!(asked(effort(Effort::Xhigh), "some-model"), (json!({"effort": "xhigh"}), vec![]));
    assert_eq!(asked(effort(Effort::Low), "gpt-4o"), (Value::Null, vec!["reasoning_effort".to_owned()]));
    assert_eq!(asked(effort(Effort::None), "gpt-4o"), (Value::Null, vec![]));
    let budget = Thinking { mode: Some(Mode::On), budget: Some(2048), shown: Shown::Summary, ..Thinking::default() };
    assert_eq!(asked(budget, "o3"), (json!({"effort": "medium", "summary": "auto"}), vec![]));
}

#[test]
fn reasoning_is_replayed_where_it_is_of_use() {
    let thought = |text: &str, seal| {
        Part::Reasoning(Reasoning { text: text.to_owned(), kind: ReasoningKind::Raw, seal, id: None })
    };
    let own = thought("", Some(Seal::signature(Dialect::OpenaiResponses, "own")));
    let call = Part::ToolCall(ToolCall { id: "c".to_owned(), name: "f".to_owned(), ..ToolCall::default() });
    let turn = |parts: Vec<Part>| Message { role: Role::Assistant, parts, name: None };
    let foreign = thought("hm", Some(Seal::signature(Dialect::Anthropic, "sig")));
    let messages = vec![user("x"), turn(vec![foreign, own.clone(), call]), user("y"), turn(vec![said("z"), own])];
    let request = Request { messages, ..Request::default() };
    let (body, lost) = write(&request, "gpt-5");
    assert_eq!(lost, ["messages.reasoning"]);
    assert_eq!(
        body["input"],
        json!([
            {"type": "message", "role": "user", "content": "x"},
            {"type": "reasoning", "summary": [], "encrypted_content": "own"},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "message", "role": "user", "content": "y"},
            {"type": "message", "role": "assistant", "content": "z"},
        ])
    );
    // Servers that want reasoning back take it in plain text.
    let habits = Habits { replays_reasoning: true, ..Habits::OPENAI };
    let mut losses = crate::dialects::ir::Losses::new(&[], false);
    let recipient = crate::dialects::Recipient { facts: crate::models::Facts::of("m"), habits: &habits };
    let body = crate::dialects::ProviderDialect::write_request(&OpenaiResponses, &request, &recipient, &mut losses);
    let body: Value = serde_json::from_slice(&body.expect("a body")).expect("JSON");
    assert_eq!(
        body["input"][1],
        json!({"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]})
    );
}

#[test]
fn outputs_of_custom_tools_are_known_by_their_calls() {
    let call = ToolCall { id: "c".to_owned(), name: "f".to_owned(), kind: CallKind::Custom, ..ToolCall::default() };
    let result = ToolResult { call_id: "c".to_owned(), content: vec![said("out")], ..ToolResult::default() };
    let messages = vec![
        Message { role: Role::Assistant, parts: vec![said("a"), said("b"), Part::ToolCall(call)], name: None },
        Message { role: Role::Tool, parts: vec![Part::ToolResult(result)], name: None },
    ];
    let (body, _) = write(&Request { messages, ..Request::default() }, "m");
    assert_eq!(
        body["input"],
        json!([
            {"type": "message", "role": "assistant", "content": "ab"},
            {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": ""},
            {"type": "custom_tool_call_output", "call_id": "c", "output": "out"},
        ])
    );
}

#[test]
fn stored_items_have_ids() {
    let items = |body: Value| -> Vec<Value> {
        let items = input_items(body.to_string().as_bytes()).expect("items");
        items.iter().map(|item| serde_json::from_str(item.get()).expect("JSON")).collect()
    };
    let text = items(json!({"model": "m", "input": "hi"}));
    assert_eq!(text[0]["type"], "message");
    assert_eq!(text[0]["content"], json!([{"type": "input_text", "text": "hi"}]));
    assert!(text[0]["id"].as_str().is_some_and(|id| id.starts_with("msg_")));
    let list = items(json!({"input": [
        {"role": "user", "content": "x", "tone": 1},
        {"type": "function_call", "id": "fc_9", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "y"},
    ]}));
    assert_eq!((&list[0]["type"], &list[0]["tone"]), (&json!("message"), &json!(1)));
    assert_eq!(list[1]["id"], "fc_9");
    assert!(list[2]["id"].as_str().is_some_and(|id| id.starts_with("fco_")));
    assert!(input_items(b"{}").is_err());
    assert!(input_items(br#"{"input":[7]}"#).is_err());
}
