//! The headers that the answers of each dialect have. They tell of an account that is never short of anything.

use crate::dialects::Dialect;

pub struct DialectHeaders {
    /// What the request's id is called.
    pub request_id: Option<&'static str>,
    /// How long the answer took, without the network.
    pub milliseconds: Option<&'static str>,
    pub constant: &'static [(&'static str, &'static str)],
}

pub fn of(dialect: Dialect) -> &'static DialectHeaders {
    match dialect {
        Dialect::OpenaiChat | Dialect::OpenaiResponses => &OPENAI,
        Dialect::Anthropic => &ANTHROPIC,
        Dialect::Gemini => &GEMINI,
        Dialect::Converse => &CONVERSE,
    }
}

const OPENAI: DialectHeaders = DialectHeaders {
    request_id: Some("x-request-id"),
    milliseconds: Some("openai-processing-ms"),
    constant: &[
        ("openai-organization", "simulator"),
        ("openai-version", "2020-10-01"),
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-limit-tokens", "1000000"),
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-ratelimit-remaining-tokens", "999999"),
        ("x-ratelimit-reset-requests", "6ms"),
        ("x-ratelimit-reset-tokens", "1ms"),
    ],
};

const ANTHROPIC: DialectHeaders = DialectHeaders {
    request_id: Some("request-id"),
    milliseconds: None,
    constant: &[
        ("anthropic-organization-id", "simulator"),
        ("anthropic-ratelimit-input-tokens-limit", "1000000"),
        ("anthropic-ratelimit-input-tokens-remaining", "999999"),
        ("anthropic-ratelimit-input-tokens-reset", "2026-01-01T00:00:00Z"),
        ("anthropic-ratelimit-output-tokens-limit", "1000000"),
        ("anthropic-ratelimit-output-tokens-remaining", "999999"),
        ("anthropic-ratelimit-output-tokens-reset", "2026-01-01T00:00:00Z"),
        ("anthropic-ratelimit-requests-limit", "10000"),
        ("anthropic-ratelimit-requests-remaining", "9999"),
        ("anthropic-ratelimit-requests-reset", "2026-01-01T00:00:00Z"),
    ],
};

/// Gemini's answers have neither an id nor limits in their headers.
const GEMINI: DialectHeaders = DialectHeaders { request_id: None, milliseconds: None, constant: &[] };

const CONVERSE: DialectHeaders =
    DialectHeaders { request_id: Some("x-amzn-requestid"), milliseconds: None, constant: &[] };
