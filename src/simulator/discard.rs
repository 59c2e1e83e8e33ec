//! Uploads that are looked at and forgotten: of a form, its beginning and its end are kept, where its fields are, and what is
//! between them, which can only be the file, is counted and hashed.

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use sha2::{Digest, Sha256};

/// Kept of the beginning, and of the end.
const WINDOW: usize = 64 << 10;

/// A file whose bytes are gone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Discarded {
    pub bytes: usize,
    pub sha256: [u8; 32],
}

#[derive(Default)]
pub struct Sieve {
    head: BytesMut,
    tail: BytesMut,
    total: usize,
    /// Whether anything is gone already.
    leaks: bool,
    /// Where the file begins, once that is known.
    start: Option<usize>,
    hash: Sha256,
}

impl Sieve {
    pub fn push(&mut self, mut chunk: &[u8]) {
        self.total += chunk.len();
        let room = WINDOW - self.head.len();
        if room > 0 {
            let (first, rest) = chunk.split_at(room.min(chunk.len()));
            self.head.extend_from_slice(first);
            chunk = rest;
            if self.head.len() == WINDOW {
                self.start = file_start(&self.head);
                self.hash.update(self.head.get(self.start.unwrap_or(WINDOW)..).unwrap_or_default());
            }
        }
        self.tail.extend_from_slice(chunk);
        if self.tail.len() > 2 * WINDOW {
            let gone = self.tail.split_to(self.tail.len() - WINDOW);
            self.hash.update(&gone);
            self.leaks = true;
        }
    }

    pub fn len(&self) -> usize {
        self.total
    }

    /// The form without its middle, and what is known of the file that was there. Both are whole where the form is short, or
    /// where no file was found in its beginning.
    pub fn finish(mut self) -> (Bytes, Option<Discarded>) {
        let discarded = self.discarded();
        self.head.extend_from_slice(&self.tail);
        (self.head.freeze(), discarded)
    }

    fn discarded(&mut self) -> Option<Discarded> {
        if !self.leaks {
            return None;
        }
        let start = self.start?;
        let first_line = memmem::find(&self.head, b"\r\n").and_then(|end| self.head.get(..end))?;
        let end = memmem::find(&self.tail, &[b"\r\n", first_line].concat())?;
        self.hash.update(self.tail.get(..end)?);
        let bytes = self.total - start - (self.tail.len() - end);
        Some(Discarded { bytes, sha256: std::mem::take(&mut self.hash).finalize().into() })
    }
}

/// After the header of the part that has a file's name.
fn file_start(head: &[u8]) -> Option<usize> {
    let name = memmem::find(head, b"filename=")?;
    let end = memmem::find(head.get(name..)?, b"\r\n\r\n")?;
    Some(name + end + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sieved(form: &[u8], piece: usize) -> (Bytes, Option<Discarded>) {
        let mut sieve = Sieve::default();
        form.chunks(piece).for_each(|chunk| sieve.push(chunk));
        assert_eq!(sieve.len(), form.len());
        sieve.finish()
    }

    #[test]
    fn a_long_file_is_counted_and_hashed() {
        let file: Vec<u8> = (0..700_001_u32).map(|at| (at % 251) as u8).collect();
        let head = b"--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n".as_slice();
        let tail = b"\r\n--b\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b--\r\n".as_slice();
        let form = [head, &file, tail].concat();
        for piece in [1000, 65_536, 300_000, 1_000_000] {
            let (rest, discarded) = sieved(&form, piece);
            let expected = Discarded { bytes: file.len(), sha256: Sha256::digest(&file).into() };
            assert_eq!(discarded, Some(expected), "{piece}");
            assert!(rest.len() <= 3 * WINDOW && rest.starts_with(head) && rest.ends_with(tail));
        }
    }

    #[test]
    fn a_short_one_stays_whole() {
        for length in [10, WINDOW, 2 * WINDOW] {
            let form = vec![b'x'; length];
            assert_eq!(sieved(&form, 7000), (Bytes::from(form), None));
        }
    }
}
