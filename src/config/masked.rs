//! The configuration as it was understood, for people to read: YAML in the file's own terms, secrets as `***`.

use std::fmt::Write;

use super::{Access, Config, ModelEntry, Routing, StorePlace, Strategy, model_info};
use crate::models::Said;
use crate::providers::{Instance, ListMode};

pub fn write(config: &Config) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = write_config(&mut out, config);
    out
}

fn write_config(out: &mut String, config: &Config) -> std::fmt::Result {
    let server = &config.server;
    writeln!(out, "server:")?;
    writeln!(out, "  listen: \"{}\"", server.listen)?;
    match server.admin_listen {
        Some(address) => writeln!(out, "  admin_listen: \"{address}\"")?,
        None => writeln!(out, "  admin_listen: off")?,
    }
    writeln!(out, "  threads: {}", server.threads)?;
    writeln!(out, "  max_body: {}", server.max_body)?;
    if let Some(file) = &server.ca_file {
        writeln!(out, "  ca_file: {}", text(&file.display().to_string()))?;
    }
    writeln!(out, "  drain: {}", humantime::format_duration(server.drain))?;
    writeln!(out, "  keep_alive: {}", humantime::format_duration(server.keep_alive))?;
    match &config.access {
        Access::Open => writeln!(out, "# open: no key is asked for")?,
        Access::MakeKey => writeln!(out, "# no key is set: a random one is made at each start")?,
        Access::Keys(tenants) => {
            writeln!(out, "keys:")?;
            for tenant in tenants {
                writeln!(out, "  {}:\n    value: \"***\"", text(&tenant.name))?;
                if let Some(models) = &tenant.models {
                    writeln!(out, "    models: {}", list(models))?;
                }
            }
        }
    }
    writeln!(out, "log:\n  level: {}\n  access: {}", config.log.level.as_str().to_lowercase(), config.log.access)?;
    let Routing { strategy, retries, is_strict } = &config.routing;
    writeln!(out, "routing:\n  strategy: {}\n  retries: {retries}\n  strict: {is_strict}", name(*strategy))?;
    let key = if matches!(config.store.place, StorePlace::Postgres(_)) { "url" } else { "path" };
    writeln!(out, "store:\n  {key}: {}", text(&config.store.place.to_string()))?;
    writeln!(out, "  retention: {}", humantime::format_duration(config.store.retention))?;
    writeln!(out, "  file_retention: {}", humantime::format_duration(config.store.file_retention))?;
    let fetch = &config.media;
    writeln!(out, "media:\n  fetch:\n    enabled: {}\n    max_bytes: {}", fetch.enabled, fetch.max_bytes)?;
    writeln!(out, "    timeout: {}", humantime::format_duration(fetch.timeout))?;
    writeln!(out, "    allow_private: {}", fetch.allow_private)?;
    writeln!(out, "inventory:\n  refresh: {}", humantime::format_duration(config.inventory_refresh))?;
    writeln!(out, "providers:")?;
    config.instances.iter().try_for_each(|instance| write_instance(out, instance))?;
    if !config.models.is_empty() {
        writeln!(out, "models:")?;
        config.models.iter().try_for_each(|model| write_model(out, model))?;
    }
    if !config.model_info.is_empty() {
        writeln!(out, "model_info:")?;
        config.model_info.iter().try_for_each(|said| write_model_info(out, said))?;
    }
    Ok(())
}

fn write_instance(out: &mut String, instance: &Instance) -> std::fmt::Result {
    writeln!(out, "  {}:\n    type: {}", instance.name, instance.provider.name)?;
    writeln!(out, "    base_url: {}", instance.base)?;
    if instance.key.is_some() {
        writeln!(out, "    api_key: \"***\"")?;
    }
    for option in instance.secrets.keys() {
        writeln!(out, "    {option}: \"***\"")?;
    }
    for (option, value) in &instance.options {
        writeln!(out, "    {option}: {}", text(value))?;
    }
    if !instance.models.is_empty() {
        writeln!(out, "    models: {}", list(&instance.models))?;
    }
    if instance.list_mode == ListMode::Allowlist {
        writeln!(out, "    models_mode: allowlist")?;
    }
    if instance.weight != 1 {
        writeln!(out, "    weight: {}", instance.weight)?;
    }
    if !instance.headers.is_empty() {
        writeln!(out, "    headers:")?;
        instance.headers.iter().try_for_each(|(name, _)| writeln!(out, "      {name}: \"***\""))?;
    }
    let timeouts = instance.timeouts;
    writeln!(out, "    timeouts:")?;
    writeln!(out, "      connect: {}", humantime::format_duration(timeouts.connect))?;
    writeln!(out, "      read: {}", humantime::format_duration(timeouts.read))
}

fn write_model(out: &mut String, model: &ModelEntry) -> std::fmt::Result {
    writeln!(out, "  {}:", text(&model.name))?;
    if let Some(strategy) = model.strategy {
        writeln!(out, "    strategy: {}", name(strategy))?;
    }
    writeln!(out, "    targets:")?;
    for target in &model.targets {
        writeln!(out, "      - {{model: {}, weight: {}}}", text(&target.model), target.weight)?;
    }
    if !model.fallbacks.is_empty() {
        writeln!(out, "    fallbacks: {}", list(&model.fallbacks))?;
    }
    Ok(())
}

fn write_model_info(out: &mut String, said: &Said) -> std::fmt::Result {
    let Said { pattern, like, mode, context_window, max_output, prices, capabilities, thinks, sampling, doors } = said;
    writeln!(out, "  {}:", text(pattern))?;
    let mut line = |name: &str, value: Option<String>| match value {
        Some(value) => writeln!(out, "    {name}: {value}"),
        None => Ok(()),
    };
    line("like", like.as_deref().map(text))?;
    line("mode", mode.map(|mode| mode.name().to_owned()))?;
    line("context_window", context_window.map(|tokens| tokens.to_string()))?;
    line("max_output_tokens", max_output.map(|tokens| tokens.to_string()))?;
    let prices: Vec<_> =
        model_info::PRICES.iter().filter_map(|(name, of)| Some(format!("{name}: {}", of(prices)?))).collect();
    line("pricing", (!prices.is_empty()).then(|| format!("{{{}}}", prices.join(", "))))?;
    line("capabilities", capabilities.map(|set| format!("[{}]", set.names().collect::<Vec<_>>().join(", "))))?;
    line("reasoning", thinks.map(|thinks| thinks.to_string()))?;
    line("sampling", sampling.map(|sampling| model_info::word(model_info::SAMPLING, sampling)))?;
    line("endpoints", doors.map(|doors| model_info::word(model_info::DOORS, doors)))
}

fn name(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Weighted => "weighted",
        Strategy::LeastBusy => "least_busy",
        Strategy::Priority => "priority",
    }
}

/// A quoted scalar: JSON's quoting is YAML's.
fn text(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

fn list(values: &[String]) -> String {
    format!("[{}]", values.iter().map(|value| text(value)).collect::<Vec<_>>().join(", "))
}
