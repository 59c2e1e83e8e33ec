//! Speech and transcriptions for providers that have no endpoints for them, but models that speak and listen in chats (Xiaomi's MiMo:
//! platform.xiaomimimo.com, "Speech synthesis" and "Speech recognition"). OpenAI's requests become chats, the answers become audio and
//! text again. It is no conversation in the sense of [`super::ir`]: what is to be read aloud stands as the assistant's own words.

mod speech;
mod transcription;

use bytes::Bytes;
use serde_json::Value;

pub use speech::{Pieces, Speech};
pub use transcription::Transcription;

use super::errors::read_any_failure;
use crate::error::{Failure, Garbled};

/// What is asked of a model that chats aloud.
#[derive(Debug, Clone)]
pub enum Request {
    Speech(Speech),
    Transcription(Transcription),
}

impl Request {
    /// The chat that asks for it.
    pub fn write(&self, model: &str) -> Bytes {
        let body = match self {
            Self::Speech(speech) => speech.write(model),
            Self::Transcription(transcription) => transcription.write(model),
        };
        Bytes::from(body.to_string())
    }

    /// The client's answer, from a whole chat completion.
    pub fn read(&self, body: &[u8]) -> Result<Bytes, Failure> {
        let answer: Value = serde_json::from_slice(body).map_err(|_| Garbled::new("it is not JSON"))?;
        if answer.get("error").is_some_and(|error| !error.is_null()) {
            return Err(read_any_failure(http::StatusCode::OK, &http::HeaderMap::new(), body));
        }
        match self {
            Self::Speech(speech) => speech.answer(&answer),
            Self::Transcription(transcription) => transcription.answer(&answer),
        }
    }

    /// What of the request has no place in the chat.
    pub fn dropped(&self) -> &[String] {
        match self {
            Self::Speech(speech) => &speech.dropped,
            Self::Transcription(transcription) => &transcription.dropped,
        }
    }

    /// What the client's answer is.
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Speech(speech) => speech.content_type(),
            Self::Transcription(transcription) => transcription.content_type(),
        }
    }

    /// How the answer is passed on piece by piece, where it comes so.
    pub fn pieces(&self) -> Option<Pieces> {
        match self {
            Self::Speech(speech) => speech.pieces(),
            Self::Transcription(_) => None,
        }
    }
}
