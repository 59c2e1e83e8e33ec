//! The paths that we serve: path and method → what is asked, and in which dialect.

use std::collections::HashMap;

use http::Method;
use once_cell::sync::Lazy;

use crate::dialects::Dialect;

/// What an endpoint does. A provider's row says which of these it serves, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    Chat,
    Completions,
    Responses,
    Embeddings,
    ImageGenerations,
    ImageEdits,
    ImageVariations,
    Speech,
    Transcriptions,
    Translations,
    Moderations,
    Rerank,
}

impl Operation {
    pub const ALL: &[Self] = &[
        Self::Chat,
        Self::Completions,
        Self::Responses,
        Self::Embeddings,
        Self::ImageGenerations,
        Self::ImageEdits,
        Self::ImageVariations,
        Self::Speech,
        Self::Transcriptions,
        Self::Translations,
        Self::Moderations,
        Self::Rerank,
    ];

    /// As it reads in messages, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat completions",
            Self::Completions => "completions",
            Self::Responses => "responses",
            Self::Embeddings => "embeddings",
            Self::ImageGenerations => "image generations",
            Self::ImageEdits => "image edits",
            Self::ImageVariations => "image variations",
            Self::Speech => "speech",
            Self::Transcriptions => "transcriptions",
            Self::Translations => "translations",
            Self::Moderations => "moderations",
            Self::Rerank => "rerank",
        }
    }

    /// Where OpenAI serves it, below the base URL; most compatible providers do the same.
    pub fn path(self) -> &'static str {
        match self {
            Self::Chat => "/chat/completions",
            Self::Completions => "/completions",
            Self::Responses => "/responses",
            Self::Embeddings => "/embeddings",
            Self::ImageGenerations => "/images/generations",
            Self::ImageEdits => "/images/edits",
            Self::ImageVariations => "/images/variations",
            Self::Speech => "/audio/speech",
            Self::Transcriptions => "/audio/transcriptions",
            Self::Translations => "/audio/translations",
            Self::Moderations => "/moderations",
            Self::Rerank => "/rerank",
        }
    }
}

/// One thing that a client can ask of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// The process lives.
    Live,
    /// The process can serve: configuration and model lists are there, and it is not about to stop.
    Ready,
    ListModels,
    RetrieveModel,
    /// A model is asked to do something.
    Run(Operation),
    /// A provider's own API, as it is.
    Passthrough,
}

impl Endpoint {
    /// The dialect of the answers that we write ourselves, errors above all.
    pub fn dialect(self) -> Dialect {
        match self {
            Self::Run(Operation::Responses) => Dialect::OpenaiResponses,
            _ => Dialect::OpenaiChat,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Live | Self::Ready => "health",
            Self::ListModels | Self::RetrieveModel => "models",
            Self::Run(operation) => operation.name(),
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
    endpoint: Endpoint,
}

const fn row(method: &'static str, path: &'static str, endpoint: Endpoint) -> Row {
    Row { method, path, endpoint }
}

/// Sorted by path. `/v1` may be left out by the client: many tools disagree on whether a base URL ends in it.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    row("GET",  "/health",               Endpoint::Live),
    row("GET",  "/health/live",          Endpoint::Live),
    row("GET",  "/health/liveliness",    Endpoint::Live),
    row("GET",  "/health/readiness",     Endpoint::Ready),
    row("GET",  "/health/ready",         Endpoint::Ready),
    row("GET",  "/healthz",              Endpoint::Live),
    row("ANY",  "/p/*",                  Endpoint::Passthrough),
    row("GET",  "/readyz",               Endpoint::Ready),
    row("POST", "/v1/audio/speech",         Endpoint::Run(Operation::Speech)),
    row("POST", "/v1/audio/transcriptions", Endpoint::Run(Operation::Transcriptions)),
    row("POST", "/v1/audio/translations",   Endpoint::Run(Operation::Translations)),
    row("POST", "/v1/chat/completions",     Endpoint::Run(Operation::Chat)),
    row("POST", "/v1/completions",          Endpoint::Run(Operation::Completions)),
    row("POST", "/v1/embeddings",           Endpoint::Run(Operation::Embeddings)),
    row("POST", "/v1/images/edits",         Endpoint::Run(Operation::ImageEdits)),
    row("POST", "/v1/images/generations",   Endpoint::Run(Operation::ImageGenerations)),
    row("POST", "/v1/images/variations",    Endpoint::Run(Operation::ImageVariations)),
    row("GET",  "/v1/models",               Endpoint::ListModels),
    row("GET",  "/v1/models/*",             Endpoint::RetrieveModel),
    row("POST", "/v1/moderations",          Endpoint::Run(Operation::Moderations)),
    row("POST", "/v1/rerank",               Endpoint::Run(Operation::Rerank)),
    row("POST", "/v1/responses",            Endpoint::Run(Operation::Responses)),
];

static EXACT: Lazy<HashMap<&'static str, &'static Row>> = Lazy::new(|| {
    let mut exact = HashMap::new();
    for row in TABLE.iter().filter(|row| !row.path.ends_with('*')) {
        exact.insert(row.path, row);
        if let Some(short) = row.path.strip_prefix("/v1") {
            exact.insert(short, row);
        }
    }
    exact
});

/// Finds the endpoint of a request path (without its query).
pub fn find<'a>(method: &Method, path: &'a str) -> Result<Match<'a>, NoMatch> {
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    let (row, tail) = match EXACT.get(trimmed) {
        Some(row) => (*row, ""),
        None => TABLE.iter().find_map(|row| Some((row, tail(row, path)?))).ok_or(NoMatch::UnknownPath)?,
    };
    match (row.method, method) {
        ("ANY", _) | ("POST", &Method::POST) | ("GET", &Method::GET | &Method::HEAD) => {
            Ok(Match { endpoint: row.endpoint, tail })
        }
        _ => Err(NoMatch::WrongMethod(row.method)),
    }
}

fn tail<'a>(row: &Row, path: &'a str) -> Option<&'a str> {
    let prefix = row.path.strip_suffix('*')?;
    path.strip_prefix(prefix).or_else(|| path.strip_prefix(prefix.strip_prefix("/v1")?)).filter(|tail| !tail.is_empty())
}

/// Every path with its method, for the documentation's table.
pub fn table() -> impl Iterator<Item = (&'static str, &'static str, Endpoint)> {
    TABLE.iter().map(|row| (row.method, row.path, row.endpoint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_sorted_and_unique() {
        assert!(TABLE.windows(2).all(|pair| pair[0].path < pair[1].path));
    }

    #[test]
    fn every_operation_has_a_path_that_leads_to_it() {
        for operation in Operation::ALL {
            for prefix in ["/v1", ""] {
                let path = format!("{prefix}{}", operation.path());
                assert_eq!(find(&Method::POST, &path).map(|found| found.endpoint), Ok(Endpoint::Run(*operation)));
            }
        }
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
