//! An answer as the dialects hand it over: bytes and what their header needs, before any connection sees them.

use std::ops::Range;

use bytes::Bytes;
use http::StatusCode;

/// The headers that every answer of a dialect has.
pub struct DialectHeaders {
    pub request_id: &'static str,
    /// How long the answer took, without the network.
    pub milliseconds: &'static str,
    pub constant: &'static [(&'static str, &'static str)],
}

pub enum Answer {
    Whole { content_type: &'static str, body: Bytes },
    Stream(Events),
    Failed { failure: FailureHead, body: Bytes },
}

impl Answer {
    pub fn json(value: &impl serde::Serialize) -> Self {
        let mut body = Vec::with_capacity(1024);
        write_json(&mut body, value);
        Self::Whole { content_type: "application/json", body: body.into() }
    }
}

/// What a failure adds to the header of its answer.
#[derive(Clone, Debug)]
pub struct FailureHead {
    pub status: StatusCode,
    pub retry_after: Option<u32>,
    pub allow: Option<&'static str>,
}

/// Why a request gets no answer; each dialect has an envelope for it.
#[derive(Debug)]
pub struct Failure {
    pub head: FailureHead,
    pub message: String,
    pub param: Option<String>,
    pub code: Option<&'static str>,
}

impl Failure {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let head = FailureHead { status, retry_after: None, allow: None };
        Self { head, message: message.into(), param: None, code: None }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// One that was ordered by a `Behaviour`.
    pub fn planned(status: StatusCode, retry_after: Option<u32>) -> Self {
        let mut failure = Self::new(status, format!("The simulator was told to fail with {status}."));
        failure.head.retry_after = retry_after;
        failure
    }

    pub fn at(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    pub fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }
}

/// A stream's events in one piece of memory: written once, sent one by one.
#[derive(Default)]
pub struct Events {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Events {
    pub fn with_capacity(events: usize, bytes_each: usize) -> Self {
        Self { bytes: Vec::with_capacity(events * bytes_each), ends: Vec::with_capacity(events) }
    }

    /// One event, written by `write`, framing included.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    pub fn into_frames(self) -> impl Iterator<Item = Bytes> {
        let bytes = Bytes::from(self.bytes);
        let mut start = 0;
        self.ends.into_iter().map(move |end| {
            let frame: Range<usize> = start..end;
            start = end;
            bytes.slice(frame)
        })
    }

    #[cfg(test)]
    pub fn text(&self) -> String {
        String::from_utf8(self.bytes.clone()).unwrap()
    }
}

pub fn write_json(out: &mut Vec<u8>, value: &impl serde::Serialize) {
    #[expect(clippy::expect_used, reason = "memory takes every byte, and what is written here has string keys only")]
    serde_json::to_writer(out, value).expect("JSON into memory");
}
