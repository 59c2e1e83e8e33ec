//! Proofs of authorship that a provider wants back, byte for byte.

use crate::dialects::Dialect;

/// What a provider signed or encrypted. Only providers of its dialect can read it; everybody else carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    pub dialect: Dialect,
    pub kind: SealKind,
    pub value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealKind {
    /// It belongs to a text that can be read (Anthropic's `signature`, Gemini's `thoughtSignature`, OpenAI's `encrypted_content`).
    Signature,
    /// It is all there is of the block (Anthropic's `redacted_thinking`, Bedrock's `redactedContent`).
    Redacted,
}

impl Seal {
    pub fn signature(dialect: Dialect, value: impl Into<String>) -> Self {
        Self { dialect, kind: SealKind::Signature, value: value.into() }
    }

    pub fn redacted(dialect: Dialect, value: impl Into<String>) -> Self {
        Self { dialect, kind: SealKind::Redacted, value: value.into() }
    }

    /// Whether a provider of this dialect understands it. Claude's signatures are the same at Anthropic and on Bedrock.
    pub fn is_for(&self, dialect: Dialect) -> bool {
        let is_claude = |dialect| matches!(dialect, Dialect::Anthropic | Dialect::Converse);
        self.dialect == dialect || is_claude(self.dialect) && is_claude(dialect)
    }

    /// As a field for signatures of a client's dialect carries it: as it is if it is that dialect's own, else with a tag that
    /// [`Seal::carried_by`] knows again.
    pub fn carried(&self, client: Dialect) -> String {
        if self.dialect == client && self.kind == SealKind::Signature {
            return self.value.clone();
        }
        let kind = match self.kind {
            SealKind::Signature => 's',
            SealKind::Redacted => 'r',
        };
        format!("{}:{kind}:{}", self.dialect.name(), self.value)
    }

    /// The reverse of [`Seal::carried`].
    pub fn carried_by(client: Dialect, text: &str) -> Self {
        let tagged = || {
            let (name, rest) = text.split_once(':')?;
            let dialect = Dialect::ALL.iter().find(|dialect| dialect.name() == name)?;
            match rest.split_once(':')? {
                ("s", value) => Some(Self::signature(*dialect, value)),
                ("r", value) => Some(Self::redacted(*dialect, value)),
                _ => None,
            }
        };
        tagged().unwrap_or_else(|| Self::signature(client, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_from_every_client_as_it_went() {
        for client in Dialect::ALL {
            for dialect in Dialect::ALL {
                for seal in [Seal::signature(*dialect, "Ab+/=:x"), Seal::redacted(*dialect, "")] {
                    assert_eq!(Seal::carried_by(*client, &seal.carried(*client)), seal);
                }
            }
        }
        assert_eq!(Seal::signature(Dialect::Anthropic, "abc").carried(Dialect::Anthropic), "abc");
    }
}
