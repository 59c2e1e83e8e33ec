//! What was said → Gemini's `systemInstruction` and `contents`.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

use super::super::parts::{Blob, Content, FileData, FunctionCall, FunctionResponse, OutPart, Part as Out};
use super::super::{media, raw, seals};
use crate::dialects::ir::{
    CallKind, Feature, Losses, Media, MediaKind, Message, Opaque, Part, Reasoning, Role, Seal, Source, ToolCall,
    ToolResult,
};
use crate::dialects::{Dialect, Recipient, wire};
use crate::error::Refusal;
use crate::models::ThinkingStyle;

/// Stands where a turn of the user's must be and there is none.
const NOTHING: &str = " ";

#[derive(Debug)]
pub struct Said<'a> {
    pub instructions: Vec<&'a str>,
    pub contents: Vec<Content<'a>>,
}

/// Instructions that come first go to their own place; those that come later stay where they are, as the user's words:
/// they answer to what stands before them.
pub fn write<'a>(messages: &'a [Message], recipient: &Recipient<'_>, losses: &mut Losses) -> Result<Said<'a>, Refusal> {
    let signs_calls = matches!(recipient.facts.thinking, ThinkingStyle::GeminiLevel { signs_calls: true, .. });
    let mut writer = Writer {
        signs_calls,
        thinks: recipient.facts.thinking != ThinkingStyle::Never,
        fetches_urls: recipient.habits.fetches_urls,
        names: HashMap::new(),
        losses,
        last: None,
        said: Said { instructions: Vec::new(), contents: Vec::new() },
    };
    for message in messages {
        if message.name.is_some() {
            writer.losses.note(Feature::Names);
        }
        match message.role {
            Role::System | Role::Developer if writer.said.contents.is_empty() => writer.instruct(&message.parts),
            Role::System | Role::Developer | Role::User => writer.user(&message.parts),
            Role::Assistant => writer.model(&message.parts),
            Role::Tool => writer.results(&message.parts)?,
        }
    }
    let mut said = writer.said;
    if !recipient.facts.has_system && !said.instructions.is_empty() {
        let instructions =
            std::mem::take(&mut said.instructions).into_iter().map(|text| Out::text(text).into()).collect();
        match said.contents.first_mut() {
            Some(first) if first.role == Some("user") => {
                first.parts.splice(0..0, instructions);
            }
            _ => said.contents.insert(0, Content { role: Some("user"), parts: instructions }),
        }
    }
    if said.contents.first().is_none_or(|first| first.role != Some("user")) {
        said.contents.insert(0, Content { role: Some("user"), parts: vec![Out::text(NOTHING).into()] });
    }
    Ok(said)
}

struct Writer<'a, 'l> {
    /// Gemini 3: calls have ids, and are refused without a signature.
    signs_calls: bool,
    thinks: bool,
    fetches_urls: bool,
    /// Calls by id: results must name their function.
    names: HashMap<&'a str, &'a str>,
    losses: &'l mut Losses,
    /// Whose content was written last.
    last: Option<Role>,
    said: Said<'a>,
}

impl<'a> Writer<'a, '_> {
    fn instruct(&mut self, parts: &'a [Part]) {
        for part in parts {
            match part {
                Part::Text(text) if text.text.is_empty() => {}
                Part::Text(text) => self.said.instructions.push(&text.text),
                Part::CachePoint(_) => self.losses.note(Feature::CacheMarks),
                Part::Opaque(opaque) => self.foreign(opaque),
                _ => self.losses.note_named(Feature::Media, "media in instructions"),
            }
        }
    }

    fn user(&mut self, parts: &'a [Part]) {
        let mut out = Vec::new();
        for part in parts {
            match part {
                Part::Text(text) if text.text.is_empty() => {}
                Part::Text(text) => out.push(Out::text(&text.text).into()),
                Part::Refusal(text) => out.push(Out::text(text).into()),
                Part::Media(media) => out.extend(self.media(media).map(OutPart::from)),
                Part::CachePoint(_) => self.losses.note(Feature::CacheMarks),
                Part::Opaque(opaque) if opaque.dialect == Dialect::Gemini => out.push(OutPart::Raw(&opaque.value)),
                Part::Opaque(opaque) => self.foreign(opaque),
                Part::Reasoning(_) => self.losses.note(Feature::ReasoningHistory),
                // The normal form has none of these here.
                Part::ToolCall(_) | Part::ToolResult(_) => {}
            }
        }
        self.add(Role::User, out);
    }

    fn model(&mut self, parts: &'a [Part]) {
        let mut turn = Turn::default();
        for (at, part) in parts.iter().enumerate() {
            match part {
                Part::Text(text) if text.text.is_empty() => {}
                Part::Text(text) => turn.push(Out::text(&text.text), true),
                Part::Refusal(text) => turn.push(Out::text(text), true),
                Part::Media(media) => {
                    if let Some(out) = self.spoken(media) {
                        turn.push(out, true);
                    }
                }
                Part::Reasoning(reasoning) => self.reasoning(reasoning, parts.get(at + 1), &mut turn),
                Part::ToolCall(call) => {
                    let out = self.call(call, &mut turn);
                    turn.push(out, false);
                }
                Part::CachePoint(_) => self.losses.note(Feature::CacheMarks),
                Part::Opaque(opaque) if opaque.dialect == Dialect::Gemini => {
                    turn.push_closed(OutPart::Raw(&opaque.value))
                }
                Part::Opaque(opaque) => self.foreign(opaque),
                Part::ToolResult(_) => {}
            }
        }
        self.add(Role::Assistant, turn.finish());
    }

    fn reasoning(&mut self, reasoning: &'a Reasoning, next: Option<&'a Part>, turn: &mut Turn<'a>) {
        let own = match &reasoning.seal {
            Some(seal) if seal.is_for(Dialect::Gemini) => Some(seal),
            Some(_) => {
                self.losses.note(Feature::ReasoningHistory);
                None
            }
            None => None,
        };
        if !reasoning.text.is_empty() {
            if self.thinks {
                let thought = Out::thought(&reasoning.text);
                let signature = own.map(|seal| seal.value.as_str());
                turn.push_closed(Out { thought_signature: signature.map(Cow::Borrowed), ..thought }.into());
            } else {
                self.losses.note(Feature::ReasoningHistory);
            }
        } else if let Some(seal) = own {
            turn.sign(seal, next);
        }
    }

    fn call(&mut self, call: &'a ToolCall, turn: &mut Turn<'a>) -> Out<'a> {
        self.names.insert(&call.id, &call.name);
        let own = call.seal.as_ref().filter(|seal| seal.is_for(Dialect::Gemini)).map(|seal| seal.value.as_str());
        if call.seal.is_some() && own.is_none() {
            self.losses.note(Feature::ReasoningHistory);
        }
        // Of calls in parallel only the first is signed.
        let stand_in = (self.signs_calls && !turn.has_calls).then_some(seals::SENTINEL);
        let signature = own.or_else(|| turn.pending.take()).or(stand_in);
        turn.has_calls = true;
        let args = match call.kind {
            CallKind::Function => raw::object_of(&call.arguments),
            CallKind::Custom => raw::named_object(&[("input", call.arguments.as_str())]),
        };
        let function_call = FunctionCall { id: self.signs_calls.then_some(&call.id), name: &call.name, args };
        Out { function_call: Some(function_call), thought_signature: signature.map(Cow::Borrowed), ..Out::default() }
    }

    fn results(&mut self, parts: &'a [Part]) -> Result<(), Refusal> {
        let mut out = Vec::new();
        let mut beside = Vec::new();
        for part in parts {
            let Part::ToolResult(result) = part else { continue };
            let name = self.names.get(result.call_id.as_str()).copied().or(result.name.as_deref());
            let Some(name) = name.filter(|name| !name.is_empty()) else {
                let message = "A tool's result belongs to no tool call in the messages before it; Gemini's API needs the name of the called function.";
                return Err(Refusal::invalid(message));
            };
            let mut texts: Vec<Cow<'a, str>> = Vec::new();
            let mut attached = Vec::new();
            for part in &result.content {
                match part {
                    Part::Text(more) => texts.push(Cow::Borrowed(&more.text)),
                    Part::Refusal(more) => texts.push(Cow::Borrowed(more)),
                    Part::Media(Media { source: Source::Text(text), name, .. }) => {
                        texts.push(wire::titled(name.as_deref(), text));
                    }
                    Part::Media(media) => attached.extend(self.media(media).map(OutPart::from)),
                    Part::CachePoint(_) => self.losses.note(Feature::CacheMarks),
                    Part::Opaque(opaque) => self.foreign(opaque),
                    Part::Reasoning(_) | Part::ToolCall(_) | Part::ToolResult(_) => {}
                }
            }
            // Before Gemini 3 a result cannot hold media: they stand beside it.
            let parts = if self.signs_calls {
                attached
            } else {
                beside.extend(attached);
                Vec::new()
            };
            let response = response(result, texts);
            let id = self.signs_calls.then_some(result.call_id.as_str());
            let function_response = Some(FunctionResponse { id, name, response, parts });
            out.push(Out { function_response, ..Out::default() }.into());
        }
        out.extend(beside);
        self.add(Role::Tool, out);
        Ok(())
    }

    /// What the model said before; of audio its words, where they are known.
    fn spoken(&mut self, media: &'a Media) -> Option<Out<'a>> {
        match (media.kind, &media.transcript) {
            (MediaKind::Audio, Some(transcript)) => Some(Out::text(transcript)),
            _ => self.media(media),
        }
    }

    fn media(&mut self, media: &'a Media) -> Option<Out<'a>> {
        let file = |mime_type, file_uri| {
            let file_data = Some(FileData { mime_type, file_uri });
            Some(Out { file_data, ..Out::default() })
        };
        let inline = |mime_type, data| {
            let inline_data = Some(Blob { mime_type, data: Cow::Borrowed(data) });
            Some(Out { inline_data, ..Out::default() })
        };
        let mime = media.mime.as_deref();
        if let Source::Url(url) = &media.source
            && let Some((mime, data)) = wire::parse_data_url(url)
        {
            return inline(mime, data);
        }
        match &media.source {
            Source::Base64(data) => inline(mime.unwrap_or_else(|| media::sniffed(data, media.kind)), data),
            Source::Url(uri) if media::reads_by_itself(uri) || self.fetches_urls && media.is_on_the_web() => {
                file(mime.or_else(|| media::of_address(uri, media.kind)), uri.into())
            }
            Source::Url(_) => {
                let name = if media.kind == MediaKind::Image { Feature::ImageUrls } else { Feature::FileUrls }.name();
                self.losses
                    .refuse(name, "its provider does not fetch by URL, so the data must be in the request, as base64");
                None
            }
            Source::FileId(uri) if media::is_kept_by_google(uri) => {
                file(mime.or_else(|| media::of_address(uri, media.kind)), uri.into())
            }
            Source::FileId(id) => match media::file_uri(id) {
                Some(uri) => file(mime, uri.into()),
                None => {
                    self.losses.note(Feature::FileIds);
                    None
                }
            },
            Source::Text(text) => Some(Out::text(wire::titled(media.name.as_deref(), text))),
        }
    }

    fn foreign(&mut self, opaque: &Opaque) {
        if opaque.dialect == Dialect::Gemini {
            return;
        }
        self.losses.note_named(Feature::ServerTools, &format!("{} ({})", Feature::ServerTools.name(), opaque.name));
    }

    /// Adds to the last content if it has the same role. Results stay alone: their number is checked against the calls.
    fn add(&mut self, role: Role, mut parts: Vec<OutPart<'a>>) {
        if parts.is_empty() {
            return;
        }
        match self.said.contents.last_mut() {
            Some(content) if self.last == Some(role) => content.parts.append(&mut parts),
            _ => {
                let name = if role == Role::Assistant { "model" } else { "user" };
                self.said.contents.push(Content { role: Some(name), parts });
            }
        }
        self.last = Some(role);
    }
}

/// A turn of the model, on which signatures find their parts.
#[derive(Debug, Default)]
struct Turn<'a> {
    parts: Vec<OutPart<'a>>,
    has_calls: bool,
    /// A signature that waits for its part.
    pending: Option<&'a str>,
    /// Whether the last part could be signed and is not.
    is_open: bool,
}

impl<'a> Turn<'a> {
    fn push(&mut self, mut part: Out<'a>, may_be_signed: bool) {
        if may_be_signed {
            part.thought_signature = self.pending.take().map(Cow::Borrowed);
        }
        self.is_open = may_be_signed && part.thought_signature.is_none();
        self.parts.push(part.into());
    }

    /// Adds what has its signature, or needs none.
    fn push_closed(&mut self, part: OutPart<'a>) {
        self.is_open = false;
        self.parts.push(part);
    }

    /// A signature that stands alone belongs to the call behind it, or to the text before it, or to the next text.
    fn sign(&mut self, seal: &'a Seal, next: Option<&Part>) {
        let is_of_call = matches!(next, Some(Part::ToolCall(call)) if call.seal.is_none());
        match self.parts.last_mut() {
            Some(OutPart::Known(part)) if self.is_open && !is_of_call => {
                part.thought_signature = Some(Cow::Borrowed(&seal.value));
                self.is_open = false;
            }
            _ => {
                self.flush();
                self.pending = Some(&seal.value);
            }
        }
    }

    fn flush(&mut self) {
        if let Some(signature) = self.pending.take() {
            self.parts.push(Out::text("").signed(signature).into());
        }
    }

    fn finish(mut self) -> Vec<OutPart<'a>> {
        self.flush();
        self.parts
    }
}

/// What a function answered: an object as it is, anything else as Google's documentation names it.
fn response<'a>(result: &ToolResult, mut texts: Vec<Cow<'a, str>>) -> Cow<'a, RawValue> {
    let text = match texts.len() {
        0 => return raw::empty_object(),
        1 => texts.swap_remove(0),
        _ => Cow::Owned(texts.join("\n\n")),
    };
    if result.is_error {
        return raw::named_object(&[("error", text)]);
    }
    match &text {
        Cow::Borrowed(text) if text.trim_start().starts_with('{') => match serde_json::from_str(text) {
            Ok(object) => Cow::Borrowed(object),
            Err(_) => raw::named_object(&[("output", text)]),
        },
        _ => raw::named_object(&[("output", text)]),
    }
}
