//! The wire formats in miniature, written by hand: what a client of each asks, what a provider of each answers, and what a client
//! understands of an answer. Shared by tests of anything that speaks them.

pub mod frames;
mod told;

use super::upstream::{Received, Reply};
use frames::frame;
use serde_json::json;
#[allow(unused_imports, reason = "not every test of those that share this looks at what was told")]
pub use told::Told;

/// What every provider here says. It has what is easily broken: quotes, a line's end, characters of two to four bytes.
pub const TEXT: &str = "Grüße, \"世界\" \u{1f30d}\nund so weiter";
pub const INPUT: u64 = 11;
pub const OUTPUT: u64 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    Chat,
    Responses,
    Messages,
    Gemini,
    Converse,
}

impl Wire {
    pub const ALL: [Self; 5] = [Self::Chat, Self::Responses, Self::Messages, Self::Gemini, Self::Converse];

    /// Path and body of a request to `model`, that says `words`.
    pub fn asking(self, model: &str, words: &str, is_stream: bool) -> (String, String) {
        let encoded = model.replace('/', "%2F");
        let turn = json!([{"role": "user", "content": words}]);
        let (path, body) = match self {
            Self::Chat => (
                "/v1/chat/completions".to_owned(),
                json!({"model": model, "messages": turn, "stream": is_stream,
                    "stream_options": is_stream.then(|| json!({"include_usage": true}))}),
            ),
            Self::Responses => {
                ("/v1/responses".to_owned(), json!({"model": model, "input": words, "stream": is_stream}))
            }
            Self::Messages => (
                "/v1/messages".to_owned(),
                json!({"model": model, "max_tokens": 100, "messages": turn, "stream": is_stream}),
            ),
            Self::Gemini => (
                match is_stream {
                    true => format!("/v1beta/models/{encoded}:streamGenerateContent?alt=sse"),
                    false => format!("/v1beta/models/{encoded}:generateContent"),
                },
                json!({"contents": [{"role": "user", "parts": [{"text": words}]}]}),
            ),
            Self::Converse => (
                format!("/model/{encoded}/converse{}", if is_stream { "-stream" } else { "" }),
                json!({"messages": [{"role": "user", "content": [{"text": words}]}]}),
            ),
        };
        (path, body.to_string())
    }

    /// The dialect that a provider is spoken to in, and whether a stream is asked for.
    pub fn asked(request: &Received) -> (Self, bool) {
        let says_stream = || {
            let body: serde_json::Value = serde_json::from_slice(&request.body).expect("JSON");
            body["stream"] == true
        };
        let path = request.path.as_str();
        match path {
            _ if path.ends_with("/chat/completions") => (Self::Chat, says_stream()),
            _ if path.ends_with("/responses") => (Self::Responses, says_stream()),
            _ if path.ends_with("/messages") => (Self::Messages, says_stream()),
            _ if path.contains("enerateContent") => (Self::Gemini, path.contains(":stream")),
            _ if path.contains("/converse") => (Self::Converse, path.ends_with("-stream")),
            _ => panic!("nobody serves {path}"),
        }
    }

    /// The settings of an instance of a provider that speaks this, at `root` (`http://host:port`), with the one model `m` or what
    /// it takes to have OpenAI's door chosen. Nobody is asked for a list.
    pub fn instance(self, root: &str) -> String {
        let (kind, base, model) = match self {
            Self::Chat => ("opencode-go", "/v1", "m"),
            Self::Responses => ("openai", "/v1", "gpt-5-codex"),
            Self::Messages => ("anthropic", "", "m"),
            Self::Gemini => ("gemini", "", "m"),
            Self::Converse => ("bedrock", "", "m"),
        };
        format!("type: {kind}, base_url: \"{root}{base}\", api_key: secret, models: [{model}], models_mode: allowlist")
    }

    /// How that instance's model is called at the provider.
    pub fn model(self) -> &'static str {
        if self == Self::Responses { "gpt-5-codex" } else { "m" }
    }

    /// The whole answer [`TEXT`].
    pub fn answer(self) -> String {
        let (input, output, total) = (INPUT, OUTPUT, INPUT + OUTPUT);
        let answer = match self {
            Self::Chat => json!({"id": "c1", "object": "chat.completion", "created": 5, "model": "up",
                "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": input, "completion_tokens": output, "total_tokens": total}}),
            Self::Responses => response("completed", json!([message("completed", TEXT)])),
            Self::Messages => json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "up",
                "content": [{"type": "text", "text": TEXT}], "stop_reason": "end_turn", "stop_sequence": null,
                "usage": {"input_tokens": input, "output_tokens": output}}),
            Self::Gemini => {
                json!({"candidates": [candidate(TEXT, Some("STOP"))], "modelVersion": "up", "responseId": "r1",
                "usageMetadata": {"promptTokenCount": input, "candidatesTokenCount": output, "totalTokenCount": total}})
            }
            Self::Converse => json!({"output": {"message": {"role": "assistant", "content": [{"text": TEXT}]}},
                "stopReason": "end_turn", "metrics": {"latencyMs": 7},
                "usage": {"inputTokens": input, "outputTokens": output, "totalTokens": total}}),
        };
        answer.to_string()
    }

    pub fn whole(self) -> Reply {
        Reply::json(200, self.answer())
    }

    /// The content type of streams.
    pub fn stream_type(self) -> &'static str {
        if self == Self::Converse { "application/vnd.amazon.eventstream" } else { "text/event-stream" }
    }

    /// The same answer as events, each with all of its bytes. The last one that has text is followed by those that end it.
    pub fn stream(self) -> Vec<Vec<u8>> {
        let (first, second) = TEXT.split_at(9);
        let text = |event: serde_json::Value| format!("data: {event}\n\n").into_bytes();
        let named = |event: serde_json::Value| {
            format!("event: {}\ndata: {event}\n\n", event["type"].as_str().expect("a type")).into_bytes()
        };
        match self {
            Self::Chat => {
                let chunk = |delta: serde_json::Value, reason: Option<&str>| {
                    text(json!({"id": "c1", "object": "chat.completion.chunk", "created": 5, "model": "up",
                        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}))
                };
                vec![
                    chunk(json!({"role": "assistant", "content": ""}), None),
                    chunk(json!({"content": first}), None),
                    chunk(json!({"content": second}), None),
                    chunk(json!({}), Some("stop")),
                    text(
                        json!({"id": "c1", "object": "chat.completion.chunk", "created": 5, "model": "up", "choices": [],
                        "usage": {"prompt_tokens": INPUT, "completion_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT}}),
                    ),
                    b"data: [DONE]\n\n".to_vec(),
                ]
            }
            Self::Responses => {
                let at = json!({"item_id": "msg_1", "output_index": 0, "content_index": 0});
                let events = [
                    json!({"type": "response.created", "response": response("in_progress", json!([]))}),
                    json!({"type": "response.output_item.added", "output_index": 0, "item": message("in_progress", "")}),
                    merged(&at, json!({"type": "response.output_text.delta", "delta": first})),
                    merged(&at, json!({"type": "response.output_text.delta", "delta": second})),
                    merged(&at, json!({"type": "response.output_text.done", "text": TEXT})),
                    json!({"type": "response.output_item.done", "output_index": 0, "item": message("completed", TEXT)}),
                    json!({"type": "response.completed", "response": response("completed", json!([message("completed", TEXT)]))}),
                ];
                (0..).zip(events).map(|(n, event)| named(merged(&json!({"sequence_number": n}), event))).collect()
            }
            Self::Messages => {
                let delta = |piece: &str| {
                    named(
                        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}),
                    )
                };
                vec![
                    named(
                        json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant",
                        "model": "up", "content": [], "stop_reason": null, "usage": {"input_tokens": INPUT, "output_tokens": 1}}}),
                    ),
                    named(
                        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
                    ),
                    delta(first),
                    delta(second),
                    named(json!({"type": "content_block_stop", "index": 0})),
                    named(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
                        "usage": {"output_tokens": OUTPUT}})),
                    named(json!({"type": "message_stop"})),
                ]
            }
            Self::Gemini => {
                let answer = |piece: &str, reason| json!({"candidates": [candidate(piece, reason)], "modelVersion": "up", "responseId": "r1"});
                let usage = json!({"usageMetadata": {"promptTokenCount": INPUT, "candidatesTokenCount": OUTPUT,
                    "totalTokenCount": INPUT + OUTPUT}});
                vec![
                    text(answer(first, None)),
                    text(answer(second, None)),
                    text(merged(&usage, answer("", Some("STOP")))),
                ]
            }
            Self::Converse => {
                let delta = |piece: &str| {
                    frame("contentBlockDelta", &json!({"contentBlockIndex": 0, "delta": {"text": piece}}))
                };
                vec![
                    frame("messageStart", &json!({"role": "assistant"})),
                    delta(first),
                    delta(second),
                    frame("contentBlockStop", &json!({"contentBlockIndex": 0})),
                    frame("messageStop", &json!({"stopReason": "end_turn"})),
                    frame(
                        "metadata",
                        &json!({"metrics": {"latencyMs": 7},
                        "usage": {"inputTokens": INPUT, "outputTokens": OUTPUT, "totalTokens": INPUT + OUTPUT}}),
                    ),
                ]
            }
        }
    }

    /// The head of a stream.
    pub fn begun(self) -> Reply {
        Reply::chunked(200, &[("content-type", self.stream_type())])
    }

    /// The stream, cut without regard to events or characters.
    pub fn streamed(self) -> Reply {
        self.stream().concat().chunks(7).fold(self.begun(), Reply::chunk).end()
    }

    /// What was asked for.
    pub fn reply(request: &Received) -> Reply {
        let (wire, is_stream) = Self::asked(request);
        if is_stream { wire.streamed() } else { wire.whole() }
    }

    /// The body of an error answer, as this dialect's inventor writes it.
    pub fn error(self, status: u16, message: &str) -> String {
        let error = match self {
            Self::Chat | Self::Responses => {
                json!({"error": {"message": message, "type": "server_error", "param": null, "code": "theirs"}})
            }
            Self::Messages => {
                json!({"type": "error", "error": {"type": "theirs", "message": message}, "request_id": "r"})
            }
            Self::Gemini => json!({"error": {"code": status, "message": message, "status": "THEIRS"}}),
            Self::Converse => json!({"message": message}),
        };
        error.to_string()
    }

    /// The message of an error in the shape that this dialect's clients read; fails if it has another.
    pub fn message_of(self, error: &serde_json::Value) -> &str {
        let (message, is_shaped) = match self {
            Self::Chat | Self::Responses => {
                let members = ["message", "type", "param", "code"];
                (&error["error"]["message"], members.iter().all(|member| error["error"].get(member).is_some()))
            }
            Self::Messages => (
                &error["error"]["message"],
                error["type"] == "error" && error["error"]["type"].is_string() && error["request_id"].is_string(),
            ),
            Self::Gemini => {
                (&error["error"]["message"], error["error"]["code"].is_u64() && error["error"]["status"].is_string())
            }
            Self::Converse => (&error["message"], true),
        };
        assert!(is_shaped, "no error of {self:?}: {error}");
        message.as_str().unwrap_or_else(|| panic!("no error of {self:?}: {error}"))
    }
}

fn merged(more: &serde_json::Value, mut into: serde_json::Value) -> serde_json::Value {
    let members = more.as_object().expect("an object").clone();
    into.as_object_mut().expect("an object").extend(members);
    into
}

fn message(status: &str, text: &str) -> serde_json::Value {
    let content = json!([{"type": "output_text", "text": text, "annotations": []}]);
    let content = if text.is_empty() { json!([]) } else { content };
    json!({"type": "message", "id": "msg_1", "status": status, "role": "assistant", "content": content})
}

fn response(status: &str, output: serde_json::Value) -> serde_json::Value {
    let usage = json!({"input_tokens": INPUT, "output_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT});
    let usage = if status == "completed" { usage } else { json!(null) };
    json!({"id": "resp_1", "object": "response", "created_at": 5, "status": status, "model": "up", "error": null,
        "incomplete_details": null, "output": output, "usage": usage})
}

fn candidate(text: &str, reason: Option<&str>) -> serde_json::Value {
    let mut candidate = json!({"content": {"role": "model", "parts": [{"text": text}]}, "index": 0});
    if let Some(reason) = reason {
        candidate["finishReason"] = reason.into();
    }
    candidate
}
