//! What a client understands of an answer. It reads as strictly as SDKs do, and stricter: what it cannot place fails the test.

use super::{Wire, frames};
use serde_json::Value;

/// An answer, whole or streamed.
#[derive(Debug, Default, PartialEq)]
pub struct Told {
    pub text: String,
    pub input: u64,
    pub output: u64,
    /// Errors that came as events.
    pub errors: Vec<Value>,
    /// Whether the model is said to have ended of itself.
    pub is_finished: bool,
    /// How often the stream was ended as its dialect has it.
    pub ends: usize,
}

/// The events of a stream in server-sent events: their names, if they have any, and their data.
fn events(body: &str) -> Vec<(Option<&str>, &str)> {
    assert!(body.is_empty() || body.ends_with("\n\n"), "an event is not finished: {body:?}");
    let events = body.split("\n\n").filter(|event| !event.is_empty());
    events
        .map(|event| {
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            assert!(event.lines().all(|line| line.starts_with("event: ") || line.starts_with("data: ")), "{event:?}");
            (field("event"), field("data").expect("data"))
        })
        .collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|why| panic!("{why}: {text}"))
}

impl Told {
    /// Reads a whole answer.
    pub fn of(wire: Wire, body: &str) -> Self {
        let body = json(body);
        let mut told = Self::default();
        match wire {
            Wire::Chat => {
                assert_eq!(body["object"], "chat.completion", "{body}");
                let choice = &body["choices"][0];
                told.say(&choice["message"]["content"]);
                told.is_finished = choice["finish_reason"] == "stop";
                told.count(&body["usage"], "prompt_tokens", "completion_tokens");
            }
            Wire::Responses => {
                assert_eq!(body["object"], "response", "{body}");
                told.responses_output(&body);
            }
            Wire::Messages => {
                assert_eq!((&body["type"], &body["role"]), (&"message".into(), &"assistant".into()), "{body}");
                body["content"].as_array().expect("content").iter().for_each(|block| told.say(&block["text"]));
                told.is_finished = body["stop_reason"] == "end_turn";
                told.count(&body["usage"], "input_tokens", "output_tokens");
            }
            Wire::Gemini => told.gemini(&body),
            Wire::Converse => {
                let message = &body["output"]["message"];
                assert_eq!(message["role"], "assistant", "{body}");
                message["content"].as_array().expect("content").iter().for_each(|block| told.say(&block["text"]));
                told.is_finished = body["stopReason"] == "end_turn";
                told.count(&body["usage"], "inputTokens", "outputTokens");
            }
        }
        told.ends = 0;
        told
    }

    /// Reads a stream; one that stops in the middle too, but not one that stops within an event.
    pub fn of_stream(wire: Wire, body: &[u8]) -> Self {
        let mut told = Self::default();
        if wire == Wire::Converse {
            frames::read(body).iter().for_each(|frame| told.frame(frame));
            return told;
        }
        for (name, data) in events(std::str::from_utf8(body).expect("UTF-8")) {
            assert_eq!(told.ends, 0, "something comes behind the end: {data}");
            if wire == Wire::Responses && name == Some("response.failed") {
                // Said behind the error, by whatever event the client looks for; it is the same failure.
                let [error] = told.errors.as_slice() else { panic!("it failed without an error: {data}") };
                assert_eq!(json(data)["response"]["error"]["message"], error["message"]);
                continue;
            }
            assert!(told.errors.is_empty(), "something comes behind an error: {data}");
            if data == "[DONE]" {
                assert_eq!(wire, Wire::Chat);
                told.ends += 1;
                continue;
            }
            let event = json(data);
            match wire {
                Wire::Chat => told.chunk(&event),
                Wire::Responses | Wire::Messages => {
                    assert_eq!(event["type"], name.expect("a name"));
                    told.named(name.unwrap_or_default(), &event);
                }
                _ => told.gemini(&event),
            }
        }
        told
    }

    /// Reads Gemini's stream without `alt=sse`: one array.
    pub fn of_array(body: &str) -> Self {
        let mut told = Self::default();
        json(body).as_array().expect("an array").iter().for_each(|answer| told.gemini(answer));
        told
    }

    fn say(&mut self, text: &Value) {
        self.text.push_str(text.as_str().unwrap_or_default());
    }

    fn count(&mut self, usage: &Value, input: &str, output: &str) {
        for (place, count) in [(&mut self.input, &usage[input]), (&mut self.output, &usage[output])] {
            *place = count.as_u64().unwrap_or(*place);
        }
    }

    fn chunk(&mut self, event: &Value) {
        if event.get("error").is_some() {
            return self.errors.push(event.clone());
        }
        assert_eq!(event["object"], "chat.completion.chunk", "{event}");
        for choice in event["choices"].as_array().expect("choices") {
            assert!(!self.is_finished, "something comes behind the reason: {event}");
            self.say(&choice["delta"]["content"]);
            self.is_finished |= choice["finish_reason"] == "stop";
        }
        self.count(&event["usage"], "prompt_tokens", "completion_tokens");
    }

    fn named(&mut self, name: &str, event: &Value) {
        match name {
            "error" => self.errors.push(event.clone()),
            "response.failed" => self.errors.push(event["response"].clone()),
            "response.output_text.delta" => self.say(&event["delta"]),
            "response.completed" | "response.incomplete" => {
                let streamed = std::mem::take(&mut self.text);
                self.responses_output(&event["response"]);
                assert_eq!(self.text, streamed, "what was told in pieces is told again as a whole");
                self.ends += 1;
            }
            "message_start" => self.count(&event["message"]["usage"], "input_tokens", "output_tokens"),
            "content_block_delta" => self.say(&event["delta"]["text"]),
            "message_delta" => {
                self.is_finished = event["delta"]["stop_reason"] == "end_turn";
                self.count(&event["usage"], "input_tokens", "output_tokens");
            }
            "message_stop" => self.ends += 1,
            _ => {}
        }
    }

    fn responses_output(&mut self, response: &Value) {
        for item in response["output"].as_array().expect("output") {
            for content in item["content"].as_array().into_iter().flatten() {
                self.say(&content["text"]);
            }
        }
        self.is_finished = response["status"] == "completed";
        self.count(&response["usage"], "input_tokens", "output_tokens");
    }

    fn gemini(&mut self, answer: &Value) {
        if answer.get("error").is_some() {
            return self.errors.push(answer.clone());
        }
        for candidate in answer["candidates"].as_array().into_iter().flatten() {
            for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
                self.say(&part["text"]);
            }
            let is_finished = candidate["finishReason"] == "STOP";
            self.is_finished |= is_finished;
            self.ends += usize::from(is_finished);
        }
        self.count(&answer["usageMetadata"], "promptTokenCount", "candidatesTokenCount");
    }

    fn frame(&mut self, frame: &frames::Frame) {
        assert!(self.errors.is_empty(), "something comes behind an error: {frame:?}");
        assert_eq!(frame.header(":content-type"), "application/json");
        let payload = &frame.payload;
        match (frame.header(":message-type"), frame.header(":event-type")) {
            ("exception", _) => {
                assert!(frame.header(":exception-type").ends_with("Exception"), "{frame:?}");
                self.errors.push(payload.clone());
            }
            ("event", "contentBlockDelta") => self.say(&payload["delta"]["text"]),
            ("event", "messageStop") => {
                self.is_finished = payload["stopReason"] == "end_turn";
                self.ends += 1;
            }
            ("event", "metadata") => self.count(&payload["usage"], "inputTokens", "outputTokens"),
            ("event", _) => {}
            other => panic!("{other:?}"),
        }
    }
}
