//! Anthropic's Claude (Anthropic's documentation of thinking, sampling and structured outputs by model).

use super::{Doors, Facts, ForcedTools, Off, Row, Sampling, ThinkingStyle};

pub static TABLE: &[Row] = &[
    Row {
        names: &["claude-sonnet-5-5", "claude-sonnet-5.5", "claude-5.5-sonnet", "claude-5-5-sonnet"],
        facts: Facts { thinking: adaptive(Off::BetweenTools), forced_tools: ForcedTools::Rejected, ..LATEST },
    },
    Row {
        names: &["claude-opus-5-5", "claude-opus-5.5", "claude-5.5-opus", "claude-5-5-opus"],
        facts: Facts { thinking: adaptive(Off::Impossible), forced_tools: ForcedTools::Rejected, ..LATEST },
    },
    Row { names: &["claude-haiku-5-5", "claude-haiku-5.5", "claude-5.5-haiku", "claude-5-5-haiku"], facts: LATEST },
    Row {
        names: &["claude-fable-5-1", "claude-fable-5.1", "claude-mythos-5-1", "claude-mythos-5.1"],
        facts: Facts { thinking: adaptive(Off::Impossible), forced_tools: ForcedTools::Rejected, ..LATEST },
    },
    Row {
        names: &["claude-fable-5", "claude-mythos-5"],
        facts: Facts { thinking: adaptive(Off::Impossible), ..LATEST },
    },
    Row {
        names: &["claude-mythos-preview"],
        facts: Facts { thinking: adaptive(Off::Impossible), has_late_system: false, ..LATEST },
    },
    Row { names: &["claude-opus-5", "claude-5-opus", "claude-sonnet-5", "claude-5-sonnet"], facts: LATEST },
    Row { names: &["claude-opus-4-8", "claude-opus-4.8", "claude-4.8-opus", "claude-4-8-opus"], facts: LATEST },
    Row {
        names: &["claude-opus-4-7", "claude-opus-4.7", "claude-4.7-opus", "claude-4-7-opus"],
        facts: Facts { has_late_system: false, ..LATEST },
    },
    Row {
        names: &[
            "claude-opus-4-6",
            "claude-opus-4.6",
            "claude-4.6-opus",
            "claude-4-6-opus",
            "claude-sonnet-4-6",
            "claude-sonnet-4.6",
            "claude-4.6-sonnet",
            "claude-4-6-sonnet",
        ],
        facts: Facts {
            thinking: ThinkingStyle::Adaptive { off: Off::Disabled, efforts: &["low", "medium", "high", "max"] },
            sampling: Sampling::WithoutThinking,
            has_late_system: false,
            has_system: true,
            ..LATEST
        },
    },
    Row {
        names: &[
            "claude-opus-4-5",
            "claude-opus-4.5",
            "claude-4.5-opus",
            "claude-4-5-opus",
            "claude-sonnet-4-5",
            "claude-sonnet-4.5",
            "claude-4.5-sonnet",
            "claude-4-5-sonnet",
            "claude-haiku-4-5",
            "claude-haiku-4.5",
            "claude-4.5-haiku",
            "claude-4-5-haiku",
        ],
        facts: Facts { has_json_schema: true, ..by_budget(64_000) },
    },
    Row { names: &["claude-opus-4", "claude-4-opus", "claude-4.1-opus", "claude-4-1-opus"], facts: by_budget(32_000) },
    Row {
        names: &["claude-sonnet-4", "claude-4-sonnet", "claude-3-7-sonnet", "claude-3.7-sonnet"],
        facts: by_budget(64_000),
    },
    // The first of the two with this name writes half as much.
    Row { names: &["claude-3-5-sonnet-20240620", "claude-3-5-sonnet@20240620"], facts: without_thinking(4096) },
    Row {
        names: &["claude-3-5-", "claude-3.5-", "claude-3-5-sonnet", "claude-3-5-haiku"],
        facts: without_thinking(8192),
    },
    Row { names: &["claude-3-", "claude-2", "claude-v2", "claude-instant"], facts: without_thinking(4096) },
    // One that came after this table: what none of the newest refuses.
    Row {
        names: &["claude"],
        facts: Facts { thinking: adaptive(Off::Impossible), forced_tools: ForcedTools::Rejected, ..LATEST },
    },
];

/// What Claude has been since 4.8, where a row does not say otherwise.
const LATEST: Facts = Facts {
    thinking: adaptive(Off::Disabled),
    sampling: Sampling::Rejected,
    max_output: Some(128_000),
    has_stops: true,
    thinks_in_streams: false,
    forced_tools: ForcedTools::Accepted,
    has_json_schema: true,
    has_system: true,
    has_late_system: true,
    has_prefill: false,
    doors: Doors::Any,
};

const fn adaptive(off: Off) -> ThinkingStyle {
    ThinkingStyle::Adaptive { off, efforts: &["low", "medium", "high", "xhigh", "max"] }
}

const fn by_budget(max_output: u64) -> Facts {
    Facts {
        thinking: ThinkingStyle::Budget,
        sampling: Sampling::WithoutThinking,
        max_output: Some(max_output),
        has_stops: true,
        thinks_in_streams: false,
        forced_tools: ForcedTools::WithoutThinking,
        has_json_schema: false,
        has_system: true,
        has_late_system: false,
        has_prefill: true,
        doors: Doors::Any,
    }
}

const fn without_thinking(max_output: u64) -> Facts {
    Facts {
        thinking: ThinkingStyle::Never,
        sampling: Sampling::Accepted,
        forced_tools: ForcedTools::Accepted,
        ..by_budget(max_output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_generation_by_the_ids_of_every_vendor() {
        let most = |id: &str| (Facts::of(id).max_output, Facts::of(id).thinking == ThinkingStyle::Budget);
        for id in [
            "claude-sonnet-4-5-20250929",
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "claude-sonnet-4-5@20250929",
            "anthropic/claude-sonnet-4.5",
            "anthropic/claude-4.5-sonnet:beta",
            "anthropic/claude-haiku-4.5",
        ] {
            assert_eq!(most(id), (Some(64_000), true), "{id}");
            assert!(Facts::of(id).has_json_schema, "{id}");
        }
        for id in ["claude-opus-4-1-20250805", "anthropic.claude-opus-4-20250514-v1:0", "anthropic/claude-opus-4.1"] {
            assert_eq!(most(id), (Some(32_000), true), "{id}");
        }
        for id in ["anthropic/claude-3.7-sonnet:thinking", "claude-3-7-sonnet@20250219", "claude-sonnet-4-20250514"] {
            assert_eq!(most(id), (Some(64_000), true), "{id}");
            assert!(!Facts::of(id).has_json_schema, "{id}");
        }
        for (id, tokens) in [
            ("claude-3-5-sonnet", 8192),
            ("anthropic/claude-3.5-haiku", 8192),
            ("anthropic.claude-3-5-sonnet-20240620-v1:0", 4096),
            ("claude-3-haiku@20240307", 4096),
            ("anthropic.claude-v2:1", 4096),
        ] {
            assert_eq!(most(id), (Some(tokens), false), "{id}");
            assert_eq!(Facts::of(id).thinking, ThinkingStyle::Never, "{id}");
        }
    }

    #[test]
    fn a_longer_name_comes_before_a_shorter_one() {
        let off = |id: &str| match Facts::of(id).thinking {
            ThinkingStyle::Adaptive { off, .. } => Some(off),
            _ => None,
        };
        assert_eq!(off("claude-opus-5-5"), Some(Off::Impossible));
        assert_eq!(off("claude-opus-5"), Some(Off::Disabled));
        assert_eq!(off("vertex/claude-sonnet-5-5@default"), Some(Off::BetweenTools));
        assert_eq!(off("global.anthropic.claude-sonnet-5"), Some(Off::Disabled));
        assert_eq!(Facts::of("claude-fable-5-1").forced_tools, ForcedTools::Rejected);
        assert_eq!(Facts::of("claude-fable-5").forced_tools, ForcedTools::Accepted);
        assert_eq!(off("claude-opus-9"), Some(Off::Impossible));
        for (at, row) in TABLE.iter().enumerate() {
            for name in row.names {
                let found = TABLE.iter().position(|row| row.names.iter().any(|other| super::super::holds(name, other)));
                assert_eq!(found, Some(at), "{name}");
            }
        }
    }
}
