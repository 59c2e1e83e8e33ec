//! A script as a response: whole, or as the events that build it up.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::super::answer::{Answer, Events, write_json};
use super::super::super::script::{CallKind, Ending, Reply, Script};
use super::super::chat::logprobs;
use super::super::id;
use super::body::{
    Body, Empty, Incomplete, InputDetails, Item, OrElse, OutputDetails, OutputText, Reasoning, Status, SummaryText,
    TextOptions, Usage, Written,
};
use super::event::{
    Arguments, Delta, InContent, InItem, InResponse, InSummary, Input, Text, TextDelta, TextDone, WithItem, WithPart,
    Within,
};

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
        let mut stream = Stream { events: Events::with_capacity(self.script.usage.answer + 16, 256), next: 0 };
        let begun = self.body(Status::InProgress, &[]);
        let begun = InResponse { response: &begun };
        stream.push("response.created", &begun);
        stream.push("response.in_progress", &begun);

        let items = self.items();
        for (output_index, item) in items.iter().enumerate() {
            let opened = item.opened();
            stream.push("response.output_item.added", &WithItem { output_index, item: &opened });
            self.inside(&mut stream, output_index, item);
            stream.push("response.output_item.done", &WithItem { output_index, item });
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
        let within = Within { item_id: item.id(), output_index };
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
                    stream.within("response.function_call_arguments.delta", within, Delta { delta });
                }
                let arguments = arguments.0.text();
                stream.within("response.function_call_arguments.done", within, Arguments { arguments });
            }
            Item::CustomToolCall { input, .. } => {
                for delta in input.0.iter() {
                    stream.within("response.custom_tool_call_input.delta", within, Delta { delta });
                }
                let input = input.0.text();
                stream.within("response.custom_tool_call_input.done", within, Input { input });
            }
        }
    }

    fn text(&self, stream: &mut Stream, within: Within, content_index: usize, part: &OutputText) {
        let opened = OutputText::new("");
        stream.within(
            "response.content_part.added",
            within,
            InContent { content_index, rest: WithPart { part: &opened } },
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
                    InContent { content_index, rest: TextDelta { delta, logprobs } },
                );
            }
        }
        stream.within(
            "response.output_text.done",
            within,
            InContent { content_index, rest: TextDone { text: part.text, logprobs: &part.logprobs } },
        );
        stream.within("response.content_part.done", within, InContent { content_index, rest: WithPart { part } });
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
            Ending::Stop | Ending::StoppedBy(_) | Ending::Calls => Status::Completed,
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
            incomplete_details: (status == Status::Incomplete).then_some(Incomplete { reason: "max_output_tokens" }),
            instructions: echoed.instructions,
            max_output_tokens: echoed.max_output_tokens,
            model: echoed.model,
            output,
            parallel_tool_calls: echoed.parallel_tool_calls,
            previous_response_id: echoed.previous_response_id,
            reasoning: Reasoning { effort: echoed.effort, summary: echoed.summary },
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
                output_tokens_details: OutputDetails { reasoning_tokens: usage.reasoning },
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
            let fields = out.get_mut(brace..).unwrap_or_default();
            if let Some(brace) = fields.first_mut() {
                *brace = b',';
            }
            // What is repeated word for word may hold line breaks, which would end the event. In JSON they only ever
            // stand between tokens.
            for byte in fields {
                if matches!(byte, b'\n' | b'\r') {
                    *byte = b' ';
                }
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
            InSummary { summary_index, rest: WithPart { part: &opened } },
        );
        for delta in part.text.split_inclusive(' ') {
            self.within(
                "response.reasoning_summary_text.delta",
                within,
                InSummary { summary_index, rest: Delta { delta } },
            );
        }
        self.within(
            "response.reasoning_summary_text.done",
            within,
            InSummary { summary_index, rest: Text { text: part.text } },
        );
        self.within(
            "response.reasoning_summary_part.done",
            within,
            InSummary { summary_index, rest: WithPart { part } },
        );
    }
}
