//! `reasoning_details`: reasoning in blocks with their seals, as OpenRouter writes it, in answers and in history.

use serde::{Deserialize, Serialize};

use crate::dialects::Dialect;
use crate::dialects::ir::{Reasoning, ReasoningKind, Seal, SealKind};

/// One block: `reasoning.text` or `reasoning.summary`, perhaps with a signature, or `reasoning.encrypted` with nothing but data.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Detail {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
}

impl Detail {
    /// How a block is shown.
    pub fn of(reasoning: &Reasoning, index: u64) -> Self {
        let Reasoning { text, kind, seal, id } = reasoning;
        let mut detail = match seal {
            Some(seal) => Self::of_seal(seal, *kind, !text.is_empty(), index),
            None => {
                Self { kind: Some(text_name(*kind).to_owned()), format: Some(UNKNOWN.to_owned()), ..Self::default() }
            }
        };
        match kind {
            _ if text.is_empty() => {}
            ReasoningKind::Raw => detail.text = Some(text.clone()),
            ReasoningKind::Summary => detail.summary = Some(text.clone()),
        }
        Self { index: Some(index), id: id.clone().or(detail.id), ..detail }
    }

    /// How a seal is shown that belongs to a text, or is all there is.
    pub fn of_seal(seal: &Seal, kind: ReasoningKind, has_text: bool, index: u64) -> Self {
        let Shown { value, format, id } = Shown::of(seal);
        let detail = Self { format: Some(format), id, index: Some(index), ..Self::default() };
        if has_text {
            Self { kind: Some(text_name(kind).to_owned()), signature: Some(value), ..detail }
        } else {
            Self { kind: Some("reasoning.encrypted".to_owned()), data: Some(value), ..detail }
        }
    }

    /// The text, if it has some, and whether it is a summary.
    pub fn text(&mut self) -> Option<(String, ReasoningKind)> {
        let is_summary = self.kind.as_deref() == Some("reasoning.summary");
        let kind = if is_summary || self.text.is_none() { ReasoningKind::Summary } else { ReasoningKind::Raw };
        let text = self.text.take().or_else(|| self.summary.take())?;
        (!text.is_empty()).then_some((text, kind))
    }

    /// The seal, if it has one.
    pub fn seal(&self) -> Option<Seal> {
        let filled = |text: &Option<String>| text.as_deref().filter(|text| !text.is_empty()).map(str::to_owned);
        let (kind, value) = match (filled(&self.signature), filled(&self.data)) {
            (Some(signature), _) => (SealKind::Signature, signature),
            (None, Some(data)) => (SealKind::Redacted, data),
            (None, None) => return None,
        };
        let carried = Seal::carried_by(Dialect::OpenaiChat, &value);
        if carried.dialect != Dialect::OpenaiChat {
            return Some(carried);
        }
        let format = self.format.as_deref().filter(|format| !format.contains(':')).unwrap_or(UNKNOWN);
        let id = self.id.as_deref().filter(|id| !id.contains(':')).unwrap_or_default();
        Some(Seal { dialect: Dialect::OpenaiChat, kind, value: format!("{format}:{id}:{value}") })
    }

    /// The block as history has it.
    pub fn into_reasoning(mut self) -> Reasoning {
        let seal = self.seal();
        let (text, kind) = self.text().unwrap_or_default();
        Reasoning { text, kind, seal, id: self.id }
    }
}

const UNKNOWN: &str = "unknown";

/// What a block with a text is called.
pub fn text_name(kind: ReasoningKind) -> &'static str {
    match kind {
        ReasoningKind::Raw => "reasoning.text",
        ReasoningKind::Summary => "reasoning.summary",
    }
}

/// A seal as a detail shows it. One that came from a chat provider goes back just as it came: beside its value, its `format` and
/// `id` are part of it, since only such providers will see it again.
struct Shown {
    value: String,
    format: String,
    id: Option<String>,
}

impl Shown {
    fn of(seal: &Seal) -> Self {
        if seal.dialect == Dialect::OpenaiChat {
            let mut parts = seal.value.splitn(3, ':');
            if let (Some(format), Some(id), Some(value)) = (parts.next(), parts.next(), parts.next()) {
                let id = Some(id.to_owned()).filter(|id| !id.is_empty());
                return Self { value: value.to_owned(), format: format.to_owned(), id };
            }
        }
        let format = match seal.dialect {
            Dialect::Anthropic | Dialect::Converse => "anthropic-claude-v1",
            Dialect::Gemini => "google-gemini-v1",
            Dialect::OpenaiResponses => "openai-responses-v1",
            Dialect::OpenaiChat => UNKNOWN,
        };
        Self { value: seal.carried(Dialect::OpenaiChat), format: format.to_owned(), id: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(json: &str) -> Detail {
        serde_json::from_str(json).expect("a detail")
    }

    #[test]
    fn what_a_chat_provider_sealed_goes_back_as_it_came() {
        for json in [
            r#"{"type":"reasoning.text","text":"hm","signature":"Ab+/=","format":"anthropic-claude-v1","index":0}"#,
            r#"{"type":"reasoning.encrypted","data":"gAAA:x","format":"openai-responses-v1","id":"rs_1","index":0}"#,
            r#"{"type":"reasoning.summary","summary":"in short","signature":"s","format":"f","index":0}"#,
        ] {
            let mut reasoning = detail(json).into_reasoning();
            // Other dialects have no place for the id.
            reasoning.id = None;
            let back = Detail::of(&reasoning, 0);
            assert_eq!(serde_json::to_string(&back).expect("JSON"), json);
        }
    }

    #[test]
    fn foreign_seals_are_carried() {
        for seal in [
            Seal::signature(Dialect::Anthropic, "abc"),
            Seal::redacted(Dialect::Converse, "abc"),
            Seal::signature(Dialect::Gemini, "abc"),
        ] {
            for text in ["", "hm"] {
                let reasoning = Reasoning { text: text.to_owned(), seal: Some(seal.clone()), ..Reasoning::default() };
                let back = Detail::of(&reasoning, 3).into_reasoning();
                assert_eq!((back.seal.as_ref(), &*back.text), (Some(&seal), text));
            }
        }
    }
}
