//! A provider's whole answer → the canonical form.

use http::{HeaderMap, StatusCode};

use super::super::failure;
use super::assembly::Assembly;
use super::wire::{Message, finish};
use crate::dialects::wire::{TextOr, read_answer};
use crate::dialects::{Unanswered, ir};
use crate::error::Garbled;
use ir::{Choice, Fold, Reason, Response};

pub fn read(body: &[u8]) -> Result<Response, Unanswered> {
    let mut message: Message<'_> = read_answer(body)?;
    let is_error = message.kind.is_some_and(|kind| kind.get() == "\"error\"");
    if is_error || (message.error.is_some() && message.content.is_none()) {
        return Err(Unanswered::Failed(failure::read(StatusCode::OK, &HeaderMap::new(), body)));
    }
    let start = message.start();
    let mut events = Vec::new();
    let mut assembly = Assembly::default();
    match message.content {
        Some(TextOr::Text(text)) => assembly.text(text, &mut events),
        Some(TextOr::List(blocks)) => blocks.into_iter().for_each(|block| assembly.begin(block, &mut events)),
        None if message.kind.is_some_and(|kind| kind.get() == "\"message\"") => {}
        None => return Err(Garbled::new("it has no `content`").into()),
    }
    assembly.end(&mut events);
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.push(event));
    let mut response = fold.finish().map_err(Unanswered::Failed)?;
    if response.choices.is_empty() {
        response.choices.push(Choice::default());
    }
    let mut finish = finish(message.stop_reason.as_deref(), message.stop_sequence, message.stop_details);
    if assembly.has_call && finish.reason == Reason::Stop {
        finish.reason = Reason::ToolCalls;
    }
    if let Some(choice) = response.choices.first_mut() {
        choice.finish = finish;
    }
    Ok(Response { start, usage: message.usage.and_then(|usage| usage.usage()), ..response })
}
