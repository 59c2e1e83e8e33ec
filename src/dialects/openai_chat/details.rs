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
        let mut detail = Self { index: Some(index), id: id.clone(), ..Self::default() };
        let shown = seal.as_ref().map(Shown::of);
        let is_all = seal.as_ref().is_some_and(|seal| seal.kind == SealKind::Redacted || text.is_empty());
        if is_all && text.is_empty() {
            detail.kind = Some("reasoning.encrypted".to_owned());
        } else {
            let (name, place) = match kind {
                ReasoningKind::Raw => ("reasoning.text", &mut detail.text),
                ReasoningKind::Summary => ("reasoning.summary", &mut detail.summary),
            };
            *place = Some(text.clone());
            detail.kind = Some(name.to_owned());
        }
        if let Some(shown) = shown {
            let place = if is_all { &mut detail.data } else { &mut detail.signature };
            *place = Some(shown.value);
            detail.format = Some(shown.format);
            detail.id = detail.id.or(shown.id);
        } else {
            detail.format = Some(UNKNOWN.to_owned());
        }
        detail
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

/// Reasoning blocks on their way to a client: once one of them is sealed, all of them must be told as details, since readers then
/// look nowhere else.
#[derive(Debug, Default)]
pub struct Details {
    /// Blocks without a seal, as long as there is none with one.
    waiting: Vec<Detail>,
    count: u64,
    is_needed: bool,
}

impl Details {
    /// The details that are to be shown now that this block is complete.
    pub fn add(&mut self, reasoning: &Reasoning) -> Vec<Detail> {
        if reasoning.text.is_empty() && reasoning.seal.is_none() {
            return Vec::new();
        }
        self.waiting.push(Detail::of(reasoning, self.count));
        self.count += 1;
        self.is_needed |= reasoning.seal.is_some();
        if self.is_needed { std::mem::take(&mut self.waiting) } else { Vec::new() }
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

    #[test]
    fn blocks_without_seals_are_told_only_beside_those_with() {
        let mut details = Details::default();
        let plain = Reasoning { text: "a".to_owned(), ..Reasoning::default() };
        let sealed = Reasoning { seal: Some(Seal::signature(Dialect::Anthropic, "s")), ..plain.clone() };
        assert!(details.add(&plain).is_empty());
        assert_eq!(details.add(&sealed).iter().filter_map(|detail| detail.index).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(details.add(&plain).len(), 1);
    }
}
