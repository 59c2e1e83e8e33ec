//! The OpenAI dialect: its paths, its error envelope, and one file for each operation that reads the request and writes
//! the answer. What the answer *says* is decided in `script`; nothing here waits, and nothing knows a connection.

mod audio;
mod chat;
mod completions;
mod embeddings;
mod moderations;
mod multipart;
mod read;
mod responses;
mod tools;

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{Method, StatusCode};
use serde::Serialize;

use super::Behaviour;
use super::answer::{Answer, DialectHeaders, Failure, write_json};
use super::http::Request;
use super::schema::Unsatisfiable;

/// Of an account that is never short of anything.
pub const HEADERS: DialectHeaders = DialectHeaders {
    request_id: "x-request-id",
    milliseconds: "openai-processing-ms",
    constant: &[
        ("openai-organization", "simulator"),
        ("openai-version", "2020-10-01"),
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-limit-tokens", "1000000"),
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-ratelimit-remaining-tokens", "999999"),
        ("x-ratelimit-reset-requests", "6ms"),
        ("x-ratelimit-reset-tokens", "1ms"),
    ],
};

#[derive(Clone, Debug, PartialEq)]
pub enum Operation<'p> {
    Chat,
    Completions,
    Responses,
    Embeddings,
    Transcription,
    Speech,
    Moderation,
    Models,
    Model(Cow<'p, str>),
}

impl<'p> Operation<'p> {
    /// By path, with or without the version prefix, because base URLs are written both ways.
    pub fn of(method: &Method, path: &'p str) -> Result<Self, Failure> {
        let unprefixed = path.strip_prefix("/v1").unwrap_or(path);
        let operation = match unprefixed {
            "/chat/completions" => Self::Chat,
            "/completions" => Self::Completions,
            "/responses" => Self::Responses,
            "/embeddings" => Self::Embeddings,
            "/audio/transcriptions" | "/audio/translations" => Self::Transcription,
            "/audio/speech" => Self::Speech,
            "/moderations" => Self::Moderation,
            "/models" => Self::Models,
            other => match other.strip_prefix("/models/") {
                Some(id) if !id.is_empty() => Self::Model(percent_encoding::percent_decode_str(id).decode_utf8_lossy()),
                _ => return Err(unknown_path(method, path)),
            },
        };
        let allowed = match operation.calls_a_model() {
            true => Method::POST,
            false => Method::GET,
        };
        match *method == allowed {
            true => Ok(operation),
            false => Err(wrong_method(method, path, operation.calls_a_model())),
        }
    }

    pub fn calls_a_model(&self) -> bool {
        !matches!(self, Self::Models | Self::Model(_))
    }

    pub fn answer(&self, request: &Request, behaviour: &Behaviour) -> Result<Answer, Failure> {
        let body = &request.body;
        match self {
            Self::Chat => chat::answer(body, behaviour),
            Self::Completions => completions::answer(body, behaviour),
            Self::Responses => responses::answer(body, behaviour),
            Self::Embeddings => embeddings::answer(body),
            Self::Transcription => audio::transcribe(request.content_type.as_ref(), body),
            Self::Speech => audio::speak(body),
            Self::Moderation => moderations::answer(body),
            Self::Models => Ok(list(behaviour)),
            Self::Model(id) => one_model(id, behaviour),
        }
    }
}

/// The error envelope; all four keys are always there.
pub fn failure(failure: &Failure) -> Answer {
    #[derive(Serialize)]
    struct Envelope<'a> {
        error: Error<'a>,
    }
    #[derive(Serialize)]
    struct Error<'a> {
        message: &'a str,
        r#type: &'static str,
        param: Option<&'a str>,
        code: Option<&'static str>,
    }

    let (kind, usual_code) = kind(failure.head.status);
    let mut body = Vec::with_capacity(256);
    let error = Error {
        message: &failure.message,
        r#type: kind,
        param: failure.param.as_deref(),
        code: failure.code.or(usual_code),
    };
    write_json(&mut body, &Envelope { error });
    Answer::Failed { failure: failure.head.clone(), body: body.into() }
}

/// The type, and the code that usually comes with it.
fn kind(status: StatusCode) -> (&'static str, Option<&'static str>) {
    match status.as_u16() {
        401 => ("authentication_error", Some("invalid_api_key")),
        402 => ("insufficient_quota", Some("insufficient_quota")),
        403 => ("permission_error", None),
        404 => ("not_found_error", None),
        408 | 504 => ("timeout", None),
        429 => ("rate_limit_error", Some("rate_limit_exceeded")),
        500.. => ("server_error", None),
        _ => ("invalid_request_error", None),
    }
}

fn unknown_path(method: &Method, path: &str) -> Failure {
    Failure::new(StatusCode::NOT_FOUND, format!("There is nothing at {method} {path}.")).code("unknown_url")
}

fn wrong_method(method: &Method, path: &str, calls_a_model: bool) -> Failure {
    let allow = if calls_a_model { "POST" } else { "GET" };
    let mut failure = Failure::new(StatusCode::METHOD_NOT_ALLOWED, format!("{path} takes {allow}, not {method}."))
        .code("method_not_supported");
    failure.head.allow = Some(allow);
    failure
}

#[derive(Serialize)]
struct Model<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
}

impl<'a> Model<'a> {
    fn new(id: &'a str) -> Self {
        Self { id, object: "model", created: 1_735_689_600, owned_by: "simulator" }
    }
}

fn list(behaviour: &Behaviour) -> Answer {
    #[derive(Serialize)]
    struct List<'a> {
        object: &'static str,
        data: Vec<Model<'a>>,
    }
    Answer::json(&List { object: "list", data: behaviour.models().map(Model::new).collect() })
}

fn one_model(id: &str, behaviour: &Behaviour) -> Result<Answer, Failure> {
    let listed = behaviour.models().find(|model| *model == id);
    let model = listed.ok_or_else(|| {
        Failure::new(StatusCode::NOT_FOUND, format!("The model `{id}` is not listed."))
            .at("model")
            .code("model_not_found")
    })?;
    Ok(Answer::json(&Model::new(model)))
}

/// Seconds since 1970, as every answer tells them.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// An id as OpenAI would make it: a prefix that tells what it names, and chance.
fn id(prefix: &str) -> String {
    format!("{prefix}{:024x}", fastrand::u128(..) >> 32)
}

/// A schema that cannot be answered, told at the parameter that it came in.
fn unsatisfiable(param: &'static str) -> impl FnOnce(Unsatisfiable) -> Failure {
    move |why| Failure::invalid(format!("No answer can be made: {why}.")).at(param)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_known_with_and_without_the_version() {
        for path in ["/v1/chat/completions", "/chat/completions"] {
            assert_eq!(Operation::of(&Method::POST, path).unwrap(), Operation::Chat);
        }
        assert_eq!(Operation::of(&Method::GET, "/v1/models/a%2Fb").unwrap(), Operation::Model("a/b".into()));
        let wrong = Operation::of(&Method::GET, "/v1/embeddings").unwrap_err();
        assert_eq!(wrong.head.status, StatusCode::METHOD_NOT_ALLOWED);
        let unknown = Operation::of(&Method::POST, "/v1/nothing").unwrap_err();
        assert_eq!(unknown.head.status, StatusCode::NOT_FOUND);
    }
}
