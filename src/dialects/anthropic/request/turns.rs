//! The messages of the canonical form → `system` and the turns of a conversation, in the order that the API demands:
//!
//! - instructions at the start are `system`; later ones stand behind a turn of the user, for models that take them there, and are
//!   told by the user otherwise;
//! - the user begins, and consecutive messages of one role are one turn;
//! - the results of tools come first in their turn;
//! - there are no blank texts, and the last turn is the user's unless the model can go on with its own.

use serde::Serialize;

use super::super::block::{Block, Content, Fields};
use super::super::{citation, input};
use super::media;
use crate::dialects::{Dialect, Recipient, ir};
use ir::{Feature, Losses, Message, Part, Role, SealKind, ToolResult, Unknown};

#[derive(Debug, Default)]
pub struct Conversation<'a> {
    pub system: Vec<Block<'a>>,
    pub turns: Vec<Turn<'a>>,
    /// Whether the model is to go on with what it said last.
    pub is_prefilled: bool,
}

#[derive(Debug, Serialize)]
pub struct Turn<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

impl Conversation<'_> {
    /// Whether tools were used: then there must be tools.
    pub fn has_tool_blocks(&self) -> bool {
        let is_of_tool = |block: &Block<'_>| matches!(block.kind(), "tool_use" | "tool_result");
        self.turns.iter().any(|turn| turn.content.iter().any(is_of_tool))
    }
}

pub fn write<'a>(messages: &'a [Message], recipient: &Recipient<'_>, losses: &mut Losses) -> Conversation<'a> {
    let mut writer = Writer { recipient, losses, conversation: Conversation::default(), late: Vec::new() };
    for message in messages {
        writer.message(message);
    }
    writer.place_late();
    writer.mend();
    writer.conversation
}

struct Writer<'w, 'a, 'r> {
    recipient: &'w Recipient<'r>,
    losses: &'w mut Losses,
    conversation: Conversation<'a>,
    /// Instructions that wait for the end of the user's turn.
    late: Vec<Block<'a>>,
}

impl<'a> Writer<'_, 'a, '_> {
    fn message(&mut self, message: &'a Message) {
        if message.name.is_some() {
            self.losses.note(Feature::Names);
        }
        match message.role {
            Role::System | Role::Developer => self.instructions(&message.parts),
            Role::User | Role::Tool => {
                let blocks = self.blocks(&message.parts, Role::User);
                self.add("user", blocks);
            }
            Role::Assistant => {
                let blocks = self.blocks(&message.parts, Role::Assistant);
                if !blocks.is_empty() {
                    self.place_late();
                }
                self.add("assistant", blocks);
            }
        }
    }

    fn instructions(&mut self, parts: &'a [Part]) {
        let mut blocks = self.blocks(parts, Role::System);
        if self.conversation.turns.is_empty() {
            self.conversation.system.append(&mut blocks);
        } else if self.recipient.facts.has_late_system {
            self.late.append(&mut blocks);
        } else {
            self.add("user", blocks.into_iter().map(told_by_user).collect());
        }
    }

    /// Later instructions may stand only between a turn of the user and one of the model, or at the end.
    fn place_late(&mut self) {
        let late = std::mem::take(&mut self.late);
        if self.conversation.turns.last().is_some_and(|turn| turn.role == "user") {
            self.add("system", late);
        } else {
            self.add("user", late.into_iter().map(told_by_user).collect());
        }
    }

    fn add(&mut self, role: &'static str, mut content: Vec<Block<'a>>) {
        if content.is_empty() {
            return;
        }
        match self.conversation.turns.last_mut() {
            Some(turn) if turn.role == role => turn.content.append(&mut content),
            _ => self.conversation.turns.push(Turn { role, content }),
        }
    }

    fn blocks(&mut self, parts: &'a [Part], role: Role) -> Vec<Block<'a>> {
        let mut blocks = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Part::CachePoint(mark) => {
                    let before = self.conversation.turns.last_mut().map(|turn| &mut turn.content);
                    let before = before.unwrap_or(&mut self.conversation.system);
                    if !Block::mark_last(&mut blocks, mark) && !Block::mark_last(before, mark) {
                        self.losses.note(Feature::CacheMarks);
                    }
                }
                Part::ToolResult(result) => blocks.push(self.tool_result(result)),
                part => blocks.extend(self.block(part, role)),
            }
        }
        blocks
    }

    fn block(&mut self, part: &'a Part, role: Role) -> Option<Block<'a>> {
        match part {
            Part::Text(text) if text.text.trim().is_empty() => None,
            Part::Text(text) if role == Role::Assistant => {
                let citations = text.annotations.iter().filter_map(citation::native);
                let citations = citations.map(std::borrow::Cow::Borrowed).collect();
                Some(Block::of(Fields {
                    kind: "text",
                    text: Some((&text.text).into()),
                    citations,
                    ..Fields::default()
                }))
            }
            Part::Text(text) => Some(Block::text(&text.text)),
            Part::Refusal(text) if text.trim().is_empty() => None,
            Part::Refusal(text) => Some(Block::text(text)),
            Part::Media(media) if matches!(role, Role::User | Role::Tool) => {
                media::write(media, self.recipient, self.losses)
            }
            Part::Media(_) => {
                self.losses.note(Feature::Media);
                None
            }
            Part::Reasoning(reasoning) => match &reasoning.seal {
                Some(seal) if seal.is_for(Dialect::Anthropic) => Some(match seal.kind {
                    SealKind::Signature => Block::thinking(&reasoning.text, (&seal.value).into()),
                    SealKind::Redacted => Block::redacted_thinking((&seal.value).into()),
                }),
                _ => {
                    self.losses.note(Feature::ReasoningHistory);
                    None
                }
            },
            Part::ToolCall(call) => Some(Block::tool_use(call, input::id(&call.id))),
            Part::Opaque(opaque) if opaque.dialect == Dialect::Anthropic => Some(Block::Native(&opaque.value)),
            Part::Opaque(opaque) => {
                self.losses.note_named(Feature::ServerTools, &format!("messages.{}", opaque.name));
                None
            }
            // These are seen to by `blocks`.
            Part::CachePoint(_) | Part::ToolResult(_) => None,
        }
    }

    fn tool_result(&mut self, result: &'a ToolResult) -> Block<'a> {
        let ToolResult { call_id, name: _, kind: _, content, is_error } = result;
        // A mark at the end is the result's own.
        let (content, mark) = match content.split_last() {
            Some((Part::CachePoint(mark), content)) => (content, Some(mark)),
            _ => (content.as_slice(), None),
        };
        let content = match content {
            [Part::Text(text)] => (!text.text.is_empty()).then_some(Content::Text(&text.text)),
            content => {
                let blocks = self.result_blocks(content);
                (!blocks.is_empty()).then_some(Content::Blocks(blocks))
            }
        };
        Block::of(Fields {
            kind: "tool_result",
            tool_use_id: Some(input::id(call_id)),
            content,
            is_error: *is_error,
            cache_control: mark.map(Into::into),
            ..Fields::default()
        })
    }

    fn result_blocks(&mut self, content: &'a [Part]) -> Vec<Block<'a>> {
        let mut blocks = Vec::with_capacity(content.len());
        for part in content {
            match part {
                Part::CachePoint(mark) => {
                    if !Block::mark_last(&mut blocks, mark) {
                        self.losses.note(Feature::CacheMarks);
                    }
                }
                part => blocks.extend(self.block(part, Role::Tool)),
            }
        }
        blocks
    }

    /// What is left to bring into the shape that the API demands.
    fn mend(&mut self) {
        let facts = self.recipient.facts;
        let Conversation { system, turns, is_prefilled } = &mut self.conversation;
        if turns.is_empty() {
            // Instructions without anything to apply them to are what the user says.
            turns.push(Turn { role: "user", content: std::mem::take(system) });
        }
        if turns.first().is_some_and(|turn| turn.role != "user") {
            turns.insert(0, Turn { role: "user", content: vec![Block::text(".")] });
        }
        for turn in turns.iter_mut().filter(|turn| turn.role == "user") {
            turn.content.sort_by_key(|block| block.kind() != "tool_result");
        }
        let Some(last) = turns.last_mut().filter(|turn| turn.role == "assistant") else { return };
        // A turn that server tools interrupted, or that calls tools, is no beginning of an answer.
        if last.content.last().is_none_or(|block| block.kind() != "text") {
            return;
        }
        if !facts.has_prefill {
            self.losses.unknown(&[Unknown { path: "messages (a last one of the assistant)".to_owned() }]);
            turns.push(Turn { role: "user", content: vec![Block::text("Go on exactly where you stopped.")] });
            return;
        }
        *is_prefilled = true;
        if let Some(Block::Known(fields)) = last.content.last_mut() {
            let trimmed = fields.text.take().map(|text| text.trim_end().to_owned());
            fields.text = trimmed.map(Into::into);
        }
    }
}

/// Instructions in a turn of the user.
fn told_by_user(block: Block<'_>) -> Block<'_> {
    match block {
        Block::Known(mut fields) if fields.kind == "text" => {
            fields.text = fields.text.map(|text| format!("<system>\n{text}\n</system>").into());
            Block::Known(fields)
        }
        other => other,
    }
}
