//! The shape of a stream's events: every kind has some of these members. They stay raw until one is needed, so that none of
//! the others can cost the answer.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    output_index: Option<&'a RawValue>,
    #[serde(borrow)]
    pub content_index: Option<&'a RawValue>,
    #[serde(borrow)]
    pub summary_index: Option<&'a RawValue>,
    #[serde(borrow)]
    pub item_id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub delta: Option<&'a RawValue>,
    #[serde(borrow)]
    pub text: Option<&'a RawValue>,
    #[serde(borrow)]
    pub refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    pub arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    pub input: Option<&'a RawValue>,
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

impl<'a> Event<'a> {
    /// What it calls itself, if it does.
    pub fn kind(&self) -> Option<&'a str> {
        self.kind.map(|kind| kind.get().trim_matches('"'))
    }

    pub fn output_index(&self) -> Option<u64> {
        read(self.output_index)
    }
}

/// What a member says; `None`: it is not there, or something else.
pub fn read<T: DeserializeOwned>(member: Option<&RawValue>) -> Option<T> {
    serde_json::from_str(member?.get()).ok()
}
