//! From turns to the items of `input`.

use std::borrow::Cow;

use super::media;
use super::written::{Content, Contents, Item};
use crate::dialects::ir::{
    CallKind, Feature, Losses, Media, MediaKind, Message, Opaque, Part, Reasoning, ReasoningKind, Role, Source, Text,
    ToolCall, ToolResult,
};
use crate::dialects::{Dialect, Habits};

/// Writes the turns. Instructions that stand first and are nothing but a text are left to `instructions`: see [`instructions`].
pub fn write<'a>(messages: &'a [Message], habits: &Habits, losses: &mut Losses) -> Vec<Item<'a>> {
    let mut history = History { items: Vec::with_capacity(messages.len()), custom: Vec::new(), habits, losses };
    for message in messages {
        history.message(message);
    }
    history.items
}

/// The instructions that open a conversation, if they are one text, and the turns after them.
pub fn instructions(messages: &[Message]) -> (Option<&str>, &[Message]) {
    if let Some((Message { role: Role::System, parts, name: None }, rest)) = messages.split_first()
        && let [Part::Text(text)] = parts.as_slice()
    {
        return (Some(&text.text), rest);
    }
    (None, messages)
}

struct History<'a, 'l> {
    items: Vec<Item<'a>>,
    /// The ids of calls of custom tools: chat completions do not tell their outputs from others.
    custom: Vec<&'a str>,
    habits: &'l Habits,
    losses: &'l mut Losses,
}

impl<'a> History<'a, '_> {
    fn message(&mut self, message: &'a Message) {
        let Message { role, parts, name } = message;
        if name.is_some() {
            self.losses.note(Feature::Names);
        }
        match role {
            Role::Assistant => self.assistant(parts),
            Role::Tool => {
                for part in parts {
                    if let Part::ToolResult(result) = part {
                        self.result(result);
                    }
                }
            }
            Role::System => self.said("system", parts),
            Role::Developer => self.said("developer", parts),
            Role::User => self.said("user", parts),
        }
    }

    fn said(&mut self, role: &'static str, parts: &'a [Part]) {
        if let Some(content) = self.contents(parts) {
            self.items.push(Item::Message { role, content });
        }
    }

    /// A single text as such, anything else as a list; `None`: nothing is left of it.
    fn contents(&mut self, parts: &'a [Part]) -> Option<Contents<'a>> {
        if let [Part::Text(text)] = parts {
            return Some(Contents::Text(Cow::Borrowed(&text.text)));
        }
        let mut list = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Part::Text(Text { text, .. }) | Part::Refusal(text) => {
                    list.push(Content::InputText { text: Cow::Borrowed(text) });
                }
                Part::Media(media) => list.extend(media::write(media, self.habits, self.losses)),
                Part::CachePoint(_) => self.losses.note(Feature::CacheMarks),
                Part::Opaque(opaque) => self.opaque(opaque),
                // Only the assistant has these.
                Part::Reasoning(_) | Part::ToolCall(_) | Part::ToolResult(_) => {}
            }
        }
        (!list.is_empty()).then_some(Contents::List(list))
    }

    fn assistant(&mut self, parts: &'a [Part]) {
        let start = self.items.len();
        for (at, part) in parts.iter().enumerate() {
            let rest = parts.get(at + 1..).unwrap_or_default();
            match part {
                Part::Text(text) => self.text(&text.text, start),
                Part::Refusal(refusal) => {
                    let content = Contents::List(vec![Content::Refusal { refusal }]);
                    self.items.push(Item::Message { role: "assistant", content });
                }
                Part::Reasoning(reasoning) => {
                    // OpenAI refuses reasoning that nothing follows: what it led to is no longer there.
                    let leads_on = rest.iter().any(|part| !matches!(part, Part::Reasoning(_) | Part::CachePoint(_)));
                    self.reasoning(reasoning, leads_on);
                }
                Part::ToolCall(call) => self.call(call),
                Part::Media(media) => self.image(media, start),
                Part::CachePoint(_) => self.losses.note(Feature::CacheMarks),
                Part::Opaque(opaque) => self.opaque(opaque),
                Part::ToolResult(_) => {}
            }
        }
    }

    /// Texts in a row are one message, as an answer's texts are; the items of this turn begin at `start`.
    fn text(&mut self, text: &'a str, start: usize) {
        let last = self.items.get_mut(start..).and_then(<[_]>::last_mut);
        if let Some(Item::Message { content: Contents::Text(before), .. }) = last {
            before.to_mut().push_str(text);
        } else {
            self.items.push(Item::Message { role: "assistant", content: Contents::Text(Cow::Borrowed(text)) });
        }
    }

    fn reasoning(&mut self, reasoning: &'a Reasoning, leads_on: bool) {
        let Reasoning { text, kind, seal, id } = reasoning;
        let seal = seal.as_ref().filter(|seal| seal.is_for(Dialect::OpenaiResponses)).map(|seal| seal.value.as_str());
        let takes_unsealed = self.habits.replays_reasoning && !text.is_empty();
        if !leads_on || seal.is_none() && !takes_unsealed {
            return self.losses.note(Feature::ReasoningHistory);
        }
        let (summary, content) = match kind {
            _ if text.is_empty() => (Vec::new(), None),
            ReasoningKind::Summary if seal.is_some() => (vec![Content::SummaryText { text }], None),
            _ => (Vec::new(), Some([Content::ReasoningText { text }])),
        };
        let id = id.as_deref().filter(|id| id.starts_with("rs_"));
        self.items.push(Item::Reasoning { id, summary, content, encrypted_content: seal });
    }

    fn call(&mut self, call: &'a ToolCall) {
        let ToolCall { id, name, kind, arguments, seal } = call;
        if seal.is_some() {
            self.losses.note(Feature::ReasoningHistory);
        }
        self.items.push(match kind {
            CallKind::Function => {
                let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
                Item::FunctionCall { call_id: id, name, arguments }
            }
            CallKind::Custom => {
                self.custom.push(id);
                Item::CustomToolCall { call_id: id, name, input: arguments }
            }
        });
    }

    fn result(&mut self, result: &'a ToolResult) {
        let ToolResult { call_id, name: _, kind, content, is_error } = result;
        let output = match self.contents(content) {
            Some(Contents::List(mut list)) => {
                // Audio is for messages alone.
                let before = list.len();
                list.retain(|part| !matches!(part, Content::InputAudio { .. }));
                if list.len() < before {
                    self.losses.note(Feature::ToolResultMedia);
                }
                (!list.is_empty()).then_some(Contents::List(list))
            }
            output => output,
        };
        let mut output = output.unwrap_or(Contents::Text(Cow::Borrowed("")));
        if *is_error {
            output.prefix("Error: ");
        }
        let is_custom = *kind == CallKind::Custom || self.custom.contains(&call_id.as_str());
        self.items.push(match is_custom {
            true => Item::CustomToolCallOutput { call_id, output },
            false => Item::FunctionCallOutput { call_id, output },
        });
    }

    /// What the model drew is an item of its own, known by its id; other media cannot have been its own here.
    fn image(&mut self, media: &'a Media, start: usize) {
        match (media.kind, &media.id, &media.source) {
            (MediaKind::Image, Some(id), Source::Base64(result)) if id.starts_with("ig_") => {
                self.items.push(Item::ImageGenerationCall { id, status: "completed", result });
            }
            (MediaKind::Audio, ..) if media.transcript.is_some() => {
                self.text(media.transcript.as_deref().unwrap_or_default(), start);
                self.losses.note(Feature::Media);
            }
            _ => self.losses.note(Feature::Media),
        }
    }

    fn opaque(&mut self, opaque: &'a Opaque) {
        if opaque.dialect == Dialect::OpenaiResponses {
            self.items.push(Item::Opaque(&opaque.value));
        } else {
            self.losses.note_named(Feature::ServerTools, &format!("tools.server ({})", opaque.name));
        }
    }
}
