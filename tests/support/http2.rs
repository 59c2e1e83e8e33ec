//! An HTTP/2 client with prior knowledge (h2c).

use super::http::Headers;
use super::soon;
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::Request;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// One connection; each request is a stream of it.
pub struct Client {
    requests: SendRequest<Bytes>,
    driver: JoinHandle<()>,
}

/// A request under way. Dropping it resets the stream.
pub struct Stream {
    upload: SendStream<Bytes>,
    response: ResponseFuture,
}

/// An answer whose body is still to be read. Dropping it resets the stream.
pub struct Incoming {
    pub status: u16,
    pub headers: Headers,
    body: RecvStream,
    _upload: SendStream<Bytes>,
}

/// An answer read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
    pub trailers: Option<Headers>,
    /// Whether the stream ended as it should, rather than by a reset.
    pub whole: bool,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("connect");
        stream.set_nodelay(true).expect("nodelay");
        let (requests, connection) = h2::client::handshake(stream).await.expect("handshake");
        let driver = tokio::spawn(async move {
            let _ = connection.await;
        });
        Self { requests, driver }
    }

    /// Sends a request. Without a body, its headers end the stream.
    pub async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Stream {
        let mut stream = self.open(method, path, headers, body.is_none()).await;
        if let Some(body) = body {
            stream.upload(body, true).await;
        }
        stream
    }

    /// Opens a stream with headers alone.
    pub async fn open(&mut self, method: &str, path: &str, headers: &[(&str, &str)], end: bool) -> Stream {
        let mut request = Request::builder().method(method).uri(format!("http://test{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).expect("request");
        let mut ready = soon("room for a stream", self.requests.clone().ready()).await.expect("the connection lives");
        let (response, upload) = ready.send_request(request, end).expect("a stream");
        Stream { upload, response }
    }

    /// Sends a request and reads its answer to the end.
    pub async fn exchange(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Answer {
        let stream = self.send(method, path, headers, body).await;
        stream.incoming().await.finish().await
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Stream {
    /// Sends as much as the server's window admits, at its pace. A server that has stopped reading is no failure.
    pub async fn upload(&mut self, mut bytes: &[u8], end: bool) {
        if bytes.is_empty() {
            let _ = self.upload.send_data(Bytes::new(), end);
        }
        while !bytes.is_empty() {
            self.upload.reserve_capacity(bytes.len());
            let room =
                soon("room in the server's window", std::future::poll_fn(|cx| self.upload.poll_capacity(cx))).await;
            let Some(Ok(room)) = room else { return };
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            let last = end && later.is_empty();
            if self.upload.send_data(Bytes::copy_from_slice(now), last).is_err() {
                return;
            }
            bytes = later;
        }
    }

    /// Ends the request with a trailer.
    pub fn finish_with_trailer(&mut self, name: &'static str, value: &'static str) {
        let trailers = [(http::HeaderName::from_static(name), http::HeaderValue::from_static(value))];
        self.upload.send_trailers(trailers.into_iter().collect()).expect("trailers");
    }

    /// Waits for the answer's headers.
    pub async fn incoming(self) -> Incoming {
        let answer = soon("the answer's headers", self.response).await.expect("an answer");
        let (parts, body) = answer.into_parts();
        Incoming { status: parts.status.as_u16(), headers: headers(&parts.headers), body, _upload: self.upload }
    }

    /// Waits for the stream to fail before its headers.
    pub async fn failure(self) -> h2::Error {
        match soon("the stream to fail", self.response).await {
            Ok(answer) => panic!("an answer came instead: {answer:?}"),
            Err(error) => error,
        }
    }
}

impl Incoming {
    /// The next bytes of the body; `None` at its end, an error if the stream was reset.
    pub async fn data(&mut self) -> Option<Result<Bytes, h2::Error>> {
        let data = soon("data", self.body.data()).await;
        if let Some(Ok(data)) = &data {
            let _ = self.body.flow_control().release_capacity(data.len());
        }
        data
    }

    /// Reads the rest.
    pub async fn finish(mut self) -> Answer {
        let mut body = Vec::new();
        let mut whole = true;
        while let Some(data) = self.data().await {
            match data {
                Ok(data) => body.extend_from_slice(&data),
                Err(_) => {
                    whole = false;
                    break;
                }
            }
        }
        let trailers = match soon("trailers", self.body.trailers()).await {
            Ok(trailers) => trailers.as_ref().map(headers),
            Err(_) => {
                whole = false;
                None
            }
        };
        Answer { status: self.status, headers: self.headers, body, trailers, whole }
    }
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }
}

fn headers(map: &http::HeaderMap) -> Headers {
    let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    };
    Headers(map.iter().map(field).collect())
}
