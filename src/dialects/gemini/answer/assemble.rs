//! Answers → events. Each answer says a bit more; what belongs together is put together.

use serde_json::value::RawValue;

use super::super::raw;
use super::super::request::read::{media, opaque};
use super::super::seals;
use super::aligned::Aligned;
use super::finish::{self, Meaning};
use super::partial_args::Arguments;
use super::wire::{Answer, Candidate, FunctionCall, Part as WirePart};
use super::{grounding, logprobs, usage};
use crate::dialects::ir::event::MOST_CHOICES;
use crate::dialects::ir::{
    At, Delta, Event, Finish, Json, MediaKind, Part, Reasoning, Seal, Source, Start, Text, ToolCall, Usage,
};
use crate::error::{Failure, Kind};

/// Where an answer stands of which some has been read.
#[derive(Debug, Default)]
pub struct Assembler {
    /// Whether the start was told.
    pub has_started: bool,
    choices: Vec<Choice>,
    /// The latest `usageMetadata`.
    counts: Option<Json>,
    blocked: Option<Finish>,
    has_too_many: bool,
}

#[derive(Debug, Default)]
struct Choice {
    index: u32,
    /// Blocks that were opened so far.
    blocks: u32,
    open: Option<Open>,
    /// The signature of the text that is open. It is told when the text has ended, for it may come with any piece of it.
    seal: Option<Seal>,
    /// All text so far: sources name their places in it.
    text: String,
    has_calls: bool,
    grounding: Option<Json>,
    citations: Option<Json>,
    finish: Option<(String, Option<String>)>,
}

#[derive(Debug)]
enum Open {
    Text,
    Thought,
    Audio(Aligned),
    /// A call whose arguments come in pieces.
    Call(Arguments),
}

impl Assembler {
    pub fn take(&mut self, answer: Answer, events: &mut Vec<Event>) {
        self.counts = answer.usage_metadata.filter(usage::says_something).or(self.counts.take());
        if !self.has_started {
            self.has_started = true;
            let (usage, service_tier) = self.usage();
            let id = answer.response_id.as_deref().and_then(raw::as_text);
            let model = answer.model_version.as_deref().and_then(raw::as_text);
            let created = answer.create_time.as_deref().and_then(seconds);
            events.push(Event::Start(Start { id, model, created, service_tier, fingerprint: None, usage }));
        }
        self.blocked = answer.prompt_feedback.and_then(finish::blocked).or(self.blocked.take());
        for (at, candidate) in (0..).zip(answer.candidates) {
            match self.choice(candidate.index.unwrap_or(at)) {
                Some(choice) => choice.take(candidate, events),
                None => self.has_too_many = true,
            }
        }
    }

    fn usage(&self) -> (Option<Usage>, Option<String>) {
        self.counts.as_ref().map(usage::read).unwrap_or_default()
    }

    /// The choice with this number; `None` if there cannot be so many.
    fn choice(&mut self, index: u32) -> Option<&mut Choice> {
        let known = self.choices.iter().position(|choice| choice.index == index);
        let at = known.unwrap_or(self.choices.len());
        if known.is_none() && (index as usize) < MOST_CHOICES {
            self.choices.push(Choice { index, ..Choice::default() });
        }
        self.choices.get_mut(at)
    }

    /// The answer has ended. One that came as a stream must have said so itself.
    pub fn end(mut self, is_stream: bool, events: &mut Vec<Event>) {
        match self.outcome(is_stream) {
            Ok(finishes) => {
                for choice in &mut self.choices {
                    choice.end(events);
                }
                events.extend(finishes);
                events.extend(self.usage().0.map(Event::Usage));
            }
            Err(failure) => {
                if !self.has_started {
                    events.push(Event::Start(Start::default()));
                }
                events.push(Event::Failed(failure));
            }
        }
        events.push(Event::End);
    }

    fn outcome(&mut self, is_stream: bool) -> Result<Vec<Event>, Failure> {
        let broken = |message: &str| Err(Failure::of_kind(Kind::Upstream, message));
        if self.has_too_many {
            return broken("The provider's answer holds more candidates than anybody asks for.");
        }
        match (&self.choices[..], self.blocked.take()) {
            (_, Some(finish)) if self.choices.iter().all(|choice| choice.finish.is_none()) => {
                let choices = self.choices.iter().map(|choice| choice.index).max().unwrap_or(0);
                return Ok((0..=choices).map(|choice| Event::Finish(choice, finish.clone())).collect());
            }
            ([], _) => return broken("The provider's answer holds no candidate."),
            ([choice], _) if choice.blocks == 0 => {
                if let Some((reason, message)) = &choice.finish
                    && finish::meaning(reason) == Meaning::Lost
                {
                    return broken(message.as_ref().unwrap_or(reason));
                }
            }
            _ => {}
        }
        if is_stream && self.choices.iter().any(|choice| choice.finish.is_none()) {
            return broken("The provider broke off: the stream ended before the answer did.");
        }
        let last = self.choices.iter().map(|choice| choice.index).max().unwrap_or(0);
        let finish = |index| match self.choices.iter_mut().find(|choice| choice.index == index) {
            Some(choice) => {
                let (reason, message) = choice.finish.take().unwrap_or_default();
                Event::Finish(index, finish::finish(&reason, message, choice.has_calls))
            }
            // It was never heard of.
            None => Event::Finish(index, Finish::default()),
        };
        Ok((0..=last).map(finish).collect())
    }
}

impl Choice {
    fn take(&mut self, candidate: Candidate, events: &mut Vec<Event>) {
        for part in candidate.content.unwrap_or_default().parts {
            self.take_part(part, events);
        }
        if let Some(result) = &candidate.logprobs_result
            && matches!(self.open, Some(Open::Text))
        {
            let tokens = logprobs::read(result);
            if !tokens.is_empty() {
                events.push(Event::Delta(self.at(), Delta::Logprobs(tokens)));
            }
        }
        let says_something = grounding::says_something;
        self.grounding = candidate.grounding_metadata.filter(says_something).or(self.grounding.take());
        self.citations = candidate.citation_metadata.filter(says_something).or(self.citations.take());
        if let Some(reason) = candidate.finish_reason.filter(|reason| !reason.is_empty()) {
            self.finish = Some((reason, candidate.finish_message));
        }
    }

    fn take_part(&mut self, part: WirePart, events: &mut Vec<Event>) {
        let seal = part.signature.filter(|signature| !signature.is_empty()).map(seals::read);
        if let Some(call) = part.function_call {
            self.take_call(call, seal, events);
            return;
        }
        let file =
            part.file_data.and_then(|file| Some((file.mime_type, file.display_name, Source::Url(file.file_uri?))));
        let blob =
            part.inline_data.and_then(|blob| Some((blob.mime_type, blob.display_name, Source::Base64(blob.data?))));
        if part.is_thought && (blob.is_some() || file.is_some()) {
            // A draft: the picture that was asked for comes behind the thoughts.
            self.take_seal(seal, events);
        } else if let Some((mime, name, source)) = blob.or(file) {
            self.take_media(media(mime, name, source), events);
            self.take_seal(seal, events);
        } else if let Some((name, value)) = part.other {
            self.whole(Part::Opaque(opaque(&name, &value, seal.as_ref())), events);
        } else if part.is_thought {
            self.think(part.text.unwrap_or_default(), seal, events);
        } else {
            self.say(part.text.unwrap_or_default(), seal, events);
        }
    }

    fn say(&mut self, text: String, seal: Option<Seal>, events: &mut Vec<Event>) {
        if !text.is_empty() {
            // Two texts that are signed each for themselves are not to be merged.
            let is_next = seal.is_some() && self.seal.is_some();
            if is_next || !matches!(self.open, Some(Open::Text)) {
                self.open(Part::Text(Text::default()), Open::Text, events);
            }
            self.text.push_str(&text);
            events.push(Event::Delta(self.at(), Delta::Text(text)));
        }
        match seal {
            Some(seal) if self.seal.is_none() && matches!(self.open, Some(Open::Text)) => self.seal = Some(seal),
            seal => self.take_seal(seal, events),
        }
    }

    fn think(&mut self, text: String, seal: Option<Seal>, events: &mut Vec<Event>) {
        if text.is_empty() && seal.is_none() {
            return;
        }
        if !matches!(self.open, Some(Open::Thought)) {
            self.open(Part::Reasoning(Reasoning::default()), Open::Thought, events);
        }
        if !text.is_empty() {
            events.push(Event::Delta(self.at(), Delta::Text(text)));
        }
        if let Some(seal) = seal {
            events.push(Event::Delta(self.at(), Delta::Seal(seal)));
            self.close(events);
        }
    }

    /// A signature that stands alone.
    fn take_seal(&mut self, seal: Option<Seal>, events: &mut Vec<Event>) {
        if seal.is_some() {
            self.close(events);
            self.think(String::new(), seal, events);
        }
    }

    fn take_call(&mut self, call: FunctionCall, seal: Option<Seal>, events: &mut Vec<Event>) {
        let FunctionCall { id, name, args, partial_args, will_continue } = call;
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            let id = id.filter(|id| !id.is_empty()).unwrap_or_else(invented_id);
            let call = Part::ToolCall(ToolCall { id, name, seal, ..ToolCall::default() });
            self.has_calls = true;
            self.open(call, Open::Call(Arguments::default()), events);
            if !will_continue && partial_args.is_empty() {
                let arguments = args.map_or_else(|| "{}".to_owned(), |args| Box::<str>::from(args).into());
                events.push(Event::Delta(self.at(), Delta::Arguments(arguments)));
                events.push(Event::Close(self.at()));
                self.open = None;
                return;
            }
        }
        if let Some(Open::Call(arguments)) = &mut self.open {
            partial_args.into_iter().for_each(|piece| arguments.put(piece));
            if !will_continue {
                self.close(events);
            }
        }
    }

    fn take_media(&mut self, mut media: crate::dialects::ir::Media, events: &mut Vec<Event>) {
        if media.kind == MediaKind::Audio
            && let Source::Base64(data) = &mut media.source
        {
            let data = std::mem::take(data);
            if !matches!(self.open, Some(Open::Audio(_))) {
                self.open(Part::Media(media), Open::Audio(Aligned::default()), events);
            }
            if let Some(Open::Audio(aligned)) = &mut self.open {
                let data = aligned.push(data);
                if !data.is_empty() {
                    events.push(Event::Delta(self.at(), Delta::Audio(data)));
                }
            }
        } else {
            self.whole(Part::Media(media), events);
        }
    }

    /// A block that comes as a whole.
    fn whole(&mut self, part: Part, events: &mut Vec<Event>) {
        self.close(events);
        self.blocks += 1;
        events.extend([Event::Open(self.at(), part), Event::Close(self.at())]);
    }

    fn open(&mut self, part: Part, open: Open, events: &mut Vec<Event>) {
        self.close(events);
        self.blocks += 1;
        self.open = Some(open);
        events.push(Event::Open(self.at(), part));
    }

    fn close(&mut self, events: &mut Vec<Event>) {
        match self.open.take() {
            None => return,
            Some(Open::Audio(mut aligned)) => {
                let rest = aligned.finish();
                if !rest.is_empty() {
                    events.push(Event::Delta(self.at(), Delta::Audio(rest)));
                }
            }
            Some(Open::Call(arguments)) => events.push(Event::Delta(self.at(), Delta::Arguments(arguments.text()))),
            Some(Open::Text | Open::Thought) => {}
        }
        events.push(Event::Close(self.at()));
        if let Some(seal) = self.seal.take() {
            self.blocks += 1;
            let open = Event::Open(self.at(), Part::Reasoning(Reasoning::default()));
            events.extend([open, Event::Delta(self.at(), Delta::Seal(seal)), Event::Close(self.at())]);
        }
    }

    /// Sources are told at the end: that is when they are all known, and all text that they are about.
    fn end(&mut self, events: &mut Vec<Event>) {
        let mut annotations = Vec::new();
        annotations.extend(self.grounding.take().into_iter().flat_map(|it| grounding::read_grounding(it, &self.text)));
        annotations.extend(self.citations.take().into_iter().flat_map(|it| grounding::read_citations(&it, &self.text)));
        if !annotations.is_empty() && !matches!(self.open, Some(Open::Text)) {
            self.open(Part::Text(Text::default()), Open::Text, events);
        }
        events.extend(annotations.into_iter().map(|annotation| Event::Delta(self.at(), Delta::Annotation(annotation))));
        self.close(events);
    }

    /// Where the block is that was opened last.
    fn at(&self) -> At {
        At { choice: self.index, block: self.blocks.saturating_sub(1) }
    }
}

/// Unlike any other, also in other answers.
fn invented_id() -> String {
    format!("call_{}", std::iter::repeat_with(fastrand::alphanumeric).take(24).collect::<String>())
}

/// RFC 3339 → seconds since 1970.
fn seconds(time: &RawValue) -> Option<u64> {
    let time = humantime::parse_rfc3339_weak(&raw::as_text(time)?).ok()?;
    Some(time.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs())
}
