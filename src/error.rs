//! What can go wrong with an exchange, in our own words. How a dialect shows it is the dialect's business.

use http::StatusCode;

/// Whose fault it is and of what sort; each kind has one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    InvalidRequest,
    TooLarge,
    Authentication,
    Permission,
    NotFound,
    MethodNotAllowed,
    /// We cannot serve just now; a later try may succeed.
    Unavailable,
    /// The provider could not be reached, or broke off.
    Upstream,
    /// The provider kept silent for too long.
    Timeout,
    Internal,
}

/// An answer that we give instead of a provider's.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    pub kind: Kind,
    /// What is wrong, where, and how to mend it. Never holds a credential or a part of a body.
    pub message: String,
    /// OpenAI's `code`: a word for programs.
    pub code: Option<&'static str>,
    /// The member of the request that is to blame.
    pub param: Option<&'static str>,
    /// Seconds after which a new try makes sense.
    pub retry_after: Option<u64>,
}

impl Refusal {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), code: None, param: None, retry_after: None }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidRequest, message)
    }

    pub fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    pub fn param(mut self, param: &'static str) -> Self {
        self.param = Some(param);
        self
    }

    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub fn status(&self) -> StatusCode {
        match self.kind {
            Kind::InvalidRequest => StatusCode::BAD_REQUEST,
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::Authentication => StatusCode::UNAUTHORIZED,
            Kind::Permission => StatusCode::FORBIDDEN,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Upstream => StatusCode::BAD_GATEWAY,
            Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}
