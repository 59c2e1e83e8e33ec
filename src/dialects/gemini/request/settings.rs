//! A client's request → canonical form: tools, and what `generationConfig` asks for.

use serde_json::Number;

use super::super::raw;
use super::schema::to_json_schema;
use super::wire::{GenerationConfig, Loose, SpeechConfig, ThinkingConfig, Tool as WireTool, ToolConfig};
use crate::dialects::Dialect;
use crate::dialects::ir::{
    AudioOut, Effort, Format, Logprobs, Mode, Opaque, Request, Shown, Thinking, Tool, ToolChoice, WebSearch,
};
use crate::error::Refusal;

pub fn read_tools(
    tools: Option<Loose<WireTool>>,
    config: Option<ToolConfig>,
    request: &mut Request,
) -> Result<(), Refusal> {
    for (at, tool) in tools.into_iter().flat_map(|tools| tools.into_list(|_| WireTool::default())).enumerate() {
        for (index, function) in tool.functions.into_iter().enumerate() {
            let Some(name) = function.name.filter(|name| !name.is_empty()) else {
                let place = format!("tools[{at}].functionDeclarations[{index}]");
                return Err(Refusal::invalid(format!("`{place}.name` is missing.")).param("tools"));
            };
            let parameters =
                function.parameters_json_schema.or_else(|| function.parameters.map(|schema| to_json_schema(&schema)));
            request.tools.push(Tool::Function { name, description: function.description, parameters, strict: None });
        }
        if let Some(search) = tool.search {
            let blocked_domains = search.exclude_domains.unwrap_or_default();
            request.tools.push(Tool::WebSearch(WebSearch { blocked_domains, ..WebSearch::default() }));
        }
        for (name, setting) in tool.others {
            let value = raw::named_object(&[(name.as_str(), setting)]).into_owned();
            request.tools.push(Tool::Opaque(Opaque { dialect: Dialect::Gemini, name, value }));
        }
    }
    let Some(calling) = config.and_then(|config| config.function_calling_config) else { return Ok(()) };
    let names = calling.allowed_function_names.unwrap_or_default();
    request.tool_choice = match calling.mode.as_deref().map(str::to_ascii_uppercase).as_deref() {
        None | Some("MODE_UNSPECIFIED" | "") if names.is_empty() => None,
        Some("NONE") => Some(ToolChoice::None),
        Some("ANY") => Some(match <[String; 1]>::try_from(names) {
            Ok([name]) => ToolChoice::Named(name),
            Err(names) if names.is_empty() => ToolChoice::Required,
            Err(names) => ToolChoice::Allowed { names, required: true },
        }),
        None | Some("AUTO" | "VALIDATED" | "MODE_UNSPECIFIED" | "") if names.is_empty() => Some(ToolChoice::Auto),
        None | Some("AUTO" | "VALIDATED" | "MODE_UNSPECIFIED" | "") => {
            Some(ToolChoice::Allowed { names, required: false })
        }
        Some(_) => {
            let message = "`toolConfig.functionCallingConfig.mode` must be AUTO, ANY, NONE or VALIDATED.";
            return Err(Refusal::invalid(message).param("toolConfig"));
        }
    };
    Ok(())
}

/// Whether the client wants to see thoughts.
pub fn read_generation(config: GenerationConfig, request: &mut Request) -> Result<bool, Refusal> {
    request.max_tokens = unsigned(config.max_output_tokens, "maxOutputTokens")?;
    request.temperature = config.temperature;
    request.top_p = config.top_p;
    request.top_k = config.top_k;
    request.n = match unsigned(config.candidate_count, "candidateCount")?.map(u32::try_from) {
        None => None,
        Some(Ok(count @ 1..)) => Some(count),
        Some(_) => return Err(misfit("candidateCount", "a number from 1")),
    };
    request.stop = config.stop_sequences.unwrap_or_default();
    request.seed = whole(config.seed, "seed")?;
    request.presence_penalty = config.presence_penalty;
    request.frequency_penalty = config.frequency_penalty;
    let top = unsigned(config.logprobs, "logprobs")?.map(|top| u32::try_from(top).unwrap_or(u32::MAX));
    request.logprobs = (config.response_logprobs == Some(true)).then_some(Logprobs { top });
    request.modalities =
        config.response_modalities.unwrap_or_default().iter().map(|name| name.to_ascii_lowercase()).collect();
    request.audio = config.speech_config.map(audio);
    let schema = config.response_json_schema.or_else(|| config.response_schema.map(|schema| to_json_schema(&schema)));
    request.format = match (schema, config.response_mime_type.as_deref()) {
        (Some(schema), None | Some("" | "application/json" | "text/x.enum")) => {
            Some(Format::JsonSchema { name: None, description: None, schema, strict: None })
        }
        (None, Some("application/json")) => Some(Format::JsonObject),
        (_, Some("text/plain")) => Some(Format::Text),
        (None, None | Some("")) => None,
        (_, Some(_)) => return Err(misfit("responseMimeType", "application/json or text/plain")),
    };
    match config.thinking_config {
        None => Ok(false),
        Some(config) => {
            let shows_thoughts = config.include_thoughts == Some(true);
            request.thinking = Some(thinking(config)?);
            Ok(shows_thoughts)
        }
    }
}

fn audio(speech: SpeechConfig) -> AudioOut {
    let prebuilt = speech.voice_config.and_then(|voice| voice.prebuilt_voice_config);
    AudioOut { voice: prebuilt.and_then(|voice| voice.voice_name), format: None }
}

/// A budget also says what it means in words, by Google's own steps: those of others differ.
fn thinking(config: ThinkingConfig) -> Result<Thinking, Refusal> {
    let budget = whole(config.thinking_budget, "thinkingConfig.thinkingBudget")?;
    let level = config.thinking_level.filter(|level| !level.is_empty() && level != "THINKING_LEVEL_UNSPECIFIED");
    let level = match level {
        None => None,
        Some(level) => match Effort::named(&level) {
            Some(effort) => Some(effort),
            None => return Err(misfit("thinkingConfig.thinkingLevel", "MINIMAL, LOW, MEDIUM, HIGH or XHIGH")),
        },
    };
    let of_budget = budget.and_then(|budget| match budget {
        ..0 => None,
        0 => Some(Effort::None),
        1..=1024 => Some(Effort::Low),
        1025..=8192 => Some(Effort::Medium),
        8193.. => Some(Effort::High),
    });
    let mode = match budget {
        Some(0) => Some(Mode::Off),
        Some(..0) => Some(Mode::Adaptive),
        _ => None,
    };
    let shown = if config.include_thoughts == Some(true) { Shown::Summary } else { Shown::Hidden };
    Ok(Thinking { mode, effort: level.or(of_budget), budget, shown })
}

/// OpenAI's word for it.
pub fn service_tier(tier: String) -> Option<String> {
    match tier.to_ascii_lowercase().as_str() {
        "" | "unspecified" => None,
        "standard" => Some("default".to_owned()),
        tier => Some(tier.to_owned()),
    }
}

fn whole(number: Option<Number>, name: &str) -> Result<Option<i64>, Refusal> {
    let Some(number) = number else { return Ok(None) };
    #[expect(clippy::cast_possible_truncation, reason = "it has no fraction and is small")]
    let of_float = || number.as_f64().filter(|it| it.fract() == 0.0 && it.abs() < 9e15).map(|it| it as i64);
    number.as_i64().or_else(of_float).map(Some).ok_or_else(|| misfit(name, "a whole number"))
}

fn unsigned(number: Option<Number>, name: &str) -> Result<Option<u64>, Refusal> {
    let number = whole(number, name)?.map(u64::try_from);
    number.transpose().map_err(|_| misfit(name, "a number that is not negative"))
}

fn misfit(name: &str, wanted: &str) -> Refusal {
    Refusal::invalid(format!("`generationConfig.{name}` must be {wanted}.")).param("generationConfig")
}
