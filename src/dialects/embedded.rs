//! OpenAI's answer to `/embeddings`, for those who are asked in another dialect (`invoke`, `predict`).
//!
//! Source: OpenAI, "Create embeddings".

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;

use super::ir::Json;
use super::wire::write;
use crate::error::Garbled;

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Item>,
    model: &'a str,
    usage: Usage,
}

#[derive(Serialize)]
struct Item {
    object: &'static str,
    index: usize,
    embedding: Json,
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// The answer with these embeddings, each a list of numbers. `expected` is how many texts there were, `model` what the client calls it.
pub fn list(
    embeddings: Vec<Json>,
    expected: usize,
    is_base64: bool,
    model: &str,
    tokens: u64,
) -> Result<Bytes, Garbled> {
    if embeddings.len() != expected {
        return Err(Garbled::new("it has another number of embeddings than was asked for"));
    }
    let item = |(index, numbers): (usize, Json)| {
        let embedding = if is_base64 { in_base64(&numbers)? } else { numbers };
        Ok(Item { object: "embedding", index, embedding })
    };
    let data = embeddings.into_iter().enumerate().map(item).collect::<Result<_, Garbled>>()?;
    Ok(write(&List { object: "list", data, model, usage: Usage { prompt_tokens: tokens, total_tokens: tokens } }))
}

/// Numbers of four bytes each, the lowest first.
fn in_base64(numbers: &Json) -> Result<Json, Garbled> {
    let unreadable = || Garbled::new("its embedding is not a list of numbers");
    let numbers: Vec<f32> = serde_json::from_str(numbers.get()).map_err(|_| unreadable())?;
    let bytes: Vec<u8> = numbers.into_iter().flat_map(f32::to_le_bytes).collect();
    serde_json::value::to_raw_value(&STANDARD.encode(bytes)).map_err(|_| unreadable())
}
