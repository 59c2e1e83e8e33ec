//! Requests: read, written, and what is lost between.

use serde_json::value::RawValue;

use super::*;
use crate::dialects::Dialect;
use crate::dialects::ir::{
    CacheMark, Effort, Format, Json, Media, MediaKind, Message, Mode, Part, Reasoning, Role, Seal, Shown, Source, Text,
    Thinking, Tool, ToolCall, ToolChoice, ToolResult,
};

pub const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const NOVA_2: &str = "us.amazon.nova-2-lite-v1:0";

const EVERYTHING: &str = r#"{
  "modelId": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
  "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
  "messages": [
    {"role": "user", "content": [
      {"text": "What is this?"},
      {"image": {"format": "png", "source": {"bytes": "iVBORw0="}}},
      {"document": {"format": "pdf", "name": "Plan B", "source": {"s3Location": {"uri": "s3://bucket/b.pdf"}}}},
      {"cachePoint": {"type": "default"}}]},
    {"role": "assistant", "content": [
      {"reasoningContent": {"reasoningText": {"text": "Look it up.", "signature": "c2ln"}}},
      {"reasoningContent": {"redactedContent": "aGlkZGVu"}},
      {"citationsContent": {"content": [{"text": "A plan."}], "citations": [{"title": "Plan B", "sourceContent": [{"text": "plan"}], "location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}}}]}},
      {"toolUse": {"toolUseId": "t1", "name": "look", "input": {"b": 1.50, "a": [ ]}}},
      {"toolUse": {"toolUseId": "t2", "name": "look", "input": {}}}]},
    {"role": "user", "content": [
      {"toolResult": {"toolUseId": "t1", "content": [{"json": {"n": 1.0}}, {"image": {"format": "jpeg", "source": {"bytes": "/9j/AA=="}}}]}},
      {"toolResult": {"toolUseId": "t2", "content": [{"text": "gone"}], "status": "error"}},
      {"cachePoint": {"type": "default"}},
      {"text": "Well?"}]}],
  "inferenceConfig": {"maxTokens": 4000.0, "temperature": 0.5, "stopSequences": ["X"]},
  "toolConfig": {"tools": [
    {"toolSpec": {"name": "look", "description": "Looks.", "inputSchema": {"json": {"type": "object", "z": 1, "a": 2}}}},
    {"systemTool": {"name": "nova_grounding"}},
    {"cachePoint": {"type": "default"}}], "toolChoice": {"tool": {"name": "look"}}},
  "additionalModelRequestFields": {"top_k": 5, "tool_choice": {"type": "tool", "name": "look", "disable_parallel_tool_use": true}, "anthropic_beta": ["x"]},
  "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"name": "s", "schema": "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}}}"}}}},
  "serviceTier": {"type": "flex"}, "performanceConfig": {"latency": "optimized"},
  "requestMetadata": {"team": "a b"}, "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"}}"#;

pub fn json(text: &str) -> Json {
    RawValue::from_string(text.to_owned()).expect("JSON")
}

pub fn text(text: &str) -> Part {
    Part::Text(Text { text: text.to_owned(), ..Default::default() })
}

pub fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, name: None }
}

pub fn asking(model: &str, messages: Vec<Message>) -> ir::Request {
    ir::Request { model: model.to_owned(), messages, ..Default::default() }
}

fn function(name: &str) -> Tool {
    Tool::Function { name: name.to_owned(), description: None, parameters: None, strict: None }
}

pub fn call(id: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.to_owned(), name: "f".to_owned(), ..Default::default() })
}

pub fn result(id: &str) -> Part {
    Part::ToolResult(ToolResult { call_id: id.to_owned(), content: vec![text("42")], ..Default::default() })
}

#[test]
fn what_is_read_is_written_again() {
    let request = read_request(EVERYTHING).request;
    let unknown: Vec<_> = request.unknown.iter().map(|unknown| unknown.path.as_str()).collect();
    let expected = [
        "additionalModelRequestFields.tool_choice.name",
        "additionalModelRequestFields.anthropic_beta",
        "guardrailConfig",
        "performanceConfig.latency",
    ];
    assert_eq!(unknown, expected);
    let (body, dropped) = write_request(&request).expect("a body");
    assert_eq!(dropped, expected);
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    let (mut sent, got) = (value(EVERYTHING), value(&body));
    // What is said in other words, or not at all.
    for member in ["modelId", "performanceConfig", "guardrailConfig"] {
        sent.as_object_mut().expect("an object").remove(member);
    }
    sent["inferenceConfig"]["maxTokens"] = 4000.into();
    sent["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"] =
        r#"{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}"#.into();
    sent["messages"][2]["content"][0]["toolResult"]["content"][0] = serde_json::json!({"text": "{\"n\": 1.0}"});
    sent["additionalModelRequestFields"] =
        serde_json::json!({"top_k": 5, "tool_choice": {"disable_parallel_tool_use": true}});
    sent["additionalModelResponseFieldPaths"] = serde_json::json!(["/stop_sequence", "/usage/output_tokens_details"]);
    assert_eq!(got, sent);
    assert!(body.contains(r#""input":{"b": 1.50, "a": [ ]}"#), "arguments keep their spelling");
}

#[test]
fn the_parts_of_a_request_are_found() {
    let request = read_request(EVERYTHING).request;
    let roles: Vec<_> = request.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool, Role::User]);
    let Part::ToolResult(last) = &request.messages[3].parts[1] else { panic!("a result") };
    assert!(last.is_error && matches!(last.content[1], Part::CachePoint(_)));
    assert_eq!((request.max_tokens, request.parallel_tool_calls), (Some(4000), Some(false)));
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("look".to_owned())));
}

#[test]
fn thinking_is_read_as_each_family_says_it() {
    let thinking = |additional: &str| {
        let body = format!(r#"{{"messages":[],"additionalModelRequestFields":{additional}}}"#);
        read_request(&body).request.thinking.unwrap_or_default()
    };
    let plain = Thinking::default();
    for (additional, expected) in [
        (
            r#"{"thinking":{"type":"enabled","budget_tokens":2048}}"#,
            Thinking { mode: Some(Mode::On), budget: Some(2048), ..plain },
        ),
        (
            r#"{"thinking":{"type":"adaptive","display":"omitted"},"output_config":{"effort":"max"}}"#,
            Thinking { mode: Some(Mode::Adaptive), effort: Some(Effort::Max), shown: Shown::Hidden, ..plain },
        ),
        (r#"{"reasoning_effort":"low"}"#, Thinking { effort: Some(Effort::Low), ..plain }),
        (r#"{"reasoning":{"effort":"high"}}"#, Thinking { effort: Some(Effort::High), ..plain }),
        (
            r#"{"reasoningConfig":{"type":"enabled","maxReasoningEffort":"medium"}}"#,
            Thinking { mode: Some(Mode::On), effort: Some(Effort::Medium), ..plain },
        ),
        (
            r#"{"reasoning_config":{"type":"enabled","budget_tokens":1024}}"#,
            Thinking { mode: Some(Mode::On), budget: Some(1024), ..plain },
        ),
    ] {
        assert_eq!(thinking(additional), expected, "{additional}");
    }
}

#[test]
fn thinking_is_written_as_each_family_wants_it() {
    let additional = |model: &str, effort: Effort| {
        let thinking = Some(Thinking { effort: Some(effort), ..Default::default() });
        let request = ir::Request { thinking, max_tokens: Some(9000), ..asking(model, vec![]) };
        let (body, dropped) = write_request(&request).expect("a body");
        let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        (body["additionalModelRequestFields"].to_string(), body["inferenceConfig"]["maxTokens"].as_u64(), dropped.len())
    };
    for (model, effort, expected) in [
        (CLAUDE, Effort::High, r#"{"thinking":{"budget_tokens":4096,"type":"enabled"}}"#),
        (
            "anthropic.claude-opus-4-6-v1",
            Effort::Max,
            r#"{"output_config":{"effort":"max"},"thinking":{"display":"summarized","type":"adaptive"}}"#,
        ),
        (NOVA_2, Effort::Minimal, r#"{"reasoningConfig":{"maxReasoningEffort":"low","type":"enabled"}}"#),
        ("openai.gpt-oss-20b-1:0", Effort::Max, r#"{"reasoning_effort":"high"}"#),
        ("amazon.nova-pro-v1:0", Effort::None, "null"),
    ] {
        assert_eq!(additional(model, effort), (expected.to_owned(), Some(9000), 0), "{model}");
    }
    let unbound = r#"{"reasoningConfig":{"maxReasoningEffort":"high","type":"enabled"}}"#.to_owned();
    assert_eq!(additional(NOVA_2, Effort::Xhigh), (unbound, None, 1), "max_tokens does not go with it");
    assert_eq!(additional("amazon.nova-pro-v1:0", Effort::Low), ("null".to_owned(), Some(9000), 1));
}

#[test]
fn turns_alternate_and_begin_with_the_users() {
    let messages = vec![
        message(Role::System, vec![text("one")]),
        message(Role::Assistant, vec![text("hello ")]),
        message(Role::User, vec![text(" "), text("a")]),
        message(Role::Developer, vec![text("two")]),
        message(Role::User, vec![text("")]),
        message(Role::Assistant, vec![call("c1"), call("c/2")]),
        message(Role::System, vec![text("three")]),
        message(Role::Tool, vec![result("c1"), result("c/2")]),
        message(Role::User, vec![text("b")]),
        message(Role::Assistant, vec![text("so \n")]),
    ];
    let (body, dropped) = write_request(&asking("amazon.nova-lite-v1:0", messages)).expect("a body");
    let expected = concat!(
        r#"{"messages":[{"role":"user","content":[{"text":"Continue."}]},"#,
        r#"{"role":"assistant","content":[{"text":"hello "}]},"#,
        r#"{"role":"user","content":[{"text":"a"},{"text":"two"}]},"#,
        r#"{"role":"assistant","content":[{"toolUse":{"toolUseId":"c1","name":"f","input":{}}},"#,
        r#"{"toolUse":{"toolUseId":"c_2","name":"f","input":{}}}]},"#,
        r#"{"role":"user","content":[{"toolResult":{"toolUseId":"c1","content":[{"text":"42"}]}},"#,
        r#"{"toolResult":{"toolUseId":"c_2","content":[{"text":"42"}]}},{"text":"three"},{"text":"b"}]},"#,
        r#"{"role":"assistant","content":[{"text":"so"}]}],"system":[{"text":"one"}],"#,
        r#""toolConfig":{"tools":[{"toolSpec":{"name":"f","description":"Was called earlier in this conversation. "#,
        r#"It cannot be called any more.","inputSchema":{"json":{"type":"object","properties":{}}}}}]}}"#,
    );
    assert_eq!(body, expected);
    assert!(dropped.is_empty(), "{dropped:?}");
    let (body, _) = write_request(&asking(CLAUDE, vec![])).expect("a body");
    assert!(body.starts_with(r#"{"messages":[{"role":"user","content":[{"text":"Continue."}]}]"#), "{body}");
}

#[test]
fn the_beginning_of_an_answer_goes_only_to_models_that_take_it() {
    let messages = || vec![message(Role::User, vec![text("a")]), message(Role::Assistant, vec![text("b")])];
    let last_role = |model| {
        let (body, _) = write_request(&asking(model, messages())).expect("a body");
        let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        body["messages"].as_array().and_then(|messages| messages.last()).expect("a message")["role"].clone()
    };
    assert_eq!(last_role(CLAUDE), "assistant");
    assert_eq!(last_role("anthropic.claude-sonnet-5"), "user");
}

#[test]
fn tools_are_chosen_as_far_as_can_be_said() {
    let config = |choice: Option<ToolChoice>, model: &str, messages: Vec<Message>, parallel: Option<bool>| {
        let request = ir::Request {
            tools: vec![function("f"), function("g")],
            tool_choice: choice,
            parallel_tool_calls: parallel,
            ..asking(model, messages)
        };
        let (body, dropped) = write_request(&request).expect("a body");
        let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        let tools = body["toolConfig"]["tools"].as_array().map(Vec::len);
        let claude = body["additionalModelRequestFields"]["tool_choice"].to_string();
        (tools, body["toolConfig"]["toolChoice"].to_string(), claude, dropped)
    };
    let none = "null".to_owned();
    let forced = |words: &str| (Some(2), words.to_owned(), none.clone(), vec![]);
    assert_eq!(config(None, CLAUDE, vec![], Some(true)), forced("null"));
    assert_eq!(config(Some(ToolChoice::Required), CLAUDE, vec![], None), forced(r#"{"any":{}}"#));
    let named = Some(ToolChoice::Named("g".to_owned()));
    assert_eq!(config(named.clone(), CLAUDE, vec![], None), forced(r#"{"tool":{"name":"g"}}"#));
    let some = Some(ToolChoice::Allowed { names: vec!["g".to_owned()], required: true });
    assert_eq!(config(some, CLAUDE, vec![], None), (Some(1), r#"{"any":{}}"#.to_owned(), none.clone(), vec![]));
    assert_eq!(config(Some(ToolChoice::None), CLAUDE, vec![], None), (None, none.clone(), none.clone(), vec![]));
    let history = || vec![message(Role::Assistant, vec![call("c1")]), message(Role::Tool, vec![result("c1")])];
    let (tools, _, _, dropped) = config(Some(ToolChoice::None), CLAUDE, history(), None);
    assert_eq!((tools, dropped), (Some(2), vec!["tool_choice".to_owned()]));
    let (_, choice, _, dropped) = config(named.clone(), "meta.llama3-3-70b-instruct-v1:0", vec![], None);
    assert_eq!((choice, dropped), (none.clone(), vec!["tool_choice".to_owned()]));
    let (_, _, claude, _) = config(None, CLAUDE, vec![], Some(false));
    assert_eq!(claude, r#"{"disable_parallel_tool_use":true,"type":"auto"}"#);
    let (_, _, claude, _) = config(named, CLAUDE, vec![], Some(false));
    assert_eq!(claude, r#"{"disable_parallel_tool_use":true}"#);
    let (.., dropped) = config(None, NOVA_2, vec![], Some(false));
    assert_eq!(dropped, ["parallel_tool_calls"]);
}

#[test]
fn seals_go_back_to_whom_they_belong() {
    let reasoning = |seal: Option<Seal>| {
        let text = seal.as_ref().map_or("loose", |_| "thought").to_owned();
        Part::Reasoning(Reasoning { text, seal, ..Default::default() })
    };
    let seals = |model: &str| {
        let parts = vec![
            reasoning(Some(Seal::signature(Dialect::Converse, "own"))),
            reasoning(Some(Seal::signature(Dialect::Anthropic, "kin"))),
            reasoning(Some(Seal::redacted(Dialect::Converse, "AAAA"))),
            reasoning(Some(Seal::signature(Dialect::Gemini, "foreign"))),
            reasoning(None),
            text("so"),
        ];
        let messages = vec![
            message(Role::User, vec![text("a")]),
            message(Role::Assistant, parts),
            message(Role::User, vec![text("b")]),
        ];
        let (body, dropped) = write_request(&asking(model, messages)).expect("a body");
        let found: Vec<_> =
            ["own", "kin", "AAAA", "foreign", "loose"].into_iter().filter(|seal| body.contains(seal)).collect();
        assert_eq!(dropped, ["messages.reasoning"]);
        found
    };
    assert_eq!(seals(CLAUDE), ["own", "kin", "AAAA"]);
    assert_eq!(seals(NOVA_2), ["own", "AAAA"]);
}

#[test]
fn marks_for_the_cache_stand_where_they_may() {
    let mark = || Part::CachePoint(CacheMark { ttl: Some("5m".to_owned()) });
    let document = |mime: &str| {
        let (mime, source) = (Some(mime.to_owned()), Source::Base64("AAAA".to_owned()));
        let media = Media { kind: MediaKind::File, mime, source, name: None, detail: None, transcript: None, id: None };
        Part::Media(media)
    };
    let marks = |model: &str, parts: Vec<Part>| {
        let request = ir::Request {
            tools: vec![function("f"), Tool::CachePoint(CacheMark::default())],
            ..asking(model, vec![message(Role::User, parts)])
        };
        let (body, dropped) = write_request(&request).expect("a body");
        (body.matches(r#"{"cachePoint":{"type":"default"}}"#).count(), dropped.len())
    };
    assert_eq!(marks(CLAUDE, vec![text("a"), mark()]), (2, 0));
    assert_eq!(marks(CLAUDE, vec![text("a"), mark(), mark(), document("text/csv"), mark()]), (2, 1));
    assert_eq!(marks(CLAUDE, vec![text("a"), document("application/pdf"), mark()]), (2, 0));
    let many = (0..5).flat_map(|_| [text("a"), mark()]).collect();
    assert_eq!(marks(CLAUDE, many), (4, 1));
    assert_eq!(marks("amazon.nova-pro-v1:0", vec![text("a"), mark()]), (1, 1));
    assert_eq!(marks("meta.llama3-3-70b-instruct-v1:0", vec![text("a"), mark()]), (0, 1));
}

#[test]
fn the_shape_of_an_answer_is_asked_for_in_words_where_it_must() {
    let schema =
        |schema: &str| Format::JsonSchema { name: None, description: None, schema: json(schema), strict: None };
    let open = r#"{"type": "object", "properties": {"a": {"type": "string"}}}"#;
    let body = |model: &str, format| {
        let request = ir::Request { format: Some(format), ..asking(model, vec![]) };
        write_request(&request).expect("a body")
    };
    let native = |schema: &str| {
        let schema = serde_json::Value::from(schema);
        format!(
            r#""outputConfig":{{"textFormat":{{"type":"json_schema","structure":{{"jsonSchema":{{"schema":{schema}}}}}}}}}"#
        )
    };
    let (gemma, _) = body("google.gemma-3-27b-it", schema(open));
    assert!(gemma.contains(&native(open)), "{gemma}");
    let (claude, dropped) = body(CLAUDE, schema(open));
    assert!(claude.contains(r#"\"additionalProperties\":false"#) && dropped.is_empty(), "{claude}");
    let unlimited = r#"{"type": "object", "not": {}}"#;
    for (model, open) in [(NOVA_2, open), (CLAUDE, unlimited)] {
        let (told, dropped) = body(model, schema(open));
        let words = format!("Answer with one JSON value that fits this JSON schema, and nothing else:\n{open}");
        assert!(told.contains(&format!(r#""system":[{{"text":{}}}]"#, serde_json::Value::from(words))), "{told}");
        assert_eq!(dropped, ["response_format.json_schema"]);
    }
    assert!(body(CLAUDE, Format::JsonObject).0.contains(r#""system":[{"text":"Answer with one JSON object"#));
}

#[test]
fn refusals_name_the_place() {
    for (body, place) in [
        (r#"{"messages":[{"role":"tool","content":[]}]}"#, "`messages[0].role` is `tool`"),
        (
            r#"{"messages":[{"role":"user","content":[{"text":"a"},{"song":{}}]}]}"#,
            "`messages[0].content[1]` is no block",
        ),
        (r#"{"messages":[{"role":"user","content":[{"text":7}]}]}"#, "`messages[0].content[0].text` does not fit"),
        (r#"{"messages":[{"role":"user","content":[{"toolResult":{"content":[]}}]}]}"#, "lacks `toolUseId`"),
        (r#"{"messages":7}"#, "`messages` does not fit"),
        (r#"{"toolConfig":{"tools":[{}]}}"#, "`toolConfig.tools[0]` lacks"),
        (r#"{"toolConfig":{"tools":[],"toolChoice":{}}}"#, "`toolConfig.toolChoice` must hold"),
        (
            r#"{"outputConfig":{"textFormat":{"structure":{"jsonSchema":{"schema":"{"}}}}}"#,
            "must be a text that is JSON",
        ),
        (
            r#"{"inferenceConfig":{"maxTokens":1.5}}"#,
            "`inferenceConfig.maxTokens` does not fit: 1.5 is not a whole number",
        ),
        ("[", "The body is not JSON"),
    ] {
        let refusal = Converse.read_request(body.as_bytes()).expect_err(body);
        assert!(refusal.message.contains(place), "{}", refusal.message);
    }
}
