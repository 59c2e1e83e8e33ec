//! The lines of a batch as one body, of a length that is known before it is sent. They are converted twice, once to be measured: held in
//! memory they would be as large as the file.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::convert::{Carried, Reader, carry};
use super::job::Job;
use crate::batches::Problem;
use crate::error::{Failure, Garbled, Kind, Refusal};
use crate::routing::Upstream;

/// The most problems that are told at once.
const MOST_PROBLEMS: usize = 20;
/// Lines are sent together up to this size.
const PIECE: usize = 256 << 10;

/// What stands around and between the lines, and what each becomes.
pub struct Form<'f> {
    pub start: &'static str,
    pub between: &'static str,
    pub end: &'static str,
    /// A line's number, and what it is made into.
    pub write: &'f (dyn Fn(u64, &Carried) -> String + Sync),
}

/// The body's length. `Err`: some lines cannot be carried out there, each with its reason.
pub async fn measure(job: &Job<'_>, upstream: &Upstream, form: &Form<'_>) -> Result<u64, Failure> {
    let mut reader = Reader::new(job.input().await?);
    let (mut length, mut count) = (form.start.len() + form.end.len(), 0_usize);
    let mut problems = Vec::new();
    while let Some((number, text)) = reader.next().await? {
        match carried(job, upstream, &text) {
            Ok(carried) => {
                length += (form.write)(number, &carried).len();
                count += 1;
            }
            Err(problem) => problems.push(problem.at(number)),
        }
        if problems.len() == MOST_PROBLEMS {
            break;
        }
    }
    length += form.between.len() * count.saturating_sub(1);
    if problems.is_empty() { Ok(u64::try_from(length).unwrap_or(u64::MAX)) } else { Err(refused(&problems)) }
}

/// What the first line becomes, where it can be carried.
pub async fn first(job: &Job<'_>, upstream: &Upstream) -> Result<Option<Carried>, Failure> {
    let line = Reader::new(job.input().await?).next().await?;
    Ok(line.and_then(|(_, text)| carry(job.desk, upstream, &text, false).ok()))
}

/// What the provider calls the model of a batch whose requests are all for one.
pub async fn only_model(job: &Job<'_>, upstream: &Upstream) -> Result<Arc<str>, Failure> {
    let model = first(job, upstream).await?.map(|carried| carried.model);
    model.ok_or_else(|| Garbled::new("the batch has no requests").into())
}

/// The body in pieces.
pub struct Pieces<'f> {
    reader: Reader,
    form: &'f Form<'f>,
    is_begun: bool,
    is_over: bool,
}

impl<'f> Pieces<'f> {
    pub async fn of(job: &Job<'_>, form: &'f Form<'f>) -> Result<Self, Failure> {
        Ok(Self { reader: Reader::new(job.input().await?), form, is_begun: false, is_over: false })
    }

    pub async fn next(&mut self, job: &Job<'_>, upstream: &Upstream) -> Result<Option<Bytes>, Failure> {
        if self.is_over {
            return Ok(None);
        }
        let mut piece = BytesMut::new();
        if !self.is_begun {
            piece.put_slice(self.form.start.as_bytes());
        }
        while piece.len() < PIECE {
            let Some((number, text)) = self.reader.next().await? else {
                piece.put_slice(self.form.end.as_bytes());
                self.is_over = true;
                break;
            };
            let carried = carried(job, upstream, &text).map_err(|problem| refused(&[problem.at(number)]))?;
            if std::mem::replace(&mut self.is_begun, true) {
                piece.put_slice(self.form.between.as_bytes());
            }
            piece.put_slice((self.form.write)(number, &carried).as_bytes());
        }
        Ok(Some(piece.freeze()))
    }
}

fn carried(job: &Job<'_>, upstream: &Upstream, text: &Bytes) -> Result<Carried, Problem> {
    carry(job.desk, upstream, text, job.desk.gateway.config.routing.is_strict)
}

/// A refusal that names lines and reasons.
pub fn refused(problems: &[Problem]) -> Failure {
    let told: Vec<_> = problems.iter().take(MOST_PROBLEMS).map(ToString::to_string).collect();
    let more = problems.len().saturating_sub(MOST_PROBLEMS);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let message = format!("The requests cannot be carried out: {}{more}.", told.join("; "));
    Failure::from(&Refusal::new(Kind::InvalidRequest, message).code("invalid_batch_lines").param("input_file_id"))
}
