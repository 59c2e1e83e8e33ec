//! Google's Gemini.

use super::Row;

pub static TABLE: &[Row] = &[];
