//! The built-in upstream's parts: a provider for each wire format that it answers in, and its words.

use crate::wire::{Told, Wire};

/// The model by the upstream's name.
pub const MODEL: &str = "bench-model";
/// Events of one streamed answer, the last one not counted.
pub const EVENTS: usize = 64;

/// A provider as narthex is configured for it, and what it answers.
pub struct Provider {
    pub wire: Wire,
    /// The configured instance's name and type.
    pub instance: &'static str,
    pub kind: &'static str,
    whole: fn(&str) -> String,
    events: fn() -> Vec<String>,
    /// The event that tells token counts where one must ask for it.
    pub usage: &'static str,
    /// The last event.
    pub end: &'static str,
    /// How many events of a stream are pieces of text.
    pieces: usize,
}

pub const OPENAI: Provider = Provider {
    wire: Wire::Chat,
    instance: "bench-east",
    kind: "openai",
    whole: chat_whole,
    events: chat_events,
    usage: concat!(
        r#"data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1767225600,"model":"bench-model","#,
        r#""choices":[],"usage":{"prompt_tokens":211,"completion_tokens":74,"total_tokens":285}}"#,
        "\n\n"
    ),
    end: "data: [DONE]\n\n",
    pieces: EVENTS - 2,
};

/// Its models speak Chat alone: clients of all other dialects are translated. OpenAI itself would take Responses as they are.
pub const COMPATIBLE: Provider = Provider { instance: "bench-north", kind: "opencode-go", ..OPENAI };

pub const ANTHROPIC: Provider = Provider {
    wire: Wire::Messages,
    instance: "bench-west",
    kind: "anthropic",
    whole: messages_whole,
    events: messages_events,
    usage: "",
    end: "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    pieces: EVENTS - 4,
};

const CONTENT: &str = "The tall clock by the stairs strikes the hours; it was built in 1784 by a maker whose \
    name the records spell in three ways. It is wound on Mondays, so this afternoon you should hear it. \
    Ask the keeper to open the case after the third stroke: the children can count the teeth of the wheel.";

impl Provider {
    pub fn whole(&self) -> String {
        (self.whole)(CONTENT)
    }

    pub fn events(&self) -> Vec<String> {
        (self.events)()
    }

    /// What its whole answer says.
    pub fn tells_whole(&self) -> Told {
        told(CONTENT.to_owned())
    }

    /// What its stream says.
    pub fn tells_stream(&self) -> Told {
        told(pieces(self.pieces).collect())
    }
}

fn told(text: String) -> Told {
    Told { text, input_tokens: 211, output_tokens: 74 }
}

fn pieces(count: usize) -> impl Iterator<Item = String> {
    (1..=count).map(|at| format!(" tick{at}"))
}

fn chat_whole(content: &str) -> String {
    format!(
        concat!(
            r#"{{"id":"chatcmpl-bench","object":"chat.completion","created":1767225600,"model":"{}","choices":"#,
            r#"[{{"index":0,"message":{{"role":"assistant","content":"{}","refusal":null}},"logprobs":null,"#,
            r#""finish_reason":"stop"}}],"usage":{{"prompt_tokens":211,"completion_tokens":74,"total_tokens":285}}}}"#
        ),
        MODEL, content
    )
}

fn chat_events() -> Vec<String> {
    let event = |delta: &str, finish: &str| {
        format!(
            concat!(
                r#"data: {{"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1767225600,"#,
                r#""model":"{}","choices":[{{"index":0,"delta":{},"logprobs":null,"finish_reason":{}}}]}}"#,
                "\n\n"
            ),
            MODEL, delta, finish
        )
    };
    let texts = pieces(OPENAI.pieces).map(|text| event(&format!(r#"{{"content":"{text}"}}"#), "null"));
    let first = event(r#"{"role":"assistant","content":""}"#, "null");
    [first].into_iter().chain(texts).chain([event("{}", r#""stop""#)]).collect()
}

fn messages_whole(content: &str) -> String {
    format!(
        concat!(
            r#"{{"id":"msg_bench","type":"message","role":"assistant","model":"{}","content":[{{"type":"text","text":"{}"}}],"#,
            r#""stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":211,"#,
            r#""cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":74}}}}"#
        ),
        MODEL, content
    )
}

fn messages_events() -> Vec<String> {
    let event = |name: &str, rest: &str| format!("event: {name}\ndata: {{\"type\":\"{name}\",{rest}}}\n\n");
    let piece = |text: &str| {
        event("content_block_delta", &format!(r#""index":0,"delta":{{"type":"text_delta","text":"{text}"}}"#))
    };
    let start = format!(
        concat!(
            r#""message":{{"id":"msg_bench","type":"message","role":"assistant","model":"{}","content":[],"stop_reason":null,"#,
            r#""stop_sequence":null,"usage":{{"input_tokens":211,"cache_creation_input_tokens":0,"#,
            r#""cache_read_input_tokens":0,"output_tokens":1}}}}"#
        ),
        MODEL
    );
    let first = [
        event("message_start", &start),
        event("content_block_start", r#""index":0,"content_block":{"type":"text","text":""}"#),
    ];
    let last = [
        event("content_block_stop", r#""index":0"#),
        event(
            "message_delta",
            r#""delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":74}"#,
        ),
    ];
    first.into_iter().chain(pieces(ANTHROPIC.pieces).map(|text| piece(&text))).chain(last).collect()
}
