//! The section `models`: names of the user's own for one or several models.

use super::check::strategy;
use super::node::{Node, Section, Value, closest};
use super::{ModelEntry, ModelTarget};
use crate::providers::{Instance, catalog};

/// What a model may be a model of.
pub struct Providers<'a> {
    pub instances: &'a [Instance],
    /// Names in the file whose key is given by a variable; those that are no instances were left out.
    pub by_variable: &'a [String],
}

/// The entries, sorted by name. Each is an alias (`fast: openai/gpt-5-mini`) or has targets and fallbacks.
pub fn read(mut section: Section<'_>, providers: &Providers<'_>, remarks: &mut Vec<String>) -> Vec<ModelEntry> {
    let mut models = Vec::new();
    for (name, node) in section.user_entries() {
        let alias = node.as_text().map(str::to_owned);
        let entry = match alias {
            Some(model) => {
                section.take(&name);
                let target = Some(model).filter(|model| known(&section, &name, &node, model, providers));
                let targets = target.map(|model| ModelTarget { model, weight: 1 }).into_iter().collect();
                ModelEntry { name, strategy: None, targets, fallbacks: Vec::new() }
            }
            None => read_entry(name.clone(), section.section(&name), providers),
        };
        if entry.targets.is_empty() && entry.fallbacks.is_empty() {
            remarks.push(format!("models.{} leads nowhere: none of its providers is configured", entry.name));
        }
        models.push(entry);
    }
    models.sort_by(|a, b| a.name.cmp(&b.name));
    models
}

fn read_entry(name: String, mut section: Section<'_>, providers: &Providers<'_>) -> ModelEntry {
    let strategy = section.read("strategy", strategy);
    let mut targets = Vec::new();
    let mut names_any = false;
    if let Some(node) = section.take("targets") {
        match &node.value {
            Value::List(items) => {
                names_any = !items.is_empty();
                targets.extend(items.iter().filter_map(|item| read_target(&section, item, providers)));
            }
            _ => section.problem_at("targets", &node.origin, "expected a list"),
        }
    }
    let mut fallbacks = Vec::new();
    if let Some(node) = section.take("fallbacks") {
        match &node.value {
            Value::List(items) => fallbacks.extend(
                items.iter().filter_map(|item| read_target(&section, item, providers)).map(|target| target.model),
            ),
            _ => section.problem_at("fallbacks", &node.origin, "expected a list"),
        }
    }
    if !names_any {
        section.problem("needs `targets`: a list of `instance/model` or `provider/model`");
    }
    section.finish();
    ModelEntry { name, strategy, targets, fallbacks }
}

/// `openai/gpt-5.5`, or `{model: openai/gpt-5.5, weight: 3}`.
fn read_target(section: &Section<'_>, item: &Node, providers: &Providers<'_>) -> Option<ModelTarget> {
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
        Ok(weight @ 1..=1000) if known(section, "targets", item, model, providers) => {
            Some(ModelTarget { model: model.to_owned(), weight })
        }
        Ok(1..=1000) => None,
        _ => {
            section.problem_at("targets", &item.origin, format!("`{weight}` is not a weight from 1 to 1000"));
            None
        }
    }
}

/// Whether the part before the slash names something that is configured. What was left out for want of a key, or is in the
/// catalogue only, is no mistake: then the target is left out, too.
fn known(section: &Section<'_>, key: &str, node: &Node, model: &str, providers: &Providers<'_>) -> bool {
    let Providers { instances, by_variable } = providers;
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
    if catalog::find(first).is_none() && !by_variable.iter().any(|left_out| left_out == first) {
        let names = instances.iter().map(|instance| instance.name.as_str());
        let hint = closest(first, names).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        section.problem_at(key, &node.origin, format!("`{first}` is not a configured provider{hint}"));
    }
    false
}

#[cfg(test)]
mod tests {
    use crate::config::{Environment, parse};

    const YAML: &str = "
providers:
  east: {type: openai, api_key: \"${EAST_KEY}\"}
  groq: {api_key: k}
models:
  alias: east/a
  all-left-out: {targets: [east/a, openai/a]}
  partly: {targets: [east/a, groq/a]}
  rescued: {targets: [east/a], fallbacks: [groq/a]}
";

    #[test]
    fn targets_of_providers_that_were_left_out_are_left_out() {
        let loaded = parse(YAML, &Environment::default()).expect("no mistake in it");
        let counts: Vec<_> =
            loaded.config.models.iter().map(|entry| (entry.targets.len(), entry.fallbacks.len())).collect();
        assert_eq!(counts, [(0, 0), (0, 0), (1, 0), (0, 1)]);
        let nowhere: Vec<_> = loaded.remarks.iter().filter(|remark| remark.contains("leads nowhere")).collect();
        assert_eq!(nowhere.len(), 2, "{:?}", loaded.remarks);

        let everywhere = parse(YAML, &Environment::from_iter([("EAST_KEY", "k")])).expect("a configuration");
        assert!(everywhere.config.models.iter().all(|entry| !entry.targets.is_empty()));
    }

    #[test]
    fn a_name_that_nobody_knows_is_a_mistake() {
        let yaml = "providers: {groq: {api_key: k}}\nmodels: {a: grog/x, b: {targets: []}, c: {targets: [nobody/x]}}";
        let invalid = parse(yaml, &Environment::default()).expect_err("three mistakes");
        assert_eq!(invalid.problems().len(), 3, "{invalid}");
        assert!(invalid.to_string().contains("did you mean `groq`?"), "{invalid}");
    }
}
