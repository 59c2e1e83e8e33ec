//! Amazon's credentials: keys of the instance's own, or whatever AWS's own tools would use on this machine.

mod region;
mod sign;

use std::time::Duration;

use async_trait::async_trait;
use aws_config::Region;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use once_cell::sync::Lazy;

pub use region::of_profile;
pub use sign::{Signable, sign};

use super::{Fetched, Grant, NoGrant, Source};
use crate::providers::Instance;

/// Asks STS, SSO and the metadata services. Made when it is first needed: it holds all certificates that are trusted.
static CONFIG: Lazy<Box<dyn Fn() -> ProviderConfig + Send + Sync>> = Lazy::new(|| {
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    Box::new(move || ProviderConfig::default().with_http_client(http.clone()))
});

/// Where an instance's credentials are.
#[derive(Debug)]
pub enum Aws {
    /// In its settings. `Debug` of it hides the secrets.
    Keys(Credentials),
    /// Where AWS's default chain finds them: the environment, a profile (with its SSO, roles and processes), a web identity, the
    /// container's or the machine's role.
    Chain { profile: Option<String>, region: Region },
}

impl Aws {
    pub fn of(instance: &Instance) -> Self {
        match (instance.option("access_key_id"), instance.secret("secret_access_key")) {
            (Some(id), Some(secret)) => {
                let token = instance.secret("session_token").map(|token| token.expose().to_owned());
                Self::Keys(Credentials::new(id, secret.expose(), token, None, "settings"))
            }
            _ => Self::Chain {
                profile: instance.option("profile").map(str::to_owned),
                region: Region::new(instance.option("region").unwrap_or("us-east-1").to_owned()),
            },
        }
    }
}

#[async_trait]
impl Source for Aws {
    async fn fetch(&self) -> Result<Fetched, NoGrant> {
        let credentials = match self {
            Self::Keys(credentials) => credentials.clone(),
            // Made anew each time: it reads the files of profiles once only, and they are written anew by `aws sso login` and others.
            Self::Chain { profile, region } => {
                let mut chain = DefaultCredentialsChain::builder().configure(CONFIG()).region(region.clone());
                if let Some(profile) = profile {
                    chain = chain.profile_name(profile);
                }
                let found = chain.build().await.provide_credentials().await;
                found.map_err(|why| NoGrant(explained(&why, profile.as_deref())))?
            }
        };
        Ok(Fetched { expires: credentials.expiry(), grant: Grant::Aws(credentials) })
    }

    /// Metadata services have new ones five minutes before the old ones expire, not earlier.
    fn margin(&self) -> Duration {
        Duration::from_secs(120)
    }
}

fn explained(why: &CredentialsError, profile: Option<&str>) -> String {
    let profile = profile
        .map_or_else(|| "the profile of AWS_PROFILE or `default`".to_owned(), |name| format!("profile `{name}`"));
    if matches!(why, CredentialsError::CredentialsNotLoaded(_)) {
        return format!(
            "AWS credentials are nowhere. Tried: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, {profile} in ~/.aws, a web identity \
             (AWS_WEB_IDENTITY_TOKEN_FILE), the container (AWS_CONTAINER_CREDENTIALS_*_URI), the instance metadata service. A \
             Bedrock API key (api_key) does without"
        );
    }
    let mut message = "AWS credentials cannot be had".to_owned();
    let mut cause: Option<&dyn std::error::Error> = Some(why);
    while let Some(error) = cause {
        let said = error.to_string();
        if !message.ends_with(&said) {
            message = format!("{message}: {said}");
        }
        cause = error.source();
    }
    message
}
