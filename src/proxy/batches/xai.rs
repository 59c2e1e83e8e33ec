//! xAI's batches (docs.x.ai, "Batch API"): one is made by its name, then requests are added to it, some at a time.

use std::collections::HashSet;

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::collect;
use super::convert::{Carried, Ended, Reader, carry};
use super::flow::Progress;
use super::job::Job;
use super::send::refused;
use crate::batches::{Counts, Status};
use crate::error::{Failure, Garbled, Kind};
use crate::proxy::ask::Body;
use crate::proxy::desk::{Ask, now};

/// So many requests are added at a time, or so many bytes.
const AT_ONCE: usize = 100;
const MOST_BYTES: usize = 4 << 20;

#[derive(Deserialize)]
struct Theirs {
    batch_id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    cancel_time: Option<String>,
    #[serde(default)]
    state: State,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct State {
    num_requests: u64,
    num_pending: u64,
    num_success: u64,
    num_error: u64,
    num_cancelled: u64,
}

/// So many pages of a list are looked through for what may have been made before.
const MOST_PAGES: usize = 100;

pub async fn submit(job: &mut Job<'_>) -> Result<(), Failure> {
    let upstream = job.upstream()?;
    // Nothing is added before it is known that all can be.
    let mut problems = Vec::new();
    let mut reader = Reader::new(job.input().await?);
    while let Some((number, text)) = reader.next().await? {
        problems.extend(carry(job.desk, &upstream, &text, is_strict(job)).err().map(|problem| problem.at(number)));
    }
    if !problems.is_empty() {
        return Err(refused(&problems));
    }
    let made = match job.is_asked_again().await? {
        true => found(job).await?,
        false => None,
    };
    let id = match made {
        Some(id) => id,
        None => {
            let body = Body::Json(Bytes::from(json!({ "name": job.id() }).to_string()));
            read(&job.desk.ask(&upstream, Ask::post("batches", body)).await?.body)?.batch_id
        }
    };
    job.stored.upstream_id = Some(id.clone());
    job.save().await?;
    let added = added(job, &id).await?;
    let path = format!("batches/{id}/requests");
    let mut requests: Vec<String> = Vec::new();
    let mut reader = Reader::new(job.input().await?);
    loop {
        let next = reader.next().await?;
        let is_over = next.is_none();
        if let Some((number, text)) = next
            && !added.contains(&number)
        {
            let carried = carry(job.desk, &upstream, &text, is_strict(job));
            requests.push(request(job, number, &carried.map_err(|problem| refused(&[problem.at(number)]))?));
        }
        let bytes: usize = requests.iter().map(String::len).sum();
        if !requests.is_empty() && (is_over || requests.len() == AT_ONCE || bytes >= MOST_BYTES) {
            let body = format!("{{\"batch_requests\":[{}]}}", requests.join(","));
            job.desk.ask(&upstream, Ask::post(&path, Body::Json(Bytes::from(body)))).await?;
            requests.clear();
        }
        if is_over {
            return Ok(());
        }
    }
}

fn is_strict(job: &Job<'_>) -> bool {
    job.desk.gateway.config.routing.is_strict
}

fn request(job: &Job<'_>, number: u64, carried: &Carried) -> String {
    let (name, body) = (job.line_name(number), String::from_utf8_lossy(&carried.body));
    format!("{{\"batch_request_id\":\"{name}\",\"batch_request\":{{\"chat_get_completion\":{body}}}}}")
}

fn read(body: &[u8]) -> Result<Theirs, Failure> {
    serde_json::from_slice(body).map_err(|_| Garbled::new("it shows no batch").into())
}

/// The batch of this name, if it was made by a process that could not write that down any more.
async fn found(job: &Job<'_>) -> Result<Option<String>, Failure> {
    #[derive(Deserialize)]
    struct List {
        batches: Vec<Theirs>,
        #[serde(default)]
        pagination_token: Option<String>,
    }
    let upstream = job.upstream()?;
    let mut token = None;
    for _ in 0..MOST_PAGES {
        let query = page(token.as_deref());
        let told = job.desk.ask(&upstream, Ask { query: Some(&query), ..Ask::get("batches") }).await?;
        let list: List = serde_json::from_slice(&told.body).map_err(|_| Garbled::new("it is no list of batches"))?;
        if let Some(theirs) = list.batches.into_iter().find(|theirs| theirs.name == job.id()) {
            return Ok(Some(theirs.batch_id));
        }
        token = list.pagination_token.filter(|next| !next.is_empty());
        if token.is_none() {
            break;
        }
    }
    Ok(None)
}

/// The lines that it has already.
async fn added(job: &Job<'_>, id: &str) -> Result<HashSet<u64>, Failure> {
    #[derive(Deserialize)]
    struct List {
        #[serde(default)]
        batch_request_metadata: Vec<One>,
        #[serde(default)]
        pagination_token: Option<String>,
    }
    #[derive(Deserialize)]
    struct One {
        batch_request_id: String,
    }
    let mut added = HashSet::new();
    if !job.work.is_resumed {
        return Ok(added);
    }
    let (upstream, path) = (job.upstream()?, format!("batches/{id}/requests"));
    let mut token = None;
    loop {
        let query = page(token.as_deref());
        let told = job.desk.ask(&upstream, Ask { query: Some(&query), ..Ask::get(&path) }).await?;
        let list: List = serde_json::from_slice(&told.body).map_err(|_| Garbled::new("it is no list of requests"))?;
        added.extend(list.batch_request_metadata.iter().filter_map(|one| job.line_number(&one.batch_request_id)));
        match list.pagination_token.filter(|next| !next.is_empty() && Some(next) != token.as_ref()) {
            Some(next) => token = Some(next),
            None => return Ok(added),
        }
    }
}

fn page(token: Option<&str>) -> String {
    let token = token.map(|token| percent_encoding::utf8_percent_encode(token, crate::providers::UNRESERVED));
    token.map_or_else(|| "limit=100".to_owned(), |token| format!("limit=100&pagination_token={token}"))
}

pub async fn look(job: &mut Job<'_>) -> Result<Progress, Failure> {
    let path = format!("batches/{}", job.upstream_id()?);
    let theirs = read(&job.desk.ask(&*job.upstream()?, Ask::get(&path)).await?.body)?;
    let state = &theirs.state;
    let counts = Counts {
        total: job.work.counts.total,
        succeeded: state.num_success,
        errored: state.num_error,
        canceled: state.num_cancelled,
        expired: 0,
    };
    let is_changed = std::mem::replace(&mut job.work.counts, counts) != counts;
    job.batch.request_counts = Some(counts.as_openai());
    if state.num_pending == 0 && state.num_requests > 0 {
        if theirs.cancel_time.is_some() && state.num_cancelled > 0 {
            job.stored.is_cancel_wanted = true;
            job.batch.enter(Status::Cancelling, now());
        }
        return Ok(Progress::Ended);
    }
    Ok(Progress::Waiting { is_changed })
}

pub async fn cancel(job: &mut Job<'_>) -> Result<(), Failure> {
    let path = format!("batches/{}:cancel", job.upstream_id()?);
    match job.desk.ask(&*job.upstream()?, Ask::post(&path, Body::None)).await {
        Ok(_) => Ok(()),
        Err(failure) if matches!(failure.kind, Kind::InvalidRequest | Kind::Conflict) => Ok(()),
        Err(failure) => Err(failure),
    }
}

#[derive(Deserialize)]
struct Results {
    #[serde(default)]
    results: Vec<Box<RawValue>>,
    #[serde(default)]
    pagination_token: Option<String>,
}

#[derive(Deserialize)]
struct TheirResult {
    batch_request_id: String,
    #[serde(default)]
    batch_result: Option<TheirAnswer>,
    #[serde(default)]
    error_message: Option<String>,
}

#[derive(Deserialize)]
struct TheirAnswer {
    #[serde(default)]
    response: Option<TheirResponse>,
    /// Nothing but words.
    #[serde(default)]
    error: Option<String>,
}

#[derive(Deserialize)]
struct TheirResponse {
    #[serde(default)]
    chat_get_completion: Option<Box<RawValue>>,
}

pub async fn results(job: &Job<'_>) -> Result<(), Failure> {
    let (upstream, path) = (job.upstream()?, format!("batches/{}/results", job.upstream_id()?));
    let mut token = None;
    loop {
        let query = page(token.as_deref());
        let told = job.desk.ask(&upstream, Ask { query: Some(&query), ..Ask::get(&path) }).await?;
        let page: Results = serde_json::from_slice(&told.body).map_err(|_| Garbled::new("it shows no results"))?;
        for result in page.results {
            let result: TheirResult =
                serde_json::from_str(result.get()).map_err(|_| Garbled::new("a result makes no sense"))?;
            let Some(number) = job.line_number(&result.batch_request_id) else { return Err(super::see::another()) };
            collect::keep(job, number, ended(result)).await?;
        }
        match page.pagination_token.filter(|next| !next.is_empty() && Some(next) != token.as_ref()) {
            Some(next) => token = Some(next),
            None => return Ok(()),
        }
    }
}

fn ended(result: TheirResult) -> Ended {
    let (answer, error) = result.batch_result.map_or((None, None), |told| (told.response, told.error));
    match answer.and_then(|answer| answer.chat_get_completion) {
        Some(body) => Ended::Answered { status: StatusCode::OK, body: Bytes::copy_from_slice(body.get().as_bytes()) },
        None if error.as_deref() == Some("Batch cancelled") => Ended::Canceled,
        None => {
            // xAI tells no status: what it tells in words is the whole of it. Its guide has them beside the result, its API
            // was seen to tell them within.
            let message = error.or(result.error_message).unwrap_or_else(|| "The request failed.".to_owned());
            let error = json!({ "error": { "message": message, "type": "batch_request_failed" } });
            Ended::Answered { status: StatusCode::BAD_REQUEST, body: Bytes::from(error.to_string()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_result(text: &str) -> Ended {
        ended(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn what_failed_is_told_in_words() {
        for text in [
            r#"{"batch_request_id":"a","batch_result":{"error":"too hot"}}"#,
            r#"{"batch_request_id":"a","error_message":"too hot"}"#,
        ] {
            let Ended::Answered { status, body } = read_result(text) else { panic!("{text}") };
            assert_eq!(status, StatusCode::BAD_REQUEST);
            assert!(String::from_utf8_lossy(&body).contains("too hot"));
        }
        let cancelled = r#"{"batch_request_id":"a","batch_result":{"error":"Batch cancelled"}}"#;
        assert!(matches!(read_result(cancelled), Ended::Canceled));
        let answered = r#"{"batch_request_id":"a","batch_result":{"response":{"chat_get_completion":{"id":"x"}}}}"#;
        assert!(matches!(read_result(answered), Ended::Answered { status: StatusCode::OK, .. }));
    }
}
