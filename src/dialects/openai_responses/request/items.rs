//! From the items of `input` to turns.
//!
//! All that the model said in a row is one message of the assistant, whatever kinds of items it takes; the outputs of
//! its tools that follow are one message of role `Tool`.

use super::super::tool_search;
use super::media;
use super::wire::{self, Content, Item};
use crate::dialects::Dialect;
use crate::dialects::ir::{
    CacheMark, CallKind, Json, Message, Opaque, Part, Reasoning, ReasoningKind, Role, Seal, Text, ToolCall, ToolResult,
    Unknown,
};
use crate::dialects::openai_responses::namespace::joined;
use crate::dialects::wire::{TextOr, read_member};
use crate::error::Refusal;

/// Items that belong to OpenAI's own tools, beside those whose names end in `_call` or `_call_output`.
const SERVER_ITEMS: &[&str] = &[
    "compaction",
    "compaction_trigger",
    "configuration_update",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_list_tools",
    "program",
    "program_output",
];

/// What the id of an item of this kind begins with.
pub fn id_prefix(kind: &str) -> &'static str {
    match kind {
        "message" => "msg_",
        "reasoning" => "rs_",
        "function_call" => "fc_",
        "function_call_output" => "fco_",
        "custom_tool_call" => "ctc_",
        "custom_tool_call_output" => "ctco_",
        _ => "item_",
    }
}

/// The turns, and the tools that came with them.
pub fn read(items: &[Json], unknown: &mut Vec<Unknown>) -> Result<(Vec<Message>, Vec<Json>), Refusal> {
    let mut turns = Turns { messages: Vec::with_capacity(items.len()), tools: Vec::new() };
    for (index, raw) in items.iter().enumerate() {
        let before = unknown.len();
        match read_member::<Item>(raw, &|| format!("input[{index}]"), unknown) {
            Ok(item) if !is_servers(item.kind.as_deref(), item.call_id.as_deref()) => {
                turns.take(item, index, unknown)?
            }
            read => {
                // Its members are no concern of ours: it is kept as it is.
                unknown.truncate(before);
                match (wire::kind(raw), read) {
                    (Some(kind), read) if read.is_ok() || is_servers(Some(&kind), None) => turns.keep(kind, raw),
                    (_, Err(refusal)) => return Err(refusal.param("input")),
                    (_, Ok(item)) => turns.take(item, index, unknown)?,
                }
            }
        }
    }
    Ok((turns.messages, turns.tools))
}

/// Calls that xAI's servers have made and answered themselves come as calls of tools that nobody has offered (`x_keyword_search`);
/// only their ids tell.
pub fn is_served_by_xai(call_id: Option<&str>) -> bool {
    call_id.is_some_and(|id| id.starts_with("xs_call"))
}

fn is_servers(kind: Option<&str>, call_id: Option<&str>) -> bool {
    match kind {
        Some("custom_tool_call") if is_served_by_xai(call_id) => true,
        None | Some("function_call" | "custom_tool_call" | "function_call_output" | "custom_tool_call_output") => false,
        Some("image_generation_call") => false,
        // Whoever searches for itself says by an id which search it was.
        Some("tool_search_call" | "tool_search_output") => call_id.is_none(),
        Some(kind) => kind.ends_with("_call") || kind.ends_with("_call_output") || SERVER_ITEMS.contains(&kind),
    }
}

struct Turns {
    messages: Vec<Message>,
    /// Tools that are offered amid the conversation, or were found by a search.
    tools: Vec<Json>,
}

impl Turns {
    fn take(&mut self, mut item: Item, index: usize, unknown: &mut Vec<Unknown>) -> Result<(), Refusal> {
        match item.kind.as_deref() {
            None | Some("message") => self.message(item, index),
            Some("function_call") => self.call(item, CallKind::Function, index),
            Some("custom_tool_call") => self.call(item, CallKind::Custom, index),
            Some("function_call_output") => self.result(item, CallKind::Function, index),
            Some("custom_tool_call_output") => self.result(item, CallKind::Custom, index),
            Some("reasoning") => {
                self.reasoning(item);
                Ok(())
            }
            Some("additional_tools") => {
                self.tools.extend(item.tools.unwrap_or_default());
                Ok(())
            }
            Some("tool_search_call") => {
                item.name = Some(tool_search::NAME.to_owned());
                self.call(item, CallKind::Function, index)
            }
            Some("tool_search_output") => {
                let found = item.tools.take().unwrap_or_default();
                item.output = Some(TextOr::Text(tool_search::found(&found)));
                self.tools.extend(found);
                self.result(item, CallKind::Function, index)
            }
            Some("image_generation_call") => {
                match media::generated(item) {
                    Some(image) => self.turn(Role::Assistant).push(Part::Media(image)),
                    None => unknown.push(Unknown { path: format!("input[{index}]") }),
                }
                Ok(())
            }
            Some("item_reference") => Err(Refusal::invalid(format!(
                "`input[{index}]` refers to a stored item, which is not at hand: send the item itself."
            ))
            .param("input")
            .code("unsupported_parameter")),
            Some(other) => Err(wrong(index, "type", &format!("`{other}` is not known"))),
        }
    }

    /// The parts of the last message, if it is of this role, else of a new one.
    fn turn(&mut self, role: Role) -> &mut Vec<Part> {
        if self.messages.last().is_none_or(|last| last.role != role) {
            self.messages.push(Message { role, parts: Vec::new(), name: None });
        }
        let at = self.messages.len() - 1;
        #[expect(clippy::indexing_slicing, reason = "there is a last message by now")]
        &mut self.messages[at].parts
    }

    fn message(&mut self, item: Item, index: usize) -> Result<(), Refusal> {
        let role = match item.role.as_deref() {
            Some("user") => Role::User,
            Some("assistant") => Role::Assistant,
            Some("system") => Role::System,
            Some("developer") => Role::Developer,
            Some(other) => return Err(wrong(index, "role", &format!("`{other}` is not known"))),
            None => return Err(wrong(index, "role", "it is missing")),
        };
        let parts = contents(item.content, format_args!("input[{index}].content"))?;
        match role {
            Role::Assistant => self.turn(role).extend(parts),
            _ => self.messages.push(Message { role, parts, name: None }),
        }
        Ok(())
    }

    fn call(&mut self, item: Item, kind: CallKind, index: usize) -> Result<(), Refusal> {
        let id = item.call_id.filter(|id| !id.is_empty()).ok_or_else(|| wrong(index, "call_id", "it is missing"))?;
        let name = item.name.filter(|name| !name.is_empty()).ok_or_else(|| wrong(index, "name", "it is missing"))?;
        let name = item.namespace.map_or_else(|| name.clone(), |namespace| joined(&namespace, &name));
        let arguments = match kind {
            CallKind::Custom => item.input.unwrap_or_default(),
            CallKind::Function => item.arguments.as_deref().map(arguments).unwrap_or_default(),
        };
        self.turn(Role::Assistant).push(Part::ToolCall(ToolCall { id, name, kind, arguments, seal: None }));
        Ok(())
    }

    fn result(&mut self, item: Item, kind: CallKind, index: usize) -> Result<(), Refusal> {
        let call_id = item.call_id.ok_or_else(|| wrong(index, "call_id", "it is missing"))?;
        let content = contents(item.output, format_args!("input[{index}].output"))?;
        let result = ToolResult { call_id, name: item.name, kind, content, is_error: false };
        self.turn(Role::Tool).push(Part::ToolResult(result));
        Ok(())
    }

    /// An item that has neither text nor seal says nothing to anybody but a server that has stored it.
    fn reasoning(&mut self, item: Item) {
        let joined = |parts: &[Content]| {
            let texts: Vec<_> = parts.iter().filter_map(|part| part.text.as_deref()).collect();
            texts.concat()
        };
        let summary = joined(item.summary.as_deref().unwrap_or_default());
        let raw = match &item.content {
            Some(TextOr::List(parts)) => joined(parts),
            Some(TextOr::Text(text)) => text.clone(),
            None => String::new(),
        };
        let seal = item.encrypted_content.filter(|sealed| !sealed.is_empty());
        let seal = seal.map(|sealed| Seal::carried_by(Dialect::OpenaiResponses, &sealed));
        let told = |text: String, kind| Reasoning { text, kind, seal: None, id: item.id.clone() };
        let mut blocks = Vec::new();
        blocks.extend((!raw.is_empty()).then(|| told(raw, ReasoningKind::Raw)));
        blocks.extend((!summary.is_empty()).then(|| told(summary, ReasoningKind::Summary)));
        if seal.is_some() && blocks.is_empty() {
            blocks.push(told(String::new(), ReasoningKind::Summary));
        }
        if let Some(last) = blocks.last_mut() {
            last.seal = seal;
            self.turn(Role::Assistant).extend(blocks.into_iter().map(Part::Reasoning));
        }
    }

    fn keep(&mut self, name: String, raw: &Json) {
        let opaque = Opaque { dialect: Dialect::OpenaiResponses, name, value: raw.clone() };
        self.turn(Role::Assistant).push(Part::Opaque(opaque));
    }
}

/// Arguments are a JSON text within a text; who sends the JSON itself is understood as well.
fn arguments(raw: &serde_json::value::RawValue) -> String {
    serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_owned())
}

fn contents(content: Option<TextOr<Content>>, at: std::fmt::Arguments<'_>) -> Result<Vec<Part>, Refusal> {
    let mut parts = Vec::new();
    match content {
        None => {}
        Some(TextOr::Text(text)) => parts.push(Part::Text(Text { text, ..Text::default() })),
        Some(TextOr::List(list)) => {
            parts.reserve(list.len());
            for (index, mut content) in list.into_iter().enumerate() {
                let mark = content.prompt_cache_breakpoint.take();
                parts.push(part(content, format_args!("{at}[{index}]"))?);
                parts.extend(mark.map(|mark| Part::CachePoint(CacheMark { ttl: mark.ttl })));
            }
        }
    }
    Ok(parts)
}

fn part(content: Content, at: std::fmt::Arguments<'_>) -> Result<Part, Refusal> {
    match content.kind.as_deref() {
        Some("input_text" | "output_text" | "text" | "summary_text") => {
            Ok(Part::Text(Text { text: content.text.unwrap_or_default(), ..Text::default() }))
        }
        Some("refusal") => Ok(Part::Refusal(content.refusal.unwrap_or_default())),
        Some("input_image" | "image_url") => media::image(content, at),
        Some("input_file" | "file") => media::file(content, at),
        Some("input_audio") => media::audio(content, at),
        Some(other) => Err(Refusal::invalid(format!(
            "`{at}.type` is `{other}`: it may be `input_text`, `input_image`, `input_file`, `input_audio`, `output_text` or `refusal`."
        ))
        .param("input")),
        None => Err(Refusal::invalid(format!("`{at}.type` is missing.")).param("input")),
    }
}

fn wrong(index: usize, member: &str, what: &str) -> Refusal {
    Refusal::invalid(format!("`input[{index}].{member}` does not fit: {what}.")).param("input")
}
