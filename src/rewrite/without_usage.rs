//! A stream of chat chunks without the chunk that only counts tokens.
//!
//! We ask every provider for token counts; a client that did not ask must not see the chunk that brings them. Every other
//! byte of the stream is forwarded as it came, whole events at a time.

use bytes::{Bytes, BytesMut};

use super::Rewrite;
use super::Usage;
use super::usage::Tap;
use crate::dialects::framing::sse;
use crate::error::Failure;
use crate::json::Object;

/// An event that is longer than this is forwarded as it comes, unseen.
const LONGEST_EVENT: usize = 4 << 20;

#[derive(Debug, Default)]
pub struct WithoutUsage {
    tap: Tap,
    /// The beginning of an event whose end has not arrived.
    open: BytesMut,
}

impl Rewrite for WithoutUsage {
    fn push(&mut self, chunk: Bytes) -> Bytes {
        self.tap.push(&chunk);
        if self.open.is_empty() {
            // The usual case by far: the chunk consists of whole events, none of which counts tokens.
            return self.split(chunk, 0);
        }
        let scanned = self.open.len();
        self.open.extend_from_slice(&chunk);
        let text = std::mem::take(&mut self.open).freeze();
        self.split(text, scanned)
    }

    fn finish(&mut self) -> Result<Bytes, Failure> {
        let rest = std::mem::take(&mut self.open).freeze();
        Ok(if is_usage_only(&rest) { Bytes::new() } else { rest })
    }

    fn usage(&self) -> Option<Usage> {
        self.tap.usage()
    }
}

impl WithoutUsage {
    /// Takes the events out of `text` that only count tokens, and keeps its last, unfinished one for later.
    fn split(&mut self, text: Bytes, mut scanned: usize) -> Bytes {
        let mut kept = BytesMut::new();
        let mut kept_until = 0;
        let mut start = 0;
        while let Some(end) = sse::event_end(text.get(start..).unwrap_or_default(), scanned) {
            scanned = 0;
            let end = start + end;
            if text.get(start..end).is_some_and(is_usage_only) {
                kept.extend_from_slice(text.get(kept_until..start).unwrap_or_default());
                kept_until = end;
            }
            start = end;
        }
        if text.len() - start > LONGEST_EVENT {
            start = text.len();
        }
        self.open.extend_from_slice(text.get(start..).unwrap_or_default());
        if kept_until == 0 {
            return text.slice(..start);
        }
        kept.extend_from_slice(text.get(kept_until..start).unwrap_or_default());
        kept.freeze()
    }
}

/// A chunk with counts and without choices, be there an empty list or nothing: what `stream_options.include_usage` adds.
fn is_usage_only(event: &[u8]) -> bool {
    if memchr::memmem::find(event, b"\"usage\"").is_none() {
        return false;
    }
    let Some(object) = sse::data(event).and_then(|data| Object::read(Bytes::copy_from_slice(data)).ok()) else {
        return false;
    };
    let has_no_choices = object.get("choices").is_none_or(|raw| {
        &*raw == b"null" || raw.iter().filter(|byte| !byte.is_ascii_whitespace()).copied().eq(*b"[]")
    });
    has_no_choices && object.get("usage").is_some_and(|usage| usage.starts_with(b"{"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}],\"usage\":null}\n\n";
    const COMMENT: &str = ": ping\r\n\r\n";
    const LAST: &str =
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1}}\n\n";
    const COUNT: &str =
        "data: {\"id\":\"c\",\"choices\" : [ ],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\r\n\r\n";
    const FILTER: &str = "data: {\"choices\":[],\"prompt_filter_results\":[],\"usage\":null}\n\n";
    const DONE: &str = "data: [DONE]\n\n";

    fn through(parts: &[&[u8]]) -> (Vec<u8>, Option<Usage>) {
        let mut rewrite = WithoutUsage::default();
        let mut out = Vec::new();
        for part in parts {
            out.extend(rewrite.push(Bytes::copy_from_slice(part)));
        }
        out.extend(rewrite.finish().expect("no failure"));
        assert!(rewrite.finish().expect("no failure").is_empty());
        (out, rewrite.usage())
    }

    #[test]
    fn takes_out_the_counting_chunk_only_however_the_bytes_are_cut() {
        let stream = [ROLE, COMMENT, FILTER, LAST, COUNT, DONE].concat();
        let expected = [ROLE, COMMENT, FILTER, LAST, DONE].concat();
        let counted = Some(Usage { input: 1, output: 2, ..Usage::default() });
        for cut in 0..=stream.len() {
            let (a, b) = stream.as_bytes().split_at(cut);
            let (out, usage) = through(&[a, b]);
            assert_eq!(String::from_utf8_lossy(&out), expected, "cut at {cut}");
            assert_eq!(usage, counted, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        assert_eq!(through(&bytes).0, expected.as_bytes());
    }

    #[test]
    fn counts_without_a_list_of_choices_are_taken_out_too() {
        for chunk in [
            "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"usage\":{\"prompt_tokens\":1}}\n\n",
            "data: {\"choices\":null,\"usage\":{\"prompt_tokens\":1}}\n\n",
        ] {
            assert_eq!(through(&[ROLE.as_bytes(), chunk.as_bytes()]).0, ROLE.as_bytes());
        }
    }

    #[test]
    fn a_chunk_of_whole_events_is_not_copied() {
        let chunk = Bytes::from([ROLE, LAST].concat());
        let out = WithoutUsage::default().push(chunk.clone());
        assert_eq!(out.as_ptr(), chunk.as_ptr());
        assert_eq!(out.len(), chunk.len());
    }

    #[test]
    fn forwards_what_never_ends() {
        assert_eq!(through(&[b"data: {\"choices\":[]"]).0, b"data: {\"choices\":[]");
        assert_eq!(through(&[COUNT.trim_end().as_bytes()]).0, b"");
        let endless = vec![b'x'; LONGEST_EVENT + 1];
        assert_eq!(WithoutUsage::default().push(endless.clone().into()).len(), endless.len());
    }
}
