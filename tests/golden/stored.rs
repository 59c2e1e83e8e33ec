//! Files of expected output: compared exactly, or written anew.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder of all of this.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The files of a folder with this extension, sorted.
pub fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let has_extension = |path: &PathBuf| path.extension().is_some_and(|it| extensions.iter().any(|known| it == *known));
    let mut found: Vec<_> = paths.filter(has_extension).collect();
    found.sort();
    found
}

/// Whether this is what is stored there; with `GOLDEN=write` it is from now on.
pub fn compare(path: &Path, found: &str) -> Result<(), String> {
    let expected = fs::read_to_string(path).unwrap_or_default();
    if expected == found {
        return Ok(());
    }
    #[expect(clippy::disallowed_methods, reason = "the rule is for the gateway, not for its tests")]
    let is_to_be_written = std::env::var_os("GOLDEN").is_some_and(|what| what == "write");
    if is_to_be_written {
        return fs::write(path, found).map_err(|why| format!("{}: {why}", path.display()));
    }
    let (at, expected, found) = first_difference(&expected, found);
    let path = path.strip_prefix(root()).unwrap_or(path).display();
    Err(format!("{path}, line {at}\n    stored: {expected}\n    is:     {found}"))
}

fn first_difference<'a>(expected: &'a str, found: &'a str) -> (usize, &'a str, &'a str) {
    let mut lines = (1..).zip(expected.lines().map(Some).chain(std::iter::repeat(None)));
    let mut others = found.lines().map(Some).chain(std::iter::repeat(None));
    loop {
        match (lines.next(), others.next()) {
            (Some((at, None)), Some(None)) => return (at, "(line ends)", "(line ends)"),
            (Some((at, line)), Some(other)) if line != other => {
                return (at, line.unwrap_or("(the end)"), other.unwrap_or("(the end)"));
            }
            _ => {}
        }
    }
}

/// What is wrong, all at once.
pub struct Outcome(Vec<String>);

impl Outcome {
    pub fn of(results: impl IntoIterator<Item = Result<(), String>>) -> Self {
        Self(results.into_iter().filter_map(Result::err).collect())
    }

    pub fn assert(self) {
        let wrong = self.0;
        assert!(wrong.is_empty(), "{} differ:\n  {}", wrong.len(), wrong.join("\n  "));
    }
}
