//! Anthropic's Message Batches (docs.claude.com/en/api/creating-message-batches): all requests in one body.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::collect;
use super::convert::{Carried, Ended, Reader};
use super::flow::Progress;
use super::job::Job;
use super::send::{Form, Pieces, measure};
use crate::batches::{Counts, Status};
use crate::error::{Failure, Garbled, Kind};
use crate::files::seconds;
use crate::proxy::ask::Body;
use crate::proxy::desk::{Ask, failure, unreachable};
use crate::proxy::files::Source;

const BATCHES: &str = "messages/batches";
/// Clocks differ by so many seconds at most.
const SKEW: u64 = 60;
/// So many pages of a list are looked through for what may have been made before.
const MOST_PAGES: usize = 100;

#[derive(Deserialize)]
struct Theirs {
    id: String,
    processing_status: String,
    #[serde(default)]
    created_at: Option<String>,
    request_counts: TheirCounts,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct TheirCounts {
    processing: u64,
    succeeded: u64,
    errored: u64,
    canceled: u64,
    expired: u64,
}

impl TheirCounts {
    fn total(&self) -> u64 {
        self.processing + self.succeeded + self.errored + self.canceled + self.expired
    }
}

pub async fn submit(job: &mut Job<'_>) -> Result<(), Failure> {
    let upstream = job.upstream()?;
    let mark = job.mark().to_owned();
    let write = move |number: u64, carried: &Carried| {
        let params = String::from_utf8_lossy(&carried.body);
        format!("{{\"custom_id\":\"{mark}-{number}\",\"params\":{params}}}")
    };
    let form = Form { start: "{\"requests\":[", between: ",", end: "]}", write: &write };
    let length = measure(job, &upstream, &form).await?;
    if job.is_asked_again().await?
        && let Some(id) = found(job).await?
    {
        job.stored.upstream_id = Some(id);
        return Ok(());
    }
    let headers = vec![(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"))];
    let ask = Ask { headers, ..Ask::post(BATCHES, Body::Following(Some(length))) };
    let mut talk = job.desk.begin(&upstream, ask).await?;
    let mut pieces = Pieces::of(job, &form).await?;
    while let Some(piece) = pieces.next(job, &upstream).await? {
        // Whoever refuses it without reading all of it says why.
        if !talk.write(piece).await {
            break;
        }
    }
    let told = talk.told().await.map_err(|why| unreachable(&upstream, &why))?;
    if !told.status.is_success() {
        return Err(failure(&upstream, &told));
    }
    let theirs = read(&told.body)?;
    job.stored.upstream_id = Some(theirs.id);
    Ok(())
}

/// A batch that may be this one, if a process died between asking for it and writing that down. Anthropic takes no name for a batch:
/// it is known by its age and size, and its results, which bear a name of ours, will show whether it is.
async fn found(job: &Job<'_>) -> Result<Option<String>, Failure> {
    #[derive(Deserialize)]
    struct List {
        data: Vec<Theirs>,
        #[serde(default)]
        has_more: bool,
    }
    let upstream = job.upstream()?;
    let since = job.work.asked_at.unwrap_or_default().saturating_sub(SKEW);
    let is_like_it = |theirs: &Theirs| {
        theirs.request_counts.total() == job.work.counts.total
            && theirs.created_at.as_deref().and_then(seconds).is_some_and(|created| created >= since)
            && !job.work.mistaken.contains(&theirs.id)
    };
    let mut query = "limit=100".to_owned();
    for _ in 0..MOST_PAGES {
        let told = job.desk.ask(&upstream, Ask { query: Some(&query), ..Ask::get(BATCHES) }).await?;
        let list: List = serde_json::from_slice(&told.body).map_err(|_| Garbled::new("it is no list of batches"))?;
        // The latest come first.
        let last = list.data.last().filter(|_| list.has_more);
        let last = last.filter(|last| last.created_at.as_deref().and_then(seconds).is_none_or(|made| made >= since));
        let further = last.map(|last| format!("limit=100&after_id={}", last.id));
        if let Some(theirs) = list.data.into_iter().find(is_like_it) {
            return Ok(Some(theirs.id));
        }
        let Some(further) = further else { break };
        query = further;
    }
    Ok(None)
}

fn read(body: &[u8]) -> Result<Theirs, Failure> {
    serde_json::from_slice(body).map_err(|_| Garbled::new("it shows no batch").into())
}

pub async fn look(job: &mut Job<'_>) -> Result<Progress, Failure> {
    let upstream = job.upstream()?;
    let path = format!("{BATCHES}/{}", job.upstream_id()?);
    let theirs = read(&job.desk.ask(&upstream, Ask::get(&path)).await?.body)?;
    let counts = &theirs.request_counts;
    let counts = Counts {
        total: job.work.counts.total.max(counts.total()),
        succeeded: counts.succeeded,
        errored: counts.errored,
        canceled: counts.canceled,
        expired: counts.expired,
    };
    let is_changed = std::mem::replace(&mut job.work.counts, counts) != counts;
    job.batch.request_counts = Some(counts.as_openai());
    match theirs.processing_status.as_str() {
        "ended" => Ok(Progress::Ended),
        "canceling" => {
            job.batch.enter(Status::Cancelling, crate::proxy::desk::now());
            Ok(Progress::Waiting { is_changed })
        }
        _ => Ok(Progress::Waiting { is_changed }),
    }
}

pub async fn cancel(job: &mut Job<'_>) -> Result<(), Failure> {
    let upstream = job.upstream()?;
    let path = format!("{BATCHES}/{}/cancel", job.upstream_id()?);
    match job.desk.ask(&upstream, Ask::post(&path, Body::None)).await {
        Ok(_) => Ok(()),
        Err(failure) if matches!(failure.kind, Kind::InvalidRequest | Kind::Conflict) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// A line of the results.
#[derive(Deserialize)]
struct TheirLine<'a> {
    custom_id: String,
    #[serde(borrow)]
    result: TheirResult<'a>,
}

/// One object for all types: what is kept as it was written must not be looked into for its type first.
#[derive(Deserialize)]
struct TheirResult<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(default)]
    error: Value,
}

pub async fn results(job: &Job<'_>) -> Result<(), Failure> {
    let upstream = job.upstream()?;
    let path = format!("{BATCHES}/{}/results", job.upstream_id()?);
    let mut reader = Reader::new(Source::answer(job.desk, &upstream, Ask::get(&path)).await?);
    while let Some((_, text)) = reader.next().await? {
        let line: TheirLine<'_> =
            serde_json::from_slice(&text).map_err(|_| Garbled::new("a result is no result of a message batch"))?;
        let Some(number) = job.line_number(&line.custom_id) else { return Err(super::see::another()) };
        let ended = match (line.result.kind.as_str(), line.result.message) {
            ("succeeded", Some(message)) => {
                Ended::Answered { status: StatusCode::OK, body: Bytes::copy_from_slice(message.get().as_bytes()) }
            }
            ("canceled", _) => Ended::Canceled,
            ("expired", _) => Ended::Expired,
            _ => errored(&line.result.error),
        };
        collect::keep(job, number, ended).await?;
    }
    Ok(())
}

/// The status that goes with an error's type (docs.claude.com/en/api/errors).
pub fn errored(error: &Value) -> Ended {
    let kind = error.pointer("/error/type").and_then(Value::as_str).unwrap_or_default();
    let status = match kind {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 500,
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Ended::Answered { status, body: Bytes::from(error.to_string()) }
}
