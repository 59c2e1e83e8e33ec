//! Requests of clients: what is understood, and what is said of the rest.

use super::*;
use crate::dialects::Dialect;
use ir::{CacheMark, Effort, MediaKind, Mode, Role, Seal, Shown, Source, Tool, ToolChoice};

const FULL: &str = r#"{
  "model": "m", "max_tokens": 1000.0, "stream": true, "temperature": 0.50, "top_k": 5, "stop_sequences": ["a"],
  "system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
  "messages": [
    {"role": "user", "content": [
      {"type": "text", "text": "look"},
      {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
      {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
      {"type": "document", "title": "a.pdf", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBER"}},
      {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "plain"}},
      {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
      {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]}},
      {"type": "search_result", "source": "https://s", "title": "S", "content": [{"type": "text", "text": "found"}]}
    ]},
    {"role": "assistant", "content": [
      {"type": "thinking", "thinking": "hm", "signature": "sig=="},
      {"type": "redacted_thinking", "data": "xyz"},
      {"type": "thinking", "thinking": "", "signature": "gemini:s:QUJD"},
      {"type": "text", "text": "I look"},
      {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"n": 1.50, "a": []}, "caller": {"type": "direct"}},
      {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}}
    ]},
    {"role": "user", "content": [
      {"type": "text", "text": "and"},
      {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": true, "content": [
        {"type": "text", "text": "no"}, {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "R0lG"}}],
       "cache_control": {"type": "ephemeral"}}
    ]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_2", "content": "late"}]},
    {"role": "system", "content": "from now on"}
  ],
  "tools": [
    {"name": "f", "description": "d", "input_schema": {"type": "object", "b": 1, "a": 2}, "strict": true, "cache_control": {"type": "ephemeral"}},
    {"type": "web_search_20250305", "name": "web_search", "max_uses": 3, "allowed_domains": ["x.org"]},
    {"type": "bash_20250124", "name": "bash"}
  ],
  "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": true},
  "thinking": {"type": "adaptive", "display": "omitted"},
  "output_config": {"effort": "xhigh", "format": {"type": "json_schema", "schema": {"type": "object"}}},
  "metadata": {"user_id": "u1"}, "service_tier": "standard_only", "container": null
}"#;

#[test]
fn everything_is_understood() {
    let request = read(FULL);
    assert_eq!(request.unknown, []);
    assert_eq!((request.max_tokens, request.stream, request.user.as_deref()), (Some(1000), true, Some("u1")));
    assert_eq!(request.temperature.as_ref().and_then(serde_json::Number::as_f64), Some(0.5));
    assert_eq!(request.service_tier.as_deref(), Some("default"));
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("f".to_owned())));
    assert_eq!(request.parallel_tool_calls, Some(false));
    let thinking = request.thinking.expect("thinking");
    assert_eq!(
        (thinking.mode, thinking.effort, thinking.shown),
        (Some(Mode::Adaptive), Some(Effort::Xhigh), Shown::Hidden)
    );
    let roles: Vec<_> = request.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool, Role::User, Role::System]);

    let mark = CacheMark { ttl: Some("1h".to_owned()) };
    assert!(matches!(&request.messages[0].parts[1], Part::CachePoint(found) if *found == mark));
    let media = request.messages[1].parts.iter().filter_map(|part| match part {
        Part::Media(media) => Some(media),
        _ => None,
    });
    let media: Vec<_> = media.collect();
    assert_eq!(media.len(), 7);
    assert!(matches!((media[0].kind, &media[0].source), (MediaKind::Image, Source::Base64(_))));
    assert!(matches!(&media[1].source, Source::Url(url) if url == "https://x/y.png"));
    assert_eq!(media[2].name.as_deref(), Some("a.pdf"));
    assert!(matches!(&media[5].source, Source::Text(text) if text == "one\n\ntwo"));
    assert!(matches!(&media[6].source, Source::Text(text) if text == "Source: https://s\n\nfound"));
}

#[test]
fn reasoning_calls_and_results_are_understood() {
    let request = read(FULL);
    let seals = request.messages[2].parts.iter().filter_map(|part| match part {
        Part::Reasoning(reasoning) => reasoning.seal.clone(),
        _ => None,
    });
    let (own, gemini) = (Dialect::Anthropic, Dialect::Gemini);
    let expected = [Seal::signature(own, "sig=="), Seal::redacted(own, "xyz"), Seal::signature(gemini, "QUJD")];
    assert_eq!(seals.collect::<Vec<_>>(), expected);
    assert!(
        matches!(&request.messages[2].parts[4], Part::ToolCall(call) if call.arguments == r#"{"n": 1.50, "a": []}"#)
    );
    assert!(matches!(&request.messages[2].parts[5], Part::Opaque(opaque) if opaque.name == "server_tool_use"));
    let [Part::ToolResult(first), Part::ToolResult(second)] = request.messages[3].parts.as_slice() else {
        panic!("two results in one message")
    };
    assert!(first.is_error && matches!(first.content.as_slice(), [Part::Text(_), Part::Media(_), Part::CachePoint(_)]));
    assert_eq!(second.call_id, "toolu_2");
    let [Tool::Function { parameters, .. }, Tool::CachePoint(_), Tool::WebSearch(search), Tool::Opaque(bash)] =
        request.tools.as_slice()
    else {
        panic!("{:?}", request.tools)
    };
    assert_eq!(parameters.as_ref().map(|raw| raw.get()), Some(r#"{"type": "object", "b": 1, "a": 2}"#));
    assert_eq!((search.max_uses, bash.name.as_str()), (Some(3), "bash_20250124"));
}

#[test]
fn what_has_no_place_is_told_with_its_place() {
    let request = read(
        r#"{"model":"m","messages":[{"role":"user","mood":1,"content":[
            {"type":"document","context":"c","citations":{"enabled":true},"source":{"type":"url","url":"https://x"}}]}],
            "container":"c1","output_config":{"task_budget":{"type":"tokens"}},"tools":[{"name":"f","input_schema":{},"defer_loading":true}],
            "thinking":{"type":"between_tools"},"cache_control":{"type":"ephemeral"}}"#,
    );
    let mut paths: Vec<_> = request.unknown.iter().map(|unknown| unknown.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "container",
            "messages[0].content[0].citations",
            "messages[0].content[0].context",
            "messages[0].mood",
            "output_config.task_budget",
            "tools[0].defer_loading",
        ]
    );
    assert_eq!(request.thinking.and_then(|thinking| thinking.mode), Some(Mode::Off));
    assert!(matches!(request.messages[0].parts.last(), Some(Part::CachePoint(_))));
}

#[test]
fn what_does_not_fit_is_refused_with_its_place() {
    let message = |blocks: &str| format!(r#"{{"model":"m","messages":[{{"role":"user","content":{blocks}}}]}}"#);
    for (body, place) in [
        (r#"{"messages":[]}"#.to_owned(), "`model` is missing"),
        (r#"{"model":"m"}"#.to_owned(), "`messages` is missing"),
        (r#"{"model":"m","messages":[{"role":"bot","content":""}]}"#.to_owned(), "`messages[0].role` does not fit"),
        (r#"{"model":"m","messages":[{"role":"user"}]}"#.to_owned(), "`messages[0].content` is missing"),
        (r#"{"model":"m","max_tokens":"9","messages":[]}"#.to_owned(), "`max_tokens` does not fit"),
        (message("[{}]"), "`messages[0].content[0]` does not fit: a block has a `type`"),
        (message(r#"[{"type":"text"}]"#), "`messages[0].content[0]` does not fit: a text has a `text`"),
        (message(r#"[{"type":"text","text":7}]"#), "`messages[0].content[0].text` does not fit"),
        (message(r#"[{"type":"tool_use","id":"a","name":"b"}]"#), "may stand in messages of the role `assistant` only"),
        (
            message(r#"[{"type":"image","source":{"type":"base64"}}]"#),
            "`messages[0].content[0]` does not fit: `source`",
        ),
        (
            message(r#"[{"type":"tool_result","tool_use_id":"a","content":[{"type":"text"}]}]"#),
            "`messages[0].content[0].content[0]`",
        ),
    ] {
        let refusal = Anthropic.read_request(body.as_bytes()).expect_err("refused");
        assert!(refusal.message.contains(place), "{body}: {}", refusal.message);
    }
}

#[test]
fn what_was_read_is_written_as_it_was() {
    let (body, lost) = written(&read(FULL), "claude-sonnet-5");
    let expected = ["messages.reasoning", "response_format.json_schema", "tools.strict", "temperature", "top_k"];
    assert_eq!(lost, expected);
    let content = |at: usize| body["messages"][at]["content"].as_array().expect("blocks").clone();
    let kinds = |at: usize| {
        content(at).iter().map(|block| block["type"].as_str().expect("a type").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(0), ["text", "image", "image", "document", "document", "document", "document", "document"]);
    assert_eq!(kinds(1), ["thinking", "redacted_thinking", "text", "tool_use", "server_tool_use"]);
    assert_eq!(kinds(2), ["tool_result", "tool_result", "text"]);
    assert_eq!(content(1)[0]["signature"], "sig==");
    assert_eq!(content(2)[0]["cache_control"]["type"], "ephemeral");
    assert_eq!(body["messages"][3]["role"], "system");
    assert_eq!(body["system"][0]["cache_control"]["ttl"], "1h");
    assert_eq!(body["tools"][0]["cache_control"]["type"], "ephemeral");
    assert_eq!(body["tools"][2], serde_json::json!({"type": "bash_20250124", "name": "bash"}));
    assert_eq!(body["thinking"], serde_json::json!({"type": "adaptive", "display": "omitted"}));
}
