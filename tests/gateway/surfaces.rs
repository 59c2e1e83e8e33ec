//! One gateway, four kinds of SDK: keys as each presents them, lists of models as each reads them, refusals as each shows them.

use crate::support::gateway::{Gateway, JSON, Setup};
use crate::support::http::{Answer, Body};
use crate::support::upstream::Upstream;
use crate::support::wire::{TEXT, Told, Wire};
use serde_json::{Value, json};

async fn start(upstream: &Upstream) -> Gateway {
    let root = format!("http://{}", upstream.address);
    Setup::instances([("messages", Wire::Messages.instance(&root)), ("contents", Wire::Gemini.instance(&root))])
        .and("keys: {team: {value: \"team/key+1\"}}")
        .start()
        .await
}

async fn ask(gateway: &Gateway, wire: Wire, query: &str, headers: &[(&str, &str)]) -> Answer {
    let (path, body) = wire.asking("messages/m", "hi", false);
    gateway.post_with(&format!("{path}{query}"), headers, body).await
}

const SIGNED: &str =
    "AWS4-HMAC-SHA256 Credential=AKIA/20261122/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=00";

#[tokio::test]
async fn every_surface_takes_a_key_in_every_form() {
    let upstream = Upstream::start(Wire::reply).await;
    let gateway = start(&upstream).await;
    let forms: [(&str, &[(&str, &str)]); 7] = [
        ("", &[("authorization", "Bearer team/key+1")]),
        ("", &[("x-api-key", "team/key+1")]),
        ("", &[("x-goog-api-key", "team/key+1")]),
        ("", &[("api-key", "team/key+1")]),
        ("?key=team%2Fkey%2B1", &[]),
        // Amazon's SDKs sign with what they have; Anthropic's send both.
        ("", &[("authorization", SIGNED), ("x-api-key", "team/key+1")]),
        ("", &[("authorization", "Bearer another"), ("x-api-key", "team/key+1")]),
    ];
    let mut count = 0;
    for wire in Wire::ALL {
        for (query, headers) in forms {
            let answer = ask(&gateway, wire, query, headers).await;
            assert_eq!(answer.head.status, 200, "{wire:?} {query} {headers:?}: {}", answer.text());
            assert_eq!(Told::of(wire, answer.text()).text, TEXT);
            let sent = upstream.requests().pop().expect("a request");
            assert_eq!(sent.path, if wire == Wire::Messages { "/v1/messages" } else { sent.path.as_str() });
            let leaks = |text: &str| text.contains("team") || text.contains("AWS4") || text.contains("another");
            assert!(!leaks(&sent.path) && !sent.headers.0.iter().any(|(_, value)| leaks(value)), "{sent:?}");
            count += 1;
        }
    }
    let lines = gateway.access_lines(count).await;
    assert!(
        lines.iter().all(|line| line["tenant"] == "team" && !line["path"].as_str().expect("a path").contains("key="))
    );
    assert!(!gateway.output().stdout.contains("team/key") && !gateway.output().stdout.contains("team%2Fkey"));
}

#[tokio::test]
async fn every_surface_says_no_in_its_own_words() {
    let upstream = Upstream::start(|request| panic!("{} is not for this", request.path)).await;
    let gateway = start(&upstream).await;
    for wire in Wire::ALL {
        for (query, headers) in [
            ("", &[][..]),
            ("", &[("authorization", "Bearer wrong")]),
            ("", &[("x-api-key", "wrong")]),
            ("", &[("x-goog-api-key", "wrong")]),
            ("?key=wrong", &[]),
            ("?monkey=team%2Fkey%2B1", &[]),
            ("", &[("authorization", SIGNED)]),
        ] {
            let answer = ask(&gateway, wire, query, headers).await;
            let context = format!("{wire:?} {query} {headers:?}: {}", answer.text());
            assert_eq!(answer.head.status, 401, "{context}");
            assert_eq!(answer.head.headers.get("content-type"), Some("application/json"), "{context}");
            let error: Value = serde_json::from_slice(&answer.body).expect("JSON");
            assert!(!wire.message_of(&error).is_empty(), "{context}");
            match wire {
                Wire::Chat | Wire::Responses => assert_eq!(error["error"]["code"], "invalid_api_key", "{context}"),
                Wire::Messages => assert_eq!(error["error"]["type"], "authentication_error", "{context}"),
                Wire::Gemini => assert_eq!(
                    (&error["error"]["code"], &error["error"]["status"]),
                    (&401.into(), &"UNAUTHENTICATED".into()),
                    "{context}"
                ),
                Wire::Converse => {
                    let class = answer.head.headers.get("x-amzn-errortype");
                    assert_eq!(class, Some("AccessDeniedException"), "{context}");
                }
            }
        }
    }
    for (method, path, wire) in [
        ("POST", "/v1/messages/count_tokens", Wire::Messages),
        ("POST", "/v1beta/models/m:countTokens", Wire::Gemini),
        ("POST", "/v1beta/models/m:embedContent", Wire::Gemini),
        ("POST", "/v1/models/m:streamGenerateContent", Wire::Gemini),
        ("GET", "/v1beta/models", Wire::Gemini),
        ("GET", "/v1beta/models/m", Wire::Gemini),
        ("POST", "/model/m/count-tokens", Wire::Converse),
        ("POST", "/model/m/converse-stream", Wire::Converse),
        ("POST", "/v1/responses/compact", Wire::Responses),
        ("GET", "/v1/responses/resp_1", Wire::Responses),
        ("GET", "/v1/models", Wire::Chat),
    ] {
        let body = if method == "POST" { Body::Length(b"{}") } else { Body::None };
        let answer = gateway.client().await.exchange(method, path, &[JSON], body).await;
        assert_eq!(answer.head.status, 401, "{path}");
        let error: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert!(!wire.message_of(&error).is_empty(), "{path}: {error}");
    }
}

#[tokio::test]
async fn every_sdk_gets_its_own_list_of_models() {
    let upstream = Upstream::start(|request| panic!("{} is not for this", request.path)).await;
    let gateway = start(&upstream).await;
    let get = async |path: &str, headers: &[(&str, &str)]| -> (u16, Value) {
        let answer = gateway.get_with(path, &[&[("x-api-key", "team/key+1")], headers].concat()).await;
        (answer.head.status, serde_json::from_slice(&answer.body).expect("JSON"))
    };
    let ids = ["contents/m", "messages/m"];
    let shown = |list: &Value, member: &str, id: &str| -> Vec<String> {
        let entries = list[member].as_array().unwrap_or_else(|| panic!("{list}"));
        entries.iter().map(|entry| entry[id].as_str().expect("a name").to_owned()).collect()
    };
    let (_, plain) = get("/v1/models", &[]).await;
    assert_eq!(plain["object"], "list");
    assert_eq!(shown(&plain, "data", "id"), ids);
    assert!(plain["data"].as_array().expect("data").iter().all(|model| model["object"] == "model"));

    let anthropic = [("anthropic-version", "2023-06-01")];
    let (_, list) = get("/v1/models?limit=1000", &anthropic).await;
    assert_eq!(shown(&list, "data", "id"), ids);
    assert_eq!(
        (&list["first_id"], &list["last_id"], &list["has_more"]),
        (&ids[0].into(), &ids[1].into(), &false.into())
    );
    assert!(list["data"].as_array().expect("data").iter().all(|model| model["type"] == "model"
        && model["display_name"].is_string()
        && model["created_at"].as_str().is_some_and(|time| time.ends_with('Z'))));
    let (status, model) = get("/v1/models/messages%2Fm", &anthropic).await;
    assert_eq!((status, &model["type"], &model["id"]), (200, &"model".into(), &"messages/m".into()));

    let google = [("x-goog-api-client", "google-genai-sdk/2.0 gl-python/3.13")];
    let names = ids.map(|id| format!("models/{id}"));
    for (path, headers) in [
        ("/v1beta/models", &[][..]),
        ("/v1beta/models?pageSize=50", &google),
        ("/v1alpha/models", &[]),
        ("/v1/models", &google),
    ] {
        let (_, list) = get(path, headers).await;
        assert_eq!(shown(&list, "models", "name"), names, "{path}");
        let methods = &list["models"][0]["supportedGenerationMethods"];
        assert!(methods.as_array().expect("methods").contains(&"generateContent".into()), "{list}");
    }
    for (path, headers) in [
        ("/v1beta/models/messages%2Fm", &[][..]),
        ("/v1beta/models/messages/m", &[]),
        ("/v1/models/messages%2Fm", &google),
    ] {
        let (status, model) = get(path, headers).await;
        assert_eq!((status, &model["name"]), (200, &"models/messages/m".into()), "{path}");
    }
    let (status, error) = get("/v1beta/models/nothing", &[]).await;
    assert_eq!((status, &error["error"]["status"]), (404, &"NOT_FOUND".into()));
}

/// Whatever an SDK may be told to use as its base, with or without a version, with a slash too many.
#[tokio::test]
async fn base_urls_may_end_in_many_ways() {
    let upstream = Upstream::start(Wire::reply).await;
    let gateway = start(&upstream).await;
    let key = [("x-api-key", "team/key+1")];
    for (path, wire) in [
        ("/v1/messages", Wire::Messages),
        ("/messages", Wire::Messages),
        ("/v1/messages/", Wire::Messages),
        ("/v1/messages?beta=true", Wire::Messages),
        ("/chat/completions", Wire::Chat),
        ("/responses", Wire::Responses),
        ("/v1beta/models/messages/m:generateContent", Wire::Gemini),
        ("/v1/models/messages%2fm:generateContent", Wire::Gemini),
        ("/model/messages/m/converse", Wire::Converse),
        ("/model/messages%2Fm/converse", Wire::Converse),
    ] {
        let (_, body) = wire.asking("messages/m", "hi", false);
        let answer = gateway.post_with(path, &key, body).await;
        assert_eq!(answer.head.status, 200, "{path}: {}", answer.text());
        assert_eq!(Told::of(wire, answer.text()).text, TEXT, "{path}");
    }
    for (path, wire) in [
        ("/v1beta/models/messages/m:fly", Wire::Chat),
        ("/model/messages/m/fly", Wire::Chat),
        ("/v1beta/models", Wire::Gemini),
    ] {
        let answer = gateway.post_with(path, &key, json!({}).to_string()).await;
        assert!(matches!(answer.head.status, 404 | 405), "{path}: {}", answer.text());
        let error: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert!(wire == Wire::Gemini || !wire.message_of(&error).is_empty(), "{path}: {error}");
    }
}

/// A key that is limited to some models is so on every surface, also where the model stands in the path.
#[tokio::test]
async fn a_limited_key_is_limited_everywhere() {
    let upstream = Upstream::start(Wire::reply).await;
    let root = format!("http://{}", upstream.address);
    let gateway =
        Setup::instances([("messages", Wire::Messages.instance(&root)), ("contents", Wire::Gemini.instance(&root))])
            .and("keys: {team: {value: k, models: [contents/m]}}")
            .start()
            .await;
    for wire in Wire::ALL {
        let (path, body) = wire.asking("messages/m", "hi", false);
        let answer = gateway.post_with(&path, &[("x-api-key", "k")], body).await;
        assert_eq!(answer.head.status, 403, "{wire:?}: {}", answer.text());
        let error: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert!(wire.message_of(&error).contains("messages/m"), "{error}");
        let (path, body) = wire.asking("contents/m", "hi", false);
        assert_eq!(gateway.post_with(&path, &[("x-api-key", "k")], body).await.head.status, 200, "{wire:?}");
    }
    for path in [
        "/v1beta/models/messages%2Fm:countTokens",
        "/v1beta/models/messages%2Fm:embedContent",
        "/model/messages%2Fm/count-tokens",
    ] {
        assert_eq!(gateway.post_with(path, &[("x-api-key", "k")], "{}").await.head.status, 403, "{path}");
    }
    let list = gateway.get_with("/v1beta/models", &[("x-goog-api-key", "k")]).await;
    assert!(!list.text().contains("messages/m") && list.text().contains("contents/m"), "{}", list.text());
}
