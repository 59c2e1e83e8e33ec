//! The machine that finds the members of an object, pushed piece by piece.

use std::ops::Range;

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch, u8x64};

use super::{Malformed, Member};

/// Nesting beyond this is refused: no API has a use for it, and parsers downstream recurse.
const MAX_DEPTH: usize = 512;

/// Members beyond this are refused: no API has nearly as many, and each takes more room here than in the text.
const MAX_MEMBERS: usize = 4096;

/// What comes next in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    /// A name, or the end of an object that is empty.
    FirstKey,
    Key,
    InKey,
    Colon,
    Value,
    InText,
    InScalar,
    Nested,
    InNestedText,
    Comma,
    End,
}

/// An object's members, and where the first one could stand.
pub struct Found {
    pub start: usize,
    pub members: Vec<Member>,
}

/// A machine that is pushed the text piece by piece.
pub struct Scan {
    state: State,
    /// Bytes of the pieces before this one.
    behind: usize,
    start: usize,
    members: Vec<Member>,
    key: Range<usize>,
    is_key_escaped: bool,
    value_start: usize,
    /// The brackets that are to close what is open in a nested value.
    closers: Vec<u8>,
    /// The piece before ended in the middle of an escape.
    is_escaped: bool,
    /// What this processor can do.
    level: Level,
}

impl Scan {
    pub fn new() -> Self {
        Self {
            state: State::Start,
            behind: 0,
            start: 0,
            members: Vec::with_capacity(16),
            key: 0..0,
            is_key_escaped: false,
            value_start: 0,
            closers: Vec::new(),
            is_escaped: false,
            level: Level::new(),
        }
    }

    /// What was found, now that the text has ended.
    pub fn finish(self) -> Result<Found, Malformed> {
        let what = match self.state {
            State::End => return Ok(Found { start: self.start, members: self.members }),
            State::InKey | State::InText => "unclosed string",
            State::Nested | State::InNestedText => "unclosed bracket",
            _ => "unexpected end of the body",
        };
        Err(Malformed { what, at: self.behind })
    }

    pub fn push(&mut self, piece: &[u8]) -> Result<(), Malformed> {
        let mut at = 0;
        while let Some(&byte) = piece.get(at) {
            at = match self.state {
                State::InKey => {
                    let end = self.text_end(piece, at);
                    let here = piece.get(at..end.unwrap_or(piece.len()));
                    self.is_key_escaped |= here.is_some_and(|here| memchr::memchr(b'\\', here).is_some());
                    let Some(end) = end else { break };
                    self.key.end = self.behind + end - 1;
                    self.state = State::Colon;
                    end
                }
                State::InText => match self.text_end(piece, at) {
                    Some(end) => self.value_ends(end),
                    None => break,
                },
                State::InNestedText => match self.text_end(piece, at) {
                    Some(end) => {
                        self.state = State::Nested;
                        end
                    }
                    None => break,
                },
                State::Nested => self.nested(piece, at)?,
                State::InScalar => match byte {
                    b'0'..=b'9' | b'a'..=b'z' | b'.' | b'+' | b'-' | b'E' => at + 1,
                    _ => self.value_ends(at),
                },
                _ if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') => at + 1,
                _ => self.token(byte, at)?,
            };
        }
        self.behind += piece.len();
        Ok(())
    }

    /// One byte outside values and names.
    fn token(&mut self, byte: u8, at: usize) -> Result<usize, Malformed> {
        let here = self.behind + at;
        self.state = match (self.state, byte) {
            // Some editors write a byte order mark; RFC 8259 §8.1 lets a parser ignore it.
            (State::Start, 0xef | 0xbb | 0xbf) if here < 3 => State::Start,
            (State::Start, b'{') => {
                self.start = here + 1;
                State::FirstKey
            }
            (State::Start, _) => return Err(Malformed { what: "expected a JSON object", at: here }),
            (State::FirstKey, b'}') | (State::Comma, b'}') => State::End,
            (State::FirstKey | State::Key, b'"') => {
                self.key.start = here + 1;
                self.is_key_escaped = false;
                State::InKey
            }
            (State::FirstKey | State::Key, _) => {
                return Err(Malformed { what: "expected a member name in quotes", at: here });
            }
            (State::Colon, b':') => State::Value,
            (State::Colon, _) => return Err(Malformed { what: "expected ':' after the member name", at: here }),
            (State::Value, _) => {
                self.value_start = here;
                match byte {
                    b'"' => State::InText,
                    b'{' | b'[' => {
                        self.closers.push(closer(byte));
                        State::Nested
                    }
                    b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => State::InScalar,
                    _ => return Err(Malformed { what: "expected a value", at: here }),
                }
            }
            (State::Comma, b',') if self.members.len() == MAX_MEMBERS => {
                return Err(Malformed { what: "too many members (4096 at most)", at: here });
            }
            (State::Comma, b',') => State::Key,
            (State::Comma, _) => return Err(Malformed { what: "expected ',' or '}'", at: here }),
            (State::End, _) => return Err(Malformed { what: "unexpected text after the JSON object", at: here }),
            (State::InKey | State::InText | State::InScalar | State::Nested | State::InNestedText, _) => self.state,
        };
        Ok(at + 1)
    }

    fn value_ends(&mut self, at: usize) -> usize {
        let value = self.value_start..self.behind + at;
        self.members.push(Member { key: self.key.clone(), value, is_escaped: self.is_key_escaped });
        self.state = State::Comma;
        at
    }

    /// Just behind the quote that closes the text which `piece` is in the middle of; `None` if the piece ends before.
    fn text_end(&mut self, piece: &[u8], at: usize) -> Option<usize> {
        let start = at + usize::from(std::mem::take(&mut self.is_escaped));
        let text = piece.get(start..).unwrap_or_default();
        match dispatch!(self.level, simd => closing_quote(simd, text)) {
            Some(quote) => Some(start + quote + 1),
            None => {
                self.is_escaped = is_escaped_at(text, text.len());
                None
            }
        }
    }

    /// On in a nested value, without recursion.
    fn nested(&mut self, piece: &[u8], mut at: usize) -> Result<usize, Malformed> {
        // Between texts there is mostly a comma or a colon; a longer run is worth skipping a block at a time.
        let mut run = 0;
        while let Some(&byte) = piece.get(at) {
            at += 1;
            match byte {
                b'"' => {
                    self.state = State::InNestedText;
                    return Ok(at);
                }
                b'{' | b'[' => {
                    if self.closers.len() == MAX_DEPTH {
                        return Err(Malformed { what: "nested too deeply", at: self.behind + at - 1 });
                    }
                    self.closers.push(closer(byte));
                    run = 0;
                }
                b'}' | b']' => {
                    if self.closers.pop() != Some(byte) {
                        return Err(Malformed { what: "mismatched bracket", at: self.behind + at - 1 });
                    }
                    if self.closers.is_empty() {
                        return Ok(self.value_ends(at));
                    }
                    run = 0;
                }
                _ if run == BLOCK => {
                    at = skip_plain(piece, at);
                    run = 0;
                }
                _ => run += 1,
            }
        }
        Ok(at)
    }
}

/// Bytes that are looked at together.
const BLOCK: usize = 16;

fn closer(open: u8) -> u8 {
    if open == b'{' { b'}' } else { b']' }
}

/// The first quote that is not escaped. Pasted code has an escaped one every few words, so it is a block, not a quote, that is
/// looked at in one go: which of its quotes follow a backslash is seen from two masks.
#[inline(always)]
fn closing_quote<S: Simd>(simd: S, text: &[u8]) -> Option<usize> {
    let (blocks, rest) = text.as_chunks::<LANES>();
    let mut backslashes_before = 0;
    for (index, block) in blocks.iter().enumerate() {
        let bytes = u8x64::from_slice(simd, block);
        let (quotes, backslashes) = (bytes.simd_eq(b'"').to_bitmask(), bytes.simd_eq(b'\\').to_bitmask());
        let after_one = backslashes << 1 | backslashes_before >> 63;
        let after_two = backslashes << 2 | backslashes_before >> 62;
        backslashes_before = backslashes;
        // Behind one backslash alone a quote is escaped; behind more it depends on how many they are.
        let mut candidates = quotes & (!after_one | after_two);
        while candidates != 0 {
            let place = index * LANES + usize::try_from(candidates.trailing_zeros()).unwrap_or_default();
            if !is_escaped_at(text, place) {
                return Some(place);
            }
            candidates &= candidates - 1;
        }
    }
    let behind = blocks.len() * LANES;
    memchr::memchr_iter(b'"', rest).map(|place| behind + place).find(|place| !is_escaped_at(text, *place))
}

/// Bytes that are looked at in one go: one bit of a mask for each.
const LANES: usize = 64;

/// Whether an odd number of backslashes stands before this place: each pair of them is a backslash of the text.
fn is_escaped_at(text: &[u8], place: usize) -> bool {
    let before = text.get(..place).unwrap_or_default();
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// Over bytes that are neither quotes nor brackets, a block at a time: long lists of numbers consist of little else.
fn skip_plain(piece: &[u8], at: usize) -> usize {
    let rest = piece.get(at..).unwrap_or_default();
    // Bit 5 is all that tells `[` from `{` and `]` from `}`.
    let is_plain = |byte: u8| (byte != b'"') & (byte | 0x20 != b'{') & (byte | 0x20 != b'}');
    let blocks =
        rest.chunks_exact(BLOCK).take_while(|block| block.iter().fold(true, |all, byte| all & is_plain(*byte)));
    at + blocks.count() * BLOCK
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the grammar says it, byte by byte.
    fn plainly(text: &[u8]) -> Option<usize> {
        let mut is_escaped = false;
        text.iter().position(|byte| {
            let closes = *byte == b'"' && !is_escaped;
            is_escaped = *byte == b'\\' && !is_escaped;
            closes
        })
    }

    /// As every kind of processor finds it.
    fn closing_quote(text: &[u8]) -> Option<usize> {
        let levels = [Level::baseline(), Level::new()];
        let [baseline, best] = levels.map(|level| dispatch!(level, simd => super::closing_quote(simd, text)));
        assert_eq!(baseline, best);
        best
    }

    proptest! {
        #[test]
        fn finds_the_closing_quote(text in "[a\\\\\"]{0,3}(a{50,90}[a\\\\\"]{0,8}){0,4}", escapes in "(\\\\\\\\|\\\\\"|a){0,200}\"?a*") {
            for text in [text, escapes] {
                prop_assert_eq!(closing_quote(text.as_bytes()), plainly(text.as_bytes()));
            }
        }
    }

    #[test]
    fn backslashes_count_across_blocks() {
        for before in 0..200 {
            for backslashes in 0..5 {
                let text = format!("{}{}\"{}\"", "a".repeat(before), "\\".repeat(backslashes), "b".repeat(70));
                assert_eq!(closing_quote(text.as_bytes()), plainly(text.as_bytes()), "{before} {backslashes}");
            }
        }
    }
}
