//! What is asked for.

use serde_json::{Value, json};

use super::sent;
use crate::dialects::{Dialect, EffortHabit, Habits};

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
fn files_in_googles_storage_have_a_type() {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "gs://bucket/cat.png"}}]}]});
    let (sent, _) = sent(Dialect::OpenaiChat, Dialect::Gemini, "gemini-2.5-flash", &Habits::COMPATIBLE, &body);
    let file = json!({"mimeType": "image/png", "fileUri": "gs://bucket/cat.png"});
    assert_eq!(sent["contents"][0]["parts"][0]["fileData"], file);
}
