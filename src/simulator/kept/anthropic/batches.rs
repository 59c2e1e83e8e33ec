//! `/messages/batches`.

use std::collections::HashSet;

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::super::answer::{Answer, bad_value, missing, write_json};
use super::super::batch::{Batch, DAY, State};
use super::super::line::{Line, Outcome};
use super::super::page::{limit, page};
use super::super::stock::Shelves;
use super::super::{Call, download};
use super::{Deleted, List, not_found, time};
use crate::dialects::Dialect;
use crate::error::{Failure, Kind, Refusal};

const MOST_REQUESTS: usize = 100_000;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    requests: Option<Vec<One<'a>>>,
}

#[derive(Deserialize)]
struct One<'a> {
    custom_id: Option<String>,
    /// Looked at only when it is run, as Anthropic does.
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// Where the batch was made: its results are there too.
pub struct Details {
    at: String,
}

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    r#type: &'static str,
    processing_status: &'static str,
    request_counts: Counts,
    ended_at: Option<String>,
    created_at: String,
    expires_at: String,
    archived_at: (),
    cancel_initiated_at: Option<String>,
    results_url: Option<String>,
}

#[derive(Serialize)]
struct Counts {
    processing: usize,
    succeeded: usize,
    errored: usize,
    canceled: usize,
    expired: usize,
}

fn shown(batch: &Batch<Details>) -> Shown<'_> {
    let has_ended = batch.state.has_ended();
    let counts = batch.counts();
    // Nothing is told of single requests before all of them have ended.
    let told = |count| if has_ended { count } else { 0 };
    let never_ran = if batch.state == State::Failed { counts.pending() } else { 0 };
    Shown {
        id: &batch.id,
        r#type: "message_batch",
        processing_status: match batch.state {
            State::New | State::Running | State::Finishing => "in_progress",
            State::Cancelling => "canceling",
            State::Completed | State::Failed | State::Expired | State::Cancelled => "ended",
        },
        request_counts: Counts {
            processing: if has_ended { 0 } else { counts.total },
            succeeded: told(counts.succeeded),
            errored: told(counts.failed + never_ran),
            canceled: told(counts.cancelled),
            expired: told(counts.expired),
        },
        ended_at: batch.ended.map(time),
        created_at: time(batch.made),
        expires_at: time(batch.made + DAY),
        archived_at: (),
        cancel_initiated_at: batch.cancelling.map(time),
        results_url: has_ended.then(|| format!("{}/{}/results", batch.details.at, batch.id)),
    }
}

pub fn create(shelves: &mut Shelves, call: &Call) -> Result<Answer, Refusal> {
    let request: Request = call.json()?;
    let requests = request.requests.ok_or_else(|| missing("requests"))?;
    if requests.is_empty() || requests.len() > MOST_REQUESTS {
        return Err(bad_value("requests", "has no items, or more than 100000"));
    }
    let mut names = HashSet::new();
    let mut lines = Vec::with_capacity(requests.len());
    for (at, one) in requests.into_iter().enumerate() {
        let refused = |why: &str| Refusal::invalid(format!("requests.{at}.{why}")).param("requests");
        let name = one.custom_id.ok_or_else(|| refused("custom_id: Field required"))?;
        let params = one.params.ok_or_else(|| refused("params: Field required"))?;
        if !is_custom_id(&name) {
            return Err(refused("custom_id: must be 1 to 64 characters, each a letter, a digit, `_` or `-`"));
        }
        if !names.insert(name.clone()) {
            return Err(refused(&format!("custom_id: `{name}` is not unique in this batch")));
        }
        let body = call.body.slice_ref(params.get().as_bytes());
        lines.push(Line::new(name, "/v1/messages".to_owned(), Dialect::Anthropic, body));
    }
    let details = Details { at: call.here() };
    let make = |digits: &str| {
        let digits = digits.get(..24).unwrap_or(digits);
        Batch::new(format!("msgbatch_{digits}"), lines, call.behaviour, details)
    };
    Ok(Answer::json(&shown(shelves.anthropic.keep(call.host(), make))))
}

/// `^[a-zA-Z0-9_-]{1,64}$`
fn is_custom_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

pub fn list(shelves: &Shelves, call: &Call) -> Result<Answer, Refusal> {
    let limit = limit(call.parameter("limit").as_deref(), 20, 1000)?;
    let page = match call.parameter("before_id") {
        Some(before) => page(shelves.anthropic.iter().rev(), Some(&before), limit)?.reversed(),
        None => page(shelves.anthropic.iter(), call.parameter("after_id").as_deref(), limit)?,
    };
    let mut list = List::new(&page, shown);
    // Batches are paged by their ids alone.
    list.next_page = None;
    Ok(Answer::json(&list))
}

pub fn show(shelves: &mut Shelves, call: &Call, id: &str) -> Result<Answer, Refusal> {
    let Shelves { anthropic, ledger, .. } = shelves;
    let batch = anthropic.get(id).ok_or_else(|| not_found("batch", id))?;
    batch.look(ledger);
    batch.details.at = call.here_without(id);
    Ok(Answer::json(&shown(batch)))
}

/// What is done to one that has ended is not documented; here it stays as it is, and says so.
pub fn cancel(shelves: &mut Shelves, call: &Call, id: &str) -> Result<Answer, Refusal> {
    let batch = shelves.anthropic.get(id).ok_or_else(|| not_found("batch", id))?;
    batch.cancel();
    batch.details.at = call.here_without(id);
    Ok(Answer::json(&shown(batch)))
}

pub fn delete(shelves: &mut Shelves, id: &str) -> Result<Answer, Refusal> {
    let batch = shelves.anthropic.get(id).ok_or_else(|| not_found("batch", id))?;
    if !batch.state.has_ended() {
        return Err(Refusal::invalid("A batch can be deleted once it has ended; cancel it first."));
    }
    shelves.anthropic.remove(id);
    Ok(Answer::json(&Deleted { id, r#type: "message_batch_deleted" }))
}

#[derive(Serialize)]
struct OneResult<'a> {
    custom_id: &'a str,
    result: Told<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Told<'a> {
    Succeeded { message: &'a RawValue },
    Errored { error: &'a RawValue },
    Canceled,
    Expired,
}

/// In another order than that of the requests, which is nothing that Anthropic promises.
pub fn results(shelves: &mut Shelves, id: &str) -> Result<Answer, Refusal> {
    let batch = shelves.anthropic.get(id).ok_or_else(|| not_found("batch", id))?;
    if !batch.state.has_ended() {
        let message = format!("The batch `{id}` has no results before it has ended.");
        return Err(Refusal::new(Kind::NotFound, message));
    }
    let never_ran = Refusal::new(Kind::Internal, "The simulator was told to fail this batch.");
    let never_ran = Dialect::Anthropic.write_failure(&Failure::from(&never_ran), &batch.id);
    let mut lines: Vec<_> = batch.lines.iter().map(|line| (line.digest(), line)).collect();
    lines.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut out = BytesMut::new();
    for (_, line) in lines {
        let result = match line.outcome.as_ref() {
            Some(Outcome::Answered { status, body }) if status.is_success() => Told::Succeeded { message: raw(body)? },
            Some(Outcome::Answered { body, .. }) => Told::Errored { error: raw(body)? },
            Some(Outcome::Cancelled) => Told::Canceled,
            Some(Outcome::Expired) => Told::Expired,
            None => Told::Errored { error: raw(&never_ran)? },
        };
        write_json(&mut out, &OneResult { custom_id: &line.name, result });
        out.put_u8(b'\n');
    }
    Ok(download("application/x-jsonl", out.freeze()))
}

fn raw(body: &Bytes) -> Result<&RawValue, Refusal> {
    serde_json::from_slice(body).map_err(|_| Refusal::new(Kind::Internal, "A line was not answered with JSON."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn custom_ids_have_few_characters() {
        assert!(is_custom_id("a-Z_0"));
        for text in ["", "a b", "ä", "a.b", &"a".repeat(65)] {
            assert!(!is_custom_id(text), "{text}");
        }
    }
}
