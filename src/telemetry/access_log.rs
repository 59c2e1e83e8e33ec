//! One line of JSON on standard output for each exchange.
//!
//! Lines are gathered in memory and written by a thread of their own, many at a time: an exchange never waits for the
//! reader of the log, and a system call per line would cost as much as the rest of an exchange's bookkeeping.

use std::io::Write;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::json;
use crate::rewrite::Usage;

/// What a reader that has stopped reading may cost us in memory, in bytes. Later lines are counted, not kept.
const MOST_WAITING: usize = 4 << 20;
const FLUSH_EVERY: Duration = Duration::from_millis(100);
/// So many bytes are written without waiting for more: they are still in the processor's cache then.
const ENOUGH: usize = 128 << 10;

/// What is told of one exchange. Members that are `None` are left out: a request without a model has no target.
#[derive(Debug)]
pub struct Line<'a> {
    pub time: SystemTime,
    pub request_id: &'a str,
    pub client: Option<IpAddr>,
    pub tenant: Option<&'a str>,
    pub method: &'a str,
    /// Without its query, which may hold a key.
    pub path: &'a str,
    pub operation: &'a str,
    pub model: Option<&'a str>,
    pub instance: Option<&'a str>,
    pub upstream_model: Option<&'a str>,
    pub status: u16,
    /// How it ended: `ok`, `error`, or `client_gone`.
    pub outcome: &'a str,
    pub attempts: u32,
    pub stream: bool,
    pub bytes_in: usize,
    pub bytes_out: usize,
    pub duration_ms: f64,
    pub first_byte_ms: Option<f64>,
    pub usage: Option<Usage>,
    pub error: Option<&'a str>,
}

/// The name of a member that is not the first one, as it stands in the line.
macro_rules! name {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

impl Line<'_> {
    /// Adds the line, with its end, to `out`. Written by hand: its names need no escaping, and there is one for each exchange.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        // Writing into memory cannot fail.
        let _ = write!(out, "{{\"time\":\"{}\"", humantime::format_rfc3339_millis(self.time));
        text(out, name!("request_id"), Some(self.request_id));
        if let Some(client) = self.client {
            json::put(out, name!("client"), client);
        }
        text(out, name!("tenant"), self.tenant);
        text(out, name!("method"), Some(self.method));
        text(out, name!("path"), Some(self.path));
        text(out, name!("operation"), Some(self.operation));
        text(out, name!("model"), self.model);
        text(out, name!("instance"), self.instance);
        text(out, name!("upstream_model"), self.upstream_model);
        json::put(out, name!("status"), self.status);
        text(out, name!("outcome"), Some(self.outcome));
        json::put(out, name!("attempts"), self.attempts);
        json::put(out, name!("stream"), self.stream);
        json::put(out, name!("bytes_in"), self.bytes_in);
        json::put(out, name!("bytes_out"), self.bytes_out);
        json::put(out, name!("duration_ms"), self.duration_ms);
        if let Some(first_byte) = self.first_byte_ms {
            json::put(out, name!("first_byte_ms"), first_byte);
        }
        if let Some(usage) = self.usage {
            json::put(out, name!("input_tokens"), usage.input);
            json::put(out, name!("output_tokens"), usage.output);
            json::put(out, name!("cached_tokens"), usage.cached);
            json::put(out, name!("reasoning_tokens"), usage.reasoning);
        }
        text(out, name!("error"), self.error);
        out.extend_from_slice(b"}\n");
    }
}

/// `name`: with what stands around it.
fn text(out: &mut Vec<u8>, name: &str, value: Option<&str>) {
    let Some(value) = value else { return };
    let is_plain = |byte: u8| (0x20..0x7f).contains(&byte) & (byte != b'"') & (byte != b'\\');
    // All of them, without a branch for each: then many are looked at in one go.
    if !value.bytes().fold(true, |all, byte| all & is_plain(byte)) {
        return json::put(out, name, value);
    }
    out.reserve(name.len() + value.len() + 2);
    out.extend_from_slice(name.as_bytes());
    out.push(b'"');
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

/// The way to the log; cheap to clone.
#[derive(Debug, Clone)]
pub struct AccessLog(Option<Arc<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    dropped: u64,
    is_closed: bool,
    /// The thread sleeps until there is a line; it wakes by itself where there was one just now.
    is_idle: bool,
}

impl AccessLog {
    /// A log that keeps nothing.
    pub fn off() -> Self {
        Self(None)
    }

    /// Starts the thread that writes to `out`.
    pub fn to(out: impl Write + Send + 'static) -> std::io::Result<(Self, Writer)> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("access-log".to_owned()).spawn(move || own.write_to(out))?;
        Ok((Self(Some(Arc::clone(&shared))), Writer { shared, thread: Some(thread) }))
    }

    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    pub fn write(&self, line: &Line<'_>) {
        let Some(shared) = &self.0 else { return };
        let mut waiting = shared.lock();
        if waiting.lines.len() > MOST_WAITING {
            waiting.dropped += 1;
            return;
        }
        let before = waiting.lines.len();
        line.write_to(&mut waiting.lines);
        let is_enough = before < ENOUGH && waiting.lines.len() >= ENOUGH;
        let wake = std::mem::take(&mut waiting.is_idle) || is_enough;
        drop(waiting);
        if wake {
            shared.arrived.notify_one();
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        // A panic while a line was written leaves at worst half a line behind.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, mut out: impl Write) {
        // Two buffers take turns: memory that was just used costs less than new memory.
        let mut lines = Vec::new();
        loop {
            let mut waiting = self.lock();
            while waiting.lines.is_empty() && !waiting.is_closed {
                waiting.is_idle = true;
                waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            waiting.is_idle = false;
            std::mem::swap(&mut lines, &mut waiting.lines);
            let (dropped, is_closed) = (std::mem::take(&mut waiting.dropped), waiting.is_closed);
            drop(waiting);
            if dropped > 0 {
                log::warn!("{dropped} access lines were dropped: standard output is not being read fast enough");
            }
            if let Err(why) = out.write_all(&lines).and_then(|()| out.flush()) {
                log::warn!("the access log cannot be written: {why}");
            }
            if is_closed {
                return;
            }
            lines.clear();
            lines.shrink_to(2 * ENOUGH);
            // Lines that arrive close together are written together.
            let few = |waiting: &mut Waiting| waiting.lines.len() < ENOUGH && !waiting.is_closed;
            drop(self.arrived.wait_timeout_while(self.lock(), FLUSH_EVERY, few));
        }
    }
}

/// Writes what is left when it is dropped.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.arrived.notify_one();
        if let Some(thread) = self.thread.take() {
            // It ends once everything is written; a panic in it has already been reported.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Collected(Arc<Mutex<Vec<u8>>>);

    impl Write for Collected {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn line(request_id: &str, usage: Option<Usage>) -> Line<'_> {
        Line {
            time: SystemTime::UNIX_EPOCH,
            request_id,
            client: Some(IpAddr::from([127, 0, 0, 1])),
            tenant: None,
            method: "GET",
            path: "/a\"b",
            operation: "models",
            model: None,
            instance: None,
            upstream_model: None,
            status: 200,
            outcome: "ok",
            attempts: 0,
            stream: false,
            bytes_in: 0,
            bytes_out: 5,
            duration_ms: 1.25,
            first_byte_ms: None,
            usage,
            error: None,
        }
    }

    #[test]
    fn everything_is_written_in_the_end() {
        let out = Collected::default();
        let (log, writer) = AccessLog::to(out.clone()).unwrap();
        for n in 0..100 {
            let usage = (n == 1).then_some(Usage { input: 5, ..Usage::default() });
            log.write(&line(&n.to_string(), usage));
        }
        drop(writer);
        let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 100);
        assert_eq!(lines[99]["request_id"], "99");
        assert_eq!(lines[0]["path"], "/a\"b");
        assert_eq!(lines[0]["time"], "1970-01-01T00:00:00.000Z");
        assert!(lines[0].get("model").is_none() && lines[0].get("input_tokens").is_none());
        assert_eq!(lines[1]["input_tokens"], 5);
    }
    struct Sent(std::sync::mpsc::Sender<usize>);

    impl Write for Sent {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.send(bytes.iter().filter(|byte| **byte == b'\n').count()).map_err(std::io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_while_it_is_open() {
        let (sender, written) = std::sync::mpsc::channel();
        let (log, _writer) = AccessLog::to(Sent(sender)).unwrap();
        // One to a sleeping thread, one in its pause, then more than it waits for.
        for count in [1, 1, 3 * ENOUGH / 300] {
            (0..count).for_each(|_| log.write(&line("x", None)));
            let mut rest = count;
            while rest > 0 {
                rest -= written.recv_timeout(Duration::from_secs(20)).expect("it is written");
            }
        }
    }
}
