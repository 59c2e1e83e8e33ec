//! Vertex AI's batch prediction jobs (REST reference, `projects.locations.batchPredictionJobs`; "Batch inference from Cloud Storage";
//! "Batch predictions with Anthropic Claude models"): a job reads an object of lines for one model, and leaves its answers beside it.
//!
//! All that a batch has in the bucket is below a folder with its mark, so whatever is below that folder is this batch's and nobody else's:
//! `input.jsonl`, and below `output/` what the job writes, in a folder that it names and in one file or several.

use bytes::Bytes;
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::cloud_storage::Storage;
use super::collect;
use super::convert::{Carried, Ended, Reader};
use super::flow::Progress;
use super::gemini;
use super::job::Job;
use super::send::{Form, measure, only_model};
use super::vertex_lines;
use crate::batches::{Counts, Stage, Status};
use crate::error::{Failure, Garbled, Kind};
use crate::providers::{UNRESERVED, vertex};
use crate::proxy::ask::Body;
use crate::proxy::desk::{Ask, now};

const JOBS: &str = "batchPredictionJobs";
/// So many pages of a list are looked through for what may have been made before.
const MOST_PAGES: usize = 100;
/// The longest line of an answer, in bytes: it repeats the request, which may have 16 MiB, and has the response beside it.
const LONGEST_ANSWER: usize = 64 << 20;

/// A job. What is not there yet is left out.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Theirs {
    name: String,
    display_name: String,
    state: String,
    /// `google.rpc.Status`.
    error: Option<Value>,
    /// The same, of parts of it.
    partial_failures: Vec<Value>,
    completion_stats: Stats,
}

/// Numbers of 64 bits, which Google writes as texts; -1 where it does not know.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Stats {
    successful_count: Value,
    failed_count: Value,
}

impl Theirs {
    fn state(&self) -> &str {
        self.state.strip_prefix("JOB_STATE_").unwrap_or(&self.state)
    }

    /// Why it, or a part of it, could not be carried out.
    fn reason(&self) -> Option<&Value> {
        self.error.iter().chain(&self.partial_failures).find(|error| error.get("message").is_some())
    }
}

/// Where the batch has its objects.
fn folder(job: &Job<'_>, storage: &Storage<'_>) -> String {
    storage.name(&format!("narthex-{}/", job.mark()))
}

fn output(folder: &str) -> String {
    format!("{folder}output/")
}

pub async fn submit(job: &mut Job<'_>) -> Result<(), Failure> {
    let upstream = job.upstream()?;
    let storage = Storage::of(job.desk, &upstream)?;
    let mark = job.mark().to_owned();
    let write = move |number: u64, carried: &Carried| vertex_lines::write(&format!("{mark}-{number}"), number, carried);
    let form = Form { start: "", between: "", end: "", write: &write };
    let bytes = measure(job, &upstream, &form).await?;
    let model = only_model(job, &upstream).await?;
    let folder = folder(job, &storage);
    if !job.work.uploads.contains(&folder) {
        job.work.uploads.push(folder.clone());
    }
    if job.is_asked_again().await?
        && let Some(name) = found(job).await?
    {
        job.stored.upstream_id = Some(name);
        return Ok(());
    }
    let input = format!("{folder}input.jsonl");
    if !job.work.is_resumed || !storage.has(&input, bytes).await? {
        storage.put(job, &input, bytes, &form).await?;
    }
    let body = json!({
        "displayName": job.id(),
        "model": vertex::resource(&model),
        "inputConfig": { "instancesFormat": "jsonl", "gcsSource": { "uris": [storage.uri(&input)] } },
        "outputConfig": {
            "predictionsFormat": "jsonl",
            "gcsDestination": { "outputUriPrefix": storage.uri(&output(&folder)) },
        },
    });
    let told = job.desk.ask(&upstream, Ask::post(JOBS, Body::Json(Bytes::from(body.to_string())))).await?;
    job.stored.upstream_id = Some(read(&told.body)?.name);
    Ok(())
}

fn read(body: &[u8]) -> Result<Theirs, Failure> {
    let theirs: Option<Theirs> = serde_json::from_slice(body).ok();
    let theirs = theirs.filter(|theirs| theirs.name.starts_with("projects/") && !theirs.name.contains(['?', '#']));
    theirs.ok_or_else(|| Garbled::new("it shows no batch prediction job").into())
}

/// The job of this name, if it was made by a process that could not write that down any more. Where the list takes no filter, all of it
/// is looked through.
async fn found(job: &Job<'_>) -> Result<Option<String>, Failure> {
    let filter = format!("display_name=\"{}\"", job.id());
    let filter = format!("&filter={}", utf8_percent_encode(&filter, UNRESERVED));
    match listed(job, &filter).await {
        Err(failure) if failure.kind == Kind::InvalidRequest => listed(job, "").await,
        listed => listed,
    }
}

async fn listed(job: &Job<'_>, filter: &str) -> Result<Option<String>, Failure> {
    #[derive(Deserialize, Default)]
    #[serde(default, rename_all = "camelCase")]
    struct List {
        batch_prediction_jobs: Vec<Theirs>,
        next_page_token: String,
    }
    let upstream = job.upstream()?;
    let mut query = format!("pageSize=100{filter}");
    for _ in 0..MOST_PAGES {
        let told = job.desk.ask(&upstream, Ask { query: Some(&query), ..Ask::get(JOBS) }).await?;
        let list: List = serde_json::from_slice(&told.body).map_err(|_| Garbled::new("it is no list of jobs"))?;
        if let Some(theirs) = list.batch_prediction_jobs.into_iter().find(|theirs| theirs.display_name == job.id()) {
            return Ok(Some(theirs.name));
        }
        if list.next_page_token.is_empty() {
            break;
        }
        let token = utf8_percent_encode(&list.next_page_token, UNRESERVED);
        query = format!("pageSize=100{filter}&pageToken={token}");
    }
    Ok(None)
}

async fn theirs(job: &Job<'_>) -> Result<Theirs, Failure> {
    let path = format!("v1/{}", job.upstream_id()?);
    read(&job.desk.ask(&*job.upstream()?, Ask::get(&path)).await?.body)
}

pub async fn look(job: &mut Job<'_>) -> Result<Progress, Failure> {
    let theirs = theirs(job).await?;
    let counts = Counts {
        total: job.work.counts.total,
        succeeded: gemini::count(&theirs.completion_stats.successful_count),
        errored: gemini::count(&theirs.completion_stats.failed_count),
        ..Counts::default()
    };
    let is_changed = std::mem::replace(&mut job.work.counts, counts) != counts;
    job.batch.request_counts = Some(counts.as_openai());
    match theirs.state() {
        "SUCCEEDED" | "PARTIALLY_SUCCEEDED" | "CANCELLED" | "EXPIRED" => Ok(Progress::Ended),
        // What was answered before it failed is there, and is paid for.
        "FAILED" if counts.succeeded > 0 && has_answers(job).await? => Ok(Progress::Ended),
        "FAILED" => {
            let message = theirs.reason().and_then(|error| error.get("message")?.as_str());
            job.fail(&Failure::of_kind(Kind::Upstream, message.unwrap_or("The provider could not carry it out.")));
            Ok(Progress::Over)
        }
        "CANCELLING" => {
            job.batch.enter(Status::Cancelling, now());
            Ok(Progress::Waiting { is_changed })
        }
        _ => Ok(Progress::Waiting { is_changed }),
    }
}

pub async fn cancel(job: &mut Job<'_>) -> Result<(), Failure> {
    let path = format!("v1/{}:cancel", job.upstream_id()?);
    match job.desk.ask(&*job.upstream()?, Ask::post(&path, Body::Json(Bytes::from_static(b"{}")))).await {
        Ok(_) => Ok(()),
        // It is over already.
        Err(failure) if matches!(failure.kind, Kind::InvalidRequest | Kind::Conflict) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// Whether an object holds answers: `predictions.jsonl`, `predictions_0001.jsonl` and its like, a shard of one, or `errors_0001.jsonl`
/// for those that failed (`BatchPredictionJob.OutputConfig.gcs_destination`).
fn is_answers(name: &str) -> bool {
    name.rsplit('/').next().unwrap_or_default().contains(".jsonl")
}

async fn has_answers(job: &Job<'_>) -> Result<bool, Failure> {
    let upstream = job.upstream()?;
    let storage = Storage::of(job.desk, &upstream)?;
    let prefix = output(&folder(job, &storage));
    let mut before = None;
    while let Some(page) = storage.page(&prefix, before.as_ref()).await? {
        if page.items.iter().any(|object| object.bytes() > 0 && is_answers(&object.name)) {
            return Ok(true);
        }
        before = Some(page);
    }
    Ok(false)
}

pub async fn results(job: &Job<'_>) -> Result<(), Failure> {
    let theirs = theirs(job).await?;
    let upstream = job.upstream()?;
    let storage = Storage::of(job.desk, &upstream)?;
    let prefix = output(&folder(job, &storage));
    let (mut read, mut unknown) = (0_u64, 0_u64);
    let mut before = None;
    while let Some(page) = storage.page(&prefix, before.as_ref()).await? {
        for object in page.items.iter().filter(|object| is_answers(&object.name)) {
            let mut reader = Reader::up_to(storage.open(&object.name).await?, LONGEST_ANSWER);
            while let Some((_, text)) = reader.next().await? {
                read += 1;
                match vertex_lines::read(&text, |name| job.line_number(name)) {
                    Some((number, ended)) => drop(collect::keep(job, number, ended).await?),
                    None => unknown += 1,
                }
            }
        }
        before = Some(page);
    }
    if unknown > 0 {
        log::warn!("{}: {unknown} of {read} answers of {} belong to none of its requests", upstream.name(), job.id());
        if unknown == read {
            return Err(Garbled::new("none of the answers names the request that it belongs to").into());
        }
    }
    rest(job, &theirs).await
}

/// Notes the lines that nobody has come to.
async fn rest(job: &Job<'_>, theirs: &Theirs) -> Result<(), Failure> {
    let end = || match (theirs.state(), theirs.reason()) {
        ("CANCELLED", _) => Some(Ended::Canceled),
        ("EXPIRED", _) => Some(Ended::Expired),
        (_, Some(reason)) => Some(gemini::errored(reason.clone())),
        (_, None) => None,
    };
    if end().is_none() {
        return Ok(());
    }
    let mut reader = Reader::new(job.input().await?);
    while let Some((number, _)) = reader.next().await? {
        if let Some(end) = end() {
            collect::keep(job, number, end).await?;
        }
    }
    Ok(())
}

/// Takes away all that this batch has in the bucket. Answers that could not be fetched stay: they are paid for.
pub async fn tidy(job: &mut Job<'_>) {
    let is_unread = job.work.stage == Stage::Collecting;
    for folder in std::mem::take(&mut job.work.uploads) {
        if is_unread {
            log::warn!("{}: the answers to {} could not be read, and stay in {folder}", job.stored.instance, job.id());
            continue;
        }
        if let Err(why) = remove_all(job, &folder).await {
            log::warn!("{}: objects of {} are left behind: {}", job.stored.instance, job.id(), why.message);
        }
    }
}

/// What cannot be taken away is told, and does not stay the rest.
async fn remove_all(job: &Job<'_>, folder: &str) -> Result<(), Failure> {
    let upstream = job.upstream()?;
    let storage = Storage::of(job.desk, &upstream)?;
    let (mut before, mut last) = (None, Ok(()));
    while let Some(page) = storage.page(folder, before.as_ref()).await? {
        for object in &page.items {
            if let Err(why) = storage.remove(&object.name).await {
                last = Err(why);
            }
        }
        before = Some(page);
    }
    last
}
