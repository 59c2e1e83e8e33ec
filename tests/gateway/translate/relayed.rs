//! Streams for requests that are too long to go the usual way inside: of unknown length, and beyond what is buffered. And for
//! clients of HTTP/2.

use super::{Hub, model, refused};
use crate::support::gateway::JSON;
use crate::support::http::{Answer, Body};
use crate::support::http2;
use crate::support::upstream::Reply;
use crate::support::wire::{TEXT, Told, Wire};

/// Sends it in chunks, so that nobody knows how long it will be.
async fn ask(hub: &Hub, client: Wire, provider: Wire, headers: &[(&str, &str)]) -> Answer {
    let (path, body) = client.asking(&model(provider), &"long ".repeat(40_000), true);
    let pieces: Vec<&[u8]> = body.as_bytes().chunks(30_000).collect();
    let headers = [&[JSON], headers].concat();
    hub.gateway.client().await.exchange("POST", &path, &headers, Body::Chunked(&pieces)).await
}

#[tokio::test]
async fn long_requests_are_translated_like_any() {
    let hub = Hub::answering(Wire::reply).await;
    for client in Wire::ALL {
        for provider in Wire::ALL {
            let context = format!("{client:?} over {provider:?}");
            let answer = ask(&hub, client, provider, &[("x-request-id", "mine")]).await;
            assert_eq!((answer.head.status, answer.whole), (200, true), "{context}");
            let told = Told::of_stream(client, &answer.body);
            assert_eq!((told.text.as_str(), told.ends, told.errors.len()), (TEXT, 1, 0), "{context}");
            let headers = &answer.head.headers;
            assert_eq!(headers.all("content-type").collect::<Vec<_>>(), [client.stream_type()], "{context}");
            assert_eq!(headers.get("x-narthex-instance"), Some(super::name(provider)), "{context}");
            assert_eq!(headers.get("x-request-id"), Some("mine"), "{context}");
            let sent = hub.last();
            assert_eq!(sent.text().matches("long ").count(), 40_000, "{context}");
            assert_eq!(sent.headers.get("content-length"), Some(sent.body.len().to_string().as_str()), "{context}");
        }
    }
    let lines = hub.gateway.access_lines(25).await;
    assert_eq!(lines.len(), 25, "each is told of once");
    assert!(lines.iter().all(|line| line["outcome"] == "ok" && line["output_tokens"] == 5), "{lines:?}");
}

#[tokio::test]
async fn their_failures_are_told_like_any() {
    for provider in Wire::ALL {
        let hub = Hub::answering(move |request| match request.headers.get("x-title") {
            Some("cut") => {
                let events = provider.stream();
                let begun = events.iter().take(events.len() - 2).fold(provider.begun(), Reply::chunk);
                begun.cut()
            }
            Some("empty") => Reply::whole(200, provider.stream_type(), ""),
            _ => Reply::json(418, provider.error(418, "they say no")),
        })
        .await;
        for client in Wire::ALL.into_iter().filter(|client| *client != provider) {
            let context = format!("{client:?} over {provider:?}");
            let answer = ask(&hub, client, provider, &[]).await;
            assert_eq!(refused(client, &answer), (418, "they say no".to_owned()), "{context}");
            let answer = ask(&hub, client, provider, &[("x-title", "empty")]).await;
            assert_eq!(refused(client, &answer).0, 502, "{context}");
            let answer = ask(&hub, client, provider, &[("x-title", "cut")]).await;
            assert_eq!((answer.head.status, answer.whole), (200, true), "{context}");
            let told = Told::of_stream(client, &answer.body);
            assert_eq!((told.errors.len(), told.ends), (1, 0), "{context}: {told:?}");
        }
    }
}

#[tokio::test]
async fn clients_of_http2_read_streams_too() {
    let hub = Hub::answering(|request| match request.headers.get("x-title") {
        Some("cut") => {
            let (wire, _) = Wire::asked(request);
            wire.stream().iter().take(2).fold(wire.begun(), Reply::chunk).cut()
        }
        Some("busy") => Reply::json(529, Wire::asked(request).0.error(529, "busy")),
        _ => Wire::reply(request),
    })
    .await;
    let mut connection = http2::Client::connect(hub.gateway.address).await;
    for client in Wire::ALL {
        for provider in Wire::ALL.into_iter().filter(|provider| *provider != client) {
            let context = format!("{client:?} over {provider:?}");
            for words in ["hi", &"long ".repeat(40_000)] {
                let (path, body) = client.asking(&model(provider), words, true);
                let answer = connection.exchange("POST", &path, &[JSON], Some(body.as_bytes())).await;
                assert_eq!((answer.status, answer.whole), (200, true), "{context}");
                assert_eq!(answer.headers.get("content-type"), Some(client.stream_type()), "{context}");
                let told = Told::of_stream(client, &answer.body);
                assert_eq!((told.text.as_str(), told.ends), (TEXT, 1), "{context}");
                let cut = connection.exchange("POST", &path, &[JSON, ("x-title", "cut")], Some(body.as_bytes())).await;
                assert_eq!((cut.status, cut.whole), (200, true), "{context}");
                let told = Told::of_stream(client, &cut.body);
                assert_eq!((told.errors.len(), told.ends), (1, 0), "{context}: {told:?}");
                let busy =
                    connection.exchange("POST", &path, &[JSON, ("x-title", "busy")], Some(body.as_bytes())).await;
                let error: serde_json::Value = serde_json::from_slice(&busy.body).expect("JSON");
                assert_eq!((busy.status, client.message_of(&error)), (529, "busy"), "{context}");
            }
        }
    }
}
