//! Every dialect: whole answers and streams, tools, reasoning that comes back, failures, cuts, counts.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use narthex::dialects::Dialect;
use narthex::dialects::ir::{self, Event, Fold, Part, event};
use serde_json::json;

const HELLO: &str = "You said: hello there (This is the simulator; no model was asked.)";

/// How one dialect asks, and where.
struct Way {
    dialect: Dialect,
    whole: &'static str,
    streamed: &'static str,
    content_type: &'static str,
    /// What a body adds to ask for a stream.
    stream: fn() -> Value,
    hello: fn() -> Value,
    tools: fn() -> Value,
    thinking: fn() -> Value,
}

const SSE: &str = "text/event-stream";

const WAYS: &[Way] = &[
    Way {
        dialect: Dialect::OpenaiChat,
        whole: "/v1/chat/completions",
        streamed: "/v1/chat/completions",
        content_type: SSE,
        stream: || json!({"stream": true, "stream_options": {"include_usage": true}}),
        hello: || json!({"model": "m", "messages": [{"role": "user", "content": "hello there"}]}),
        tools: || json!({"tools": [{"type": "function", "function": {"name": "weather", "parameters": schema()}}]}),
        thinking: || json!({"reasoning_effort": "low"}),
    },
    Way {
        dialect: Dialect::OpenaiResponses,
        whole: "/v1/responses",
        streamed: "/v1/responses",
        content_type: SSE,
        stream: || json!({"stream": true}),
        hello: || json!({"model": "m", "input": "hello there"}),
        tools: || json!({"tools": [{"type": "function", "name": "weather", "parameters": schema()}]}),
        thinking: || json!({"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}),
    },
    Way {
        dialect: Dialect::Anthropic,
        whole: "/v1/messages",
        streamed: "/anthropic/v1/messages",
        content_type: SSE,
        stream: || json!({"stream": true}),
        hello: || json!({"model": "m", "max_tokens": 2000, "messages": [{"role": "user", "content": "hello there"}]}),
        tools: || json!({"tools": [{"name": "weather", "input_schema": schema()}]}),
        thinking: || json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}),
    },
    Way {
        dialect: Dialect::Gemini,
        whole: "/v1beta/models/m:generateContent",
        streamed: "/v1beta/models/m:streamGenerateContent?alt=sse",
        content_type: SSE,
        stream: || json!({}),
        hello: || json!({"contents": [{"role": "user", "parts": [{"text": "hello there"}]}]}),
        tools: || json!({"tools": [{"functionDeclarations": [{"name": "weather", "parametersJsonSchema": schema()}]}]}),
        thinking: || json!({"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": true}}}),
    },
    Way {
        dialect: Dialect::Converse,
        whole: "/model/a.b-v1%3A0/converse",
        streamed: "/model/a.b-v1%3A0/converse-stream",
        content_type: "application/vnd.amazon.eventstream",
        stream: || json!({}),
        hello: || json!({"messages": [{"role": "user", "content": [{"text": "hello there"}]}]}),
        tools: || json!({"toolConfig": {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": schema()}}}]}}),
        thinking: || json!({"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}}),
    },
];

fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
}

fn joined(parts: impl IntoIterator<Item = Value>) -> Vec<u8> {
    let mut body = json!({});
    for part in parts {
        body.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
    }
    body.to_string().into_bytes()
}

impl Way {
    async fn ask(&self, connection: &mut Connection, more: &[Value]) -> Answer {
        let body = joined(std::iter::once((self.hello)()).chain(more.iter().cloned()));
        connection.post(self.whole, "", &body).await
    }

    async fn stream(&self, connection: &mut Connection, headers: &str, more: &[Value]) -> Answer {
        let parts = [(self.hello)(), (self.stream)()].into_iter().chain(more.iter().cloned());
        connection.post(self.streamed, headers, &joined(parts)).await
    }

    /// What the gateway's reader makes of an answer.
    fn read(&self, answer: &Answer) -> ir::Response {
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.dialect.provider().read_response(&answer.chunks.concat()).expect("an answer")
    }

    fn events(&self, answer: &Answer) -> Vec<Event> {
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.header("content-type").unwrap().starts_with(self.content_type));
        let provider = self.dialect.provider();
        let mut framing = provider.framing();
        let mut reader = provider.stream_reader();
        let mut events = Vec::new();
        for chunk in &answer.chunks {
            framing.push(chunk);
            while let Some(frame) = framing.next().expect("frames") {
                reader.read(&frame, &mut events);
            }
        }
        reader.end(&mut events);
        assert_eq!(event::check(&events), Ok(()), "{}", self.dialect.name());
        events
    }
}

fn fold(events: Vec<Event>) -> ir::Response {
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.push(event));
    fold.finish().expect("an answer")
}

fn parts(response: &ir::Response) -> impl Iterator<Item = &Part> {
    response.choices.iter().flat_map(|choice| &choice.parts)
}

fn texts(response: &ir::Response) -> String {
    let text = |part: &Part| if let Part::Text(text) = part { Some(text.text.clone()) } else { None };
    parts(response).filter_map(text).collect()
}

fn thoughts(response: &ir::Response) -> String {
    let thought = |part: &Part| if let Part::Reasoning(thought) = part { Some(thought.text.clone()) } else { None };
    parts(response).filter_map(thought).collect()
}

fn calls(response: &ir::Response) -> Vec<(&str, &str)> {
    let mut calls = Vec::new();
    for part in parts(response) {
        if let Part::ToolCall(call) = part {
            calls.push((call.name.as_str(), call.arguments.as_str()));
        }
    }
    calls
}

#[tokio::test]
async fn every_dialect_answers_whole_and_streaming() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    for way in WAYS {
        let whole = way.read(&way.ask(&mut connection, &[]).await);
        let streamed = fold(way.events(&way.stream(&mut connection, "", &[]).await));
        for response in [&whole, &streamed] {
            assert_eq!(texts(response), HELLO, "{}", way.dialect.name());
            let usage = response.usage.expect("the counts");
            assert_eq!((usage.input, usage.output), (2, 12), "{}", way.dialect.name());
            assert_eq!(response.choices[0].finish.reason, ir::Reason::Stop);
        }
    }
}

#[tokio::test]
async fn every_dialect_calls_tools_after_it_thought() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    for way in WAYS {
        let more = [(way.tools)(), (way.thinking)()];
        let whole = way.read(&way.ask(&mut connection, &more).await);
        let streamed = fold(way.events(&way.stream(&mut connection, "", &more).await));
        for response in [&whole, &streamed] {
            assert_eq!(calls(response), [("weather", r#"{"city":"city"}"#)], "{}", way.dialect.name());
            assert!(thoughts(response).starts_with("Thinking about it"), "{}", way.dialect.name());
            assert_eq!(response.choices[0].finish.reason, ir::Reason::ToolCalls, "{}", way.dialect.name());
        }
    }
}

#[tokio::test]
async fn every_dialect_has_its_envelope_for_failures() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    for way in WAYS {
        let headers = "x-simulate: error=429, retry-after=7\r\nx-request-id: r1\r\n";
        let answer = connection.post(way.whole, headers, &joined([(way.hello)()])).await;
        assert_eq!((answer.status, answer.header("retry-after")), (429, Some("7")));
        let error = answer.json();
        match way.dialect {
            Dialect::OpenaiChat | Dialect::OpenaiResponses => {
                assert_eq!(error["error"]["code"], "rate_limit_exceeded");
                assert_eq!(answer.header("x-request-id"), Some("r1"));
            }
            Dialect::Anthropic => {
                assert_eq!((&error["type"], &error["request_id"]), (&"error".into(), &"r1".into()));
                assert_eq!(error["error"]["type"], "rate_limit_error");
                assert_eq!(answer.header("request-id"), Some("r1"));
            }
            Dialect::Gemini => assert_eq!(error["error"]["status"], "RESOURCE_EXHAUSTED"),
            Dialect::Converse => {
                assert!(error["message"].is_string());
                assert_eq!(answer.header("x-amzn-errortype"), Some("ThrottlingException"));
                assert_eq!(answer.header("x-amzn-requestid"), Some("r1"));
            }
        }
        let wrong = connection.post(way.whole, "", b"{").await;
        assert_eq!(wrong.status, 400, "{}", wrong.text());
    }
}

#[tokio::test]
async fn every_dialect_breaks_off_as_it_is_told() {
    let simulator = start("tokens=20");
    for way in WAYS {
        let mut connection = simulator.connect().await;
        let cut = way.stream(&mut connection, "x-simulate: cut=6\r\n", &[]).await;
        assert_eq!((cut.chunks.len(), cut.complete), (6, false), "{}", way.dialect.name());

        let mut connection = simulator.connect().await;
        let told = way.stream(&mut connection, "x-simulate: error-after=6, error=529\r\n", &[]).await;
        assert!(told.complete, "{}", way.dialect.name());
        let events = way.events(&told);
        let [.., Event::Failed(failure), Event::End] = events.as_slice() else {
            panic!("{}: {events:?}", way.dialect.name());
        };
        assert!(failure.message.contains("told to fail"), "{failure:?}");
        let whole = connection.post(way.whole, "x-simulate: error-after=6\r\n", &joined([(way.hello)()])).await;
        assert_eq!(whole.status, 503);
    }
}

#[tokio::test]
async fn reasoning_comes_back_unaltered_or_not_at_all() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    let user = |text: &str| json!({"role": "user", "content": text});
    let asked = json!({"model": "m", "max_tokens": 2000, "thinking": {"type": "adaptive"}, "messages": [user("hi")]});
    let answer = connection.post("/v1/messages", "", &joined([asked.clone()])).await.json();
    let mut content = answer["content"].clone();
    assert_eq!(content[0]["type"], "thinking");
    let history = |content: &Value| {
        joined([
            asked.clone(),
            json!({"messages": [user("hi"), {"role": "assistant", "content": content}, user("and now?")]}),
        ])
    };
    let second = connection.post("/v1/messages", "", &history(&content)).await;
    assert!(second.json()["content"][1]["text"].as_str().unwrap().contains("and now?"));
    for (member, value) in [("signature", "AAAA"), ("thinking", "other")] {
        let was = content[0][member].take();
        content[0][member] = value.into();
        let refused = connection.post("/v1/messages", "", &history(&content)).await;
        assert_eq!(refused.status, 400);
        assert!(refused.text().contains("Invalid `signature`"), "{}", refused.text());
        content[0][member] = was;
    }
    let budget = json!({"thinking": {"type": "enabled", "budget_tokens": 2000}});
    assert_eq!(connection.post("/v1/messages", "", &joined([asked.clone(), budget])).await.status, 400);
    content[0].as_object_mut().unwrap().remove("signature");
    assert_eq!(connection.post("/v1/messages", "", &history(&content)).await.status, 400);
}

#[tokio::test]
async fn what_is_not_text_is_told_by_its_size() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    let data = STANDARD.encode([7; 68]);
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}});
    let content = json!([{"type": "text", "text": "look"}, image]);
    let body = json!({"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": content}]});
    let answer = connection.post("/v1/messages", "", &joined([body])).await.json();
    let text = answer["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("You said: look [image/png, 68 bytes]"), "{text}");
    assert_eq!(answer["usage"]["input_tokens"], 4);
}

#[tokio::test]
async fn a_failed_tool_is_told_apart() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    let result = json!({"type": "tool_result", "tool_use_id": "t", "is_error": true, "content": "no such city"});
    let body = json!({"model": "m", "max_tokens": 99, "tools": [{"name": "weather", "input_schema": schema()}],
        "messages": [{"role": "user", "content": "weather?"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "weather", "input": {}}]},
            {"role": "user", "content": [result, {"type": "text", "text": "go on"}]}]});
    let answer = connection.post("/v1/messages", "", &joined([body])).await.json();
    let text = answer["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("The tool failed: no such city go on"), "{text}");
}

#[tokio::test]
async fn tokens_are_counted() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    let [_, responses, _, gemini, converse] = WAYS else { panic!("five dialects") };
    let count = json!({"model": "m", "messages": [{"role": "user", "content": "hello there"}]});
    let wrapped = json!({"generateContentRequest": (gemini.hello)()});
    for (path, body, member) in [
        ("/v1/messages/count_tokens", count, "input_tokens"),
        ("/v1/responses/input_tokens", (responses.hello)(), "input_tokens"),
        ("/v1beta/models/m:countTokens", (gemini.hello)(), "totalTokens"),
        ("/v1beta/models/m:countTokens", wrapped, "totalTokens"),
        ("/model/m/count-tokens", json!({"input": {"converse": (converse.hello)()}}), "inputTokens"),
    ] {
        let answer = connection.post(path, "", &joined([body])).await;
        assert_eq!((answer.status, &answer.json()[member]), (200, &2.into()), "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn what_one_vendor_alone_has() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    let hello = (WAYS[3].hello)();
    let array = connection.post("/v1beta/models/m:streamGenerateContent", "", &joined([hello])).await;
    assert_eq!(array.header("content-type"), Some("application/json"));
    assert!(array.json().as_array().unwrap().len() > 10);

    let embed = json!({"content": {"parts": [{"text": "hello"}]}, "outputDimensionality": 4});
    let one = connection.post("/v1beta/models/m:embedContent", "", &joined([embed.clone()])).await;
    let batch =
        connection.post("/v1beta/models/m:batchEmbedContents", "", &joined([json!({"requests": [embed]})])).await;
    assert_eq!(one.json()["embedding"], batch.json()["embeddings"][0]);

    assert_eq!(connection.get("/v1/models", "").await.json()["object"], "list");
    let anthropic = connection.get("/v1/models", "anthropic-version: 2023-06-01\r\n").await;
    assert_eq!(anthropic.json()["data"][0]["type"], "model");
    let gemini = connection.get("/v1/models/simulator", "x-goog-api-key: k\r\n").await;
    assert_eq!(gemini.json()["name"], "models/simulator");
    assert_eq!(connection.get("/v1beta/models", "").await.json()["models"][0]["name"], "models/simulator");
    assert_eq!(connection.get("/v1beta/models/gone", "").await.json()["error"]["status"], "NOT_FOUND");
}

#[tokio::test]
async fn a_stop_sequence_is_named_where_the_dialect_names_it() {
    let simulator = start("");
    let mut connection = simulator.connect().await;
    let stopped = WAYS[2].ask(&mut connection, &[json!({"stop_sequences": ["there"]})]).await.json();
    assert_eq!((&stopped["stop_reason"], &stopped["stop_sequence"]), (&"stop_sequence".into(), &"there".into()));
    let limited = WAYS[2].ask(&mut connection, &[json!({"max_tokens": 3})]).await.json();
    assert_eq!((&limited["stop_reason"], &limited["usage"]["output_tokens"]), (&"max_tokens".into(), &3.into()));
}
