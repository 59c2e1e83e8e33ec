//! `/batches/{id}/requests` and `/batches/{id}/results`: what is in a batch.

use std::collections::HashSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::super::answer::{Answer, missing};
use super::super::line::{Line, Outcome};
use super::super::stock::Shelves;
use super::super::{Call, digest};
use super::{not_found, paged, time};
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

/// An id that is there already is not run again. That it is no mistake is a guess.
pub fn add(shelves: &mut Shelves, call: &Call, id: &str) -> Result<Answer, Refusal> {
    let batch = shelves.xai.get(id).ok_or_else(|| not_found("batch", id))?;
    if batch.details.input_file_id.is_some() || batch.cancelling.is_some() {
        return Err(Refusal::invalid("Requests can be added neither to a batch of a file nor to a cancelled one."));
    }
    let added: Added = call.json()?;
    let added = added.batch_requests.ok_or_else(|| missing("batch_requests"))?;
    let mut known: HashSet<_> = batch.lines.iter().map(|line| line.name.clone()).collect();
    let mut lines = Vec::new();
    for (at, one) in added.into_iter().enumerate() {
        let inner = one.batch_request.ok_or_else(|| missing("batch_request"))?;
        let (path, body) = match (inner.chat_get_completion, inner.responses) {
            (Some(body), None) => (CHAT, body),
            (None, Some(body)) => (RESPONSES, body),
            _ => {
                let message = "`batch_request` must have `chat_get_completion` or `responses`, which is what the simulator answers.";
                return Err(Refusal::invalid(message).param("batch_request"));
            }
        };
        let made = || digest(at as u64, &[batch.id.as_bytes(), &known.len().to_le_bytes()]);
        let name = one.batch_request_id.filter(|id| !id.is_empty()).unwrap_or_else(made);
        if known.insert(name.clone()) {
            let body = call.body.slice_ref(body.get().as_bytes());
            lines.push(Line::new(name, path.to_owned(), Dialect::OpenaiChat, body));
        }
    }
    batch.add(lines);
    Ok(Answer::json(&serde_json::Map::new()))
}

/// The lines of a file, or what is wrong with one of them.
pub fn in_file(content: &Bytes) -> Result<Vec<Line>, String> {
    let mut known = HashSet::new();
    let mut lines = Vec::new();
    let texts = content.split(|byte| *byte == b'\n').enumerate();
    for (at, text) in texts.filter(|(_, text)| !text.trim_ascii().is_empty()) {
        let bad = |why: &str| format!("Line {}: {why}.", at + 1);
        let line: FileLine = serde_json::from_slice(text).map_err(|_| bad("not a request"))?;
        if line.url != CHAT && line.url != RESPONSES {
            return Err(bad("the simulator answers chat completions and responses only"));
        }
        if !known.insert(line.custom_id.clone()) {
            return Err(bad("its custom_id is not unique"));
        }
        let body = content.slice_ref(line.body.get().as_bytes());
        lines.push(Line::new(line.custom_id, line.url, Dialect::OpenaiChat, body));
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
    endpoint: &'a str,
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
        endpoint: &line.path,
        model: serde_json::from_slice::<Model>(&line.body).ok().and_then(|body| body.model),
        state: match &line.outcome {
            None => "pending",
            Some(Outcome::Answered { status, .. }) if status.is_success() => "succeeded",
            Some(Outcome::Answered { .. }) => "failed",
            Some(Outcome::Cancelled | Outcome::Expired) => "cancelled",
        },
        create_time: time(made),
        finish_time: line.outcome.as_ref().and(done).map(time),
    }
}

#[derive(Serialize)]
struct ResultList<'a> {
    results: Vec<OneResult<'a>>,
    pagination_token: Option<String>,
}

#[derive(Serialize)]
struct OneResult<'a> {
    batch_request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_result: Option<BatchResult<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
}

#[derive(Serialize)]
struct BatchResult<'a> {
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Response<'a> {
    ChatGetCompletion(&'a RawValue),
    Responses(&'a RawValue),
}

#[derive(Deserialize)]
struct Failed {
    error: FailedError,
}

#[derive(Deserialize)]
struct FailedError {
    message: String,
}

/// Of what has been run so far.
pub fn results(shelves: &mut Shelves, call: &Call, id: &str) -> Result<Answer, Refusal> {
    let batch = shelves.xai.get(id).ok_or_else(|| not_found("batch", id))?;
    let answered = batch.lines.iter().filter(|line| matches!(line.outcome, Some(Outcome::Answered { .. })));
    let (page, pagination_token) = paged(answered, call)?;
    let results = page.items.iter().filter_map(|line| result(line)).collect::<Result<_, _>>()?;
    Ok(Answer::json(&ResultList { results, pagination_token }))
}

fn result(line: &Line) -> Option<Result<OneResult<'_>, Refusal>> {
    let Some(Outcome::Answered { status, body }) = &line.outcome else { return None };
    let mut shown = OneResult { batch_request_id: &line.name, batch_result: None, error_message: None };
    if !status.is_success() {
        let told = serde_json::from_slice::<Failed>(body).map(|failed| failed.error.message);
        shown.error_message = Some(told.unwrap_or_else(|_| status.to_string()));
        return Some(Ok(shown));
    }
    let Ok(body) = serde_json::from_slice(body) else {
        return Some(Err(Refusal::new(Kind::Internal, "A line was not answered with JSON.")));
    };
    let response = match line.path.as_str() {
        CHAT => Response::ChatGetCompletion(body),
        _ => Response::Responses(body),
    };
    shown.batch_result = Some(BatchResult { response });
    Some(Ok(shown))
}
