//! A batch as Gemini shows it: a long-running operation, whose `metadata` is the batch.

use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::batch::{Batch, State};
use super::super::line::{self, Outcome};
use super::create::{Details, Input};
use super::time;
use crate::error::{Kind, Refusal};

/// The name of a message, as protobuf's JSON says it.
macro_rules! kind {
    ($name:literal) => {
        concat!("type.googleapis.com/google.ai.generativelanguage.v1main.", $name)
    };
}

#[derive(Serialize)]
pub struct Operation<'a> {
    name: &'a str,
    metadata: Metadata<'a>,
    /// Left out while false, as protobuf's JSON does.
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<Response<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(rename = "@type")]
    kind: &'static str,
    model: &'a str,
    display_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_config: Option<InputConfig<'a>>,
    /// The SDK reads it here, and not in `response`.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Output<'a>>,
    create_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<String>,
    update_time: String,
    batch_stats: Stats,
    state: &'static str,
    name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InputConfig<'a> {
    file_name: &'a str,
}

#[derive(Serialize)]
struct Response<'a> {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(flatten)]
    output: Output<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Output<'a> {
    ResponsesFile(&'a str),
    #[serde(rename_all = "camelCase")]
    InlinedResponses {
        inlined_responses: Vec<Line<'a>>,
    },
}

/// The answer to one request: with its key in a file, with its metadata elsewhere.
#[derive(Serialize)]
pub struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a RawValue>,
}

/// `google.rpc.Status`.
#[derive(Debug, PartialEq, Serialize)]
struct Status {
    code: u32,
    message: String,
}

/// Numbers of 64 bits are strings, and what is none is left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    request_count: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_request_count: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    successful_request_count: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_request_count: Option<String>,
}

pub fn shown(batch: &Batch<Details>) -> Result<Operation<'_>, Refusal> {
    let details = &batch.details;
    let counts = batch.counts();
    let count = |count: usize| (count > 0).then(|| count.to_string());
    let (state, error) = state(batch);
    let has_output = batch.state == State::Completed;
    let output = || has_output.then(|| output(batch)).transpose();
    let (kind, output_kind) = match details.embeds {
        false => (kind!("GenerateContentBatch"), kind!("GenerateContentBatchOutput")),
        true => (kind!("EmbedContentBatch"), kind!("EmbedContentBatchOutput")),
    };
    let metadata = Metadata {
        kind,
        model: &details.model,
        display_name: &details.display_name,
        input_config: match &details.input {
            Input::File(file_name) => Some(InputConfig { file_name }),
            Input::Inline(_) => None,
        },
        output: output()?,
        create_time: time(batch.made),
        end_time: batch.ended.map(time),
        update_time: time(batch.ended.or(batch.started).unwrap_or(batch.made)),
        batch_stats: Stats {
            request_count: counts.total.to_string(),
            pending_request_count: count(counts.pending()),
            successful_request_count: count(counts.succeeded),
            failed_request_count: count(counts.failed),
        },
        state,
        name: &batch.id,
    };
    let response = output()?.map(|output| Response { kind: output_kind, output });
    Ok(Operation { name: &batch.id, metadata, done: batch.state.has_ended().then_some(true), error, response })
}

/// An operation that is done has an answer or an error. Which errors a batch that did not succeed has is a guess.
fn state(batch: &Batch<Details>) -> (&'static str, Option<Status>) {
    let error = |code, message: &str| Some(Status { code, message: message.to_owned() });
    match batch.state {
        State::New => ("BATCH_STATE_PENDING", None),
        State::Running | State::Finishing | State::Cancelling => ("BATCH_STATE_RUNNING", None),
        State::Completed => ("BATCH_STATE_SUCCEEDED", None),
        State::Failed => {
            let problem = batch.details.problem.as_deref();
            match problem {
                Some(problem) => ("BATCH_STATE_FAILED", error(3, problem)),
                None => ("BATCH_STATE_FAILED", error(13, "The simulator was told to fail this batch.")),
            }
        }
        State::Expired => ("BATCH_STATE_EXPIRED", error(4, "The batch was not finished in time.")),
        State::Cancelled => ("BATCH_STATE_CANCELLED", error(1, "The batch was cancelled.")),
    }
}

fn output(batch: &Batch<Details>) -> Result<Output<'_>, Refusal> {
    match (&batch.details.input, &batch.details.responses_file) {
        (Input::Inline(metadata), _) => {
            let answers = batch.lines.iter().zip(metadata);
            let answers = answers.map(|(line, metadata)| Line::of(line, None, metadata.as_deref()));
            Ok(Output::InlinedResponses { inlined_responses: answers.collect::<Result<_, _>>()? })
        }
        (Input::File(_), Some(name)) => Ok(Output::ResponsesFile(name)),
        (Input::File(_), None) => Err(Refusal::new(Kind::Internal, "The file of the answers is missing.")),
    }
}

impl<'a> Line<'a> {
    pub fn of(line: &'a line::Line, key: Option<&'a str>, metadata: Option<&'a RawValue>) -> Result<Self, Refusal> {
        let mut shown = Self { key, response: None, error: None, metadata };
        match &line.outcome {
            Some(Outcome::Answered { status, body }) if status.is_success() => {
                let not_json = |_| Refusal::new(Kind::Internal, "A line was not answered with JSON.");
                shown.response = Some(serde_json::from_slice(body).map_err(not_json)?);
            }
            Some(Outcome::Answered { status, body }) => {
                shown.error = Some(Status { code: code(*status), message: message(body) });
            }
            Some(Outcome::Cancelled) => shown.error = Some(Status { code: 1, message: "cancelled".to_owned() }),
            Some(Outcome::Expired) | None => {
                shown.error = Some(Status { code: 4, message: "not run in time".to_owned() })
            }
        }
        Ok(shown)
    }
}

/// `google.rpc.Code` of a status.
fn code(status: StatusCode) -> u32 {
    match status.as_u16() {
        400 => 3,
        401 => 16,
        403 => 7,
        404 => 5,
        409 => 10,
        429 => 8,
        501 => 12,
        503 => 14,
        504 => 4,
        // Others of the client's are a failed precondition, others of the server's internal.
        _ if status.is_client_error() => 9,
        _ => 13,
    }
}

fn message(body: &Bytes) -> String {
    #[derive(Deserialize)]
    struct Body {
        error: Told,
    }
    #[derive(Deserialize)]
    struct Told {
        message: String,
    }
    serde_json::from_slice::<Body>(body).map(|body| body.error.message).unwrap_or_default()
}
