//! The section `models`: names of the user's own for one or several models.

use super::check::strategy;
use super::node::{Node, Section, Value, closest};
use super::{ModelEntry, ModelTarget};
use crate::providers::{Instance, catalog};

/// The entries, sorted by name. Each is an alias (`fast: openai/gpt-5-mini`) or has targets and fallbacks.
pub fn read(mut section: Section<'_>, instances: &[Instance]) -> Vec<ModelEntry> {
    let mut models = Vec::new();
    for (name, node) in section.user_entries() {
        let alias = node.as_text().map(str::to_owned);
        let entry = match alias {
            Some(model) => {
                section.take(&name);
                let target = Some(model).filter(|model| known(&section, &name, &node, model, instances));
                let targets = target.map(|model| ModelTarget { model, weight: 1 }).into_iter().collect();
                ModelEntry { name, strategy: None, targets, fallbacks: Vec::new() }
            }
            None => read_entry(name.clone(), section.section(&name), instances),
        };
        models.push(entry);
    }
    models.sort_by(|a, b| a.name.cmp(&b.name));
    models
}

fn read_entry(name: String, mut section: Section<'_>, instances: &[Instance]) -> ModelEntry {
    let strategy = section.read("strategy", strategy);
    let mut targets = Vec::new();
    if let Some(node) = section.take("targets") {
        match &node.value {
            Value::List(items) => {
                targets.extend(items.iter().filter_map(|item| read_target(&section, item, instances)));
            }
            _ => section.problem_at("targets", &node.origin, "expected a list"),
        }
    }
    let mut fallbacks = Vec::new();
    if let Some(node) = section.take("fallbacks") {
        match &node.value {
            Value::List(items) => fallbacks.extend(
                items.iter().filter_map(|item| read_target(&section, item, instances)).map(|target| target.model),
            ),
            _ => section.problem_at("fallbacks", &node.origin, "expected a list"),
        }
    }
    if targets.is_empty() {
        section.problem("needs `targets`: a list of `instance/model` or `provider/model`");
    }
    section.finish();
    ModelEntry { name, strategy, targets, fallbacks }
}

/// `openai/gpt-5.5`, or `{model: openai/gpt-5.5, weight: 3}`.
fn read_target(section: &Section<'_>, item: &Node, instances: &[Instance]) -> Option<ModelTarget> {
    let model = item.get("model").unwrap_or(item).as_text();
    let weight = item.get("weight").and_then(Node::as_text).unwrap_or("1");
    let Some(model) = model else {
        section.problem_at("targets", &item.origin, "expected `instance/model`, or `{model: …, weight: …}`");
        return None;
    };
    if let Some((unknown, node)) = item.entries().iter().find(|(key, _)| !matches!(key.as_str(), "model" | "weight")) {
        section.problem_at("targets", &node.origin, format!("unknown setting `{unknown}`; known here: model, weight"));
    }
    match weight.parse() {
        Ok(weight @ 1..=1000) if known(section, "targets", item, model, instances) => {
            Some(ModelTarget { model: model.to_owned(), weight })
        }
        Ok(1..=1000) => None,
        _ => {
            section.problem_at("targets", &item.origin, format!("`{weight}` is not a weight from 1 to 1000"));
            None
        }
    }
}

/// Whether the part before the slash names something that is configured. A provider from the catalogue that is not may
/// have been left out for want of a key: then the target is, too.
fn known(section: &Section<'_>, key: &str, node: &Node, model: &str, instances: &[Instance]) -> bool {
    let Some((first, rest)) = model.split_once('/') else {
        section.problem_at(
            key,
            &node.origin,
            format!("`{model}` must name an instance or a provider: `openai/{model}`"),
        );
        return false;
    };
    if rest.is_empty() {
        section.problem_at(key, &node.origin, format!("`{model}` names no model"));
        return false;
    }
    if instances.iter().any(|instance| instance.name == first || instance.provider.name == first) {
        return true;
    }
    if catalog::find(first).is_none() {
        let names = instances.iter().map(|instance| instance.name.as_str());
        let hint = closest(first, names).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        section.problem_at(key, &node.origin, format!("`{first}` is not a configured provider{hint}"));
    }
    false
}
