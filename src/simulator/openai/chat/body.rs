//! The shape of a chat completion and of its chunks.

use serde::Serialize;

use super::super::super::script::{Call, CallKind};

#[derive(Serialize)]
pub struct Body<'a> {
    pub id: &'a str,
    pub object: &'static str,
    pub created: u64,
    pub model: &'a str,
    pub choices: Vec<Choice<'a>>,
    pub usage: UsageBody,
    pub service_tier: &'static str,
    pub system_fingerprint: &'static str,
}

#[derive(Serialize)]
pub struct ChunkHead<'a> {
    pub id: &'a str,
    pub object: &'static str,
    pub created: u64,
    pub model: &'a str,
    pub service_tier: &'static str,
    pub system_fingerprint: &'static str,
}

#[derive(Serialize)]
pub struct Choice<'a> {
    pub index: usize,
    pub message: Message<'a>,
    pub logprobs: Option<Logprobs<'a>>,
    pub finish_reason: &'static str,
}

#[derive(Serialize)]
pub struct Message<'a> {
    pub role: &'static str,
    pub content: Option<&'a str>,
    pub refusal: (),
    pub annotations: [(); 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<&'a [CallBody<'a>]>,
}

/// A call, or a fragment of one: only the first fragment says what is called.
#[derive(Serialize)]
pub struct CallBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<&'static str>,
    #[serde(flatten)]
    pub input: Input<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Input<'a> {
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
    pub fn new(kind: CallKind, name: Option<&'a str>, text: &'a str) -> Self {
        match kind {
            CallKind::Function => Self::Function { name, arguments: text },
            CallKind::Custom => Self::Custom { name, input: text },
        }
    }
}

impl<'a> CallBody<'a> {
    pub fn whole(call: &'a Call) -> Self {
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

    pub fn opening(index: usize, call: &'a Call) -> Self {
        Self { index: Some(index), input: Input::new(call.kind, Some(&call.name), ""), ..Self::whole(call) }
    }

    pub fn fragment(index: usize, kind: CallKind, piece: &'a str) -> Self {
        Self { index: Some(index), id: None, r#type: None, input: Input::new(kind, None, piece) }
    }
}

#[derive(Serialize)]
pub struct UsageBody {
    pub prompt_tokens: usize,
    pub completion_tokens: usize,
    pub total_tokens: usize,
    pub prompt_tokens_details: PromptDetails,
    pub completion_tokens_details: CompletionDetails,
}

#[derive(Default, Serialize)]
pub struct PromptDetails {
    pub cached_tokens: usize,
    pub cache_write_tokens: usize,
    pub audio_tokens: usize,
}

#[derive(Default, Serialize)]
pub struct CompletionDetails {
    pub reasoning_tokens: usize,
    pub audio_tokens: usize,
    pub accepted_prediction_tokens: usize,
    pub rejected_prediction_tokens: usize,
}

impl UsageBody {
    pub fn new(prompt: usize, completion: usize, reasoning: usize) -> Self {
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
pub struct Logprobs<'a> {
    pub content: Vec<Token<'a>>,
    pub refusal: (),
}

impl<'a> Logprobs<'a> {
    pub fn new(pieces: impl Iterator<Item = &'a str>, top: usize) -> Self {
        Self { content: logprobs(pieces, top), refusal: () }
    }
}

/// A token and how likely it was: certain, since a simulator never considers another.
#[derive(Serialize)]
pub struct Token<'a> {
    pub token: &'a str,
    pub logprob: f64,
    pub bytes: &'a [u8],
    pub top_logprobs: Vec<Alternative<'a>>,
}

#[derive(Serialize)]
pub struct Alternative<'a> {
    pub token: &'a str,
    pub logprob: f64,
    pub bytes: &'a [u8],
}

pub fn logprobs<'a>(pieces: impl Iterator<Item = &'a str>, top: usize) -> Vec<Token<'a>> {
    let token = |token: &'a str| Token {
        token,
        logprob: 0.0,
        bytes: token.as_bytes(),
        top_logprobs: Vec::from_iter((top > 0).then_some(Alternative { token, logprob: 0.0, bytes: token.as_bytes() })),
    };
    pieces.map(token).collect()
}
