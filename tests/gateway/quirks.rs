//! What only one provider does, as it is on the wire.

use crate::support::gateway::{Gateway, JSON, Setup};
use crate::support::http::{Answer, Body, Piece};
use crate::support::upstream::{Gate, Reply, Upstream};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";

/// A gateway with one instance, named like its provider; its lists are empty.
async fn gateway(provider: &str, upstream: &Upstream, more: &str) -> Gateway {
    let settings = format!(
        "{{base_url: \"http://{}/v1\", api_key: k, models: [m], models_mode: allowlist{more}}}",
        upstream.address
    );
    Setup::config(format!("providers: {{{provider}: {settings}}}\n")).start().await
}

async fn always(reply: Reply) -> Upstream {
    Upstream::start(move |_| reply.clone()).await
}

fn sent(upstream: &Upstream) -> Value {
    serde_json::from_str(upstream.requests().last().expect("a request").text()).expect("JSON")
}

fn object(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn completion(message: &Value) -> Reply {
    let body = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
                      "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]});
    Reply::json(200, body.to_string())
}

#[tokio::test]
async fn xiaomi_speaks_in_chats() {
    let wav = completion(&json!({"role": "assistant", "audio": {"id": "a", "data": "UklGRg=="}}));
    let upstream = always(wav).await;
    let xiaomi = gateway("xiaomi", &upstream, "").await;
    let asked = json!({"model": "m", "input": "Hello", "voice": "Mia", "instructions": "calm", "response_format": "wav", "speed": 2});
    let answer = xiaomi.post("/v1/audio/speech", asked.to_string()).await;
    assert_eq!((answer.head.status, &answer.body[..]), (200, &b"RIFF"[..]));
    assert_eq!(answer.head.headers.get("content-type"), Some("audio/wav"));
    assert_eq!(answer.head.headers.get("x-narthex-dropped"), Some("speed"));
    assert_eq!(upstream.requests()[0].path, CHAT);
    assert_eq!(
        sent(&upstream),
        json!({"model": "m", "audio": {"format": "wav", "voice": "Mia"},
               "messages": [{"role": "user", "content": "calm"}, {"role": "assistant", "content": "Hello"}]})
    );
    let refused = xiaomi.post("/v1/audio/speech", r#"{"model":"m","input":"x","response_format":"opus"}"#).await;
    assert_eq!((refused.head.status, &object(&refused)["error"]["param"]), (400, &json!("response_format")));
}

#[tokio::test]
async fn xiaomis_samples_come_as_they_are_made() {
    let piece = |data: &str| format!("data: {}\n\n", json!({"choices": [{"delta": {"audio": {"data": data}}}]}));
    let gate = Gate::closed();
    let first = Reply::events().chunk(piece("YWI=")).pause(&gate);
    let upstream = always(first.chunk(piece("Yw==")).chunk("data: [DONE]\n\n").end()).await;
    let xiaomi = gateway("xiaomi", &upstream, "").await;
    let asked = json!({"model": "m", "input": "x", "response_format": "pcm"}).to_string();
    let mut client = xiaomi.client().await;
    client.request("POST", "/v1/audio/speech", &[JSON], Body::Length(asked.as_bytes())).await;
    let head = client.read_head().await;
    assert_eq!((head.status, head.headers.get("content-type")), (200, Some("audio/pcm")));
    assert_eq!(client.piece().await, Piece::Data(b"ab".to_vec()));
    gate.open();
    assert_eq!(client.piece().await, Piece::Data(b"c".to_vec()));
    assert_eq!(client.piece().await, Piece::End);
    gate.open();
    assert_eq!(sent(&upstream)["stream"], true);
    let asked = json!({"model": "m", "input": "x", "response_format": "pcm", "stream_format": "sse"});
    let answer = xiaomi.post("/v1/audio/speech", asked.to_string()).await;
    assert_eq!(answer.head.headers.get("content-type"), Some("text/event-stream"));
    assert_eq!(answer.text().matches("speech.audio.delta").count(), 2);
    assert!(answer.text().contains("speech.audio.done"));

    let broke = always(Reply::json(402, r#"{"error":{"code":"402","message":"no money"}}"#)).await;
    let answer = gateway("xiaomi", &broke, "").await.post("/v1/audio/speech", asked.to_string()).await;
    assert_eq!((answer.head.status, &object(&answer)["error"]["message"]), (402, &json!("no money")));
}

#[tokio::test]
async fn xiaomi_listens_in_chats() {
    let upstream = always(completion(&json!({"role": "assistant", "content": "hello"}))).await;
    let xiaomi = gateway("xiaomi", &upstream, "").await;
    let form = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b\r\nContent-Disposition: form-data; \
                name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF\r\n--b--\r\n";
    let headers = [("content-type", "multipart/form-data; boundary=b")];
    let mut client = xiaomi.client().await;
    let answer = client.exchange("POST", "/v1/audio/transcriptions", &headers, Body::Length(form.as_bytes())).await;
    assert_eq!((answer.head.status, object(&answer)), (200, json!({"text": "hello"})));
    let request = &upstream.requests()[0];
    assert_eq!((request.path.as_str(), request.headers.get("content-type")), (CHAT, Some("application/json")));
    assert_eq!(sent(&upstream)["messages"][0]["content"][0]["input_audio"]["data"], "data:audio/wav;base64,UklGRg==");
}

#[tokio::test]
async fn xiaomis_long_context_is_a_suffix_that_can_be_stripped() {
    let upstream = always(completion(&json!({"role": "assistant", "content": "x"}))).await;
    for (more, expected) in [("", "mimo[1m]"), (", context_suffix: strip", "mimo")] {
        let config = format!(
            "providers: {{xiaomi: {{base_url: \"http://{}/v1\", api_key: k, models: [\"mimo[1m]\"], models_mode: allowlist{more}}}}}\n",
            upstream.address
        );
        let xiaomi = Setup::config(config).start().await;
        assert_eq!(xiaomi.models(&[]).await, ["xiaomi/mimo[1m]"]);
        assert_eq!(xiaomi.chat("mimo[1m]").await.head.status, 200);
        assert_eq!(sent(&upstream)["model"], expected);
    }
}

#[tokio::test]
async fn minimax_is_asked_for_what_it_takes() {
    let upstream = always(completion(&json!({"role": "assistant", "content": "hi", "reasoning_content": "hm"}))).await;
    let minimax = gateway("minimax", &upstream, "").await;
    for (asked, expected) in [(json!(0), json!(0.01)), (json!(1.7), json!(1.0)), (json!(0.50), json!(0.5))] {
        let body = json!({"model": "m", "temperature": asked, "messages": [{"role": "user", "content": "x"}]});
        minimax.post(CHAT, body.to_string()).await;
        assert_eq!(sent(&upstream)["temperature"], expected);
        assert!(sent(&upstream).get("reasoning_split").is_none(), "what is passed on stays as it is");
    }
    let body = json!({"contents": [{"parts": [{"text": "x"}]}], "generationConfig": {"temperature": 0}});
    let answer = minimax.post("/v1beta/models/m:generateContent", body.to_string()).await;
    assert_eq!(answer.head.status, 200);
    let request = upstream.requests().pop().expect("a request");
    let sent: Value = serde_json::from_str(request.text()).expect("JSON");
    assert_eq!((&sent["temperature"], &sent["reasoning_split"]), (&json!(0.01), &json!(true)));

    let broke = always(Reply::json(200, r#"{"base_resp":{"status_code":1008,"status_msg":"no balance"}}"#)).await;
    let minimax = gateway("minimax", &broke, "").await;
    let answer = minimax.post("/v1beta/models/m:generateContent", body.to_string()).await;
    assert_eq!((answer.head.status, broke.requests().len()), (402, 1));
}

#[tokio::test]
async fn xais_conversations_have_a_name() {
    let upstream = always(completion(&json!({"role": "assistant", "content": "hi"}))).await;
    let xai = gateway("xai", &upstream, "").await;
    let first = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
    let second =
        json!({"model": "m", "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "hi"}]});
    for body in [&first, &second] {
        xai.post(CHAT, body.to_string()).await;
    }
    xai.post_with(CHAT, &[("x-grok-conv-id", "mine")], first.to_string()).await;
    let requests = upstream.requests();
    let names: Vec<_> = requests.iter().map(|request| request.headers.get("x-grok-conv-id")).collect();
    assert!(names[0].is_some_and(|name| name.starts_with("narthex-")) && names[0] == names[1], "{names:?}");
    assert_eq!(names[2], Some("mine"));
}

#[tokio::test]
async fn opencode_go_is_told_a_session() {
    let upstream = always(completion(&json!({"role": "assistant", "content": "hi"}))).await;
    let opencode = gateway("opencode-go", &upstream, "").await;
    opencode.chat("m").await;
    assert!(upstream.requests()[0].headers.get("x-opencode-session").is_some_and(|session| !session.is_empty()));
}

#[tokio::test]
async fn oracle_has_two_addresses() {
    for path in ["/openai/v1", "/20231130/actions/v1"] {
        let upstream = always(completion(&json!({"role": "assistant", "content": "hi"}))).await;
        let config = format!(
            "providers: {{oracle: {{base_url: \"http://{}{path}\", api_key: k, models: [openai.gpt-oss-120b]}}}}\n",
            upstream.address
        );
        let oracle = Setup::config(config).start().await;
        assert_eq!(oracle.models(&[]).await, ["oracle/openai.gpt-oss-120b"]);
        assert_eq!(oracle.chat("openai.gpt-oss-120b").await.head.status, 200);
        let requests = upstream.requests();
        assert_eq!(requests.len(), 1, "nobody is asked for a list");
        assert_eq!(requests[0].path, format!("{path}/chat/completions"));
    }
}

/// The lists tell what is known of each model, in the words of each SDK.
#[tokio::test]
async fn lists_tell_what_is_known() {
    let upstream = always(Reply::json(200, "{}")).await;
    let config = format!(
        "providers: {{anthropic: {{base_url: \"http://{}/v1\", api_key: k, models: [claude-sonnet-4-5, own], models_mode: allowlist}}}}\n\
         models: {{fast: anthropic/claude-sonnet-4-5}}\nmodel_info: {{\"anthropic/own\": {{context_window: 9000, max_output_tokens: 700}}}}\n",
        upstream.address
    );
    let gateway = Setup::config(config).start().await;
    let one = |path: &'static str, headers: &'static [(&str, &str)]| {
        let gateway = &gateway;
        async move { object(&gateway.get_with(path, headers).await) }
    };
    let list = one("/v1/models", &[]).await;
    let known: Vec<_> = list["data"].as_array().expect("a list").iter().map(|model| &model["context_window"]).collect();
    assert_eq!(known, [&json!(200_000), &json!(9000), &json!(200_000)]);
    assert_eq!(list["data"][0]["pricing"]["input_per_mtok"], 3);
    let model = one("/v1/models/fast", &[("anthropic-version", "2023-06-01")]).await;
    assert_eq!((&model["max_input_tokens"], &model["max_tokens"]), (&json!(200_000), &json!(64_000)));
    let model = one("/v1beta/models/anthropic%2Fown", &[]).await;
    assert_eq!((&model["inputTokenLimit"], &model["outputTokenLimit"]), (&json!(9000), &json!(700)));

    // Anthropic must be told how long an answer may be.
    gateway.post(CHAT, r#"{"model":"own","messages":[{"role":"user","content":"x"}]}"#).await;
    assert_eq!(sent(&upstream)["max_tokens"], 700);
}

#[tokio::test]
async fn qwen_on_groq_thinks_or_does_not() {
    let upstream = always(completion(&json!({"role": "assistant", "content": "hi"}))).await;
    let settings = format!("base_url: \"http://{}\", api_key: k, models: [m]", upstream.address);
    let groq = Setup::instances([("groq", settings)]).start().await;
    for (model, effort, expected) in [
        ("qwen/qwen3-32b", "low", "default"),
        ("qwen/qwen3-32b", "none", "none"),
        ("openai/gpt-oss-120b", "low", "low"),
        ("openai/gpt-oss-120b", "max", "high"),
    ] {
        let level = json!({"thinkingConfig": {"thinkingLevel": effort}});
        let level = if effort == "none" { json!({"thinkingConfig": {"thinkingBudget": 0}}) } else { level };
        let level = if effort == "max" { json!({"thinkingConfig": {"thinkingBudget": 60000}}) } else { level };
        let asked = json!({"contents": [{"role": "user", "parts": [{"text": "Hello"}]}], "generationConfig": level});
        let path = format!("/v1beta/models/groq%2F{}:generateContent", model.replace('/', "%2F"));
        let answer = groq.post(&path, asked.to_string()).await;
        assert_eq!(answer.head.status, 200, "{}", answer.text());
        assert_eq!(sent(&upstream)["reasoning_effort"], expected, "{model} {effort}");
    }
}
