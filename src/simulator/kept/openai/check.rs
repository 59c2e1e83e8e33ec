//! What is wrong with the lines of a batch. OpenAI looks at all of them before it runs any, and a single bad one fails the
//! batch. The codes are those that its API was seen to answer; where a code is not known, its comment says so.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::line::Line;
use crate::dialects::Dialect;

/// As documented for the SDK's `input_file_id`.
const MOST_LINES: usize = 50_000;

/// What a batch tells of a line that it cannot run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Problem {
    pub code: &'static str,
    /// From 1; `None`: the batch as a whole.
    pub line: Option<usize>,
    pub message: String,
    pub param: Option<&'static str>,
}

pub struct Checked {
    pub lines: Vec<Line>,
    /// Of the first line.
    pub model: Option<String>,
    pub problems: Vec<Problem>,
}

#[derive(Deserialize)]
struct Raw<'a> {
    custom_id: Option<String>,
    method: Option<String>,
    url: Option<String>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

pub fn check(content: &Bytes, endpoint: &str) -> Checked {
    let mut checked = Checked { lines: Vec::new(), model: None, problems: Vec::new() };
    let mut names = HashSet::new();
    for (at, text) in content.split(|byte| *byte == b'\n').enumerate() {
        if text.trim_ascii().is_empty() {
            continue;
        }
        let Ok(raw) = serde_json::from_slice::<Raw>(text) else {
            checked.problem("invalid_json_line", at, "This line is not valid JSON, or not a request.", None);
            continue;
        };
        checked.line(at, raw, content, endpoint, &mut names);
    }
    let none = checked.lines.is_empty() && checked.problems.is_empty();
    if none {
        checked.batch_problem("empty_file", "The input file has no lines.", None);
    }
    if checked.lines.len() > MOST_LINES {
        // Azure's code; OpenAI's is not known.
        checked.batch_problem("too_many_tasks", "A batch may have 50000 requests.", None);
    }
    checked
}

impl Checked {
    fn line(&mut self, at: usize, raw: Raw, content: &Bytes, endpoint: &str, names: &mut HashSet<String>) {
        let mut missing = |name| {
            self.problem("missing_required_parameter", at, &format!("The parameter `{name}` is missing."), Some(name));
        };
        let Some(custom_id) = raw.custom_id.filter(|id| !id.is_empty()) else { return missing("custom_id") };
        let Some(method) = raw.method else { return missing("method") };
        let Some(url) = raw.url else { return missing("url") };
        let Some(body) = raw.body else { return missing("body") };
        if !names.insert(custom_id.clone()) {
            let message = format!("The custom_id `{custom_id}` stands in another line too; each must be unique.");
            return self.problem("duplicate_custom_id", at, &message, Some("custom_id"));
        }
        if method != "POST" {
            // This code is not known.
            return self.problem("invalid_method", at, "The method of a request must be POST.", Some("method"));
        }
        if !is_same(&url, endpoint) {
            let message = "The URL of this request does not match the endpoint of the batch.";
            return self.problem("invalid_url", at, message, Some("url"));
        }
        let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(body.get()) else {
            return self.problem("invalid_request", at, "The body must be an object.", Some("body"));
        };
        if members.get("stream").is_some_and(|stream| stream.get() == "true") {
            let message = "Streaming is not supported in the Batch API.";
            return self.problem("streaming_unsupported", at, message, Some("body.stream"));
        }
        let Some(model) = members.get("model").and_then(|model| serde_json::from_str::<String>(model.get()).ok())
        else {
            return self.problem("invalid_request", at, "The parameter `model` is required.", Some("body.model"));
        };
        if let Some((name, param)) = needed(endpoint)
            && !members.contains_key(name)
        {
            return self.problem("invalid_request", at, &format!("The parameter `{name}` is required."), Some(param));
        }
        let first = self.model.get_or_insert_with(|| model.clone());
        if *first != model {
            let message = format!("The model `{model}` is not that of the rest of the batch, which may have one only.");
            return self.problem("mismatched_model", at, &message, Some("body.model"));
        }
        let body = content.slice_ref(body.get().as_bytes());
        self.lines.push(Line::new(custom_id, endpoint.to_owned(), Dialect::OpenaiChat, body));
    }

    /// `at`: counted from 0.
    fn problem(&mut self, code: &'static str, at: usize, message: &str, param: Option<&'static str>) {
        self.problems.push(Problem { code, line: Some(at + 1), message: message.to_owned(), param });
    }

    pub fn batch_problem(&mut self, code: &'static str, message: &str, param: Option<&'static str>) {
        self.problems.push(Problem { code, line: None, message: message.to_owned(), param });
    }
}

/// OpenAI compares every character. Azure's endpoints go without the version, and its lines with or without.
fn is_same(url: &str, endpoint: &str) -> bool {
    url == endpoint || (!endpoint.starts_with("/v1/") && url.strip_prefix("/v1") == Some(endpoint))
}

/// The member without which a body says nothing, and how a problem calls it.
fn needed(endpoint: &str) -> Option<(&'static str, &'static str)> {
    match endpoint.strip_prefix("/v1").unwrap_or(endpoint) {
        "/chat/completions" => Some(("messages", "body.messages")),
        "/completions" => Some(("prompt", "body.prompt")),
        "/responses" | "/embeddings" | "/moderations" => Some(("input", "body.input")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: &str = "/v1/chat/completions";

    fn problems(content: &str) -> Vec<(&'static str, Option<usize>, Option<&'static str>)> {
        let checked = check(&Bytes::copy_from_slice(content.as_bytes()), CHAT);
        checked.problems.iter().map(|problem| (problem.code, problem.line, problem.param)).collect()
    }

    fn line(id: &str, body: &str) -> String {
        format!(r#"{{"custom_id":"{id}","method":"POST","url":"{CHAT}","body":{body}}}"#) + "\n"
    }

    #[test]
    fn good_lines_are_all_there() {
        let body = r#"{"model":"m","messages":[]}"#;
        let content = Bytes::from(line("a", body) + "\n" + &line("b", body));
        let checked = check(&content, CHAT);
        assert_eq!(checked.problems, []);
        let lines: Vec<_> = checked.lines.iter().map(|line| (line.name.as_str(), &line.body[..])).collect();
        assert_eq!(lines, [("a", body.as_bytes()), ("b", body.as_bytes())]);
        assert_eq!(checked.model.as_deref(), Some("m"));
    }

    #[test]
    fn each_bad_line_is_told() {
        let good = r#"{"model":"m","messages":[]}"#;
        let content = line("a", good)
            + "{no json\n"
            + &line("a", good)
            + &line("b", r#"{"model":"other","messages":[]}"#)
            + &line("c", r#"{"model":"m"}"#)
            + &line("d", r#"{"messages":[]}"#)
            + &line("e", r#"{"model":"m","messages":[],"stream":true}"#)
            + "{\"custom_id\":\"f\"}\n{}\n"
            + r#"{"custom_id":"g","method":"POST","url":"/v1/embeddings","body":{}}"#;
        let expected = [
            ("invalid_json_line", Some(2), None),
            ("duplicate_custom_id", Some(3), Some("custom_id")),
            ("mismatched_model", Some(4), Some("body.model")),
            ("invalid_request", Some(5), Some("body.messages")),
            ("invalid_request", Some(6), Some("body.model")),
            ("streaming_unsupported", Some(7), Some("body.stream")),
            ("missing_required_parameter", Some(8), Some("method")),
            ("missing_required_parameter", Some(9), Some("custom_id")),
            ("invalid_url", Some(10), Some("url")),
        ];
        assert_eq!(problems(&content), expected);
        assert_eq!(problems("\n\n"), [("empty_file", None, None)]);
    }
}
