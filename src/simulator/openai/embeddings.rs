//! `POST /embeddings`: unit vectors that depend on nothing but the input. Each word (or token) adds to a few places that
//! its hash names, so texts that share words lie near each other and a search over them finds what one expects.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::super::answer::{Answer, bad_value};
use super::super::script::count_words;
use super::read::{self, Str, TextOr, required};
use crate::dialects::embeddings;
use crate::error::{Kind, Refusal};

const MOST_DIMENSIONS: usize = 4096;
const MOST_INPUTS: usize = 2048;
const PLACES_PER_WORD: u64 = 8;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Option<Str<'a>>,
    #[serde(borrow)]
    input: Option<TextOr<'a, Item<'a>>>,
    #[serde(borrow)]
    encoding_format: Option<Str<'a>>,
    dimensions: Option<usize>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Item<'a> {
    #[serde(borrow)]
    Text(Str<'a>),
    Token(u64),
    Tokens(Vec<u64>),
}

#[derive(Serialize)]
struct Body<'a> {
    object: &'static str,
    data: Vec<Embedding>,
    model: &'a str,
    usage: Usage,
}

#[derive(Serialize)]
struct Embedding {
    object: &'static str,
    index: usize,
    embedding: Vector,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector {
    Float(Vec<f32>),
    Base64(String),
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: usize,
    total_tokens: usize,
}

pub fn answer(body: &[u8]) -> Result<Answer, Refusal> {
    let request: Request = read::body(body)?;
    let model = required(request.model, "model")?.0;
    let inputs = inputs(required(request.input, "input")?)?;
    let dimensions = request.dimensions.unwrap_or(match model.contains("large") {
        true => 3072,
        false => 1536,
    });
    if dimensions == 0 || dimensions > MOST_DIMENSIONS {
        return Err(bad_value("dimensions", "is not between 1 and 4096"));
    }
    let encode = match request.encoding_format.as_ref().map(|format| &*format.0) {
        None | Some("float") => Vector::Float,
        Some("base64") => base64,
        Some(_) => return Err(bad_value("encoding_format", "is neither float nor base64")),
    };
    let tokens = inputs.iter().map(Input::tokens).sum();
    let embed = |(index, input): (usize, &Input)| Embedding {
        object: "embedding",
        index,
        embedding: encode(input.vector(dimensions)),
    };
    Ok(Answer::json(&Body {
        object: "list",
        data: inputs.iter().enumerate().map(embed).collect(),
        model: &model,
        usage: Usage { prompt_tokens: tokens, total_tokens: tokens },
    }))
}

/// Gemini's `embedContent`, and its `batchEmbedContents`: the same, in other words.
pub fn answer_gemini(body: &[u8], is_batch: bool) -> Result<Answer, Refusal> {
    let request = embeddings::Request::read(body, is_batch)?;
    let (asked, _) = request.write("simulator-large");
    let Answer::Whole { content_type, body } = answer(&asked)? else {
        return Err(Refusal::new(Kind::Internal, "Embeddings are answered whole."));
    };
    let body = request.rewrite(&body).map_err(|why| Refusal::new(Kind::Internal, why.to_string()))?;
    Ok(Answer::Whole { content_type, body })
}

enum Input<'a> {
    Text(std::borrow::Cow<'a, str>),
    Tokens(Vec<u64>),
}

fn inputs<'a>(input: TextOr<'a, Item<'a>>) -> Result<Vec<Input<'a>>, Refusal> {
    let mut inputs = Vec::new();
    // A flat list of numbers is one input; among texts and lists each item is one of its own.
    let mut flat = Vec::new();
    match input {
        TextOr::Text(text) => inputs.push(Input::Text(text)),
        TextOr::List(items) => {
            for item in items {
                match item {
                    Item::Text(text) => inputs.push(Input::Text(text.0)),
                    Item::Tokens(tokens) => inputs.push(Input::Tokens(tokens)),
                    Item::Token(token) => flat.push(token),
                }
            }
        }
    }
    match (inputs.len(), flat.len()) {
        (0, 0) => Err(bad_value("input", "is empty")),
        (0, _) => Ok(vec![Input::Tokens(flat)]),
        (1..=MOST_INPUTS, 0) if inputs.iter().any(Input::is_empty) => Err(bad_value("input", "has an empty item")),
        (1..=MOST_INPUTS, 0) => Ok(inputs),
        (_, 0) => Err(bad_value("input", "has more than 2048 items")),
        _ => Err(bad_value("input", "mixes tokens with other items")),
    }
}

impl Input<'_> {
    fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Tokens(tokens) => tokens.is_empty(),
        }
    }

    fn tokens(&self) -> usize {
        match self {
            Self::Text(text) => count_words(text),
            Self::Tokens(tokens) => tokens.len(),
        }
    }

    fn vector(&self, dimensions: usize) -> Vec<f32> {
        let mut vector = vec![0.0; dimensions];
        // So that no input, not even one of white space, is the zero vector.
        add(&mut vector, hash(b"the simulator"), 0.1);
        match self {
            Self::Text(text) => {
                for word in text.split_whitespace() {
                    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
                    add(&mut vector, hash(word.to_lowercase().as_bytes()), 1.0);
                }
            }
            Self::Tokens(tokens) => {
                for token in tokens {
                    add(&mut vector, hash(&token.to_le_bytes()), 1.0);
                }
            }
        }
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        if length > 0.0 {
            vector.iter_mut().for_each(|x| *x /= length);
        } else if let Some(first) = vector.first_mut() {
            // Few dimensions: what was added may have cancelled out.
            *first = 1.0;
        }
        vector
    }
}

fn add(vector: &mut [f32], hash: u64, weight: f32) {
    let dimensions = vector.len() as u64;
    for place in 0..PLACES_PER_WORD {
        let mixed = mix(hash.wrapping_add(place));
        let at = usize::try_from(mixed % dimensions).unwrap_or_default();
        let sign = if mixed >> 63 == 0 { weight } else { -weight };
        if let Some(x) = vector.get_mut(at) {
            *x += sign;
        }
    }
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// The finaliser of SplitMix64, which spreads neighbouring numbers over all bits.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn base64(vector: Vec<f32>) -> Vector {
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    Vector::Base64(STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn embed(body: Value) -> Result<Value, Refusal> {
        match answer(body.to_string().as_bytes())? {
            Answer::Whole { body, .. } => Ok(serde_json::from_slice(&body).unwrap()),
            _ => panic!("not a whole answer"),
        }
    }

    fn floats(embedding: &Value) -> Vec<f32> {
        serde_json::from_value(embedding["embedding"].clone()).unwrap()
    }

    fn dot(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn vectors_are_of_length_one_and_near_what_is_alike() {
        let texts = json!(["a red fox", "the red fox runs", "tax law of 1912"]);
        let answer = embed(json!({"model": "m", "input": texts})).unwrap();
        let vectors: Vec<_> = (0..3).map(|i| floats(&answer["data"][i])).collect();
        for vector in &vectors {
            assert_eq!(vector.len(), 1536);
            assert!((dot(vector, vector) - 1.0).abs() < 1e-4);
        }
        assert!(dot(&vectors[0], &vectors[1]) > dot(&vectors[0], &vectors[2]) + 0.3);
        assert_eq!(answer["usage"]["total_tokens"], 11);
    }

    #[test]
    fn both_encodings_say_the_same() {
        let ask = |format: &str| {
            let body = json!({"model": "m", "input": [1, 2], "dimensions": 5, "encoding_format": format});
            embed(body).unwrap()["data"][0].clone()
        };
        let bytes = STANDARD.decode(ask("base64")["embedding"].as_str().unwrap()).unwrap();
        let decoded: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        assert_eq!(decoded, floats(&ask("float")));
    }

    #[test]
    fn token_lists_are_inputs() {
        let count = |input: Value| {
            let answer = embed(json!({"model": "m", "input": input})).unwrap();
            answer["data"].as_array().unwrap().len()
        };
        assert_eq!(count(json!([1, 2, 3])), 1);
        assert_eq!(count(json!([[1, 2], [3]])), 2);
        let param = |input: Value| embed(json!({"model": "m", "input": input})).unwrap_err().param;
        for bad in [json!([]), json!([""]), json!("")] {
            assert_eq!(param(bad), Some("input"));
        }
    }
}
