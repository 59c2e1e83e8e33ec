//! Embeddings: OpenAI's `/embeddings` over Amazon Bedrock's InvokeModel, where each maker's models have bodies of their own. The
//! numbers pass as they were spelled, unless base64 is wanted.
//!
//! Sources: Amazon Bedrock User Guide, "Amazon Titan Text Embeddings models" (one text a call) and "Cohere Embed models" (96 texts).

use bytes::Bytes;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::embedded;
use super::ir::Json;
use super::wire::{self, read_answer, write};
use crate::error::{Garbled, Refusal};

/// As many as OpenAI takes at once.
const MOST_TEXTS: usize = 2048;
const MOST_OF_COHERES: usize = 96;
/// Cohere wants to know what embeddings are for; documents are what is embedded most.
const USUAL_TYPE: &str = "search_document";

/// What is to be embedded.
#[derive(Debug, Clone)]
pub struct Request {
    inputs: Vec<String>,
    dimensions: Option<u64>,
    is_base64: bool,
    /// Cohere's own members, which clients can give besides OpenAI's.
    input_type: Option<String>,
    truncate: Option<String>,
    dropped: Vec<String>,
}

/// What is sent to the provider: one body for each call.
#[derive(Debug)]
pub struct Calls {
    pub first: Bytes,
    pub more: Vec<Bytes>,
    /// What the model has no place for.
    pub dropped: Vec<String>,
}

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(rename = "model")]
    _model: Option<String>,
    #[serde(borrow)]
    input: &'a RawValue,
    dimensions: Option<u64>,
    encoding_format: Option<String>,
    user: Option<String>,
    input_type: Option<String>,
    truncate: Option<String>,
}

/// Whose bodies a model reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Maker {
    /// The first Titan, which knows nothing but the text.
    Titan,
    TitanV2,
    /// Text and images in one space; we give it texts.
    TitanImage,
    CohereV3,
    CohereV4,
}

impl Maker {
    fn of(model: &str) -> Option<Self> {
        let has = |part: &str| model.contains(part);
        Some(match () {
            () if has("titan-embed-text-v2") => Self::TitanV2,
            () if has("titan-embed-image") => Self::TitanImage,
            () if has("titan-embed") => Self::Titan,
            () if has("cohere.embed-v4") => Self::CohereV4,
            () if has("cohere.embed") => Self::CohereV3,
            () => return None,
        })
    }
}

impl Request {
    /// Reads the body of OpenAI's `/embeddings`.
    pub fn read(body: &[u8]) -> Result<Self, Refusal> {
        let (asked, unknown): (Asked<'_>, _) = wire::read_request(body)?;
        let inputs = texts(asked.input)?;
        let is_base64 = match asked.encoding_format.as_deref() {
            None | Some("float") => false,
            Some("base64") => true,
            Some(other) => {
                let message = format!("`{other}` is not an encoding of embeddings; it is `float` or `base64`.");
                return Err(Refusal::invalid(message).param("encoding_format"));
            }
        };
        let mut dropped: Vec<String> = unknown.into_iter().map(|unknown| unknown.path).collect();
        dropped.extend(asked.user.map(|_| "user".to_owned()));
        let Asked { dimensions, input_type, truncate, .. } = asked;
        Ok(Self { inputs, dimensions, is_base64, input_type, truncate, dropped })
    }

    /// The bodies of InvokeModel for this model.
    pub fn write(&self, model: &str) -> Result<Calls, Refusal> {
        let maker = Maker::of(model).ok_or_else(|| {
            let message = format!(
                "How `{model}` embeds is not known here; only Titan's and Cohere's models are. Ask it in its own way by \
                 /p/bedrock/model/…/invoke."
            );
            Refusal::invalid(message).code("unsupported_operation").param("model")
        })?;
        let mut bodies = match maker {
            Maker::Titan | Maker::TitanV2 | Maker::TitanImage => {
                self.inputs.iter().map(|text| self.titan(maker, text)).collect::<Vec<_>>()
            }
            Maker::CohereV3 | Maker::CohereV4 => {
                self.inputs.chunks(MOST_OF_COHERES).map(|texts| self.cohere(maker, texts)).collect()
            }
        }
        .into_iter();
        let first = bodies.next().unwrap_or_default();
        let is_coheres = matches!(maker, Maker::CohereV3 | Maker::CohereV4);
        let mut dropped = self.dropped.clone();
        let has_no_place = [
            ("dimensions", self.dimensions.is_some() && matches!(maker, Maker::Titan | Maker::CohereV3)),
            ("input_type", self.input_type.is_some() && !is_coheres),
            ("truncate", self.truncate.is_some() && !is_coheres),
        ];
        dropped.extend(has_no_place.iter().filter(|(_, is)| *is).map(|(name, _)| (*name).to_owned()));
        Ok(Calls { first, more: bodies.collect(), dropped })
    }

    fn titan(&self, maker: Maker, text: &str) -> Bytes {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            input_text: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            dimensions: Option<u64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            embedding_config: Option<Config>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Config {
            output_embedding_length: u64,
        }
        let dimensions = |wanted: Maker| self.dimensions.filter(|_| maker == wanted);
        let config = |output_embedding_length| Config { output_embedding_length };
        write(&Body {
            input_text: text,
            dimensions: dimensions(Maker::TitanV2),
            embedding_config: dimensions(Maker::TitanImage).map(config),
        })
    }

    fn cohere(&self, maker: Maker, texts: &[String]) -> Bytes {
        #[derive(Serialize)]
        struct Body<'a> {
            texts: &'a [String],
            input_type: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            truncate: Option<&'a str>,
            embedding_types: [&'static str; 1],
            #[serde(skip_serializing_if = "Option::is_none")]
            output_dimension: Option<u64>,
        }
        write(&Body {
            texts,
            input_type: self.input_type.as_deref().unwrap_or(USUAL_TYPE),
            truncate: self.truncate.as_deref(),
            embedding_types: ["float"],
            output_dimension: self.dimensions.filter(|_| maker == Maker::CohereV4),
        })
    }

    /// OpenAI's answer, from the answers of all calls in their order, each preceded by what [`told`] makes of its header. `model` is what
    /// the client calls it.
    pub fn rewrite(&self, answers: &[u8], model: &str) -> Result<Bytes, Garbled> {
        let (mut embeddings, mut tokens) = (Vec::with_capacity(self.inputs.len()), 0);
        let mut by_header = None;
        for answer in serde_json::Deserializer::from_slice(answers).into_iter::<&RawValue>() {
            let answer = answer.map_err(|_| Garbled::new("it is not JSON"))?;
            let answer: Answer = read_answer(answer.get().as_bytes())?;
            if let Some(told) = answer.told {
                by_header = Some(told);
                continue;
            }
            tokens += answer.input_text_token_count.or(by_header.take()).unwrap_or(0);
            let many = answer.embeddings.as_ref().map_or(Ok(Vec::new()), of_cohere)?;
            embeddings.extend(answer.embedding.into_iter().chain(many));
        }
        embedded::list(embeddings, self.inputs.len(), self.is_base64, model, tokens)
    }
}

/// What an answer's header says that its body may not: the number of tokens.
pub fn told(headers: &HeaderMap) -> Bytes {
    let count =
        headers.get("x-amzn-bedrock-input-token-count").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    count.map_or_else(Bytes::new, |count| format!("{{\"told\":{count}}}").into())
}

/// An answer of any of the makers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    told: Option<u64>,
    embedding: Option<Json>,
    embeddings: Option<Json>,
    input_text_token_count: Option<u64>,
}

/// Cohere's embeddings: of the one kind that was asked for, or that one by its name.
fn of_cohere(embeddings: &Json) -> Result<Vec<Json>, Garbled> {
    #[derive(Deserialize)]
    struct ByKind {
        float: Vec<Json>,
    }
    let plain = serde_json::from_str(embeddings.get());
    let list = plain.or_else(|_| serde_json::from_str::<ByKind>(embeddings.get()).map(|by_kind| by_kind.float));
    list.map_err(|_| Garbled::new("its embeddings are no lists of numbers"))
}

fn texts(input: &RawValue) -> Result<Vec<String>, Refusal> {
    let refuse = |message: &str| Err(Refusal::invalid(message).param("input"));
    let texts = match serde_json::from_str(input.get()) {
        Ok(text) => vec![text],
        Err(_) => match serde_json::from_str::<Vec<String>>(input.get()) {
            Ok(texts) => texts,
            Err(_) => {
                return refuse("This model's provider embeds texts only; `input` must be a text or a list of texts.");
            }
        },
    };
    match texts.len() {
        0 => refuse("`input` is empty; there is nothing to embed."),
        1..=MOST_TEXTS => Ok(texts),
        _ => refuse("`input` has more than 2048 texts."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: &str) -> Request {
        Request::read(body.as_bytes()).expect("a request")
    }

    #[test]
    fn titan_takes_one_text_a_call() {
        let asked = request(r#"{"model":"m","input":["a","b"],"dimensions":256,"user":"u","odd":1}"#);
        let calls = asked.write("amazon.titan-embed-text-v2:0").expect("calls");
        assert_eq!(calls.first, r#"{"inputText":"a","dimensions":256}"#);
        assert_eq!(calls.more, [r#"{"inputText":"b","dimensions":256}"#]);
        assert_eq!(calls.dropped, ["odd", "user"]);
        let calls = asked.write("amazon.titan-embed-text-v1").expect("calls");
        assert_eq!(
            (calls.first.as_ref(), calls.dropped.last().map(String::as_str)),
            (&br#"{"inputText":"a"}"#[..], Some("dimensions"))
        );
        let calls = asked.write("amazon.titan-embed-image-v1").expect("calls");
        assert_eq!(calls.first, r#"{"inputText":"a","embeddingConfig":{"outputEmbeddingLength":256}}"#);
        let answers = br#"{"embedding":[0.10,-1e-3],"inputTextTokenCount":3}{"told":9}{"embedding":[2],"embeddingsByType":{},"inputTextTokenCount":4}"#;
        assert_eq!(
            asked.rewrite(answers, "m").expect("an answer"),
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.10,-1e-3]},{"object":"embedding","index":1,"embedding":[2]}],"model":"m","usage":{"prompt_tokens":7,"total_tokens":7}}"#
        );
        assert!(asked.rewrite(br#"{"embedding":[1]}"#, "m").is_err());
        assert!(asked.rewrite(b"<html>", "m").is_err());
    }

    #[test]
    fn cohere_takes_many() {
        let list = vec!["\"x\""; 100].join(",");
        let asked =
            request(&format!(r#"{{"input":[{list}],"dimensions":512,"input_type":"search_query","truncate":"END"}}"#));
        let calls = asked.write("us.cohere.embed-v4:0").expect("calls");
        let first = std::str::from_utf8(&calls.first).expect("text");
        assert!(
            first.ends_with(
                r#"],"input_type":"search_query","truncate":"END","embedding_types":["float"],"output_dimension":512}"#
            ),
            "{first}"
        );
        assert_eq!((first.matches("\"x\"").count(), calls.more.len()), (96, 1));
        let one = request(r#"{"input":"a","encoding_format":"base64"}"#);
        let calls = one.write("cohere.embed-english-v3").expect("calls");
        assert_eq!(calls.first, r#"{"texts":["a"],"input_type":"search_document","embedding_types":["float"]}"#);
        for answer in
            [r#"{"told":5}{"embeddings":[[1.0,0.5]],"id":"i"}"#, r#"{"told":5}{"embeddings":{"float":[[1.0,0.5]]}}"#]
        {
            let text = one.rewrite(answer.as_bytes(), "m").expect("an answer");
            let value: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
            assert_eq!(
                (&value["data"][0]["embedding"], &value["usage"]["prompt_tokens"]),
                (&"AACAPwAAAD8=".into(), &5.into())
            );
        }
    }

    #[test]
    fn refuses_what_it_cannot_say() {
        for body in [r#"{"input":[1,2]}"#, r#"{"input":[]}"#, r#"{"input":"a","encoding_format":"hex"}"#, "{}"] {
            assert!(Request::read(body.as_bytes()).is_err(), "{body}");
        }
        assert!(request(r#"{"input":"a"}"#).write("twelvelabs.marengo-embed-v2").is_err());
    }
}
