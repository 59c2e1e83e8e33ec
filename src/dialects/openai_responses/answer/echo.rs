//! What an answer repeats of its request.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::Object;

/// The members that every answer has, and what holds where the request said nothing (`openai.types.responses.Response`).
const MEMBERS: &[(&str, &str)] = &[
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("parallel_tool_calls", "true"),
    ("previous_response_id", "null"),
    ("prompt_cache_key", "null"),
    ("prompt_cache_retention", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("store", "true"),
    ("temperature", "1.0"),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_logprobs", "0"),
    ("top_p", "1.0"),
    ("truncation", r#""disabled""#),
    ("user", "null"),
    ("metadata", "{}"),
];
const PLAIN_FORMAT: &str = r#"{"type":"text"}"#;
const VERBOSITY: &str = r#""medium""#;

/// The members of a response that its request decides, as they stand in its JSON: each with a comma in front. They are written once
/// and shown by every event that shows the response.
#[derive(Debug)]
pub struct Echo {
    pub members: String,
    /// Whether the client wants to be told what was thought.
    pub wants_summaries: bool,
}

/// What the members say that are not repeated as they are.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Inner<'a> {
    #[serde(borrow)]
    format: Option<&'a RawValue>,
    #[serde(borrow)]
    verbosity: Option<&'a RawValue>,
    #[serde(borrow)]
    summary: Option<&'a RawValue>,
    #[serde(borrow)]
    generate_summary: Option<&'a RawValue>,
}

impl Echo {
    pub fn of(request: Option<&Object>) -> Self {
        let members: Vec<_> = request.map(|request| request.members().collect()).unwrap_or_default();
        let mut said = [None; MEMBERS.len()];
        let (mut text, mut conversation, mut reasoning) = (None, None, None);
        // Of repeated members the last counts. What cannot be read is not repeated.
        for (name, raw) in &members {
            let place = MEMBERS.iter().zip(&mut said).find(|((member, _), _)| member == name).map(|(_, said)| said);
            let read = || serde_json::from_slice::<Option<&RawValue>>(raw).ok().flatten().map(RawValue::get);
            match (&**name, place) {
                ("text", _) => text = read(),
                ("conversation", _) => conversation = read(),
                (name, Some(place)) => {
                    *place = read();
                    if name == "reasoning" {
                        reasoning = *place;
                    }
                }
                _ => {}
            }
        }
        let mut out = String::with_capacity(1024);
        let mut put = |parts: &[&str]| parts.iter().for_each(|part| out.push_str(part));
        for ((name, default), said) in MEMBERS.iter().zip(said) {
            put(&[",\"", name, "\":", said.unwrap_or(default)]);
        }
        let Inner { format, verbosity, .. } = inner(text);
        let format = format.map_or(PLAIN_FORMAT, RawValue::get);
        put(&[",\"text\":{\"format\":", format, ",\"verbosity\":", verbosity.map_or(VERBOSITY, RawValue::get), "}"]);
        match conversation {
            Some(object) if object.starts_with('{') => put(&[",\"conversation\":", object]),
            Some(id) => put(&[",\"conversation\":{\"id\":", id, "}"]),
            None => {}
        }
        let Inner { summary, generate_summary, .. } = inner(reasoning);
        Self { members: out, wants_summaries: summary.or(generate_summary).is_some() }
    }
}

fn inner(member: Option<&str>) -> Inner<'_> {
    member.and_then(|object| serde_json::from_str(object).ok()).unwrap_or_default()
}
