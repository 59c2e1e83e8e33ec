//! What is asked of the model → Gemini's `generationConfig`.

use serde::Serialize;
use serde_json::Number;

use crate::dialects::ir::{AudioOut, Effort, Feature, Format, Json, Logprobs, Losses, Mode, Shown, Thinking};
use crate::models::{Facts, Sampling, ThinkingStyle};

/// More are refused.
const MOST_STOPS: usize = 5;

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GenerationConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate_count: Option<u32>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_json_schema: Option<&'a Json>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub response_modalities: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speech_config: Option<SpeechConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking_config: Option<ThinkingConfig>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SpeechConfig<'a> {
    voice_config: VoiceConfig<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct VoiceConfig<'a> {
    prebuilt_voice_config: PrebuiltVoiceConfig<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PrebuiltVoiceConfig<'a> {
    voice_name: &'a Json,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ThinkingConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<String>,
    include_thoughts: bool,
}

impl<'a> GenerationConfig<'a> {
    pub fn sample(
        &mut self,
        [temperature, top_p, top_k]: [&'a Option<Number>; 3],
        [presence, frequency]: [&'a Option<Number>; 2],
        facts: &Facts,
        losses: &mut Losses,
    ) {
        let thinks = self.thinking_config.is_some();
        let takes_sampling = match facts.sampling {
            Sampling::Accepted => true,
            Sampling::WithoutThinking => !thinks,
            Sampling::Rejected => false,
        };
        let mut take = |value: &'a Option<Number>, feature, is_taken: bool| {
            if value.is_some() && !is_taken {
                losses.note(feature);
            }
            value.as_ref().filter(|_| is_taken)
        };
        self.temperature = take(temperature, Feature::Temperature, takes_sampling);
        self.top_p = take(top_p, Feature::TopP, takes_sampling);
        self.top_k = take(top_k, Feature::TopK, takes_sampling);
        // From 2.5 on the models refuse penalties.
        let takes_penalties =
            !matches!(facts.thinking, ThinkingStyle::GeminiBudget { .. } | ThinkingStyle::GeminiLevel { .. });
        self.presence_penalty = take(presence, Feature::PresencePenalty, takes_penalties);
        self.frequency_penalty = take(frequency, Feature::FrequencyPenalty, takes_penalties);
    }

    pub fn stop(&mut self, stop: &'a [String], losses: &mut Losses) {
        self.stop_sequences = stop.get(..MOST_STOPS).unwrap_or(stop);
        if stop.len() > MOST_STOPS {
            losses.note_named(Feature::Stop, &format!("stop (beyond {MOST_STOPS})"));
        }
    }

    pub fn logprobs(&mut self, wanted: Option<Logprobs>) {
        self.response_logprobs = wanted.is_some().then_some(true);
        self.logprobs = wanted.and_then(|wanted| wanted.top);
    }

    /// Binds the answer to a format. What the model cannot be bound to, it is asked for: the words to ask with.
    pub fn format(&mut self, format: &'a Option<Format>, can_bind: bool, losses: &mut Losses) -> Option<String> {
        match format {
            None | Some(Format::Text) => None,
            Some(Format::JsonObject) if can_bind => {
                self.response_mime_type = Some("application/json");
                None
            }
            Some(Format::JsonSchema { schema, .. }) if can_bind => {
                self.response_mime_type = Some("application/json");
                self.response_json_schema = Some(schema);
                None
            }
            Some(Format::JsonObject) => {
                losses.note(Feature::JsonObject);
                Some("Answer with one JSON object and nothing else.".to_owned())
            }
            Some(Format::JsonSchema { schema, .. }) => {
                losses.note(Feature::JsonSchema);
                let schema = schema.get();
                Some(format!("Answer with nothing but JSON that is valid by this JSON schema:\n{schema}"))
            }
        }
    }

    pub fn speak(&mut self, modalities: &[String], audio: &'a Option<AudioOut>, losses: &mut Losses) {
        for modality in modalities {
            match modality.as_str() {
                "text" => self.response_modalities.push("TEXT"),
                "audio" => self.response_modalities.push("AUDIO"),
                "image" => self.response_modalities.push("IMAGE"),
                "video" => self.response_modalities.push("VIDEO"),
                _ => losses.note(Feature::Modalities),
            }
        }
        // Only text is what is answered with anyway.
        if self.response_modalities == ["TEXT"] {
            self.response_modalities.clear();
        }
        let Some(AudioOut { voice, format }) = audio else { return };
        if format.as_deref().is_some_and(|format| !matches!(format, "pcm" | "pcm16")) {
            losses.note_named(Feature::AudioOutput, "audio.format");
        }
        self.speech_config = voice.as_ref().map(|voice_name| {
            let prebuilt_voice_config = PrebuiltVoiceConfig { voice_name };
            SpeechConfig { voice_config: VoiceConfig { prebuilt_voice_config } }
        });
    }

    pub fn think(&mut self, thinking: &Option<Thinking>, style: ThinkingStyle, losses: &mut Losses) {
        let Some(thinking) = thinking else { return };
        let wanted = thinking.meant();
        let is_off = wanted == Some(Effort::None);
        let include_thoughts = thinking.shown != Shown::Hidden && !is_off;
        let (thinking_budget, thinking_level) = match style {
            ThinkingStyle::Never => {
                if !is_off {
                    losses.note(Feature::Reasoning);
                }
                return;
            }
            ThinkingStyle::GeminiBudget { least, most, can_be_off } => {
                if is_off && !can_be_off {
                    losses.note_named(Feature::Reasoning, "reasoning_effort (none)");
                }
                (budget(thinking, least, most, can_be_off), None)
            }
            ThinkingStyle::GeminiLevel { levels, .. } => {
                if is_off || levels.is_empty() {
                    let name = if is_off { "reasoning_effort (none)" } else { Feature::Reasoning.name() };
                    losses.note_named(Feature::Reasoning, name);
                }
                // Left to itself, the model thinks as much as it sees fit.
                let is_free = matches!(thinking.mode, Some(Mode::Adaptive | Mode::On)) && thinking.effort.is_none();
                let is_free = is_free && thinking.budget.is_none_or(|budget| budget < 0);
                (None, wanted.filter(|_| !is_free).and_then(|wanted| level(wanted, levels)))
            }
            // The model is not in our tables: what was said is passed on.
            ThinkingStyle::Unknown
            | ThinkingStyle::Efforts(_)
            | ThinkingStyle::Budget
            | ThinkingStyle::Adaptive { .. } => {
                let level = thinking.effort.filter(|_| thinking.budget.is_none() && !is_off);
                let budget = if is_off { Some(0) } else { thinking.budget };
                (budget, level.map(|level| level.name().to_ascii_uppercase()))
            }
        };
        self.thinking_config = Some(ThinkingConfig { thinking_budget, thinking_level, include_thoughts });
    }
}

/// Google's own steps, from the documentation of its endpoint for OpenAI's clients.
fn budget(thinking: &Thinking, least: u64, most: u64, can_be_off: bool) -> Option<i64> {
    let tokens = match (thinking.meant(), thinking.budget) {
        (Some(Effort::None), _) => {
            if can_be_off {
                0
            } else {
                least
            }
        }
        (_, Some(..0)) => return Some(-1),
        (_, Some(tokens)) => tokens.unsigned_abs().clamp(least, most),
        (None, None) => return None,
        (Some(_), None) if thinking.effort.is_none() => return Some(-1),
        (Some(Effort::Minimal | Effort::Low), None) => 1024,
        (Some(Effort::Medium), None) => 8192,
        (Some(Effort::High), None) => 24_576,
        (Some(Effort::Xhigh | Effort::Max), None) => most,
    };
    i64::try_from(tokens).ok()
}

/// The least level that is not below what is wanted, or else the highest.
fn level(wanted: Effort, levels: &[&str]) -> Option<String> {
    let fits = |level: &&&str| Effort::named(level).is_some_and(|level| level >= wanted);
    levels.iter().find(fits).or(levels.last()).map(|level| level.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::super::super::raw;
    use super::*;

    fn written(thinking: Thinking, model: &str) -> String {
        let mut losses = Losses::new(super::super::super::losses::TABLE, false);
        let mut config = GenerationConfig::default();
        config.think(&Some(thinking), Facts::of(model).thinking, &mut losses);
        let dropped = losses.finish().expect("no refusal").join(",");
        let config =
            config.thinking_config.map_or_else(|| "-".to_owned(), |config| raw::json(&config).get().to_owned());
        if dropped.is_empty() { config } else { format!("{config} without {dropped}") }
    }

    #[test]
    fn thinks_as_each_model_is_told() {
        let effort = |effort| Thinking { effort: Some(effort), shown: Shown::Hidden, ..Thinking::default() };
        let budget = |budget| Thinking { budget: Some(budget), ..Thinking::default() };
        let mode = |mode| Thinking { mode: Some(mode), ..Thinking::default() };
        for (thinking, model, expected) in [
            (effort(Effort::Low), "gemini-2.5-flash", r#"{"thinkingBudget":1024,"includeThoughts":false}"#),
            (effort(Effort::Max), "gemini-2.5-pro", r#"{"thinkingBudget":32768,"includeThoughts":false}"#),
            (effort(Effort::None), "gemini-2.5-flash", r#"{"thinkingBudget":0,"includeThoughts":false}"#),
            (
                effort(Effort::None),
                "gemini-2.5-pro",
                r#"{"thinkingBudget":128,"includeThoughts":false} without reasoning_effort (none)"#,
            ),
            (budget(-1), "gemini-2.5-pro", r#"{"thinkingBudget":-1,"includeThoughts":true}"#),
            (budget(100_000), "gemini-2.5-pro", r#"{"thinkingBudget":32768,"includeThoughts":true}"#),
            (budget(0), "gemini-2.5-flash", r#"{"thinkingBudget":0,"includeThoughts":false}"#),
            (mode(Mode::Adaptive), "gemini-2.5-flash", r#"{"thinkingBudget":-1,"includeThoughts":true}"#),
            (mode(Mode::Adaptive), "gemini-3-flash-preview", r#"{"includeThoughts":true}"#),
            (effort(Effort::Medium), "gemini-3-pro-preview", r#"{"thinkingLevel":"HIGH","includeThoughts":false}"#),
            (effort(Effort::Minimal), "gemini-3.1-pro-preview", r#"{"thinkingLevel":"LOW","includeThoughts":false}"#),
            (effort(Effort::Xhigh), "gemini-3-flash-preview", r#"{"thinkingLevel":"HIGH","includeThoughts":false}"#),
            (
                effort(Effort::None),
                "gemini-3-flash-preview",
                r#"{"thinkingLevel":"MINIMAL","includeThoughts":false} without reasoning_effort (none)"#,
            ),
            (budget(2000), "gemini-3-flash-preview", r#"{"thinkingLevel":"LOW","includeThoughts":true}"#),
            (effort(Effort::Low), "gemini-2.0-flash", "- without reasoning_effort"),
            (effort(Effort::None), "gemini-2.0-flash", "-"),
            (effort(Effort::Low), "no-such-model", r#"{"thinkingLevel":"LOW","includeThoughts":false}"#),
            (Thinking::default(), "gemini-2.5-flash", r#"{"includeThoughts":true}"#),
        ] {
            assert_eq!(written(thinking, model), expected, "{thinking:?} for {model}");
        }
    }
}
