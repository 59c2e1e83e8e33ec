//! Azure OpenAI's URLs: one resource, two surfaces.
//!
//! The v1 surface (`…/openai/v1`) takes the deployment as `model`, like OpenAI. The older one puts it in the path
//! (`…/openai/deployments/{deployment}/chat/completions?api-version=…`) for the operations that run a model, and keeps the
//! rest at the resource (`…/openai/responses`, `…/openai/models`). Source: Azure OpenAI REST reference; `lib/azure.py` of the
//! official Python SDK.

use std::borrow::Cow;
use std::collections::BTreeMap;

use percent_encoding::utf8_percent_encode;

use super::urls::{UNRESERVED, destination, with_query};
use super::{Call, Destination, Instance, Urls};
use crate::endpoints::Operation;
use crate::secret::Secret;

/// The last general version of the older surface.
const DEFAULT_VERSION: &str = "2024-10-21";

pub struct Azure;

/// What the configured base URL points at.
enum Surface<'a> {
    V1,
    /// One deployment. `root` is the path of `/openai` at its resource.
    Deployment {
        root: &'a str,
        name: &'a str,
    },
    /// The resource with an explicit `api_version`: the deployment is the model's name.
    Resource {
        root: &'a str,
    },
}

impl Urls for Azure {
    /// The deployment of a model, as the option `deployments` says: `gpt-5=my-deployment,…`.
    fn model<'a>(&self, instance: &'a Instance, _operation: Operation, model: &'a str) -> Cow<'a, str> {
        let pairs = instance.option("deployments").unwrap_or_default().split(',');
        let mut pairs = pairs.filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name.trim(), value.trim()));
        pairs.find(|(name, _)| *name == model).map_or(model, |(_, deployment)| deployment).into()
    }

    /// An application of Entra ID has a tenant, an id, and something to prove that it is who it says.
    fn missing(
        &self,
        options: &BTreeMap<&'static str, String>,
        secrets: &BTreeMap<&'static str, Secret>,
    ) -> Vec<&'static str> {
        let has = |name: &str| options.contains_key(name) || secrets.contains_key(name);
        let proof = match options.get("auth_type").map(String::as_str) {
            Some("client_secret") => "client_secret",
            Some("workload_identity") => "federated_token_file",
            None if has("client_secret") => "client_secret",
            None if has("federated_token_file") => "federated_token_file",
            _ => return Vec::new(),
        };
        ["tenant_id", "client_id", proof].into_iter().filter(|name| !has(name)).collect()
    }

    fn operation(&self, instance: &Instance, call: &Call<'_>) -> Destination {
        let (operation, path) = (call.operation, call.path());
        let path = match surface(instance) {
            Surface::V1 => versioned(format!("{}{path}", v1_base(instance)), instance.option("api_version")),
            Surface::Deployment { root, name } if is_per_deployment(operation) => {
                versioned(format!("{root}/deployments/{name}{path}"), Some(version(instance)))
            }
            Surface::Resource { root } if is_per_deployment(operation) => {
                let name = self.model(instance, operation, call.model);
                let name = utf8_percent_encode(&name, UNRESERVED);
                versioned(format!("{root}/deployments/{name}{path}"), Some(version(instance)))
            }
            Surface::Deployment { root, .. } | Surface::Resource { root } => {
                versioned(format!("{root}{path}"), Some(version(instance)))
            }
        };
        destination(path, instance.provider.auth)
    }

    fn model_list(&self, instance: &Instance, list: &str) -> String {
        match surface(instance) {
            Surface::V1 => versioned(format!("{}{list}", v1_base(instance)), instance.option("api_version")),
            Surface::Deployment { root, .. } | Surface::Resource { root } => {
                versioned(format!("{root}{list}"), Some(version(instance)))
            }
        }
    }

    fn passthrough(&self, instance: &Instance, rest: &str, query: Option<&str>) -> Destination {
        let auth = instance.provider.auth;
        let given = query.is_some_and(|query| query.split('&').any(|pair| pair.starts_with("api-version=")));
        let (path, default) = if rest.starts_with("openai/") {
            // The resource's own path, with whichever surface it names.
            let root = root_of(&instance.base.path).trim_end_matches("/openai");
            (format!("{root}/{rest}"), (!rest.starts_with("openai/v1/")).then(|| version(instance)))
        } else {
            let below = rest.strip_prefix("v1/").unwrap_or(rest);
            match surface(instance) {
                Surface::V1 => (format!("{}/{below}", v1_base(instance)), instance.option("api_version")),
                Surface::Deployment { root, name } if is_deployment_path(below) => {
                    (format!("{root}/deployments/{name}/{below}"), Some(version(instance)))
                }
                Surface::Deployment { root, .. } | Surface::Resource { root } => {
                    (format!("{root}/{below}"), Some(version(instance)))
                }
            }
        };
        let path = with_query(path, query);
        destination(versioned(path, default.filter(|_| !given)), auth)
    }
}

fn surface(instance: &Instance) -> Surface<'_> {
    let path = instance.base.path.as_str();
    if let Some((root, name)) = path.split_once("/deployments/") {
        return Surface::Deployment { root, name };
    }
    if path.ends_with("/v1") || instance.option("api_version").is_none() {
        return Surface::V1;
    }
    Surface::Resource { root: root_of(path) }
}

/// The v1 base, given as it is or as the resource.
fn v1_base(instance: &Instance) -> String {
    let path = instance.base.path.as_str();
    if path.ends_with("/v1") {
        path.to_owned()
    } else if path.ends_with("/openai") {
        format!("{path}/v1")
    } else {
        format!("{path}/openai/v1")
    }
}

/// The path of `/openai` at the resource, for any of the forms of the base URL.
fn root_of(path: &str) -> &str {
    let path = path.split_once("/deployments/").map_or(path, |(root, _)| root);
    let path = path.strip_suffix("/v1").unwrap_or(path);
    if path.is_empty() { "/openai" } else { path }
}

fn version(instance: &Instance) -> &str {
    instance.option("api_version").unwrap_or(DEFAULT_VERSION)
}

fn versioned(path: String, version: Option<&str>) -> String {
    match version {
        Some(version) => {
            let joint = if path.contains('?') { '&' } else { '?' };
            format!("{path}{joint}api-version={}", utf8_percent_encode(version, UNRESERVED))
        }
        None => path,
    }
}

/// The operations that the older surface serves below a deployment.
fn is_per_deployment(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::Chat
            | Operation::Completions
            | Operation::Embeddings
            | Operation::Speech
            | Operation::Transcriptions
            | Operation::Translations
            | Operation::ImageGenerations
            | Operation::ImageEdits
    )
}

fn is_deployment_path(path: &str) -> bool {
    Operation::ALL.iter().any(|operation| {
        is_per_deployment(*operation) && path.trim_end_matches('/') == operation.path(false).trim_start_matches('/')
    })
}
