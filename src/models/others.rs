//! Models of other makers.

use super::Row;

pub static TABLE: &[Row] = &[];
