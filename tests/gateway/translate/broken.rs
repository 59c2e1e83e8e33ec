//! Streams that break off: the client is told once, in its dialect, and sees no normal end.

use super::{Hub, ask, model, name, pairs, refused};
use crate::support::gateway::Setup;
use crate::support::upstream::{Gate, Reply};
use crate::support::wire::{TEXT, Told, Wire, frames};

/// How many of a stream's events come before its text is complete: the end is still to come.
fn before_end(provider: Wire) -> usize {
    match provider {
        Wire::Chat => 3,
        Wire::Responses | Wire::Messages => 4,
        Wire::Gemini => 2,
        Wire::Converse => 3,
    }
}

fn begun(provider: Wire, events: usize) -> Reply {
    provider.stream().into_iter().take(events).fold(provider.begun(), Reply::chunk)
}

/// What an error looks like in the middle of a provider's stream.
fn error_event(provider: Wire, message: &str) -> Vec<u8> {
    match provider {
        Wire::Chat | Wire::Gemini => format!("data: {}\n\n", provider.error(503, message)).into_bytes(),
        Wire::Messages => format!("event: error\ndata: {}\n\n", provider.error(529, message)).into_bytes(),
        Wire::Responses => {
            let event = serde_json::json!({"type": "error", "code": "server_error", "message": message, "param": null, "sequence_number": 9});
            format!("event: error\ndata: {event}\n\n").into_bytes()
        }
        Wire::Converse => frames::exception("modelStreamErrorException", message),
    }
}

fn garbage(provider: Wire) -> Vec<u8> {
    match provider {
        Wire::Converse => {
            let mut frame = provider.stream().swap_remove(1);
            let middle = frame.len() / 2;
            frame[middle] ^= 0x20;
            frame
        }
        Wire::Messages => {
            b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\n\n".to_vec()
        }
        _ => b"data: {\"id\":\"c1\",\"choices\":[{\"index\"\n\n".to_vec(),
    }
}

#[tokio::test]
async fn a_broken_stream_ends_in_one_error() {
    for provider in Wire::ALL {
        let most = before_end(provider);
        let mut scripts = vec![
            ("garbage".to_owned(), begun(provider, most).chunk(garbage(provider)).end(), most),
            // What comes behind it is not listened to.
            (
                "garbage before the rest".to_owned(),
                provider
                    .stream()
                    .into_iter()
                    .skip(most)
                    .fold(begun(provider, most).chunk(garbage(provider)), Reply::chunk)
                    .end(),
                most,
            ),
            (
                "error before the rest".to_owned(),
                provider
                    .stream()
                    .into_iter()
                    .skip(most)
                    .fold(begun(provider, most).chunk(error_event(provider, "they broke")), Reply::chunk)
                    .end(),
                most,
            ),
        ];
        for events in [0, 1, most] {
            scripts.push((format!("cut after {events}"), begun(provider, events).cut(), events));
            scripts.push((format!("end after {events}"), begun(provider, events).end(), events));
            let error = error_event(provider, "they broke");
            scripts.push((format!("error after {events}"), begun(provider, events).chunk(error).end(), events));
            let half = provider.stream().swap_remove(events);
            let half = &half[..half.len() - 3];
            scripts.push((format!("half an event after {events}"), begun(provider, events).chunk(half).cut(), events));
        }
        for (script, reply, events) in scripts {
            let hub = Hub::answering(move |_| reply.clone()).await;
            for client in Wire::ALL.into_iter().filter(|client| *client != provider) {
                let context = format!("{client:?} over {provider:?}: {script}");
                let answer = hub.ask(client, provider, true).await;
                if events == 0 && answer.head.status != 200 {
                    refused(client, &answer);
                    continue;
                }
                assert_eq!((answer.head.status, answer.whole), (200, true), "{context}");
                let told = Told::of_stream(client, &answer.body);
                assert_eq!((told.errors.len(), told.ends), (1, 0), "{context}: {told:?}");
                assert!(!told.is_finished, "{context}: {told:?}");
                assert!(TEXT.starts_with(&told.text), "{context}: {told:?}");
                assert!(events < most || told.text == TEXT, "{context}: {told:?}");
                if script.starts_with("error") {
                    assert!(told.errors[0].to_string().contains("they broke"), "{context}: {told:?}");
                }
            }
        }
    }
}

/// A client that wanted it whole gets an error.
#[tokio::test]
async fn a_broken_stream_makes_no_whole_answer() {
    for provider in Wire::ALL {
        let most = before_end(provider);
        for reply in [
            begun(provider, most).cut(),
            begun(provider, most).end(),
            begun(provider, most).chunk(error_event(provider, "they broke")).end(),
            begun(provider, most).chunk(garbage(provider)).end(),
        ] {
            let hub = Hub::answering(move |_| reply.clone()).await;
            for client in Wire::ALL.into_iter().filter(|client| *client != provider) {
                let answer = hub.ask(client, provider, false).await;
                assert!(refused(client, &answer).0 >= 500, "{client:?} over {provider:?}");
            }
        }
    }
}

/// The error is also in the access line, and what had been counted by then.
#[tokio::test]
async fn a_broken_stream_is_told_of_in_the_log() {
    let hub = Hub::answering(|_| begun(Wire::Messages, 4).cut()).await;
    hub.ask(Wire::Chat, Wire::Messages, true).await;
    let line = hub.gateway.access_lines(1).await.remove(0);
    assert_eq!((&line["status"], &line["outcome"]), (&200.into(), &"error".into()), "{line}");
    assert_eq!(line["input_tokens"], 11, "{line}");
    let hub = Hub::answering(|_| begun(Wire::Messages, 4).chunk(error_event(Wire::Messages, "they broke")).end()).await;
    hub.ask(Wire::Chat, Wire::Messages, true).await;
    let line = hub.gateway.access_lines(1).await.remove(0);
    assert_eq!(line["outcome"], "error", "an error that the provider told is one as well: {line}");
}

#[tokio::test]
async fn a_provider_that_falls_silent_is_given_up() {
    for provider in [Wire::Messages, Wire::Converse] {
        let never = Gate::closed();
        let upstream = crate::support::upstream::Upstream::start(move |_| begun(provider, 3).pause(&never)).await;
        let settings =
            format!("{}, timeouts: {{read: 300ms}}", provider.instance(&format!("http://{}", upstream.address)));
        let gateway = Setup::instances([(name(provider), settings)]).start().await;
        for client in Wire::ALL.into_iter().filter(|client| *client != provider) {
            let answer = ask(&gateway, client, &model(provider), true).await;
            let told = Told::of_stream(client, &answer.body);
            assert_eq!((told.errors.len(), told.ends, answer.whole), (1, 0, true), "{client:?}: {told:?}");
            let answer = ask(&gateway, client, &model(provider), false).await;
            assert_eq!(refused(client, &answer).0, 504, "{client:?}");
        }
    }
}

/// An array that breaks off is still an array, whose last element is the error.
#[tokio::test]
async fn an_array_ends_in_an_error() {
    for provider in [Wire::Chat, Wire::Messages, Wire::Converse, Wire::Responses] {
        for cut in [true, false] {
            let hub = Hub::answering(move |_| {
                let begun = begun(provider, before_end(provider));
                if cut { begun.cut() } else { begun.chunk(error_event(provider, "they broke")).end() }
            })
            .await;
            let path = format!("/v1beta/models/{}:streamGenerateContent", model(provider));
            let answer = hub.gateway.post(&path, r#"{"contents":[{"parts":[{"text":"hi"}]}]}"#).await;
            assert!(answer.whole, "{provider:?}");
            let told = Told::of_array(answer.text());
            assert_eq!((told.text.as_str(), told.errors.len(), told.ends), (TEXT, 1, 0), "{provider:?}: {told:?}");
        }
    }
}

/// A client that leaves takes the provider's work with it.
#[tokio::test]
async fn a_client_that_leaves_ends_the_providers_work() {
    for (client, provider) in pairs().filter(|(client, _)| matches!(client, Wire::Chat | Wire::Converse)) {
        let never = Gate::closed();
        let hub = Hub::answering(move |_| begun(provider, 3).pause(&never)).await;
        let (path, body) = client.asking(&model(provider), "hi", true);
        let mut connection = hub.gateway.client().await;
        let body = crate::support::http::Body::Length(body.as_bytes());
        connection.request("POST", &path, &[crate::support::gateway::JSON], body).await;
        connection.read_head().await;
        drop(connection);
        hub.upstream.hung_up(1).await;
        let line = hub.gateway.access_lines(1).await.remove(0);
        assert_eq!(line["outcome"], "client_gone", "{line}");
    }
}
