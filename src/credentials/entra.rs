//! Microsoft Entra ID's tokens for Azure: of an application, by its secret or by a token of the cluster that it runs in; of the
//! machine, by Azure's metadata service.
//!
//! Sources: Microsoft identity platform, "OAuth 2.0 client credentials flow"; "Managed identities: acquire a token"; App Service's
//! `IDENTITY_ENDPOINT` (api-version 2019-08-01).

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderName, HeaderValue};
use url::Url;

use super::{Fetched, NoGrant, Source, oauth};
use crate::fetch::Client;
use crate::providers::Instance;
use crate::secret::Secret;

const AUTHORITY: &str = "https://login.microsoftonline.com";
const RESOURCE: &str = "https://cognitiveservices.azure.com";
const SCOPE: &str = "https://cognitiveservices.azure.com/.default";
const METADATA: &str = "http://169.254.169.254";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

#[derive(Debug)]
pub struct Entra {
    client: Arc<Client>,
    identity: Identity,
}

#[derive(Debug)]
enum Identity {
    Application {
        authority: String,
        tenant: String,
        id: String,
        proof: Proof,
    },
    /// `id`: which of the machine's identities, where it has several.
    Machine {
        service: Service,
        id: Option<String>,
    },
}

#[derive(Debug)]
enum Proof {
    Secret(Secret),
    /// A file that holds a token of Kubernetes, replaced from time to time.
    File(PathBuf),
}

#[derive(Debug)]
enum Service {
    /// Virtual machines, at this host.
    Metadata(String),
    /// App Service, Functions, Container Apps.
    Endpoint { url: String, header: Secret },
}

impl Entra {
    /// `Err`: what is missing.
    pub fn of(instance: &Instance, client: &Arc<Client>) -> Result<Self, NoGrant> {
        let option = |name: &str| instance.option(name).map(str::to_owned);
        let needed = |name: &str| option(name).ok_or_else(|| NoGrant(format!("`{name}` is not set")));
        let secret = instance.secret("client_secret");
        let by_file = || instance.option("auth_type") == Some("workload_identity");
        let application = |proof| {
            Ok(Identity::Application {
                authority: option("authority_host").unwrap_or_else(|| AUTHORITY.to_owned()),
                tenant: needed("tenant_id")?,
                id: needed("client_id")?,
                proof,
            })
        };
        let identity = match (instance.option("auth_type"), secret) {
            (Some("managed_identity"), _) => Identity::Machine { service: service(instance), id: option("client_id") },
            (_, Some(secret)) if !by_file() => application(Proof::Secret(secret.clone()))?,
            (Some("client_secret"), _) => return Err(NoGrant("`client_secret` is not set".to_owned())),
            _ => application(Proof::File(needed("federated_token_file")?.into()))?,
        };
        Ok(Self { client: Arc::clone(client), identity })
    }
}

fn service(instance: &Instance) -> Service {
    match (instance.option("identity_endpoint"), instance.secret("identity_header")) {
        (Some(url), Some(header)) => Service::Endpoint { url: url.to_owned(), header: header.clone() },
        _ => Service::Metadata(instance.option("metadata_host").unwrap_or(METADATA).to_owned()),
    }
}

#[async_trait]
impl Source for Entra {
    async fn fetch(&self) -> Result<Fetched, NoGrant> {
        match &self.identity {
            Identity::Application { authority, tenant, id, proof } => {
                let endpoint = format!("{}/{tenant}/oauth2/v2.0/token", authority.trim_end_matches('/'));
                let mut form = vec![("grant_type", "client_credentials"), ("client_id", id), ("scope", SCOPE)];
                let token;
                match proof {
                    Proof::Secret(secret) => form.push(("client_secret", secret.expose())),
                    Proof::File(file) => {
                        let read = std::fs::read_to_string(file);
                        token = read.map_err(|why| NoGrant(format!("{} cannot be read: {why}", file.display())))?;
                        form.extend([("client_assertion_type", ASSERTION), ("client_assertion", token.trim())]);
                    }
                }
                oauth::exchange(&self.client, &url(&endpoint)?, &form).await
            }
            Identity::Machine { service, id } => {
                let (endpoint, version, proof) = match service {
                    Service::Metadata(host) => {
                        let endpoint = format!("{}/metadata/identity/oauth2/token", host.trim_end_matches('/'));
                        (endpoint, "2018-02-01", ("metadata", HeaderValue::from_static("true")))
                    }
                    Service::Endpoint { url, header } => {
                        let value = HeaderValue::from_str(header.expose());
                        let value = value.map_err(|_| NoGrant("`identity_header` is no header's value".to_owned()))?;
                        (url.clone(), "2019-08-01", ("x-identity-header", value))
                    }
                };
                let mut url = url(&endpoint)?;
                url.query_pairs_mut().append_pair("api-version", version).append_pair("resource", RESOURCE);
                if let Some(id) = id {
                    url.query_pairs_mut().append_pair("client_id", id);
                }
                oauth::from_metadata(&self.client, url, (HeaderName::from_static(proof.0), proof.1)).await
            }
        }
    }
}

fn url(text: &str) -> Result<Url, NoGrant> {
    Url::parse(text).map_err(|_| NoGrant(format!("`{text}` is not a URL")))
}
