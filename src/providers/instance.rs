//! A configured provider, everything about it settled.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::{Auth, BaseUrl, Provider, StreamUsage};
use crate::endpoints::Operation;
use crate::secret::Secret;

/// A provider with its key and address. `openai-east` is an instance of the provider `openai`.
#[derive(Debug, Clone)]
pub struct Instance {
    pub name: String,
    pub provider: &'static Provider,
    pub base: BaseUrl,
    pub key: Option<Secret>,
    /// The user's own headers, sent with every request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The configured models, in the user's order.
    pub models: Vec<String>,
    pub list_mode: ListMode,
    /// The provider's own settings, by the names in its row.
    pub options: BTreeMap<&'static str, String>,
    pub timeouts: Timeouts,
    /// Its share among instances that serve the same model.
    pub weight: u32,
}

/// What a configured list of models is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListMode {
    /// It stands in when the provider's own list cannot be had.
    #[default]
    Fallback,
    /// It is all there is: the provider is not asked, and other models are refused.
    Allowlist,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For TCP and TLS together.
    pub connect: Duration,
    /// The longest silence of the provider, before its answer and within it.
    pub read: Duration,
}

impl Instance {
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    /// Whether requests for this operation are sent to it. The row of a provider speaks of the provider's own servers:
    /// what an `openai` instance at another host serves is for that host to say.
    pub fn serves(&self, operation: Operation) -> bool {
        let elsewhere = || {
            let usual = self.provider.base_url.and_then(|url| BaseUrl::parse(url).ok());
            usual.is_some_and(|usual| usual.host != self.base.host)
        };
        self.provider.serves(operation) || (self.provider.name == "openai" && elsewhere())
    }

    /// Whether a stream of chat chunks tells its token counts only when asked. Azure refuses the question in versions of its
    /// API before September 2024.
    pub fn counts_streams_on_request(&self) -> bool {
        self.provider.stream_usage == StreamUsage::OnRequest
            && self.option("api_version").is_none_or(|version| version >= "2024-09-01" || !version.starts_with("20"))
    }

    /// The header that carries the key, if there is a key.
    pub fn credential(&self, auth: Auth) -> Option<(HeaderName, HeaderValue)> {
        let key = self.key.as_ref()?.expose();
        let (name, value) = match auth {
            Auth::Bearer => (http::header::AUTHORIZATION, HeaderValue::try_from(format!("Bearer {key}"))),
            Auth::Header(name) => (HeaderName::from_static(name), HeaderValue::from_str(key)),
            Auth::AwsSignature | Auth::GoogleToken => return None,
        };
        // Keys are checked to be valid header values when the configuration is read.
        let mut value = value.ok()?;
        value.set_sensitive(true);
        Some((name, value))
    }
}
