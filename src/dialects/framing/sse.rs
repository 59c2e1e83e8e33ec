//! Server-sent events (WHATWG HTML, "Server-sent events", §9.2.6).

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr2;

use super::{Frame, FrameKind, Framing};
use crate::error::Garbled;

/// No event that makes sense is longer; images come as one.
const LONGEST_EVENT: usize = 64 << 20;

/// Events with data, as frames. Comments, and fields that no model provider uses, are passed over; but not JSON without any field: that is
/// how Google's and others' servers break off, once their answer has begun.
#[derive(Debug, Default)]
pub struct Sse {
    pending: BytesMut,
    /// So much of `pending` is known to hold no end.
    scanned: usize,
}

impl Framing for Sse {
    fn push(&mut self, chunk: &[u8]) {
        self.pending.extend_from_slice(chunk);
    }

    fn next(&mut self) -> Result<Option<Frame>, Garbled> {
        loop {
            let Some(end) = event_end(&self.pending, self.scanned) else {
                self.scanned = self.pending.len();
                return match self.pending.len() {
                    len if len > LONGEST_EVENT => Err(Garbled::new("an event has no end")),
                    _ => Ok(None),
                };
            };
            self.scanned = 0;
            let event = self.pending.split_to(end).freeze();
            if let Some(frame) = frame(event) {
                return Ok(Some(frame));
            }
        }
    }

    fn finish(&mut self) -> Result<Option<Frame>, Garbled> {
        self.scanned = 0;
        Ok(frame(std::mem::take(&mut self.pending).freeze()))
    }
}

/// An event's name and data; `None` if it has neither data nor is bare JSON.
fn frame(mut event: Bytes) -> Option<Frame> {
    if event.starts_with(b"\xef\xbb\xbf") {
        event.advance(3);
    }
    let mut name = Bytes::new();
    let mut data: Option<Bytes> = None;
    let mut start = 0;
    while start < event.len() {
        let rest = event.get(start..).unwrap_or_default();
        let end = memchr2(b'\n', b'\r', rest).map_or(event.len(), |at| start + at);
        let line = event.get(start..end).unwrap_or_default();
        let value_at = |field: &[u8]| {
            let value = line.strip_prefix(field)?.strip_prefix(b":")?;
            let value = value.strip_prefix(b" ").unwrap_or(value);
            Some(end - value.len())
        };
        if let Some(at) = value_at(b"data") {
            let line = event.slice(at..end);
            data = Some(match data.take() {
                None => line,
                Some(before) => Bytes::from([&before[..], b"\n", &line[..]].concat()),
            });
        } else if let Some(at) = value_at(b"event") {
            name = event.slice(at..end);
        }
        start = end + 1;
    }
    let bare = || event.trim_ascii_start().starts_with(b"{").then(|| event.clone());
    data.or_else(bare).map(|data| Frame::new(FrameKind::Event, name, data))
}

/// The end of the first event in `text`: just behind the empty line that closes it. `scanned` bytes of `text` were looked at
/// before and hold no end. `None`: more bytes, please.
pub fn event_end(text: &[u8], scanned: usize) -> Option<usize> {
    // The end may span the place where we stopped: at most two line ends of two bytes.
    let mut line_start = scanned.saturating_sub(4);
    // Not knowing where that line began, only take its emptiness for true if it really starts there.
    let mut starts_line = line_start == 0 || matches!(text.get(line_start - 1), Some(b'\n'));
    loop {
        let at = line_start + memchr2(b'\n', b'\r', text.get(line_start..)?)?;
        let end = match (text.get(at), text.get(at + 1)) {
            (Some(b'\n'), _) => at + 1,
            (Some(b'\r'), Some(b'\n')) => at + 2,
            // Half a line end, perhaps.
            (Some(b'\r'), None) => return None,
            _ => at + 1,
        };
        if starts_line && at == line_start {
            return Some(end);
        }
        line_start = end;
        starts_line = true;
    }
}

/// The value of an event's `data` field, if it is on one line as all model providers send it.
pub fn data(event: &[u8]) -> Option<&[u8]> {
    let mut lines = event.split(|byte| matches!(byte, b'\n' | b'\r'));
    let value = lines.find_map(|line| line.strip_prefix(b"data:"))?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_events_at_empty_lines() {
        for (text, end) in [
            ("data: a\n\ndata: b\n\n", Some(9)),
            ("data: a\r\n\r\nx", Some(11)),
            ("data: a\r\rx", Some(9)),
            ("event: x\ndata: a\n\n", Some(18)),
            (": comment\n\n", Some(11)),
            ("\n", Some(1)),
            ("data: a\n", None),
            ("data: a\r\n\r", None),
            ("data: a", None),
            ("", None),
        ] {
            assert_eq!(event_end(text.as_bytes(), 0), end, "{text:?}");
        }
    }

    #[test]
    fn goes_on_where_it_stopped() {
        for text in ["event: x\ndata: a\n\nrest", "data: a\r\n\r\n", "data: abcdef\n\n\n\n"] {
            let whole = event_end(text.as_bytes(), 0);
            for scanned in 0..whole.unwrap_or(0) {
                assert_eq!(event_end(text.as_bytes(), scanned), whole, "{text:?} from {scanned}");
            }
        }
    }

    fn frames(parts: &[&[u8]]) -> Vec<(String, String)> {
        let mut framing = Sse::default();
        let mut frames = Vec::new();
        let shown = |frame: Frame| (frame.name().to_owned(), String::from_utf8_lossy(&frame.data).into_owned());
        for part in parts {
            framing.push(part);
            while let Some(frame) = framing.next().expect("frames") {
                frames.push(shown(frame));
            }
        }
        frames.extend(framing.finish().expect("frames").map(shown));
        frames
    }

    #[test]
    fn frames_do_not_depend_on_where_the_bytes_are_cut() {
        for end in ["\n", "\r\n", "\r"] {
            let text =
                "\u{feff}data: a\n\n: note\n\nevent: x\ndata:b\ndata: ü\nid: 1\n\ndata:\n\n\nevent: y\ndata: last"
                    .replace('\n', end);
            let expected = [("", "a"), ("x", "b\nü"), ("", ""), ("y", "last")];
            let expected: Vec<_> =
                expected.iter().map(|(name, data)| ((*name).to_owned(), (*data).to_owned())).collect();
            for cut in 0..=text.len() {
                let (first, second) = text.as_bytes().split_at(cut);
                assert_eq!(frames(&[first, second]), expected, "{end:?} cut at {cut}");
            }
            assert_eq!(frames(&text.as_bytes().chunks(1).collect::<Vec<_>>()), expected);
        }
    }

    #[test]
    fn json_without_a_field_is_an_event() {
        let error = "{\n  \"error\": {\n    \"code\": 503\n  }\n}\n";
        for end in ["", "\n\n"] {
            let text = format!("data: a\r\n\r\n{error}{end}");
            let found = frames(&text.as_bytes().chunks(1).collect::<Vec<_>>());
            assert_eq!(found.len(), 2, "{found:?}");
            assert_eq!((found[0].1.as_str(), found[1].1.trim()), ("a", error.trim()));
        }
        assert_eq!(frames(&[b"id: {1}\n\n: {2}\n\n"]), []);
    }

    #[test]
    fn finds_the_data() {
        assert_eq!(data(b"data: {}\n\n"), Some(&b"{}"[..]));
        assert_eq!(data(b"event: a\r\ndata:{}\r\n\r\n"), Some(&b"{}"[..]));
        assert_eq!(data(b": ping\n\n"), None);
    }
}
