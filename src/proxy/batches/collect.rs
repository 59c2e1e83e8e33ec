//! A batch's results, made into the two files that its client reads: what was answered, and what failed.
//!
//! First they are stored as they come, in any order, one per line for ever. Then the lines are read once more, in order, and each is
//! told its end. Whichever of the two breaks off is begun anew and changes nothing that is done.

use std::collections::VecDeque;

use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::convert::{Ended, Reader, carry};
use super::flow::Flow;
use super::job::{Job, json};
use crate::batches::{Counts, Line, Outcome, ResultLine, Status, Usage};
use crate::error::Failure;
use crate::files::{FileObject, Shape};
use crate::proxy::desk::{now, unavailable};
use crate::proxy::files::{Writer, nothing};
use crate::routing::Upstream;
use crate::store::{LineResult, Place, StoredFile};

/// Results that are read from the store at once.
const AT_ONCE: usize = 200;

/// A line's end as it is stored.
#[derive(Serialize, Deserialize)]
enum Stored {
    Answered {
        status: u16,
        body: Box<RawValue>,
    },
    /// The body is no JSON.
    Said {
        status: u16,
        text: String,
    },
    Canceled,
    Expired,
}

/// Keeps how a line ended. `false`: that was known already.
pub async fn keep(job: &Job<'_>, line: u64, ended: Ended) -> Result<bool, Failure> {
    let is_error = !matches!(&ended, Ended::Answered { status, .. } if status.is_success());
    let stored = match ended {
        Ended::Canceled => Stored::Canceled,
        Ended::Expired => Stored::Expired,
        Ended::Answered { status, body } => match serde_json::from_slice(&body) {
            Ok(body) => Stored::Answered { status: status.as_u16(), body },
            Err(_) => Stored::Said { status: status.as_u16(), text: String::from_utf8_lossy(&body).into_owned() },
        },
    };
    let result = LineResult { line, is_error, text: json(&stored) };
    let kept = job.desk.gateway.store.put_result(job.tenant(), job.id(), &result).await;
    kept.map_err(|why| Failure::from(&unavailable(&why)))
}

/// Tells every line its end. When it is done the batch is over.
pub async fn assemble(job: &mut Job<'_>, flow: Flow) -> Result<(), Failure> {
    let upstream = match flow {
        Flow::Native(_) => Some(job.upstream()?),
        Flow::Emulated => None,
    };
    let mut output = Out::begin(job, "batch_output", "output").await?;
    let mut errors = Out::begin(job, "batch_output", "errors").await?;
    let told = tell(job, upstream.as_deref(), &mut output, &mut errors).await;
    let (counts, usage) = match told {
        Ok(told) => told,
        Err(failure) => {
            output.writer.give_up().await;
            errors.writer.give_up().await;
            return Err(failure);
        }
    };
    job.batch.output_file_id = output.finish().await?;
    job.batch.error_file_id = errors.finish().await?;
    job.work.counts = counts;
    job.batch.request_counts = Some(counts.as_openai());
    if job.batch.usage.is_none() && !usage.is_nothing() {
        job.batch.usage = Some(usage);
    }
    let is_cancelled = matches!(job.batch.status, Status::Cancelling | Status::Cancelled);
    job.end(if is_cancelled { Status::Cancelled } else { counts.verdict() });
    Ok(())
}

async fn tell(
    job: &Job<'_>,
    upstream: Option<&Upstream>,
    output: &mut Out,
    errors: &mut Out,
) -> Result<(Counts, Usage), Failure> {
    let (mut counts, mut usage) = (Counts::default(), Usage::default());
    let mut reader = Reader::new(job.input().await?);
    let mut results = Results { found: VecDeque::new(), after: None };
    while let Some((number, text)) = reader.next().await? {
        let stored = results.of(job, number).await?;
        let told = told(job, upstream, number, &text, stored);
        counts.total += 1;
        let (out, count) = match told.outcome() {
            Outcome::Succeeded => (&mut *output, &mut counts.succeeded),
            Outcome::Errored => (&mut *errors, &mut counts.errored),
            Outcome::Canceled => (&mut *errors, &mut counts.canceled),
            Outcome::Expired => (&mut *errors, &mut counts.expired),
        };
        *count += 1;
        if let Some(more) = told.usage() {
            usage.add(more);
        }
        out.write(&told).await?;
    }
    Ok((counts, usage))
}

fn told(job: &Job<'_>, upstream: Option<&Upstream>, number: u64, text: &Bytes, stored: Option<Stored>) -> ResultLine {
    let id = format!("{}_{number}", job.id());
    let line = Line::read(text, None);
    let custom_id = line.as_ref().map(|line| line.custom_id.clone()).unwrap_or_default();
    let ended = match stored {
        Some(Stored::Answered { status, body }) => answered(status, Bytes::from(String::from(Box::<str>::from(body)))),
        Some(Stored::Said { status, text }) => answered(status, Bytes::from(text)),
        Some(Stored::Canceled) => Ended::Canceled,
        Some(Stored::Expired) => Ended::Expired,
        None if job.stored.is_cancel_wanted => Ended::Canceled,
        None if job.batch.expires_at.is_some_and(|end| end <= now()) => Ended::Expired,
        None => return ResultLine::failed(id, custom_id, "no_result", "The provider gave no result for this request."),
    };
    match (upstream, line) {
        (Some(upstream), Ok(_)) => match carry(job.desk, upstream, text, false) {
            Ok(carried) => carried.tell(job.id(), number, ended),
            Err(problem) => ResultLine::failed(id, custom_id, &problem.code, &problem.message),
        },
        (_, Err(problem)) => ResultLine::failed(id, custom_id, &problem.code, &problem.message),
        (None, Ok(_)) => match ended {
            Ended::Canceled => ResultLine::cancelled(id, custom_id),
            Ended::Expired => ResultLine::expired(id, custom_id),
            Ended::Answered { status, body } => {
                ResultLine::answered(id.clone(), custom_id, status.as_u16(), Some(id), &body)
            }
        },
    }
}

fn answered(status: u16, body: Bytes) -> Ended {
    Ended::Answered { status: StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY), body }
}

/// The stored results in the order of their lines.
struct Results {
    found: VecDeque<LineResult>,
    after: Option<u64>,
}

impl Results {
    /// That of a line, if there is one. Lines are asked for in order.
    async fn of(&mut self, job: &Job<'_>, line: u64) -> Result<Option<Stored>, Failure> {
        if self.found.is_empty() {
            let found = job.desk.gateway.store.results(job.tenant(), job.id(), self.after, AT_ONCE).await;
            self.found = found.map_err(|why| Failure::from(&unavailable(&why)))?.into();
        }
        while let Some(first) = self.found.front() {
            if first.line > line {
                return Ok(None);
            }
            let Some(first) = self.found.pop_front() else { break };
            self.after = Some(first.line);
            if first.line == line {
                return Ok(serde_json::from_str(first.text.get()).ok());
            }
        }
        Ok(None)
    }
}

/// A file of results that is being written.
struct Out {
    writer: Writer,
    file: StoredFile,
    lines: u64,
}

impl Out {
    /// Its id is the same for every try: one that broke off is begun anew.
    async fn begin(job: &Job<'_>, purpose: &str, what: &str) -> Result<Self, Failure> {
        let name = job.id().trim_start_matches("batch_").trim_start_matches("msgbatch_");
        let file = StoredFile {
            id: format!("file-{name}-{what}"),
            tenant: job.stored.tenant.clone(),
            place: Place::Here,
            purpose: purpose.to_owned(),
            filename: format!("{}_{what}.jsonl", job.id()),
            bytes: 0,
            created: now(),
            expires: None,
            object: nothing(),
            notes: nothing(),
        };
        let writer = Writer::begin(&job.desk.gateway.store, file.clone()).await;
        Ok(Self { writer: writer.map_err(|why| Failure::from(&unavailable(&why)))?, file, lines: 0 })
    }

    async fn write(&mut self, line: &ResultLine) -> Result<(), Failure> {
        let mut text = line.text();
        text.push('\n');
        self.lines += 1;
        self.writer.write(text.as_bytes()).await.map_err(|why| Failure::from(&unavailable(&why)))
    }

    /// Its id, if there is anything in it.
    async fn finish(mut self) -> Result<Option<String>, Failure> {
        if self.lines == 0 {
            self.writer.give_up().await;
            return Ok(None);
        }
        self.file.bytes = self.writer.bytes();
        let StoredFile { id, filename, purpose, bytes, created, .. } = self.file.clone();
        let object = FileObject { id: id.clone(), filename, purpose, bytes, created, ..FileObject::default() };
        self.file.object = json(&object.shown(Shape::Openai));
        self.writer.finish(&self.file).await.map_err(|why| Failure::from(&unavailable(&why)))?;
        Ok(Some(id))
    }
}
