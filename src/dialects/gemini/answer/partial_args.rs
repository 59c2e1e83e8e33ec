//! Arguments that come in pieces, each with the JSON path of where it belongs (Vertex AI, `streamFunctionCallArguments`).

use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::super::raw;
use crate::dialects::wire::null_as_default;

/// More elements than this are not left out by any model.
const LONGEST_LIST: usize = 100_000;

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PartialArg {
    /// `$.recipe.steps[0]`.
    #[serde(deserialize_with = "null_as_default")]
    pub json_path: String,
    pub string_value: Option<String>,
    pub number_value: Option<Number>,
    pub bool_value: Option<bool>,
}

/// What has come so far.
#[derive(Debug, Default, Serialize)]
#[serde(untagged)]
pub enum Node {
    #[default]
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    #[serde(serialize_with = "as_map")]
    Object(Vec<(String, Node)>),
}

impl Node {
    pub fn empty_object() -> Self {
        Self::Object(Vec::new())
    }

    pub fn put(&mut self, piece: PartialArg) {
        let Some(place) = self.at(&piece.json_path) else { return };
        match (piece.string_value, piece.number_value, piece.bool_value) {
            (Some(more), ..) => match place {
                Self::Text(text) => text.push_str(&more),
                other => *other = Self::Text(more),
            },
            (None, Some(number), _) => *place = Self::Number(whole(number)),
            (None, None, Some(value)) => *place = Self::Bool(value),
            (None, None, None) => *place = Self::Null,
        }
    }

    /// As JSON text.
    pub fn text(&self) -> String {
        Box::<str>::from(raw::json(self)).into()
    }

    /// The place at a path, made if it is not there.
    fn at(&mut self, path: &str) -> Option<&mut Self> {
        let mut rest = path.strip_prefix('$')?;
        let mut node = self;
        while !rest.is_empty() {
            let (step, after) = step(rest)?;
            node = match step {
                Step::Name(name) => node.member(name),
                Step::Index(index) => node.item(index)?,
            };
            rest = after;
        }
        Some(node)
    }

    fn member(&mut self, name: String) -> &mut Self {
        if !matches!(self, Self::Object(_)) {
            *self = Self::empty_object();
        }
        let Self::Object(members) = self else { return self };
        let at = members.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            members.push((name, Self::Null));
            members.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "it was found, or just made to be there")]
        &mut members[at].1
    }

    fn item(&mut self, index: usize) -> Option<&mut Self> {
        if index > LONGEST_LIST {
            return None;
        }
        if !matches!(self, Self::List(_)) {
            *self = Self::List(Vec::new());
        }
        let Self::List(items) = self else { return None };
        if items.len() <= index {
            items.resize_with(index + 1, Self::default);
        }
        items.get_mut(index)
    }
}

enum Step {
    Name(String),
    Index(usize),
}

/// The first step of a path, and the rest: `.name`, `[0]`, `['name']`.
fn step(path: &str) -> Option<(Step, &str)> {
    if let Some(rest) = path.strip_prefix('.') {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, rest) = rest.split_at_checked(end)?;
        return Some((Step::Name(name.to_owned()), rest));
    }
    let rest = path.strip_prefix('[')?;
    if let Some(quote) = rest.chars().next().filter(|quote| matches!(quote, '\'' | '"')) {
        let (name, rest) = rest.get(1..)?.split_once(&format!("{quote}]"))?;
        let name = name.replace(&format!("\\{quote}"), &quote.to_string());
        return Some((Step::Name(name), rest));
    }
    let (index, rest) = rest.split_once(']')?;
    Some((Step::Index(index.parse().ok()?), rest))
}

/// Numbers are doubles on the wire; a whole one should not grow a `.0`.
fn whole(number: Number) -> Number {
    #[expect(clippy::cast_possible_truncation, reason = "it has no fraction and is small")]
    let of_float = |float: f64| (float.fract() == 0.0 && float.abs() < 9e15).then(|| Number::from(float as i64));
    match number.as_f64() {
        Some(float) if number.is_f64() => of_float(float).unwrap_or(number),
        _ => number,
    }
}

fn as_map<S: serde::Serializer>(members: &[(String, Node)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(members.iter().map(|(name, node)| (name, node)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_find_their_places() {
        let mut node = Node::empty_object();
        for piece in [
            r#"{"jsonPath":"$.list[0].amount","stringValue":"16 ","willContinue":true}"#,
            r#"{"jsonPath":"$.list[0].amount","stringValue":"oz"}"#,
            r#"{"jsonPath":"$.list[2]","numberValue":2.0}"#,
            r#"{"jsonPath":"$['a.b']","boolValue":true}"#,
            r#"{"jsonPath":"$.none","nullValue":"NULL_VALUE"}"#,
            r#"{"jsonPath":"$.half","numberValue":0.5}"#,
            r#"{"jsonPath":"nonsense","stringValue":"x"}"#,
            r#"{"jsonPath":"$.list[99999999999]","stringValue":"x"}"#,
        ] {
            node.put(serde_json::from_str(piece).expect("a piece"));
        }
        assert_eq!(node.text(), r#"{"list":[{"amount":"16 oz"},null,2],"a.b":true,"none":null,"half":0.5}"#);
    }
}
