//! Canonical form → a whole `GenerateContentResponse`.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::parts::{Blob, Content, FileData, FunctionCall, OutPart, Part as Out};
use super::super::{media, raw, seals};
use super::grounding::{self, Placed};
use super::logprobs::{self, LogprobsResult};
use super::usage::UsageMetadata;
use crate::dialects::ir::{
    CallKind, Choice, Finish, Json, Media, Part, Reason, Reasoning, Response, Seal, Source, Start, ToolCall,
};
use crate::dialects::{Dialect, Reply, wire};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer<'a> {
    pub candidates: Vec<Candidate<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_metadata: Option<UsageMetadata>,
    pub model_version: &'a str,
    pub response_id: &'a str,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_message: Option<&'a str>,
    pub index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grounding_metadata: Option<Cow<'a, RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs_result: Option<LogprobsResult>,
}

impl<'a> Candidate<'a> {
    pub fn saying(index: u32, parts: Vec<OutPart<'a>>) -> Self {
        Self { index, content: Some(Content { role: Some("model"), parts }), ..Self::default() }
    }

    pub fn finish(&mut self, finish: &'a Finish) {
        self.finish_reason = Some(super::finish::name(finish.reason));
        self.finish_message = finish.explanation.as_deref().filter(|_| finish.reason == Reason::Filtered);
    }
}

/// The answer's name and its model's, as clients are told.
pub fn names<'a>(start: &'a Start, reply: &'a Reply) -> (&'a str, &'a str) {
    (start.id.as_deref().unwrap_or(&reply.nonce), start.model.as_deref().unwrap_or(&reply.model))
}

pub fn write(response: &Response, reply: &Reply) -> Bytes {
    let sources: Vec<_> = response.choices.iter().map(sources).collect();
    let candidates = (0..).zip(&response.choices).zip(&sources).map(|((index, choice), sources)| {
        let mut parts = Vec::new();
        for part in choice.whole_parts() {
            push(&mut parts, part, reply);
        }
        if parts.is_empty() {
            // Google's SDK takes a turn without parts for a broken one.
            parts.push(Out::text("").into());
        }
        let mut candidate = Candidate::saying(index, parts);
        candidate.finish(&choice.finish);
        candidate.grounding_metadata = grounding::borrowed(sources);
        let tokens: Vec<Json> = choice.parts.iter().flat_map(|part| tokens(part).iter().cloned()).collect();
        candidate.logprobs_result = logprobs::write(&tokens);
        candidate
    });
    let (response_id, model_version) = names(&response.start, reply);
    let usage_metadata = response.usage.as_ref().map(UsageMetadata::from);
    wire::write(&Answer { candidates: candidates.collect(), usage_metadata, model_version, response_id })
}

fn tokens(part: &Part) -> &[Json] {
    match part {
        Part::Text(text) => &text.logprobs,
        _ => &[],
    }
}

fn sources(choice: &Choice) -> Option<Json> {
    let mut text = String::new();
    let mut annotations: Vec<Placed> = Vec::new();
    for part in &choice.parts {
        if let Part::Text(part) = part {
            annotations.extend(part.annotations.iter().map(|annotation| (annotation.clone(), text.len())));
            text.push_str(&part.text);
        }
    }
    grounding::write(&annotations, &text)
}

/// Writes a part. What only another dialect understands is left out: an answer with less is still an answer.
fn push<'a>(parts: &mut Vec<OutPart<'a>>, part: &'a Part, reply: &Reply) {
    match part {
        Part::Text(text) if text.text.is_empty() => {}
        Part::Text(text) => parts.push(Out::text(&text.text).into()),
        Part::Refusal(text) => parts.push(Out::text(text).into()),
        Part::Media(media) => push_media(parts, media),
        Part::Reasoning(reasoning) => parts.extend(thought(reasoning, reply).map(OutPart::from)),
        Part::ToolCall(call) => parts.push(self::call(call, &call.arguments).into()),
        Part::Opaque(opaque) if opaque.dialect == Dialect::Gemini => parts.push(OutPart::Raw(&opaque.value)),
        Part::Opaque(_) | Part::ToolResult(_) | Part::CachePoint(_) => {}
    }
}

fn thought<'a>(reasoning: &'a Reasoning, reply: &Reply) -> Option<Out<'a>> {
    let text = if reply.shows_thoughts { reasoning.text.as_str() } else { "" };
    match &reasoning.seal {
        None if text.is_empty() => None,
        None => Some(Out::thought(text)),
        Some(seal) if reasoning.text.is_empty() => Some(lone_seal(seal)),
        Some(seal) => Some(Out::thought(text).signed(seals::write(seal))),
    }
}

/// A seal that stands alone: Gemini's own as Gemini sends it; others as a thought, which nobody shows.
pub fn lone_seal(seal: &Seal) -> Out<'static> {
    let part = if seal.is_for(Dialect::Gemini) { Out::text("") } else { Out::thought("") };
    part.signed(seals::write(seal))
}

/// A call, whose arguments may have come later than the rest of it.
pub fn call<'a>(call: &'a ToolCall, arguments: &'a str) -> Out<'a> {
    let args = match call.kind {
        CallKind::Function => raw::object_of(arguments),
        CallKind::Custom => raw::named_object(&[("input", arguments)]),
    };
    let function_call = Some(FunctionCall { id: Some(&call.id), name: &call.name, args });
    let thought_signature = call.seal.as_ref().map(|seal| Cow::Owned(seals::write(seal)));
    Out { function_call, thought_signature, ..Out::default() }
}

/// A file, and what it says if it is audio.
pub fn push_media<'a>(parts: &mut Vec<OutPart<'a>>, media: &'a Media) {
    let mime = media.mime.as_deref();
    match &media.source {
        Source::Base64(data) if data.is_empty() => {}
        Source::Base64(data) => {
            let mime_type = mime.unwrap_or_else(|| media::sniffed(data, media.kind));
            let inline_data = Some(Blob { mime_type, data: Cow::Borrowed(data) });
            parts.push(Out { inline_data, ..Out::default() }.into());
        }
        Source::Url(uri) | Source::FileId(uri) => {
            let file_data = Some(FileData { mime_type: mime, file_uri: Cow::Borrowed(uri) });
            parts.push(Out { file_data, ..Out::default() }.into());
        }
        Source::Text(text) => parts.push(Out::text(text).into()),
    }
    parts.extend(media.transcript.iter().map(|transcript| Out::text(transcript).into()));
}
