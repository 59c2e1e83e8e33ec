//! Answers of providers, as they are stored.

use std::fs;
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use narthex::dialects::framing::event_stream::write_frame;
use narthex::dialects::framing::{Frame, FrameKind};
use narthex::dialects::ir::Event;
use narthex::dialects::{Dialect, Unanswered, ir};
use narthex::error::Failure;

use super::stored;

pub struct Transcript {
    pub dialect: Dialect,
    stem: PathBuf,
    /// The bytes on the wire.
    pub stream: Option<Bytes>,
    pub whole: Option<Bytes>,
}

impl Transcript {
    pub fn all() -> Vec<Self> {
        Dialect::ALL.iter().flat_map(|dialect| Self::of(*dialect)).collect()
    }

    fn of(dialect: Dialect) -> Vec<Self> {
        let folder = stored::root().join(dialect.name());
        let mut stems: Vec<_> = stored::files(&folder, &["sse", "frames", "json"])
            .into_iter()
            .map(|path| path.with_extension(""))
            .collect();
        stems.dedup();
        let read = |stem: PathBuf| {
            let text = |extension: &str| fs::read_to_string(stem.with_extension(extension)).ok();
            let stream = text("sse").map(Bytes::from).or_else(|| text("frames").map(|text| framed(&text)));
            let whole = text("json").map(Bytes::from);
            Self { dialect, stem, stream, whole }
        };
        stems.into_iter().map(read).collect()
    }

    /// `anthropic/plain`.
    pub fn name(&self) -> String {
        self.stem.strip_prefix(stored::root()).unwrap_or(&self.stem).display().to_string()
    }

    pub fn path(&self, extension: &str) -> PathBuf {
        self.stem.with_extension(extension)
    }

    /// What the reader tells of the stream in these pieces.
    pub fn events<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
        be_predictable();
        let (frames, mut reader) = (self.frames(pieces), self.dialect.provider().stream_reader());
        let mut events = Vec::new();
        frames.iter().for_each(|frame| reader.read(frame, &mut events));
        reader.end(&mut events);
        events
    }

    /// What a reader is given of the stream in these pieces.
    pub fn frames<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Frame> {
        let mut framing = self.dialect.provider().framing();
        let mut frames = Vec::new();
        for piece in pieces {
            framing.push(piece);
            while let Some(frame) = framing.next().expect("frames") {
                frames.push(frame);
            }
        }
        frames.extend(framing.finish().expect("frames"));
        frames
    }

    /// The whole answer as it is read.
    pub fn response(&self) -> Option<Result<ir::Response, Failure>> {
        be_predictable();
        let read = self.dialect.provider().read_response(self.whole.as_deref()?);
        Some(read.map_err(|why| match why {
            Unanswered::Failed(failure) => failure,
            Unanswered::Garbled(garbled) => panic!("{}: {garbled}", self.name()),
        }))
    }
}

/// Ids that are made up come from a generator that begins anew here.
pub fn be_predictable() {
    fastrand::seed(7);
}

/// Lines of an event's name and its payload; `!` marks exceptions.
fn framed(text: &str) -> Bytes {
    let mut out = BytesMut::new();
    for line in text.lines() {
        let (name, payload) = line.split_once(' ').expect("a name and a payload");
        let (kind, name) = match name.strip_prefix('!') {
            Some(name) => (FrameKind::Exception, name),
            None => (FrameKind::Event, name),
        };
        write_frame(&mut out, kind, name.to_owned().leak(), payload.to_owned());
    }
    out.freeze()
}

/// The reverse of what is done to `.frames`.
pub fn unframed(stream: &[u8]) -> String {
    let mut framing = Dialect::Converse.provider().framing();
    framing.push(stream);
    let mut text = String::new();
    while let Some(frame) = framing.next().expect("frames") {
        let mark = if frame.kind == FrameKind::Exception { "!" } else { "" };
        text += &format!("{mark}{} {}\n", frame.name(), String::from_utf8_lossy(&frame.data));
    }
    assert_eq!(framing.finish().expect("no rest"), None);
    text
}
