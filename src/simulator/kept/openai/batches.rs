//! `/batches`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::super::answer::{Answer, bad_value, missing, now};
use super::super::batch::{Batch, DAY, State};
use super::super::page::{limit, page};
use super::super::place::Vendor;
use super::super::stock::Shelves;
use super::super::{Call, Ending};
use super::check::{self, Checked, Problem};
use super::output::{self, Usage};
use super::{List, not_found};
use crate::error::{Kind, Refusal};

/// Those of OpenAI's endpoints for batches that a simulator can answer.
const ENDPOINTS: [&str; 5] =
    ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/moderations"];

#[derive(Deserialize)]
struct Request {
    input_file_id: Option<String>,
    endpoint: Option<String>,
    completion_window: Option<String>,
    metadata: Option<BTreeMap<String, Value>>,
    output_expires_after: Option<ExpiresAfter>,
}

#[derive(Deserialize)]
struct ExpiresAfter {
    anchor: String,
    seconds: u64,
}

pub struct Details {
    input_file_id: String,
    endpoint: String,
    completion_window: String,
    metadata: Option<BTreeMap<String, Value>>,
    output_expires_in: Option<u64>,
    model: Option<String>,
    problems: Vec<Problem>,
    output_file_id: Option<String>,
    error_file_id: Option<String>,
    usage: Usage,
}

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    object: &'static str,
    endpoint: &'a str,
    model: Option<&'a str>,
    errors: Option<Errors<'a>>,
    input_file_id: &'a str,
    completion_window: &'a str,
    status: &'static str,
    output_file_id: Option<&'a str>,
    error_file_id: Option<&'a str>,
    created_at: u64,
    in_progress_at: Option<u64>,
    expires_at: u64,
    finalizing_at: Option<u64>,
    completed_at: Option<u64>,
    failed_at: Option<u64>,
    expired_at: Option<u64>,
    cancelling_at: Option<u64>,
    cancelled_at: Option<u64>,
    request_counts: Counts,
    usage: Usage,
    metadata: Option<&'a BTreeMap<String, Value>>,
}

#[derive(Serialize)]
struct Errors<'a> {
    object: &'static str,
    data: &'a [Problem],
}

#[derive(Serialize)]
struct Counts {
    total: usize,
    completed: usize,
    failed: usize,
}

fn shown(batch: &Batch<Details>) -> Shown<'_> {
    let details = &batch.details;
    let counts = batch.counts();
    let ended_as = |state| batch.ended.filter(|_| batch.state == state);
    let has_failed = batch.state == State::Failed;
    Shown {
        id: &batch.id,
        object: "batch",
        endpoint: &details.endpoint,
        model: details.model.as_deref(),
        errors: has_failed.then_some(Errors { object: "list", data: &details.problems }),
        input_file_id: &details.input_file_id,
        completion_window: &details.completion_window,
        status: match batch.state {
            State::New => "validating",
            State::Running => "in_progress",
            State::Finishing => "finalizing",
            State::Cancelling => "cancelling",
            State::Completed => "completed",
            State::Failed => "failed",
            State::Expired => "expired",
            State::Cancelled => "cancelled",
        },
        output_file_id: details.output_file_id.as_deref(),
        error_file_id: details.error_file_id.as_deref(),
        created_at: batch.made,
        in_progress_at: batch.started.filter(|_| !has_failed),
        expires_at: batch.made + DAY,
        finalizing_at: match batch.state {
            State::Finishing => Some(now()),
            _ => batch.ended.filter(|_| !has_failed),
        },
        completed_at: ended_as(State::Completed),
        failed_at: ended_as(State::Failed),
        expired_at: ended_as(State::Expired),
        cancelling_at: batch.cancelling,
        cancelled_at: ended_as(State::Cancelled),
        // Nothing is counted before the lines have been looked at, nor if they were found bad.
        request_counts: match batch.state {
            State::New | State::Failed => Counts { total: 0, completed: 0, failed: 0 },
            _ => Counts { total: counts.total, completed: counts.succeeded, failed: counts.failed + counts.expired },
        },
        usage: details.usage,
        metadata: details.metadata.as_ref(),
    }
}

pub fn create(shelves: &mut Shelves, call: &Call) -> Result<Answer, Refusal> {
    let request: Request = call.json()?;
    let file_id = request.input_file_id.ok_or_else(|| missing("input_file_id"))?;
    let endpoint = request.endpoint.ok_or_else(|| missing("endpoint"))?;
    let window = request.completion_window.ok_or_else(|| missing("completion_window"))?;
    // Azure's endpoints go without the version.
    if !ENDPOINTS.iter().any(|known| *known == endpoint || known.strip_prefix("/v1") == Some(&endpoint)) {
        let why = format!("has an invalid value. Supported values are: {}", ENDPOINTS.join(", "));
        return Err(bad_value("endpoint", &why));
    }
    if !is_window(&window) {
        return Err(bad_value("completion_window", "is not 24h"));
    }
    check_metadata(request.metadata.as_ref())?;
    let output_expires_in = match request.output_expires_after {
        None => None,
        Some(ExpiresAfter { anchor, seconds: seconds @ 3600..=2_592_000 }) if anchor == "created_at" => Some(seconds),
        Some(_) => {
            return Err(bad_value("output_expires_after", "needs the anchor created_at and 3600 to 2592000 seconds"));
        }
    };

    let file = shelves.files.get(Vendor::Openai, &file_id);
    let Checked { lines, model, mut problems } = match file {
        Some(file) if file.purpose == "batch" => check::check(file.content.bytes()?, &endpoint),
        found => {
            let mut checked = Checked { lines: Vec::new(), model: None, problems: Vec::new() };
            // A file that is not there fails the batch, not the request. That one with another purpose does so too is
            // a guess.
            let message = match found {
                None => format!("Cannot find file `{file_id}`."),
                Some(file) => format!("The purpose of file `{file_id}` is {}, not batch.", file.purpose),
            };
            checked.batch_problem("invalid_request", &message, Some("file_id"));
            checked
        }
    };
    let mut behaviour = call.behaviour.clone();
    if !problems.is_empty() {
        (behaviour.batch_polls, behaviour.batch_fail) = (Some(0), Some(Ending::Failed));
    } else if behaviour.batch_fail == Some(Ending::Failed) {
        problems.push(Problem {
            code: "token_limit_exceeded",
            line: None,
            message: "The simulator was told to fail this batch, as if too many tokens were enqueued.".to_owned(),
            param: None,
        });
    }
    let details = Details {
        input_file_id: file_id,
        endpoint,
        completion_window: window,
        metadata: request.metadata,
        output_expires_in,
        model,
        problems,
        output_file_id: None,
        error_file_id: None,
        usage: Usage::default(),
    };
    let batch = shelves.openai.keep(call.host(), |digits| {
        Batch::new(format!("batch_{digits}"), lines, &behaviour, details).telling_finishing()
    });
    Ok(Answer::json(&shown(batch)))
}

/// OpenAI's is `24h`. Groq's end after 7 days, Alibaba's after 14, and both may be written in hours or days.
fn is_window(window: &str) -> bool {
    let hours = match (window.strip_suffix('h'), window.strip_suffix('d')) {
        (Some(hours), _) => hours.parse::<u32>().ok(),
        (_, Some(days)) => days.parse::<u32>().ok().and_then(|days| days.checked_mul(24)),
        _ => None,
    };
    hours.is_some_and(|hours| (24..=336).contains(&hours))
}

fn check_metadata(metadata: Option<&BTreeMap<String, Value>>) -> Result<(), Refusal> {
    let Some(metadata) = metadata else { return Ok(()) };
    if metadata.len() > 16 {
        return Err(bad_value("metadata", "has more than 16 pairs"));
    }
    for (key, value) in metadata {
        match value {
            Value::String(text) if key.len() <= 64 && text.len() <= 512 => {}
            Value::String(_) => {
                return Err(bad_value("metadata", "has a key beyond 64 or a value beyond 512 characters"));
            }
            _ => {
                return Err(Refusal::invalid("The values of `metadata` must be strings.")
                    .param("metadata")
                    .code("invalid_type"));
            }
        }
    }
    Ok(())
}

pub fn show(shelves: &mut Shelves, id: &str) -> Result<Answer, Refusal> {
    let Shelves { files, openai, ledger, .. } = shelves;
    let batch = openai.get(id).ok_or_else(|| not_found("batch", id))?;
    if batch.look(ledger) && batch.state != State::Failed {
        let written = output::write(&batch.id, &batch.lines);
        batch.details.usage = written.usage;
        let expires_in = batch.details.output_expires_in;
        batch.details.output_file_id = output::keep(files, &batch.id, "output", written.output, expires_in);
        batch.details.error_file_id = output::keep(files, &batch.id, "error", written.error, expires_in);
    }
    Ok(Answer::json(&shown(batch)))
}

pub fn list(shelves: &Shelves, call: &Call) -> Result<Answer, Refusal> {
    let limit = limit(call.parameter("limit").as_deref(), 20, 100)?;
    let page = page(shelves.openai.iter(), call.parameter("after").as_deref(), limit)?;
    Ok(Answer::json(&List::new(&page, shown)))
}

pub fn cancel(shelves: &mut Shelves, id: &str) -> Result<Answer, Refusal> {
    let batch = shelves.openai.get(id).ok_or_else(|| not_found("batch", id))?;
    if matches!(batch.state, State::Completed | State::Failed | State::Expired) {
        let status = shown(batch).status;
        return Err(Refusal::new(Kind::Conflict, format!("Cannot cancel a batch with status `{status}`.")));
    }
    batch.cancel();
    Ok(Answer::json(&shown(batch)))
}
