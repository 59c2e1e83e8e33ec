//! One line of a batch's input: `{"custom_id", "method", "url", "body"}`, as OpenAI's `POST /v1/batches` wants it.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::survey::Problem;
use crate::endpoints::Operation;
use crate::json::Object;

/// A request among others.
#[derive(Debug)]
pub struct Line {
    pub custom_id: String,
    pub operation: Operation,
    /// As the client calls it.
    pub model: String,
    pub body: Object,
}

#[derive(Deserialize)]
struct Wire<'a> {
    custom_id: Option<String>,
    method: Option<String>,
    url: Option<String>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

/// What batches can ask for, by the paths that lines and batches name.
const ENDPOINTS: &[(&str, Operation)] = &[
    ("/v1/chat/completions", Operation::Chat),
    ("/v1/completions", Operation::Completions),
    ("/v1/embeddings", Operation::Embeddings),
    ("/v1/messages", Operation::Messages),
    ("/v1/moderations", Operation::Moderations),
    ("/v1/responses", Operation::Responses),
];

/// What a path asks for. A whole URL, and a path without the version, are understood.
pub fn endpoint_of(url: &str) -> Option<Operation> {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|start| rest.get(start..)).unwrap_or_default(),
        None => url,
    };
    let path = path.split('?').next().unwrap_or_default();
    let path = path.strip_prefix("/v1").unwrap_or(path);
    ENDPOINTS.iter().find(|(known, _)| known.strip_prefix("/v1") == Some(path)).map(|(_, operation)| *operation)
}

/// The path by which batches name an operation.
pub fn path_of(operation: Operation) -> &'static str {
    ENDPOINTS.iter().find(|(_, known)| *known == operation).map_or("", |(path, _)| path)
}

impl Line {
    /// Reads a line. `endpoint`: what the batch is for, where the line does not say so itself.
    pub fn read(text: &Bytes, endpoint: Option<Operation>) -> Result<Self, Problem> {
        let wire: Wire<'_> = serde_json::from_slice(text)
            .map_err(|why| Problem::new("invalid_json_line", format!("this is not a JSON object: {why}"), None))?;
        let custom_id = wire.custom_id.filter(|id| !id.is_empty()).ok_or_else(|| missing("custom_id"))?;
        if wire.method.is_some_and(|method| method != "POST") {
            return Err(Problem::new("invalid_method", "`method` must be POST", Some("method")));
        }
        let operation = match (wire.url.as_deref(), endpoint) {
            (None, Some(endpoint)) => endpoint,
            (None, None) => return Err(missing("url")),
            (Some(url), _) => endpoint_of(url).ok_or_else(|| {
                let known: Vec<_> = ENDPOINTS.iter().map(|(path, _)| *path).collect();
                let message = format!("`url` is none of those that batches know: {}", known.join(", "));
                Problem::new("invalid_url", message, Some("url"))
            })?,
        };
        let body = wire.body.ok_or_else(|| missing("body"))?;
        let body = Object::read(Bytes::copy_from_slice(body.get().as_bytes())).map_err(|why| {
            Problem::new("invalid_request", format!("`body` is not a JSON object: {why}"), Some("body"))
        })?;
        let model = body.parse::<String>("model").filter(|model| !model.is_empty());
        let model = model.ok_or_else(|| missing("body.model"))?;
        if body.get("stream").is_some_and(|stream| *stream == *b"true") {
            let message = "`stream` is not possible in a batch: leave it out";
            return Err(Problem::new("invalid_request", message, Some("body.stream")));
        }
        Ok(Self { custom_id, operation, model, body })
    }
}

fn missing(name: &'static str) -> Problem {
    Problem::new("missing_required_parameter", format!("`{name}` is missing or empty"), Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &'static str) -> Problem {
        Line::read(&Bytes::from_static(text.as_bytes()), None).expect_err("a bad line")
    }

    #[test]
    fn reads_a_line() {
        let text = br#"{"custom_id":"a","method":"POST","url":"https://api.openai.com/v1/chat/completions","body":{"model":"m"}}"#;
        let line = Line::read(&Bytes::from_static(text), None).expect("a line");
        assert_eq!((line.custom_id.as_str(), line.operation, line.model.as_str()), ("a", Operation::Chat, "m"));
        assert_eq!(endpoint_of("/chat/completions"), Some(Operation::Chat));
        assert_eq!(endpoint_of("/v1/messages?beta=true"), Some(Operation::Messages));
        assert_eq!(endpoint_of("/v1/files"), None);
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(wrong("{").code, "invalid_json_line");
        assert_eq!(wrong(r#"{"url":"/v1/responses","body":{}}"#).param.as_deref(), Some("custom_id"));
        assert_eq!(wrong(r#"{"custom_id":"a","url":"/v1/responses","body":[]}"#).param.as_deref(), Some("body"));
        assert_eq!(wrong(r#"{"custom_id":"a","url":"/v1/responses","body":{}}"#).param.as_deref(), Some("body.model"));
        assert_eq!(wrong(r#"{"custom_id":"a","url":"/v1/files","body":{}}"#).code, "invalid_url");
        assert_eq!(wrong(r#"{"custom_id":"a","method":"GET","url":"/v1/responses","body":{}}"#).code, "invalid_method");
        let streams = r#"{"custom_id":"a","url":"/v1/responses","body":{"model":"m","stream":true}}"#;
        assert_eq!(wrong(streams).param.as_deref(), Some("body.stream"));
    }
}
