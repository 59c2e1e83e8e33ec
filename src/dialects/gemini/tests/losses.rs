//! What is left out is what the table says.

use std::collections::BTreeSet;

use super::super::{losses, raw};
use super::*;
use crate::dialects::ir::loss::Fate;
use crate::dialects::ir::{
    AudioOut, CacheMark, Effort, Feature, Format, Logprobs, Media, MediaKind, Message, Opaque, Part, Reasoning, Role,
    Seal, Source, Text, Thinking, Tool, ToolChoice, Unknown, WebSearch,
};

fn media(kind: MediaKind, source: Source) -> Part {
    Part::Media(Media { kind, mime: None, source, name: None, detail: None, transcript: None, id: None })
}

fn said(parts: Vec<Part>) -> Vec<Message> {
    let user = vec![Part::Text(Text { text: "hi".to_owned(), ..Text::default() })];
    [(Role::User, user), (Role::Assistant, parts)]
        .map(|(role, parts)| Message { role, parts, name: Some("n".to_owned()) })
        .into()
}

fn everything() -> Request {
    let number = serde_json::Number::from;
    let seal = Some(Seal::redacted(Dialect::Anthropic, "x"));
    let mut messages = said(vec![
        Part::Reasoning(Reasoning { seal, ..Reasoning::default() }),
        Part::CachePoint(CacheMark::default()),
        Part::Opaque(Opaque { dialect: Dialect::Anthropic, name: "server_tool_use".to_owned(), value: raw::json("x") }),
    ]);
    let image = media(MediaKind::Image, Source::Base64(String::new()));
    messages.insert(0, Message { role: Role::System, parts: vec![image], name: None });
    Request {
        model: "m".to_owned(),
        stream: true,
        messages,
        tools: vec![
            Tool::Custom { name: "f".to_owned(), description: None, format: None },
            Tool::Function { name: "f".to_owned(), description: None, parameters: None, strict: Some(true) },
            Tool::WebSearch(WebSearch { max_uses: Some(1), ..WebSearch::default() }),
            Tool::CachePoint(CacheMark::default()),
        ],
        tool_choice: Some(ToolChoice::Allowed { names: vec!["f".to_owned()], required: false }),
        parallel_tool_calls: Some(false),
        max_tool_calls: Some(1),
        max_tokens: Some(1),
        temperature: Some(number(1)),
        top_p: Some(number(1)),
        top_k: Some(number(1)),
        frequency_penalty: Some(number(1)),
        presence_penalty: Some(number(1)),
        stop: vec!["x".to_owned(); 6],
        seed: Some(1),
        n: Some(2),
        logprobs: Some(Logprobs { top: Some(1) }),
        logit_bias: Some(raw::json("x")),
        format: Some(Format::JsonObject),
        thinking: Some(Thinking { effort: Some(Effort::Low), ..Thinking::default() }),
        verbosity: Some("low".to_owned()),
        metadata: Some(raw::json("x")),
        user: Some("u".to_owned()),
        service_tier: Some("scale".to_owned()),
        cache_key: Some("k".to_owned()),
        cache_retention: Some(raw::json("x")),
        modalities: vec!["smell".to_owned()],
        audio: Some(AudioOut { voice: Some(raw::json("Kore")), format: Some("mp3".to_owned()) }),
        prediction: Some(raw::json("x")),
        store: Some(true),
        safety: Some(raw::json("x")),
        unknown: vec![Unknown { path: "mood".to_owned() }],
    }
}

/// The feature that a name in the ledger belongs to: `stop (beyond 5)`, `web_search.max_uses`.
fn feature(name: &str) -> Option<Feature> {
    let belongs = |feature: &&Feature| {
        name.strip_prefix(feature.name()).is_some_and(|rest| !rest.starts_with(char::is_alphabetic))
    };
    Feature::ALL.iter().filter(belongs).max_by_key(|feature| feature.name().len()).copied()
}

#[test]
fn what_is_dropped_is_in_the_table() {
    let full = everything();
    let bound = Format::JsonSchema { name: None, description: None, schema: raw::json("x"), strict: None };
    // Strictness and freedom of choice are lost each for itself.
    let strict = Request { tool_choice: None, format: Some(bound), ..full.clone() };
    let mut dropped = BTreeSet::new();
    for (model, request) in [("gemini-2.0-flash", &full), ("gemini-2.5-flash", &strict), ("gemini-2.0-flash", &strict)]
    {
        for name in write_to(model, request).1 {
            match name.as_str() {
                "mood" => {}
                "media in instructions" => drop(dropped.insert(Feature::Media)),
                name => drop(dropped.insert(feature(name).unwrap_or_else(|| panic!("{name}")))),
            }
        }
    }
    let table = losses::TABLE.iter().filter(|loss| loss.fate == Fate::Dropped).map(|loss| loss.feature);
    assert_eq!(dropped, table.collect());
}

#[test]
fn what_is_refused_is_in_the_table() {
    let with = |part| Request { messages: said(vec![part]), ..Request::default() };
    let url = || Source::Url("https://example.com/x".to_owned());
    let requests = [
        (Feature::FileIds, with(media(MediaKind::File, Source::FileId("file-1".to_owned())))),
        (Feature::FileUrls, with(media(MediaKind::File, url()))),
        (Feature::ImageUrls, with(media(MediaKind::Image, url()))),
    ];
    let habits = Habits { fetches_urls: false, ..Habits::OPENAI };
    let fetching = Habits { fetches_urls: true, ..habits };
    let finish = |request: &Request, habits: &Habits| {
        let mut losses = Losses::new(losses::TABLE, false);
        let recipient = Recipient { facts: Facts::of("gemini-3-flash-preview"), habits };
        let body = Dialect::Gemini.provider().write_request(request, &recipient, &mut losses).expect("a body");
        losses.finish().map(|_| String::from_utf8(body.to_vec()).expect("text"))
    };
    for (feature, request) in &requests {
        let refusal = finish(request, &habits).expect_err("refused");
        assert!(refusal.message.contains(&format!("`{}`", feature.name())), "{refusal}");
    }
    let table = losses::TABLE.iter().filter(|loss| loss.fate == Fate::Refused).map(|loss| loss.feature);
    assert!(table.eq(requests.iter().map(|(feature, _)| *feature)));
    let body = finish(&requests[2].1, &fetching).expect("Vertex fetches");
    assert!(body.contains(r#""fileData":{"mimeType":"image/jpeg","fileUri":"https://example.com/x"}"#), "{body}");
}
