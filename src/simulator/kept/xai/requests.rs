//! `/batches/{id}/requests` and `/batches/{id}/results`: what is in a batch.

use std::collections::HashSet;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::super::answer::{Answer, missing};
use super::super::line::{Line, Outcome};
use super::super::stock::Shelves;
use super::super::{Call, digest};
use super::{not_found, paged, refused, uuid};
use crate::dialects::Dialect;
use crate::error::{Kind, Refusal};

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";

#[derive(Deserialize)]
struct Added<'a> {
    #[serde(borrow)]
    batch_requests: Option<Vec<One<'a>>>,
}

#[derive(Deserialize)]
struct One<'a> {
    batch_request_id: Option<String>,
    #[serde(borrow)]
    batch_request: Option<Inner<'a>>,
}

/// Of what xAI takes, what a simulator can answer.
#[derive(Deserialize)]
struct Inner<'a> {
    #[serde(borrow)]
    chat_get_completion: Option<&'a RawValue>,
    #[serde(borrow)]
    responses: Option<&'a RawValue>,
}

/// Of a file: each line names its own endpoint.
#[derive(Deserialize)]
struct FileLine<'a> {
    custom_id: String,
    url: String,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// All of them or none: a single bad one refuses the others too. The same again changes nothing.
pub fn add(shelves: &mut Shelves, call: &Call, id: &str) -> Result<Answer, Refusal> {
    let batch = shelves.xai.get(id).ok_or_else(|| not_found("batch", id))?;
    if batch.details.input_file_id.is_some() {
        return Ok(refused(StatusCode::PRECONDITION_FAILED, "Cannot add inline requests to a batch of a file."));
    }
    if batch.cancelling.is_some() {
        return Err(Refusal::new(Kind::Permission, "The batch has been cancelled."));
    }
    let added: Added = call.json()?;
    let mut lines: Vec<Line> = Vec::new();
    for one in added.batch_requests.ok_or_else(|| missing("batch_requests"))? {
        let inner = one.batch_request.ok_or_else(|| missing("batch_request"))?;
        let (path, body) = match (inner.chat_get_completion, inner.responses) {
            (Some(body), None) => (CHAT, body),
            (None, Some(body)) => (RESPONSES, body),
            _ => {
                let message =
                    "The simulator answers `chat_get_completion` and `responses`, and a request has one of them.";
                return Err(Refusal::invalid(message));
            }
        };
        let made = || {
            let digits = digest((batch.lines.len() + lines.len()) as u64, &[batch.id.as_bytes()]);
            format!("batch_request_{}", uuid(&digits))
        };
        let name = one.batch_request_id.filter(|id| !id.is_empty()).unwrap_or_else(made);
        let body = call.body.slice_ref(body.get().as_bytes());
        match batch.lines.iter().chain(&lines).find(|line| line.name == name) {
            None => lines.push(line(name, path, body)),
            Some(known) if known.body == body => {}
            Some(_) => {
                let message = format!("The content of `{name}` differs from what was submitted before.");
                return Ok(refused(StatusCode::PRECONDITION_FAILED, &message));
            }
        }
    }
    batch.add(lines);
    Ok(Answer::json(&serde_json::Map::new()))
}

/// Answered by a chat completion, whichever way it was asked.
fn line(name: String, path: &str, body: Bytes) -> Line {
    let mut line = Line::new(name, path.to_owned(), Dialect::OpenaiChat, body);
    line.answered_in = Some(Dialect::OpenaiChat);
    line
}

/// The lines of a file, or what is wrong with one of them.
pub fn in_file(content: &Bytes) -> Result<Vec<Line>, String> {
    let mut known = HashSet::new();
    let mut lines = Vec::new();
    let texts = content.split(|byte| *byte == b'\n').enumerate();
    for (at, text) in texts.filter(|(_, text)| !text.trim_ascii().is_empty()) {
        let bad = |why: &str| format!("line {}: {why}", at + 1);
        let read: FileLine = serde_json::from_slice(text).map_err(|_| bad("invalid JSON, or not a request"))?;
        if read.url != CHAT && read.url != RESPONSES {
            return Err(bad("the simulator answers chat completions and responses only"));
        }
        if !known.insert(read.custom_id.clone()) {
            return Err(bad("its custom_id is not unique"));
        }
        let body = content.slice_ref(read.body.get().as_bytes());
        lines.push(line(read.custom_id, &read.url, body));
    }
    Ok(lines)
}

#[derive(Serialize)]
struct RequestList<'a> {
    batch_request_metadata: Vec<Metadata<'a>>,
    pagination_token: Option<String>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    batch_request_id: &'a str,
    endpoint: &'static str,
    model: Option<String>,
    state: &'static str,
    create_time: String,
    finish_time: Option<String>,
}

#[derive(Deserialize)]
struct Model {
    model: Option<String>,
}

pub fn list(shelves: &mut Shelves, call: &Call, id: &str) -> Result<Answer, Refusal> {
    let batch = shelves.xai.get(id).ok_or_else(|| not_found("batch", id))?;
    let (page, pagination_token) = paged(batch.lines.iter(), call)?;
    let done = batch.ended.or(batch.started);
    let batch_request_metadata = page.items.iter().map(|line| metadata(line, batch.made, done)).collect();
    Ok(Answer::json(&RequestList { batch_request_metadata, pagination_token }))
}

fn metadata(line: &Line, made: u64, done: Option<u64>) -> Metadata<'_> {
    Metadata {
        batch_request_id: &line.name,
        endpoint: "xai_api.Chat/GetCompletion",
        model: serde_json::from_slice::<Model>(&line.body).ok().and_then(|body| body.model),
        state: match &line.outcome {
            None => "pending",
            Some(Outcome::Answered { status, .. }) if status.is_success() => "succeeded",
            Some(Outcome::Answered { .. }) => "failed",
            Some(Outcome::Cancelled | Outcome::Expired) => "cancelled",
        },
        create_time: rfc3339(made),
        finish_time: line.outcome.as_ref().and(done).map(rfc3339),
    }
}

/// How exactly these are told is not known.
fn rfc3339(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

#[derive(Serialize)]
struct ResultList<'a> {
    results: Vec<OneResult<'a>>,
    pagination_token: Option<String>,
}

#[derive(Serialize)]
struct OneResult<'a> {
    batch_request_id: &'a str,
    batch_result: BatchResult<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum BatchResult<'a> {
    Response {
        chat_get_completion: &'a RawValue,
    },
    /// Nothing but words: no code, no usage.
    Error(String),
}

#[derive(Deserialize)]
struct Failed {
    error: FailedError,
}

#[derive(Deserialize)]
struct FailedError {
    message: String,
}

/// Of what has been run, or cancelled, so far, in the order of the ids.
pub fn results(shelves: &mut Shelves, call: &Call, id: &str) -> Result<Answer, Refusal> {
    let batch = shelves.xai.get(id).ok_or_else(|| not_found("batch", id))?;
    let mut told: Vec<_> = batch.lines.iter().filter(|line| line.outcome.is_some()).collect();
    told.sort_by(|a, b| a.name.cmp(&b.name));
    let (page, pagination_token) = paged(told.into_iter(), call)?;
    let results = page.items.iter().filter_map(|line| {
        let batch_result = result(line.outcome.as_ref()?);
        Some(batch_result.map(|batch_result| OneResult { batch_request_id: &line.name, batch_result }))
    });
    let results = results.collect::<Result<_, _>>()?;
    Ok(Answer::json(&ResultList { results, pagination_token }))
}

fn result(outcome: &Outcome) -> Result<BatchResult<'_>, Refusal> {
    let (status, body) = match outcome {
        Outcome::Answered { status, body } => (status, body),
        Outcome::Cancelled | Outcome::Expired => return Ok(BatchResult::Error("Batch cancelled".to_owned())),
    };
    if !status.is_success() {
        let told = serde_json::from_slice::<Failed>(body).map(|failed| failed.error.message);
        return Ok(BatchResult::Error(told.unwrap_or_else(|_| status.to_string())));
    }
    let not_json = |_| Refusal::new(Kind::Internal, "A line was not answered with JSON.");
    Ok(BatchResult::Response { chat_get_completion: serde_json::from_slice(body).map_err(not_json)? })
}
