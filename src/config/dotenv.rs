//! The text of a `.env`. Nothing is put in place of a `$`: a key may hold one, and Docker's `--env-file`, which is given the same
//! file, takes it as it is.

use std::collections::BTreeMap;

/// Reads `NAME=value` lines; of several with one name the last counts. The error names the line without showing it: it may hold a key.
pub fn read(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut variables = BTreeMap::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let behind = match rest.starts_with('#') {
            true => rest.split_once('\n').map_or("", |(_, behind)| behind),
            false => {
                let Some((name, value, behind)) = variable(rest) else {
                    let before = text.get(..text.len() - rest.len()).unwrap_or_default();
                    let line = before.matches('\n').count() + 1;
                    return Err(format!("line {line} is not of the form `NAME=value`, or its quotes do not match"));
                };
                variables.insert(name.to_owned(), value);
                behind
            }
        };
        rest = behind.trim_start();
    }
    Ok(variables)
}

/// The variable that a text begins with, and what stands behind its line.
fn variable(text: &str) -> Option<(&str, String, &str)> {
    // A variable may be called `export` itself.
    let exported = text.strip_prefix("export").filter(|rest| rest.starts_with(BLANK));
    let exported = exported.map(|rest| rest.trim_start_matches(BLANK)).filter(|rest| !rest.starts_with('='));
    let text = exported.unwrap_or(text);
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.')))?;
    let (name, behind) = text.split_at_checked(end)?;
    let given = behind.trim_start_matches(BLANK).strip_prefix('=')?;
    let (value, behind) = value(given.trim_start_matches(BLANK))?;
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_').then_some((name, value, behind))
}

const BLANK: [char; 2] = [' ', '\t'];

/// The value that a text begins with, and what stands behind its line: characters as they are, and texts in quotes, which may have
/// lines. What a backslash stands before is meant itself, but for `\n`; not so in single quotes.
fn value(text: &str) -> Option<(String, &str)> {
    if text.starts_with('#') {
        return Some((String::new(), text));
    }
    let mut out = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    loop {
        let rest = chars.as_str();
        match (quote, chars.next()) {
            (None, None) => return Some((out, rest)),
            (Some(_), None) => return None,
            // Only a comment may follow, and only behind a blank.
            (None, Some(' ' | '\t' | '\r' | '\n')) => {
                let line = rest.split('\n').next().unwrap_or_default().trim();
                return (line.is_empty() || line.starts_with('#')).then(|| (out, rest.trim_start_matches(BLANK)));
            }
            (Some(open), Some(c)) if c == open => quote = None,
            (None, Some(c @ ('\'' | '"'))) => quote = Some(c),
            (None | Some('"'), Some('\\')) => match chars.next()? {
                'n' => out.push('\n'),
                c @ ('\\' | '\'' | '"' | '$' | ' ') => out.push(c),
                _ => return None,
            },
            (_, Some(c)) => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_as_they_are() {
        for (line, value) in [
            ("K=pa$$word-$HOME-x", "pa$$word-$HOME-x"),
            ("K=\"pa$$word ${HOME}\"", "pa$$word ${HOME}"),
            ("K='$HOME \\n'", "$HOME \\n"),
            ("K=\\$HOME", "$HOME"),
            ("K=${A:-b}", "${A:-b}"),
            ("K=plain", "plain"),
            ("K=", ""),
            ("K=   # none", ""),
            ("K=a#b # c", "a#b"),
            ("  export  K = \"a b\" # c", "a b"),
            ("K=a'b c'\"d\\\"\"e", "ab cd\"e"),
            ("K=s\\ ix", "s ix"),
            ("K=\"a\\nb\nc\"", "a\nb\nc"),
            ("# x\n\n\tK=1\r\nK=2\r\n#", "2"),
        ] {
            assert_eq!(read(line), Ok(BTreeMap::from([("K".to_owned(), value.to_owned())])), "{line}");
        }
        let export = read("export = 1\nexport A=#c\nB=2 ").expect("variables");
        assert_eq!(
            export.into_iter().collect::<Vec<_>>(),
            [("A", ""), ("B", "2"), ("export", "1")].map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
    }

    #[test]
    fn what_is_no_variable_is_told_by_its_line() {
        for line in [
            "K",
            "1K=x",
            "K=a b",
            "K='a",
            "K=\"a",
            "K=a\\",
            "K=a\\q",
            "export K",
            "=x",
            "export export K=1",
            "K=\"a\"b c",
        ] {
            let why = read(&format!("A='1\n2'\n{line}")).expect_err(line);
            assert!(why.starts_with("line 3 is not of the form"), "{line}: {why}");
        }
    }
}
