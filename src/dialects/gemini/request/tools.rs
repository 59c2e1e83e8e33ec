//! Tools → Gemini's `tools` and `toolConfig`.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::dialects::Dialect;
use crate::dialects::ir::{Feature, Json, Losses, Tool, ToolChoice, WebSearch};
use crate::models::{Facts, ForcedTools, ThinkingStyle};

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum OutTool<'a> {
    Functions(Functions<'a>),
    Search(Search),
    Raw(&'a RawValue),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Functions<'a> {
    function_declarations: Vec<FunctionDeclaration<'a>>,
}

/// The schema goes as it is: this member takes JSON schema, its elder `parameters` only a subset of OpenAPI's.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FunctionDeclaration<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<&'a Json>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Search {
    google_search: Empty,
}

#[derive(Debug, Serialize)]
struct Empty {}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    function_calling_config: Option<FunctionCallingConfig<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    include_server_side_tool_invocations: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FunctionCallingConfig<'a> {
    mode: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    allowed_function_names: &'a [String],
}

#[derive(Debug, Default)]
pub struct Tools<'a> {
    pub tools: Vec<OutTool<'a>>,
    pub has_functions: bool,
    is_strict: bool,
    has_server_tools: bool,
}

/// Before Gemini 3, functions and Google's own tools exclude each other: functions win, since only the client can run them.
pub fn write<'a>(tools: &'a [Tool], facts: &Facts, losses: &mut Losses) -> Tools<'a> {
    let mut out = Tools::default();
    let mut functions = Vec::new();
    let is_first = |tool: &Tool| matches!(tool, Tool::Function { .. });
    let mixes = matches!(facts.thinking, ThinkingStyle::GeminiLevel { .. } | ThinkingStyle::Unknown);
    let takes_server_tools = mixes || !tools.iter().any(is_first);
    for tool in tools {
        match tool {
            Tool::Function { name, description, parameters, strict } => {
                out.is_strict |= *strict == Some(true);
                let description = description.as_deref();
                let parameters_json_schema = parameters.as_ref();
                functions.push(FunctionDeclaration { name, description, parameters_json_schema });
            }
            // It is a function by now: see `tool_map`.
            Tool::Custom { .. } => losses.note(Feature::CustomTools),
            Tool::WebSearch(search) if takes_server_tools => {
                note_settings(search, losses);
                out.tools.push(OutTool::Search(Search { google_search: Empty {} }));
            }
            Tool::WebSearch(_) => losses.note(Feature::WebSearch),
            Tool::CachePoint(_) => losses.note(Feature::CacheMarks),
            Tool::Opaque(opaque) if opaque.dialect == Dialect::Gemini => out.tools.push(OutTool::Raw(&opaque.value)),
            Tool::Opaque(opaque) => {
                losses.note_named(Feature::ServerTools, &format!("{} ({})", Feature::ServerTools.name(), opaque.name));
            }
        }
    }
    out.has_server_tools = !out.tools.is_empty();
    out.has_functions = !functions.is_empty();
    if out.has_functions {
        out.tools.push(OutTool::Functions(Functions { function_declarations: functions }));
    }
    out
}

fn note_settings(search: &WebSearch, losses: &mut Losses) {
    let WebSearch { context_size, location, allowed_domains, blocked_domains, max_uses } = search;
    let mut note = |is_set, name: &str| {
        if is_set {
            losses.note_named(Feature::WebSearch, &format!("{}.{name}", Feature::WebSearch.name()));
        }
    };
    note(context_size.is_some(), "search_context_size");
    note(location.is_some(), "user_location");
    note(!allowed_domains.is_empty(), "allowed_domains");
    note(!blocked_domains.is_empty(), "blocked_domains");
    note(max_uses.is_some(), "max_uses");
}

impl Tools<'_> {
    pub fn config<'c>(
        &self,
        choice: &'c Option<ToolChoice>,
        facts: &Facts,
        losses: &mut Losses,
    ) -> Option<ToolConfig<'c>> {
        let function_calling_config = if self.has_functions { self.calling(choice, facts, losses) } else { None };
        let include_server_side_tool_invocations = self.has_functions && self.has_server_tools;
        (function_calling_config.is_some() || include_server_side_tool_invocations)
            .then_some(ToolConfig { function_calling_config, include_server_side_tool_invocations })
    }

    fn calling<'c>(
        &self,
        choice: &'c Option<ToolChoice>,
        facts: &Facts,
        losses: &mut Losses,
    ) -> Option<FunctionCallingConfig<'c>> {
        // Calls that are held to their schemas: known to the models that think.
        let can_validate =
            matches!(facts.thinking, ThinkingStyle::GeminiBudget { .. } | ThinkingStyle::GeminiLevel { .. });
        let is_free = matches!(choice, None | Some(ToolChoice::Auto));
        if self.is_strict && is_free && !can_validate {
            losses.note(Feature::Strict);
        }
        let is_forced = matches!(
            choice,
            Some(ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Allowed { required: true, .. })
        );
        if is_forced && facts.forced_tools == ForcedTools::Rejected {
            losses.note(Feature::ToolChoice);
            return None;
        }
        let (mode, allowed_function_names): (_, &[String]) = match choice {
            None | Some(ToolChoice::Auto) if self.is_strict && can_validate => ("VALIDATED", &[]),
            None => return None,
            Some(ToolChoice::Auto) => ("AUTO", &[]),
            Some(ToolChoice::None) => ("NONE", &[]),
            Some(ToolChoice::Required) => ("ANY", &[]),
            Some(ToolChoice::Named(name)) => ("ANY", std::slice::from_ref(name)),
            Some(ToolChoice::Allowed { names, required: true }) => ("ANY", names),
            Some(ToolChoice::Allowed { names, required: false }) if can_validate => ("VALIDATED", names),
            Some(ToolChoice::Allowed { required: false, .. }) => {
                losses.note(Feature::AllowedTools);
                ("AUTO", &[])
            }
        };
        Some(FunctionCallingConfig { mode, allowed_function_names })
    }
}
