//! What providers signed comes back to them, whoever carried it.

use super::*;
use crate::dialects::ir::{Media, MediaKind, Message, Part, Reasoning, Role, Seal, Source, Text, ToolCall, ToolResult};

fn text(text: &str) -> Part {
    Part::Text(Text { text: text.to_owned(), ..Text::default() })
}

fn sealed(text: &str, seal: Option<Seal>) -> Part {
    Part::Reasoning(Reasoning { text: text.to_owned(), seal, ..Reasoning::default() })
}

fn own(value: &str) -> Option<Seal> {
    Some(Seal::signature(Dialect::Gemini, value))
}

fn call(id: &str, seal: Option<Seal>) -> Part {
    let arguments = "{}".to_owned();
    Part::ToolCall(ToolCall { id: id.to_owned(), name: "f".to_owned(), arguments, seal, ..ToolCall::default() })
}

fn result(call_id: &str, content: Vec<Part>) -> Part {
    Part::ToolResult(ToolResult { call_id: call_id.to_owned(), content, ..ToolResult::default() })
}

fn turns(model: &str, answer: Vec<Part>, results: Vec<Part>) -> (String, Vec<String>) {
    let message = |role, parts| Message { role, parts, name: None };
    let mut messages = vec![message(Role::User, vec![text("hi")]), message(Role::Assistant, answer)];
    if !results.is_empty() {
        messages.push(message(Role::Tool, results));
    }
    let (body, dropped) = write_to(model, &Request { messages, ..Request::default() });
    let start = r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":["#;
    let rest = body.strip_prefix(start).unwrap_or(&body);
    (rest.strip_suffix(r#"]}],"generationConfig":{}}"#).unwrap_or(rest).to_owned(), dropped)
}

#[test]
fn signatures_find_their_parts() {
    let model = "gemini-3-flash-preview";
    for (parts, expected) in [
        (vec![text("a"), sealed("", own("s1"))], r#"{"text":"a","thoughtSignature":"s1"}"#),
        (vec![sealed("", own("s1")), text("a")], r#"{"text":"a","thoughtSignature":"s1"}"#),
        (vec![sealed("", own("s1"))], r#"{"text":"","thoughtSignature":"s1"}"#),
        (
            vec![text("a"), sealed("", own("s1")), call("1", None)],
            r#"{"text":"a"},{"functionCall":{"id":"1","name":"f","args":{}},"thoughtSignature":"s1"}"#,
        ),
        (
            vec![text("a"), sealed("", own("s1")), call("1", own("s2")), call("2", None)],
            concat!(
                r#"{"text":"a","thoughtSignature":"s1"},{"functionCall":{"id":"1","name":"f","args":{}},"thoughtSignature":"s2"},"#,
                r#"{"functionCall":{"id":"2","name":"f","args":{}}}"#
            ),
        ),
        (
            vec![sealed("think", own("s1")), sealed("", own("s2")), call("1", None)],
            concat!(
                r#"{"text":"think","thought":true,"thoughtSignature":"s1"},"#,
                r#"{"functionCall":{"id":"1","name":"f","args":{}},"thoughtSignature":"s2"}"#
            ),
        ),
    ] {
        assert_eq!(turns(model, parts, Vec::new()), (expected.to_owned(), Vec::new()));
    }
}

#[test]
fn history_of_others_gets_a_stand_in_where_one_is_demanded() {
    let foreign = Some(Seal::signature(Dialect::Anthropic, "sig"));
    let parts = || vec![sealed("think", foreign.clone()), call("1", None), call("2", None)];
    let (body, dropped) = turns("gemini-3.1-pro-preview", parts(), Vec::new());
    let expected = concat!(
        r#"{"text":"think","thought":true},"#,
        r#"{"functionCall":{"id":"1","name":"f","args":{}},"thoughtSignature":"skip_thought_signature_validator"},"#,
        r#"{"functionCall":{"id":"2","name":"f","args":{}}}"#
    );
    assert_eq!((body.as_str(), dropped), (expected, vec!["messages.reasoning".to_owned()]));
    let (body, _) = turns("gemini-2.5-flash", parts(), Vec::new());
    assert!(!body.contains("skip_thought") && !body.contains(r#""id""#), "{body}");
}

#[test]
fn results_name_their_functions() {
    let image = || {
        let source = Source::Base64("iVBORw0KGgo=".to_owned());
        let mime = Some("image/png".to_owned());
        Part::Media(Media {
            kind: MediaKind::Image,
            mime,
            source,
            name: None,
            detail: None,
            transcript: None,
            id: None,
        })
    };
    let results = || vec![result("1", vec![text(" {\"x\": 1}")]), result("2", vec![text("[1]"), image()])];
    let calls = || vec![call("1", own("s")), call("2", None)];
    let (body, _) = turns("gemini-3-flash-preview", calls(), results());
    let expected = concat!(
        r#"{"role":"user","parts":[{"functionResponse":{"id":"1","name":"f","response":{"x": 1}}},"#,
        r#"{"functionResponse":{"id":"2","name":"f","response":{"output":"[1]"},"parts":[{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}}]}}"#
    );
    assert!(body.ends_with(expected), "{body}");
    let (body, _) = turns("gemini-2.5-flash", calls(), results());
    let expected = concat!(
        r#"{"functionResponse":{"name":"f","response":{"output":"[1]"}}},"#,
        r#"{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}}"#
    );
    assert!(body.ends_with(expected), "{body}");
}

#[test]
fn a_stream_that_was_put_into_the_history_is_one_turn() {
    // Another dialect's seal travels as base64 of its tagged text.
    let body = r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]},
        {"role":"model","parts":[{"text":"thin","thought":true}]},{"role":"model","parts":[{"text":"king","thought":true}]},
        {"role":"model","parts":[{"text":"","thought":true,"thoughtSignature":"YW50aHJvcGljOnM6c2ln"}]},
        {"role":"model","parts":[{"text":"Hel"}]},{"role":"model","parts":[{"text":"lo"}]},
        {"role":"model","parts":[{"text":"","thoughtSignature":"CgQ="}]},
        {"role":"user","parts":[{"text":"and?"}]}]}"#;
    let request = read(body).request;
    assert_eq!(request.messages.len(), 3);
    let [Part::Reasoning(thought), Part::Text(said), Part::Reasoning(seal)] = &request.messages[1].parts[..] else {
        panic!("{:?}", request.messages[1]);
    };
    assert_eq!(thought.text, "thinking");
    assert_eq!(thought.seal, Some(Seal::signature(Dialect::Anthropic, "sig")));
    assert_eq!((said.text.as_str(), &seal.seal), ("Hello", &own("CgQ=")));
}

#[test]
fn results_are_matched_by_id_then_by_name_and_order() {
    let body = r#"{"contents":[
        {"role":"model","parts":[{"functionCall":{"name":"f","id":"x"}},{"functionCall":{"name":"g"}},{"functionCall":{"name":"g"}}]},
        {"role":"function","parts":[{"functionResponse":{"name":"g","response":{"a":1,"b":2}}}]},
        {"role":"user","parts":[{"text":"note"},{"functionResponse":{"name":"g","response":{"result":{"c":3}}}}]},
        {"role":"user","parts":[{"functionResponse":{"name":"f","id":"x","response":{}}}]}]}"#;
    let request = read(body).request;
    let roles: Vec<_> = request.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::Assistant, Role::Tool, Role::User]);
    let results: Vec<_> = request.messages[1]
        .parts
        .iter()
        .map(|part| {
            let Part::ToolResult(result) = part else { panic!("a result") };
            let said = match &result.content[..] {
                [Part::Text(text)] => text.text.as_str(),
                _ => "",
            };
            (result.call_id.as_str(), said)
        })
        .collect();
    assert_eq!(results, [("call_gemini_1", r#"{"a":1,"b":2}"#), ("call_gemini_2", r#"{"c":3}"#), ("x", "")]);
}
