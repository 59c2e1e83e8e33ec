//! `multipart/form-data` (RFC 7578) as it arrives: what an upload says before its file, and the file piece by piece. Where the whole
//! form is at hand, see `multipart`.

use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;

use crate::multipart::{BadForm, boundary_of, disposition};

/// The longest section of headers, and the longest field that is not a file, in bytes.
const LONGEST_HEADERS: usize = 16 << 10;
const LONGEST_FIELD: usize = 64 << 10;

/// What comes next in a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// `span` is its place in the body, from its delimiter up to the next one: without these bytes the form is one without the field.
    Field {
        name: String,
        value: String,
        span: Range<u64>,
    },
    /// A file begins; `at` is the place of its delimiter.
    File {
        name: String,
        filename: String,
        content_type: Option<String>,
        at: u64,
    },
    /// Some of its content.
    Content(Bytes),
    FileEnd,
    /// The last delimiter; what follows it means nothing.
    End,
}

/// Finds the parts of a form in the pieces of its body.
#[derive(Debug)]
pub struct Splitter {
    /// `\r\n--boundary`: the line break belongs to the delimiter (RFC 2046 §5.1.1).
    delimiter: Vec<u8>,
    buffer: BytesMut,
    /// The place in the body of the buffer's first byte.
    offset: i64,
    state: State,
}

#[derive(Debug)]
enum State {
    Preamble,
    /// Behind a delimiter, which is at this place.
    Delimited {
        at: u64,
    },
    Field {
        name: String,
        at: u64,
    },
    File,
    Over,
}

impl Splitter {
    /// For a body of this content type.
    pub fn new(content_type: &str) -> Result<Self, BadForm> {
        let boundary = boundary_of(content_type).ok_or(BadForm::NoBoundary)?;
        // A form may begin with a delimiter, without the line break that all others have.
        let buffer = BytesMut::from("\r\n");
        Ok(Self { delimiter: format!("\r\n--{boundary}").into_bytes(), buffer, offset: -2, state: State::Preamble })
    }

    /// Takes a piece of the body, and adds what it completes to `parts`.
    pub fn push(&mut self, piece: &[u8], parts: &mut Vec<Part>) -> Result<(), BadForm> {
        if matches!(self.state, State::Over) {
            return Ok(());
        }
        self.buffer.extend_from_slice(piece);
        while self.step(parts)? {}
        Ok(())
    }

    /// The body has ended.
    pub fn finish(&self) -> Result<(), BadForm> {
        match self.state {
            State::Over => Ok(()),
            State::Preamble => Err(BadForm::NoParts),
            _ => Err(BadForm::Unfinished),
        }
    }

    /// False when more bytes are needed.
    fn step(&mut self, parts: &mut Vec<Part>) -> Result<bool, BadForm> {
        match &self.state {
            State::Over => Ok(false),
            State::Delimited { at } => {
                let at = *at;
                self.head(at, parts)
            }
            State::Preamble | State::Field { .. } | State::File => self.content(parts),
        }
    }

    fn head(&mut self, at: u64, parts: &mut Vec<Part>) -> Result<bool, BadForm> {
        if self.buffer.len() < 2 {
            return Ok(false);
        }
        if self.buffer.starts_with(b"--") {
            self.state = State::Over;
            self.buffer.clear();
            parts.push(Part::End);
            return Ok(false);
        }
        let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") else {
            return if self.buffer.len() > LONGEST_HEADERS { Err(BadForm::NoHeaders(place(at))) } else { Ok(false) };
        };
        let headers = String::from_utf8_lossy(self.buffer.get(..end).unwrap_or_default()).into_owned();
        self.skip(end + 4);
        let found = disposition(&headers).ok_or(BadForm::NoHeaders(place(at)))?;
        self.state = match found.filename {
            Some(filename) => {
                parts.push(Part::File { name: found.name, filename, content_type: found.content_type, at });
                State::File
            }
            None => State::Field { name: found.name, at },
        };
        Ok(true)
    }

    fn content(&mut self, parts: &mut Vec<Part>) -> Result<bool, BadForm> {
        let found = memmem::find(&self.buffer, &self.delimiter);
        let is_file = matches!(self.state, State::File);
        let Some(end) = found else {
            // The end of what is here may be the beginning of a delimiter.
            let sure = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
            if is_file && sure > 0 {
                parts.push(Part::Content(self.take(sure)));
            } else if matches!(self.state, State::Preamble) {
                self.skip(sure);
            } else if self.buffer.len() > LONGEST_FIELD + self.delimiter.len() {
                return Err(BadForm::LongField);
            }
            return Ok(false);
        };
        let content = self.take(end);
        // The delimiter's own place is behind its line break.
        let next = u64::try_from(self.offset + 2).unwrap_or_default();
        self.skip(self.delimiter.len());
        match std::mem::replace(&mut self.state, State::Delimited { at: next }) {
            State::File => {
                if !content.is_empty() {
                    parts.push(Part::Content(content));
                }
                parts.push(Part::FileEnd);
            }
            State::Field { name, at } => {
                let value = String::from_utf8_lossy(&content).into_owned();
                parts.push(Part::Field { name, value, span: at..next });
            }
            _ => {}
        }
        Ok(true)
    }

    fn take(&mut self, count: usize) -> Bytes {
        self.offset += i64::try_from(count).unwrap_or_default();
        self.buffer.split_to(count).freeze()
    }

    fn skip(&mut self, count: usize) {
        self.offset += i64::try_from(count).unwrap_or_default();
        self.buffer.advance(count);
    }
}

fn place(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "--xx\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--xx\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\nContent-Type: text/plain\r\n\r\n\
        one\r\n--x\r\ntwo\r\n--xx\r\ncontent-disposition: form-data; name=\"provider\"\r\n\r\nopenai\r\n--xx--\r\n";

    fn split(cuts: usize) -> Vec<Part> {
        let mut splitter = Splitter::new("multipart/form-data; boundary=xx").expect("a boundary");
        let mut parts = Vec::new();
        for piece in FORM.as_bytes().chunks(cuts) {
            splitter.push(piece, &mut parts).expect("a form");
        }
        splitter.finish().expect("a whole form");
        parts
    }

    /// The same, with the pieces of the content put together.
    fn joined(parts: Vec<Part>) -> Vec<Part> {
        let mut joined: Vec<Part> = Vec::new();
        for part in parts {
            match (joined.last_mut(), part) {
                (Some(Part::Content(before)), Part::Content(more)) => {
                    *before = [&before[..], &more[..]].concat().into()
                }
                (_, part) => joined.push(part),
            }
        }
        joined
    }

    #[test]
    fn finds_the_same_parts_however_the_body_is_cut() {
        let whole = joined(split(FORM.len()));
        assert!(matches!(&whole[0], Part::Field { name, value, .. } if name == "purpose" && value == "batch"));
        assert!(matches!(&whole[1], Part::File { filename, content_type, .. }
            if filename == "a.jsonl" && content_type.as_deref() == Some("text/plain")));
        assert_eq!(whole[2], Part::Content(Bytes::from_static(b"one\r\n--x\r\ntwo")));
        assert_eq!(whole[3], Part::FileEnd);
        assert_eq!(whole[5], Part::End);
        for size in 1..40 {
            assert_eq!(joined(split(size)), whole, "in pieces of {size}");
        }
    }

    #[test]
    fn without_the_bytes_of_its_span_a_field_is_gone() {
        let Part::Field { span, .. } = &split(7)[0] else { panic!("a field") };
        let (start, end) = (usize::try_from(span.start).expect("small"), usize::try_from(span.end).expect("small"));
        let without = [&FORM.as_bytes()[..start], &FORM.as_bytes()[end..]].concat();
        assert!(without.starts_with(b"--xx\r\nContent-Disposition: form-data; name=\"file\""));
    }

    #[test]
    fn says_what_is_wrong() {
        let wrong = |body: &str| {
            let mut splitter = Splitter::new("multipart/form-data; boundary=xx").expect("a boundary");
            splitter.push(body.as_bytes(), &mut Vec::new()).and_then(|()| splitter.finish()).expect_err("no form")
        };
        assert_eq!(Splitter::new("multipart/form-data").expect_err("none"), BadForm::NoBoundary);
        assert_eq!(wrong("no form"), BadForm::NoParts);
        assert_eq!(wrong(&FORM[..120]), BadForm::Unfinished);
        assert_eq!(wrong("--xx\r\nx: y\r\n\r\n"), BadForm::NoHeaders(0));
    }
}
