//! The table of model names.

use std::collections::HashMap;
use std::sync::Arc;

use super::near::nearest;
use super::{Route, Source, Target, Upstream};
use crate::config::{ModelEntry, Strategy};
use crate::providers::ListMode;

/// Every name that leads somewhere, at one moment.
#[derive(Debug, Default)]
pub struct Routes {
    names: HashMap<String, Arc<Route>>,
    instances: HashMap<String, Arc<Upstream>>,
    /// By provider.
    families: HashMap<&'static str, Vec<Arc<Upstream>>>,
    strategy: Strategy,
    /// Takes every name that is not in the table: the demonstration's simulator.
    catch_all: Option<Arc<Upstream>>,
    is_pending: bool,
}

/// Why a name leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unresolved {
    Unknown,
    /// It names an instance that serves only what it is configured to.
    NotAllowed {
        instance: String,
    },
    /// Perhaps known once all lists have been fetched.
    Pending,
}

impl Routes {
    /// Makes the table from the lists as they are now.
    pub fn build(upstreams: &[Arc<Upstream>], models: &[ModelEntry], strategy: Strategy, catch_all: bool) -> Self {
        let mut routes = Self { strategy, ..Self::default() };
        let mut by_model: HashMap<String, Vec<Target>> = HashMap::new();
        for upstream in upstreams {
            let provider = upstream.instance.provider.name;
            routes.instances.insert(upstream.name().to_owned(), Arc::clone(upstream));
            routes.families.entry(provider).or_default().push(Arc::clone(upstream));
            let inventory = upstream.inventory.load();
            routes.is_pending |= inventory.source == Source::Pending;
            for listed in &inventory.models {
                by_model.entry(listed.id.clone()).or_default().push(Target::listed(upstream, listed));
            }
        }
        for (model, targets) in by_model {
            routes.names.insert(model, Arc::new(Route::new(strategy, vec![targets])));
        }
        // In this order: a qualified name means what it says even where some model's id looks like it, and the names that
        // the user has given mean what the user says.
        routes.add_qualified();
        for entry in models {
            if let Some(route) = routes.named_by_user(entry) {
                routes.names.insert(entry.name.clone(), Arc::new(route));
            }
        }
        routes.catch_all = upstreams.first().filter(|_| catch_all).map(Arc::clone);
        routes
    }

    /// Where a model name leads: an alias; `instance/model`; `provider/model`, over the instances of the provider; or a
    /// bare model id, over all that list it.
    pub fn resolve(&self, name: &str) -> Result<Arc<Route>, Unresolved> {
        if let Some(route) = self.names.get(name) {
            return Ok(Arc::clone(route));
        }
        if let Some((first, model)) = name.split_once('/').filter(|(_, model)| !model.is_empty())
            && let Some(members) = self.members(first)
        {
            return self.unlisted(members, model);
        }
        match &self.catch_all {
            Some(upstream) => Ok(Arc::new(Route::new(self.strategy, vec![vec![Target::new(upstream, name)]]))),
            None if self.is_pending => Err(Unresolved::Pending),
            None => Err(Unresolved::Unknown),
        }
    }

    /// The instance of a passthrough path, or all instances of the provider that it names. An instance comes first here:
    /// what a provider keeps for us, files above all, is at one of them.
    pub fn passthrough(&self, name: &str) -> Option<Route> {
        let one = self.instances.get(name).map(std::slice::from_ref);
        let upstreams = one.or_else(|| self.members(name))?;
        let targets = upstreams.iter().map(|upstream| Target::new(upstream, "")).collect();
        Some(Route::new(self.strategy, vec![targets]))
    }

    /// What a model name that leads nowhere was probably meant to be, of the names that `may_use` lets pass.
    pub fn nearest(&self, name: &str, may_use: impl Fn(&str) -> bool) -> Option<String> {
        let known = || self.names.keys().map(String::as_str).filter(|known| may_use(known));
        let listed = || nearest(name, known()).map(str::to_owned);
        let Some((first, model)) = name.split_once('/').filter(|(first, _)| self.members(first).is_none()) else {
            return listed();
        };
        // A slip before the slash; a model that somebody else has; any slip at all; a slip before the name of a new model.
        let corrected = self.nearest_provider(first).map(|meant| format!("{meant}/{model}"));
        let corrected = corrected.filter(|name| may_use(name) && self.resolve(name).is_ok());
        let is_listed = corrected.as_ref().is_some_and(|name| self.is_listed(name));
        let elsewhere = || Some(model.to_owned()).filter(|model| may_use(model) && self.is_listed(model));
        match is_listed {
            true => corrected,
            false => elsewhere().or_else(listed).or(corrected),
        }
    }

    /// What a name before `/p/{name}/` that is nobody's was probably meant to be.
    pub fn nearest_provider(&self, name: &str) -> Option<&str> {
        nearest(name, self.instances.keys().map(String::as_str).chain(self.families.keys().copied()))
    }

    /// Whether some list of models has not been fetched yet.
    pub fn is_pending(&self) -> bool {
        self.is_pending
    }

    /// Whether this is a name that we know, as opposed to one that a client made up.
    pub fn is_listed(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// A model that no list has: new ones appear daily, so the provider decides, unless its list is meant to be complete.
    fn unlisted(&self, candidates: &[Arc<Upstream>], model: &str) -> Result<Arc<Route>, Unresolved> {
        let open = candidates.iter().filter(|upstream| upstream.instance.list_mode != ListMode::Allowlist);
        let targets: Vec<_> = open.map(|upstream| Target::new(upstream, model)).collect();
        if targets.is_empty() {
            let instance = candidates.first().map(|upstream| upstream.name().to_owned()).unwrap_or_default();
            return Err(Unresolved::NotAllowed { instance });
        }
        Ok(Arc::new(Route::new(self.strategy, vec![targets])))
    }

    /// What the part of a model name before the slash stands for: all instances of a provider, or one instance. The
    /// provider comes first: an instance that bears its provider's name is one among its fellows.
    fn members(&self, name: &str) -> Option<&[Arc<Upstream>]> {
        let one = self.instances.get(name);
        let family = self.families.get(name);
        match (one, family) {
            (Some(one), Some(_)) if one.instance.provider.name != name => Some(std::slice::from_ref(one)),
            (_, Some(family)) => Some(family),
            (Some(one), None) => Some(std::slice::from_ref(one)),
            (None, None) => None,
        }
    }

    /// `instance/model` and `provider/model` for everything listed.
    fn add_qualified(&mut self) {
        let mut qualified: HashMap<String, Vec<Target>> = HashMap::new();
        for name in self.instances.keys().map(String::as_str).chain(self.families.keys().copied()) {
            for upstream in self.members(name).unwrap_or_default() {
                for listed in &upstream.inventory.load().models {
                    let targets = qualified.entry(format!("{name}/{}", listed.id)).or_default();
                    if !targets.iter().any(|known| Arc::ptr_eq(&known.upstream, upstream)) {
                        targets.push(Target::listed(upstream, listed));
                    }
                }
            }
        }
        for (name, targets) in qualified {
            self.names.insert(name, Arc::new(Route::new(self.strategy, vec![targets])));
        }
    }

    fn named_by_user(&self, entry: &ModelEntry) -> Option<Route> {
        let strategy = entry.strategy.unwrap_or(self.strategy);
        let expand = |model: &str, weight: Option<u32>| -> Vec<Target> {
            let Some((first, model)) = model.split_once('/') else { return Vec::new() };
            let upstreams = self.members(first).unwrap_or_default();
            let with_weight = |upstream| {
                let own = Target::new(upstream, model);
                Target { weight: weight.map_or(own.weight, |weight| weight * own.weight), ..own }
            };
            upstreams.iter().map(with_weight).collect()
        };
        let first = entry.targets.iter().flat_map(|target| expand(&target.model, Some(target.weight))).collect();
        let fallbacks = entry.fallbacks.iter().map(|model| expand(model, None));
        let route = Route::new(strategy, std::iter::once(first).chain(fallbacks).collect());
        (!route.targets().is_empty()).then_some(route)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, parse};

    const YAML: &str = "
inventory: {mode: allowlist}
providers:
  openai-east: {type: openai, api_key: k, models: [gpt-5.5, o9]}
  openai-west: {type: openai, api_key: k, models: [gpt-5.5], models_mode: fallback}
  openrouter: {api_key: k, models: [google/gemini-2.5-flash, openai/gpt-5.5, meta/x]}
models:
  fast: openai/gpt-5.5
  meta/x: openai-east/o9
  careful:
    strategy: priority
    targets: [{model: openai-west/gpt-5.5, weight: 2}]
    fallbacks: [openrouter/meta/x]
";

    fn routes() -> Routes {
        let config = parse(YAML, &Environment::default()).expect("a configuration").config;
        let upstreams: Vec<_> = config
            .instances
            .into_iter()
            .map(|instance| Arc::new(Upstream::new(instance, &Arc::new(crate::fetch::Client::new(None)))))
            .collect();
        let listed = |id: &str| super::super::Listed::new(&upstreams[1].instance, id, None, Default::default());
        let west = super::super::Inventory { models: vec![listed("gpt-5.5")], source: Source::Provider };
        upstreams[1].inventory.store(Arc::new(west));
        Routes::build(&upstreams, &config.models, config.routing.strategy, false)
    }

    fn leads_to(name: &str) -> Result<Vec<String>, Unresolved> {
        let route = routes().resolve(name)?;
        let mut targets: Vec<_> =
            route.targets().iter().map(|target| format!("{} {}", target.upstream.name(), target.model)).collect();
        targets.sort();
        Ok(targets)
    }

    #[test]
    fn every_way_to_name_a_model() {
        for (name, targets) in [
            ("gpt-5.5", vec!["openai-east gpt-5.5", "openai-west gpt-5.5"]),
            ("o9", vec!["openai-east o9"]),
            ("openai/gpt-5.5", vec!["openai-east gpt-5.5", "openai-west gpt-5.5"]),
            ("openai/o9", vec!["openai-east o9"]),
            ("openai-west/gpt-5.5", vec!["openai-west gpt-5.5"]),
            ("openai-west/brand-new", vec!["openai-west brand-new"]),
            ("openai/brand-new", vec!["openai-west brand-new"]),
            ("google/gemini-2.5-flash", vec!["openrouter google/gemini-2.5-flash"]),
            ("openrouter/openai/gpt-5.5", vec!["openrouter openai/gpt-5.5"]),
            ("fast", vec!["openai-east gpt-5.5", "openai-west gpt-5.5"]),
            ("meta/x", vec!["openai-east o9"]),
            ("careful", vec!["openai-west gpt-5.5", "openrouter meta/x"]),
        ] {
            assert_eq!(
                leads_to(name).as_deref(),
                Ok(targets.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>().as_slice()),
                "{name}"
            );
        }
    }

    #[test]
    fn names_that_lead_nowhere() {
        assert_eq!(leads_to("nobody-has-it"), Err(Unresolved::Unknown));
        assert_eq!(leads_to("unknown/x"), Err(Unresolved::Unknown));
        assert_eq!(leads_to("openai-east/"), Err(Unresolved::Unknown));
        assert_eq!(leads_to("openai-east/new"), Err(Unresolved::NotAllowed { instance: "openai-east".to_owned() }));
    }

    #[test]
    fn slips_are_told_from_news() {
        let routes = routes();
        for (name, meant) in [
            ("opnai/gpt-5.5", Some("openai/gpt-5.5")),
            ("openai-wset/gpt-5.5", Some("openai-west/gpt-5.5")),
            ("opnai/brand-new", Some("openai/brand-new")),
            ("vendor/gpt-5.5", Some("gpt-5.5")),
            ("gpt-55", Some("gpt-5.5")),
            ("openai-east/gpt5.5", Some("openai-east/gpt-5.5")),
            ("carefull", Some("careful")),
            ("openai-eas/new", None),
            ("nobody-has-it", None),
        ] {
            assert_eq!(routes.nearest(name, |_| true).as_deref(), meant, "{name}");
        }
        assert_eq!(routes.nearest("opnai/gpt-5.5", |name| name == "gpt-5.5").as_deref(), Some("gpt-5.5"));
        assert_eq!(routes.nearest("opnai/gpt-5.5", |name| name == "fast"), None);
        assert_eq!(routes.nearest_provider("openruoter"), Some("openrouter"));
    }

    /// Thousands of models of dozens of instances: what a failure may cost at most.
    #[test]
    fn looking_for_what_was_meant_is_quick() {
        let names: Vec<_> = (0..20_000).map(|n| format!("instance-{}/vendor/some-model-{n}", n % 50)).collect();
        let started = std::time::Instant::now();
        let meant = nearest("instance-7/vendor/smoe-model-507", names.iter().map(String::as_str));
        assert_eq!(meant, Some("instance-7/vendor/some-model-507"));
        assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
    }

    #[test]
    fn passthrough_takes_the_instance_before_the_provider() {
        let names = |name: &str| routes().passthrough(name).map(|route| route.targets().len());
        assert_eq!(names("openai"), Some(2));
        assert_eq!(names("openai-east"), Some(1));
        assert_eq!(names("groq"), None);
    }
}
