//! The ledger: what is noted of a request that has everything, and what the table says.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::*;
use crate::dialects::Dialect;
use crate::models::{ForcedTools, Sampling, ThinkingStyle};
use ir::{
    AudioOut, Effort, Feature, Format, Logprobs, Media, MediaKind, Message, Opaque, Reasoning, Role, Source, Thinking,
    Tool, ToolChoice, WebSearch,
};

/// A model and a provider that can do nothing.
const POOR: Facts = Facts {
    thinking: ThinkingStyle::Never,
    sampling: Sampling::Rejected,
    forced_tools: ForcedTools::Rejected,
    has_json_schema: false,
    ..Facts::UNKNOWN
};

fn raw(json: &str) -> ir::Json {
    RawValue::from_string(json.to_owned()).expect("JSON")
}

fn media(kind: MediaKind, source: Source) -> Part {
    Part::Media(Media { kind, mime: None, source, name: None, detail: None, transcript: None, id: None })
}

fn everything() -> Request {
    let foreign = || Opaque { dialect: Dialect::OpenaiResponses, name: "computer_call".to_owned(), value: raw("{}") };
    let url = || Source::Url("https://x".to_owned());
    let data = || Source::Base64("AAAA".to_owned());
    let message = |role, parts| Message { role, parts, name: Some("Ann".to_owned()) };
    Request {
        model: "m".to_owned(),
        messages: vec![
            message(Role::System, vec![Part::CachePoint(ir::CacheMark::default()), media(MediaKind::Image, data())]),
            message(
                Role::User,
                vec![
                    media(MediaKind::Image, url()),
                    media(MediaKind::File, url()),
                    media(MediaKind::Audio, data()),
                    media(MediaKind::Video, data()),
                ],
            ),
            message(Role::Assistant, vec![Part::Reasoning(Reasoning::default()), Part::Opaque(foreign())]),
            message(Role::User, vec![Part::Text(ir::Text { text: "hi".to_owned(), ..ir::Text::default() })]),
        ],
        tools: vec![
            Tool::Function { name: "f".to_owned(), description: None, parameters: None, strict: Some(true) },
            Tool::Custom { name: "c".to_owned(), description: None, format: None },
            Tool::WebSearch(WebSearch { context_size: Some("low".to_owned()), ..WebSearch::default() }),
            Tool::Opaque(foreign()),
        ],
        tool_choice: Some(ToolChoice::Required),
        max_tool_calls: Some(1),
        temperature: Some(0.into()),
        top_p: Some(0.into()),
        top_k: Some(1.into()),
        frequency_penalty: Some(1.into()),
        presence_penalty: Some(1.into()),
        stop: vec![" ".to_owned()],
        seed: Some(1),
        n: Some(2),
        logprobs: Some(Logprobs { top: None }),
        logit_bias: Some(raw("{}")),
        format: Some(Format::JsonObject),
        thinking: Some(Thinking { effort: Some(Effort::High), ..Thinking::default() }),
        verbosity: Some("low".to_owned()),
        metadata: Some(raw("{}")),
        user: Some("ann@example.com".to_owned()),
        service_tier: Some("flex".to_owned()),
        cache_key: Some("k".to_owned()),
        cache_retention: Some(raw("\"24h\"")),
        modalities: vec!["text".to_owned(), "audio".to_owned()],
        audio: Some(AudioOut { voice: None, format: None }),
        prediction: Some(raw("{}")),
        store: Some(true),
        safety: Some(raw("[]")),
        ..Request::default()
    }
}

fn noted(request: &Request) -> BTreeSet<String> {
    // Without a table everything is left out, so that all of it is told.
    let mut losses = Losses::new(&[], false);
    let habits = Habits { fetches_urls: false, ..Habits::OPENAI };
    let written = Anthropic.write_request(request, &Recipient { facts: &POOR, habits: &habits }, &mut losses);
    assert!(written.is_ok());
    losses.finish().expect("no refusal").into_iter().collect()
}

#[test]
fn the_table_lists_what_is_noted() {
    let mut found = noted(&everything());
    let schema = Format::JsonSchema { name: None, description: None, schema: raw("{}"), strict: None };
    found.extend(noted(&Request { format: Some(schema), ..everything() }));
    for server_tool in ["messages.computer_call", "tools.computer_call"] {
        assert!(found.remove(server_tool), "{found:?}");
    }
    assert!(found.remove("web_search.search_context_size"), "{found:?}");
    found.extend([Feature::ServerTools, Feature::WebSearch].map(|feature| feature.name().to_owned()));
    let listed: BTreeSet<_> = Anthropic.losses().iter().map(|loss| loss.feature.name().to_owned()).collect();
    assert_eq!(found, listed);
}

#[test]
fn what_is_at_its_default_is_no_loss() {
    let request = Request {
        messages: everything().messages.split_off(3),
        temperature: Some(1.into()),
        top_p: Some(1.into()),
        frequency_penalty: Some(0.into()),
        n: Some(1),
        store: Some(false),
        modalities: vec!["text".to_owned()],
        format: Some(Format::Text),
        service_tier: Some("auto".to_owned()),
        thinking: Some(Thinking { effort: Some(Effort::None), ..Thinking::default() }),
        ..Request::default()
    };
    assert_eq!(noted(&request), BTreeSet::from(["messages.name".to_owned()]));
}

#[test]
fn sound_and_several_answers_are_refused() {
    let refused = |request: &Request| {
        let mut losses = Losses::new(Anthropic.losses(), false);
        let recipient = Recipient { facts: &Facts::UNKNOWN, habits: &Habits::OPENAI };
        assert!(Anthropic.write_request(request, &recipient, &mut losses).is_ok());
        losses.finish().expect_err("refused").message
    };
    assert!(refused(&Request { n: Some(2), ..read_plain() }).contains("`n`"));
    let mut spoken = read_plain();
    spoken.messages[0].parts.push(media(MediaKind::Audio, Source::Base64("AAAA".to_owned())));
    assert!(refused(&spoken).contains("`input_audio`"));
    let mut sheet = read_plain();
    sheet.messages[0].parts.push(media(MediaKind::File, Source::Base64("UEsDBA==".to_owned())));
    assert!(refused(&sheet).contains("`file`"));
}

fn read_plain() -> Request {
    read(r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#)
}
