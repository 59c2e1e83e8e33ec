//! Requests to providers: the order of messages, and what each generation of Claude takes.

use serde_json::json;
use serde_json::value::RawValue;

use super::*;
use ir::{Effort, Format, Media, MediaKind, Message, Role, Source, Thinking, Tool, ToolCall, ToolChoice, ToolResult};

fn text(text: &str) -> Part {
    Part::Text(ir::Text { text: text.to_owned(), ..ir::Text::default() })
}

fn says(role: Role, words: &str) -> Message {
    Message { role, parts: vec![text(words)], name: None }
}

fn call(id: &str) -> Message {
    let call = ToolCall { id: id.to_owned(), name: "f".to_owned(), ..ToolCall::default() };
    Message { role: Role::Assistant, parts: vec![Part::ToolCall(call)], name: None }
}

fn result(id: &str) -> Message {
    let result = ToolResult { call_id: id.to_owned(), content: vec![text("-3 C")], ..ToolResult::default() };
    Message { role: Role::Tool, parts: vec![Part::ToolResult(result)], name: None }
}

fn asks(messages: Vec<Message>) -> Request {
    Request { model: "m".to_owned(), messages, max_tokens: Some(100), ..Request::default() }
}

fn tool() -> Tool {
    Tool::Function { name: "f".to_owned(), description: None, parameters: None, strict: None }
}

#[test]
fn turns_alternate_and_results_come_first() {
    let messages = vec![
        says(Role::System, "one"),
        says(Role::Developer, "two"),
        says(Role::Assistant, "Hello"),
        says(Role::User, "  "),
        says(Role::User, "weather?"),
        call("call|1"),
        says(Role::System, "be kind"),
        result("call|1"),
        says(Role::User, "thanks"),
    ];
    let (body, lost) = written(&Request { tools: vec![tool()], ..asks(messages.clone()) }, "claude-sonnet-4-5");
    assert_eq!(lost, Vec::<String>::new());
    assert_eq!(body["system"], json!([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]));
    let expected = json!([
        {"role": "user", "content": [{"type": "text", "text": "."}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]},
        {"role": "user", "content": [{"type": "text", "text": "weather?"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "f", "input": {}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "call_1", "content": "-3 C"},
            {"type": "text", "text": "<system>\nbe kind\n</system>"},
            {"type": "text", "text": "thanks"},
        ]},
    ]);
    assert_eq!(body["messages"], expected);
    // Later models take instructions between turns, behind those of the user.
    let (body, _) = written(&Request { tools: vec![tool()], ..asks(messages) }, "claude-sonnet-5");
    assert_eq!(body["messages"][5], json!({"role": "system", "content": [{"type": "text", "text": "be kind"}]}));
}

#[test]
fn a_last_word_of_the_model_is_gone_on_with_where_that_is_possible() {
    let request = asks(vec![says(Role::User, "a poem"), says(Role::Assistant, "Roses \n")]);
    let (body, lost) = written(&request, "claude-haiku-4-5");
    assert_eq!((&body["messages"][1]["content"][0]["text"], lost.len()), (&json!("Roses"), 0));
    let (body, lost) = written(&request, "claude-opus-5");
    assert_eq!((&body["messages"][2]["role"], lost.len()), (&json!("user"), 1));
}

#[test]
fn instructions_alone_are_what_the_user_says() {
    let (body, _) = written(&asks(vec![says(Role::System, "write a poem")]), "claude-opus-5");
    assert_eq!(body["messages"], json!([{"role": "user", "content": [{"type": "text", "text": "write a poem"}]}]));
    assert_eq!(body["system"], Value::Null);
}

#[test]
fn tools_that_were_used_are_not_missed() {
    let messages = vec![says(Role::User, "weather?"), call("1"), result("1")];
    let (body, _) = written(&asks(messages), "claude-opus-4-5");
    assert_eq!((&body["tools"][0]["name"], &body["tool_choice"]), (&json!("none"), &json!({"type": "none"})));
}

#[test]
fn the_choice_of_tools_is_as_free_as_the_model_lets_it_be() {
    let offer = |choice, parallel| Request {
        tools: vec![tool(), Tool::Function { name: "g".to_owned(), description: None, parameters: None, strict: None }],
        tool_choice: choice,
        parallel_tool_calls: parallel,
        ..asks(vec![says(Role::User, "hi")])
    };
    let chosen = |choice, parallel, model| {
        let (body, lost) = written(&offer(choice, parallel), model);
        (body["tool_choice"].clone(), body["tools"].as_array().map_or(0, Vec::len), lost.len())
    };
    let named = || Some(ToolChoice::Named("g".to_owned()));
    let allowed = ToolChoice::Allowed { names: vec!["g".to_owned()], required: true };
    let opus = "claude-opus-4-5";
    assert_eq!(chosen(None, None, opus), (Value::Null, 2, 0));
    assert_eq!(chosen(None, Some(false), opus), (json!({"type": "auto", "disable_parallel_tool_use": true}), 2, 0));
    assert_eq!(chosen(Some(ToolChoice::None), Some(false), opus), (json!({"type": "none"}), 2, 0));
    assert_eq!(chosen(named(), None, opus), (json!({"type": "tool", "name": "g"}), 2, 0));
    assert_eq!(chosen(Some(allowed), None, opus), (json!({"type": "any"}), 1, 0));
    assert_eq!(chosen(named(), None, "claude-opus-5-5"), (json!({"type": "auto"}), 2, 1));
}

#[test]
fn sampling_is_what_the_model_takes() {
    let knobs = |temperature: f64, top_p: f64| Request {
        temperature: serde_json::Number::from_f64(temperature),
        top_p: serde_json::Number::from_f64(top_p),
        ..asks(vec![says(Role::User, "hi")])
    };
    let sampled = |request: &Request, model| {
        let (body, lost) = written(request, model);
        (body["temperature"].as_f64(), body["top_p"].as_f64(), lost.len())
    };
    assert_eq!(sampled(&knobs(0.5, 0.9), "claude-sonnet-4-5"), (Some(0.5), None, 1));
    assert_eq!(sampled(&knobs(1.0, 0.9), "claude-sonnet-4-5"), (None, Some(0.9), 0));
    assert_eq!(sampled(&knobs(1.5, 1.0), "claude-sonnet-4-5"), (Some(1.0), None, 1));
    assert_eq!(sampled(&knobs(0.5, 0.9), "claude-opus-5"), (None, None, 2));
    let thinking = Some(Thinking { effort: Some(Effort::Low), ..Thinking::default() });
    let request = Request { thinking, ..knobs(0.5, 0.97) };
    assert_eq!(sampled(&request, "claude-sonnet-4-5"), (None, Some(0.97), 1));
}

#[test]
fn limits_and_thinking_go_together() {
    let request = |max_tokens| Request {
        max_tokens,
        thinking: Some(Thinking { effort: Some(Effort::Medium), ..Thinking::default() }),
        ..asks(vec![says(Role::User, "hi")])
    };
    let (body, _) = written(&request(Some(10)), "claude-sonnet-4-5");
    assert_eq!((&body["max_tokens"], &body["thinking"]["budget_tokens"]), (&json!(2058), &json!(2048)));
    let (body, _) = written(&request(None), "claude-sonnet-5-5");
    assert_eq!((&body["max_tokens"], &body["output_config"]), (&json!(128_000), &json!({"effort": "medium"})));
    let (body, _) = written(&Request { thinking: None, ..request(None) }, "unheard-of");
    assert_eq!(body["max_tokens"], 4096);
}

#[test]
fn formats_are_native_or_told() {
    let schema = r#"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}"#;
    let bound = |schema: &str| Request {
        format: Some(Format::JsonSchema {
            name: None,
            description: Some("for a list".to_owned()),
            schema: RawValue::from_string(schema.to_owned()).expect("JSON"),
            strict: None,
        }),
        ..asks(vec![says(Role::User, "hi")])
    };
    let (body, lost) = written(&bound(schema), "claude-sonnet-4-5");
    assert_eq!(body["output_config"]["format"]["schema"]["additionalProperties"], false);
    assert_eq!((&body["system"], lost.len()), (&json!([{"type": "text", "text": "for a list"}]), 0));
    for (request, model) in [(bound(schema), "claude-3-5-sonnet"), (bound("{\"type\":\"object\"}"), "claude-opus-5")] {
        let (body, lost) = written(&request, model);
        assert_eq!(
            (&body["output_config"], lost.as_slice()),
            (&Value::Null, &["response_format.json_schema".to_owned()][..])
        );
        assert!(body["system"][0]["text"].as_str().is_some_and(|text| text.contains("\"object\"")));
    }
}

#[test]
fn files_are_shown_as_what_they_are() {
    let shown = |kind, mime: Option<&str>, source, name: Option<&str>| {
        let (mime, name) = (mime.map(str::to_owned), name.map(str::to_owned));
        let media = Media { kind, mime, source, name, detail: None, transcript: None, id: None };
        let message = Message { role: Role::User, parts: vec![Part::Media(media)], name: None };
        let (body, _) = written(&asks(vec![message]), "claude-opus-5");
        body["messages"][0]["content"][0].clone()
    };
    let data = |data: &str| Source::Base64(data.to_owned());
    let image = |mime: &str, data: &str| json!({"type": "image", "source": {"type": "base64", "media_type": mime, "data": data}});
    assert_eq!(shown(MediaKind::Image, Some("image/jpg"), data("/9j/"), None), image("image/jpeg", "/9j/"));
    assert_eq!(shown(MediaKind::Image, None, data("R0lGODdh"), None), image("image/gif", "R0lGODdh"));
    let inline = Source::Url("data:image/webp;base64,UklGRg==".to_owned());
    assert_eq!(shown(MediaKind::Image, None, inline, None), image("image/webp", "UklGRg=="));
    let url = Source::Url("https://x/a.png".to_owned());
    let expected = json!({"type": "image", "source": {"type": "url", "url": "https://x/a.png"}});
    assert_eq!(shown(MediaKind::Image, None, url, None), expected);
    let expected = json!({
        "type": "document", "title": "a.pdf",
        "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
    });
    assert_eq!(shown(MediaKind::File, None, data("JVBERi0="), Some("a.pdf")), expected);
    let expected = json!({
        "type": "document", "title": "a.csv",
        "source": {"type": "text", "media_type": "text/plain", "data": "a,b"},
    });
    assert_eq!(shown(MediaKind::File, Some("text/csv"), data("YSxi"), Some("a.csv")), expected);
    let expected = json!({"type": "document", "source": {"type": "file", "file_id": "file_1"}});
    assert_eq!(shown(MediaKind::File, None, Source::FileId("file_1".to_owned()), None), expected);
}
