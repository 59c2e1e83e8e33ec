//! `models/{model}:batchGenerateContent` and `:asyncBatchEmbedContent`: a batch is made, of requests that come with it or stand
//! in a file.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::super::answer::{Answer, missing};
use super::super::batch::Batch;
use super::super::line::Line;
use super::super::stock::Shelves;
use super::super::{Call, Ending};
use super::files::VENDOR;
use super::operation;
use crate::dialects::Dialect;
use crate::error::Refusal;

pub struct Details {
    /// `models/…`
    pub model: String,
    pub display_name: String,
    pub input: Input,
    pub embeds: bool,
    /// Why it cannot be run.
    pub problem: Option<String>,
    pub responses_file: Option<String>,
}

/// Where its requests came from.
pub enum Input {
    /// With it; what was said beside each, which its answer repeats.
    Inline(Vec<Option<Box<RawValue>>>),
    File(String),
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    batch: Option<Asked<'a>>,
}

/// Google's reader of JSON takes both ways of writing a name.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked<'a> {
    #[serde(alias = "display_name")]
    display_name: Option<String>,
    #[serde(borrow, alias = "input_config")]
    input_config: Option<Config<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    #[serde(alias = "file_name")]
    file_name: Option<String>,
    #[serde(borrow)]
    requests: Option<Requests<'a>>,
}

#[derive(Deserialize)]
struct Requests<'a> {
    #[serde(borrow)]
    requests: Vec<One<'a>>,
}

#[derive(Deserialize)]
struct One<'a> {
    #[serde(borrow)]
    request: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

/// Of a file.
#[derive(Deserialize)]
struct FileLine<'a> {
    key: Option<String>,
    #[serde(borrow)]
    request: Option<&'a RawValue>,
}

/// What the metadata of a request usually has.
#[derive(Deserialize, Serialize)]
struct Key {
    key: Option<String>,
}

pub fn create(shelves: &mut Shelves, call: &Call, model: &str, embeds: bool) -> Result<Answer, Refusal> {
    let request: Request = call.json()?;
    let asked = request.batch.ok_or_else(|| missing("batch"))?;
    let config = asked.input_config.ok_or_else(|| missing("batch.inputConfig"))?;
    let action = if embeds { "embedContent" } else { "generateContent" };
    let path = format!("/v1beta/models/{model}:{action}");
    let (input, lines, problem) = match (config.requests, config.file_name) {
        (Some(requests), None) if requests.requests.is_empty() => return Err(missing("batch.inputConfig.requests")),
        (Some(requests), None) => {
            let (metadata, lines) = inline(requests, call, &path)?;
            (Input::Inline(metadata), lines, None)
        }
        (None, Some(name)) => {
            // Whether Google refuses the request or fails the batch is not known.
            let file = shelves.files.get(VENDOR, &name);
            let file = file.ok_or_else(|| Refusal::invalid(format!("There is no {name}.")).param("fileName"))?;
            let (lines, problem) = in_file(file.content.bytes()?, &path);
            (Input::File(name), lines, problem)
        }
        _ => return Err(Refusal::invalid("`inputConfig` must have either `requests` or `fileName`.")),
    };
    let mut behaviour = call.behaviour.clone();
    if problem.is_some() {
        (behaviour.batch_polls, behaviour.batch_fail) = (Some(0), Some(Ending::Failed));
    }
    let display_name = asked.display_name.unwrap_or_default();
    let details =
        Details { model: format!("models/{model}"), display_name, input, embeds, problem, responses_file: None };
    let make = |digits: &str| Batch::new(format!("batches/{digits}"), lines, &behaviour, details);
    Ok(Answer::json(&operation::shown(shelves.gemini.keep(call.host(), make))?))
}

type Inline = (Vec<Option<Box<RawValue>>>, Vec<Line>);

fn inline(requests: Requests, call: &Call, path: &str) -> Result<Inline, Refusal> {
    let (mut metadata, mut lines) = (Vec::new(), Vec::new());
    for (at, one) in requests.requests.into_iter().enumerate() {
        let request = one.request.ok_or_else(|| Refusal::invalid(format!("requests[{at}].request is missing.")))?;
        let body = call.body.slice_ref(request.get().as_bytes());
        let key = one.metadata.and_then(|metadata| serde_json::from_str::<Key>(metadata.get()).ok()?.key);
        let name = key.unwrap_or_else(|| format!("#{at}"));
        lines.push(Line::new(name, path.to_owned(), Dialect::Gemini, body));
        metadata.push(one.metadata.map(ToOwned::to_owned));
    }
    Ok((metadata, lines))
}

/// The lines of a file, and what is wrong with the first bad one. That a bad line fails the batch is a guess.
fn in_file(content: &Bytes, path: &str) -> (Vec<Line>, Option<String>) {
    let mut lines = Vec::new();
    for (at, text) in content.split(|byte| *byte == b'\n').enumerate() {
        if text.trim_ascii().is_empty() {
            continue;
        }
        let read: Option<FileLine> = serde_json::from_slice(text).ok();
        let Some(FileLine { key, request: Some(request) }) = read else {
            return (lines, Some(format!("Line {} is not an object with a `request`.", at + 1)));
        };
        let body = content.slice_ref(request.get().as_bytes());
        let name = key.unwrap_or_else(|| format!("#{}", lines.len()));
        lines.push(Line::new(name, path.to_owned(), Dialect::Gemini, body));
    }
    let problem = lines.is_empty().then(|| "The file has no lines.".to_owned());
    (lines, problem)
}
