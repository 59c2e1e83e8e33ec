//! `/model-invocation-job/{arn}` and `/model-invocation-jobs`.

use serde::Serialize;

use super::super::super::answer::Answer;
use super::super::Call;
use super::super::batch::{Batch, State};
use super::super::page::{limit, page};
use super::super::stock::{Batches, Shelves};
use super::super::{not_found, time};
use super::create::{Asked, Details};
use super::output;
use crate::error::Refusal;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    job_arn: &'a str,
    #[serde(flatten)]
    asked: &'a Asked,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    submit_time: String,
    last_modified_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<String>,
    job_expiration_time: String,
    total_record_count: usize,
    processed_record_count: usize,
    success_record_count: usize,
    error_record_count: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    invocation_job_summaries: Vec<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<&'a str>,
}

fn shown(job: &Batch<Details>) -> Shown<'_> {
    let (details, counts) = (&job.details, job.counts());
    let message = match job.state {
        State::Failed => Some(details.problem.as_deref().unwrap_or("The simulator was told to fail this job.")),
        _ => None,
    };
    Shown {
        job_arn: &job.id,
        asked: &details.asked,
        status: status(job),
        message,
        submit_time: time(job.made),
        last_modified_time: time(job.ended.or(job.cancelling).or(job.started).unwrap_or(job.made)),
        end_time: job.ended.map(time),
        job_expiration_time: time(job.made + details.hours * 3600),
        total_record_count: counts.total,
        processed_record_count: counts.succeeded + counts.failed,
        success_record_count: counts.succeeded,
        error_record_count: counts.failed,
    }
}

/// One that was not done in time has either not been begun, or not been finished.
fn status(job: &Batch<Details>) -> &'static str {
    let counts = job.counts();
    match job.state {
        State::New => "Submitted",
        State::Running | State::Finishing => "InProgress",
        State::Cancelling => "Stopping",
        State::Completed => "Completed",
        State::Failed => "Failed",
        State::Expired if counts.succeeded + counts.failed > 0 => "PartiallyCompleted",
        State::Expired => "Expired",
        State::Cancelled => "Stopped",
    }
}

pub fn list(shelves: &Shelves, call: &Call) -> Result<Answer, Refusal> {
    let (name, wanted) = (call.parameter("nameContains"), call.parameter("statusEquals"));
    let is_meant = |job: &&Batch<Details>| {
        name.as_ref().is_none_or(|name| job.details.asked.job_name.as_ref().is_some_and(|own| own.contains(name)))
            && wanted.as_ref().is_none_or(|wanted| status(job) == wanted)
    };
    let most = limit(call.parameter("maxResults").as_deref(), 100, 1000)?;
    let after = call.parameter("nextToken");
    let page = match call.parameter("sortOrder").as_deref() {
        Some("Ascending") => page(shelves.bedrock.iter().rev().filter(is_meant), after.as_deref(), most)?,
        _ => page(shelves.bedrock.iter().filter(is_meant), after.as_deref(), most)?,
    };
    let next_token = page.items.last().map(|job| job.id.as_str()).filter(|_| page.has_more);
    let invocation_job_summaries = page.items.iter().map(|job| shown(job)).collect();
    Ok(Answer::json(&List { invocation_job_summaries, next_token }))
}

pub fn show(shelves: &mut Shelves, id: &str) -> Result<Answer, Refusal> {
    let Shelves { files, bedrock, ledger, .. } = shelves;
    let job = find(bedrock, id)?;
    if job.look(ledger) && job.state != State::Failed {
        output::write(files, job)?;
    }
    Ok(Answer::json(&shown(job)))
}

/// Answered with nothing; whether it has stopped, the next look tells.
pub fn stop(shelves: &mut Shelves, id: &str) -> Result<Answer, Refusal> {
    let job = find(&mut shelves.bedrock, id)?;
    if job.state.has_ended() {
        return Err(Refusal::invalid(format!("A job that is done cannot be stopped. State was: {}", status(job))));
    }
    job.cancel();
    Ok(Answer::json(&serde_json::Map::new()))
}

/// By its ARN, or the end of it.
fn find<'s>(jobs: &'s mut Batches<Details>, id: &str) -> Result<&'s mut Batch<Details>, Refusal> {
    let arn = jobs.iter().map(|job| &job.id).find(|arn| *arn == id || arn.rsplit('/').next() == Some(id)).cloned();
    arn.and_then(|arn| jobs.get(&arn)).ok_or_else(|| not_found("job", id))
}
