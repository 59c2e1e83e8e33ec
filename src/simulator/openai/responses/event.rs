//! The fields of events, from the outside in.

use serde::Serialize;

use super::super::chat::Token;
use super::body::{Body, Item};

#[derive(Serialize)]
pub struct InResponse<'a> {
    pub response: &'a Body<'a>,
}

#[derive(Serialize)]
pub struct WithItem<'a> {
    pub output_index: usize,
    pub item: &'a Item<'a>,
}

#[derive(Clone, Copy, Serialize)]
pub struct Within<'a> {
    pub item_id: &'a str,
    pub output_index: usize,
}

#[derive(Serialize)]
pub struct InItem<'a, T> {
    #[serde(flatten)]
    pub within: Within<'a>,
    #[serde(flatten)]
    pub rest: T,
}

#[derive(Serialize)]
pub struct InContent<T> {
    pub content_index: usize,
    #[serde(flatten)]
    pub rest: T,
}

#[derive(Serialize)]
pub struct InSummary<T> {
    pub summary_index: usize,
    #[serde(flatten)]
    pub rest: T,
}

#[derive(Serialize)]
pub struct WithPart<'a, T> {
    pub part: &'a T,
}

#[derive(Serialize)]
pub struct Delta<'a> {
    pub delta: &'a str,
}

#[derive(Serialize)]
pub struct Text<'a> {
    pub text: &'a str,
}

#[derive(Serialize)]
pub struct TextDelta<'a> {
    pub delta: &'a str,
    pub logprobs: Vec<Token<'a>>,
}

#[derive(Serialize)]
pub struct TextDone<'a> {
    pub text: &'a str,
    pub logprobs: &'a [Token<'a>],
}

#[derive(Serialize)]
pub struct Arguments<'a> {
    pub arguments: &'a str,
}

#[derive(Serialize)]
pub struct Input<'a> {
    pub input: &'a str,
}
