//! What is answered, whatever the dialect. The same question always gets the same answer.
//!
//! - A text quotes the last user message, or the tool's result when one came last. `tokens` sets its length in words.
//! - Tools are called whenever they may be and no result came last: those that the message names, else the first.
//! - A structured answer, and the arguments of a call, are an instance of the schema that was given.
//!
//! The unit of usage is the *token* of this file. Prompt: its whitespace-separated words, instructions and tool results
//! included. Answer: its pieces, which are what a stream sends in one event: the words of a text; of JSON, what ends at a
//! comma, a colon or a space; and one more for the name of each call. Reasoning: a number fixed by the effort.

mod pieces;

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

use super::answer::nonce;
use super::schema::{self, Unsatisfiable};
pub use pieces::{Pieces, count_words};

/// What a client wants answered.
pub struct Ask<'a> {
    pub last: Last<'a>,
    pub prompt_tokens: usize,
    pub tools: Vec<Tool<'a>>,
    pub choice: Choice<'a>,
    /// Whether one answer may call several tools.
    pub parallel: bool,
    pub form: Form<'a>,
    /// The most tokens to answer with, reasoning included.
    pub limit: Option<usize>,
    pub stops: Vec<Cow<'a, str>>,
    pub effort: Effort,
}

/// What the answer responds to, in pieces of text.
pub enum Last<'a> {
    User(Vec<Cow<'a, str>>),
    ToolResult(Vec<Cow<'a, str>>),
    /// At least one of the results is an error.
    ToolError(Vec<Cow<'a, str>>),
}

pub struct Tool<'a> {
    pub name: Cow<'a, str>,
    pub input: ToolInput<'a>,
}

#[derive(Clone, Copy)]
pub enum ToolInput<'a> {
    /// Arguments by a JSON schema; without one there are none.
    Arguments(Option<&'a RawValue>),
    /// Free text.
    Text,
}

pub enum Choice<'a> {
    None,
    Any,
    Named(Cow<'a, str>),
}

pub enum Form<'a> {
    Text,
    AnyObject,
    Schema(&'a RawValue),
}

#[derive(Clone, Copy, PartialEq)]
pub enum Effort {
    None,
    Tokens(usize),
}

/// The answer.
pub struct Script {
    pub reply: Reply,
    pub ending: Ending,
    pub reasoning: Option<&'static str>,
    pub usage: Usage,
}

pub enum Reply {
    Text(Pieces),
    Calls(Vec<Call>),
}

pub struct Call {
    /// What is peculiar to it: dialects put a word before it.
    pub id: String,
    pub name: String,
    pub kind: CallKind,
    pub input: Pieces,
}

#[derive(Clone, Copy, PartialEq)]
pub enum CallKind {
    Function,
    Custom,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    Stop,
    /// Before one of the request's stop sequences.
    StoppedBy(String),
    Length,
    Calls,
}

#[derive(Clone, Copy, Default)]
pub struct Usage {
    pub prompt: usize,
    /// Reasoning included.
    pub answer: usize,
    pub reasoning: usize,
}

impl Usage {
    pub fn total(self) -> usize {
        self.prompt + self.answer
    }
}

/// `tokens`: the length of a text; `None` leaves it to the text.
pub fn write(ask: &Ask, tokens: Option<usize>) -> Result<Script, Unsatisfiable> {
    let (effort, reasoning) = match ask.effort {
        Effort::None => (0, None),
        Effort::Tokens(count) => (count, Some("Thinking about it, as far as a simulator thinks.")),
    };
    let effort = effort.min(ask.limit.unwrap_or(usize::MAX));
    let budget = ask.limit.map_or(usize::MAX, |limit| limit - effort);

    let (reply, ending, length) = match called(ask) {
        Some(tools) => calls(ask, &tools, budget)?,
        None => text(ask, tokens, budget)?,
    };
    Ok(Script {
        reply,
        ending,
        reasoning,
        usage: Usage { prompt: ask.prompt_tokens, answer: length + effort, reasoning: effort },
    })
}

fn called<'t, 'a>(ask: &'t Ask<'a>) -> Option<Vec<&'t Tool<'a>>> {
    let Last::User(said) = &ask.last else {
        return None;
    };
    let tools: Vec<_> = match &ask.choice {
        Choice::None => Vec::new(),
        Choice::Named(name) => ask.tools.iter().filter(|tool| tool.name == *name).collect(),
        Choice::Any => {
            let named = |tool: &&Tool| said.iter().any(|text| text.contains(&*tool.name));
            let mut tools: Vec<_> = ask.tools.iter().filter(named).collect();
            if tools.is_empty() {
                tools.extend(ask.tools.first());
            }
            if !ask.parallel {
                tools.truncate(1);
            }
            tools
        }
    };
    (!tools.is_empty()).then_some(tools)
}

fn calls(ask: &Ask, tools: &[&Tool], mut budget: usize) -> Result<(Reply, Ending, usize), Unsatisfiable> {
    let mut ending = Ending::Calls;
    let mut length = 0;
    let mut calls = Vec::with_capacity(tools.len());
    for tool in tools {
        if budget == 0 {
            ending = Ending::Length;
            break;
        }
        let (kind, mut input) = match tool.input {
            ToolInput::Arguments(schema) => (CallKind::Function, arguments(schema)?),
            ToolInput::Text => (CallKind::Custom, Pieces::words(say(ask, None))),
        };
        if input.truncate(budget - 1) {
            ending = Ending::Length;
        }
        budget -= 1 + input.len();
        length += 1 + input.len();
        calls.push(Call { id: nonce(), name: tool.name.to_string(), kind, input });
    }
    Ok((Reply::Calls(calls), ending, length))
}

fn arguments(schema: Option<&RawValue>) -> Result<Pieces, Unsatisfiable> {
    match schema {
        Some(schema) => Ok(Pieces::json(&schema::instance(schema)?)),
        None => Ok(Pieces::json(&Value::Object(serde_json::Map::new()))),
    }
}

fn text(ask: &Ask, tokens: Option<usize>, budget: usize) -> Result<(Reply, Ending, usize), Unsatisfiable> {
    let mut pieces = match ask.form {
        Form::Text => Pieces::words(say(ask, tokens)),
        Form::AnyObject => Pieces::json(&serde_json::json!({"answer": say(ask, tokens)})),
        Form::Schema(schema) => Pieces::json(&schema::instance(schema)?),
    };
    let stops = ask.stops.iter().filter(|stop| !stop.is_empty());
    let first = stops.filter_map(|stop| Some((pieces.text().find(&**stop)?, stop))).min_by_key(|(at, _)| *at);
    let mut ending = Ending::Stop;
    if let Some((at, stop)) = first {
        pieces.stop_before(at);
        ending = Ending::StoppedBy(stop.to_string());
    }
    if pieces.truncate(budget) {
        ending = Ending::Length;
    }
    let length = pieces.len();
    Ok((Reply::Text(pieces), ending, length))
}

fn say(ask: &Ask, tokens: Option<usize>) -> String {
    const QUOTED: usize = 24;
    const TAIL: &str = "(This is the simulator; no model was asked.)";

    let (lead, quoted) = match &ask.last {
        Last::User(texts) => ("You said:", texts),
        Last::ToolResult(texts) => ("The tool answered:", texts),
        Last::ToolError(texts) => ("The tool failed:", texts),
    };
    let mut quoted = quoted.iter().flat_map(|text| text.split_whitespace());
    let lead = lead.split(' ');
    match tokens {
        Some(tokens) => {
            let tail = TAIL.split(' ').cycle();
            join(lead.chain(quoted).chain(tail).take(tokens))
        }
        None => {
            let first: Vec<_> = quoted.by_ref().take(QUOTED).collect();
            let more = quoted.next().map(|_| "…");
            let tail = TAIL.split(' ');
            join(lead.chain(first).chain(more).chain(tail))
        }
    }
}

fn join<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::with_capacity(128);
    for word in words {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(said: &str) -> Ask<'_> {
        Ask {
            last: Last::User(vec![said.into()]),
            prompt_tokens: count_words(said),
            tools: Vec::new(),
            choice: Choice::Any,
            parallel: true,
            form: Form::Text,
            limit: None,
            stops: Vec::new(),
            effort: Effort::None,
        }
    }

    fn spoken(script: &Script) -> &Pieces {
        match &script.reply {
            Reply::Text(pieces) => pieces,
            Reply::Calls(_) => panic!("tools were called"),
        }
    }

    fn tool<'a>(name: &'a str, schema: &'a RawValue) -> Tool<'a> {
        Tool { name: name.into(), input: ToolInput::Arguments(Some(schema)) }
    }

    #[test]
    fn a_text_quotes_the_user() {
        let script = write(&ask("hello there"), None).unwrap();
        let text = spoken(&script);
        assert_eq!(text.text(), "You said: hello there (This is the simulator; no model was asked.)");
        assert_eq!(script.usage.prompt, 2);
        assert_eq!(script.usage.answer, 12);
        assert_eq!(text.iter().collect::<String>(), text.text());
    }

    #[test]
    fn tokens_sets_the_exact_length() {
        for tokens in [1, 2, 3, 12, 64] {
            let script = write(&ask("hello there"), Some(tokens)).unwrap();
            assert_eq!(spoken(&script).len(), tokens);
            assert_eq!(script.usage.answer, tokens);
        }
    }

    #[test]
    fn a_long_message_is_quoted_in_part() {
        let long = "word ".repeat(1000);
        let script = write(&ask(&long), None).unwrap();
        assert!(spoken(&script).text().contains("word … (This"));
        assert_eq!(script.usage.prompt, 1000);
    }

    #[test]
    fn the_limit_and_the_stop_say_why_it_ended() {
        let mut limited = ask("hello");
        limited.limit = Some(3);
        let script = write(&limited, None).unwrap();
        assert_eq!(spoken(&script).text(), "You said: hello");
        assert_eq!(script.ending, Ending::Length);

        let mut stopped = ask("one two three");
        stopped.stops = vec!["three".into(), " two".into()];
        let script = write(&stopped, None).unwrap();
        assert_eq!(spoken(&script).text(), "You said: one");
        assert_eq!(script.ending, Ending::StoppedBy(" two".to_owned()));
        assert_eq!(script.usage.answer, 3);
    }

    #[test]
    fn reasoning_is_paid_from_the_limit() {
        let mut thinking = ask("hello");
        thinking.effort = Effort::Tokens(4);
        thinking.limit = Some(6);
        let script = write(&thinking, None).unwrap();
        assert_eq!(spoken(&script).text(), "You said:");
        assert_eq!((script.usage.answer, script.usage.reasoning), (6, 4));
    }

    #[test]
    fn named_tools_are_called_else_the_first() {
        let schema = RawValue::from_string(r#"{"type":"object"}"#.to_owned()).unwrap();
        let called = |said: &str, parallel: bool| {
            let mut ask = ask(said);
            ask.parallel = parallel;
            ask.tools = vec![tool("weather", &schema), tool("clock", &schema), tool("news", &schema)];
            match write(&ask, None).unwrap().reply {
                Reply::Calls(calls) => calls.into_iter().map(|call| call.name).collect::<Vec<_>>(),
                Reply::Text(_) => panic!("no tool was called"),
            }
        };
        assert_eq!(called("anything", true), ["weather"]);
        assert_eq!(called("clock and news, please", true), ["clock", "news"]);
        assert_eq!(called("clock and news, please", false), ["clock"]);
    }

    #[test]
    fn a_tool_result_is_answered_with_text() {
        let schema = RawValue::from_string("{}".to_owned()).unwrap();
        let mut ask = ask("");
        ask.last = Last::ToolResult(vec!["21 degrees".into()]);
        ask.tools = vec![tool("weather", &schema)];
        let script = write(&ask, None).unwrap();
        assert!(spoken(&script).text().starts_with("The tool answered: 21 degrees"));
    }
}
