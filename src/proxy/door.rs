//! Where clients' connections come in. Before anything is known of a client, a request's header has to be there in time, and within bounds.
//!
//! Pingora waits for the first bytes of a connection without an end, for a header from byte to byte, and takes a megabyte of it. So
//! the connection itself keeps the time and counts, from the first byte of a header until the exchange begins ([`is_in`]). Where a
//! header comes in one piece, as nearly all do, no clock is started.

use std::future::Future;
use std::io::{ErrorKind, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::apps::{HttpServerApp, ServerApp};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::{Peek, Stream};
use pingora_core::server::ShutdownWatch;
use pingora_proxy::{HttpProxy, Session};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::Proxy;
use super::wrapped::wraps_connection;

/// For a whole header, from its first byte.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest header, in bytes; Pingora's limit for HTTP/2 is the same.
const MOST: usize = 64 << 10;
/// What a connection that speaks HTTP/2 begins with (RFC 9113 §3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// No header is awaited.
const NONE: usize = usize::MAX;

/// There is no dialect yet in which it could be told.
const TOO_LONG: &[u8] = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n\
    content-length: 137\r\nconnection: close\r\n\r\n\
    {\"error\":{\"message\":\"The request's header is longer than 64 KiB.\",\
    \"type\":\"invalid_request_error\",\"param\":null,\"code\":\"header_too_large\"}}";

/// The proxy, and the door before it.
pub struct Door {
    proxy: Arc<HttpProxy<Proxy>>,
    /// How long a connection may be silent that was just made.
    idle: Duration,
}

impl Door {
    pub fn new(proxy: HttpProxy<Proxy>, keep_alive: Duration) -> Self {
        Self { proxy: Arc::new(proxy), idle: keep_alive.max(PATIENCE) }
    }
}

#[async_trait]
impl ServerApp for Door {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let mut guest = Guest::new(stream, self.idle, PATIENCE);
        if guest.speaks_h2().await.ok()? {
            return self.proxy.process_new(Box::new(guest), shutdown).await;
        }
        let mut session = ServerSession::new_http1(Box::new(guest));
        // For the first header the guest alone keeps the time.
        session.set_keepalive((!*shutdown.borrow()).then_some(0));
        loop {
            let (stream, settings) = self.proxy.process_new_http(session, shutdown).await?.consume();
            if let Some(guest) = stream.as_any().downcast_ref::<Guest>() {
                guest.header.store(0, Ordering::Relaxed);
            }
            session = ServerSession::new_http1(stream);
            if let Some(settings) = settings {
                settings.apply_to_session(&mut session);
            }
        }
    }

    async fn cleanup(&self) {
        self.proxy.cleanup().await;
    }
}

/// The header of a request has been read.
pub fn is_in(session: &Session) {
    if let ServerSession::H1(h1) = session.as_downstream()
        && let Some(guest) = h1.stream().as_any().downcast_ref::<Guest>()
    {
        guest.header.store(NONE, Ordering::Relaxed);
    }
}

/// A client's connection.
#[derive(Debug)]
struct Guest {
    connection: Stream,
    /// What was read to learn which protocol is spoken.
    ahead: Vec<u8>,
    /// So many bytes of a header have come, or [`NONE`] is awaited.
    header: AtomicUsize,
    /// Nothing has come at all.
    is_new: bool,
    /// When the header under way has to be there, or the first one to begin. It is set when one is waited for.
    deadline: Option<Pin<Box<Sleep>>>,
    patience: Duration,
}

impl Guest {
    fn new(connection: Stream, idle: Duration, patience: Duration) -> Self {
        let deadline = Some(Box::pin(sleep(idle)));
        Self { connection, ahead: Vec::new(), header: AtomicUsize::new(0), is_new: true, deadline, patience }
    }

    /// Reads no more than it takes to know: the shortest request is shorter than the preface.
    async fn speaks_h2(&mut self) -> Result<bool> {
        let mut first = [0; PREFACE.len()];
        let mut seen = 0;
        while let Some(room @ [_, ..]) = first.get_mut(seen..) {
            match self.read(room).await? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => seen += count,
            }
            if first.get(..seen) != PREFACE.get(..seen) {
                break;
            }
        }
        let is_h2 = first == *PREFACE;
        self.ahead = first.get(..seen).unwrap_or_default().to_vec();
        self.header.store(if is_h2 { NONE } else { 0 }, Ordering::Relaxed);
        Ok(is_h2)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.connection).poll_read(cx, into);
        }
        let count = self.ahead.len().min(into.remaining());
        into.put_slice(self.ahead.drain(..count).as_slice());
        if into.remaining() > 0 {
            // Mostly the rest has come as well; if not, what there is will do.
            let _ = Pin::new(&mut self.connection).poll_read(cx, into);
        }
        Poll::Ready(Ok(()))
    }

    /// It has only ever been read from, so that there is room for the little that is written.
    fn refuse(&mut self, cx: &mut Context<'_>) -> Result<()> {
        let _ = Pin::new(&mut self.connection).poll_write(cx, TOO_LONG);
        let _ = Pin::new(&mut self.connection).poll_flush(cx);
        Err(ErrorKind::InvalidData.into())
    }
}

impl AsyncRead for Guest {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        let so_far = this.header.load(Ordering::Relaxed);
        if so_far == NONE {
            return this.poll_next(cx, into);
        }
        if so_far >= MOST {
            return Poll::Ready(this.refuse(cx));
        }
        let before = into.filled().len();
        if let Poll::Ready(read) = this.poll_next(cx, into) {
            if so_far == 0 {
                (this.is_new, this.deadline) = (false, None);
            }
            this.header.store(so_far + into.filled().len() - before, Ordering::Relaxed);
            return Poll::Ready(read);
        }
        if so_far == 0 && !this.is_new {
            // Between two requests Pingora keeps the time.
            return Poll::Pending;
        }
        let patience = this.patience;
        let deadline = this.deadline.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(deadline.as_mut().poll(cx));
        // Where nothing has come, the connection just ends.
        Poll::Ready(if so_far == 0 { Ok(()) } else { Err(ErrorKind::TimedOut.into()) })
    }
}

impl AsyncWrite for Guest {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.connection).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[std::io::IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.connection).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }
}

#[async_trait]
impl Peek for Guest {
    /// Pingora looks for HTTP/2's preface once more.
    async fn try_peek(&mut self, into: &mut [u8]) -> Result<bool> {
        let ahead = self.ahead.get(..into.len());
        ahead.inspect(|ahead| into.copy_from_slice(ahead));
        Ok(ahead.is_some())
    }
}

wraps_connection!(Guest);

#[cfg(test)]
mod tests {
    use pingora_core::protocols::l4::stream::Stream as Tcp;
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    const SHORT: Duration = Duration::from_millis(200);

    /// A client, and its connection as we see it.
    async fn met(idle: Duration, patience: Duration) -> (TcpStream, Guest) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (client, ours) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (client.unwrap(), Guest::new(Box::new(Tcp::from(ours.unwrap().0)), idle, patience))
    }

    /// Sends a byte now and then, for ever.
    fn dribble(mut client: TcpStream) {
        tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(SHORT / 10).await;
            }
        });
    }

    async fn read_on(guest: &mut Guest) -> std::io::Error {
        let mut room = [0; 4096];
        loop {
            match guest.read(&mut room).await {
                Ok(0) => panic!("the client has not hung up"),
                Ok(_) => {}
                Err(why) => return why,
            }
        }
    }

    #[tokio::test]
    async fn a_header_has_to_be_there_in_time() {
        let (client, mut guest) = met(LONG, SHORT).await;
        dribble(client);
        assert_eq!(read_on(&mut guest).await.kind(), ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn the_next_header_has_its_own_time() {
        let (mut client, mut guest) = met(LONG, SHORT).await;
        let mut room = [0; 4096];
        client.write_all(b"GET / HT").await.unwrap();
        assert_eq!(guest.read(&mut room).await.unwrap(), 8);
        let (read, _) = tokio::join!(guest.read(&mut room), async {
            tokio::time::sleep(SHORT / 2).await;
            client.write_all(b"TP/1.1\r\n\r\n").await.unwrap();
        });
        assert_eq!(read.unwrap(), 10);
        // A body takes what time it needs, and so does the next request until it begins.
        guest.header.store(NONE, Ordering::Relaxed);
        assert!(tokio::time::timeout(SHORT * 2, guest.read(&mut room)).await.is_err());
        guest.header.store(0, Ordering::Relaxed);
        assert!(tokio::time::timeout(SHORT * 2, guest.read(&mut room)).await.is_err());
        dribble(client);
        assert_eq!(read_on(&mut guest).await.kind(), ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn who_says_nothing_is_let_go() {
        let (_client, mut guest) = met(SHORT, LONG).await;
        assert_eq!(guest.read(&mut [0; 10]).await.unwrap(), 0);
        let (client, mut guest) = met(SHORT, SHORT).await;
        drop(client);
        assert!(guest.speaks_h2().await.is_err());
    }

    #[tokio::test]
    async fn a_header_has_an_end() {
        let (mut client, mut guest) = met(LONG, LONG).await;
        let told = tokio::spawn(async move {
            client.write_all(&[b'x'; MOST]).await.unwrap();
            let mut told = String::new();
            client.read_to_string(&mut told).await.unwrap();
            told
        });
        assert_eq!(read_on(&mut guest).await.kind(), ErrorKind::InvalidData);
        drop(guest);
        let told = told.await.unwrap();
        let (header, body) = told.split_once("\r\n\r\n").unwrap();
        assert!(header.starts_with("HTTP/1.1 431 ") && header.contains(&format!("content-length: {}\r\n", body.len())));
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok(), "{told}");
    }

    #[tokio::test]
    async fn the_protocol_is_known_as_soon_as_it_can_be() {
        for (sent, is_h2) in [("G", false), ("PO", false), ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n and on", true)] {
            let (mut client, mut guest) = met(LONG, LONG).await;
            client.write_all(sent.as_bytes()).await.unwrap();
            assert_eq!(guest.speaks_h2().await.unwrap(), is_h2, "{sent}");
            let mut peeked = [0; PREFACE.len()];
            assert_eq!(guest.try_peek(&mut peeked).await.unwrap() && peeked == *PREFACE, is_h2);
            let mut whole = vec![0; sent.len()];
            guest.read_exact(&mut whole).await.unwrap();
            assert_eq!(whole, sent.as_bytes());
        }
    }
}
