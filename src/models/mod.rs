//! What is known of models, as data: how they are told to think, which settings they refuse, how long their answers may be.
//!
//! A model is looked up by its id, whatever a provider puts around it (`us.anthropic.claude-sonnet-5-v1:0`, `openai/gpt-5.5`).
//! One that is not in the tables has safe defaults. Each family has a file, whose rows are tried in their order: put the longer name
//! first. What price lists say (lengths, prices, capabilities) is a table of its own, [`Card`]; [`Known`] holds all of it together, and
//! what the user has to say. Nothing here knows a wire format.

mod card;
mod claude;
mod gemini;
mod known;
mod openai;
mod others;

pub use card::{Capabilities, Card, Mode, Prices};
pub use known::{Known, Limits, Said};

/// What is known of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    pub thinking: ThinkingStyle,
    pub sampling: Sampling,
    /// The most tokens of an answer.
    pub max_output: Option<u64>,
    /// Whether it takes `stop` and the penalties (Grok 4 refuses them).
    pub has_stops: bool,
    /// Whether it thinks in streams only, and unasked: elsewhere it must be told not to (open Qwen 3 on Model Studio).
    pub thinks_in_streams: bool,
    /// Whether a certain tool, or any tool, can be forced to be called.
    pub forced_tools: ForcedTools,
    /// Whether answers can be bound to a JSON schema.
    pub has_json_schema: bool,
    /// Google's API: whether there is a place for instructions (Gemma has none up to 3).
    pub has_system: bool,
    /// Whether instructions may stand between turns.
    pub has_late_system: bool,
    /// Whether the last message may be the beginning of the answer.
    pub has_prefill: bool,
    /// OpenAI's models: which of its endpoints serve them.
    pub doors: Doors,
}

/// How a model is told how much to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinkingStyle {
    /// Nothing is known: an effort is passed on where the dialect has a place for it.
    Unknown,
    /// It does not think.
    Never,
    /// OpenAI's `reasoning_effort`, of these.
    Efforts(&'static [&'static str]),
    /// Claude up to 4.5: a number of tokens, or off.
    Budget,
    /// Claude from 4.6: as much as it thinks fit, guided by an effort, of these.
    Adaptive { off: Off, efforts: &'static [&'static str] },
    /// Gemini 2.5: a number of tokens; -1 leaves it to the model.
    GeminiBudget { least: u64, most: u64, can_be_off: bool },
    /// Gemini 3: a level, of these from least to most; never off.
    GeminiLevel {
        levels: &'static [&'static str],
        /// Whether it signs its calls, knows their ids, and refuses history whose calls are not signed.
        signs_calls: bool,
    },
}

/// How an adaptive Claude is kept from thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Off {
    /// `thinking: {type: disabled}`; with it, an effort of at most `high`.
    Disabled,
    /// `thinking: {type: between_tools}` is the least.
    BetweenTools,
    Impossible,
}

/// Whether `temperature`, `top_p` and the like are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    Accepted,
    Rejected,
    /// Only while it does not think.
    WithoutThinking,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForcedTools {
    Accepted,
    /// Not while it thinks by a budget.
    WithoutThinking,
    Rejected,
}

/// Which of OpenAI's endpoints serve a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doors {
    Any,
    /// `/chat/completions` refuses it.
    ResponsesOnly,
    /// `/chat/completions` refuses function tools unless `reasoning_effort` is `none`.
    ResponsesForTools,
}

impl Facts {
    /// What is assumed of a model that is not in the tables.
    pub const UNKNOWN: Self = Self {
        thinking: ThinkingStyle::Unknown,
        sampling: Sampling::Accepted,
        max_output: None,
        has_stops: true,
        thinks_in_streams: false,
        forced_tools: ForcedTools::Accepted,
        has_json_schema: true,
        has_system: true,
        has_late_system: false,
        has_prefill: true,
        doors: Doors::Any,
    };

    /// A wish for the most tokens of an answer, no more than the model has: a greater one would be refused.
    pub fn limit(&self, wanted: Option<u64>) -> Option<u64> {
        wanted.map(|wanted| self.max_output.map_or(wanted, |most| wanted.min(most)))
    }

    /// What is known of the model with this id.
    pub fn of(model: &str) -> &'static Self {
        let model = model.to_ascii_lowercase();
        let words: Vec<_> = words(&model).collect();
        let is_meant = |name: &str| words.iter().any(|word| word.starts_with(name.as_bytes()));
        let families = [claude::TABLE, openai::TABLE, gemini::TABLE, others::TABLE];
        let row = families.into_iter().flatten().find(|row| row.names.iter().any(|name| is_meant(name)));
        row.map_or(&Self::UNKNOWN, |row| &row.facts)
    }
}

/// Models of one kind, by what their ids hold.
struct Row {
    /// Any of these, at the start of the id or of a part of it.
    names: &'static [&'static str],
    facts: Facts,
}

/// The rest of an id from each of its words on. A name stands in an id as a word: `gpt-5` is in `openai/gpt-5-mini`, `o3` is
/// not in `foo3`.
fn words(model: &str) -> impl Iterator<Item = &[u8]> {
    let model = model.as_bytes();
    let starts_word =
        |at: &usize| !at.checked_sub(1).and_then(|at| model.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    (0..model.len()).filter(starts_word).filter_map(|at| model.get(at..))
}

#[cfg(test)]
fn holds(model: &str, name: &str) -> bool {
    words(model).any(|word| word.starts_with(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_within_an_id_as_a_word() {
        assert!(holds("us.anthropic.claude-opus-4-1-20250805-v1:0", "claude-opus-4-1"));
        assert!(holds("openai/o3-mini", "o3"));
        assert!(!holds("llamo3", "o3"));
        assert_eq!(Facts::of("no-such-model"), &Facts::UNKNOWN);
    }
}
