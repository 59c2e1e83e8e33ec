//! Lines of a batch, on their way to a provider and back: the same conversions that single requests meet.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::bedrock;
use crate::batches::{LONGEST_LINE, Line, Lines, Numbered, Problem, ResultLine};
use crate::endpoints::Operation;
use crate::error::{Failure, Kind, Refusal};
use crate::payload::Payload;
use crate::providers::{BatchesApi, vertex};
use crate::proxy::context::{Lane, Run};
use crate::proxy::desk::Desk;
use crate::proxy::files::Source;
use crate::proxy::{admit, answer, dispatch};
use crate::routing::{Target, Upstream};

/// A line that is to be carried out at an instance.
pub struct Carried {
    pub line: Line,
    pub run: Run,
    /// By which it is asked there.
    pub operation: Operation,
    /// The provider's name of the model.
    pub model: Arc<str>,
    pub body: Bytes,
    pub lane: Lane,
}

/// How a line ended at the provider.
pub enum Ended {
    Answered { status: StatusCode, body: Bytes },
    Canceled,
    Expired,
}

/// Where a model leads at this instance, under the name that the client has for it.
pub fn target(desk: &Desk, upstream: &Upstream, model: &str) -> Option<Target> {
    let route = desk.gateway.routes.load().resolve(model).ok()?;
    route.targets().iter().find(|target| target.upstream.name() == upstream.name()).cloned()
}

/// The operation by which an instance is asked for what a line wants, in a batch.
pub fn door(run: &Run, target: &Target) -> Option<Operation> {
    let wanted = run.operation;
    match target.upstream.instance.batches()? {
        BatchesApi::Anthropic => wanted.generates().then_some(Operation::Messages),
        BatchesApi::Gemini => wanted.generates().then_some(Operation::GenerateContent),
        BatchesApi::Xai => wanted.generates().then_some(Operation::Chat),
        BatchesApi::Bedrock => wanted.generates().then_some(Operation::Converse),
        BatchesApi::Vertex => wanted.generates().then(|| vertex::own_door(&target.model)).flatten(),
        BatchesApi::Openai => {
            let door = dispatch::door(run, target)?;
            // Its batches know only what OpenAI's paths name.
            if crate::batches::path_of(door).is_empty() || door == Operation::Messages {
                return wanted.generates().then_some(Operation::Chat);
            }
            Some(door)
        }
    }
}

/// Makes a line into what the instance is sent.
pub fn carry(desk: &Desk, upstream: &Upstream, text: &Bytes, is_strict: bool) -> Result<Carried, Problem> {
    let line = Line::read(text, None)?;
    let unroutable = || {
        let message = format!("the model `{}` is not served by `{}`", line.model, upstream.name());
        Problem::new("model_not_found", message, Some("body.model"))
    };
    let target = target(desk, upstream, &line.model).ok_or_else(unroutable)?;
    let mut run = Run {
        operation: line.operation,
        model: line.model.clone(),
        is_listed: true,
        payload: Payload::Json(line.body.clone()),
        wants_stream: false,
        is_array: false,
        asked: None,
        is_strict,
        remembered: None,
    };
    let operation = door(&run, &target).ok_or_else(|| {
        let message = format!("`{}` takes no {} in batches", upstream.name(), line.operation.name());
        Problem::new("invalid_url", message, Some("url"))
    })?;
    let refused = |refusal: Refusal| {
        Problem::new(refusal.code.unwrap_or("invalid_request"), refusal.message, Some(refusal.param.unwrap_or("body")))
    };
    if operation != run.operation && operation.generates() {
        run.asked = Some(Box::new(admit::asked(&run).map_err(refused)?));
    }
    let (body, lane) = dispatch::carry(&mut run, operation, &target).map_err(refused)?;
    let body = body.to_bytes();
    if operation == Operation::Converse {
        bedrock::check(&body)?;
    }
    Ok(Carried { line, run, operation, model: target.model, body, lane })
}

impl Carried {
    /// What the client is told of its end. `number`: the line's.
    pub fn tell(&self, batch: &str, number: u64, ended: Ended) -> ResultLine {
        let (id, custom_id) = (format!("{batch}_{number}"), self.line.custom_id.clone());
        let (status, body) = match ended {
            Ended::Canceled => return ResultLine::cancelled(id, custom_id),
            Ended::Expired => return ResultLine::expired(id, custom_id),
            Ended::Answered { status, body } => (status, body),
        };
        let converted = self.convert(status, body, &id);
        let (status, body) = match converted {
            Ok(converted) => converted,
            Err(failure) => (failure.status, self.run.operation.dialect().write_failure(&failure, &id)),
        };
        ResultLine::answered(id.clone(), custom_id, status.as_u16(), Some(id), &body)
    }

    fn convert(&self, status: StatusCode, body: Bytes, id: &str) -> Result<(StatusCode, Bytes), Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        let Some(mut rewrite) = answer::translate(status, &headers, &self.lane, &self.run, id) else {
            return Ok((status, body));
        };
        let start = rewrite.push(body);
        let end = rewrite.finish()?;
        let body = if start.is_empty() { end } else { [start, end].concat().into() };
        Ok((rewrite.failure().map_or(status, |failure| failure.status), body))
    }
}

/// The lines of a source, one after the other, whole.
pub struct Reader {
    source: Source,
    lines: Lines,
    found: std::collections::VecDeque<Numbered>,
    is_over: bool,
}

impl Reader {
    pub fn new(source: Source) -> Self {
        Self::up_to(source, LONGEST_LINE)
    }

    /// Lines of at most so many bytes: results that repeat the requests are longer than these may be.
    pub fn up_to(source: Source, longest: usize) -> Self {
        Self { source, lines: Lines::up_to(longest), found: Default::default(), is_over: false }
    }

    pub async fn next(&mut self) -> Result<Option<(u64, Bytes)>, Failure> {
        loop {
            match self.found.pop_front() {
                Some((number, Some(line))) => return Ok(Some((number, line))),
                Some((number, None)) => {
                    let refusal = Refusal::new(Kind::TooLarge, format!("Line {number} is too long."));
                    return Err(Failure::from(&refusal));
                }
                None if self.is_over => return Ok(None),
                None => {}
            }
            let found = &mut self.found;
            match self.source.next().await? {
                Some(piece) => self.lines.push(&piece, |line| found.push_back(line)),
                None => {
                    self.is_over = true;
                    self.lines.finish(|line| found.push_back(line));
                }
            }
        }
    }
}
