//! By which of its operations a model is asked, where it is not served by all of them.

use super::{json, understood};
use crate::support::gateway::{Gateway, Setup};
use crate::support::upstream::{Reply, Upstream};
use crate::support::wire::{TEXT, Wire};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

struct Doors {
    gateway: Gateway,
    upstream: Upstream,
}

/// One instance, `up`, whose settings may name the upstream as `ROOT`.
async fn behind(settings: &str) -> Doors {
    // There is no list of models.
    let upstream = Upstream::start(|request| match request.method.as_str() {
        "GET" => Reply::json(404, "{}"),
        _ => Wire::reply(request),
    })
    .await;
    let settings = settings.replace("ROOT", &format!("http://{}", upstream.address));
    let gateway = Setup::instances([("up", format!("{settings}, api_key: secret"))]).start().await;
    Doors { gateway, upstream }
}

impl Doors {
    /// The path by which the provider was asked for a chat with these further members.
    async fn chat(&self, model: &str, members: Value) -> String {
        let mut body = json!({"model": format!("up/{model}"), "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().expect("an object").extend(members.as_object().expect("an object").clone());
        let answer = self.gateway.post(CHAT, body.to_string()).await;
        let is_stream = body["stream"] == true;
        assert_eq!(understood(Wire::Chat, is_stream, &answer).text, TEXT, "{model}");
        self.last()
    }

    async fn ask(&self, client: Wire, model: &str) -> String {
        let answer = super::ask(&self.gateway, client, &format!("up/{model}"), false).await;
        assert_eq!(understood(client, false, &answer).text, TEXT, "{client:?} {model}");
        self.last()
    }

    fn last(&self) -> String {
        let mut runs = self.upstream.requests().into_iter().filter(|request| request.method == "POST");
        runs.next_back().expect("a request").path
    }
}

fn tools() -> Value {
    json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}])
}

#[tokio::test]
async fn openais_models_are_asked_where_they_answer() {
    let doors = behind("type: openai, base_url: \"ROOT/v1\", models: [m], models_mode: fallback").await;
    for model in ["gpt-5-codex", "gpt-5.1-codex-max", "o3-pro", "o1-pro-2025-03-19", "gpt-5.5-pro", "codex-mini-latest"]
    {
        assert_eq!(doors.chat(model, json!({})).await, "/v1/responses", "{model}");
        assert_eq!(doors.chat(model, json!({"stream": true})).await, "/v1/responses", "{model}");
        for client in [Wire::Messages, Wire::Gemini, Wire::Converse, Wire::Responses] {
            assert_eq!(doors.ask(client, model).await, "/v1/responses", "{client:?} {model}");
        }
    }
    for model in ["gpt-4o", "gpt-5", "o3", "llama-3", "gpt-5.5"] {
        assert_eq!(doors.chat(model, json!({})).await, CHAT, "{model}");
        assert_eq!(doors.ask(Wire::Messages, model).await, CHAT, "{model}");
        assert_eq!(doors.ask(Wire::Responses, model).await, "/v1/responses", "{model}");
    }
}

#[tokio::test]
async fn tools_for_a_model_that_thinks_go_to_responses() {
    let doors = behind("type: openai, base_url: \"ROOT/v1\", models: [m], models_mode: fallback").await;
    let with = |more: Value| {
        let mut members = json!({"tools": tools()});
        members.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        members
    };
    for (model, members, path) in [
        ("gpt-5.5", with(json!({})), "/v1/responses"),
        ("gpt-5.5", with(json!({"reasoning_effort": "high"})), "/v1/responses"),
        ("gpt-5.5", with(json!({"reasoning_effort": "none"})), CHAT),
        ("gpt-5.5", json!({"tools": []}), CHAT),
        ("gpt-5.5", json!({"reasoning_effort": "high"}), CHAT),
        ("gpt-5.2", with(json!({"reasoning_effort": "high"})), CHAT),
        ("gpt-4o", with(json!({})), CHAT),
    ] {
        assert_eq!(doors.chat(model, members.clone()).await, path, "{model} {members}");
        let streamed = {
            let mut members = members.clone();
            members["stream"] = true.into();
            members
        };
        assert_eq!(doors.chat(model, streamed).await, path, "{model} {members}");
    }
    // The same question in other words.
    let messages = |thinking: Value| {
        json!({"model": "up/gpt-5.5", "max_tokens": 9000, "messages": [{"role": "user", "content": "hi"}],
            "tools": [{"name": "f", "input_schema": {"type": "object"}}], "thinking": thinking})
        .to_string()
    };
    let answer = doors.gateway.post("/v1/messages", messages(json!({"type": "enabled", "budget_tokens": 5000}))).await;
    assert_eq!(
        (understood(Wire::Messages, false, &answer).text.as_str(), doors.last().as_str()),
        (TEXT, "/v1/responses")
    );
    let gemini =
        json!({"contents": [{"parts": [{"text": "hi"}]}], "tools": [{"functionDeclarations": [{"name": "f"}]}]});
    let answer = doors.gateway.post("/v1beta/models/up%2Fgpt-5.5:generateContent", gemini.to_string()).await;
    assert_eq!(
        (understood(Wire::Gemini, false, &answer).text.as_str(), doors.last().as_str()),
        (TEXT, "/v1/responses")
    );
    let converse = json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}],
        "toolConfig": {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]}});
    let answer = doors.gateway.post("/model/up%2Fgpt-5.5/converse", converse.to_string()).await;
    assert_eq!(
        (understood(Wire::Converse, false, &answer).text.as_str(), doors.last().as_str()),
        (TEXT, "/v1/responses")
    );
}

#[tokio::test]
async fn each_model_of_opencode_go_has_its_dialect() {
    let doors = behind("type: opencode-go, base_url: ROOT, models: [m], models_mode: fallback").await;
    for (model, path) in [
        ("glm-5.1", "/zen/go/v1/chat/completions"),
        ("minimax-m2.7", "/zen/go/v1/messages"),
        ("qwen3.8-max", "/zen/go/v1/messages"),
        ("grok-4.7", "/zen/go/v1/responses"),
    ] {
        for client in Wire::ALL {
            assert_eq!(doors.ask(client, model).await, path, "{client:?} {model}");
        }
    }
    let session =
        doors.upstream.requests().pop().expect("a request").headers.get("x-opencode-session").map(str::to_owned);
    assert!(session.is_some_and(|session| !session.is_empty()));
    let doors = behind(
        "type: opencode-go, base_url: ROOT, models: [m], models_mode: fallback, messages_models: \"mine, glm-5.1\"",
    )
    .await;
    for (model, path) in [
        ("mine", "/zen/go/v1/messages"),
        ("glm-5.1", "/zen/go/v1/messages"),
        ("minimax-m2.7", "/zen/go/v1/chat/completions"),
        ("grok-4.7", "/zen/go/v1/responses"),
    ] {
        assert_eq!(doors.ask(Wire::Chat, model).await, path, "{model}");
    }
}

#[tokio::test]
async fn gemini_is_asked_by_its_own_api_unless_told_otherwise() {
    let native = "/v1beta/models/gemini-2.5-flash:generateContent";
    let compatible = "/v1beta/openai/chat/completions";
    for (settings, chat) in [
        ("base_url: ROOT", native),
        ("base_url: \"ROOT/v1beta\"", native),
        ("base_url: ROOT, api_mode: native", native),
        ("base_url: ROOT, api_mode: openai", compatible),
        ("base_url: \"ROOT/v1beta/openai\"", compatible),
        ("base_url: \"ROOT/v1beta/openai/\"", compatible),
        ("base_url: \"ROOT/v1beta/openai\", api_mode: native", native),
    ] {
        let doors = behind(&format!("type: gemini, models: [m], models_mode: fallback, {settings}")).await;
        for client in [Wire::Chat, Wire::Messages, Wire::Responses, Wire::Converse] {
            assert_eq!(doors.ask(client, "gemini-2.5-flash").await, chat, "{settings} {client:?}");
        }
        assert_eq!(doors.ask(Wire::Gemini, "gemini-2.5-flash").await, native, "{settings}");
        let request = doors.upstream.requests().pop().expect("a request");
        assert_eq!(request.headers.get("x-goog-api-key"), Some("secret"), "{settings}");
        assert_eq!(request.headers.get("authorization"), None, "{settings}");
        doors.ask(Wire::Chat, "gemini-2.5-flash").await;
        let request = doors.upstream.requests().pop().expect("a request");
        let expected = (chat == compatible).then_some("Bearer secret");
        assert_eq!(request.headers.get("authorization"), expected, "{settings}");
    }
}

#[tokio::test]
async fn gemini_may_be_told_by_a_variable() {
    let upstream = Upstream::start(Wire::reply).await;
    let start = |mode: &str| {
        Setup::new()
            .env("GEMINI_API_KEY", "secret")
            .env("GEMINI_BASE_URL", format!("http://{}", upstream.address))
            .env("GEMINI_MODELS", "g")
            .env("CONFIGURED_PROVIDER_MODELS_MODE", "allowlist")
            .env("GEMINI_API_MODE", mode)
            .start()
    };
    for (mode, path) in [("native", "/v1beta/models/g:generateContent"), ("openai", "/v1beta/openai/chat/completions")]
    {
        let gateway = start(mode).await;
        let answer = super::ask(&gateway, Wire::Chat, "g", false).await;
        assert_eq!(understood(Wire::Chat, false, &answer).text, TEXT);
        assert_eq!(upstream.requests().pop().expect("a request").path, path);
    }
}

/// Providers that speak a client's own dialect beside chat are asked in it.
#[tokio::test]
async fn a_providers_second_dialect_is_used() {
    for (kind, client, path) in [
        ("deepseek", Wire::Messages, "/anthropic/v1/messages"),
        ("deepseek", Wire::Chat, "/chat/completions"),
        ("deepseek", Wire::Gemini, "/chat/completions"),
        ("zai", Wire::Messages, "/api/anthropic/v1/messages"),
        ("minimax", Wire::Messages, "/anthropic/v1/messages"),
        ("bailian", Wire::Messages, "/apps/anthropic/v1/messages"),
        ("ollama", Wire::Messages, "/v1/messages"),
        ("ollama", Wire::Converse, "/v1/chat/completions"),
        ("openrouter", Wire::Responses, "/api/v1/responses"),
        ("groq", Wire::Messages, "/openai/v1/chat/completions"),
    ] {
        let doors = behind(&format!("type: {kind}, base_url: ROOT, models: [m], models_mode: allowlist")).await;
        assert_eq!(doors.ask(client, "m").await, path, "{kind} {client:?}");
    }
}

/// The models' ids are path segments there: whatever they hold stays in one.
#[tokio::test]
async fn a_model_in_a_path_is_one_segment() {
    let upstream = Upstream::start(Wire::reply).await;
    let root = format!("http://{}", upstream.address);
    let arn = "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-x-v1:0";
    let bedrock = Wire::Converse.instance(&root).replace("[m]", &format!("[\"{arn}\", \"a b?c#d/../e\"]"));
    let gateway = Setup::instances([("converse", bedrock)]).start().await;
    for (model, segment) in [
        (arn, "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.anthropic.claude-x-v1%3A0"),
        ("a b?c#d/../e", "a%20b%3Fc%23d%2F..%2Fe"),
    ] {
        for client in [Wire::Chat, Wire::Messages] {
            let answer = super::ask(&gateway, client, model, false).await;
            assert_eq!(understood(client, false, &answer).text, TEXT, "{model}");
            assert_eq!(upstream.requests().pop().expect("a request").path, format!("/model/{segment}/converse"));
        }
        let path = format!("/model/{segment}/converse");
        let answer = gateway.post(&path, r#"{"messages":[]}"#).await;
        assert_eq!(json(&answer.body)["stopReason"], "end_turn");
        assert_eq!(upstream.requests().pop().expect("a request").path, path);
    }
}
