//! The providers, one row each. To add one that speaks the OpenAI dialect, add a row: name it, say where it is and what differs
//! from `OPENAI_COMPATIBLE`. The tests say what else a row needs.
//!
//! What the rows claim comes from the vendors' documentation and SDKs as of November 2026.

mod clouds;
mod servers;
mod vendors;

use super::urls::Joined;
use super::{Audio, Auth, Doors, Key, Native, Provider, StreamUsage};
use crate::dialects::Habits;
use crate::endpoints::Operation::Chat;

/// All rows, sorted by name.
pub static TABLE: &[Provider] = &[
    vendors::ANTHROPIC,
    clouds::AZURE,
    vendors::BAILIAN,
    clouds::BEDROCK,
    vendors::DEEPSEEK,
    vendors::GEMINI,
    vendors::GROQ,
    vendors::MINIMAX,
    servers::OLLAMA,
    vendors::OPENAI,
    vendors::OPENCODE_GO,
    vendors::OPENROUTER,
    clouds::ORACLE,
    servers::SIMULATOR,
    clouds::VERTEX,
    servers::VLLM,
    vendors::XAI,
    vendors::XIAOMI,
    vendors::ZAI,
];

/// The row of this name. `_` stands for `-` as well, since variables cannot hold the latter.
pub fn find(name: &str) -> Option<&'static Provider> {
    TABLE.iter().find(|row| row.name == name || row.name.replace('-', "_") == name)
}

/// What a row says unless it says otherwise.
const OPENAI_COMPATIBLE: Provider = Provider {
    name: "",
    title: "",
    base_url: None,
    key: Key::Required,
    auth: Auth::Bearer,
    operations: &[Chat],
    habits: &Habits::COMPATIBLE,
    habits_with: &[],
    doors: Doors::Any,
    audio: Audio::Endpoints,
    keeps_responses: false,
    files: None,
    batches: None,
    places: &[],
    model_list: Some("/models"),
    native: Native { roots: &[], auth: Auth::Bearer },
    headers: &[],
    stream_usage: StreamUsage::OnRequest,
    quirks: &[],
    options: &[],
    choices: &[],
    needs: &[],
    borrowed: &[],
    urls: &Joined,
    example: "",
    note: "",
};

/// What serves models of open weights may leave their thoughts within the text. The option has the last word.
const THINK_TAGS: (&str, &[&str]) = ("think_tags", &["split", "keep"]);

const API_MODES: &[(&str, &[&str])] = &[("api_mode", &["native", "openai"])];
