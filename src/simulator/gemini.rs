//! What only Gemini has beside conversations: embeddings of one text, or of several.

use serde::{Deserialize, Serialize};

use super::answer::{Answer, bad_value, missing};
use super::vectors::{Input, MOST_DIMENSIONS};
use crate::error::Refusal;

const MOST_INPUTS: usize = 100;
/// Those of `gemini-embedding-001`.
const USUAL_DIMENSIONS: usize = 3072;

#[derive(Deserialize)]
struct BatchRequest {
    requests: Option<Vec<Request>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    content: Option<Content>,
    #[serde(alias = "output_dimensionality")]
    output_dimensionality: Option<usize>,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    text: Option<String>,
}

#[derive(Serialize)]
struct Body {
    embedding: Embedding,
}

#[derive(Serialize)]
struct BatchBody {
    embeddings: Vec<Embedding>,
}

#[derive(Serialize)]
struct Embedding {
    values: Vec<f32>,
}

/// `POST /v1beta/models/{model}:embedContent`.
pub fn embed(body: &[u8]) -> Result<Answer, Refusal> {
    let embedding = read::<Request>(body)?.embedding()?;
    Ok(Answer::json(&Body { embedding }))
}

/// `POST /v1beta/models/{model}:batchEmbedContents`.
pub fn embed_batch(body: &[u8]) -> Result<Answer, Refusal> {
    let requests = read::<BatchRequest>(body)?.requests.ok_or_else(|| missing("requests"))?;
    match requests.len() {
        0 => Err(bad_value("requests", "is empty")),
        1..=MOST_INPUTS => {
            let embeddings = requests.iter().map(Request::embedding).collect::<Result<_, _>>()?;
            Ok(Answer::json(&BatchBody { embeddings }))
        }
        _ => Err(bad_value("requests", "has more than 100 items")),
    }
}

impl Request {
    fn embedding(&self) -> Result<Embedding, Refusal> {
        let content = self.content.as_ref().ok_or_else(|| missing("content"))?;
        let texts: Vec<&str> = content.parts.iter().filter_map(|part| part.text.as_deref()).collect();
        let input = Input::Text(texts.join(" ").into());
        if input.is_empty() {
            return Err(bad_value("content", "has no text"));
        }
        match self.output_dimensionality.unwrap_or(USUAL_DIMENSIONS) {
            dimensions @ 1..=MOST_DIMENSIONS => Ok(Embedding { values: input.vector(dimensions) }),
            _ => Err(bad_value("outputDimensionality", "is not between 1 and 4096")),
        }
    }
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|why| Refusal::invalid(format!("The body does not fit this endpoint: {why}.")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn shown(answer: Result<Answer, Refusal>) -> Value {
        match answer.unwrap() {
            Answer::Whole { body, .. } => serde_json::from_slice(&body).unwrap(),
            _ => panic!("not a whole answer"),
        }
    }

    #[test]
    fn one_or_several_have_the_same_vectors() {
        let request = json!({"content": {"parts": [{"text": "a red"}, {"text": "fox"}]}, "outputDimensionality": 3});
        let one = shown(embed(request.to_string().as_bytes()));
        let several = shown(embed_batch(json!({"requests": [request, request]}).to_string().as_bytes()));
        assert_eq!(one["embedding"]["values"].as_array().unwrap().len(), 3);
        assert_eq!(several["embeddings"][1], one["embedding"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let param = |body: Value| embed(body.to_string().as_bytes()).map(|_| ()).unwrap_err().param;
        assert_eq!(param(json!({})), Some("content"));
        assert_eq!(param(json!({"content": {}})), Some("content"));
        let nothing = json!({"content": {"parts": [{"text": "x"}]}, "outputDimensionality": 0});
        assert_eq!(param(nothing), Some("outputDimensionality"));
    }
}
