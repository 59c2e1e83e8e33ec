//! Text in pieces → lines.

use bytes::{Bytes, BytesMut};
use memchr::memchr;

/// The longest line that is kept whole, in bytes. No vendor takes longer ones.
pub const LONGEST_LINE: usize = 16 << 20;

/// A line: its number, counted from 1, and its text without the break. `None`: it is too long.
pub type Numbered = (u64, Option<Bytes>);

/// Finds the lines of a text that comes in pieces. Empty lines count, but are not told.
#[derive(Debug)]
pub struct Lines {
    longest: usize,
    rest: BytesMut,
    number: u64,
    is_too_long: bool,
}

impl Default for Lines {
    fn default() -> Self {
        Self::up_to(LONGEST_LINE)
    }
}

impl Lines {
    /// Keeps lines of so many bytes whole.
    pub fn up_to(longest: usize) -> Self {
        Self { longest, rest: BytesMut::new(), number: 0, is_too_long: false }
    }

    /// Takes a piece, and tells the lines that end in it.
    pub fn push(&mut self, piece: &[u8], mut tell: impl FnMut(Numbered)) {
        let mut piece = piece;
        while let Some(end) = memchr(b'\n', piece) {
            let (line, rest) = piece.split_at(end);
            self.keep(line);
            piece = rest.get(1..).unwrap_or_default();
            self.end(&mut tell);
        }
        self.keep(piece);
    }

    /// The text has ended: its last line needs no break.
    pub fn finish(&mut self, mut tell: impl FnMut(Numbered)) {
        if !self.rest.is_empty() || self.is_too_long {
            self.end(&mut tell);
        }
    }

    fn keep(&mut self, part: &[u8]) {
        if self.rest.len() + part.len() > self.longest {
            self.is_too_long = true;
            self.rest.clear();
        }
        if !self.is_too_long {
            self.rest.extend_from_slice(part);
        }
    }

    fn end(&mut self, tell: &mut impl FnMut(Numbered)) {
        self.number += 1;
        let line = self.rest.split().freeze();
        if std::mem::take(&mut self.is_too_long) {
            tell((self.number, None));
        } else if !line.trim_ascii().is_empty() {
            let trimmed = line.trim_ascii();
            tell((self.number, Some(line.slice_ref(trimmed))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, size: usize) -> Vec<(u64, String)> {
        let mut lines = Lines::default();
        let mut told = Vec::new();
        let mut tell = |(number, line): Numbered| {
            told.push((number, String::from_utf8_lossy(&line.expect("short")).into_owned()));
        };
        for piece in text.as_bytes().chunks(size) {
            lines.push(piece, &mut tell);
        }
        lines.finish(&mut tell);
        told
    }

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let text = "{\"a\":1}\r\n\n  \n{\"b\":2}\n{\"c\":3}";
        let whole = lines(text, text.len());
        assert_eq!(whole, [(1, "{\"a\":1}".into()), (4, "{\"b\":2}".into()), (5, "{\"c\":3}".into())]);
        for size in 1..text.len() {
            assert_eq!(lines(text, size), whole);
        }
    }

    #[test]
    fn a_line_without_end_is_not_gathered() {
        let mut lines = Lines::default();
        let mut told = Vec::new();
        for _ in 0..40 {
            lines.push(&vec![b'x'; 1 << 20], |line| told.push(line));
        }
        assert!(lines.rest.capacity() <= 2 * LONGEST_LINE);
        lines.push(b"\n{}\n", |line| told.push(line));
        assert_eq!(told, [(1, None), (2, Some(Bytes::from_static(b"{}")))]);
    }
}
