//! Thoughts that stand within the text: `<think>…</think>` and then the answer. Models of open weights think in these tags, and
//! servers that have no parser for them, or are told not to use it, pass them on as they are. Which providers do is a
//! [habit](super::Habits::think_tags); what is done with a thought once it is known for one is the dialects' matter.
//!
//! The rules are those of vLLM's, SGLang's and Ollama's parsers, as far as they agree. Tags are looked for at the very beginning, behind
//! white space; later ones and nested ones are text. The white space around tags belongs to nobody. A thought that is never
//! closed, because the answer was cut off, goes on to the end. Some templates write the opening tag into the prompt, so that the answer
//! begins within the thought: that shows when the closing tag comes, on a line of its own. A whole answer is split there; of a stream
//! the thought has been told as text by then, and stays text, tag and all.

mod edit;

pub use edit::Answer;

const OPENING: &str = "<think>";
const CLOSING: &str = "</think>";

/// What becomes of thoughts within the text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ThinkTags {
    /// They are text like any other.
    #[default]
    Keep,
    /// They are told apart from it.
    Split,
}

/// A piece of what was said.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    Thought(String),
    Text(String),
}

/// Tells thoughts from text, however the text is cut.
#[derive(Debug)]
pub struct Splitter {
    stage: Stage,
    /// What may be part of a tag, or white space that may come before one.
    held: String,
    has_split: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Before,
    Within {
        /// Some of the thought has been told.
        is_told: bool,
    },
    /// Behind the closing tag and the white space there.
    Behind,
    Text,
}

impl Splitter {
    pub fn new(tags: ThinkTags) -> Self {
        let stage = match tags {
            ThinkTags::Split => Stage::Before,
            ThinkTags::Keep => Stage::Text,
        };
        Self { stage, held: String::new(), has_split: false }
    }

    /// Whether text comes out as it goes in, from now on.
    pub fn is_idle(&self) -> bool {
        self.stage == Stage::Text
    }

    /// Whether nothing is held back.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether tags have been taken out: places in the text are no longer what they were.
    pub fn has_split(&self) -> bool {
        self.has_split
    }

    /// The provider tells thoughts by other means: tags are text.
    pub fn leave(&mut self) {
        if self.stage == Stage::Before && self.held.is_empty() {
            self.stage = Stage::Text;
        }
    }

    /// Takes the next piece of a text, or the whole of it.
    pub fn take(&mut self, piece: String) -> Vec<Told> {
        let mut told = Vec::new();
        let mut rest = match self.held.is_empty() {
            true => piece,
            false => std::mem::take(&mut self.held) + &piece,
        };
        while !rest.is_empty() {
            rest = self.step(rest, &mut told);
        }
        told
    }

    /// Takes a text that is there from beginning to end.
    pub fn take_whole(&mut self, text: String) -> Vec<Told> {
        let unopened = match self.stage {
            Stage::Before if self.held.is_empty() => unopened(&text),
            _ => None,
        };
        let mut told = match unopened.map(|at| text.split_at(at)) {
            None => self.take(text),
            Some((before, behind)) => {
                self.stage = Stage::Behind;
                self.has_split = true;
                let mut told: Vec<_> = thought(before.trim_end(), false).map(Told::Thought).into_iter().collect();
                told.extend(self.take(behind.strip_prefix(CLOSING).unwrap_or(behind).to_owned()));
                told
            }
        };
        told.extend(self.settle());
        told
    }

    /// No more text comes, or something else comes first: what was held back is what it looks like.
    pub fn settle(&mut self) -> Option<Told> {
        let held = std::mem::take(&mut self.held);
        match self.stage {
            Stage::Before if !held.is_empty() => {
                self.stage = Stage::Text;
                Some(Told::Text(held))
            }
            Stage::Within { is_told } => thought(held.trim_end(), is_told).map(|thought| {
                self.stage = Stage::Within { is_told: true };
                Told::Thought(thought)
            }),
            Stage::Before | Stage::Behind | Stage::Text => None,
        }
    }

    /// Takes from the front of `text` what can be told by the stage; answers with the rest, for the next one.
    fn step(&mut self, text: String, told: &mut Vec<Told>) -> String {
        match self.stage {
            Stage::Before => {
                let trimmed = text.trim_start();
                if let Some(rest) = trimmed.strip_prefix(OPENING) {
                    self.stage = Stage::Within { is_told: false };
                    self.has_split = true;
                    return rest.to_owned();
                }
                if OPENING.starts_with(trimmed) {
                    self.held = text;
                    return String::new();
                }
                self.stage = Stage::Text;
                text
            }
            Stage::Within { is_told } => {
                let (said, rest) = match text.split_once(CLOSING) {
                    Some((said, rest)) => {
                        self.stage = Stage::Behind;
                        (said.trim_end(), rest)
                    }
                    None => {
                        let said = without_beginning(&text, CLOSING).trim_end();
                        text.get(said.len()..).unwrap_or_default().clone_into(&mut self.held);
                        (said, "")
                    }
                };
                if let Some(thought) = thought(said, is_told) {
                    told.push(Told::Thought(thought));
                    if self.stage != Stage::Behind {
                        self.stage = Stage::Within { is_told: true };
                    }
                }
                rest.to_owned()
            }
            Stage::Behind => {
                let text = text.trim_start();
                if !text.is_empty() {
                    self.stage = Stage::Text;
                }
                text.to_owned()
            }
            Stage::Text => {
                told.push(Told::Text(text));
                String::new()
            }
        }
    }
}

fn thought(said: &str, is_told: bool) -> Option<String> {
    let said = if is_told { said } else { said.trim_start() };
    (!said.is_empty()).then(|| said.to_owned())
}

/// Where the closing tag begins of a thought that was opened in the prompt. It stands on a line of its own: who writes about such tags
/// puts them within sentences.
fn unopened(text: &str) -> Option<usize> {
    let is_alone = |at: usize| {
        let before = text.get(..at).unwrap_or_default();
        let behind = text.get(at + CLOSING.len()..).unwrap_or_default().trim_start_matches([' ', '\t', '\r']);
        (before.is_empty() || before.ends_with('\n')) && (behind.is_empty() || behind.starts_with('\n'))
    };
    let at = text.match_indices(CLOSING).map(|(at, _)| at).find(|at| is_alone(*at))?;
    text.get(..at).is_some_and(|before| !before.contains(OPENING)).then_some(at)
}

/// `text` without the longest end that `tag` begins with.
fn without_beginning<'t>(text: &'t str, tag: &str) -> &'t str {
    let held = (1..tag.len()).rev().filter_map(|length| tag.get(..length)).find(|start| text.ends_with(start));
    text.get(..text.len() - held.map_or(0, str::len)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is thought and what is said, all in all.
    fn joined(told: impl IntoIterator<Item = Told>) -> (String, String) {
        let (mut thoughts, mut texts) = (String::new(), String::new());
        for piece in told {
            match piece {
                Told::Thought(thought) => {
                    assert!(texts.is_empty(), "thoughts come first");
                    thoughts += &thought;
                }
                Told::Text(text) => texts += &text,
            }
        }
        (thoughts, texts)
    }

    fn whole(text: &str) -> (String, String) {
        joined(Splitter::new(ThinkTags::Split).take_whole(text.to_owned()))
    }

    fn pieces<'t>(pieces: impl IntoIterator<Item = &'t str>) -> (String, String) {
        let mut splitter = Splitter::new(ThinkTags::Split);
        let mut told: Vec<_> = pieces.into_iter().flat_map(|piece| splitter.take(piece.to_owned())).collect();
        told.extend(splitter.settle());
        joined(told)
    }

    const CASES: &[(&str, &str, &str)] = &[
        ("<think>\nHm. So:\n\n  5?\n</think>\n\nIt is 5.\n", "Hm. So:\n\n  5?", "It is 5.\n"),
        ("\n <think>a</think>b", "a", "b"),
        ("<think>\n\n</think>\n\nHi", "", "Hi"),
        ("<think>cut off < here </thi", "cut off < here </thi", ""),
        ("<think>cut off\n", "cut off", ""),
        ("<think>a <think> b</think> c </think> d", "a <think> b", "c </think> d"),
        ("<think>ü</think>ä <think>x</think>", "ü", "ä <think>x</think>"),
        ("Say <think>x</think>", "", "Say <think>x</think>"),
        ("  plain\n", "", "  plain\n"),
        (" \n", "", " \n"),
        ("<thin", "", "<thin"),
        ("<thinking>a</thinking>", "", "<thinking>a</thinking>"),
        ("<think>a</think>\n", "a", ""),
        ("<think>a </thin </think>b", "a </thin", "b"),
        ("", "", ""),
    ];

    #[test]
    fn thoughts_are_told_from_text_however_it_is_cut() {
        for (text, thought, said) in CASES {
            let expected = ((*thought).to_owned(), (*said).to_owned());
            assert_eq!(whole(text), expected, "{text:?}");
            for cut in (0..=text.len()).filter(|cut| text.is_char_boundary(*cut)) {
                let (first, second) = text.split_at(cut);
                assert_eq!(pieces([first, second]), expected, "{text:?} cut at {cut}");
            }
            assert_eq!(pieces(text.split_inclusive(|_| true)), expected, "{text:?} by characters");
        }
    }

    #[test]
    fn an_opening_tag_in_the_prompt_shows_by_the_closing_one_in_whole_answers() {
        for (text, thought, said) in [
            ("Hm.\nYes.\n</think>\n\nFive.", "Hm.\nYes.", "Five."),
            ("</think>\n\nFive.", "", "Five."),
            ("a </think> b\n</think> \r\nc", "a </think> b", "c"),
            ("The tag </think> closes.", "", "The tag </think> closes."),
            ("Write:\n<think>\nx\n</think>\n", "", "Write:\n<think>\nx\n</think>\n"),
        ] {
            assert_eq!(whole(text), (thought.to_owned(), said.to_owned()), "{text:?}");
        }
        assert_eq!(pieces(["Hm.\n</think>", "\nFive."]).1, "Hm.\n</think>\nFive.");
    }

    #[test]
    fn tags_are_text_where_they_are_kept_or_thoughts_come_apart() {
        let text = "<think>a</think>b";
        assert_eq!(joined(Splitter::new(ThinkTags::Keep).take_whole(text.to_owned())).1, text);
        let mut splitter = Splitter::new(ThinkTags::Split);
        splitter.leave();
        assert_eq!(joined(splitter.take(text.to_owned())).1, text);
    }
}
