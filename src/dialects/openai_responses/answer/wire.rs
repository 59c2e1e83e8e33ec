//! The shape of answers, read as liberally as can be: what is missing or of a wrong type is taken for absent, unless nothing
//! makes sense without it.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialects::Dialect;
use crate::dialects::ir::{self, Json, Opaque, Start};
use crate::dialects::openai_responses::lenient::{self, Whole};
use crate::dialects::wire::TextOr;

/// A response object.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Response<'a> {
    #[serde(deserialize_with = "lenient::text")]
    id: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    model: Option<String>,
    #[serde(deserialize_with = "lenient::small")]
    created_at: Option<f64>,
    #[serde(deserialize_with = "lenient::text")]
    service_tier: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub status: Option<String>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
    #[serde(deserialize_with = "lenient::small")]
    pub incomplete_details: Option<IncompleteDetails>,
    #[serde(borrow)]
    pub output: Option<Vec<&'a RawValue>>,
    #[serde(deserialize_with = "lenient::small")]
    usage: Option<Usage>,
}

#[derive(Debug, Deserialize)]
pub struct IncompleteDetails {
    pub reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Usage {
    #[serde(deserialize_with = "lenient::whole")]
    input_tokens: Option<Whole>,
    #[serde(deserialize_with = "lenient::small")]
    input_tokens_details: Option<InputDetails>,
    #[serde(deserialize_with = "lenient::whole")]
    output_tokens: Option<Whole>,
    #[serde(deserialize_with = "lenient::small")]
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct InputDetails {
    #[serde(deserialize_with = "lenient::whole")]
    cached_tokens: Option<Whole>,
    #[serde(deserialize_with = "lenient::whole")]
    cache_write_tokens: Option<Whole>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    #[serde(deserialize_with = "lenient::whole")]
    reasoning_tokens: Option<Whole>,
}

/// An item of `output`: the members of all the kinds that we understand.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Item {
    #[serde(rename = "type", deserialize_with = "lenient::text")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub id: Option<String>,
    #[serde(deserialize_with = "lenient::text_or_list")]
    pub content: Option<TextOr<Content>>,
    #[serde(deserialize_with = "lenient::list")]
    pub summary: Option<Vec<Content>>,
    #[serde(deserialize_with = "lenient::text")]
    pub encrypted_content: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub call_id: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub name: Option<String>,
    /// JSON in a text; some servers send the JSON itself.
    pub arguments: Option<Json>,
    #[serde(deserialize_with = "lenient::text")]
    pub input: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub result: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub output_format: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Content {
    #[serde(rename = "type", deserialize_with = "lenient::text")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub text: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub refusal: Option<String>,
    #[serde(deserialize_with = "lenient::list")]
    pub annotations: Option<Vec<Json>>,
    #[serde(deserialize_with = "lenient::list")]
    pub logprobs: Option<Vec<Json>>,
}

impl Response<'_> {
    pub fn start(&self) -> Start {
        Start {
            id: self.id.clone(),
            model: self.model.clone(),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a cast to whole seconds saturates"
            )]
            created: self.created_at.map(|seconds| seconds as u64).filter(|created| *created > 0),
            // Before the answer it is what was asked for, `auto`; what became of it is told at the end.
            service_tier: self.service_tier.clone().filter(|tier| tier != "auto"),
            fingerprint: None,
            usage: None,
        }
    }

    pub fn usage(&self) -> Option<ir::Usage> {
        let usage = self.usage.as_ref()?;
        let number = |number: Option<Whole>| number.map_or(0, |number| number.0);
        let input = usage.input_tokens_details.as_ref();
        let output = usage.output_tokens_details.as_ref();
        Some(ir::Usage {
            input: number(usage.input_tokens),
            output: number(usage.output_tokens),
            cached: number(input.and_then(|details| details.cached_tokens)),
            cache_write: number(input.and_then(|details| details.cache_write_tokens)),
            reasoning: number(output.and_then(|details| details.reasoning_tokens)),
            ..ir::Usage::default()
        })
    }
}

impl Item {
    pub fn arguments(&self) -> String {
        let raw = self.arguments.as_deref().map(RawValue::get).unwrap_or_default();
        serde_json::from_str(raw).unwrap_or_else(|_| raw.to_owned())
    }
}

/// A source, of whatever kind: those on the web are understood, all are kept.
pub fn annotation(raw: Json) -> ir::Annotation {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Known {
        #[serde(rename = "type", deserialize_with = "lenient::text")]
        kind: Option<String>,
        #[serde(deserialize_with = "lenient::text")]
        url: Option<String>,
        #[serde(deserialize_with = "lenient::text")]
        title: Option<String>,
        /// Of files.
        #[serde(deserialize_with = "lenient::text")]
        filename: Option<String>,
        #[serde(deserialize_with = "lenient::whole")]
        start_index: Option<Whole>,
        #[serde(deserialize_with = "lenient::whole")]
        end_index: Option<Whole>,
    }
    let known: Known = serde_json::from_str(raw.get()).unwrap_or_default();
    ir::Annotation {
        url: known.url,
        title: known.title.or(known.filename),
        quote: None,
        span: known.start_index.zip(known.end_index).map(|(start, end)| (start.0, end.0)),
        native: Some(Opaque {
            dialect: Dialect::OpenaiResponses,
            name: known.kind.unwrap_or_else(|| "annotation".to_owned()),
            value: raw,
        }),
    }
}
