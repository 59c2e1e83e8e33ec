//! The canonical form → a whole answer to a client.

use std::borrow::Cow;

use bytes::Bytes;

use super::super::blocks::redacted_content;
use super::super::media;
use super::super::outgoing::{
    Answer, Block, Citation, CitationsContent, Input, Message, Metrics, Output, Reasoning, TextItem, ToolUse, Usage,
};
use super::stop_reason;
use crate::dialects::ir::{self, MediaKind, Part, Response, Seal, SealKind};
use crate::dialects::{Dialect, wire};

pub fn write(response: &Response) -> Bytes {
    let choice = response.choices.first();
    let mut content = Vec::new();
    for part in choice.into_iter().flat_map(|choice| choice.whole_parts()) {
        add(&mut content, part);
    }
    wire::write(&Answer {
        output: Output { message: Message { role: "assistant", content } },
        stop_reason: stop_reason(choice.map(|choice| choice.finish.reason).unwrap_or_default()),
        usage: Usage::from(response.usage.unwrap_or_default()),
        // How long the provider took is not known here, and the SDKs want a number.
        metrics: Metrics { latency_ms: 0 },
    })
}

fn add<'a>(content: &mut Vec<Block<'a>>, part: &'a Part) {
    match part {
        Part::Text(text) => {
            let citations: Vec<_> = text.annotations.iter().filter_map(Citation::of).collect();
            if citations.is_empty() {
                return content.extend(said(&text.text));
            }
            let content_of = [TextItem { text: &text.text }];
            content.push(Block::CitationsContent(CitationsContent { content: content_of, citations }));
        }
        Part::Refusal(text) => content.extend(said(text)),
        Part::Reasoning(reasoning) => content.push(Block::ReasoningContent(reasoned(reasoning))),
        Part::ToolCall(call) => {
            if let Some(seal) = &call.seal {
                content.push(Block::ReasoningContent(sealed("", seal)));
            }
            content.push(Block::ToolUse(ToolUse {
                tool_use_id: Cow::Borrowed(&call.id),
                name: &call.name,
                input: Input::of(&call.arguments),
            }));
        }
        Part::Media(media) if media.kind == MediaKind::Audio => {
            content.extend(media.transcript.as_deref().and_then(said));
        }
        Part::Media(media) => content.extend(media::image(media).map(Block::Image)),
        Part::Opaque(opaque) if opaque.dialect == Dialect::Converse => content.push(Block::Verbatim(&opaque.value)),
        // Only its own dialect could show it.
        Part::Opaque(_) => {}
        Part::ToolResult(_) | Part::CachePoint(_) => {}
    }
}

fn said(text: &str) -> Option<Block<'_>> {
    (!text.is_empty()).then(|| Block::Text(text.into()))
}

fn reasoned(reasoning: &ir::Reasoning) -> Reasoning<'_> {
    match &reasoning.seal {
        Some(seal) => sealed(&reasoning.text, seal),
        None => Reasoning::ReasoningText { text: &reasoning.text, signature: None },
    }
}

/// A text with its seal; a seal that is all there is has its own place.
fn sealed<'a>(text: &'a str, seal: &Seal) -> Reasoning<'a> {
    match seal.kind {
        SealKind::Redacted if text.is_empty() => Reasoning::RedactedContent(redacted_content(seal).into()),
        _ => Reasoning::ReasoningText { text, signature: Some(seal.carried(Dialect::Converse).into()) },
    }
}
