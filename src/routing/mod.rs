//! From a model's name to the targets that may serve it, and to the order in which they are tried.
//!
//! [`Routes`] is a table made anew whenever a list of models has changed; a request looks its model up once. What happens
//! on the wire belongs in `proxy`.

mod balance;
mod health;
mod inventory;
mod near;
mod resolve;
mod target;

pub use balance::Route;
pub use health::Health;
pub use inventory::{Inventory, Listed, Source, asks_provider, next_page, read_list};
pub use resolve::{Routes, Unresolved};
pub use target::{InFlight, Target, Upstream};
