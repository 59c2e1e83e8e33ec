//! When a new try makes sense: in headers, in bodies, in plain words.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use serde_json::{Map, Value};

use super::read::details;

/// Google's `RetryInfo`: `"retryDelay": "13.5s"`.
pub fn retry_info(error: &Map<String, Value>) -> Option<Duration> {
    let delay = details(error).find_map(|detail| detail.get("retryDelay")?.as_str())?;
    seconds(delay.strip_suffix('s')?)
}

/// OpenRouter repeats the headers of its rate limits: when the window ends, in milliseconds since 1970.
pub fn reset_in_metadata(error: &Map<String, Value>) -> Option<Duration> {
    let reset = error.get("metadata")?.get("headers")?.get("X-RateLimit-Reset")?;
    let reset = reset.as_u64().or_else(|| reset.as_str()?.parse().ok())?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(reset))?.duration_since(SystemTime::now()).ok()
}

/// OpenAI and Groq, in words: "Please try again in 7.66s", "… in 1m2.5s", "… in 20ms".
pub fn told_wait(message: &str) -> Option<Duration> {
    let (_, rest) = message.split_once("try again in ")?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(rest.len());
    let mut rest = rest.get(..end)?.trim_end_matches('.');
    let mut all = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let (count, tail) = rest.split_at_checked(digits)?;
        let unit = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let count = seconds(count)?;
        all += match tail.get(..unit)? {
            "ms" => count / 1000,
            "s" => count,
            "m" => count.checked_mul(60)?,
            "h" => count.checked_mul(3600)?,
            _ => return None,
        };
        rest = tail.get(unit..)?;
    }
    (!all.is_zero()).then_some(all)
}

/// `retry-after-ms`, or `retry-after` in seconds or as a date (RFC 9110 §10.2.3).
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(milliseconds) = value("retry-after-ms").and_then(seconds) {
        return Some(milliseconds / 1000);
    }
    let after = value("retry-after")?;
    let date = || httpdate::parse_http_date(after).ok()?.duration_since(SystemTime::now()).ok();
    seconds(after).or_else(date)
}

fn seconds(text: &str) -> Option<Duration> {
    text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::dialects::errors::read_any_failure;
    use crate::error::Failure;

    fn read(status: u16, body: &str) -> Failure {
        read_any_failure(StatusCode::from_u16(status).expect("a status"), &HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn tells_when_to_try_again() {
        let of = |name: &'static str, value: &'static str| {
            let headers = HeaderMap::from_iter([(name.parse().expect("a name"), value.parse().expect("a value"))]);
            read_any_failure(StatusCode::TOO_MANY_REQUESTS, &headers, b"").retry_after
        };
        assert_eq!(of("retry-after", "2"), Some(Duration::from_secs(2)));
        assert_eq!(of("retry-after-ms", "1500"), Some(Duration::from_millis(1500)));
        assert!(of("retry-after", "Fri, 31 Dec 2100 23:59:59 GMT").is_some());
        assert_eq!(of("retry-after", "soon"), None);
        for (message, wait) in [
            ("Rate limit reached. Please try again in 7.5s. See …", Some(7500)),
            ("please try again in 1m2s", Some(62_000)),
            ("Please try again in 20ms.", Some(20)),
            ("Please try again in a moment", None),
            ("try again in 5 parsecs", None),
        ] {
            let body = serde_json::json!({"error": {"message": message}}).to_string();
            assert_eq!(read(429, &body).retry_after, wait.map(Duration::from_millis), "{message}");
        }
        let soon =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970") + Duration::from_secs(60);
        let headers = serde_json::json!({"X-RateLimit-Reset": soon.as_millis().to_string()});
        let body = serde_json::json!({"error": {"message": "x", "metadata": {"headers": headers}}}).to_string();
        assert!(read(429, &body).retry_after.is_some_and(|wait| wait.as_secs() > 50));
        let body = r#"{"error":{"message":"x","details":[{"@type":"RetryInfo","retryDelay":"39s"}]}}"#;
        assert_eq!(read(429, body).retry_after, Some(Duration::from_secs(39)));
    }
}
