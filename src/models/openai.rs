//! OpenAI's models, by the rules that its SDKs and the common clients follow (efforts, sampling, endpoints) and by its price list
//! (lengths).

use super::{Doors, Facts, Row, Sampling, ThinkingStyle};

const LOW_TO_HIGH: &[&str] = &["low", "medium", "high"];
const MINIMAL_TO_HIGH: &[&str] = &["minimal", "low", "medium", "high"];
const NONE_TO_HIGH: &[&str] = &["none", "low", "medium", "high"];
const LOW_TO_XHIGH: &[&str] = &["low", "medium", "high", "xhigh"];
const NONE_TO_XHIGH: &[&str] = &["none", "low", "medium", "high", "xhigh"];
const MEDIUM_TO_XHIGH: &[&str] = &["medium", "high", "xhigh"];
const LOW_TO_MAX: &[&str] = &["low", "medium", "high", "xhigh", "max"];
const NONE_TO_MAX: &[&str] = &["none", "low", "medium", "high", "xhigh", "max"];

pub static TABLE: &[Row] = &[
    // Open weights, served by many.
    row(&["gpt-oss"], Facts { thinking: ThinkingStyle::Efforts(LOW_TO_HIGH), ..OURS }),
    // Before reasoning.
    row(&["gpt-4o-audio", "gpt-4o-mini-audio", "gpt-audio"], Facts { has_json_schema: false, ..plain(16_384) }),
    row(
        &["gpt-4o-search", "gpt-4o-mini-search", "gpt-5-search"],
        Facts { sampling: Sampling::Rejected, ..plain(16_384) },
    ),
    row(&["gpt-4.1"], plain(32_768)),
    row(&["gpt-4o", "chatgpt-4o"], plain(16_384)),
    row(&["gpt-4", "gpt-3.5"], Facts { has_json_schema: false, ..plain(4_096) }),
    // The o series.
    row(&["o3-deep-research", "o4-mini-deep-research"], responses_only(&["medium"], Sampling::Rejected, 100_000)),
    row(&["o1-pro", "o3-pro"], responses_only(LOW_TO_HIGH, Sampling::Rejected, 100_000)),
    row(&["o1", "o3", "o4"], reasoning(LOW_TO_HIGH, Sampling::Rejected, 100_000)),
    row(&["computer-use-preview"], responses_only(LOW_TO_HIGH, Sampling::Rejected, 1_024)),
    // What ChatGPT itself uses: no reasoning to be set.
    row(&["gpt-5-chat", "gpt-5.1-chat", "gpt-5.2-chat", "gpt-5.3-chat", "gpt-5.4-chat", "gpt-5.5-chat"], plain(16_384)),
    row(&["chat-latest"], plain(128_000)),
    // Codex and the pro models, which have the Responses API only.
    row(&["codex-mini", "gpt-5-codex"], responses_only(LOW_TO_HIGH, Sampling::Rejected, 128_000)),
    row(&["gpt-5.1-codex-max"], responses_only(LOW_TO_XHIGH, Sampling::Rejected, 128_000)),
    row(&["gpt-5.1-codex"], responses_only(LOW_TO_HIGH, Sampling::Rejected, 128_000)),
    row(&["gpt-5.2-codex"], responses_only(LOW_TO_XHIGH, Sampling::Rejected, 128_000)),
    row(&["gpt-5.3-codex"], responses_only(NONE_TO_XHIGH, Sampling::WithoutThinking, 128_000)),
    row(&["gpt-5-pro"], responses_only(&["high"], Sampling::Rejected, 272_000)),
    row(&["gpt-5.2-pro", "gpt-5.4-pro", "gpt-5.5-pro"], responses_only(MEDIUM_TO_XHIGH, Sampling::Rejected, 128_000)),
    row(&["gpt-daybreak"], responses_only(LOW_TO_HIGH, Sampling::Rejected, 128_000)),
    // The generations of GPT that reason.
    row(&["gpt-6-sol", "gpt-6-luna", "gpt-6.1-terra"], no_tools_on_chat(NONE_TO_MAX, Sampling::Rejected)),
    row(&["gpt-6"], no_tools_on_chat(LOW_TO_MAX, Sampling::Rejected)),
    row(&["gpt-5.4", "gpt-5.5", "gpt-5.6"], no_tools_on_chat(NONE_TO_XHIGH, Sampling::WithoutThinking)),
    row(&["gpt-5.2", "gpt-5.3"], reasoning(NONE_TO_XHIGH, Sampling::WithoutThinking, 128_000)),
    row(&["gpt-5.1"], reasoning(NONE_TO_HIGH, Sampling::WithoutThinking, 128_000)),
    row(&["gpt-5"], reasoning(MINIMAL_TO_HIGH, Sampling::Rejected, 128_000)),
];

/// What all of them share.
const OURS: Facts = Facts { has_late_system: true, ..Facts::UNKNOWN };

const fn row(names: &'static [&'static str], facts: Facts) -> Row {
    Row { names, facts }
}

const fn plain(max_output: u64) -> Facts {
    Facts { thinking: ThinkingStyle::Never, max_output: Some(max_output), ..OURS }
}

const fn reasoning(efforts: &'static [&'static str], sampling: Sampling, max_output: u64) -> Facts {
    Facts { thinking: ThinkingStyle::Efforts(efforts), sampling, max_output: Some(max_output), ..OURS }
}

const fn responses_only(efforts: &'static [&'static str], sampling: Sampling, max_output: u64) -> Facts {
    Facts { doors: Doors::ResponsesOnly, ..reasoning(efforts, sampling, max_output) }
}

const fn no_tools_on_chat(efforts: &'static [&'static str], sampling: Sampling) -> Facts {
    Facts { doors: Doors::ResponsesForTools, ..reasoning(efforts, sampling, 128_000) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_generation_has_its_efforts() {
        for (model, efforts) in [
            ("gpt-5-mini-2025-08-07", MINIMAL_TO_HIGH),
            ("openai/gpt-5.1", NONE_TO_HIGH),
            ("gpt-5.2-2025-12-11", NONE_TO_XHIGH),
            ("gpt-5.1-codex-max", LOW_TO_XHIGH),
            ("gpt-5.1-codex-mini", LOW_TO_HIGH),
            ("gpt-5.6-luna", NONE_TO_XHIGH),
            ("gpt-6-astra", LOW_TO_MAX),
            ("gpt-6-sol", NONE_TO_MAX),
            ("gpt-6.1-sol", LOW_TO_MAX),
            ("gpt-6.1-terra", NONE_TO_MAX),
            ("ft:o4-mini-2025-04-16:us::x", LOW_TO_HIGH),
            ("openai.gpt-oss-120b-1:0", LOW_TO_HIGH),
        ] {
            assert_eq!(Facts::of(model).thinking, ThinkingStyle::Efforts(efforts), "{model}");
        }
        for model in ["gpt-4o-mini", "gpt-4.1", "gpt-3.5-turbo", "gpt-5-chat-latest", "ft:gpt-4o-2024-08-06:us::x"] {
            assert_eq!(Facts::of(model).thinking, ThinkingStyle::Never, "{model}");
        }
    }

    #[test]
    fn each_model_has_its_doors_and_its_sampling() {
        for (model, doors, sampling) in [
            ("gpt-4o", Doors::Any, Sampling::Accepted),
            ("gpt-oss:20b", Doors::Any, Sampling::Accepted),
            ("o3-mini", Doors::Any, Sampling::Rejected),
            ("o3-pro", Doors::ResponsesOnly, Sampling::Rejected),
            ("o4-mini-deep-research", Doors::ResponsesOnly, Sampling::Rejected),
            ("gpt-5", Doors::Any, Sampling::Rejected),
            ("gpt-5-pro", Doors::ResponsesOnly, Sampling::Rejected),
            ("gpt-5.1", Doors::Any, Sampling::WithoutThinking),
            ("gpt-5.3-codex", Doors::ResponsesOnly, Sampling::WithoutThinking),
            ("gpt-5.5", Doors::ResponsesForTools, Sampling::WithoutThinking),
            ("gpt-5.5-pro-2026-04-23", Doors::ResponsesOnly, Sampling::Rejected),
            ("gpt-6.1-terra", Doors::ResponsesForTools, Sampling::Rejected),
        ] {
            let facts = Facts::of(model);
            assert_eq!((facts.doors, facts.sampling), (doors, sampling), "{model}");
        }
    }
}
