//! A provider that costs next to nothing: every answer is built before the first request arrives.
//!
//! It runs on a thread of its own inside the rig, and keeps what the rig needs to know that a proxy did its work: how many
//! requests came with the rewritten model, and, while capturing, the last body byte for byte.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::provider::{ANTHROPIC, MODEL, OPENAI, Provider};
use crate::{Outcome, http};

pub struct Upstream {
    pub address: SocketAddr,
    pub seen: Arc<Seen>,
}

#[derive(Default)]
pub struct Seen {
    /// Requests whose `model` was the upstream's own name.
    named: AtomicU64,
    event_gap_micros: AtomicU64,
    capturing: AtomicBool,
    body: Mutex<Vec<u8>>,
}

impl Upstream {
    pub fn start() -> Outcome<Upstream> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let seen = Arc::new(Seen::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serving = Arc::clone(&seen);
        std::thread::Builder::new()
            .name("upstream".into())
            .spawn(move || runtime.block_on(serve(listener, serving)))?;
        Ok(Upstream { address, seen })
    }
}

impl Seen {
    pub fn named(&self) -> u64 {
        self.named.load(Relaxed)
    }

    pub fn pause_between_events(&self, gap: Duration) {
        let micros = u64::try_from(gap.as_micros()).unwrap_or(u64::MAX);
        self.event_gap_micros.store(micros, Relaxed);
    }

    pub fn capture(&self, on: bool) {
        self.capturing.store(on, Relaxed);
    }

    pub fn captured(&self) -> Vec<u8> {
        self.body.lock().map(|body| body.clone()).unwrap_or_default()
    }

    fn note(&self, body: &[u8]) {
        let named = format!(r#""model":"{MODEL}""#);
        if mentions(body, named.as_bytes()) {
            self.named.fetch_add(1, Relaxed);
        }
        if self.capturing.load(Relaxed)
            && let Ok(mut kept) = self.body.lock()
        {
            kept.clear();
            kept.extend_from_slice(body);
        }
    }
}

/// The prepared bytes of one provider's answers.
struct Answers {
    path: &'static str,
    whole: Vec<u8>,
    events: Vec<Vec<u8>>,
    usage: Vec<u8>,
    end: Vec<u8>,
}

const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req_bench\r\n\
    transfer-encoding: chunked\r\n\r\n";
const NO_MODELS: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 27\r\n\r\n\
    {\"object\":\"list\",\"data\":[]}";
const BAD_REQUEST: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

impl Answers {
    fn prepare(provider: &Provider) -> Answers {
        let whole = provider.whole();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\ncontent-length: {}\r\n\r\n",
            whole.len()
        );
        Answers {
            path: provider.wire.path(),
            whole: (head + &whole).into_bytes(),
            events: provider.events().iter().map(|event| chunk(event)).collect(),
            usage: if provider.usage.is_empty() { Vec::new() } else { chunk(provider.usage) },
            end: [chunk(provider.end), b"0\r\n\r\n".to_vec()].concat(),
        }
    }
}

fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}

async fn serve(listener: std::net::TcpListener, seen: Arc<Seen>) {
    let answers = Arc::new([&OPENAI, &ANTHROPIC].map(Answers::prepare));
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return eprintln!("upstream: {error}"),
    };
    while let Ok((stream, _)) = listener.accept().await {
        let (answers, seen) = (Arc::clone(&answers), Arc::clone(&seen));
        tokio::spawn(async move {
            // A proxy that closes an idle connection is no failure of the run: the client's checks are what counts.
            let _ = converse(stream, answers.as_slice(), &seen).await;
        });
    }
}

async fn converse(mut stream: TcpStream, answers: &[Answers], seen: &Seen) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(512 * 1024);
    loop {
        let Some(head_length) = read_head(&mut stream, &mut buffer).await? else {
            return Ok(());
        };
        let head = buffer.get(..head_length).unwrap_or_default();
        if head.starts_with(b"GET ") {
            stream.write_all(NO_MODELS).await?;
            buffer.drain(..head_length);
            continue;
        }
        let asked = head.strip_prefix(b"POST ").unwrap_or_default();
        let answers = answers.iter().find(|answers| asked.starts_with(answers.path.as_bytes()));
        let body_length = http::header(head, b"content-length").and_then(http::number);
        let (Some(answers), Some(body_length)) = (answers, body_length) else {
            return stream.write_all(BAD_REQUEST).await;
        };
        let end = head_length + body_length;
        while buffer.len() < end {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        let body = buffer.get(head_length..end).unwrap_or_default();
        if !(body.starts_with(b"{") && body.ends_with(b"}")) {
            return stream.write_all(BAD_REQUEST).await;
        }
        seen.note(body);
        if mentions(body, br#""stream":true"#) {
            let with_usage = mentions(body, br#""include_usage":true"#);
            send_events(&mut stream, answers, with_usage, seen).await?;
        } else {
            stream.write_all(&answers.whole).await?;
        }
        buffer.drain(..end);
    }
}

async fn send_events(stream: &mut TcpStream, answers: &Answers, with_usage: bool, seen: &Seen) -> io::Result<()> {
    let gap = Duration::from_micros(seen.event_gap_micros.load(Relaxed));
    stream.write_all(STREAM_HEAD).await?;
    for event in &answers.events {
        if !gap.is_zero() {
            tokio::time::sleep(gap).await;
        }
        stream.write_all(event).await?;
        stream.flush().await?;
    }
    if with_usage {
        stream.write_all(&answers.usage).await?;
    }
    stream.write_all(&answers.end).await
}

async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<usize>> {
    loop {
        if let Some(length) = http::head_length(buffer) {
            return Ok(Some(length));
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

/// Whether a top-level field stands near the start or the end of a body: reading 200 KB here would make the upstream the
/// bottleneck.
fn mentions(body: &[u8], field: &[u8]) -> bool {
    const NEAR: usize = 256;
    let start = body.get(..NEAR).unwrap_or(body);
    let end = body.len().checked_sub(NEAR).and_then(|at| body.get(at..));
    memmem::find(start, field).is_some() || end.is_some_and(|end| memmem::find(end, field).is_some())
}
