//! How the answer shall look and how much shall be thought: `text` and `reasoning`, both ways.

use serde_json::value::RawValue;

use super::wire;
use super::written;
use crate::dialects::ir::{Effort, Feature, Format, Losses, Shown, Thinking, Unknown};
use crate::dialects::openai_rules::is_closed;
use crate::dialects::wire::read_member;
use crate::error::Refusal;
use crate::models::ThinkingStyle;

/// What `text` says.
#[derive(Debug, Default)]
pub struct Text {
    pub format: Option<Format>,
    pub verbosity: Option<String>,
}

pub fn format(raw: Option<&RawValue>, unknown: &mut Vec<Unknown>) -> Result<Text, Refusal> {
    let Some(raw) = raw else { return Ok(Text::default()) };
    let text = read_member::<wire::Text>(raw, &|| "text".to_owned(), unknown)?;
    let format = text.format.map(read_format).transpose()?;
    Ok(Text { format, verbosity: text.verbosity })
}

fn read_format(format: wire::Format) -> Result<Format, Refusal> {
    match format.kind.as_deref() {
        None | Some("text") => Ok(Format::Text),
        Some("json_object") => Ok(Format::JsonObject),
        Some("json_schema") => {
            let wire::Format { name, description, schema, strict, .. } = format;
            let schema = schema.ok_or_else(|| {
                Refusal::invalid("`text.format.schema` is missing: the JSON schema of the answer.").param("text.format")
            })?;
            Ok(Format::JsonSchema { name, description, schema, strict })
        }
        Some(other) => Err(Refusal::invalid(format!(
            "`text.format.type` is `{other}`: it may be `text`, `json_object` or `json_schema`."
        ))
        .param("text.format")),
    }
}

/// Which efforts a model has is its own matter: any word for one is read.
pub fn thinking(raw: Option<&RawValue>, unknown: &mut Vec<Unknown>) -> Result<Option<Thinking>, Refusal> {
    let Some(raw) = raw else { return Ok(None) };
    let reasoning = read_member::<wire::Reasoning>(raw, &|| "reasoning".to_owned(), unknown)?;
    let effort = match reasoning.effort.as_deref() {
        None => None,
        Some(name) => Some(Effort::named(name).ok_or_else(|| {
            let known: Vec<_> = Effort::ALL.iter().map(|effort| effort.name()).collect();
            Refusal::invalid(format!("`reasoning.effort` is `{name}`: it may be one of {}.", known.join(", ")))
                .param("reasoning.effort")
        })?),
    };
    let shown = match reasoning.summary.or(reasoning.generate_summary).as_deref() {
        None => Shown::Unsaid,
        Some("concise") => Shown::ConciseSummary,
        Some("detailed") => Shown::DetailedSummary,
        Some("none") => Shown::Hidden,
        Some(_) => Shown::Summary,
    };
    if reasoning.context.is_some_and(|context| context != "auto") {
        unknown.push(Unknown { path: "reasoning.context".to_owned() });
    }
    if reasoning.mode.is_some_and(|mode| mode != "standard") {
        unknown.push(Unknown { path: "reasoning.mode".to_owned() });
    }
    let thinking = Thinking { mode: None, effort, budget: None, shown };
    Ok((thinking != Thinking::default()).then_some(thinking))
}

pub fn write_format<'a>(format: &'a Format, losses: &mut Losses) -> written::Format<'a> {
    match format {
        Format::Text => written::Format { kind: "text", ..written::Format::default() },
        Format::JsonObject => written::Format { kind: "json_object", ..written::Format::default() },
        Format::JsonSchema { name, description, schema, strict } => written::Format {
            kind: "json_schema",
            // It must have a name; chat completions demand one too, the others have none.
            name: Some(name.as_deref().unwrap_or("answer")),
            description: description.as_deref(),
            schema: Some(schema),
            // Left out it would be strict for some models: whoever did not ask for it has a schema that need not fit its rules.
            strict: Some(
                *strict == Some(true) && {
                    let can_be = is_closed(schema);
                    if !can_be {
                        losses.note_named(Feature::Strict, "response_format.strict");
                    }
                    can_be
                },
            ),
        },
    }
}

pub fn write_thinking(
    thinking: &Thinking,
    style: ThinkingStyle,
    losses: &mut Losses,
) -> Option<written::Reasoning<'static>> {
    let effort = thinking.meant();
    let name = match style {
        ThinkingStyle::Never => {
            if effort.is_some_and(|effort| effort != Effort::None) {
                losses.note(Feature::Reasoning);
            }
            return None;
        }
        ThinkingStyle::Efforts(efforts) => effort.and_then(|effort| {
            if effort == Effort::None && !efforts.contains(&effort.name()) {
                losses.note_named(Feature::Reasoning, "reasoning_effort (none)");
            }
            nearest(effort, efforts)
        }),
        ThinkingStyle::Unknown
        | ThinkingStyle::Budget
        | ThinkingStyle::Adaptive { .. }
        | ThinkingStyle::GeminiBudget { .. }
        | ThinkingStyle::GeminiLevel { .. } => effort.map(Effort::name),
    };
    // Summaries only for those who ask: OpenAI gives them to verified organisations alone, and refuses the others.
    let summary = match thinking.shown {
        Shown::Unsaid | Shown::Hidden => None,
        Shown::Summary => Some("auto"),
        Shown::ConciseSummary => Some("concise"),
        Shown::DetailedSummary => Some("detailed"),
    };
    (name.is_some() || summary.is_some()).then_some(written::Reasoning { effort: name, summary })
}

/// The most of what a model has that is not more than what is asked for; else the least.
fn nearest(effort: Effort, efforts: &'static [&'static str]) -> Option<&'static str> {
    let known = |name: &&&'static str| Effort::named(name).is_some_and(|known| known <= effort);
    efforts.iter().rfind(known).or(efforts.first()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn efforts_are_fitted_to_the_model() {
        let efforts: &[&str] = &["low", "medium", "high"];
        assert_eq!(nearest(Effort::None, efforts), Some("low"));
        assert_eq!(nearest(Effort::Minimal, efforts), Some("low"));
        assert_eq!(nearest(Effort::Medium, efforts), Some("medium"));
        assert_eq!(nearest(Effort::Max, efforts), Some("high"));
        assert_eq!(nearest(Effort::Low, &["medium"]), Some("medium"));
        assert_eq!(nearest(Effort::Low, &[]), None);
    }
}
