//! Where both sides speak one dialect nothing is translated: the bytes pass as they are.

use super::{Hub, model};
use crate::support::upstream::Reply;
use crate::support::wire::{TEXT, Told, Wire, frames};
use serde_json::json;

/// Odd, but JSON: members that nobody knows, numbers as they are seldom spelled, white space, a member twice, escapes.
const ODD: &str = r#""unknown":{"b":1.0,"a":1e2,"n":-0.0,"big":123456789012345678901234567890}, "zz" : [ ] ,"esc":"\u00fc\/","temp":0.10"#;

fn odd_request(wire: Wire, is_stream: bool) -> (String, String) {
    let (path, _) = wire.asking(&model(wire), "x", is_stream);
    let body = match wire {
        Wire::Gemini => format!("{{ {ODD},\n\t\"contents\":[{{\"parts\":[{{\"text\":\"hi\"}}]}}] }}"),
        Wire::Converse => format!("{{ {ODD},\n\t\"messages\":[] }}"),
        _ => format!("{{ {ODD},\n\t\"model\":\"{}\", \"stream\":{is_stream},\"messages\":[]  }}", model(wire)),
    };
    (path, body)
}

#[tokio::test]
async fn bodies_pass_as_they_are() {
    for wire in [Wire::Messages, Wire::Gemini, Wire::Converse] {
        let odd = format!("{{ {ODD} }}");
        let stream: Vec<Vec<u8>> = match wire {
            Wire::Converse => {
                let mut broken = frames::frame("whatIsThat", &json!({"p": "abc"}));
                *broken.last_mut().expect("a byte") ^= 1;
                vec![frames::frame("messageStart", &json!({"n": 1.0})), broken]
            }
            _ => vec![
                format!(": comment\n\nevent: odd\r\ndata:{odd}\r\n\r\n").into_bytes(),
                b"data: not json\n\ndata: unfinished".to_vec(),
            ],
        };
        let (sent, chunks) = (odd.clone(), stream.clone());
        let hub = Hub::answering(move |request| match Wire::asked(request).1 {
            true => chunks.iter().fold(wire.begun(), |reply, chunk| reply.chunk(chunk)).end(),
            false => Reply::json(200, &sent),
        })
        .await;
        for (is_stream, expected) in [(false, odd.into_bytes()), (true, stream.concat())] {
            let (path, body) = odd_request(wire, is_stream);
            let answer = hub.gateway.post_with(&path, &[("anthropic-version", "2099-01-01")], &body).await;
            assert_eq!((answer.head.status, answer.whole), (200, true), "{wire:?}");
            assert!(answer.body == expected, "{wire:?}: {:?}", String::from_utf8_lossy(&answer.body));
            assert_eq!(answer.head.headers.get("x-narthex-dropped"), None);
            let content_type = if is_stream { wire.stream_type() } else { "application/json" };
            assert_eq!(answer.head.headers.get("content-type"), Some(content_type));
            let request = hub.last();
            let model_in_body = format!("\"model\":\"{}\"", model(wire));
            assert_eq!(request.text(), body.replace(&model_in_body, "\"model\":\"m\""), "{wire:?}");
            let version = request.headers.all("anthropic-version").collect::<Vec<_>>();
            assert_eq!(version, ["2099-01-01"], "the client knows which version it speaks");
        }
    }
}

#[tokio::test]
async fn errors_pass_as_they_are() {
    for wire in Wire::ALL {
        let body = r#"{ "error" : {"message":"theirs","n":1.0}, "x-extra":[ ] }"#;
        let length = body.len().to_string();
        let headers = [
            ("content-type", "application/problem+json"),
            ("content-length", &length),
            ("x-amzn-errortype", "ValidationException:http://x"),
        ];
        let reply = Reply::head(422, &headers).bytes(body);
        let hub = Hub::answering(move |_| reply.clone()).await;
        for is_stream in [false, true] {
            let answer = hub.ask(wire, wire, is_stream).await;
            assert_eq!((answer.head.status, answer.text()), (422, body), "{wire:?}");
            assert_eq!(answer.head.headers.get("content-type"), Some("application/problem+json"));
            assert_eq!(answer.head.headers.get("x-amzn-errortype"), Some("ValidationException:http://x"));
        }
    }
}

/// Gemini without `alt=sse` answers with an array, and is asked for one.
#[tokio::test]
async fn an_array_stays_an_array() {
    let array = "[{\n  \"candidates\": [{\"content\": {\"parts\": [{\"text\": \"a\"}]}}]\n}\n,\r\n{\"n\": 1.0}]\n";
    let hub = Hub::answering(move |_| {
        let chunked = Reply::chunked(200, &[("content-type", "application/json; charset=UTF-8")]);
        array.as_bytes().chunks(11).fold(chunked, Reply::chunk).end()
    })
    .await;
    let body = r#"{"contents":[{"parts":[{"text":"hi"}]}]}"#;
    for (query, path) in [
        ("", "/v1beta/models/m:streamGenerateContent"),
        ("?key=client-key", "/v1beta/models/m:streamGenerateContent"),
        ("?alt=json", "/v1beta/models/m:streamGenerateContent"),
        ("?alt=sse", "/v1beta/models/m:streamGenerateContent?alt=sse"),
        ("?key=client-key&alt=sse", "/v1beta/models/m:streamGenerateContent?alt=sse"),
    ] {
        let answer = hub.gateway.post(&format!("/v1beta/models/contents%2Fm:streamGenerateContent{query}"), body).await;
        assert_eq!((answer.text(), answer.whole), (array, true));
        assert_eq!(answer.head.headers.get("content-type"), Some("application/json; charset=UTF-8"));
        assert_eq!((hub.last().path.as_str(), hub.last().text()), (path, body));
    }
}

/// The tokens of what passes are counted all the same.
#[tokio::test]
async fn tokens_of_what_passes_are_counted() {
    let hub = Hub::answering(Wire::reply).await;
    let mut count = 0;
    for wire in [Wire::Messages, Wire::Gemini, Wire::Converse] {
        for is_stream in [false, true] {
            let answer = hub.ask(wire, wire, is_stream).await;
            let sent = if is_stream { wire.stream().concat() } else { wire.answer().into_bytes() };
            assert!(answer.body == sent, "{wire:?}");
            count += 1;
            let line = hub.gateway.access_lines(count).await.pop().expect("a line");
            assert_eq!((&line["input_tokens"], &line["output_tokens"]), (&11.into(), &5.into()), "{wire:?}: {line}");
        }
    }
}

/// Versions of Google's API are the client's choice of path; the provider is asked by one.
#[tokio::test]
async fn every_version_of_the_path_leads_there() {
    let hub = Hub::answering(Wire::reply).await;
    for version in ["v1", "v1alpha", "v1beta"] {
        for model in ["contents/m", "contents%2Fm", "messages%2Fm"] {
            let path = format!("/{version}/models/{model}:generateContent");
            let answer = hub.gateway.post(&path, r#"{"contents":[{"parts":[{"text":"hi"}]}]}"#).await;
            assert_eq!(Told::of(Wire::Gemini, answer.text()).text, TEXT, "{path}");
        }
    }
}
