//! A text in pieces, as it was read from a socket.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use memchr::memmem;

/// What is shorter, in bytes, is copied sooner than written by a call of its own.
const SHARED_FROM: usize = 16 << 10;

/// Pieces of bytes that stand for their concatenation. Most have one piece.
#[derive(Debug, Clone, Default)]
pub struct Rope {
    pieces: Vec<Bytes>,
    len: usize,
}

impl Rope {
    /// Adds a piece. Short ones are put together, each byte a few times at most: who sends a byte at a time must not cost us a piece for
    /// each, which takes many times its room.
    pub fn push(&mut self, piece: Bytes) {
        self.len += piece.len();
        self.pieces.push(piece);
        while let [.., before, last] = self.pieces.as_slice()
            && before.len() <= 2 * last.len()
            && last.len() < SHARED_FROM
        {
            let both = [&before[..], &last[..]].concat();
            self.pieces.truncate(self.pieces.len() - 2);
            self.pieces.push(both.into());
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        self.pieces.iter()
    }

    /// All pieces but the last, and that one.
    pub fn into_pieces(mut self) -> (Vec<Bytes>, Bytes) {
        let last = self.pieces.pop().unwrap_or_default();
        (self.pieces, last)
    }

    /// In one piece; a copy only if it is in several.
    pub fn to_bytes(&self) -> Bytes {
        match self.pieces.as_slice() {
            [] => Bytes::new(),
            [only] => only.clone(),
            _ => {
                let mut out = BytesMut::with_capacity(self.len);
                self.copy_to(&(0..self.len), &mut out);
                out.freeze()
            }
        }
    }

    /// The bytes in this range, as far as they exist; a copy only if they lie in several pieces.
    pub fn slice(&self, range: &Range<usize>) -> Cow<'_, [u8]> {
        if let [only] = self.pieces.as_slice() {
            let end = range.end.min(only.len());
            return Cow::Borrowed(only.get(range.start..end).unwrap_or_default());
        }
        let mut parts = self.parts(range);
        let first = parts.next().unwrap_or_default();
        match parts.next() {
            None => Cow::Borrowed(first),
            Some(second) => Cow::Owned([first, second].into_iter().chain(parts).flatten().copied().collect()),
        }
    }

    /// Whether this occurs somewhere, perhaps where two pieces meet.
    pub fn contains(&self, wanted: &[u8]) -> bool {
        let mut behind = 0_usize;
        self.pieces.iter().any(|piece| {
            let overlap = wanted.len().saturating_sub(1);
            let seam = behind.saturating_sub(overlap)..behind + overlap;
            let is_at_seam = || behind > 0 && memmem::find(&self.slice(&seam), wanted).is_some();
            let is_here = memmem::find(piece, wanted).is_some() || is_at_seam();
            behind += piece.len();
            is_here
        })
    }

    fn copy_to(&self, range: &Range<usize>, out: &mut BytesMut) {
        self.parts(range).for_each(|part| out.put_slice(part));
    }

    fn parts(&self, range: &Range<usize>) -> impl Iterator<Item = &[u8]> {
        self.places(range).map(|(piece, place)| piece.get(place).unwrap_or_default())
    }

    /// The pieces in which a range lies, and where.
    fn places(&self, range: &Range<usize>) -> impl Iterator<Item = (&Bytes, Range<usize>)> {
        let (start, end) = (range.start, range.end);
        let mut behind = 0;
        self.pieces.iter().filter_map(move |piece| {
            let from = start.clamp(behind, behind + piece.len()) - behind;
            let to = end.clamp(behind, behind + piece.len()) - behind;
            behind += piece.len();
            (from < to).then_some((piece, from..to))
        })
    }
}

/// Puts a rope together from parts: long ones of other ropes are shared, the others are copied, next to each other in one piece.
#[derive(Debug)]
pub struct Splice {
    rope: Rope,
    open: BytesMut,
}

impl Splice {
    /// For a rope that will be about so long.
    pub fn with_capacity(len: usize) -> Self {
        let open = BytesMut::with_capacity(if len < 2 * SHARED_FROM { len } else { 256 });
        Self { rope: Rope::default(), open }
    }

    pub fn text(&mut self, text: &[u8]) {
        self.open.extend_from_slice(text);
    }

    pub fn part(&mut self, of: &Rope, range: &Range<usize>) {
        for (piece, place) in of.places(range) {
            if place.len() < SHARED_FROM {
                self.text(piece.get(place).unwrap_or_default());
            } else {
                self.close();
                self.rope.push(piece.slice(place));
            }
        }
    }

    pub fn finish(mut self) -> Rope {
        self.close();
        self.rope
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.rope.push(self.open.split().freeze());
        }
    }
}

/// In these very pieces.
impl FromIterator<Bytes> for Rope {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Self {
        let pieces: Vec<_> = pieces.into_iter().collect();
        Self { len: pieces.iter().map(Bytes::len).sum(), pieces }
    }
}

impl From<Bytes> for Rope {
    fn from(piece: Bytes) -> Self {
        Self { len: piece.len(), pieces: vec![piece] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stands_for_its_concatenation() {
        let text = b"0123456789";
        for cut in 0..=10 {
            for second in cut..=10 {
                let pieces = [&text[..cut], &text[cut..second], &text[second..]];
                let rope: Rope = pieces.into_iter().map(Bytes::from_static).collect();
                assert_eq!((rope.len(), rope.to_bytes()), (10, Bytes::from_static(text)));
                assert!([&b"0123"[..], b"456", b"3456789", b"9", text].iter().all(|part| rope.contains(part)));
                assert!(!rope.contains(b"46") && !rope.contains(b"90"));
                for start in 0..=10 {
                    for end in start..=10 {
                        assert_eq!(*rope.slice(&(start..end)), text[start..end], "{cut} {second} {start} {end}");
                    }
                }
            }
        }
    }

    #[test]
    fn single_bytes_do_not_stay_single() {
        let text: Vec<u8> = (0..100_000).map(|at| (at % 251) as u8).collect();
        let mut rope = Rope::default();
        text.iter().for_each(|byte| rope.push(Bytes::copy_from_slice(&[*byte])));
        assert_eq!((rope.len(), rope.to_bytes()), (text.len(), Bytes::from(text)));
        assert!(rope.pieces().count() < 40, "{}", rope.pieces().count());
    }

    #[test]
    fn long_parts_are_shared_and_short_ones_stand_together() {
        let pieces = [(b'a', 10), (b'b', SHARED_FROM + 5), (b'c', 3), (b'd', SHARED_FROM), (b'e', 7)];
        let text: Rope = pieces.into_iter().map(|(byte, len)| Bytes::from(vec![byte; len])).collect();
        let mut splice = Splice::with_capacity(text.len());
        splice.part(&text, &(2..10 + 5));
        splice.text(b"new");
        splice.part(&text, &(10 + 5..text.len()));
        let spliced = splice.finish();
        let expected = [&text.to_bytes()[2..15], b"new", &text.to_bytes()[15..]].concat();
        assert_eq!((spliced.len(), spliced.to_bytes()), (expected.len(), Bytes::from(expected)));
        let lengths: Vec<_> = spliced.pieces().map(Bytes::len).collect();
        assert_eq!(lengths, [8 + 5 + 3, SHARED_FROM, 3, SHARED_FROM, 7]);
        let shared = spliced.pieces().nth(1).map(|piece| piece.as_ptr());
        assert_eq!(shared, text.pieces().nth(1).map(|piece| piece[5..].as_ptr()));
    }

    #[test]
    fn one_piece_is_not_copied() {
        let piece = Bytes::from(vec![1, 2, 3]);
        let rope = Rope::from(piece.clone());
        assert_eq!(rope.to_bytes().as_ptr(), piece.as_ptr());
        assert!(matches!(rope.slice(&(1..2)), Cow::Borrowed(_)));
    }
}
