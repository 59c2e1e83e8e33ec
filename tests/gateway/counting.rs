//! Counting tokens and embedding: at the provider, at a provider of another dialect, or by nobody.

use crate::support::gateway::{Gateway, Provider, Setup};
use crate::support::http::Answer;
use crate::support::upstream::{Reply, Upstream};
use serde_json::{Value, json};

/// The four endpoints that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counter {
    Messages,
    Gemini,
    Converse,
    Responses,
}

const ALL: [Counter; 4] = [Counter::Messages, Counter::Gemini, Counter::Converse, Counter::Responses];

impl Counter {
    fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Gemini => "contents",
            Self::Converse => "converse",
            Self::Responses => "responses",
        }
    }

    fn asking(self, model: &str, words: &str) -> (String, Value) {
        let encoded = model.replace('/', "%2F");
        let converse = json!({"messages": [{"role": "user", "content": [{"text": words}]}]});
        match self {
            Self::Messages => (
                "/v1/messages/count_tokens".to_owned(),
                json!({"model": model, "messages": [{"role": "user", "content": words}]}),
            ),
            Self::Gemini => {
                (format!("/v1beta/models/{encoded}:countTokens"), json!({"contents": [{"parts": [{"text": words}]}]}))
            }
            Self::Converse => (format!("/model/{encoded}/count-tokens"), json!({"input": {"converse": converse}})),
            Self::Responses => ("/v1/responses/input_tokens".to_owned(), json!({"model": model, "input": words})),
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Messages => "/v1/messages/count_tokens",
            Self::Gemini => "/v1beta/models/m:countTokens",
            Self::Converse => "/model/m/count-tokens",
            Self::Responses => "/v1/responses/input_tokens",
        }
    }

    fn of(path: &str) -> Self {
        ALL.into_iter().find(|counter| counter.path() == path).unwrap_or_else(|| panic!("nobody serves {path}"))
    }

    fn counted(self, count: u64) -> String {
        let counted = match self {
            Self::Messages => json!({"input_tokens": count}),
            Self::Gemini => json!({"totalTokens": count}),
            Self::Converse => json!({"inputTokens": count}),
            Self::Responses => json!({"object": "response.input_tokens", "input_tokens": count}),
        };
        counted.to_string()
    }

    fn count(self, answer: &Answer) -> u64 {
        assert_eq!(answer.head.status, 200, "{self:?}: {}", answer.text());
        let body = parsed(answer);
        let name = match self {
            Self::Messages => "input_tokens",
            Self::Gemini => "totalTokens",
            Self::Converse => "inputTokens",
            Self::Responses => {
                assert_eq!(body["object"], "response.input_tokens");
                "input_tokens"
            }
        };
        body[name].as_u64().unwrap_or_else(|| panic!("{self:?}: no count in {body}"))
    }

    fn instance(self, root: &str) -> String {
        let (kind, base) = match self {
            Self::Messages => ("anthropic", ""),
            Self::Gemini => ("gemini", ""),
            Self::Converse => ("bedrock", ""),
            Self::Responses => ("openai", "/v1"),
        };
        format!("type: {kind}, base_url: \"{root}{base}\", api_key: secret, models: [m], models_mode: allowlist")
    }
}

fn parsed(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|why| panic!("{why}: {}", answer.text()))
}

async fn behind(upstream: &Upstream) -> Gateway {
    let root = format!("http://{}", upstream.address);
    let forgetful =
        format!("type: opencode-go, base_url: \"{root}/v1\", api_key: k, models: [m], models_mode: allowlist");
    let mut instances: Vec<_> = ALL.iter().map(|counter| (counter.name(), counter.instance(&root))).collect();
    instances.push(("nobody", forgetful));
    Setup::instances(instances).env("NARTHEX_RETRIES", "0").start().await
}

#[tokio::test]
async fn whoever_can_count_is_asked() {
    let upstream = Upstream::start(|request| Reply::json(200, Counter::of(&request.path).counted(4711))).await;
    let gateway = behind(&upstream).await;
    for client in ALL {
        for provider in ALL {
            let (path, body) = client.asking(&format!("{}/m", provider.name()), "count me");
            let answer = gateway.post(&path, body.to_string()).await;
            let context = format!("{client:?} over {provider:?}");
            assert_eq!(client.count(&answer), 4711, "{context}");
            assert_eq!(answer.head.headers.get("x-narthex-estimated"), None, "{context}");
            assert_eq!(answer.head.headers.get("x-narthex-instance"), Some(provider.name()), "{context}");
            assert_eq!(answer.head.headers.get("content-type"), Some("application/json"), "{context}");
            let sent = upstream.requests().pop().expect("a request");
            assert_eq!(sent.path, provider.path(), "{context}");
            assert_eq!(sent.text().matches("count me").count(), 1, "{context}");
            assert_eq!(sent.headers.get("content-length"), Some(sent.body.len().to_string().as_str()), "{context}");
            let sent: Value = serde_json::from_slice(&sent.body).expect("JSON");
            match provider {
                _ if client == provider => {
                    let mut own = body;
                    if own.get("model").is_some() {
                        own["model"] = "m".into();
                    }
                    assert_eq!(sent, own, "{context}");
                }
                // These refuse what they do not know: above all what limits an answer that there will not be.
                Counter::Messages => {
                    assert!(sent.get("max_tokens").is_none() && sent["model"] == "m", "{context}: {sent}")
                }
                Counter::Gemini => {
                    let request = &sent["generateContentRequest"];
                    assert!(request["contents"].is_array() && request["model"] == "models/m", "{context}: {sent}");
                }
                Counter::Converse => assert!(sent["input"]["converse"]["messages"].is_array(), "{context}: {sent}"),
                Counter::Responses => {
                    assert!(sent.get("stream").is_none() && sent["model"] == "m", "{context}: {sent}")
                }
            }
        }
    }
    assert!(gateway.access_lines(16).await.iter().all(|line| line["status"] == 200 && line["outcome"] == "ok"));
}

#[tokio::test]
async fn where_nobody_can_count_it_is_estimated() {
    let upstream = Upstream::start(|request| panic!("{} is not for this", request.path)).await;
    let gateway = behind(&upstream).await;
    for client in ALL {
        let count = async |words: &str| {
            let (path, body) = client.asking("nobody/m", words);
            let answer = gateway.post(&path, body.to_string()).await;
            assert_eq!(answer.head.headers.get("x-narthex-estimated"), Some("true"), "{client:?}");
            assert_eq!(answer.head.headers.get("content-length"), Some(answer.body.len().to_string().as_str()));
            client.count(&answer)
        };
        let (short, long, wide) =
            (count("hi").await, count(&"word ".repeat(1000)).await, count(&"世界".repeat(1000)).await);
        assert!((1..50).contains(&short), "{client:?}: {short}");
        assert!((1000..3000).contains(&long), "{client:?}: {long}");
        assert!((1000..3000).contains(&wide), "{client:?}: {wide}");
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn failures_are_told_in_the_clients_dialect() {
    let upstream = Upstream::start(|request| match request.headers.get("x-title") {
        Some("error") => Reply::json(400, r#"{"error":{"message":"they say no"},"message":"they say no"}"#),
        Some("garbage") => Reply::json(200, r#"{"tokens":"many"}"#),
        _ => Reply::json(200, ""),
    })
    .await;
    let gateway = behind(&upstream).await;
    for client in ALL {
        for provider in ALL.into_iter().filter(|provider| *provider != client) {
            for (title, status) in [("error", 400), ("garbage", 502), ("empty", 502)] {
                let (path, body) = client.asking(&format!("{}/m", provider.name()), "hi");
                let answer = gateway.post_with(&path, &[("x-title", title)], body.to_string()).await;
                let context = format!("{client:?} over {provider:?}, {title}: {}", answer.text());
                assert_eq!((answer.head.status, answer.whole), (status, true), "{context}");
                let body = parsed(&answer);
                let message = if client == Counter::Converse { &body["message"] } else { &body["error"]["message"] };
                let message = message.as_str().unwrap_or_else(|| panic!("{context}"));
                assert_eq!(message == "they say no", title == "error", "{context}");
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused() {
    let upstream = Upstream::start(|request| panic!("{} is not for this", request.path)).await;
    let gateway = behind(&upstream).await;
    for (path, body) in [
        ("/v1/messages/count_tokens", r#"{"model":"nobody/m"}"#),
        ("/v1/messages/count_tokens", r#"{"messages":[]}"#),
        ("/v1beta/models/nobody%2Fm:countTokens", "{}"),
        ("/model/nobody%2Fm/count-tokens", "{}"),
        ("/model/nobody%2Fm/count-tokens", r#"{"input":{"invokeModel":{"body":"e30="}}}"#),
        ("/v1/responses/input_tokens", r#"{"model":"nobody/m"}"#),
    ] {
        let answer = gateway.post(path, body).await;
        assert_eq!(answer.head.status, 400, "{path} {body}: {}", answer.text());
    }
}

/// Gemini's clients may put a whole request where others put its contents.
#[tokio::test]
async fn a_whole_request_can_be_counted() {
    let upstream = Upstream::start(|request| Reply::json(200, Counter::of(&request.path).counted(7))).await;
    let gateway = behind(&upstream).await;
    let whole = json!({"generateContentRequest": {"model": "models/x", "contents": [{"parts": [{"text": "hi"}]}],
        "systemInstruction": {"parts": [{"text": "be brief"}]}}});
    let answer = gateway.post("/v1beta/models/messages%2Fm:countTokens", whole.to_string()).await;
    assert_eq!(Counter::Gemini.count(&answer), 7);
    let sent = upstream.requests().pop().expect("a request");
    assert!(sent.text().contains("be brief") && sent.text().contains("\"model\":\"m\""), "{}", sent.text());
    let answer = gateway.post("/v1beta/models/contents%2Fm:countTokens", whole.to_string()).await;
    assert_eq!(Counter::Gemini.count(&answer), 7);
    assert_eq!(upstream.requests().pop().expect("a request").text(), whole.to_string(), "Gemini gets it as it is");
}

/// Numbers keep their spelling: a vector that was rounded is another one.
#[tokio::test]
async fn gemini_clients_get_embeddings_of_others() {
    let answer = r#"{"object":"list","data":[{"object":"embedding","index":1,"embedding":[0.30,4]},
        {"object":"embedding","index":0,"embedding":[0.10,-1.0e-3]}],"model":"e","usage":{"prompt_tokens":9,"total_tokens":9}}"#;
    let single = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.10,-1.0e-3]}],"usage":{"prompt_tokens":4,"total_tokens":4}}"#;
    let provider = Provider::listing(&["e"], move |request| {
        Reply::json(200, if request.text().contains("second") { answer } else { single })
    })
    .await;
    let gateway = provider.behind_gateway().await;
    let content = |text: &str| json!({"parts": [{"text": text}]});
    let body = json!({"content": content("first"), "outputDimensionality": 2, "taskType": "RETRIEVAL_QUERY"});
    for path in ["/v1beta/models/e:embedContent", "/v1/models/up%2Fe:embedContent"] {
        let answer = gateway.post(path, body.to_string()).await;
        assert_eq!((answer.head.status, answer.text()), (200, r#"{"embedding":{"values":[0.10,-1.0e-3]}}"#));
        assert_eq!(answer.head.headers.get("x-narthex-dropped"), Some("taskType"));
        let sent = provider.requests().pop().expect("a request");
        assert_eq!(sent.path, "/v1/embeddings");
        assert_eq!(sent.text(), r#"{"model":"e","input":["first"],"encoding_format":"float","dimensions":2}"#);
    }
    let body =
        json!({"requests": [{"model": "models/e", "content": content("first")}, {"content": content("second")}]});
    let answer = gateway.post("/v1beta/models/e:batchEmbedContents", body.to_string()).await;
    assert_eq!(answer.text(), r#"{"embeddings":[{"values":[0.10,-1.0e-3]},{"values":[0.30,4]}]}"#);
    let line = gateway.access_lines(3).await.remove(2);
    assert_eq!((&line["input_tokens"], &line["status"]), (&9.into(), &200.into()), "{line}");
    // Fewer than were asked for, and something else than text.
    let body = json!({"requests": [{"content": content("first")}, {"content": content("third")}]});
    let answer = gateway.post("/v1beta/models/e:batchEmbedContents", body.to_string()).await;
    assert_eq!((answer.head.status, parsed(&answer)["error"]["code"].as_u64()), (502, Some(502)));
    let image = r#"{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"AA=="}}]}}"#;
    let answer = gateway.post("/v1beta/models/e:embedContent", image).await;
    assert_eq!((answer.head.status, parsed(&answer)["error"]["status"].as_str()), (400, Some("INVALID_ARGUMENT")));
}

#[tokio::test]
async fn gemini_embeds_for_its_own_clients_as_they_ask() {
    let upstream = Upstream::start(|_| Reply::json(200, r#"{ "embedding" : {"values":[1.0]} }"#)).await;
    let gateway = behind(&upstream).await;
    let body = r#"{ "content":{"parts":[{"text":"a"}]}, "unheard_of": 1.0 }"#;
    for verb in ["embedContent", "batchEmbedContents"] {
        let answer = gateway.post(&format!("/v1beta/models/contents%2Fm:{verb}"), body).await;
        assert_eq!((answer.head.status, answer.text()), (200, r#"{ "embedding" : {"values":[1.0]} }"#));
        let sent = upstream.requests().pop().expect("a request");
        assert_eq!((sent.path.as_str(), sent.text()), (format!("/v1beta/models/m:{verb}").as_str(), body));
        assert_eq!(sent.headers.get("x-goog-api-key"), Some("secret"));
        let answer = gateway.post(&format!("/v1beta/models/messages%2Fm:{verb}"), body).await;
        assert_eq!(
            (answer.head.status, parsed(&answer)["error"]["code"].as_u64()),
            (400, Some(400)),
            "no Claude embeds"
        );
    }
}
