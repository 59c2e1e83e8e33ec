//! The input of a tool: an object here, any text elsewhere.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::dialects::ir::CallKind;

/// The arguments of a call as an object. What is none (free text of a custom tool, a list, JSON that was cut off) becomes the member
/// `input` of one.
pub fn object(arguments: &str, kind: CallKind) -> Cow<'_, RawValue> {
    let trimmed = arguments.trim();
    if trimmed.is_empty() && kind == CallKind::Function {
        return wrapped("{}".to_owned());
    }
    if kind == CallKind::Function
        && trimmed.starts_with('{')
        && let Ok(object) = serde_json::from_str::<&RawValue>(trimmed)
    {
        return Cow::Borrowed(object);
    }
    let text = || serde_json::to_string(arguments).unwrap_or_default();
    let value = match serde_json::from_str::<&RawValue>(trimmed) {
        Ok(value) if kind == CallKind::Function && value.get() == "null" => return wrapped("{}".to_owned()),
        Ok(value) if kind == CallKind::Function => value.get().to_owned(),
        _ => text(),
    };
    wrapped(format!("{{\"input\":{value}}}"))
}

fn wrapped(json: String) -> Cow<'static, RawValue> {
    match RawValue::from_string(json) {
        Ok(raw) => Cow::Owned(raw),
        Err(_) => Cow::Borrowed(RawValue::NULL),
    }
}

/// An id of a call as Anthropic takes it: letters, digits, `_` and `-`.
pub fn id(id: &str) -> Cow<'_, str> {
    let fits = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
    if id.chars().all(fits) {
        return Cow::Borrowed(id);
    }
    Cow::Owned(id.chars().map(|char| if fits(char) { char } else { '_' }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_always_an_object() {
        for (arguments, expected) in [
            (r#"{"a": 1.50}"#, r#"{"a": 1.50}"#),
            (" {} ", "{}"),
            ("", "{}"),
            ("null", "{}"),
            ("[1]", r#"{"input":[1]}"#),
            (r#"{"a":"#, r#"{"input":"{\"a\":"}"#),
        ] {
            assert_eq!(object(arguments, CallKind::Function).get(), expected, "{arguments:?}");
        }
        assert_eq!(object("{}", CallKind::Custom).get(), r#"{"input":"{}"}"#);
    }

    #[test]
    fn ids_lose_what_is_not_allowed_in_them() {
        assert_eq!(id("call_1-A"), "call_1-A");
        assert_eq!(id("call|fc:ü"), "call_fc__");
    }
}
