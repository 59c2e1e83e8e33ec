//! What is noted as lost is what the table says.

use std::collections::BTreeSet;

use serde_json::value::to_raw_value;

use super::*;
use crate::dialects::ir::loss::Fate;
use crate::dialects::ir::{
    AudioOut, CacheMark, CallKind, Effort, Feature, Format, Json, Logprobs, Losses, Media, MediaKind, Message, Opaque,
    Part, Reasoning, Request, Role, Seal, Source, Text, Thinking, Tool, ToolCall, ToolChoice, ToolResult, WebSearch,
};
use crate::dialects::openai_chat::losses::LOSSES;
use crate::dialects::{Dialect, EffortHabit, Habits};
use crate::models::{Facts, ForcedTools, Sampling, ThinkingStyle};

/// Knows next to nothing.
const POOR: Habits = Habits { fetches_urls: false, effort: EffortHabit::None, ..Habits::COMPATIBLE };

const POOR_MODEL: Facts = Facts {
    thinking: ThinkingStyle::Efforts(&["low", "high"]),
    sampling: Sampling::Rejected,
    forced_tools: ForcedTools::Rejected,
    has_json_schema: false,
    ..Facts::UNKNOWN
};

fn raw(value: &str) -> Json {
    to_raw_value(value).expect("JSON")
}

fn media(kind: MediaKind, source: Source) -> Part {
    Part::Media(Media { kind, mime: None, source, name: None, detail: None, transcript: None, id: None })
}

fn opaque() -> Opaque {
    Opaque { dialect: Dialect::Anthropic, name: "code_execution".to_owned(), value: raw("x") }
}

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, name: Some("ann".to_owned()) }
}

/// With every feature that there is.
fn everything() -> Request {
    let number = |number: f64| serde_json::Number::from_f64(number);
    let url = || Source::Url("https://x.test/a".to_owned());
    let call = |kind| {
        let seal = Some(Seal::signature(Dialect::Gemini, "c2ln"));
        Part::ToolCall(ToolCall { id: "a".to_owned(), name: "f".to_owned(), kind, arguments: "{}".to_owned(), seal })
    };
    let result = ToolResult {
        call_id: "a".to_owned(),
        content: vec![media(MediaKind::Image, Source::Base64("AAA=".to_owned()))],
        is_error: true,
        ..ToolResult::default()
    };
    Request {
        model: "m".to_owned(),
        stream: true,
        messages: vec![
            message(Role::Developer, vec![Part::Text(Text::default()), Part::CachePoint(CacheMark::default())]),
            message(
                Role::User,
                vec![
                    media(MediaKind::Image, url()),
                    media(MediaKind::Image, Source::FileId("f".to_owned())),
                    media(MediaKind::Image, Source::Text("f".to_owned())),
                    media(MediaKind::Audio, url()),
                    media(MediaKind::Video, url()),
                    media(MediaKind::File, url()),
                    media(MediaKind::File, Source::Text("t".to_owned())),
                    Part::Opaque(opaque()),
                ],
            ),
            message(
                Role::Assistant,
                vec![
                    Part::Reasoning(Reasoning {
                        seal: Some(Seal::redacted(Dialect::Anthropic, "s")),
                        ..Reasoning::default()
                    }),
                    Part::Refusal("no".to_owned()),
                    call(CallKind::Function),
                    call(CallKind::Custom),
                ],
            ),
            message(Role::Tool, vec![Part::ToolResult(result)]),
        ],
        tools: vec![
            Tool::Function { name: "f".to_owned(), description: None, parameters: None, strict: Some(true) },
            Tool::CachePoint(CacheMark::default()),
            Tool::Custom { name: "c".to_owned(), description: None, format: None },
            Tool::WebSearch(WebSearch::default()),
            Tool::Opaque(opaque()),
        ],
        tool_choice: Some(ToolChoice::Named("f".to_owned())),
        parallel_tool_calls: Some(true),
        max_tool_calls: Some(3),
        max_tokens: Some(10),
        temperature: number(0.5),
        top_p: number(0.5),
        top_k: number(5.0),
        frequency_penalty: number(0.5),
        presence_penalty: number(0.5),
        stop: vec!["x".to_owned()],
        seed: Some(1),
        n: Some(2),
        logprobs: Some(Logprobs { top: Some(2) }),
        logit_bias: Some(raw("x")),
        format: Some(Format::JsonSchema { name: None, description: None, schema: raw("x"), strict: None }),
        thinking: Some(Thinking { effort: Some(Effort::High), ..Thinking::default() }),
        verbosity: Some("low".to_owned()),
        metadata: Some(raw("x")),
        user: Some("u".to_owned()),
        service_tier: Some("flex".to_owned()),
        cache_key: Some("k".to_owned()),
        cache_retention: Some(raw("24h")),
        modalities: vec!["audio".to_owned(), "image".to_owned()],
        audio: Some(AudioOut { voice: None, format: None }),
        prediction: Some(raw("x")),
        store: Some(true),
        safety: Some(raw("x")),
        unknown: Vec::new(),
    }
}

fn lost(habits: &Habits, facts: &Facts) -> Vec<String> {
    let mut losses = Losses::new(&[], false);
    OpenaiChat::default().write_request(&everything(), &Recipient { facts, habits }, &mut losses).expect("a body");
    losses.finish().expect("no refusal")
}

/// The feature that a name in the ledger stands for.
fn feature(name: &str) -> Feature {
    match name {
        "tools.code_execution" | "messages.code_execution" => Feature::ServerTools,
        name => *Feature::ALL.iter().find(|feature| feature.name() == name).expect("a feature"),
    }
}

#[test]
fn the_table_lists_what_is_lost() {
    let openai = lost(&Habits::OPENAI, &Facts::UNKNOWN);
    let poor = lost(&POOR, &POOR_MODEL);
    let noted: BTreeSet<_> = openai.iter().chain(&poor).map(|name| feature(name)).collect();
    let listed: BTreeSet<_> = LOSSES.iter().map(|loss| loss.feature).collect();
    assert_eq!(noted, listed);
    assert_eq!(listed.len(), LOSSES.len(), "each once");
}

#[test]
fn openai_loses_little() {
    let openai: BTreeSet<_> = lost(&Habits::OPENAI, &Facts::UNKNOWN).iter().map(|name| feature(name)).collect();
    let expected = [
        Feature::AudioInput,
        Feature::CacheMarks,
        Feature::FileIds,
        Feature::FileUrls,
        Feature::MaxToolCalls,
        Feature::Media,
        Feature::Modalities,
        Feature::ReasoningHistory,
        Feature::Safety,
        Feature::ServerTools,
        Feature::Strict,
        Feature::TopK,
        Feature::VideoInput,
        Feature::WebSearch,
    ];
    assert_eq!(openai, BTreeSet::from(expected));
    let refused = LOSSES.iter().filter(|loss| loss.fate == Fate::Refused).map(|loss| loss.feature);
    assert!(refused.clone().count() == 6 && refused.into_iter().all(|feature| feature.name() != "seed"));
}
