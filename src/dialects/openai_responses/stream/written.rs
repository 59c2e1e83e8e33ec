//! The events of a stream, as we write them (`openai.types.responses.response_*_event`).

use serde::Serialize;

use crate::dialects::ir::Json;
use crate::dialects::openai_responses::answer::item::{Content, Item, Source};

/// An item has begun, or is complete.
#[derive(Debug, Serialize)]
pub struct Whole<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub sequence_number: u64,
    pub output_index: usize,
    pub item: &'a Item,
}

/// An event about a piece of an item: each kind has some of these members.
#[derive(Debug, Default, Serialize)]
pub struct Piece<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub sequence_number: u64,
    pub item_id: &'a str,
    pub output_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotation_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<&'a [Json]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<&'a Content>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotation: Option<&'a Source>,
}
