//! The models that an instance serves, as far as we know.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::models::{Known, Limits};
use crate::providers::{Instance, ListMode};

#[derive(Debug, Clone)]
pub struct Inventory {
    pub models: Vec<Listed>,
    pub source: Source,
}

/// Where the list came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Nobody has asked yet.
    Pending,
    /// The provider's own list.
    Provider,
    /// The configuration.
    Configured,
    /// The provider could not be asked, and nothing is configured.
    Unavailable,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    pub id: String,
    /// Unix seconds, where the provider tells.
    pub created: Option<u64>,
    /// What is known of it: looked up once, not whenever the routes are made anew.
    pub known: Arc<Known>,
}

impl Listed {
    pub fn new(instance: &Instance, id: impl Into<String>, created: Option<u64>, limits: Limits) -> Self {
        let id = id.into();
        Self { known: Arc::new(instance.known(&id, limits)), id, created }
    }
}

impl Inventory {
    /// What is known before anybody was asked.
    pub fn initial(instance: &Instance) -> Self {
        let asks = asks_provider(instance);
        if asks { Self { models: Vec::new(), source: Source::Pending } } else { Self::configured(instance) }
    }

    /// What to use when the provider could not be asked: the last good list, else the configured one.
    pub fn without_provider(&self, instance: &Instance) -> Self {
        match self.source {
            Source::Provider => self.clone(),
            _ => Self::configured(instance),
        }
    }

    fn configured(instance: &Instance) -> Self {
        let models: Vec<_> =
            instance.models.iter().map(|id| Listed::new(instance, id, None, Limits::default())).collect();
        let nothing = models.is_empty() && asks_provider(instance);
        Self { models, source: if nothing { Source::Unavailable } else { Source::Configured } }
    }
}

/// Whether the provider's own list is wanted.
pub fn asks_provider(instance: &Instance) -> bool {
    instance.list_mode == ListMode::Fallback && instance.provider.model_list.is_some()
}

/// Reads a list of models: OpenAI's `{"data":[{"id"}]}`, the bare array that some servers send, or `{"models":[{"name"}]}`.
/// llama.cpp sends both members, for OpenAI's clients and for Ollama's. `None` when it is none of these.
pub fn read_list(instance: &Instance, body: &[u8]) -> Option<Vec<Listed>> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum List {
        Openai {
            data: Vec<Entry>,
        },
        Named {
            models: Vec<Entry>,
        },
        #[serde(rename_all = "camelCase")]
        Foundation {
            model_summaries: Vec<Foundation>,
        },
        #[serde(rename_all = "camelCase")]
        Profiles {
            inference_profile_summaries: Vec<Profile>,
        },
        Bare(Vec<Entry>),
    }

    #[derive(Deserialize)]
    struct Entry {
        id: Option<String>,
        name: Option<String>,
        created: Option<serde_json::Number>,
        #[serde(flatten)]
        limits: Lengths,
    }

    let entries = match serde_json::from_slice(body).ok()? {
        List::Openai { data: entries } | List::Named { models: entries } | List::Bare(entries) => entries,
        List::Foundation { model_summaries } => return Some(foundation_models(instance, model_summaries)),
        List::Profiles { inference_profile_summaries } => return Some(profiles(instance, inference_profile_summaries)),
    };
    let listed = entries.into_iter().filter_map(|entry| {
        let id = entry.id.or(entry.name)?;
        // Gemini names its models by their resource.
        let id = id.strip_prefix("models/").map_or_else(|| id.clone(), str::to_owned);
        let created = entry.created.and_then(|seconds| seconds.as_u64());
        (!id.is_empty()).then(|| Listed::new(instance, id, created, entry.limits.read()))
    });
    Some(listed.collect())
}

/// How long texts may be, by the names that the lists have for it. Whatever else a server may put there must not cost us its list.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Lengths {
    /// OpenRouter's.
    context_length: Value,
    /// Groq's.
    context_window: Value,
    /// vLLM's.
    max_model_len: Value,
    /// Anthropic's.
    max_input_tokens: Value,
    /// Gemini's.
    #[serde(rename = "inputTokenLimit")]
    input_token_limit: Value,
    /// Groq's.
    max_completion_tokens: Value,
    max_output_tokens: Value,
    #[serde(rename = "outputTokenLimit")]
    output_token_limit: Value,
    /// Anthropic's; elsewhere it may be the window.
    max_tokens: Value,
}

impl Lengths {
    fn read(&self) -> Limits {
        let first = |counts: &[&Value]| counts.iter().find_map(|count| count.as_u64()).filter(|count| *count > 0);
        let most = [&self.max_completion_tokens, &self.max_output_tokens, &self.output_token_limit];
        let anthropics = if self.max_input_tokens.is_null() { &Value::Null } else { &self.max_tokens };
        Limits {
            context_window: first(&[
                &self.context_length,
                &self.context_window,
                &self.max_model_len,
                &self.max_input_tokens,
                &self.input_token_limit,
            ]),
            max_output: first(&most).or_else(|| first(&[anthropics])),
        }
    }
}

/// A model as Amazon Bedrock's ListFoundationModels tells of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Foundation {
    model_id: String,
    #[serde(default)]
    output_modalities: Vec<String>,
    #[serde(default)]
    inference_types_supported: Vec<String>,
}

/// What can be asked by its own id and for an answer that we can pass on. Many models are reached by a profile only.
fn foundation_models(instance: &Instance, models: Vec<Foundation>) -> Vec<Listed> {
    let is_one_of =
        |given: &[String], wanted: &[&str]| given.is_empty() || given.iter().any(|one| wanted.contains(&one.as_str()));
    let usable = models.into_iter().filter(|model| {
        is_one_of(&model.output_modalities, &["TEXT", "EMBEDDING"])
            && is_one_of(&model.inference_types_supported, &["ON_DEMAND"])
    });
    usable.map(|model| Listed::new(instance, model.model_id, None, Limits::default())).collect()
}

/// An inference profile as ListInferenceProfiles tells of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    inference_profile_id: String,
    inference_profile_arn: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    r#type: String,
}

/// Amazon's own profiles are known by their ids, the user's by their ARNs.
fn profiles(instance: &Instance, profiles: Vec<Profile>) -> Vec<Listed> {
    let usable = profiles.into_iter().filter(|profile| matches!(profile.status.as_str(), "" | "ACTIVE"));
    let id = |profile: Profile| match profile.r#type.as_str() {
        "APPLICATION" => profile.inference_profile_arn,
        _ => profile.inference_profile_id,
    };
    usable.map(|profile| Listed::new(instance, id(profile), None, Limits::default())).collect()
}

/// What the member `name` of a list's page says of the next page.
pub fn next_page(body: &[u8], name: &str) -> Option<String> {
    let page: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
    page.get(name)?.as_str().filter(|next| !next.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, parse};

    fn simulator() -> Instance {
        parse("", &Environment::default()).expect("a configuration").config.instances.remove(0)
    }

    #[test]
    fn lists_tell_how_long_texts_may_be() {
        for body in [
            r#"{"data":[{"id":"m","context_length":9000,"max_completion_tokens":500}]}"#,
            r#"{"data":[{"id":"m","context_window":9000,"max_completion_tokens":500}]}"#,
            r#"{"data":[{"id":"m","max_input_tokens":9000,"max_tokens":500}]}"#,
            r#"{"models":[{"name":"models/m","inputTokenLimit":9000,"outputTokenLimit":500}]}"#,
        ] {
            let list = read_list(&simulator(), body.as_bytes()).expect("a list");
            let card = &list[0].known.card;
            assert_eq!((card.context_window, card.max_output), (Some(9000), Some(500)), "{body}");
        }
        let odd = br#"{"data":[{"id":"m","context_length":"much","max_tokens":null}]}"#;
        assert_eq!(read_list(&simulator(), odd).expect("a list")[0].known.card.context_window, None);
    }

    #[test]
    fn reads_the_lists_that_servers_send() {
        let ids = |body: &str| {
            read_list(&simulator(), body.as_bytes())
                .map(|list| list.into_iter().map(|model| model.id).collect::<Vec<_>>())
        };
        assert_eq!(
            ids(r#"{"object":"list","data":[{"id":"a","created":1},{"id":"b","created":1.5}]}"#).unwrap(),
            ["a", "b"]
        );
        assert_eq!(ids(r#"[{"id":"a"}]"#).unwrap(), ["a"]);
        assert_eq!(ids(r#"{"models":[{"name":"models/gemini-x"}]}"#).unwrap(), ["gemini-x"]);
        assert_eq!(ids(r#"{"models":[{"name":"a.gguf"}],"object":"list","data":[{"id":"a"}]}"#).unwrap(), ["a"]);
        assert_eq!(ids(r#"{"data":[]}"#).unwrap(), [""; 0]);
        assert_eq!(ids(r#"{"error":{}}"#), None);
        assert_eq!(ids("<html>"), None);
    }
}
