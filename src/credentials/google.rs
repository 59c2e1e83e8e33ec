//! Google's access tokens: of a service account, by its key; of whoever is logged in on this machine, by a refresh token; of the
//! machine itself, by the metadata server.
//!
//! Which of them is Google's convention of "application default credentials": the file that `GOOGLE_APPLICATION_CREDENTIALS` names,
//! else the one that `gcloud auth application-default login` leaves, else the metadata server. Files are read for each token: they
//! may have been replaced. Source: Google Cloud, "How Application Default Credentials works"; RFC 7523 for the assertion.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use gcp_auth::CustomServiceAccount;
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Fetched, NoGrant, Source, oauth};
use crate::fetch::Client;
use crate::providers::Instance;
use crate::secret::Secret;

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const TOKEN_ENDPOINT: &str = "https://oauth2.googleapis.com/token";
const METADATA_HOST: &str = "metadata.google.internal";
const LOGIN: &str = "gcloud/application_default_credentials.json";
/// The longest that Google allows an assertion to be good for, in seconds.
const LASTS: u64 = 3600;

#[derive(Debug)]
pub struct Google {
    client: Arc<Client>,
    origin: Origin,
}

#[derive(Debug)]
enum Origin {
    Default {
        file: Option<PathBuf>,
        metadata_host: String,
    },
    File(PathBuf),
    /// A key file's content, as it is or in base64.
    Inline(Secret),
}

/// A file of credentials.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Key {
    ServiceAccount {
        client_email: String,
        private_key_id: Option<String>,
        token_uri: Option<String>,
    },
    AuthorizedUser {
        client_id: String,
        client_secret: String,
        refresh_token: String,
        token_uri: Option<String>,
    },
    #[serde(other)]
    Other,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

#[derive(Serialize)]
struct Head<'a> {
    alg: &'static str,
    typ: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

impl Google {
    pub fn of(instance: &Instance, client: &Arc<Client>) -> Self {
        let inline = instance.secret("service_account_json");
        let file = instance.option("service_account_file").map(PathBuf::from);
        let origin = match (inline, file) {
            _ if instance.option("auth_type") == Some("gcp_adc") => Origin::default_of(instance),
            (Some(inline), _) => Origin::Inline(inline.clone()),
            (None, Some(file)) => Origin::File(file),
            (None, None) => Origin::default_of(instance),
        };
        Self { client: Arc::clone(client), origin }
    }

    async fn by_key(&self, text: &str, whence: &str) -> Result<Fetched, NoGrant> {
        let unusable = |why: &str| NoGrant(format!("{whence} {why}"));
        let key: Key = serde_json::from_str(text)
            .map_err(|_| unusable("is neither a service account's key nor a login of gcloud's"))?;
        let endpoint = |given: &Option<String>| {
            Url::parse(given.as_deref().unwrap_or(TOKEN_ENDPOINT))
                .map_err(|_| unusable("has a token_uri that is no URL"))
        };
        match &key {
            Key::ServiceAccount { client_email, private_key_id, token_uri } => {
                let account =
                    CustomServiceAccount::from_json(text).map_err(|why| unusable(&format!("cannot be used: {why}")))?;
                let endpoint = endpoint(token_uri)?;
                let audience = token_uri.as_deref().unwrap_or(TOKEN_ENDPOINT);
                let signed = signed(&account, client_email, private_key_id.as_deref(), audience);
                let assertion = signed.map_err(|why| unusable(&format!("does not sign: {why}")))?;
                let form =
                    [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", assertion.as_str())];
                oauth::exchange(&self.client, &endpoint, &form).await
            }
            Key::AuthorizedUser { client_id, client_secret, refresh_token, token_uri } => {
                let form = [
                    ("grant_type", "refresh_token"),
                    ("client_id", client_id),
                    ("client_secret", client_secret),
                    ("refresh_token", refresh_token),
                ];
                oauth::exchange(&self.client, &endpoint(token_uri)?, &form).await
            }
            Key::Other => {
                Err(unusable("holds credentials of a kind that is not supported; use a service account's key"))
            }
        }
    }

    async fn by_file(&self, file: &PathBuf) -> Result<Fetched, NoGrant> {
        let whence = file.display().to_string();
        let text = std::fs::read_to_string(file);
        self.by_key(&text.map_err(|why| NoGrant(format!("{whence} cannot be read: {why}")))?, &whence).await
    }

    async fn by_metadata(&self, host: &str) -> Result<Fetched, NoGrant> {
        let url = format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token");
        let url = Url::parse(&url).map_err(|_| NoGrant(format!("`{host}` is no metadata server's name")))?;
        let proof = (HeaderName::from_static("metadata-flavor"), HeaderValue::from_static("Google"));
        oauth::from_metadata(&self.client, url, proof).await.map_err(|NoGrant(why)| {
            NoGrant(format!("GOOGLE_APPLICATION_CREDENTIALS is not set, gcloud has no login here, and {why}"))
        })
    }
}

#[async_trait]
impl Source for Google {
    async fn fetch(&self) -> Result<Fetched, NoGrant> {
        match &self.origin {
            Origin::File(file) => self.by_file(file).await,
            Origin::Inline(text) => {
                let text = text.expose().trim();
                let decoded = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                self.by_key(decoded.as_deref().unwrap_or(text), "service_account_json").await
            }
            Origin::Default { file: Some(file), .. } => self.by_file(file).await,
            Origin::Default { file: None, metadata_host } => match login() {
                Some(file) => self.by_file(&file).await,
                None => self.by_metadata(metadata_host).await,
            },
        }
    }
}

impl Origin {
    fn default_of(instance: &Instance) -> Self {
        Self::Default {
            file: instance.option("credentials_file").map(PathBuf::from),
            metadata_host: instance.option("metadata_host").unwrap_or(METADATA_HOST).to_owned(),
        }
    }
}

/// Where gcloud keeps the login of this machine's user, if there is one.
fn login() -> Option<PathBuf> {
    Some(std::env::home_dir()?.join(".config").join(LOGIN)).filter(|file| file.is_file())
}

/// The assertion by which a service account asks for a token.
fn signed(
    account: &CustomServiceAccount,
    email: &str,
    kid: Option<&str>,
    audience: &str,
) -> Result<String, gcp_auth::Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let claims = Claims { iss: email, scope: SCOPE, aud: audience, iat: now, exp: now + LASTS };
    let head = encoded(&Head { alg: "RS256", typ: "JWT", kid });
    let said = format!("{head}.{}", encoded(&claims));
    let signature = account.signer().sign(said.as_bytes())?;
    Ok(format!("{said}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn encoded(part: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(part).unwrap_or_default())
}
