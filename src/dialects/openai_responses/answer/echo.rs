//! What an answer repeats of its request.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::Object;

/// A request, of which its answer shows many members again, as they were sent.
#[derive(Debug, Default)]
pub struct Echo(Option<Object>);

/// How the answer was to look.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Text<'a> {
    #[serde(borrow)]
    pub format: Option<&'a RawValue>,
    #[serde(borrow)]
    pub verbosity: Option<&'a RawValue>,
}

impl Echo {
    pub fn of(request: Option<&Object>) -> Self {
        Self(request.map(Object::in_one_piece))
    }

    /// A member, if it says something. What cannot be read is not repeated.
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        let Cow::Borrowed(raw) = self.0.as_ref()?.get(name)? else { return None };
        serde_json::from_slice::<Option<&RawValue>>(raw).ok().flatten()
    }

    pub fn text(&self) -> Text<'_> {
        self.get("text").and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    }

    /// Whether the client wants to be told what was thought.
    pub fn wants_summaries(&self) -> bool {
        #[derive(Deserialize)]
        struct Reasoning<'a> {
            #[serde(borrow)]
            summary: Option<&'a RawValue>,
            #[serde(borrow)]
            generate_summary: Option<&'a RawValue>,
        }
        let reasoning = self.get("reasoning").and_then(|raw| serde_json::from_str::<Reasoning<'_>>(raw.get()).ok());
        reasoning.is_some_and(|reasoning| reasoning.summary.or(reasoning.generate_summary).is_some())
    }
}
