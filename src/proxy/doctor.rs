//! `narthex doctor`: can each instance be reached, does it know us, does it serve what is configured?
//!
//! Two questions, both free of charge: for the list of models, and an empty request for an answer, which every provider has to
//! refuse. It refuses the key first if it does not like it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use http::{Method, StatusCode};
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::Connector;
use pingora_core::server::configuration::ServerConf;

use bytes::Bytes;

use super::ask::{Body, Question, Told, Trouble, ask};
use super::dns::Dns;
use super::refresh;
use super::server::SIMULATOR_HOST;
use crate::config::Config;
use crate::error::{Failure, Kind};
use crate::fetch::Client;
use crate::providers::{Auth, Call};
use crate::routing::{Listed, Upstream};

const NOTHING: &[u8] = b"{}";

/// What was found out of an instance.
#[derive(Debug, Default)]
pub struct Finding {
    text: String,
    pub is_well: bool,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Finding {
    fn of(upstream: &Upstream) -> Self {
        let instance = &upstream.instance;
        Self { text: format!("{}: {} at {}\n", instance.name, instance.provider.title, instance.base), is_well: true }
    }

    fn note(&mut self, word: &str, what: impl std::fmt::Display) {
        // Writing to a text cannot fail.
        let _ = writeln!(self.text, "  {word:<5} {what}");
    }

    fn fail(&mut self, what: impl std::fmt::Display) {
        self.is_well = false;
        self.note("FAIL", what);
    }
}

/// Looks at every instance, or at those that are named, all at once. In the order of the configuration.
///
/// # Errors
///
/// Where no runtime can be had.
pub fn examine(config: &Config, names: &[String]) -> std::io::Result<Vec<Finding>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(examine_all(config, names)))
}

async fn examine_all(config: &Config, names: &[String]) -> Vec<Finding> {
    let conf = ServerConf {
        ca_file: config.server.ca_file.as_ref().map(|path| path.display().to_string()),
        ..ServerConf::default()
    };
    let connector = Connector::new(Some(ConnectorOptions::from_server_conf(&conf)));
    let dns = Arc::new(Dns::default());
    let chosen = config.instances.iter().filter(|instance| names.is_empty() || names.contains(&instance.name));
    let client = Arc::new(Client::new(config.server.ca_file.as_deref()));
    let upstreams: Vec<_> = chosen.cloned().map(|instance| Upstream::new(instance, &client)).collect();
    futures::future::join_all(upstreams.iter().map(|upstream| patient(upstream, &dns, &connector))).await
}

async fn patient(upstream: &Upstream, dns: &Arc<Dns>, connector: &Connector) -> Finding {
    let mut finding = Finding::of(upstream);
    let base = &upstream.instance.base;
    if base.host == SIMULATOR_HOST {
        finding.note("ok", "it is built in");
        return finding;
    }
    match dns.resolve(&base.host, base.port, &[]).await {
        Ok(address) => finding.note("ok", format_args!("{} is {}", base.host, address.ip())),
        Err(why) => {
            finding.fail(format_args!("the host {} cannot be resolved ({why}): check `base_url`", base.host));
            return finding;
        }
    }
    if let Some(credentials) = &upstream.credentials {
        match credentials.grant().await {
            Ok(_) => finding.note("ok", "credentials were found"),
            Err(why) => {
                finding.fail(why);
                return finding;
            }
        }
    }
    let listed = list(upstream, dns, connector, &mut finding).await;
    if finding.is_well {
        serve(upstream, dns, connector, &listed, &mut finding).await;
    }
    finding
}

/// Fetches the list of models, and compares it with what is configured.
async fn list(upstream: &Upstream, dns: &Arc<Dns>, connector: &Connector, finding: &mut Finding) -> Vec<Listed> {
    let instance = &upstream.instance;
    if instance.provider.model_list.is_none() {
        return Vec::new();
    }
    match refresh::fetch(upstream, dns, connector).await {
        Ok(models) => {
            finding.note("ok", format_args!("{} models are listed", models.len()));
            let is_missing = |id: &&String| !models.is_empty() && !models.iter().any(|listed| listed.id == **id);
            for id in instance.models.iter().filter(is_missing) {
                finding.note("note", format_args!("`{id}` is configured, yet not on that list"));
            }
            models
        }
        // What an answer says of it, the next question will.
        Err(why) => {
            finding.note("note", format_args!("the list of models cannot be had: {why}"));
            Vec::new()
        }
    }
}

/// Asks for an answer to nothing.
async fn serve(upstream: &Upstream, dns: &Arc<Dns>, connector: &Connector, listed: &[Listed], finding: &mut Finding) {
    let instance = &upstream.instance;
    let Some(operation) = instance.provider.operations.iter().copied().find(|operation| operation.generates()) else {
        return;
    };
    let configured = instance.models.first().map(String::as_str);
    let model = configured
        .or_else(|| listed.iter().map(|listed| listed.id.as_str()).find(|id| *id == instance.provider.example))
        .unwrap_or(instance.provider.example);
    let call = Call { operation, model, is_stream: false };
    let destination = instance.provider.urls.operation(instance, &call);
    let question = Question {
        method: Method::POST,
        base: &instance.base,
        path_and_query: &destination.path_and_query,
        auth: destination.auth,
        headers: Vec::new(),
        body: Body::Json(Bytes::from_static(NOTHING)),
    };
    let started = Instant::now();
    match ask(upstream, dns, connector, &question).await {
        Ok(told) => {
            let failure = operation.dialect().provider().read_failure(told.status, &told.headers, &told.body);
            judge(&told, &failure, &destination.path_and_query, destination.auth, upstream, started, finding);
        }
        Err(Trouble::Unresolved { host, why }) => {
            finding.fail(format_args!("the host {host} cannot be resolved ({why})"));
        }
        Err(why) => finding.fail(why),
    }
}

fn judge(
    told: &Told,
    failure: &Failure,
    path: &str,
    auth: Auth,
    upstream: &Upstream,
    started: Instant,
    finding: &mut Finding,
) {
    let name = upstream.name();
    let path = path.split('?').next().unwrap_or_default();
    let status = told.status.as_u16();
    let said = format!("{status}: {}", failure.message.trim());
    match (told.status, failure.kind) {
        (status, _) if status.is_success() => finding.note("ok", "it answers"),
        (_, Kind::Authentication) => finding.fail(match (&upstream.credentials, auth) {
            (Some(_), _) => format!("what the credentials allow is refused ({said})"),
            (None, _) if upstream.instance.key.is_none() => {
                format!("it wants a key: set `providers.{name}.api_key` ({said})")
            }
            (None, _) => format!("the key is refused, wrong or expired: check `providers.{name}.api_key` ({said})"),
        }),
        (_, Kind::Permission) => finding.fail(format_args!(
            "the key is known, but may not do this: a right, access to the model, or the region is missing ({said})"
        )),
        (_, Kind::Quota) => finding.fail(format_args!("the account is used up ({said})")),
        (_, Kind::RateLimited) => finding.note("note", format_args!("it is known, and too busy now ({said})")),
        (StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED, _) => finding.fail(format_args!(
            "there is nothing at {path}, or not that model: check `base_url`, `api_version` and the model ({said})"
        )),
        (status, _) if status.is_client_error() => finding.note(
            "ok",
            format_args!(
                "it answers, in {} ms, and wants a better request, as it should",
                started.elapsed().as_millis()
            ),
        ),
        _ => finding.fail(format_args!("it is in trouble itself ({said})")),
    }
}
