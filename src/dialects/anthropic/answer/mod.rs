//! Answers: what a provider wrote into the canonical form, and from there what a Messages client is to read. The pieces of streams
//! are put together here too; their events are not framed here.

mod assembly;
mod read;
mod wire;
mod write;

pub use assembly::Assembly;
pub use read::read;
pub use wire::{Counts, Incoming, Message, RawDelta, finish, read_if_fits};
pub use write::{Ending, Message as Shown, Totals, write};
