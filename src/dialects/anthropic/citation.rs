//! Citations: what a text rests on, as Anthropic writes it (five kinds of location) and as everybody else does.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::dialects::Dialect;
use crate::dialects::ir::{Annotation, Json, Opaque};

/// What is of use elsewhere; the rest stays in [`Annotation::native`].
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Citation {
    #[serde(rename = "type")]
    kind: Option<String>,
    cited_text: Option<String>,
    title: Option<String>,
    document_title: Option<String>,
    url: Option<String>,
    /// Of search results that the client gave: a URL, or any other name.
    source: Option<String>,
}

/// A page of the web, in answers.
#[derive(Debug, Serialize)]
struct WebLocation<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    url: &'a str,
    title: Option<&'a str>,
    cited_text: &'a str,
    encrypted_index: &'static str,
}

pub fn read(raw: &RawValue) -> Annotation {
    let citation: Citation = serde_json::from_str(raw.get()).unwrap_or_default();
    let is_url = |source: &String| source.starts_with("http://") || source.starts_with("https://");
    Annotation {
        url: citation.url.or(citation.source.filter(is_url)),
        title: citation.title.or(citation.document_title),
        quote: citation.cited_text,
        span: None,
        native: Some(Opaque {
            dialect: Dialect::Anthropic,
            name: citation.kind.unwrap_or_else(|| "citation".to_owned()),
            value: raw.to_owned(),
        }),
    }
}

/// As it was if it is Anthropic's own.
pub fn native(annotation: &Annotation) -> Option<&RawValue> {
    let native = annotation.native.as_ref()?;
    (native.dialect == Dialect::Anthropic).then_some(&*native.value)
}

/// As an answer shows it to a client; `None` if there is no page that it could point to.
pub fn write(annotation: &Annotation) -> Option<Json> {
    if let Some(native) = native(annotation) {
        return Some(native.to_owned());
    }
    let location = WebLocation {
        kind: "web_search_result_location",
        url: annotation.url.as_deref()?,
        title: annotation.title.as_deref(),
        cited_text: annotation.quote.as_deref().unwrap_or_default(),
        encrypted_index: "",
    };
    serde_json::value::to_raw_value(&location).ok()
}
