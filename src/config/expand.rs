//! `${VAR}` in configuration values. Values are expanded after the YAML was parsed, so nothing in a variable can change the
//! structure of the file, and a `$` that is not followed by `{` is just a `$`.

use super::env::Environment;
use super::node::{Node, Problems, Value};

/// Expands every scalar of the tree in place.
///
/// `${VAR}` is the variable, or nothing when it is not set: a value that consists of unset variables counts as not set.
/// `${VAR:-default}` takes the default when the variable is unset or empty, `${VAR:?why}` makes that an error. `$${` is a
/// literal `${`.
pub fn expand(node: &mut Node, path: &str, env: &Environment, problems: &Problems) {
    match &mut node.value {
        Value::Null => {}
        Value::Scalar(text) => match expand_text(text, env) {
            Ok(Some(expanded)) => *text = expanded,
            Ok(None) => {}
            Err(message) => problems.add(&node.origin, path, message),
        },
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                expand(item, &format!("{path}[{index}]"), env, problems);
            }
        }
        Value::Map(entries) => {
            for (key, child) in entries {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                expand(child, &path, env, problems);
            }
        }
    }
}

/// `None` when there is nothing to expand.
fn expand_text(text: &str, env: &Environment) -> Result<Option<String>, String> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(escaped) = before.strip_suffix('$') {
            out.push_str(escaped);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        let (reference, behind) = after.split_once('}').ok_or("`${` without a closing `}`")?;
        out.push_str(&resolve(reference, env)?);
        rest = behind;
    }
    out.push_str(rest);
    Ok(Some(out))
}

fn resolve(reference: &str, env: &Environment) -> Result<String, String> {
    let (name, otherwise) = match reference.find(":-").or_else(|| reference.find(":?")) {
        Some(at) => reference.split_at(at),
        None => (reference, ""),
    };
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(format!("`${{{reference}}}` names no variable"));
    }
    let value = env.get(name).filter(|value| !value.is_empty());
    match (value, otherwise.get(..2), otherwise.get(2..).unwrap_or_default()) {
        (Some(value), ..) => Ok(value.to_owned()),
        (None, Some(":-"), default) => Ok(default.to_owned()),
        (None, Some(_), "") => Err(format!("the environment variable {name} must be set")),
        (None, Some(_), why) => Err(format!("the environment variable {name} must be set: {why}")),
        (None, None, _) => Ok(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_as_a_shell_would() {
        let env = Environment::from_iter([("A", "1"), ("EMPTY", ""), ("TRICKY", "x: ${A}")]);
        let expanded = |text| expand_text(text, &env).map(|done| done.unwrap_or_else(|| text.to_owned()));
        for (text, result) in [
            ("${A}", "1"),
            ("a${A}b${A}", "a1b1"),
            ("${B}", ""),
            ("${B:-z}", "z"),
            ("${EMPTY:-z}", "z"),
            ("${A:-z}", "1"),
            ("${A:?needed}", "1"),
            ("${B:-a:-b}", "a:-b"),
            ("$A $${A} pa$$word", "$A ${A} pa$$word"),
            ("${TRICKY}", "x: ${A}"),
        ] {
            assert_eq!(expanded(text).as_deref(), Ok(result), "{text}");
        }
        assert_eq!(expanded("${B:?get one}"), Err("the environment variable B must be set: get one".to_owned()));
        assert_eq!(expanded("${EMPTY:?}"), Err("the environment variable EMPTY must be set".to_owned()));
        assert!(expanded("${A").is_err());
        assert!(expanded("${}").is_err());
        assert!(expanded("${a b}").is_err());
    }
}
