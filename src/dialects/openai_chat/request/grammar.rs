//! The format of a custom tool. Its grammar stands in a box of its own in chat completions
//! (`openai.types.chat.ChatCompletionCustomToolParam`), and flat in the Responses API (`openai.types.shared_params.CustomToolInputFormat`), as
//! in the canonical form.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;

use crate::dialects::ir::Json;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Boxed {
    #[serde(rename = "type")]
    kind: String,
    grammar: Grammar,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grammar {
    syntax: Json,
    definition: Json,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Flat {
    #[serde(rename = "type")]
    kind: String,
    syntax: Json,
    definition: Json,
}

/// The canonical form of a format. One of another kind stays as it is.
pub fn flat(format: Json) -> Json {
    let Ok(Boxed { kind, grammar: Grammar { syntax, definition } }) = serde_json::from_str(format.get()) else {
        return format;
    };
    to_raw_value(&Flat { kind, syntax, definition }).unwrap_or(format)
}

/// The form that chat completions want.
pub fn boxed(format: &Json) -> Cow<'_, Json> {
    let Ok(Flat { kind, syntax, definition }) = serde_json::from_str(format.get()) else {
        return Cow::Borrowed(format);
    };
    to_raw_value(&Boxed { kind, grammar: Grammar { syntax, definition } }).map_or(Cow::Borrowed(format), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammars_change_their_shape_and_nothing_else_does() {
        let json = |text: &str| serde_json::from_str::<Json>(text).expect("JSON");
        let (chat, responses) = (
            r#"{"type":"grammar","grammar":{"syntax":"lark","definition":"start: \"a\""}}"#,
            r#"{"type":"grammar","syntax":"lark","definition":"start: \"a\""}"#,
        );
        assert_eq!(flat(json(chat)).get(), responses);
        assert_eq!(boxed(&json(responses)).get(), chat);
        for same in [r#"{"type":"text"}"#, r#"{"type":"grammar","definition":"x","new":1}"#, "7"] {
            assert_eq!(flat(json(same)).get(), same);
            assert_eq!(boxed(&json(same)).get(), same);
        }
    }
}
