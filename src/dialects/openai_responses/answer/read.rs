//! Whole answers, as providers give them.

use super::wire::Response;
use crate::dialects::openai_responses::failure;
use crate::dialects::openai_responses::stream::Reader;
use crate::dialects::{Unanswered, ir, wire};
use crate::error::{Failure, Kind};

/// Reads a response object, as the stream that would have told the same.
pub fn read(body: &[u8]) -> Result<ir::Response, Unanswered> {
    let response: Response<'_> = wire::read_answer(body)?;
    if response.output.is_none() || matches!(response.status.as_deref(), Some("failed" | "cancelled")) {
        if let Some(error) = response.error {
            return Err(Unanswered::Failed(failure::of_error(error.get().as_bytes())));
        }
        let status = response.status.as_deref().unwrap_or("no answer");
        let message = format!("The provider answered with nothing but its state: {status}.");
        return Err(Unanswered::Failed(Failure::of_kind(Kind::Upstream, message)));
    }
    let mut events = Vec::new();
    Reader::default().whole(&response, &mut events);
    let mut fold = ir::Fold::default();
    events.into_iter().for_each(|event| fold.push(event));
    fold.finish().map_err(Unanswered::Failed)
}
