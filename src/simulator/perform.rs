//! What each operation of a model answers, alone or as a line of a batch.

use bytes::Bytes;
use http::HeaderValue;

use super::answer::Answer;
use super::behaviour::Behaviour;
use super::conversation::{self, Late, Turn};
use super::routes::Operation;
use super::{models, openai};
use crate::dialects::Dialect;
use crate::error::{Failure, Kind, Refusal};

/// What is asked of an operation.
pub struct Asked<'a> {
    pub query: Option<&'a str>,
    pub content_type: Option<&'a HeaderValue>,
    pub body: &'a Bytes,
    /// What makes the ids of the answer its own.
    pub nonce: String,
    /// In which dialect a conversation is answered, if not in its own.
    pub answered_in: Option<Dialect>,
}

/// `late`: how a stream is to break off.
pub fn perform(
    dialect: Dialect,
    operation: &Operation,
    asked: Asked,
    behaviour: &Behaviour,
    late: Option<Late>,
) -> Result<Answer, Failure> {
    let Asked { query, content_type, body, nonce, answered_in } = asked;
    let answer = match operation {
        Operation::Chat(place) => match Turn::read(dialect, place.as_ref(), query, body, nonce) {
            Ok(turn) => return turn.answered_in(answered_in).answer(behaviour.tokens, late),
            Err(refusal) => Err(refusal),
        },
        Operation::Count => conversation::count(dialect, body),
        Operation::Completions => openai::completions::answer(body, behaviour, &nonce),
        Operation::Embeddings => openai::embeddings::answer(body),
        Operation::GeminiEmbeddings { is_batch } => openai::embeddings::answer_gemini(body, *is_batch),
        Operation::Transcription => openai::audio::transcribe(content_type, body),
        Operation::Speech => openai::audio::speak(body),
        Operation::Moderation => openai::moderations::answer(body, &nonce),
        Operation::Models => Ok(models::list(dialect, behaviour)),
        Operation::Model(id) => models::one(dialect, id, behaviour),
        Operation::Kept(_) | Operation::Log | Operation::Token => {
            Err(Refusal::new(Kind::NotFound, "A batch runs models only."))
        }
    };
    answer.map_err(|refusal| Failure::from(&refusal))
}
