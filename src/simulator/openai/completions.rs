//! `POST /completions`, the endpoint from before there were messages: a prompt, or several, each answered like a message.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::super::Behaviour;
use super::super::answer::{Answer, Events, now, write_json};
use super::super::script::{self, Ask, Choice, Effort, Ending, Form, Last, Pieces, Reply, Usage, count_words};
use super::read::{self, Stops, Str, TextOr, bad_value, required};
use super::unsatisfiable;
use crate::error::Refusal;

const MOST_CHOICES: usize = 128;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Option<Str<'a>>,
    #[serde(borrow)]
    prompt: Option<TextOr<'a, Prompt<'a>>>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    n: Option<usize>,
    max_tokens: Option<usize>,
    #[serde(borrow)]
    stop: Option<Stops<'a>>,
    echo: Option<bool>,
    logprobs: Option<usize>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Prompt<'a> {
    #[serde(borrow)]
    Text(Str<'a>),
    Token(u64),
    Tokens(Vec<u64>),
}

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    system_fingerprint: &'static str,
    choices: Vec<Choiced<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<UsageBody>>,
}

#[derive(Serialize)]
struct Choiced<'a> {
    text: Cow<'a, str>,
    index: usize,
    logprobs: (),
    finish_reason: Option<&'static str>,
}

#[derive(Clone, Copy, Serialize)]
struct UsageBody {
    prompt_tokens: usize,
    completion_tokens: usize,
    total_tokens: usize,
}

pub fn answer(body: &[u8], behaviour: &Behaviour, nonce: &str) -> Result<Answer, Refusal> {
    let request: Request = read::body(body)?;
    let model = required(request.model, "model")?.0;
    if request.logprobs.is_some() {
        return Err(bad_value("logprobs", "is not supported here; chat has it"));
    }
    let each = request.n.unwrap_or(1);
    let prompts = prompts(required(request.prompt, "prompt")?)?;
    if each == 0 || each.saturating_mul(prompts.len()) > MOST_CHOICES {
        return Err(bad_value("n", "asks for none or for more than 128 texts"));
    }
    let stops = read::stops(request.stop);
    let mut usage = Usage::default();
    let mut choices = Vec::new();
    for prompt in prompts {
        let ask = Ask {
            last: Last::User(vec![Cow::Borrowed(&*prompt)]),
            prompt_tokens: count_words(&prompt),
            tools: Vec::new(),
            choice: Choice::None,
            parallel: false,
            form: Form::Text,
            limit: request.max_tokens,
            stops: stops.clone(),
            effort: Effort::None,
        };
        let script = script::write(&ask, behaviour.tokens).map_err(unsatisfiable("prompt"))?;
        usage.prompt += script.usage.prompt;
        usage.answer += script.usage.answer * each;
        let Reply::Text(pieces) = script.reply else {
            continue;
        };
        let echo = match request.echo {
            Some(true) => format!("{prompt} "),
            _ => String::new(),
        };
        choices.push((echo, pieces, finish_reason(&script.ending)));
    }
    let answer = Texts {
        id: format!("cmpl-{nonce}"),
        created: now(),
        model: &model,
        each,
        choices,
        usage: UsageBody { prompt_tokens: usage.prompt, completion_tokens: usage.answer, total_tokens: usage.total() },
    };
    Ok(match request.stream {
        Some(true) => {
            let include_usage = request.stream_options.and_then(|o| o.include_usage);
            Answer::events(answer.stream(include_usage.unwrap_or_default()))
        }
        _ => answer.whole(),
    })
}

fn prompts<'a>(prompt: TextOr<'a, Prompt<'a>>) -> Result<Vec<Cow<'a, str>>, Refusal> {
    let list = match prompt {
        TextOr::Text(text) => return Ok(vec![text]),
        TextOr::List(list) => list,
    };
    let mut prompts = Vec::new();
    let mut flat = Vec::new();
    for item in list {
        match item {
            Prompt::Text(text) => prompts.push(text.0),
            Prompt::Tokens(tokens) => prompts.push(spell(&tokens)),
            Prompt::Token(token) => flat.push(token),
        }
    }
    if !flat.is_empty() {
        prompts.push(spell(&flat));
    }
    match prompts.is_empty() {
        true => Err(bad_value("prompt", "is empty")),
        false => Ok(prompts),
    }
}

/// Token numbers have no words that we could know; the numbers themselves will do.
fn spell(tokens: &[u64]) -> Cow<'static, str> {
    let words: Vec<_> = tokens.iter().map(u64::to_string).collect();
    words.join(" ").into()
}

fn finish_reason(ending: &Ending) -> &'static str {
    match ending {
        Ending::Length => "length",
        Ending::Stop | Ending::StoppedBy(_) | Ending::Calls => "stop",
    }
}

struct Texts<'a> {
    id: String,
    created: u64,
    model: &'a str,
    /// How often each choice is answered.
    each: usize,
    choices: Vec<(String, Pieces, &'static str)>,
    usage: UsageBody,
}

impl Texts<'_> {
    fn whole(&self) -> Answer {
        let choice = |(index, (echo, pieces, reason)): (usize, &(String, Pieces, &'static str))| Choiced {
            text: format!("{echo}{}", pieces.text()).into(),
            index,
            logprobs: (),
            finish_reason: Some(*reason),
        };
        let choices = self.repeated().enumerate().map(choice).collect();
        Answer::json(&self.body(choices, Some(Some(self.usage))))
    }

    fn stream(&self, include_usage: bool) -> Events {
        let mut events = Events::with_capacity(self.usage.completion_tokens + 4, 256);
        let usage = include_usage.then_some(None);
        let mut push = |index, text: &str, finish_reason| {
            let choice = Choiced { text: text.into(), index, logprobs: (), finish_reason };
            event(&mut events, &self.body(vec![choice], usage));
        };
        for (index, (echo, pieces, reason)) in self.repeated().enumerate() {
            if !echo.is_empty() {
                push(index, echo, None);
            }
            for piece in pieces.iter() {
                push(index, piece, None);
            }
            push(index, "", Some(*reason));
        }
        if include_usage {
            event(&mut events, &self.body(Vec::new(), Some(Some(self.usage))));
        }
        events.push(|out| out.extend_from_slice(b"data: [DONE]\n\n"));
        events
    }

    fn repeated(&self) -> impl Iterator<Item = &(String, Pieces, &'static str)> {
        let each = self.each;
        let repeat = move |choice| std::iter::repeat_n(choice, each);
        self.choices.iter().flat_map(repeat)
    }

    fn body<'a>(&'a self, choices: Vec<Choiced<'a>>, usage: Option<Option<UsageBody>>) -> Body<'a> {
        Body {
            id: &self.id,
            object: "text_completion",
            created: self.created,
            model: self.model,
            system_fingerprint: "fp_simulator",
            choices,
            usage,
        }
    }
}

fn event(events: &mut Events, body: &Body) {
    events.push(|out| {
        out.extend_from_slice(b"data: ");
        write_json(out, body);
        out.extend_from_slice(b"\n\n");
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn every_prompt_gets_its_texts() {
        let body = json!({"model": "m", "prompt": ["one", "two"], "n": 2, "echo": true});
        let answer = answer(body.to_string().as_bytes(), &Behaviour::default(), "1").unwrap();
        let Answer::Whole { body, .. } = answer else {
            panic!("not a whole answer");
        };
        let body: Value = serde_json::from_slice(&body).unwrap();
        let texts: Vec<_> = (0..4).map(|i| body["choices"][i]["text"].as_str().unwrap()).collect();
        assert!(texts[1].starts_with("one You said: one"));
        assert!(texts[2].starts_with("two You said: two"));
        assert_eq!(body["usage"]["prompt_tokens"], 2);
    }

    #[test]
    fn a_stream_ends_with_its_reason_and_its_usage() {
        let body = json!({"model": "m", "prompt": "hi", "stream": true, "max_tokens": 2,
            "stream_options": {"include_usage": true}});
        let answer = answer(body.to_string().as_bytes(), &Behaviour::default(), "1").unwrap();
        let Answer::Stream { events, .. } = answer else {
            panic!("not a stream");
        };
        let text = events.text();
        assert_eq!(text.matches("data: ").count(), 5);
        assert!(text.contains(r#""finish_reason":"length""#));
        assert!(text.contains(r#""choices":[],"usage":{"prompt_tokens":1"#));
        assert!(text.contains(r#""usage":null"#));
    }
}
