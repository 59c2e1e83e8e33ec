//! What is sent, and what must come back.

use std::time::Duration;

use crate::Outcome;

/// The model as the client names it to narthex, and as the upstream must see it.
pub const INSTANCE: &str = "bench-east";
pub const MODEL: &str = "bench-model";
/// Events of one streamed answer, the closing `[DONE]` not counted.
pub const EVENTS: usize = 64;

pub struct Workload {
    pub name: &'static str,
    pub about: &'static str,
    shape: Shape,
    /// Pause before each event of a streamed answer.
    pub event_gap: Duration,
    pub connections: usize,
    /// Requests of one closed-loop round.
    pub requests: usize,
    /// Requests per second while latency is measured: far below saturation, so that queues are not what is timed.
    pub rate: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Chat,
    Stream,
    LargeModelFirst,
    LargeModelLast,
}

impl Workload {
    fn all() -> [Workload; 5] {
        [
            Workload {
                name: "chat",
                about: "1 KB request, 600 B answer",
                shape: Shape::Chat,
                event_gap: Duration::ZERO,
                connections: 8,
                requests: 8_000,
                rate: 400,
            },
            Workload {
                name: "stream",
                about: "64 events back to back",
                shape: Shape::Stream,
                event_gap: Duration::ZERO,
                connections: 8,
                requests: 1_600,
                rate: 150,
            },
            // Back to back, several events share one read. Real models pause between tokens, and every event pays alone.
            Workload {
                name: "stream-paced",
                about: "64 events, 4 ms apart",
                shape: Shape::Stream,
                event_gap: Duration::from_millis(4),
                connections: 48,
                requests: 192,
                rate: 80,
            },
            Workload {
                name: "large",
                about: "200 KB request, `model` first",
                shape: Shape::LargeModelFirst,
                event_gap: Duration::ZERO,
                connections: 8,
                requests: 2_000,
                rate: 100,
            },
            Workload {
                name: "large-last",
                about: "200 KB request, `model` last",
                shape: Shape::LargeModelLast,
                event_gap: Duration::ZERO,
                connections: 8,
                requests: 2_000,
                rate: 100,
            },
        ]
    }

    /// Those named, or all when none is.
    pub fn named(names: &[String]) -> Outcome<Vec<Workload>> {
        let all = Workload::all();
        let known = all.each_ref().map(|workload| workload.name);
        if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(format!("no workload {unknown}: there are {}", known.join(", ")).into());
        }
        let wanted = |workload: &Workload| names.is_empty() || names.iter().any(|name| name == workload.name);
        Ok(all.into_iter().filter(wanted).collect())
    }

    pub fn is_stream(&self) -> bool {
        self.shape == Shape::Stream
    }

    /// The request's JSON, naming `model`.
    pub fn body(&self, model: &str) -> String {
        match self.shape {
            Shape::Chat => {
                let messages = chat_messages();
                format!(r#"{{"model":"{model}","temperature":0.7,"messages":{messages}}}"#)
            }
            Shape::Stream => {
                let messages = chat_messages();
                format!(r#"{{"model":"{model}","stream":true,"messages":{messages}}}"#)
            }
            Shape::LargeModelFirst => {
                let messages = large_messages();
                format!(r#"{{"model":"{model}","messages":{messages},"temperature":0.7}}"#)
            }
            Shape::LargeModelLast => {
                let messages = large_messages();
                format!(r#"{{"messages":{messages},"temperature":0.7,"model":"{model}"}}"#)
            }
        }
    }
}

fn chat_messages() -> String {
    let system = "You are the guide of a small museum of clocks. Answer in plain words, name the room \
        where a piece stands, and say so when you are not sure. "
        .repeat(3);
    let user = "Which of the clocks in the east wing still strikes the hours, who built it, and may I \
        hear it this afternoon? I shall be there with two children who like to count. "
        .repeat(3);
    format!(r#"[{{"role":"system","content":"{system}"}},{{"role":"user","content":"{user}"}}]"#)
}

/// Twenty turns of 10 KB each. The text is JSON source: a scanner meets escapes, surrogate pairs and raw multi-byte
/// characters at the density of pasted code and logs.
fn large_messages() -> String {
    const PARAGRAPH: &str = concat!(
        r#"fn strike(hour: u8) -> &'static str {\n\tif hour == 0 { \"midnight\" } else { \"bell\" }\n}\n"#,
        r#"C:\\clocks\\east\\wing.log says: {\"hour\": 7, \"note\": \"caf\u00e9 \ud83d\udd70 open\"}\r\n"#,
        r#"Die Glocke schlägt, часы бьют, 時計が鳴る, and the visitors smile 🙂 while the keeper winds the weights. "#,
    );
    let content = PARAGRAPH.repeat(10_000_usize.div_ceil(PARAGRAPH.len()));
    let turns: Vec<String> = (0..20)
        .map(|turn| {
            let role = if turn % 2 == 0 { "user" } else { "assistant" };
            format!(r#"{{"role":"{role}","content":"{content}"}}"#)
        })
        .collect();
    format!("[{}]", turns.join(","))
}

/// The answers of the built-in upstream.
pub mod answer {
    use super::{EVENTS, MODEL};

    pub fn whole() -> String {
        let content = "The tall clock by the stairs strikes the hours; it was built in 1784 by a maker whose \
            name the records spell in three ways. It is wound on Mondays, so this afternoon you should hear it. \
            Ask the keeper to open the case after the third stroke: the children can count the teeth of the wheel.";
        format!(
            concat!(
                r#"{{"id":"chatcmpl-bench","object":"chat.completion","created":1767225600,"model":"{}","choices":"#,
                r#"[{{"index":0,"message":{{"role":"assistant","content":"{}","refusal":null}},"logprobs":null,"#,
                r#""finish_reason":"stop"}}],"usage":{{"prompt_tokens":211,"completion_tokens":74,"total_tokens":285}}}}"#
            ),
            MODEL, content
        )
    }

    pub fn events() -> Vec<String> {
        (0..EVENTS)
            .map(|at| match at {
                0 => event(r#"{"role":"assistant","content":""}"#, "null"),
                last if last + 1 == EVENTS => event("{}", r#""stop""#),
                _ => event(&format!(r#"{{"content":" tick{at}"}}"#), "null"),
            })
            .collect()
    }

    pub const DONE: &str = "data: [DONE]\n\n";

    /// What a provider adds when the request says `include_usage`.
    pub fn usage_event() -> String {
        chunk("[]", r#","usage":{"prompt_tokens":211,"completion_tokens":62,"total_tokens":273}"#)
    }

    fn event(delta: &str, finish: &str) -> String {
        let choices = format!(r#"[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}]"#);
        chunk(&choices, "")
    }

    fn chunk(choices: &str, tail: &str) -> String {
        format!(
            concat!(
                r#"data: {{"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1767225600,"#,
                r#""model":"{}","choices":{}{}}}"#,
                "\n\n"
            ),
            MODEL, choices, tail
        )
    }
}
