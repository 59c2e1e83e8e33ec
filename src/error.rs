//! What can go wrong with an exchange, in our own words. How a dialect shows it is the dialect's business.

use std::time::Duration;

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
    /// Something else has changed it meanwhile, or is about to.
    Conflict,
    /// Too much was asked for; later it will be possible again.
    RateLimited,
    /// The account is used up: trying again does not help.
    Quota,
    /// We cannot serve just now; a later try may succeed.
    Unavailable,
    /// The provider could not be reached, or broke off.
    Upstream,
    /// The provider kept silent for too long.
    Timeout,
    Internal,
}

/// What may still bring an answer after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// It was about the moment or about the server: another try, there or elsewhere.
    Again,
    /// It is about the account: another account, if there is one. The same one will fail for a while.
    Elsewhere,
    /// It was about the request, which is the same everywhere.
    None,
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
        self.kind.status()
    }
}

impl Kind {
    /// The status that says this.
    pub fn status(self) -> StatusCode {
        match self {
            Kind::InvalidRequest => StatusCode::BAD_REQUEST,
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::Authentication => StatusCode::UNAUTHORIZED,
            Kind::Permission => StatusCode::FORBIDDEN,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Kind::Quota => StatusCode::PAYMENT_REQUIRED,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Upstream => StatusCode::BAD_GATEWAY,
            Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl Kind {
    pub fn remedy(self) -> Remedy {
        match self {
            Self::RateLimited
            | Self::Unavailable
            | Self::Upstream
            | Self::Timeout
            | Self::Internal
            | Self::Conflict => Remedy::Again,
            Self::Quota | Self::Authentication => Remedy::Elsewhere,
            Self::InvalidRequest | Self::TooLarge | Self::Permission | Self::NotFound | Self::MethodNotAllowed => {
                Remedy::None
            }
        }
    }

    /// What a provider's status means.
    pub fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::Authentication,
            402 => Self::Quota,
            403 => Self::Permission,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            408 | 504 => Self::Timeout,
            409 => Self::Conflict,
            413 => Self::TooLarge,
            429 | 498 => Self::RateLimited,
            503 | 529 => Self::Unavailable,
            424 => Self::Upstream,
            400..=499 => Self::InvalidRequest,
            500 => Self::Internal,
            _ => Self::Upstream,
        }
    }
}

/// What a provider said instead of an answer, in normal form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The status that the client gets: the provider's own, unless that was a success.
    pub status: StatusCode,
    pub kind: Kind,
    /// The provider's words.
    pub message: String,
    /// The provider's word for programs: OpenAI's `code`, Google's `status`, Amazon's class of exception.
    pub code: Option<String>,
    /// The member of the request that is to blame.
    pub param: Option<String>,
    /// After which a new try makes sense.
    pub retry_after: Option<Duration>,
    /// The provider's id of the request, if the body tells it.
    pub request_id: Option<String>,
}

impl Failure {
    /// What a status says of itself, with these words.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            kind: Kind::of_status(status),
            message: message.into(),
            code: None,
            param: None,
            retry_after: None,
            request_id: None,
        }
    }

    /// A failure of this kind, with the status that goes with it.
    pub fn of_kind(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, ..Self::new(kind.status(), message) }
    }
}

impl From<&Refusal> for Failure {
    fn from(refusal: &Refusal) -> Self {
        Self {
            status: refusal.status(),
            kind: refusal.kind,
            message: refusal.message.clone(),
            code: refusal.code.map(str::to_owned),
            param: refusal.param.map(str::to_owned),
            retry_after: refusal.retry_after.map(Duration::from_secs),
            request_id: None,
        }
    }
}

/// An answer that cannot be read. What could not be understood is not repeated: it may hold anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the provider's answer cannot be read: {what}")]
pub struct Garbled {
    pub what: String,
}

impl Garbled {
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}

impl From<Garbled> for Failure {
    fn from(garbled: Garbled) -> Self {
        Self::of_kind(Kind::Upstream, garbled.to_string())
    }
}
