//! `/batches`.

use serde::{Deserialize, Serialize};

use super::super::super::answer::{Answer, missing};
use super::super::Call;
use super::super::batch::{Batch, DAY, State};
use super::super::place::Vendor;
use super::super::stock::Shelves;
use super::{not_found, paged, requests, time};
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
    /// Why xAI stopped it.
    pub stopped: Option<String>,
}

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
    cost_breakdown: Cost,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_file_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Counts {
    num_requests: usize,
    num_pending: usize,
    num_success: usize,
    num_error: usize,
    num_cancelled: usize,
}

/// Nothing costs anything here.
#[derive(Serialize)]
struct Cost {
    total_cost_usd_ticks: u64,
}

#[derive(Serialize)]
struct List<'a> {
    batches: Vec<Shown<'a>>,
    pagination_token: Option<String>,
}

/// It never fails as a whole, and what is not run in time counts as cancelled, by xAI.
fn shown(batch: &Batch<Details>) -> Shown<'_> {
    let counts = batch.counts();
    let details = &batch.details;
    let stopped = match batch.state {
        State::Failed | State::Expired => Some("The simulator was told to stop this batch."),
        _ => None,
    };
    let never_ran = if batch.state == State::Failed { counts.pending() } else { 0 };
    Shown {
        batch_id: &batch.id,
        name: &details.name,
        create_time: time(batch.made),
        expire_time: time(batch.made + 30 * DAY),
        create_api_key_id: "simulator",
        cancel_time: batch.cancelling.or(batch.ended.filter(|_| stopped.is_some())).map(time),
        cancel_by_xai_message: details.stopped.as_deref().or(stopped),
        state: Counts {
            num_requests: counts.total,
            num_pending: counts.pending() - never_ran,
            num_success: counts.succeeded,
            num_error: counts.failed,
            num_cancelled: counts.cancelled + counts.expired + never_ran,
        },
        cost_breakdown: Cost { total_cost_usd_ticks: 0 },
        input_file_id: details.input_file_id.as_deref(),
    }
}

pub fn create(shelves: &mut Shelves, call: &Call) -> Result<Answer, Refusal> {
    let Request { name, input_file_id } = call.json()?;
    let name = name.ok_or_else(|| missing("name"))?;
    let (lines, stopped) = match &input_file_id {
        None => (Vec::new(), None),
        Some(id) => {
            let file = shelves.files.get(Vendor::Xai, id).ok_or_else(|| not_found("file", id))?;
            match requests::in_file(file.content.bytes()?) {
                Ok(lines) => (lines, None),
                Err(problem) => (Vec::new(), Some(problem)),
            }
        }
    };
    let is_bad = stopped.is_some();
    let details = Details { name, input_file_id, stopped };
    let make = |digits: &str| Batch::new(format!("batch_{digits}"), lines, call.behaviour, details);
    let batch = shelves.xai.keep(make);
    if is_bad {
        batch.cancel();
    }
    Ok(Answer::json(&shown(batch)))
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
    if !batch.lines.is_empty() {
        batch.look(ledger);
    }
    Ok(Answer::json(&shown(batch)))
}

pub fn cancel(shelves: &mut Shelves, id: &str) -> Result<Answer, Refusal> {
    let batch = shelves.xai.get(id).ok_or_else(|| not_found("batch", id))?;
    batch.cancel();
    Ok(Answer::json(&shown(batch)))
}
