//! What an answer repeats of its request.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::dialects::ir::Json;
use crate::dialects::openai_responses::request::Body;
use crate::dialects::wire;
use crate::error::Refusal;

/// The members of a request that its answer shows again, as they were sent. A whole request can be read as one.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Echo {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tool_calls: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_response_id: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_cache_key: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_cache_retention: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safety_identifier: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Json>,
    pub text: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Json>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncation: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Json>,
}

/// How the answer was to look.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Text {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verbosity: Option<Json>,
}

impl Echo {
    /// Reads what [`Echo::to_bytes`] has written, or a request. What cannot be read is not repeated.
    pub fn read(echo: Option<&Bytes>) -> Self {
        echo.and_then(|echo| serde_json::from_slice(echo).ok()).unwrap_or_default()
    }

    pub fn of(body: &Body) -> Result<Self, Refusal> {
        fn raw<T: Serialize>(member: Option<&T>) -> Result<Option<Json>, Refusal> {
            member.map(to_raw_value).transpose().map_err(|why| Refusal::invalid(why.to_string()))
        }
        Ok(Self {
            conversation: body.conversation.clone(),
            instructions: raw(body.instructions.as_ref())?,
            max_output_tokens: raw(body.max_output_tokens.map(|number| number.0).as_ref())?,
            max_tool_calls: raw(body.max_tool_calls.map(|number| number.0).as_ref())?,
            metadata: body.metadata.clone(),
            parallel_tool_calls: raw(body.parallel_tool_calls.as_ref())?,
            previous_response_id: body.previous_response_id.clone(),
            prompt_cache_key: raw(body.prompt_cache_key.as_ref())?,
            prompt_cache_retention: body.prompt_cache_retention.clone(),
            reasoning: body.reasoning.clone(),
            safety_identifier: raw(body.safety_identifier.as_ref())?,
            store: raw(body.store.as_ref())?,
            temperature: raw(body.temperature.as_ref())?,
            text: body.text.as_deref().and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default(),
            tool_choice: body.tool_choice.clone(),
            tools: body.tools.clone(),
            top_logprobs: raw(body.top_logprobs.map(|number| number.0).as_ref())?,
            top_p: raw(body.top_p.as_ref())?,
            truncation: raw(body.truncation.as_ref())?,
            user: raw(body.user.as_ref())?,
        })
    }

    pub fn to_bytes(&self) -> Bytes {
        wire::write(self)
    }

    /// Whether the client wants to be told what was thought.
    pub fn wants_summaries(&self) -> bool {
        #[derive(Deserialize)]
        struct Reasoning<'a> {
            #[serde(borrow)]
            summary: Option<&'a RawValue>,
            #[serde(borrow)]
            generate_summary: Option<&'a RawValue>,
        }
        let reasoning = self.reasoning.as_deref().and_then(|raw| serde_json::from_str::<Reasoning<'_>>(raw.get()).ok());
        reasoning.is_some_and(|reasoning| reasoning.summary.or(reasoning.generate_summary).is_some())
    }
}
