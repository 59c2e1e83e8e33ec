//! What is sent, and how often.

use std::time::Duration;

use crate::Outcome;
use crate::provider::{ANTHROPIC, COMPATIBLE, MODEL, OPENAI, Provider};
use crate::wire::{Wanted, Wire};

pub struct Workload {
    pub name: &'static str,
    pub about: &'static str,
    /// The wire format of narthex's client.
    pub client: Wire,
    pub provider: &'static Provider,
    shape: Shape,
    /// Pause before each event of a streamed answer.
    pub event_gap: Duration,
    pub connections: usize,
    /// Requests of one closed-loop round.
    pub requests: usize,
    /// Requests per second while latency is measured: far below saturation, so that queues are not what is timed.
    pub rate: u32,
    /// How many times a bare proxy's CPU it may take.
    pub goal: f64,
}

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Whole,
    Stream,
    LargeModelFirst,
    LargeModelLast,
}

/// On which side of narthex one stands: what it is sent, or what it makes of it.
#[derive(Clone, Copy, PartialEq)]
pub enum Side {
    Client,
    Upstream,
}

const CHAT: Workload = Workload {
    name: "chat",
    about: "1 KB request, 600 B answer",
    client: Wire::Chat,
    provider: &OPENAI,
    shape: Shape::Whole,
    event_gap: Duration::ZERO,
    connections: 8,
    requests: 8_000,
    rate: 400,
    goal: 1.25,
};

const STREAM: Workload = Workload {
    name: "stream",
    about: "64 events back to back",
    shape: Shape::Stream,
    requests: 1_600,
    rate: 150,
    goal: 1.1,
    ..CHAT
};

const LARGE: Workload = Workload {
    name: "large",
    about: "200 KB request, `model` first",
    shape: Shape::LargeModelFirst,
    requests: 2_000,
    rate: 100,
    goal: 1.3,
    ..CHAT
};

/// Whole answers and streams through the canonical form.
const WHOLE_GOAL: f64 = 1.6;
const STREAM_GOAL: f64 = 1.8;

const ALL: &[Workload] = &[
    CHAT,
    STREAM,
    // Back to back, several events share one read. Real models pause between tokens, and every event pays alone.
    Workload {
        name: "stream-paced",
        about: "64 events, 4 ms apart",
        event_gap: Duration::from_millis(4),
        connections: 48,
        requests: 192,
        rate: 80,
        goal: 1.2,
        ..STREAM
    },
    LARGE,
    Workload { name: "large-last", about: "200 KB request, `model` last", shape: Shape::LargeModelLast, ..LARGE },
    Workload {
        name: "chat-to-anthropic",
        about: "a Chat client, a Messages provider",
        provider: &ANTHROPIC,
        goal: WHOLE_GOAL,
        ..CHAT
    },
    Workload {
        name: "chat-to-anthropic-stream",
        about: "the same, 64 events",
        provider: &ANTHROPIC,
        goal: STREAM_GOAL,
        ..STREAM
    },
    Workload {
        name: "messages-to-chat",
        about: "a Messages client, a Chat provider",
        client: Wire::Messages,
        provider: &COMPATIBLE,
        goal: WHOLE_GOAL,
        ..CHAT
    },
    Workload {
        name: "messages-to-chat-stream",
        about: "the same, 64 events",
        client: Wire::Messages,
        provider: &COMPATIBLE,
        goal: STREAM_GOAL,
        ..STREAM
    },
    Workload {
        name: "responses-to-chat",
        about: "a Responses client, a Chat provider",
        client: Wire::Responses,
        provider: &COMPATIBLE,
        goal: WHOLE_GOAL,
        ..CHAT
    },
    Workload {
        name: "responses-to-chat-stream",
        about: "the same, 64 events",
        client: Wire::Responses,
        provider: &COMPATIBLE,
        goal: STREAM_GOAL,
        ..STREAM
    },
];

impl Workload {
    /// Those named, or all when none is.
    pub fn named(names: &[String]) -> Outcome<Vec<&'static Workload>> {
        if let Some(unknown) = names.iter().find(|name| !ALL.iter().any(|workload| workload.name == *name)) {
            let known: Vec<_> = ALL.iter().map(|workload| workload.name).collect();
            return Err(format!("no workload {unknown}: there are {}", known.join(", ")).into());
        }
        let wanted = |workload: &&Workload| names.is_empty() || names.iter().any(|name| name == workload.name);
        Ok(ALL.iter().filter(wanted).collect())
    }

    pub fn is_stream(&self) -> bool {
        self.shape == Shape::Stream
    }

    pub fn is_translated(&self) -> bool {
        self.client != self.provider.wire
    }

    /// The wire format that is spoken there.
    pub fn wire(&self, side: Side) -> Wire {
        match side {
            Side::Client => self.client,
            Side::Upstream => self.provider.wire,
        }
    }

    /// The request's JSON.
    pub fn body(&self, side: Side) -> String {
        let model = match side {
            Side::Client => format!("{}/{MODEL}", self.provider.instance),
            Side::Upstream => MODEL.to_owned(),
        };
        match self.shape {
            Shape::Whole => self.wire(side).request(&model, Wanted::Whole),
            Shape::Stream if self.is_translated() => self.wire(side).request(&model, Wanted::CountedStream),
            Shape::Stream => self.wire(side).request(&model, Wanted::Stream),
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
