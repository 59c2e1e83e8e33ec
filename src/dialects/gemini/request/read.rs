//! A client's request → canonical form: what was said. What is asked of the model is read in [`super::settings`].

use super::super::media;
use super::super::raw::{self, Members};
use super::super::seals;
use super::settings;
use super::wire::{Blob, Body, Content, FileData, FunctionCall, FunctionResponse, Loose, Part as WirePart};
use crate::dialects::ir::{
    Json, Media, MediaKind, Message, Opaque, Part, Reasoning, Request, Role, Seal, Source, Text, ToolCall, ToolResult,
    Unknown,
};
use crate::dialects::{Asked, Dialect, Reply, wire};
use crate::error::Refusal;

/// Reads `generateContent` and `streamGenerateContent`. The model and the wish for a stream stand in the URL.
pub fn read(body: &[u8]) -> Result<Asked, Refusal> {
    let (body, mut unknown) = wire::read_request::<Body>(body)?;
    if body.generate_content_request.is_some() {
        unknown.push(Unknown { path: "generateContentRequest".to_owned() });
    }
    asked(body, unknown)
}

/// Reads `countTokens`: `contents` alone, or a whole request as `generateContentRequest`.
pub fn read_count(body: &[u8]) -> Result<Asked, Refusal> {
    let (mut body, unknown) = wire::read_request::<Body>(body)?;
    match body.generate_content_request.take() {
        Some(request) => asked(*request, unknown),
        None => asked(body, unknown),
    }
}

fn asked(body: Body, unknown: Vec<Unknown>) -> Result<Asked, Refusal> {
    let Body { model, contents, system_instruction, tools, tool_config, generation_config, .. } = body;
    let mut request = Request {
        model: model.map(|model| model.strip_prefix("models/").map(str::to_owned).unwrap_or(model)).unwrap_or_default(),
        safety: body.safety_settings,
        service_tier: body.service_tier.and_then(settings::service_tier),
        unknown,
        ..Request::default()
    };
    let contents = contents.map(|contents| contents.into_list(Content::of_text)).unwrap_or_default();
    if contents.is_empty() {
        return Err(
            Refusal::invalid("`contents` is missing or empty: it holds what is said to the model.").param("contents")
        );
    }
    let mut conversation = Conversation::default();
    for (at, instruction) in system_instruction.into_iter().flat_map(|it| it.into_list(Content::of_text)).enumerate() {
        conversation.instruct(instruction, &format!("systemInstruction[{at}]"))?;
    }
    for (at, content) in contents.into_iter().enumerate() {
        conversation.say(content, at)?;
    }
    request.messages = conversation.messages;
    settings::read_tools(tools, tool_config, &mut request)?;
    let shows_thoughts = settings::read_generation(generation_config.unwrap_or_default(), &mut request)?;
    Ok(Asked { request, reply: Reply { shows_thoughts, ..Reply::default() } })
}

#[derive(Debug, Default)]
struct Conversation {
    messages: Vec<Message>,
    calls: Vec<Call>,
}

/// A call that some result answers. Gemini's calls need no ids: results are told apart by name and order.
#[derive(Debug)]
struct Call {
    id: String,
    name: String,
    is_answered: bool,
}

impl Conversation {
    fn instruct(&mut self, content: Content, place: &str) -> Result<(), Refusal> {
        let mut parts = Vec::new();
        for (at, part) in list_of(content.parts).into_iter().enumerate() {
            self.read_part(part, Role::System, &mut parts, &|| format!("{place}.parts[{at}]"))?;
        }
        if !parts.is_empty() {
            self.messages.push(Message { role: Role::System, parts, name: None });
        }
        Ok(())
    }

    fn say(&mut self, content: Content, at: usize) -> Result<(), Refusal> {
        let role = match content.role.as_deref() {
            None | Some("" | "user" | "function" | "tool") => Role::User,
            Some("model") => Role::Assistant,
            Some(_) => {
                return Err(
                    Refusal::invalid(format!("`contents[{at}].role` must be `user` or `model`.")).param("contents")
                );
            }
        };
        let mut results = Vec::new();
        let mut parts = match self.messages.last_mut() {
            // Streams are often put into the history event by event: the turn is one all the same.
            Some(last) if role == Role::Assistant && last.role == role => {
                let parts = std::mem::take(&mut last.parts);
                self.messages.pop();
                parts
            }
            _ => Vec::new(),
        };
        for (index, mut part) in list_of(content.parts).into_iter().enumerate() {
            let place = || format!("contents[{at}].parts[{index}]");
            match part.function_response.take() {
                Some(response) if role == Role::User => results.push(self.read_result(response, &place)?),
                Some(_) => return Err(misplaced(&place(), "functionResponse", "user")),
                None if part.function_call.is_some() && role == Role::User => {
                    return Err(misplaced(&place(), "functionCall", "model"));
                }
                None => self.read_part(part, role, &mut parts, &place)?,
            }
        }
        if !results.is_empty() {
            self.results().extend(results.into_iter().map(Part::ToolResult));
        }
        if !parts.is_empty() {
            self.messages.push(Message { role, parts, name: None });
        }
        Ok(())
    }

    /// Where the results of the last turn of calls are gathered.
    fn results(&mut self) -> &mut Vec<Part> {
        let turn = self.messages.iter().rposition(|message| message.role == Role::Assistant).map_or(0, |at| at + 1);
        let found = self.messages.iter().skip(turn).position(|message| message.role == Role::Tool);
        let at = found.map_or(turn, |offset| turn + offset);
        if found.is_none() {
            self.messages.insert(at, Message { role: Role::Tool, parts: Vec::new(), name: None });
        }
        #[expect(clippy::indexing_slicing, reason = "it was found, or just made to be there")]
        &mut self.messages[at].parts
    }

    fn read_part(
        &mut self,
        part: WirePart,
        role: Role,
        parts: &mut Vec<Part>,
        place: &dyn Fn() -> String,
    ) -> Result<(), Refusal> {
        let seal = part.thought_signature.map(seals::read);
        if part.thought == Some(true) && part.function_call.is_none() && part.inline_data.is_none() {
            think(parts, part.text.unwrap_or_default(), seal);
            return Ok(());
        }
        if let Some(call) = part.function_call {
            let call = self.read_call(call, seal, place)?;
            parts.push(Part::ToolCall(call));
            return Ok(());
        }
        let opaque = [
            ("executableCode", part.executable_code),
            ("codeExecutionResult", part.code_execution_result),
            ("toolCall", part.tool_call),
            ("toolResponse", part.tool_response),
        ];
        if let Some((name, value)) = opaque.into_iter().find_map(|(name, value)| Some((name, value?))) {
            parts.push(Part::Opaque(self::opaque(name, &value, seal.as_ref())));
            return Ok(());
        }
        let media = match (part.inline_data, part.file_data) {
            (Some(blob), _) => Some(inline(blob, place)?),
            (None, Some(file)) => Some(linked(file, place)?),
            (None, None) => None,
        };
        match (media, part.text) {
            (Some(media), _) => parts.push(Part::Media(media)),
            (None, Some(empty)) if empty.is_empty() && seal.is_some() => {}
            (None, Some(more)) => match parts.last_mut() {
                // What a client has gathered of a stream comes in pieces.
                Some(Part::Text(said)) if role == Role::Assistant => said.text.push_str(&more),
                _ => parts.push(text(more)),
            },
            (None, None) if seal.is_some() => {}
            (None, None) => {
                let message = format!("`{}` says nothing: it needs `text`, `inlineData` or the like.", place());
                return Err(Refusal::invalid(message).param("contents"));
            }
        }
        if seal.is_some() {
            parts.push(Part::Reasoning(Reasoning { seal, ..Reasoning::default() }));
        }
        Ok(())
    }

    fn read_call(
        &mut self,
        call: FunctionCall,
        seal: Option<Seal>,
        place: &dyn Fn() -> String,
    ) -> Result<ToolCall, Refusal> {
        let Some(name) = call.name.filter(|name| !name.is_empty()) else {
            return Err(Refusal::invalid(format!("`{}.functionCall.name` is missing.", place())).param("contents"));
        };
        let id = call.id.filter(|id| !id.is_empty()).unwrap_or_else(|| format!("call_gemini_{}", self.calls.len()));
        self.calls.push(Call { id: id.clone(), name: name.clone(), is_answered: false });
        let arguments = call.args.map_or_else(|| "{}".to_owned(), |args| Box::<str>::from(args).into());
        Ok(ToolCall { id, name, arguments, seal, ..ToolCall::default() })
    }

    fn read_result(&mut self, result: FunctionResponse, place: &dyn Fn() -> String) -> Result<ToolResult, Refusal> {
        let FunctionResponse { id, name, response, parts } = result;
        let open = self.calls.iter_mut().filter(|call| !call.is_answered);
        let by_id = |call: &Call| id.as_deref().is_some_and(|id| call.id == id);
        let by_name = |call: &Call| name.as_deref().is_none_or(|name| name.is_empty() || call.name == name);
        let mut open: Vec<_> = open.collect();
        let found = open.iter().position(|call| by_id(call)).or_else(|| open.iter().position(|call| by_name(call)));
        let Some(call) = found.and_then(|at| open.get_mut(at)) else {
            let message = format!("`{}.functionResponse` answers no functionCall that came before it.", place());
            return Err(Refusal::invalid(message).param("contents"));
        };
        call.is_answered = true;
        let (mut content, is_error) = response.map(|response| said(&response)).unwrap_or_default();
        for part in list_of(parts) {
            match (part.inline_data, part.file_data) {
                (Some(blob), _) => content.push(Part::Media(inline(blob, place)?)),
                (None, Some(file)) => content.push(Part::Media(linked(file, place)?)),
                (None, None) => content.extend(part.text.map(text)),
            }
        }
        Ok(ToolResult {
            call_id: call.id.clone(),
            name: name.or_else(|| Some(call.name.clone())),
            content,
            is_error,
            ..ToolResult::default()
        })
    }
}

fn list_of(parts: Option<Loose<WirePart>>) -> Vec<WirePart> {
    parts.map(|parts| parts.into_list(WirePart::of_text)).unwrap_or_default()
}

fn misplaced(place: &str, what: &str, role: &str) -> Refusal {
    Refusal::invalid(format!("`{place}.{what}` belongs into a content of the role `{role}`.")).param("contents")
}

fn text(text: String) -> Part {
    Part::Text(Text { text, ..Text::default() })
}

/// Adds to the thought that is being had, until its seal closes it.
fn think(parts: &mut Vec<Part>, more: String, seal: Option<Seal>) {
    match parts.last_mut() {
        Some(Part::Reasoning(reasoning)) if reasoning.seal.is_none() => {
            reasoning.text.push_str(&more);
            reasoning.seal = seal;
        }
        _ => parts.push(Part::Reasoning(Reasoning { text: more, seal, ..Reasoning::default() })),
    }
}

/// A part that only Gemini understands, as it would write it.
pub fn opaque(name: &str, value: &Json, seal: Option<&Seal>) -> Opaque {
    let signature = seal.map(|seal| raw::json(&seals::write(seal)));
    let mut members = vec![(name, value)];
    members.extend(signature.as_ref().map(|signature| ("thoughtSignature", signature)));
    Opaque { dialect: Dialect::Gemini, name: name.to_owned(), value: raw::named_object(&members).into_owned() }
}

fn inline(blob: Blob, place: &dyn Fn() -> String) -> Result<Media, Refusal> {
    let Some(data) = blob.data else {
        return Err(Refusal::invalid(format!("`{}.inlineData.data` is missing.", place())).param("contents"));
    };
    Ok(media(blob.mime_type, blob.display_name, Source::Base64(data)))
}

fn linked(file: FileData, place: &dyn Fn() -> String) -> Result<Media, Refusal> {
    let Some(uri) = file.file_uri else {
        return Err(Refusal::invalid(format!("`{}.fileData.fileUri` is missing.", place())).param("contents"));
    };
    let is_video = media::is_youtube(&uri);
    let source = if media::is_kept_by_google(&uri) { Source::FileId(uri) } else { Source::Url(uri) };
    let mut media = media(file.mime_type, file.display_name, source);
    if is_video {
        media.kind = MediaKind::Video;
    }
    Ok(media)
}

pub fn media(mime: Option<String>, name: Option<String>, source: Source) -> Media {
    let kind = mime.as_deref().map_or(MediaKind::File, media::kind_of);
    Media { kind, mime, source, name, detail: None, transcript: None, id: None }
}

/// What a function answered, and whether that was an error. Google's convention: `output` (or `result`), or `error`.
fn said(response: &Json) -> (Vec<Part>, bool) {
    let Some(Members(members)) = Members::of(response) else {
        return (vec![text(raw::as_text(response).unwrap_or_else(|| response.get().to_owned()))], false);
    };
    let (value, is_error) = match members.as_slice() {
        [] => return (Vec::new(), false),
        [(name, value)] if matches!(name.as_str(), "output" | "result" | "content") => (*value, false),
        [(name, value)] if name == "error" => (*value, true),
        _ => (&**response, false),
    };
    (vec![text(raw::as_text(value).unwrap_or_else(|| value.get().to_owned()))], is_error)
}
