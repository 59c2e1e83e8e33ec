//! Words of the format: texts that are compared and not kept.

use std::borrow::Cow;
use std::ops::Deref;

use serde::Deserialize;

/// A text that is not copied unless it was escaped.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Word<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> From<&'a str> for Word<'a> {
    fn from(word: &'a str) -> Self {
        Self(Cow::Borrowed(word))
    }
}

impl Deref for Word<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}
