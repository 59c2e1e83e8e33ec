//! Messages. What a role cannot say here is said by the user: pictures in the results of tools, and those that the model made.

use std::borrow::Cow;

use super::Writer;
use super::body::{
    AudioRef, Content, CustomCall, Extra, FunctionCall, GoogleExtra, Message, Part as OutPart, ToolCall,
};
use super::content::text;
use crate::dialects::ir::{self, CallKind, Feature, Media, MediaKind, Part, Reasoning, Role, ToolResult};
use crate::dialects::openai_chat::details::Detail;
use crate::dialects::{Dialect, EffortHabit};

/// Stands between texts of a list that must become one.
const PARAGRAPH: &str = "\n\n";

impl Writer<'_> {
    /// `is_off`: the model is told not to think.
    pub fn messages<'a>(&mut self, messages: &'a [ir::Message], is_off: bool) -> Vec<Message<'a>> {
        let mut written = Vec::with_capacity(messages.len() + 1);
        // Parts for the user's next message.
        let mut attached = Vec::new();
        for ir::Message { role, parts, name } in messages {
            let name = name.as_deref().filter(|_| *role != Role::Tool);
            let name = self.of_openai(name, Feature::Names);
            match role {
                Role::System | Role::Developer => {
                    let is_developer = *role == Role::Developer && self.recipient.habits.has_developer_role;
                    let (texts, media): (Vec<_>, Vec<_>) =
                        self.parts(parts).into_iter().partition(|part| part.text.is_some());
                    attached.extend(media);
                    let role = if is_developer { "developer" } else { "system" };
                    written.push(Message { role, content: self.content(texts, PARAGRAPH), name, ..Message::default() });
                }
                Role::User => {
                    let mut said = std::mem::take(&mut attached);
                    said.extend(self.parts(parts));
                    written.push(Message {
                        role: "user",
                        content: self.content(said, PARAGRAPH),
                        name,
                        ..Message::default()
                    });
                }
                Role::Assistant => {
                    self.attach(&mut written, &mut attached);
                    let message = self.assistant(parts, is_off, &mut attached);
                    written.push(Message { name, ..message });
                }
                Role::Tool => {
                    for part in parts {
                        match part {
                            Part::ToolResult(result) => written.push(self.result(result, &mut attached)),
                            Part::CachePoint(_) => self.losses.note(Feature::CacheMarks),
                            _ => {}
                        }
                    }
                }
            }
        }
        self.attach(&mut written, &mut attached);
        written
    }

    fn attach<'a>(&self, written: &mut Vec<Message<'a>>, attached: &mut Vec<OutPart<'a>>) {
        if !attached.is_empty() {
            let content = self.content(std::mem::take(attached), PARAGRAPH);
            written.push(Message { role: "user", content, ..Message::default() });
        }
    }

    /// What people say.
    fn parts<'a>(&mut self, parts: &'a [Part]) -> Vec<OutPart<'a>> {
        let mut written = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Part::Text(said) => written.push(text(&said.text)),
                Part::Refusal(said) => written.push(text(said)),
                Part::Media(media) => written.extend(self.media(media)),
                Part::CachePoint(mark) => self.mark(&mut written, mark),
                Part::Opaque(opaque) => self.foreign(&opaque.name),
                Part::Reasoning(_) => self.losses.note(Feature::ReasoningHistory),
                // These stand in messages of their own.
                Part::ToolCall(_) | Part::ToolResult(_) => {}
            }
        }
        written
    }

    fn assistant<'a>(&mut self, parts: &'a [Part], is_off: bool, attached: &mut Vec<OutPart<'a>>) -> Message<'a> {
        let mut message = Message { role: "assistant", ..Message::default() };
        let mut said = Vec::new();
        let mut thoughts = Vec::new();
        for part in parts {
            match part {
                Part::Text(words) => said.push(text(&words.text)),
                Part::Refusal(words) => said.push(text(words)),
                Part::Reasoning(reasoning) => thoughts.push(reasoning),
                Part::ToolCall(call) => message.tool_calls.push(self.call(call)),
                Part::Media(Media { kind: MediaKind::Audio, id: Some(id), .. }) => {
                    message.audio = Some(AudioRef { id })
                }
                Part::Media(media) => attached.extend(self.media(media)),
                Part::CachePoint(mark) => self.mark(&mut said, mark),
                Part::Opaque(opaque) => self.foreign(&opaque.name),
                Part::ToolResult(_) => {}
            }
        }
        let says_nothing = said.is_empty() && (!message.tool_calls.is_empty() || message.audio.is_some());
        message.content = if says_nothing { Content::None } else { self.content(said, "") };
        self.replay(&mut message, &thoughts, is_off);
        message
    }

    /// Reasoning, for those who want to see it again.
    fn replay<'a>(&mut self, message: &mut Message<'a>, thoughts: &[&'a Reasoning], is_off: bool) {
        let habits = self.recipient.habits;
        if !habits.replays_reasoning {
            if !thoughts.is_empty() {
                self.losses.note(Feature::ReasoningHistory);
            }
            return;
        }
        let is_own = |thought: &Reasoning| thought.seal.as_ref().is_some_and(|seal| seal.is_for(Dialect::OpenaiChat));
        if thoughts.iter().any(|thought| thought.text.is_empty() && !is_own(thought)) {
            self.losses.note(Feature::ReasoningHistory);
        }
        let readable = thoughts.iter().filter(|thought| !thought.text.is_empty() || is_own(thought));
        // OpenRouter knows reasoning in history by its details alone.
        if habits.reasoning_text == "reasoning" || thoughts.iter().any(|thought| is_own(thought)) {
            for (index, thought) in (0..).zip(readable) {
                let seal = thought.seal.clone().filter(|_| is_own(thought));
                message.reasoning_details.push(Detail::of(&Reasoning { seal, ..(*thought).clone() }, index));
            }
            return;
        }
        let texts: Vec<&str> = readable.map(|thought| thought.text.as_str()).collect();
        let mut told = match texts.as_slice() {
            [] => None,
            [text] => Some(Cow::Borrowed(*text)),
            texts => Some(Cow::Owned(texts.concat())),
        };
        // Who thinks and calls tools must have thought: without a trace of it, DeepSeek and MiMo answer 400.
        if told.is_none() && habits.effort == EffortHabit::Switch && !is_off && !message.tool_calls.is_empty() {
            told = Some(Cow::Borrowed(" "));
        }
        let place =
            if habits.reasoning_text == "reasoning" { &mut message.reasoning } else { &mut message.reasoning_content };
        *place = told;
    }

    fn call<'a>(&mut self, call: &'a ir::ToolCall) -> ToolCall<'a> {
        let ir::ToolCall { id, name, kind, arguments, seal } = call;
        let is_google = |seal: &&ir::Seal| seal.is_for(Dialect::Gemini);
        let can_seal = self.recipient.habits.keeps_google_seals;
        let seal = self.if_can(can_seal, seal.as_ref().filter(is_google), Feature::ReasoningHistory);
        let extra_content = seal.map(|seal| Extra { google: GoogleExtra { thought_signature: &seal.value } });
        let has_custom = self.recipient.habits.has_openai_members;
        let arguments = match kind {
            CallKind::Custom if has_custom => {
                let custom = Some(CustomCall { name, input: arguments });
                return ToolCall { id, kind: "custom", function: None, custom, extra_content };
            }
            CallKind::Custom => serde_json::json!({ "input": arguments }).to_string().into(),
            CallKind::Function if arguments.is_empty() => "{}".into(),
            CallKind::Function => arguments.into(),
        };
        ToolCall { id, kind: "function", function: Some(FunctionCall { name, arguments }), custom: None, extra_content }
    }

    fn result<'a>(&mut self, result: &'a ToolResult, attached: &mut Vec<OutPart<'a>>) -> Message<'a> {
        let ToolResult { call_id, name: _, kind: _, content, is_error } = result;
        let (texts, media): (Vec<_>, Vec<_>) = self.parts(content).into_iter().partition(|part| part.text.is_some());
        let mut texts: Vec<_> = is_error.then(|| text("Error:")).into_iter().chain(texts).collect();
        if !media.is_empty() {
            if texts.is_empty() {
                texts.push(text("The result is attached below."));
            }
            attached.push(text(format!("Attached to the result of the tool call {call_id}:")));
            attached.extend(media);
        }
        // One text, wherever that can be: hardly anybody takes lists here.
        let content = if texts.iter().any(|part| part.cache_control.is_some()) {
            Content::Parts(texts)
        } else {
            let between = if *is_error { " " } else { PARAGRAPH };
            let mut texts = texts.into_iter().filter_map(|part| part.text);
            let first = texts.next().unwrap_or_default();
            Content::Text(texts.fold(first, |all, text| Cow::Owned(format!("{all}{between}{text}"))))
        };
        Message { role: "tool", content, tool_call_id: Some(call_id), ..Message::default() }
    }

    /// What only another dialect understands.
    fn foreign(&mut self, name: &str) {
        self.losses.note_named(Feature::ServerTools, &format!("messages.{name}"));
    }
}
