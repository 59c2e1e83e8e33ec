//! Members of answers as they may be: whatever a provider puts in their place, it must not cost us the answer.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A text, if it is one; borrowed from the body where no escape stands in the way. The empty text counts as none.
#[derive(Debug, Default, Clone)]
pub struct Words<'a>(pub Option<Cow<'a, str>>);

/// A whole number, if it is one; `3.0` is.
#[derive(Debug, Default, Clone, Copy)]
pub struct Count(pub Option<u64>);

/// A value that is looked at later, if it is needed: see [`read`]. What is rare costs next to nothing this way.
pub type Later<'a> = Option<&'a RawValue>;

/// The value, if it has the shape that was hoped for.
pub fn read<'a, T: Deserialize<'a>>(later: Later<'a>) -> Option<T> {
    serde_json::from_str(later?.get()).ok()
}

impl Words<'_> {
    pub fn get(&self) -> Option<&str> {
        self.0.as_deref()
    }

    pub fn owned(self) -> Option<String> {
        self.0.map(Cow::into_owned)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Words<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyWords)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyCount)
    }
}

/// The visits that find something else than what was hoped for.
macro_rules! or_nothing {
    ($nothing:expr; $($visit:ident: $kind:ty),*) => {
        $(fn $visit<E>(self, _: $kind) -> Result<Self::Value, E> {
            Ok($nothing)
        })*

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($nothing)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            Ok($nothing)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok($nothing)
        }
    };
}

struct AnyWords;

impl<'de> Visitor<'de> for AnyWords {
    type Value = Words<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Words((!text.is_empty()).then_some(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Words((!text.is_empty()).then(|| Cow::Owned(text.to_owned()))))
    }

    or_nothing!(Words(None); visit_bool: bool, visit_u64: u64, visit_i64: i64, visit_f64: f64);
}

struct AnyCount;

impl<'de> Visitor<'de> for AnyCount {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_u64<E>(self, count: u64) -> Result<Count, E> {
        Ok(Count(Some(count)))
    }

    fn visit_f64<E>(self, count: f64) -> Result<Count, E> {
        let is_whole = count.fract() == 0.0 && (0.0..1e15).contains(&count);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was just seen to fit")]
        Ok(Count(is_whole.then_some(count as u64)))
    }

    or_nothing!(Count(None); visit_bool: bool, visit_i64: i64, visit_str: &str);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Odd<'a> {
        #[serde(borrow, default)]
        words: Words<'a>,
        #[serde(default)]
        count: Count,
        #[serde(default)]
        list: Later<'a>,
    }

    #[test]
    fn what_is_something_else_is_nothing() {
        for odd in ["null", "7.5", "-1", "true", "{\"a\":[1]}", "[{}]", "\"\""] {
            let text = format!(r#"{{"words":{odd},"count":{odd},"list":{odd}}}"#);
            let odd: Odd = serde_json::from_str(&text).expect("an object");
            assert!(odd.words.0.is_none() && odd.count.0.is_none() && read::<Vec<u8>>(odd.list).is_none(), "{text}");
        }
        let odd: Odd = serde_json::from_str(r#"{"words":"ab","count":3.0,"list":[1]}"#).expect("an object");
        assert!(matches!(odd.words.0, Some(Cow::Borrowed("ab"))));
        assert_eq!((odd.count.0, read(odd.list)), (Some(3), Some(vec![1])));
    }
}
