//! Clouds: what stands in place of a key, where their requests go, and media for providers that do not fetch them.

mod azure;
mod media;
mod vertex;

use crate::support::upstream::{Received, Reply};
use serde_json::{Value, json};

/// The members of a form.
pub fn form(request: &Received) -> Vec<(String, String)> {
    let text = String::from_utf8(request.body.clone()).expect("a form");
    let decoded = |part: &str| {
        let part = part.replace('+', " ");
        percent_encoding::percent_decode_str(&part).decode_utf8().expect("UTF-8").into_owned()
    };
    let pairs = text.split('&').map(|pair| pair.split_once('=').expect("a pair"));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

pub fn member<'a>(form: &'a [(String, String)], name: &str) -> &'a str {
    form.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value)
}

pub fn token(name: &str) -> Reply {
    Reply::json(200, json!({"access_token": name, "expires_in": 3600, "token_type": "Bearer"}).to_string())
}

pub fn body(request: &Received) -> Value {
    serde_json::from_slice(&request.body).expect("JSON")
}

pub fn gemini_says_hi() -> Reply {
    let part = json!({"role": "model", "parts": [{"text": "Hi"}]});
    let usage =
        json!({"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4, "trafficType": "ON_DEMAND"});
    let candidate = json!([{"content": part, "finishReason": "STOP", "avgLogprobs": -0.1}]);
    Reply::json(
        200,
        json!({"candidates": candidate, "usageMetadata": usage, "modelVersion": "gemini-2.5-flash"}).to_string(),
    )
}

pub fn claude_says_hi() -> Reply {
    let usage = json!({"input_tokens": 3, "output_tokens": 1});
    let answer = json!({"id": "msg_vrtx_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn", "stop_sequence": null, "usage": usage});
    Reply::json(200, answer.to_string())
}

pub fn chat_says_hi() -> Reply {
    let message = json!({"role": "assistant", "content": "Hi"});
    let choice = json!([{"index": 0, "message": message, "finish_reason": "stop"}]);
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4});
    let answer =
        json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": choice, "usage": usage});
    Reply::json(200, answer.to_string())
}
