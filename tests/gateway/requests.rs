//! What a provider receives is what the client sent, but for `model` and the question for token counts.

use crate::support::gateway::{Provider, Setup};
use crate::support::upstream::Reply;

const CHAT: &str = "/v1/chat/completions";

/// Bodies that a parser and a printer would change, each with the value of `model` in the middle.
const SPELLINGS: &[(&str, &str)] = &[
    ("{\"model\":", "}"),
    ("{ \"model\" :\t", " ,\r\n \"messages\" : [ ] }\n"),
    ("  {\"z\":1,\"model\":", ",\"a\":2}  "),
    ("{\"temperature\":1.0,\"top_p\":1e0,\"seed\":12345678901234567890123,\"n\":1,\"model\":", ",\"x\":-0.0}"),
    ("{\"messages\":[{\"content\":\"\\u00e9\\ud83d\\ude00 \\/ é 😀 \\\"model\\\":\\\"no\\\"\"}],\"model\":", "}"),
    ("{\"tools\":[{\"model\":\"inner\",\"model\":\"twice\",\"b\":1,\"b\":2}],\"model\":", "}"),
    ("{\"model\":", ",\"metadata\":{},\"stop\":null,\"logit_bias\":{\"50256\":-100}}"),
    ("\u{feff}{\"model\":", "}"),
    ("{\"mod\\u0065l\":", ",\"stream\":false}"),
    ("{\"a\":\"\\\\\",\"model\":", ",\"b\":\"\\\\\\\"}\"}"),
    ("{\"a\":\"line\u{2028}separator\u{7f}\",\"model\":", "}"),
    ("{\"stream\":null,\"stream_options\":{\"x\":1},\"model\":", "}"),
];

#[tokio::test]
async fn nothing_but_the_model_changes() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let gateway = provider.behind_gateway().await;
    let mut expected = Vec::new();
    for path in [CHAT, "/v1/responses", "/v1/embeddings", "/v1/images/generations", "/v1/moderations", "/v1/rerank"] {
        for (before, after) in SPELLINGS {
            let answer = gateway.post(path, format!("{before}\"up/some-model\"{after}")).await;
            assert_eq!(answer.head.status, 200, "{path} {before}: {}", answer.text());
            expected.push((path, format!("{before}\"some-model\"{after}")));
        }
    }
    for (request, (path, body)) in provider.requests().iter().zip(&expected) {
        assert_eq!(request.path, *path);
        assert_eq!(request.text(), body);
        assert_eq!(request.headers.get("content-length"), Some(body.len().to_string().as_str()));
        assert_eq!(request.headers.get("transfer-encoding"), None);
    }
    assert_eq!(provider.requests().len(), expected.len());
}

#[tokio::test]
async fn a_model_that_is_called_the_same_there_leaves_every_byte() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let gateway = provider.behind_gateway().await;
    for (at, (before, after)) in SPELLINGS.iter().enumerate() {
        for model in ["\"m\"", "\"\\u006d\""] {
            gateway.post(CHAT, format!("{before}{model}{after}")).await;
            let received = provider.requests().pop().expect("a request");
            // An escaped spelling may be kept or written out: it is the same text.
            let same = received.text() == format!("{before}{model}{after}");
            assert!(same || received.text() == format!("{before}\"m\"{after}"), "{at}: {}", received.text());
            assert!(same || model != "\"m\"", "{at}: {}", received.text());
        }
    }
}

/// A streamed chat is asked for its token counts; nothing else is added, and nothing where the client has asked.
#[tokio::test]
async fn streams_are_asked_for_token_counts() {
    let provider = Provider::always(Reply::events().chunk("data: [DONE]\n\n").end()).await;
    let gateway = provider.behind_gateway().await;
    for (sent, received) in [
        (r#"{"model":"m","stream":true}"#, r#"{"stream_options":{"include_usage":true},"model":"m","stream":true}"#),
        (
            r#"{"stream":true,"model":"m","stream_options":{"include_usage":true, "x":1}}"#,
            r#"{"stream":true,"model":"m","stream_options":{"include_usage":true, "x":1}}"#,
        ),
        (
            r#"{"stream":true,"model":"m","stream_options" : { "include_usage" : false , "x" : 1.0 } }"#,
            r#"{"stream":true,"model":"m","stream_options" : { "include_usage" : true , "x" : 1.0 } }"#,
        ),
        (
            r#"{"stream":true,"stream_options":{"include_obfuscation":false},"model":"m"}"#,
            r#"{"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},"model":"m"}"#,
        ),
        (
            r#"{"stream":true,"stream_options":{},"model":"m"}"#,
            r#"{"stream":true,"stream_options":{"include_usage":true},"model":"m"}"#,
        ),
        (
            r#"{"stream":true,"stream_options":null,"model":"m"}"#,
            r#"{"stream":true,"stream_options":{"include_usage":true},"model":"m"}"#,
        ),
        (
            r#"{"stream":true,"stream_options":{"include_usage":null},"model":"m"}"#,
            r#"{"stream":true,"stream_options":{"include_usage":true},"model":"m"}"#,
        ),
        (r#"{"model":"m","stream":false}"#, r#"{"model":"m","stream":false}"#),
    ] {
        assert_eq!(gateway.post(CHAT, sent).await.head.status, 200);
        assert_eq!(provider.requests().pop().expect("a request").text(), received);
    }
}

#[tokio::test]
async fn other_streams_are_asked_nothing() {
    let provider = Provider::always(Reply::events().chunk("data: {}\n\n").end()).await;
    let gateway = provider.behind_gateway().await;
    for path in ["/v1/responses", "/v1/images/generations", "/v1/audio/speech"] {
        let body = r#"{"model":"m","stream":true}"#;
        assert_eq!(gateway.post(path, body).await.head.status, 200);
        assert_eq!(provider.requests().pop().expect("a request").text(), body);
    }
    // Ollama and others know the option, too; OpenRouter counts unasked.
    let settings = format!("api_key: k, base_url: \"http://{}/api/v1\"", provider.address());
    let gateway = Setup::instances([("openrouter", settings)]).start().await;
    let body = r#"{"model":"openrouter/google/gemini","stream":true}"#;
    assert_eq!(gateway.post(CHAT, body).await.head.status, 200);
    let received = provider.requests().pop().expect("a request");
    assert_eq!(received.text(), r#"{"model":"google/gemini","stream":true}"#);
    assert_eq!(received.path, "/api/v1/chat/completions");
    assert_eq!(received.headers.get("x-openrouter-title"), Some("narthex"));
}

#[tokio::test]
async fn a_quirk_renames_one_key() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let settings = format!("api_key: k, base_url: \"http://{}\"", provider.address());
    let gateway = Setup::instances([("zai", settings)]).start().await;
    for (sent, received) in [
        (r#"{"model":"zai/g", "max_completion_tokens" : 5 }"#, r#"{"model":"g", "max_tokens" : 5 }"#),
        (
            r#"{"max_tokens":4,"model":"zai/g","max_completion_tokens":5}"#,
            r#"{"max_tokens":4,"model":"g","max_completion_tokens":5}"#,
        ),
    ] {
        assert_eq!(gateway.post(CHAT, sent).await.head.status, 200);
        let request = provider.requests().pop().expect("a request");
        assert_eq!(request.text(), received);
        assert_eq!(request.path, "/api/paas/v4/chat/completions");
    }
}

#[tokio::test]
async fn model_names_are_written_as_json() {
    let provider = Provider::always(Reply::json(200, "{}")).await;
    let gateway = provider.behind_gateway().await;
    for (named, written) in [
        (r#""up/a\"b\\c\nd""#, r#""a\"b\\c\nd""#),
        (r#""up/\u00e9\ud83d\ude00""#, "\"é😀\""),
        (r#""up/org/name:tag@1[1m]""#, r#""org/name:tag@1[1m]""#),
        (r#""up//x""#, r#""/x""#),
    ] {
        let answer = gateway.post(CHAT, format!("{{\"model\":{named}}}")).await;
        assert_eq!(answer.head.status, 200, "{named}: {}", answer.text());
        assert_eq!(provider.requests().pop().expect("a request").text(), format!("{{\"model\":{written}}}"));
    }
}
