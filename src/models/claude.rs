//! Anthropic's Claude.

use super::Row;

pub static TABLE: &[Row] = &[];
