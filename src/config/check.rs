//! From the tree to the [`Config`]: the settings, their defaults and their limits.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;

use super::node::{Node, Problems, Section};
use super::{
    Access, Batches, Config, Environment, Log, MediaFetch, PostgresUrl, Routing, Server, StorePlace, StoreSettings,
    Strategy, Tenant, model_info, models, providers, units,
};
use crate::providers::ListMode;
use crate::secret::{KeyDigest, Secret};

const MAX_BODY: usize = 64 << 20;
/// How long what is kept for clients is kept.
const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

/// Reads the whole tree. `None`, and for every problem an entry in `problems`, when it cannot be used.
pub fn check(
    tree: &Node,
    by_variable: &[String],
    env: &Environment,
    problems: &Problems,
    remarks: &mut Vec<String>,
) -> Option<Config> {
    let mut root = Section::new("", Some(tree), problems);
    let mut server = root.section("server");
    let master_key = server.read("master_key", key);
    let allow_open = server.read("allow_open", units::flag).unwrap_or(false);
    let server = read_server(server);
    let access = read_access(root.section("keys"), master_key, allow_open, server.listen);
    let log = read_log(root.section("log"));
    let routing = read_routing(root.section("routing"));
    let store = read_store(root.section("store"));
    let mut media = root.section("media");
    let fetch = read_fetch(media.section("fetch"));
    media.finish();

    let batches = read_batches(root.section("batches"));

    let mut inventory = root.section("inventory");
    let list_mode = inventory.read("mode", list_mode).unwrap_or_default();
    let inventory_refresh = inventory.read("refresh", pause).unwrap_or(Duration::from_secs(3600));
    inventory.finish();

    let surroundings = providers::Surroundings { list_mode, by_variable, env };
    let mut instances = providers::read(root.section("providers"), &surroundings, problems, remarks);
    // The simulator stands in where nothing is configured, never for providers that were meant to answer.
    let is_meant = tree.get("providers").is_some_and(|named| !named.entries().is_empty());
    let is_demonstration = instances.is_empty() && !is_meant;
    if instances.is_empty() && is_meant {
        remarks.push("no provider is left: every request for a model is refused until one has its key".to_owned());
    }
    if is_demonstration {
        instances.push(providers::simulator());
    }
    let model_info: Arc<[_]> = model_info::read(root.section("model_info")).into();
    for instance in &mut instances {
        instance.model_info = Arc::clone(&model_info);
    }
    let providers = models::Providers { instances: &instances, by_variable };
    let models = models::read(root.section("models"), &providers, remarks);
    root.finish();
    Some(Config {
        server,
        access,
        log,
        routing,
        store,
        media: fetch,
        batches,
        inventory_refresh,
        instances,
        models,
        model_info,
        is_demonstration,
    })
}

fn read_server(mut section: Section<'_>) -> Server {
    // PORT, which platforms set, is stronger than an address in the file, as every variable is stronger than the file.
    let is_platforms = section.is_variable("port") && !section.is_variable("listen");
    let port = section.number("port", "a port number").unwrap_or(8080);
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let usual_admin = SocketAddr::from((Ipv4Addr::LOCALHOST, 8081));
    let server = Server {
        listen: match section.read("listen", |text| units::address(text, usual)) {
            Some(listen) if is_platforms => SocketAddr::new(listen.ip(), port),
            Some(listen) => listen,
            None => usual,
        },
        admin_listen: match section.read("admin_listen", |text| match text {
            "off" | "false" | "no" => Ok(None),
            _ => units::address(text, usual_admin).map(Some),
        }) {
            Some(given) => given,
            None => Some(usual_admin),
        },
        threads: section
            .read("threads", |text| match text.parse() {
                Ok(threads @ 1..=1024) => Ok(threads),
                _ => Err(format!("`{text}` is not a number of threads from 1 to 1024")),
            })
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |cores| cores.get())),
        max_body: section
            .read("max_body", |text| match units::bytes(text)? {
                size @ 1024..=0x4000_0000 => Ok(size),
                _ => Err(format!("`{text}` is not between 1K and 1G")),
            })
            .unwrap_or(MAX_BODY),
        ca_file: section.read("ca_file", readable_certificates),
        drain: section.read("drain", units::duration).unwrap_or(Duration::from_secs(600)),
        keep_alive: section.read("keep_alive", units::duration).unwrap_or(Duration::from_secs(75)),
    };
    section.finish();
    server
}

/// Checked here because the TLS connector does not forgive a bad file later.
fn readable_certificates(text: &str) -> Result<PathBuf, String> {
    const BEGIN: &str = "-----BEGIN ";
    let pem = std::fs::read_to_string(text).map_err(|why| format!("`{text}` cannot be read: {why}"))?;
    let mut blocks = pem.split(BEGIN).skip(1).peekable();
    if blocks.peek().is_none() {
        return Err(format!("`{text}` holds no certificate in PEM"));
    }
    match blocks.position(|block| !is_certificate(block)) {
        Some(at) => Err(format!("block {} of `{text}` is not a certificate in PEM", at + 1)),
        None => Ok(PathBuf::from(text)),
    }
}

/// Whether a block of PEM holds one ASN.1 sequence, as every certificate is, and nothing more.
fn is_certificate(block: &str) -> bool {
    let body = block.strip_prefix("CERTIFICATE-----").and_then(|rest| rest.split_once("-----END CERTIFICATE-----"));
    let base64: String = body.map_or("", |(body, _)| body).split_ascii_whitespace().collect();
    let Ok(der) = base64::engine::general_purpose::STANDARD.decode(base64) else { return false };
    let (length, content) = match der.as_slice() {
        [0x30, 0x82, high, low, content @ ..] => (usize::from(*high) << 8 | usize::from(*low), content),
        [0x30, 0x81, length, content @ ..] => (usize::from(*length), content),
        _ => return false,
    };
    content.len() == length
}

fn read_access(mut section: Section<'_>, master_key: Option<Secret>, allow_open: bool, listen: SocketAddr) -> Access {
    let mut tenants = Vec::new();
    if let Some(key) = master_key {
        tenants.push(Tenant { name: "master".to_owned(), key: key.digest(), models: None });
    }
    for (name, node) in section.user_entries() {
        let mut entry = section.section(&name);
        let given =
            ["value", "file", "sha256"].into_iter().filter(|way| node.get(way).is_some_and(|node| !node.is_empty()));
        let given = given.count();
        let value = entry.read("value", key).map(|key| key.digest());
        let file = entry.read("file", |path| {
            let key = std::fs::read_to_string(path).map_err(|why| format!("`{path}` cannot be read: {why}"))?;
            match key.trim() {
                "" => Err(format!("`{path}` is empty")),
                key => Ok(KeyDigest::of(key.as_bytes())),
            }
        });
        let digest = entry
            .read("sha256", |hex| KeyDigest::from_hex(hex).ok_or_else(|| "expected 64 hexadecimal digits".to_owned()));
        let models = entry.list("models");
        match (given, value.or(file).or(digest)) {
            (0, _) => entry.problem("needs one of `value`, `file` and `sha256`"),
            (1, Some(key)) => tenants.push(Tenant { name: name.clone(), key, models }),
            // What is wrong with it has been reported.
            (1, None) => {}
            _ => entry.problem("has more than one of `value`, `file` and `sha256`"),
        }
        entry.finish();
    }
    if !tenants.is_empty() {
        Access::Keys(tenants)
    } else if allow_open || listen.ip().is_loopback() {
        Access::Open
    } else {
        Access::MakeKey
    }
}

/// Keys are compared without the spaces around them: a line break often comes along with a key from a file.
fn key(text: &str) -> Result<Secret, String> {
    not_blank(text).map(Secret::new)
}

/// A key without the white space around it.
pub fn not_blank(text: &str) -> Result<&str, String> {
    match text.trim() {
        "" => Err("is blank".to_owned()),
        key => Ok(key),
    }
}

fn read_log(mut section: Section<'_>) -> Log {
    let log = Log {
        level: section
            .read("level", |text| match text.to_ascii_lowercase().as_str() {
                "warning" => Ok(log::LevelFilter::Warn),
                other => other.parse().map_err(|_| format!("`{text}` is none of error, warn, info, debug, trace, off")),
            })
            .unwrap_or(log::LevelFilter::Info),
        access: section.read("access", units::flag).unwrap_or(true),
    };
    section.finish();
    log
}

fn read_routing(mut section: Section<'_>) -> Routing {
    let routing = Routing {
        strategy: section.read("strategy", strategy).unwrap_or_default(),
        retries: section
            .read("retries", |text| match text.parse() {
                Ok(retries @ 0..=10) => Ok(retries),
                _ => Err(format!("`{text}` is not a number from 0 to 10")),
            })
            .unwrap_or(2),
        is_strict: section.read("strict", units::flag).unwrap_or(false),
    };
    section.finish();
    routing
}

fn read_fetch(mut section: Section<'_>) -> MediaFetch {
    let fetch = MediaFetch {
        enabled: section.read("enabled", units::flag).unwrap_or(true),
        max_bytes: section
            .read("max_bytes", |text| match units::bytes(text)? {
                size @ 1024..=0x1000_0000 => Ok(size),
                _ => Err(format!("`{text}` is not between 1K and 256M")),
            })
            .unwrap_or(20 << 20),
        timeout: section
            .read("timeout", |text| match units::duration(text)? {
                Duration::ZERO => Err("must be longer than nothing".to_owned()),
                timeout => Ok(timeout),
            })
            .unwrap_or(Duration::from_secs(10)),
        allow_private: section.read("allow_private", units::flag).unwrap_or(false),
    };
    section.finish();
    fetch
}

fn read_batches(mut section: Section<'_>) -> Batches {
    let batches = Batches {
        emulate: section.read("emulate", units::flag).unwrap_or(false),
        concurrency: section
            .read("concurrency", |text| match text.parse() {
                Ok(concurrency @ 1..=1000) => Ok(concurrency),
                _ => Err(format!("`{text}` is not a number from 1 to 1000")),
            })
            .unwrap_or(8),
        poll: section.read("poll", pause).unwrap_or(Duration::from_secs(5)),
    };
    section.finish();
    batches
}

/// How long it is waited before a provider is asked again: it would not bear a loop without any pause.
fn pause(text: &str) -> Result<Duration, String> {
    match units::duration(text)? {
        pause if pause < Duration::from_millis(10) => Err(format!("`{text}` is shorter than 10 ms")),
        pause => Ok(pause),
    }
}

fn read_store(mut section: Section<'_>) -> StoreSettings {
    // A variable is stronger than the file here as everywhere.
    let (by_path, by_url) = (section.is_variable("path"), section.is_variable("url"));
    let url = section.read("url", |text| PostgresUrl::parse(text).map(StorePlace::Postgres));
    let path = section.read("path", store_place);
    let place = match (url, path) {
        (Some(_), Some(_)) if by_url == by_path => {
            section.problem(
                "has a `path` and a `url` (NARTHEX_STORE_PATH, NARTHEX_STORE_URL): a store is in one place; remove one",
            );
            None
        }
        (Some(_), path @ Some(_)) if by_path => path,
        (Some(url), _) => Some(url),
        (None, path) => path,
    };
    let store = StoreSettings {
        place: place.unwrap_or_else(|| StorePlace::File(PathBuf::from("narthex.db"))),
        retention: section.read("retention", retention).unwrap_or(MONTH),
        file_retention: section.read("file_retention", retention).unwrap_or(MONTH),
    };
    section.finish();
    store
}

fn retention(text: &str) -> Result<Duration, String> {
    match units::duration(text)? {
        retention if retention < Duration::from_secs(1) => Err(format!("`{text}` is not a second or longer")),
        retention => Ok(retention),
    }
}

/// Whether the file can be written shows when it is needed: it may never be.
fn store_place(text: &str) -> Result<StorePlace, String> {
    match text {
        ":memory:" => Ok(StorePlace::Memory),
        _ if text.contains("://") => {
            Err("is a URL, which is given as `store.url`; expected the path of a file, or `:memory:`".to_owned())
        }
        _ if text.ends_with('/') || std::path::Path::new(text).is_dir() => {
            Err(format!("`{text}` is a folder; expected the path of a file in it"))
        }
        _ => Ok(StorePlace::File(PathBuf::from(text))),
    }
}

pub fn strategy(text: &str) -> Result<Strategy, String> {
    match text {
        "weighted" => Ok(Strategy::Weighted),
        "least_busy" => Ok(Strategy::LeastBusy),
        "priority" => Ok(Strategy::Priority),
        _ => Err(format!("`{text}` is none of weighted, least_busy, priority")),
    }
}

pub fn list_mode(text: &str) -> Result<ListMode, String> {
    match text {
        "fallback" => Ok(ListMode::Fallback),
        "allowlist" => Ok(ListMode::Allowlist),
        _ => Err(format!("`{text}` is neither fallback nor allowlist")),
    }
}
