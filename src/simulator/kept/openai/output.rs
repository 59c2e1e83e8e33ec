//! The files that a batch leaves behind: a line for each request.

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::super::answer::write_json;
use super::super::file::{Content, NewFile, Origin};
use super::super::line::{Line, Outcome};
use super::super::place::Vendor;
use super::super::stock::Files;

/// What was written, still without ids. Lines with an answer, and lines with none or with a failure.
pub struct Written {
    pub output: Bytes,
    pub error: Bytes,
    pub usage: Usage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    input_tokens: u64,
    input_tokens_details: Cached,
    output_tokens: u64,
    output_tokens_details: Reasoned,
    total_tokens: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct Cached {
    cached_tokens: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct Reasoned {
    reasoning_tokens: u64,
}

#[derive(Serialize)]
struct Shown<'a> {
    id: String,
    custom_id: &'a str,
    response: Option<Response<'a>>,
    error: Option<Error>,
}

#[derive(Serialize)]
struct Response<'a> {
    status_code: u16,
    request_id: String,
    body: &'a RawValue,
}

#[derive(Serialize)]
struct Error {
    code: &'static str,
    message: &'static str,
}

/// What an answer of any endpoint says of its tokens.
#[derive(Default, Deserialize)]
struct Body {
    usage: Option<Told>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    prompt_tokens: u64,
    input_tokens: u64,
    completion_tokens: u64,
    output_tokens: u64,
    completion_tokens_details: Reasoning,
    output_tokens_details: Reasoning,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reasoning {
    reasoning_tokens: Option<u64>,
}

impl Usage {
    fn add(&mut self, told: &Told) {
        let (input, output) = (told.prompt_tokens + told.input_tokens, told.completion_tokens + told.output_tokens);
        self.input_tokens += input;
        self.output_tokens += output;
        self.total_tokens += input + output;
        for details in [&told.completion_tokens_details, &told.output_tokens_details] {
            self.output_tokens_details.reasoning_tokens += details.reasoning_tokens.unwrap_or_default();
        }
    }
}

/// The order is not that of the requests, which is nothing that OpenAI promises.
pub fn write(batch: &str, lines: &[Line]) -> Written {
    let mut usage = Usage::default();
    let (mut output, mut error) = (BytesMut::new(), BytesMut::new());
    let mut lines: Vec<_> = lines.iter().map(|line| (line.digest(), line)).collect();
    lines.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (digest, line) in lines {
        let mut shown = Shown { id: format!("batch_req_{digest}"), custom_id: &line.name, response: None, error: None };
        let file = match line.outcome.as_ref() {
            None => continue,
            Some(Outcome::Answered { status, body }) => {
                let Ok(body) = serde_json::from_slice(body) else { continue };
                shown.response = Some(response(*status, batch, &digest, body));
                if status.is_success() {
                    let Body { usage: told } = serde_json::from_str(body.get()).unwrap_or_default();
                    usage.add(&told.unwrap_or_default());
                    &mut output
                } else {
                    &mut error
                }
            }
            Some(Outcome::Expired) => {
                let message = "The request could not be run before the completion window ended.";
                shown.error = Some(Error { code: "batch_expired", message });
                &mut error
            }
            Some(Outcome::Cancelled) => {
                let message = "The batch was cancelled before the request was run.";
                shown.error = Some(Error { code: "batch_cancelled", message });
                &mut error
            }
        };
        write_json(file, &shown);
        file.extend_from_slice(b"\n");
    }
    Written { output: output.freeze(), error: error.freeze(), usage }
}

fn response<'a>(status: StatusCode, batch: &str, digest: &str, body: &'a RawValue) -> Response<'a> {
    let request_id = super::super::digest(0, &[batch.as_bytes(), digest.as_bytes()]);
    Response { status_code: status.as_u16(), request_id, body }
}

/// Keeps a file, if there is anything in it.
pub fn keep(files: &mut Files, batch: &str, kind: &str, content: Bytes, expires_in: Option<u64>) -> Option<String> {
    if content.is_empty() {
        return None;
    }
    let file = NewFile {
        vendor: Vendor::Openai,
        name: format!("{batch}_{kind}.jsonl"),
        purpose: "batch_output".to_owned(),
        mime: "application/jsonl".to_owned(),
        content: Content::Kept(content),
        origin: Origin::Vendor,
        expires_in,
    };
    Some(files.keep(batch, "file-", 24, file).id.clone())
}
