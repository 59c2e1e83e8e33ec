//! `/batches`.

use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::super::super::answer::{Answer, missing};
use super::super::Call;
use super::super::batch::{Batch, DAY, State};
use super::super::place::Vendor;
use super::super::stock::Shelves;
use super::{not_found, paged, requests, uuid};
use crate::error::Refusal;

#[derive(Deserialize)]
struct Request {
    name: Option<String>,
    input_file_id: Option<String>,
}

pub struct Details {
    pub name: String,
    /// Where its requests come from, if they were not added one by one.
    pub input_file_id: Option<String>,
    /// What is wrong with its file, for which xAI stops it.
    pub problem: Option<String>,
}

/// It has no word for how far it is: the counters tell.
#[derive(Serialize)]
struct Shown<'a> {
    batch_id: &'a str,
    name: &'a str,
    create_time: String,
    expire_time: String,
    create_api_key_id: &'static str,
    cancel_time: Option<String>,
    cancel_by_xai_message: Option<&'a str>,
    state: Counts,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_file_id: Option<&'a str>,
}

#[derive(Default, Serialize)]
struct Counts {
    num_requests: usize,
    num_pending: usize,
    num_success: usize,
    num_error: usize,
    num_cancelled: usize,
}

#[derive(Serialize)]
struct List<'a> {
    batches: Vec<Shown<'a>>,
    pagination_token: Option<String>,
}

/// It never fails as a whole; what is not run in time counts as cancelled, by xAI.
fn shown(batch: &Batch<Details>) -> Shown<'_> {
    let counts = batch.counts();
    let details = &batch.details;
    let stopped = match batch.state {
        State::Failed | State::Expired => Some("The simulator was told to stop this batch."),
        _ => details.problem.as_deref().filter(|_| batch.state != State::New),
    };
    let never_ran = if batch.state == State::Failed { counts.pending() } else { 0 };
    // A file is read later.
    let is_read = details.input_file_id.is_none() || batch.state != State::New;
    Shown {
        batch_id: &batch.id,
        name: &details.name,
        create_time: day(batch.made),
        expire_time: day(batch.made + 30 * DAY),
        create_api_key_id: "simulator",
        cancel_time: batch.cancelling.or(batch.ended.filter(|_| stopped.is_some())).map(day),
        cancel_by_xai_message: stopped,
        state: match is_read {
            false => Counts::default(),
            true => Counts {
                num_requests: counts.total,
                num_pending: counts.pending() - never_ran,
                num_success: counts.succeeded,
                num_error: counts.failed,
                num_cancelled: counts.cancelled + counts.expired + never_ran,
            },
        },
        input_file_id: details.input_file_id.as_deref(),
    }
}

/// Of `seconds` since 1970: times are told no more exactly.
fn day(seconds: u64) -> String {
    let mut time = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string();
    time.truncate("2026-01-01".len());
    time
}

pub fn create(shelves: &mut Shelves, call: &Call) -> Result<Answer, Refusal> {
    let Request { name, input_file_id } = call.json()?;
    let name = name.ok_or_else(|| missing("name"))?;
    let (lines, problem) = match &input_file_id {
        None => (Vec::new(), None),
        Some(id) => {
            let file = shelves.files.get(Vendor::Xai, id).ok_or_else(|| not_found("file", id))?;
            match requests::in_file(file.content.bytes()?) {
                Ok(lines) => (lines, None),
                Err(problem) => (Vec::new(), Some(format!("JSONL file validation failed: {problem}"))),
            }
        }
    };
    let details = Details { name, input_file_id, problem };
    let make = |digits: &str| Batch::new(format!("batch_{}", uuid(digits)), lines, call.behaviour, details);
    Ok(Answer::json(&shown(shelves.xai.keep(call.host(), make))))
}

pub fn list(shelves: &Shelves, call: &Call) -> Result<Answer, Refusal> {
    let (page, pagination_token) = paged(shelves.xai.iter(), call)?;
    let batches = page.items.iter().map(|batch| shown(batch)).collect();
    Ok(Answer::json(&List { batches, pagination_token }))
}

pub fn show(shelves: &mut Shelves, id: &str) -> Result<Answer, Refusal> {
    let Shelves { xai, ledger, .. } = shelves;
    let batch = xai.get(id).ok_or_else(|| not_found("batch", id))?;
    // One without requests waits for them.
    if batch.details.problem.is_some() {
        batch.stop();
    } else if !batch.lines.is_empty() {
        batch.look(ledger);
    }
    Ok(Answer::json(&shown(batch)))
}

/// At once, as far as was seen; what was running then may be told as answered later, which is not simulated.
pub fn cancel(shelves: &mut Shelves, id: &str) -> Result<Answer, Refusal> {
    let batch = shelves.xai.get(id).ok_or_else(|| not_found("batch", id))?;
    batch.stop();
    Ok(Answer::json(&shown(batch)))
}
