//! Gemini's batches (ai.google.dev/gemini-api/docs/batch-api): a file of lines for one model, carried out as a long-running operation.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::collect;
use super::convert::{Carried, Ended, Reader};
use super::flow::Progress;
use super::job::Job;
use super::send::{Form, Pieces, measure, only_model};
use crate::batches::Counts;
use crate::error::{Failure, Garbled, Kind};
use crate::files::FileObject;
use crate::proxy::ask::Body;
use crate::proxy::desk::Ask;
use crate::proxy::files::{Put, Source, path};

/// So many pages of a list are looked through for what may have been made before.
const MOST_PAGES: usize = 100;

pub async fn submit(job: &mut Job<'_>) -> Result<(), Failure> {
    let upstream = job.upstream()?;
    let mark = job.mark().to_owned();
    let write = move |number: u64, carried: &Carried| {
        let request = String::from_utf8_lossy(&carried.body).replace(['\n', '\r'], " ");
        format!("{{\"key\":\"{mark}-{number}\",\"request\":{request}}}\n")
    };
    let form = Form { start: "", between: "", end: "", write: &write };
    let bytes = measure(job, &upstream, &form).await?;
    let model = only_model(job, &upstream).await?;
    if job.is_asked_again().await?
        && let Some(name) = found(job).await?
    {
        job.stored.upstream_id = Some(name);
        return Ok(());
    }
    // Files are named by whoever uploads them, so that none is there twice.
    let id = format!("narthex-{}", job.mark());
    let is_there = job.work.is_resumed && job.desk.ask(&upstream, Ask::get(&path(&upstream, &id))).await.is_ok();
    if !is_there {
        let object = FileObject {
            id: id.clone(),
            filename: format!("{}.jsonl", job.id()),
            bytes,
            mime_type: Some("application/jsonl".to_owned()),
            ..FileObject::default()
        };
        let mut put = Put::begin(job.desk, &upstream, &object).await?;
        let mut pieces = Pieces::of(job, &form).await?;
        while let Some(piece) = pieces.next(job, &upstream).await? {
            put.write(piece).await;
        }
        put.finish(&upstream).await?;
    }
    if !job.work.uploads.contains(&id) {
        job.work.uploads.push(id.clone());
    }
    let body = json!({ "batch": {
        "display_name": job.id(),
        "input_config": { "file_name": format!("files/{id}") },
    }});
    let model = percent_encoding::utf8_percent_encode(&model, crate::providers::UNRESERVED);
    let create = format!("v1beta/models/{model}:batchGenerateContent");
    let told = job.desk.ask(&upstream, Ask::post(&create, Body::Json(Bytes::from(body.to_string())))).await?;
    job.stored.upstream_id = Some(read(&told.body)?.name);
    Ok(())
}

#[derive(Deserialize)]
struct Operation {
    name: String,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    response: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    display_name: String,
    state: String,
    batch_stats: Stats,
    output: Option<Value>,
}

/// Numbers of 64 bits, which Google writes as texts.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Stats {
    successful_request_count: Value,
    failed_request_count: Value,
}

impl Operation {
    /// The state's last word: both `BATCH_STATE_` and `JOB_STATE_` are seen before it.
    fn state(&self) -> &str {
        self.metadata.state.rsplit("STATE_").next().unwrap_or_default()
    }

    fn responses_file(&self) -> Option<&str> {
        let places = [self.response.as_ref(), self.metadata.output.as_ref()];
        places.into_iter().flatten().find_map(|place| place.get("responsesFile")?.as_str())
    }
}

/// A number of 64 bits, which Google writes as a text.
pub fn count(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default()
}

fn read(body: &[u8]) -> Result<Operation, Failure> {
    serde_json::from_slice(body).map_err(|_| Garbled::new("it shows no batch").into())
}

/// The batch of this name, if it was made by a process that could not write that down any more.
async fn found(job: &Job<'_>) -> Result<Option<String>, Failure> {
    #[derive(Deserialize, Default)]
    #[serde(default, rename_all = "camelCase")]
    struct List {
        operations: Vec<Operation>,
        next_page_token: String,
    }
    let upstream = job.upstream()?;
    let is_it = |operation: &Operation| operation.metadata.display_name == job.id();
    let mut query = "pageSize=100".to_owned();
    for _ in 0..MOST_PAGES {
        let told = job.desk.ask(&upstream, Ask { query: Some(&query), ..Ask::get("v1beta/batches") }).await?;
        let list: List = serde_json::from_slice(&told.body).map_err(|_| Garbled::new("it is no list of batches"))?;
        if let Some(operation) = list.operations.into_iter().find(is_it) {
            return Ok(Some(operation.name));
        }
        if list.next_page_token.is_empty() {
            break;
        }
        let token = percent_encoding::utf8_percent_encode(&list.next_page_token, crate::providers::UNRESERVED);
        query = format!("pageSize=100&pageToken={token}");
    }
    Ok(None)
}

async fn operation(job: &Job<'_>) -> Result<Operation, Failure> {
    let path = format!("v1beta/{}", job.upstream_id()?);
    read(&job.desk.ask(&*job.upstream()?, Ask::get(&path)).await?.body)
}

pub async fn look(job: &mut Job<'_>) -> Result<Progress, Failure> {
    let operation = operation(job).await?;
    let stats = &operation.metadata.batch_stats;
    let counts = Counts {
        total: job.work.counts.total,
        succeeded: count(&stats.successful_request_count),
        errored: count(&stats.failed_request_count),
        ..Counts::default()
    };
    let is_changed = std::mem::replace(&mut job.work.counts, counts) != counts;
    job.batch.request_counts = Some(counts.as_openai());
    match operation.state() {
        "SUCCEEDED" | "PARTIALLY_SUCCEEDED" | "CANCELLED" | "EXPIRED" => Ok(Progress::Ended),
        "FAILED" => {
            let message = operation.error.as_ref().and_then(|error| error.get("message")?.as_str());
            job.fail(&Failure::of_kind(Kind::Upstream, message.unwrap_or("The provider could not carry it out.")));
            Ok(Progress::Over)
        }
        _ => Ok(Progress::Waiting { is_changed }),
    }
}

pub async fn cancel(job: &mut Job<'_>) -> Result<(), Failure> {
    let path = format!("v1beta/{}:cancel", job.upstream_id()?);
    match job.desk.ask(&*job.upstream()?, Ask::post(&path, Body::None)).await {
        Ok(_) => Ok(()),
        Err(failure) if matches!(failure.kind, Kind::InvalidRequest | Kind::Conflict) => Ok(()),
        Err(failure) => Err(failure),
    }
}

#[derive(Deserialize)]
struct TheirLine<'a> {
    key: String,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Value>,
}

pub async fn results(job: &Job<'_>) -> Result<(), Failure> {
    let operation = operation(job).await?;
    // What was cancelled or has expired may have none.
    let Some(file) = operation.responses_file() else {
        return expired(job, operation.state()).await;
    };
    let name = file.strip_prefix("files/").unwrap_or(file);
    let upstream = job.upstream()?;
    let mut reader = Reader::new(Source::at_provider(job.desk, &upstream, name).await?);
    while let Some((_, text)) = reader.next().await? {
        let line: TheirLine<'_> =
            serde_json::from_slice(&text).map_err(|_| Garbled::new("a line of the results makes no sense"))?;
        let Some(number) = job.line_number(&line.key) else { return Err(super::see::another()) };
        let ended = match (line.response, line.error) {
            (Some(response), _) => {
                Ended::Answered { status: StatusCode::OK, body: Bytes::copy_from_slice(response.get().as_bytes()) }
            }
            (None, error) => errored(error.unwrap_or_default()),
        };
        collect::keep(job, number, ended).await?;
    }
    expired(job, operation.state()).await
}

/// Notes the lines that nobody has come to.
async fn expired(job: &Job<'_>, state: &str) -> Result<(), Failure> {
    let end = match state {
        "CANCELLED" => || Ended::Canceled,
        "EXPIRED" => || Ended::Expired,
        _ => return Ok(()),
    };
    let mut reader = Reader::new(job.input().await?);
    while let Some((number, _)) = reader.next().await? {
        collect::keep(job, number, end()).await?;
    }
    Ok(())
}

/// `google.rpc.Status`; its codes are gRPC's (github.com/googleapis/googleapis, google/rpc/code.proto).
pub fn errored(error: Value) -> Ended {
    let status = match error.get("code").and_then(Value::as_u64).unwrap_or_default() {
        status @ 400..600 => u16::try_from(status).unwrap_or(500),
        3 | 9 | 11 => 400,
        16 => 401,
        7 => 403,
        5 => 404,
        6 | 10 => 409,
        8 => 429,
        1 => 499,
        12 => 501,
        14 => 503,
        4 => 504,
        _ => 500,
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Ended::Answered { status, body: Bytes::from(json!({ "error": error }).to_string()) }
}
