//! The items of an answer, as we write them.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Number;
use serde_json::value::to_raw_value;

use crate::dialects::Dialect;
use crate::dialects::ir::{Annotation, CallKind, Json, Reasoning, ReasoningKind, Seal, ToolCall};
use crate::dialects::openai_responses::{Namespaced, tool_search};
use crate::dialects::wire::null_as_default;

/// An item of `output` (`openai.types.responses.response_output_item`).
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Item {
    Reasoning {
        id: String,
        summary: Vec<Content>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<Content>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<String>,
    },
    Message {
        id: String,
        status: Status,
        role: &'static str,
        content: Vec<Content>,
    },
    FunctionCall {
        id: String,
        status: Status,
        call_id: String,
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        arguments: String,
    },
    CustomToolCall {
        id: String,
        status: Status,
        call_id: String,
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        input: String,
    },
    /// A search for tools that the client is to run.
    ToolSearchCall {
        id: String,
        status: Status,
        call_id: String,
        execution: &'static str,
        #[serde(serialize_with = "tool_search::as_object")]
        arguments: String,
    },
    ImageGenerationCall {
        id: String,
        status: Status,
        result: Option<String>,
    },
    /// One that came from this dialect.
    #[serde(untagged)]
    Opaque(Json),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    InProgress,
    Completed,
    Incomplete,
}

/// A part of a message or of reasoning.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content {
    OutputText { text: String, annotations: Vec<Source>, logprobs: Vec<Json> },
    Refusal { refusal: String },
    SummaryText { text: String },
    ReasoningText { text: String },
}

/// What a text rests on, in a form that this dialect has.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Source {
    Native(Json),
    Url {
        #[serde(rename = "type")]
        kind: &'static str,
        url: String,
        title: String,
        start_index: u64,
        end_index: u64,
    },
}

/// How items are numbered and named within one answer.
#[derive(Debug, Clone, Copy)]
pub struct Naming<'a> {
    pub nonce: &'a str,
    /// Whether reasoning is shown as a summary of itself, because that is what the client asked to see.
    pub wants_summaries: bool,
    pub namespaces: &'a [Namespaced],
    /// Whether the client has offered to search for tools.
    pub searches_tools: bool,
}

impl Naming<'_> {
    fn id(&self, prefix: &str, index: usize) -> String {
        format!("{prefix}{}{index}", self.nonce)
    }

    pub fn message(&self, index: usize) -> Item {
        Item::Message { id: self.id("msg_", index), status: Status::InProgress, role: "assistant", content: Vec::new() }
    }

    /// The beginning of a reasoning item, and whether its text is a summary.
    pub fn reasoning(&self, reasoning: &Reasoning, index: usize) -> (Item, bool) {
        let own = reasoning.id.as_ref().filter(|id| id.starts_with("rs_"));
        let item = Item::Reasoning {
            id: own.cloned().unwrap_or_else(|| self.id("rs_", index)),
            summary: Vec::new(),
            content: Vec::new(),
            encrypted_content: reasoning.seal.as_ref().map(carried),
        };
        (item, reasoning.kind == ReasoningKind::Summary || self.wants_summaries)
    }

    /// An item that is nothing but a seal: for calls whose dialect seals them, which this one has no place for.
    pub fn sealed(&self, seal: &Seal, index: usize) -> Item {
        let (id, encrypted_content) = (self.id("rs_", index), Some(carried(seal)));
        Item::Reasoning { id, summary: Vec::new(), content: Vec::new(), encrypted_content }
    }

    pub fn call(&self, call: &ToolCall, index: usize) -> Item {
        let (call_id, status) = (call.id.clone(), Status::InProgress);
        let (namespace, name) = Namespaced::apart(self.namespaces, &call.name);
        match call.kind {
            CallKind::Function if name == tool_search::NAME && self.searches_tools => {
                let (id, execution, arguments) = (self.id("tsc_", index), "client", String::new());
                Item::ToolSearchCall { id, status, call_id, execution, arguments }
            }
            CallKind::Function => {
                let (id, arguments) = (self.id("fc_", index), String::new());
                Item::FunctionCall { id, status, call_id, name, namespace, arguments }
            }
            CallKind::Custom => {
                let (id, input) = (self.id("ctc_", index), String::new());
                Item::CustomToolCall { id, status, call_id, name, namespace, input }
            }
        }
    }

    pub fn image(&self, id: Option<&String>, data: &str, index: usize) -> Item {
        let own = id.filter(|id| id.starts_with("ig_"));
        Item::ImageGenerationCall {
            id: own.cloned().unwrap_or_else(|| self.id("ig_", index)),
            status: Status::Completed,
            result: Some(data.to_owned()),
        }
    }
}

impl Item {
    /// What all events about it refer to.
    pub fn id(&self) -> &str {
        match self {
            Self::Reasoning { id, .. }
            | Self::Message { id, .. }
            | Self::FunctionCall { id, .. }
            | Self::CustomToolCall { id, .. }
            | Self::ToolSearchCall { id, .. }
            | Self::ImageGenerationCall { id, .. } => id,
            Self::Opaque(_) => "",
        }
    }

    pub fn finish(&mut self, how: Status) {
        match self {
            // A call that was cut off cannot be carried out.
            Self::FunctionCall { status, arguments, .. } | Self::ToolSearchCall { status, arguments, .. }
                if serde_json::from_str::<IgnoredAny>(arguments).is_err() =>
            {
                *status = Status::Incomplete;
            }
            Self::Message { status, .. }
            | Self::FunctionCall { status, .. }
            | Self::CustomToolCall { status, .. }
            | Self::ToolSearchCall { status, .. } => {
                *status = how;
            }
            Self::Reasoning { .. } | Self::ImageGenerationCall { .. } | Self::Opaque(_) => {}
        }
    }
}

impl Content {
    pub fn output_text() -> Self {
        Self::OutputText { text: String::new(), annotations: Vec::new(), logprobs: Vec::new() }
    }

    pub fn words_mut(&mut self) -> &mut String {
        match self {
            Self::OutputText { text, .. } | Self::SummaryText { text } | Self::ReasoningText { text } => text,
            Self::Refusal { refusal } => refusal,
        }
    }
}

/// A seal in the member for encrypted reasoning, whoever made it.
pub fn carried(seal: &Seal) -> String {
    seal.carried(Dialect::OpenaiResponses)
}

/// `None`: neither ours nor a source on the web.
pub fn source(annotation: Annotation) -> Option<Source> {
    let Annotation { url, title, quote: _, span, native } = annotation;
    match native {
        Some(native) if native.dialect == Dialect::OpenaiResponses => Some(Source::Native(native.value)),
        _ => url.map(|url| {
            let (start_index, end_index) = span.unwrap_or_default();
            Source::Url { kind: "url_citation", title: title.unwrap_or_default(), url, start_index, end_index }
        }),
    }
}

/// Log probabilities as the SDKs' types demand them. Chat completions may leave a token's bytes out: they are its text then.
pub fn logprobs(list: Vec<Json>) -> Vec<Json> {
    #[derive(Serialize, Deserialize)]
    struct Token {
        token: String,
        #[serde(default)]
        bytes: Option<Vec<u8>>,
        logprob: Number,
    }
    #[derive(Serialize, Deserialize)]
    struct Logprob {
        token: String,
        #[serde(default)]
        bytes: Option<Vec<u8>>,
        logprob: Number,
        #[serde(default, deserialize_with = "null_as_default")]
        top_logprobs: Vec<Token>,
    }
    let fill = |bytes: &mut Option<Vec<u8>>, token: &str| *bytes = bytes.take().or_else(|| Some(token.into()));
    let complete = |raw: Json| {
        let Ok(mut logprob) = serde_json::from_str::<Logprob>(raw.get()) else { return raw };
        fill(&mut logprob.bytes, &logprob.token);
        logprob.top_logprobs.iter_mut().for_each(|top| fill(&mut top.bytes, &top.token));
        to_raw_value(&logprob).unwrap_or(raw)
    };
    list.into_iter().map(complete).collect()
}
