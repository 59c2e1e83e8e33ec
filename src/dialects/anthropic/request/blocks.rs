//! The blocks of a client's messages → parts.

use serde_json::value::RawValue;

use super::super::citation;
use super::wire::{self, CacheControl, Media, SearchResult, Source, Switch, Text, Thought, ToolResult, ToolUse};
use crate::dialects::wire::{TextOr, read_member};
use crate::dialects::{Dialect, ir};
use crate::error::Refusal;
use ir::{CallKind, MediaKind, Opaque, Part, Reasoning, ReasoningKind, Seal, SealKind, ToolCall, Unknown};

/// Where blocks may stand; not every kind may stand everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    System,
    User,
    Assistant,
    /// The content of a `tool_result`.
    Result,
}

/// What the blocks of a message have become.
#[derive(Debug, Default)]
pub struct Parts {
    pub parts: Vec<Part>,
    /// Results of tools: the canonical form has a message of their own for them.
    pub results: Vec<Part>,
}

/// How a place in the request is spelled: `messages[2].content`.
pub type Place<'p> = &'p dyn Fn() -> String;

pub fn read(
    content: TextOr<&RawValue>,
    owner: Owner,
    place: Place<'_>,
    unknown: &mut Vec<Unknown>,
) -> Result<Parts, Refusal> {
    let mut into = Parts::default();
    match content {
        TextOr::Text(text) => into.parts.push(plain(text)),
        TextOr::List(blocks) => {
            for (at, block) in blocks.into_iter().enumerate() {
                Block { raw: block, owner, place: &|| format!("{}[{at}]", place()), unknown }.read(&mut into)?;
            }
        }
    }
    Ok(into)
}

/// A text without anything else.
pub fn plain(text: String) -> Part {
    Part::Text(ir::Text { text, ..ir::Text::default() })
}

/// Notes a cache mark behind what it marks.
fn mark(parts: &mut Vec<Part>, control: Option<CacheControl>) {
    parts.extend(control.map(|control| Part::CachePoint(control.into())));
}

struct Block<'r, 'c> {
    raw: &'r RawValue,
    owner: Owner,
    place: Place<'c>,
    unknown: &'c mut Vec<Unknown>,
}

impl<'r> Block<'r, '_> {
    fn read(mut self, into: &mut Parts) -> Result<(), Refusal> {
        let kind = wire::kind(self.raw).unwrap_or_default();
        match (&*kind, self.owner) {
            ("text", _) => self.text(into),
            ("image", _) => self.media(MediaKind::Image, into),
            ("document", _) => self.media(MediaKind::File, into),
            ("search_result", _) => self.search_result(into),
            ("thinking" | "redacted_thinking", Owner::Assistant) => self.thought(into),
            ("tool_use", Owner::Assistant) => self.tool_use(into),
            ("tool_result", Owner::User) => self.tool_result(into),
            ("thinking" | "redacted_thinking" | "tool_use" | "tool_result", _) => {
                let only = if &*kind == "tool_result" { "user" } else { "assistant" };
                Err(self.wrong(&format!("a `{}` may stand in messages of the role `{only}` only", &*kind)))
            }
            ("", _) => Err(self.wrong("a block has a `type`")),
            // Server tools, what they found, and whatever comes next: for Anthropic alone.
            (name, _) => {
                let value = self.raw.to_owned();
                into.parts.push(Part::Opaque(Opaque { dialect: Dialect::Anthropic, name: name.to_owned(), value }));
                Ok(())
            }
        }
    }

    fn text(&mut self, into: &mut Parts) -> Result<(), Refusal> {
        let block: Text<'_> = self.fields()?;
        let text = block.text.ok_or_else(|| self.wrong("a text has a `text`"))?;
        let annotations = block.citations.unwrap_or_default().into_iter().map(citation::read).collect();
        into.parts.push(Part::Text(ir::Text { text, annotations, logprobs: Vec::new() }));
        mark(&mut into.parts, block.cache_control);
        Ok(())
    }

    fn media(&mut self, kind: MediaKind, into: &mut Parts) -> Result<(), Refusal> {
        let block: Media<'_> = self.fields()?;
        self.note_citations(block.citations);
        let source = block.source.ok_or_else(|| self.wrong("`source` is missing"))?;
        self.sourced(kind, source, block.title, into)?;
        mark(&mut into.parts, block.cache_control);
        Ok(())
    }

    fn sourced(
        &mut self,
        kind: MediaKind,
        source: Source<'_>,
        name: Option<String>,
        into: &mut Parts,
    ) -> Result<(), Refusal> {
        let Source { kind: how, media_type, data, url, file_id, content } = source;
        let (from, mut pictures) = match (how.as_deref().unwrap_or_default(), data, url, file_id, content) {
            ("base64", Some(data), ..) => (ir::Source::Base64(data), Vec::new()),
            ("text", Some(text), ..) => (ir::Source::Text(text), Vec::new()),
            ("url", _, Some(url), ..) => (ir::Source::Url(url), Vec::new()),
            ("file", _, _, Some(id), _) => (ir::Source::FileId(id), Vec::new()),
            // A document in blocks: nobody else has that. Its texts are a document, its pictures follow.
            ("content", _, _, _, Some(content)) => {
                let place = || format!("{}.source.content", (self.place)());
                let (text, rest) = split(read(content, Owner::Result, &place, self.unknown)?.parts);
                (ir::Source::Text(text), rest)
            }
            _ => return Err(self.wrong("`source` is of a type that is not known, or lacks what its type needs")),
        };
        let mime = media_type.or_else(|| matches!(from, ir::Source::Text(_)).then(|| "text/plain".to_owned()));
        let media = ir::Media { kind, mime, source: from, name, detail: None, transcript: None, id: None };
        into.parts.push(Part::Media(media));
        into.parts.append(&mut pictures);
        Ok(())
    }

    /// A passage that the client's own search found: a document that begins with where it is from.
    fn search_result(&mut self, into: &mut Parts) -> Result<(), Refusal> {
        let block: SearchResult<'_> = self.fields()?;
        self.note_citations(block.citations);
        let content = block.content.unwrap_or(TextOr::List(Vec::new()));
        let place = || format!("{}.content", (self.place)());
        let (text, mut rest) = split(read(content, Owner::Result, &place, self.unknown)?.parts);
        let text = match block.source {
            Some(source) => format!("Source: {source}\n\n{text}"),
            None => text,
        };
        into.parts.push(Part::Media(ir::Media {
            kind: MediaKind::File,
            mime: Some("text/plain".to_owned()),
            source: ir::Source::Text(text),
            name: block.title,
            detail: None,
            transcript: None,
            id: None,
        }));
        into.parts.append(&mut rest);
        mark(&mut into.parts, block.cache_control);
        Ok(())
    }

    fn thought(&mut self, into: &mut Parts) -> Result<(), Refusal> {
        let block: Thought<'_> = self.fields()?;
        let seal = match (block.signature, block.data) {
            (_, Some(data)) => Some(redacted(data)),
            (Some(signature), None) if !signature.is_empty() => Some(Seal::carried_by(Dialect::Anthropic, &signature)),
            _ => None,
        };
        let text = block.thinking.unwrap_or_default();
        into.parts.push(Part::Reasoning(Reasoning { text, kind: ReasoningKind::Raw, seal, id: None }));
        Ok(())
    }

    fn tool_use(&mut self, into: &mut Parts) -> Result<(), Refusal> {
        let block: ToolUse<'_> = self.fields()?;
        if block.caller.and_then(|caller| caller.kind).is_some_and(|kind| &*kind != "direct") {
            self.unknown.push(Unknown { path: format!("{}.caller", (self.place)()) });
        }
        let named = |value: Option<String>| value.filter(|value| !value.is_empty());
        let (Some(id), Some(name)) = (named(block.id), named(block.name)) else {
            return Err(self.wrong("a tool_use has an `id` and a `name`"));
        };
        let arguments = block.input.map_or("{}", RawValue::get).to_owned();
        into.parts.push(Part::ToolCall(ToolCall { id, name, kind: CallKind::Function, arguments, seal: None }));
        mark(&mut into.parts, block.cache_control);
        Ok(())
    }

    fn tool_result(&mut self, into: &mut Parts) -> Result<(), Refusal> {
        let block: ToolResult<'_> = self.fields()?;
        let call_id = block.tool_use_id.ok_or_else(|| self.wrong("`tool_use_id` is missing"))?;
        let place = || format!("{}.content", (self.place)());
        let mut content = match block.content {
            Some(content) => read(content, Owner::Result, &place, self.unknown)?.parts,
            None => Vec::new(),
        };
        // Messages of tools hold results only, so that the mark of the result itself is the last of its parts.
        mark(&mut content, block.cache_control);
        let is_error = block.is_error.unwrap_or(false);
        let result = ir::ToolResult { call_id, name: None, kind: CallKind::Function, content, is_error };
        into.results.push(Part::ToolResult(result));
        Ok(())
    }

    fn fields<T: serde::Deserialize<'r>>(&mut self) -> Result<T, Refusal> {
        read_member(self.raw, self.place, self.unknown)
    }

    /// Only Anthropic can be asked to cite a document.
    fn note_citations(&mut self, citations: Option<Switch>) {
        if citations.and_then(|switch| switch.enabled) == Some(true) {
            self.unknown.push(Unknown { path: format!("{}.citations", (self.place)()) });
        }
    }

    fn wrong(&self, what: &str) -> Refusal {
        Refusal::invalid(format!("`{}` does not fit: {what}.", (self.place)()))
    }
}

/// `data` of `redacted_thinking`: Anthropic's own bears no tag.
fn redacted(data: String) -> Seal {
    let seal = Seal::carried_by(Dialect::Anthropic, &data);
    let is_tagged = seal.value != data;
    if is_tagged { seal } else { Seal { kind: SealKind::Redacted, ..seal } }
}

/// The texts in one, and what is no text.
fn split(parts: Vec<Part>) -> (String, Vec<Part>) {
    let mut whole = String::new();
    let mut rest = Vec::new();
    for part in parts {
        match part {
            Part::Text(text) => {
                if !whole.is_empty() {
                    whole.push_str("\n\n");
                }
                whole.push_str(&text.text);
            }
            other => rest.push(other),
        }
    }
    (whole, rest)
}
