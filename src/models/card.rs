//! What price lists say of models: how much they read and write, what that costs, what else they can do. A table that comes with the
//! gateway (`models.tsv`, made by `scripts/model-table.py`), sorted by id, looked up without being decoded.

use once_cell::sync::Lazy;

/// What a list says of a model. What it does not say is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Card {
    pub mode: Option<Mode>,
    /// The most tokens of a request, with the answer where both share the window.
    pub context_window: Option<u64>,
    /// The most tokens of an answer.
    pub max_output: Option<u64>,
    pub prices: Prices,
    pub capabilities: Capabilities,
}

/// In US dollars for a million tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Prices {
    pub input: Option<f64>,
    pub output: Option<f64>,
    pub cache_read: Option<f64>,
    pub cache_write: Option<f64>,
}

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(&'static str);

/// What a model can do beside answering texts with texts: a set of [`Capabilities::NAMES`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities(u16);

static TABLE: &str = include_str!("models.tsv");

/// Where its lines begin: twelve steps find one of a thousand.
static LINES: Lazy<Box<[&'static str]>> = Lazy::new(|| TABLE.lines().collect());

impl Card {
    /// What the table says of this model where this provider serves it; else of a model of this id wherever it is served, without
    /// prices, which are the provider's own. Ids are tried as they are, then without what providers put around them.
    pub fn find(provider: &str, id: &str) -> Option<Self> {
        let ids = spellings(id);
        let rows = || ids.iter().flat_map(|id| rows(id));
        let own = rows().find(|line| line.split('\t').nth(1) == Some(provider)).map(read);
        // Of those who serve it the table names its maker first.
        own.or_else(|| Some(Self { prices: Prices::default(), ..rows().next().map(read)? }))
    }
}

impl Mode {
    pub const NAMES: &[&str] = &[
        "chat",
        "completion",
        "responses",
        "embedding",
        "rerank",
        "speech",
        "transcription",
        "image",
        "image_edit",
        "video",
        "moderation",
        "realtime",
        "ocr",
    ];

    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|known| **known == name).map(|known| Self(known))
    }

    pub fn name(self) -> &'static str {
        self.0
    }
}

impl Capabilities {
    pub const NAMES: &[&str] =
        &["tools", "vision", "pdf", "audio", "video", "reasoning", "schema", "caching", "search"];

    /// The set with this one in it; `None` where it is none that we know.
    pub fn with(self, name: &str) -> Option<Self> {
        Self::NAMES.iter().position(|known| *known == name).map(|at| Self(self.0 | 1 << at))
    }

    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().enumerate().filter(move |(at, _)| self.0 & (1 << at) != 0).map(|(_, name)| *name)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The lines of this id.
fn rows(id: &str) -> impl Iterator<Item = &'static str> {
    let of = |line: &&'static str| line.split('\t').next().unwrap_or_default();
    let first = LINES.partition_point(|line| of(line) < id);
    LINES.get(first..).unwrap_or_default().iter().take_while(move |line| of(line) == id).copied()
}

fn read(line: &'static str) -> Card {
    let mut columns = line.split('\t').skip(2);
    let mut next = || columns.next().unwrap_or_default();
    let mode = match next() {
        "" => Mode::named("chat"),
        name => Mode::named(name),
    };
    let (context_window, max_output) = (next().parse().ok(), next().parse().ok());
    let mut price = || next().parse().ok();
    let prices = Prices { input: price(), output: price(), cache_read: price(), cache_write: price() };
    let names = columns.next().unwrap_or_default().split(' ');
    let capabilities = names.fold(Capabilities::default(), |all, name| all.with(name).unwrap_or(all));
    Card { mode, context_window, max_output, prices, capabilities }
}

/// The ids by which the table may know a model, the exact one first: without the region and the publisher before it
/// (`us.anthropic.`, `models/`, `zai-org/`), without the version and the variant after it (`-v1:0`, `:free`, `@20250929`, `[1m]`), and
/// with numbers joined as its maker does (`claude-sonnet-4.5`).
fn spellings(id: &str) -> Vec<String> {
    let id = id.to_ascii_lowercase();
    let mut all: Vec<String> = Vec::with_capacity(8);
    let mut add = |spelling: &str| {
        if !spelling.is_empty() && !all.iter().any(|known| known == spelling) {
            all.push(spelling.to_owned());
        }
    };
    let bare = id.rsplit_once('/').map_or(&*id, |(_, bare)| bare);
    let without_region = REGIONS.iter().find_map(|region| bare.strip_prefix(region)).unwrap_or(bare);
    let without_maker = match without_region.split_once('.') {
        Some((maker, rest)) if maker.len() > 2 && maker.bytes().all(|byte| byte.is_ascii_alphabetic()) => rest,
        _ => without_region,
    };
    for start in [&*id, bare, without_region, without_maker] {
        let short = without_version(start);
        add(start);
        add(short);
        if short.contains("claude") {
            add(&short.replace('.', "-"));
        }
    }
    all
}

const REGIONS: &[&str] = &["us.", "eu.", "apac.", "jp.", "au.", "ca.", "global.", "us-gov."];

/// An id up to its variant, its version and its date.
fn without_version(id: &str) -> &str {
    let end = id.find([':', '@', '[']).unwrap_or(id.len());
    let id = id.get(..end).unwrap_or(id);
    let id = id.strip_suffix("-latest").unwrap_or(id);
    let id = match id.rsplit_once("-v") {
        Some((start, version)) if !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()) => start,
        _ => id,
    };
    let is_date = |tail: &str| match tail.len() {
        8 => tail.bytes().all(|byte| byte.is_ascii_digit()) && tail.starts_with("20"),
        10 => tail.starts_with("20") && tail.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'),
        _ => false,
    };
    let dated = [9, 11].into_iter().filter_map(|length| id.split_at_checked(id.len().checked_sub(length)?));
    let start = dated.into_iter().find(|(_, tail)| tail.strip_prefix('-').is_some_and(is_date)).map(|(start, _)| start);
    start.unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        assert!(LINES.is_sorted_by_key(|line| line.split('\t').next()), "it is searched by halves");
        assert!(LINES.len() > 1000);
        for line in LINES.iter() {
            let columns: Vec<_> = line.split('\t').collect();
            let &[id, provider, mode, ref numbers @ .., capabilities] = columns.as_slice() else {
                panic!("{line}");
            };
            assert_eq!((numbers.len(), id.is_empty()), (6, false), "{line}");
            assert!(!provider.is_empty(), "{line}");
            assert!(mode.is_empty() || Mode::named(mode).is_some(), "{line}");
            assert!(numbers.iter().all(|number| number.is_empty() || number.parse::<f64>().is_ok()), "{line}");
            let mut names = capabilities.split(' ').filter(|name| !name.is_empty());
            assert!(names.all(|name| Capabilities::NAMES.contains(&name)), "{line}");
        }
    }

    #[test]
    fn a_model_is_found_by_every_vendors_id() {
        let window = |provider: &str, id: &str| Card::find(provider, id).and_then(|card| card.context_window);
        for (provider, id) in [
            ("anthropic", "claude-sonnet-4-5"),
            ("anthropic", "claude-sonnet-4-5-20250929"),
            ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
            ("bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
            ("vertex", "claude-sonnet-4-5@20250929"),
            ("openrouter", "anthropic/claude-sonnet-4.5:beta"),
            ("openai", "Claude-Sonnet-4.5-latest"),
        ] {
            assert_eq!(window(provider, id), Some(200_000), "{provider} {id}");
        }
        assert_eq!(window("openai", "gpt-5.5"), window("openrouter", "openai/gpt-5.5-2026-04-23"));
        assert!(window("gemini", "models/gemini-2.5-flash").is_some());
        assert!(window("xiaomi", "mimo-v2.6-pro[1m]").is_some());
        assert_eq!(Card::find("openai", "nobody-has-made-it"), None);
        assert_eq!(Card::find("openai", ""), None);
    }

    #[test]
    fn prices_are_the_providers_own() {
        let card = Card::find("anthropic", "claude-sonnet-4-5").expect("a card");
        let prices = Prices { input: Some(3.0), output: Some(15.0), cache_read: Some(0.3), cache_write: Some(3.75) };
        assert_eq!(card.prices, prices);
        assert_eq!(card.mode.map(Mode::name), Some("chat"));
        assert!(card.capabilities.names().any(|name| name == "vision"));
        let elsewhere = Card::find("vllm", "claude-sonnet-4-5").expect("a card");
        assert_eq!(elsewhere, Card { prices: Prices::default(), capabilities: elsewhere.capabilities, ..card });
    }
}
