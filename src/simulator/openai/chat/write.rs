//! A script as a chat completion: whole, or in chunks.

use bytes::BytesMut;

use super::super::super::answer::{Answer, Events, write_json};
use super::super::super::script::{Call, Ending, Pieces, Reply, Script, Usage};
use super::body::{Body, CallBody, Choice, ChunkHead, Logprobs, Message, UsageBody};

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
            logprobs: self.logprobs.zip(content).map(|(top, pieces)| Logprobs::new(pieces.iter(), top)),
            finish_reason: finish_reason(&self.script.ending),
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
        chunks.finish(finish_reason(&self.script.ending));
        if include_usage {
            chunks.usage(&self.usage());
        }
        chunks.done()
    }

    fn chunks(&self, include_usage: bool) -> Chunks {
        let mut head = BytesMut::with_capacity(256);
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
        let Usage { prompt, answer, reasoning } = self.script.usage;
        UsageBody::new(prompt, answer * self.choices, reasoning * self.choices)
    }
}

struct Chunks {
    events: Events,
    /// Up to the choices.
    head: BytesMut,
    /// From the end of the choice.
    tail: &'static [u8],
    choices: usize,
}

impl Chunks {
    /// The same delta for each choice in turn.
    fn each_choice(&mut self, delta: impl Fn(&mut BytesMut)) {
        self.each(|out| {
            delta(out);
            out.extend_from_slice(br#","logprobs":null,"finish_reason":null"#);
        });
    }

    /// The same chunk for each choice in turn; `write` goes on after `"delta":`.
    fn each(&mut self, write: impl Fn(&mut BytesMut)) {
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
            out.extend_from_slice(b"}");
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
        self.events.push(|out| out.extend_from_slice(b"data: [DONE]\n\n"));
        self.events
    }
}

fn finish_reason(ending: &Ending) -> &'static str {
    match ending {
        Ending::Stop | Ending::StoppedBy(_) => "stop",
        Ending::Length => "length",
        Ending::Calls => "tool_calls",
    }
}
