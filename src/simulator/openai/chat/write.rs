//! A script as a chat completion: whole, or in chunks.

use serde::Serialize;

use super::super::super::http::{Answer, Events, write_json};
use super::super::super::script::{Call, CallKind, Ending, Pieces, Reply, Script, Usage};

const FINGERPRINT: &str = "fp_simulator";

pub struct Completion<'a> {
    pub id: String,
    pub created: u64,
    pub model: &'a str,
    /// How often the same script is answered.
    pub choices: usize,
    pub script: &'a Script,
    /// How many alternatives to show for each token; `None`: no log-probabilities at all.
    pub logprobs: Option<usize>,
}

impl Completion<'_> {
    pub fn whole(&self) -> Answer {
        let (content, calls) = match &self.script.reply {
            Reply::Text(pieces) => (Some(pieces), None),
            Reply::Calls(calls) => (None, Some(calls.iter().map(CallBody::whole))),
        };
        let calls: Option<Vec<_>> = calls.map(Iterator::collect);
        let choice = |index| Choice {
            index,
            message: Message {
                role: "assistant",
                content: content.map(Pieces::text),
                refusal: (),
                annotations: [],
                tool_calls: calls.as_deref(),
            },
            logprobs: self
                .logprobs
                .zip(content)
                .map(|(top, pieces)| Logprobs::new(pieces.iter(), top)),
            finish_reason: finish_reason(self.script.ending),
        };
        Answer::json(&Body {
            id: &self.id,
            object: "chat.completion",
            created: self.created,
            model: self.model,
            choices: (0..self.choices).map(choice).collect(),
            usage: self.usage(),
            service_tier: "default",
            system_fingerprint: FINGERPRINT,
        })
    }

    /// A chunk is put together from parts that are written once, because a benchmark's upstream must not be its load.
    pub fn stream(&self, include_usage: bool) -> Events {
        let mut chunks = self.chunks(include_usage);
        let content: &[u8] = match &self.script.reply {
            Reply::Text(_) => br#""""#,
            Reply::Calls(_) => b"null",
        };
        chunks.each_choice(|out| {
            out.extend_from_slice(br#"{"role":"assistant","content":"#);
            out.extend_from_slice(content);
            out.extend_from_slice(br#","refusal":null}"#);
        });
        match &self.script.reply {
            Reply::Text(pieces) => {
                for piece in pieces.iter() {
                    chunks.text(piece, self.logprobs);
                }
            }
            Reply::Calls(calls) => {
                for (index, call) in calls.iter().enumerate() {
                    chunks.call(index, call);
                }
            }
        }
        chunks.finish(finish_reason(self.script.ending));
        if include_usage {
            chunks.usage(&self.usage());
        }
        chunks.done()
    }

    fn chunks(&self, include_usage: bool) -> Chunks {
        let mut head = Vec::with_capacity(256);
        head.extend_from_slice(b"data: ");
        let object = ChunkHead {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: self.model,
            service_tier: "default",
            system_fingerprint: FINGERPRINT,
        };
        write_json(&mut head, &object);
        head.truncate(head.len() - 1);
        head.extend_from_slice(br#","choices":["#);
        let expected = self.script.usage.answer + 4;
        Chunks {
            events: Events::with_capacity(expected * self.choices, head.len() + 96),
            head,
            tail: match include_usage {
                true => b"}],\"usage\":null}\n\n",
                false => b"}]}\n\n",
            },
            choices: self.choices,
        }
    }

    fn usage(&self) -> UsageBody {
        let Usage {
            prompt,
            answer,
            reasoning,
        } = self.script.usage;
        UsageBody::new(prompt, answer * self.choices, reasoning * self.choices)
    }
}

struct Chunks {
    events: Events,
    /// Up to the choices.
    head: Vec<u8>,
    /// From the end of the choice.
    tail: &'static [u8],
    choices: usize,
}

impl Chunks {
    /// The same delta for each choice in turn.
    fn each_choice(&mut self, delta: impl Fn(&mut Vec<u8>)) {
        self.each(|out| {
            delta(out);
            out.extend_from_slice(br#","logprobs":null,"finish_reason":null"#);
        });
    }

    /// The same chunk for each choice in turn; `write` goes on after `"delta":`.
    fn each(&mut self, write: impl Fn(&mut Vec<u8>)) {
        for choice in 0..self.choices {
            self.events.push(|out| {
                out.extend_from_slice(&self.head);
                out.extend_from_slice(br#"{"index":"#);
                write_json(out, &choice);
                out.extend_from_slice(br#","delta":"#);
                write(out);
                out.extend_from_slice(self.tail);
            });
        }
    }

    fn text(&mut self, piece: &str, top: Option<usize>) {
        self.each(|out| {
            out.extend_from_slice(br#"{"content":"#);
            write_json(out, &piece);
            match top {
                None => out.extend_from_slice(br#"},"logprobs":null"#),
                Some(top) => {
                    out.extend_from_slice(br#"},"logprobs":"#);
                    write_json(out, &Logprobs::new(std::iter::once(piece), top));
                }
            }
            out.extend_from_slice(br#","finish_reason":null"#);
        });
    }

    fn call(&mut self, index: usize, call: &Call) {
        self.delta(CallBody::opening(index, call));
        for piece in call.input.iter() {
            self.delta(CallBody::fragment(index, call.kind, piece));
        }
    }

    fn delta(&mut self, call: CallBody) {
        let calls = [call];
        self.each_choice(|out| {
            out.extend_from_slice(br#"{"tool_calls":"#);
            write_json(out, &calls);
            out.push(b'}');
        });
    }

    fn finish(&mut self, reason: &str) {
        self.each(|out| {
            out.extend_from_slice(br#"{},"logprobs":null,"finish_reason":"#);
            write_json(out, &reason);
        });
    }

    fn usage(&mut self, usage: &UsageBody) {
        self.events.push(|out| {
            out.extend_from_slice(&self.head);
            out.extend_from_slice(br#"],"usage":"#);
            write_json(out, usage);
            out.extend_from_slice(b"}\n\n");
        });
    }

    fn done(mut self) -> Events {
        self.events
            .push(|out| out.extend_from_slice(b"data: [DONE]\n\n"));
        self.events
    }
}

fn finish_reason(ending: Ending) -> &'static str {
    match ending {
        Ending::Stop => "stop",
        Ending::Length => "length",
        Ending::Calls => "tool_calls",
    }
}

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<Choice<'a>>,
    usage: UsageBody,
    service_tier: &'static str,
    system_fingerprint: &'static str,
}

#[derive(Serialize)]
struct ChunkHead<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    service_tier: &'static str,
    system_fingerprint: &'static str,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: usize,
    message: Message<'a>,
    logprobs: Option<Logprobs<'a>>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<&'a str>,
    refusal: (),
    annotations: [(); 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<&'a [CallBody<'a>]>,
}

/// A call, or a fragment of one: only the first fragment says what is called.
#[derive(Serialize)]
struct CallBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    #[serde(flatten)]
    input: Input<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Input<'a> {
    Function {
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        arguments: &'a str,
    },
    Custom {
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        input: &'a str,
    },
}

impl<'a> Input<'a> {
    fn new(kind: CallKind, name: Option<&'a str>, text: &'a str) -> Self {
        match kind {
            CallKind::Function => Self::Function {
                name,
                arguments: text,
            },
            CallKind::Custom => Self::Custom { name, input: text },
        }
    }
}

impl<'a> CallBody<'a> {
    fn whole(call: &'a Call) -> Self {
        Self {
            index: None,
            id: Some(&call.id),
            r#type: Some(match call.kind {
                CallKind::Function => "function",
                CallKind::Custom => "custom",
            }),
            input: Input::new(call.kind, Some(&call.name), call.input.text()),
        }
    }

    fn opening(index: usize, call: &'a Call) -> Self {
        Self {
            index: Some(index),
            input: Input::new(call.kind, Some(&call.name), ""),
            ..Self::whole(call)
        }
    }

    fn fragment(index: usize, kind: CallKind, piece: &'a str) -> Self {
        Self {
            index: Some(index),
            id: None,
            r#type: None,
            input: Input::new(kind, None, piece),
        }
    }
}

#[derive(Serialize)]
struct UsageBody {
    prompt_tokens: usize,
    completion_tokens: usize,
    total_tokens: usize,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Default, Serialize)]
struct PromptDetails {
    cached_tokens: usize,
    cache_write_tokens: usize,
    audio_tokens: usize,
}

#[derive(Default, Serialize)]
struct CompletionDetails {
    reasoning_tokens: usize,
    audio_tokens: usize,
    accepted_prediction_tokens: usize,
    rejected_prediction_tokens: usize,
}

impl UsageBody {
    fn new(prompt: usize, completion: usize, reasoning: usize) -> Self {
        Self {
            prompt_tokens: prompt,
            completion_tokens: completion,
            total_tokens: prompt + completion,
            prompt_tokens_details: PromptDetails::default(),
            completion_tokens_details: CompletionDetails {
                reasoning_tokens: reasoning,
                ..CompletionDetails::default()
            },
        }
    }
}

#[derive(Serialize)]
struct Logprobs<'a> {
    content: Vec<Token<'a>>,
    refusal: (),
}

impl<'a> Logprobs<'a> {
    fn new(pieces: impl Iterator<Item = &'a str>, top: usize) -> Self {
        Self {
            content: logprobs(pieces, top),
            refusal: (),
        }
    }
}

/// A token and how likely it was: certain, since a simulator never considers another.
#[derive(Serialize)]
pub struct Token<'a> {
    token: &'a str,
    logprob: f64,
    bytes: &'a [u8],
    top_logprobs: Vec<Alternative<'a>>,
}

#[derive(Serialize)]
struct Alternative<'a> {
    token: &'a str,
    logprob: f64,
    bytes: &'a [u8],
}

pub fn logprobs<'a>(pieces: impl Iterator<Item = &'a str>, top: usize) -> Vec<Token<'a>> {
    let token = |token: &'a str| Token {
        token,
        logprob: 0.0,
        bytes: token.as_bytes(),
        top_logprobs: Vec::from_iter((top > 0).then_some(Alternative {
            token,
            logprob: 0.0,
            bytes: token.as_bytes(),
        })),
    };
    pieces.map(token).collect()
}
