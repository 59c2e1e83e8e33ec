//! The paths of what is kept.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

use super::vertex;
use crate::dialects::Dialect;

/// Whose shapes are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
    Openai,
    Anthropic,
    Gemini,
    Xai,
    /// Amazon: Bedrock's jobs, and the objects of S3 that they read and write.
    Bedrock,
    Vertex,
}

impl Vendor {
    pub fn dialect(self) -> Dialect {
        match self {
            Self::Openai | Self::Xai => Dialect::OpenaiChat,
            Self::Anthropic => Dialect::Anthropic,
            Self::Gemini | Self::Vertex => Dialect::Gemini,
            Self::Bedrock => Dialect::Converse,
        }
    }
}

/// What is asked for, at whose.
#[derive(Debug, PartialEq)]
pub struct Place<'p> {
    pub vendor: Vendor,
    pub what: What<'p>,
}

#[derive(Debug, PartialEq)]
pub enum What<'p> {
    Files,
    /// Where a file's bytes are sent, in pieces.
    Upload,
    File(Cow<'p, str>),
    /// A file's bytes.
    Content(Cow<'p, str>),
    Batches,
    /// Where a model's batches are made.
    ModelBatches {
        model: Cow<'p, str>,
        embeds: bool,
    },
    Batch(Cow<'p, str>),
    /// A batch is to stop.
    Cancel(Cow<'p, str>),
    /// The requests of a batch, each on its own.
    Requests(Cow<'p, str>),
    Results(Cow<'p, str>),
    /// Where batches are made, if not where they are listed.
    NewBatch,
    /// The objects of a bucket.
    Objects(Cow<'p, str>),
    Object {
        bucket: Cow<'p, str>,
        key: Cow<'p, str>,
    },
    /// Vertex AI's, and its storage's.
    Vertex(vertex::What<'p>),
}

impl<'p> Place<'p> {
    /// `path` is without the prefix by which a client says whose paths they are; `vendor` is whom it, or else its headers,
    /// named.
    pub fn of(path: &'p str, vendor: Vendor) -> Option<Self> {
        if let Some(what) = amazon(path) {
            return Some(Self { vendor: Vendor::Bedrock, what });
        }
        if let Some(what) = vertex::What::of(path) {
            return Some(Self { vendor: Vendor::Vertex, what: What::Vertex(what) });
        }
        if let Some(what) = gemini(path, vendor) {
            return Some(Self { vendor: Vendor::Gemini, what });
        }
        let below = path.strip_prefix("/v1").unwrap_or(path).strip_prefix('/')?;
        if let Some(rest) = below.strip_prefix("messages/batches") {
            return Some(Self { vendor: Vendor::Anthropic, what: batches(rest)? });
        }
        let what = match (vendor, below.strip_prefix("files"), below.strip_prefix("batches")) {
            (Vendor::Openai | Vendor::Anthropic | Vendor::Xai, Some(rest), _) => files(rest)?,
            (Vendor::Openai | Vendor::Xai, _, Some(rest)) => batches(rest)?,
            _ => return None,
        };
        let place = Self { vendor, what };
        (!place.methods().is_empty()).then_some(place)
    }

    /// Whether it is a cloud's storage, which has an envelope of its own for what goes wrong.
    pub fn is_storage(&self) -> bool {
        matches!(self.what, What::Objects(_) | What::Object { .. })
    }

    /// The methods that it takes; none where the vendor has no such thing.
    pub fn methods(&self) -> &'static [Method] {
        match (&self.what, self.vendor) {
            (What::Vertex(what), _) => what.methods(),
            (What::Files | What::Batches, Vendor::Gemini) | (What::Batches, Vendor::Bedrock) => &[Method::GET],
            (What::Files | What::Batches, _) => &[Method::GET, Method::POST],
            (What::File(_), _) | (What::Batch(_), Vendor::Anthropic | Vendor::Gemini) => &[Method::GET, Method::DELETE],
            (What::Batch(_) | What::Content(_), _) => &[Method::GET],
            (What::Cancel(_) | What::Upload | What::ModelBatches { .. } | What::NewBatch, _) => &[Method::POST],
            // It says itself what it does not take.
            (What::Objects(_) | What::Object { .. }, _) => {
                &[Method::GET, Method::PUT, Method::DELETE, Method::HEAD, Method::POST]
            }
            (What::Requests(_), Vendor::Xai) => &[Method::GET, Method::POST],
            (What::Results(_), Vendor::Xai | Vendor::Anthropic) => &[Method::GET],
            (What::Requests(_) | What::Results(_), _) => &[],
        }
    }
}

/// Bedrock's jobs; S3 is below a path of its own, with the bucket in the path.
fn amazon(path: &str) -> Option<What<'_>> {
    if let Some(rest) = path.strip_prefix("/s3/") {
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        return match id(key) {
            None => id(bucket).map(What::Objects),
            Some(key) => id(bucket).map(|bucket| What::Object { bucket, key }),
        };
    }
    match path.strip_prefix("/model-invocation-job")? {
        "" => Some(What::NewBatch),
        "s" => Some(What::Batches),
        rest => match rest.strip_prefix('/')?.split_once('/') {
            None => id(rest.strip_prefix('/')?).map(What::Batch),
            Some((job, "stop")) => id(job).map(What::Cancel),
            Some(_) => None,
        },
    }
}

/// `rest`: what follows `files`.
fn files(rest: &str) -> Option<What<'_>> {
    match rest.strip_prefix('/').map(|rest| rest.split_once('/').map_or((rest, None), |(id, of)| (id, Some(of)))) {
        None => rest.is_empty().then_some(What::Files),
        Some((file, None)) => id(file).map(What::File),
        Some((file, Some("content"))) => id(file).map(What::Content),
        Some(_) => None,
    }
}

/// `rest`: what follows `batches`. xAI cancels with a colon, others with a slash.
fn batches(rest: &str) -> Option<What<'_>> {
    let Some(rest) = rest.strip_prefix('/') else { return rest.is_empty().then_some(What::Batches) };
    match rest.split_once(['/', ':']) {
        None => id(rest).map(What::Batch),
        Some((batch, "cancel")) => id(batch).map(What::Cancel),
        Some((batch, "requests")) => id(batch).map(What::Requests),
        Some((batch, "results")) => id(batch).map(What::Results),
        Some(_) => None,
    }
}

/// Under `/v1` others have their files and batches too: there the client's headers decide.
fn gemini(path: &str, vendor: Vendor) -> Option<What<'_>> {
    let versioned = |path: &str| -> Option<usize> {
        ["/v1beta/", "/v1alpha/", "/v1/"]
            .iter()
            .find(|version| path.starts_with(**version))
            .map(|version| version.len())
    };
    let (prefix, rest) = ["/upload", "/download", ""].iter().find_map(|prefix| {
        let rest = path.strip_prefix(prefix)?;
        Some((*prefix, rest.get(versioned(rest)?..)?))
    })?;
    let is_shared = prefix.is_empty() && path.starts_with("/v1/");
    if prefix == "/upload" {
        return (rest == "files").then_some(What::Upload);
    }
    if let Some((model, action)) = rest.strip_prefix("models/").and_then(|rest| rest.rsplit_once(':')) {
        let model = id(model)?;
        return match action {
            "batchGenerateContent" => Some(What::ModelBatches { model, embeds: false }),
            "asyncBatchEmbedContent" => Some(What::ModelBatches { model, embeds: true }),
            _ => None,
        };
    }
    if is_shared && vendor != Vendor::Gemini {
        return None;
    }
    match rest.split_once('/').unwrap_or((rest, "")) {
        ("files", "") => (rest == "files").then_some(What::Files),
        ("batches", "") => (rest == "batches").then_some(What::Batches),
        ("files", file) => match file.split_once(':') {
            None => id(file).map(What::File),
            Some((file, "download")) => id(file).map(What::Content),
            Some(_) => None,
        },
        ("batches", batch) => match batch.split_once(':') {
            None => id(batch).map(What::Batch),
            Some((batch, "cancel")) => id(batch).map(What::Cancel),
            Some(_) => None,
        },
        _ => None,
    }
}

fn id(text: &str) -> Option<Cow<'_, str>> {
    (!text.is_empty()).then(|| percent_decode_str(text).decode_utf8_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vendor_has_its_paths() {
        use Vendor::{Anthropic, Bedrock, Gemini, Openai, Xai};
        let model = |embeds| What::ModelBatches { model: "m".into(), embeds };
        for (path, client, vendor, what) in [
            ("/v1/files", Openai, Openai, What::Files),
            ("/files/a%2Fb", Openai, Openai, What::File("a/b".into())),
            ("/v1/files/f/content", Anthropic, Anthropic, What::Content("f".into())),
            ("/v1/batches/b/cancel", Openai, Openai, What::Cancel("b".into())),
            ("/v1/batches/b:cancel", Xai, Xai, What::Cancel("b".into())),
            ("/v1/batches/b/requests", Xai, Xai, What::Requests("b".into())),
            ("/v1/messages/batches", Openai, Anthropic, What::Batches),
            ("/v1/messages/batches/b/results", Anthropic, Anthropic, What::Results("b".into())),
            ("/upload/v1beta/files", Openai, Gemini, What::Upload),
            ("/v1beta/files", Openai, Gemini, What::Files),
            ("/v1beta/files/f", Openai, Gemini, What::File("f".into())),
            ("/v1beta/files/f:download", Openai, Gemini, What::Content("f".into())),
            ("/download/v1beta/files/f:download", Openai, Gemini, What::Content("f".into())),
            ("/v1beta/batches/b:cancel", Openai, Gemini, What::Cancel("b".into())),
            ("/v1beta/models/m:batchGenerateContent", Openai, Gemini, model(false)),
            ("/v1/models/m:batchGenerateContent", Openai, Gemini, model(false)),
            ("/v1/files", Gemini, Gemini, What::Files),
            ("/upload/v1/files", Openai, Gemini, What::Upload),
            ("/download/v1/files/f:download", Openai, Gemini, What::Content("f".into())),
            ("/v1beta/models/m:asyncBatchEmbedContent", Openai, Gemini, model(true)),
            ("/model-invocation-job", Openai, Bedrock, What::NewBatch),
            ("/model-invocation-jobs", Openai, Bedrock, What::Batches),
            ("/model-invocation-job/arn%3Aa%2Fb", Openai, Bedrock, What::Batch("arn:a/b".into())),
            ("/model-invocation-job/b/stop", Openai, Bedrock, What::Cancel("b".into())),
            ("/s3/my-jobs/", Openai, Bedrock, What::Objects("my-jobs".into())),
            ("/s3/b/a%20c/d", Openai, Bedrock, What::Object { bucket: "b".into(), key: "a c/d".into() }),
        ] {
            assert_eq!(Place::of(path, client), Some(Place { vendor, what }), "{path}");
        }
        for path in ["/v1/filesystem", "/v1/batches/b/results", "/v1/files/f/x", "/v1beta/models/m:generateContent"] {
            assert_eq!(Place::of(path, Openai), None, "{path}");
        }
        assert_eq!(Place::of("/v1/batches", Anthropic), None);
    }
}
