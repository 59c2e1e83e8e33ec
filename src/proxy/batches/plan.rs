//! Where a batch goes: all of its lines to one instance, or one by one through the gateway.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::convert;
use super::flow::Flow;
use crate::batches::{Mode, Survey, endpoint_of};
use crate::endpoints::Operation;
use crate::error::Refusal;
use crate::providers::BatchesApi;
use crate::proxy::admit;
use crate::proxy::context::Exchange;
use crate::proxy::desk::Desk;
use crate::proxy::files::named;
use crate::routing::Upstream;
use crate::store::{Place, StoredFile};

/// Where it goes, and in what form.
pub struct Plan {
    pub flow: Flow,
    pub upstream: Option<Arc<Upstream>>,
    pub mode: Mode,
}

/// Which instance can carry out all lines: that of the file, the one that is named, or the first that all models lead to.
pub fn plan(
    ctx: &Exchange,
    desk: &Desk,
    file: &StoredFile,
    survey: &Survey,
    wanted: Option<&str>,
) -> Result<Plan, Refusal> {
    let at = match &file.place {
        Place::AtProvider { instance, .. } => desk.upstream(instance).cloned(),
        Place::Here => None,
    };
    let meant = match (wanted, &at) {
        (_, Some(upstream)) => Some(Arc::clone(upstream)),
        (Some(name), None) => Some(named(desk, name)?),
        (None, None) => None,
    };
    let routes = desk.gateway.routes.load();
    let mut able: Option<Vec<Arc<Upstream>>> = None;
    let mut by_model = BTreeMap::new();
    for (model, line) in &survey.models {
        let route = routes.resolve(model).map_err(|why| {
            let refusal = admit::no_route(why, ctx, model);
            Refusal { message: format!("Line {line}: {}", refusal.message), ..refusal }
        })?;
        let here: Vec<_> = route.order().into_iter().map(|target| Arc::clone(&target.upstream)).collect();
        by_model.insert(model, (line, here.clone()));
        let is_here = |upstream: &Arc<Upstream>| here.iter().any(|other| other.name() == upstream.name());
        able = Some(match able {
            None => here,
            Some(mut able) => {
                able.retain(is_here);
                able
            }
        });
    }
    let able = able.unwrap_or_default();
    let has_batches = |upstream: &&Arc<Upstream>| upstream.instance.batches().is_some();
    let is_meant = |upstream: &&Arc<Upstream>| meant.as_ref().is_none_or(|meant| meant.name() == upstream.name());
    if let Some(upstream) = able.iter().filter(is_meant).find(has_batches) {
        return native(desk, upstream, file, survey);
    }
    let is_any_native = by_model.values().any(|(_, here)| here.iter().any(|upstream| has_batches(&upstream)));
    if desk.gateway.config.batches.emulate && !is_any_native && at.is_none() {
        return Ok(Plan { flow: Flow::Emulated, upstream: None, mode: Mode::Translated });
    }
    Err(no_instance(&by_model, &able, meant.as_deref()))
}

fn native(desk: &Desk, upstream: &Arc<Upstream>, file: &StoredFile, survey: &Survey) -> Result<Plan, Refusal> {
    let Some(api) = upstream.instance.batches() else { return Err(Refusal::invalid("It has no batches.")) };
    let flow = Flow::Native(api);
    let mut names: Vec<_> = Vec::new();
    let mut is_renamed = file.place == Place::Here;
    let mut is_translated = api != BatchesApi::Openai;
    for url in survey.urls.keys() {
        let operation = endpoint_of(url).unwrap_or(Operation::Chat);
        // Whoever has batches as OpenAI has them knows what OpenAI's paths name, whatever else is spoken there.
        is_translated |= operation == Operation::Messages;
        for (model, line) in &survey.models {
            let target = convert::target(desk, upstream, model);
            let sent = target.as_ref().map(|target| Arc::clone(&target.model)).unwrap_or_else(|| model.as_str().into());
            is_renamed |= *sent != **model;
            let door = target.as_ref().and_then(|target| {
                target.upstream.instance.door(operation, &target.model, &target.known.facts, || false)
            });
            is_translated |= door.is_none_or(|door| door != operation);
            if !names.contains(&sent) {
                names.push(sent);
            }
            if names.len() > 1 && flow.takes_one_model() {
                let message = format!(
                    "Line {line}: `{model}` is another model than the first; `{}` takes one model in a batch.",
                    upstream.name()
                );
                return Err(Refusal::invalid(message).code("invalid_batch_lines").param("input_file_id"));
            }
        }
    }
    let mode = match (is_translated, is_renamed) {
        (true, _) => Mode::Translated,
        (false, true) => Mode::Renamed,
        (false, false) => Mode::AsTheyAre,
    };
    Ok(Plan { flow, upstream: Some(Arc::clone(upstream)), mode })
}

/// Why there is none.
fn no_instance(
    by_model: &BTreeMap<&String, (&u64, Vec<Arc<Upstream>>)>,
    able: &[Arc<Upstream>],
    meant: Option<&Upstream>,
) -> Refusal {
    let names = |upstreams: &[Arc<Upstream>]| {
        upstreams.iter().map(|upstream| format!("`{}`", upstream.name())).collect::<Vec<_>>().join(", ")
    };
    let message = match (meant, by_model.iter().next(), by_model.iter().last()) {
        (Some(meant), ..) if !able.iter().any(|upstream| upstream.name() == meant.name()) => {
            let other = by_model.iter().find(|(_, (_, here))| !here.iter().any(|one| one.name() == meant.name()));
            let line =
                other.map(|(model, (line, _))| format!(" Line {line} asks for `{model}`, which it does not serve."));
            format!("All requests of this batch go to `{}`.{}", meant.name(), line.unwrap_or_default())
        }
        (_, Some((first, (one, here))), Some((last, (other, there)))) if able.is_empty() => format!(
            "The requests of a batch go to one instance, and none serves all of these models: line {one} asks for `{first}` ({}), line \
             {other} for `{last}` ({}).",
            names(here),
            names(there),
        ),
        _ => format!(
            "{} has no batches; with `batches.emulate: true` the gateway asks the requests one by one.",
            names(able),
        ),
    };
    Refusal::invalid(message).code("unsupported_operation").param("input_file_id")
}
