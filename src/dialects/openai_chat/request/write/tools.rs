//! Tools, and which of them must be called.

use std::sync::LazyLock;

use serde_json::value::{RawValue, to_raw_value};

use super::super::grammar;
use super::Writer;
use super::body::{
    AllowedTools, Choice, Custom, Function, KnownTool, Named, SearchOptions, Tool as OutTool, ToolChoice as OutChoice,
    UserLocation,
};
use super::content::cache_control;
use crate::dialects::Dialect;
use crate::dialects::ir::{Effort, Feature, Json, Tool, ToolChoice, WebSearch};
use crate::dialects::openai_chat::request::wire::Place;
use crate::models::ForcedTools;

/// Functions without parameters; some servers demand that they say so.
static NO_PARAMETERS: LazyLock<Json> = LazyLock::new(|| {
    to_raw_value(&serde_json::json!({"type": "object", "properties": {}})).unwrap_or_else(|_| RawValue::NULL.to_owned())
});

impl Writer<'_> {
    /// The tools, and a wish for searches, which is no tool here.
    pub fn tools<'a>(
        &mut self,
        tools: &'a [Tool],
        choice: Option<&ToolChoice>,
        model: &str,
    ) -> (Vec<OutTool<'a>>, Option<SearchOptions<'a>>) {
        let has_openai_members = self.recipient.habits.has_openai_members;
        // Who cannot be told which tools are allowed is told of no others.
        let allowed = match choice {
            Some(ToolChoice::Allowed { names, .. }) if !has_openai_members => Some(names),
            _ => None,
        };
        let is_offered = |name: &String| allowed.is_none_or(|names| names.contains(name));
        let mut written: Vec<OutTool<'a>> = Vec::with_capacity(tools.len());
        let mut options = None;
        for tool in tools {
            match tool {
                Tool::Function { name, description, parameters, strict } if is_offered(name) => {
                    let parameters = parameters.as_ref().unwrap_or(&NO_PARAMETERS);
                    let strict = self.strict(*strict, parameters, Feature::Strict.name());
                    let function = Function {
                        name,
                        description: description.as_deref(),
                        parameters,
                        strict: strict.filter(|strict| *strict || has_openai_members),
                    };
                    written.push(known("function", Some(function), None));
                }
                Tool::Custom { name, description, format } if has_openai_members => {
                    let custom = Custom {
                        name,
                        description: description.as_deref(),
                        format: format.as_ref().map(grammar::boxed),
                    };
                    written.push(known("custom", None, Some(custom)));
                }
                Tool::Function { .. } => {}
                // It is a function by now: see `tool_map`.
                Tool::Custom { .. } => self.losses.note(Feature::CustomTools),
                // Other models answer that they do not know these options.
                Tool::WebSearch(search) if has_openai_members && model.contains("search") => {
                    options = Some(search_options(search));
                }
                Tool::WebSearch(_) => self.losses.note(Feature::WebSearch),
                Tool::CachePoint(mark) => match written.last_mut() {
                    Some(OutTool::Known(last)) if self.recipient.habits.has_cache_marks => {
                        last.cache_control = Some(cache_control(mark));
                    }
                    _ => self.losses.note(Feature::CacheMarks),
                },
                Tool::Opaque(opaque) if opaque.dialect == Dialect::OpenaiChat => {
                    written.push(OutTool::Native(&opaque.value));
                }
                Tool::Opaque(opaque) => {
                    self.losses.note_named(Feature::ServerTools, &format!("tools.{}", opaque.name));
                }
            }
        }
        (written, options)
    }

    pub fn tool_choice<'a>(
        &mut self,
        choice: Option<&'a ToolChoice>,
        has_tools: bool,
        tools: &[Tool],
        effort: Option<Effort>,
    ) -> Option<OutChoice<'a>> {
        let choice = choice?;
        let is_forced = match choice {
            ToolChoice::Auto | ToolChoice::None => false,
            ToolChoice::Required | ToolChoice::Named(_) => true,
            ToolChoice::Allowed { required, .. } => *required,
        };
        if !has_tools {
            // Nothing can be called, which is as `auto` and `none` would have it.
            return self.if_can(!is_forced, is_forced.then_some(OutChoice::Word("auto")), Feature::ToolChoice);
        }
        let can_force = match self.recipient.facts.forced_tools {
            ForcedTools::Accepted => true,
            ForcedTools::WithoutThinking => effort.is_none_or(|effort| effort == Effort::None),
            ForcedTools::Rejected => false,
        };
        // A tool that could not be offered cannot be called.
        let is_lost = match choice {
            ToolChoice::Named(name) => !self.recipient.habits.has_openai_members && is_custom(name, tools),
            _ => false,
        };
        if is_forced && !can_force || is_lost {
            self.losses.note(Feature::ToolChoice);
            return Some(OutChoice::Word("auto"));
        }
        Some(match choice {
            ToolChoice::Auto => OutChoice::Word("auto"),
            ToolChoice::None => OutChoice::Word("none"),
            ToolChoice::Required => OutChoice::Word("required"),
            ToolChoice::Named(name) => OutChoice::Object(named(name, tools)),
            ToolChoice::Allowed { names, required } if self.recipient.habits.has_openai_members => {
                let tools = names.iter().map(|name| named(name, tools)).collect();
                let mode = if *required { "required" } else { "auto" };
                let allowed_tools = Some(AllowedTools { mode, tools });
                OutChoice::Object(Choice { kind: "allowed_tools", allowed_tools, ..Choice::default() })
            }
            ToolChoice::Allowed { required, .. } => OutChoice::Word(if *required { "required" } else { "auto" }),
        })
    }
}

fn known<'a>(kind: &'static str, function: Option<Function<'a>>, custom: Option<Custom<'a>>) -> OutTool<'a> {
    OutTool::Known(KnownTool { kind, function, custom, cache_control: None })
}

fn named<'a>(name: &'a str, tools: &[Tool]) -> Choice<'a> {
    if is_custom(name, tools) {
        Choice { kind: "custom", custom: Some(Named { name }), ..Choice::default() }
    } else {
        Choice { kind: "function", function: Some(Named { name }), ..Choice::default() }
    }
}

fn is_custom(name: &str, tools: &[Tool]) -> bool {
    tools.iter().any(|tool| matches!(tool, Tool::Custom { name: custom, .. } if custom == name))
}

fn search_options(search: &WebSearch) -> SearchOptions<'_> {
    let place = search.location.as_ref().and_then(|location| serde_json::from_str::<Place>(location.get()).ok());
    SearchOptions {
        search_context_size: search.context_size.as_deref(),
        user_location: place.map(|approximate| UserLocation { kind: "approximate", approximate }),
    }
}
