//! Answers that come in another shape than was asked for.

use super::{Hub, pairs, refused, understood};
use crate::support::upstream::Reply;
use crate::support::wire::{INPUT, OUTPUT, TEXT, Told, Wire};
use pingora_core::protocols::http::compression::Algorithm;

fn is_right(told: &Told) -> bool {
    told.text == TEXT && told.is_finished && told.errors.is_empty() && (told.input, told.output) == (INPUT, OUTPUT)
}

/// Whole where a stream was asked for, and the reverse.
#[tokio::test]
async fn whole_and_streamed_stand_in_for_each_other() {
    let hub = Hub::answering(|request| {
        let (wire, is_stream) = Wire::asked(request);
        if is_stream { wire.whole() } else { wire.streamed() }
    })
    .await;
    for (client, provider) in pairs() {
        for is_stream in [false, true] {
            let answer = hub.ask(client, provider, is_stream).await;
            let told = understood(client, is_stream, &answer);
            assert!(is_right(&told) && answer.whole, "{client:?} over {provider:?}, stream: {is_stream}: {told:?}");
            let content_type = if is_stream { client.stream_type() } else { "application/json" };
            assert_eq!(answer.head.headers.get("content-type"), Some(content_type));
        }
    }
}

/// Everything in one piece, one byte at a time, with a length, without one.
#[tokio::test]
async fn framing_does_not_matter() {
    let hub = Hub::answering(|request| {
        let (wire, is_stream) = Wire::asked(request);
        let (kind, body) = match is_stream {
            true => (wire.stream_type(), wire.stream().concat()),
            false => ("application/json", wire.answer().into_bytes()),
        };
        match request.headers.get("x-title") {
            Some("length") => Reply::whole(200, kind, body),
            Some("bytes") => body.chunks(1).fold(Reply::chunked(200, &[("content-type", kind)]), Reply::chunk).end(),
            Some("close") => Reply::head(200, &[("content-type", kind), ("connection", "close")]).bytes(body).cut(),
            Some("old") => {
                let head = format!("HTTP/1.0 200 OK\r\ncontent-type: {kind}\r\n\r\n");
                Reply::default().bytes(head).bytes(body).cut()
            }
            Some("untyped") => body.chunks(1).fold(Reply::chunked(200, &[]), Reply::chunk).end(),
            Some("plain") => Reply::chunked(200, &[("content-type", "text/plain; charset=utf-8")]).chunk(body).end(),
            _ => Reply::chunked(200, &[("Content-Type", &kind.to_ascii_uppercase())]).chunk(body).end(),
        }
    })
    .await;
    for (client, provider) in pairs() {
        for title in ["length", "bytes", "close", "old", "upper", "untyped", "plain"] {
            for is_stream in [false, true] {
                let (path, body) = client.asking(&super::model(provider), "hi", is_stream);
                let answer = hub.gateway.post_with(&path, &[("x-title", title)], body).await;
                let told = understood(client, is_stream, &answer);
                assert!(is_right(&told) && answer.whole, "{client:?} over {provider:?}, {title}: {told:?}");
            }
        }
    }
}

fn compressed(bytes: &[u8], algorithm: Algorithm) -> Vec<u8> {
    let mut encoder = algorithm.compressor(5).expect("a compressor");
    let mut out = encoder.encode(bytes, false).expect("encoded").to_vec();
    out.extend_from_slice(&encoder.encode(b"", true).expect("encoded"));
    out
}

#[tokio::test]
async fn encoded_answers_are_read() {
    for (name, algorithm) in [("gzip", Algorithm::Gzip), ("br", Algorithm::Brotli)] {
        let hub = Hub::answering(move |request| {
            let (wire, is_stream) = Wire::asked(request);
            let (kind, body) = match is_stream {
                true => (wire.stream_type(), wire.stream().concat()),
                false => ("application/json", wire.answer().into_bytes()),
            };
            let body = compressed(&body, algorithm);
            let headers = [("content-type", kind), ("content-encoding", name)];
            body.chunks(30).fold(Reply::chunked(200, &headers), Reply::chunk).end()
        })
        .await;
        for (client, provider) in pairs() {
            for is_stream in [false, true] {
                let answer = hub.ask(client, provider, is_stream).await;
                let told = understood(client, is_stream, &answer);
                assert!(is_right(&told) && answer.whole, "{client:?} over {provider:?}, {name}: {told:?}");
                assert_eq!(answer.head.headers.get("content-encoding"), None);
            }
        }
        let hub = Hub::answering(move |_| {
            let body = compressed(Wire::Messages.error(0, "they say no").as_bytes(), algorithm);
            let length = body.len().to_string();
            Reply::head(
                400,
                &[("content-type", "application/json"), ("content-encoding", name), ("content-length", &length)],
            )
            .bytes(body)
        })
        .await;
        let answer = hub.ask(Wire::Chat, Wire::Messages, false).await;
        assert_eq!(refused(Wire::Chat, &answer), (400, "they say no".to_owned()));
        assert_eq!(answer.head.headers.get("content-encoding"), None);
    }
}

/// What nobody here can decode is no answer.
#[tokio::test]
async fn what_cannot_be_decoded_is_a_failure() {
    let hub = Hub::answering(|request| {
        let (wire, is_stream) = Wire::asked(request);
        let kind = if is_stream { wire.stream_type() } else { "application/json" };
        let body = [0x28, 0xb5, 0x2f, 0xfd, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
        Reply::head(200, &[("content-type", kind), ("content-encoding", "zstd"), ("content-length", "16")]).bytes(body)
    })
    .await;
    for (client, provider) in pairs() {
        let answer = hub.ask(client, provider, false).await;
        assert_eq!(refused(client, &answer).0, 502, "{client:?} over {provider:?}");
        assert_eq!(answer.head.headers.get("content-encoding"), None, "{client:?} over {provider:?}");
        let answer = hub.ask(client, provider, true).await;
        if answer.head.status == 200 {
            assert_eq!(answer.head.headers.get("content-encoding"), None, "{client:?} over {provider:?}");
            let told = Told::of_stream(client, &answer.body);
            assert_eq!((told.errors.len(), told.ends), (1, 0), "{client:?} over {provider:?}: {told:?}");
        }
    }
}

/// Google's servers give arrays to those who do not ask for events, and some that stand before them do so always.
#[tokio::test]
async fn an_array_of_answers_is_a_stream_too() {
    let hub = Hub::answering(|_| {
        let answers = Wire::Gemini.stream().concat();
        let events = String::from_utf8(answers).expect("UTF-8");
        let elements: Vec<_> = events.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
        Reply::json(200, format!("[{}]", elements.join(",\r\n")))
    })
    .await;
    for client in [Wire::Chat, Wire::Messages, Wire::Responses, Wire::Converse] {
        let answer = hub.ask(client, Wire::Gemini, true).await;
        let told = understood(client, true, &answer);
        assert!(is_right(&told), "{client:?}: {told:?}");
    }
}

/// A client of HTTP/1.0 knows no chunks.
#[tokio::test]
async fn an_old_client_is_answered_too() {
    let hub = Hub::answering(Wire::reply).await;
    for is_stream in [false, true] {
        let (path, body) = Wire::Chat.asking("messages/m", "hi", is_stream);
        let mut connection = hub.gateway.client().await;
        let head = format!(
            "POST {path} HTTP/1.0\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.send(head).await;
        let answer = connection.answer().await;
        assert_eq!(answer.head.headers.get("transfer-encoding"), None);
        assert!(is_right(&understood(Wire::Chat, is_stream, &answer)));
    }
}
