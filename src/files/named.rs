//! The files that a request names.

/// More than any request has a use for. Further files are for the provider to find.
pub const MOST_NAMED: usize = 100;

/// What a request that names files holds, in whatever dialect.
pub const TELLTALE: &[u8] = b"\"file_id";

/// The ids that a JSON text names, each once: values of members `file_id`, wherever they stand, and lists of members `file_ids`. Only text
/// between quotes that are not escaped can look like such a name, so what is quoted within a text names nothing.
pub fn named(json: &[u8]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for at in memchr::memmem::find_iter(json, TELLTALE) {
        let rest = json.get(at + TELLTALE.len()..).unwrap_or_default();
        let found = match rest {
            [b'"', rest @ ..] => value(rest).map(|id: String| vec![id]),
            [b's', b'"', rest @ ..] => value(rest),
            _ => None,
        };
        for id in found.unwrap_or_default() {
            if ids.len() < MOST_NAMED && !ids.contains(&id) {
                ids.push(id);
            }
        }
    }
    ids
}

/// What stands behind a member's name.
fn value<'a, T: serde::Deserialize<'a>>(rest: &'a [u8]) -> Option<T> {
    let value = rest.trim_ascii_start().strip_prefix(b":")?;
    serde_json::Deserializer::from_slice(value).into_iter::<T>().next()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_named_and_nothing_else() {
        let request = br#"{"messages":[
            {"role":"user","content":[{"type":"file","file":{"file_id": "file-1"}},{"type":"text","text":"\"file_id\":\"file-9\" file_id"}]},
            {"content":{"source":{"type":"file","file_id"
                :"file_2"}}}],
            "tools":[{"container":{"file_ids":["file-3","file-1"]}}],"x":["file_id"],"file_id":null,"file_idx":"no"}"#;
        assert_eq!(named(request), ["file-1", "file_2", "file-3"]);
        assert!(named(br#"{"file_id":"file-1"#).is_empty());
    }
}
