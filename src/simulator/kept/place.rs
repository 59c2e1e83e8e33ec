//! The paths of what is kept.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

use crate::dialects::Dialect;

/// Whose shapes are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
    Openai,
    Xai,
}

impl Vendor {
    pub fn dialect(self) -> Dialect {
        match self {
            Self::Openai | Self::Xai => Dialect::OpenaiChat,
        }
    }
}

/// What is asked for, at whose.
#[derive(Debug, PartialEq)]
pub struct Place<'p> {
    pub vendor: Vendor,
    pub what: What<'p>,
}

#[derive(Debug, PartialEq)]
pub enum What<'p> {
    Files,
    File(Cow<'p, str>),
    /// A file's bytes.
    Content(Cow<'p, str>),
    Batches,
    Batch(Cow<'p, str>),
    /// A batch is to stop.
    Cancel(Cow<'p, str>),
}

impl<'p> Place<'p> {
    /// `path` is without the prefix by which a client says whose paths they are.
    pub fn of(path: &'p str, vendor: Vendor) -> Option<Self> {
        let what = match path.strip_prefix("/v1").unwrap_or(path) {
            "/files" => What::Files,
            "/batches" => What::Batches,
            below => match below.strip_prefix('/')?.split_once('/')? {
                ("files", rest) => match rest.split_once('/') {
                    None => What::File(id(rest)?),
                    Some((file, "content")) => What::Content(id(file)?),
                    Some(_) => return None,
                },
                ("batches", rest) => match rest.split_once('/') {
                    None => What::Batch(id(rest)?),
                    Some((batch, "cancel")) => What::Cancel(id(batch)?),
                    Some(_) => return None,
                },
                _ => return None,
            },
        };
        Some(Self { vendor, what })
    }

    /// The methods that it takes.
    pub fn methods(&self) -> &'static [Method] {
        match self.what {
            What::Files | What::Batches => &[Method::GET, Method::POST],
            What::File(_) => &[Method::GET, Method::DELETE],
            What::Content(_) | What::Batch(_) => &[Method::GET],
            What::Cancel(_) => &[Method::POST],
        }
    }
}

fn id(text: &str) -> Option<Cow<'_, str>> {
    (!text.is_empty()).then(|| percent_decode_str(text).decode_utf8_lossy())
}
