//! The simulator over real sockets: what only a connection can show, and each dialect from the path to the last byte.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

mod connection;
mod dialects;
mod kept;

use std::net::SocketAddr;
use std::os::fd::IntoRawFd;
use std::sync::Arc;

use bytes::Bytes;
use narthex::simulator::{Behaviour, app};
use pingora_core::server::{Fds, ListenFds};
use pingora_core::services::Service as _;
use pingora_core::services::listening::Service;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::watch;

struct Running {
    address: SocketAddr,
    /// The service stops when this is dropped.
    _stop: watch::Sender<bool>,
}

fn start(defaults: &str) -> Running {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let mut fds = Fds::new();
    fds.add(address.to_string(), listener.into_raw_fd());
    let fds: ListenFds = Arc::new(fds.into());

    let behaviour: Behaviour = defaults.parse().unwrap();
    let mut service = Service::new("simulator".to_owned(), app(behaviour));
    service.add_tcp(&address.to_string());
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(async move { service.start_service(Some(fds), stopped, 1).await });
    Running { address, _stop }
}

impl Running {
    async fn connect(&self) -> Connection {
        let stream = TcpStream::connect(self.address).await.unwrap();
        Connection(BufReader::new(stream))
    }
}

struct Connection(BufReader<TcpStream>);

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    /// One for each chunk on the wire, or a single one.
    chunks: Vec<Bytes>,
    complete: bool,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(known, _)| known == name)?;
        Some(value)
    }

    fn text(&self) -> String {
        String::from_utf8(self.chunks.concat()).unwrap()
    }

    /// Of JSON Lines.
    fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.chunks.concat()).unwrap()
    }
}

impl Connection {
    async fn post(&mut self, path: &str, headers: &str, body: &[u8]) -> Answer {
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nhost: simulator\r\ncontent-length: {length}\r\n{headers}\r\n");
        self.write(head.as_bytes()).await;
        self.write(body).await;
        self.answer().await.expect("an answer")
    }

    async fn get(&mut self, path: &str, headers: &str) -> Answer {
        let head = format!("GET {path} HTTP/1.1\r\nhost: simulator\r\n{headers}\r\n");
        self.write(head.as_bytes()).await;
        self.answer().await.expect("an answer")
    }

    async fn delete(&mut self, path: &str, headers: &str) -> Answer {
        let head = format!("DELETE {path} HTTP/1.1\r\nhost: simulator\r\n{headers}\r\n");
        self.write(head.as_bytes()).await;
        self.answer().await.expect("an answer")
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).await.ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// `None` if the connection ends instead.
    async fn answer(&mut self) -> Option<Answer> {
        let status_line = self.line().await?;
        let mut answer = Answer {
            status: status_line.split(' ').nth(1)?.parse().ok()?,
            headers: Vec::new(),
            chunks: Vec::new(),
            complete: true,
        };
        loop {
            let line = self.line().await?;
            match line.split_once(": ") {
                Some((name, value)) => answer.headers.push((name.to_lowercase(), value.to_owned())),
                None => break,
            }
        }
        if let Some(length) = answer.header("content-length") {
            let mut body = vec![0; length.parse().unwrap()];
            self.0.read_exact(&mut body).await.unwrap();
            answer.chunks.push(body.into());
        } else if answer.header("transfer-encoding") == Some("chunked") {
            answer.complete = false;
            while let Some(size) = self.line().await {
                let size = usize::from_str_radix(&size, 16).unwrap();
                let mut chunk = vec![0; size + 2];
                self.0.read_exact(&mut chunk).await.unwrap();
                chunk.truncate(size);
                if size == 0 {
                    answer.complete = true;
                    break;
                }
                answer.chunks.push(chunk.into());
            }
        }
        Some(answer)
    }
}
