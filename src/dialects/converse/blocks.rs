//! Blocks of content as they are read: history that clients send and answers of providers have the same.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::incoming::{Block, Citation, CitationsContent, ReasoningContent, SearchResult, TextItem, ToolUse};
use super::media;
use crate::dialects::Dialect;
use crate::dialects::ir::{self, Annotation, CacheMark, Json, MediaKind, Opaque, Part, Reasoning, Seal, Text};

/// The kind of call that the provider answers itself.
pub const SERVER_TOOL: &str = "server_tool_use";

/// Who speaks: a result of a tool is the client's, unless the model's provider ran the tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    User,
    Assistant,
}

/// Why a block is no part.
#[derive(Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It has none of the members that we know.
    Unknown,
    Lacks(&'static str),
}

impl Block {
    /// The part that this block is, of the JSON `raw`. Nothing, if it says nothing.
    pub fn into_part(self, raw: &Json, speaker: Speaker) -> Result<Option<Part>, Misfit> {
        let media = |kind, block| media::read(kind, block).map(Part::Media).ok_or(Misfit::Lacks("source"));
        let part = match self {
            Self { text: Some(text), .. } => return Ok(said(text)),
            Self { tool_use: Some(call), .. } => match call {
                ToolUse { kind: Some(kind), .. } if kind == SERVER_TOOL => opaque(SERVER_TOOL, raw.clone()),
                call => Part::ToolCall(call.into_call()?),
            },
            Self { tool_result: Some(_), .. } if speaker == Speaker::Assistant => opaque("tool_result", raw.clone()),
            Self { tool_result: Some(result), .. } => {
                let call_id = result.tool_use_id.ok_or(Misfit::Lacks("toolUseId"))?;
                let mut content = Vec::new();
                for block in result.content.unwrap_or_default() {
                    content.extend(block.into_part(raw, speaker)?);
                }
                let is_error = result.status.as_deref() == Some("error");
                Part::ToolResult(ir::ToolResult { call_id, content, is_error, ..Default::default() })
            }
            Self { reasoning_content: Some(reasoning), .. } => return Ok(reasoned(reasoning)),
            Self { json: Some(json), .. } => return Ok(said(json.get().to_owned())),
            Self { image: Some(block), .. } => media(MediaKind::Image, block)?,
            Self { document: Some(block), .. } => media(MediaKind::File, block)?,
            Self { video: Some(block), .. } => media(MediaKind::Video, block)?,
            Self { audio: Some(block), .. } => media(MediaKind::Audio, block)?,
            Self { cache_point: Some(mark), .. } => Part::CachePoint(CacheMark { ttl: mark.ttl }),
            Self { guard_content: Some(guarded), .. } => match (guarded.text, guarded.image) {
                (Some(text), _) => return Ok(said(text.text.unwrap_or_default())),
                (None, Some(image)) => media(MediaKind::Image, image)?,
                (None, None) => return Err(Misfit::Unknown),
            },
            Self { citations_content: Some(cited), .. } => return Ok(cited_text(cited)),
            Self { search_result: Some(found), .. } => return Ok(said(told(found))),
            Self { tool_addition: Some(_), .. } => opaque("tool_addition", raw.clone()),
            Self { tool_removal: Some(_), .. } => opaque("tool_removal", raw.clone()),
            _ => return Err(Misfit::Unknown),
        };
        Ok(Some(part))
    }
}

impl ToolUse {
    fn into_call(self) -> Result<ir::ToolCall, Misfit> {
        let present = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(ir::ToolCall {
            id: present(self.tool_use_id).unwrap_or_else(call_id),
            name: present(self.name).ok_or(Misfit::Lacks("name"))?,
            arguments: self.input.map_or_else(String::new, |input| input.get().to_owned()),
            ..Default::default()
        })
    }
}

/// An id for a call that has none.
pub fn call_id() -> String {
    format!("tooluse_{:016x}", fastrand::u64(..))
}

pub fn opaque(name: &str, value: Json) -> Part {
    Part::Opaque(Opaque { dialect: Dialect::Converse, name: name.to_owned(), value })
}

/// A citation as an annotation that remembers how it was spelled.
pub fn annotation(raw: Json) -> Annotation {
    let citation = serde_json::from_str::<Citation>(raw.get()).ok();
    let native = Some(Opaque { dialect: Dialect::Converse, name: "citation".to_owned(), value: raw });
    let Some(Citation { title, source, source_content, location }) = citation else {
        return Annotation { native, ..Default::default() };
    };
    let is_url = |text: &String| text.starts_with("https://") || text.starts_with("http://");
    let url = location.and_then(|location| location.web?.url).or(source.filter(is_url));
    let quote = source_content.map(joined).filter(|quote| !quote.is_empty());
    Annotation { url, title, quote, span: None, native }
}

/// The seal in `redactedContent`, which holds base64: Amazon's own, or one of another dialect that we put there.
pub fn redacted(data: &str) -> Seal {
    let carried = || {
        let text = String::from_utf8(STANDARD.decode(data).ok()?).ok()?;
        let seal = Seal::carried_by(Dialect::Converse, &text);
        // A text without a tag is nobody's but Amazon's.
        (seal.value.len() < text.len()).then_some(seal)
    };
    carried().unwrap_or_else(|| Seal::redacted(Dialect::Converse, data))
}

/// The reverse of [`redacted`].
pub fn redacted_content(seal: &Seal) -> String {
    match seal.dialect {
        Dialect::Converse => seal.value.clone(),
        _ => STANDARD.encode(seal.carried(Dialect::Converse)),
    }
}

fn said(text: String) -> Option<Part> {
    (!text.is_empty()).then(|| Part::Text(Text { text, ..Default::default() }))
}

fn reasoned(block: ReasoningContent) -> Option<Part> {
    let (text, seal) = match (block.reasoning_text, block.redacted_content) {
        (Some(told), _) => {
            let signature = told.signature.filter(|signature| !signature.is_empty());
            let seal = signature.map(|signature| Seal::carried_by(Dialect::Converse, &signature));
            (told.text.unwrap_or_default(), seal)
        }
        (None, data) => (String::new(), Some(redacted(&data?))),
    };
    let is_empty = text.is_empty() && seal.is_none();
    (!is_empty).then(|| Part::Reasoning(Reasoning { text, seal, ..Default::default() }))
}

fn cited_text(block: CitationsContent) -> Option<Part> {
    let text = block.content.unwrap_or_default().into_iter().filter_map(|item| item.text).collect::<String>();
    let span = Some((0, text.chars().count() as u64));
    let whole = |raw| Annotation { span, ..annotation(raw) };
    let annotations: Vec<_> = block.citations.unwrap_or_default().into_iter().map(whole).collect();
    let is_empty = text.is_empty() && annotations.is_empty();
    (!is_empty).then(|| Part::Text(Text { text, annotations, logprobs: Vec::new() }))
}

/// Other dialects know no search results: their words count.
fn told(found: SearchResult) -> String {
    let words = found.content.map(joined).unwrap_or_default();
    let lines = [found.title, found.source, Some(words)];
    lines.into_iter().flatten().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

fn joined(items: Vec<TextItem>) -> String {
    items.into_iter().filter_map(|item| item.text).collect::<Vec<_>>().join("\n")
}

/// The kind of an unknown block: the name of its first member.
pub fn name_of(raw: &RawValue) -> String {
    raw.get().split('"').nth(1).unwrap_or("unknown").to_owned()
}
