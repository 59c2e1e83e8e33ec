//! What a provider says instead of an answer: Anthropic's `{"type":"error","error":{type, message}}`, and what those say who host
//! Claude or stand before it.

use http::{HeaderMap, StatusCode};
use serde_json::value::RawValue;

use crate::dialects::errors::read_any_failure;
use crate::error::{Failure, Kind};

/// Anthropic's words for what went wrong, with the statuses that go with them.
const TYPES: &[(&str, Kind, u16)] = &[
    ("invalid_request_error", Kind::InvalidRequest, 400),
    ("authentication_error", Kind::Authentication, 401),
    ("billing_error", Kind::Quota, 402),
    ("permission_error", Kind::Permission, 403),
    ("not_found_error", Kind::NotFound, 404),
    ("conflict_error", Kind::Conflict, 409),
    ("request_too_large", Kind::TooLarge, 413),
    ("rate_limit_error", Kind::RateLimited, 429),
    ("api_error", Kind::Upstream, 500),
    ("timeout_error", Kind::Timeout, 504),
    ("overloaded_error", Kind::Unavailable, 529),
];

/// Reads an error answer, or a body that is an error in spite of its status.
pub fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
    let failure = read_any_failure(status, headers, body);
    // The word is exact; what has been read beyond it (that a key or an account is meant) is more exact still.
    match known(&failure) {
        Some((_, kind, _)) if failure.kind.remedy() != crate::error::Remedy::Elsewhere => {
            Failure { kind: *kind, ..failure }
        }
        _ => failure,
    }
}

/// Reads the error object of an event.
pub fn of_event(error: &RawValue) -> Failure {
    let envelope = format!(r#"{{"type":"error","error":{error}}}"#);
    let failure = read(StatusCode::OK, &HeaderMap::new(), envelope.as_bytes());
    let status = known(&failure).and_then(|(.., status)| StatusCode::from_u16(*status).ok());
    Failure { status: status.unwrap_or(failure.status), ..failure }
}

fn known(failure: &Failure) -> Option<&'static (&'static str, Kind, u16)> {
    let code = failure.code.as_deref()?;
    TYPES.iter().find(|(name, ..)| *name == code)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn told(status: u16, body: &str) -> (u16, Kind, String, Option<String>) {
        let status = StatusCode::from_u16(status).expect("a status");
        let failure = read(status, &HeaderMap::new(), body.as_bytes());
        (failure.status.as_u16(), failure.kind, failure.message, failure.code)
    }

    #[test]
    fn understands_every_envelope() {
        let code = |code: &str| Some(code.to_owned());
        let own = r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"},"request_id":"req_1"}"#;
        assert_eq!(told(529, own), (529, Kind::Unavailable, "busy".to_owned(), code("overloaded_error")));
        assert_eq!(told(200, own), (503, Kind::Unavailable, "busy".to_owned(), code("overloaded_error")));
        let google = r#"[{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED"}}]"#;
        assert_eq!(told(429, google), (429, Kind::RateLimited, "slow".to_owned(), code("RESOURCE_EXHAUSTED")));
        assert_eq!(told(400, r#"{"message":"no"}"#), (400, Kind::InvalidRequest, "no".to_owned(), None));
        assert_eq!(told(401, r#"{"error":"who?"}"#), (401, Kind::Authentication, "who?".to_owned(), None));
        assert_eq!(told(502, "upstream is down"), (502, Kind::Upstream, "upstream is down".to_owned(), None));
        for body in ["", "{}", "[]", r#"{"error":{}}"#, "{\"error\""] {
            let (status, kind, message, _) = told(500, body);
            assert_eq!((status, kind), (500, Kind::Internal), "{body:?}");
            assert!(message.starts_with("The provider answered 500"), "{message}");
        }
    }

    #[test]
    fn knows_when_to_come_again() {
        let after = |name: &'static str, value: &str| {
            let headers = HeaderMap::from_iter([(name.parse().expect("a name"), value.parse().expect("a value"))]);
            read(StatusCode::TOO_MANY_REQUESTS, &headers, b"").retry_after
        };
        assert_eq!(after("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(after("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        assert_eq!(after("retry-after", "Mon, 01 Jan 2001 00:00:00 GMT"), None);
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(60));
        assert!(after("retry-after", &soon).is_some_and(|wait| wait.as_secs() > 50));
    }
}
