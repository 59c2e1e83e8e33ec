//! Server-sent events (WHATWG HTML, "Server-sent events", §9.2.6), as far as one needs to tell them apart.

use memchr::memchr2;

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

    #[test]
    fn finds_the_data() {
        assert_eq!(data(b"data: {}\n\n"), Some(&b"{}"[..]));
        assert_eq!(data(b"event: a\r\ndata:{}\r\n\r\n"), Some(&b"{}"[..]));
        assert_eq!(data(b": ping\n\n"), None);
    }
}
