//! What whole answers and streams show alike.

use serde::Serialize;

use crate::dialects::Dialect;
use crate::dialects::ir::{Annotation, Media, MediaKind, Seal, Source};
use crate::dialects::openai_chat::details::Detail;
use crate::dialects::wire::data_url;

/// OpenAI's tiers; SDKs know no others.
const TIERS: &[&str] = &["auto", "default", "flex", "scale", "priority", "fast"];

pub fn tier(tier: Option<&str>) -> Option<&str> {
    match tier {
        Some("standard") => Some("default"),
        tier => tier.filter(|tier| TIERS.contains(tier)),
    }
}

/// `url_citation`; the `index` lets SDKs put the lists of several chunks together.
#[derive(Debug, Serialize)]
pub struct ShownAnnotation {
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    #[serde(rename = "type")]
    kind: &'static str,
    url_citation: UrlCitation,
}

#[derive(Debug, Serialize)]
struct UrlCitation {
    url: String,
    title: String,
    start_index: u64,
    end_index: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

impl ShownAnnotation {
    /// `before`: so many characters of the message stand before the text that it belongs to. `None`: this dialect only has places
    /// on the web.
    pub fn of(annotation: &Annotation, before: u64, index: Option<u64>) -> Option<Self> {
        let (start, end) = annotation.span.map_or((0, 0), |(start, end)| (before + start, before + end));
        Some(Self {
            index,
            kind: "url_citation",
            url_citation: UrlCitation {
                url: annotation.url.clone()?,
                title: annotation.title.clone().unwrap_or_default(),
                start_index: start,
                end_index: end,
                content: annotation.quote.clone(),
            },
        })
    }
}

/// A picture in an answer, as OpenRouter shows it.
#[derive(Debug, Serialize)]
pub struct ShownImage {
    #[serde(rename = "type")]
    kind: &'static str,
    image_url: ImageUrl,
    index: u64,
}

#[derive(Debug, Serialize)]
struct ImageUrl {
    url: String,
}

impl ShownImage {
    pub fn of(media: &Media, index: u64) -> Option<Self> {
        let url = match &media.source {
            Source::Base64(data) => data_url(media.mime.as_deref().unwrap_or("image/png"), data),
            Source::Url(url) => url.clone(),
            Source::FileId(_) | Source::Text(_) => return None,
        };
        (media.kind == MediaKind::Image).then_some(Self { kind: "image_url", image_url: ImageUrl { url }, index })
    }
}

/// Google's place for the seal of a call.
#[derive(Debug, Serialize)]
pub struct ExtraContent {
    google: GoogleExtra,
}

#[derive(Debug, Serialize)]
struct GoogleExtra {
    thought_signature: String,
}

impl ExtraContent {
    pub fn of(seal: &Seal) -> Self {
        Self { google: GoogleExtra { thought_signature: seal.carried(Dialect::Gemini) } }
    }
}

/// The members of a delta that are not written by hand.
#[derive(Debug, Default, Serialize)]
pub struct RareDelta {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<ShownAnnotation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ShownImage>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasoning_details: Vec<Detail>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<AudioDelta>,
}

#[derive(Debug, Default, Serialize)]
pub struct AudioDelta {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
}
