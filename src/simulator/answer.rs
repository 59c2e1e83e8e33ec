//! An answer as it is handed over to the connection: bytes, and what its header needs.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::dialects::Dialect;
use crate::error::{Failure, Refusal};

pub enum Answer {
    Whole {
        content_type: &'static str,
        body: Bytes,
    },
    Stream {
        content_type: &'static str,
        events: Events,
    },
    /// Of what is kept: with headers of its own, its type among them. Sent in pieces, so that it can be cut.
    Kept {
        headers: Vec<(HeaderName, HeaderValue)>,
        body: Bytes,
    },
    /// It is done, and there is nothing to say (204).
    Nothing,
    Failed {
        head: FailureHead,
        body: Bytes,
    },
}

impl Answer {
    pub fn json(value: &impl serde::Serialize) -> Self {
        let mut body = BytesMut::with_capacity(1024);
        write_json(&mut body, value);
        Self::Whole { content_type: "application/json", body: body.freeze() }
    }

    pub fn events(events: Events) -> Self {
        Self::Stream { content_type: "text/event-stream; charset=utf-8", events }
    }

    /// A failure in the dialect's envelope.
    pub fn failed(dialect: Dialect, failure: &Failure, request_id: &str) -> Self {
        let header = dialect.error_type(failure.kind).map(|class| ("x-amzn-errortype", class));
        let head = FailureHead { status: failure.status, retry_after: failure.retry_after, header };
        Self::Failed { head, body: dialect.write_failure(failure, request_id) }
    }

    /// A failure with another header of its own.
    pub fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        if let Self::Failed { head, .. } = &mut self {
            head.header = Some((name, value));
        }
        self
    }
}

/// What a failure adds to the header of its answer.
#[derive(Clone, Debug)]
pub struct FailureHead {
    pub status: StatusCode,
    pub retry_after: Option<Duration>,
    pub header: Option<(&'static str, &'static str)>,
}

pub fn missing(name: &'static str) -> Refusal {
    Refusal::invalid(format!("The parameter `{name}` is missing.")).param(name).code("missing_required_parameter")
}

pub fn bad_value(name: &'static str, why: &str) -> Refusal {
    Refusal::invalid(format!("The parameter `{name}` {why}.")).param(name).code("invalid_value")
}

/// A stream's events in one piece of memory: written once, sent one by one.
#[derive(Default)]
pub struct Events {
    bytes: BytesMut,
    ends: Vec<usize>,
}

impl Events {
    pub fn with_capacity(events: usize, bytes_each: usize) -> Self {
        Self { bytes: BytesMut::with_capacity(events * bytes_each), ends: Vec::with_capacity(events) }
    }

    /// One event, written by `write`, framing included.
    pub fn push(&mut self, write: impl FnOnce(&mut BytesMut)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// What `write` writes: no event, one or several, whose ends `end` finds.
    pub fn push_all(&mut self, end: FindEnd, write: impl FnOnce(&mut BytesMut)) {
        let mut start = self.bytes.len();
        write(&mut self.bytes);
        while start < self.bytes.len() {
            let rest = self.bytes.get(start..).unwrap_or_default();
            start += end(rest).unwrap_or(rest.len());
            self.ends.push(start);
        }
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn into_frames(self) -> impl Iterator<Item = Bytes> {
        let bytes = self.bytes.freeze();
        let mut start = 0;
        self.ends.into_iter().map(move |end| {
            let frame: Range<usize> = start..end;
            start = end;
            bytes.slice(frame)
        })
    }

    #[cfg(test)]
    pub fn text(&self) -> String {
        String::from_utf8(self.bytes.to_vec()).unwrap()
    }
}

/// Where the first event ends; `None`: with the bytes.
pub type FindEnd = fn(&[u8]) -> Option<usize>;

/// Seconds since 1970, as every answer tells them.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// What makes an id its own.
pub fn nonce() -> String {
    format!("{:024x}", fastrand::u128(..) >> 32)
}

pub fn write_json(out: &mut BytesMut, value: &impl serde::Serialize) {
    #[expect(clippy::expect_used, reason = "memory takes every byte, and what is written here has string keys only")]
    serde_json::to_writer(out.writer(), value).expect("JSON into memory");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_cut_where_they_end() {
        let end: FindEnd = |bytes| bytes.iter().position(|byte| *byte == b';').map(|at| at + 1);
        let mut events = Events::default();
        for written in ["a;bc;", "", "d", ";"] {
            events.push_all(end, |out| out.extend_from_slice(written.as_bytes()));
        }
        let frames: Vec<_> = events.into_frames().collect();
        assert_eq!(frames, ["a;", "bc;", "d", ";"]);
    }

    #[test]
    fn a_failure_of_converse_names_its_class() {
        let failure = Failure::new(StatusCode::TOO_MANY_REQUESTS, "slow down");
        let Answer::Failed { head, .. } = Answer::failed(Dialect::Converse, &failure, "r") else {
            panic!("not a failure");
        };
        assert_eq!(head.header, Some(("x-amzn-errortype", "ThrottlingException")));
    }
}
