//! A provider's whole answer → the canonical form.

use serde::Deserialize;

use super::super::blocks::{Misfit, Speaker, name_of, opaque};
use super::super::failure;
use super::super::incoming::{AdditionalAnswer, Block, ServiceTier, Usage};
use super::{finish, usage};
use crate::dialects::ir::{Choice, Json, Part, Response, Start};
use crate::dialects::{Unanswered, wire};
use crate::error::Garbled;

/// `ConverseResponse`; or an error in its place.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    output: Option<Output>,
    stop_reason: Option<String>,
    usage: Option<Json>,
    additional_model_response_fields: Option<Json>,
    service_tier: Option<Json>,
}

#[derive(Debug, Deserialize)]
struct Output {
    message: Option<Message>,
}

#[derive(Debug, Deserialize)]
struct Message {
    content: Option<Vec<Json>>,
}

pub fn read(body: &[u8]) -> Result<Response, Unanswered> {
    let Answer { output, stop_reason, usage: counts, additional_model_response_fields, service_tier } =
        wire::read_answer(body)?;
    let Some(message) = output.and_then(|output| output.message) else {
        return Err(failure::in_body(body)
            .map_or_else(|| Unanswered::Garbled(Garbled::new("it has no `output.message`")), Unanswered::Failed));
    };
    let mut parts = Vec::new();
    for raw in message.content.unwrap_or_default() {
        parts.extend(part(&raw)?);
    }
    let has_call = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let additional = additional_model_response_fields.and_then(|raw| lenient::<AdditionalAnswer>(&raw));
    let additional = additional.unwrap_or_default();
    let usage = counts.and_then(|raw| lenient::<Usage>(&raw)).map(|counts| usage(&counts, &additional));
    let service_tier = service_tier.and_then(|raw| lenient::<ServiceTier>(&raw)?.kind);
    Ok(Response {
        start: Start { service_tier, ..Default::default() },
        choices: vec![Choice { parts, finish: finish(stop_reason.as_deref(), additional.stop_sequence, has_call) }],
        usage,
    })
}

/// A block that cannot be read is kept for those who can.
fn part(raw: &Json) -> Result<Option<Part>, Garbled> {
    let Some(block) = lenient::<Block>(raw) else { return Ok(Some(opaque(&name_of(raw), raw.clone()))) };
    match block.into_part(raw, Speaker::Assistant) {
        Ok(part) => Ok(part),
        Err(Misfit::Unknown) => Ok(Some(opaque(&name_of(raw), raw.clone()))),
        Err(Misfit::Lacks(member)) => Err(Garbled::new(format!("a block of its content lacks `{member}`"))),
    }
}

/// What is beside the point must not cost the answer.
fn lenient<'a, T: Deserialize<'a>>(raw: &'a Json) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}
