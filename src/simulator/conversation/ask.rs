//! What a request asks, as far as a simulator cares: what was said last, how much was said before, which tools there are.

use std::borrow::Cow;

use super::super::answer::{bad_value, missing};
use super::super::script::{Ask, Choice, Effort, Form, Last, Tool, ToolInput, count_words};
use super::rules::Names;
use crate::dialects::ir::{self, Media, MediaKind, Message, Part, Role, Source, ToolChoice};
use crate::error::Refusal;

pub fn ask<'a>(request: &'a ir::Request, names: &Names) -> Result<Ask<'a>, Refusal> {
    if request.model.is_empty() {
        return Err(missing("model"));
    }
    if request.messages.is_empty() {
        return Err(missing(names.messages));
    }
    let tools: Vec<_> = request.tools.iter().filter_map(tool).collect();
    let (tools, choice) = choose(tools, request, names)?;
    Ok(Ask {
        last: last(&request.messages),
        prompt_tokens: prompt_tokens(request),
        tools,
        choice,
        parallel: request.parallel_tool_calls.unwrap_or(true),
        form: match &request.format {
            None | Some(ir::Format::Text) => Form::Text,
            Some(ir::Format::JsonObject) => Form::AnyObject,
            Some(ir::Format::JsonSchema { schema, .. }) => Form::Schema(schema),
        },
        limit: request.max_tokens.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
        stops: request.stop.iter().map(Cow::from).collect(),
        effort: request.thinking.map_or(Effort::None, |thinking| effort(&thinking)),
    })
}

/// Everything that was said, in words; of what is not text, the words that mention it.
pub fn prompt_tokens(request: &ir::Request) -> usize {
    request.messages.iter().flat_map(|message| &message.parts).map(words).sum()
}

fn words(part: &Part) -> usize {
    match part {
        Part::Text(text) => count_words(&text.text),
        Part::Refusal(text) => count_words(text),
        Part::Media(Media { source: Source::Text(text), .. }) => count_words(text),
        Part::Media(media) => count_words(&mention(media)),
        Part::ToolResult(result) => result.content.iter().map(words).sum(),
        Part::Reasoning(_) | Part::ToolCall(_) | Part::CachePoint(_) | Part::Opaque(_) => 0,
    }
}

/// What the answer is to: the results of tools, if any came since the assistant spoke, else what the user said last.
fn last(messages: &[Message]) -> Last<'_> {
    let turn = messages.iter().rposition(|message| message.role == Role::Assistant).map_or(0, |at| at + 1);
    let since = messages.get(turn..).unwrap_or_default();
    if since.iter().any(|message| message.role == Role::Tool) {
        let mut texts = Vec::new();
        let mut has_failed = false;
        for message in since.iter().filter(|message| matches!(message.role, Role::Tool | Role::User)) {
            collect(&message.parts, &mut texts, &mut has_failed);
        }
        return if has_failed { Last::ToolError(texts) } else { Last::ToolResult(texts) };
    }
    let user = messages.iter().rfind(|message| message.role == Role::User);
    let mut texts = Vec::new();
    if let Some(message) = user.or(messages.last()) {
        collect(&message.parts, &mut texts, &mut false);
    }
    Last::User(texts)
}

fn collect<'a>(parts: &'a [Part], texts: &mut Vec<Cow<'a, str>>, has_failed: &mut bool) {
    for part in parts {
        match part {
            Part::Text(text) => texts.push(Cow::Borrowed(&text.text)),
            Part::Media(media) => texts.push(mention(media).into()),
            Part::ToolResult(result) => {
                *has_failed |= result.is_error;
                collect(&result.content, texts, has_failed);
            }
            Part::Refusal(_) | Part::Reasoning(_) | Part::ToolCall(_) | Part::CachePoint(_) | Part::Opaque(_) => {}
        }
    }
}

/// What arrived, so that a test can prove that it came through: `[image/png, 68 bytes]`.
fn mention(media: &Media) -> String {
    let kind = match media.kind {
        MediaKind::Image => "image",
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
        MediaKind::File => "file",
    };
    let what = media.name.as_deref().or(media.mime.as_deref()).unwrap_or(kind);
    match &media.source {
        Source::Base64(data) => format!("[{what}, {} bytes]", decoded_length(data)),
        Source::Text(text) => format!("[{what}, {} bytes]", text.len()),
        Source::Url(url) => format!("[{what} at {url}]"),
        Source::FileId(id) => format!("[{what} {id}]"),
    }
}

/// Of base64, without decoding it.
fn decoded_length(data: &str) -> usize {
    data.trim_end_matches('=').len() * 3 / 4
}

fn tool(tool: &ir::Tool) -> Option<Tool<'_>> {
    match tool {
        ir::Tool::Function { name, parameters, .. } => {
            Some(Tool { name: name.into(), input: ToolInput::Arguments(parameters.as_deref()) })
        }
        ir::Tool::Custom { name, .. } => Some(Tool { name: name.into(), input: ToolInput::Text }),
        // A provider's own tools, which a simulator does not have.
        ir::Tool::WebSearch(_) | ir::Tool::Opaque(_) | ir::Tool::CachePoint(_) => None,
    }
}

/// The tools that may be called, and which of them must be.
fn choose<'a>(
    mut tools: Vec<Tool<'a>>,
    request: &'a ir::Request,
    names: &Names,
) -> Result<(Vec<Tool<'a>>, Choice<'a>), Refusal> {
    let choice = match &request.tool_choice {
        None => Choice::Any,
        Some(_) if request.tools.is_empty() && names.choice_needs_tools => {
            return Err(bad_value(names.tool_choice, "has no sense without `tools`"));
        }
        Some(ToolChoice::None) => Choice::None,
        Some(ToolChoice::Auto | ToolChoice::Required) => Choice::Any,
        Some(ToolChoice::Named(name)) if tools.iter().any(|tool| tool.name == *name) => Choice::Named(name.into()),
        Some(ToolChoice::Named(name)) => {
            let why = format!("names `{name}`, which is not among the tools");
            return Err(bad_value(names.tool_choice, &why));
        }
        Some(ToolChoice::Allowed { names, .. }) => {
            tools.retain(|tool| names.iter().any(|name| tool.name == *name));
            Choice::Any
        }
    };
    Ok((tools, choice))
}

/// A request that asks for reasoning without saying how much gets what is usual.
fn effort(thinking: &ir::Thinking) -> Effort {
    let usual = match thinking {
        ir::Thinking { budget: Some(_), .. } => Some(ir::Effort::Medium),
        ir::Thinking { shown: ir::Shown::Unsaid | ir::Shown::Hidden, .. } => None,
        _ => Some(ir::Effort::Medium),
    };
    match thinking.meant().or(usual) {
        None | Some(ir::Effort::None) => Effort::None,
        Some(ir::Effort::Minimal) => Effort::Tokens(2),
        Some(ir::Effort::Low) => Effort::Tokens(4),
        Some(ir::Effort::Medium) => Effort::Tokens(8),
        Some(ir::Effort::High) => Effort::Tokens(16),
        Some(ir::Effort::Xhigh) => Effort::Tokens(32),
        Some(ir::Effort::Max) => Effort::Tokens(64),
    }
}
