//! Conversations that are continued by the id of their last response.

use super::{Client, Talk, completed, heard, lines, parsed, said, setup};
use crate::support::gateway::JSON;
use crate::support::http::{Body, Piece};
use crate::support::upstream::{Gate, Reply, Upstream};
use crate::support::wire::Wire;
use serde_json::{Value, json};

#[tokio::test]
async fn each_turn_has_the_whole_conversation_once() {
    // By translation, and by the very dialect at a provider that forgets.
    for model in ["chat/m", "native/gpt-5-codex"] {
        let talk = Talk::start().await;
        let client = talk.client();
        let first = client.turn(model, None, "one").await;
        assert_eq!(first["previous_response_id"], Value::Null);
        let second = client.turn(model, Some(&first), "two").await;
        let third = client
            .create(json!({"model": model, "previous_response_id": second["id"], "stream": false,
                "input": [{"role": "user", "content": "three"}]}))
            .await;
        if model == "chat/m" {
            assert_eq!(second["previous_response_id"], first["id"]);
            assert_eq!(third["previous_response_id"], second["id"]);
            assert_eq!(
                lines(&talk.heard()),
                ["user: one", "assistant: answer 1", "user: two", "assistant: answer 2", "user: three"]
            );
            let ids = [&first["id"], &second["id"], &third["id"]].map(|id| id.as_str().expect("an id"));
            assert!(ids.iter().all(|id| id.starts_with("resp_")) && ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
        } else {
            let body = parsed(&talk.last().body);
            assert_eq!(body.get("previous_response_id"), None);
            assert_eq!(body["input"].as_array().expect("input").len(), 5, "{body}");
            for words in ["one", "answer 1", "two", "answer 2", "three"] {
                assert_eq!(talk.last().text().matches(&format!("\"{words}\"")).count(), 1, "{words}: {body}");
            }
        }
    }
}

/// OpenAI does not carry them over either.
#[tokio::test]
async fn instructions_are_for_one_turn() {
    let talk = Talk::start().await;
    let asking = |instructions: Value, previous: Value| json!({"model": "chat/m", "input": "hi", "instructions": instructions, "previous_response_id": previous});
    let first = talk.client().create(asking("be brief".into(), Value::Null)).await;
    assert_eq!(lines(&talk.heard()), ["system: be brief", "user: hi"]);
    let second = talk.client().create(asking("be long".into(), first["id"].clone())).await;
    assert_eq!(lines(&talk.heard()), ["system: be long", "user: hi", "assistant: answer 1", "user: hi"]);
    talk.client().create(asking(Value::Null, second["id"].clone())).await;
    assert_eq!(
        lines(&talk.heard()),
        ["user: hi", "assistant: answer 1", "user: hi", "assistant: answer 2", "user: hi"]
    );
}

#[tokio::test]
async fn a_conversation_may_branch() {
    let talk = Talk::start().await;
    let root = talk.client().turn("chat/m", None, "root").await;
    let left = talk.client().turn("chat/m", Some(&root), "left").await;
    let right = talk.client().turn("chat/m", Some(&root), "right").await;
    for (previous, words, answer) in [(&left, "left", "answer 2"), (&right, "right", "answer 3")] {
        talk.client().turn("chat/m", Some(previous), "on").await;
        let expected = [
            "user: root",
            "assistant: answer 1",
            &format!("user: {words}"),
            &format!("assistant: {answer}"),
            "user: on",
        ];
        assert_eq!(lines(&talk.heard()), expected);
    }
}

/// The model may change from turn to turn, and the dialect with it.
#[tokio::test]
async fn a_conversation_may_move_to_another_provider() {
    let talk = Talk::start().await;
    let first = talk.client().turn("chat/m", None, "one").await;
    let second = talk.client().turn("messages/m", Some(&first), "two").await;
    assert_eq!(talk.last().path, "/v1/messages");
    assert_eq!(lines(&talk.heard()), ["user: one", "assistant: answer 1", "user: two"]);
    let third = talk.client().turn("native/gpt-5-codex", Some(&second), "three").await;
    assert_eq!(parsed(&talk.last().body)["input"].as_array().map(Vec::len), Some(5));
    talk.client().turn("chat/m", Some(&third), "four").await;
    assert_eq!(talk.heard().len(), 7);
}

#[tokio::test]
async fn items_may_be_named_instead_of_repeated() {
    let talk = Talk::start().await;
    let client = talk.client();
    let first = client.turn("chat/m", None, "one").await;
    let named = json!({"type": "item_reference", "id": first["output"][0]["id"]});
    let input = json!([{"role": "user", "content": "zero"}, named, {"role": "user", "content": "two"}]);
    let second = client.create(json!({"model": "chat/m", "input": input})).await;
    assert_eq!(lines(&talk.heard()), ["user: zero", "assistant: answer 1", "user: two"]);
    // What was named is kept as what it is, so that the next turn has it too.
    client.turn("chat/m", Some(&second), "three").await;
    assert_eq!(
        lines(&talk.heard()),
        ["user: zero", "assistant: answer 1", "user: two", "assistant: answer 2", "user: three"]
    );
    // The items of an input have names as well.
    let items = parsed(&client.get(&first["id"], "/input_items").await.body);
    let named = json!([{"type": "item_reference", "id": items["data"][0]["id"]}]);
    client.create(json!({"model": "chat/m", "input": named})).await;
    assert_eq!(lines(&talk.heard()), ["user: one"]);

    let count = talk.upstream.requests().len();
    let unknown = json!([{"type": "item_reference", "id": "msg_nowhere"}, {"role": "user", "content": "x"}]);
    let answer = client.ask("POST", "/v1/responses", Some(&json!({"model": "chat/m", "input": unknown}))).await;
    assert!((400..500).contains(&answer.head.status), "{}", answer.text());
    assert!(answer.text().contains("input[0]"), "{}", answer.text());
    assert_eq!(talk.upstream.requests().len(), count, "nobody was asked half a question");
}

#[tokio::test]
async fn what_is_not_to_be_kept_is_not() {
    let talk = Talk::start().await;
    let client = talk.client();
    for is_stream in [false, true] {
        let secret = client.create(json!({"model": "chat/m", "input": "x", "store": false, "stream": is_stream})).await;
        assert_eq!(secret["store"], false);
        let answer = client.get(&secret["id"], "").await;
        assert_eq!(super::error(&answer).0, 404);
        let (status, code, param) =
            client.refused(json!({"model": "chat/m", "input": "y", "previous_response_id": secret["id"]})).await;
        assert!(matches!(status, 400 | 404), "{status}");
        assert_eq!((code, param), ("previous_response_not_found".into(), "previous_response_id".into()));
    }
    assert_eq!(talk.upstream.requests().len(), 2);
    // A kept one can be continued by one that is not.
    let kept = client.turn("chat/m", None, "one").await;
    assert_eq!(kept["store"], true);
    client.create(json!({"model": "chat/m", "input": "two", "store": false, "previous_response_id": kept["id"]})).await;
    assert_eq!(talk.heard().len(), 3);
}

#[tokio::test]
async fn an_unknown_response_cannot_be_continued() {
    let talk = Talk::start().await;
    for is_stream in [false, true] {
        let asking =
            json!({"model": "chat/m", "input": "x", "stream": is_stream, "previous_response_id": "resp_nowhere"});
        let (status, code, param) = talk.client().refused(asking).await;
        assert!(matches!(status, 400 | 404), "{status}");
        assert_eq!((code, param), ("previous_response_not_found".into(), "previous_response_id".into()));
    }
    assert!(talk.upstream.requests().is_empty());
}

/// Whoever has read the last event can go on at once.
#[tokio::test]
async fn a_stream_is_kept_when_its_last_event_is_read() {
    let gate = Gate::closed();
    let held = gate.clone();
    // The provider's connection stays open: no end of a body tells that this is all.
    let upstream = Upstream::start(move |request| {
        let text = format!("reply to {}", heard(request).len());
        match Wire::asked(request).1 {
            true => {
                let chunk = |delta: Value, reason: Value| {
                    let choice = json!({"index": 0, "delta": delta, "finish_reason": reason});
                    format!("data: {}\n\n", json!({"id": "c1", "created": 5, "model": "up", "choices": [choice]}))
                };
                let begun = Reply::events().chunk(chunk(json!({"content": text}), Value::Null));
                begun
                    .chunk([chunk(json!({}), "stop".into()), "data: [DONE]\n\n".to_owned()].concat())
                    .pause(&held)
                    .end()
            }
            false => said(Wire::Chat, false, 1, &text),
        }
    })
    .await;
    let gateway = setup(&upstream).start().await;
    let client = Client::of(&gateway);
    let mut previous = Value::Null;
    for turn in 0..20 {
        let asking = json!({"model": "chat/m", "input": format!("turn {turn}"), "stream": true, "previous_response_id": previous});
        let mut connection = gateway.client().await;
        connection.request("POST", "/v1/responses", &[JSON], Body::Length(asking.to_string().as_bytes())).await;
        assert_eq!(connection.read_head().await.status, 200);
        let mut seen = String::new();
        let response = loop {
            match connection.piece().await {
                Piece::Data(data) => seen.push_str(std::str::from_utf8(&data).expect("UTF-8")),
                other => panic!("{other:?}: {seen}"),
            }
            if let Some(response) = completed(&seen) {
                break response;
            }
        };
        let answer = client.get(&response["id"], "").await;
        assert_eq!((answer.head.status, parsed(&answer.body)), (200, response.clone()));
        previous = response["id"].clone();
        gate.open();
    }
    assert_eq!(heard(&upstream.requests().pop().expect("a request")).len(), 39);
}

/// Calls of tools, and the reasoning that led to them, come back to the provider as it made them.
#[tokio::test]
async fn calls_and_reasoning_are_part_of_it() {
    let upstream = Upstream::start(|request| match request.text().contains("tool_result") {
        false => Reply::json(
            200,
            r#"{"id":"msg_1","type":"message","role":"assistant","model":"up","stop_reason":"tool_use",
                "usage":{"input_tokens":1,"output_tokens":2},"content":[
                {"type":"thinking","thinking":"hm","signature":"c2lnbmVk"},{"type":"redacted_thinking","data":"c2VhbGVk"},
                {"type":"tool_use","id":"toolu_1","name":"f","input":{"n":1.50}}]}"#,
        ),
        true => said(Wire::Messages, false, 1, "done"),
    })
    .await;
    let gateway = setup(&upstream).start().await;
    let client = Client::of(&gateway);
    let tools = json!([{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": false}]);
    let first = client.create(json!({"model": "messages/m", "input": "go", "tools": tools})).await;
    let call = first["output"].as_array().expect("output").iter().find(|item| item["type"] == "function_call");
    let call = call.expect("a call");
    assert_eq!((&call["call_id"], &call["arguments"]), (&"toolu_1".into(), &r#"{"n":1.50}"#.into()));
    let output = json!([{"type": "function_call_output", "call_id": "toolu_1", "output": "7"}]);
    client
        .create(json!({"model": "messages/m", "input": output, "tools": tools, "previous_response_id": first["id"]}))
        .await;
    let sent = upstream.requests().pop().expect("a request");
    let messages = &parsed(&sent.body)["messages"];
    let blocks = messages[1]["content"].as_array().expect("blocks");
    assert_eq!(blocks[0], json!({"type": "thinking", "thinking": "hm", "signature": "c2lnbmVk"}), "{messages}");
    assert_eq!(blocks[1], json!({"type": "redacted_thinking", "data": "c2VhbGVk"}), "{messages}");
    assert!(sent.text().contains(r#""input":{"n":1.50}"#), "{}", sent.text());
    assert_eq!(messages[2]["content"][0]["tool_use_id"], "toolu_1", "{messages}");
}

/// An answer that failed is none that could be continued; one that was cut short is.
#[tokio::test]
async fn only_answers_are_kept() {
    let upstream = Upstream::start(|request| match Wire::asked(request).1 {
        true => Reply::events().chunk("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n").cut(),
        false => Reply::json(
            200,
            r#"{"id":"c1","object":"chat.completion","created":5,"model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"half"},"finish_reason":"length"}]}"#,
        ),
    })
    .await;
    let gateway = setup(&upstream).start().await;
    let client = Client::of(&gateway);
    let broken =
        client.ask("POST", "/v1/responses", Some(&json!({"model": "chat/m", "input": "x", "stream": true}))).await;
    let created = broken.text().lines().find_map(|line| line.strip_prefix("data: ")).expect("an event");
    let id = parsed(created.as_bytes())["response"]["id"].clone();
    assert!(id.as_str().is_some_and(|id| id.starts_with("resp_")), "{id}");
    assert_eq!(super::error(&client.get(&id, "").await).0, 404);

    let short = client.create(json!({"model": "chat/m", "input": "x"})).await;
    assert_eq!(short["status"], "incomplete");
    assert_eq!(parsed(&client.get(&short["id"], "").await.body), short);
    client.turn("chat/m", Some(&short), "go on").await;
    assert_eq!(
        lines(&heard(&upstream.requests().pop().expect("a request"))),
        ["user: x", "assistant: half", "user: go on"]
    );
}

/// Whoever counts or compacts may name what it continues as well.
#[tokio::test]
async fn counting_sees_the_whole_conversation() {
    let talk = Talk::start().await;
    let first = talk.client().turn("chat/m", None, &"word ".repeat(400)).await;
    let count = async |previous: Value| {
        let asking = json!({"model": "chat/m", "input": "x", "previous_response_id": previous});
        let answer = talk.client().ask("POST", "/v1/responses/input_tokens", Some(&asking)).await;
        assert_eq!(answer.head.status, 200, "{}", answer.text());
        parsed(&answer.body)["input_tokens"].as_u64().expect("a number")
    };
    let (alone, continued) = (count(Value::Null).await, count(first["id"].clone()).await);
    assert!(continued > alone + 400, "{alone} {continued}");
}
