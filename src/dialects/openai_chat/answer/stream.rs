//! Streams of chunks, written to clients.
//!
//! What comes often, a piece of text or of arguments, is written by hand between parts that are made once.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;

use super::shown::{AudioDelta, ExtraContent, RareDelta, ShownAnnotation, ShownImage, tier};
use crate::dialects::ir::{
    CallKind, Delta, Event, Finish, MediaKind, Part, ReasoningKind, Source, Start, ToolCall, Usage,
};
use crate::dialects::openai_chat::details::{Detail, text_name};
use crate::dialects::openai_chat::finish;
use crate::dialects::openai_chat::usage::Written;
use crate::dialects::wire::{in_one_line, write_event, write_to};
use crate::dialects::{Dialect, EventWriter, Reply};

#[derive(Debug)]
pub struct Writer {
    reply: Reply,
    /// From `data: ` to the choices.
    head: Bytes,
    choices: Vec<Choice>,
    usage: Option<Usage>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    Ended,
}

/// What stands behind the delta of every chunk but the last.
const UNFINISHED: &str = ",\"logprobs\":null,\"finish_reason\":null";

/// What was said of one choice.
#[derive(Debug, Default)]
struct Choice {
    has_begun: bool,
    open: Open,
    calls: u64,
    annotations: u64,
    images: u64,
    has_refused: bool,
    thoughts: u64,
    /// Characters of text in blocks that are closed.
    told: u64,
}

/// The block that is being told.
#[derive(Debug, Default)]
enum Open {
    /// None, or one that cannot be shown.
    #[default]
    Nothing,
    /// So many characters of it.
    Text(u64),
    Refusal,
    Thought {
        kind: ReasoningKind,
        has_text: bool,
        id: Option<String>,
    },
    Call {
        kind: CallKind,
        lacks_arguments: bool,
    },
    Audio,
}

#[derive(Serialize)]
struct Head<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_fingerprint: Option<&'a str>,
}

#[derive(Serialize)]
struct CallDelta<'a> {
    index: u64,
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<Beginning<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<CustomBeginning<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<ExtraContent>,
}

#[derive(Serialize)]
struct Beginning<'a> {
    name: &'a str,
    arguments: &'a str,
}

#[derive(Serialize)]
struct CustomBeginning<'a> {
    name: &'a str,
    input: &'a str,
}

#[derive(Serialize)]
struct SealDelta {
    index: u64,
    extra_content: ExtraContent,
}

impl Writer {
    pub fn new(reply: &Reply) -> Self {
        let reply = Reply { echo: None, ..reply.clone() };
        Self { reply, head: Bytes::new(), choices: Vec::new(), usage: None, stage: Stage::Running }
    }

    fn start(&mut self, start: &Start, out: &mut BytesMut) {
        let own_id = if start.id.is_none() { format!("chatcmpl-{}", self.reply.nonce) } else { String::new() };
        let mut head = BytesMut::with_capacity(192);
        head.put_slice(b"data: ");
        write_to(
            &mut head,
            &Head {
                id: start.id.as_deref().unwrap_or(&own_id),
                object: "chat.completion.chunk",
                created: start.created.unwrap_or(self.reply.created),
                model: start.model.as_deref().unwrap_or(&self.reply.model),
                service_tier: tier(start.service_tier.as_deref()),
                system_fingerprint: start.fingerprint.as_deref(),
            },
        );
        // The object goes on.
        head.truncate(head.len() - 1);
        head.put_slice(b",\"choices\":[");
        self.head = head.freeze();
        self.usage = start.usage;
        self.begin(0, out);
    }

    fn choice(&mut self, index: u32) -> &mut Choice {
        let index = index as usize;
        if self.choices.len() <= index {
            self.choices.resize_with(index + 1, Choice::default);
        }
        #[expect(clippy::indexing_slicing, reason = "it was just made to be there")]
        &mut self.choices[index]
    }

    /// Tells who speaks, once.
    fn begin(&mut self, choice: u32, out: &mut BytesMut) {
        if !std::mem::replace(&mut self.choice(choice).has_begun, true) {
            self.chunk(choice, out, |out| out.put_slice(b"\"role\":\"assistant\",\"content\":\"\""), UNFINISHED);
        }
    }

    /// Writes a chunk with these members of the delta.
    fn delta(&mut self, choice: u32, out: &mut BytesMut, members: impl FnOnce(&mut BytesMut)) {
        self.begin(choice, out);
        self.chunk(choice, out, members, UNFINISHED);
    }

    fn chunk(&self, choice: u32, out: &mut BytesMut, members: impl FnOnce(&mut BytesMut), behind: &str) {
        out.put_slice(&self.head);
        out.put_slice(b"{\"index\":");
        write_to(out, &choice);
        out.put_slice(b",\"delta\":{");
        members(out);
        out.put_slice(b"}");
        out.put_slice(behind.as_bytes());
        // Whoever asked for the counts sees them announced.
        out.put_slice(if self.reply.counts_stream { b"}],\"usage\":null}\n\n" } else { b"}]}\n\n" });
    }

    fn text(&mut self, choice: u32, name: &str, text: &str, out: &mut BytesMut) {
        self.delta(choice, out, |out| {
            out.put_u8(b'"');
            out.put_slice(name.as_bytes());
            out.put_slice(b"\":");
            write_to(out, &text);
        });
    }

    /// Writes members that come rarely; nothing if there are none.
    fn rare(&mut self, choice: u32, rare: &RareDelta, out: &mut BytesMut) {
        let mut members = BytesMut::new();
        write_to(&mut members, rare);
        in_one_line(&mut members);
        if let Some(members) = members.get(1..members.len() - 1).filter(|members| !members.is_empty()) {
            self.delta(choice, out, |out| out.put_slice(members));
        }
    }

    fn open(&mut self, choice: u32, part: Part, out: &mut BytesMut) {
        let open = match part {
            Part::ToolCall(call) => {
                self.open_call(choice, &call, out);
                Open::Call { kind: call.kind, lacks_arguments: call.arguments.is_empty() }
            }
            Part::Reasoning(reasoning) if self.reply.shows_thoughts => {
                self.choice(choice).thoughts += 1;
                Open::Thought { kind: reasoning.kind, has_text: false, id: reasoning.id }
            }
            Part::Media(media) if media.kind == MediaKind::Audio => {
                let data = match media.source {
                    Source::Base64(data) => Some(data).filter(|data| !data.is_empty()),
                    _ => None,
                };
                let audio = AudioDelta { id: media.id, data, transcript: media.transcript };
                self.rare(choice, &RareDelta { audio: Some(audio), ..RareDelta::default() }, out);
                Open::Audio
            }
            Part::Media(media) => {
                let known = self.choice(choice);
                let images: Vec<_> = ShownImage::of(&media, known.images).into_iter().collect();
                known.images += images.len() as u64;
                self.rare(choice, &RareDelta { images, ..RareDelta::default() }, out);
                Open::Nothing
            }
            Part::Refusal(_) => {
                self.choice(choice).has_refused = true;
                Open::Refusal
            }
            Part::Text(_) => Open::Text(0),
            Part::Reasoning(_) | Part::Opaque(_) | Part::ToolResult(_) | Part::CachePoint(_) => Open::Nothing,
        };
        self.choice(choice).open = open;
    }

    fn open_call(&mut self, choice: u32, call: &ToolCall, out: &mut BytesMut) {
        let ToolCall { id, name, kind, arguments, seal } = call;
        let known = self.choice(choice);
        let index = known.calls;
        known.calls += 1;
        let extra_content = seal.as_ref().map(ExtraContent::of);
        let entry = match kind {
            CallKind::Function => {
                let function = Some(Beginning { name, arguments });
                CallDelta { index, id, kind: "function", function, custom: None, extra_content }
            }
            CallKind::Custom => {
                let custom = Some(CustomBeginning { name, input: arguments });
                CallDelta { index, id, kind: "custom", function: None, custom, extra_content }
            }
        };
        self.call(choice, &entry, out);
    }

    fn call(&mut self, choice: u32, entry: &impl Serialize, out: &mut BytesMut) {
        self.delta(choice, out, |out| {
            out.put_slice(b"\"tool_calls\":[");
            write_to(out, entry);
            out.put_slice(b"]");
        });
    }

    fn go_on(&mut self, choice: u32, delta: Delta, out: &mut BytesMut) {
        let known = self.choice(choice);
        match (&mut known.open, delta) {
            (Open::Text(length), Delta::Text(text)) => {
                *length += text.chars().count() as u64;
                self.text(choice, "content", &text, out);
            }
            (Open::Text(_), Delta::Annotation(annotation)) => {
                let shown = ShownAnnotation::of(&annotation, known.told, Some(known.annotations));
                known.annotations += u64::from(shown.is_some());
                self.rare(choice, &RareDelta { annotations: shown.into_iter().collect(), ..RareDelta::default() }, out);
            }
            (Open::Text(_), Delta::Logprobs(logprobs)) => {
                let mut behind = BytesMut::from(&b",\"logprobs\":{\"content\":"[..]);
                write_to(&mut behind, &logprobs);
                in_one_line(&mut behind);
                behind.put_slice(b",\"refusal\":null},\"finish_reason\":null");
                self.begin(choice, out);
                let behind = String::from_utf8_lossy(&behind);
                self.chunk(choice, out, |_| {}, &behind);
            }
            (Open::Refusal, Delta::Text(text)) => self.text(choice, "refusal", &text, out),
            (Open::Thought { kind, has_text, .. }, Delta::Text(text)) => {
                *has_text = true;
                let (kind, index) = (*kind, known.thoughts.saturating_sub(1));
                self.thought(choice, kind, index, &text, out);
            }
            (Open::Thought { kind, has_text, id }, Delta::Seal(seal)) => {
                let detail = Detail::of_seal(&seal, *kind, *has_text, known.thoughts.saturating_sub(1));
                let detail = Detail { id: id.take().or(detail.id), ..detail };
                self.rare(choice, &RareDelta { reasoning_details: vec![detail], ..RareDelta::default() }, out);
            }
            (Open::Call { kind, lacks_arguments }, Delta::Arguments(arguments)) => {
                *lacks_arguments &= arguments.is_empty();
                let (kind, index) = (*kind, known.calls.saturating_sub(1));
                self.arguments(choice, index, kind, &arguments, out);
            }
            (Open::Call { .. }, Delta::Seal(seal)) => {
                let index = known.calls.saturating_sub(1);
                self.call(choice, &SealDelta { index, extra_content: ExtraContent::of(&seal) }, out);
            }
            (Open::Audio, Delta::Audio(data)) => {
                let audio = Some(AudioDelta { data: Some(data), ..AudioDelta::default() });
                self.rare(choice, &RareDelta { audio, ..RareDelta::default() }, out);
            }
            (Open::Audio, Delta::Transcript(transcript)) => {
                let audio = Some(AudioDelta { transcript: Some(transcript), ..AudioDelta::default() });
                self.rare(choice, &RareDelta { audio, ..RareDelta::default() }, out);
            }
            // A block that is not shown; the grammar rules out the rest.
            _ => {}
        }
    }

    /// A piece of reasoning stands in both places where clients look for it. The details are complete, their seal is yet to
    /// come; `format` would not survive being put together piece by piece, so it comes with the seal.
    fn thought(&mut self, choice: u32, kind: ReasoningKind, index: u64, text: &str, out: &mut BytesMut) {
        self.delta(choice, out, |out| {
            out.put_slice(b"\"reasoning_content\":");
            write_to(out, &text);
            out.put_slice(b",\"reasoning_details\":[{\"type\":\"");
            out.put_slice(text_name(kind).as_bytes());
            out.put_slice(match kind {
                ReasoningKind::Raw => b"\",\"text\":".as_slice(),
                ReasoningKind::Summary => b"\",\"summary\":",
            });
            write_to(out, &text);
            out.put_slice(b",\"index\":");
            write_to(out, &index);
            out.put_slice(b"}]");
        });
    }

    fn arguments(&mut self, choice: u32, index: u64, kind: CallKind, arguments: &str, out: &mut BytesMut) {
        self.delta(choice, out, |out| {
            out.put_slice(b"\"tool_calls\":[{\"index\":");
            write_to(out, &index);
            out.put_slice(match kind {
                CallKind::Function => b",\"function\":{\"arguments\":".as_slice(),
                CallKind::Custom => b",\"custom\":{\"input\":",
            });
            write_to(out, &arguments);
            out.put_slice(b"}}]");
        });
    }

    fn close(&mut self, choice: u32, out: &mut BytesMut) {
        let known = self.choice(choice);
        match std::mem::take(&mut known.open) {
            Open::Text(length) => known.told += length,
            // Clients parse what they get.
            Open::Call { kind: CallKind::Function, lacks_arguments: true } => {
                let index = known.calls.saturating_sub(1);
                self.arguments(choice, index, CallKind::Function, "{}", out);
            }
            Open::Call { .. } | Open::Thought { .. } | Open::Refusal | Open::Audio | Open::Nothing => {}
        }
    }

    fn finish(&mut self, choice: u32, finish: &Finish, out: &mut BytesMut) {
        if let Some(explanation) = finish.explanation.as_deref().filter(|_| !self.choice(choice).has_refused) {
            self.text(choice, "refusal", explanation, out);
        }
        self.begin(choice, out);
        let behind = format!(",\"logprobs\":null,\"finish_reason\":\"{}\"", finish::name(finish.reason));
        self.chunk(choice, out, |_| {}, &behind);
    }

    fn end(&mut self, out: &mut BytesMut) {
        if let Some(usage) = self.usage.as_ref().filter(|_| self.reply.counts_stream) {
            out.put_slice(&self.head);
            out.put_slice(b"],\"usage\":");
            write_to(out, &Written::from(usage));
            out.put_slice(b"}\n\n");
        }
        out.put_slice(b"data: [DONE]\n\n");
    }
}

impl EventWriter for Writer {
    fn write(&mut self, event: Event, out: &mut BytesMut) {
        if self.stage == Stage::Ended {
            return;
        }
        match event {
            Event::Start(start) => self.start(&start, out),
            Event::Open(at, part) => self.open(at.choice, part, out),
            Event::Delta(at, delta) => self.go_on(at.choice, delta, out),
            Event::Close(at) => self.close(at.choice, out),
            Event::Finish(choice, finish) => self.finish(choice, &finish, out),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Failed(failure) => {
                // Nothing comes behind it, not even the end: what broke off must not look complete.
                self.stage = Stage::Ended;
                write_event(out, None, &Dialect::OpenaiChat.error(&failure, ""));
            }
            Event::End => {
                self.stage = Stage::Ended;
                self.end(out);
            }
        }
    }
}
