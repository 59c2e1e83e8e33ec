//! Requests and answers that are forwarded.

use bytes::Bytes;
use narthex::payload::Payload;
use narthex::rewrite::{Forward, Rewrite, WithoutUsage};
use narthex::rope::Rope;
use proptest::prelude::*;
use serde_json::Value;

use super::json::{member, space, string, value};

/// A body, and how it is to look with another model. What else is edited stands in front.
fn bodies() -> impl Strategy<Value = (String, String)> {
    // No generated name is shorter than those that are looked for.
    let others =
        || prop::collection::vec(member(string().prop_map(|name| format!("\"unknown_{}", &name[1..])), value()), 0..5);
    (space(), others(), (space(), space(), string()), others(), space()).prop_map(
        |(start, before, (left, right, model), behind, end)| {
            let body = |model: &str| {
                let model = format!("{left}\"model\":{right}{model}");
                let members = before.iter().chain([&model]).chain(&behind);
                format!("{start}{{{}}}{end}", members.cloned().collect::<Vec<_>>().join(","))
            };
            (body(&model), body("\"another\""))
        },
    )
}

/// The text in pieces, as a socket may bring it.
fn pieces(text: &str, size: usize) -> impl Iterator<Item = Bytes> {
    text.as_bytes().chunks(size).map(Bytes::copy_from_slice)
}

fn read(text: &str, size: usize) -> Payload {
    Payload::read("application/json", pieces(text, size).collect::<Rope>()).expect("a payload")
}

/// A stream of events as chat providers send them; the counting chunks are marked.
fn streams() -> impl Strategy<Value = Vec<(bool, String)>> {
    let end = prop::sample::select(vec!["\n", "\r\n"]);
    let counting = (space(), space()).prop_map(|(a, b)| {
        let (a, b) = (a.replace(['\r', '\n'], " "), b.replace(['\r', '\n'], " "));
        format!("data: {{\"id\":\"c\",\"choices\":{a}[{b}],\"usage\":{{\"prompt_tokens\":1}}}}")
    });
    let line = |text: String| text.replace(['\r', '\n'], " ");
    let event = prop_oneof![
        3 => value().prop_map(move |value| (false, format!("data: {{\"choices\":[{{\"delta\":{}}}]}}", line(value)))),
        1 => value().prop_map(move |value| (false, format!("event: x\ndata:{}", line(value)))),
        1 => Just((false, ": ping".to_owned())),
        1 => Just((false, "data: {\"choices\":[],\"usage\":null}".to_owned())),
        1 => counting.prop_map(|event| (true, event)),
    ];
    prop::collection::vec((event, end), 0..6).prop_map(|events| {
        events.into_iter().map(|((counts, text), end)| (counts, text.replace('\n', end) + end + end)).collect()
    })
}

proptest! {
    #[test]
    fn only_the_model_changes((body, other) in bodies(), size in 1usize..64) {
        let payload = read(&body, size);
        prop_assert_eq!(payload.outgoing(None, |_, _| {}).to_bytes(), body.as_bytes());
        prop_assert_eq!(payload.outgoing(Some("another"), |_, _| {}).to_bytes(), other.as_bytes());
    }

    #[test]
    fn declared_edits_change_what_they_name((body, _) in bodies(), options in value(), size in 1usize..64) {
        let with_options = body.replacen('{', &format!("{{\"stream_options\":{options},\"old\":1,"), 1);
        let edited = read(&with_options, size).outgoing(None, |object, edits| {
            edits.rename(object, "old", "new");
            match object.get("stream_options").is_some_and(|options| options.starts_with(b"{")) {
                true => edits.set_inside(object, "stream_options", "include_usage", "true"),
                false => edits.set(object, "stream_options", r#"{"include_usage":true}"#),
            }
        });
        let options = match options.strip_prefix('{') {
            Some(inner) if inner.trim() == "}" => format!("{{\"include_usage\":true{inner}"),
            Some(inner) => format!("{{\"include_usage\":true,{inner}"),
            None => r#"{"include_usage":true}"#.to_owned(),
        };
        let expected = body.replacen('{', &format!("{{\"stream_options\":{options},\"new\":1,"), 1);
        let edited = edited.to_bytes();
        prop_assert_eq!(String::from_utf8_lossy(&edited), expected);
    }

    #[test]
    fn what_is_edited_is_still_json((body, _) in bodies()) {
        // The generator's own JSON may hold a lone escape that serde refuses to read as text; bodies that it reads stay readable.
        if serde_json::from_str::<Value>(&body).is_ok() {
            let edited = read(&body, 7).outgoing(Some("another"), |object, edits| edits.set(object, "stream", "true"));
            let edited: Value = serde_json::from_slice(&edited.to_bytes()).expect("JSON");
            prop_assert_eq!(&edited["model"], "another");
            prop_assert_eq!(&edited["stream"], true);
        }
    }

    #[test]
    fn answers_pass_unchanged(text in value(), size in 1usize..64) {
        let mut forward = Forward::default();
        let mut out = Vec::new();
        pieces(&text, size).for_each(|piece| out.extend(forward.push(piece)));
        out.extend(forward.finish().expect("no failure"));
        prop_assert_eq!(String::from_utf8_lossy(&out), text);
    }

    #[test]
    fn only_the_counting_chunks_are_taken_out(events in streams(), size in 1usize..64) {
        let stream: String = events.iter().map(|(_, event)| event.as_str()).collect();
        let expected: String = events.iter().filter(|(counts, _)| !counts).map(|(_, event)| event.as_str()).collect();
        let mut rewrite = WithoutUsage::default();
        let mut out = Vec::new();
        pieces(&stream, size).for_each(|piece| out.extend(rewrite.push(piece)));
        out.extend(rewrite.finish().expect("no failure"));
        prop_assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}
