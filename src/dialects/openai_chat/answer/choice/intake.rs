//! What a message says, taken apart into pieces.

use super::{Choice, Piece, Thought};
use crate::dialects::Dialect;
use crate::dialects::ir::{
    Annotation, Delta, Event, Json, Media, MediaKind, Opaque, Part, Reasoning, ReasoningKind, SealKind, Source,
};
use crate::dialects::openai_chat::answer::calls::Fragment;
use crate::dialects::openai_chat::answer::wire;
use crate::dialects::openai_chat::details::Detail;
use crate::dialects::openai_chat::loose::{Count, read};
use crate::dialects::think_tags::Told;
use crate::dialects::wire::parse_data_url;

impl Choice {
    pub fn take(&mut self, message: wire::Message<'_>, is_whole: bool, events: &mut Vec<Event>) {
        let wire::Message {
            content,
            refusal,
            reasoning_content,
            reasoning,
            reasoning_details,
            tool_calls,
            function_call,
            audio,
            images,
            annotations,
        } = message;
        let details: Vec<Detail> = read(reasoning_details).unwrap_or_default();
        let filled = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        if !details.iter().any(|detail| filled(&detail.text) || filled(&detail.summary)) {
            self.think(reasoning_content.owned().or_else(|| reasoning.owned()), events);
        }
        for detail in details {
            self.take_detail(detail, events);
        }
        self.take_content(content, is_whole, events);
        if let Some(refusal) = refusal.owned() {
            self.place(Piece::Refusal(refusal), events);
        }
        if let Some(audio) = read(audio) {
            self.take_audio(audio, events);
        }
        for image in read::<Vec<wire::Part<'_>>>(images).into_iter().flatten() {
            self.take_image(image, events);
        }
        for annotation in read::<Vec<Json>>(annotations).into_iter().flatten() {
            self.annotate(annotation_of(annotation), events);
        }
        let legacy =
            read::<wire::Function<'_>>(function_call).filter(|call| !(call.is_empty() && self.calls.is_empty()));
        let legacy = legacy.map(|call| wire::ToolCall {
            index: Count(Some(u64::MAX)),
            function: Some(call),
            ..wire::ToolCall::default()
        });
        for entry in tool_calls.into_iter().flatten().chain(legacy) {
            self.take_call(entry, is_whole, events);
        }
    }

    fn think(&mut self, text: Option<String>, events: &mut Vec<Event>) {
        if let Some(text) = text {
            self.splitter.leave();
            self.tell_thought(text, events);
        }
    }

    fn tell_thought(&mut self, text: String, events: &mut Vec<Event>) {
        let of = Thought { detail: None, kind: ReasoningKind::Raw, is_sealed: false };
        self.place(Piece::Thought { of, id: None, text }, events);
    }

    /// A text that may begin with thoughts.
    fn take_text(&mut self, text: String, is_whole: bool, events: &mut Vec<Event>) {
        if self.splitter.is_idle() {
            return self.place(Piece::Text(text), events);
        }
        let told = if is_whole { self.splitter.take_whole(text) } else { self.splitter.take(text) };
        told.into_iter().for_each(|piece| self.tell_split(piece, events));
    }

    /// Something else comes than text, or nothing more: what was held back of the text comes first.
    pub(super) fn settle_text(&mut self, events: &mut Vec<Event>) {
        if let Some(piece) = self.splitter.settle() {
            self.tell_split(piece, events);
        }
    }

    fn tell_split(&mut self, piece: Told, events: &mut Vec<Event>) {
        match piece {
            Told::Thought(thought) => self.tell_thought(thought, events),
            Told::Text(text) => self.place(Piece::Text(text), events),
        }
    }

    fn take_detail(&mut self, mut detail: Detail, events: &mut Vec<Event>) {
        let seal = detail.seal();
        let (text, kind) = detail.text().unzip();
        let of = Thought { detail: detail.index, kind: kind.unwrap_or_default(), is_sealed: false };
        let id = detail.id;
        if let Some(text) = text {
            self.place(Piece::Thought { of, id: id.clone(), text }, events);
        }
        match seal {
            Some(seal) if seal.kind == SealKind::Redacted => {
                self.place(Piece::Redacted(Reasoning { id, ..Reasoning::default() }, seal), events);
            }
            Some(seal) => self.place(Piece::Seal { of, id, seal }, events),
            None => {}
        }
    }

    fn take_content(&mut self, content: wire::Content<'_>, is_whole: bool, events: &mut Vec<Event>) {
        match content {
            wire::Content::None => {}
            wire::Content::Text(text) => self.take_text(text.into_owned(), is_whole, events),
            wire::Content::Json(text) => self.place(Piece::Text(text), events),
            wire::Content::Parts(parts) => {
                for part in parts {
                    self.take_part(part, events);
                }
            }
        }
    }

    fn take_part(&mut self, part: wire::Part<'_>, events: &mut Vec<Event>) {
        match part {
            wire::Part { thinking: wire::Content::Text(text), .. } => self.think(Some(text.into_owned()), events),
            wire::Part { thinking: wire::Content::Parts(parts), .. } => {
                for part in parts {
                    self.think(part.text.owned(), events);
                }
            }
            part if part.image_url.is_some() => self.take_image(part, events),
            part => {
                if let Some(text) = part.text.owned() {
                    self.place(Piece::Text(text), events);
                }
                if let Some(refusal) = part.refusal.owned() {
                    self.place(Piece::Refusal(refusal), events);
                }
            }
        }
    }

    fn take_image(&mut self, image: wire::Part<'_>, events: &mut Vec<Event>) {
        let Some(url) = read::<wire::ImageUrl<'_>>(image.image_url).and_then(|image| image.url.owned()) else { return };
        let (mime, source) = match parse_data_url(&url) {
            Some((mime, data)) => (Some(mime.to_owned()), Source::Base64(data.to_owned())),
            None => (None, Source::Url(url)),
        };
        let media =
            Media { kind: MediaKind::Image, mime, source, name: None, detail: None, transcript: None, id: None };
        self.place(Piece::Whole(Part::Media(media)), events);
    }

    fn take_audio(&mut self, audio: wire::Audio<'_>, events: &mut Vec<Event>) {
        let wire::Audio { id, data, transcript } = audio;
        let mut id = id.owned();
        let deltas = [data.owned().map(Delta::Audio), transcript.owned().map(Delta::Transcript)];
        if id.is_some() && deltas.iter().all(Option::is_none) {
            self.place(Piece::Audio { id: id.take(), delta: None }, events);
        }
        for delta in deltas.into_iter().flatten() {
            self.place(Piece::Audio { id: id.clone(), delta: Some(delta) }, events);
        }
    }

    fn take_call(&mut self, entry: wire::ToolCall<'_>, is_whole: bool, events: &mut Vec<Event>) {
        let Fragment { call, arguments, seal } = self.calls.take(entry, is_whole);
        let Some(known) = self.calls.get_mut(call) else { return };
        if !known.is_named() {
            known.early.extend(arguments);
            return;
        }
        if !known.is_announced {
            known.is_announced = true;
            let early = std::mem::take(&mut known.early);
            self.place(Piece::Call(call), events);
            if !early.is_empty() {
                self.place(Piece::Arguments(call, early), events);
            }
        }
        if let Some(arguments) = arguments {
            self.place(Piece::Arguments(call, arguments), events);
        }
        if let Some(seal) = seal {
            self.place(Piece::CallSeal(call, seal), events);
        }
    }

    pub(super) fn annotate(&mut self, mut annotation: Annotation, events: &mut Vec<Event>) {
        if self.splitter.has_split() {
            // It counts the characters of the thoughts, too.
            annotation.span = None;
        }
        self.has_annotations = true;
        self.place(Piece::Mark(Delta::Annotation(annotation)), events);
    }
}

fn annotation_of(native: Json) -> Annotation {
    let annotation: wire::Annotation<'_> = serde_json::from_str(native.get()).unwrap_or_default();
    let citation = annotation.url_citation.unwrap_or_default();
    let (start, end) = (citation.start_index.0, citation.end_index.0);
    let span = start.zip(end).filter(|(start, end)| start < end);
    let (url, title, quote) = (citation.url.owned(), citation.title.owned(), citation.content.owned());
    let native = Opaque { dialect: Dialect::OpenaiChat, name: "annotation".to_owned(), value: native };
    Annotation { url, title, quote, span, native: Some(native) }
}
