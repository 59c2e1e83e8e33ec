//! How long clients' connections are kept, and what they are kept from.

use crate::support::gateway::{Gateway, Setup};
use crate::support::http2;
use crate::support::soon;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ALIVE: &str = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n";

/// Sends this and reads all that comes until the gateway hangs up.
async fn until_closed(gateway: &Gateway, request: impl AsRef<[u8]>) -> String {
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    client.write_all(request.as_ref()).await.unwrap();
    let mut answer = String::new();
    soon("the gateway to hang up", client.read_to_string(&mut answer)).await.unwrap();
    answer
}

async fn kept_for(keep_alive: &str) -> Gateway {
    Setup::new().and(&format!("server: {{keep_alive: {keep_alive}}}")).start().await
}

#[tokio::test]
async fn any_time_is_kept_to() {
    // What is less than a second counts as one.
    for (keep_alive, word) in [("500ms", "keep-alive"), ("1s", "keep-alive"), ("0s", "close")] {
        let gateway = kept_for(keep_alive).await;
        let answer = until_closed(&gateway, ALIVE).await.to_lowercase();
        assert!(answer.starts_with("http/1.1 200 "), "{answer}");
        assert!(answer.contains(&format!("\r\nconnection: {word}\r\n")), "{keep_alive}: {answer}");
        let mut h2 = http2::Client::connect(gateway.address).await;
        assert_eq!(h2.exchange("GET", "/health", &[], None).await.status, 200, "{keep_alive}");
    }
}

/// RFC 9112 §9.3.
#[tokio::test]
async fn who_does_not_want_it_kept_is_heard() {
    let gateway = kept_for("1h").await;
    for request in [
        "GET /health HTTP/1.0\r\n\r\n",
        // Shorter than what a connection of HTTP/2 begins with.
        "GET / HTTP/1.0\r\n\r\n",
        "GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    ] {
        let answer = until_closed(&gateway, request).await.to_lowercase();
        assert!(answer.contains("\r\nconnection: close\r\n"), "{request}: {answer}");
    }
    let mut client = gateway.client().await;
    for _ in 0..2 {
        client.send("GET /health HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").await;
        let answer = client.answer().await;
        assert!(answer.head.status == 200 && answer.head.headers.has("connection", "keep-alive"), "{:?}", answer.head);
    }
}

#[tokio::test]
async fn headers_are_limited() {
    let gateway = kept_for("1h").await;
    let header = |size: usize| format!("GET /health HTTP/1.1\r\nhost: x\r\nx-long: {}", "x".repeat(size));
    let answer = until_closed(&gateway, header(64 << 10)).await;
    assert!(answer.starts_with("HTTP/1.1 431 ") && answer.contains("header_too_large"), "{answer}");
    // After one that was fine as well.
    let mut client = gateway.client().await;
    for size in [60 << 10, 100, 60 << 10] {
        client.send(format!("{}\r\n\r\n", header(size))).await;
        assert_eq!(client.answer().await.head.status, 200);
    }
    client.send(header(64 << 10)).await;
    assert_eq!(client.answer().await.head.status, 431);
    // What is no header may be as long as it likes.
    let body =
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],"x":"{}"}}"#, "y".repeat(1 << 20));
    for _ in 0..2 {
        assert_eq!(gateway.post("/v1/chat/completions", &body).await.head.status, 200);
    }
}
