//! The lines that Vertex AI's jobs read and write.
//!
//! A request stands in `request`, with `custom_id` beside it: documented for Claude ("Batch predictions with Anthropic Claude models"), and
//! for Gemini a member of the user's own, which comes back with the answer. Since nobody promises that for Gemini, its requests bear their
//! number in `labels` too, which are a documented part of a request, and the request is a documented part of the answer. Answers come in any order.
//!
//! Lines are imported as rows of a table, whose columns have one type each: what looks like a number comes back as one (`"007"` as 7). So
//! neither name is without letters.

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::convert::{Carried, Ended};
use super::{anthropic, gemini};
use crate::endpoints::Operation;
use crate::json::{Edits, Object};

/// Labels are for bills: values are of small letters, digits, `_` and `-`, 63 at most, and a label that has had more than a thousand of
/// them may be dropped ("Custom metadata labels"). So a line's number is told in two.
const BLOCK_LABEL: &str = "narthex_block";
const LINE_LABEL: &str = "narthex_line";
const BLOCK: u64 = 500;

/// A line for this request, with the break at its end. `name`: what no other line is called.
pub fn write(name: &str, number: u64, carried: &Carried) -> String {
    let request = match carried.operation {
        Operation::GenerateContent => importable(compact(&labelled(&carried.body, number))),
        _ => compact(&carried.body),
    };
    format!("{{\"custom_id\":\"{name}\",\"request\":{request}}}\n")
}

/// The request with its number among its labels; those of the client stay.
fn labelled(body: &Bytes, number: u64) -> Bytes {
    let Ok(object) = Object::read(body.clone()) else { return body.clone() };
    let mut labels: Map<String, Value> = object.parse("labels").unwrap_or_default();
    labels.insert(BLOCK_LABEL.to_owned(), format!("b{}", number / BLOCK).into());
    labels.insert(LINE_LABEL.to_owned(), format!("l{}", number % BLOCK).into());
    let mut edits = Edits::default();
    edits.set(&object, "labels", Value::Object(labels).to_string());
    edits.apply(&object).to_bytes()
}

/// Members without content mean the same when they are not there.
const EMPTY: &[&str] = &["\"args\":{}", "\"generationConfig\":{}", "\"properties\":{}"];
/// A tool without settings is one all the same: this setting means nothing (as users of google-genai report).
const SEARCH: (&str, &str) = ("\"googleSearch\":{}", "\"googleSearch\":{\"timeRangeFilter\":null}");

/// A text of JSON without what separates nothing: in one line, whoever wrote it.
fn compact(json: &[u8]) -> String {
    let mut out = Vec::with_capacity(json.len());
    let (mut is_in_string, mut is_escaped) = (false, false);
    for byte in json {
        if !is_in_string && byte.is_ascii_whitespace() {
            continue;
        }
        if *byte == b'"' && !is_escaped {
            is_in_string = !is_in_string;
        }
        is_escaped = is_in_string && *byte == b'\\' && !is_escaped;
        out.push(*byte);
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The request without objects that have no members: no table can hold them, and one fails the whole job ("Cannot store struct … with no
/// fields"). These texts can stand nowhere but where members do: within a string their quotes would be escaped.
fn importable(request: String) -> String {
    let mut text = if request.contains(SEARCH.0) { request.replace(SEARCH.0, SEARCH.1) } else { request };
    for member in EMPTY {
        if !text.contains(member) {
            continue;
        }
        text = text.replace(&format!(",{member}"), "").replace(&format!("{member},"), "").replace(member, "");
    }
    text
}

#[derive(Deserialize)]
struct TheirLine<'a> {
    #[serde(default)]
    custom_id: Value,
    #[serde(default)]
    request: Option<Echo>,
    /// Empty, or in words what went wrong.
    #[serde(default)]
    status: Value,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
    /// `google.rpc.Status`, in files for errors alone.
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Echo {
    labels: Option<Map<String, Value>>,
}

/// The number of the line that was answered, and how it ended. `None`: it is none of ours. `number_of` knows the batch's own names.
pub fn read(text: &[u8], number_of: impl Fn(&str) -> Option<u64>) -> Option<(u64, Ended)> {
    let line: TheirLine<'_> = serde_json::from_slice(text).ok()?;
    let number = line.custom_id.as_str().and_then(number_of).or_else(|| by_labels(line.request?.labels.as_ref()?))?;
    let response = line.response.map(RawValue::get).filter(|response| !matches!(*response, "{}" | "null"));
    let status = line.status.as_str().unwrap_or_default();
    let ended = match (response, line.error) {
        (_, Some(error)) if error.is_object() => gemini::errored(error),
        (Some(response), _) if status.is_empty() => {
            Ended::Answered { status: StatusCode::OK, body: Bytes::copy_from_slice(response.as_bytes()) }
        }
        _ => failed(status),
    };
    Some((number, ended))
}

fn by_labels(labels: &Map<String, Value>) -> Option<u64> {
    let part = |name: &str, letter| labels.get(name)?.as_str()?.strip_prefix(letter)?.parse::<u64>().ok();
    part(BLOCK_LABEL, 'b')?.checked_mul(BLOCK)?.checked_add(part(LINE_LABEL, 'l')?)
}

/// A failure as `status` tells it: the name of an HTTP status, a colon, and what the model's own API answered.
fn failed(status: &str) -> Ended {
    let told = status.find('{').and_then(|start| serde_json::from_str::<Value>(status.get(start..)?).ok());
    match told {
        Some(told) if told.get("type").is_some_and(|kind| kind == "error") => anthropic::errored(&told),
        Some(told) if told.pointer("/error/code").is_some() => {
            gemini::errored(told.get("error").cloned().unwrap_or_default())
        }
        _ => {
            let name = status.split(':').next().unwrap_or_default().trim();
            let is_named =
                |code: &StatusCode| code.canonical_reason().is_some_and(|reason| reason.eq_ignore_ascii_case(name));
            let code = (400..600).filter_map(|code| StatusCode::from_u16(code).ok()).find(is_named);
            let message = if status.is_empty() { "The provider gave neither an answer nor a reason." } else { status };
            gemini::errored(json!({ "code": code.map_or(500, |code| code.as_u16()), "message": message }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number_of(name: &str) -> Option<u64> {
        name.strip_prefix("mark-")?.parse().ok()
    }

    fn told(text: &str) -> Option<(u64, u16, String)> {
        let (number, ended) = read(text.as_bytes(), number_of)?;
        let Ended::Answered { status, body } = ended else { panic!("it has ended otherwise") };
        Some((number, status.as_u16(), String::from_utf8_lossy(&body).into_owned()))
    }

    fn labels(body: &'static str, number: u64) -> Value {
        let labelled = labelled(&Bytes::from_static(body.as_bytes()), number);
        serde_json::from_slice::<Value>(&labelled).expect("JSON")["labels"].clone()
    }

    #[test]
    fn labels_tell_the_number_and_spare_the_clients() {
        assert_eq!(labels(r#"{"contents":[]}"#, 1), json!({"narthex_block": "b0", "narthex_line": "l1"}));
        let own = labels(r#"{"labels":{"team":"a"},"contents":[]}"#, 100_000);
        assert_eq!(own, json!({"team": "a", "narthex_block": "b200", "narthex_line": "l0"}));
        for number in [1, 499, 500, 501, 99_999, 100_000] {
            let labels = labels("{}", number);
            assert_eq!(by_labels(labels.as_object().expect("an object")), Some(number));
        }
    }

    #[test]
    fn nothing_empty_is_imported() {
        for (request, expected) in [
            (r#"{"functionCall":{"args":{},"name":"f"}}"#, r#"{"functionCall":{"name":"f"}}"#),
            (r#"{"functionCall":{"name":"f","args":{}}}"#, r#"{"functionCall":{"name":"f"}}"#),
            (
                "{\"parameters\": {\"type\":\"object\", \"properties\" : { },\n\"x\":1}}",
                r#"{"parameters":{"type":"object","x":1}}"#,
            ),
            (r#"{"tools":[{"googleSearch":{}}]}"#, r#"{"tools":[{"googleSearch":{"timeRangeFilter":null}}]}"#),
            (r#"{"text":"\"args\":{},\\ \"properties\":{}"}"#, r#"{"text":"\"args\":{},\\ \"properties\":{}"}"#),
        ] {
            assert_eq!(importable(compact(request.as_bytes())), expected);
        }
    }

    #[test]
    fn answers_are_known_by_either_name() {
        let response = r#""status":"","response":{"candidates":[ ]}"#;
        let answered = Some((7, 200, r#"{"candidates":[ ]}"#.to_owned()));
        assert_eq!(told(&format!(r#"{{"custom_id":"mark-7","request":null,{response}}}"#)), answered);
        assert_eq!(told(&format!(r#"{{"custom_id":"mark-7",{response}}}"#)), answered);
        let labels = r#""request":{"labels":{"narthex_block":"b0","narthex_line":"l7","x":null},"contents":null}"#;
        assert_eq!(told(&format!("{{{labels},{response}}}")), answered);
        assert_eq!(told(&format!(r#"{{"custom_id":"other-7",{response}}}"#)), None);
        assert_eq!(told("no JSON"), None);
    }

    #[test]
    fn failures_keep_their_status_and_their_words() {
        let failed = |status: &str| {
            let line = json!({"custom_id": "mark-1", "status": status, "response": {}}).to_string();
            let (_, status, body) = told(&line).expect("ours");
            let body: Value = serde_json::from_str(&body).expect("JSON");
            (status, body["error"]["message"].as_str().unwrap_or_default().to_owned())
        };
        let google =
            r#"Bad Request: {"error": {"code": 400, "message": "Use a valid role.", "status": "INVALID_ARGUMENT"}}"#;
        assert_eq!(failed(google), (400, "Use a valid role.".to_owned()));
        let claude = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
        assert_eq!(failed(claude), (529, "Overloaded".to_owned()));
        assert_eq!(failed("Too Many Requests: later"), (429, "Too Many Requests: later".to_owned()));
        assert_eq!(failed("It broke.").0, 500);
        assert!(failed("").1.contains("neither"));
        let apart = r#"{"custom_id":"mark-2","error":{"code":3,"message":"No."}}"#;
        assert_eq!(told(apart).map(|(number, status, _)| (number, status)), Some((2, 400)));
    }
}
