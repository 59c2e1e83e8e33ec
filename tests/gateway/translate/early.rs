//! Providers that answer before they have read the whole request. Who refuses reads no more of it then.

use super::{model, refused, understood};
use crate::support::gateway::{Gateway, Setup};
use crate::support::http::Answer;
use crate::support::soon;
use crate::support::wire::{TEXT, Wire};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const INFORMATION: &str = "HTTP/1.1 102 Processing\r\nx: y\r\n\r\n";

/// What a provider does when it has answered.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Close,
    HalfClose,
    /// Not even a byte is read.
    Nothing,
    Read,
}

/// Says this as soon as it has read a header. Counts the requests, and the bytes that were read.
struct Hasty {
    address: SocketAddr,
    requests: watch::Sender<usize>,
    bytes: watch::Sender<usize>,
}

impl Hasty {
    async fn start(words: String, then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, bytes) = (watch::Sender::new(0), watch::Sender::new(0));
        tokio::spawn(serve(listener, words, then, requests.clone(), bytes.clone()));
        Self { address, requests, bytes }
    }

    async fn gateway(&self, read: &str) -> Gateway {
        let settings = Wire::Chat.instance(&format!("http://{}", self.address));
        Setup::instances([("chat", format!("{settings}, timeouts: {{read: {read}}}"))]).start().await
    }
}

/// Asks with a body that fits into no socket's buffers.
async fn ask(gateway: &Gateway) -> Answer {
    let (path, body) = Wire::Messages.asking(&model(Wire::Chat), &"long ".repeat(2 << 20), false);
    soon("an answer", gateway.post(&path, body)).await
}

async fn serve(
    listener: TcpListener,
    words: String,
    then: Then,
    requests: watch::Sender<usize>,
    bytes: watch::Sender<usize>,
) {
    let mut open: Vec<TcpStream> = Vec::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        requests.send_modify(|requests| *requests += 1);
        let mut header = Vec::new();
        while !header.windows(4).any(|end| end == b"\r\n\r\n") {
            stream.read_buf(&mut header).await.unwrap();
        }
        bytes.send_modify(|bytes| *bytes += header.len());
        stream.write_all(words.as_bytes()).await.unwrap();
        match then {
            Then::Close => drop(stream),
            Then::HalfClose => {
                stream.shutdown().await.unwrap();
                open.push(stream);
            }
            Then::Nothing => open.push(stream),
            Then::Read => {
                let mut piece = vec![0; 1 << 20];
                while let Ok(count @ 1..) = stream.read(&mut piece).await {
                    bytes.send_modify(|bytes| *bytes += count);
                }
            }
        }
    }
}

fn answer(status: u16, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} Hasty\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
}

#[tokio::test]
async fn an_early_refusal_is_told_at_once() {
    let refusal = answer(413, &Wire::Chat.error(413, "too long"));
    for then in [Then::Close, Then::HalfClose, Then::Nothing] {
        for words in [refusal.clone(), format!("{INFORMATION}{refusal}")] {
            let hasty = Hasty::start(words, then).await;
            let answer = ask(&hasty.gateway("1h").await).await;
            assert_eq!(refused(Wire::Messages, &answer), (413, "too long".to_owned()), "{then:?}");
            assert_eq!(*hasty.requests.borrow(), 1, "{then:?}");
        }
    }
}

/// Half a request is left on the connection.
#[tokio::test]
async fn its_connection_is_not_used_again() {
    let hasty = Hasty::start(answer(413, &Wire::Chat.error(413, "too long")), Then::Nothing).await;
    let gateway = hasty.gateway("1h").await;
    for count in 1..=2 {
        assert_eq!(ask(&gateway).await.head.status, 413);
        assert_eq!(*hasty.requests.borrow(), count);
    }
}

/// Who does not refuse gets all of it.
#[tokio::test]
async fn an_early_success_cuts_nothing_short() {
    let success = answer(200, &Wire::Chat.answer());
    for words in [success.clone(), format!("{INFORMATION}{success}")] {
        let hasty = Hasty::start(words, Then::Read).await;
        let answer = ask(&hasty.gateway("1h").await).await;
        assert_eq!(understood(Wire::Messages, false, &answer).text, TEXT);
        let mut bytes = hasty.bytes.subscribe();
        let _ = soon("the rest to be read", bytes.wait_for(|bytes| *bytes > 10 << 20)).await;
    }
}

/// Having waited that long once, a client does not want to wait again.
#[tokio::test]
async fn who_takes_nothing_is_not_asked_again() {
    let hasty = Hasty::start(String::new(), Then::Nothing).await;
    let answer = ask(&hasty.gateway("300ms").await).await;
    assert_eq!(answer.head.status, 504, "{}", answer.text());
    assert_eq!(*hasty.requests.borrow(), 1);
}
