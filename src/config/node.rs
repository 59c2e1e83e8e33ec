//! A configuration tree that remembers where each value came from, and a reader that reports every problem instead of the
//! first.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::Spanned;

/// Where a value was set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Origin {
    #[default]
    Unknown,
    /// A line of the configuration file, counted from 1.
    Line(u64),
    /// An environment variable.
    Variable(String),
}

/// A value of the configuration. Scalars stay text until a setting says what it wants.
#[derive(Debug, Clone, Default)]
pub struct Node {
    pub value: Value,
    pub origin: Origin,
    /// The bytes of the file that YAML took for a number or a truth value: see [`Node::into_spelled`].
    inferred: Option<Range<usize>>,
}

#[derive(Debug, Clone, Default)]
pub enum Value {
    #[default]
    Null,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    pub fn scalar(text: impl Into<String>, origin: Origin) -> Self {
        Self { value: Value::Scalar(text.into()), origin, inferred: None }
    }

    /// The tree with every scalar as `text`, the file, spells it: a key of digits and a model called `on` or `4.10` are texts,
    /// whatever YAML takes them for.
    pub fn into_spelled(mut self, text: &str) -> Self {
        if let Some(spelled) = self.inferred.take().and_then(|place| text.get(place)) {
            self.value = Value::Scalar(spelled.to_owned());
        }
        self.value = match self.value {
            Value::List(items) => Value::List(items.into_iter().map(|item| item.into_spelled(text)).collect()),
            Value::Map(entries) => {
                Value::Map(entries.into_iter().map(|(name, node)| (name, node.into_spelled(text))).collect())
            }
            other => other,
        };
        self
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            _ => None,
        }
    }

    pub fn entries(&self) -> &[(String, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Whether it counts as not set.
    pub fn is_empty(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Scalar(text) => text.is_empty(),
            Value::List(_) | Value::Map(_) => false,
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The node of this name below this one, made if it is not there. An empty node becomes a map.
    pub fn entry(&mut self, key: &str) -> &mut Node {
        if !matches!(self.value, Value::Map(_)) {
            self.value = Value::Map(Vec::new());
        }
        let Value::Map(entries) = &mut self.value else { unreachable!("it has just been made a map") };
        let index = entries.iter().position(|(name, _)| name == key).unwrap_or_else(|| {
            entries.push((key.to_owned(), Node::default()));
            entries.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "the index was found or pushed in the line above")]
        &mut entries[index].1
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Read>::deserialize(deserializer)?;
        let line = spanned.referenced.line();
        let origin = if line == 0 { Origin::Unknown } else { Origin::Line(line) };
        let span = spanned.defined.span();
        let place = || {
            let start = usize::try_from(span.byte_offset()?).ok()?;
            Some(start..start.checked_add(usize::try_from(span.byte_len()?).ok()?)?)
        };
        Ok(match spanned.value {
            Read::Settled(value) => Self { value, origin, inferred: None },
            Read::Inferred(text) => Self { value: Value::Scalar(text), origin, inferred: place() },
        })
    }
}

/// A value as the YAML parser hands it over.
enum Read {
    Settled(Value),
    /// What was taken for a number or a truth value, no longer as it was spelled.
    Inferred(String),
}

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyValue;

        impl<'de> Visitor<'de> for AnyValue {
            type Value = Read;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a YAML value")
            }

            fn visit_unit<E>(self) -> Result<Read, E> {
                Ok(Read::Settled(Value::Null))
            }

            fn visit_none<E>(self) -> Result<Read, E> {
                Ok(Read::Settled(Value::Null))
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Read, D::Error> {
                Read::deserialize(deserializer)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Read, E> {
                Ok(Read::Inferred(value.to_string()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Read, E> {
                Ok(Read::Inferred(value.to_string()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Read, E> {
                Ok(Read::Inferred(value.to_string()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Read, E> {
                Ok(Read::Inferred(value.to_string()))
            }

            fn visit_str<E>(self, value: &str) -> Result<Read, E> {
                Ok(Read::Settled(Value::Scalar(value.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Read, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Read::Settled(Value::List(list)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Read, A::Error> {
                let mut map = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    map.push(entry);
                }
                Ok(Read::Settled(Value::Map(map)))
            }
        }

        deserializer.deserialize_any(AnyValue)
    }
}

/// Something wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub origin: Origin,
    /// Keys joined by dots: `providers.openai.api_key`.
    pub path: String,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Line(line) => write!(f, "line {line}: ")?,
            Origin::Variable(name) => write!(f, "environment variable {name}: ")?,
            Origin::Unknown => {}
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// The problems found so far, shared by all sections that are being read.
#[derive(Debug, Default)]
pub struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub fn add(&self, origin: &Origin, path: &str, message: impl Into<String>) {
        self.0.borrow_mut().push(Problem { origin: origin.clone(), path: path.to_owned(), message: message.into() });
    }

    pub fn into_vec(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// A map of the configuration that is being read: each setting is taken once, and what nobody took is unknown.
pub struct Section<'a> {
    path: String,
    origin: Origin,
    entries: Vec<&'a (String, Node)>,
    known: Vec<String>,
    problems: &'a Problems,
}

impl<'a> Section<'a> {
    pub fn new(path: impl Into<String>, node: Option<&'a Node>, problems: &'a Problems) -> Self {
        let path = path.into();
        let (entries, origin) = match node {
            Some(node) => {
                if matches!(node.value, Value::Scalar(_) | Value::List(_)) {
                    problems.add(&node.origin, &path, "expected settings below it (`key: value` lines)");
                }
                (node.entries().iter().collect(), node.origin.clone())
            }
            None => (Vec::new(), Origin::Unknown),
        };
        Self { path, origin, entries, known: Vec::new(), problems }
    }

    pub fn problem(&self, message: impl Into<String>) {
        self.problems.add(&self.origin, &self.path, message);
    }

    pub fn problem_at(&self, key: &str, origin: &Origin, message: impl Into<String>) {
        self.problems.add(origin, &self.path_of(key), message);
    }

    pub fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// A setting as it stands; an empty one counts as not set.
    pub fn take(&mut self, key: &str) -> Option<&'a Node> {
        self.known.push(key.to_owned());
        let index = self.entries.iter().position(|(name, _)| name == key)?;
        let (_, node) = self.entries.remove(index);
        (!node.is_empty()).then_some(node)
    }

    /// Whether a setting was given by an environment variable.
    pub fn is_variable(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, node)| name == key && matches!(node.origin, Origin::Variable(_)))
    }

    /// The names of the user's own that are left in this map, with a copy of what they hold. They stay to be taken.
    pub fn user_entries(&self) -> Vec<(String, Node)> {
        self.entries.iter().map(|(name, node)| (name.clone(), node.clone())).collect()
    }

    /// All settings that are left.
    pub fn take_all(&mut self) -> Vec<(&'a str, &'a Node)> {
        self.entries.drain(..).map(|(name, node)| (name.as_str(), node)).collect()
    }

    pub fn section(&mut self, key: &str) -> Section<'a> {
        let path = self.path_of(key);
        Section::new(path, self.take(key), self.problems)
    }

    pub fn text(&mut self, key: &str) -> Option<&'a str> {
        let node = self.take(key)?;
        let text = node.as_text();
        if text.is_none() {
            self.problem_at(key, &node.origin, "expected a single value");
        }
        text
    }

    /// A setting that `read` makes sense of; its error completes the sentence "expected …".
    pub fn read<T>(&mut self, key: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let node = self.take(key)?;
        let result = node.as_text().ok_or_else(|| "expected a single value".to_owned()).and_then(read);
        result.map_err(|message| self.problem_at(key, &node.origin, message)).ok()
    }

    pub fn number<T: FromStr>(&mut self, key: &str, expected: &str) -> Option<T> {
        self.read(key, |text| text.parse().map_err(|_| format!("`{text}` is not {expected}")))
    }

    /// A list of texts; a single text is taken apart at its commas, as in variables.
    pub fn list(&mut self, key: &str) -> Option<Vec<String>> {
        let node = self.take(key)?;
        match &node.value {
            Value::Scalar(text) => {
                Some(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
            }
            Value::List(items) => Some(
                items
                    .iter()
                    .filter_map(|item| {
                        if item.as_text().is_none() {
                            self.problem_at(key, &item.origin, "expected a list of texts");
                        }
                        item.as_text().map(str::to_owned)
                    })
                    .collect(),
            ),
            Value::Map(_) | Value::Null => {
                self.problem_at(key, &node.origin, "expected a list of texts");
                None
            }
        }
    }

    /// Reports what nobody took.
    pub fn finish(self) {
        for (name, node) in &self.entries {
            let hint = closest(name, self.known.iter().map(String::as_str)).map_or_else(
                || format!("; known here: {}", self.known.join(", ")),
                |near| format!("; did you mean `{near}`?"),
            );
            self.problem_at(name, &node.origin, format!("unknown setting{hint}"));
        }
    }
}

/// The candidate that `word` is most likely a slip of, if any is near enough.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= candidate.len().max(word.len()) / 3 + 1 && *distance < candidate.len()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
