//! The proofs that reasoning is ours. Like the real ones they are opaque, belong to a text, and must come back unaltered;
//! unlike theirs they need no key, since anybody may be a simulator.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::dialects::Dialect;
use crate::dialects::ir::{Part, Request, Seal, SealKind};
use crate::error::Refusal;

/// What a seal begins with: none of the letters by which those of other dialects are known.
const VERSION: u8 = 1;
/// So much of a hash stands for a text, and so much for that.
const HASH_BYTES: usize = 16;

/// Google documents these for calls that no Gemini made (ai.google.dev, "Thought signatures").
const TAKEN_UNSEEN: [&str; 2] = ["skip_thought_signature_validator", "context_engineering_is_the_way_to_go"];

pub fn seal(dialect: Dialect, text: &str) -> Seal {
    Seal::signature(dialect, STANDARD.encode(stamped(&hash(text.as_bytes()))))
}

/// Whether every seal of the history was made here, for the text that it is at. A text that was hidden is missing.
pub fn check(dialect: Dialect, request: &Request) -> Result<(), Refusal> {
    for part in request.messages.iter().flat_map(|message| &message.parts) {
        let (seal, text) = match part {
            Part::Reasoning(reasoning) => (&reasoning.seal, reasoning.text.as_str()),
            Part::ToolCall(call) => (&call.seal, ""),
            _ => continue,
        };
        match seal {
            Some(seal) if !seal.is_for(dialect) || !is_ours(seal, text) => return Err(refusal(dialect)),
            None if dialect == Dialect::Anthropic && matches!(part, Part::Reasoning(_)) => {
                return Err(Refusal::invalid("A `thinking` block has no `signature`: Field required."));
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_ours(seal: &Seal, text: &str) -> bool {
    if seal.dialect == Dialect::Gemini && TAKEN_UNSEEN.contains(&seal.value.as_str()) {
        return true;
    }
    // Google's SDKs send bytes in the alphabet for URLs.
    let value = seal.value.replace('-', "+").replace('_', "/");
    let Ok(stamp) = STANDARD.decode(value) else { return false };
    let Some(of_text) = stamp.get(1..).and_then(<[u8]>::first_chunk::<HASH_BYTES>) else { return false };
    let is_whole = stamp == stamped(of_text);
    is_whole && seal.kind == SealKind::Signature && (text.is_empty() || *of_text == hash(text.as_bytes()))
}

/// As many bytes as base64 needs no padding for.
fn stamped(of_text: &[u8; HASH_BYTES]) -> Vec<u8> {
    let stamp = hash(&[b"the simulator".as_slice(), of_text].concat());
    [&[VERSION], of_text.as_slice(), &stamp].concat()
}

fn hash(bytes: &[u8]) -> [u8; HASH_BYTES] {
    let mut hash = [0; HASH_BYTES];
    hash.iter_mut().zip(Sha256::digest(bytes)).for_each(|(byte, of)| *byte = of);
    hash
}

/// In the words of the real API.
fn refusal(dialect: Dialect) -> Refusal {
    match dialect {
        Dialect::Anthropic | Dialect::Converse => Refusal::invalid("Invalid `signature` in `thinking` block"),
        Dialect::Gemini => Refusal::invalid("Thought signature is not valid."),
        Dialect::OpenaiChat | Dialect::OpenaiResponses => {
            Refusal::invalid("The encrypted content of a reasoning item could not be verified.")
                .code("invalid_encrypted_content")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_is_ours() {
        let made = seal(Dialect::Anthropic, "a thought");
        assert!(is_ours(&made, "a thought"));
        assert!(is_ours(&made, ""));
        assert!(!is_ours(&made, "another thought"));
        let spelled_for_urls = made.value.replace('+', "-").replace('/', "_");
        assert!(is_ours(&Seal::signature(Dialect::Gemini, spelled_for_urls), "a thought"));
        for at in 0..made.value.len() {
            let mut altered = made.value.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = Seal::signature(Dialect::Anthropic, String::from_utf8(altered).unwrap());
            assert!(!is_ours(&altered, "a thought"), "{altered:?}");
        }
        assert!(!is_ours(&Seal::signature(Dialect::Anthropic, ""), ""));
        assert!(is_ours(&Seal::signature(Dialect::Gemini, TAKEN_UNSEEN[0]), ""));
    }
}
