//! Failures within streams and response objects, where no status tells of what sort they are.

use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::json;

use bytes::{Bytes, BytesMut};

use crate::dialects::errors::{openai_type, read_any_failure};
use crate::dialects::wire;
use crate::error::{Failure, Kind};

/// Codes of this API alone (`openai.types.responses.ResponseError`), by how they begin. Most tell of an image that is no good.
const CODES: &[(&str, Kind)] = &[
    ("invalid_", Kind::InvalidRequest),
    ("image_", Kind::InvalidRequest),
    ("empty_image", Kind::InvalidRequest),
    ("unsupported_image", Kind::InvalidRequest),
    ("failed_to_download_image", Kind::InvalidRequest),
    ("bio_policy", Kind::InvalidRequest),
    ("misalignment_policy_violation", Kind::InvalidRequest),
    ("vector_store_timeout", Kind::Timeout),
    ("server_is_overloaded", Kind::Unavailable),
];

/// Reads an error object, in whatever envelope, that came with a success.
pub fn of_error(json: &[u8]) -> Failure {
    let failure = read_any_failure(StatusCode::OK, &HeaderMap::new(), json);
    let code = failure.code.as_deref().unwrap_or_default();
    match CODES.iter().find(|(start, _)| failure.kind == Kind::Upstream && code.starts_with(start)) {
        Some((_, kind)) => Failure { kind: *kind, status: kind.status(), ..failure },
        None => failure,
    }
}

/// An `error` event. The reference documents the members at the top; the API sends them in `error`, and only that makes SDKs raise.
#[derive(Debug, Serialize)]
pub struct Broken<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<u64>,
    code: &'a str,
    message: &'a str,
    param: Option<&'a str>,
    error: serde_json::Value,
}

impl<'a> Broken<'a> {
    pub fn of(failure: &'a Failure, sequence_number: Option<u64>) -> Self {
        let Failure { message, param, .. } = failure;
        let code = failure.code.as_deref().unwrap_or_else(|| code(failure));
        let error = json!({"type": openai_type(failure.kind), "code": code, "message": message, "param": param});
        Self { kind: "error", sequence_number, code, message, param: param.as_deref(), error }
    }
}

/// The last event of a stream that was forwarded until it broke. A whole response object, which the API sends behind it, is not at hand.
pub fn last_event(failure: &Failure) -> Bytes {
    let mut out = BytesMut::new();
    wire::write_event(&mut out, Some("error"), &Broken::of(failure, None));
    out.freeze()
}

/// What went wrong by a name of this API: its clients decide by it whether to try again, and when.
pub fn code(failure: &Failure) -> &str {
    let is_ours = |code: &&str| code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let own = failure.code.as_deref().filter(is_ours);
    match failure.kind {
        Kind::RateLimited => "rate_limit_exceeded",
        Kind::Quota => "insufficient_quota",
        Kind::Unavailable => "server_is_overloaded",
        Kind::InvalidRequest | Kind::TooLarge => own.unwrap_or("invalid_prompt"),
        _ => own.unwrap_or("server_error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_without_a_status_gets_one() {
        for (error, kind) in [
            (r#"{"code":"rate_limit_exceeded","message":"m"}"#, Kind::RateLimited),
            (r#"{"code":"insufficient_quota","message":"m"}"#, Kind::Quota),
            (r#"{"code":"context_length_exceeded","message":"m"}"#, Kind::InvalidRequest),
            (r#"{"code":"invalid_image_format","message":"m"}"#, Kind::InvalidRequest),
            (r#"{"code":null,"type":"invalid_request_error","message":"m"}"#, Kind::InvalidRequest),
            (r#"{"code":"unknown-error","message":"m"}"#, Kind::Upstream),
            (r#"{"type":"error","sequence_number":2,"code":"invalid_prompt","message":"m"}"#, Kind::InvalidRequest),
            (
                r#"{"type":"error","error":{"type":"tokens","code":"rate_limit_exceeded","message":"m"}}"#,
                Kind::RateLimited,
            ),
        ] {
            let failure = of_error(error.as_bytes());
            assert_eq!((failure.kind, failure.message.as_str()), (kind, "m"), "{error}");
            assert_eq!(failure.status, kind.status());
        }
    }
}
