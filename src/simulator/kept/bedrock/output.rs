//! What a job leaves behind in its bucket: the answers to a file of requests, and a summary.

use bytes::{BufMut, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::super::answer::write_json;
use super::super::batch::Batch;
use super::super::file::Origin;
use super::super::line::{Line, Outcome};
use super::super::stock::Files;
use super::create::Details;
use super::s3;
use crate::error::{Kind, Refusal};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    model_input: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_output: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Wrong>,
    record_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wrong {
    error_code: u16,
    error_message: String,
}

/// `manifest.json.out`
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    total_record_count: usize,
    processed_record_count: usize,
    success_record_count: usize,
    error_record_count: usize,
    input_token_count: u64,
    output_token_count: u64,
}

/// What is read of an answer.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answered {
    message: String,
    usage: Usage,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Usage {
    input_tokens: u64,
    output_tokens: u64,
}

/// Lines that were never run have no answer. The order is no one's promise.
pub fn write(files: &mut Files, job: &Batch<Details>) -> Result<(), Refusal> {
    let counts = job.counts();
    let mut manifest = Manifest {
        total_record_count: counts.total,
        processed_record_count: counts.succeeded + counts.failed,
        success_record_count: counts.succeeded,
        error_record_count: counts.failed,
        ..Manifest::default()
    };
    let mut lines: Vec<&Line> = job.lines.iter().collect();
    lines.sort_by_cached_key(|line| line.digest());
    let mut out = BytesMut::new();
    for line in lines {
        let Some(Outcome::Answered { status, body }) = &line.outcome else { continue };
        let not_json = |_| Refusal::new(Kind::Internal, "A line is no JSON.");
        let model_input = serde_json::from_slice(&line.body).map_err(not_json)?;
        let answered: Answered = serde_json::from_slice(body).unwrap_or_default();
        manifest.input_token_count += answered.usage.input_tokens;
        manifest.output_token_count += answered.usage.output_tokens;
        let (model_output, error) = match status.is_success() {
            true => (Some(serde_json::from_slice(body).map_err(not_json)?), None),
            false => (None, Some(Wrong { error_code: status.as_u16(), error_message: answered.message })),
        };
        write_json(&mut out, &Shown { model_input, model_output, error, record_id: &line.name });
        out.put_u8(b'\n');
    }
    let (bucket, prefix) = &job.details.output;
    let folder = format!("{prefix}{}", job.id.rsplit('/').next().unwrap_or_default());
    let answers = format!("{folder}/{}.out", job.details.file);
    if !out.is_empty() {
        s3::keep(files, bucket, &answers, "application/octet-stream", out.freeze(), Origin::Vendor);
    }
    let mut summary = BytesMut::new();
    write_json(&mut summary, &manifest);
    let summary_key = format!("{folder}/manifest.json.out");
    s3::keep(files, bucket, &summary_key, "application/json", summary.freeze(), Origin::Vendor);
    Ok(())
}
