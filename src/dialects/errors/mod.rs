//! What went wrong, as each dialect writes it: as a whole answer, and as the last event of a stream that broke. And what a
//! provider said instead of an answer, read by whatever shape it has ([`read_any_failure`]); what only one vendor does is its
//! dialect's business.

mod read;
mod wait;
mod words;

use bytes::{Bytes, BytesMut};
use serde_json::json;

pub use read::read_any_failure;
pub use wait::retry_after;
pub use words::context_length;

use super::{Dialect, converse, openai_responses};
use crate::error::{Failure, Kind, Refusal};

impl Dialect {
    /// The body of an answer that tells of a failure. All four members of OpenAI's error object are always there, as its SDKs
    /// expect.
    pub fn write_failure(self, failure: &Failure, request_id: &str) -> Bytes {
        Bytes::from(self.error(failure, request_id).to_string())
    }

    /// The body of an answer that refuses.
    pub fn write_refusal(self, refusal: &Refusal, request_id: &str) -> Bytes {
        self.write_failure(&refusal.into(), request_id)
    }

    /// The last event of a stream that broke, for streams that we do not write ourselves. It ends with an empty line; nothing may
    /// follow it.
    pub fn write_failure_event(self, failure: &Failure, request_id: &str) -> Bytes {
        let error = self.error(failure, request_id);
        Bytes::from(match self {
            Self::Anthropic => format!("event: error\ndata: {error}\n\n"),
            Self::OpenaiResponses => return openai_responses::last_event(failure),
            Self::OpenaiChat | Self::Gemini => format!("data: {error}\n\n"),
            Self::Converse => {
                let mut frame = BytesMut::new();
                converse::write_exception(&mut frame, failure.kind, &failure.message);
                return frame.freeze();
            }
        })
    }

    /// The class of a failure, for the header `x-amzn-errortype`. `None`: this dialect tells it in the body.
    pub fn error_type(self, kind: Kind) -> Option<&'static str> {
        (self == Self::Converse).then(|| converse::error_type(kind))
    }

    /// The error object that this dialect sends, in its envelope.
    pub fn error(self, failure: &Failure, request_id: &str) -> serde_json::Value {
        let message = &failure.message;
        match self {
            Self::OpenaiChat | Self::OpenaiResponses => json!({"error": {
                "message": message,
                "type": openai_type(failure.kind),
                "param": failure.param,
                "code": failure.code,
            }}),
            Self::Anthropic => json!({
                "type": "error",
                "error": {"type": anthropic_type(failure.kind), "message": message},
                "request_id": request_id,
            }),
            Self::Gemini => json!({"error": {
                "code": failure.status.as_u16(),
                "message": message,
                "status": gemini_status(failure.kind),
            }}),
            Self::Converse => json!({"message": message}),
        }
    }
}

/// OpenAI's word for a sort of error.
pub fn openai_type(kind: Kind) -> &'static str {
    match kind {
        Kind::InvalidRequest | Kind::TooLarge | Kind::MethodNotAllowed => "invalid_request_error",
        Kind::Authentication => "authentication_error",
        Kind::Permission => "permission_error",
        Kind::NotFound => "not_found_error",
        Kind::Conflict => "conflict_error",
        Kind::RateLimited => "rate_limit_error",
        Kind::Quota => "insufficient_quota",
        Kind::Unavailable | Kind::Upstream | Kind::Internal => "server_error",
        Kind::Timeout => "timeout",
    }
}

fn anthropic_type(kind: Kind) -> &'static str {
    match kind {
        Kind::InvalidRequest | Kind::MethodNotAllowed => "invalid_request_error",
        Kind::TooLarge => "request_too_large",
        Kind::Authentication => "authentication_error",
        Kind::Permission => "permission_error",
        Kind::NotFound => "not_found_error",
        Kind::Conflict => "conflict_error",
        Kind::RateLimited => "rate_limit_error",
        Kind::Quota => "billing_error",
        Kind::Unavailable => "overloaded_error",
        Kind::Upstream | Kind::Internal => "api_error",
        Kind::Timeout => "timeout_error",
    }
}

fn gemini_status(kind: Kind) -> &'static str {
    match kind {
        Kind::InvalidRequest | Kind::TooLarge | Kind::MethodNotAllowed => "INVALID_ARGUMENT",
        Kind::Authentication => "UNAUTHENTICATED",
        Kind::Permission => "PERMISSION_DENIED",
        Kind::NotFound => "NOT_FOUND",
        Kind::Conflict => "ABORTED",
        Kind::RateLimited | Kind::Quota => "RESOURCE_EXHAUSTED",
        Kind::Unavailable | Kind::Upstream => "UNAVAILABLE",
        Kind::Timeout => "DEADLINE_EXCEEDED",
        Kind::Internal => "INTERNAL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_has_its_envelope() {
        let refusal = Refusal::invalid("no model").param("model");
        let written =
            |dialect: Dialect| String::from_utf8(dialect.write_refusal(&refusal, "r1").to_vec()).expect("text");
        assert_eq!(
            written(Dialect::OpenaiChat),
            r#"{"error":{"code":null,"message":"no model","param":"model","type":"invalid_request_error"}}"#
        );
        assert_eq!(
            written(Dialect::Anthropic),
            r#"{"error":{"message":"no model","type":"invalid_request_error"},"request_id":"r1","type":"error"}"#
        );
        assert_eq!(
            written(Dialect::Gemini),
            r#"{"error":{"code":400,"message":"no model","status":"INVALID_ARGUMENT"}}"#
        );
    }

    #[test]
    fn a_broken_stream_ends_in_one_event() {
        let refusal = Refusal::new(Kind::Upstream, "cut");
        let failure = Failure::from(&refusal);
        let event = Dialect::OpenaiResponses.write_failure_event(&failure, "r1");
        assert_eq!(
            event,
            concat!(
                "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"cut\",\"param\":null,",
                "\"error\":{\"code\":\"server_error\",\"message\":\"cut\",\"param\":null,\"type\":\"server_error\"}}\n\n"
            )
        );
        assert!(Dialect::OpenaiChat.write_failure_event(&failure, "r1").starts_with(b"data: {\"error\":"));
    }
}
