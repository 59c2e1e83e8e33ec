//! A scripted server: it records every request as it came, and answers as the test says.

use super::http::{Headers, read_chunk, read_fields, read_line};
use super::soon;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// A listening server; it stops when dropped.
pub struct Upstream {
    pub address: SocketAddr,
    log: watch::Sender<Log>,
    accepting: JoinHandle<()>,
}

/// A request exactly as it was received.
#[derive(Clone, Debug)]
pub struct Received {
    /// Which connection it came on, counted from 0: equal numbers mean reuse.
    pub connection: usize,
    pub method: String,
    pub path: String,
    pub headers: Headers,
    pub body: Vec<u8>,
}

/// What to send, step by step.
#[derive(Clone, Default)]
pub struct Reply(Vec<Step>);

#[derive(Clone)]
enum Step {
    Write(Vec<u8>),
    Pause(Gate),
    Cut,
    Echo,
}

/// Holds a reply back until the test opens it.
#[derive(Clone)]
pub struct Gate(Arc<Semaphore>);

#[derive(Default)]
struct Log {
    connections: usize,
    requests: Vec<Received>,
    hangups: usize,
    /// Which server names clients have asked for, over TLS.
    names: Vec<Option<String>>,
}

type Answering = Arc<dyn Fn(&Received) -> Reply + Send + Sync>;

impl Upstream {
    /// Answers every request by calling `answer`.
    pub async fn start(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_over(None, answer).await
    }

    /// The same over TLS.
    pub async fn start_tls(tls: TlsAcceptor, answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_over(Some(tls), answer).await
    }

    async fn start_over(tls: Option<TlsAcceptor>, answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("address");
        let log = watch::Sender::new(Log::default());
        let accepting = tokio::spawn(accept(listener, log.clone(), Arc::new(answer), tls));
        Self { address, log, accepting }
    }

    /// Gives these replies in turn, then the last one again and again.
    pub async fn script(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies = Mutex::new(VecDeque::from_iter(replies));
        Self::start(move |_| {
            let mut replies = replies.lock().expect("not poisoned");
            match replies.len() {
                0 => panic!("a script needs a reply"),
                1 => replies[0].clone(),
                _ => replies.pop_front().expect("more than one"),
            }
        })
        .await
    }

    /// What has been received so far.
    pub fn requests(&self) -> Vec<Received> {
        self.log.borrow().requests.clone()
    }

    /// The server names that TLS clients have asked for.
    pub fn server_names(&self) -> Vec<Option<String>> {
        self.log.borrow().names.clone()
    }

    /// How many connections have been accepted so far.
    pub fn connections(&self) -> usize {
        self.log.borrow().connections
    }

    /// Waits until this many requests have been received whole.
    pub async fn received(&self, count: usize) -> Vec<Received> {
        let mut log = self.log.subscribe();
        let what = format!("request {count} to reach the upstream");
        let log = soon(&what, log.wait_for(|log| log.requests.len() >= count)).await;
        log.expect("the log lives").requests.clone()
    }

    /// Waits until the requests received so far are enough.
    pub async fn received_until(&self, enough: impl Fn(&[Received]) -> bool) {
        let mut log = self.log.subscribe();
        let waiting = log.wait_for(|log| enough(&log.requests));
        let _ = soon("requests to reach the upstream", waiting).await;
    }

    /// Waits until a peer has hung up this many times while it was being answered.
    pub async fn hung_up(&self, count: usize) {
        let mut log = self.log.subscribe();
        let _ = soon("the upstream exchange to be aborted", log.wait_for(|log| log.hangups >= count)).await;
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Received {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }
}

impl Reply {
    /// A status with a body of known length.
    pub fn whole(status: u16, content_type: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let length = body.len().to_string();
        let headers = [("content-type", content_type), ("content-length", &length)];
        Self::head(status, &headers).bytes(body)
    }

    pub fn json(status: u16, body: impl AsRef<[u8]>) -> Self {
        Self::whole(status, "application/json", body)
    }

    /// The head of a chunked event stream: add chunks, then an end.
    pub fn events() -> Self {
        Self::chunked(200, &[("content-type", "text/event-stream")])
    }

    /// The head of a chunked answer: add chunks, then an end.
    pub fn chunked(status: u16, headers: &[(&str, &str)]) -> Self {
        Self::head(status, &[headers, &[("transfer-encoding", "chunked")]].concat())
    }

    /// A head alone, with nothing added to it.
    pub fn head(status: u16, headers: &[(&str, &str)]) -> Self {
        let mut head = format!("HTTP/1.1 {status} Scripted\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        Self::default().bytes(head)
    }

    /// Bytes as they are.
    pub fn bytes(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.push(Step::Write(bytes.as_ref().to_vec()));
        self
    }

    pub fn chunk(self, data: impl AsRef<[u8]>) -> Self {
        let data = data.as_ref();
        let mut wire = format!("{:x}\r\n", data.len()).into_bytes();
        wire.extend_from_slice(data);
        wire.extend_from_slice(b"\r\n");
        self.bytes(wire)
    }

    /// Waits until the test opens the gate.
    pub fn pause(mut self, gate: &Gate) -> Self {
        self.0.push(Step::Pause(gate.clone()));
        self
    }

    /// The chunk that ends a chunked answer.
    pub fn end(self) -> Self {
        self.bytes("0\r\n\r\n")
    }

    /// After a 101: gives back what comes, until the peer stops sending.
    pub fn echo(mut self) -> Self {
        self.0.push(Step::Echo);
        self
    }

    /// Hangs up, whatever was promised.
    pub fn cut(mut self) -> Self {
        self.0.push(Step::Cut);
        self
    }
}

impl Gate {
    pub fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets one waiting reply go on, or the next one to come.
    pub fn open(&self) {
        self.0.add_permits(1);
    }

    async fn pass(&self) {
        self.0.acquire().await.expect("never closed").forget();
    }
}

async fn accept(listener: TcpListener, log: watch::Sender<Log>, answer: Answering, tls: Option<TlsAcceptor>) {
    // Dropped with this task, and then every connection is lost as when a process dies.
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("accept");
        let mut number = 0;
        log.send_modify(|log| {
            number = log.connections;
            log.connections += 1;
        });
        stream.set_nodelay(true).expect("nodelay");
        let (log, answer) = (log.clone(), answer.clone());
        match tls.clone() {
            None => connections.spawn(serve(stream, number, log, answer)),
            Some(tls) => connections.spawn(async move {
                // A client that does not trust us leaves here.
                if let Ok(stream) = tls.accept(stream).await {
                    log.send_modify(|log| log.names.push(stream.get_ref().1.server_name().map(str::to_owned)));
                    serve(stream, number, log, answer).await;
                }
            }),
        };
    }
}

/// Serves one connection until either side is done with it.
async fn serve(stream: impl AsyncRead + AsyncWrite, number: usize, log: watch::Sender<Log>, answer: Answering) {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut reader = BufReader::new(reader);
    while let Some(request) = receive(&mut reader, number).await {
        let reply = answer(&request);
        let echoes = matches!(reply.0.last(), Some(Step::Echo));
        log.send_modify(|log| log.requests.push(request));
        if echoes {
            play(&mut writer, reply).await;
            let _ = tokio::io::copy_buf(&mut reader, &mut writer).await;
            return;
        }
        tokio::select! {
            played = play(&mut writer, reply) => if !played { return },
            () = peer_gone(&mut reader) => {
                log.send_modify(|log| log.hangups += 1);
                return;
            }
        }
    }
}

/// Reads a request with its whole body; `None` if the peer has gone.
async fn receive(reader: &mut (impl AsyncBufReadExt + Unpin), connection: usize) -> Option<Received> {
    let line = read_line(reader).await.ok()?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let headers = Headers(read_fields(reader).await);
    let mut body = Vec::new();
    if headers.has("transfer-encoding", "chunked") {
        loop {
            let chunk = read_chunk(reader).await.ok()??;
            if chunk.is_empty() {
                break;
            }
            body.extend_from_slice(&chunk);
        }
    } else if let Some(length) = headers.get("content-length") {
        body.resize(length.parse().ok()?, 0);
        reader.read_exact(&mut body).await.ok()?;
    }
    Some(Received { connection, method, path, headers, body })
}

/// Whether the connection can be used again.
async fn play(writer: &mut (impl AsyncWrite + Unpin), reply: Reply) -> bool {
    for step in reply.0 {
        match step {
            Step::Write(bytes) => {
                if writer.write_all(&bytes).await.is_err() {
                    // The reader sees the same loss, and records it.
                    return std::future::pending().await;
                }
            }
            Step::Pause(gate) => gate.pass().await,
            Step::Cut | Step::Echo => return false,
        }
    }
    true
}

/// Waits until the peer hangs up. Bytes that it sends meanwhile are left for later.
async fn peer_gone(reader: &mut (impl AsyncBufReadExt + Unpin)) {
    match reader.fill_buf().await {
        Ok(bytes) if !bytes.is_empty() => std::future::pending().await,
        _ => {}
    }
}
