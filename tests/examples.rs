//! The files that users copy and the pages that they read, held against the code: what exists is documented, and what is
//! documented exists.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::path::Path;

use narthex::config::{self, Config, Environment, Loaded, PROVIDER_FIELDS, SETTINGS};
use narthex::endpoints;
use narthex::providers::{catalog, page};
use narthex::telemetry::{Line, Measured, Metrics};

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

fn parsed(yaml: &str, env: &Environment) -> Loaded {
    config::parse(yaml, env).unwrap_or_else(|why| panic!("{why}"))
}

fn named(config: &Config) -> BTreeSet<&str> {
    config.instances.iter().map(|instance| instance.name.as_str()).collect()
}

/// A file in which settings are switched off by a `#` without a space, all of them switched on.
fn switched_on(yaml: &str) -> String {
    let lines = yaml.lines().map(|line| {
        let setting =
            line.trim_start().strip_prefix('#').filter(|rest| !rest.starts_with([' ', '#']) && !rest.is_empty());
        match setting {
            Some(setting) => format!("{}{setting}\n", &line[..line.len() - setting.len() - 1]),
            None => format!("{line}\n"),
        }
    });
    lines.collect()
}

/// The settings that a section knows, from the complaint about one that it does not know.
fn known_settings(yaml: &str) -> Vec<String> {
    let why = config::parse(yaml, &Environment::default()).expect_err("it has an unknown setting").to_string();
    let list = why.lines().find_map(|line| line.split_once("known here: ")).unwrap_or_else(|| panic!("{why}")).1;
    list.split(", ").map(str::to_owned).collect()
}

/// Every setting that can be written into a file, by its last key.
fn all_settings() -> BTreeSet<String> {
    const UNKNOWN: &str = "zzzzzzzzzzzzzzzzzzzzzzzz: 1";
    let sections = [
        format!("{{{UNKNOWN}}}"),
        format!("server: {{{UNKNOWN}}}"),
        format!("log: {{{UNKNOWN}}}"),
        format!("routing: {{{UNKNOWN}}}"),
        format!("store: {{{UNKNOWN}}}"),
        format!("inventory: {{{UNKNOWN}}}"),
        format!("keys: {{a: {{value: k, {UNKNOWN}}}}}"),
        format!("providers: {{openai: {{api_key: k, timeouts: {{{UNKNOWN}}}}}}}"),
        format!("models: {{a: {{targets: [openai/x], {UNKNOWN}}}}}"),
        format!("model_info: {{a: {{{UNKNOWN}}}}}"),
        format!("model_info: {{a: {{pricing: {{{UNKNOWN}}}}}}}"),
        format!("models: {{a: {{targets: [{{model: openai/x, {UNKNOWN}}}]}}}}"),
    ];
    let of_providers = catalog::TABLE
        .iter()
        .map(|row| format!("providers: {{{}: {{api_key: k, base_url: 'http://localhost', {UNKNOWN}}}}}", row.name));
    sections.into_iter().chain(of_providers).flat_map(|yaml| known_settings(&yaml)).collect()
}

#[test]
fn the_example_configuration_is_valid_as_it_is() {
    let example = read("config.yaml.example");
    let loaded = parsed(&example, &Environment::default());
    assert!(loaded.config.instances.is_empty(), "the simulator must not answer for providers that lack their keys");
    assert!(
        !loaded.config.is_demonstration && loaded.remarks.iter().any(|remark| remark.contains("no provider is left"))
    );

    let env = Environment::from_iter([("OPENAI_API_KEY", "k"), ("OPENAI_EAST_API_KEY", "k"), ("PORT", "9000")]);
    let loaded = parsed(&example, &env);
    assert_eq!(named(&loaded.config), BTreeSet::from(["openai", "openai-east"]));
    assert_eq!(loaded.config.server.listen.port(), 9000, "the example must not stand in the way of PORT");
}

#[test]
fn the_example_configuration_says_the_defaults() {
    let env = Environment::from_iter([("OPENAI_API_KEY", "k"), ("OPENAI_EAST_API_KEY", "k")]);
    let example = parsed(&read("config.yaml.example"), &env).config.to_masked_yaml();
    assert_eq!(example, parsed("", &env).config.to_masked_yaml());
}

#[test]
fn the_example_configuration_is_valid_with_everything_switched_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let yaml = switched_on(&read("config.yaml.example"))
        .replace("/etc/narthex/ca.pem", &file("ca.pem", &certificate.cert.pem()))
        .replace("/run/secrets/team-b", &file("team-b", "key\n"));
    let keys = [
        "NARTHEX_MASTER_KEY",
        "TEAM_A_KEY",
        "OPENAI_API_KEY",
        "XIAOMI_API_KEY",
        "OPENAI_EAST_API_KEY",
        "AZURE_API_KEY",
        "BEDROCK_API_KEY",
        "TEAM_ACCESS_KEY_ID",
        "TEAM_SECRET_ACCESS_KEY",
        "TEAM_SESSION_TOKEN",
        "GEMINI_API_KEY",
        "OPENROUTER_API_KEY",
        "OPENCODE_GO_API_KEY",
    ];
    let loaded = parsed(&yaml, &keys.iter().map(|name| (*name, "k")).collect());
    assert_eq!(loaded.remarks, [""; 0]);
    let names = [
        "azure",
        "bedrock",
        "bedrock-jobs",
        "gemini",
        "local",
        "openai",
        "openai-east",
        "opencode-go",
        "openrouter",
        "vertex",
        "xiaomi",
    ];
    assert_eq!(named(&loaded.config), BTreeSet::from(names));
    assert_eq!(loaded.config.models.len(), 2);
}

#[test]
fn every_setting_is_in_the_example_and_in_the_documentation() {
    let example = switched_on(&read("config.yaml.example"));
    let page = read("docs/configuration.md");
    for setting in all_settings() {
        let is_in_example = example.lines().any(|line| {
            let line = line.trim_start().trim_start_matches("- {");
            line.starts_with(&format!("{setting}:")) || line.contains(&format!(" {setting}:"))
        });
        assert!(is_in_example, "config.yaml.example does not show `{setting}`");
        let is_in_page = page.contains(&format!("`{setting}`")) || page.contains(&format!(".{setting}`"));
        assert!(is_in_page, "docs/configuration.md does not tell of `{setting}`");
    }
}

/// The variables of a template, those that are commented out as well.
fn variables(template: &str) -> BTreeSet<String> {
    let name = |line: &str| {
        let (name, _) = line.strip_prefix("# ").unwrap_or(line).split_once('=')?;
        let is_name = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        is_name.then(|| name.to_owned())
    };
    template.lines().filter_map(name).collect()
}

#[test]
fn the_template_holds_every_variable_and_no_other() {
    let mut expected = BTreeSet::from(["NARTHEX_CONFIG".to_owned()]);
    expected.extend(SETTINGS.iter().map(|(variable, _)| (*variable).to_owned()));
    for row in catalog::TABLE {
        let fields = PROVIDER_FIELDS.iter().map(|(field, _)| (*field).to_owned());
        let options = row.options.iter().map(|option| option.to_ascii_uppercase());
        expected.extend(fields.chain(options).map(|field| format!("{}_{field}", row.env_prefix())));
    }
    let found = variables(&read(".env.template"));
    let missing: Vec<_> = expected.difference(&found).collect();
    let unknown: Vec<_> = found.difference(&expected).collect();
    assert!(missing.is_empty() && unknown.is_empty(), ".env.template lacks {missing:?}, and {unknown:?} mean nothing");
}

#[test]
fn the_template_can_be_used_as_it_is() {
    let env = Environment::of_text(&read(".env.template")).expect("variables");
    assert!(parsed("", &env).config.is_demonstration, "it sets nothing until somebody fills it in");
}

#[test]
fn every_variable_is_documented_with_its_setting() {
    let page = read("docs/configuration.md");
    for (variable, setting) in SETTINGS {
        let is_told =
            page.lines().any(|line| line.contains(&format!("`{variable}`")) && line.contains(&format!("`{setting}`")));
        assert!(is_told, "docs/configuration.md has no line with `{variable}` and `{setting}`");
    }
}

#[test]
fn the_page_of_providers_is_the_catalogue() {
    let fields: Vec<_> = PROVIDER_FIELDS.iter().map(|(field, _)| *field).collect();
    assert!(read("docs/providers.md") == page::markdown(&fields), "docs/providers.md lags behind: run `make docs`");
}

#[test]
fn the_page_of_dialects_is_their_tables() {
    assert!(
        read("docs/dialects.md") == narthex::dialects::page::markdown(),
        "docs/dialects.md lags behind: run `make docs`"
    );
}

#[test]
fn every_endpoint_is_in_the_readme() {
    let readme = read("README.md");
    for (method, path, _) in endpoints::table() {
        // Google's verbs are the same below each version of its API; the table shows them once.
        let shown = path.replace("/p/*", "/p/{provider}/…").replace("/models/*", "/models/{id}");
        let shown = shown.replace("/*", "/{id}").replace("/v1alpha/", "/v1beta/");
        let shown = if shown.contains(':') { shown.replace("/v1/", "/v1beta/") } else { shown };
        let is_told = readme
            .lines()
            .any(|line| line.contains(&format!("`{shown}`")) && (method == "ANY" || line.contains(method)));
        assert!(is_told, "README.md does not tell of {method} {path}");
    }
}

#[test]
fn every_metric_and_every_member_of_an_access_line_is_documented() {
    let page = read("docs/observability.md");
    let metrics = Metrics::new().unwrap();
    let usage = Some(narthex::rewrite::Usage { input: 1, output: 1, cached: 1, reasoning: 1, ..Default::default() });
    metrics.exchange(&Measured {
        operation: "speech",
        instance: "openai",
        model: None,
        status: 200,
        duration: std::time::Duration::from_secs(1),
        first_byte: Some(std::time::Duration::from_secs(1)),
        usage,
    });
    metrics.attempt("openai", "answered");
    let loaded = parsed("", &Environment::default());
    let client = std::sync::Arc::new(narthex::fetch::Client::new(None));
    let upstream = narthex::routing::Upstream::new(loaded.config.instances[0].clone(), &client);
    let text = String::from_utf8(metrics.text(std::iter::once(&upstream)).unwrap()).unwrap();
    let names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert!(names.len() >= 9, "{names:?}");
    for name in names {
        assert!(page.contains(&format!("`{name}`")), "docs/observability.md does not tell of {name}");
    }

    let line = Line {
        time: std::time::SystemTime::UNIX_EPOCH,
        request_id: "",
        client: Some([127, 0, 0, 1].into()),
        tenant: Some(""),
        method: "",
        path: "",
        operation: "",
        model: Some(""),
        instance: Some(""),
        upstream_model: Some(""),
        status: 200,
        outcome: "",
        attempts: 1,
        stream: false,
        bytes_in: 0,
        bytes_out: 0,
        duration_ms: 0.0,
        first_byte_ms: Some(0.0),
        usage,
        error: Some(""),
    };
    let mut written = Vec::new();
    line.write_to(&mut written);
    let line: serde_json::Value = serde_json::from_slice(&written).unwrap();
    for member in line.as_object().unwrap().keys() {
        assert!(page.contains(&format!("`{member}`")), "docs/observability.md does not tell of `{member}`");
    }
}
