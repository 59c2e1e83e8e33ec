//! What OpenAI has beside conversations: one file for each operation, which reads the request and writes the answer.
//! What is *said* is decided in `script`; nothing here waits, and nothing knows a connection.

pub mod audio;
pub mod completions;
pub mod embeddings;
pub mod moderations;
pub mod multipart;
mod read;

use super::schema::Unsatisfiable;
use crate::error::Refusal;

/// A schema that cannot be answered, told at the parameter that it came in.
fn unsatisfiable(param: &'static str) -> impl FnOnce(Unsatisfiable) -> Refusal {
    move |why| Refusal::invalid(format!("No answer can be made: {why}.")).param(param)
}
