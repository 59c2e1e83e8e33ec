//! Failures within streams and response objects, where no status tells of what sort they are.

use http::{HeaderMap, StatusCode};

use crate::dialects::errors::read_any_failure;
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
