//! All that is known of a model at one instance: the tables of this room, what the provider's own list says, and the user's word,
//! which is the last.

use super::{Capabilities, Card, Doors, Facts, Mode, Prices, Sampling, ThinkingStyle};

#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    pub facts: Facts,
    pub card: Card,
}

/// What the user says of models (`model_info` in the configuration). What is not said stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// An id, with or without the instance or the provider before it; `*` stands for any letters.
    pub pattern: String,
    /// Another model, of which all is true that is not said here.
    pub like: Option<String>,
    pub mode: Option<Mode>,
    pub context_window: Option<u64>,
    pub max_output: Option<u64>,
    pub prices: Prices,
    pub capabilities: Option<Capabilities>,
    pub thinks: Option<bool>,
    pub sampling: Option<Sampling>,
    pub doors: Option<Doors>,
}

/// Lengths that the provider's own list gives, in tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    pub context_window: Option<u64>,
    pub max_output: Option<u64>,
}

impl Known {
    /// What is known of `id`, as this instance of this provider calls and lists it.
    pub fn of(provider: &str, instance: &str, id: &str, listed: Limits, said: &[Said]) -> Self {
        let matching = || said.iter().filter(|said| said.is_about(provider, instance, id));
        let like = matching().find_map(|said| said.like.as_deref());
        let mut known = Self::by_tables(provider, like.unwrap_or(id));
        known.card.context_window = listed.context_window.or(known.card.context_window);
        known.card.max_output = listed.max_output.or(known.card.max_output);
        // The first that fits has the last word.
        for said in matching().collect::<Vec<_>>().into_iter().rev() {
            known.take(said);
        }
        known
    }

    fn by_tables(provider: &str, id: &str) -> Self {
        let card = Card::find(provider, id).unwrap_or_default();
        let mut facts = *Facts::of(id);
        // A model that could fill its whole window with an answer must not be asked to: the question is in there, too.
        let of_card = card.max_output.filter(|most| card.context_window.is_none_or(|window| *most < window));
        facts.max_output = facts.max_output.or(of_card);
        Self { card: Card { max_output: card.max_output.or(facts.max_output), ..card }, facts }
    }

    fn take(&mut self, said: &Said) {
        let Self { facts, card } = self;
        card.mode = said.mode.or(card.mode);
        card.context_window = said.context_window.or(card.context_window);
        card.max_output = said.max_output.or(card.max_output);
        facts.max_output = said.max_output.or(facts.max_output);
        card.capabilities = said.capabilities.unwrap_or(card.capabilities);
        card.prices = Prices {
            input: said.prices.input.or(card.prices.input),
            output: said.prices.output.or(card.prices.output),
            cache_read: said.prices.cache_read.or(card.prices.cache_read),
            cache_write: said.prices.cache_write.or(card.prices.cache_write),
        };
        facts.sampling = said.sampling.unwrap_or(facts.sampling);
        facts.doors = said.doors.unwrap_or(facts.doors);
        match said.thinks {
            Some(false) => facts.thinking = ThinkingStyle::Never,
            Some(true) if facts.thinking == ThinkingStyle::Never => facts.thinking = ThinkingStyle::Unknown,
            _ => {}
        }
    }
}

impl Said {
    fn is_about(&self, provider: &str, instance: &str, id: &str) -> bool {
        fits(&self.pattern, id) || [instance, provider].iter().any(|name| fits(&self.pattern, &format!("{name}/{id}")))
    }
}

/// Whether a pattern stands for a text; case does not matter.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<_> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        match rest.find(piece).and_then(|at| rest.get(at + piece.len()..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("gpt-5", "gpt-5", true),
            ("gpt-5", "gpt-5-mini", false),
            ("GPT-5*", "gpt-5-mini", true),
            ("*mini", "gpt-5-mini", true),
            ("east/*", "east/a/b", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXc", false),
            ("ab*bc", "abc", false),
            ("*", "", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn the_users_word_is_the_last() {
        let said = [
            Said { pattern: "azure/prod".into(), like: Some("gpt-5.5".into()), ..Said::default() },
            Said { pattern: "*prod".into(), max_output: Some(77), thinks: Some(false), ..Said::default() },
            Said { pattern: "*".into(), max_output: Some(5), context_window: Some(9), ..Said::default() },
        ];
        let known = Known::of("azure", "azure", "prod", Limits::default(), &said);
        assert_eq!((known.card.context_window, known.card.max_output), (Some(9), Some(77)));
        assert_eq!(known.facts.max_output, Some(77));
        assert_eq!(known.facts.doors, Doors::ResponsesForTools, "as gpt-5.5");
        assert_eq!(known.facts.thinking, ThinkingStyle::Never);
        assert!(known.card.prices.input.is_some());
        let unknown = Known::of("vllm", "vllm", "never-heard-of", Limits::default(), &[]);
        assert_eq!(unknown, Known { facts: Facts::UNKNOWN, card: Card::default() });
    }

    #[test]
    fn the_length_of_answers_comes_from_the_table_where_no_family_says_it() {
        let most = |id: &str| Known::of("openai", "openai", id, Limits::default(), &[]).facts.max_output;
        assert_eq!(most("claude-opus-4-1"), Some(32_000));
        // Its list gives it the whole window.
        let card = Card::find("bedrock", "ai21.j2-mid-v1").expect("a card");
        assert_eq!(card.max_output, card.context_window);
        assert_eq!(most("ai21.j2-mid-v1"), None);
    }
}
