//! Failures: as answers with an error's status, and within streams and response objects, where no status tells of what sort
//! they are.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{Failure, Kind};

/// No provider's own words are longer; a proxy's page is cut.
const LONGEST_MESSAGE: usize = 2000;

/// Reads an answer that tells of a failure. The body may be anything.
pub fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
    let mut failure = Failure::new(status, "");
    let told = serde_json::from_slice::<Value>(body).ok();
    match &told {
        Some(told) => fill(&mut failure, told),
        None => failure.message = String::from_utf8_lossy(body).trim().chars().take(LONGEST_MESSAGE).collect(),
    }
    if failure.message.is_empty() || failure.message.starts_with('<') {
        failure.message = format!("The provider answered {status} without saying why.");
    }
    if failure.code.as_deref() == Some("insufficient_quota") {
        failure.kind = Kind::Quota;
    }
    if status.is_success() {
        failure.status = failure.kind.status();
    }
    failure.retry_after = retry_after(headers);
    failure
}

/// An error object, `{code, message, param, type}`, that came with a success.
pub fn of_error(raw: &RawValue) -> Failure {
    of_value(&serde_json::from_str(raw.get()).unwrap_or_default())
}

pub fn of_value(error: &Value) -> Failure {
    let mut failure = Failure::of_kind(Kind::Upstream, "");
    fill(&mut failure, error);
    let word = |member: &str| error.get("error").unwrap_or(error).get(member).and_then(Value::as_str);
    failure.kind =
        failure.code.as_deref().and_then(kind_of).or(word("type").and_then(kind_of)).unwrap_or(Kind::Upstream);
    failure.status = failure.kind.status();
    if failure.message.is_empty() {
        failure.message = match &failure.code {
            Some(code) => format!("The provider failed: {code}."),
            None => "The provider failed without saying why.".to_owned(),
        };
    }
    failure
}

/// Finds what is said, in any of the envelopes that providers and the proxies before them use.
fn fill(failure: &mut Failure, told: &Value) {
    let told = match told {
        Value::Array(list) => list.first().unwrap_or(told),
        told => told,
    };
    let error = told.get("error").filter(|error| !error.is_null()).unwrap_or(told);
    let text = |value: &Value| match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let member = |names: &[&str]| {
        names.iter().find_map(|name| error.get(name).and_then(text).or_else(|| told.get(name).and_then(text)))
    };
    let message = text(error).or_else(|| member(&["message", "detail", "error_message", "msg"]));
    failure.message = message.unwrap_or_default();
    failure.code = member(&["code"]);
    failure.param = member(&["param"]);
    failure.request_id = member(&["request_id"]);
}

fn kind_of(word: &str) -> Option<Kind> {
    Some(match word {
        "rate_limit_exceeded" | "rate_limit_error" | "too_many_requests" | "tokens" | "requests" => Kind::RateLimited,
        "insufficient_quota" => Kind::Quota,
        "authentication_error" | "invalid_api_key" => Kind::Authentication,
        "permission_error" => Kind::Permission,
        "not_found_error" | "model_not_found" => Kind::NotFound,
        "overloaded_error" | "server_overloaded" | "server_is_overloaded" => Kind::Unavailable,
        "timeout" | "vector_store_timeout" => Kind::Timeout,
        "context_length_exceeded" | "content_policy_violation" | "bio_policy" => Kind::InvalidRequest,
        "failed_to_download_image" | "unsupported_image_media_type" | "empty_image_file" => Kind::InvalidRequest,
        word if word.starts_with("invalid_") || word.starts_with("image_") => Kind::InvalidRequest,
        "server_error" | "internal_error" => Kind::Upstream,
        _ => return None,
    })
}

/// `retry-after-ms`, else `retry-after` in seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    let seconds = |text: &str| text.trim().parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    if let Some(milliseconds) = header("retry-after-ms").and_then(seconds) {
        return Some(milliseconds / 1000);
    }
    let text = header("retry-after")?;
    seconds(text).or_else(|| httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_envelope_is_understood() {
        let headers = HeaderMap::new();
        for (body, message, code) in [
            (r#"{"error":{"message":"no","type":"invalid_request_error","code":"x","param":null}}"#, "no", Some("x")),
            (r#"{"code":"invalid-argument","error":"wrong key"}"#, "wrong key", Some("invalid-argument")),
            (r#"{"message":"no"}"#, "no", None),
            (r#"[{"error":{"message":"no","code":400}}]"#, "no", Some("400")),
            (r#"{"detail":"no"}"#, "no", None),
            ("upstream connect error", "upstream connect error", None),
            ("<html>", "The provider answered 502 Bad Gateway without saying why.", None),
            ("", "The provider answered 502 Bad Gateway without saying why.", None),
            ("{}", "The provider answered 502 Bad Gateway without saying why.", None),
        ] {
            let failure = read(StatusCode::BAD_GATEWAY, &headers, body.as_bytes());
            assert_eq!((failure.message.as_str(), failure.code.as_deref()), (message, code), "{body}");
            assert_eq!(failure.status, StatusCode::BAD_GATEWAY);
        }
    }

    #[test]
    fn what_comes_without_a_status_gets_one() {
        for (error, kind) in [
            (r#"{"code":"rate_limit_exceeded","message":"m"}"#, Kind::RateLimited),
            (r#"{"code":"insufficient_quota","message":"m"}"#, Kind::Quota),
            (r#"{"code":"context_length_exceeded","message":"m"}"#, Kind::InvalidRequest),
            (r#"{"code":null,"type":"invalid_request_error","message":"m"}"#, Kind::InvalidRequest),
            (r#"{"code":"unknown-error","message":"m"}"#, Kind::Upstream),
            (r#"{"type":"error","error":{"type":"tokens","message":"m"}}"#, Kind::RateLimited),
        ] {
            let failure = of_value(&serde_json::from_str(error).expect("JSON"));
            assert_eq!((failure.kind, failure.message.as_str()), (kind, "m"), "{error}");
            assert_eq!(failure.status, kind.status());
        }
    }

    #[test]
    fn a_new_try_makes_sense_after_a_while() {
        let after = |name: &'static str, value: &str| {
            let headers = HeaderMap::from_iter([(name.parse().expect("a name"), value.parse().expect("a value"))]);
            read(StatusCode::TOO_MANY_REQUESTS, &headers, b"").retry_after
        };
        assert_eq!(after("retry-after", "2"), Some(Duration::from_secs(2)));
        assert_eq!(after("retry-after-ms", "1500"), Some(Duration::from_millis(1500)));
        assert_eq!(after("retry-after", "soon"), None);
    }
}
