//! A job is made. What is wrong with its lines shows when it has begun: they are imported first, all or none.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::super::answer::{Answer, bad_value, missing};
use super::super::batch::Batch;
use super::super::line::{Line, Outcome};
use super::super::stock::{Files, Shelves};
use super::super::{Call, Ending};
use super::{job, storage};
use crate::dialects::Dialect;
use crate::error::Refusal;

pub struct Details {
    /// `projects/…/locations/…`.
    pub location: String,
    pub display_name: String,
    /// `publishers/…/models/…`.
    pub model: String,
    pub uri: String,
    /// `gs://…`, as it was given.
    pub prefix: String,
    /// The requests as they were written: answers repeat them.
    pub requests: Vec<Bytes>,
    /// Why it cannot be run, by `google.rpc.Code`.
    pub problem: Option<(u32, String)>,
    /// Where its answers are.
    pub directory: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    display_name: Option<String>,
    model: Option<String>,
    input_config: Option<Input>,
    output_config: Option<Output>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    instances_format: Option<String>,
    gcs_source: Option<Source>,
}

#[derive(Deserialize)]
struct Source {
    uris: OneOrMore,
}

/// A list of one may be written without brackets, as Google's own examples are.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    predictions_format: Option<String>,
    gcs_destination: Option<Destination>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Destination {
    output_uri_prefix: String,
}

#[derive(Deserialize)]
struct FileLine<'a> {
    custom_id: Option<String>,
    #[serde(borrow)]
    request: Option<&'a RawValue>,
}

/// Whose API a line is for.
enum Publisher<'m> {
    Google(&'m str),
    Anthropic(&'m str),
}

pub fn create(shelves: &mut Shelves, call: &Call, location: &str) -> Result<Answer, Refusal> {
    let asked: Request = call.json()?;
    let display_name = asked.display_name.filter(|name| !name.is_empty()).ok_or_else(|| missing("displayName"))?;
    let model = asked.model.ok_or_else(|| missing("model"))?;
    let publisher = Publisher::of(&model)?;
    let input = asked.input_config.ok_or_else(|| missing("inputConfig"))?;
    let output = asked.output_config.ok_or_else(|| missing("outputConfig"))?;
    for (name, format) in
        [("instancesFormat", &input.instances_format), ("predictionsFormat", &output.predictions_format)]
    {
        if format.as_deref() != Some("jsonl") {
            return Err(bad_value(name, "is not jsonl: the simulator knows no other"));
        }
    }
    let uri = match input.gcs_source.ok_or_else(|| missing("inputConfig.gcsSource"))?.uris {
        OneOrMore::One(uri) => uri,
        OneOrMore::More(uris) => match <[String; 1]>::try_from(uris) {
            Ok([uri]) => uri,
            Err(_) => return Err(bad_value("inputConfig.gcsSource.uris", "is not one object")),
        },
    };
    let prefix = output.gcs_destination.ok_or_else(|| missing("outputConfig.gcsDestination"))?.output_uri_prefix;
    if !uri.starts_with("gs://") || !prefix.starts_with("gs://") {
        return Err(Refusal::invalid("Addresses of objects begin with gs://."));
    }
    let (requests, lines, problem) = imported(&mut shelves.files, &uri, &publisher);
    let mut behaviour = call.behaviour.clone();
    if problem.is_some() {
        (behaviour.batch_polls, behaviour.batch_fail) = (Some(0), Some(Ending::Failed));
    }
    let (location, model) = (location.to_owned(), model.clone());
    let details = Details { location, display_name, model, uri, prefix, requests, problem, directory: None };
    let make = |digits: &str| {
        let number = u64::from_str_radix(digits.get(..15).unwrap_or(digits), 16).unwrap_or_default();
        Batch::new(format!("{}/batchPredictionJobs/{number}", details.location), lines, &behaviour, details)
    };
    Ok(Answer::json(&job::shown(shelves.vertex.keep(call.host(), make))))
}

impl<'m> Publisher<'m> {
    fn of(model: &'m str) -> Result<Self, Refusal> {
        let (_, below) = model.rsplit_once("publishers/").unwrap_or_default();
        match below.split_once("/models/") {
            Some(("google", id)) => Ok(Self::Google(id)),
            Some(("anthropic", id)) => Ok(Self::Anthropic(id)),
            _ => Err(bad_value("model", "is no model of google's or anthropic's: the simulator knows no others")),
        }
    }

    fn line(&self, name: String, request: &Bytes) -> Line {
        let id = match self {
            Self::Google(id) => {
                let path = format!("/v1beta/models/{id}:generateContent");
                return Line::new(name, path, Dialect::Gemini, request.clone());
            }
            Self::Anthropic(id) => id,
        };
        // The model is the job's.
        let rest = request.strip_prefix(b"{").unwrap_or_default();
        let body = [format!("{{\"model\":\"{id}\",").as_bytes(), rest].concat().into();
        let mut line = Line::new(name, "/v1/messages".to_owned(), Dialect::Anthropic, body);
        #[derive(Deserialize)]
        struct Version {
            #[serde(rename = "anthropic_version")]
            _version: String,
        }
        if serde_json::from_slice::<Version>(request).is_err() {
            let refusal = Refusal::invalid("anthropic_version: Field required");
            let body = line.dialect.write_failure(&(&refusal).into(), &line.digest());
            line.outcome = Some(Outcome::Answered { status: refusal.status(), body });
        }
        line
    }
}

type Imported = (Vec<Bytes>, Vec<Line>, Option<(u32, String)>);

/// The requests of an object as they are and as lines, and why they cannot be had.
fn imported(files: &mut Files, uri: &str, publisher: &Publisher) -> Imported {
    let (mut requests, mut lines) = (Vec::new(), Vec::new());
    let Some(content) = storage::bytes(files, uri) else {
        return (requests, lines, Some((5, format!("There is no object {uri}."))));
    };
    let failed = |why: String| Some((3, format!("Failed to import data. {why}")));
    for (at, text) in content.split(|byte| *byte == b'\n').enumerate() {
        if text.trim_ascii().is_empty() {
            continue;
        }
        let read: Option<FileLine> = serde_json::from_slice(text).ok();
        let Some(FileLine { custom_id, request: Some(request) }) = read else {
            return (requests, lines, failed(format!("Line {} is not an object with a `request`.", at + 1)));
        };
        let request = content.slice_ref(request.get().as_bytes());
        let value = matches!(publisher, Publisher::Google(_)).then(|| serde_json::from_slice(&request).ok()).flatten();
        if let Some(place) = value.and_then(|value| without_fields(&value, "request")) {
            return (requests, lines, failed(format!("Cannot store struct '{place}' with no fields.")));
        }
        let name = custom_id.unwrap_or_else(|| format!("#{}", lines.len()));
        lines.push(publisher.line(name, &request));
        requests.push(request);
    }
    let problem = lines.is_empty().then(|| failed("There are no lines.".to_owned())).flatten();
    (requests, lines, problem)
}

/// Where an object has no members: requests for Gemini become rows of a table, which has no columns for such.
fn without_fields(value: &serde_json::Value, place: &str) -> Option<String> {
    match value {
        serde_json::Value::Object(members) if members.is_empty() => Some(place.to_owned()),
        serde_json::Value::Object(members) => {
            members.iter().find_map(|(name, value)| without_fields(value, &format!("{place}.{name}")))
        }
        serde_json::Value::Array(items) => items.iter().find_map(|item| without_fields(item, place)),
        _ => None,
    }
}
