//! Embeddings: OpenAI's `/embeddings` over Vertex AI's `:predict`. The numbers pass as they were spelled, unless base64 is wanted.
//!
//! Source: Vertex AI, "Text embeddings API".

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::embedded;
use super::ir::Json;
use super::wire::{self, read_answer, write};
use crate::error::{Garbled, Refusal};

/// What is to be embedded.
#[derive(Debug, Clone)]
pub struct Request {
    inputs: Vec<String>,
    dimensions: Option<u64>,
    is_base64: bool,
    /// What Google's endpoint has no place for.
    dropped: Vec<String>,
}

#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "model")]
    _model: Option<String>,
    input: Input,
    dimensions: Option<u64>,
    encoding_format: Option<String>,
    user: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Texts(Vec<String>),
    Tokens(IgnoredAny),
}

#[derive(Deserialize)]
struct Answer {
    predictions: Vec<Prediction>,
}

#[derive(Deserialize)]
struct Prediction {
    embeddings: Embedding,
}

#[derive(Deserialize)]
struct Embedding {
    values: Json,
    #[serde(default)]
    statistics: Statistics,
}

#[derive(Deserialize, Default)]
struct Statistics {
    /// Google writes it with a decimal point.
    #[serde(default)]
    token_count: f64,
}

impl Request {
    /// Reads the body of OpenAI's `/embeddings`.
    pub fn read(body: &[u8]) -> Result<Self, Refusal> {
        let (asked, unknown) = wire::read_request::<Asked>(body)?;
        let inputs = match asked.input {
            Input::Text(text) => vec![text],
            Input::Texts(texts) => texts,
            Input::Tokens(_) => {
                let message = "This model's provider embeds texts only; `input` must be a text or a list of texts.";
                return Err(Refusal::invalid(message).param("input"));
            }
        };
        let mut dropped: Vec<String> = unknown.into_iter().map(|unknown| unknown.path).collect();
        dropped.extend(asked.user.map(|_| "user".to_owned()));
        let is_base64 = asked.encoding_format.as_deref() == Some("base64");
        Ok(Self { inputs, dimensions: asked.dimensions, is_base64, dropped })
    }

    /// The body of a request to `:predict`, and what was left out of it.
    pub fn write(&self) -> (Bytes, Vec<String>) {
        #[derive(Serialize)]
        struct Body<'a> {
            instances: Vec<Instance<'a>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            parameters: Option<Parameters>,
        }
        #[derive(Serialize)]
        struct Instance<'a> {
            content: &'a str,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Parameters {
            output_dimensionality: u64,
        }
        let instances = self.inputs.iter().map(|content| Instance { content }).collect();
        let parameters = self.dimensions.map(|output_dimensionality| Parameters { output_dimensionality });
        (write(&Body { instances, parameters }), self.dropped.clone())
    }

    /// OpenAI's answer, from Google's.
    pub fn rewrite(&self, answer: &[u8], model: &str) -> Result<Bytes, Garbled> {
        let answer: Answer = read_answer(answer)?;
        let tokens: f64 =
            answer.predictions.iter().map(|prediction| prediction.embeddings.statistics.token_count).sum();
        let tokens = format!("{tokens:.0}").parse().unwrap_or(0);
        let embeddings = answer.predictions.into_iter().map(|prediction| prediction.embeddings.values).collect();
        embedded::list(embeddings, self.inputs.len(), self.is_base64, model, tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] =
        br#"{"predictions":[{"embeddings":{"statistics":{"truncated":false,"token_count":3.0},"values":[0.5,-1e0]}}],
        "metadata":{"billableCharacterCount":9}}"#;

    #[test]
    fn a_text_and_its_numbers() {
        let read = |body: &str| Request::read(body.as_bytes()).expect("a request");
        let request = read(r#"{"model":"m","input":"a","dimensions":2,"user":"u","encoding_format":"float"}"#);
        let (body, dropped) = request.write();
        assert_eq!(body, r#"{"instances":[{"content":"a"}],"parameters":{"outputDimensionality":2}}"#);
        assert_eq!(dropped, ["user"]);
        assert_eq!(
            request.rewrite(ANSWER, "mine").expect("an answer"),
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1e0]}],"model":"mine","usage":{"prompt_tokens":3,"total_tokens":3}}"#
        );
        let packed = read(r#"{"input":["a"],"encoding_format":"base64"}"#).rewrite(ANSWER, "m").expect("an answer");
        assert!(packed.windows(14).any(|part| part == br#""AAAAPwAAgL8=""#), "{packed:?}");
        assert!(read(r#"{"input":["a","b"]}"#).rewrite(ANSWER, "m").is_err());
        assert!(Request::read(br#"{"input":[[1,2]]}"#).is_err());
    }
}
