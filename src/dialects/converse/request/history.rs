//! Messages as Converse wants them: turns that alternate and begin with the user's, all results of a turn in one message, no
//! empty texts.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::family::Family;
use super::super::media;
use super::super::names::call_id;
use super::super::outgoing::{
    Block, CachePoint, Citation, CitationsContent, Input, Message, Reasoning, TextItem, ToolResult, ToolUse,
};
use crate::dialects::Dialect;
use crate::dialects::ir::{self, Feature, Losses, Part, Role, SealKind};
use crate::models::Facts;

const SYSTEM: &str = "system";
const USER: &str = "user";
const ASSISTANT: &str = "assistant";
/// What the user says where it is the user's turn and there is nothing to be said.
const GO_ON: &str = "Continue.";
/// Documents want a text beside them.
const SEE_DOCUMENT: &str = "See the document.";
/// Results want content.
const NO_OUTPUT: &str = "(no output)";

/// How many marks for the cache may still be set.
#[derive(Debug)]
pub struct CacheMarks {
    left: u32,
}

impl CacheMarks {
    pub const fn new() -> Self {
        Self { left: 4 }
    }

    /// Takes one, if there is one left.
    pub fn take(&mut self, losses: &mut Losses) -> bool {
        let left = self.left.checked_sub(1);
        match left {
            Some(left) => self.left = left,
            None => losses.note(Feature::CacheMarks),
        }
        left.is_some()
    }
}

/// Gathers turns.
pub struct History<'a, 'w, 'l> {
    pub system: Vec<Block<'a>>,
    messages: Vec<Message<'a>>,
    /// Instructions that wait for the end of the user's turn.
    late: Vec<Block<'a>>,
    media: media::Writer,
    family: Family,
    facts: &'w Facts,
    cache: &'w mut CacheMarks,
    losses: &'l mut Losses,
}

impl<'a, 'w, 'l> History<'a, 'w, 'l> {
    pub fn new(family: Family, facts: &'w Facts, cache: &'w mut CacheMarks, losses: &'l mut Losses) -> Self {
        let media = media::Writer::default();
        Self { system: Vec::new(), messages: Vec::new(), late: Vec::new(), media, family, facts, cache, losses }
    }

    pub fn add(&mut self, message: &'a ir::Message) {
        if message.name.is_some() {
            self.losses.note(Feature::Names);
        }
        let mut blocks = Vec::with_capacity(message.parts.len());
        for part in &message.parts {
            self.part(&mut blocks, message.role, part);
        }
        match message.role {
            Role::System | Role::Developer if self.messages.is_empty() => self.system.append(&mut blocks),
            Role::System | Role::Developer if self.facts.has_late_system => self.late.append(&mut blocks),
            // Where it stands matters more than who says it.
            Role::System | Role::Developer | Role::User | Role::Tool => self.turn(USER, blocks),
            Role::Assistant if blocks.is_empty() => {}
            Role::Assistant => {
                self.place_late();
                self.turn(ASSISTANT, blocks);
            }
        }
    }

    /// Models that take instructions later on take them behind a turn of the user.
    fn place_late(&mut self) {
        let late = std::mem::take(&mut self.late);
        let is_behind_user = self.messages.last().is_some_and(|last| last.role == USER);
        self.turn(if is_behind_user { SYSTEM } else { USER }, late);
    }

    /// The turns, first and last as they must be.
    pub fn finish(mut self) -> (Vec<Block<'a>>, Vec<Message<'a>>) {
        self.place_late();
        let go_on = || Message { role: USER, content: vec![Block::Text(GO_ON.into())] };
        if self.messages.first().is_none_or(|first| first.role != USER) {
            self.messages.insert(0, go_on());
        }
        for message in self.messages.iter_mut().filter(|message| message.role == USER) {
            let has = |is: fn(&Block<'_>) -> bool| message.content.iter().any(is);
            if has(|block| matches!(block, Block::Document(_))) && !has(|block| matches!(block, Block::Text(_))) {
                message.content.push(Block::Text(SEE_DOCUMENT.into()));
            }
        }
        if let Some(last) = self.messages.last_mut().filter(|last| last.role == ASSISTANT) {
            // The beginning of the answer must not end in a space.
            if let Some(Block::Text(text)) = last.content.last_mut() {
                let kept = text.trim_end().len();
                match text {
                    Cow::Borrowed(text) => *text = text.get(..kept).unwrap_or(text),
                    Cow::Owned(text) => text.truncate(kept),
                }
            }
            if !self.facts.has_prefill {
                self.messages.push(go_on());
            }
        }
        (self.system, self.messages)
    }

    /// Adds a turn, or adds to the last one if the same side speaks on. Results stand at the front.
    fn turn(&mut self, role: &'static str, blocks: Vec<Block<'a>>) {
        let is_result = |block: &Block<'_>| matches!(block, Block::ToolResult(_) | Block::CachePoint(_));
        match self.messages.last_mut().filter(|last| last.role == role) {
            _ if blocks.is_empty() => {}
            Some(last) if matches!(blocks.first(), Some(Block::ToolResult(_))) => {
                let starts_so = matches!(last.content.first(), Some(Block::ToolResult(_)));
                let at = last.content.iter().take_while(|block| starts_so && is_result(block)).count();
                last.content.splice(at..at, blocks);
            }
            Some(last) => last.content.extend(blocks),
            None => self.messages.push(Message { role, content: blocks }),
        }
    }

    fn part(&mut self, blocks: &mut Vec<Block<'a>>, role: Role, part: &'a Part) {
        match part {
            Part::Text(text) => blocks.extend(spoken(text, role)),
            Part::Refusal(words) => blocks.extend(text(words)),
            // No model takes back pictures as its own, nor as instructions.
            Part::Media(_) if !matches!(role, Role::User | Role::Tool) => {
                self.losses.note_named(Feature::Modalities, "messages.content.media");
            }
            Part::Media(media) => blocks.extend(self.media.block(media, self.losses)),
            Part::Reasoning(reasoning) => blocks.extend(self.reasoning(reasoning)),
            Part::ToolCall(call) => {
                if call.seal.is_some() {
                    self.losses.note(Feature::ReasoningHistory);
                }
                blocks.push(Block::ToolUse(ToolUse {
                    tool_use_id: call_id(&call.id),
                    name: &call.name,
                    input: Input::of(&call.arguments),
                }));
            }
            Part::ToolResult(result) => self.result(blocks, result),
            Part::CachePoint(mark) => self.mark(blocks, mark),
            Part::Opaque(opaque) if opaque.dialect == Dialect::Converse => blocks.push(Block::Verbatim(&opaque.value)),
            Part::Opaque(opaque) => self
                .losses
                .note_named(Feature::ServerTools, &format!("{} ({})", Feature::ServerTools.name(), opaque.name)),
        }
    }

    fn result(&mut self, blocks: &mut Vec<Block<'a>>, result: &'a ir::ToolResult) {
        let (mut content, mut marks) = (Vec::new(), Vec::new());
        if result.is_error && !self.family.has_result_status() {
            content.push(Block::Text("Error:".into()));
        }
        for part in &result.content {
            match part {
                // Beside a result, not in it.
                Part::CachePoint(mark) => marks.push(mark),
                part => self.part(&mut content, Role::Tool, part),
            }
        }
        if content.is_empty() {
            content.push(Block::Text(NO_OUTPUT.into()));
        }
        blocks.push(Block::ToolResult(ToolResult {
            tool_use_id: call_id(&result.call_id),
            content,
            status: (result.is_error && self.family.has_result_status()).then_some("error"),
        }));
        marks.into_iter().for_each(|mark| self.mark(blocks, mark));
    }

    fn mark(&mut self, blocks: &mut Vec<Block<'a>>, mark: &'a ir::CacheMark) {
        let is_place = match blocks.last() {
            None | Some(Block::CachePoint(_)) => false,
            // Amazon cannot tell Claude of a mark there.
            Some(Block::Document(document)) => self.family != Family::Claude || document.format == "pdf",
            Some(_) => true,
        };
        if !self.family.caches() || !is_place {
            self.losses.note(Feature::CacheMarks);
        } else if self.cache.take(self.losses) {
            blocks.push(Block::CachePoint(CachePoint::of(mark)));
        }
    }

    /// Only what the provider can prove to be its own is wanted back.
    fn reasoning(&mut self, reasoning: &'a ir::Reasoning) -> Option<Block<'a>> {
        let is_claude = self.family == Family::Claude;
        let seal = reasoning
            .seal
            .as_ref()
            .filter(|seal| seal.is_for(Dialect::Converse) && (is_claude || seal.dialect == Dialect::Converse));
        let written = seal.and_then(|seal| match seal.kind {
            SealKind::Signature => {
                Some(Reasoning::ReasoningText { text: &reasoning.text, signature: Some((&seal.value).into()) })
            }
            // Bytes on this wire: what is not base64 cannot have been Amazon's.
            SealKind::Redacted => {
                let is_base64 = STANDARD.decode(&seal.value).is_ok();
                is_base64.then(|| Reasoning::RedactedContent((&seal.value).into()))
            }
        });
        if written.is_none() {
            self.losses.note(Feature::ReasoningHistory);
        }
        written.map(Block::ReasoningContent)
    }
}

fn spoken(said: &ir::Text, role: Role) -> Option<Block<'_>> {
    let is_native = |annotation: &ir::Annotation| {
        annotation.native.as_ref().is_some_and(|native| native.dialect == Dialect::Converse)
    };
    let is_cited = role == Role::Assistant && said.annotations.iter().any(is_native);
    if !is_cited || said.text.trim().is_empty() {
        return text(&said.text);
    }
    let citations =
        said.annotations.iter().filter(|annotation| is_native(annotation)).filter_map(Citation::of).collect();
    Some(Block::CitationsContent(CitationsContent { content: [TextItem { text: &said.text }], citations }))
}

/// Texts of nothing but spaces are refused.
fn text(text: &str) -> Option<Block<'_>> {
    (!text.trim().is_empty()).then(|| Block::Text(text.into()))
}
