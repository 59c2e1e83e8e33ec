//! Arguments that come in pieces, each with the JSON path of where it belongs (Vertex AI, `streamFunctionCallArguments`).

use serde::{Deserialize, Serialize};
use serde_json::Number;

use super::super::raw;
use crate::dialects::wire::null_as_default;

/// No model writes more values into one call. A path could ask for any number of them, so they are counted.
const MOST_VALUES: usize = 1 << 16;
/// JSON that is nested deeper is not read by anybody.
const DEEPEST: usize = 100;

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
#[derive(Debug)]
pub struct Arguments {
    root: Node,
    /// So many values may still be made.
    room: usize,
}

#[derive(Debug, Default, Serialize)]
#[serde(untagged)]
enum Node {
    #[default]
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    #[serde(serialize_with = "as_map")]
    Object(Vec<(String, Node)>),
}

impl Default for Arguments {
    fn default() -> Self {
        Self { root: Node::Object(Vec::new()), room: MOST_VALUES }
    }
}

impl Arguments {
    /// Puts a piece where it belongs. One that belongs nowhere is passed over.
    pub fn put(&mut self, piece: PartialArg) {
        let Some(place) = self.at(&piece.json_path) else { return };
        match (piece.string_value, piece.number_value, piece.bool_value) {
            (Some(more), ..) => match place {
                Node::Text(text) => text.push_str(&more),
                other => *other = Node::Text(more),
            },
            (None, Some(number), _) => *place = Node::Number(whole(number)),
            (None, None, Some(value)) => *place = Node::Bool(value),
            (None, None, None) => *place = Node::Null,
        }
    }

    /// As JSON text.
    pub fn text(&self) -> String {
        Box::<str>::from(raw::json(&self.root)).into()
    }

    /// The place at a path, made if it is not there.
    fn at(&mut self, path: &str) -> Option<&mut Node> {
        let mut rest = path.strip_prefix('$')?;
        let mut node = &mut self.root;
        for _ in 0..DEEPEST {
            if rest.is_empty() {
                return Some(node);
            }
            let (step, after) = step(rest)?;
            node = match step {
                Step::Name(name) => node.member(name, &mut self.room)?,
                Step::Index(index) => node.item(index, &mut self.room)?,
            };
            rest = after;
        }
        None
    }
}

impl Node {
    fn member(&mut self, name: String, room: &mut usize) -> Option<&mut Self> {
        if !matches!(self, Self::Object(_)) {
            *self = Self::Object(Vec::new());
        }
        let Self::Object(members) = self else { return None };
        let known = members.iter().position(|(known, _)| *known == name);
        if known.is_none() {
            *room = room.checked_sub(1)?;
            members.push((name, Self::Null));
        }
        let at = known.unwrap_or(members.len() - 1);
        members.get_mut(at).map(|(_, node)| node)
    }

    fn item(&mut self, index: usize, room: &mut usize) -> Option<&mut Self> {
        if !matches!(self, Self::List(_)) {
            *self = Self::List(Vec::new());
        }
        let Self::List(items) = self else { return None };
        if items.len() <= index {
            *room = room.checked_sub(index.checked_add(1)? - items.len())?;
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
        let mut arguments = Arguments::default();
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
            arguments.put(serde_json::from_str(piece).expect("a piece"));
        }
        assert_eq!(arguments.text(), r#"{"list":[{"amount":"16 oz"},null,2],"a.b":true,"none":null,"half":0.5}"#);
    }

    #[test]
    fn paths_that_ask_for_too_much_lead_nowhere() {
        let mut arguments = Arguments::default();
        let put = |arguments: &mut Arguments, json_path: String| {
            arguments.put(PartialArg { json_path, bool_value: Some(true), ..PartialArg::default() });
        };
        put(&mut arguments, format!("${}", "[0]".repeat(1_000_000)));
        put(&mut arguments, format!("$.a[{}]", usize::MAX));
        (0..100).for_each(|at| put(&mut arguments, format!("$.b{at}[65000]")));
        let text = arguments.text();
        assert!(text.len() < 400_000, "{}", text.len());
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON");
    }
}
