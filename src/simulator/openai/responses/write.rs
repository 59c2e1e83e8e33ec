//! A script as a response: whole, or as the events that build it up.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::super::http::{Answer, Events, write_json};
use super::super::super::script::{CallKind, Ending, Pieces, Reply, Script};
use super::super::chat::{Token, logprobs};
use super::super::id;

pub struct Response<'a> {
    pub id: String,
    pub created: u64,
    pub script: &'a Script,
    pub summarise: bool,
    pub encrypt: bool,
    /// How many alternatives to show for each token; `None`: no log-probabilities at all.
    pub logprobs: Option<usize>,
    pub echoed: Echoed<'a>,
}

/// What an answer repeats of its request.
pub struct Echoed<'a> {
    pub instructions: Option<&'a RawValue>,
    pub max_output_tokens: Option<usize>,
    pub metadata: Option<&'a RawValue>,
    pub model: &'a str,
    pub parallel_tool_calls: bool,
    pub previous_response_id: Option<&'a str>,
    pub effort: Option<&'a str>,
    pub summary: Option<&'a str>,
    pub store: bool,
    pub temperature: f64,
    pub text: Option<&'a RawValue>,
    pub tool_choice: Option<&'a RawValue>,
    pub tools: Option<&'a RawValue>,
    pub top_p: f64,
    pub truncation: &'a str,
}

impl Response<'_> {
    pub fn whole(&self) -> Answer {
        Answer::json(&self.body(self.end(), &self.items()))
    }

    pub fn stream(&self) -> Events {
        let mut stream = Stream {
            events: Events::with_capacity(self.script.usage.answer + 16, 256),
            next: 0,
        };
        let begun = self.body(Status::InProgress, &[]);
        let begun = InResponse { response: &begun };
        stream.push("response.created", &begun);
        stream.push("response.in_progress", &begun);

        let items = self.items();
        for (output_index, item) in items.iter().enumerate() {
            let opened = item.opened();
            stream.push(
                "response.output_item.added",
                &WithItem {
                    output_index,
                    item: &opened,
                },
            );
            self.inside(&mut stream, output_index, item);
            stream.push(
                "response.output_item.done",
                &WithItem { output_index, item },
            );
        }

        let name = match self.end() {
            Status::Incomplete => "response.incomplete",
            Status::InProgress | Status::Completed => "response.completed",
        };
        let ended = self.body(self.end(), &items);
        stream.push(name, &InResponse { response: &ended });
        stream.events
    }

    fn inside(&self, stream: &mut Stream, output_index: usize, item: &Item) {
        let within = Within {
            item_id: item.id(),
            output_index,
        };
        match item {
            Item::Reasoning { summary, .. } => {
                for (index, part) in summary.iter().enumerate() {
                    stream.summary(within, index, part);
                }
            }
            Item::Message { content, .. } => {
                for (index, part) in content.iter().enumerate() {
                    self.text(stream, within, index, part);
                }
            }
            Item::FunctionCall { arguments, .. } => {
                for delta in arguments.0.iter() {
                    stream.within(
                        "response.function_call_arguments.delta",
                        within,
                        Delta { delta },
                    );
                }
                let arguments = arguments.0.text();
                stream.within(
                    "response.function_call_arguments.done",
                    within,
                    Arguments { arguments },
                );
            }
            Item::CustomToolCall { input, .. } => {
                for delta in input.0.iter() {
                    stream.within(
                        "response.custom_tool_call_input.delta",
                        within,
                        Delta { delta },
                    );
                }
                let input = input.0.text();
                stream.within(
                    "response.custom_tool_call_input.done",
                    within,
                    Input { input },
                );
            }
        }
    }

    fn text(&self, stream: &mut Stream, within: Within, content_index: usize, part: &OutputText) {
        let opened = OutputText::new("");
        stream.within(
            "response.content_part.added",
            within,
            InContent {
                content_index,
                rest: WithPart { part: &opened },
            },
        );
        if let Reply::Text(pieces) = &self.script.reply {
            for delta in pieces.iter() {
                let logprobs = match self.logprobs {
                    Some(top) => logprobs(std::iter::once(delta), top),
                    None => Vec::new(),
                };
                stream.within(
                    "response.output_text.delta",
                    within,
                    InContent {
                        content_index,
                        rest: TextDelta { delta, logprobs },
                    },
                );
            }
        }
        stream.within(
            "response.output_text.done",
            within,
            InContent {
                content_index,
                rest: TextDone {
                    text: part.text,
                    logprobs: &part.logprobs,
                },
            },
        );
        stream.within(
            "response.content_part.done",
            within,
            InContent {
                content_index,
                rest: WithPart { part },
            },
        );
    }

    fn items(&self) -> Vec<Item<'_>> {
        let mut items = Vec::with_capacity(2);
        if let Some(thought) = self.script.reasoning {
            items.push(Item::Reasoning {
                id: id("rs_"),
                summary: Vec::from_iter(self.summarise.then_some(SummaryText::new(thought))),
                encrypted_content: self.encrypt.then(|| STANDARD.encode(thought)),
            });
        }
        match &self.script.reply {
            Reply::Text(pieces) => items.push(Item::Message {
                id: id("msg_"),
                status: self.end(),
                role: "assistant",
                content: vec![OutputText {
                    logprobs: match self.logprobs {
                        Some(top) => logprobs(pieces.iter(), top),
                        None => Vec::new(),
                    },
                    ..OutputText::new(pieces.text())
                }],
            }),
            Reply::Calls(calls) => {
                items.extend(calls.iter().map(|call| match call.kind {
                    CallKind::Function => Item::FunctionCall {
                        id: id("fc_"),
                        call_id: &call.id,
                        name: &call.name,
                        arguments: Written(&call.input),
                        status: self.end(),
                    },
                    CallKind::Custom => Item::CustomToolCall {
                        id: id("ctc_"),
                        call_id: &call.id,
                        name: &call.name,
                        input: Written(&call.input),
                    },
                }));
            }
        }
        items
    }

    fn end(&self) -> Status {
        match self.script.ending {
            Ending::Length => Status::Incomplete,
            Ending::Stop | Ending::Calls => Status::Completed,
        }
    }

    fn body<'b>(&'b self, status: Status, output: &'b [Item<'b>]) -> Body<'b> {
        let echoed = &self.echoed;
        let usage = self.script.usage;
        let ended = status != Status::InProgress;
        Body {
            id: &self.id,
            object: "response",
            created_at: self.created,
            completed_at: (status == Status::Completed).then(super::super::now),
            status,
            background: false,
            error: (),
            incomplete_details: (status == Status::Incomplete).then_some(Incomplete {
                reason: "max_output_tokens",
            }),
            instructions: echoed.instructions,
            max_output_tokens: echoed.max_output_tokens,
            model: echoed.model,
            output,
            parallel_tool_calls: echoed.parallel_tool_calls,
            previous_response_id: echoed.previous_response_id,
            reasoning: Reasoning {
                effort: echoed.effort,
                summary: echoed.summary,
            },
            service_tier: "default",
            store: echoed.store,
            temperature: echoed.temperature,
            text: OrElse(echoed.text, TextOptions::default()),
            tool_choice: OrElse(echoed.tool_choice, "auto"),
            tools: OrElse(echoed.tools, []),
            top_p: echoed.top_p,
            truncation: echoed.truncation,
            usage: ended.then_some(Usage {
                input_tokens: usage.prompt,
                input_tokens_details: InputDetails::default(),
                output_tokens: usage.answer,
                output_tokens_details: OutputDetails {
                    reasoning_tokens: usage.reasoning,
                },
                total_tokens: usage.total(),
            }),
            metadata: OrElse(echoed.metadata, Empty {}),
        }
    }
}

struct Stream {
    events: Events,
    next: usize,
}

impl Stream {
    /// `fields` are written as an object whose opening brace becomes the comma after the common fields.
    fn push(&mut self, name: &str, fields: &impl Serialize) {
        let number = self.next;
        self.next += 1;
        self.events.push(|out| {
            for text in ["event: ", name, "\ndata: {\"type\":\"", name] {
                out.extend_from_slice(text.as_bytes());
            }
            out.extend_from_slice(br#"","sequence_number":"#);
            write_json(out, &number);
            let brace = out.len();
            write_json(out, fields);
            if let Some(brace) = out.get_mut(brace) {
                *brace = b',';
            }
            out.extend_from_slice(b"\n\n");
        });
    }

    fn within(&mut self, name: &str, within: Within, rest: impl Serialize) {
        self.push(name, &InItem { within, rest });
    }

    fn summary(&mut self, within: Within, summary_index: usize, part: &SummaryText) {
        let opened = SummaryText::new("");
        self.within(
            "response.reasoning_summary_part.added",
            within,
            InSummary {
                summary_index,
                rest: WithPart { part: &opened },
            },
        );
        for delta in part.text.split_inclusive(' ') {
            self.within(
                "response.reasoning_summary_text.delta",
                within,
                InSummary {
                    summary_index,
                    rest: Delta { delta },
                },
            );
        }
        self.within(
            "response.reasoning_summary_text.done",
            within,
            InSummary {
                summary_index,
                rest: Text { text: part.text },
            },
        );
        self.within(
            "response.reasoning_summary_part.done",
            within,
            InSummary {
                summary_index,
                rest: WithPart { part },
            },
        );
    }
}

// The fields of events, from the outside in.

#[derive(Serialize)]
struct InResponse<'a> {
    response: &'a Body<'a>,
}

#[derive(Serialize)]
struct WithItem<'a> {
    output_index: usize,
    item: &'a Item<'a>,
}

#[derive(Clone, Copy, Serialize)]
struct Within<'a> {
    item_id: &'a str,
    output_index: usize,
}

#[derive(Serialize)]
struct InItem<'a, T> {
    #[serde(flatten)]
    within: Within<'a>,
    #[serde(flatten)]
    rest: T,
}

#[derive(Serialize)]
struct InContent<T> {
    content_index: usize,
    #[serde(flatten)]
    rest: T,
}

#[derive(Serialize)]
struct InSummary<T> {
    summary_index: usize,
    #[serde(flatten)]
    rest: T,
}

#[derive(Serialize)]
struct WithPart<'a, T> {
    part: &'a T,
}

#[derive(Serialize)]
struct Delta<'a> {
    delta: &'a str,
}

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
}

#[derive(Serialize)]
struct TextDelta<'a> {
    delta: &'a str,
    logprobs: Vec<Token<'a>>,
}

#[derive(Serialize)]
struct TextDone<'a> {
    text: &'a str,
    logprobs: &'a [Token<'a>],
}

#[derive(Serialize)]
struct Arguments<'a> {
    arguments: &'a str,
}

#[derive(Serialize)]
struct Input<'a> {
    input: &'a str,
}

// The response itself.

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    object: &'static str,
    created_at: u64,
    completed_at: Option<u64>,
    status: Status,
    background: bool,
    error: (),
    incomplete_details: Option<Incomplete>,
    instructions: Option<&'a RawValue>,
    max_output_tokens: Option<usize>,
    model: &'a str,
    output: &'a [Item<'a>],
    parallel_tool_calls: bool,
    previous_response_id: Option<&'a str>,
    reasoning: Reasoning<'a>,
    service_tier: &'static str,
    store: bool,
    temperature: f64,
    text: OrElse<'a, TextOptions>,
    tool_choice: OrElse<'a, &'static str>,
    tools: OrElse<'a, [(); 0]>,
    top_p: f64,
    truncation: &'a str,
    usage: Option<Usage>,
    metadata: OrElse<'a, Empty>,
}

#[derive(Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    InProgress,
    Completed,
    Incomplete,
}

#[derive(Serialize)]
struct Incomplete {
    reason: &'static str,
}

#[derive(Serialize)]
struct Reasoning<'a> {
    effort: Option<&'a str>,
    summary: Option<&'a str>,
}

/// What the request said, else what it would have meant.
struct OrElse<'a, T>(Option<&'a RawValue>, T);

impl<T: Serialize> Serialize for OrElse<'_, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(raw) => raw.serialize(serializer),
            None => self.1.serialize(serializer),
        }
    }
}

#[derive(Serialize)]
struct Empty {}

#[derive(Default, Serialize)]
struct TextOptions {
    format: PlainFormat,
}

#[derive(Serialize)]
struct PlainFormat {
    r#type: &'static str,
}

impl Default for PlainFormat {
    fn default() -> Self {
        Self { r#type: "text" }
    }
}

#[derive(Serialize)]
struct Usage {
    input_tokens: usize,
    input_tokens_details: InputDetails,
    output_tokens: usize,
    output_tokens_details: OutputDetails,
    total_tokens: usize,
}

#[derive(Default, Serialize)]
struct InputDetails {
    cached_tokens: usize,
    cache_write_tokens: usize,
}

#[derive(Serialize)]
struct OutputDetails {
    reasoning_tokens: usize,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Item<'a> {
    Reasoning {
        id: String,
        summary: Vec<SummaryText<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<String>,
    },
    Message {
        id: String,
        status: Status,
        role: &'static str,
        content: Vec<OutputText<'a>>,
    },
    FunctionCall {
        id: String,
        call_id: &'a str,
        name: &'a str,
        arguments: Written<'a>,
        status: Status,
    },
    CustomToolCall {
        id: String,
        call_id: &'a str,
        name: &'a str,
        input: Written<'a>,
    },
}

impl<'a> Item<'a> {
    fn id(&self) -> &str {
        match self {
            Self::Reasoning { id, .. }
            | Self::Message { id, .. }
            | Self::FunctionCall { id, .. }
            | Self::CustomToolCall { id, .. } => id,
        }
    }

    /// As it is announced: without what the next events bring.
    fn opened(&self) -> Item<'a> {
        const NOTHING: Written = Written(&Pieces::EMPTY);
        let id = self.id().to_owned();
        match self {
            Self::Reasoning { .. } => Item::Reasoning {
                id,
                summary: Vec::new(),
                encrypted_content: None,
            },
            Self::Message { role, .. } => Item::Message {
                id,
                status: Status::InProgress,
                role,
                content: Vec::new(),
            },
            Self::FunctionCall { call_id, name, .. } => Item::FunctionCall {
                id,
                call_id,
                name,
                arguments: NOTHING,
                status: Status::InProgress,
            },
            Self::CustomToolCall { call_id, name, .. } => Item::CustomToolCall {
                id,
                call_id,
                name,
                input: NOTHING,
            },
        }
    }
}

/// Pieces, put together again.
struct Written<'a>(&'a Pieces);

impl Serialize for Written<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.text())
    }
}

#[derive(Serialize)]
struct SummaryText<'a> {
    r#type: &'static str,
    text: &'a str,
}

impl<'a> SummaryText<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            r#type: "summary_text",
            text,
        }
    }
}

#[derive(Serialize)]
struct OutputText<'a> {
    r#type: &'static str,
    text: &'a str,
    annotations: [(); 0],
    logprobs: Vec<Token<'a>>,
}

impl<'a> OutputText<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            r#type: "output_text",
            text,
            annotations: [],
            logprobs: Vec::new(),
        }
    }
}
