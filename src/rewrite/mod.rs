//! Answers on their way from the provider to the client, one push at a time.
//!
//! A [`Rewrite`] is handed each piece of a body as it arrives and returns what the client is to read. It knows nothing of
//! Pingora or of tokio: tests push bytes and look at what comes out.

mod failed;
mod forward;
mod keep;
mod overheard;
mod split_thoughts;
mod spoken;
mod translate;
pub mod usage;
mod whole;
mod without_usage;

use bytes::Bytes;

pub use crate::dialects::ir::Usage;
use crate::error::Failure;
pub use failed::Failed;
pub use forward::Forward;
pub use keep::Keep;
pub use overheard::Overheard;
pub use split_thoughts::SplitThoughts;
pub use spoken::Spoken;
pub use translate::{Translate, Translation};
pub use whole::{Conversion, Whole};
pub use without_usage::WithoutUsage;

/// What the provider sends → what the client reads.
pub trait Rewrite: Send + Sync {
    /// Takes a piece of the body; what it returns may be empty.
    fn push(&mut self, chunk: Bytes) -> Bytes;

    /// The body has ended. Further calls return nothing. `Err`: there was no answer in it, and nothing of one has been written.
    fn finish(&mut self) -> Result<Bytes, Failure>;

    /// The body broke off: what is left to be written, the failure included. `None`: this is not for a rewrite to tell.
    fn fail(&mut self, _failure: &Failure) -> Option<Bytes> {
        None
    }

    /// The tokens that were counted, as far as the body has told.
    fn usage(&self) -> Option<Usage>;

    /// What the client was told in place of an answer, or at its end.
    fn failure(&self) -> Option<&Failure> {
        None
    }
}
