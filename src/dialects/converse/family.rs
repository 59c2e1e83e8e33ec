//! The families of models behind Converse, which agree on the messages and on little else.

use crate::dialects::ir::Effort;
use crate::models::{Facts, ThinkingStyle};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Claude,
    /// Amazon's first.
    Nova,
    /// Amazon's second, which can think.
    Nova2,
    GptOss,
    /// OpenAI's models whose weights are not open.
    Openai,
    Other,
}

impl Family {
    /// By the id; where that is an ARN that hides it, by what is known of the model.
    pub fn of(model: &str, facts: &Facts) -> Self {
        const NAMES: &[(&str, Family)] = &[
            ("claude", Family::Claude),
            ("nova-2", Family::Nova2),
            ("nova-", Family::Nova),
            ("gpt-oss", Family::GptOss),
            ("openai.", Family::Openai),
        ];
        let model = model.to_ascii_lowercase();
        let named = NAMES.iter().find(|(name, _)| model.contains(name)).map(|(_, family)| *family);
        named.unwrap_or(match facts.thinking {
            ThinkingStyle::Budget | ThinkingStyle::Adaptive { .. } => Self::Claude,
            _ => Self::Other,
        })
    }

    /// Whether it takes `cachePoint` beside content.
    pub fn caches(self) -> bool {
        matches!(self, Self::Claude | Self::Nova | Self::Nova2)
    }

    /// Whether it takes `cachePoint` beside tools.
    pub fn caches_tools(self) -> bool {
        self == Self::Claude
    }

    /// Whether results of tools may say how they went.
    pub fn has_result_status(self) -> bool {
        matches!(self, Self::Claude | Self::Nova | Self::Nova2)
    }

    /// What is worth asking for beyond the usual answer; what a model does not have is passed over.
    pub fn answer_paths(self) -> &'static [&'static str] {
        match self {
            Self::Claude => &["/stop_sequence", "/usage/output_tokens_details"],
            _ => &[],
        }
    }
}

/// The effort among those that the model takes which is closest from below, else the least.
pub fn nearest(facts: &Facts, wanted: Effort) -> Option<&'static str> {
    let efforts: &[&str] = match facts.thinking {
        ThinkingStyle::Efforts(efforts) => efforts,
        ThinkingStyle::Unknown => &["low", "medium", "high"],
        _ => &[],
    };
    let is_within = |name: &&&str| Effort::named(name).is_some_and(|effort| effort <= wanted);
    efforts.iter().rfind(is_within).or(efforts.first()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_in_the_name_or_in_what_is_known() {
        for (model, expected) in [
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", Family::Claude),
            ("eu.amazon.nova-2-lite-v1:0", Family::Nova2),
            ("amazon.nova-pro-v1:0", Family::Nova),
            ("openai.gpt-oss-120b-1:0", Family::GptOss),
            ("openai.gpt-5.5", Family::Openai),
            ("meta.llama3-3-70b-instruct-v1:0", Family::Other),
            ("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", Family::Other),
        ] {
            assert_eq!(Family::of(model, &Facts::UNKNOWN), expected, "{model}");
        }
        let claude = Facts { thinking: ThinkingStyle::Budget, ..Facts::UNKNOWN };
        assert_eq!(
            Family::of("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", &claude),
            Family::Claude
        );
    }
}
