//! A stand-in for all providers at once: it answers by the path that it is asked at, in the dialect that is spoken there.

use crate::clouds::token;
use crate::support::upstream::{Received, Reply};
use crate::support::wire::{TEXT, Wire};
use serde_json::{Value, json};

/// What its embeddings are.
pub const VECTOR: [f64; 2] = [0.25, -1.0];
/// What it says aloud.
pub const SOUND: &[u8] = b"ID3 some sound";
/// What it hears.
pub const HEARD: &str = "good morning";
/// What it says when it is to keep to a schema.
pub const STRUCTURED: &str = r#"{"capital":"Paris"}"#;
/// The model that its lists have.
pub const LISTED: &str = "listed-model";

pub fn answer(request: &Received) -> Reply {
    let path = request.path.split('?').next().unwrap_or_default();
    let is = |end: &str| path.ends_with(end);
    let whole = |value: Value| Reply::json(200, value.to_string());
    match () {
        () if path.starts_with("/computeMetadata/") => token("ya29.test"),
        () if is("/native/thing") => whole(json!({"native": true})),
        () if is("/foundation-models") => whole(json!({"modelSummaries": [{"modelId": LISTED, "modelArn": "a",
            "inputModalities": ["TEXT"], "outputModalities": ["TEXT"], "inferenceTypesSupported": ["ON_DEMAND"],
            "responseStreamingSupported": true, "modelLifecycle": {"status": "ACTIVE"}}]})),
        () if is("/inference-profiles") => whole(json!({"inferenceProfileSummaries": []})),
        () if is("/models") => {
            whole(json!({"object": "list", "data": [{"id": LISTED, "object": "model", "created": 5}]}))
        }
        () if is("/embeddings") => {
            whole(json!({"object": "list", "model": "m", "usage": {"prompt_tokens": 2, "total_tokens": 2},
            "data": [{"object": "embedding", "index": 0, "embedding": VECTOR}]}))
        }
        () if is(":predict") => whole(json!({"predictions": [
            {"embeddings": {"statistics": {"truncated": false, "token_count": 2}, "values": VECTOR}}]})),
        () if is("/invoke") => whole(json!({"embedding": VECTOR, "inputTextTokenCount": 2})),
        () if is("/audio/speech") => Reply::whole(200, "audio/mpeg", SOUND),
        () if is("/audio/transcriptions") => whole(json!({"text": HEARD})),
        () => speaks(request),
    }
}

fn speaks(request: &Received) -> Reply {
    let (wire, is_stream) = Wire::asked(request);
    let asked = request.text();
    match () {
        () if is_stream => wire.streamed(),
        () if asked.contains("get_weather") => Reply::json(200, calling(wire).to_string()),
        () if asked.contains("capital") => says(wire, STRUCTURED),
        // Xiaomi's models speak and listen in chats.
        () if asked.contains("\"audio\":{") => Reply::json(200, spoken().to_string()),
        () if asked.contains("input_audio") => says(wire, HEARD),
        () => wire.whole(),
    }
}

fn says(wire: Wire, text: &str) -> Reply {
    let quoted = |text: &str| Value::from(text).to_string();
    Reply::json(200, wire.answer().replace(&quoted(TEXT), &quoted(text)))
}

fn spoken() -> Value {
    use base64::Engine;
    let data = base64::engine::general_purpose::STANDARD.encode(SOUND);
    let message = json!({"role": "assistant", "content": null, "audio": {"id": "a", "data": data, "transcript": ""}});
    json!({"id": "c", "object": "chat.completion", "created": 5, "model": "up",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
}

/// An answer that calls `get_weather`.
fn calling(wire: Wire) -> Value {
    let mut answer: Value = serde_json::from_str(&wire.answer()).expect("JSON");
    let input = json!({"city": "Paris"});
    match wire {
        Wire::Chat => {
            let call = json!({"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": input.to_string()}});
            answer["choices"][0]["message"] = json!({"role": "assistant", "content": null, "tool_calls": [call]});
            answer["choices"][0]["finish_reason"] = "tool_calls".into();
        }
        Wire::Responses => {
            answer["output"] = json!([{"type": "function_call", "id": "fc_1", "call_id": "call_1", "status": "completed",
                "name": "get_weather", "arguments": input.to_string()}]);
        }
        Wire::Messages => {
            answer["content"] = json!([{"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": input}]);
            answer["stop_reason"] = "tool_use".into();
        }
        Wire::Gemini => {
            answer["candidates"][0]["content"]["parts"] =
                json!([{"functionCall": {"name": "get_weather", "args": input}}]);
        }
        Wire::Converse => {
            let call = json!({"toolUseId": "tooluse_1", "name": "get_weather", "input": input});
            answer["output"]["message"]["content"] = json!([{"toolUse": call}]);
            answer["stopReason"] = "tool_use".into();
        }
    }
    answer
}
