//! Every client dialect over every provider dialect, whole and streamed.

use super::{Hub, json, model, name, understood};
use crate::support::gateway::JSON;
use crate::support::http::{Body, Piece};
use crate::support::upstream::{Gate, Reply};
use crate::support::wire::{INPUT, OUTPUT, TEXT, Told, Wire, frames};
use serde_json::json;

fn path(provider: Wire, is_stream: bool) -> &'static str {
    match (provider, is_stream) {
        (Wire::Chat, _) => "/v1/chat/completions",
        (Wire::Responses, _) => "/v1/responses",
        (Wire::Messages, _) => "/v1/messages",
        (Wire::Gemini, false) => "/v1beta/models/m:generateContent",
        (Wire::Gemini, true) => "/v1beta/models/m:streamGenerateContent?alt=sse",
        (Wire::Converse, false) => "/model/m/converse",
        (Wire::Converse, true) => "/model/m/converse-stream",
    }
}

fn credential(provider: Wire) -> (&'static str, &'static str) {
    match provider {
        Wire::Messages => ("x-api-key", "secret"),
        Wire::Gemini => ("x-goog-api-key", "secret"),
        _ => ("authorization", "Bearer secret"),
    }
}

#[tokio::test]
async fn every_client_is_answered_by_every_provider() {
    let hub = Hub::answering(Wire::reply).await;
    let mut lines = 0;
    for client in Wire::ALL {
        for (provider, is_stream) in Wire::ALL.into_iter().flat_map(|provider| [(provider, false), (provider, true)]) {
            let context = format!("{client:?} over {provider:?}, stream: {is_stream}");
            let answer = hub.ask(client, provider, is_stream).await;
            let told = understood(client, is_stream, &answer);
            let expected = Told {
                text: TEXT.to_owned(),
                input: INPUT,
                output: OUTPUT,
                is_finished: true,
                ends: usize::from(is_stream),
                errors: Vec::new(),
            };
            assert_eq!(told, expected, "{context}");
            assert!(answer.whole, "{context}");

            let headers = &answer.head.headers;
            let content_type = if is_stream { client.stream_type() } else { "application/json" };
            assert_eq!(headers.all("content-type").collect::<Vec<_>>(), [content_type], "{context}");
            assert_eq!(headers.get("x-narthex-instance"), Some(name(provider)), "{context}");
            assert_eq!(headers.get("x-narthex-model"), Some(provider.model()), "{context}");
            assert_eq!(headers.get("x-narthex-attempts"), Some("1"), "{context}");
            assert_eq!(headers.get("x-narthex-dropped"), None, "{context}");
            if let Some(length) = headers.get("content-length") {
                assert_eq!(length, answer.body.len().to_string(), "{context}");
            }

            let request = hub.last();
            assert_eq!(
                (request.method.as_str(), request.path.as_str()),
                ("POST", path(provider, is_stream)),
                "{context}"
            );
            let (header, value) = credential(provider);
            for name in ["authorization", "x-api-key", "x-goog-api-key", "api-key"] {
                assert_eq!(request.headers.get(name), (name == header).then_some(value), "{context}");
            }
            for (name, value) in [
                ("content-length", request.body.len().to_string().as_str()),
                ("content-type", "application/json"),
                ("accept-encoding", "identity"),
                ("host", &hub.upstream.address.to_string()),
            ] {
                assert_eq!(request.headers.all(name).collect::<Vec<_>>(), [value], "{context}: {name}");
            }
            assert_eq!(request.headers.get("transfer-encoding"), None, "{context}");
            assert_eq!(
                request.headers.get("anthropic-version"),
                (provider == Wire::Messages).then_some("2023-06-01"),
                "{context}"
            );
            assert_eq!(request.text().matches("Say hi").count(), 1, "{context}: {}", request.text());

            lines += 1;
            let line = hub.gateway.access_lines(lines).await.pop().expect("a line");
            let told = [
                "status",
                "outcome",
                "model",
                "instance",
                "upstream_model",
                "stream",
                "input_tokens",
                "output_tokens",
                "error",
            ]
            .map(|member| line[member].clone());
            let model = model(provider);
            assert_eq!(
                json!(told),
                json!([200, "ok", model, name(provider), provider.model(), is_stream, INPUT, OUTPUT, null]),
                "{context}: {line}"
            );
            assert_eq!(line["bytes_out"], answer.body.len(), "{context}");
        }
    }
}

#[tokio::test]
async fn a_gemini_client_may_want_its_stream_as_an_array() {
    let hub = Hub::answering(Wire::reply).await;
    for provider in Wire::ALL {
        let path = format!("/v1beta/models/{}:streamGenerateContent", model(provider));
        let answer = hub.gateway.post(&path, r#"{"contents":[{"parts":[{"text":"Say hi"}]}]}"#).await;
        assert_eq!(answer.head.status, 200, "{provider:?}: {}", answer.text());
        if provider == Wire::Gemini {
            // It is asked as the client asked; this one always sends events.
            assert_eq!(hub.last().path, "/v1beta/models/m:streamGenerateContent");
            continue;
        }
        assert_eq!(answer.head.headers.get("content-type"), Some("application/json"), "{provider:?}");
        let told = Told::of_array(answer.text());
        assert_eq!((told.text.as_str(), told.ends, told.input, told.output), (TEXT, 1, INPUT, OUTPUT), "{provider:?}");
    }
}

/// What a chat client's SDK sends along means nothing to Anthropic; what everybody understands goes with it.
#[tokio::test]
async fn headers_of_the_clients_dialect_stay_here() {
    let hub = Hub::answering(Wire::reply).await;
    let (path, body) = Wire::Chat.asking(&model(Wire::Messages), "Say hi", false);
    let headers = [
        ("authorization", "Bearer client"),
        ("openai-organization", "org"),
        ("openai-beta", "x"),
        ("x-stainless-lang", "python"),
        ("anthropic-beta", "tools"),
        ("accept", "text/event-stream"),
        ("accept-language", "de"),
        ("user-agent", "OpenAI/Python 2"),
        ("idempotency-key", "once"),
        ("traceparent", "00-1-2-01"),
        ("x-request-id", "mine"),
        ("cookie", "a=b"),
    ];
    let answer = hub.gateway.post_with(&path, &headers, body).await;
    assert_eq!(answer.head.headers.all("x-request-id").collect::<Vec<_>>(), ["mine"]);
    let mut names: Vec<_> = hub.last().headers.0.into_iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept-encoding",
            "accept-language",
            "anthropic-version",
            "content-length",
            "content-type",
            "host",
            "idempotency-key",
            "traceparent",
            "user-agent",
            "x-api-key",
            "x-request-id",
        ]
    );
    assert_eq!(
        json(&hub.last().body),
        json!({"model": "m", "max_tokens": json(&hub.last().body)["max_tokens"],
            "messages": [{"role": "user", "content": json(&hub.last().body)["messages"][0]["content"]}]})
    );
    assert!(json(&hub.last().body)["max_tokens"].as_u64() > Some(0), "Anthropic wants to be told");
}

/// The provider's own headers reach the client, but for those that speak of a body that it does not get.
#[tokio::test]
async fn headers_of_the_answer_reach_the_client() {
    let hub = Hub::answering(|_| {
        let body = Wire::Messages.answer();
        let length = body.len().to_string();
        let headers = [
            ("content-type", "application/json; charset=utf-8"),
            ("content-length", &length),
            ("request-id", "req_1"),
            ("anthropic-ratelimit-requests-remaining", "9"),
            ("x-request-id", "theirs"),
            ("x-narthex-instance", "forged"),
            ("set-cookie", "a=b"),
            ("etag", "\"x\""),
        ];
        Reply::head(200, &headers).bytes(body)
    })
    .await;
    for client in [Wire::Chat, Wire::Gemini, Wire::Converse] {
        let answer = hub.ask(client, Wire::Messages, false).await;
        assert_eq!(understood(client, false, &answer).text, TEXT);
        let headers = &answer.head.headers;
        let all = |name: &str| headers.all(name).collect::<Vec<_>>().join(",");
        assert_eq!(all("content-type"), "application/json");
        assert_eq!(all("request-id"), "req_1");
        assert_eq!(all("anthropic-ratelimit-requests-remaining"), "9");
        assert_eq!(all("x-upstream-request-id"), "theirs");
        assert_eq!(all("x-narthex-instance"), "messages");
        assert_eq!(all("set-cookie"), "");
        assert_ne!(all("content-length"), Wire::Messages.answer().len().to_string());
    }
}

/// Nothing is held back: each event is with the client before the provider sends the next.
#[tokio::test]
async fn events_do_not_wait_for_those_that_follow() {
    for provider in Wire::ALL {
        let gate = Gate::closed();
        let held = gate.clone();
        let hub = Hub::answering(move |_| {
            let held = &held;
            provider.stream().into_iter().fold(provider.begun(), |reply, event| reply.chunk(event).pause(held)).end()
        })
        .await;
        for client in [Wire::Chat, Wire::Messages, Wire::Gemini, Wire::Responses, Wire::Converse] {
            let (path, body) = client.asking(&model(provider), "Say hi", true);
            let mut connection = hub.gateway.client().await;
            connection.request("POST", &path, &[JSON], Body::Length(body.as_bytes())).await;
            assert_eq!(connection.read_head().await.status, 200);
            let mut seen = Vec::new();
            let first = TEXT.split_at(9).0;
            // The last of these events holds the first piece of text.
            let before = provider.stream().iter().position(|event| holds(event, first)).expect("it is told");
            (0..before).for_each(|_| gate.open());
            while !holds(&seen, first) {
                match connection.piece().await {
                    Piece::Data(data) => seen.extend(data),
                    other => panic!("{client:?} over {provider:?}: {other:?} {:?}", String::from_utf8_lossy(&seen)),
                }
            }
            (before..provider.stream().len()).for_each(|_| gate.open());
            loop {
                match connection.piece().await {
                    Piece::Data(data) => seen.extend(data),
                    Piece::End => break,
                    Piece::Cut => panic!("{client:?} over {provider:?} was cut"),
                }
            }
            assert_eq!(Told::of_stream(client, &seen).text, TEXT, "{client:?} over {provider:?}");
        }
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    let escaped = text.replace('"', "\\\"");
    bytes.windows(escaped.len()).any(|window| window == escaped.as_bytes())
}

/// A model that calls a tool, and gets its result: the ids and the arguments' own spelling survive the way there and back.
#[tokio::test]
async fn calls_and_results_cross_over() {
    let hub = Hub::answering(|request| match Wire::asked(request) {
        (Wire::Messages, false) => Reply::json(
            200,
            r#"{"id":"msg_1","type":"message","role":"assistant","model":"up","stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":2},
                "content":[{"type":"tool_use","id":"toolu_7","name":"weather","input":{"city":"Köln","days":1.50}}]}"#,
        ),
        _ => Wire::Messages.whole(),
    })
    .await;
    let tools = json!([{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]);
    let asking = json!({"model": "messages/m", "tools": tools, "messages": [{"role": "user", "content": "weather?"}]});
    let answer = json(&hub.gateway.post("/v1/chat/completions", asking.to_string()).await.body);
    let choice = &answer["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!((&call["id"], &call["function"]["name"]), (&"toolu_7".into(), &"weather".into()));
    assert_eq!(call["function"]["arguments"], r#"{"city":"Köln","days":1.50}"#);

    let result = json!({"role": "tool", "tool_call_id": "toolu_7", "content": "rain"});
    let asking = json!({"model": "converse/m", "tools": tools,
        "messages": [{"role": "user", "content": "weather?"}, choice["message"], result]});
    hub.gateway.post("/v1/chat/completions", asking.to_string()).await;
    let sent = hub.last();
    assert!(sent.text().contains("1.50"), "{}", sent.text());
    let messages = &json(&sent.body)["messages"];
    assert_eq!(messages[1]["content"][0]["toolUse"]["toolUseId"], "toolu_7", "{messages}");
    assert_eq!(messages[2]["content"][0]["toolResult"]["content"][0]["text"], "rain", "{messages}");
}

/// Amazon's clients find the frames as its own servers write them.
#[tokio::test]
async fn a_converse_client_reads_frames() {
    let hub = Hub::answering(Wire::reply).await;
    let answer = hub.ask(Wire::Converse, Wire::Chat, true).await;
    let names: Vec<_> = frames::read(&answer.body).iter().map(|frame| frame.header(":event-type").to_owned()).collect();
    assert_eq!((names[0].as_str(), names[names.len() - 1].as_str()), ("messageStart", "metadata"), "{names:?}");
    assert_eq!(names[names.len() - 2], "messageStop");
    assert!(!names.contains(&"contentBlockStart".to_owned()), "a text has no beginning: {names:?}");
}
