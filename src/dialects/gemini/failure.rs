//! How Google says that something went wrong: `{"error": {code, message, status, details}}`, from some of its servers in an
//! array.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::dialects::errors::context_length;
use crate::dialects::ir::Json;
use crate::error::{Failure, Kind};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Envelope {
    error: Option<Json>,
    message: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    code: Option<Json>,
    message: Option<String>,
    status: Option<String>,
    details: Option<Json>,
}

/// One of `google.rpc`'s details: `RetryInfo`, `ErrorInfo` or `BadRequest`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Detail {
    retry_delay: Option<String>,
    reason: Option<String>,
    field_violations: Option<Vec<FieldViolation>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FieldViolation {
    field: Option<String>,
}

pub fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
    // A struct would also be read from an array, member by member.
    let envelope = if body.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice::<Vec<Envelope>>(body).ok().and_then(|all| all.into_iter().next())
    } else {
        serde_json::from_slice(body).ok()
    };
    let envelope = envelope.unwrap_or_default();
    // Under a status of success the error itself may have one.
    let own = Some(status).filter(|status| status.as_u16() >= 400);
    let mut failure = match &envelope.error {
        Some(error) => described(error, own),
        None => {
            let message = envelope.message.unwrap_or_else(|| words(status, body));
            Failure::new(own.unwrap_or(StatusCode::BAD_GATEWAY), message)
        }
    };
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    failure.retry_after = seconds.map(Duration::from_secs).or(failure.retry_after);
    failure
}

/// An error where an answer was expected: the status is the one that it tells.
pub fn within(error: &Json) -> Failure {
    described(error, None)
}

fn described(error: &Json, status: Option<StatusCode>) -> Failure {
    if let Ok(message) = serde_json::from_str::<String>(error.get()) {
        return Failure::new(status.unwrap_or(StatusCode::BAD_GATEWAY), message);
    }
    let body: Body = serde_json::from_str(error.get()).unwrap_or_default();
    let told = body.code.as_ref().and_then(|code| serde_json::from_str::<u16>(code.get()).ok());
    let told = told.and_then(|code| StatusCode::from_u16(code).ok()).filter(|code| code.as_u16() >= 400);
    let named = body.status.as_deref().and_then(status_of);
    let status = status.or(told).or(named).unwrap_or(StatusCode::BAD_GATEWAY);
    let details: Vec<Detail> =
        body.details.and_then(|details| serde_json::from_str(details.get()).ok()).unwrap_or_default();
    let message = body.message.filter(|message| !message.is_empty());
    let mut failure = Failure::new(status, message.unwrap_or_else(|| words(status, b"")));
    for detail in details {
        failure.retry_after = detail.retry_delay.as_deref().and_then(delay).or(failure.retry_after);
        let field = detail.field_violations.and_then(|all| all.into_iter().find_map(|violation| violation.field));
        failure.param = failure.param.or(field);
        if detail.reason.as_deref() == Some("API_KEY_INVALID") {
            // Google calls that a bad argument.
            failure.kind = Kind::Authentication;
        }
    }
    let is_of_request = failure.kind == Kind::InvalidRequest;
    failure.code = is_of_request.then(|| context_length(&failure.message)).flatten().or(body.status);
    failure
}

/// `31s`, `0.5s`.
fn delay(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// The status that goes with a code of `google.rpc.Code`.
fn status_of(code: &str) -> Option<StatusCode> {
    Some(match code {
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => StatusCode::BAD_REQUEST,
        "UNAUTHENTICATED" => StatusCode::UNAUTHORIZED,
        "PERMISSION_DENIED" => StatusCode::FORBIDDEN,
        "NOT_FOUND" => StatusCode::NOT_FOUND,
        "ABORTED" | "ALREADY_EXISTS" => StatusCode::CONFLICT,
        "RESOURCE_EXHAUSTED" => StatusCode::TOO_MANY_REQUESTS,
        "INTERNAL" | "UNKNOWN" | "DATA_LOSS" => StatusCode::INTERNAL_SERVER_ERROR,
        "UNIMPLEMENTED" => StatusCode::NOT_IMPLEMENTED,
        "UNAVAILABLE" => StatusCode::SERVICE_UNAVAILABLE,
        "DEADLINE_EXCEEDED" => StatusCode::GATEWAY_TIMEOUT,
        _ => return None,
    })
}

/// Where nothing was said that could be repeated.
fn words(status: StatusCode, body: &[u8]) -> String {
    let text = std::str::from_utf8(body).unwrap_or_default().trim();
    let is_plain = !text.is_empty() && text.len() <= 300 && !text.starts_with(['<', '{', '[']);
    if is_plain { text.to_owned() } else { format!("The provider answered with the status {status}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, body: &str) -> Failure {
        read(StatusCode::from_u16(status).expect("a status"), &HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn reads_what_google_says() {
        let body = r#"{"error":{"code":429,"message":"Too much.","status":"RESOURCE_EXHAUSTED","details":[
            {"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{}]},
            {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"31.5s"}]}}"#;
        for body in [body.to_owned(), format!("[{body}]")] {
            let failure = failure(429, &body);
            assert_eq!((failure.kind, failure.message.as_str()), (Kind::RateLimited, "Too much."));
            assert_eq!(failure.code.as_deref(), Some("RESOURCE_EXHAUSTED"));
            assert_eq!(failure.retry_after, Some(Duration::from_millis(31_500)));
        }
        let key = r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#;
        assert_eq!((failure(400, key).kind, failure(400, key).status), (Kind::Authentication, StatusCode::BAD_REQUEST));
        let field = r#"{"error":{"code":400,"message":"m","details":[{"fieldViolations":[{"field":"contents"}]}]}}"#;
        assert_eq!(failure(400, field).param.as_deref(), Some("contents"));
    }

    #[test]
    fn a_failure_never_looks_like_success() {
        assert_eq!(failure(200, "").status, StatusCode::BAD_GATEWAY);
        assert_eq!(failure(200, r#"{"error":{"code":429,"message":"m"}}"#).kind, Kind::RateLimited);
    }

    #[test]
    fn makes_do_with_anything() {
        for (body, message) in [
            ("", "The provider answered with the status 503 Service Unavailable."),
            ("<html>busy</html>", "The provider answered with the status 503 Service Unavailable."),
            ("[]", "The provider answered with the status 503 Service Unavailable."),
            (r#"{"error":{}}"#, "The provider answered with the status 503 Service Unavailable."),
            (r#"{"error":{"code":"x","details":7,"message":"m"}}"#, "m"),
            (r#"{"error":"text"}"#, "text"),
            (r#"{"message":"text"}"#, "text"),
            ("upstream connect error", "upstream connect error"),
        ] {
            let failure = failure(503, body);
            assert_eq!((failure.message.as_str(), failure.kind), (message, Kind::Unavailable), "{body}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, http::HeaderValue::from_static("7"));
        assert_eq!(read(StatusCode::BAD_GATEWAY, &headers, b"").retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn an_error_within_an_answer_tells_its_own_status() {
        let within = |error: &str| within(&serde_json::from_str(error).expect("JSON"));
        assert_eq!(within(r#"{"code":503,"message":"m","status":"UNAVAILABLE"}"#).status.as_u16(), 503);
        assert_eq!(within(r#"{"message":"m","status":"NOT_FOUND"}"#).status.as_u16(), 404);
        assert_eq!(within(r#"{"code":200}"#).status.as_u16(), 502);
        assert_eq!(within("\"boom\"").message, "boom");
    }
}
