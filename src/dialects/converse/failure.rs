//! How Amazon says that something went wrong: a class of exception in a header or in a frame, and a message in the body
//! (Amazon Bedrock API reference, "Common Errors" and the errors of `Converse`).

use bytes::BytesMut;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::dialects::errors::context_length;
use crate::dialects::framing::event_stream::write_frame;
use crate::dialects::framing::{Frame, FrameKind};
use crate::dialects::ir::Json;
use crate::dialects::wire;
use crate::error::{Failure, Kind};

/// What each class of exception means; those that a status tells as well are not here.
const CLASSES: &[(&str, Kind)] = &[
    ("AccessDeniedException", Kind::Permission),
    ("ConflictException", Kind::Conflict),
    ("ExpiredTokenException", Kind::Authentication),
    ("IncompleteSignature", Kind::Authentication),
    ("InternalFailure", Kind::Internal),
    ("InternalServerException", Kind::Internal),
    ("InvalidSignatureException", Kind::Authentication),
    ("MissingAuthenticationTokenException", Kind::Authentication),
    ("ModelErrorException", Kind::Upstream),
    ("ModelNotReadyException", Kind::Unavailable),
    ("ModelStreamErrorException", Kind::Upstream),
    ("ModelTimeoutException", Kind::Timeout),
    ("ResourceNotFoundException", Kind::NotFound),
    ("ServiceQuotaExceededException", Kind::Quota),
    ("ServiceUnavailableException", Kind::Unavailable),
    ("ThrottlingException", Kind::RateLimited),
    ("UnrecognizedClientException", Kind::Authentication),
    ("ValidationException", Kind::InvalidRequest),
];

/// The body of an error, as Amazon and those who imitate it spell it.
#[derive(Debug, Default, Deserialize)]
struct Body {
    message: Option<Json>,
    #[serde(rename = "Message")]
    capital_message: Option<Json>,
    #[serde(rename = "__type")]
    class: Option<String>,
    error: Option<Json>,
    /// Of a model that failed amid its answer.
    #[serde(rename = "originalStatusCode")]
    original_status: Option<u16>,
    #[serde(rename = "originalMessage")]
    original_message: Option<String>,
}

impl Body {
    fn message(&self) -> Option<String> {
        let text = |raw: &Json| serde_json::from_str::<String>(raw.get()).ok();
        let own = self.message.as_ref().or(self.capital_message.as_ref()).and_then(text);
        let nested = || {
            let error = self.error.as_ref()?;
            text(error).or_else(|| serde_json::from_str::<Self>(error.get()).ok()?.message())
        };
        let message = own.or_else(nested).filter(|message| !message.is_empty());
        match (message, self.original_message.as_ref().filter(|words| !words.is_empty())) {
            (Some(message), Some(words)) if !message.contains(words.as_str()) => Some(format!("{message} ({words})")),
            (message, words) => message.or_else(|| words.cloned()),
        }
    }
}

/// An error answer.
pub fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
    let parsed = serde_json::from_slice::<Body>(body).unwrap_or_default();
    let header = headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok());
    let class = header.or(parsed.class.as_deref()).map(class_of).filter(|class| !class.is_empty());
    let message = parsed.message().unwrap_or_else(|| match class {
        Some(class) => class.to_owned(),
        None => format!("the provider answered with status {}", status.as_u16()),
    });
    let mut failure = match status.is_client_error() || status.is_server_error() {
        true => Failure::new(status, message),
        false => Failure::of_kind(class.and_then(kind_of).unwrap_or(Kind::Upstream), message),
    };
    failure.kind = class.and_then(kind_of).unwrap_or(failure.kind);
    let is_of_request = failure.kind == Kind::InvalidRequest;
    let too_long = is_of_request.then(|| context_length(&failure.message)).flatten();
    failure.code = too_long.or_else(|| class.map(str::to_owned));
    failure
}

/// An error that stands where an answer should.
pub fn in_body(body: &[u8]) -> Option<Failure> {
    let parsed = serde_json::from_slice::<Body>(body).ok()?;
    let class = parsed.class.as_deref().map(class_of);
    let kind = class.and_then(kind_of).unwrap_or(Kind::Upstream);
    Some(Failure { code: class.map(str::to_owned), ..Failure::of_kind(kind, parsed.message()?) })
}

/// An exception amid a stream.
pub fn of_frame(frame: &Frame) -> Failure {
    let parsed = serde_json::from_slice::<Body>(&frame.data).unwrap_or_default();
    let original = parsed.original_status.and_then(|status| StatusCode::from_u16(status).ok());
    let original = original.filter(|status| status.is_client_error() || status.is_server_error());
    let kind = original.map(Kind::of_status).or_else(|| kind_of(frame.name())).unwrap_or(Kind::Upstream);
    let message = parsed.message().unwrap_or_else(|| match frame.name() {
        "" => "the provider broke off its answer".to_owned(),
        name => format!("the provider broke off its answer: {name}"),
    });
    let code = Some(frame.name().to_owned()).filter(|name| !name.is_empty());
    Failure { code, ..Failure::of_kind(kind, message) }
}

/// The class of exception that says this; of those that `Converse` is documented to raise.
pub fn error_type(kind: Kind) -> &'static str {
    match kind {
        Kind::InvalidRequest | Kind::TooLarge | Kind::MethodNotAllowed | Kind::Conflict => "ValidationException",
        Kind::Authentication | Kind::Permission => "AccessDeniedException",
        Kind::NotFound => "ResourceNotFoundException",
        Kind::RateLimited => "ThrottlingException",
        Kind::Quota => "ServiceQuotaExceededException",
        Kind::Unavailable => "ServiceUnavailableException",
        Kind::Timeout => "ModelTimeoutException",
        Kind::Upstream => "ModelErrorException",
        Kind::Internal => "InternalServerException",
    }
}

/// The last frame of a stream that broke. Streams have five exceptions.
pub fn write_exception(out: &mut BytesMut, kind: Kind, message: &str) {
    let name = match kind {
        Kind::RateLimited | Kind::Quota => "throttlingException",
        Kind::Unavailable | Kind::Timeout => "serviceUnavailableException",
        Kind::Upstream => "modelStreamErrorException",
        Kind::Internal => "internalServerException",
        Kind::InvalidRequest
        | Kind::TooLarge
        | Kind::Authentication
        | Kind::Permission
        | Kind::NotFound
        | Kind::MethodNotAllowed
        | Kind::Conflict => "validationException",
    };
    write_frame(out, FrameKind::Exception, name, wire::write(&serde_json::json!({"message": message})));
}

/// `ThrottlingException:http://…` in the header, `com.amazon.coral.service#ThrottlingException` in the body.
fn class_of(told: &str) -> &str {
    let told = told.split(':').next().unwrap_or_default();
    told.rsplit('#').next().unwrap_or_default().trim()
}

/// In streams they begin with a small letter.
fn kind_of(class: &str) -> Option<Kind> {
    CLASSES.iter().find(|(name, _)| name.eq_ignore_ascii_case(class)).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn failure(status: u16, class: Option<&'static str>, body: &str) -> Failure {
        let mut headers = HeaderMap::new();
        if let Some(class) = class {
            headers.insert("x-amzn-errortype", HeaderValue::from_static(class));
        }
        read(StatusCode::from_u16(status).expect("a status"), &headers, body.as_bytes())
    }

    #[test]
    fn the_class_says_what_it_is_and_the_status_stays() {
        let throttled = "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/";
        for (status, class, body, kind, message) in [
            (429, Some(throttled), r#"{"message":"slow down"}"#, Kind::RateLimited, "slow down"),
            (424, Some("ModelErrorException"), r#"{"message":"x","originalStatusCode":400}"#, Kind::Upstream, "x"),
            (429, Some("ModelNotReadyException"), r#"{"Message":"warming"}"#, Kind::Unavailable, "warming"),
            (403, Some("ExpiredTokenException"), r#"{"message":"old"}"#, Kind::Authentication, "old"),
            (
                403,
                None,
                r#"{"__type":"a.b#UnrecognizedClientException"}"#,
                Kind::Authentication,
                "UnrecognizedClientException",
            ),
            (400, Some("ServiceQuotaExceededException"), r#"{"message":"q"}"#, Kind::Quota, "q"),
            (400, None, r#"{"message":"bad"}"#, Kind::InvalidRequest, "bad"),
            (400, None, r#"{"error":{"message":"nested"}}"#, Kind::InvalidRequest, "nested"),
            (500, None, r#"{"error":"text"}"#, Kind::Internal, "text"),
            (503, None, "<html>busy</html>", Kind::Unavailable, "the provider answered with status 503"),
            (404, None, "", Kind::NotFound, "the provider answered with status 404"),
        ] {
            let failure = failure(status, class, body);
            assert_eq!((failure.status.as_u16(), failure.kind, failure.message.as_str()), (status, kind, message));
        }
        assert_eq!(failure(429, Some(throttled), "").code.as_deref(), Some("ThrottlingException"));
    }

    #[test]
    fn exceptions_amid_streams_have_a_status_of_their_own() {
        let frame = |name: &'static str, body: &'static str| of_frame(&Frame::new(FrameKind::Exception, name, body));
        let throttled = frame("throttlingException", r#"{"message":"Too many tokens"}"#);
        assert_eq!((throttled.kind, throttled.status.as_u16()), (Kind::RateLimited, 429));
        let model = r#"{"message":"broke","originalStatusCode":503,"originalMessage":"overloaded"}"#;
        let model = frame("modelStreamErrorException", model);
        assert_eq!((model.kind, model.message.as_str()), (Kind::Unavailable, "broke (overloaded)"));
        assert_eq!(frame("unheardOf", "").kind, Kind::Upstream);
    }
}
