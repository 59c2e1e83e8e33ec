//! Whole numbers as JSON has them: some clients and servers write `100.0`.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// A whole number, not negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Whole(pub u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = Whole;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Whole, E> {
                Ok(Whole(number))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Whole, E> {
                u64::try_from(number).map(Whole).map_err(|_| E::custom("it must not be negative"))
            }

            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the guard rules both out")]
            fn visit_f64<E: Error>(self, number: f64) -> Result<Whole, E> {
                match number {
                    0.0..1e15 if number.fract() == 0.0 => Ok(Whole(number as u64)),
                    _ => Err(E::custom("it must be a whole number")),
                }
            }
        }

        deserializer.deserialize_any(Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_may_be_written_as_a_fraction() {
        let read = |text: &str| serde_json::from_str::<Whole>(text).ok();
        assert_eq!(read("100.0"), Some(Whole(100)));
        assert_eq!(read("7"), Some(Whole(7)));
        for wrong in ["-1", "0.5", "1e30", "\"3\"", "true"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
