//! The environment: the only place that reads it, and what its variables mean.
//!
//! Variables are laid over the configuration tree before the tree is read, so a setting has one meaning wherever it was
//! given.

use std::collections::BTreeMap;
use std::path::Path;

use super::dotenv;
use super::node::{Node, Origin, Value};
use crate::providers::{Key, Provider, catalog};

/// Variables and their values; the process's own, with those of `.env` where the process has none.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The process's environment completed by the file `.env`, if that is there.
    pub fn of_process(path: &Path) -> Result<Self, String> {
        let mut variables = match std::fs::read_to_string(path) {
            Ok(text) => dotenv::read(&text).map_err(|why| format!("{}: {why}", path.display()))?,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(why) => return Err(format!("{}: {why}", path.display())),
        };
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
        let process =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        variables.extend(process);
        Ok(Self(variables))
    }

    /// What the text of a `.env` says by itself.
    pub fn of_text(text: &str) -> Result<Self, String> {
        dotenv::read(text).map(Self)
    }

    /// A variable's value; an empty one is there, and means that something is switched off in some programs, but not here:
    /// see [`Self::set`].
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A variable's value unless it is empty.
    pub fn set(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Environment {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

/// Variables that stand for one setting each.
pub const SETTINGS: &[(&str, &str)] = &[
    ("CONFIGURED_PROVIDER_MODELS_MODE", "inventory.mode"),
    ("NARTHEX_ACCESS_LOG", "log.access"),
    ("NARTHEX_ADMIN_LISTEN", "server.admin_listen"),
    ("NARTHEX_ALLOW_OPEN", "server.allow_open"),
    ("NARTHEX_BATCHES_CONCURRENCY", "batches.concurrency"),
    ("NARTHEX_BATCHES_EMULATE", "batches.emulate"),
    ("NARTHEX_BATCHES_POLL", "batches.poll"),
    ("NARTHEX_CA_FILE", "server.ca_file"),
    ("NARTHEX_FETCH_MEDIA", "media.fetch.enabled"),
    ("NARTHEX_LISTEN", "server.listen"),
    ("NARTHEX_LOG", "log.level"),
    ("NARTHEX_MASTER_KEY", "server.master_key"),
    ("NARTHEX_MAX_BODY", "server.max_body"),
    ("NARTHEX_RETRIES", "routing.retries"),
    ("NARTHEX_STORE_FILE_RETENTION", "store.file_retention"),
    ("NARTHEX_STORE_PATH", "store.path"),
    ("NARTHEX_STORE_RETENTION", "store.retention"),
    ("NARTHEX_STORE_URL", "store.url"),
    ("NARTHEX_STRATEGY", "routing.strategy"),
    ("NARTHEX_STRICT", "routing.strict"),
    ("NARTHEX_THREADS", "server.threads"),
    ("PORT", "server.port"),
];

/// The fields that every provider has, by variable and by setting.
pub const PROVIDER_FIELDS: &[(&str, &str)] = &[("API_KEY", "api_key"), ("BASE_URL", "base_url"), ("MODELS", "models")];

/// Lays the environment over the tree. Returns what was noticed but is no error.
pub fn overlay(tree: &mut Node, env: &Environment) -> Vec<String> {
    for (variable, setting) in SETTINGS {
        if let Some(value) = env.set(variable) {
            let node = setting.split('.').fold(&mut *tree, |node, key| node.entry(key));
            *node = Node::scalar(value, Origin::Variable((*variable).to_owned()));
        }
    }
    let mut remarks = Vec::new();
    for provider in catalog::TABLE {
        for (suffix, group) in groups(provider, env, &mut remarks) {
            match instance_for(provider, &suffix, tree) {
                Ok(name) => lay_over(provider, &name, &group, tree),
                Err(remark) => remarks.push(remark),
            }
        }
    }
    remarks
}

/// Setting → (variable, value), of one instance.
type Group = BTreeMap<&'static str, (String, String)>;

/// The variables of a provider, grouped by the suffix that tells its instances apart; the group without one comes first.
fn groups(provider: &'static Provider, env: &Environment, remarks: &mut Vec<String>) -> BTreeMap<String, Group> {
    let prefix = format!("{}_", provider.env_prefix());
    let mut fields: Vec<(String, &'static str)> =
        PROVIDER_FIELDS.iter().map(|(variable, setting)| ((*variable).to_owned(), *setting)).collect();
    fields.extend(provider.options.iter().map(|option| (option.to_ascii_uppercase(), *option)));
    // The longest first: MESSAGES_MODELS is a field of its own, not the MODELS of an instance called MESSAGES.
    fields.sort_by_key(|(variable, _)| std::cmp::Reverse(variable.len()));

    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for (variable, value) in env.0.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(&prefix)) {
        let rest = variable.get(prefix.len()..).unwrap_or_default();
        if value.is_empty() {
            continue;
        }
        let matched = fields.iter().find_map(|(field, setting)| {
            let before = rest.strip_suffix(field.as_str())?;
            if before.is_empty() {
                return Some((String::new(), *setting));
            }
            let suffix = before.strip_suffix('_')?;
            is_suffix(suffix).then(|| (suffix.to_ascii_lowercase().replace('_', "-"), *setting))
        });
        if let Some((suffix, setting)) = matched {
            // What a shell would have replaced, neither `.env` nor `docker --env-file` has.
            if value.contains("${") {
                remarks.push(format!("{variable} ignored: it holds `${{`, which nobody has expanded"));
                continue;
            }
            groups.entry(suffix).or_default().insert(setting, (variable.clone(), value.clone()));
        }
    }
    groups
}

/// Letters and digits in groups joined by single underscores.
fn is_suffix(text: &str) -> bool {
    text.split('_').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// The name of the instance that a group is for, configured already or new.
fn instance_for(provider: &'static Provider, suffix: &str, tree: &Node) -> Result<String, String> {
    let configured = tree.get("providers").map(Node::entries).unwrap_or_default();
    let kind = |name: &str, node: &Node| node.get("type").and_then(Node::as_text).unwrap_or(name).to_owned();
    let is_of_kind =
        |name: &str, node: &Node| catalog::find(&kind(name, node)).is_some_and(|row| row.name == provider.name);

    let own = if suffix.is_empty() { provider.name.to_owned() } else { format!("{}-{suffix}", provider.name) };
    let taken = configured.iter().find(|(name, _)| name.replace('_', "-") == own);
    let variables = format!("{}_{}*", provider.env_prefix(), suffix.to_ascii_uppercase().replace('-', "_"));
    match taken {
        Some((name, node)) if is_of_kind(name, node) => return Ok(name.clone()),
        Some((name, node)) => {
            return Err(format!(
                "{variables} ignored: `{name}` is configured as a provider of type {}",
                kind(name, node)
            ));
        }
        None if !suffix.is_empty() => return Ok(own),
        None => {}
    }
    let mut same_kind = configured.iter().filter(|(name, node)| is_of_kind(name, node));
    match (same_kind.next(), same_kind.next()) {
        (None, _) => Ok(own),
        (Some((name, _)), None) => Ok(name.clone()),
        (Some(_), Some(_)) => Err(format!(
            "{variables} ignored: several providers of type {} are configured, none is named `{own}`",
            provider.name
        )),
    }
}

/// Sets what the group gives and leaves the rest as it was.
fn lay_over(provider: &'static Provider, name: &str, group: &Group, tree: &mut Node) {
    let providers = tree.entry("providers");
    let is_new = providers.get(name).is_none();
    // Without a key a group of variables makes no instance: OPENAI_BASE_URL alone is meant for a client on this machine. Nor
    // does a list of models where no key is needed: OLLAMA_MODELS is where Ollama itself keeps its files.
    let incomplete = match provider.key {
        Key::Required => !group.contains_key("api_key"),
        Key::OrOption(instead) => {
            !group.contains_key("api_key") && !instead.iter().any(|name| group.contains_key(name))
        }
        Key::Optional => {
            provider.needs.first().is_some_and(|need| !group.contains_key(need) && !group.contains_key("api_key"))
        }
    };
    let incomplete = incomplete
        || provider.base_url.is_none() && !group.contains_key("base_url")
        || group.keys().all(|setting| *setting == "models");
    if is_new && incomplete {
        return;
    }
    let instance = providers.entry(name);
    for (setting, (variable, value)) in group {
        *instance.entry(setting) = Node::scalar(value.clone(), Origin::Variable(variable.clone()));
    }
    if is_new {
        let origin = group.values().next().map_or(Origin::Unknown, |(variable, _)| Origin::Variable(variable.clone()));
        *instance.entry("type") = Node::scalar(provider.name, origin.clone());
        instance.origin = origin;
    }
    debug_assert!(matches!(instance.value, Value::Map(_)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_file_is_reported_without_its_values() {
        let folder = tempfile::tempdir().unwrap();
        let dotenv = folder.path().join(".env");
        std::fs::write(&dotenv, "NARTHEX_A_FIRST=1\nNARTHEX_A_KEY=sk live secret\n").unwrap();
        let why = Environment::of_process(&dotenv).unwrap_err();
        assert!(why.contains("line 2") && !why.contains("secret"), "{why}");
    }
}
