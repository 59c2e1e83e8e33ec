//! The paths that we serve: path and method → what is asked, and in which dialect. How it is answered is not known here; what a model
//! can be asked to do is in `operation`.

mod operation;

use std::collections::HashMap;

use http::Method;
use once_cell::sync::Lazy;

pub use operation::{MODEL, Operation};

use crate::dialects::Dialect;

/// One thing that a client can ask of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// The process lives.
    Live,
    /// The process can serve: configuration and model lists are there, and it is not about to stop.
    Ready,
    ListModels,
    RetrieveModel,
    /// The same as Gemini's SDKs ask for them.
    ListGeminiModels,
    RetrieveGeminiModel,
    /// A model is asked to do something.
    Run(Operation),
    /// A response that was kept: shown, deleted, cancelled, its input listed.
    StoredResponse,
    /// Files: put, listed, shown, deleted, their content had.
    Files,
    /// The same as Anthropic's clients ask for them.
    AnthropicFiles,
    /// Many requests at once.
    Batches,
    /// The same as Anthropic's clients ask for it.
    MessageBatches,
    /// A provider's own API, as it is.
    Passthrough,
}

impl Endpoint {
    /// The dialect of the answers that we write ourselves, errors above all.
    pub fn dialect(self) -> Dialect {
        match self {
            Self::Run(operation) => operation.dialect(),
            Self::ListGeminiModels | Self::RetrieveGeminiModel => Dialect::Gemini,
            Self::StoredResponse => Dialect::OpenaiResponses,
            Self::AnthropicFiles | Self::MessageBatches => Dialect::Anthropic,
            _ => Dialect::OpenaiChat,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Live | Self::Ready => "health",
            Self::ListModels | Self::RetrieveModel | Self::ListGeminiModels | Self::RetrieveGeminiModel => "models",
            Self::Run(operation) => operation.name(),
            Self::StoredResponse => "stored response",
            Self::Files | Self::AnthropicFiles => "files",
            Self::Batches | Self::MessageBatches => "batches",
            Self::Passthrough => "passthrough",
        }
    }

    /// Whether a client needs a key for it.
    pub fn is_guarded(self) -> bool {
        !matches!(self, Self::Live | Self::Ready)
    }
}

/// An endpoint together with what its path holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match<'a> {
    pub endpoint: Endpoint,
    /// What stands in the path where the table has `*`: a model id, or `provider/rest` of a passthrough; still encoded.
    pub tail: &'a str,
    /// Whether a stream is asked for, where the path says it.
    pub is_stream: Option<bool>,
}

/// Why no endpoint was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoMatch {
    UnknownPath,
    /// The path exists, for these methods.
    WrongMethod(&'static str),
}

struct Row {
    method: &'static str,
    /// Below `/v1`, unless it is one of ours; a final `*` stands for the rest of the path.
    path: &'static str,
    served: Served,
}

enum Served {
    Always(Endpoint),
    /// The rest of the path names a model and, behind this separator, what it is to do.
    ByVerb(char, &'static [Verb]),
}

/// What a model may be asked in a path.
struct Verb {
    name: &'static str,
    operation: Operation,
    is_stream: bool,
}

const fn row(method: &'static str, path: &'static str, endpoint: Endpoint) -> Row {
    Row { method, path, served: Served::Always(endpoint) }
}

const fn verbs(path: &'static str, separator: char, verbs: &'static [Verb]) -> Row {
    Row { method: "POST", path, served: Served::ByVerb(separator, verbs) }
}

const fn verb(name: &'static str, operation: Operation, is_stream: bool) -> Verb {
    Verb { name, operation, is_stream }
}

/// Sorted by path. `/v1` may be left out by the client: many tools disagree on whether a base URL ends in it.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    row("GET",  "/health",                    Endpoint::Live),
    row("GET",  "/health/live",               Endpoint::Live),
    row("GET",  "/health/liveliness",         Endpoint::Live),
    row("GET",  "/health/readiness",          Endpoint::Ready),
    row("GET",  "/health/ready",              Endpoint::Ready),
    row("GET",  "/healthz",                   Endpoint::Live),
    verbs("/model/*", '/', &[
        verb("converse",        Operation::Converse,      false),
        verb("converse-stream", Operation::Converse,      true),
        verb("count-tokens",    Operation::CountConverse, false),
    ]),
    row("ANY",  "/p/*",                       Endpoint::Passthrough),
    row("GET",  "/readyz",                    Endpoint::Ready),
    row("POST", "/v1/audio/speech",           Endpoint::Run(Operation::Speech)),
    row("POST", "/v1/audio/transcriptions",   Endpoint::Run(Operation::Transcriptions)),
    row("POST", "/v1/audio/translations",     Endpoint::Run(Operation::Translations)),
    row("ANY",  "/v1/batches",                Endpoint::Batches),
    row("ANY",  "/v1/batches/*",              Endpoint::Batches),
    row("POST", "/v1/chat/completions",       Endpoint::Run(Operation::Chat)),
    row("POST", "/v1/completions",            Endpoint::Run(Operation::Completions)),
    row("POST", "/v1/embeddings",             Endpoint::Run(Operation::Embeddings)),
    row("ANY",  "/v1/files",                  Endpoint::Files),
    row("ANY",  "/v1/files/*",                Endpoint::Files),
    row("POST", "/v1/images/edits",           Endpoint::Run(Operation::ImageEdits)),
    row("POST", "/v1/images/generations",     Endpoint::Run(Operation::ImageGenerations)),
    row("POST", "/v1/images/variations",      Endpoint::Run(Operation::ImageVariations)),
    row("POST", "/v1/messages",               Endpoint::Run(Operation::Messages)),
    row("ANY",  "/v1/messages/batches",       Endpoint::MessageBatches),
    row("ANY",  "/v1/messages/batches/*",     Endpoint::MessageBatches),
    row("POST", "/v1/messages/count_tokens",  Endpoint::Run(Operation::CountMessages)),
    row("GET",  "/v1/models",                 Endpoint::ListModels),
    row("GET",  "/v1/models/*",               Endpoint::RetrieveModel),
    verbs("/v1/models/*", ':', GEMINI),
    row("POST", "/v1/moderations",            Endpoint::Run(Operation::Moderations)),
    row("POST", "/v1/rerank",                 Endpoint::Run(Operation::Rerank)),
    row("POST", "/v1/responses",              Endpoint::Run(Operation::Responses)),
    row("ANY",  "/v1/responses/*",            Endpoint::StoredResponse),
    row("POST", "/v1/responses/compact",      Endpoint::Run(Operation::Compact)),
    row("POST", "/v1/responses/input_tokens", Endpoint::Run(Operation::CountInput)),
    row("GET",  "/v1alpha/models",            Endpoint::ListGeminiModels),
    row("GET",  "/v1alpha/models/*",          Endpoint::RetrieveGeminiModel),
    verbs("/v1alpha/models/*", ':', GEMINI),
    row("GET",  "/v1beta/models",             Endpoint::ListGeminiModels),
    row("GET",  "/v1beta/models/*",           Endpoint::RetrieveGeminiModel),
    verbs("/v1beta/models/*", ':', GEMINI),
];

/// Google's SDKs ask below one version of the API or another; the verbs are the same.
const GEMINI: &[Verb] = &[
    verb("generateContent", Operation::GenerateContent, false),
    verb("streamGenerateContent", Operation::GenerateContent, true),
    verb("countTokens", Operation::CountContent, false),
    verb("embedContent", Operation::EmbedContent, false),
    verb("batchEmbedContents", Operation::BatchEmbedContents, false),
];

static EXACT: Lazy<HashMap<&'static str, &'static Row>> = Lazy::new(|| {
    let mut exact = HashMap::new();
    for row in TABLE.iter().filter(|row| !row.path.ends_with('*')) {
        exact.insert(row.path, row);
        if let Some(short) = row.path.strip_prefix("/v1").filter(|short| short.starts_with('/')) {
            exact.entry(short).or_insert(row);
        }
    }
    exact
});

/// Finds the endpoint of a request path (without its query).
pub fn find<'a>(method: &Method, path: &'a str) -> Result<Match<'a>, NoMatch> {
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    if let Some(row) = EXACT.get(trimmed) {
        return if row.takes(method) { row.found("") } else { Err(NoMatch::WrongMethod(row.method)) };
    }
    let mut why = NoMatch::UnknownPath;
    for (row, tail) in TABLE.iter().filter_map(|row| Some((row, tail(row, path)?))) {
        if row.takes(method) {
            return row.found(tail);
        }
        why = NoMatch::WrongMethod(row.method);
    }
    Err(why)
}

impl Row {
    fn takes(&self, method: &Method) -> bool {
        match self.method {
            "ANY" => true,
            "GET" => matches!(*method, Method::GET | Method::HEAD),
            other => *method == other,
        }
    }

    fn found<'a>(&self, tail: &'a str) -> Result<Match<'a>, NoMatch> {
        match &self.served {
            Served::Always(endpoint) => Ok(Match { endpoint: *endpoint, tail, is_stream: None }),
            // A model's name may hold the separator, too.
            Served::ByVerb(separator, verbs) => {
                let (model, asked) = tail.rsplit_once(*separator).ok_or(NoMatch::UnknownPath)?;
                let verb = verbs.iter().find(|verb| verb.name == asked).ok_or(NoMatch::UnknownPath)?;
                Ok(Match { endpoint: Endpoint::Run(verb.operation), tail: model, is_stream: Some(verb.is_stream) })
            }
        }
    }
}

fn tail<'a>(row: &Row, path: &'a str) -> Option<&'a str> {
    let prefix = row.path.strip_suffix('*')?;
    let is_short = prefix.starts_with("/v1/");
    let short = || path.strip_prefix(prefix.strip_prefix("/v1")?);
    path.strip_prefix(prefix).or_else(|| short().filter(|_| is_short)).filter(|tail| !tail.is_empty())
}

/// Every path with its method and what is served there, for the documentation's table.
pub fn table() -> impl Iterator<Item = (&'static str, String, Endpoint)> {
    TABLE.iter().flat_map(|row| match &row.served {
        Served::Always(endpoint) => vec![(row.method, row.path.to_owned(), *endpoint)],
        Served::ByVerb(separator, verbs) => {
            let path = |verb: &Verb| format!("{}{MODEL}{separator}{}", row.path.trim_end_matches('*'), verb.name);
            verbs.iter().map(|verb| (row.method, path(verb), Endpoint::Run(verb.operation))).collect()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_sorted_and_unique() {
        let key = |row: &Row| (row.path, row.method);
        assert!(TABLE.windows(2).all(|pair| key(&pair[0]) < key(&pair[1])));
    }

    #[test]
    fn every_operation_has_a_path_that_leads_to_it() {
        for operation in Operation::ALL {
            let prefixes: &[&str] = match operation.dialect() {
                Dialect::Gemini => &["/v1", "/v1alpha", "/v1beta"],
                Dialect::Converse => &[""],
                _ => &["/v1", ""],
            };
            for prefix in prefixes {
                let path = format!("{prefix}{}", operation.path(false).replace(MODEL, "a/b:c"));
                let found = find(&Method::POST, &path).map(|found| (found.endpoint, found.tail));
                let model = if operation.has_model_in_path() { "a/b:c" } else { "" };
                assert_eq!(found, Ok((Endpoint::Run(*operation), model)));
            }
        }
        for path in ["/v1beta/models/m:streamGenerateContent", "/model/m/converse-stream"] {
            assert_eq!(find(&Method::POST, path).map(|found| found.is_stream), Ok(Some(true)));
        }
        assert_eq!(find(&Method::POST, "/model/m/fly"), Err(NoMatch::UnknownPath));
        let model = find(&Method::GET, "/v1beta/models/m").map(|found| found.endpoint);
        assert_eq!(model, Ok(Endpoint::RetrieveGeminiModel));
    }

    #[test]
    fn finds_tails_and_says_what_is_wrong() {
        let get = |path| find(&Method::GET, path);
        assert_eq!(get("/v1/models/a/b").map(|found| found.tail), Ok("a/b"));
        assert_eq!(get("/models/a").map(|found| found.endpoint), Ok(Endpoint::RetrieveModel));
        assert_eq!(get("/v1/models/").map(|found| found.endpoint), Ok(Endpoint::ListModels));
        assert_eq!(get("/p/openai/v1/files").map(|found| found.tail), Ok("openai/v1/files"));
        assert_eq!(get("/p/"), Err(NoMatch::UnknownPath));
        assert_eq!(get("/v1/chat/completions"), Err(NoMatch::WrongMethod("POST")));
        assert_eq!(get("/v2/nope"), Err(NoMatch::UnknownPath));
        assert_eq!(find(&Method::HEAD, "/healthz").map(|found| found.endpoint), Ok(Endpoint::Live));
    }
}
