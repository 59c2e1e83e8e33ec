//! OpenAI's models.

use super::Row;

pub static TABLE: &[Row] = &[];
