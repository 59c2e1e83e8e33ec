//! A provider that says no: the client is told in its own dialect, with the same status, and never takes it for an answer.

use super::{Hub, json, model, pairs, refused, setup};
use crate::support::gateway::JSON;
use crate::support::http::Body;
use crate::support::upstream::{Gate, Reply, Upstream};
use crate::support::wire::{Told, Wire};

const STATUSES: [u16; 11] = [400, 401, 402, 403, 404, 409, 413, 422, 429, 503, 529];

fn asked_for(headers: &crate::support::http::Headers) -> u16 {
    headers.get("x-title").and_then(|status| status.parse().ok()).expect("a status")
}

#[tokio::test]
async fn an_error_keeps_its_status_and_its_words() {
    let hub = Hub::answering(|request| {
        let (status, body) = (asked_for(&request.headers), Wire::asked(request).0.error(0, "they say no"));
        let length = body.len().to_string();
        let headers = [
            ("content-type", "application/json; charset=utf-8"),
            ("content-length", &length),
            ("retry-after", "7"),
            ("x-should-retry", "false"),
            ("x-ratelimit-remaining-requests", "0"),
        ];
        Reply::head(status, &headers).bytes(body)
    })
    .await;
    let mut count = 0;
    for (client, provider) in pairs() {
        for (status, is_stream) in STATUSES.into_iter().flat_map(|status| [(status, false), (status, true)]) {
            let (path, body) = client.asking(&model(provider), "hi", is_stream);
            let answer = hub.gateway.post_with(&path, &[("x-title", &status.to_string())], body).await;
            let context = format!("{client:?} over {provider:?}: {}", answer.text());
            assert_eq!(refused(client, &answer), (status, "they say no".to_owned()), "{context}");
            assert_eq!(answer.head.headers.get("retry-after"), Some("7"), "{context}");
            assert_eq!(answer.head.headers.get("x-ratelimit-remaining-requests"), Some("0"), "{context}");
            assert_eq!(answer.head.headers.get("x-narthex-attempts"), Some("1"), "{context}");
            count += 1;
        }
    }
    let lines = hub.gateway.access_lines(count).await;
    assert!(lines.iter().all(|line| line["outcome"] == "error" && line["status"].as_u64() >= Some(400)));
}

/// The words are found in whatever envelope they come, and there are some even where the provider has none.
#[tokio::test]
async fn every_envelope_is_opened() {
    let bodies = [
        (r#"{"error":{"message":"the words","type":"x","code":null}}"#, "the words"),
        (r#"{"type":"error","error":{"type":"x","message":"the words"}}"#, "the words"),
        (r#"[{"error":{"code":400,"message":"the words","status":"INVALID_ARGUMENT"}}]"#, "the words"),
        (r#"{"message":"the words"}"#, "the words"),
        (r#"{"error":"the words"}"#, "the words"),
        ("<html><body>the page</body></html>", ""),
        ("", ""),
        ("{}", ""),
        ("{\"error\":", ""),
    ];
    for (body, words) in bodies {
        let hub = Hub::answering(move |_| Reply::whole(418, "text/html", body)).await;
        for (client, provider) in pairs() {
            if provider == Wire::Converse && body.starts_with('[') {
                // That is Google's alone.
                continue;
            }
            let (status, message) = refused(client, &hub.ask(client, provider, false).await);
            assert_eq!(status, 418);
            assert!(!message.is_empty() && !message.contains('<'), "{client:?} over {provider:?}: {message}");
            if !words.is_empty() {
                assert_eq!(message, words, "{client:?} over {provider:?}");
            }
        }
    }
}

/// Bodies that are no answers, whatever the status says.
fn nonsense(provider: Wire) -> Vec<String> {
    let mut bodies: Vec<String> =
        ["{}", "[]", "null", "\"text\"", "<html>busy</html>", "", " ", "true", "{\"error\":{}}"]
            .map(str::to_owned)
            .into();
    bodies.push(provider.error(503, "they say no"));
    let whole = provider.answer();
    bodies.push(whole[..whole.len() - 9].to_owned());
    bodies
}

#[tokio::test]
async fn a_success_without_an_answer_is_a_failure() {
    for provider in Wire::ALL {
        for body in nonsense(provider) {
            let sent = body.clone();
            let hub = Hub::answering(move |_| Reply::json(200, &sent)).await;
            for client in Wire::ALL.into_iter().filter(|client| *client != provider) {
                let context = format!("{client:?} over {provider:?}: {body:?}");
                let answer = hub.ask(client, provider, false).await;
                let (status, message) = refused(client, &answer);
                assert!((502..=503).contains(&status), "{context}: {status} {message}");
                let is_told = body.contains("they say no");
                assert!(!is_told || message == "they say no", "{context}: {message}");
                assert_eq!(answer.head.headers.get("x-narthex-attempts"), Some("1"), "{context}");
            }
        }
    }
}

#[tokio::test]
async fn a_stream_without_an_answer_is_a_failure() {
    for provider in Wire::ALL {
        for body in nonsense(provider) {
            let sent = body.clone();
            let hub = Hub::answering(move |request| match request.headers.get("x-title") {
                Some("stream") => Reply::whole(200, provider.stream_type(), &sent),
                _ => Reply::json(200, &sent),
            })
            .await;
            for client in Wire::ALL.into_iter().filter(|client| *client != provider) {
                for title in ["whole", "stream"] {
                    let context = format!("{client:?} over {provider:?}, as {title}: {body:?}");
                    let (path, request) = client.asking(&model(provider), "hi", true);
                    let answer = hub.gateway.post_with(&path, &[("x-title", title)], request).await;
                    if answer.head.status != 200 {
                        assert!((502..=503).contains(&refused(client, &answer).0), "{context}");
                        continue;
                    }
                    let told = Told::of_stream(client, &answer.body);
                    assert!(answer.whole, "{context}: {:?}", String::from_utf8_lossy(&answer.body));
                    assert_eq!((told.errors.len(), told.ends, told.is_finished), (1, 0, false), "{context}: {told:?}");
                    assert_eq!(told.text, "", "{context}");
                }
            }
        }
    }
}

/// The head comes first, then, in a segment of its own, what turns out to be no answer.
#[tokio::test]
async fn nonsense_that_comes_late_is_no_answer_either() {
    for provider in Wire::ALL {
        let body = provider.error(503, "they say no");
        let gate = Gate::closed();
        let (held, sent) = (gate.clone(), body.clone());
        let hub = Hub::answering(move |request| match request.headers.get("x-title") {
            Some("chunked") => Reply::chunked(200, &[JSON]).pause(&held).chunk(&sent).end(),
            _ => {
                let length = sent.len().to_string();
                Reply::head(200, &[JSON, ("content-length", &length)]).pause(&held).bytes(&sent)
            }
        })
        .await;
        for client in Wire::ALL.into_iter().filter(|client| *client != provider) {
            for title in ["chunked", "length"] {
                let (path, request) = client.asking(&model(provider), "hi", false);
                let mut connection = hub.gateway.client().await;
                let body = Body::Length(request.as_bytes());
                connection.request("POST", &path, &[JSON, ("x-title", title)], body).await;
                // Long enough for the head to be passed on, if that were done.
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                gate.open();
                let answer = connection.answer().await;
                let (status, message) = refused(client, &answer);
                assert!((502..=503).contains(&status) && message == "they say no", "{client:?} over {provider:?}");
            }
        }
    }
}

/// An access line says what the client was told.
#[tokio::test]
async fn the_access_line_tells_of_it() {
    let hub = Hub::answering(|_| Reply::json(200, Wire::Messages.error(0, "they say no"))).await;
    hub.ask(Wire::Chat, Wire::Messages, false).await;
    hub.ask(Wire::Chat, Wire::Messages, true).await;
    for line in hub.gateway.access_lines(2).await {
        assert_eq!(line["outcome"], "error", "{line}");
        assert!(line["error"].as_str().is_some_and(|error| error.contains("they say no")), "{line}");
    }
}

/// Nobody there, and nobody who answers in time.
#[tokio::test]
async fn what_we_say_ourselves_is_in_the_clients_dialect() {
    let never = Gate::closed();
    let upstream = Upstream::start(move |_| Reply::default().pause(&never)).await;
    let root = format!("http://{}", upstream.address);
    let silent = format!("{}, timeouts: {{read: 200ms}}", Wire::Messages.instance(&root));
    let nowhere = Wire::Gemini.instance("http://127.0.0.1:1");
    let gateway = crate::support::gateway::Setup::instances([("silent", silent), ("nowhere", nowhere)])
        .env("NARTHEX_RETRIES", "0")
        .start()
        .await;
    for client in Wire::ALL {
        for is_stream in [false, true] {
            let (status, message) = refused(client, &super::ask(&gateway, client, "silent/m", is_stream).await);
            assert_eq!((status, message.contains("`silent`")), (504, true), "{message}");
            let (status, message) = refused(client, &super::ask(&gateway, client, "nowhere/m", is_stream).await);
            assert_eq!((status, message.contains("`nowhere`")), (502, true), "{message}");
            let (status, message) = refused(client, &super::ask(&gateway, client, "no-such-model", is_stream).await);
            assert_eq!((status, message.contains("no-such-model")), (404, true), "{message}");
        }
    }
}

/// A failure that a client may repeat is not repeated where the provider says so, and is where it says nothing.
#[tokio::test]
async fn an_only_target_is_tried_again() {
    let upstream = Upstream::script([
        Reply::json(529, Wire::Messages.error(529, "busy")),
        Reply::json(500, "oops"),
        Wire::Messages.whole(),
    ])
    .await;
    let gateway = setup(&upstream).env("NARTHEX_RETRIES", "2").start().await;
    let answer = super::ask(&gateway, Wire::Chat, "messages/m", false).await;
    assert_eq!((answer.head.status, answer.head.headers.get("x-narthex-attempts")), (200, Some("3")));
    assert_eq!(json(&answer.body)["choices"][0]["finish_reason"], "stop");
    let line = gateway.access_lines(1).await.remove(0);
    assert_eq!(
        (&line["attempts"], &line["outcome"], line.get("error").filter(|error| !error.is_null())),
        (&3.into(), &"ok".into(), None)
    );
}
