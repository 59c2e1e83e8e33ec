//! Answers: how they are read, and what clients get.

use std::iter::once;

use bytes::Bytes;
use narthex::dialects::ir::{Fold, Part, Response, event};
use narthex::dialects::think_tags::ThinkTags;
use narthex::dialects::{Dialect, Reply};
use narthex::error::Failure;
use narthex::json::Object;
use narthex::rewrite::{Rewrite, Translate, Translation};

use super::transcript::{Transcript, be_predictable, unframed};

/// The events follow the grammar, and do not depend on where the bytes are cut, nor on what SSE leaves to taste.
pub fn check_reading(transcript: &Transcript) -> Result<(), String> {
    let Some(stream) = &transcript.stream else { return Ok(()) };
    let name = transcript.name();
    let events = transcript.events(once(&stream[..]));
    event::check(&events).map_err(|why| format!("{name}: {why}"))?;
    let shown = format!("{events:?}");
    let differs = |how: &str| Err(format!("{name}: other events {how}"));
    if format!("{:?}", transcript.events(stream.chunks(1))) != shown {
        return differs("byte by byte");
    }
    // Readers see nothing but frames.
    let frames = transcript.frames(once(&stream[..]));
    for cut in 0..=stream.len() {
        let (first, second) = stream.split_at(cut);
        if transcript.frames([first, second]) != frames {
            return Err(format!("{name}: other frames when cut at {cut}"));
        }
    }
    if transcript.dialect == Dialect::Converse {
        return Ok(());
    }
    let text = String::from_utf8(stream.to_vec()).expect("text");
    for (how, other) in [
        ("with CR LF", text.replace('\n', "\r\n")),
        ("with CR", text.replace('\n', "\r")),
        ("with comments", text.replace("data: ", ": a comment\ndata: ").replace("\n\n", "\n\n:\n\n")),
        ("without a space", text.replace("data: ", "data:")),
        ("without the last line's end", text.trim_end().to_owned()),
    ] {
        if format!("{:?}", transcript.events(once(other.as_bytes()))) != shown {
            return differs(how);
        }
    }
    Ok(())
}

/// The stream folds to what the whole answer is read as, and that can be told as a stream.
pub fn check_whole(transcript: &Transcript) -> Result<(), String> {
    let Some(whole) = transcript.response() else { return Ok(()) };
    let name = transcript.name();
    if let Ok(response) = &whole {
        event::check(&response.clone().into_events()).map_err(|why| format!("{name}: {why}"))?;
    }
    let Some(stream) = &transcript.stream else { return Ok(()) };
    let mut fold = Fold::default();
    transcript.events(once(&stream[..])).into_iter().for_each(|event| fold.push(event));
    let (folded, whole) = (fold.finish().map(comparable), whole.map(comparable));
    let (folded, whole) = (format!("{folded:#?}"), format!("{whole:#?}"));
    if folded == whole {
        return Ok(());
    }
    let differing = folded.lines().zip(whole.lines()).find(|(folded, whole)| folded != whole);
    let (folded, whole) = differing.unwrap_or(("(more)", "(less)"));
    Err(format!("{name}\n    folded: {}\n    whole:  {}", folded.trim(), whole.trim()))
}

/// The answer without what only one of the two can know at the start, and with calls that say the same spelled the same.
fn comparable(mut response: Response) -> Response {
    (response.start.usage, response.start.service_tier) = (None, None);
    for part in response.choices.iter_mut().flat_map(|choice| &mut choice.parts) {
        if let Part::ToolCall(call) = part
            && call.arguments.is_empty()
        {
            call.arguments.push_str("{}");
        }
    }
    response
}

/// What clients of all dialects get.
pub fn shown(transcript: &Transcript) -> String {
    let mut text = String::new();
    for client in Dialect::ALL {
        text += &format!("=== {}, stream\n{}\n", client.name(), streamed(transcript, *client));
        let (title, body) = match translated(transcript, *client, false, usize::MAX) {
            Ok(body) => ("whole".to_owned(), body),
            Err(failure) => {
                (format!("whole: {} {:?}", failure.status, failure.kind), client.write_failure(&failure, "req-1"))
            }
        };
        text += &format!("=== {}, {title}\n{}\n\n", client.name(), without_times(&body));
    }
    text
}

fn streamed(transcript: &Transcript, client: Dialect) -> String {
    let at_once = translated(transcript, client, true, usize::MAX).expect("a stream");
    let text = |bytes: &Bytes| match client {
        Dialect::Converse => without_times(unframed(bytes).as_bytes()),
        _ => String::from_utf8(bytes.to_vec()).expect("text"),
    };
    let bit_by_bit = translated(transcript, client, true, 1).expect("a stream");
    assert_eq!(text(&bit_by_bit), text(&at_once), "{} for {}", transcript.name(), client.name());
    text(&at_once)
}

fn translated(transcript: &Transcript, client: Dialect, wants_stream: bool, size: usize) -> Result<Bytes, Failure> {
    be_predictable();
    let (body, is_stream) = match (&transcript.stream, &transcript.whole) {
        (Some(stream), _) => (stream, true),
        (None, whole) => (whole.as_ref().expect("a whole answer"), false),
    };
    let reply = reply();
    let translation = Translation {
        provider: transcript.dialect,
        think_tags: ThinkTags::Keep,
        is_stream: Some(is_stream),
        client,
        wants_stream,
        reply,
        tool_map: None,
    };
    let mut translate = Translate::new(translation);
    let mut out = Vec::new();
    for piece in body.chunks(size.min(body.len().max(1))) {
        out.extend(translate.push(Bytes::copy_from_slice(piece)));
    }
    out.extend(translate.finish()?);
    Ok(out.into())
}

/// A client that wants to see everything.
fn reply() -> Reply {
    let echo = br#"{"model":"the-model","input":"Hi","reasoning":{"summary":"auto"},"temperature":0.50,"tools":[]}"#;
    Reply {
        model: "the-model".to_owned(),
        nonce: "n0nce".to_owned(),
        created: 1_700_000_000,
        counts_stream: true,
        shows_thoughts: true,
        is_array: false,
        namespaces: Vec::new(),
        searches_tools: false,
        echo: Object::read(Bytes::from_static(echo)).ok(),
    }
}

/// How long it took is different every time.
fn without_times(text: &[u8]) -> String {
    let text = String::from_utf8(text.to_vec()).expect("text");
    match text.split_once("\"latencyMs\":") {
        Some((before, after)) => {
            format!("{before}\"latencyMs\":0{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        None => text,
    }
}
