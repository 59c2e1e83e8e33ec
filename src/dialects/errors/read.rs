//! What a provider said instead of an answer, whatever its shape.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use crate::error::{Failure, Kind};

/// What providers call their errors, where the status alone would not tell, or is a success: OpenAI's `type` and `code`,
/// Anthropic's `type`, Google's `status`, Z.ai's and Alibaba's codes.
const WORDS: &[(&str, Kind)] = &[
    ("insufficient_quota", Kind::Quota),
    ("billing_error", Kind::Quota),
    ("billing_hard_limit_reached", Kind::Quota),
    ("Arrearage", Kind::Quota),
    ("1110", Kind::Quota),
    ("1113", Kind::Quota),
    ("1121", Kind::Quota),
    ("authentication_error", Kind::Authentication),
    ("invalid_api_key", Kind::Authentication),
    ("UNAUTHENTICATED", Kind::Authentication),
    ("permission_error", Kind::Permission),
    ("PERMISSION_DENIED", Kind::Permission),
    ("not_found_error", Kind::NotFound),
    ("model_not_found", Kind::NotFound),
    ("NOT_FOUND", Kind::NotFound),
    ("rate_limit_error", Kind::RateLimited),
    ("rate_limit_exceeded", Kind::RateLimited),
    ("limit_requests", Kind::RateLimited),
    ("RESOURCE_EXHAUSTED", Kind::RateLimited),
    ("1302", Kind::RateLimited),
    ("1303", Kind::RateLimited),
    ("1305", Kind::Unavailable),
    ("overloaded_error", Kind::Unavailable),
    ("UNAVAILABLE", Kind::Unavailable),
    ("timeout_error", Kind::Timeout),
    ("timeout", Kind::Timeout),
    ("DEADLINE_EXCEEDED", Kind::Timeout),
    ("request_too_large", Kind::TooLarge),
    ("invalid_request_error", Kind::InvalidRequest),
    ("INVALID_ARGUMENT", Kind::InvalidRequest),
    ("FAILED_PRECONDITION", Kind::InvalidRequest),
    ("content_filter", Kind::InvalidRequest),
    ("context_length_exceeded", Kind::InvalidRequest),
    ("1301", Kind::InvalidRequest),
];

/// MiniMax's `base_resp.status_code`, which comes with status 200.
const BASE_RESP: &[(u64, Kind)] = &[
    (1001, Kind::Timeout),
    (1002, Kind::RateLimited),
    (1004, Kind::Authentication),
    (1008, Kind::Quota),
    (1026, Kind::InvalidRequest),
    (1027, Kind::InvalidRequest),
    (1039, Kind::RateLimited),
    (2013, Kind::InvalidRequest),
    (2049, Kind::Authentication),
];

/// The members that hold the words, the likeliest first.
const MESSAGE: &[&str] =
    &["message", "Message", "msg", "detail", "details", "error_description", "status_msg", "errors", "error", "title"];

/// More than this is a page, not a message. In characters.
const LONGEST_MESSAGE: usize = 4000;

/// Reads an error, be it OpenAI's envelope, Anthropic's, Google's (also in a list), Amazon's, a text, a page, or nothing. With a
/// successful `status` (errors within streams, or in bodies that came with 200) the status is taken from the words.
pub fn read_any_failure(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
    let said = Said::of_body(body);
    let by_word = said.kind();
    let kind = match by_word {
        // That the account is used up is said with 403, 429, 400 …
        Some(Kind::Quota) => Kind::Quota,
        _ if is_error(status) => Kind::of_status(status),
        _ => by_word.or_else(|| said.status.map(Kind::of_status)).unwrap_or(Kind::Upstream),
    };
    let status = if is_error(status) { status } else { said.status.unwrap_or_else(|| kind.status()) };
    let message = match said.message {
        Some(message) => shortened(&message),
        None => format!("The provider answered {status} and did not say why."),
    };
    let code = said.code.or(said.word);
    let retry_after = retry_after(headers).or(said.retry_after);
    Failure { kind, code, param: said.param, retry_after, request_id: said.request_id, ..Failure::new(status, message) }
}

/// What an error's body says.
#[derive(Debug, Default)]
struct Said {
    message: Option<String>,
    /// The word for programs.
    code: Option<String>,
    /// The sort of error, where its name serves as the code.
    word: Option<String>,
    /// What it is, by a name that we know.
    known: Option<Kind>,
    status: Option<StatusCode>,
    param: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
}

impl Said {
    fn of_body(body: &[u8]) -> Self {
        let body = body.trim_ascii();
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => Self::of(&value),
            Err(_) => Self { message: plain(&String::from_utf8_lossy(body)), ..Self::default() },
        }
    }

    fn of(value: &Value) -> Self {
        match value {
            Value::Array(list) => list.first().map(Self::of).unwrap_or_default(),
            Value::Object(envelope) => Self::of_envelope(envelope),
            other => Self { message: words(other), ..Self::default() },
        }
    }

    fn of_envelope(envelope: &Map<String, Value>) -> Self {
        let inner = ["error", "base_resp"].into_iter().filter_map(|name| envelope.get(name)?.as_object()).next();
        let error = inner.unwrap_or(envelope);
        let text = |name: &str| Some(error.get(name)?.as_str()?.to_owned()).filter(|text| !text.is_empty());
        let number = error.get("code").and_then(Value::as_u64);
        let mut said = Self {
            message: MESSAGE.iter().find_map(|name| words(error.get(*name)?)),
            code: text("code").or_else(|| text("status")),
            param: text("param"),
            status: number.or_else(|| error.get("status_code")?.as_u64()).and_then(status_of),
            request_id: ["request_id", "requestId"].iter().find_map(|name| Some(envelope.get(*name)?.as_str()?.into())),
            retry_after: retry_info(error),
            ..Self::default()
        };
        if said.status.is_none() {
            said.status = said.code.as_deref().and_then(|code| code.parse().ok()).and_then(status_of);
        }
        // xAI: `{"code": "…", "error": "…"}`; the envelope is the error. Anthropic: the sort is the only word that there is.
        if inner.is_some() && envelope.get("type").is_some_and(|sort| sort == "error") {
            said.word = text("type");
        }
        said.known = [said.code.as_deref(), text("type").as_deref()].into_iter().flatten().find_map(known);
        if let Some(code) =
            error.get("status_code").and_then(Value::as_u64).filter(|_| error.contains_key("status_msg"))
        {
            said.known = BASE_RESP.iter().find(|(known, _)| *known == code).map(|(_, kind)| *kind);
            said.code = Some(code.to_string());
            said.status = None;
        }
        if let Some(cause) = error.get("metadata").and_then(behind) {
            let message = said.message.unwrap_or_default();
            said.message = Some(if message.contains(&cause) { message } else { format!("{message}: {cause}") });
        }
        said
    }

    fn kind(&self) -> Option<Kind> {
        self.known
    }
}

fn known(word: &str) -> Option<Kind> {
    WORDS.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind)
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

fn status_of(number: u64) -> Option<StatusCode> {
    u16::try_from(number).ok().and_then(|number| StatusCode::from_u16(number).ok()).filter(|status| is_error(*status))
}

/// The words in a value: a text, an object with a message, a list of these (FastAPI's `detail` says where each belongs).
fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
        Value::Array(list) => {
            let said: Vec<String> = list.iter().filter_map(words).collect();
            (!said.is_empty()).then(|| said.join("; "))
        }
        Value::Object(object) => {
            let message = MESSAGE.iter().find_map(|name| words(object.get(*name)?))?;
            let place: Vec<String> = object.get("loc").and_then(Value::as_array).map_or_else(Vec::new, |place| {
                place.iter().map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned)).collect()
            });
            Some(if place.is_empty() { message } else { format!("{}: {message}", place.join(".")) })
        }
        _ => None,
    }
}

/// OpenRouter: what the provider behind it said.
fn behind(metadata: &Value) -> Option<String> {
    let raw = metadata.get("raw")?;
    let parsed = raw.as_str().and_then(|raw| serde_json::from_str::<Value>(raw).ok());
    Said::of(parsed.as_ref().unwrap_or(raw)).message
}

/// Google's `RetryInfo`: `"retryDelay": "13.5s"`.
fn retry_info(error: &Map<String, Value>) -> Option<Duration> {
    let details = error.get("details")?.as_array()?;
    let delay = details.iter().find_map(|detail| detail.get("retryDelay")?.as_str())?;
    seconds(delay.strip_suffix('s')?)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
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

/// A text that is no JSON. Of a web page (a proxy's, most likely) the title says enough.
fn plain(text: &str) -> Option<String> {
    let text = text.trim();
    if !text.starts_with('<') {
        return Some(text.to_owned()).filter(|text| !text.is_empty());
    }
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title>").zip(lower.find("</title>")).and_then(|(from, to)| text.get(from + 7..to));
    Some(match title.map(str::trim).filter(|title| !title.is_empty()) {
        Some(title) => format!("The provider, or a proxy before it, answered with a web page: {title}"),
        None => "The provider, or a proxy before it, answered with a web page.".to_owned(),
    })
}

fn shortened(message: &str) -> String {
    match message.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", message.get(..end).unwrap_or_default()),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Failure {
        read_any_failure(StatusCode::from_u16(status).expect("a status"), &HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn reads_every_envelope() {
        for (status, body, kind, code, message) in [
            (
                404,
                r#"{"error":{"message":"no m","type":"x","param":"model","code":"model_not_found"}}"#,
                Kind::NotFound,
                Some("model_not_found"),
                "no m",
            ),
            (429, r#"{"error":{"message":"pay","type":"insufficient_quota"}}"#, Kind::Quota, None, "pay"),
            (429, r#"{"error":{"code":"1113","message":"arrears"}}"#, Kind::Quota, Some("1113"), "arrears"),
            (
                400,
                r#"{"code":"Bad argument","error":"no effort"}"#,
                Kind::InvalidRequest,
                Some("Bad argument"),
                "no effort",
            ),
            (
                529,
                r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"},"request_id":"r"}"#,
                Kind::Unavailable,
                Some("overloaded_error"),
                "busy",
            ),
            (
                404,
                r#"[{"error":{"code":404,"message":"none","status":"NOT_FOUND"}}]"#,
                Kind::NotFound,
                Some("NOT_FOUND"),
                "none",
            ),
            (403, r#"{"Message":"no access"}"#, Kind::Permission, None, "no access"),
            (
                422,
                r#"{"detail":[{"loc":["body","n",0],"msg":"too big"}]}"#,
                Kind::InvalidRequest,
                None,
                "body.n.0: too big",
            ),
            (500, r#"{"error":"text"}"#, Kind::Internal, None, "text"),
            (503, "upstream connect error", Kind::Unavailable, None, "upstream connect error"),
        ] {
            let failure = read(status, body);
            assert_eq!((failure.status.as_u16(), failure.kind), (status, kind), "{body}");
            assert_eq!((failure.code.as_deref(), &*failure.message), (code, message), "{body}");
        }
        let page = read(502, "<html><head><TITLE>502 Bad Gateway</TITLE></head></html>");
        assert!(page.message.ends_with("web page: 502 Bad Gateway"), "{page}");
        assert_eq!(read(500, "").message, "The provider answered 500 Internal Server Error and did not say why.");
        assert!(read(500, &"é".repeat(9000)).message.ends_with("é…"));
    }

    #[test]
    fn a_success_that_is_an_error_gets_its_status_from_the_words() {
        for (body, status, kind) in [
            (r#"{"error":{"code":429,"message":"slow"}}"#, 429, Kind::RateLimited),
            (r#"{"error":{"code":"502","message":"down"}}"#, 502, Kind::Upstream),
            (
                r#"{"error":{"type":"invalid_request_error","message":"x","status_code":400}}"#,
                400,
                Kind::InvalidRequest,
            ),
            (r#"{"base_resp":{"status_code":1004,"status_msg":"login fail"}}"#, 401, Kind::Authentication),
            (r#"{"error":{"code":"server_error","message":"x"}}"#, 502, Kind::Upstream),
        ] {
            let failure = read(200, body);
            assert_eq!((failure.status.as_u16(), failure.kind), (status, kind), "{body}");
        }
    }

    #[test]
    fn the_cause_behind_a_middleman_is_told() {
        let raw = r#"{\"error\":{\"message\":\"Unsupported parameter\"}}"#;
        let body =
            format!(r#"{{"error":{{"code":400,"message":"Provider returned error","metadata":{{"raw":"{raw}"}}}}}}"#);
        assert_eq!(read(400, &body).message, "Provider returned error: Unsupported parameter");
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
        let body = r#"{"error":{"message":"x","details":[{"@type":"RetryInfo","retryDelay":"39s"}]}}"#;
        assert_eq!(read(429, body).retry_after, Some(Duration::from_secs(39)));
    }
}
