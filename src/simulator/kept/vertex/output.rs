//! What a job leaves behind: one object, a line for each request that it has come to.

use bytes::{BufMut, BytesMut};
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::super::answer::write_json;
use super::super::batch::Batch;
use super::super::file::Origin;
use super::super::line::Outcome;
use super::super::stock::Files;
use super::create::Details;
use super::{storage, time};

#[derive(Serialize)]
struct Shown<'a> {
    custom_id: &'a str,
    status: String,
    processed_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a RawValue>,
    response: Option<&'a RawValue>,
}

/// Writes the answers, in another order than that of the requests: none is promised.
pub fn write(files: &mut Files, job: &mut Batch<Details>) {
    let ended = time(job.ended.unwrap_or(job.made));
    let mut lines: Vec<_> = job.lines.iter().zip(&job.details.requests).collect();
    lines.sort_by_cached_key(|(line, _)| line.digest());
    let nothing = serde_json::from_str("{}").ok();
    let mut out = BytesMut::new();
    for (line, request) in lines {
        let Some(Outcome::Answered { status, body }) = &line.outcome else { continue };
        let (status, response) = match status.is_success() {
            true => (String::new(), serde_json::from_slice(body).ok()),
            false => {
                let name = status.canonical_reason().unwrap_or_default();
                (format!("{name}: {}", String::from_utf8_lossy(body)), nothing)
            }
        };
        let request = serde_json::from_slice(request).ok();
        write_json(
            &mut out,
            &Shown { custom_id: &line.name, status, processed_time: ended.clone(), request, response },
        );
        out.put_u8(b'\n');
    }
    let directory = format!("{}/prediction-model-{}", job.details.prefix.trim_end_matches('/'), time(job.made));
    if let Some((bucket, below)) = directory.strip_prefix("gs://").and_then(|rest| rest.split_once('/')) {
        let name = format!("{below}/predictions.jsonl");
        storage::keep(files, bucket, &name, "application/octet-stream", out.freeze(), Origin::Vendor);
    }
    job.details.directory = Some(directory);
}
