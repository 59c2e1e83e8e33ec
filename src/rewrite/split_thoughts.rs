//! A chat answer whose thoughts are moved out of its text, as the user has asked for; every other byte is forwarded as it came.

use bytes::{Bytes, BytesMut};

use super::{Rewrite, Usage};
use crate::dialects::framing::sse;
use crate::dialects::think_tags::Answer;
use crate::error::Failure;

/// An event that is longer than this is forwarded as it comes, unseen.
const LONGEST_EVENT: usize = 4 << 20;

pub struct SplitThoughts {
    inner: Box<dyn Rewrite>,
    answer: Answer,
    is_stream: bool,
    /// The beginning of an event whose end has not arrived, or as much as there is of a whole answer.
    open: BytesMut,
    /// So much of it is known to hold no end.
    scanned: usize,
}

impl SplitThoughts {
    /// `inner` has the bytes first.
    pub fn new(inner: Box<dyn Rewrite>, is_stream: bool) -> Self {
        Self { inner, answer: Answer::default(), is_stream, open: BytesMut::new(), scanned: 0 }
    }

    /// The events that are complete.
    fn events(&mut self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.open.len() + 64);
        while let Some(end) = sse::event_end(&self.open, self.scanned) {
            self.scanned = 0;
            let event = self.open.split_to(end);
            self.event(&event, &mut out);
        }
        self.scanned = self.open.len();
        if self.open.len() > LONGEST_EVENT {
            self.scanned = 0;
            out.unsplit(self.open.split());
        }
        out.freeze()
    }

    fn event(&mut self, event: &[u8], out: &mut BytesMut) {
        let data = sse::data(event).and_then(|data| std::str::from_utf8(data).ok());
        if data == Some("[DONE]") {
            self.rest(out);
        }
        let edited = data.and_then(|data| Some((data, self.answer.chunk(data)?)));
        let place = edited.as_ref().and_then(|(data, _)| memchr::memmem::find(event, data.as_bytes()));
        match (edited, place) {
            (Some((data, edited)), Some(at)) => {
                out.extend_from_slice(event.get(..at).unwrap_or_default());
                out.extend_from_slice(edited.as_bytes());
                out.extend_from_slice(event.get(at + data.len()..).unwrap_or_default());
            }
            _ => out.extend_from_slice(event),
        }
    }

    fn rest(&mut self, out: &mut BytesMut) {
        for chunk in self.answer.rest() {
            out.extend_from_slice(format!("data: {chunk}\n\n").as_bytes());
        }
    }
}

impl Rewrite for SplitThoughts {
    fn push(&mut self, chunk: Bytes) -> Bytes {
        let chunk = self.inner.push(chunk);
        self.open.extend_from_slice(&chunk);
        if self.is_stream { self.events() } else { Bytes::new() }
    }

    fn finish(&mut self) -> Result<Bytes, Failure> {
        let last = self.inner.finish()?;
        self.open.extend_from_slice(&last);
        let open = self.open.split();
        let mut out = BytesMut::new();
        if self.is_stream {
            self.scanned = 0;
            self.event(&open, &mut out);
            self.rest(&mut out);
            return Ok(out.freeze());
        }
        let edited = std::str::from_utf8(&open).ok().and_then(|body| self.answer.whole(body));
        Ok(edited.map_or_else(|| open.freeze(), Bytes::from))
    }

    fn fail(&mut self, failure: &Failure) -> Option<Bytes> {
        self.inner.fail(failure)
    }

    fn usage(&self) -> Option<Usage> {
        self.inner.usage()
    }

    fn failure(&self) -> Option<&Failure> {
        self.inner.failure()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rewrite::Forward;

    fn through<'b>(pieces: impl IntoIterator<Item = &'b [u8]>, is_stream: bool) -> String {
        let mut rewrite = SplitThoughts::new(Box::<Forward>::default(), is_stream);
        let mut out: Vec<u8> =
            pieces.into_iter().flat_map(|piece| rewrite.push(Bytes::copy_from_slice(piece))).collect();
        out.extend(rewrite.finish().expect("no failure"));
        assert!(rewrite.finish().expect("no failure").is_empty());
        String::from_utf8(out).expect("UTF-8")
    }

    fn chunk(delta: &str, finish: &str) -> String {
        format!(
            "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\r\n\r\n"
        )
    }

    #[test]
    fn a_stream_keeps_all_but_its_tags_however_the_bytes_are_cut() {
        let given = [
            ": ping\n\n".to_owned(),
            chunk(r#"{"role":"assistant","content":""}"#, "null"),
            chunk(r#"{"content":"<think>\nü"}"#, "null"),
            chunk(r#"{"content":"b\n"}"#, "null"),
            chunk(r#"{"content":"</think>\n\nHi <think>"}"#, "null"),
            chunk("{}", "\"stop\""),
            "data: [DONE]\n\n".to_owned(),
        ];
        let expected = [
            given[0].clone(),
            given[1].clone(),
            chunk(r#"{"reasoning_content":"ü","content":null}"#, "null"),
            chunk(r#"{"reasoning_content":"b","content":null}"#, "null"),
            chunk(r#"{"content":"Hi <think>"}"#, "null"),
            given[5].clone(),
            given[6].clone(),
        ]
        .concat();
        let given = given.concat();
        for cut in 0..=given.len() {
            let (first, second) = given.as_bytes().split_at(cut);
            assert_eq!(through([first, second], true), expected, "cut at {cut}");
        }
        assert_eq!(through(given.as_bytes().chunks(1), true), expected);
    }

    #[test]
    fn a_whole_answer_is_read_when_all_of_it_is_there() {
        let given = r#"{"choices":[{"message":{"content":"<think>a</think>b"}}]}"#;
        let expected = r#"{"choices":[{"message":{"reasoning_content":"a","content":"b"}}]}"#;
        assert_eq!(through(given.as_bytes().chunks(7), false), expected);
        assert_eq!(through([&b"<html>"[..]], false), "<html>");
    }
}
