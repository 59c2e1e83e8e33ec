//! A text in pieces, as it was read from a socket.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use memchr::memmem;

/// Pieces of bytes that stand for their concatenation. Most have one piece.
#[derive(Debug, Clone, Default)]
pub struct Rope {
    pieces: Vec<Bytes>,
    len: usize,
}

impl Rope {
    pub fn push(&mut self, piece: Bytes) {
        self.len += piece.len();
        self.pieces.push(piece);
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

    pub fn copy_to(&self, range: &Range<usize>, out: &mut BytesMut) {
        self.parts(range).for_each(|part| out.put_slice(part));
    }

    fn parts(&self, range: &Range<usize>) -> impl Iterator<Item = &[u8]> {
        let (start, end) = (range.start, range.end);
        let mut behind = 0;
        self.pieces.iter().filter_map(move |piece| {
            let from = start.clamp(behind, behind + piece.len()) - behind;
            let to = end.clamp(behind, behind + piece.len()) - behind;
            behind += piece.len();
            piece.get(from..to).filter(|part| !part.is_empty())
        })
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
                let mut rope = Rope::default();
                for piece in [&text[..cut], &text[cut..second], &text[second..]] {
                    rope.push(Bytes::from_static(piece));
                }
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
    fn one_piece_is_not_copied() {
        let piece = Bytes::from(vec![1, 2, 3]);
        let rope = Rope::from(piece.clone());
        assert_eq!(rope.to_bytes().as_ptr(), piece.as_ptr());
        assert!(matches!(rope.slice(&(1..2)), Cow::Borrowed(_)));
    }
}
