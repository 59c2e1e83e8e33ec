//! Ids of calls in the alphabet that Amazon allows.

use std::borrow::Cow;

use crate::dialects::tool_map::Limits;

/// `[a-zA-Z0-9_.:-]{1,64}`.
const CALL_IDS: Limits = Limits { longest: 64, signs: "_.:-", begins_with_any: true };

/// A call's id. The same id always becomes the same, so that results still find their calls.
pub fn call_id(id: &str) -> Cow<'_, str> {
    CALL_IDS.fitted(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_still_find_their_calls() {
        assert_eq!(call_id("toolu.1:a/b"), "toolu.1:a_b");
        assert_eq!(call_id(""), "_");
        let (one, two) = (format!("{}1", "x".repeat(200)), format!("{}2", "x".repeat(200)));
        assert_eq!(call_id(&one).len(), 64);
        assert_ne!(call_id(&one), call_id(&two));
        assert_eq!(call_id(&one), call_id(&one));
    }
}
