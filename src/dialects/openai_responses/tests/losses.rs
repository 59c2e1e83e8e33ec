//! The table of losses is what the writer notes.

use std::collections::BTreeSet;

use serde_json::Number;
use serde_json::value::to_raw_value;

use super::OpenaiResponses;
use crate::dialects::ir::loss::Loss;
use crate::dialects::ir::{
    AudioOut, CacheMark, Effort, Feature, Format, Json, Logprobs, Losses, Media, MediaKind, Message, Opaque, Part,
    Reasoning, Request, Role, Source, Text, Thinking, Tool, ToolChoice, ToolResult, Unknown, WebSearch,
};
use crate::dialects::{Dialect, Habits, ProviderDialect, Recipient};
use crate::models::{Facts, Sampling, ThinkingStyle};

fn raw() -> Json {
    to_raw_value(&1).expect("JSON")
}

fn media(kind: MediaKind, source: Source) -> Part {
    Part::Media(Media { kind, mime: None, source, name: None, detail: None, transcript: None, id: None })
}

fn foreign() -> Opaque {
    Opaque { dialect: Dialect::Anthropic, name: "bash".to_owned(), value: raw() }
}

/// All that a request can hold.
fn everything() -> Request {
    let one = || Number::from_f64(0.5);
    let url = || Source::Url("https://example.com/x".to_owned());
    let wav = Media {
        mime: Some("audio/wav".to_owned()),
        ..as_media(media(MediaKind::Audio, Source::Base64(String::new())))
    };
    let result = ToolResult { call_id: "c".to_owned(), content: vec![Part::Media(wav)], ..ToolResult::default() };
    let message = |role, parts| Message { role, parts, name: Some("Ann".to_owned()) };
    let search = WebSearch { blocked_domains: vec!["x".to_owned()], max_uses: Some(1), ..WebSearch::default() };
    Request {
        model: "m".to_owned(),
        stream: true,
        messages: vec![
            message(
                Role::User,
                vec![
                    Part::Text(Text::default()),
                    Part::CachePoint(CacheMark::default()),
                    media(MediaKind::Image, url()),
                    media(MediaKind::File, url()),
                    media(MediaKind::Audio, url()),
                    media(MediaKind::Video, url()),
                ],
            ),
            message(
                Role::Assistant,
                vec![
                    Part::Reasoning(Reasoning { text: "hm".to_owned(), ..Reasoning::default() }),
                    Part::Opaque(foreign()),
                    media(MediaKind::Image, url()),
                ],
            ),
            message(Role::Tool, vec![Part::ToolResult(result)]),
        ],
        tools: vec![
            Tool::Function { name: "f".to_owned(), description: None, parameters: None, strict: Some(true) },
            Tool::WebSearch(search),
            Tool::CachePoint(CacheMark::default()),
            Tool::Opaque(foreign()),
        ],
        tool_choice: None,
        parallel_tool_calls: Some(true),
        max_tool_calls: Some(1),
        max_tokens: Some(1),
        temperature: one(),
        top_p: one(),
        top_k: one(),
        frequency_penalty: one(),
        presence_penalty: one(),
        stop: vec!["x".to_owned()],
        seed: Some(1),
        n: Some(2),
        logprobs: Some(Logprobs { top: None }),
        logit_bias: Some(raw()),
        format: Some(Format::JsonSchema { name: None, description: None, schema: raw(), strict: None }),
        thinking: Some(Thinking { effort: Some(Effort::High), ..Thinking::default() }),
        verbosity: Some("low".to_owned()),
        metadata: Some(raw()),
        user: Some("u".to_owned()),
        service_tier: Some("standard_only".to_owned()),
        cache_key: Some("k".to_owned()),
        cache_retention: Some(raw()),
        modalities: vec!["text".to_owned(), "image".to_owned()],
        audio: Some(AudioOut { voice: None, format: None }),
        prediction: Some(raw()),
        store: Some(false),
        safety: Some(raw()),
        unknown: vec![Unknown { path: "mood".to_owned() }],
    }
}

fn as_media(part: Part) -> Media {
    match part {
        Part::Media(media) => media,
        other => panic!("{other:?}"),
    }
}

/// What the writer notes, by a table in which nothing is refused.
fn noted(request: &Request) -> Vec<String> {
    const NOWHERE: Facts = Facts {
        thinking: ThinkingStyle::Never,
        sampling: Sampling::Rejected,
        has_json_schema: false,
        ..Facts::UNKNOWN
    };
    let habits = Habits { fetches_urls: false, ..Habits::OPENAI };
    let mut losses = Losses::new(&[] as &'static [Loss], false);
    let recipient = Recipient { facts: &NOWHERE, habits: &habits };
    OpenaiResponses.write_request(request, &recipient, &mut losses).expect("a body");
    losses.finish().expect("nothing is refused")
}

#[test]
fn the_table_lists_what_is_noted() {
    let bare = Request { tools: Vec::new(), tool_choice: Some(ToolChoice::Required), ..everything() };
    let mut names: BTreeSet<String> = noted(&everything()).into_iter().chain(noted(&bare)).collect();
    assert!(names.remove("mood"));
    let feature = |name: &str| {
        let is_named = |feature: &&Feature| {
            let rest = name.strip_prefix(feature.name());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" (") || rest.starts_with('.'))
        };
        *Feature::ALL.iter().find(is_named).unwrap_or_else(|| panic!("`{name}` is no feature"))
    };
    let noted: BTreeSet<Feature> = names.iter().map(|name| feature(name)).collect();
    let listed: BTreeSet<Feature> = OpenaiResponses.losses().iter().map(|loss| loss.feature).collect();
    assert_eq!(noted, listed);
    assert!(OpenaiResponses.losses().is_sorted_by_key(|loss| loss.feature));
}
