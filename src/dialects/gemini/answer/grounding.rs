//! What an answer rests on: Gemini's `groundingMetadata` and `citationMetadata` ↔ annotations. Gemini counts bytes, we count
//! characters.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::raw;
use crate::dialects::Dialect;
use crate::dialects::ir::{Annotation, Json, Opaque};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Grounding {
    grounding_chunks: Vec<Chunk>,
    grounding_supports: Vec<Support>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Chunk {
    web: Option<Place>,
    maps: Option<Place>,
    retrieved_context: Option<Place>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Place {
    uri: Option<String>,
    title: Option<String>,
    text: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Support {
    segment: Option<Segment>,
    grounding_chunk_indices: Vec<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Segment {
    start_index: usize,
    end_index: usize,
    text: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Citations {
    #[serde(alias = "citations")]
    citation_sources: Vec<Citation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Citation {
    start_index: usize,
    end_index: Option<usize>,
    uri: Option<String>,
    title: Option<String>,
}

/// Whether it says anything: streams repeat an empty object in every event.
pub fn says_something(metadata: &Json) -> bool {
    metadata.get().len() > 2
}

/// One for each part of `text` and each source of it, and one for each source that no part names. The first carries all the
/// metadata as Gemini wrote them.
pub fn read_grounding(metadata: Json, text: &str) -> Vec<Annotation> {
    let grounding: Grounding = serde_json::from_str(metadata.get()).unwrap_or_default();
    let mut is_named = vec![false; grounding.grounding_chunks.len()];
    let mut annotations = Vec::new();
    for support in &grounding.grounding_supports {
        let span = support.segment.as_ref().and_then(|segment| segment.span(text));
        for index in &support.grounding_chunk_indices {
            let Some(chunk) = grounding.grounding_chunks.get(*index) else { continue };
            if let Some(is_named) = is_named.get_mut(*index) {
                *is_named = true;
            }
            annotations.extend(chunk.annotation(span));
        }
    }
    let others = grounding.grounding_chunks.iter().zip(&is_named).filter(|(_, is_named)| !**is_named);
    annotations.extend(others.filter_map(|(chunk, _)| chunk.annotation(None)));
    if let Some(first) = annotations.first_mut() {
        let name = "groundingMetadata".to_owned();
        first.native = Some(Opaque { dialect: Dialect::Gemini, name, value: metadata });
    }
    annotations
}

pub fn read_citations(metadata: &Json, text: &str) -> Vec<Annotation> {
    let citations: Citations = serde_json::from_str(metadata.get()).unwrap_or_default();
    let read = |citation: Citation| {
        let span = citation.end_index.and_then(|end| characters(text, citation.start_index, end));
        let Citation { uri: url, title, .. } = citation;
        url.is_some().then(|| Annotation { url, title, span, ..Annotation::default() })
    };
    citations.citation_sources.into_iter().filter_map(read).collect()
}

impl Chunk {
    fn annotation(&self, span: Option<(u64, u64)>) -> Option<Annotation> {
        let place = self.web.as_ref().or(self.maps.as_ref()).or(self.retrieved_context.as_ref())?;
        let Place { uri, title, text } = place;
        if uri.is_none() && title.is_none() && text.is_none() {
            return None;
        }
        Some(Annotation { url: uri.clone(), title: title.clone(), quote: text.clone(), span, native: None })
    }
}

impl Segment {
    /// Where it is in `text`, in characters. The segment's own words decide, if they are told: the numbers count from the
    /// beginning of a part, which need not be where `text` begins.
    fn span(&self, text: &str) -> Option<(u64, u64)> {
        match self.text.as_deref().filter(|words| !words.is_empty()) {
            Some(words) if text.get(self.start_index..self.end_index) != Some(words) => {
                let start = text.find(words)?;
                characters(text, start, start + words.len())
            }
            _ => characters(text, self.start_index, self.end_index),
        }
    }
}

/// From bytes to characters.
fn characters(text: &str, start: usize, end: usize) -> Option<(u64, u64)> {
    let before = text.get(..start)?.chars().count();
    let within = text.get(start..end)?.chars().count();
    Some((u64::try_from(before).ok()?, u64::try_from(before + within).ok()?))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OutGrounding<'a> {
    grounding_chunks: Vec<OutChunk<'a>>,
    grounding_supports: Vec<OutSupport<'a>>,
}

#[derive(Debug, Serialize)]
struct OutChunk<'a> {
    web: OutPlace<'a>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct OutPlace<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OutSupport<'a> {
    segment: OutSegment<'a>,
    grounding_chunk_indices: Vec<usize>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OutSegment<'a> {
    start_index: usize,
    end_index: usize,
    text: &'a str,
}

/// An annotation, and where in the candidate's text its own text begins, in bytes.
pub type Placed = (Annotation, usize);

pub fn write(annotations: &[Placed], text: &str) -> Option<Json> {
    let native = annotations.iter().find_map(|(annotation, _)| annotation.native.as_ref());
    if let Some(native) = native.filter(|native| native.dialect == Dialect::Gemini) {
        return Some(native.value.clone());
    }
    let mut out = OutGrounding { grounding_chunks: Vec::new(), grounding_supports: Vec::new() };
    let says_something = |(it, _): &&Placed| it.url.is_some() || it.title.is_some();
    for (annotation, offset) in annotations.iter().filter(says_something) {
        let Annotation { url, title, quote: _, span, native: _ } = annotation;
        let web = OutPlace { uri: url.as_deref(), title: title.as_deref() };
        let known = out.grounding_chunks.iter().position(|chunk| chunk.web == web);
        let at = known.unwrap_or_else(|| {
            out.grounding_chunks.push(OutChunk { web });
            out.grounding_chunks.len() - 1
        });
        if let Some(segment) = span.and_then(|span| segment(text, *offset, span)) {
            out.grounding_supports.push(OutSupport { segment, grounding_chunk_indices: vec![at] });
        }
    }
    (!out.grounding_chunks.is_empty()).then(|| raw::json(&out))
}

/// From characters to bytes.
fn segment(text: &str, offset: usize, (start, end): (u64, u64)) -> Option<OutSegment<'_>> {
    let own = text.get(offset..)?;
    let byte = |character: u64| {
        let character = usize::try_from(character).ok()?;
        own.char_indices().map(|(at, _)| at).chain([own.len()]).nth(character)
    };
    let (start_index, end_index) = (offset + byte(start)?, offset + byte(end)?);
    Some(OutSegment { start_index, end_index, text: text.get(start_index..end_index)? })
}

/// The metadata of a candidate, to be written.
pub fn borrowed(metadata: &Option<Json>) -> Option<Cow<'_, RawValue>> {
    metadata.as_deref().map(Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_characters_and_back() {
        let text = "Größe: zwölf. Ende.";
        let metadata = r#"{"groundingChunks":[{"web":{"uri":"https://a","title":"A"}},{"retrievedContext":{"text":"q"}},{"web":{"uri":"https://b"}}],
            "groundingSupports":[{"segment":{"startIndex":9,"endIndex":16,"text":"zwölf."},"groundingChunkIndices":[0,1,9]},
            {"segment":{"startIndex":1,"endIndex":3,"text":"Ende."},"groundingChunkIndices":[0]}]}"#;
        let annotations = read_grounding(serde_json::from_str(metadata).expect("JSON"), text);
        let spans: Vec<_> = annotations.iter().map(|it| (it.url.as_deref(), it.span)).collect();
        assert_eq!(
            spans,
            [
                (Some("https://a"), Some((7, 13))),
                (None, Some((7, 13))),
                (Some("https://a"), Some((14, 19))),
                (Some("https://b"), None)
            ]
        );
        assert!(annotations[0].native.is_some() && annotations[1].quote.as_deref() == Some("q"));
        let own: Vec<Placed> = annotations
            .iter()
            .filter(|it| it.url.is_some())
            .map(|it| (Annotation { native: None, ..it.clone() }, 0))
            .collect();
        let written = write(&own, text).expect("metadata");
        assert_eq!(
            written.get(),
            concat!(
                r#"{"groundingChunks":[{"web":{"uri":"https://a","title":"A"}},{"web":{"uri":"https://b"}}],"#,
                r#""groundingSupports":[{"segment":{"startIndex":9,"endIndex":16,"text":"zwölf."},"groundingChunkIndices":[0]},"#,
                r#"{"segment":{"startIndex":17,"endIndex":22,"text":"Ende."},"groundingChunkIndices":[0]}]}"#
            )
        );
    }

    #[test]
    fn citations_need_an_address() {
        let metadata = r#"{"citationSources":[{"startIndex":1,"endIndex":2,"uri":"https://a"},{"endIndex":1},{"uri":"https://b","startIndex":90,"endIndex":99}]}"#;
        let citations = read_citations(&serde_json::from_str(metadata).expect("JSON"), "abc");
        assert_eq!(citations.iter().map(|it| it.span).collect::<Vec<_>>(), [Some((1, 2)), None]);
    }
}
