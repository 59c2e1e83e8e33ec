//! One keep-alive connection that sends prepared bytes and checks every answer in full.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::provider::EVENTS;
use crate::wire::{Told, Wire};
use crate::workload::{Side, Workload};
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
    /// All events in order, and the last one; a usage event may stand between them.
    Events { events: Vec<u8>, end: &'static [u8] },
    /// What the upstream says, in other words.
    Translated { wire: Wire, is_stream: bool, told: Told },
    /// An upstream whose words are not known here: a text, and the end of its wire format.
    Anything { wire: Wire, is_stream: bool },
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
    pub fn new(address: SocketAddr, key: &str, side: Side, workload: &Workload, known: bool) -> Call {
        let (wire, provider, is_stream) = (workload.wire(side), workload.provider, workload.is_stream());
        let body = workload.body(side);
        let request = format!(
            "POST {} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\naccept: */*\r\nuser-agent: narthex-bench\r\n\
             content-length: {}\r\n\r\n{body}",
            wire.path(),
            body.len()
        );
        let expected = match is_stream {
            _ if !known => Expected::Anything { wire, is_stream },
            true if wire != provider.wire => Expected::Translated { wire, is_stream, told: provider.tells_stream() },
            false if wire != provider.wire => Expected::Translated { wire, is_stream, told: provider.tells_whole() },
            true => Expected::Events { events: provider.events().concat().into_bytes(), end: provider.end.as_bytes() },
            false => Expected::Exactly(provider.whole().into_bytes()),
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
        let read = |wire: Wire, is_stream| if is_stream { wire.read_stream(body) } else { wire.read(body) };
        let fault = match &self.call.expected {
            Expected::Exactly(bytes) => (body != bytes).then(|| "not the answer that the upstream gave".to_owned()),
            Expected::Events { events, end } => {
                let sent = memmem::find_iter(body, b"data: {").count();
                let is_whole = body.starts_with(events) && body.ends_with(end) && sent <= EVENTS + 1;
                (!is_whole).then(|| "not the events that the upstream gave".to_owned())
            }
            Expected::Translated { wire, is_stream, told } => match read(*wire, *is_stream) {
                Ok(read) => (read != *told).then(|| format!("not what the upstream said but {read:?}")),
                Err(why) => Some(why.to_string()),
            },
            Expected::Anything { wire, is_stream } => match read(*wire, *is_stream) {
                Ok(read) => read.text.is_empty().then(|| "an answer without a word".to_owned()),
                Err(why) => Some(why.to_string()),
            },
        };
        let Some(fault) = fault else { return Ok(()) };
        let shown = String::from_utf8_lossy(body.get(..2_000).unwrap_or(body)).into_owned();
        Err(format!("{fault} ({} bytes): {shown}", body.len()).into())
    }
}
