//! OpenAI's two dialects, which have the most to say: what their answers look like, and what is refused. What all dialects have
//! in common is tested over real sockets.

use serde_json::{Value, json};

use super::*;

fn turn(dialect: Dialect, body: &Value, late: Option<Late>) -> Result<Answer, Failure> {
    let turn = Turn::read(dialect, None, None, &Bytes::from(body.to_string()), "1".to_owned());
    turn.map_err(|refusal| Failure::from(&refusal))?.answer(None, late)
}

fn whole(dialect: Dialect, body: Value) -> Result<Value, Failure> {
    match turn(dialect, &body, None)? {
        Answer::Whole { body, .. } => Ok(serde_json::from_slice(&body).unwrap()),
        _ => panic!("not a whole answer"),
    }
}

/// Each event's data; its name, where it has one, repeats the type.
fn stream(dialect: Dialect, mut body: Value) -> Vec<Value> {
    body["stream"] = json!(true);
    let Answer::Stream { events, .. } = turn(dialect, &body, None).unwrap() else { panic!("not a stream") };
    let text = events.text();
    let text = text.strip_suffix("data: [DONE]\n\n").unwrap_or(&text);
    let read = |event: &str| {
        let (name, data) = event.rsplit_once("data: ").unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        if let Some(name) = name.strip_prefix("event: ") {
            assert_eq!(Some(name.trim_end()), data["type"].as_str());
        }
        data
    };
    text.split_terminator("\n\n").map(read).collect()
}

fn with(mut body: Value, more: Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

mod chat {
    use super::*;

    const CHAT: Dialect = Dialect::OpenaiChat;

    fn hello(more: Value) -> Value {
        with(json!({"model": "m", "messages": [{"role": "user", "content": "hello there"}]}), more)
    }

    fn weather() -> Value {
        json!([{"type": "function", "function": {"name": "weather", "parameters": {
            "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
        }}}])
    }

    #[test]
    fn a_whole_answer_quotes_the_user_and_adds_up() {
        let answer = whole(CHAT, hello(json!({"n": 2, "reasoning_effort": "low"}))).unwrap();
        assert_eq!(answer["object"], "chat.completion");
        assert_eq!(
            (&answer["service_tier"], &answer["system_fingerprint"]),
            (&"default".into(), &"fp_simulator".into())
        );
        assert_eq!(answer["choices"][1]["index"], 1);
        let message = &answer["choices"][1]["message"];
        assert!(message["content"].as_str().unwrap().contains("hello there"));
        assert_eq!(answer["choices"][1]["finish_reason"], "stop");
        let usage = &answer["usage"];
        assert_eq!(usage["prompt_tokens"], 2);
        assert_eq!(usage["completion_tokens"], 2 * (12 - 2 + 4) + 4);
        assert_eq!(usage["total_tokens"], 34);
        assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 8);
    }

    #[test]
    fn a_stream_folds_to_the_whole_answer() {
        let answer = whole(CHAT, hello(json!({}))).unwrap();
        let chunks = stream(CHAT, hello(json!({"stream_options": {"include_usage": true}})));
        let text: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
        assert_eq!(answer["choices"][0]["message"]["content"], text.as_str());
        let (usage, others) = chunks.split_last().unwrap();
        assert_eq!(usage["choices"], json!([]));
        assert_eq!(usage["usage"], answer["usage"]);
        assert!(others.iter().all(|chunk| chunk["usage"] == Value::Null));
        assert_eq!(others[0]["choices"][0]["delta"]["role"], "assistant");
        assert_eq!(others.last().unwrap()["choices"][0]["finish_reason"], "stop");
        assert!(stream(CHAT, hello(json!({})))[0].get("usage").is_none());
    }

    #[test]
    fn tools_are_called_then_answered() {
        let answer = whole(CHAT, hello(json!({"tools": weather()}))).unwrap();
        let choice = &answer["choices"][0];
        assert_eq!(choice["finish_reason"], "tool_calls");
        assert_eq!(choice["message"]["content"], Value::Null);
        let call = &choice["message"]["tool_calls"][0];
        assert_eq!(call["function"]["name"], "weather");
        assert_eq!(call["function"]["arguments"], r#"{"city":"city"}"#);

        let chunks = stream(CHAT, hello(json!({"tools": weather()})));
        let deltas = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"].get("tool_calls"));
        let arguments: String = deltas.filter_map(|calls| calls[0]["function"]["arguments"].as_str()).collect();
        assert_eq!(arguments, r#"{"city":"city"}"#);

        let told = whole(
            CHAT,
            json!({"model": "m", "tools": weather(), "messages": [
                {"role": "user", "content": "weather?"},
                {"role": "assistant", "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "c", "content": "21 degrees"},
            ]}),
        );
        let text = told.unwrap()["choices"][0]["message"]["content"].clone();
        assert!(text.as_str().unwrap().contains("21 degrees"));
    }

    #[test]
    fn logprobs_cover_every_token() {
        let asked = hello(json!({"logprobs": true, "top_logprobs": 2}));
        let answer = whole(CHAT, asked.clone()).unwrap();
        let choice = &answer["choices"][0];
        let tokens = choice["logprobs"]["content"].as_array().unwrap();
        let text: String = tokens.iter().map(|token| token["token"].as_str().unwrap()).collect();
        assert_eq!(choice["message"]["content"], text.as_str());
        assert_eq!(tokens[0]["top_logprobs"][0]["token"], "You");
        let chunks = stream(CHAT, asked);
        let streamed = chunks.iter().filter_map(|chunk| chunk["choices"][0]["logprobs"]["content"].as_array());
        assert_eq!(streamed.flatten().count(), tokens.len());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let param = |body: Value| whole(CHAT, body).unwrap_err().param;
        assert_eq!(param(json!({"messages": []})).as_deref(), Some("model"));
        assert_eq!(param(json!({"model": "m"})).as_deref(), Some("messages"));
        assert_eq!(param(hello(json!({"n": 0}))).as_deref(), Some("n"));
        assert_eq!(param(hello(json!({"tool_choice": "required"}))).as_deref(), Some("tool_choice"));
        let nowhere = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": false}});
        assert_eq!(param(hello(json!({"response_format": nowhere}))).as_deref(), Some("response_format"));
        let late = Late { after: 3, failure: Failure::new(http::StatusCode::IM_A_TEAPOT, "late") };
        let failed = turn(CHAT, &hello(json!({})), Some(late)).map(|_| ()).unwrap_err();
        assert_eq!(failed.message, "late");
    }
}

mod responses {
    use super::*;

    const RESPONSES: Dialect = Dialect::OpenaiResponses;

    fn kinds(events: &[Value]) -> Vec<&str> {
        let mut kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
        kinds.dedup();
        kinds
    }

    #[test]
    fn a_text_comes_with_every_event() {
        let events = stream(RESPONSES, json!({"model": "m", "input": "hello there"}));
        assert_eq!(
            kinds(&events),
            [
                "response.created",
                "response.in_progress",
                "response.output_item.added",
                "response.content_part.added",
                "response.output_text.delta",
                "response.output_text.done",
                "response.content_part.done",
                "response.output_item.done",
                "response.completed",
            ]
        );
        for (number, event) in events.iter().enumerate() {
            assert_eq!(event["sequence_number"], number);
        }
        let end = &events.last().unwrap()["response"];
        let text: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
        assert_eq!(end["output"][0]["content"][0]["text"], text.as_str());
        assert!(text.contains("hello there"));
        assert_eq!(events[2]["item"]["id"], events[4]["item_id"]);
        assert_eq!(events[0]["response"]["output"], json!([]));
    }

    #[test]
    fn reasoning_comes_first_with_its_summary() {
        let body = json!({"model": "m", "input": "hi", "include": ["reasoning.encrypted_content"],
            "reasoning": {"effort": "low", "summary": "auto"}});
        let events = stream(RESPONSES, body.clone());
        assert_eq!(
            kinds(&events)[2..7],
            [
                "response.output_item.added",
                "response.reasoning_summary_part.added",
                "response.reasoning_summary_text.delta",
                "response.reasoning_summary_text.done",
                "response.reasoning_summary_part.done",
            ]
        );
        let answer = whole(RESPONSES, body).unwrap();
        let thought = answer["output"][0].clone();
        assert_eq!(thought["type"], "reasoning");
        assert!(thought["encrypted_content"].is_string());
        assert_eq!(answer["output"][1]["type"], "message");
        assert_eq!(answer["usage"]["output_tokens_details"]["reasoning_tokens"], 4);
        let plain = whole(RESPONSES, json!({"model": "m", "input": "hi", "reasoning": {"effort": "low"}})).unwrap();
        assert_eq!(plain["output"][0]["summary"], json!([]));

        let again = |thought: &Value| {
            let input = json!([thought, {"role": "user", "content": "and now?"}]);
            whole(RESPONSES, json!({"model": "m", "input": input}))
        };
        assert!(again(&thought).is_ok());
        let altered = with(thought, json!({"encrypted_content": "AAAA"}));
        assert_eq!(again(&altered).unwrap_err().code.as_deref(), Some("invalid_encrypted_content"));
    }

    #[test]
    fn tools_of_both_kinds_are_called() {
        let tools = json!([
            {"type": "function", "name": "weather", "parameters": {"type": "object",
                "properties": {"city": {"type": "string"}}, "required": ["city"]}},
            {"type": "custom", "name": "shell"},
            {"type": "web_search"},
        ]);
        let body = json!({"model": "m", "input": "weather and shell", "tools": tools});
        let answer = whole(RESPONSES, body.clone()).unwrap();
        assert_eq!(answer["output"][0]["arguments"], r#"{"city":"city"}"#);
        assert_eq!(answer["output"][1]["type"], "custom_tool_call");
        assert_eq!(answer["tools"], tools);
        let events = stream(RESPONSES, body);
        let kinds = kinds(&events);
        assert!(kinds.contains(&"response.function_call_arguments.done"));
        assert!(kinds.contains(&"response.custom_tool_call_input.done"));
    }

    #[test]
    fn what_is_stored_elsewhere_is_repeated_and_not_missed() {
        let body = json!({"model": "m", "input": "hi", "previous_response_id": "resp_1", "metadata": {"a": "b"}});
        let answer = whole(RESPONSES, body).unwrap();
        assert_eq!((&answer["previous_response_id"], &answer["metadata"]["a"]), (&"resp_1".into(), &"b".into()));
        let waiting = whole(RESPONSES, json!({"model": "m", "input": "hi", "background": true})).unwrap_err();
        assert_eq!(waiting.param.as_deref(), Some("background"));
    }

    #[test]
    fn a_limit_leaves_it_incomplete() {
        let body = json!({"model": "m", "input": "hi", "max_output_tokens": 2});
        let answer = whole(RESPONSES, body.clone()).unwrap();
        assert_eq!(answer["status"], "incomplete");
        assert_eq!(answer["incomplete_details"]["reason"], "max_output_tokens");
        assert_eq!(answer["output"][0]["status"], "incomplete");
        assert_eq!(stream(RESPONSES, body).last().unwrap()["type"], "response.incomplete");
    }
}
