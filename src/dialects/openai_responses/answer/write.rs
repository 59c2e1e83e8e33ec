//! Whole answers, as clients get them.

use bytes::Bytes;

use super::item::{Content, Item, Naming, Status, logprobs, source};
use super::object::{Envelope, State};
use crate::dialects::ir::{MediaKind, Part, Response, Source, ToolCall};
use crate::dialects::{Dialect, Reply};

/// Writes a response object. The dialect has one answer to a question: of alternatives the first is written.
pub fn write(response: &Response, reply: &Reply) -> Bytes {
    let envelope = Envelope::new(&response.start, reply);
    let wants_summaries = envelope.echo.wants_summaries;
    let naming = Naming {
        nonce: &reply.nonce,
        wants_summaries,
        namespaces: &reply.namespaces,
        searches_tools: reply.searches_tools,
    };
    let choice = response.choices.first();
    let state = choice.map_or(State::Completed, |choice| State::of(&choice.finish));
    let mut output = Vec::new();
    for part in choice.map(|choice| choice.parts.as_slice()).unwrap_or_default() {
        push(&mut output, part, naming);
    }
    let count = output.len();
    for (at, item) in output.iter_mut().enumerate() {
        let is_cut = at + 1 == count && !matches!(state, State::Completed) && matches!(item, Item::Message { .. });
        item.finish(if is_cut { Status::Incomplete } else { Status::Completed });
    }
    envelope.write(state, &output, response.usage).into()
}

/// Texts in a row are the parts of one message.
fn push(output: &mut Vec<Item>, part: &Part, naming: Naming<'_>) {
    match part {
        Part::Text(_) | Part::Refusal(_) => say(output, part, naming),
        Part::Media(media) => match (media.kind, &media.source) {
            (MediaKind::Image, Source::Base64(data)) => {
                output.push(naming.image(media.id.as_ref(), data, output.len()));
            }
            (MediaKind::Audio, _) if media.transcript.is_some() => say(output, part, naming),
            // There is no item that could show it.
            _ => {}
        },
        Part::Reasoning(reasoning) => {
            let (mut item, is_summary) = naming.reasoning(reasoning, output.len());
            if let Item::Reasoning { summary, content, .. } = &mut item
                && !reasoning.text.is_empty()
            {
                let text = reasoning.text.clone();
                match is_summary {
                    true => summary.push(Content::SummaryText { text }),
                    false => content.push(Content::ReasoningText { text }),
                }
            }
            output.push(item);
        }
        Part::ToolCall(call) => {
            output.extend(call.seal.as_ref().map(|seal| naming.sealed(seal, output.len())));
            output.push(called(call, naming, output.len()));
        }
        Part::Opaque(opaque) if opaque.dialect == Dialect::OpenaiResponses => {
            output.push(Item::Opaque(opaque.value.clone()));
        }
        Part::Opaque(_) | Part::ToolResult(_) | Part::CachePoint(_) => {}
    }
}

fn called(call: &ToolCall, naming: Naming<'_>, index: usize) -> Item {
    let mut item = naming.call(call, index);
    match &mut item {
        Item::FunctionCall { arguments, .. } if call.arguments.is_empty() => arguments.push_str("{}"),
        Item::FunctionCall { arguments: text, .. }
        | Item::ToolSearchCall { arguments: text, .. }
        | Item::CustomToolCall { input: text, .. } => {
            text.push_str(&call.arguments);
        }
        _ => {}
    }
    item
}

fn say(output: &mut Vec<Item>, part: &Part, naming: Naming<'_>) {
    if !matches!(output.last(), Some(Item::Message { .. })) {
        output.push(naming.message(output.len()));
    }
    let words = match part {
        Part::Text(said) => Content::OutputText {
            text: said.text.clone(),
            annotations: said.annotations.iter().cloned().filter_map(source).collect(),
            logprobs: logprobs(said.logprobs.clone()),
        },
        Part::Media(media) => {
            let text = media.transcript.clone().unwrap_or_default();
            Content::OutputText { text, annotations: Vec::new(), logprobs: Vec::new() }
        }
        Part::Refusal(said) => Content::Refusal { refusal: said.clone() },
        _ => return,
    };
    if let Some(Item::Message { content, .. }) = output.last_mut() {
        content.push(words);
    }
}
