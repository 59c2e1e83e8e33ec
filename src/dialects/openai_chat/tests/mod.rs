//! The room as a whole.

mod answers;
mod losses;
mod requests;
mod streams;

use super::*;
