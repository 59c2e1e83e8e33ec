//! Names and ids in the alphabets that Amazon allows.

use std::borrow::Cow;

const LONGEST: usize = 64;

/// A tool's name: `[a-zA-Z0-9_-]{1,64}`.
pub fn tool_name(name: &str) -> Cow<'_, str> {
    fitted(name, "_-")
}

/// A call's id: `[a-zA-Z0-9_.:-]{1,64}`. The same id always becomes the same, so that results still find their calls.
pub fn call_id(id: &str) -> Cow<'_, str> {
    fitted(id, "_.:-")
}

fn fitted<'a>(text: &'a str, signs: &str) -> Cow<'a, str> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || signs.contains(c);
    if !text.is_empty() && text.len() <= LONGEST && text.chars().all(is_allowed) {
        return Cow::Borrowed(text);
    }
    let mut fitted: String = text.chars().map(|c| if is_allowed(c) { c } else { '_' }).collect();
    if fitted.is_empty() {
        fitted.push('_');
    }
    if fitted.len() > LONGEST {
        // What is cut off still tells them apart.
        fitted.truncate(LONGEST - 17);
        fitted.push_str(&format!("-{:016x}", fingerprint(text)));
    }
    Cow::Owned(fitted)
}

/// FNV-1a: the same in every process, so that a history stays what the provider has cached.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays_and_the_rest_is_made_to_fit() {
        for name in ["get_weather", "a-B9", "x"] {
            assert!(matches!(tool_name(name), Cow::Borrowed(_)), "{name}");
        }
        assert_eq!(tool_name("mcp.server/tool ü"), "mcp_server_tool__");
        assert_eq!(call_id("toolu.1:a/b"), "toolu.1:a_b");
        assert_eq!(call_id(""), "_");
        let (one, two) = (format!("{}1", "x".repeat(200)), format!("{}2", "x".repeat(200)));
        assert_eq!(call_id(&one).len(), LONGEST);
        assert_ne!(call_id(&one), call_id(&two));
        assert_eq!(call_id(&one), call_id(&one));
    }
}
