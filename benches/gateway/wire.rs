//! The wire formats as clients speak them: how each asks, and where in an answer it finds what.

use serde_json::Value;

use crate::Outcome;

/// A wire format.
#[derive(Clone, Copy, PartialEq)]
pub enum Wire {
    Chat,
    Messages,
    Responses,
}

/// How an answer is wanted.
#[derive(Clone, Copy, PartialEq)]
pub enum Wanted {
    Whole,
    Stream,
    /// A stream that tells its token counts even where one must ask for them.
    CountedStream,
}

/// What an answer says, whatever its wire format.
#[derive(Default, PartialEq, Debug)]
pub struct Told {
    pub text: String,
    pub input_tokens: u64,
    pub output_tokens: u64,
}

/// Where it stands, as JSON pointers: in a whole answer, or in each event of a stream.
struct Places {
    text: &'static str,
    input_tokens: &'static [&'static str],
    output_tokens: &'static str,
}

impl Wire {
    pub fn path(self) -> &'static str {
        match self {
            Wire::Chat => "/v1/chat/completions",
            Wire::Messages => "/v1/messages",
            Wire::Responses => "/v1/responses",
        }
    }

    /// A request of about 1 KB.
    pub fn request(self, model: &str, wanted: Wanted) -> String {
        let (system, user) = (system(), user());
        let head = format!(r#"{{"model":"{model}","temperature":0.7"#);
        let stream = match (self, wanted) {
            (_, Wanted::Whole) => "",
            (Wire::Chat, Wanted::CountedStream) => r#","stream":true,"stream_options":{"include_usage":true}"#,
            (_, Wanted::Stream | Wanted::CountedStream) => r#","stream":true"#,
        };
        let text = |text: &str| format!(r#"[{{"type":"text","text":"{text}"}}]"#);
        match self {
            Wire::Chat => format!(
                r#"{head}{stream},"max_tokens":1024,"messages":[{{"role":"system","content":"{system}"}},{{"role":"user","content":"{user}"}}]}}"#
            ),
            Wire::Messages => format!(
                r#"{head}{stream},"max_tokens":1024,"system":{},"messages":[{{"role":"user","content":{}}}]}}"#,
                text(&system),
                text(&user)
            ),
            Wire::Responses => format!(
                r#"{head}{stream},"max_output_tokens":1024,"store":false,"instructions":"{system}","input":[{{"role":"user","content":"{user}"}}]}}"#
            ),
        }
    }

    /// Reads a whole answer.
    pub fn read(self, body: &[u8]) -> Outcome<Told> {
        let places = match self {
            Wire::Chat => Places {
                text: "/choices/0/message/content",
                input_tokens: &["/usage/prompt_tokens"],
                output_tokens: "/usage/completion_tokens",
            },
            Wire::Messages => Places {
                text: "/content/0/text",
                input_tokens: &["/usage/input_tokens"],
                output_tokens: "/usage/output_tokens",
            },
            Wire::Responses => Places {
                text: "/output/0/content/0/text",
                input_tokens: &["/usage/input_tokens"],
                output_tokens: "/usage/output_tokens",
            },
        };
        let mut told = Told::default();
        places.look(&serde_json::from_slice(body)?, &mut told);
        Ok(told)
    }

    /// Reads a streamed answer; an error if it does not end as it should.
    pub fn read_stream(self, body: &[u8]) -> Outcome<Told> {
        let places = match self {
            Wire::Chat => Places {
                text: "/choices/0/delta/content",
                input_tokens: &["/usage/prompt_tokens"],
                output_tokens: "/usage/completion_tokens",
            },
            Wire::Messages => Places {
                text: "/delta/text",
                input_tokens: &["/message/usage/input_tokens", "/usage/input_tokens"],
                output_tokens: "/usage/output_tokens",
            },
            Wire::Responses => Places {
                text: "/delta",
                input_tokens: &["/response/usage/input_tokens"],
                output_tokens: "/response/usage/output_tokens",
            },
        };
        let mut told = Told::default();
        let mut last = "";
        for data in std::str::from_utf8(body)?.lines().filter_map(|line| line.strip_prefix("data: ")) {
            if data.starts_with('{') {
                places.look(&serde_json::from_str(data)?, &mut told);
            }
            last = data;
        }
        let is_ended = match self {
            Wire::Chat => last == "[DONE]",
            Wire::Messages => last.contains(r#""type":"message_stop""#),
            Wire::Responses => last.contains(r#""type":"response.completed""#),
        };
        if is_ended { Ok(told) } else { Err("the stream ends without its last event".into()) }
    }
}

impl Places {
    /// Adds what `json` says.
    fn look(&self, json: &Value, told: &mut Told) {
        let count = |place: &str| json.pointer(place).and_then(Value::as_u64);
        told.text.push_str(json.pointer(self.text).and_then(Value::as_str).unwrap_or_default());
        told.input_tokens = self.input_tokens.iter().find_map(|place| count(place)).unwrap_or(told.input_tokens);
        told.output_tokens = count(self.output_tokens).unwrap_or(told.output_tokens);
    }
}

fn system() -> String {
    "You are the guide of a small museum of clocks. Answer in plain words, name the room \
        where a piece stands, and say so when you are not sure. "
        .repeat(3)
}

fn user() -> String {
    "Which of the clocks in the east wing still strikes the hours, who built it, and may I \
        hear it this afternoon? I shall be there with two children who like to count. "
        .repeat(3)
}
