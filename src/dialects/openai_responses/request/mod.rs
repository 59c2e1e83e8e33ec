//! Requests: read from clients, written to providers.
//!
//! `input` is a flat list of items, the canonical form has turns: [`items`] gathers the ones into the others, [`history`]
//! takes them apart again. What the answer repeats of the request is kept by [`super::answer::echo`].

mod history;
mod items;
mod media;
mod read;
mod settings;
mod tools;
mod wire;
mod write;
mod written;

pub use items::is_served_by_xai;
pub use read::{input_items, read};
pub use write::write;
