//! A raw HTTP/1.1 client: it sends the very bytes it is told to, and reads an answer piece by piece.

use super::soon;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// One connection to a server.
pub struct Client {
    stream: BufReader<TcpStream>,
    framing: Framing,
}

/// A request body, with the framing that it is sent in.
#[derive(Clone)]
pub enum Body<'a> {
    None,
    Length(&'a [u8]),
    /// Each piece becomes one chunk.
    Chunked(&'a [&'a [u8]]),
}

/// An answer's status line and headers.
#[derive(Debug)]
pub struct Head {
    pub status: u16,
    pub headers: Headers,
}

/// Header fields in the order in which they came; names in lower case.
#[derive(Clone, Debug, Default)]
pub struct Headers(pub Vec<(String, String)>);

/// The next thing to come of an answer's body.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// A chunk, or some bytes of a body that is not chunked.
    Data(Vec<u8>),
    /// The body ended as its framing demands.
    End,
    /// The connection was lost before the body's end.
    Cut,
}

/// An answer read to its end.
#[derive(Debug)]
pub struct Answer {
    pub head: Head,
    pub body: Vec<u8>,
    /// Whether the body ended as its framing demands.
    pub whole: bool,
}

enum Framing {
    Done,
    Length(usize),
    Chunked,
    UntilClose,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("connect");
        stream.set_nodelay(true).expect("nodelay");
        Self { stream: BufReader::new(stream), framing: Framing::Done }
    }

    /// Writes bytes as they are. A server that has stopped reading is not the sender's failure.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let writing = self.stream.get_mut().write_all(bytes.as_ref());
        let _ = soon("the server to read", writing).await;
    }

    /// Sends a request line, `host`, the given headers, those that frame the body, and the body.
    pub async fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Body<'_>) {
        self.head(method, path, headers, &body).await;
        self.body(&body).await;
    }

    /// Sends what comes before the body: for clients that wait for `100 Continue`.
    pub async fn head(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &Body<'_>) {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match body {
            Body::None => {}
            Body::Length(bytes) => head.push_str(&format!("content-length: {}\r\n", bytes.len())),
            Body::Chunked(_) => head.push_str("transfer-encoding: chunked\r\n"),
        }
        head.push_str("\r\n");
        self.send(head).await;
    }

    /// Sends the body alone.
    pub async fn body(&mut self, body: &Body<'_>) {
        match body {
            Body::None => {}
            Body::Length(bytes) => self.send(bytes).await,
            Body::Chunked(pieces) => {
                let mut wire = Vec::new();
                for piece in *pieces {
                    wire.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                    wire.extend_from_slice(piece);
                    wire.extend_from_slice(b"\r\n");
                }
                wire.extend_from_slice(b"0\r\n\r\n");
                self.send(wire).await;
            }
        }
    }

    /// Sends a request and reads its answer to the end.
    pub async fn exchange(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Body<'_>) -> Answer {
        self.request(method, path, headers, body).await;
        self.answer_to(method).await
    }

    /// Reads a status line and headers, interim ones (1xx) too.
    pub async fn read_head(&mut self) -> Head {
        self.read_head_to("GET").await
    }

    async fn read_head_to(&mut self, method: &str) -> Head {
        let status_line = self.line().await;
        let status = status_line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or_else(|| panic!("not a status line: {status_line:?}"));
        let headers = Headers(read_fields(&mut self.stream).await);
        self.framing = if method == "HEAD" || status < 200 || matches!(status, 204 | 304) {
            Framing::Done
        } else if headers.has("transfer-encoding", "chunked") {
            Framing::Chunked
        } else {
            match headers.get("content-length") {
                Some(length) => Framing::Length(length.parse().expect("content-length")),
                None => Framing::UntilClose,
            }
        };
        Head { status, headers }
    }

    /// The next piece of the body; for a chunked one, exactly one chunk.
    pub async fn piece(&mut self) -> Piece {
        soon("a piece of the answer", self.try_piece()).await.unwrap_or(Piece::Cut)
    }

    async fn try_piece(&mut self) -> std::io::Result<Piece> {
        match self.framing {
            Framing::Done | Framing::Length(0) => Ok(Piece::End),
            Framing::Length(remaining) => {
                let mut data = vec![0; remaining.min(1 << 16)];
                let read = self.stream.read(&mut data).await?;
                if read == 0 {
                    return Ok(Piece::Cut);
                }
                data.truncate(read);
                self.framing = Framing::Length(remaining - read);
                Ok(Piece::Data(data))
            }
            Framing::UntilClose => {
                let mut data = vec![0; 1 << 16];
                let read = self.stream.read(&mut data).await?;
                data.truncate(read);
                Ok(if read == 0 { Piece::End } else { Piece::Data(data) })
            }
            Framing::Chunked => {
                let Some(data) = read_chunk(&mut self.stream).await? else {
                    return Ok(Piece::Cut);
                };
                if data.is_empty() {
                    self.framing = Framing::Done;
                    return Ok(Piece::End);
                }
                Ok(Piece::Data(data))
            }
        }
    }

    /// Reads the final answer to a `GET` or `POST`, skipping interim ones.
    pub async fn answer(&mut self) -> Answer {
        self.answer_to("GET").await
    }

    /// Reads the final answer to a request with this method, skipping interim ones.
    pub async fn answer_to(&mut self, method: &str) -> Answer {
        let mut head = self.read_head_to(method).await;
        while head.status < 200 {
            head = self.read_head_to(method).await;
        }
        let mut body = Vec::new();
        loop {
            match self.piece().await {
                Piece::Data(data) => body.extend_from_slice(&data),
                end => {
                    let whole = end == Piece::End;
                    return Answer { head, body, whole };
                }
            }
        }
    }

    /// Says that nothing more will be sent.
    pub async fn half_close(&mut self) {
        let _ = self.stream.get_mut().shutdown().await;
    }

    /// All that the server says, to whatever was sent. One that waits for more is told that no more will come, once it has
    /// had the time to answer what it has; an end of sending at once might make it drop what it was about to do.
    pub async fn everything(&mut self) -> String {
        let mut said = vec![0; 1 << 16];
        let first = tokio::time::timeout(Duration::from_millis(100), self.stream.read(&mut said)).await;
        said.truncate(first.map_or(0, |read| read.unwrap_or(0)));
        self.half_close().await;
        said.extend(self.closed().await);
        String::from_utf8_lossy(&said).into_owned()
    }

    /// Waits until the server closes the connection; answers with what came before that.
    pub async fn closed(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = soon("the server to hang up", self.stream.read_to_end(&mut rest)).await;
        rest
    }

    /// The bare connection, once a protocol other than HTTP is spoken on it.
    pub fn raw(&mut self) -> &mut BufReader<TcpStream> {
        &mut self.stream
    }

    async fn line(&mut self) -> String {
        soon("a line of the answer", read_line(&mut self.stream)).await.expect("the answer's head")
    }
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }
}

impl Headers {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    pub fn has(&self, name: &str, value: &str) -> bool {
        self.all(name).any(|found| found.eq_ignore_ascii_case(value))
    }
}

/// Reads up to a line's end, without it.
pub(super) async fn read_line(stream: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}

/// Reads header fields up to the empty line.
pub(super) async fn read_fields(stream: &mut (impl AsyncBufReadExt + Unpin)) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    loop {
        let line = soon("a header field", read_line(stream)).await.expect("a header field");
        let Some((name, value)) = line.split_once(':') else {
            return fields;
        };
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// Reads one chunk: `None` when the connection was lost, no bytes at the body's end (its trailers are skipped).
pub(super) async fn read_chunk(stream: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<Option<Vec<u8>>> {
    let Ok(size) = read_line(stream).await else {
        return Ok(None);
    };
    let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)
        .unwrap_or_else(|_| panic!("not a chunk size: {size:?}"));
    if size == 0 {
        while !read_line(stream).await?.is_empty() {}
        return Ok(Some(Vec::new()));
    }
    let mut data = vec![0; size + 2];
    stream.read_exact(&mut data).await?;
    data.truncate(size);
    Ok(Some(data))
}
