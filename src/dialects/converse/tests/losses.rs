//! What is left out, and what is refused.

use std::collections::BTreeSet;

use super::super::losses::TABLE;
use super::requests::{CLAUDE, asking, call, json, message, result, text};
use super::*;
use crate::dialects::Dialect;
use crate::dialects::ir::loss::Fate;
use crate::dialects::ir::{
    CacheMark, Effort, Feature, Format, Media, MediaKind, Message, Opaque, Part, Reasoning, Role, Source, Thinking,
    Tool, ToolChoice,
};

/// A request in which every feature occurs that is left out rather than refused.
fn features() -> ir::Request {
    let opaque = |dialect| Opaque { dialect, name: "x".to_owned(), value: json("{}") };
    let media = Media {
        kind: MediaKind::Image,
        mime: None,
        source: Source::Base64("iVBORw0=".to_owned()),
        name: None,
        detail: None,
        transcript: None,
        id: None,
    };
    let messages = vec![
        Message {
            name: Some("ann".to_owned()),
            ..message(Role::User, vec![text("a"), Part::CachePoint(CacheMark::default())])
        },
        message(Role::Assistant, vec![Part::Media(media), Part::Reasoning(Reasoning::default()), call("c1")]),
        message(Role::Tool, vec![result("c1")]),
    ];
    ir::Request {
        tools: vec![
            Tool::Function { name: "f".to_owned(), description: None, parameters: None, strict: Some(true) },
            Tool::Custom { name: "patch".to_owned(), description: None, format: None },
            Tool::WebSearch(Default::default()),
            Tool::Opaque(opaque(Dialect::Anthropic)),
        ],
        tool_choice: Some(ToolChoice::None),
        parallel_tool_calls: Some(false),
        max_tool_calls: Some(1),
        temperature: Some(1.into()),
        top_p: Some(1.into()),
        top_k: Some(1.into()),
        frequency_penalty: Some(1.into()),
        presence_penalty: Some(1.into()),
        stop: vec![" ".to_owned()],
        seed: Some(1),
        logprobs: Some(ir::Logprobs { top: None }),
        logit_bias: Some(json("{}")),
        thinking: Some(Thinking { effort: Some(Effort::Low), ..Default::default() }),
        verbosity: Some("low".to_owned()),
        metadata: Some(json(r#"{"a":"<b>"}"#)),
        user: Some("u".to_owned()),
        service_tier: Some("scale".to_owned()),
        cache_key: Some("k".to_owned()),
        cache_retention: Some(json("\"24h\"")),
        prediction: Some(json("{}")),
        format: Some(Format::JsonObject),
        modalities: vec!["image".to_owned()],
        audio: Some(ir::AudioOut { voice: None, format: None }),
        store: Some(true),
        safety: Some(json("[]")),
        ..asking("meta.llama3-3-70b-instruct-v1:0", messages)
    }
}

#[test]
fn what_is_left_out_is_what_the_table_says() {
    let (_, mut dropped) = write_request(&features()).expect("a body");
    let half = || serde_json::Number::from_f64(0.5);
    let schema = Format::JsonSchema { name: None, description: None, schema: json("{}"), strict: None };
    let rejecting = ir::Request { temperature: half(), top_p: half(), ..asking("anthropic.claude-opus-4-7", vec![]) };
    dropped.extend(write_request(&rejecting).expect("a body").1);
    let unbound = ir::Request { format: Some(schema), ..asking("amazon.nova-pro-v1:0", vec![]) };
    dropped.extend(write_request(&unbound).expect("a body").1);
    let named = |name: &str| {
        *Feature::ALL
            .iter()
            .find(|feature| name.split(" (").next() == Some(feature.name()))
            .unwrap_or(&Feature::Modalities)
    };
    let dropped: BTreeSet<_> = dropped.iter().map(|name| named(name)).collect();
    let of_fate =
        |fate| TABLE.iter().filter(|loss| loss.fate == fate).map(|loss| loss.feature).collect::<BTreeSet<_>>();
    assert_eq!(dropped, of_fate(Fate::Dropped));

    let media = |kind, mime: Option<&str>, source| {
        let mime = mime.map(str::to_owned);
        let media = Media { kind, mime, source, name: None, detail: None, transcript: None, id: None };
        asking(CLAUDE, vec![message(Role::User, vec![Part::Media(media)])])
    };
    let url = || Source::Url("https://example.com/x".to_owned());
    let refused: BTreeSet<_> = [
        (Feature::AudioInput, media(MediaKind::Audio, None, url())),
        (Feature::VideoInput, media(MediaKind::Video, None, url())),
        (Feature::ImageUrls, media(MediaKind::Image, None, url())),
        (Feature::FileUrls, media(MediaKind::File, None, url())),
        (Feature::FileIds, media(MediaKind::File, None, Source::FileId("f".to_owned()))),
        (Feature::Media, media(MediaKind::Image, Some("image/bmp"), Source::Base64("Qk0=".to_owned()))),
        (Feature::N, ir::Request { n: Some(2), ..asking(CLAUDE, vec![]) }),
    ]
    .into_iter()
    .map(|(feature, request)| {
        let refusal = write_request(&request).expect_err(feature.name());
        assert!(refusal.message.contains(feature.name()), "{}", refusal.message);
        feature
    })
    .collect();
    assert_eq!(refused, of_fate(Fate::Refused));
    assert!(TABLE.is_sorted_by_key(|loss| loss.feature));
}
