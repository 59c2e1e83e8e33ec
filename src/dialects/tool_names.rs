//! Names of tools that a provider would refuse: changed on their way to it, and changed back in its answer.
//!
//! Clients make up long names (`mcp__server__tool` for every tool of every server) and use signs that some dialect has never heard of. Such
//! a request would be refused as a whole.

use std::borrow::Cow;

use super::Dialect;
use super::ir::{Event, Part, Request, Response, Tool, ToolChoice};

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

/// Names that were changed: the client's, and what the provider knows instead.
#[derive(Debug, Clone, Default)]
pub struct ToolNames(Vec<(String, String)>);

impl Limits {
    pub const fn of(dialect: Dialect) -> Self {
        match dialect {
            // `^[a-zA-Z0-9_-]{1,64}$`, which other providers have taken over.
            Dialect::OpenaiChat | Dialect::OpenaiResponses => Self { longest: 64, signs: "_-", begins_with_any: true },
            // `^[a-zA-Z0-9_-]{1,128}$`.
            Dialect::Anthropic => Self { longest: 128, signs: "_-", begins_with_any: true },
            // What the Gemini API and Vertex AI have in common (`FunctionDeclaration.name`).
            Dialect::Gemini => Self { longest: 64, signs: "_.-", begins_with_any: false },
            // `ToolSpecification.name`: `[a-zA-Z0-9_-]{1,64}`.
            Dialect::Converse => Self { longest: 64, signs: "_-", begins_with_any: true },
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

impl ToolNames {
    /// The request with names that its provider takes; `None` if it takes them all as they are.
    pub fn fit(request: &Request, limits: &Limits) -> Option<(Request, Self)> {
        let mut names = Self::default();
        for name in given(request) {
            let Cow::Owned(mut fitted) = limits.fitted(name) else { continue };
            if names.0.iter().any(|(own, _)| own == name) {
                continue;
            }
            // Another tool may have that name.
            if given(request).any(|other| other == fitted) || names.0.iter().any(|(_, other)| *other == fitted) {
                fitted = limits.marked(&fitted, name);
            }
            names.0.push((name.to_owned(), fitted));
        }
        if names.0.is_empty() {
            return None;
        }
        let mut request = request.clone();
        for name in given_mut(&mut request) {
            if let Some((_, fitted)) = names.0.iter().find(|(own, _)| own == name) {
                name.clone_from(fitted);
            }
        }
        Some((request, names))
    }

    /// An answer with the client's own names again.
    pub fn restore(&self, response: &mut Response) {
        response.choices.iter_mut().flat_map(|choice| &mut choice.parts).for_each(|part| self.restore_part(part));
    }

    /// The same of a piece of one.
    pub fn restore_event(&self, event: &mut Event) {
        if let Event::Open(_, part) = event {
            self.restore_part(part);
        }
    }

    fn restore_part(&self, part: &mut Part) {
        if let Part::ToolCall(call) = part
            && let Some((own, _)) = self.0.iter().find(|(_, fitted)| *fitted == call.name)
        {
            call.name.clone_from(own);
        }
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

    fn request(names: &[&str]) -> Request {
        let tool = |name: &&str| Tool::Function {
            name: (*name).to_owned(),
            description: None,
            parameters: None,
            strict: None,
        };
        Request { tools: names.iter().map(tool).collect(), ..Request::default() }
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
        assert!(ToolNames::fit(&request(&["a", "b"]), &AMAZONS).is_none());
    }

    #[test]
    fn a_name_is_changed_everywhere_and_comes_back() {
        let mut asked = request(&["a.b", "a_b", "a:b", "plain"]);
        asked.tool_choice =
            Some(ToolChoice::Allowed { names: vec!["a:b".to_owned(), "plain".to_owned()], required: true });
        asked.messages = vec![Message { role: Role::Assistant, parts: vec![call("a.b"), call("of/old")], name: None }];
        let (sent, names) = ToolNames::fit(&asked, &AMAZONS).expect("some do not fit");
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
        let mut event = Event::Open(At::default(), call(&known[2]));
        names.restore_event(&mut event);
        assert!(matches!(event, Event::Open(_, Part::ToolCall(call)) if call.name == "a:b"));
    }
}
