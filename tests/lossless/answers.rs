//! Answers that are written for clients of a dialect and read as a provider's of the same.

use bytes::BytesMut;
use narthex::dialects::ir::{
    Choice, Event, Finish, Fold, Part, Reason, Reasoning, Response, Seal, Start, Text, ToolCall, Usage, event,
};
use narthex::dialects::{Dialect, Reply};
use proptest::prelude::*;
use serde_json::Value;

/// What a dialect can tell of an answer.
#[derive(Debug, PartialEq)]
struct Told {
    text: String,
    thoughts: String,
    calls: Vec<(String, String, Value)>,
    reason: Reason,
}

fn told(choice: &Choice) -> Told {
    let mut told =
        Told { text: String::new(), thoughts: String::new(), calls: Vec::new(), reason: choice.finish.reason };
    for part in &choice.parts {
        match part {
            Part::Text(text) => told.text += &text.text,
            Part::Reasoning(reasoning) => told.thoughts += &reasoning.text,
            Part::ToolCall(call) => {
                let arguments = serde_json::from_str(&call.arguments).expect("JSON");
                told.calls.push((call.id.clone(), call.name.clone(), arguments));
            }
            other => panic!("nobody wrote {other:?}"),
        }
    }
    told
}

/// The answer as this dialect can tell it.
fn expected(response: &Response, dialect: Dialect) -> (Vec<Told>, Usage) {
    let has_many = matches!(dialect, Dialect::OpenaiChat | Dialect::Gemini);
    let choices = if has_many { &response.choices[..] } else { &response.choices[..1] };
    let mut choices: Vec<_> = choices.iter().map(told).collect();
    for choice in &mut choices {
        choice.reason = match (choice.reason, dialect) {
            (Reason::StopSequence | Reason::Paused, Dialect::Anthropic) => choice.reason,
            (Reason::StopSequence, Dialect::Converse) => choice.reason,
            (Reason::StopSequence | Reason::Paused, _) => Reason::Stop,
            (reason, _) => reason,
        };
    }
    let usage = response.usage.expect("counts");
    let usage = match dialect {
        Dialect::OpenaiChat | Dialect::OpenaiResponses | Dialect::Anthropic => usage,
        Dialect::Gemini => Usage { cache_write: 0, ..usage },
        Dialect::Converse => Usage { reasoning: 0, ..usage },
    };
    (choices, usage)
}

fn found(response: &Response) -> (Vec<Told>, Usage) {
    (response.choices.iter().map(told).collect(), response.usage.unwrap_or_default())
}

fn words() -> impl Strategy<Value = String> {
    "[a-zA-Z \n\t\"\\\\{}äß世🦀\u{2028}\u{0}]{1,12}"
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        words().prop_map(Value::from),
    ];
    let arguments = prop::collection::btree_map("[a-zß]{1,5}", value, 0..4);
    let seal = prop::option::of((prop::sample::select(Dialect::ALL.to_vec()), "[A-Za-z0-9+/]{1,12}="));
    let seal = seal.prop_map(|seal| seal.map(|(dialect, value)| Seal::signature(dialect, value)));
    let part = prop_oneof![
        3 => words().prop_map(|text| Part::Text(Text { text, ..Text::default() })),
        1 => (words(), seal).prop_map(|(text, seal)| Part::Reasoning(Reasoning { text, seal, ..Reasoning::default() })),
        2 => ("[a-zA-Z][a-zA-Z0-9_-]{0,8}", arguments).prop_map(|(name, arguments)| {
            let arguments = serde_json::to_string(&arguments).expect("JSON");
            Part::ToolCall(ToolCall { name, arguments, ..ToolCall::default() })
        }),
    ];
    prop::collection::vec(part, 0..6).prop_map(|mut parts| {
        for (at, part) in parts.iter_mut().enumerate() {
            if let Part::ToolCall(call) = part {
                call.id = format!("call_{at}");
            }
        }
        parts
    })
}

fn choices() -> impl Strategy<Value = Choice> {
    let reason = prop::sample::select(vec![
        Reason::Stop,
        Reason::StopSequence,
        Reason::Length,
        Reason::Filtered,
        Reason::Paused,
    ]);
    (parts(), reason).prop_map(|(parts, reason)| {
        let has_calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
        let is_broken_off = matches!(reason, Reason::Length | Reason::Filtered);
        let reason = if has_calls && !is_broken_off { Reason::ToolCalls } else { reason };
        Choice { parts, finish: Finish::from(reason) }
    })
}

fn responses() -> impl Strategy<Value = Response> {
    let count = || 0u64..1000;
    let usage =
        (count(), count(), count(), count(), count()).prop_map(|(fresh, cached, cache_write, said, reasoning)| {
            let (input, output) = (fresh + cached + cache_write, said + reasoning);
            Usage { input, output, cached, cache_write, reasoning, ..Usage::default() }
        });
    (prop::collection::vec(choices(), 1..3), usage).prop_map(|(choices, usage)| Response {
        start: Start::default(),
        choices,
        usage: Some(usage),
    })
}

fn reply() -> Reply {
    Reply {
        model: "m".to_owned(),
        nonce: "n".to_owned(),
        counts_stream: true,
        shows_thoughts: true,
        ..Reply::default()
    }
}

/// Writes an answer as a stream and reads it in pieces of this size.
fn through_stream(response: &Response, dialect: Dialect, size: usize) -> Response {
    let events = response.clone().into_events();
    event::check(&events).expect("the grammar");
    let (mut writer, mut out) = (dialect.client().stream_writer(&reply()), BytesMut::new());
    events.into_iter().for_each(|event| writer.write(event, &mut out));
    let provider = dialect.provider();
    let (mut framing, mut reader) = (provider.framing(), provider.stream_reader());
    let mut events: Vec<Event> = Vec::new();
    for piece in out.chunks(size) {
        framing.push(piece);
        while let Some(frame) = framing.next().expect("frames") {
            reader.read(&frame, &mut events);
        }
    }
    if let Some(frame) = framing.finish().expect("frames") {
        reader.read(&frame, &mut events);
    }
    reader.end(&mut events);
    event::check(&events).expect("the grammar");
    let mut fold = Fold::default();
    events.into_iter().for_each(|event| fold.push(event));
    fold.finish().expect("an answer")
}

proptest! {
    #[test]
    fn whole_answers_come_back(response in responses()) {
        for dialect in Dialect::ALL {
            let body = dialect.client().write_response(&response, &reply());
            let back = dialect.provider().read_response(&body);
            let back = back.unwrap_or_else(|why| panic!("{}: {why:?}", dialect.name()));
            prop_assert_eq!(found(&back), expected(&response, *dialect), "{}", dialect.name());
        }
    }

    #[test]
    fn streams_come_back(response in responses(), size in 1usize..200) {
        for dialect in Dialect::ALL {
            let back = through_stream(&response, *dialect, size);
            prop_assert_eq!(found(&back), expected(&response, *dialect), "{}", dialect.name());
        }
    }
}
