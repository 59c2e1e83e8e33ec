//! What a provider said instead of an answer, whatever its shape.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use super::wait::{reset_in_metadata, retry_after, retry_info, told_wait};
use super::words::{self, known};
use crate::error::{Failure, Kind};

/// Where providers name the request in their headers.
const REQUEST_IDS: &[&str] =
    &["x-request-id", "request-id", "x-amzn-requestid", "apim-request-id", "opc-request-id", "x-goog-request-id"];

/// The members that hold the words, the likeliest first.
const MESSAGE: &[&str] =
    &["message", "Message", "msg", "detail", "details", "error_description", "status_msg", "errors", "error", "title"];

/// More than this is a page, not a message. In characters.
const LONGEST_MESSAGE: usize = 4000;

/// Reads an error, be it OpenAI's envelope, Anthropic's, Google's (also in a list), Amazon's, a text, a page, or nothing. With a
/// successful `status` (errors within streams, or in bodies that came with 200) the status is taken from the words.
pub fn read_any_failure(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
    let said = Said::of_body(body);
    let retry_after = retry_after(headers).or(said.retry_after);
    let is_too_long = said.message.as_deref().is_some_and(words::is_too_long);
    let kind = match said.kind() {
        // What is wrong with the account is said with 400, 403, 429 …, what is wrong with the key with 400.
        Some(kind @ (Kind::Quota | Kind::Authentication)) if !status.is_server_error() => kind,
        _ if is_too_long => Kind::InvalidRequest,
        _ if is_error(status) => Kind::of_status(status),
        by_word => by_word.or_else(|| said.status.map(Kind::of_status)).unwrap_or(Kind::Upstream),
    };
    let own_status = status;
    let status = if is_error(status) { status } else { said.status.unwrap_or_else(|| kind.status()) };
    let message = match said.message {
        Some(message) => shortened(&message),
        None if is_error(own_status) => format!("The provider answered {status} and did not say why."),
        None => "The provider broke off and did not say why.".to_owned(),
    };
    // A name for all that can be wrong with a request says nothing, nor does a sentence (xAI).
    let code = said.code.or(said.word);
    let is_vague = code.as_deref().is_none_or(|code| code == "invalid_request_error" || code.contains(' '));
    let code = if is_too_long && is_vague { Some(words::CONTEXT_LENGTH.to_owned()) } else { code };
    let request_id = said.request_id.or_else(|| request_id(headers));
    Failure { kind, code, param: said.param, retry_after, request_id, ..Failure::new(status, message) }
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
            other => Self { message: spoken(other), ..Self::default() },
        }
    }

    fn of_envelope(envelope: &Map<String, Value>) -> Self {
        let inner = ["error", "base_resp"].into_iter().filter_map(|name| envelope.get(name)?.as_object()).next();
        let error = inner.unwrap_or(envelope);
        let text = |name: &str| Some(error.get(name)?.as_str()?.to_owned()).filter(|text| !text.is_empty());
        let number = error.get("code").and_then(Value::as_u64);
        let mut said = Self {
            message: MESSAGE.iter().find_map(|name| spoken(error.get(*name)?)),
            code: text("code").or_else(|| text("status")),
            param: text("param"),
            status: number.or_else(|| error.get("status_code")?.as_u64()).and_then(status_of),
            request_id: ["request_id", "requestId"].iter().find_map(|name| Some(envelope.get(*name)?.as_str()?.into())),
            retry_after: retry_info(error).or_else(|| reset_in_metadata(error)),
            ..Self::default()
        };
        said.retry_after = said.retry_after.or_else(|| said.message.as_deref().and_then(told_wait));
        if said.status.is_none() {
            said.status = said.code.as_deref().and_then(|code| code.parse().ok()).and_then(status_of);
        }
        // xAI: `{"code": "…", "error": "…"}`; the envelope is the error. Anthropic: the sort is the only word that there is.
        if inner.is_some() && envelope.get("type").is_some_and(|sort| sort == "error") {
            said.word = text("type");
        }
        let reason = details(error).find_map(|detail| known(detail.get("reason")?.as_str()?));
        said.known = [said.code.as_deref(), text("type").as_deref()].into_iter().flatten().find_map(known);
        said.known = reason.or(said.known);
        if let Some((code, kind)) = words::base_resp(error) {
            said.known = kind;
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
        let phrase = || self.message.as_deref().and_then(words::by_phrase);
        match self.known {
            None | Some(Kind::InvalidRequest) => phrase().or(self.known),
            known => known,
        }
    }
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    let value = REQUEST_IDS.iter().find_map(|name| headers.get(*name)?.to_str().ok())?;
    Some(value.to_owned()).filter(|id| !id.is_empty())
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

fn status_of(number: u64) -> Option<StatusCode> {
    u16::try_from(number).ok().and_then(|number| StatusCode::from_u16(number).ok()).filter(|status| is_error(*status))
}

/// The words in a value: a text, an object with a message, a list of these (FastAPI's `detail` says where each belongs).
fn spoken(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
        Value::Array(list) => {
            let said: Vec<String> = list.iter().filter_map(spoken).collect();
            (!said.is_empty()).then(|| said.join("; "))
        }
        Value::Object(object) => {
            let message = MESSAGE.iter().find_map(|name| spoken(object.get(*name)?))?;
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

/// Google's details.
pub fn details(error: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    error.get("details").and_then(Value::as_array).into_iter().flatten()
}

/// A text that is no JSON. Of a web page (a proxy's, most likely) the title says enough.
fn plain(text: &str) -> Option<String> {
    let text = text.trim();
    // What ought to be JSON, and breaks off.
    if text.starts_with(['{', '[']) {
        return None;
    }
    if !text.starts_with('<') {
        return Some(text.to_owned()).filter(|text| !text.is_empty());
    }
    let lower = text.to_ascii_lowercase();
    let within = |name: &str| {
        let from = lower.find(&format!("<{name}>"))? + name.len() + 2;
        let to = lower.find(&format!("</{name}>"))?;
        text.get(from..to).map(str::trim).filter(|text| !text.is_empty())
    };
    // Storage and older services of the clouds answer in XML.
    if let Some(message) = within("message") {
        return Some(message.to_owned());
    }
    let title = within("title");
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
    fn what_is_wrong_with_the_account_or_the_request_is_told_from_what_passes() {
        for (status, body, kind, code) in [
            (
                400,
                r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#,
                Kind::Authentication,
                Some("INVALID_ARGUMENT"),
            ),
            (400, r#"{"code":"bad","error":"Incorrect API key provided."}"#, Kind::Authentication, Some("bad")),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to …"}}"#,
                Kind::Quota,
                Some("invalid_request_error"),
            ),
            (429, r#"{"error":{"code":"1115","message":"m"}}"#, Kind::Quota, Some("1115")),
            (429, r#"{"error":{"code":"1302","message":"m"}}"#, Kind::RateLimited, Some("1302")),
            (400, r#"{"error":{"message":"m","code":"Arrearage"}}"#, Kind::Quota, Some("Arrearage")),
            (
                400,
                r#"{"error":{"code":"invalid_request_error","message":"This model's maximum context length is 9 tokens."}}"#,
                Kind::InvalidRequest,
                Some("context_length_exceeded"),
            ),
            (
                500,
                r#"{"error":{"message":"prompt too long; by 5"}}"#,
                Kind::InvalidRequest,
                Some("context_length_exceeded"),
            ),
            (503, r#"{"error":{"type":"authentication_error","message":"m"}}"#, Kind::Unavailable, None),
        ] {
            let failure = read(status, body);
            assert_eq!(
                (failure.status.as_u16(), failure.kind, failure.code.as_deref()),
                (status, kind, code),
                "{body}"
            );
        }
        let xml = read(403, "<?xml version=\"1.0\"?><Error><Code>Denied</Code><Message>not you</Message></Error>");
        assert_eq!(xml.message, "not you");
        assert!(read(500, "{\"error\":").message.contains("did not say why"));
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
    fn the_request_has_the_providers_name() {
        let of = |name: &'static str, body: &str| {
            let headers = HeaderMap::from_iter([(name.parse().expect("a name"), "r1".parse().expect("a value"))]);
            read_any_failure(StatusCode::BAD_REQUEST, &headers, body.as_bytes()).request_id
        };
        assert_eq!(of("apim-request-id", "").as_deref(), Some("r1"));
        assert_eq!(of("x-request-id", r#"{"error":{},"request_id":"r2"}"#).as_deref(), Some("r2"));
        assert_eq!(of("x-other", ""), None);
    }
}
