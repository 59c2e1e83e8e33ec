//! The shape of a stream's events: every kind has some of these members. None of them can cost the answer by being of a wrong
//! type; what is a value of its own stays raw until it is needed.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::dialects::openai_responses::lenient::{self, Whole};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Event<'a> {
    /// What it calls itself, if it does.
    #[serde(rename = "type", borrow, deserialize_with = "lenient::borrowed")]
    pub kind: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "lenient::whole")]
    pub output_index: Option<Whole>,
    #[serde(deserialize_with = "lenient::whole")]
    pub content_index: Option<Whole>,
    #[serde(deserialize_with = "lenient::whole")]
    pub summary_index: Option<Whole>,
    #[serde(borrow, deserialize_with = "lenient::borrowed")]
    pub item_id: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "lenient::text")]
    pub delta: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub text: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub arguments: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub input: Option<String>,
    #[serde(borrow)]
    pub logprobs: Option<&'a RawValue>,
    #[serde(borrow)]
    pub annotation: Option<&'a RawValue>,
    #[serde(borrow)]
    pub part: Option<&'a RawValue>,
    #[serde(borrow)]
    pub item: Option<&'a RawValue>,
    #[serde(borrow)]
    pub response: Option<&'a RawValue>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
}

/// What a member says; `None`: it is not there, or something else.
pub fn read<T: DeserializeOwned>(member: Option<&RawValue>) -> Option<T> {
    serde_json::from_str(member?.get()).ok()
}
