//! What a provider says instead of an answer: Anthropic's `{"type":"error","error":{type, message}}`, and what those say who host
//! Claude or stand before it.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

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

/// The longest text of a body of another form that is repeated as a message.
const LONGEST_TEXT: usize = 500;

#[derive(Debug, Default, Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    /// Bedrock's.
    #[serde(borrow, alias = "Message", alias = "detail")]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    request_id: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
struct Error<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    /// Google's.
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
}

/// Reads an error answer, or a body that is an error in spite of its status.
pub fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
    let envelope = serde_json::from_slice::<Envelope<'_>>(body).ok();
    let envelope = envelope.or_else(|| serde_json::from_slice::<Vec<Envelope<'_>>>(body).ok()?.into_iter().next());
    let mut failure = match envelope {
        Some(Envelope { error: Some(error), request_id, .. }) => {
            Failure { request_id: text(request_id), ..of_error(status, error) }
        }
        Some(Envelope { message: Some(message), .. }) => Failure::new(status, text(Some(message)).unwrap_or_default()),
        _ => Failure::new(status, words(body)),
    };
    if failure.message.is_empty() {
        failure.message = format!("The provider answered {status} and did not say why.");
    }
    if !failure.status.is_client_error() && !failure.status.is_server_error() {
        failure.status = failure.kind.status();
    }
    failure.retry_after = retry_after(headers);
    failure
}

/// Reads the error object of an event.
pub fn of_event(error: &RawValue) -> Failure {
    let failure = of_error(StatusCode::OK, error);
    let status = failure.code.as_deref().and_then(known).and_then(|(.., status)| StatusCode::from_u16(*status).ok());
    let message = match failure.message {
        message if message.is_empty() => "The provider broke off and did not say why.".to_owned(),
        message => message,
    };
    Failure { status: status.unwrap_or(failure.kind.status()), message, ..failure }
}

fn of_error(status: StatusCode, error: &RawValue) -> Failure {
    // Some say it in one text.
    if let Some(message) = text(Some(error)) {
        return Failure::new(status, message);
    }
    let error: Error<'_> = serde_json::from_str(error.get()).unwrap_or_default();
    let code = text(error.kind).or_else(|| text(error.status)).or_else(|| text(error.code));
    let failure = Failure::new(status, text(error.message).unwrap_or_default());
    let kind = match code.as_deref().and_then(known) {
        Some((_, kind, _)) => *kind,
        None => failure.kind,
    };
    Failure { kind, code, ..failure }
}

fn known(kind: &str) -> Option<&'static (&'static str, Kind, u16)> {
    TYPES.iter().find(|(name, ..)| *name == kind)
}

fn text(raw: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(raw?.get()).ok()
}

/// What a body of another form says, unless it is a page for people.
fn words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..LONGEST_TEXT.min(body.len())).unwrap_or_default());
    let text = text.trim();
    let is_shown = body.len() <= LONGEST_TEXT && !text.starts_with(['<', '{', '[']);
    if is_shown { Cow::from(text).into_owned() } else { String::new() }
}

/// `retry-after-ms`, or `retry-after` in seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let get = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let seconds = |value: &str| value.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    if let Some(millis) = get("retry-after-ms").and_then(|value| value.parse::<u64>().ok()) {
        return Some(Duration::from_millis(millis));
    }
    let value = get("retry-after")?;
    let until = || httpdate::parse_http_date(value).ok()?.duration_since(SystemTime::now()).ok();
    seconds(value).or_else(until)
}

#[cfg(test)]
mod tests {
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
        for body in ["", "<html>x</html>", "{}", "[]", r#"{"error":{}}"#, "{\"error\""] {
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
