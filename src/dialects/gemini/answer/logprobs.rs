//! Log probabilities: Gemini's `logprobsResult` ↔ OpenAI's list of tokens.

use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::super::raw;
use crate::dialects::ir::Json;

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogprobsResult {
    chosen_candidates: Vec<Token>,
    top_candidates: Vec<Tops>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Tops {
    candidates: Vec<Token>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Token {
    token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_probability: Option<Number>,
}

/// OpenAI's form of a token.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Openai {
    token: String,
    bytes: Option<Vec<u8>>,
    logprob: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<Vec<Openai>>,
}

pub fn read(result: &Json) -> Vec<Json> {
    let result: LogprobsResult = serde_json::from_str(result.get()).unwrap_or_default();
    let mut tops = result.top_candidates.into_iter();
    let tokens = result.chosen_candidates.into_iter().map(|chosen| {
        let tops = tops.next().map(|tops| tops.candidates).unwrap_or_default();
        let top_logprobs = Some(tops.into_iter().map(|token| openai(token, None)).collect());
        raw::json(&openai(chosen, top_logprobs))
    });
    tokens.collect()
}

fn openai(token: Token, top_logprobs: Option<Vec<Openai>>) -> Openai {
    let Token { token, log_probability } = token;
    // JSON knows no infinity: what Gemini leaves out is impossible, which OpenAI writes so.
    let logprob = log_probability.or_else(|| Number::from_f64(-9999.0));
    Openai { bytes: Some(token.as_bytes().to_vec()), token, logprob, top_logprobs }
}

pub fn write(tokens: &[Json]) -> Option<LogprobsResult> {
    let mut result = LogprobsResult::default();
    for token in tokens {
        let token: Openai = serde_json::from_str(token.get()).unwrap_or_default();
        let tops = token.top_logprobs.unwrap_or_default().into_iter();
        let gemini = |token, log_probability| Token { token, log_probability };
        result.top_candidates.push(Tops { candidates: tops.map(|top| gemini(top.token, top.logprob)).collect() });
        result.chosen_candidates.push(gemini(token.token, token.logprob));
    }
    (!tokens.is_empty()).then_some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back() {
        let gemini = r#"{"chosenCandidates":[{"token":"ü","logProbability":-0.5}],"topCandidates":[{"candidates":[{"token":"ü","logProbability":-0.5},{"token":"u","logProbability":-2}]}]}"#;
        let tokens = read(&serde_json::from_str(gemini).expect("JSON"));
        let tops = r#"[{"token":"ü","bytes":[195,188],"logprob":-0.5},{"token":"u","bytes":[117],"logprob":-2}]"#;
        let expected = format!(r#"{{"token":"ü","bytes":[195,188],"logprob":-0.5,"top_logprobs":{tops}}}"#);
        assert_eq!(tokens.iter().map(|token| token.get()).collect::<Vec<_>>(), [expected]);
        assert_eq!(raw::json(&write(&tokens)).get(), gemini);
        assert!(read(&raw::json("nonsense")).is_empty() && write(&[]).is_none());
    }
}
