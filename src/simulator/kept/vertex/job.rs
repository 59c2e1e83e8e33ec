//! `projects/…/locations/…/batchPredictionJobs`.

use serde::Serialize;

use super::super::super::answer::{Answer, bad_value};
use super::super::Call;
use super::super::batch::{Batch, State};
use super::super::not_found;
use super::super::page::page;
use super::super::stock::Shelves;
use super::create::Details;
use super::{output, page_size, time};
use crate::error::{Kind, Refusal};

const MOST_LISTED: usize = 100;

/// What is none is left out, as protobuf's JSON does.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown<'a> {
    name: &'a str,
    display_name: &'a str,
    model: &'a str,
    input_config: Input<'a>,
    output_config: Output<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_info: Option<OutputInfo<'a>>,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Status<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_stats: Option<Stats>,
    create_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<String>,
    update_time: String,
    model_version_id: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Input<'a> {
    instances_format: &'static str,
    gcs_source: Source<'a>,
}

#[derive(Serialize)]
struct Source<'a> {
    uris: [&'a str; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Output<'a> {
    predictions_format: &'static str,
    gcs_destination: Destination<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Destination<'a> {
    output_uri_prefix: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutputInfo<'a> {
    gcs_output_directory: &'a str,
}

/// `google.rpc.Status`.
#[derive(Serialize)]
struct Status<'a> {
    code: u32,
    message: &'a str,
}

/// Numbers of 64 bits are strings.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    #[serde(skip_serializing_if = "Option::is_none")]
    successful_count: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_count: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    incomplete_count: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    batch_prediction_jobs: Vec<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<&'a str>,
}

/// A long-running operation that did not run long.
#[derive(Serialize)]
struct Done {
    name: String,
    done: bool,
    response: Nothing,
}

#[derive(Serialize)]
struct Nothing {
    #[serde(rename = "@type")]
    kind: &'static str,
}

pub fn shown(batch: &Batch<Details>) -> Shown<'_> {
    let details = &batch.details;
    let counts = batch.counts();
    let count = |count: usize| (count > 0).then(|| count.to_string());
    let (state, error) = state(batch);
    let has_stats = batch.started.is_some() && details.problem.is_none();
    Shown {
        name: &batch.id,
        display_name: &details.display_name,
        model: &details.model,
        input_config: Input { instances_format: "jsonl", gcs_source: Source { uris: [&details.uri] } },
        output_config: Output {
            predictions_format: "jsonl",
            gcs_destination: Destination { output_uri_prefix: &details.prefix },
        },
        output_info: details.directory.as_deref().map(|directory| OutputInfo { gcs_output_directory: directory }),
        state,
        error: error.map(|(code, message)| Status { code, message }),
        completion_stats: has_stats.then(|| Stats {
            successful_count: count(counts.succeeded),
            failed_count: count(counts.failed),
            incomplete_count: count(counts.total - counts.succeeded - counts.failed),
        }),
        create_time: time(batch.made),
        start_time: batch.started.map(time),
        end_time: batch.ended.map(time),
        update_time: time(batch.ended.or(batch.started).unwrap_or(batch.made)),
        model_version_id: "1",
    }
}

/// Only what has failed or was cancelled has an error.
fn state(batch: &Batch<Details>) -> (&'static str, Option<(u32, &str)>) {
    match batch.state {
        State::New => ("JOB_STATE_PENDING", None),
        State::Running | State::Finishing => ("JOB_STATE_RUNNING", None),
        State::Cancelling => ("JOB_STATE_CANCELLING", None),
        State::Completed => ("JOB_STATE_SUCCEEDED", None),
        State::Expired => ("JOB_STATE_EXPIRED", None),
        State::Cancelled => ("JOB_STATE_CANCELLED", Some((1, "CANCELED"))),
        State::Failed => {
            let told = batch.details.problem.as_ref().map(|(code, message)| (*code, message.as_str()));
            ("JOB_STATE_FAILED", Some(told.unwrap_or((13, "The simulator was told to fail this job."))))
        }
    }
}

pub fn list(shelves: &Shelves, call: &Call, location: &str) -> Result<Answer, Refusal> {
    let name = call.parameter("filter").map(|filter| display_name(&filter)).transpose()?;
    let is_wanted = |job: &&Batch<Details>| {
        job.details.location == location && name.as_ref().is_none_or(|name| job.details.display_name == *name)
    };
    let token = call.parameter("pageToken").filter(|token| !token.is_empty());
    let size = page_size(call, "pageSize", MOST_LISTED)?;
    let page = page(shelves.vertex.iter().filter(is_wanted), token.as_deref(), size)?;
    let last = page.items.last().map(|job| job.id.as_str());
    let jobs = page.items.iter().map(|job| shown(job)).collect();
    Ok(Answer::json(&List { batch_prediction_jobs: jobs, next_page_token: last.filter(|_| page.has_more) }))
}

/// Of all filters the simulator knows one: `display_name="…"`.
fn display_name(filter: &str) -> Result<String, Refusal> {
    let value = filter.strip_prefix("display_name=").or_else(|| filter.strip_prefix("displayName="));
    let value = value.map(|value| value.trim().trim_matches('"')).filter(|value| !value.contains([' ', '"']));
    value.map(str::to_owned).ok_or_else(|| bad_value("filter", "is not like display_name=\"…\""))
}

pub fn show(shelves: &mut Shelves, name: &str) -> Result<Answer, Refusal> {
    let Shelves { files, vertex, ledger, .. } = shelves;
    let job = vertex.get(name).ok_or_else(|| not_found("job", name))?;
    let has_output = job.look(ledger) && job.state != State::Failed;
    if has_output {
        output::write(files, job);
    }
    Ok(Answer::json(&shown(job)))
}

/// Answered at once; whether it has been cancelled, the next look tells.
pub fn cancel(shelves: &mut Shelves, name: &str) -> Result<Answer, Refusal> {
    let job = shelves.vertex.get(name).ok_or_else(|| not_found("job", name))?;
    if job.state.has_ended() {
        return Err(Refusal::invalid("The job is over: it cannot be cancelled."));
    }
    job.cancel();
    Ok(Answer::json(&serde_json::Map::new()))
}

pub fn delete(shelves: &mut Shelves, name: &str) -> Result<Answer, Refusal> {
    let job = shelves.vertex.get(name).ok_or_else(|| not_found("job", name))?;
    if !job.state.has_ended() {
        return Err(Refusal::new(Kind::InvalidRequest, "The job is not over: it cannot be deleted."));
    }
    shelves.vertex.remove(name);
    let response = Nothing { kind: "type.googleapis.com/google.protobuf.Empty" };
    Ok(Answer::json(&Done { name: format!("{name}/operations/1"), done: true, response }))
}
