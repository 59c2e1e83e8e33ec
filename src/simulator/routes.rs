//! The paths: what is asked, and in which dialect.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

use super::kept::{Place, Vendor};
use crate::dialects::Dialect;

/// Where a path leads. The dialect is known even if nothing is there: the refusal is written in it.
#[derive(Debug, PartialEq)]
pub struct Route<'p> {
    pub dialect: Dialect,
    pub operation: Option<Operation<'p>>,
}

#[derive(Debug, PartialEq)]
pub enum Operation<'p> {
    /// A conversation is to go on.
    Chat(Option<InPath<'p>>),
    /// How long a conversation is, in tokens.
    Count,
    Completions,
    Embeddings,
    GeminiEmbeddings {
        is_batch: bool,
    },
    Transcription,
    Speech,
    Moderation,
    Models,
    Model(Cow<'p, str>),
    /// Files and batches.
    Kept(Place<'p>),
    /// What was done with them.
    Log,
    /// A token, as machines of Google's cloud get it.
    Token,
}

/// What other dialects say in the body.
#[derive(Clone, Debug, PartialEq)]
pub struct InPath<'p> {
    pub model: Cow<'p, str>,
    pub stream: bool,
}

impl<'p> Route<'p> {
    /// By path, with or without the version prefix, because base URLs are written both ways. `client`: whose paths those
    /// are that several vendors have.
    pub fn of(path: &'p str, client: Dialect) -> Self {
        let below = |prefix| path.strip_prefix(prefix).filter(|rest: &&str| rest.starts_with('/'));
        // Below the first are Azure's and Groq's paths, below the second Alibaba's, below the third Google's.
        let of_openai = ["/openai", "/compatible-mode", "/v1beta/openai"].into_iter().find_map(below);
        // Below the second is Alibaba's, below the third Z.ai's.
        let of_anthropic = ["/anthropic", "/apps/anthropic", "/api/anthropic"].into_iter().find_map(below);
        let (client, vendor, path) = match (of_anthropic, of_openai, below("/xai")) {
            (Some(rest), ..) => (Dialect::Anthropic, Vendor::Anthropic, rest),
            (_, Some(rest), _) => (Dialect::OpenaiChat, Vendor::Openai, rest),
            (.., Some(rest)) => (Dialect::OpenaiChat, Vendor::Xai, rest),
            _ => (client, vendor(client), path),
        };
        if let Some(place) = Place::of(path, vendor) {
            return Self { dialect: place.vendor.dialect(), operation: Some(Operation::Kept(place)) };
        }
        let (dialect, operation) = match path.strip_prefix("/v1").unwrap_or(path) {
            "/chat/completions" => (Dialect::OpenaiChat, Operation::Chat(None)),
            "/responses" => (Dialect::OpenaiResponses, Operation::Chat(None)),
            "/messages" => (Dialect::Anthropic, Operation::Chat(None)),
            "/responses/input_tokens" => (Dialect::OpenaiResponses, Operation::Count),
            "/messages/count_tokens" => (Dialect::Anthropic, Operation::Count),
            "/completions" => (Dialect::OpenaiChat, Operation::Completions),
            "/embeddings" => (Dialect::OpenaiChat, Operation::Embeddings),
            "/audio/transcriptions" | "/audio/translations" => (Dialect::OpenaiChat, Operation::Transcription),
            "/audio/speech" => (Dialect::OpenaiChat, Operation::Speech),
            "/moderations" => (Dialect::OpenaiChat, Operation::Moderation),
            "/models" => (client, Operation::Models),
            "/__log" => (client, Operation::Log),
            "/computeMetadata/v1/instance/service-accounts/default/token" => (Dialect::Gemini, Operation::Token),
            below => {
                return in_path(path).unwrap_or_else(|| Self { dialect: client, operation: model(below) });
            }
        };
        Self { dialect, operation: Some(operation) }
    }
}

impl Operation<'_> {
    /// Whether it fails when failures are ordered. Listing models does not: a gateway that looks around must not use up
    /// `fail-first`.
    pub fn can_fail(&self) -> bool {
        !matches!(self, Self::Models | Self::Model(_) | Self::Log | Self::Token)
    }

    /// The methods that it takes.
    pub fn methods(&self) -> &'static [Method] {
        match self {
            Self::Models | Self::Model(_) | Self::Log | Self::Token => &[Method::GET],
            Self::Kept(place) => place.methods(),
            _ => &[Method::POST],
        }
    }
}

/// Whose files and batches a client means that is known by its headers.
fn vendor(client: Dialect) -> Vendor {
    match client {
        Dialect::Anthropic => Vendor::Anthropic,
        Dialect::Gemini => Vendor::Gemini,
        Dialect::OpenaiChat | Dialect::OpenaiResponses | Dialect::Converse => Vendor::Openai,
    }
}

fn model(path: &str) -> Option<Operation<'_>> {
    path.strip_prefix("/models/").filter(|id| !id.is_empty()).map(|id| Operation::Model(decoded(id)))
}

/// Gemini and Bedrock say in the path what others say in the body.
fn in_path(path: &str) -> Option<Route<'_>> {
    if let Some(rest) = path.strip_prefix("/model/") {
        return Some(Route { dialect: Dialect::Converse, operation: bedrock(rest) });
    }
    // Vertex puts its projects before it, all under `/v1`.
    let is_gemini = path.starts_with("/v1beta/") || path.starts_with("/v1alpha/");
    let action = path.split_once("/models/").and_then(|(_, rest)| gemini(rest));
    if action.is_none() && !is_gemini {
        return None;
    }
    let operation = action.or_else(|| {
        let (_, below) = path.trim_start_matches('/').split_once('/')?;
        match below {
            "models" => Some(Operation::Models),
            _ => below.strip_prefix("models/").map(|id| Operation::Model(decoded(id))),
        }
    });
    Some(Route { dialect: Dialect::Gemini, operation })
}

fn bedrock(rest: &str) -> Option<Operation<'_>> {
    let (id, action) = rest.rsplit_once('/')?;
    let place = |stream| Some(InPath { model: decoded(id), stream });
    match action {
        "converse" => Some(Operation::Chat(place(false))),
        "converse-stream" => Some(Operation::Chat(place(true))),
        "count-tokens" => Some(Operation::Count),
        _ => None,
    }
}

fn gemini(rest: &str) -> Option<Operation<'_>> {
    let (model, action) = rest.rsplit_once(':')?;
    let place = |stream| Some(InPath { model: decoded(model), stream });
    match action {
        "generateContent" => Some(Operation::Chat(place(false))),
        "streamGenerateContent" => Some(Operation::Chat(place(true))),
        "countTokens" => Some(Operation::Count),
        "embedContent" => Some(Operation::GeminiEmbeddings { is_batch: false }),
        "batchEmbedContents" => Some(Operation::GeminiEmbeddings { is_batch: true }),
        _ => None,
    }
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Dialect::{Anthropic, Converse, Gemini, OpenaiChat, OpenaiResponses};

    fn place(model: &str, stream: bool) -> Option<InPath<'_>> {
        Some(InPath { model: model.into(), stream })
    }

    #[test]
    fn every_path_leads_somewhere() {
        for (path, dialect, operation) in [
            ("/v1/chat/completions", OpenaiChat, Operation::Chat(None)),
            ("/chat/completions", OpenaiChat, Operation::Chat(None)),
            ("/v1/responses", OpenaiResponses, Operation::Chat(None)),
            ("/v1/responses/input_tokens", OpenaiResponses, Operation::Count),
            ("/messages", Anthropic, Operation::Chat(None)),
            ("/anthropic/v1/messages", Anthropic, Operation::Chat(None)),
            ("/v1/messages/count_tokens", Anthropic, Operation::Count),
            ("/anthropic/v1/models", Anthropic, Operation::Models),
            ("/v1/models", OpenaiChat, Operation::Models),
            ("/v1/models/a%2Fb", OpenaiChat, Operation::Model("a/b".into())),
            ("/v1/models/ft:m:x", OpenaiChat, Operation::Model("ft:m:x".into())),
            ("/v1beta/models", Gemini, Operation::Models),
            ("/v1beta/models/m", Gemini, Operation::Model("m".into())),
            ("/v1beta/models/a/b:c:generateContent", Gemini, Operation::Chat(place("a/b:c", false))),
            ("/v1beta/models/m:streamGenerateContent", Gemini, Operation::Chat(place("m", true))),
            ("/v1/publishers/google/models/m:countTokens", Gemini, Operation::Count),
            ("/v1beta/models/m:embedContent", Gemini, Operation::GeminiEmbeddings { is_batch: false }),
            ("/model/a.b-v1%3A0/converse", Converse, Operation::Chat(place("a.b-v1:0", false))),
            ("/model/arn:x/y/converse-stream", Converse, Operation::Chat(place("arn:x/y", true))),
            ("/model/m/count-tokens", Converse, Operation::Count),
        ] {
            assert_eq!(Route::of(path, OpenaiChat), Route { dialect, operation: Some(operation) }, "{path}");
        }
        assert_eq!(Route::of("/v1/models", Gemini), Route { dialect: Gemini, operation: Some(Operation::Models) });
    }

    #[test]
    fn where_nothing_is_the_dialect_is_known() {
        for (path, dialect) in [
            ("/v1/nothing", OpenaiChat),
            ("/v1/models/", OpenaiChat),
            ("/anthropic/v1/nothing", Anthropic),
            ("/v1beta/models/m:dance", Gemini),
            ("/model/m/dance", Converse),
            ("/model/m", Converse),
        ] {
            let route = Route::of(path, OpenaiChat);
            assert_eq!(route.dialect, dialect, "{path}");
            assert!(!matches!(route.operation, Some(Operation::Chat(_))), "{path}");
        }
    }
}
