//! Google's Gemini, and Gemma where Google serves it: Gemini API, "Thinking" (levels and budgets by model) and the notes on each model.

use super::{Facts, Row, ThinkingStyle};

/// Longer names first; the last row is for models that are newer than this table.
pub static TABLE: &[Row] = &[
    // Speech, images, music and live conversation: nothing tells them how much to think.
    row(
        &[
            "gemini-2.5-flash-image",
            "gemini-2.5-flash-preview-tts",
            "gemini-2.5-flash-tts",
            "gemini-2.5-flash-native-audio",
        ],
        ThinkingStyle::Never,
        Some(32_768),
    ),
    row(&["gemini-2.5-pro-preview-tts", "gemini-2.5-pro-tts"], ThinkingStyle::Never, Some(16_384)),
    row(
        &["gemini-3.1-flash-tts", "gemini-3.8-flash-tts", "gemini-3.8-flash-lite-tts"],
        ThinkingStyle::Never,
        Some(16_384),
    ),
    row(&["gemini-3.1-flash-image", "gemini-3.1-flash-lite-image"], levels(&["minimal", "high"]), None),
    row(&["gemini-3-pro-image", "nano-banana", "gemini-nano-banana"], levels(&[]), Some(32_768)),
    row(&["gemini-2.5-flash-lite"], budget(512, 24_576, true), Some(65_536)),
    row(&["gemini-2.5-flash", "gemini-robotics-er-1.5", "gemini-live-2.5"], budget(1, 24_576, true), Some(65_536)),
    row(&["gemini-2.5-pro", "gemini-2.5-computer-use"], budget(128, 32_768, false), Some(65_536)),
    row(&["gemini-1", "gemini-2.0", "gemini-pro-vision", "gemini-exp", "learnlm", "lyria"], ThinkingStyle::Never, None),
    row(&["gemini-3-pro"], levels(&["low", "high"]), Some(65_536)),
    row(&["gemini-3.1-pro", "gemini-pro-latest"], levels(&["low", "medium", "high"]), Some(65_536)),
    row(
        &["gemini-3.7-flash-lite", "gemini-3.8-flash-lite", "gemini-flash-lite-latest"],
        levels(&["minimal", "low", "medium", "high"]),
        Some(65_536),
    ),
    row(
        &["gemini-3.7-flash", "gemini-3.8-flash", "gemini-flash-latest"],
        levels(&["low", "medium", "high"]),
        Some(65_536),
    ),
    row(&["gemini-3"], levels(&["minimal", "low", "medium", "high"]), Some(65_536)),
    row(&["gemini-robotics-er", "gemini-omni"], levels(&["low", "medium", "high"]), Some(65_536)),
    row(&["gemma-4"], ThinkingStyle::GeminiLevel { levels: &["minimal", "high"], signs_calls: false }, Some(32_768)),
    Row {
        names: &["gemma", "gemini-gemma"],
        facts: Facts { thinking: ThinkingStyle::Never, max_output: Some(8192), has_system: false, ..Facts::UNKNOWN },
    },
    row(&["gemini-"], levels(&["low", "medium", "high"]), None),
];

const fn row(names: &'static [&'static str], thinking: ThinkingStyle, max_output: Option<u64>) -> Row {
    Row { names, facts: Facts { thinking, max_output, ..Facts::UNKNOWN } }
}

const fn budget(least: u64, most: u64, can_be_off: bool) -> ThinkingStyle {
    ThinkingStyle::GeminiBudget { least, most, can_be_off }
}

const fn levels(levels: &'static [&'static str]) -> ThinkingStyle {
    ThinkingStyle::GeminiLevel { levels, signs_calls: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_generation_is_told_in_its_own_way() {
        let all = levels(&["minimal", "low", "medium", "high"]);
        for (model, thinking) in [
            ("gemini-2.5-flash", budget(1, 24_576, true)),
            ("models/gemini-2.5-flash-preview-09-2025", budget(1, 24_576, true)),
            ("google/gemini-2.5-flash-lite", budget(512, 24_576, true)),
            ("google.gemini-2.5-pro", budget(128, 32_768, false)),
            ("gemini-2.5-flash-image", ThinkingStyle::Never),
            ("gemini-2.0-flash", ThinkingStyle::Never),
            ("gemini-1.5-pro-002", ThinkingStyle::Never),
            ("models/gemini-3-pro-preview", levels(&["low", "high"])),
            ("gemini-3-flash-preview", all),
            ("gemini-3.1-pro-preview-customtools", levels(&["low", "medium", "high"])),
            ("google/gemini-3.5-flash-lite", all),
            ("gemini-3.8-flash", levels(&["low", "medium", "high"])),
            ("gemini-3.8-flash-lite-tts", ThinkingStyle::Never),
            ("gemini-flash-latest", levels(&["low", "medium", "high"])),
            ("gemini-4-argon", levels(&["low", "medium", "high"])),
            ("gemma-3-27b-it", ThinkingStyle::Never),
        ] {
            assert_eq!(Facts::of(model).thinking, thinking, "{model}");
        }
    }

    #[test]
    fn only_old_gemmas_have_no_instructions() {
        assert!(!Facts::of("gemma-3-27b-it").has_system);
        assert!(!Facts::of("models/gemma-3n-e4b-it").has_system);
        assert!(Facts::of("google/gemma-4-26b-a4b-it-maas").has_system);
        assert!(Facts::of("gemini-2.5-flash").has_system);
    }
}
