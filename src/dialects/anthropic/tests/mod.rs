//! Tests of the room as a whole, by what they are about.
