//! One line of a batch's output: OpenAI's `{"id", "custom_id", "response", "error"}`, and Anthropic's made of it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::object::{InputDetails, OutputDetails, Usage};

/// How a line ended.
#[derive(Debug, Serialize, Deserialize)]
pub struct ResultLine {
    pub id: String,
    pub custom_id: String,
    pub response: Option<Response>,
    pub error: Option<LineFailure>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Response {
    pub status_code: u16,
    #[serde(default)]
    pub request_id: Option<String>,
    pub body: Box<RawValue>,
}

/// Why a line has no answer at all.
#[derive(Debug, Serialize, Deserialize)]
pub struct LineFailure {
    #[serde(default)]
    pub code: Option<String>,
    #[serde(default)]
    pub message: Option<String>,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Succeeded,
    Errored,
    Canceled,
    Expired,
}

/// OpenAI's words for lines that nobody has answered.
const CANCELLED: &str = "batch_cancelled";
const EXPIRED: &str = "batch_expired";

impl ResultLine {
    /// An answer. `body` is JSON, or a text that is not.
    pub fn answered(id: String, custom_id: String, status_code: u16, request_id: Option<String>, body: &Bytes) -> Self {
        let body = match serde_json::from_slice::<Box<RawValue>>(body) {
            Ok(body) => body,
            Err(_) => to_raw_value(&String::from_utf8_lossy(body)).unwrap_or_default(),
        };
        Self { id, custom_id, response: Some(Response { status_code, request_id, body }), error: None }
    }

    pub fn failed(id: String, custom_id: String, code: &str, message: &str) -> Self {
        let error = LineFailure { code: Some(code.to_owned()), message: Some(message.to_owned()) };
        Self { id, custom_id, response: None, error: Some(error) }
    }

    pub fn cancelled(id: String, custom_id: String) -> Self {
        Self::failed(id, custom_id, CANCELLED, "This request could not be executed before the batch was cancelled.")
    }

    pub fn expired(id: String, custom_id: String) -> Self {
        Self::failed(id, custom_id, EXPIRED, "This request could not be executed before the completion window expired.")
    }

    pub fn outcome(&self) -> Outcome {
        match (&self.response, self.error.as_ref().and_then(|error| error.code.as_deref())) {
            (_, Some(CANCELLED)) => Outcome::Canceled,
            (_, Some(EXPIRED)) => Outcome::Expired,
            (Some(response), _) if (200..300).contains(&response.status_code) => Outcome::Succeeded,
            _ => Outcome::Errored,
        }
    }

    /// As JSON, on one line.
    pub fn text(&self) -> String {
        // No map of it has keys that are not texts, so nothing can fail.
        let text = serde_json::to_string(self).unwrap_or_default();
        // What a provider has written over several lines is JSON all the same.
        if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], " ") } else { text }
    }

    /// The tokens that it took.
    pub fn usage(&self) -> Option<Usage> {
        #[derive(Deserialize)]
        struct Body {
            usage: Option<Value>,
        }
        let body: Body = serde_json::from_str(self.response.as_ref()?.body.get()).ok()?;
        let usage = body.usage?;
        let number = |path: &[&str]| {
            path.iter().find_map(|pointer| usage.pointer(pointer).and_then(Value::as_u64)).unwrap_or_default()
        };
        let anthropics = number(&["/cache_read_input_tokens"]) + number(&["/cache_creation_input_tokens"]);
        let input = number(&["/input_tokens", "/prompt_tokens"]) + anthropics;
        let output = number(&["/output_tokens", "/completion_tokens"]);
        let cached = number(&[
            "/input_tokens_details/cached_tokens",
            "/prompt_tokens_details/cached_tokens",
            "/cache_read_input_tokens",
        ]);
        let reasoning =
            number(&["/output_tokens_details/reasoning_tokens", "/completion_tokens_details/reasoning_tokens"]);
        Some(Usage {
            input_tokens: input,
            input_tokens_details: InputDetails { cached_tokens: cached },
            output_tokens: output,
            output_tokens_details: OutputDetails { reasoning_tokens: reasoning },
            total_tokens: input + output,
        })
    }

    /// Anthropic's line (`GET /v1/messages/batches/{id}/results`).
    pub fn as_message_result(&self) -> String {
        let id = Value::from(self.custom_id.as_str());
        let result = match (self.outcome(), &self.response) {
            (Outcome::Succeeded, Some(response)) => {
                // Put together as text: numbers and the order of members stay as the provider wrote them.
                let message = response.body.get();
                return format!(r#"{{"custom_id":{id},"result":{{"type":"succeeded","message":{message}}}}}"#);
            }
            (Outcome::Canceled, _) => json!({ "type": "canceled" }),
            (Outcome::Expired, _) => json!({ "type": "expired" }),
            (_, Some(response)) => {
                let error = serde_json::from_str::<Value>(response.body.get()).unwrap_or_default();
                json!({ "type": "errored", "error": error })
            }
            (_, None) => {
                let message = self.error.as_ref().and_then(|error| error.message.as_deref()).unwrap_or("It failed.");
                let error = json!({ "type": "error", "error": { "type": "api_error", "message": message } });
                json!({ "type": "errored", "error": error })
            }
        };
        json!({ "custom_id": id, "result": result }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &'static str) -> ResultLine {
        ResultLine::answered("r".to_owned(), "a".to_owned(), status, None, &Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn an_answer_stays_as_it_was_written() {
        let line = answered(200, "{\"b\": 1.0,\n\"a\":2}");
        assert_eq!(
            line.text(),
            r#"{"id":"r","custom_id":"a","response":{"status_code":200,"request_id":null,"body":{"b": 1.0, "a":2}},"error":null}"#
        );
        assert_eq!(
            line.as_message_result().replace('\n', " "),
            r#"{"custom_id":"a","result":{"type":"succeeded","message":{"b": 1.0, "a":2}}}"#
        );
        assert!(answered(502, "<html>").text().contains(r#""body":"<html>""#));
    }

    #[test]
    fn tokens_are_counted_in_any_dialect() {
        let chat = answered(
            200,
            r#"{"usage":{"prompt_tokens":3,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":1}}}"#,
        );
        let usage = chat.usage().expect("counts");
        assert_eq!((usage.input_tokens, usage.output_tokens, usage.input_tokens_details.cached_tokens), (3, 2, 1));
        let messages = answered(200, r#"{"usage":{"input_tokens":3,"cache_read_input_tokens":4,"output_tokens":2}}"#);
        assert_eq!(messages.usage().expect("counts").total_tokens, 9);
        assert!(answered(200, "{}").usage().is_none());
    }

    #[test]
    fn every_end_has_a_name() {
        let end = |line: ResultLine| (line.outcome(), line.as_message_result());
        let id = || ("r".to_owned(), "a".to_owned());
        assert_eq!(end(ResultLine::cancelled(id().0, id().1)).1, r#"{"custom_id":"a","result":{"type":"canceled"}}"#);
        assert_eq!(end(ResultLine::expired(id().0, id().1)).0, Outcome::Expired);
        let errored = answered(400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"no"}}"#);
        assert!(errored.as_message_result().contains(r#""message":"no""#));
        assert_eq!(errored.outcome(), Outcome::Errored);
    }
}
