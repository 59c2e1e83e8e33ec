//! Requests, read and written again.

use serde_json::{Value, json};

use super::*;
use crate::dialects::ir::{CacheMark, Losses, Part, Request, Seal, Source, Tool};
use crate::dialects::{Dialect, EffortHabit, Habits};
use crate::models::{Facts, ThinkingStyle};

const FOLLOWER: Habits = Habits {
    replays_reasoning: true,
    keeps_google_seals: true,
    has_cache_marks: true,
    has_top_k: true,
    effort: EffortHabit::Object,
    ..Habits::COMPATIBLE
};

fn read(body: &Value) -> Request {
    OpenaiChat::default().read_request(body.to_string().as_bytes()).expect("a request").request
}

fn write(request: &Request, habits: &Habits, facts: &Facts) -> (Value, Vec<String>) {
    let mut losses = Losses::new(&[], false);
    let body = OpenaiChat::default().write_request(request, &Recipient { facts, habits }, &mut losses).expect("a body");
    (serde_json::from_slice(&body).expect("JSON"), losses.finish().expect("no refusal"))
}

fn refused(body: &Value) -> String {
    OpenaiChat::default().read_request(body.to_string().as_bytes()).expect_err("refused").message
}

fn user(content: Value) -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": content}]})
}

#[test]
fn what_is_asked_at_openai_stays_as_it_is() {
    let asked = json!({
        "model": "gpt-x",
        "messages": [
            {"role": "developer", "content": "be brief"},
            {"role": "user", "name": "ann", "content": [
                {"type": "text", "text": "what is this?"},
                {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "AAA=", "format": "mp3"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAA="}},
                {"type": "file", "file": {"file_id": "file-1"}},
            ]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1.0}"}},
                {"id": "call_2", "type": "custom", "custom": {"name": "c", "input": "free"}},
            ]},
            {"role": "tool", "tool_call_id": "call_1", "content": "42"},
            {"role": "tool", "tool_call_id": "call_2", "content": ""},
            {"role": "assistant", "content": "a cat", "audio": {"id": "audio_1"}},
            {"role": "user", "content": "and now?"},
        ],
        "stream": true,
        "stream_options": {"include_usage": true},
        "tools": [
            {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"z": 1, "type": "object", "a": 2}, "strict": true}},
            {"type": "custom", "custom": {"name": "c", "format": {"type": "text"}}},
        ],
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [
            {"type": "function", "function": {"name": "f"}}, {"type": "custom", "custom": {"name": "c"}},
        ]}},
        "parallel_tool_calls": false,
        "max_completion_tokens": 100,
        "temperature": 0.5, "top_p": 0.25, "frequency_penalty": 1, "presence_penalty": -0.5,
        "stop": ["x", "y"], "seed": -7, "n": 2, "logprobs": true, "top_logprobs": 3, "logit_bias": {"50256": -100},
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}, "strict": true}},
        "reasoning_effort": "low", "verbosity": "high", "metadata": {"a": "b"}, "user": "u",
        "service_tier": "flex", "prompt_cache_key": "k", "prompt_cache_retention": "24h",
        "modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"},
        "prediction": {"type": "content", "content": "x"}, "store": true,
    });
    let (written, lost) = write(&read(&asked), &Habits::OPENAI, &Facts::UNKNOWN);
    assert_eq!(lost, [""; 0]);
    assert_eq!(written, asked);
}

#[test]
fn raw_json_keeps_its_spelling() {
    let body = br#"{"model":"m","messages":[],"tools":[{"type":"function","function":{"name":"f","parameters":{"z":1.50,"a":[]}}}]}"#;
    let request = OpenaiChat::default().read_request(body).expect("a request").request;
    let recipient = Recipient { facts: &Facts::UNKNOWN, habits: &Habits::OPENAI };
    let written =
        OpenaiChat::default().write_request(&request, &recipient, &mut Losses::new(&[], false)).expect("a body");
    assert!(String::from_utf8_lossy(&written).contains(r#""parameters":{"z":1.50,"a":[]}"#), "{written:?}");
}

#[test]
fn extensions_are_understood() {
    let request = read(&json!({
        "model": "m",
        "messages": [
            {"role": "system", "content": "s", "cache_control": {"type": "ephemeral"}},
            {"role": "user", "content": [{"type": "text", "text": "q", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
            {"role": "assistant", "reasoning_content": "hm", "tool_calls": [
                {"id": "a", "function": {"name": "f", "arguments": ""}, "extra_content": {"google": {"thought_signature": "c2ln"}}},
                {"id": "b", "function": {"name": "f", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "1"}, {"type": "image_url", "image_url": "data:image/png;base64,AAA="}]},
            {"role": "tool", "content": "2", "cache_control": {"type": "ephemeral"}},
        ],
        "tools": [{"type": "function", "function": {"name": "f"}, "cache_control": {"type": "ephemeral"}}],
        "max_tokens": 100.0,
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "mood": "good",
    }));
    assert_eq!(request.messages.len(), 4, "the results of a turn are one message");
    assert!(matches!(request.messages[0].parts[1], Part::CachePoint(_)));
    let mark = CacheMark { ttl: Some("1h".to_owned()) };
    assert!(matches!(&request.messages[1].parts[1], Part::CachePoint(found) if *found == mark));
    let [Part::Reasoning(thought), Part::ToolCall(call), Part::ToolCall(_)] = &request.messages[2].parts[..] else {
        panic!("{:?}", request.messages[2])
    };
    assert_eq!((&*thought.text, &call.seal), ("hm", &Some(Seal::signature(Dialect::Gemini, "c2ln"))));
    let [Part::ToolResult(first), Part::ToolResult(second)] = &request.messages[3].parts[..] else {
        panic!("{:?}", request.messages[3])
    };
    assert!(matches!(&first.content[1], Part::Media(media) if matches!(&media.source, Source::Base64(_))));
    assert_eq!(second.call_id, "b", "the call that lacked a result");
    assert!(matches!(second.content[1], Part::CachePoint(_)));
    assert!(matches!(request.tools[1], Tool::CachePoint(_)));
    assert_eq!((request.max_tokens, request.thinking.and_then(|thinking| thinking.budget)), (Some(100), Some(2048)));
    assert_eq!(request.unknown.iter().map(|unknown| &*unknown.path).collect::<Vec<_>>(), ["mood"]);

    let (written, lost) = write(&request, &FOLLOWER, &Facts::UNKNOWN);
    assert_eq!(lost, ["mood"]);
    assert_eq!(written["messages"][0]["content"][0]["cache_control"], json!({"type": "ephemeral"}));
    assert_eq!(written["messages"][2]["reasoning_content"], "hm");
    assert_eq!(written["messages"][2]["tool_calls"][0]["function"]["arguments"], "{}");
    assert_eq!(written["messages"][3]["content"], "1");
    let attached = &written["messages"][5];
    assert_eq!((&attached["role"], &attached["content"][1]["type"]), (&json!("user"), &json!("image_url")));
    assert_eq!((&written["max_tokens"], &written["reasoning"]), (&json!(100), &json!({"max_tokens": 2048})));
}

#[test]
fn the_first_function_calls_still_work() {
    let request = read(&json!({
        "model": "m",
        "messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "1"},
        ],
        "functions": [{"name": "f", "parameters": {}}],
        "function_call": {"name": "f"},
    }));
    let (written, _) = write(&request, &Habits::OPENAI, &Facts::UNKNOWN);
    assert_eq!(written["messages"][1]["tool_calls"][0]["id"], written["messages"][2]["tool_call_id"]);
    assert_eq!(written["tool_choice"], json!({"type": "function", "function": {"name": "f"}}));
    assert_eq!(written["tools"][0]["function"]["name"], "f");
}

#[test]
fn refusals_name_the_place() {
    for (body, why) in [
        (json!({"model": "m"}), "`messages` is missing"),
        (user(json!([{"type": "hologram"}])), "`messages[0].content[0].type` is `hologram`"),
        (user(json!([{"type": "image_url"}])), "`messages[0].content[0].image_url.url` is missing"),
        (user(json!(7)), "`messages[0].content` does not fit"),
        (json!({"model": "m", "messages": [{"role": "wizard"}]}), "`messages[0].role` is `wizard`"),
        (
            json!({"model": "m", "messages": [{"role": "tool", "content": "x"}]}),
            "`messages[0].tool_call_id` is missing",
        ),
        (json!({"model": "m", "messages": [], "n": 1.5}), "`n` must be a whole number"),
        (json!({"model": "m", "messages": [], "tools": [{"type": "function"}]}), "`tools[0].function` is missing"),
        (json!({"model": "m", "messages": [], "reasoning_effort": "huge"}), "The reasoning effort `huge` is not known"),
        (
            json!({"model": "m", "messages": [], "response_format": {"type": "yaml"}}),
            "`response_format.type` is `yaml`",
        ),
    ] {
        assert!(refused(&body).starts_with(why), "{}", refused(&body));
    }
}

#[test]
fn effort_is_told_in_the_providers_words() {
    let written = |habit: EffortHabit, thinking: ThinkingStyle, asked: Value| {
        let mut body = user(json!("q"));
        body.as_object_mut().expect("an object").extend(asked.as_object().expect("an object").clone());
        let (written, lost) =
            write(&read(&body), &Habits { effort: habit, ..Habits::COMPATIBLE }, &Facts { thinking, ..Facts::UNKNOWN });
        let told: serde_json::Map<_, _> = written
            .as_object()
            .expect("an object")
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "model" | "messages"))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        (Value::Object(told), lost.len())
    };
    let unknown = ThinkingStyle::Unknown;
    let high = json!({"reasoning_effort": "high"});
    let off = json!({"thinking": {"type": "disabled"}});
    assert_eq!(
        written(EffortHabit::Effort, ThinkingStyle::Efforts(&["low", "medium"]), high.clone()),
        (json!({"reasoning_effort": "medium"}), 0)
    );
    assert_eq!(written(EffortHabit::Effort, unknown, off.clone()), (json!({"reasoning_effort": "none"}), 0));
    assert_eq!(written(EffortHabit::Effort, ThinkingStyle::Never, high.clone()), (json!({}), 1));
    assert_eq!(written(EffortHabit::Effort, ThinkingStyle::Never, off.clone()), (json!({}), 0));
    assert_eq!(written(EffortHabit::Object, unknown, high.clone()), (json!({"reasoning": {"effort": "high"}}), 0));
    assert_eq!(
        written(EffortHabit::Object, unknown, json!({"enable_thinking": true})),
        (json!({"reasoning": {"enabled": true}}), 0)
    );
    assert_eq!(
        written(EffortHabit::Object, unknown, json!({"include_reasoning": false})),
        (json!({"reasoning": {"exclude": true}}), 0)
    );
    assert_eq!(
        written(EffortHabit::Switch, unknown, high.clone()),
        (json!({"thinking": {"type": "enabled"}, "reasoning_effort": "high"}), 0)
    );
    assert_eq!(written(EffortHabit::Switch, unknown, off.clone()), (json!({"thinking": {"type": "disabled"}}), 0));
    assert_eq!(
        written(EffortHabit::Budget, unknown, high.clone()),
        (json!({"enable_thinking": true, "thinking_budget": 4096}), 0)
    );
    assert_eq!(written(EffortHabit::Budget, unknown, off), (json!({"enable_thinking": false}), 0));
    assert_eq!(written(EffortHabit::Template, unknown, high.clone()), (json!({"reasoning_effort": "high"}), 0));
    assert_eq!(
        written(EffortHabit::Template, unknown, json!({"reasoning_effort": "none"})),
        (json!({"chat_template_kwargs": {"enable_thinking": false}}), 0)
    );
    assert_eq!(written(EffortHabit::OnOrOff, unknown, high.clone()), (json!({"reasoning_effort": "default"}), 0));
    assert_eq!(
        written(EffortHabit::OnOrOff, unknown, json!({"reasoning_effort": "none"})),
        (json!({"reasoning_effort": "none"}), 0)
    );
    assert_eq!(written(EffortHabit::None, unknown, high), (json!({}), 1));
}

#[test]
fn what_single_providers_want_is_said_to_them() {
    let mut body = user(json!("q"));
    let asked = json!({"reasoning_effort": "medium", "stop": "x", "presence_penalty": 1, "stream": true,
                       "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]});
    body.as_object_mut().expect("an object").extend(asked.as_object().expect("an object").clone());
    let request = read(&body);
    let habits = Habits { effort: EffortHabit::Switch, ..Habits::COMPATIBLE };
    let (written, _) = write(&request, &habits, Facts::of("deepseek-v4-pro"));
    assert_eq!((&written["thinking"]["type"], &written["reasoning_effort"]), (&json!("enabled"), &json!("medium")));
    let habits = Habits { streams_calls_if_told: true, splits_reasoning: true, ..Habits::COMPATIBLE };
    let (written, _) = write(&request, &habits, &Facts::UNKNOWN);
    assert_eq!((&written["tool_stream"], &written["reasoning_split"]), (&json!(true), &json!(true)));
    let (written, lost) = write(&request, &Habits::COMPATIBLE, Facts::of("grok-4"));
    assert_eq!(
        (written.get("stop"), written.get("presence_penalty"), written.get("reasoning_effort"), lost.len()),
        (None, None, None, 3)
    );

    // Thinking needs a stream there.
    let habits = Habits { effort: EffortHabit::Budget, ..Habits::COMPATIBLE };
    let (written, _) = write(&request, &habits, Facts::of("qwen3-32b"));
    assert_eq!(written["enable_thinking"], true);
    let (written, lost) = write(&read(&user(json!("q"))), &habits, Facts::of("qwen3-32b"));
    assert_eq!((&written["enable_thinking"], lost.len()), (&json!(false), 0));
}

#[test]
fn sealed_reasoning_goes_back_to_whom_it_came_from() {
    let details = json!([
        {"type": "reasoning.text", "text": "hm", "signature": "s1", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "d1", "format": "openai-responses-v1", "id": "rs_1", "index": 1},
    ]);
    let body = json!({"model": "m", "messages": [{"role": "assistant", "content": "a", "reasoning_details": details}]});
    let (written, lost) = write(&read(&body), &FOLLOWER, &Facts::UNKNOWN);
    assert_eq!((&written["messages"][0]["reasoning_details"], lost.len()), (&details, 0));
    let (written, lost) = write(&read(&body), &Habits::OPENAI, &Facts::UNKNOWN);
    assert_eq!((written["messages"][0].get("reasoning_details"), lost.len()), (None, 1));
}
