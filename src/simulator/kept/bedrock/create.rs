//! `POST /model-invocation-job`: a job is made. What is wrong with its lines shows when they are read, which is later.

use bytes::Bytes;
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::super::answer::{Answer, bad_value, missing};
use super::super::batch::Batch;
use super::super::line::{Line, Outcome};
use super::super::stock::{Files, Shelves};
use super::super::{Call, Ending, digest};
use super::{VENDOR, s3};
use crate::dialects::Dialect;
use crate::error::Refusal;

/// What a job was asked for, as it is shown again.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    pub job_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_request_token: Option<String>,
    pub model_id: Option<String>,
    role_arn: Option<String>,
    input_data_config: Option<Input>,
    output_data_config: Option<Output>,
    timeout_duration_in_hours: Option<u64>,
    model_invocation_type: Option<String>,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    s3_input_data_config: Option<Place>,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    s3_output_data_config: Option<Place>,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    s3_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    s3_input_format: Option<String>,
}

pub struct Details {
    pub asked: Asked,
    pub hours: u64,
    /// The last part of the key of its input.
    pub file: String,
    /// Where its answers go: a bucket, and what their keys begin with.
    pub output: (String, String),
    /// Why it cannot be run.
    pub problem: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Made<'a> {
    job_arn: &'a str,
}

pub fn create(shelves: &mut Shelves, call: &Call) -> Result<Answer, Refusal> {
    let asked: Asked = call.json()?;
    let token = asked.client_request_token.as_deref();
    // It is the same request, and made nothing more than once.
    let is_same = |job: &&Batch<Details>| token.is_some() && job.details.asked.client_request_token.as_deref() == token;
    if let Some(job) = shelves.bedrock.iter().find(is_same) {
        return Ok(Answer::json(&Made { job_arn: &job.id }));
    }
    let (details, input) = checked(asked)?;
    let model = details.asked.model_id.as_deref().unwrap_or_default();
    let (lines, problem) = match read(&mut shelves.files, &input, model) {
        Ok(lines) => (lines, None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    let mut behaviour = call.behaviour.clone();
    if problem.is_some() {
        (behaviour.batch_polls, behaviour.batch_fail) = (Some(0), Some(Ending::Failed));
    }
    let make = |digits: &str| {
        let digits = digits.get(..12).unwrap_or(digits);
        let arn = format!("arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/{digits}");
        Batch::new(arn, lines, &behaviour, Details { problem, ..details })
    };
    Ok(Answer::json(&Made { job_arn: &shelves.bedrock.keep(call.host(), make).id }))
}

/// A job and where its lines are, by the constraints of the service model.
fn checked(asked: Asked) -> Result<(Details, (String, String)), Refusal> {
    let is_word = |text: &str, more: &[u8], most: usize| {
        let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
        text.len() <= most && text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.bytes().all(is_sign)
    };
    let name = asked.job_name.as_deref().ok_or_else(|| missing("jobName"))?;
    if !is_word(name, b"-+.", 63) {
        return Err(bad_value("jobName", "fails to satisfy its pattern"));
    }
    if asked.client_request_token.as_deref().is_some_and(|token| !is_word(token, b"-", 256)) {
        return Err(bad_value("clientRequestToken", "fails to satisfy its pattern"));
    }
    asked.model_id.as_deref().filter(|model| !model.is_empty()).ok_or_else(|| missing("modelId"))?;
    let role = asked.role_arn.as_deref().ok_or_else(|| missing("roleArn"))?;
    if !(role.starts_with("arn:aws") && role.contains(":iam::") && role.contains(":role/")) {
        return Err(bad_value("roleArn", "fails to satisfy its pattern"));
    }
    if asked.model_invocation_type.as_deref() != Some("Converse") {
        return Err(bad_value(
            "modelInvocationType",
            "must be Converse: the simulator invokes no models by InvokeModel",
        ));
    }
    let hours = asked.timeout_duration_in_hours.unwrap_or(24);
    if !(24..=168).contains(&hours) {
        return Err(bad_value("timeoutDurationInHours", "is not between 24 and 168"));
    }
    let input = asked.input_data_config.as_ref().and_then(|config| config.s3_input_data_config.as_ref());
    let output = asked.output_data_config.as_ref().and_then(|config| config.s3_output_data_config.as_ref());
    let input = place(input).ok_or_else(|| bad_value("inputDataConfig", "names no place in S3"))?;
    let mut output = place(output).ok_or_else(|| bad_value("outputDataConfig", "names no place in S3"))?;
    if !output.1.is_empty() && !output.1.ends_with('/') {
        output.1.push('/');
    }
    let file = input.1.rsplit('/').next().unwrap_or_default().to_owned();
    Ok((Details { asked, hours, file, output, problem: None }, input))
}

fn place(place: Option<&Place>) -> Option<(String, String)> {
    let uri = place?.s3_uri.as_deref()?.strip_prefix("s3://")?;
    let (bucket, key) = uri.split_once('/').unwrap_or((uri, ""));
    (!bucket.is_empty()).then(|| (bucket.to_owned(), key.to_owned()))
}

/// `{"recordId": "…", "modelInput": {…}}`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    record_id: Option<String>,
    #[serde(borrow)]
    model_input: Option<&'a RawValue>,
}

/// The lines of a file, or why the job cannot be run.
fn read(files: &mut Files, (bucket, key): &(String, String), model: &str) -> Result<Vec<Line>, String> {
    let found = files.get(VENDOR, &s3::id(bucket, key)).filter(|_| key.ends_with(".jsonl"));
    let file = found.ok_or_else(|| format!("There is no .jsonl file at s3://{bucket}/{key}."))?;
    let content = file.content.bytes().map_err(|refusal| refusal.message)?.clone();
    let path = format!("/model/{}/converse", utf8_percent_encode(model, NON_ALPHANUMERIC));
    let mut lines = Vec::new();
    for (at, text) in content.split(|byte| *byte == b'\n').enumerate() {
        if text.trim_ascii().is_empty() {
            continue;
        }
        let record: Option<Record> = serde_json::from_slice(text).ok();
        let Some(Record { record_id, model_input: Some(input) }) = record else {
            return Err(format!("Record {} is no JSON object with a modelInput.", at + 1));
        };
        // Whoever names none is given one.
        let name = record_id.unwrap_or_else(|| digest(at as u64, &[text]).chars().take(11).collect());
        let body = content.slice_ref(input.get().as_bytes());
        let mut line = Line::new(name, path.clone(), Dialect::Converse, body);
        line.outcome = without_tools(&line.body);
        lines.push(line);
    }
    if lines.is_empty() { Err("The file has no records.".to_owned()) } else { Ok(lines) }
}

/// Converse jobs have no tools: a record that offers some is answered with 400.
fn without_tools(body: &Bytes) -> Option<Outcome> {
    let input: Value = serde_json::from_slice(body).ok()?;
    input.get("toolConfig")?;
    let message = "toolConfig is not supported in batch inference by Converse.";
    let body = Bytes::from(json!({ "message": message }).to_string());
    Some(Outcome::Answered { status: StatusCode::BAD_REQUEST, body })
}
