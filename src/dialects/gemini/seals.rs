//! Thought signatures. They are bytes in base64, so the seals of other dialects travel as base64 of their tagged text.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::dialects::Dialect;
use crate::dialects::ir::{Seal, SealKind};

/// Takes base64 with padding or without.
pub const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Google's own stand-in for a signature that is not there: Gemini 3 refuses calls without one.
pub const SENTINEL: &str = "skip_thought_signature_validator";

/// A seal as `thoughtSignature` carries it.
pub fn write(seal: &Seal) -> String {
    let carried = seal.carried(Dialect::Gemini);
    if is_own(seal) { carried } else { BASE64.encode(carried) }
}

/// What a `thoughtSignature` carries: Gemini's own signature, just as it was spelled, or another dialect's seal.
pub fn read(signature: String) -> Seal {
    carried(&signature).unwrap_or_else(|| Seal::signature(Dialect::Gemini, signature))
}

fn carried(signature: &str) -> Option<Seal> {
    // Tags begin with the name of a dialect, Gemini's signatures with bytes that are not letters.
    let head = decode(signature.get(..4)?)?;
    if !head.iter().all(u8::is_ascii_lowercase) {
        return None;
    }
    let text = String::from_utf8(decode(signature)?).ok()?;
    Some(Seal::carried_by(Dialect::Gemini, &text)).filter(|seal| !is_own(seal))
}

fn is_own(seal: &Seal) -> bool {
    seal.dialect == Dialect::Gemini && seal.kind == SealKind::Signature
}

/// Google's SDKs write bytes in the alphabet for URLs.
fn decode(text: &str) -> Option<Vec<u8>> {
    if text.contains(['-', '_']) {
        return BASE64.decode(text.replace('-', "+").replace('_', "/")).ok();
    }
    BASE64.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seal_comes_back() {
        for seal in [
            Seal::signature(Dialect::Gemini, "CiQBcsjafA+/="),
            Seal::signature(Dialect::Gemini, "short"),
            Seal::signature(Dialect::Gemini, SENTINEL),
            Seal::signature(Dialect::Gemini, ""),
            Seal::signature(Dialect::Anthropic, "Eqo??>>~+/ü="),
            Seal::redacted(Dialect::Anthropic, "abc"),
            Seal::redacted(Dialect::Gemini, "abc"),
            Seal::signature(Dialect::OpenaiResponses, "gAAAA-_"),
        ] {
            let written = write(&seal);
            assert_eq!(read(written.clone()), seal);
            if seal.dialect != Dialect::Gemini {
                assert_eq!(read(written.replace('+', "-").replace('/', "_")), seal);
                assert_eq!(read(written.trim_end_matches('=').to_owned()), seal);
            }
        }
    }
}
