//! One keep-alive connection that sends prepared bytes and checks every answer in full.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::workload::{EVENTS, Workload, answer};
use crate::{Outcome, http};

/// Who is asked, how, and what must come back.
pub struct Call {
    pub address: SocketAddr,
    request: Vec<u8>,
    expected: Expected,
}

/// What makes an answer whole.
enum Expected {
    /// These very bytes.
    Exactly(Vec<u8>),
    /// All events in order, and `[DONE]`; a usage event may stand between them.
    Events(Vec<u8>),
    /// An upstream whose words are not known here: JSON with `choices`.
    AnyWhole,
    /// Likewise: events up to `[DONE]`.
    AnyStream,
}

/// Moments of one exchange.
pub struct Timing {
    pub first_byte: Instant,
    pub end: Instant,
}

pub struct Connection {
    stream: TcpStream,
    call: Arc<Call>,
    raw: Vec<u8>,
    body: Vec<u8>,
}

impl Call {
    pub fn new(address: SocketAddr, key: &str, model: &str, workload: &Workload, known: bool) -> Call {
        let body = workload.body(model);
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\naccept: */*\r\nuser-agent: narthex-bench\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let expected = match (known, workload.is_stream()) {
            (true, false) => Expected::Exactly(answer::whole().into_bytes()),
            (true, true) => Expected::Events(answer::events().concat().into_bytes()),
            (false, false) => Expected::AnyWhole,
            (false, true) => Expected::AnyStream,
        };
        Call { address, request: request.into_bytes(), expected }
    }
}

impl Connection {
    pub async fn open(call: Arc<Call>) -> Outcome<Connection> {
        let stream = TcpStream::connect(call.address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, call, raw: Vec::with_capacity(64 * 1024), body: Vec::with_capacity(64 * 1024) })
    }

    pub async fn exchange(&mut self) -> Outcome<Timing> {
        self.raw.clear();
        self.body.clear();
        self.stream.write_all(&self.call.request).await?;

        let head_length = loop {
            self.read_more().await?;
            if let Some(length) = http::head_length(&self.raw) {
                break length;
            }
        };
        let head: Vec<u8> = self.raw.drain(..head_length).collect();
        if http::status(&head) != Some(200) {
            self.read_more().await.ok();
            return Err(
                format!("answered {}{}", String::from_utf8_lossy(&head), String::from_utf8_lossy(&self.raw)).into()
            );
        }
        let length = http::Length::of(&head)?;
        if self.raw.is_empty() {
            self.read_more().await?;
        }
        let first_byte = Instant::now();
        match length {
            http::Length::Known(length) => {
                while self.raw.len() < length {
                    self.read_more().await?;
                }
                std::mem::swap(&mut self.raw, &mut self.body);
                if self.body.len() != length {
                    return Err("bytes after the end of the answer".into());
                }
            }
            http::Length::Chunked => {
                while !http::dechunk(&mut self.raw, &mut self.body)? {
                    self.read_more().await?;
                }
            }
        }
        let end = Instant::now();
        self.check()?;
        if http::header(&head, b"connection").is_some_and(|v| v.eq_ignore_ascii_case(b"close")) {
            return Err("the answer closes the connection: keep-alive was asked for".into());
        }
        Ok(Timing { first_byte, end })
    }

    async fn read_more(&mut self) -> Outcome<()> {
        match self.stream.read_buf(&mut self.raw).await? {
            0 => Err("the connection was closed within an answer".into()),
            _ => Ok(()),
        }
    }

    fn check(&self) -> Outcome<()> {
        let body = self.body.as_slice();
        let ends = body.ends_with(answer::DONE.as_bytes());
        let whole = match &self.call.expected {
            Expected::Exactly(bytes) => body == bytes,
            Expected::Events(events) => {
                let sent = memmem::find_iter(body, b"data: {").count();
                body.starts_with(events) && ends && (sent == EVENTS || sent == EVENTS + 1)
            }
            Expected::AnyWhole => memmem::find(body, br#""choices""#).is_some() && body.ends_with(b"}"),
            Expected::AnyStream => memmem::find(body, b"data: {").is_some() && ends,
        };
        if whole {
            return Ok(());
        }
        let shown = String::from_utf8_lossy(body.get(..2_000).unwrap_or(body)).into_owned();
        Err(format!("not the answer that the upstream gave ({} bytes): {shown}", body.len()).into())
    }
}
