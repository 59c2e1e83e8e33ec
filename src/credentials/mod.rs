//! Credentials that are fetched and expire, where a key in the configuration is not enough: the clouds'.
//!
//! An instance that needs them has one [`Credentials`], which all exchanges share. What was fetched is renewed in the background
//! before it expires, so that no exchange waits for it but the first. How it is fetched is a [`Source`]'s matter, one for each
//! cloud.

pub mod aws;
mod cached;
mod entra;
mod google;
mod oauth;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, StatusCode};

pub use cached::Credentials;

use crate::fetch::Client;
use crate::providers::{Auth, Instance};

/// What a request is allowed by.
#[derive(Debug)]
pub enum Grant {
    /// The value of `Authorization`, marked as sensitive.
    Bearer(HeaderValue),
    /// What requests are signed with. Its `Debug` hides the secrets.
    Aws(aws_credential_types::Credentials),
}

impl Grant {
    /// Whether an answer says that the grant is no longer good. Amazon says so by 403 and the error's name.
    pub fn is_refused_by(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let error = headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok()).unwrap_or_default();
        match self {
            Self::Bearer(_) => status == StatusCode::UNAUTHORIZED,
            Self::Aws(_) => {
                status == StatusCode::UNAUTHORIZED
                    || status == StatusCode::FORBIDDEN && error.starts_with("ExpiredToken")
            }
        }
    }
}

/// A grant and how long it is good for.
#[derive(Debug)]
pub struct Fetched {
    pub grant: Grant,
    /// `None`: until it is refused.
    pub expires: Option<SystemTime>,
}

/// Why there is no grant; tells what to do, and never a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no credentials: {0}")]
pub struct NoGrant(pub String);

/// Where grants come from.
#[async_trait]
pub trait Source: Debug + Send + Sync {
    async fn fetch(&self) -> Result<Fetched, NoGrant>;

    /// How long before it expires a grant is renewed.
    fn margin(&self) -> Duration {
        Duration::from_secs(300)
    }
}

/// What an instance needs besides its key, if it needs anything.
pub fn of(instance: &Instance, client: &Arc<Client>) -> Option<Arc<Credentials>> {
    match instance.provider.auth {
        _ if instance.key.is_some() => None,
        Auth::AwsSignature(_) => Some(Credentials::new(aws::Aws::of(instance, client.ca_file()))),
        Auth::GoogleToken => Some(Credentials::new(google::Google::of(instance, client))),
        Auth::KeyOrEntra(_) => Some(match entra::Entra::of(instance, client) {
            Ok(entra) => Credentials::new(entra),
            Err(why) => Credentials::new(Incomplete(why)),
        }),
        Auth::Bearer | Auth::Header(_) => None,
    }
}

/// Settings from which no grant can come.
#[derive(Debug)]
struct Incomplete(NoGrant);

#[async_trait]
impl Source for Incomplete {
    async fn fetch(&self) -> Result<Fetched, NoGrant> {
        Err(self.0.clone())
    }
}
