//! By what names and in what words providers say what is wrong.

use serde_json::{Map, Value};

use crate::error::Kind;

/// What providers call their errors, where the status alone would not tell, or is a success: OpenAI's `type` and `code`,
/// Anthropic's `type`, Google's `status`, Z.ai's and Alibaba's codes.
const WORDS: &[(&str, Kind)] = &[
    ("insufficient_quota", Kind::Quota),
    ("billing_error", Kind::Quota),
    ("billing_hard_limit_reached", Kind::Quota),
    ("Arrearage", Kind::Quota),
    ("insufficient_balance", Kind::Quota),
    ("API_KEY_INVALID", Kind::Authentication),
    ("InvalidApiKey", Kind::Authentication),
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
    ("DataInspectionFailed", Kind::InvalidRequest),
    ("data_inspection_failed", Kind::InvalidRequest),
    ("1301", Kind::InvalidRequest),
    ("conflict_error", Kind::Conflict),
    ("api_error", Kind::Upstream),
];

/// Z.ai numbers what is wrong with a key, and with an account (docs.z.ai, error codes).
const NUMBERED: &[(std::ops::RangeInclusive<u32>, Kind)] =
    &[(1000..=1004, Kind::Authentication), (1110..=1121, Kind::Quota)];

/// What is said in words alone, or under a name for something else: that a key is not taken comes with 400 from Google and xAI, that
/// there is no money left from Anthropic.
const PHRASES: &[(&str, Kind)] = &[
    ("api key not valid", Kind::Authentication),
    ("incorrect api key", Kind::Authentication),
    ("invalid api key", Kind::Authentication),
    ("credit balance is too low", Kind::Quota),
    ("insufficient balance", Kind::Quota),
    ("insufficient credits", Kind::Quota),
];

/// How providers say that a request is too long for the model.
const TOO_LONG: &[&str] = &[
    "maximum context length",
    "max context length",
    "exceeds the context window",
    "context length exceeded",
    "context window exceeded",
    "prompt is too long",
    "prompt too long",
    "input is too long",
    "exceeds the maximum number of tokens",
    "exceed context limit",
    "maximum prompt length is",
    "exceeds the available context size",
];

/// OpenAI's word for it, which clients look for to shorten a conversation.
pub const CONTEXT_LENGTH: &str = "context_length_exceeded";

/// MiniMax's `base_resp.status_code`, which comes with status 200.
const BASE_RESP: &[(u64, Kind)] = &[
    (1000, Kind::Upstream),
    (1001, Kind::Timeout),
    (1002, Kind::RateLimited),
    (1004, Kind::Authentication),
    (1008, Kind::Quota),
    (1013, Kind::Internal),
    (1026, Kind::InvalidRequest),
    (1027, Kind::InvalidRequest),
    (1039, Kind::RateLimited),
    (2013, Kind::InvalidRequest),
    (2049, Kind::Authentication),
];

/// What a word for programs means.
pub fn known(word: &str) -> Option<Kind> {
    let number = word.parse::<u32>().ok();
    let by_number = || NUMBERED.iter().find(|(range, _)| number.is_some_and(|number| range.contains(&number)));
    let by_word = WORDS.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind);
    by_word.or_else(|| by_number().map(|(_, kind)| *kind))
}

/// What is meant by the words for people.
pub fn by_phrase(message: &str) -> Option<Kind> {
    let message = message.to_ascii_lowercase();
    PHRASES.iter().find(|(phrase, _)| message.contains(phrase)).map(|(_, kind)| *kind)
}

/// Whether the request is said to be longer than the model can read.
pub fn is_too_long(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    TOO_LONG.iter().any(|phrase| message.contains(phrase))
}

/// The same as a code for programs.
pub fn context_length(message: &str) -> Option<String> {
    is_too_long(message).then(|| CONTEXT_LENGTH.to_owned())
}

/// MiniMax's code, if this is its object.
pub fn base_resp(error: &Map<String, Value>) -> Option<(u64, Option<Kind>)> {
    let code = error.get("status_code").and_then(Value::as_u64).filter(|_| error.contains_key("status_msg"))?;
    Some((code, BASE_RESP.iter().find(|(known, _)| *known == code).map(|(_, kind)| *kind)))
}
