//! Counting the tokens of a request: every dialect but chat has an endpoint for it, each of its own shape.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::ir::{Media, MediaKind, Message, Part, Request, Source, Tool};
use super::wire::{read_answer, write};
use super::{Asked, Dialect};
use crate::error::{Garbled, Refusal};
use crate::json::Object;

/// Reads a client's request to count.
pub fn read_request(dialect: Dialect, body: &[u8]) -> Result<Asked, Refusal> {
    let client = dialect.client();
    match dialect {
        // `contents` alone, or a whole request.
        Dialect::Gemini => client.read_request(&inside(body, &["generateContentRequest"]).unwrap_or(body.to_vec())),
        Dialect::Converse => match inside(body, &["input", "converse"]) {
            Some(request) => client.read_request(&request),
            None => {
                let message = "`input.converse` is missing: only requests for Converse can be counted here.";
                Err(Refusal::invalid(message).param("input"))
            }
        },
        Dialect::OpenaiChat | Dialect::OpenaiResponses | Dialect::Anthropic => client.read_request(body),
    }
}

/// Makes a request to count of a request to answer, which `body` is.
pub fn write_request(dialect: Dialect, model: &str, body: Bytes) -> Bytes {
    let kept: &[&str] = match dialect {
        Dialect::Anthropic => &["model", "messages", "system", "tools", "tool_choice", "thinking"],
        Dialect::OpenaiResponses => {
            &["model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text"]
        }
        Dialect::Converse => &["messages", "system", "toolConfig", "additionalModelRequestFields"],
        Dialect::Gemini => &["contents", "systemInstruction", "tools", "toolConfig", "generationConfig"],
        Dialect::OpenaiChat => return body,
    };
    let Ok(object) = Object::read(body.clone()) else { return body };
    let members: Map<String, Value> =
        kept.iter().filter_map(|key| Some(((*key).to_owned(), object.parse(key)?))).collect();
    match dialect {
        Dialect::Converse => write(&json!({ "input": { "converse": members } })),
        Dialect::Gemini => {
            let mut members = members;
            members.insert("model".to_owned(), format!("models/{model}").into());
            write(&json!({ "generateContentRequest": members }))
        }
        _ => write(&members),
    }
}

/// Reads the number that a provider has counted.
pub fn read_count(dialect: Dialect, body: &[u8]) -> Result<u64, Garbled> {
    #[derive(Deserialize)]
    struct Counted {
        input_tokens: Option<u64>,
        #[serde(rename = "inputTokens")]
        bedrock: Option<u64>,
        #[serde(rename = "totalTokens")]
        gemini: Option<u64>,
    }
    let counted: Counted = read_answer(body)?;
    let count = match dialect {
        Dialect::Gemini => counted.gemini,
        Dialect::Converse => counted.bedrock,
        Dialect::OpenaiChat | Dialect::OpenaiResponses | Dialect::Anthropic => counted.input_tokens,
    };
    count.ok_or_else(|| Garbled::new("it has no count"))
}

pub fn write_count(dialect: Dialect, tokens: u64) -> Bytes {
    write(&match dialect {
        Dialect::OpenaiChat | Dialect::OpenaiResponses => {
            json!({ "object": "response.input_tokens", "input_tokens": tokens })
        }
        Dialect::Anthropic => json!({ "input_tokens": tokens }),
        Dialect::Gemini => json!({ "totalTokens": tokens }),
        Dialect::Converse => json!({ "inputTokens": tokens }),
    })
}

/// About how many tokens a request has, where nobody can count them: a token for four characters of Latin text and of JSON, one for
/// each character of scripts without spaces, and round numbers for what is not text. Too many rather than too few.
pub fn estimate(request: &Request) -> u64 {
    let messages: u64 = request.messages.iter().map(message).sum();
    let tools: u64 = request.tools.iter().map(tool).sum();
    messages + tools + 3
}

fn message(message: &Message) -> u64 {
    4 + message.parts.iter().map(part).sum::<u64>()
}

fn part(content: &Part) -> u64 {
    match content {
        Part::Text(content) => text(&content.text),
        Part::Refusal(words) => text(words),
        Part::Reasoning(reasoning) => text(&reasoning.text),
        Part::ToolCall(call) => 8 + text(&call.name) + text(&call.arguments),
        Part::ToolResult(result) => 8 + result.content.iter().map(part).sum::<u64>(),
        Part::Media(media) => self::media(media),
        Part::Opaque(opaque) => text(opaque.value.get()),
        Part::CachePoint(_) => 0,
    }
}

/// An image costs about 1600 tokens at Anthropic, less elsewhere; a page of a PDF 2000, its 100 KB are taken for a page; a second of
/// audio 32 (Gemini), 8 KB of it are taken for a second.
fn media(media: &Media) -> u64 {
    let bytes = match &media.source {
        Source::Text(words) => return text(words),
        Source::Base64(data) => data.len() as u64 / 4 * 3,
        Source::Url(_) | Source::FileId(_) => 0,
    };
    match media.kind {
        MediaKind::Image => 1600,
        MediaKind::File => 2000 * (1 + bytes / 100_000),
        MediaKind::Audio => 32 * (1 + bytes / 8000),
        MediaKind::Video => 300 * (1 + bytes / 100_000),
    }
}

fn tool(tool: &Tool) -> u64 {
    let described = |name: &str, description: &Option<String>, schema: Option<&str>| {
        12 + text(name) + description.as_deref().map_or(0, text) + schema.map_or(0, text)
    };
    match tool {
        Tool::Function { name, description, parameters, .. } => {
            described(name, description, parameters.as_ref().map(|schema| schema.get()))
        }
        Tool::Custom { name, description, format } => {
            described(name, description, format.as_ref().map(|format| format.get()))
        }
        Tool::WebSearch(_) | Tool::Opaque(_) => 300,
        Tool::CachePoint(_) => 0,
    }
}

fn text(text: &str) -> u64 {
    let wide = text.chars().filter(|c| matches!(u32::from(*c), 0x0E00..=0x0E7F | 0x2E80..=0xFFEF | 0x1F000..)).count();
    let others = text.chars().count() - wide;
    (wide + others.div_ceil(4)) as u64
}

/// What stands in an object under these keys, one in the other.
fn inside(body: &[u8], keys: &[&str]) -> Option<Vec<u8>> {
    keys.iter().try_fold(body.to_vec(), |text, key| {
        let object = Object::read(Bytes::from(text)).ok()?;
        object.get(key).map(|value| value.into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::ir::{Role, Text};

    #[test]
    fn every_dialect_reads_what_it_writes() {
        for dialect in Dialect::ALL {
            assert_eq!(read_count(*dialect, &write_count(*dialect, 7)), Ok(7));
        }
        assert!(read_count(Dialect::Gemini, b"{}").is_err());
    }

    #[test]
    fn keeps_what_counts() {
        let body = Bytes::from_static(br#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"a"}]}"#);
        assert_eq!(
            write_request(Dialect::Anthropic, "m", body),
            r#"{"messages":[{"content":"a","role":"user"}],"model":"m"}"#
        );
        let body = Bytes::from_static(br#"{"contents":[]}"#);
        assert_eq!(
            write_request(Dialect::Gemini, "m", body),
            r#"{"generateContentRequest":{"contents":[],"model":"models/m"}}"#
        );
    }

    #[test]
    fn estimates_rather_too_many() {
        let said = |text: &str| {
            let parts = vec![Part::Text(Text { text: text.to_owned(), ..Text::default() })];
            let messages = vec![Message { role: Role::User, parts, name: None }];
            estimate(&Request { messages, ..Request::default() })
        };
        assert_eq!(said("Hello, world!"), 11);
        assert_eq!(said("你好"), 9);
    }
}
