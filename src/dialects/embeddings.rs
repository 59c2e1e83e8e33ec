//! Embeddings: Gemini's `embedContent` and `batchEmbedContents` over OpenAI's `/embeddings`. The numbers pass as they were
//! spelled.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::ir::{Json, Unknown};
use super::wire::{self, read_answer, write};
use crate::error::{Garbled, Refusal};

/// What is to be embedded.
#[derive(Debug, Clone)]
pub struct Request {
    inputs: Vec<String>,
    dimensions: Option<u64>,
    /// Whether several are asked for: the answer has another shape then.
    is_batch: bool,
    /// What OpenAI's endpoint has no place for.
    dropped: Vec<String>,
}

#[derive(Deserialize)]
struct Batch {
    requests: Vec<Single>,
}

#[derive(Deserialize)]
struct Single {
    #[serde(rename = "model")]
    _model: Option<String>,
    content: Content,
    #[serde(alias = "outputDimensionality")]
    output_dimensionality: Option<u64>,
    #[serde(alias = "taskType")]
    task_type: Option<String>,
    title: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    #[serde(rename = "role")]
    _role: Option<String>,
    parts: Vec<Piece>,
}

#[derive(Deserialize)]
struct Piece {
    text: Option<String>,
}

impl Request {
    /// Reads the body of Gemini's `embedContent`, or of its `batchEmbedContents`.
    pub fn read(body: &[u8], is_batch: bool) -> Result<Self, Refusal> {
        let (requests, unknown): (Vec<Single>, Vec<Unknown>) = if is_batch {
            let (batch, unknown) = wire::read_request::<Batch>(body)?;
            (batch.requests, unknown)
        } else {
            let (single, unknown) = wire::read_request::<Single>(body)?;
            (vec![single], unknown)
        };
        let dimensions = requests.first().and_then(|first| first.output_dimensionality);
        if requests.iter().any(|request| request.output_dimensionality != dimensions) {
            let message = "All requests of a batch must have the same `outputDimensionality`.";
            return Err(Refusal::invalid(message).param("requests"));
        }
        let mut dropped: Vec<String> = unknown.into_iter().map(|unknown| unknown.path).collect();
        let has = |member: fn(&Single) -> bool| requests.iter().any(member);
        dropped.extend(has(|request| request.task_type.is_some()).then(|| "taskType".to_owned()));
        dropped.extend(has(|request| request.title.is_some()).then(|| "title".to_owned()));
        let inputs = requests.into_iter().map(input).collect::<Result<_, _>>()?;
        Ok(Self { inputs, dimensions, is_batch, dropped })
    }

    /// The body of a request to OpenAI's `/embeddings`, and what was left out of it.
    pub fn write(&self, model: &str) -> (Bytes, Vec<String>) {
        #[derive(Serialize)]
        struct Body<'a> {
            model: &'a str,
            input: &'a [String],
            encoding_format: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            dimensions: Option<u64>,
        }
        let body = Body { model, input: &self.inputs, encoding_format: "float", dimensions: self.dimensions };
        (write(&body), self.dropped.clone())
    }

    /// Gemini's answer, from OpenAI's.
    pub fn rewrite(&self, answer: &[u8]) -> Result<Bytes, Garbled> {
        #[derive(Deserialize)]
        struct Answer {
            data: Vec<Item>,
        }
        #[derive(Deserialize)]
        struct Item {
            #[serde(default)]
            index: usize,
            embedding: Json,
        }
        #[derive(Serialize)]
        struct Values {
            values: Json,
        }
        #[derive(Serialize)]
        struct One {
            embedding: Values,
        }
        #[derive(Serialize)]
        struct Several {
            embeddings: Vec<Values>,
        }
        let mut answer: Answer = read_answer(answer)?;
        if answer.data.len() != self.inputs.len() {
            return Err(Garbled::new("it has another number of embeddings than was asked for"));
        }
        answer.data.sort_by_key(|item| item.index);
        let mut values = answer.data.into_iter().map(|item| Values { values: item.embedding });
        match values.next() {
            Some(embedding) if !self.is_batch => Ok(write(&One { embedding })),
            first => Ok(write(&Several { embeddings: first.into_iter().chain(values).collect() })),
        }
    }
}

fn input(request: Single) -> Result<String, Refusal> {
    let texts: Option<Vec<String>> = request.content.parts.into_iter().map(|piece| piece.text).collect();
    texts.map(|texts| texts.concat()).ok_or_else(|| {
        Refusal::invalid("This model's provider embeds texts only; `content.parts` has something else.")
            .param("content")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_and_several() {
        let one = Request::read(br#"{"content":{"parts":[{"text":"a"},{"text":"b"}]},"taskType":"X"}"#, false);
        let one = one.expect("a request");
        let (body, dropped) = one.write("m");
        assert_eq!(body, r#"{"model":"m","input":["ab"],"encoding_format":"float"}"#);
        assert_eq!(dropped, ["taskType"]);
        assert_eq!(
            one.rewrite(br#"{"data":[{"index":0,"embedding":[0.10,-1e-3]}]}"#).expect("an answer"),
            r#"{"embedding":{"values":[0.10,-1e-3]}}"#
        );
        let several =
            br#"{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]},"outputDimensionality":2},
            {"content":{"parts":[{"text":"b"}]},"outputDimensionality":2}]}"#;
        let several = Request::read(several, true).expect("a request");
        assert_eq!(several.write("m").0, r#"{"model":"m","input":["a","b"],"encoding_format":"float","dimensions":2}"#);
        assert_eq!(
            several
                .rewrite(br#"{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":[1]}]}"#)
                .expect("an answer"),
            r#"{"embeddings":[{"values":[1]},{"values":[2]}]}"#
        );
        assert!(several.rewrite(br#"{"data":[]}"#).is_err());
    }

    #[test]
    fn refuses_what_is_no_text() {
        let image = br#"{"content":{"parts":[{"inlineData":{}}]}}"#;
        assert!(Request::read(image, false).is_err());
    }
}
