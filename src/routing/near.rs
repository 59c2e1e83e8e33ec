//! What a name that leads nowhere was probably meant to be. Only failures ask this, and there may be tens of thousands of names: most of
//! them are passed over by their length, or by their letters, before anything is computed.

/// Names that are longer are no slips.
const LONGEST: usize = 200;

/// The candidate that `name` is most likely a slip of, if any is near enough. Capital letters do not count.
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if name.is_empty() || name.len() > LONGEST {
        return None;
    }
    let name = name.to_ascii_lowercase();
    let (letters, most) = (Letters::of(&name), most_slips(&name));
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let most = best.map_or(most, |(slips, _)| slips);
        // A character may be four bytes long.
        if candidate.len().abs_diff(name.len()) > 4 * most {
            continue;
        }
        let lower = candidate.to_ascii_lowercase();
        if letters.at_least_between(&Letters::of(&lower)) > most {
            continue;
        }
        let near = (strsim::osa_distance(&name, &lower), candidate);
        if near.0 <= most && best.is_none_or(|best| near < best) {
            best = Some(near);
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// A letter of a short name, a few of a long one.
fn most_slips(name: &str) -> usize {
    1 + name.chars().count() / 8
}

/// How often each letter stands in a name; other characters share places.
struct Letters([u8; 32]);

impl Letters {
    fn of(name: &str) -> Self {
        let mut counts = [0_u8; 32];
        for letter in name.chars() {
            if let Some(count) = counts.get_mut(letter as usize % 32) {
                *count = count.saturating_add(1);
            }
        }
        Self(counts)
    }

    /// A slip changes one letter into another, adds one, leaves one out, or swaps two: it takes so many at least to make one name of the
    /// other.
    fn at_least_between(&self, other: &Self) -> usize {
        let (mut more, mut less) = (0, 0);
        for (own, others) in self.0.iter().zip(other.0) {
            more += usize::from(own.saturating_sub(others));
            less += usize::from(others.saturating_sub(*own));
        }
        more.max(less)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_few() {
        let names = ["openai/gpt-5", "openai/gpt-5-mini", "gpt-5", "fast", "groq/llama-3.3-70b-versatile", "größe"];
        for (name, meant) in [
            ("opnai/gpt-5", Some("openai/gpt-5")),
            ("OpenAI/GPT-5-mini", Some("openai/gpt-5-mini")),
            ("openai/gpt5-mini", Some("openai/gpt-5-mini")),
            ("gtp-5", Some("gpt-5")),
            ("fats", Some("fast")),
            ("groq/llama-3-70b-versatil", Some("groq/llama-3.3-70b-versatile")),
            ("grösse", None),
            ("grüße", Some("größe")),
            ("claude", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, names), meant, "{name}");
        }
        assert_eq!(nearest(&"x".repeat(LONGEST + 1), ["x"]), None);
    }
}
