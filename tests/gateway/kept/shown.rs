//! What is kept can be asked for, listed, deleted; by whoever it belongs to.

use super::{Client, Talk, error, parsed, provider, setup};
use serde_json::{Value, json};

#[tokio::test]
async fn a_response_is_shown_as_it_was_answered() {
    let talk = Talk::start().await;
    let client = talk.client();
    for is_stream in [false, true] {
        let metadata = json!({"note": "Grüße"});
        let asking =
            json!({"model": "chat/m", "input": "x", "stream": is_stream, "metadata": metadata, "temperature": 0.50});
        let response = client.create(asking).await;
        assert_eq!((&response["metadata"], &response["temperature"]), (&metadata, &json!(0.5)));
        for rest in ["", "?include=output", "/"] {
            let answer = client.get(&response["id"], rest).await;
            assert_eq!((answer.head.status, parsed(&answer.body)), (200, response.clone()), "{rest}");
            assert_eq!(answer.head.headers.get("content-type"), Some("application/json"));
        }
        let id = response["id"].as_str().expect("an id");
        let short = client.ask("GET", &format!("/responses/{id}"), None).await;
        assert_eq!(parsed(&short.body), response, "`/v1` may be left out");
        let head = client.ask("HEAD", &format!("/v1/responses/{id}"), None).await;
        assert_eq!((head.head.status, head.body.len()), (200, 0));
        let streamed = client.get(&response["id"], "?stream=true").await;
        assert_eq!(error(&streamed).0, 400);
    }
    assert_eq!(talk.upstream.requests().len(), 2, "the provider is not asked again");
    assert_eq!(talk.gateway.access_lines(3).await[1]["operation"], "stored response");
}

#[tokio::test]
async fn a_response_can_be_deleted_once() {
    let talk = Talk::start().await;
    let client = talk.client();
    let first = client.turn("chat/m", None, "one").await;
    let second = client.turn("chat/m", Some(&first), "two").await;
    let answer = client.delete(&first["id"]).await;
    assert_eq!(answer.head.status, 200);
    assert_eq!(parsed(&answer.body), json!({"id": first["id"], "object": "response", "deleted": true}));
    for answer in [
        client.delete(&first["id"]).await,
        client.get(&first["id"], "").await,
        client.get(&first["id"], "/input_items").await,
    ] {
        assert_eq!(error(&answer).0, 404);
    }
    // What continued it is there, but has lost its beginning.
    assert_eq!(client.get(&second["id"], "").await.head.status, 200);
    let (status, code, param) =
        client.refused(json!({"model": "chat/m", "input": "x", "previous_response_id": second["id"]})).await;
    assert_eq!((status, code, param), (400, "previous_response_not_found".into(), "previous_response_id".into()));
    assert_eq!(talk.upstream.requests().len(), 2);
}

#[tokio::test]
async fn the_input_is_listed_in_pages() {
    let talk = Talk::start().await;
    let client = talk.client();
    let words: Vec<_> = (0..25).map(|n| json!({"role": "user", "content": format!("w{n}")})).collect();
    let response = client.create(json!({"model": "chat/m", "input": words})).await;
    let list = async |query: &str| {
        let answer = client.get(&response["id"], &format!("/input_items{query}")).await;
        assert_eq!(answer.head.status, 200, "{}", answer.text());
        let list = parsed(&answer.body);
        assert_eq!(list["object"], "list");
        let data = list["data"].as_array().expect("data").clone();
        assert!(data.iter().all(|item| item["type"] == "message" && item["id"].is_string()), "{list}");
        assert_eq!(list["first_id"], data.first().map_or(Value::Null, |item| item["id"].clone()));
        assert_eq!(list["last_id"], data.last().map_or(Value::Null, |item| item["id"].clone()));
        let words = |item: &Value| match &item["content"] {
            Value::Array(parts) => parts[0]["text"].as_str().expect("text").to_owned(),
            text => text.as_str().expect("text").to_owned(),
        };
        (data.iter().map(words).collect::<Vec<_>>(), list["has_more"] == true, list["last_id"].clone())
    };
    let words = |numbers: Vec<usize>| numbers.into_iter().map(|n| format!("w{n}")).collect::<Vec<_>>();
    // The latest first, twenty of them, unless it is asked for otherwise.
    let (page, has_more, last) = list("").await;
    assert_eq!((page, has_more), (words((5..25).rev().collect()), true));
    let (page, has_more, _) = list(&format!("?after={}", last.as_str().expect("an id"))).await;
    assert_eq!((page, has_more), (words((0..5).rev().collect()), false));
    let (mut seen, mut query) = (Vec::new(), "?order=asc&limit=10".to_owned());
    loop {
        let (page, has_more, last) = list(&query).await;
        seen.extend(page);
        if !has_more {
            break;
        }
        query = format!("?after={}&limit=10&order=asc", last.as_str().expect("an id"));
    }
    assert_eq!(seen, words((0..25).collect()));
    assert_eq!(list("?limit=100").await.0.len(), 25);
    assert_eq!(list("?limit=1&order=desc").await.0, ["w24"]);
    // Only what this turn has said.
    let next = client.turn("chat/m", Some(&response), "next").await;
    let items = parsed(&client.get(&next["id"], "/input_items").await.body);
    assert_eq!(items["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn what_cannot_be_done_is_said() {
    let talk = Talk::start().await;
    let client = talk.client();
    let response = client.turn("chat/m", None, "one").await;
    let id = response["id"].as_str().expect("an id");
    for (method, path, status) in [
        ("POST", format!("/v1/responses/{id}/cancel"), 400),
        ("POST", "/v1/responses/resp_nowhere/cancel".to_owned(), 404),
        ("GET", "/v1/responses/resp_nowhere".to_owned(), 404),
        ("GET", "/v1/responses/resp_nowhere/input_items".to_owned(), 404),
        ("DELETE", "/v1/responses/resp_nowhere".to_owned(), 404),
        ("GET", format!("/v1/responses/{id}/output_items"), 404),
        ("PUT", format!("/v1/responses/{id}"), 404),
        ("POST", format!("/v1/responses/{id}"), 404),
        ("DELETE", format!("/v1/responses/{id}/input_items"), 404),
        ("GET", "/v1/responses/%2e%2e%2fmodels".to_owned(), 404),
        ("GET", "/v1/responses/'%20OR%201=1;--".to_owned(), 404),
        ("GET", "/v1/responses".to_owned(), 405),
    ] {
        let answer = client.ask(method, &path, None).await;
        assert_eq!(error(&answer).0, status, "{method} {path}: {}", answer.text());
    }
    assert_eq!(client.get(&response["id"], "").await.head.status, 200, "it is still there");
}

/// Another key's response does not exist, whatever is asked of it.
#[tokio::test]
async fn nobody_finds_anothers() {
    let upstream = provider().await;
    let gateway = setup(&upstream)
        .and("keys:\n  anna: {value: key-anna}\n  bert: {value: key-bert}")
        .env("NARTHEX_MASTER_KEY", "key-master")
        .start()
        .await;
    let anna = Client::with_key(&gateway, "key-anna");
    let response = anna.turn("chat/m", None, "my secret").await;
    let item = response["output"][0]["id"].clone();
    let count = upstream.requests().len();
    for key in ["key-bert", "key-master"] {
        let other = Client::with_key(&gateway, key);
        for answer in [
            other.get(&response["id"], "").await,
            other.get(&response["id"], "/input_items").await,
            other.delete(&response["id"]).await,
            other.ask("POST", &format!("/v1/responses/{}/cancel", response["id"].as_str().expect("an id")), None).await,
        ] {
            assert_eq!(error(&answer).0, 404, "{key}");
            assert!(!answer.text().contains("secret"));
        }
        let (status, code, _) =
            other.refused(json!({"model": "chat/m", "input": "x", "previous_response_id": response["id"]})).await;
        assert!(matches!(status, 400 | 404), "{status}");
        assert_eq!(code, "previous_response_not_found");
        let named = json!([{"type": "item_reference", "id": item}, {"role": "user", "content": "x"}]);
        let answer = other.ask("POST", "/v1/responses", Some(&json!({"model": "chat/m", "input": named}))).await;
        assert!((400..500).contains(&answer.head.status), "{key}: {}", answer.text());
        assert!(!answer.text().contains("secret"));
    }
    let nobody = Client::of(&gateway);
    assert_eq!(error(&nobody.get(&response["id"], "").await).0, 401);
    assert_eq!(upstream.requests().len(), count, "nobody was asked");
    anna.turn("chat/m", Some(&response), "go on").await;
    assert_eq!(anna.delete(&response["id"]).await.head.status, 200);
}

/// A conversation that only its provider could make shorter is given back as it is.
#[tokio::test]
async fn a_conversation_is_not_compacted_by_us() {
    let talk = Talk::start().await;
    let client = talk.client();
    let input = json!([{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]);
    let compact = async |body: Value| {
        let answer = client.ask("POST", "/v1/responses/compact", Some(&body)).await;
        assert_eq!(answer.head.status, 200, "{}", answer.text());
        assert_eq!(answer.head.headers.get("x-narthex-estimated"), Some("true"));
        parsed(&answer.body)
    };
    let compacted = compact(json!({"model": "chat/m", "input": input})).await;
    assert_eq!(
        (&compacted["object"], compacted["output"].as_array().map(Vec::len)),
        (&"response.compaction".into(), Some(2))
    );
    assert!(compacted["id"].as_str().is_some_and(|id| id.starts_with("resp_")));
    assert!(compacted["usage"]["input_tokens"].as_u64() > Some(0));
    // It can be sent as it is.
    client.create(json!({"model": "chat/m", "input": compacted["output"]})).await;
    assert_eq!(super::lines(&talk.heard()), ["user: one", "assistant: two"]);
    let first = client.turn("chat/m", None, "hello").await;
    let compacted = compact(json!({"model": "chat/m", "previous_response_id": first["id"]})).await;
    assert_eq!(compacted["output"].as_array().map(Vec::len), Some(2), "{compacted}");
}
