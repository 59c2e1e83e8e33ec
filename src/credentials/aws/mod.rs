//! Amazon's credentials: keys of the instance's own, or whatever AWS's own tools would use on this machine.

mod region;
mod sign;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_config::Region;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use once_cell::sync::Lazy;

pub use region::of_profile;
pub use sign::{Signable, Signed, sign};

use super::{Fetched, Grant, NoGrant, Source};
use crate::providers::Instance;

/// What asks STS, SSO and the metadata services.
type Config = Arc<dyn Fn() -> ProviderConfig + Send + Sync>;

/// One for each file of trusted certificates, made when it is first needed: it holds them all.
static CONFIGS: Lazy<Mutex<BTreeMap<Option<PathBuf>, Config>>> = Lazy::new(Mutex::default);

/// Where an instance's credentials are.
#[derive(Debug)]
pub enum Aws {
    /// In its settings. `Debug` of it hides the secrets.
    Keys(Credentials),
    /// Where AWS's default chain finds them: the environment, a profile (with its SSO, roles and processes), a web identity, the
    /// container's or the machine's role.
    Chain { profile: Option<String>, region: Region, ca_file: Option<PathBuf> },
}

impl Aws {
    /// `ca_file`: certificates to trust instead of the system's, in PEM.
    pub fn of(instance: &Instance, ca_file: Option<&Path>) -> Self {
        match (instance.option("access_key_id"), instance.secret("secret_access_key")) {
            (Some(id), Some(secret)) => {
                let token = instance.secret("session_token").map(|token| token.expose().to_owned());
                Self::Keys(Credentials::new(id, secret.expose(), token, None, "settings"))
            }
            _ => Self::Chain {
                profile: instance.option("profile").map(str::to_owned),
                region: Region::new(instance.option("region").unwrap_or("us-east-1").to_owned()),
                ca_file: ca_file.map(Path::to_owned),
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
            Self::Chain { profile, region, ca_file } => {
                let config = config(ca_file.as_deref())?.with_region(Some(region.clone()));
                let found = match profile {
                    Some(profile) => of_profile_or_place(profile, &config).provide_credentials().await,
                    None => {
                        let chain = DefaultCredentialsChain::builder().configure(config).region(region.clone());
                        chain.build().await.provide_credentials().await
                    }
                };
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

fn config(ca_file: Option<&Path>) -> Result<ProviderConfig, NoGrant> {
    let mut configs = CONFIGS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = configs.get(&ca_file.map(Path::to_owned)) {
        return Ok(known());
    }
    let unusable = |why: &dyn std::fmt::Display| NoGrant(format!("server.ca_file cannot be used: {why}"));
    let mut tls = TlsContext::builder();
    if let Some(file) = ca_file {
        let pem = std::fs::read(file).map_err(|why| unusable(&why))?;
        tls = tls.with_trust_store(TrustStore::empty().with_pem_certificate(pem));
    }
    let tls = tls.build().map_err(|why| unusable(&why))?;
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    let http = http.tls_context(tls).build_https();
    let made: Config = Arc::new(move || ProviderConfig::default().with_http_client(http.clone()));
    configs.insert(ca_file.map(Path::to_owned), Arc::clone(&made));
    Ok(made())
}

/// The default chain without its beginning: who names a profile does not mean the keys of the environment.
fn of_profile_or_place(profile: &str, config: &ProviderConfig) -> CredentialsProviderChain {
    let profile = ProfileFileCredentialsProvider::builder().configure(config).profile_name(profile).build();
    CredentialsProviderChain::first_try("Profile", profile)
        .or_else("WebIdentityToken", WebIdentityTokenCredentialsProvider::builder().configure(config).build())
        .or_else("EcsContainer", EcsCredentialsProvider::builder().configure(config).build())
        .or_else("Ec2InstanceMetadata", ImdsCredentialsProvider::builder().configure(config).build())
}

fn explained(why: &CredentialsError, profile: Option<&str>) -> String {
    let first = match profile {
        Some(profile) => format!("the profile `{profile}` in ~/.aws"),
        None => "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the default profile in ~/.aws".to_owned(),
    };
    let tried = format!(
        "Tried in this order: {first}, a web identity (AWS_WEB_IDENTITY_TOKEN_FILE), the container \
         (AWS_CONTAINER_CREDENTIALS_*_URI), the instance metadata service. A Bedrock API key (api_key) does without"
    );
    if matches!(why, CredentialsError::CredentialsNotLoaded(_)) {
        return format!("AWS credentials are nowhere. {tried}");
    }
    let mut message = "AWS credentials cannot be had".to_owned();
    let mut cause: Option<&dyn std::error::Error> = Some(why);
    while let Some(error) = cause {
        let said = error.to_string();
        if !message.contains(&said) {
            message = format!("{message}: {said}");
        }
        cause = error.source();
    }
    format!("{}. {tried}", message.trim_end_matches('.'))
}
