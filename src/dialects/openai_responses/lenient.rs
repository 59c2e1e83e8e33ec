//! Members read more liberally than JSON is strict: whole numbers that are written as fractions, and, in answers, members that
//! are taken for absent if they are not what they should be.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::dialects::wire::TextOr;

/// A whole number, not negative. Some clients and servers write `100.0`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Whole(pub u64);

impl Whole {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the guard rules both out")]
    fn of(number: f64) -> Option<Self> {
        ((0.0..1e15).contains(&number) && number.fract() == 0.0).then_some(Self(number as u64))
    }
}

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

            fn visit_f64<E: Error>(self, number: f64) -> Result<Whole, E> {
                Whole::of(number).ok_or_else(|| E::custom("it must be a whole number"))
            }
        }

        deserializer.deserialize_any(Number)
    }
}

/// A small member of whatever type; read twice, so not for long ones.
pub fn small<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).unwrap_or_default())
}

pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(borrowed(deserializer)?.map(Cow::into_owned))
}

/// A text that is not copied if it need not be.
pub fn borrowed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    Ok(match deserializer.deserialize_any(Loose::<IgnoredAny>(PhantomData))? {
        Found::Text(text) => Some(text),
        Found::List(_) | Found::Whole(_) | Found::Other => None,
    })
}

pub fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Vec<T>>, D::Error> {
    Ok(match deserializer.deserialize_any(Loose(PhantomData))? {
        Found::List(list) => Some(list),
        Found::Text(_) | Found::Whole(_) | Found::Other => None,
    })
}

pub fn text_or_list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<TextOr<T>>, D::Error> {
    Ok(match deserializer.deserialize_any(Loose(PhantomData))? {
        Found::Text(text) => Some(TextOr::Text(text.into_owned())),
        Found::List(list) => Some(TextOr::List(list)),
        Found::Whole(_) | Found::Other => None,
    })
}

pub fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Whole>, D::Error> {
    Ok(match deserializer.deserialize_any(Loose::<IgnoredAny>(PhantomData))? {
        Found::Whole(number) => Some(number),
        Found::Text(_) | Found::List(_) | Found::Other => None,
    })
}

enum Found<'de, T> {
    Text(Cow<'de, str>),
    List(Vec<T>),
    Whole(Whole),
    Other,
}

struct Loose<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Loose<T> {
    type Value = Found<'de, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Found::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Found::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Found::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Found::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Found::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Found::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Found::Whole(Whole(number)))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Found::Other)
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Whole::of(number).map_or(Found::Other, Found::Whole))
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

    #[test]
    fn members_of_another_type_are_absent() {
        #[derive(Debug, Default, PartialEq, Deserialize)]
        #[serde(default)]
        struct Loosely {
            #[serde(deserialize_with = "text")]
            text: Option<String>,
            #[serde(deserialize_with = "list")]
            list: Option<Vec<u8>>,
            #[serde(deserialize_with = "text_or_list")]
            either: Option<TextOr<u8>>,
            #[serde(deserialize_with = "small")]
            small: Option<Whole>,
        }
        let read = |text: &str| serde_json::from_str::<Loosely>(text).expect("an object");
        for odd in ["1", "-1", "1.5", "true", "null", r#"{"a":[1,{}]}"#] {
            let small = (odd == "1").then_some(Whole(1));
            let all = format!(r#"{{"text":{odd},"list":{odd},"either":{odd},"small":{odd}}}"#);
            assert_eq!(read(&all), Loosely { small, ..Loosely::default() }, "{odd}");
        }
        let all = read(r#"{"text":"\u00fc","list":[1],"either":[2],"small":3.0}"#);
        assert_eq!((all.text.as_deref(), all.list, all.small), (Some("ü"), Some(vec![1]), Some(Whole(3))));
        assert_eq!(all.either, Some(TextOr::List(vec![2])));
        assert_eq!(read(r#"{"either":"x"}"#).either, Some(TextOr::Text("x".to_owned())));
    }
}
