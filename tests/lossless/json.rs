//! JSON as it may be spelled: with space anywhere, numbers and escapes of all kinds, members that nobody knows.

use proptest::prelude::*;

/// Space between tokens.
pub fn space() -> impl Strategy<Value = String> {
    "[ \t\r\n]{0,2}"
}

/// A string with its quotes.
pub fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zA-Z0-9 .,:{}\\[\\]äß世🦀\u{2028}]{0,6}",
        1 => prop::sample::select(vec![r#"\""#, r"\\", r"\/", r"\n", r"\u00e9", r"\ud83e\udd80", r"\u0000"]).prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

/// Any value.
pub fn value() -> impl Strategy<Value = String> {
    let number = ["0", "-0", "1.50", "-1.5E+3", "1e5", "123456789012345678901234567890", "0.1000"];
    let word = ["null", "true", "false"];
    let leaf = prop_oneof![
        prop::sample::select(number.to_vec()).prop_map(str::to_owned),
        prop::sample::select(word.to_vec()).prop_map(str::to_owned),
        string(),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(spaced(inner.clone()), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(member(string(), inner), 0..4).prop_map(|items| format!("{{{}}}", items.join(","))),
        ]
    })
}

/// A value with space around it.
fn spaced(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (space(), value, space()).prop_map(|(before, value, behind)| before + &value + &behind)
}

/// A member with space around everything.
pub fn member(
    key: impl Strategy<Value = String>,
    value: impl Strategy<Value = String>,
) -> impl Strategy<Value = String> {
    (spaced(key), spaced(value)).prop_map(|(key, value)| format!("{key}:{value}"))
}
