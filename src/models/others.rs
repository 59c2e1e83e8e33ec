//! Models of other makers, as far as a writer must know more than the defaults. Those with a maker before a dot are as Amazon Bedrock
//! serves them.

use super::{Facts, ForcedTools, Row, ThinkingStyle};

pub static TABLE: &[Row] = &[
    // Amazon.
    Row {
        names: &["nova-2"],
        facts: Facts { thinking: ThinkingStyle::Efforts(&["low", "medium", "high"]), ..WITHOUT_SCHEMA },
    },
    Row { names: &["amazon.nova", "nova-micro", "nova-lite", "nova-pro", "nova-premier"], facts: PLAIN },
    Row { names: &["amazon.titan", "titan-text"], facts: PLAIN_WITHOUT_FORCE },
    // On Bedrock, where forcing tools is left to Claude, Nova and Mistral.
    Row { names: &["meta.llama"], facts: PLAIN_WITHOUT_FORCE },
    Row { names: &["cohere.command", "ai21.jamba"], facts: PLAIN_WITHOUT_FORCE },
    Row { names: &["mistral.mistral", "mistral.mixtral"], facts: PLAIN },
    Row { names: &["deepseek.r1"], facts: Facts { forced_tools: ForcedTools::Rejected, ..ALWAYS_THINKING } },
    // DeepSeek. It takes all these names, of which some mean the same to it: medium and xhigh are high, minimal is low.
    Row {
        names: &["deepseek-flash", "deepseek-v4"],
        facts: Facts {
            thinking: ThinkingStyle::Efforts(&["none", "minimal", "low", "medium", "high", "xhigh", "max"]),
            ..WITHOUT_SCHEMA
        },
    },
    Row { names: &["deepseek-reasoner", "deepseek-r1"], facts: ALWAYS_THINKING },
    // Z.ai. Its tools are called if the model likes.
    Row {
        names: &["glm-5.3", "glm-5-3"],
        facts: Facts {
            thinking: ThinkingStyle::Efforts(&["low", "high", "max"]),
            forced_tools: ForcedTools::Rejected,
            ..Facts::UNKNOWN
        },
    },
    Row {
        names: &["glm-4.5", "glm-4.6", "glm-4.7", "glm-5"],
        facts: Facts { forced_tools: ForcedTools::Rejected, ..ON_OR_OFF },
    },
    // MiniMax.
    Row { names: &["minimax-m3"], facts: ON_OR_OFF },
    Row { names: &["minimax-m2"], facts: ALWAYS_THINKING },
    // Xiaomi.
    Row { names: &["mimo-v2"], facts: Facts { has_json_schema: true, ..ON_OR_OFF } },
    // Alibaba's open weights (Model Studio, "Deep thinking": thinking is on unless switched off, and needs a stream).
    Row {
        names: &[
            "qwen3-0.6b",
            "qwen3-1.7b",
            "qwen3-4b",
            "qwen3-8b",
            "qwen3-14b",
            "qwen3-32b",
            "qwen3-30b-a3b",
            "qwen3-235b-a22b",
        ],
        facts: Facts { thinks_in_streams: true, ..Facts::UNKNOWN },
    },
    // xAI (docs.x.ai, "Reasoning": what reasoning models refuse, and which of them can be told how much to think).
    Row { names: &["grok-3-mini"], facts: grok(&["low", "high"]) },
    Row { names: &["grok-2", "grok-3"], facts: Facts { thinking: ThinkingStyle::Never, ..Facts::UNKNOWN } },
    Row { names: &["grok-4.3"], facts: grok(&["none", "low", "medium", "high"]) },
    Row { names: &["grok-4.5"], facts: grok(&["low", "medium", "high"]) },
    Row { names: &["grok-4.20-multi-agent", "grok-4.6", "grok-4.7"], facts: grok(&["low", "medium", "high", "xhigh"]) },
    Row { names: &["grok-4", "grok-code-fast"], facts: grok(&[]) },
    // Moonshot.
    Row { names: &["kimi-k2-thinking"], facts: Facts { has_json_schema: true, ..ALWAYS_THINKING } },
    // Meta. What others have made of it to think (DeepSeek's distillates, NVIDIA's) stands above.
    Row { names: &["llama-3.1-nemotron", "llama-3.3-nemotron"], facts: Facts::UNKNOWN },
    Row {
        names: &["llama-2", "llama-3", "llama-4", "llama2", "llama3", "llama4"],
        facts: Facts { thinking: ThinkingStyle::Never, ..Facts::UNKNOWN },
    },
];

const WITHOUT_SCHEMA: Facts = Facts { has_json_schema: false, ..Facts::UNKNOWN };

const PLAIN: Facts = Facts { thinking: ThinkingStyle::Never, ..WITHOUT_SCHEMA };

const PLAIN_WITHOUT_FORCE: Facts = Facts { forced_tools: ForcedTools::Rejected, ..PLAIN };

/// It thinks, and cannot be told how much.
const ALWAYS_THINKING: Facts = Facts { thinking: ThinkingStyle::Efforts(&[]), ..WITHOUT_SCHEMA };

/// It thinks or does not; how much is its own affair.
const ON_OR_OFF: Facts = Facts { thinking: ThinkingStyle::Efforts(&["none", "high"]), ..WITHOUT_SCHEMA };

const fn grok(efforts: &'static [&'static str]) -> Facts {
    Facts { thinking: ThinkingStyle::Efforts(efforts), has_stops: false, ..Facts::UNKNOWN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_found_by_its_own_names() {
        for (at, row) in TABLE.iter().enumerate() {
            for name in row.names {
                let found = TABLE.iter().position(|row| row.names.iter().any(|other| super::super::holds(name, other)));
                assert_eq!(found, Some(at), "{name}");
            }
        }
    }

    #[test]
    fn ids_of_bedrock_and_of_others_are_told_apart() {
        let efforts = |id: &str| match Facts::of(id).thinking {
            ThinkingStyle::Efforts(efforts) => Some(efforts.len()),
            _ => None,
        };
        assert_eq!(efforts("us.amazon.nova-2-lite-v1:0"), Some(3));
        assert_eq!(Facts::of("us.amazon.nova-pro-v1:0").thinking, ThinkingStyle::Never);
        assert_eq!(Facts::of("us.meta.llama3-3-70b-instruct-v1:0").forced_tools, ForcedTools::Rejected);
        assert_eq!(Facts::of("meta-llama/Llama-3.3-70B-Instruct-Turbo").forced_tools, ForcedTools::Accepted);
        assert_eq!(Facts::of("llama-3.3-70b-versatile").thinking, ThinkingStyle::Never);
        assert_eq!(efforts("deepseek-r1-distill-llama-70b"), Some(0));
        assert_eq!(Facts::of("nvidia/llama-3.3-nemotron-super-49b-v1.5"), &Facts::UNKNOWN);
        assert_eq!(efforts("z-ai/glm-5.3"), Some(3));
        assert_eq!(efforts("glm-5.1"), Some(2));
        assert_eq!(efforts("xiaomi/mimo-v2.5-pro"), Some(2));
        assert!(!Facts::of("xai/grok-4-fast").has_stops);
        assert_eq!(Facts::of("grok-3").thinking, ThinkingStyle::Never);
        assert_eq!(
            (efforts("grok-3-mini-fast"), efforts("grok-4-0709"), efforts("grok-4.20-0309")),
            (Some(2), Some(0), Some(0))
        );
        assert_eq!(
            (efforts("grok-4.3"), efforts("grok-4.6"), efforts("grok-code-fast-1")),
            (Some(4), Some(4), Some(0))
        );
        assert!(Facts::of("qwen3-32b").thinks_in_streams && !Facts::of("qwen3-max").thinks_in_streams);
    }
}
