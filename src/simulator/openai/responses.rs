//! `POST /responses`. Nothing is stored: a `previous_response_id` is taken and repeated, but since an answer depends on the
//! last item only, the history that it stands for would not change a word.

mod body;
mod event;
mod write;

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::Behaviour;
use super::super::answer::Answer;
use super::super::script::{self, Ask, Effort, Last};
use super::read::{self, Content, Format, Str, TextOr, bad_value, missing, required};
use super::tools::{self, ToolChoice};
use super::{id, now, unsatisfiable};
use crate::error::Refusal;
use write::{Echoed, Response};

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Option<Str<'a>>,
    #[serde(borrow)]
    input: Option<TextOr<'a, Item<'a>>>,
    stream: Option<bool>,
    background: Option<bool>,
    max_output_tokens: Option<usize>,
    parallel_tool_calls: Option<bool>,
    #[serde(borrow)]
    reasoning: Option<Reasoning<'a>>,
    #[serde(borrow)]
    include: Option<Vec<Str<'a>>>,
    top_logprobs: Option<usize>,
    // What the answer repeats word for word.
    store: Option<bool>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    #[serde(borrow)]
    instructions: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    previous_response_id: Option<Str<'a>>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_choice: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    truncation: Option<Str<'a>>,
}

/// A message, or what a tool gave back; other items only lie between them.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    r#type: Option<Str<'a>>,
    #[serde(borrow)]
    role: Option<Str<'a>>,
    #[serde(borrow)]
    content: Option<Content<'a>>,
    #[serde(borrow)]
    output: Option<Content<'a>>,
}

impl<'a> Item<'a> {
    fn is_user(&self) -> bool {
        self.role.as_ref().is_some_and(|role| role.0 == "user")
    }

    fn is_result(&self) -> bool {
        let kind = self.r#type.as_ref().map(|kind| &*kind.0);
        matches!(kind, Some("function_call_output" | "custom_tool_call_output"))
    }

    fn words(&self) -> usize {
        let texts = self.content.iter().chain(&self.output);
        texts.map(Content::words).sum()
    }

    fn into_texts(self) -> Vec<Cow<'a, str>> {
        let texts = self.output.or(self.content);
        texts.map_or_else(Vec::new, Content::into_texts)
    }
}

#[derive(Deserialize)]
struct Reasoning<'a> {
    #[serde(borrow)]
    effort: Option<Str<'a>>,
    #[serde(borrow)]
    summary: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct TextOptions<'a> {
    #[serde(borrow)]
    format: Option<Format<'a>>,
}

pub fn answer(body: &[u8], behaviour: &Behaviour) -> Result<Answer, Refusal> {
    let request: Request = read::body(body)?;
    let model = required(request.model, "model")?.0;
    if request.background == Some(true) {
        return Err(bad_value("background", "is not supported: nothing is stored"));
    }
    let instructions: Option<Content> = part(request.instructions, "instructions")?;
    let instructed = instructions.as_ref().map_or(0, Content::words);
    let (last, words) = last(required(request.input, "input")?)?;

    let definitions = part(request.tools, "tools")?;
    let choice: Option<ToolChoice> = part(request.tool_choice, "tool_choice")?;
    let (tools, choice) = tools::read(definitions, choice)?;
    let text: Option<TextOptions> = part(request.text, "text")?;
    let form = read::form(text.and_then(|text| text.format), "text.format")?;
    let blamed = match form {
        script::Form::Text => "tools",
        _ => "text.format",
    };
    let (effort, summary) = match request.reasoning {
        Some(reasoning) => (reasoning.effort, reasoning.summary),
        None => (None, None),
    };
    let parallel = request.parallel_tool_calls.unwrap_or(true);
    let ask = Ask {
        last,
        prompt_tokens: instructed + words,
        tools,
        choice,
        parallel,
        form,
        limit: request.max_output_tokens,
        stops: Vec::new(),
        effort: effort.as_ref().map_or(Effort::None, |effort| Effort::named(&effort.0)),
    };
    let script = script::write(&ask, behaviour.tokens).map_err(unsatisfiable(blamed))?;

    let include = request.include.unwrap_or_default();
    let includes = |what: &str| include.iter().any(|included| included.0 == what);
    let response = Response {
        id: id("resp_"),
        created: now(),
        script: &script,
        summarise: summary.is_some(),
        encrypt: includes("reasoning.encrypted_content"),
        logprobs: includes("message.output_text.logprobs").then(|| request.top_logprobs.unwrap_or_default()),
        echoed: Echoed {
            instructions: request.instructions,
            max_output_tokens: request.max_output_tokens,
            metadata: request.metadata,
            model: &model,
            parallel_tool_calls: parallel,
            previous_response_id: request.previous_response_id.as_ref().map(|id| &*id.0),
            effort: effort.as_ref().map(|effort| &*effort.0),
            summary: summary.as_ref().map(|summary| &*summary.0),
            store: request.store.unwrap_or(true),
            temperature: request.temperature.unwrap_or(1.0),
            text: request.text,
            tool_choice: request.tool_choice,
            tools: request.tools,
            top_p: request.top_p.unwrap_or(1.0),
            truncation: request.truncation.as_ref().map_or("disabled", |truncation| &truncation.0),
        },
    };
    Ok(match request.stream {
        Some(true) => Answer::events(response.stream()),
        _ => response.whole(),
    })
}

/// A part of the request that is repeated in the answer, and read as well.
fn part<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>, name: &'static str) -> Result<Option<T>, Refusal> {
    raw.map(|raw| serde_json::from_str(raw.get()))
        .transpose()
        .map_err(|e| Refusal::invalid(format!("The parameter `{name}` does not fit: {e}.")).param(name))
}

fn last<'a>(input: TextOr<'a, Item<'a>>) -> Result<(Last<'a>, usize), Refusal> {
    let mut items = match input {
        TextOr::Text(text) => {
            let words = script::count_words(&text);
            return Ok((Last::User(vec![text]), words));
        }
        TextOr::List(items) => items,
    };
    if items.is_empty() {
        return Err(bad_value("input", "is empty"));
    }
    if items.iter().any(|item| item.r#type.is_none() && item.role.is_none()) {
        return Err(missing("input[].type"));
    }
    let words = items.iter().map(Item::words).sum();
    let results = items.iter().rev().take_while(|item| item.is_result());
    let results = results.count();
    if results > 0 {
        let results = items.split_off(items.len() - results);
        let texts = results.into_iter().flat_map(Item::into_texts);
        return Ok((Last::ToolResult(texts.collect()), words));
    }
    let user = items.iter().rposition(Item::is_user);
    let spoken = user.unwrap_or(items.len() - 1);
    Ok((Last::User(items.swap_remove(spoken).into_texts()), words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn ask(body: Value) -> Result<Value, Refusal> {
        match answer(body.to_string().as_bytes(), &Behaviour::default())? {
            Answer::Whole { body, .. } => Ok(serde_json::from_slice(&body).unwrap()),
            _ => panic!("not a whole answer"),
        }
    }

    fn stream(mut body: Value) -> Vec<Value> {
        body["stream"] = json!(true);
        let answer = answer(body.to_string().as_bytes(), &Behaviour::default()).unwrap();
        let Answer::Stream { events, .. } = answer else {
            panic!("not a stream");
        };
        let text = events.text();
        let events = text.split_terminator("\n\n").map(|event| {
            let (name, data) = event.split_once('\n').unwrap();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
            data
        });
        events.collect()
    }

    fn kinds(events: &[Value]) -> Vec<&str> {
        let mut kinds: Vec<_> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
        kinds.dedup();
        kinds
    }

    #[test]
    fn a_text_comes_with_every_event() {
        let events = stream(json!({"model": "m", "input": "hello there"}));
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
        let text: String = events.iter().filter_map(|e| e["delta"].as_str()).collect();
        assert_eq!(end["output"][0]["content"][0]["text"], text.as_str());
        assert!(text.contains("hello there"));
        assert_eq!(events[2]["item"]["id"], events[4]["item_id"]);
        assert_eq!(events[0]["response"]["output"], json!([]));
    }

    #[test]
    fn reasoning_comes_first_with_its_summary() {
        let body = json!({"model": "m", "input": "hi", "include": ["reasoning.encrypted_content"],
            "reasoning": {"effort": "low", "summary": "auto"}});
        let events = stream(body.clone());
        let kinds = kinds(&events);
        assert_eq!(
            kinds[2..7],
            [
                "response.output_item.added",
                "response.reasoning_summary_part.added",
                "response.reasoning_summary_text.delta",
                "response.reasoning_summary_text.done",
                "response.reasoning_summary_part.done",
            ]
        );
        let whole = ask(body).unwrap();
        assert_eq!(whole["output"][0]["type"], "reasoning");
        assert!(whole["output"][0]["encrypted_content"].is_string());
        assert_eq!(whole["output"][1]["type"], "message");
        assert_eq!(whole["usage"]["output_tokens_details"]["reasoning_tokens"], 4);
        let plain = ask(json!({"model": "m", "input": "hi", "reasoning": {"effort": "low"}}));
        assert_eq!(plain.unwrap()["output"][0]["summary"], json!([]));
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
        let whole = ask(body.clone()).unwrap();
        assert_eq!(whole["output"][0]["arguments"], r#"{"city":"city"}"#);
        assert_eq!(whole["output"][1]["type"], "custom_tool_call");
        assert_eq!(whole["tools"], tools);
        let events = stream(body);
        let kinds = kinds(&events);
        assert!(kinds.contains(&"response.function_call_arguments.done"));
        assert!(kinds.contains(&"response.custom_tool_call_input.done"));

        let told = ask(json!({"model": "m", "tools": tools, "input": [
            {"role": "user", "content": "weather?"},
            {"type": "function_call", "call_id": "c", "name": "weather", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "21 degrees"},
        ]}));
        let text = &told.unwrap()["output"][0]["content"][0]["text"];
        assert!(text.as_str().unwrap().contains("21 degrees"));
    }

    #[test]
    fn what_is_repeated_does_not_break_an_event() {
        let body = b"{\"model\": \"m\", \"input\": \"hi\", \"stream\": true, \"metadata\": {\n\n\"a\":\r\n\"b\"}}";
        let Answer::Stream { events, .. } = answer(body, &Behaviour::default()).unwrap() else {
            panic!("not a stream");
        };
        let text = events.text();
        for event in text.split_terminator("\n\n") {
            assert_eq!(event.lines().count(), 2);
        }
        assert!(text.contains(r#""metadata":{  "a":  "b"}"#));
    }

    #[test]
    fn a_limit_leaves_it_incomplete() {
        let body = json!({"model": "m", "input": "hi", "max_output_tokens": 2});
        let whole = ask(body.clone()).unwrap();
        assert_eq!(whole["status"], "incomplete");
        assert_eq!(whole["incomplete_details"]["reason"], "max_output_tokens");
        assert_eq!(whole["output"][0]["status"], "incomplete");
        assert_eq!(stream(body).last().unwrap()["type"], "response.incomplete");
    }
}
