//! Blocks as we write them, in requests as in answers.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::{citation, input};
use crate::dialects::{Dialect, ir};
use ir::{CacheMark, Reasoning, Seal, SealKind, ToolCall};

/// A block: one whose members we know, or one that only Anthropic understands and that goes back as it came.
#[derive(Debug)]
pub enum Block<'a> {
    Known(Box<Fields<'a>>),
    Native(&'a RawValue),
}

/// All members of all kinds of blocks; each kind has a few of them.
#[derive(Debug, Default, Serialize)]
pub struct Fields<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Cow<'a, RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub citations: Vec<Cow<'a, RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_use_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Content<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_error: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<CacheControl<'a>>,
}

/// Of a tool's result.
#[derive(Debug)]
pub enum Content<'a> {
    Text(&'a str),
    Blocks(Vec<Block<'a>>),
}

/// Of an image or a document.
#[derive(Debug, Default, Serialize)]
pub struct Source<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_id: Option<&'a str>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct CacheControl<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'a str>,
}

impl<'a> From<&'a CacheMark> for CacheControl<'a> {
    fn from(mark: &'a CacheMark) -> Self {
        Self { kind: "ephemeral", ttl: mark.ttl.as_deref() }
    }
}

impl<'a> Block<'a> {
    pub fn of(fields: Fields<'a>) -> Self {
        Self::Known(Box::new(fields))
    }

    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::of(Fields { kind: "text", text: Some(text.into()), ..Fields::default() })
    }

    pub fn thinking(text: &'a str, signature: Cow<'a, str>) -> Self {
        let (thinking, signature) = (Some(text), Some(signature));
        Self::of(Fields { kind: "thinking", thinking, signature, ..Fields::default() })
    }

    pub fn redacted_thinking(data: Cow<'a, str>) -> Self {
        Self::of(Fields { kind: "redacted_thinking", data: Some(data), ..Fields::default() })
    }

    pub fn tool_use(call: &'a ToolCall, id: Cow<'a, str>) -> Self {
        let (name, input) = (Some(call.name.as_str()), Some(input::object(&call.arguments, call.kind)));
        Self::of(Fields { kind: "tool_use", id: Some(id), name, input, ..Fields::default() })
    }

    /// What a client is shown of reasoning. Whatever seals it is kept for the way back, tagged if it is not Anthropic's.
    pub fn shown_reasoning(reasoning: &'a Reasoning) -> Option<Self> {
        match &reasoning.seal {
            Some(seal) if seal.kind == SealKind::Redacted && reasoning.text.is_empty() => {
                Some(Self::redacted_thinking(redacted_data(seal)))
            }
            None if reasoning.text.is_empty() => None,
            seal => Some(Self::thinking(&reasoning.text, seal.as_ref().map(signature).unwrap_or_default())),
        }
    }

    /// The text of an answer with its sources.
    pub fn shown_text(text: &'a ir::Text) -> Self {
        let citations = text.annotations.iter().filter_map(citation::write).map(Cow::Owned).collect();
        Self::of(Fields { kind: "text", text: Some(Cow::Borrowed(&text.text)), citations, ..Fields::default() })
    }

    pub fn kind(&self) -> &str {
        match self {
            Self::Known(fields) => fields.kind,
            Self::Native(_) => "",
        }
    }

    /// Marks the last block that can be marked; reasoning cannot.
    pub fn mark_last(blocks: &mut [Self], mark: &'a CacheMark) -> bool {
        let can_be = |block: &&mut Box<Fields<'a>>| !matches!(block.kind, "thinking" | "redacted_thinking");
        let mut fields = blocks.iter_mut().rev().filter_map(|block| match block {
            Self::Known(fields) => Some(fields),
            Self::Native(_) => None,
        });
        match fields.find(can_be) {
            Some(fields) => {
                fields.cache_control = Some(mark.into());
                true
            }
            None => false,
        }
    }
}

/// For the field `signature` that a client gets.
pub fn signature(seal: &Seal) -> Cow<'_, str> {
    match seal {
        Seal { dialect: Dialect::Anthropic, kind: SealKind::Signature, value } => Cow::Borrowed(value),
        seal => Cow::Owned(seal.carried(Dialect::Anthropic)),
    }
}

/// For the field `data` that a client gets.
pub fn redacted_data(seal: &Seal) -> Cow<'_, str> {
    match seal {
        Seal { dialect: Dialect::Anthropic, kind: SealKind::Redacted, value } => Cow::Borrowed(value),
        seal => Cow::Owned(seal.carried(Dialect::Anthropic)),
    }
}

impl Serialize for Block<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Known(fields) => fields.serialize(serializer),
            Self::Native(raw) => raw.serialize(serializer),
        }
    }
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Blocks(blocks) => blocks.serialize(serializer),
        }
    }
}
