//! The section `model_info`: what the user knows of models that the tables do not, or not any more.

use super::node::{Section, closest};
use crate::models::{Capabilities, Doors, Mode, Prices, Said, Sampling};

type Price = fn(&Prices) -> Option<f64>;

/// The prices, by the names that they have here.
pub const PRICES: &[(&str, Price)] = &[
    ("input", |prices| prices.input),
    ("output", |prices| prices.output),
    ("cache_read", |prices| prices.cache_read),
    ("cache_write", |prices| prices.cache_write),
];

pub const SAMPLING: &[(&str, Sampling)] = &[
    ("accepted", Sampling::Accepted),
    ("rejected", Sampling::Rejected),
    ("without_thinking", Sampling::WithoutThinking),
];

pub const DOORS: &[(&str, Doors)] =
    &[("any", Doors::Any), ("responses_only", Doors::ResponsesOnly), ("responses_for_tools", Doors::ResponsesForTools)];

/// The entries, in the user's order: of several that fit a model, the first has the last word.
pub fn read(mut section: Section<'_>) -> Vec<Said> {
    let patterns: Vec<String> = section.user_entries().into_iter().map(|(pattern, _)| pattern).collect();
    let entries = patterns.into_iter().map(|pattern| {
        let entry = section.section(&pattern);
        read_entry(pattern, entry)
    });
    entries.collect()
}

/// The word for this value.
pub fn word<T: PartialEq>(words: &[(&'static str, T)], value: T) -> String {
    words.iter().find(|(_, of)| *of == value).map_or("", |(word, _)| word).to_owned()
}

fn read_entry(pattern: String, mut entry: Section<'_>) -> Said {
    let said = Said {
        pattern,
        like: entry.text("like").map(str::to_owned),
        mode: entry.read("mode", |text| named("mode", Mode::NAMES, text).map(Mode::named)).flatten(),
        context_window: entry.read("context_window", tokens),
        max_output: entry.read("max_output_tokens", tokens),
        prices: read_prices(entry.section("pricing")),
        capabilities: entry.list("capabilities").map(|names| {
            names.iter().fold(Capabilities::default(), |all, name| {
                match named("capability", Capabilities::NAMES, name) {
                    Ok(name) => all.with(name).unwrap_or(all),
                    Err(why) => {
                        entry.problem(format!("capabilities: {why}"));
                        all
                    }
                }
            })
        }),
        thinks: entry.read("reasoning", super::units::flag),
        sampling: entry.read("sampling", |text| one_of(SAMPLING, text)),
        doors: entry.read("endpoints", |text| one_of(DOORS, text)),
    };
    entry.finish();
    said
}

fn read_prices(mut section: Section<'_>) -> Prices {
    let mut price = |name: &str| {
        section.read(name, |text| match text.parse::<f64>() {
            Ok(price) if price.is_finite() && price >= 0.0 => Ok(price),
            _ => Err(format!("`{text}` is not a price in US dollars for a million tokens")),
        })
    };
    let prices = Prices {
        input: price("input"),
        output: price("output"),
        cache_read: price("cache_read"),
        cache_write: price("cache_write"),
    };
    section.finish();
    prices
}

/// `131072`, or `128k`, which is 128 000 here as in the vendors' lists.
fn tokens(text: &str) -> Result<u64, String> {
    let lower = text.to_ascii_lowercase();
    let (digits, unit) = match (lower.strip_suffix('k'), lower.strip_suffix('m')) {
        (Some(digits), _) => (digits, 1000),
        (_, Some(digits)) => (digits, 1_000_000),
        _ => (&*lower, 1),
    };
    let count = digits.replace('_', "").parse::<u64>().ok().and_then(|count| count.checked_mul(unit));
    count.filter(|count| *count > 0).ok_or_else(|| format!("`{text}` is not a number of tokens"))
}

fn named<'a>(what: &str, names: &[&'static str], text: &'a str) -> Result<&'a str, String> {
    if names.contains(&text) {
        return Ok(text);
    }
    let hint = closest(text, names.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
    Err(format!("`{text}` is no {what} that is known{}", hint.unwrap_or_else(|| format!(": {}", names.join(", ")))))
}

fn one_of<T: Copy>(words: &[(&'static str, T)], text: &str) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    let all = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| format!("`{text}` is none of {}", all()))
}

#[cfg(test)]
mod tests {
    use crate::config::{Environment, parse};
    use crate::models::{Doors, Sampling};

    #[test]
    fn says_what_the_tables_do_not() {
        let yaml = "
model_info:
  azure/prod: {like: gpt-5.5}
  my-llama*:
    mode: chat
    context_window: 128k
    max_output_tokens: 8192
    pricing: {input: 0.2, output: 0.6}
    capabilities: [tools, vision]
    reasoning: false
    sampling: rejected
    endpoints: responses_only
";
        let config = parse(yaml, &Environment::default()).expect("a configuration").config;
        let [azure, llama] = &*config.model_info else { panic!("two entries") };
        assert_eq!(azure.like.as_deref(), Some("gpt-5.5"));
        assert_eq!((llama.context_window, llama.max_output), (Some(128_000), Some(8192)));
        assert_eq!((llama.sampling, llama.doors), (Some(Sampling::Rejected), Some(Doors::ResponsesOnly)));
        assert_eq!(llama.prices.output, Some(0.6));
        assert!(config.instances.iter().all(|instance| instance.model_info == config.model_info));
        let again = parse(&config.to_masked_yaml(), &Environment::default()).expect("what it has written itself");
        assert_eq!(again.config.model_info, config.model_info);
    }

    #[test]
    fn mistakes_are_told_with_their_places() {
        let yaml = "
model_info:
  a: {contxt_window: 5}
  b: {context_window: many, mode: chad, capabilities: [visoin]}
  c: {pricing: {input: -1, outptu: 3}, reasoning: perhaps, endpoints: none}
";
        let invalid = parse(yaml, &Environment::default()).expect_err("mistakes");
        let text = invalid.to_string();
        for part in [
            "model_info.a.contxt_window: unknown setting; did you mean `context_window`?",
            "model_info.b.context_window: `many` is not a number of tokens",
            "did you mean `chat`?",
            "did you mean `vision`?",
            "model_info.c.pricing.input: `-1` is not a price",
            "did you mean `output`?",
            "`none` is none of any, responses_only, responses_for_tools",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
