//! The section `providers`: instances, each with what its provider's row adds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::env::Environment;
use super::node::{Node, Origin, Problems, Section, Value, closest};
use super::{borrowed, check, units};
use crate::providers::{BaseUrl, Doors, Instance, Key, ListMode, Provider, Timeouts, catalog};
use crate::secret::Secret;

const TIMEOUTS: Timeouts = Timeouts { connect: Duration::from_secs(10), read: Duration::from_secs(600) };

/// The instance that answers when nothing is configured.
pub fn simulator() -> Instance {
    let provider = catalog::find("simulator").unwrap_or_else(|| unreachable!("the catalogue has the simulator"));
    let base = provider.base_url.and_then(|url| BaseUrl::parse(url).ok());
    Instance {
        name: provider.name.to_owned(),
        provider,
        base: base.unwrap_or_else(|| unreachable!("its row has a valid base URL")),
        root: String::new(),
        key: None,
        headers: Vec::new(),
        models: Vec::new(),
        list_mode: ListMode::Fallback,
        options: BTreeMap::new(),
        secrets: BTreeMap::new(),
        bucket: None,
        timeouts: TIMEOUTS,
        weight: 1,
        model_info: Arc::default(),
    }
}

/// What decides on instances besides their own settings.
pub struct Surroundings<'a> {
    pub list_mode: ListMode,
    /// The names of those whose key is given by a variable.
    pub by_variable: &'a [String],
    pub env: &'a Environment,
}

/// The instances, sorted by name. Those whose key is a variable that is not set are left out with a remark.
pub fn read(
    mut section: Section<'_>,
    surroundings: &Surroundings<'_>,
    problems: &Problems,
    remarks: &mut Vec<String>,
) -> Vec<Instance> {
    let mut instances = Vec::new();
    for (name, node) in section.take_all() {
        let path = format!("providers.{name}");
        if !is_name(name) {
            problems.add(&node.origin, &path, "a name consists of letters, digits, `-`, `_` and `.`");
            continue;
        }
        let mut entry = Section::new(path.clone(), Some(node), problems);
        let Some(provider) = provider_of(name, &mut entry, node) else { continue };
        if let Some(instance) = read_instance(name, provider, surroundings, entry, remarks) {
            instances.push(instance);
        }
    }
    instances.sort_by(|a, b| a.name.cmp(&b.name));
    instances
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// The row of the entry's `type`; an entry that is named like a provider need not say it.
fn provider_of(name: &str, entry: &mut Section<'_>, node: &Node) -> Option<&'static Provider> {
    let names = || catalog::TABLE.iter().map(|row| row.name);
    let given = node.get("type").and_then(Node::as_text).filter(|text| !text.is_empty());
    if given.is_none() && catalog::find(name).is_none() {
        let list = names().collect::<Vec<_>>().join(", ");
        entry.problem(format!("needs a `type`: one of {list} (`openai` for any compatible server)"));
        return None;
    }
    entry.read("type", |text| match catalog::find(text) {
        Some(_) => Ok(()),
        None => {
            let hint = closest(text, names()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            Err(format!("`{text}` is not a known provider{hint}"))
        }
    });
    catalog::find(given.unwrap_or(name))
}

fn read_instance(
    name: &str,
    provider: &'static Provider,
    surroundings: &Surroundings<'_>,
    mut entry: Section<'_>,
    remarks: &mut Vec<String>,
) -> Option<Instance> {
    let mut key = entry.read("api_key", secret);
    let mut models = entry.list("models").unwrap_or_default();
    let own_mode = entry.read("models_mode", check::list_mode);
    let weight = entry
        .read("weight", |text| match text.parse() {
            Ok(weight @ 1..=1000) => Ok(weight),
            _ => Err(format!("`{text}` is not a weight from 1 to 1000")),
        })
        .unwrap_or(1);
    let headers = read_headers(&mut entry);
    let timeouts = read_timeouts(entry.section("timeouts"));
    let (mut options, mut secrets) = (BTreeMap::new(), BTreeMap::new());
    for option in provider.options {
        if *option == "deployments" {
            options.extend(read_deployments(&mut entry, option).map(|value| (*option, value)));
        } else if Instance::is_secret(option) {
            secrets.extend(entry.read(option, secret).map(|value| (*option, value)));
        } else {
            options.extend(entry.text(option).map(|value| (*option, value.to_owned())));
        }
    }
    let given = entry.read("base_url", |text| provider.urls.read_base(text, &options));
    // First what the instance says by itself, then together with what the environment adds.
    let settled = provider.urls.settle(&mut options, &secrets, given.as_ref()).and_then(|()| {
        let settings = borrowed::Settings { key: &mut key, options: &mut options, secrets: &mut secrets };
        borrowed::complete(provider, surroundings.env, settings)?;
        provider.urls.settle(&mut options, &secrets, given.as_ref())
    });
    if let Err(why) = settled {
        entry.problem(why);
    }
    let usual = provider.urls.usual_base(provider, &options);
    if given.is_none() && provider.options.contains(&"region") && !options.contains_key("region") {
        let host = usual.as_ref().map_or("", |usual| &usual.host);
        remarks.push(format!("providers.{name} names no region: {host} is asked"));
    }
    for (option, choices) in provider.choices {
        if let Some(given) = options.get(option).filter(|given| !choices.contains(&given.as_str())) {
            entry.problem(format!("{option} `{given}` is none of {}", choices.join(", ")));
        }
    }
    // Who names the compatible surface wants it.
    let is_compatible = given.as_ref().is_some_and(|given| given.path.ends_with("/openai"));
    if matches!(provider.doors, Doors::Native) && is_compatible {
        options.entry("api_mode").or_insert_with(|| "openai".to_owned());
    }
    // It was said what is to be used instead.
    let key = match options.get("auth_type").map(String::as_str) {
        None | Some("api_key") => key,
        Some(_) => None,
    };
    let needs = provider.needs.iter().copied().filter(|need| !options.contains_key(need));
    let needs = needs.chain(provider.urls.missing(&options, &secrets));
    for need in needs.filter(|_| key.is_none()) {
        let own = name.to_ascii_uppercase().replace(['-', '.'], "_");
        let prefix = if own.starts_with(&provider.env_prefix()) { own } else { provider.env_prefix() };
        entry.problem(format!("needs a `{need}` (or the variable {prefix}_{})", need.to_ascii_uppercase()));
    }
    let mut list_mode = own_mode.unwrap_or(surroundings.list_mode);
    // What has deployments is known by their names; the provider's list tells what could be deployed.
    if models.is_empty()
        && let Some(deployments) = options.get("deployments")
    {
        models = deployments.split(',').filter_map(|pair| Some(pair.split_once('=')?.0.trim().to_owned())).collect();
        list_mode = own_mode.unwrap_or(ListMode::Allowlist);
    }

    if !matches!(options.get("keeps_responses").map(String::as_str), None | Some("true" | "false")) {
        entry.problem("keeps_responses is neither true nor false");
    }

    if !matches!(options.get("context_suffix").map(String::as_str), None | Some("keep" | "strip")) {
        entry.problem("context_suffix is neither keep nor strip");
    }

    let is_elsewhere = given.as_ref().is_some_and(|given| usual.as_ref().is_none_or(|usual| usual.host != given.host));
    let base = match (given, usual) {
        (Some(given), Some(usual)) => Some(given.completed_by(&usual)),
        (Some(given), None) => Some(given),
        (None, Some(usual)) => Some(usual),
        (None, None) => {
            entry.problem(format!("needs a `base_url`; only you know where your {} is", provider.title));
            None
        }
    };
    // A compatible server on one's own machine seldom wants a key.
    let needs_key = match provider.key {
        Key::Required => !(provider.name == "openai" && is_elsewhere),
        Key::OrOption(instead) => !instead.iter().any(|option| match *option {
            "auth_type" => options.get("auth_type").is_some_and(|given| given != "api_key"),
            option => options.contains_key(option) || secrets.contains_key(option),
        }),
        Key::Optional => false,
    };
    let is_keyless = needs_key && key.is_none();
    if is_keyless && surroundings.by_variable.iter().any(|left_out| left_out == name) {
        remarks.push(format!("providers.{name} is left out: the variable that holds its api_key is not set"));
        entry.take_all();
        return None;
    }
    if is_keyless {
        entry.problem(format!("needs an `api_key` (or the variable {}_API_KEY)", provider.env_prefix()));
    }
    if list_mode == ListMode::Allowlist && models.is_empty() {
        remarks.push(format!("providers.{name} lists no models, and in allowlist mode it serves no others"));
    }
    let bucket = provider.urls.bucket(&options, key.is_some()).unwrap_or_else(|why| {
        entry.problem(why);
        None
    });
    entry.finish();
    let base = base?;
    let root = Instance::root_of(provider, &base);
    Some(Instance {
        name: name.to_owned(),
        provider,
        base,
        root,
        key,
        headers,
        models,
        list_mode,
        options,
        secrets,
        bucket,
        timeouts,
        weight,
        model_info: Arc::default(),
    })
}

/// A setting of several names with values, as one text, as in variables: `a=b,c=d`.
fn read_deployments(entry: &mut Section<'_>, option: &str) -> Option<String> {
    let node = entry.take(option)?;
    let pairs = match (&node.value, node.as_text()) {
        (Value::Map(_), _) => {
            let pair = |(name, value): &(String, Node)| Some(format!("{name}={}", value.as_text()?));
            node.entries().iter().map(pair).collect::<Option<Vec<_>>>().map(|pairs| pairs.join(","))
        }
        (_, Some(text)) => Some(text.to_owned()),
        _ => None,
    };
    let is_pair = |pair: &str| {
        pair.split_once('=').is_some_and(|(name, value)| !name.trim().is_empty() && !value.trim().is_empty())
    };
    let pairs = pairs.filter(|pairs| pairs.split(',').all(is_pair));
    if pairs.is_none() {
        entry.problem_at(
            option,
            &node.origin,
            "expected a deployment for each model: `model: deployment` lines, or `model=deployment,…`",
        );
    }
    pairs
}

/// Reads a key, or another text that nobody may see. The error does not show it.
pub fn secret(text: &str) -> Result<Secret, String> {
    let text = check::not_blank(text)?;
    // A key file's content has lines, and never is a header.
    if !text.starts_with('{') {
        HeaderValue::from_str(text)
            .map_err(|_| "holds characters that no key has (a line break, perhaps)".to_owned())?;
    }
    Ok(Secret::new(text))
}

/// Headers that the gateway itself decides on.
const RESERVED: &[&str] = &["connection", "content-length", "host", "transfer-encoding", "upgrade", "accept-encoding"];

fn read_headers(entry: &mut Section<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    let Some(node) = entry.take("headers") else { return headers };
    if !matches!(node.value, Value::Map(_)) {
        entry.problem_at("headers", &node.origin, "expected `name: value` lines");
    }
    for (name, value) in node.entries() {
        let path = format!("headers.{name}");
        let wrong = |origin: &Origin, message: &str| entry.problem_at(&path, origin, message);
        match (HeaderName::try_from(name.as_str()), value.as_text().map(HeaderValue::from_str)) {
            (Ok(name), _) if RESERVED.contains(&name.as_str()) => wrong(&value.origin, "is the gateway's own to set"),
            (Ok(name), Some(Ok(mut value))) => {
                value.set_sensitive(true);
                headers.push((name, value));
            }
            (Err(_), _) => wrong(&value.origin, "is no header name"),
            (_, None) => wrong(&value.origin, "expected a single value"),
            (_, Some(Err(_))) => wrong(&value.origin, "holds characters that no header has"),
        }
    }
    headers
}

fn read_timeouts(mut section: Section<'_>) -> Timeouts {
    let positive = |text: &str| match units::duration(text)? {
        Duration::ZERO => Err("must be longer than nothing".to_owned()),
        duration => Ok(duration),
    };
    let timeouts = Timeouts {
        connect: section.read("connect", positive).unwrap_or(TIMEOUTS.connect),
        read: section.read("read", positive).unwrap_or(TIMEOUTS.read),
    };
    section.finish();
    timeouts
}
