//! What a file of requests holds, found while it passes by: so that a batch of it can be judged without reading it again.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::line::{Line, path_of};
use super::split::{LONGEST_LINE, Lines};

/// The most lines of a batch: Anthropic takes so many, others fewer.
pub const MOST_LINES: u64 = 100_000;
/// The most different models that are told apart.
const MOST_MODELS: usize = 100;
/// The most problems that are told.
const MOST_PROBLEMS: usize = 50;

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Survey {
    /// Requests, not counting lines that hold none.
    pub lines: u64,
    /// The models as the lines call them, with the first line of each.
    pub models: BTreeMap<String, u64>,
    /// The endpoints that the lines name, with the first line of each.
    pub urls: BTreeMap<String, u64>,
    pub problems: Vec<Problem>,
}

/// Why a line cannot be carried out: OpenAI's `errors.data[]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// A word for programs.
    pub code: String,
    /// The line's number, counted from 1; 0 where it is about the whole file.
    #[serde(default)]
    pub line: u64,
    pub message: String,
    #[serde(default)]
    pub param: Option<String>,
}

/// Takes a survey of text that comes in pieces.
#[derive(Debug)]
pub struct Surveyor {
    lines: Lines,
    survey: Survey,
    /// Hashes of the ids so far: a hundred thousand ids themselves would be a burden.
    seen: HashSet<u64>,
    hasher: RandomState,
}

impl Problem {
    pub fn new(code: &str, message: impl Into<String>, param: Option<&str>) -> Self {
        Self { code: code.to_owned(), line: 0, message: message.into(), param: param.map(str::to_owned) }
    }

    pub fn at(self, line: u64) -> Self {
        Self { line, ..self }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => f.write_str(&self.message),
            line => write!(f, "line {line}: {}", self.message),
        }
    }
}

impl Default for Surveyor {
    fn default() -> Self {
        Self { lines: Lines::default(), survey: Survey::default(), seen: HashSet::new(), hasher: RandomState::new() }
    }
}

impl Surveyor {
    pub fn push(&mut self, piece: &[u8]) {
        let Self { lines, survey, seen, hasher } = self;
        lines.push(piece, |(number, line)| note(survey, seen, hasher, number, line));
    }

    pub fn finish(mut self) -> Survey {
        let Self { lines, survey, seen, hasher } = &mut self;
        lines.finish(|(number, line)| note(survey, seen, hasher, number, line));
        if survey.lines == 0 && survey.problems.is_empty() {
            survey.problems.push(Problem::new("empty_file", "the file holds no requests", None));
        }
        self.survey
    }
}

fn note(survey: &mut Survey, seen: &mut HashSet<u64>, hasher: &RandomState, number: u64, line: Option<Bytes>) {
    survey.lines += 1;
    if survey.lines > MOST_LINES {
        if survey.lines == MOST_LINES + 1 {
            let message = format!("a batch has {MOST_LINES} requests at most");
            survey.problems.push(Problem::new("too_many_tasks", message, None).at(number));
        }
        return;
    }
    let read = match line {
        Some(line) => Line::read(&line, None),
        None => {
            let message = format!("the line is longer than {} MiB", LONGEST_LINE >> 20);
            Err(Problem::new("line_too_long", message, None))
        }
    };
    let problem = match read {
        Err(problem) => Some(problem),
        Ok(line) => {
            let is_new = seen.insert(hasher.hash_one(&line.custom_id));
            if survey.models.len() < MOST_MODELS {
                survey.models.entry(line.model).or_insert(number);
            } else if !survey.models.contains_key(&line.model) {
                let message = format!("a batch names {MOST_MODELS} models at most");
                survey.problems.push(Problem::new("too_many_models", message, Some("body.model")).at(number));
            }
            survey.urls.entry(path_of(line.operation).to_owned()).or_insert(number);
            let twice = || Problem::new("duplicate_custom_id", "`custom_id` has been used before", Some("custom_id"));
            (!is_new).then(twice)
        }
    };
    if let Some(problem) = problem.filter(|_| survey.problems.len() < MOST_PROBLEMS) {
        survey.problems.push(problem.at(number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey(text: &str) -> Survey {
        let mut surveyor = Surveyor::default();
        text.as_bytes().chunks(11).for_each(|piece| surveyor.push(piece));
        surveyor.finish()
    }

    #[test]
    fn tells_what_a_file_holds() {
        let found = survey(
            "{\"custom_id\":\"1\",\"url\":\"/v1/chat/completions\",\"body\":{\"model\":\"a\"}}\n\n\
             {\"custom_id\":\"2\",\"url\":\"/v1/responses\",\"body\":{\"model\":\"b\"}}",
        );
        assert_eq!(found.lines, 2);
        assert_eq!(found.models, BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 3)]));
        assert_eq!(found.urls.len(), 2);
        assert!(found.problems.is_empty());
    }

    #[test]
    fn tells_every_bad_line_with_its_number() {
        let line = "{\"custom_id\":\"1\",\"url\":\"/v1/responses\",\"body\":{\"model\":\"b\"}}\n";
        let found = survey(&format!("{line}no json\n{line}"));
        let told: Vec<_> = found.problems.iter().map(|problem| (problem.line, problem.code.as_str())).collect();
        assert_eq!(told, [(2, "invalid_json_line"), (3, "duplicate_custom_id")]);
        assert_eq!(found.problems[1].to_string(), "line 3: `custom_id` has been used before");
        assert_eq!(survey(" \n").problems[0].code, "empty_file");
        assert_eq!(survey(&"x\n".repeat(200)).problems.len(), MOST_PROBLEMS);
    }
}
