//! How likely each token was: certain, since a simulator never considers another.

use serde::Serialize;
use serde_json::value::to_raw_value;

use crate::dialects::ir::Json;

/// OpenAI's form; the alternatives have the same, but for alternatives of their own.
#[derive(Serialize)]
struct Token<'a> {
    token: &'a str,
    logprob: f64,
    bytes: &'a [u8],
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<Vec<Token<'a>>>,
}

impl<'a> Token<'a> {
    fn certain(token: &'a str, top_logprobs: Option<Vec<Self>>) -> Self {
        Self { token, logprob: 0.0, bytes: token.as_bytes(), top_logprobs }
    }
}

/// `top`: whether alternatives are shown; the only one there is, is the token itself.
pub fn certain(token: &str, top: bool) -> Option<Json> {
    let alternatives = top.then(|| Token::certain(token, None));
    to_raw_value(&Token::certain(token, Some(Vec::from_iter(alternatives)))).ok()
}
