//! What is remembered of a batch from one look at it to the next, and across a restart.

use serde::{Deserialize, Serialize};

use super::object::Counts;

/// The private state of a batch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Work {
    pub stage: Stage,
    pub input: Input,
    /// Whether its client speaks Anthropic's dialect.
    #[serde(default)]
    pub is_message_batch: bool,
    /// What was put at the provider for it alone, to be taken away when it is over.
    #[serde(default)]
    pub uploads: Vec<String>,
    /// How often it was looked at since something has changed, and how often that failed in a row.
    #[serde(default)]
    pub looks: u32,
    #[serde(default)]
    pub failures: u32,
    /// When it was looked at last, in milliseconds since 1970.
    #[serde(default)]
    pub looked_at: u64,
    #[serde(default)]
    pub counts: Counts,
    /// What its lines are at the provider.
    #[serde(default)]
    pub mode: Mode,
    /// Whether a process before this one may have begun to hand it over.
    #[serde(skip)]
    pub is_resumed: bool,
    /// When the provider was asked to make it, in seconds since 1970: from then on it may be there.
    #[serde(default)]
    pub asked_at: Option<u64>,
    /// What looked like it at the provider and was another.
    #[serde(default)]
    pub mistaken: Vec<String>,
}

/// What the lines of a batch are at its provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Those of the client's own file, which is there already.
    #[default]
    AsTheyAre,
    /// The same with other names of models: what is answered is what the client reads.
    Renamed,
    /// Requests in another dialect, or of another API: answers are translated.
    Translated,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It is about to be handed to the provider. Whether that has been done is found out at the provider.
    Submitting,
    Running,
    /// The provider is done; the results are being fetched.
    Collecting,
    Over,
}

/// Where its lines are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// In a file that the gateway keeps.
    Kept(String),
    /// In a file at the provider, under the provider's name of it.
    AtProvider(String),
}
