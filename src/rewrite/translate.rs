//! From the provider's dialect to the client's, through the canonical form. Each side may be whole or a stream: a provider
//! may answer a request for a stream with one object, and some of them know streams only.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::{Rewrite, Usage};
use crate::dialects::framing::Framing;
use crate::dialects::ir::{Event, Fold, Response, Start};
use crate::dialects::think_tags::ThinkTags;
use crate::dialects::tool_map::{Restorer, ToolMap};
use crate::dialects::{Dialect, EventReader, EventWriter, ProviderDialect, Reply, Unanswered};
use crate::error::{Failure, Garbled};
use crate::rope::Rope;

/// No answer that makes sense is longer.
const LONGEST: usize = 256 << 20;

/// What is translated into what.
#[derive(Debug, Clone)]
pub struct Translation {
    pub provider: Dialect,
    /// What becomes of thoughts within the provider's texts.
    pub think_tags: ThinkTags,
    /// Whether the provider answers with a stream. `None`: its headers do not tell.
    pub is_stream: Option<bool>,
    pub client: Dialect,
    /// Whether the client has asked for a stream.
    pub wants_stream: bool,
    pub reply: Reply,
    /// Tools that were changed on their way to the provider.
    pub tool_map: Option<Arc<ToolMap>>,
}

/// Reads one dialect and writes another.
pub struct Translate {
    source: Source,
    sink: Sink,
    tools: Option<Restorer>,
    /// Room for the events of one push, kept from one to the next.
    events: Vec<Event>,
    usage: Option<Usage>,
    failure: Option<Failure>,
    has_started: bool,
    has_ended: bool,
    is_finished: bool,
}

enum Source {
    Stream {
        framing: Box<dyn Framing>,
        reader: Box<dyn EventReader>,
    },
    Whole {
        dialect: &'static dyn ProviderDialect,
        body: Rope,
    },
    /// Its beginning will tell what it is.
    Unseen(&'static dyn ProviderDialect),
}

enum Sink {
    Stream(Box<dyn EventWriter>),
    Whole { dialect: Dialect, reply: Box<Reply>, fold: Box<Fold> },
}

impl Translate {
    pub fn new(translation: Translation) -> Self {
        let Translation { provider, think_tags, is_stream, client, wants_stream, reply, tool_map } = translation;
        let dialect = provider.provider_with(think_tags);
        let source = is_stream.map_or(Source::Unseen(dialect), |is_stream| Source::of(dialect, is_stream));
        let sink = if wants_stream {
            Sink::Stream(client.client().stream_writer(&reply))
        } else {
            Sink::Whole { dialect: client, reply: Box::new(reply), fold: Box::default() }
        };
        Self {
            source,
            sink,
            tools: tool_map.map(Restorer::new),
            events: Vec::new(),
            usage: None,
            failure: None,
            has_started: false,
            has_ended: false,
            is_finished: false,
        }
    }

    fn take(&mut self, events: impl IntoIterator<Item = Event>, out: &mut BytesMut) {
        for event in events {
            // Whoever broke it off may not be the only one to say so.
            if self.has_ended {
                return;
            }
            self.has_ended = matches!(event, Event::End);
            if !std::mem::replace(&mut self.has_started, true) && !matches!(event, Event::Start(_)) {
                // It broke off before it said anything.
                self.put(Event::Start(Start::default()), out);
            }
            match &event {
                Event::Usage(usage) => self.usage = Some(*usage),
                Event::Start(start) => self.usage = start.usage,
                Event::Failed(failure) => self.failure = Some(failure.clone()),
                _ => {}
            }
            match &mut self.tools {
                None => self.put(event, out),
                Some(tools) => tools.restore(event).for_each(|event| self.put(event, out)),
            }
        }
    }

    fn put(&mut self, event: Event, out: &mut BytesMut) {
        match &mut self.sink {
            Sink::Stream(writer) => writer.write(event, out),
            Sink::Whole { fold, .. } => fold.push(event),
        }
    }
}

impl Source {
    fn of(dialect: &'static dyn ProviderDialect, is_stream: bool) -> Self {
        if is_stream {
            Self::Stream { framing: dialect.framing(), reader: dialect.stream_reader() }
        } else {
            Self::Whole { dialect, body: Rope::default() }
        }
    }
}

/// Whether an answer that begins so is a stream of events. Objects, lists, texts and pages are whole answers.
fn begins_as_stream(chunk: &[u8]) -> bool {
    !matches!(chunk.trim_ascii_start().first(), Some(b'{' | b'[' | b'"' | b'<'))
}

impl Rewrite for Translate {
    fn push(&mut self, chunk: Bytes) -> Bytes {
        if let Source::Unseen(dialect) = self.source
            && !chunk.trim_ascii_start().is_empty()
        {
            self.source = Source::of(dialect, begins_as_stream(&chunk));
        }
        let (framing, reader) = match &mut self.source {
            Source::Stream { framing, reader } => (framing.as_mut(), reader.as_mut()),
            Source::Whole { body, .. } => {
                if body.len() <= LONGEST {
                    body.push(chunk);
                }
                return Bytes::new();
            }
            Source::Unseen(_) => return Bytes::new(),
        };
        let mut events = std::mem::take(&mut self.events);
        framing.push(&chunk);
        read_frames(framing, reader, &mut events);
        // What one dialect says in a number of bytes, another one says in at most about twice as many.
        let mut out = BytesMut::with_capacity(if events.is_empty() { 0 } else { 2 * chunk.len() });
        self.take(events.drain(..), &mut out);
        self.events = events;
        out.freeze()
    }

    fn finish(&mut self) -> Result<Bytes, Failure> {
        if std::mem::replace(&mut self.is_finished, true) {
            return Ok(Bytes::new());
        }
        let mut events = Vec::new();
        if let Source::Unseen(dialect) = self.source {
            self.source = Source::of(dialect, false);
        }
        match &mut self.source {
            Source::Unseen(_) => {}
            Source::Stream { framing, reader } => {
                match framing.finish() {
                    Ok(Some(frame)) => reader.read(&frame, &mut events),
                    Ok(None) => {}
                    Err(garbled) => events.extend(broken(garbled.into())),
                }
                reader.end(&mut events);
            }
            Source::Whole { dialect, body } => match read_whole(*dialect, body) {
                Ok(mut response) => match &self.sink {
                    Sink::Whole { dialect, reply, .. } => {
                        if let Some(tools) = &self.tools {
                            tools.restore_whole(&mut response);
                        }
                        self.usage = response.usage;
                        return Ok(dialect.client().write_response(&response, reply));
                    }
                    Sink::Stream(_) => events = response.into_events(),
                },
                Err(failure) => match &self.sink {
                    Sink::Whole { .. } => return Err(failure),
                    Sink::Stream(_) => events.extend(broken(failure)),
                },
            },
        }
        let mut out = BytesMut::new();
        self.take(events, &mut out);
        match &mut self.sink {
            Sink::Stream(_) => Ok(out.freeze()),
            Sink::Whole { dialect, reply, fold } => {
                let response = std::mem::take(&mut **fold).finish()?;
                Ok(dialect.client().write_response(&response, reply))
            }
        }
    }

    fn fail(&mut self, failure: &Failure) -> Option<Bytes> {
        self.is_finished = true;
        if matches!(self.sink, Sink::Whole { .. }) {
            return None;
        }
        let mut out = BytesMut::new();
        self.take(broken(failure.clone()), &mut out);
        Some(out.freeze())
    }

    fn usage(&self) -> Option<Usage> {
        self.usage
    }

    fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }
}

fn read_frames(framing: &mut dyn Framing, reader: &mut dyn EventReader, events: &mut Vec<Event>) {
    loop {
        match framing.next() {
            Ok(Some(frame)) => reader.read(&frame, events),
            Ok(None) => return,
            Err(garbled) => return events.extend(broken(garbled.into())),
        }
    }
}

fn read_whole(dialect: &dyn ProviderDialect, body: &Rope) -> Result<Response, Failure> {
    if body.len() > LONGEST {
        return Err(Garbled::new("it is too long").into());
    }
    dialect.read_response(&body.to_bytes()).map_err(|why| match why {
        Unanswered::Garbled(garbled) => garbled.into(),
        Unanswered::Failed(failure) => failure,
    })
}

fn broken(failure: Failure) -> [Event; 2] {
    [Event::Failed(failure), Event::End]
}
