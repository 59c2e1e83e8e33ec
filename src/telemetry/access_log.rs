//! One line of JSON on standard output for each exchange.
//!
//! Lines are gathered in memory and written by a thread of their own, many at a time: an exchange never waits for the
//! reader of the log, and a system call per line would cost as much as the rest of an exchange's bookkeeping.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

/// What a reader that has stopped reading may cost us in memory, in bytes. Later lines are counted, not kept.
const MOST_WAITING: usize = 4 << 20;
const FLUSH_EVERY: Duration = Duration::from_millis(100);

/// What is told of one exchange. Absent members were never known: a request without a model has no target.
#[derive(Debug, Default, Serialize)]
pub struct Line<'a> {
    pub time: &'a str,
    pub request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<&'a str>,
    pub method: &'a str,
    /// Without its query, which may hold a key.
    pub path: &'a str,
    pub operation: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_model: Option<&'a str>,
    pub status: u16,
    /// How it ended: `ok`, `error`, or `client_gone`.
    pub outcome: &'a str,
    pub attempts: u32,
    pub stream: bool,
    pub bytes_in: usize,
    pub bytes_out: usize,
    pub duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
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
        let wake = waiting.lines.is_empty();
        // Writing JSON into memory cannot fail for a line: its keys are texts.
        if serde_json::to_writer(&mut waiting.lines, line).is_ok() {
            waiting.lines.push(b'\n');
        }
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
        loop {
            let (lines, dropped, is_closed) = {
                let mut waiting = self.lock();
                while waiting.lines.is_empty() && !waiting.is_closed {
                    waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                }
                (std::mem::take(&mut waiting.lines), std::mem::take(&mut waiting.dropped), waiting.is_closed)
            };
            if dropped > 0 {
                log::warn!("{dropped} access lines were dropped: standard output is not being read fast enough");
            }
            if let Err(why) = out.write_all(&lines).and_then(|()| out.flush()) {
                log::warn!("the access log cannot be written: {why}");
            }
            if is_closed {
                return;
            }
            // Lines that arrive close together are written together.
            std::thread::sleep(FLUSH_EVERY);
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

    #[test]
    fn everything_is_written_in_the_end() {
        let out = Collected::default();
        let (log, writer) = AccessLog::to(out.clone()).unwrap();
        for n in 0..100 {
            log.write(&Line { request_id: &n.to_string(), status: 200, path: "/a\"b", ..Line::default() });
        }
        drop(writer);
        let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 100);
        assert_eq!(lines[99]["request_id"], "99");
        assert_eq!(lines[0]["path"], "/a\"b");
        assert!(lines[0].get("model").is_none());
    }
}
