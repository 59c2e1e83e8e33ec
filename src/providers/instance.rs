//! A configured provider, everything about it settled.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::{Audio, Auth, BaseUrl, BatchesApi, Bucket, Doors, Provider, Quirk, StreamUsage, vertex};
use crate::dialects::think_tags::ThinkTags;
use crate::dialects::{Dialect, Habits};
use crate::endpoints::Operation;
use crate::models::{self, Facts, Known, Limits, Said};
use crate::secret::Secret;

/// A provider with its key and address. `openai-east` is an instance of the provider `openai`.
#[derive(Debug, Clone)]
pub struct Instance {
    pub name: String,
    pub provider: &'static Provider,
    pub base: BaseUrl,
    /// The path below which the provider's own paths begin: not empty where another server stands in for it.
    pub root: String,
    pub key: Option<Secret>,
    /// The user's own headers, sent with every request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The configured models, in the user's order.
    pub models: Vec<String>,
    pub list_mode: ListMode,
    /// The provider's own settings, by the names in its row.
    pub options: BTreeMap<&'static str, String>,
    /// Those that nobody may see.
    pub secrets: BTreeMap<&'static str, Secret>,
    /// Where its batches are put.
    pub bucket: Option<Bucket>,
    pub timeouts: Timeouts,
    /// Its share among instances that serve the same model.
    pub weight: u32,
    /// What the user says of models, here and elsewhere.
    pub model_info: Arc<[Said]>,
}

/// What a configured list of models is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListMode {
    /// It stands in when the provider's own list cannot be had.
    #[default]
    Fallback,
    /// It is all there is: the provider is not asked, and other models are refused.
    Allowlist,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For TCP and TLS together.
    pub connect: Duration,
    /// The longest silence of the provider, before its answer and within it.
    pub read: Duration,
}

impl Instance {
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    /// What is known of one of its models.
    pub fn known(&self, model: &str, listed: Limits) -> Known {
        Known::of(self.provider.name, &self.name, model, listed, &self.model_info)
    }

    /// The name by which it is asked for a model. `[1m]` at the end asks Xiaomi for the long context; with `context_suffix: strip` it
    /// means something to clients only.
    pub fn sent_name<'m>(&self, model: &'m str) -> &'m str {
        let strips = self.option("context_suffix") == Some("strip");
        model.strip_suffix("[1m]").filter(|_| strips).unwrap_or(model)
    }

    pub fn secret(&self, name: &str) -> Option<&Secret> {
        self.secrets.get(name)
    }

    /// Whether an option of this name is a credential.
    pub fn is_secret(option: &str) -> bool {
        const ENDS: &[&str] = &["_secret", "_json", "identity_header", "secret_access_key", "session_token"];
        ENDS.iter().any(|end| option.ends_with(end))
    }

    /// The path of its host's root, for a base URL and the provider's usual one.
    pub fn root_of(provider: &Provider, base: &BaseUrl) -> String {
        base.root(provider.base_url.and_then(|url| BaseUrl::parse(url).ok()).as_ref())
    }

    /// Why no request can be sent to it, where that is so.
    pub fn unsupported(&self) -> Option<&'static str> {
        match self.provider.auth {
            Auth::Bearer | Auth::Header(_) | Auth::KeyOrEntra(_) | Auth::AwsSignature(_) | Auth::GoogleToken => None,
        }
    }

    /// Whether requests for this operation are sent to it. The row of a provider speaks of the provider's own servers:
    /// what of OpenAI's an `openai` instance at another host serves is for that host to say.
    pub fn serves(&self, operation: Operation) -> bool {
        let is_openais = || matches!(operation.dialect(), Dialect::OpenaiChat | Dialect::OpenaiResponses);
        self.unsupported().is_none()
            && (self.provider.serves(operation)
                || (self.provider.name == "openai" && is_openais() && self.is_elsewhere()))
    }

    /// Whether it keeps the responses that it gives. What stands in for OpenAI's own servers may not, which only its user knows.
    pub fn keeps_responses(&self) -> bool {
        self.provider.keeps_responses && self.option("keeps_responses") != Some("false")
    }

    /// How it takes many requests at once, if it does.
    pub fn batches(&self) -> Option<BatchesApi> {
        self.provider.batches.filter(|api| !api.needs_bucket() || self.bucket.is_some())
    }

    /// How it departs from its dialect where it runs this model.
    pub fn habits(&self, model: &str) -> &'static Habits {
        let (usual, special) = (self.provider.habits, self.provider.habits_with);
        if special.is_empty() {
            return usual;
        }
        let model = model.to_ascii_lowercase();
        special.iter().find(|(word, _)| model.contains(word)).map_or(usual, |(_, habits)| habits)
    }

    /// What becomes of thoughts within the texts of its chat answers, where these are made into another dialect. Who stands in for OpenAI
    /// serves other models than OpenAI's.
    pub fn think_tags(&self) -> ThinkTags {
        match self.option("think_tags") {
            Some("split") => ThinkTags::Split,
            Some(_) => ThinkTags::Keep,
            None => self.provider.habits.think_tags,
        }
    }

    /// Whether thoughts are moved out of the texts even of answers that are forwarded: only where the user says so.
    pub fn moves_thoughts(&self) -> bool {
        self.option("think_tags") == Some("split")
    }

    /// Whether its base URL is at another host than the provider's own.
    fn is_elsewhere(&self) -> bool {
        let usual = self.provider.base_url.and_then(|url| BaseUrl::parse(url).ok());
        usual.is_some_and(|usual| usual.host != self.base.host)
    }

    /// The operation by which it is asked for `wanted`: that very one if it can be, else, where a model is to answer in
    /// words, another by which it does. `has_tools`: the request offers tools to a model that is to think.
    pub fn door(
        &self,
        wanted: Operation,
        model: &str,
        facts: &Facts,
        has_tools: impl FnOnce() -> bool,
    ) -> Option<Operation> {
        if matches!(self.provider.doors, Doors::Publisher) {
            return vertex::door(self, wanted, model);
        }
        if self.serves(wanted) && !wanted.generates() {
            return Some(wanted);
        }
        match wanted {
            wanted if wanted.generates() => {}
            wanted if wanted.counts() => {
                return self
                    .provider
                    .operations
                    .iter()
                    .copied()
                    .find(|operation| operation.counts() && self.serves(*operation));
            }
            Operation::Speech | Operation::Transcriptions if self.provider.audio == Audio::Chat => {
                return Some(Operation::Chat).filter(|operation| self.serves(*operation));
            }
            Operation::EmbedContent | Operation::BatchEmbedContents => {
                let is_openais = !self.provider.quirks.contains(&Quirk::EmbedsByInvoke);
                return Some(Operation::Embeddings).filter(|operation| is_openais && self.serves(*operation));
            }
            _ => return None,
        }
        let only = match self.provider.doors {
            Doors::Any | Doors::Publisher => None,
            Doors::Openai => match facts.doors {
                models::Doors::Any => None,
                models::Doors::ResponsesOnly => Some(Operation::Responses),
                models::Doors::ResponsesForTools => has_tools().then_some(Operation::Responses),
            },
            Doors::Native if self.option("api_mode") != Some("openai") => self.provider.operations.first().copied(),
            Doors::Native => (self.provider.operations.first() != Some(&wanted)).then_some(Operation::Chat),
            Doors::Listed { models, others, option: (option, by_option) } => {
                Some(self.listed_door(model, models, others, option, by_option))
            }
        };
        if let Some(only) = only.filter(|only| self.serves(*only)) {
            return Some(only);
        }
        let mut generating = self.provider.operations.iter().copied().filter(|operation| operation.generates());
        if self.serves(wanted) { Some(wanted) } else { generating.find(|operation| self.serves(*operation)) }
    }

    fn listed_door(
        &self,
        model: &str,
        models: &[(&str, Operation)],
        others: Operation,
        option: &str,
        by_option: Operation,
    ) -> Operation {
        let given = self.option(option).map(|list| list.split(',').any(|name| name.trim() == model));
        match (given, models.iter().find(|(name, _)| *name == model)) {
            (Some(true), _) => by_option,
            (Some(false), Some((_, operation))) if *operation == by_option => others,
            (_, Some((_, operation))) => *operation,
            (_, None) => others,
        }
    }

    /// Whether a stream of chat chunks tells its token counts only when asked. Azure refuses the question in versions of its
    /// API before September 2024.
    pub fn counts_streams_on_request(&self) -> bool {
        self.provider.stream_usage == StreamUsage::OnRequest
            && self.option("api_version").is_none_or(|version| version >= "2024-09-01" || !version.starts_with("20"))
    }

    /// The header that carries the key, if there is a key.
    pub fn credential(&self, auth: Auth) -> Option<(HeaderName, HeaderValue)> {
        let key = self.key.as_ref()?.expose();
        let (name, value) = match auth {
            Auth::Bearer => (http::header::AUTHORIZATION, HeaderValue::try_from(format!("Bearer {key}"))),
            Auth::Header(name) | Auth::KeyOrEntra(name) => (HeaderName::from_static(name), HeaderValue::from_str(key)),
            Auth::AwsSignature(_) => (http::header::AUTHORIZATION, HeaderValue::try_from(format!("Bearer {key}"))),
            Auth::GoogleToken => (HeaderName::from_static("x-goog-api-key"), HeaderValue::from_str(key)),
        };
        // Keys are checked to be valid header values when the configuration is read.
        let mut value = value.ok()?;
        value.set_sensitive(true);
        Some((name, value))
    }
}
