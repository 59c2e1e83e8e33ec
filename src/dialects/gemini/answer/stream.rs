//! Events → a stream of answers: server-sent events with `alt=sse`, else the elements of one JSON array.

use bytes::{BufMut, BytesMut};
use serde::Serialize;

use super::super::parts::{OutPart, Part as Out};
use super::super::seals;
use super::grounding::{self, Placed};
use super::logprobs;
use super::usage::UsageMetadata;
use super::write::{Answer, Candidate, call, lone_seal, names, push_media};
use crate::dialects::ir::{
    At, Delta, Event, Finish, Json, Media, MediaKind, Part, Reason, Seal, Source, Start, ToolCall, Usage,
};
use crate::dialects::{Dialect, EventWriter, Reply, wire};

#[derive(Debug)]
pub struct Writer {
    reply: Reply,
    start: Start,
    choices: Vec<Choice>,
    /// The last event tells it.
    usage: Option<Usage>,
    /// Whether an element of the array was written.
    has_elements: bool,
    has_ended: bool,
}

#[derive(Debug, Default)]
struct Choice {
    open: Open,
    text: String,
    /// Where in `text` the open block begins.
    block_start: usize,
    sources: Vec<Placed>,
    /// A call whose arguments are no JSON. Whether it was cut off, and must not be told, is known at the end.
    cut: Option<ToolCall>,
    finish: Option<Finish>,
}

/// What is open, as far as it must be gathered.
#[derive(Debug, Default)]
enum Open {
    #[default]
    Nothing,
    Text,
    Thought {
        has_text: bool,
        seal: Option<Seal>,
    },
    /// Calls are told as a whole.
    Call(ToolCall),
    Media(Media),
}

impl Writer {
    pub fn new(reply: &Reply) -> Self {
        let reply = Reply { echo: None, ..reply.clone() };
        Self { reply, start: Start::default(), choices: Vec::new(), usage: None, has_elements: false, has_ended: false }
    }

    fn choice(&mut self, index: u32) -> &mut Choice {
        let index = index as usize;
        if self.choices.len() <= index {
            self.choices.resize_with(index + 1, Choice::default);
        }
        #[expect(clippy::indexing_slicing, reason = "it was just made to be there")]
        &mut self.choices[index]
    }

    fn open(&mut self, at: At, part: Part, out: &mut BytesMut) {
        let choice = self.choice(at.choice);
        choice.block_start = choice.text.len();
        let open = match part {
            Part::Text(text) => {
                self.say(at, text.text, out);
                Open::Text
            }
            Part::Refusal(text) => {
                self.say(at, text, out);
                Open::Text
            }
            Part::Reasoning(reasoning) => {
                let has_text = !reasoning.text.is_empty();
                self.think(at, &reasoning.text, out);
                Open::Thought { has_text, seal: reasoning.seal }
            }
            Part::ToolCall(call) => Open::Call(call),
            Part::Media(media) => Open::Media(media),
            Part::Opaque(opaque) if opaque.dialect == Dialect::Gemini => {
                self.tell(Candidate::saying(at.choice, vec![OutPart::Raw(&opaque.value)]), out);
                Open::Nothing
            }
            Part::Opaque(_) | Part::ToolResult(_) | Part::CachePoint(_) => Open::Nothing,
        };
        self.choice(at.choice).open = open;
    }

    fn delta(&mut self, at: At, delta: Delta, out: &mut BytesMut) {
        let choice = self.choice(at.choice);
        match (&mut choice.open, delta) {
            (Open::Thought { has_text, .. }, Delta::Text(text)) => {
                *has_text |= !text.is_empty();
                self.think(at, &text, out);
            }
            (_, Delta::Text(text)) => self.say(at, text, out),
            (Open::Call(call), Delta::Arguments(more)) => call.arguments.push_str(&more),
            (Open::Call(ToolCall { seal: place, .. }) | Open::Thought { seal: place, .. }, Delta::Seal(seal)) => {
                *place = Some(seal);
            }
            (_, Delta::Annotation(annotation)) => {
                let start = choice.block_start;
                choice.sources.push((annotation, start));
            }
            (_, Delta::Logprobs(tokens)) => {
                let logprobs_result = logprobs::write(&tokens);
                self.tell(Candidate { index: at.choice, logprobs_result, ..Candidate::default() }, out);
            }
            (Open::Media(media), Delta::Audio(more)) => match &mut media.source {
                Source::Base64(data) => data.push_str(&more),
                other => *other = Source::Base64(more),
            },
            (Open::Media(media), Delta::Transcript(more)) => media.transcript.get_or_insert_default().push_str(&more),
            // The grammar rules out every other pair.
            _ => {}
        }
    }

    fn close(&mut self, at: At, out: &mut BytesMut) {
        match std::mem::take(&mut self.choice(at.choice).open) {
            Open::Nothing | Open::Text | Open::Thought { seal: None, .. } => {}
            Open::Thought { has_text, seal: Some(seal) } => {
                let part = if has_text { Out::thought("").signed(seals::write(&seal)) } else { lone_seal(&seal) };
                self.tell(Candidate::saying(at.choice, vec![part.into()]), out);
            }
            Open::Call(call) if call.is_cut() => self.choice(at.choice).cut = Some(call),
            Open::Call(whole) => {
                let part = call(&whole, &whole.arguments);
                self.tell(Candidate::saying(at.choice, vec![part.into()]), out);
            }
            Open::Media(mut media) => {
                if media.kind == MediaKind::Audio && media.mime.is_none() {
                    media.mime = Some("audio/wav".to_owned());
                }
                let mut parts = Vec::new();
                push_media(&mut parts, &media);
                if !parts.is_empty() {
                    self.tell(Candidate::saying(at.choice, parts), out);
                }
            }
        }
    }

    fn say(&mut self, at: At, text: String, out: &mut BytesMut) {
        if text.is_empty() {
            return;
        }
        self.tell(Candidate::saying(at.choice, vec![Out::text(&text).into()]), out);
        self.choice(at.choice).text.push_str(&text);
    }

    fn think(&mut self, at: At, text: &str, out: &mut BytesMut) {
        if self.reply.shows_thoughts && !text.is_empty() {
            self.tell(Candidate::saying(at.choice, vec![Out::thought(text).into()]), out);
        }
    }

    fn tell(&mut self, candidate: Candidate<'_>, out: &mut BytesMut) {
        let (response_id, model_version) = names(&self.start, &self.reply);
        let answer = Answer { candidates: vec![candidate], usage_metadata: None, model_version, response_id };
        element(self.reply.is_array, &mut self.has_elements, &answer, out);
    }

    /// The last event: why each choice ended, what it rests on, and the counts.
    fn finish(&mut self, out: &mut BytesMut) {
        let sources: Vec<Option<Json>> =
            self.choices.iter().map(|choice| grounding::write(&choice.sources, &choice.text)).collect();
        let candidates = (0..).zip(&self.choices).zip(&sources).filter_map(|((index, choice), sources)| {
            let mut candidate = Candidate::saying(index, vec![Out::text("").into()]);
            candidate.finish(choice.finish.as_ref()?);
            candidate.grounding_metadata = grounding::borrowed(sources);
            Some(candidate)
        });
        let (response_id, model_version) = names(&self.start, &self.reply);
        let usage_metadata = self.usage.as_ref().map(UsageMetadata::from);
        let answer = Answer { candidates: candidates.collect(), usage_metadata, model_version, response_id };
        element(self.reply.is_array, &mut self.has_elements, &answer, out);
    }
}

impl EventWriter for Writer {
    fn write(&mut self, event: Event, out: &mut BytesMut) {
        if self.has_ended {
            return;
        }
        match event {
            Event::Start(start) => {
                self.usage = start.usage;
                self.start = start;
            }
            Event::Open(at, part) => self.open(at, part, out),
            Event::Delta(at, delta) => self.delta(at, delta, out),
            Event::Close(at) => self.close(at, out),
            Event::Finish(index, finish) => {
                if let Some(cut) = self.choice(index).cut.take().filter(|_| finish.reason != Reason::Length) {
                    self.tell(Candidate::saying(index, vec![call(&cut, &cut.arguments).into()]), out);
                }
                self.choice(index).finish = Some(finish);
            }
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Failed(failure) => {
                let error = Dialect::Gemini.error(&failure, "");
                element(self.reply.is_array, &mut self.has_elements, &error, out);
                self.end(out);
            }
            Event::End => {
                self.finish(out);
                self.end(out);
            }
        }
    }
}

impl Writer {
    fn end(&mut self, out: &mut BytesMut) {
        if self.reply.is_array {
            out.put_slice(b"]");
        }
        self.has_ended = true;
    }
}

fn element<T: Serialize>(is_array: bool, has_elements: &mut bool, answer: &T, out: &mut BytesMut) {
    if !is_array {
        wire::write_event(out, None, answer);
        return;
    }
    out.put_slice(if *has_elements { b",\r\n" } else { b"[" });
    *has_elements = true;
    wire::write_to(out, answer);
    out.put_slice(b"\n");
}
