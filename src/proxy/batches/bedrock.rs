//! Bedrock's model invocation jobs: lines in a bucket of S3, for one model, answered into the same bucket.
//!
//! Sources: `CreateModelInvocationJob` and its kin in the service model `bedrock` 2023-04-20 of botocore 1.44; Amazon Bedrock User Guide,
//! "Format and upload your batch inference data" (lines), "View the results of a batch inference job" (answers, errors, their
//! files) and "Process multiple prompts with batch inference" (no tools).

use bytes::Bytes;
use http::StatusCode;
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::collect;
use super::convert::{Carried, Ended, Reader};
use super::flow::Progress;
use super::job::Job;
use super::s3::Storage;
use super::send::{Form, Pieces, measure, only_model};
use crate::batches::{Counts, LONGEST_LINE, Problem, Status};
use crate::error::{Failure, Garbled, Kind};
use crate::json::Object;
use crate::providers::UNRESERVED;
use crate::proxy::ask::Body;
use crate::proxy::desk::{Ask, now};

/// So many pages of a list are looked through for what may have been made before.
const MOST_PAGES: usize = 100;
/// The hours that a job may be given.
const HOURS: (u64, u64) = (24, 168);
/// An answer repeats its request, perhaps with other escapes.
const LONGEST_ANSWER: usize = 4 * LONGEST_LINE;
/// What the files of answers end in.
const ANSWERS: &str = ".jsonl.out";

/// What a job's lines may not be, of what models otherwise take: such lines are answered with 400, hours later.
pub fn check(body: &Bytes) -> Result<(), Problem> {
    match Object::read(body.clone()).is_ok_and(|body| body.get("toolConfig").is_some()) {
        false => Ok(()),
        true => {
            let message = "Bedrock takes no tools in batches, neither offered ones nor called ones";
            Err(Problem::new("unsupported_parameter", message, Some("body.tools")))
        }
    }
}

/// What the job and its folder are called. A batch that was deleted, and made again by the same `idempotency-key`, is another.
fn name(job: &Job<'_>) -> String {
    format!("narthex-{}-{}", job.mark(), job.batch.created_at)
}

/// A folder of the batch's own holds what is asked and what is answered.
fn folder(job: &Job<'_>, storage: &Storage<'_>) -> String {
    storage.key(&format!("{}/", name(job)))
}

pub async fn submit(job: &mut Job<'_>) -> Result<(), Failure> {
    let upstream = job.upstream()?;
    let storage = Storage::of(job.desk, &upstream)?;
    let mark = job.mark().to_owned();
    let write = move |number: u64, carried: &Carried| {
        let input = String::from_utf8_lossy(&carried.body).replace(['\n', '\r'], " ");
        format!("{{\"recordId\":\"{mark}-{number}\",\"modelInput\":{input}}}\n")
    };
    let form = Form { start: "", between: "", end: "", write: &write };
    let bytes = measure(job, &upstream, &form).await?;
    let model = only_model(job, &upstream).await?;
    let folder = folder(job, &storage);
    if !job.work.uploads.contains(&storage.uri(&folder)) {
        job.work.uploads.push(storage.uri(&folder));
    }
    if job.is_asked_again().await?
        && let Some(arn) = found(job).await?
    {
        job.stored.upstream_id = Some(arn);
        return Ok(());
    }
    let input = format!("{folder}input.jsonl");
    let is_there = job.work.is_resumed
        && storage.below(&input).await?.iter().any(|object| object.key == input && object.size == bytes);
    if !is_there {
        let mut talk = storage.put(&input, bytes).await?;
        let mut pieces = Pieces::of(job, &form).await?;
        while let Some(piece) = pieces.next(job, &upstream).await? {
            // Whoever refuses it without reading all of it says why.
            if !talk.write(piece).await {
                break;
            }
        }
        storage.finish(&input, talk).await?;
    }
    let role = upstream.instance.option("batch_role").unwrap_or_default();
    let body = json!({
        "jobName": name(job),
        "clientRequestToken": name(job),
        "roleArn": role,
        "modelId": &*model,
        "modelInvocationType": "Converse",
        "inputDataConfig": { "s3InputDataConfig": { "s3InputFormat": "JSONL", "s3Uri": storage.uri(&input) } },
        "outputDataConfig": { "s3OutputDataConfig": { "s3Uri": storage.uri(&format!("{folder}output/")) } },
        "timeoutDurationInHours": hours(job),
    });
    let ask = Ask::post("model-invocation-job", Body::Json(Bytes::from(body.to_string())));
    let arn = match job.desk.ask(&upstream, ask).await {
        Ok(told) => read::<Made>(&told.body)?.job_arn,
        Err(failure) if failure.kind == Kind::Conflict => found(job).await?.ok_or(failure)?,
        Err(failure) => return Err(failure),
    };
    job.stored.upstream_id = Some(arn);
    Ok(())
}

/// As long as its client waits, as far as a job can be given so much or so little. The same whenever it is asked for.
fn hours(job: &Job<'_>) -> u64 {
    let window = job.batch.expires_at.unwrap_or_default().saturating_sub(job.batch.created_at);
    window.div_ceil(3600).clamp(HOURS.0, HOURS.1)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    job_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Theirs {
    status: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    success_record_count: u64,
    #[serde(default)]
    error_record_count: u64,
    output_data_config: Output,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    s3_output_data_config: Place,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    s3_uri: String,
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|_| Garbled::new("it shows no job").into())
}

/// The job of this name, if it was made by a process that could not write that down any more.
async fn found(job: &Job<'_>) -> Result<Option<String>, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct List {
        #[serde(default)]
        invocation_job_summaries: Vec<Summary>,
        #[serde(default)]
        next_token: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Summary {
        job_arn: String,
        job_name: String,
    }
    let (upstream, name) = (job.upstream()?, name(job));
    let first = format!("nameContains={name}&maxResults=100");
    let mut query = first.clone();
    for _ in 0..MOST_PAGES {
        let ask = Ask { query: Some(&query), ..Ask::get("model-invocation-jobs") };
        let told = job.desk.ask(&upstream, ask).await?;
        let list: List = serde_json::from_slice(&told.body).map_err(|_| Garbled::new("it is no list of jobs"))?;
        if let Some(summary) = list.invocation_job_summaries.into_iter().find(|summary| summary.job_name == name) {
            return Ok(Some(summary.job_arn));
        }
        let Some(next) = list.next_token.filter(|next| !next.is_empty()) else { break };
        query = format!("{first}&nextToken={}", utf8_percent_encode(&next, UNRESERVED));
    }
    Ok(None)
}

/// An ARN is one segment, as botocore writes it.
fn path(job: &Job<'_>) -> Result<String, Failure> {
    Ok(format!("model-invocation-job/{}", utf8_percent_encode(job.upstream_id()?, UNRESERVED)))
}

async fn theirs(job: &Job<'_>) -> Result<Theirs, Failure> {
    let told = job.desk.ask(&*job.upstream()?, Ask::get(&path(job)?)).await?;
    read(&told.body)
}

pub async fn look(job: &mut Job<'_>) -> Result<Progress, Failure> {
    let theirs = theirs(job).await?;
    let counts = Counts {
        total: job.work.counts.total,
        succeeded: theirs.success_record_count,
        errored: theirs.error_record_count,
        ..Counts::default()
    };
    let is_changed = std::mem::replace(&mut job.work.counts, counts) != counts;
    job.batch.request_counts = Some(counts.as_openai());
    match theirs.status.as_str() {
        "Completed" | "PartiallyCompleted" | "Stopped" | "Expired" => Ok(Progress::Ended),
        // What was answered before it failed has been paid for.
        "Failed" if answers(job, &theirs).await.is_ok_and(|keys| !keys.is_empty()) => Ok(Progress::Ended),
        "Failed" => {
            job.fail(&theirs.failure());
            Ok(Progress::Over)
        }
        "Stopping" => {
            job.batch.enter(Status::Cancelling, now());
            Ok(Progress::Waiting { is_changed })
        }
        _ => {
            // A job that is not in a state to be stopped does not take note of it.
            if job.batch.cancelling_at.is_some() {
                cancel(job).await?;
            }
            Ok(Progress::Waiting { is_changed })
        }
    }
}

impl Theirs {
    fn failure(&self) -> Failure {
        let message = Some(self.message.as_str()).filter(|message| !message.is_empty());
        Failure::of_kind(Kind::Upstream, message.unwrap_or("Bedrock could not carry it out."))
    }

    /// How the lines ended that have no answer.
    fn rest(&self) -> Option<Ended> {
        match self.status.as_str() {
            "Stopped" => Some(Ended::Canceled),
            "Expired" | "PartiallyCompleted" => Some(Ended::Expired),
            "Failed" => Some(errored(json!({ "errorCode": 502, "errorMessage": self.failure().message }))),
            _ => None,
        }
    }
}

pub async fn cancel(job: &mut Job<'_>) -> Result<(), Failure> {
    let path = format!("{}/stop", path(job)?);
    match job.desk.ask(&*job.upstream()?, Ask::post(&path, Body::None)).await {
        Ok(_) => Ok(()),
        // It has ended meanwhile, or cannot be stopped yet.
        Err(failure) if matches!(failure.kind, Kind::InvalidRequest | Kind::Conflict) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// The files of its answers: one for each of its input, in a folder that is named by its id.
async fn answers(job: &Job<'_>, theirs: &Theirs) -> Result<Vec<String>, Failure> {
    let upstream = job.upstream()?;
    let storage = Storage::of(job.desk, &upstream)?;
    let uri = &theirs.output_data_config.s3_output_data_config.s3_uri;
    let Some(folder) = storage.key_of(uri) else {
        let message = format!("The answers are at {uri}, and batch_bucket of `{}` is another by now.", upstream.name());
        return Err(Failure::of_kind(Kind::NotFound, message));
    };
    let found = storage.below(folder).await?;
    Ok(found.into_iter().map(|object| object.key).filter(|key| key.ends_with(ANSWERS)).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TheirLine<'a> {
    record_id: String,
    #[serde(borrow, default)]
    model_output: Option<&'a RawValue>,
    #[serde(default)]
    error: Value,
}

pub async fn results(job: &Job<'_>) -> Result<(), Failure> {
    let theirs = theirs(job).await?;
    let upstream = job.upstream()?;
    let storage = Storage::of(job.desk, &upstream)?;
    for key in answers(job, &theirs).await? {
        let mut reader = Reader::up_to(storage.read(&key).await?, LONGEST_ANSWER);
        while let Some((_, text)) = reader.next().await? {
            let line: TheirLine<'_> =
                serde_json::from_slice(&text).map_err(|_| Garbled::new("a line of the results makes no sense"))?;
            let Some(number) = job.line_number(&line.record_id) else {
                log::warn!("{}: {} holds a line of another batch", job.id(), storage.uri(&key));
                continue;
            };
            let ended = match line.model_output {
                Some(output) => {
                    Ended::Answered { status: StatusCode::OK, body: Bytes::copy_from_slice(output.get().as_bytes()) }
                }
                None => errored(line.error),
            };
            collect::keep(job, number, ended).await?;
        }
    }
    if theirs.rest().is_some() {
        let mut reader = Reader::new(job.input().await?);
        while let Some((number, _)) = reader.next().await? {
            if let Some(ended) = theirs.rest() {
                collect::keep(job, number, ended).await?;
            }
        }
    }
    Ok(())
}

/// `{"errorCode": 400, "errorMessage": "…"}`, as Converse would have said it.
fn errored(error: Value) -> Ended {
    let code = error.get("errorCode");
    let code = code.and_then(|code| code.as_u64().or_else(|| code.as_str()?.parse().ok()));
    let status = code.and_then(|code| StatusCode::from_u16(u16::try_from(code).ok()?).ok());
    let status = status.filter(|status| status.is_client_error() || status.is_server_error());
    let message = error.get("errorMessage").and_then(Value::as_str).unwrap_or("Bedrock gave no answer and no reason.");
    Ended::Answered {
        status: status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        body: Bytes::from(json!({ "message": message }).to_string()),
    }
}

/// Takes away what was asked and what was answered.
pub async fn tidy(job: &mut Job<'_>) {
    for uri in std::mem::take(&mut job.work.uploads) {
        if let Err(why) = cleared(job, &uri).await {
            log::warn!("what is below {uri} of {} is left behind: {}", job.id(), why.message);
        }
    }
}

async fn cleared(job: &Job<'_>, uri: &str) -> Result<(), Failure> {
    let upstream = job.upstream()?;
    let storage = Storage::of(job.desk, &upstream)?;
    let another =
        || Failure::of_kind(Kind::NotFound, format!("batch_bucket of `{}` is another by now.", upstream.name()));
    let folder = storage.key_of(uri).ok_or_else(another)?;
    for object in storage.below(folder).await? {
        storage.remove(&object.key).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_what_converse_would_have_said() {
        let told = |error| match errored(error) {
            Ended::Answered { status, body } => (status.as_u16(), String::from_utf8_lossy(&body).into_owned()),
            Ended::Canceled | Ended::Expired => panic!("it was answered"),
        };
        let bad = (400, r#"{"message":"bad request"}"#.to_owned());
        assert_eq!(told(json!({"errorCode": 400, "errorMessage": "bad request"})), bad);
        assert_eq!(told(json!({"errorCode": "400", "errorMessage": "bad request"})), bad);
        for odd in [json!(null), json!({}), json!({"errorCode": 200}), json!({"errorCode": 70_000}), json!("x")] {
            assert_eq!(told(odd).0, 500);
        }
    }

    #[test]
    fn lines_with_tools_are_found_out() {
        assert!(check(&Bytes::from_static(br#"{"messages":[]}"#)).is_ok());
        let problem = check(&Bytes::from_static(br#"{"messages":[],"toolConfig":{"tools":[]}}"#)).expect_err("tools");
        assert_eq!(problem.param.as_deref(), Some("body.tools"));
    }
}
