//! Tools that a provider would refuse as they are: changed on their way to it, and changed back in its answer.
//!
//! Clients make up long names (`mcp__server__tool` for every tool of every server) and use signs that some dialect has never heard of. Such
//! a request would be refused as a whole. And OpenAI's custom tools take free text (Codex edits files by one): elsewhere they are functions
//! of one text.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::to_raw_value;

use super::ir::{
    At, CallKind, Delta, Event, Feature, Json, Losses, Part, Request, Response, Tool, ToolCall, ToolChoice,
};
use super::{Dialect, Habits};

/// What a dialect takes as the name of a tool.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// In characters.
    pub longest: usize,
    /// What may stand in it besides the letters and digits of ASCII.
    pub signs: &'static str,
    /// Whether it may begin with a digit or a sign other than `_`.
    pub begins_with_any: bool,
}

/// What was changed.
#[derive(Debug, Clone, Default)]
pub struct ToolMap {
    /// The client's names, and what the provider knows instead.
    names: Vec<(String, String)>,
    /// The client's names of custom tools that are functions to the provider.
    texts: Vec<String>,
}

/// The one argument of a function that is a custom tool.
#[derive(Serialize, Deserialize)]
struct Input {
    input: String,
}

impl Limits {
    pub const fn of(dialect: Dialect) -> Self {
        const ANY: Limits = Limits { longest: usize::MAX, signs: "", begins_with_any: true };
        match dialect {
            // `^[a-zA-Z0-9_-]{1,64}$`, which other providers have taken over.
            Dialect::OpenaiChat | Dialect::OpenaiResponses => Self { longest: 64, signs: "_-", ..ANY },
            // `^[a-zA-Z0-9_-]{1,128}$`.
            Dialect::Anthropic => Self { longest: 128, signs: "_-", ..ANY },
            // What the Gemini API and Vertex AI have in common (`FunctionDeclaration.name`).
            Dialect::Gemini => Self { longest: 64, signs: "_.-", begins_with_any: false },
            // `ToolSpecification.name`: `[a-zA-Z0-9_-]{1,64}`.
            Dialect::Converse => Self { longest: 64, signs: "_-", ..ANY },
        }
    }

    /// The name as it would be taken. One that is too long ends in a fingerprint, which still tells it from others.
    pub fn fitted<'a>(&self, name: &'a str) -> Cow<'a, str> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || self.signs.contains(c);
        let is_beginning = |c: char| self.begins_with_any || c.is_ascii_alphabetic() || c == '_';
        let begins_well = name.chars().next().is_some_and(is_beginning);
        if begins_well && name.len() <= self.longest && name.chars().all(is_allowed) {
            return Cow::Borrowed(name);
        }
        let mut fitted = String::from(if begins_well { "" } else { "_" });
        fitted.extend(name.chars().map(|c| if is_allowed(c) { c } else { '_' }));
        if fitted.len() > self.longest {
            return Cow::Owned(self.marked(&fitted, name));
        }
        Cow::Owned(fitted)
    }

    /// The same with a fingerprint of `name` at its end.
    fn marked(&self, fitted: &str, name: &str) -> String {
        let mark = format!("-{:016x}", fingerprint(name));
        let kept = fitted.get(..self.longest.saturating_sub(mark.len())).unwrap_or(fitted);
        format!("{kept}{mark}")
    }
}

impl ToolMap {
    /// The request with tools that a provider of these habits takes; `None` if it takes them all as they are.
    pub fn fit(request: &Request, provider: Dialect, habits: &Habits, losses: &mut Losses) -> Option<(Request, Self)> {
        let limits = Limits::of(provider);
        let takes_text = match provider {
            Dialect::OpenaiChat => habits.has_openai_members,
            Dialect::OpenaiResponses => true,
            Dialect::Anthropic | Dialect::Gemini | Dialect::Converse => false,
        };
        let mut map = Self::default();
        for name in given(request) {
            let Cow::Owned(mut fitted) = limits.fitted(name) else { continue };
            if map.names.iter().any(|(own, _)| own == name) {
                continue;
            }
            // Another tool may have that name.
            if given(request).any(|other| other == fitted) || map.names.iter().any(|(_, other)| *other == fitted) {
                fitted = limits.marked(&fitted, name);
            }
            map.names.push((name.to_owned(), fitted));
        }
        let has_text = |tool: &Tool| matches!(tool, Tool::Custom { .. });
        let lends_text = !takes_text && request.tools.iter().any(has_text);
        if map.names.is_empty() && !lends_text {
            return None;
        }
        let mut request = request.clone();
        if lends_text {
            request.tools.iter_mut().for_each(|tool| map.texts.extend(make_function(tool, losses)));
        }
        for name in given_mut(&mut request) {
            if let Some((_, fitted)) = map.names.iter().find(|(own, _)| own == name) {
                name.clone_from(fitted);
            }
        }
        Some((request, map))
    }

    fn restore(&self, response: &mut Response) {
        for part in response.choices.iter_mut().flat_map(|choice| &mut choice.parts) {
            self.restore_name(part);
            if let Part::ToolCall(call) = part {
                self.restore_text(call);
            }
        }
    }

    fn restore_name(&self, part: &mut Part) {
        if let Part::ToolCall(call) = part
            && let Some((own, _)) = self.names.iter().find(|(_, fitted)| *fitted == call.name)
        {
            call.name.clone_from(own);
        }
    }

    /// Whether a call, by its own name, is of a custom tool, while its arguments are those of a function.
    fn is_text(&self, call: &ToolCall) -> bool {
        call.kind == CallKind::Function && self.texts.contains(&call.name)
    }

    /// A call that is complete becomes one of its custom tool. One that was cut off has no text: it stays what it is, which shows that it
    /// cannot be carried out.
    fn restore_text(&self, call: &mut ToolCall) {
        if self.is_text(call) && !call.is_cut() {
            call.kind = CallKind::Custom;
            call.arguments = text_of(std::mem::take(&mut call.arguments));
        }
    }
}

/// Restores the events of a stream.
#[derive(Debug)]
pub struct Restorer {
    map: Arc<ToolMap>,
    /// Calls whose text stands in JSON: they can be told when that is complete.
    held: Vec<(At, ToolCall)>,
}

impl Restorer {
    pub fn new(map: Arc<ToolMap>) -> Self {
        Self { map, held: Vec::new() }
    }

    /// A whole answer with the client's own tools again.
    pub fn restore_whole(&self, response: &mut Response) {
        self.map.restore(response);
    }

    /// What is to be told instead of an event.
    pub fn restore(&mut self, mut event: Event) -> impl Iterator<Item = Event> + use<> {
        let (mut opened, mut told) = (None, None);
        match &mut event {
            Event::Open(at, part) => {
                self.map.restore_name(part);
                if let Part::ToolCall(call) = part
                    && self.map.is_text(call)
                {
                    self.held.push((*at, std::mem::take(call)));
                    return several([None, None, None]);
                }
            }
            Event::Delta(at, delta) => {
                if let Some((_, held)) = self.held.iter_mut().find(|(of, _)| of == at) {
                    match delta {
                        Delta::Arguments(more) => held.arguments.push_str(more),
                        Delta::Seal(seal) => held.seal = Some(seal.clone()),
                        _ => {}
                    }
                    return several([None, None, None]);
                }
            }
            Event::Close(at) => {
                if let Some(place) = self.held.iter().position(|(of, _)| of == at) {
                    let (at, mut call) = self.held.swap_remove(place);
                    self.map.restore_text(&mut call);
                    let arguments = std::mem::take(&mut call.arguments);
                    opened = Some(Event::Open(at, Part::ToolCall(call)));
                    told = (!arguments.is_empty()).then_some(Event::Delta(at, Delta::Arguments(arguments)));
                }
            }
            _ => {}
        }
        several([opened, told, Some(event)])
    }
}

fn several(events: [Option<Event>; 3]) -> impl Iterator<Item = Event> {
    events.into_iter().flatten()
}

/// Makes a custom tool a function; tells its name.
fn make_function(tool: &mut Tool, losses: &mut Losses) -> Option<String> {
    #[derive(Deserialize)]
    struct Grammar {
        syntax: Option<String>,
        definition: Option<String>,
    }

    let Tool::Custom { name, description, format } = tool else { return None };
    let grammar = format.take().and_then(|format| serde_json::from_str::<Grammar>(format.get()).ok());
    let mut description = description.take().unwrap_or_default();
    if let Some(Grammar { syntax, definition: Some(definition) }) = grammar {
        // Nothing makes the model keep to it.
        losses.note_named(Feature::CustomTools, &format!("{} (grammar of {name})", Feature::CustomTools.name()));
        let syntax = syntax.unwrap_or_default();
        description.push_str(&format!("\n\nThe input must be of this grammar ({syntax}):\n{definition}"));
    }
    let schema = json!({
        "type": "object",
        "properties": {"input": {"type": "string", "description": "The whole input of the tool, as plain text."}},
        "required": ["input"],
        "additionalProperties": false,
    });
    let parameters: Option<Json> = to_raw_value(&schema).ok();
    let name = std::mem::take(name);
    let description = Some(description.trim().to_owned()).filter(|text| !text.is_empty());
    *tool = Tool::Function { name: name.clone(), description, parameters, strict: None };
    Some(name)
}

/// The text that a custom tool is called with. Arguments that are something else are told as they are.
fn text_of(arguments: String) -> String {
    match serde_json::from_str::<Input>(&arguments) {
        Ok(Input { input }) => input,
        Err(_) => arguments,
    }
}

/// All names of tools in a request.
fn given(request: &Request) -> impl Iterator<Item = &str> {
    let tools = request.tools.iter().filter_map(|tool| match tool {
        Tool::Function { name, .. } | Tool::Custom { name, .. } => Some(name),
        Tool::WebSearch(_) | Tool::CachePoint(_) | Tool::Opaque(_) => None,
    });
    let chosen = match &request.tool_choice {
        Some(ToolChoice::Named(name)) => std::slice::from_ref(name),
        Some(ToolChoice::Allowed { names, .. }) => names,
        Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Required) | None => &[],
    };
    let called = request.messages.iter().flat_map(|message| &message.parts).filter_map(|part| match part {
        Part::ToolCall(call) => Some(&call.name),
        Part::ToolResult(result) => result.name.as_ref(),
        _ => None,
    });
    tools.chain(chosen).chain(called).map(String::as_str)
}

fn given_mut(request: &mut Request) -> impl Iterator<Item = &mut String> {
    let tools = request.tools.iter_mut().filter_map(|tool| match tool {
        Tool::Function { name, .. } | Tool::Custom { name, .. } => Some(name),
        Tool::WebSearch(_) | Tool::CachePoint(_) | Tool::Opaque(_) => None,
    });
    let chosen = match &mut request.tool_choice {
        Some(ToolChoice::Named(name)) => std::slice::from_mut(name),
        Some(ToolChoice::Allowed { names, .. }) => names,
        Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Required) | None => &mut [],
    };
    let called = request.messages.iter_mut().flat_map(|message| &mut message.parts).filter_map(|part| match part {
        Part::ToolCall(call) => Some(&mut call.name),
        Part::ToolResult(result) => result.name.as_mut(),
        _ => None,
    });
    tools.chain(chosen).chain(called)
}

/// FNV-1a: the same in every process, so that a history stays what the provider has cached.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::ir::{At, Choice, Message, Role, ToolCall};

    const AMAZONS: Limits = Limits::of(Dialect::Converse);
    const HABITS: &Habits = &Habits::COMPATIBLE;

    fn request(names: &[&str]) -> Request {
        let tool = |name: &&str| Tool::Function {
            name: (*name).to_owned(),
            description: None,
            parameters: None,
            strict: None,
        };
        Request { tools: names.iter().map(tool).collect(), ..Request::default() }
    }

    fn no_losses() -> Losses {
        Losses::new(&[], false)
    }

    fn call(name: &str) -> Part {
        Part::ToolCall(ToolCall { name: name.to_owned(), ..ToolCall::default() })
    }

    #[test]
    fn what_fits_stays_and_the_rest_is_made_to_fit() {
        for name in ["get_weather", "a-B9", "x", "9"] {
            assert!(matches!(AMAZONS.fitted(name), Cow::Borrowed(_)), "{name}");
        }
        assert_eq!(AMAZONS.fitted("mcp.server/tool ü"), "mcp_server_tool__");
        assert_eq!(AMAZONS.fitted(""), "_");
        let (one, two) = (format!("{}1", "x".repeat(200)), format!("{}2", "x".repeat(200)));
        assert_eq!(AMAZONS.fitted(&one).len(), 64);
        assert_ne!(AMAZONS.fitted(&one), AMAZONS.fitted(&two));
        assert_eq!(AMAZONS.fitted(&one), AMAZONS.fitted(&one));
        let googles = Limits::of(Dialect::Gemini);
        assert_eq!(googles.fitted("a.b:c"), "a.b_c");
        assert_eq!(googles.fitted("9lives"), "_9lives");
        assert_eq!(googles.fitted(&"9".repeat(64)).len(), 64);
        assert!(ToolMap::fit(&request(&["a", "b"]), Dialect::Converse, HABITS, &mut no_losses()).is_none());
    }

    #[test]
    fn a_name_is_changed_everywhere_and_comes_back() {
        let mut asked = request(&["a.b", "a_b", "a:b", "plain"]);
        asked.tool_choice =
            Some(ToolChoice::Allowed { names: vec!["a:b".to_owned(), "plain".to_owned()], required: true });
        asked.messages = vec![Message { role: Role::Assistant, parts: vec![call("a.b"), call("of/old")], name: None }];
        let (sent, names) = ToolMap::fit(&asked, Dialect::Converse, HABITS, &mut no_losses()).expect("some do not fit");
        let known: Vec<_> = given(&sent).map(str::to_owned).collect();
        assert!(known.iter().all(|name| matches!(AMAZONS.fitted(name), Cow::Borrowed(_))), "{known:?}");
        assert_eq!((&*known[1], &*known[3], &*known[7]), ("a_b", "plain", "of_old"));
        let mut tools = known[..4].to_vec();
        tools.sort();
        tools.dedup();
        assert_eq!(tools.len(), 4, "each is another one");
        assert_eq!((&known[4], &known[6]), (&known[2], &known[0]));
        // Whatever it calls, the client knows it.
        let mut answer = Response {
            choices: vec![Choice { parts: known.iter().map(|name| call(name)).collect(), ..Choice::default() }],
            ..Response::default()
        };
        names.restore(&mut answer);
        let called = answer.choices[0].parts.iter().map(|part| match part {
            Part::ToolCall(call) => &*call.name,
            other => panic!("{other:?}"),
        });
        assert!(called.eq(given(&asked)));
        let event = Event::Open(At::default(), call(&known[2]));
        let told: Vec<_> = Restorer::new(Arc::new(names)).restore(event).collect();
        assert!(matches!(told.as_slice(), [Event::Open(_, Part::ToolCall(call))] if call.name == "a:b"));
    }

    #[test]
    fn a_tool_that_takes_text_is_a_function_of_one_text() {
        let format = json!({"type": "grammar", "syntax": "lark", "definition": "start: \"a\""});
        let custom = Tool::Custom {
            name: "apply patch".to_owned(),
            description: Some("Edits files.".to_owned()),
            format: to_raw_value(&format).ok(),
        };
        let asked = Request { tools: vec![custom], ..Request::default() };
        let mut losses = no_losses();
        let (sent, map) = ToolMap::fit(&asked, Dialect::Anthropic, HABITS, &mut losses).expect("a function");
        let [Tool::Function { name, description: Some(description), parameters: Some(parameters), .. }] =
            &sent.tools[..]
        else {
            panic!("{:?}", sent.tools)
        };
        assert_eq!(name, "apply_patch");
        assert!(
            description.starts_with("Edits files.") && description.ends_with("(lark):\nstart: \"a\""),
            "{description}"
        );
        assert!(parameters.get().contains(r#""required":["input"]"#));
        assert_eq!(losses.finish().expect("no refusal"), ["tools.custom (grammar of apply patch)"]);

        let called = |arguments: &str| match call("apply_patch") {
            Part::ToolCall(call) => Part::ToolCall(ToolCall { arguments: arguments.to_owned(), ..call }),
            other => other,
        };
        let is_own = |part: &Part, text: &str| matches!(part, Part::ToolCall(call) if call.name == "apply patch" && call.kind == CallKind::Custom && call.arguments == text);
        for (arguments, text) in [(r#"{"input":"a\nb"}"#, "a\nb"), (r#"{"else":1}"#, r#"{"else":1}"#)] {
            let choice = Choice { parts: vec![called(arguments)], ..Choice::default() };
            let mut answer = Response { choices: vec![choice], ..Response::default() };
            map.restore(&mut answer);
            assert!(is_own(&answer.choices[0].parts[0], text), "{answer:?}");
            // However the arguments are cut.
            for cut in 0..=arguments.len() {
                let mut restorer = Restorer::new(Arc::new(map.clone()));
                let at = At::default();
                let (first, second) = arguments.split_at(cut);
                let deltas = [first, second].map(|text| Event::Delta(at, Delta::Arguments(text.to_owned())));
                let events = [Event::Open(at, called(""))].into_iter().chain(deltas).chain([Event::Close(at)]);
                let told: Vec<_> = events.flat_map(|event| restorer.restore(event)).collect();
                let [Event::Open(_, part), Event::Delta(_, Delta::Arguments(told)), Event::Close(_)] = &told[..] else {
                    panic!("{told:?}")
                };
                assert!(is_own(part, "") && told == text, "{told}");
            }
        }
        // A call that was cut off is no text, and not to be carried out.
        let choice = Choice { parts: vec![called(r#"{"inp"#)], ..Choice::default() };
        let mut answer = Response { choices: vec![choice], ..Response::default() };
        map.restore(&mut answer);
        let is_left = |part: &Part, arguments: &str| matches!(part, Part::ToolCall(call) if call.name == "apply patch" && call.kind == CallKind::Function && call.arguments == arguments);
        assert!(is_left(&answer.choices[0].parts[0], r#"{"inp"#), "{answer:?}");
        let mut restorer = Restorer::new(Arc::new(map));
        let at = At::default();
        let events = [Event::Open(at, called(r#"{"inp"#)), Event::Close(at)];
        let told: Vec<_> = events.into_iter().flat_map(|event| restorer.restore(event)).collect();
        let [Event::Open(_, part), Event::Delta(_, Delta::Arguments(told)), Event::Close(_)] = &told[..] else {
            panic!("{told:?}")
        };
        assert!(is_left(part, "") && told == r#"{"inp"#, "{told}");
        let openai = ToolMap::fit(&asked, Dialect::OpenaiChat, &Habits::OPENAI, &mut no_losses());
        assert!(openai.is_some_and(|(sent, map)| matches!(sent.tools[0], Tool::Custom { .. }) && map.texts.is_empty()));
    }
}
