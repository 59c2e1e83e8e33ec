//! `POST /chat/completions`.

mod body;
mod write;

use std::borrow::Cow;

use serde::Deserialize;

use super::super::Behaviour;
use super::super::answer::Answer;
use super::super::script::{self, Ask, Effort, Last};
use super::read::{self, Content, Format, Stops, Str, bad_value, missing, required};
use super::tools::{self, ToolChoice, ToolDefinition};
use super::{id, now, unsatisfiable};
use crate::error::Refusal;

pub use body::{Token, logprobs};
use write::Completion;

const MOST_CHOICES: usize = 128;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Option<Str<'a>>,
    #[serde(borrow)]
    messages: Option<Vec<Message<'a>>>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    n: Option<usize>,
    max_tokens: Option<usize>,
    max_completion_tokens: Option<usize>,
    #[serde(borrow)]
    stop: Option<Stops<'a>>,
    #[serde(borrow)]
    tools: Option<Vec<ToolDefinition<'a>>>,
    #[serde(borrow)]
    tool_choice: Option<ToolChoice<'a>>,
    parallel_tool_calls: Option<bool>,
    #[serde(borrow)]
    response_format: Option<Format<'a>>,
    #[serde(borrow)]
    reasoning_effort: Option<Str<'a>>,
    logprobs: Option<bool>,
    top_logprobs: Option<usize>,
}

#[derive(Deserialize)]
pub struct StreamOptions {
    pub include_usage: Option<bool>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Option<Str<'a>>,
    #[serde(borrow)]
    content: Option<Content<'a>>,
}

impl<'a> Message<'a> {
    fn is(&self, role: &str) -> bool {
        self.role.as_ref().is_some_and(|ours| ours.0 == role)
    }

    fn into_texts(self) -> Vec<Cow<'a, str>> {
        self.content.map_or_else(Vec::new, Content::into_texts)
    }
}

pub fn answer(body: &[u8], behaviour: &Behaviour) -> Result<Answer, Refusal> {
    let request: Request = read::body(body)?;
    let model = required(request.model, "model")?.0;
    let messages = required(request.messages, "messages")?;
    let choices = request.n.unwrap_or(1);
    if choices == 0 || choices > MOST_CHOICES {
        return Err(bad_value("n", "is not between 1 and 128"));
    }
    if request.top_logprobs.is_some() && request.logprobs != Some(true) {
        return Err(bad_value("top_logprobs", "has no sense without `logprobs`"));
    }
    let structured = request.response_format.is_some();
    let prompt_tokens = messages.iter().filter_map(|message| message.content.as_ref()).map(Content::words).sum();
    let (tools, choice) = tools::read(request.tools, request.tool_choice)?;
    let effort = request.reasoning_effort;
    let ask = Ask {
        last: last(messages)?,
        prompt_tokens,
        tools,
        choice,
        parallel: request.parallel_tool_calls.unwrap_or(true),
        form: read::form(request.response_format, "response_format")?,
        limit: request.max_completion_tokens.or(request.max_tokens),
        stops: read::stops(request.stop),
        effort: effort.map_or(Effort::None, |effort| Effort::named(&effort.0)),
    };
    let blamed = if structured { "response_format" } else { "tools" };
    let script = script::write(&ask, behaviour.tokens).map_err(unsatisfiable(blamed))?;

    let completion = Completion {
        id: id("chatcmpl-"),
        created: now(),
        model: &model,
        choices,
        script: &script,
        logprobs: request.logprobs.unwrap_or_default().then(|| request.top_logprobs.unwrap_or_default()),
    };
    let include_usage = request.stream_options.and_then(|o| o.include_usage);
    Ok(match request.stream {
        Some(true) => Answer::events(completion.stream(include_usage.unwrap_or_default())),
        _ => completion.whole(),
    })
}

fn last(mut messages: Vec<Message<'_>>) -> Result<Last<'_>, Refusal> {
    if messages.is_empty() {
        return Err(bad_value("messages", "is empty"));
    }
    if messages.iter().any(|message| message.role.is_none()) {
        return Err(missing("messages[].role"));
    }
    let results = messages.iter().rev().take_while(|message| message.is("tool"));
    let results = results.count();
    if results > 0 {
        let results = messages.split_off(messages.len() - results);
        return Ok(Last::ToolResult(results.into_iter().flat_map(Message::into_texts).collect()));
    }
    let user = messages.iter().rposition(|message| message.is("user"));
    let spoken = user.unwrap_or(messages.len() - 1);
    Ok(Last::User(messages.swap_remove(spoken).into_texts()))
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

    fn stream(body: Value) -> Vec<Value> {
        let answer = answer(body.to_string().as_bytes(), &Behaviour::default()).unwrap();
        let Answer::Stream { events, .. } = answer else {
            panic!("not a stream");
        };
        let text = events.text();
        let text = text.strip_suffix("data: [DONE]\n\n").unwrap();
        text.split_terminator("\n\n")
            .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
            .collect()
    }

    fn hello() -> Value {
        json!({"model": "m", "messages": [{"role": "user", "content": "hello there"}]})
    }

    fn with(more: Value) -> Value {
        let mut body = hello();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    }

    fn weather() -> Value {
        json!([{"type": "function", "function": {"name": "weather", "parameters": {
            "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
        }}}])
    }

    #[test]
    fn a_whole_answer_quotes_the_user_and_adds_up() {
        let answer = ask(with(json!({"n": 2, "reasoning_effort": "low"}))).unwrap();
        assert_eq!(answer["object"], "chat.completion");
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
        let whole = ask(hello()).unwrap();
        let asked = json!({"stream": true, "stream_options": {"include_usage": true}});
        let chunks = stream(with(asked));
        let text: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
        assert_eq!(whole["choices"][0]["message"]["content"], text.as_str());
        let (usage, others) = chunks.split_last().unwrap();
        assert_eq!(usage["choices"], json!([]));
        assert_eq!(usage["usage"], whole["usage"]);
        assert!(others.iter().all(|chunk| chunk["usage"] == Value::Null));
        assert!(others.iter().all(|chunk| chunk.get("usage").is_some()));
        assert_eq!(others[0]["choices"][0]["delta"]["role"], "assistant");
        assert_eq!(others.last().unwrap()["choices"][0]["finish_reason"], "stop");
        assert!(stream(with(json!({"stream": true})))[0].get("usage").is_none());
    }

    #[test]
    fn tools_are_called_then_answered() {
        let answer = ask(with(json!({"tools": weather()}))).unwrap();
        let choice = &answer["choices"][0];
        assert_eq!(choice["finish_reason"], "tool_calls");
        assert_eq!(choice["message"]["content"], Value::Null);
        let call = &choice["message"]["tool_calls"][0];
        assert_eq!(call["function"]["name"], "weather");
        assert_eq!(call["function"]["arguments"], r#"{"city":"city"}"#);

        let chunks = stream(with(json!({"tools": weather(), "stream": true})));
        let deltas = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"].get("tool_calls"));
        let arguments: String =
            deltas.map(|calls| calls[0]["function"]["arguments"].as_str().unwrap().to_owned()).collect();
        assert_eq!(arguments, r#"{"city":"city"}"#);

        let told = ask(json!({"model": "m", "tools": weather(), "messages": [
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "tool_calls": []},
            {"role": "tool", "tool_call_id": "c", "content": "21 degrees"},
        ]}));
        let told = told.unwrap();
        let text = told["choices"][0]["message"]["content"].as_str().unwrap();
        assert!(text.contains("21 degrees"));
    }

    #[test]
    fn logprobs_cover_every_token() {
        let answer = ask(with(json!({"logprobs": true, "top_logprobs": 2}))).unwrap();
        let choice = &answer["choices"][0];
        let tokens = choice["logprobs"]["content"].as_array().unwrap();
        let text: String = tokens.iter().map(|t| t["token"].as_str().unwrap()).collect();
        assert_eq!(choice["message"]["content"], text.as_str());
        assert_eq!(tokens[0]["top_logprobs"][0]["token"], "You");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let param = |body: Value| ask(body).unwrap_err().param;
        assert_eq!(param(json!({"messages": []})).as_deref(), Some("model"));
        assert_eq!(param(json!({"model": "m"})).as_deref(), Some("messages"));
        assert_eq!(param(with(json!({"n": 0}))).as_deref(), Some("n"));
        assert_eq!(param(with(json!({"tool_choice": "required"}))).as_deref(), Some("tool_choice"));
        let nowhere = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": false}});
        assert_eq!(param(with(json!({"response_format": nowhere}))).as_deref(), Some("response_format"));
    }
}
