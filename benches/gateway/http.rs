//! Just enough HTTP/1.1 to be fast: heads, lengths and chunks.

use memchr::{memchr, memmem};

use crate::Outcome;

/// How many bytes the head takes, its blank line included, once all of it is there.
pub fn head_length(bytes: &[u8]) -> Option<usize> {
    memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4)
}

pub fn header<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let colon = memchr(b':', line)?;
        let (key, value) = (line.get(..colon)?, line.get(colon + 1..)?);
        key.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
    })
}

pub fn number(text: &[u8]) -> Option<usize> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `HTTP/1.1 200 OK` → 200
pub fn status(head: &[u8]) -> Option<usize> {
    head.get(9..12).and_then(number)
}

/// How the end of a body is found.
pub enum Length {
    Known(usize),
    Chunked,
}

impl Length {
    pub fn of(head: &[u8]) -> Outcome<Length> {
        if header(head, b"transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case(b"chunked")) {
            return Ok(Length::Chunked);
        }
        header(head, b"content-length")
            .and_then(number)
            .map(Length::Known)
            .ok_or_else(|| "an answer without content-length or chunks".into())
    }
}

/// Moves what is complete out of `raw`, which starts at a chunk's size line, into `body`. True after the last chunk.
pub fn dechunk(raw: &mut Vec<u8>, body: &mut Vec<u8>) -> Outcome<bool> {
    let mut taken = 0;
    let ended = loop {
        let rest = raw.get(taken..).unwrap_or_default();
        let Some(line_end) = memmem::find(rest, b"\r\n") else {
            break false;
        };
        let size = rest
            .get(..line_end)
            .and_then(|line| std::str::from_utf8(line).ok())
            .and_then(|line| usize::from_str_radix(line.trim(), 16).ok())
            .ok_or("a chunk without a size")?;
        let (start, end) = (line_end + 2, line_end + 2 + size);
        if rest.len() < end + 2 {
            break false;
        }
        if rest.get(end..end + 2) != Some(b"\r\n".as_slice()) {
            return Err("a chunk that is longer than it says".into());
        }
        body.extend_from_slice(rest.get(start..end).unwrap_or_default());
        taken += end + 2;
        if size == 0 {
            break true;
        }
    };
    raw.drain(..taken);
    Ok(ended)
}
