//! Vertex AI's URLs: one project at one location, whose models are served by their publishers' own APIs.
//!
//! Google's models by `generateContent`, Anthropic's by `rawPredict` with a body of the Messages API, everybody's, with some loss, by an
//! endpoint that is compatible with OpenAI's. Sources: Vertex AI REST reference; the official SDKs `google-genai` and `anthropic`
//! (`lib/vertex`).

use std::borrow::Cow;
use std::collections::BTreeMap;

use percent_encoding::utf8_percent_encode;

use super::urls::{UNRESERVED, destination, with_query};
use super::{BaseUrl, Bucket, Call, Destination, Instance, Provider, Urls};
use crate::endpoints::Operation;
use crate::secret::Secret;

pub struct Vertex;

const GOOGLE: &str = "google";
const ANTHROPIC: &str = "anthropic";
const STORAGE: &str = "https://storage.googleapis.com";
/// The version whose `generateContent` has everything, as Google's own SDK takes it.
const BETA: &str = "v1beta1";

impl Urls for Vertex {
    fn usual_base(&self, provider: &Provider, options: &BTreeMap<&'static str, String>) -> Option<BaseUrl> {
        let named = options.get("location").map(|location| match location.to_ascii_lowercase().as_str() {
            "global" => "https://aiplatform.googleapis.com".to_owned(),
            location @ ("us" | "eu") => format!("https://aiplatform.{location}.rep.googleapis.com"),
            location => format!("https://{location}-aiplatform.googleapis.com"),
        });
        BaseUrl::parse(named.as_deref().or(provider.base_url)?).ok()
    }

    fn settle(
        &self,
        options: &mut BTreeMap<&'static str, String>,
        _secrets: &BTreeMap<&'static str, Secret>,
        _base: Option<&BaseUrl>,
    ) -> Result<(), String> {
        let is_name = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        match options.get("location").filter(|location| !is_name(location)) {
            Some(location) => Err(format!("location `{location}` is not the name of a location, such as us-central1")),
            None => Ok(()),
        }
    }

    /// A bucket of Cloud Storage. A key of express mode stands for Gemini alone: it has no project for jobs, and opens no storage.
    fn bucket(&self, options: &BTreeMap<&'static str, String>, has_key: bool) -> Result<Option<Bucket>, String> {
        let Some(text) = options.get("batch_bucket") else { return Ok(None) };
        if has_key {
            return Err("batch_bucket cannot be used with an api_key, which opens no storage: leave the key out, and give `project`, \
                        `location` and Google credentials"
                .to_owned());
        }
        let storage = options.get("storage_url").map_or(STORAGE, String::as_str);
        let storage = BaseUrl::parse(storage).map_err(|why| format!("storage_url {why}"))?;
        Bucket::parse(text, "gs", storage).map(Some)
    }

    fn model<'a>(&self, _instance: &'a Instance, operation: Operation, model: &'a str) -> Cow<'a, str> {
        let (publisher, id) = publisher(model);
        match operation {
            Operation::Chat if id.len() == model.len() => format!("{publisher}/{id}").into(),
            Operation::Chat => model.into(),
            _ => id.into(),
        }
    }

    fn operation(&self, instance: &Instance, call: &Call<'_>) -> Destination {
        let (publisher, id) = publisher(call.model);
        let id = utf8_percent_encode(id, UNRESERVED);
        let publishers = |version| format!("{}/publishers/{publisher}/models", place(instance, version));
        let path = match (call.operation, call.is_stream) {
            (Operation::Messages, false) => format!("{}/{id}:rawPredict", publishers("v1")),
            (Operation::Messages, true) => format!("{}/{id}:streamRawPredict", publishers("v1")),
            (Operation::CountMessages, _) => format!("{}/count-tokens:rawPredict", publishers("v1")),
            (Operation::GenerateContent, false) => format!("{}/{id}:generateContent", publishers(BETA)),
            (Operation::GenerateContent, true) => format!("{}/{id}:streamGenerateContent?alt=sse", publishers(BETA)),
            (Operation::CountContent, _) => format!("{}/{id}:countTokens", publishers(BETA)),
            (Operation::EmbedContent, _) => format!("{}/{id}:embedContent", publishers(BETA)),
            (Operation::Embeddings, _) => format!("{}/{id}:predict", publishers("v1")),
            _ => format!("{}/endpoints/openapi{}", place(instance, "v1"), call.path()),
        };
        destination(path, instance.provider.auth)
    }

    /// There is no list of a project's models.
    fn model_list(&self, instance: &Instance, list: &str) -> String {
        format!("{}/endpoints/openapi{list}", place(instance, "v1"))
    }

    /// Paths that begin with a version are the host's; others are below the project's location.
    fn passthrough(&self, instance: &Instance, rest: &str, query: Option<&str>) -> Destination {
        let path = match rest.split('/').next() {
            Some("v1" | "v1beta1") => format!("{}/{rest}", root(instance)),
            _ => format!("{}/{rest}", place(instance, "v1")),
        };
        destination(with_query(path, query), instance.provider.auth)
    }
}

/// The operation by which a model is asked for what a client wants.
pub fn door(instance: &Instance, wanted: Operation, model: &str) -> Option<Operation> {
    let (publisher, _) = publisher(model);
    match (publisher, wanted) {
        (ANTHROPIC, wanted) if wanted.generates() => Some(Operation::Messages),
        (ANTHROPIC, wanted) if wanted.counts() => Some(Operation::CountMessages),
        (GOOGLE, wanted) if wanted.generates() => {
            let is_native = wanted == Operation::GenerateContent || instance.option("api_mode") != Some("openai");
            Some(if is_native { Operation::GenerateContent } else { Operation::Chat })
        }
        (GOOGLE, wanted) if wanted.counts() => Some(Operation::CountContent),
        (GOOGLE, Operation::EmbedContent | Operation::Embeddings) => Some(wanted),
        (_, wanted) if wanted.generates() => Some(Operation::Chat),
        _ => None,
    }
}

/// What jobs call a model: `publishers/{publisher}/models/{id}` (REST reference, `BatchPredictionJob.model`).
pub fn resource(model: &str) -> String {
    let (publisher, id) = publisher(model);
    format!("publishers/{publisher}/models/{id}")
}

/// The operation by which a publisher's own API is asked: what stands in the lines of a job, whatever `api_mode` says.
pub fn own_door(model: &str) -> Option<Operation> {
    match publisher(model).0 {
        GOOGLE => Some(Operation::GenerateContent),
        ANTHROPIC => Some(Operation::Messages),
        _ => None,
    }
}

/// Who made a model, and the model's own id. Ids of models that everybody knows may come without.
fn publisher(model: &str) -> (&str, &str) {
    match model.split_once('/') {
        Some(split) => split,
        None if model.starts_with("claude") => (ANTHROPIC, model),
        None => (GOOGLE, model),
    }
}

/// The path of the project's location. With a key instead of a project (Vertex AI's "express mode") there is none.
fn place(instance: &Instance, version: &str) -> String {
    let root = root(instance);
    match (instance.option("project"), instance.option("location")) {
        (Some(project), location) => {
            let project = utf8_percent_encode(project, UNRESERVED);
            let location = utf8_percent_encode(location.unwrap_or("global"), UNRESERVED);
            format!("{root}/{version}/projects/{project}/locations/{location}")
        }
        (None, _) => format!("{root}/{version}"),
    }
}

/// The path of the base URL, which may have been given with a version.
fn root(instance: &Instance) -> &str {
    let path = instance.base.path.as_str();
    ["/v1", "/v1beta1"].iter().find_map(|version| path.strip_suffix(version)).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_for_whoever_has_a_project() {
        let bucket = |pairs: &[(&'static str, &str)], has_key| {
            let options = pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
            Vertex.bucket(&options, has_key)
        };
        assert_eq!(bucket(&[], true), Ok(None));
        let found = bucket(&[("batch_bucket", "gs://jobs/a")], false).expect("a bucket").expect("one");
        assert_eq!((found.name.as_str(), found.prefix.as_str()), ("jobs", "a/"));
        assert_eq!(found.storage.to_string(), STORAGE);
        let elsewhere = [("batch_bucket", "gs://jobs"), ("storage_url", "http://localhost:9/x")];
        let found = bucket(&elsewhere, false).expect("a bucket").expect("one");
        assert_eq!(found.storage.to_string(), "http://localhost:9/x");
        for (options, has_key, why) in [
            (&[("batch_bucket", "gs://jobs")][..], true, "api_key"),
            (&[("batch_bucket", "s3://jobs")], false, "gs://name/prefix"),
            (&[("batch_bucket", "gs://jobs"), ("storage_url", "localhost")], false, "storage_url"),
        ] {
            let told = bucket(options, has_key).expect_err(why);
            assert!(told.contains(why), "{told}");
        }
    }

    #[test]
    fn jobs_name_models_by_their_publishers() {
        for (model, resource_name) in [
            ("google/gemini-2.5-flash", "publishers/google/models/gemini-2.5-flash"),
            ("gemini-2.5-flash", "publishers/google/models/gemini-2.5-flash"),
            ("claude-sonnet-4-5@20250929", "publishers/anthropic/models/claude-sonnet-4-5@20250929"),
        ] {
            assert_eq!(resource(model), resource_name);
            assert!(own_door(model).is_some());
        }
        assert_eq!(own_door("meta/llama-4"), None);
    }
}
