//! How many tokens an exchange took.

/// Token counts in normal form: `input` includes what came from a cache or went into one, `output` includes reasoning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub input: u64,
    pub output: u64,
    /// Of `input`, read from the provider's prompt cache.
    pub cached: u64,
    /// Of `input`, written to the provider's prompt cache.
    pub cache_write: u64,
    /// Of `output`, spent on reasoning.
    pub reasoning: u64,
    /// Of `input`, audio.
    pub audio_input: u64,
    /// Of `output`, audio.
    pub audio_output: u64,
}

impl Usage {
    pub fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// Of `input`, neither read from a cache nor written to one.
    pub fn fresh(&self) -> u64 {
        self.input.saturating_sub(self.cached).saturating_sub(self.cache_write)
    }
}
