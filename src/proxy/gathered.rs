//! Connections on which a request leaves in one piece.
//!
//! Pingora sends the header of a request before it looks at the body. For a small request that is a system call, a packet and a TLS
//! record too many. Here what is written waits until the answer is read, which is when it must be on its way.
//!
//! A provider may answer before it has taken the whole request, and take no more of it then. So while it takes nothing, what it says
//! is listened to: an answer that refuses ends the writing.

use std::io::{ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pingora_core::protocols::http::client::HttpSession;
use pingora_core::protocols::http::v1::client::HttpSession as Http1;
use pingora_core::protocols::{Peek, Stream};
use pingora_core::upstreams::peer::HttpPeer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::wrapped::wraps_connection;

/// What waits at most, in bytes: as much as fits into a TLS record (RFC 8446 §5.1). With more than that it leaves as it is.
const MOST: usize = 16 << 10;

/// What is kept of an answer at most, in bytes, while the request is still being written.
const MOST_EARLY: usize = 64 << 10;

/// A connection over which one side speaks, then the other one.
#[derive(Debug)]
struct Gathered {
    connection: Stream,
    waiting: Vec<u8>,
    /// So many bytes of what waits have been sent already.
    sent: usize,
    /// Something was written since the last answer was read.
    is_due: bool,
    /// What was answered before all was written.
    early: Vec<u8>,
    /// The other side has not taken all that was written.
    is_cut_short: bool,
}

/// The same session, on such a connection. HTTP/2 gathers its frames itself.
pub fn gathered(session: HttpSession, peer: &HttpPeer) -> HttpSession {
    match session {
        // One from the pool may be one already.
        HttpSession::H1(h1) if !(**h1.stream()).as_any().is::<Gathered>() => {
            let gathered = Gathered {
                connection: h1.into_inner(),
                waiting: Vec::new(),
                sent: 0,
                is_due: false,
                early: Vec::new(),
                is_cut_short: false,
            };
            HttpSession::H1(Http1::new_with_options(Box::new(gathered), peer))
        }
        other => other,
    }
}

/// Whether the request has left to its last byte. If not, nothing else can be sent on this connection.
pub fn is_sent(session: &HttpSession) -> bool {
    let gathered = session.stream().and_then(|stream| stream.as_any().downcast_ref::<Gathered>());
    gathered.is_none_or(|gathered| !gathered.is_due && !gathered.is_cut_short)
}

impl Gathered {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while self.waiting.get(self.sent..).is_some_and(|rest| !rest.is_empty()) {
            ready!(self.poll_send_with(cx, &[]))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what waits, and as much of `more` as is taken with it: so much is told.
    fn poll_send_with(&mut self, cx: &mut Context<'_>, more: &[u8]) -> Poll<Result<usize>> {
        let rest = self.waiting.get(self.sent..).unwrap_or_default();
        let both = [IoSlice::new(rest), IoSlice::new(more)];
        let taken = match ready!(poll_out(&mut self.connection, &mut self.early, cx, &both))? {
            0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
            sent if sent < rest.len() => {
                self.sent += sent;
                return Poll::Ready(Ok(0));
            }
            sent => sent - rest.len(),
        };
        // An idle connection keeps no room for it.
        (self.waiting, self.sent) = (Vec::new(), 0);
        Poll::Ready(Ok(taken))
    }

    fn poll_gather(&mut self, cx: &mut Context<'_>, more: &[u8]) -> Poll<Result<usize>> {
        while self.waiting.len() + more.len() > MOST {
            let taken = ready!(self.poll_send_with(cx, more))?;
            if taken > 0 {
                return Poll::Ready(Ok(taken));
            }
        }
        self.waiting.extend_from_slice(more);
        Poll::Ready(Ok(more.len()))
    }

    fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.connection).poll_flush(cx)
    }
}

/// Writes. While nothing is taken, an answer may say why.
fn poll_out(
    connection: &mut Stream,
    early: &mut Vec<u8>,
    cx: &mut Context<'_>,
    bytes: &[IoSlice<'_>],
) -> Poll<Result<usize>> {
    let written = Pin::new(&mut *connection).poll_write_vectored(cx, bytes);
    if written.is_ready() {
        return written;
    }
    let mut room = [0; 4 << 10];
    while early.len() < MOST_EARLY {
        let mut piece = ReadBuf::new(&mut room);
        ready!(Pin::new(&mut *connection).poll_read(cx, &mut piece))?;
        early.extend_from_slice(piece.filled());
        if piece.filled().is_empty() || refuses(early) {
            return Poll::Ready(Err(ErrorKind::ConnectionAborted.into()));
        }
    }
    Poll::Pending
}

/// Whether this is the beginning of an answer for whose sake nobody reads the rest of the request.
fn refuses(mut answer: &[u8]) -> bool {
    while let [b'H', b'T', b'T', b'P', b'/', _, b'.', _, b' ', class, rest @ ..] = answer {
        match class {
            b'1' => {
                let end = rest.windows(4).position(|end| end == b"\r\n\r\n");
                answer = end.and_then(|end| rest.get(end + 4..)).unwrap_or_default();
            }
            class => return *class != b'2',
        }
    }
    false
}

impl AsyncWrite for Gathered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, more: &[u8]) -> Poll<Result<usize>> {
        self.is_due = true;
        let written = self.poll_gather(cx, more);
        self.is_cut_short |= matches!(written, Poll::Ready(Err(_)));
        written
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if !self.is_cut_short {
            ready!(self.poll_send(cx))?;
        }
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }
}

impl AsyncRead for Gathered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        if self.is_due && !self.is_cut_short {
            match self.poll_leave(cx) {
                Poll::Ready(Ok(())) => self.is_due = false,
                // Whoever takes no more may have said why before.
                Poll::Ready(Err(_)) => self.is_cut_short = true,
                Poll::Pending => {}
            }
        }
        if !self.early.is_empty() {
            let count = self.early.len().min(into.remaining());
            into.put_slice(self.early.drain(..count).as_slice());
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.connection).poll_read(cx, into)
    }
}

impl Peek for Gathered {}

wraps_connection!(Gathered);

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use pingora_core::protocols::l4::stream::Stream as Tcp;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::proxy::RequestHeader;

    const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

    async fn connected() -> (HttpSession, TcpStream, HttpPeer) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        let session = HttpSession::H1(Http1::new(Box::new(Tcp::from(ours.unwrap()))));
        let peer = HttpPeer::new(address, false, String::new());
        (gathered(session, &peer), theirs.unwrap().0, peer)
    }

    async fn ask(session: &mut HttpSession, body: &Bytes) {
        let mut header = RequestHeader::build("POST", b"/", None).unwrap();
        header.insert_header("content-length", body.len()).unwrap();
        session.write_request_header(Box::new(header)).await.unwrap();
        session.write_request_body(body.clone(), true).await.unwrap();
        session.finish_request_body().await.unwrap();
        session.read_response_header().await.unwrap();
    }

    #[test]
    fn knows_a_refusal_by_its_first_bytes() {
        for (answer, is_refusal) in [
            ("HTTP/1.1 413 Too Large", true),
            ("HTTP/1.0 302", true),
            ("HTTP/1.1 200 OK", false),
            ("HTTP/1.1 ", false),
            ("", false),
            ("HTTP/1.1 100 Continue\r\n\r\n", false),
            ("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 500 X", true),
            ("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK", false),
        ] {
            assert_eq!(refuses(answer.as_bytes()), is_refusal, "{answer}");
        }
    }

    #[tokio::test]
    async fn header_and_body_arrive_together() {
        let (session, mut provider, peer) = connected().await;
        // As often as one likes: what is gathered already stays as it is.
        let mut session = gathered(session, &peer);
        let body = Bytes::from("x".repeat(1000));
        let answered = async {
            let mut arrived = vec![0; 65536];
            let count = provider.read(&mut arrived).await.unwrap();
            provider.write_all(ANSWER).await.unwrap();
            String::from_utf8(arrived[..count].to_vec()).unwrap()
        };
        let (first, ()) = tokio::join!(answered, ask(&mut session, &body));
        assert!(first.starts_with("POST / HTTP/1.1\r\n") && first.ends_with(&"x".repeat(1000)), "{first}");
        assert_eq!(session.response_header().unwrap().status, 204);
    }

    #[tokio::test]
    async fn bodies_of_any_size_arrive_whole() {
        for size in [0, 1, MOST - 100, MOST - 1, MOST, MOST + 1, 5 << 20] {
            let (mut session, mut provider, _) = connected().await;
            let body: Bytes = (0..size).map(|at| (at % 251) as u8).collect();
            let answered = async {
                let mut arrived = Vec::new();
                while !arrived.ends_with(&body) || !arrived.windows(4).any(|end| end == b"\r\n\r\n") {
                    assert!(provider.read_buf(&mut arrived).await.unwrap() > 0);
                }
                provider.write_all(ANSWER).await.unwrap();
                arrived.len()
            };
            let (count, ()) = tokio::join!(answered, ask(&mut session, &body));
            assert!((size..size + 100).contains(&count), "{size} {count}");
        }
    }
}
