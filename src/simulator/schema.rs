//! An instance of a JSON schema: the smallest honest value that validates, made without chance.
//!
//! Covered: types and lists of types, `const`, `enum`, `default`, `properties`, `required`, `items`, `prefixItems`,
//! `minItems`, `uniqueItems`, bounds and `multipleOf` of numbers, lengths and common formats of strings, `$ref` within the
//! document, `anyOf`, `oneOf` (its first branch) and `allOf`. Not covered: `pattern`, `not`, `if` and dependencies; an
//! instance is then only as valid as luck has it.

mod scalar;

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use thiserror::Error;

use scalar::{number, string};

/// Below this depth optional parts are left out, which ends recursive schemas that can end.
const FULL_DEPTH: usize = 4;
/// A schema that still goes on here cannot end.
const MOST_DEPTH: usize = 48;
/// A bound on what one schema may ask for, in values.
const MOST_VALUES: usize = 20_000;

#[derive(Debug, Error, PartialEq)]
pub enum Unsatisfiable {
    #[error("the schema is not valid JSON schema")]
    NotASchema,
    #[error("the schema has no finite instance of a reasonable size")]
    Endless,
    #[error("the schema refers to `{0}`, which is not in it")]
    Dangling(String),
    #[error("the schema allows nothing")]
    Nothing,
}

pub fn instance(schema: &RawValue) -> Result<Value, Unsatisfiable> {
    let root: Value = serde_json::from_str(schema.get()).map_err(|_| Unsatisfiable::NotASchema)?;
    let mut maker = Maker { root: &root, made: 0 };
    maker.value(&root, At::root())
}

struct Maker<'r> {
    root: &'r Value,
    made: usize,
}

/// Where in the instance a value stands.
#[derive(Clone, Copy)]
struct At<'n> {
    depth: usize,
    /// The nearest property, which free strings are made of.
    name: &'n str,
    /// Which element of an array, so that elements can differ.
    index: usize,
}

impl<'n> At<'n> {
    fn root() -> Self {
        Self { depth: 0, name: "text", index: 0 }
    }

    fn deeper(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }

    fn full(self) -> bool {
        self.depth < FULL_DEPTH
    }
}

type Made = Result<Value, Unsatisfiable>;

impl Maker<'_> {
    fn value(&mut self, schema: &Value, at: At) -> Made {
        self.made += 1;
        if at.depth > MOST_DEPTH || self.made > MOST_VALUES {
            return Err(Unsatisfiable::Endless);
        }
        let schema = match schema {
            Value::Bool(true) => return Ok(Value::from(at.name)),
            Value::Bool(false) => return Err(Unsatisfiable::Nothing),
            Value::Object(schema) => schema,
            _ => return Err(Unsatisfiable::NotASchema),
        };
        if let Some(merged) = self.merged(schema)? {
            return self.value(&merged, at.deeper());
        }
        if let Some(constant) = schema.get("const") {
            return Ok(constant.clone());
        }
        if let Some(allowed) = list(schema, "enum") {
            let pick = allowed.get(at.index).or(allowed.first());
            return pick.cloned().ok_or(Unsatisfiable::Nothing);
        }
        if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
            return Ok(default.clone());
        }
        if let Some(branches) = list(schema, "anyOf").or(list(schema, "oneOf")) {
            return self.branch(schema, branches, at);
        }
        self.typed(schema, at)
    }

    /// The schema with its `$ref` or `allOf` resolved into it; `None` if it has neither.
    fn merged(&self, schema: &Map<String, Value>) -> Result<Option<Value>, Unsatisfiable> {
        if !schema.contains_key("$ref") && !schema.contains_key("allOf") {
            return Ok(None);
        }
        let mut merged = schema.clone();
        if let Some(target) = merged.remove("$ref") {
            let target = self.target(&target)?;
            merge(&mut merged, target)?;
            return Ok(Some(Value::Object(merged)));
        }
        if let Some(Value::Array(parts)) = merged.remove("allOf") {
            for part in &parts {
                let part = match part.get("$ref") {
                    Some(target) => self.target(target)?,
                    None => part,
                };
                merge(&mut merged, part)?;
            }
            return Ok(Some(Value::Object(merged)));
        }
        Ok(None)
    }

    fn target(&self, reference: &Value) -> Result<&Value, Unsatisfiable> {
        let reference = reference.as_str().ok_or(Unsatisfiable::NotASchema)?;
        let dangling = || Unsatisfiable::Dangling(reference.to_owned());
        let pointer = reference.strip_prefix('#').ok_or_else(dangling)?;
        let pointer = percent_encoding::percent_decode_str(pointer).decode_utf8_lossy();
        self.root.pointer(&pointer).ok_or_else(dangling)
    }

    /// The first branch that can be had; in the depth the simplest ones first, because one of them may be the way out.
    fn branch(&mut self, schema: &Map<String, Value>, branches: &[Value], at: At) -> Made {
        let mut order: Vec<&Value> = branches.iter().collect();
        if !at.full() {
            order.sort_by_key(|branch| complexity(branch));
        }
        let mut base = schema.clone();
        base.remove("anyOf");
        base.remove("oneOf");
        let mut last = Unsatisfiable::Nothing;
        for branch in order {
            let mut chosen = base.clone();
            match merge(&mut chosen, branch).and_then(|()| self.value(&Value::Object(chosen), at.deeper())) {
                Ok(value) => return Ok(value),
                Err(why) => last = why,
            }
        }
        Err(last)
    }

    fn typed(&mut self, schema: &Map<String, Value>, at: At) -> Made {
        match kind(schema, at) {
            "object" => self.object(schema, at),
            "array" => self.array(schema, at),
            "string" => Ok(Value::String(string(schema, at))),
            "integer" => Ok(number(schema, at, true)),
            "number" => Ok(number(schema, at, false)),
            "boolean" => Ok(Value::Bool(true)),
            "null" => Ok(Value::Null),
            _ => Err(Unsatisfiable::NotASchema),
        }
    }

    fn object(&mut self, schema: &Map<String, Value>, at: At) -> Made {
        let empty = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let required: Vec<&str> = list(schema, "required").into_iter().flatten().filter_map(Value::as_str).collect();
        let mut made = Map::new();
        for (name, property) in properties {
            let must = required.contains(&name.as_str());
            if !must && !at.full() {
                continue;
            }
            let inner = At { depth: at.depth + 1, name, index: at.index };
            match self.value(property, inner) {
                Ok(value) => _ = made.insert(name.clone(), value),
                Err(why) if must => return Err(why),
                Err(_) => {}
            }
        }
        let fallback = schema.get("additionalProperties");
        for name in required {
            if !made.contains_key(name) {
                let inner = At { name, ..at.deeper() };
                let value = self.value(fallback.unwrap_or(&Value::Bool(true)), inner)?;
                made.insert(name.to_owned(), value);
            }
        }
        Ok(Value::Object(made))
    }

    fn array(&mut self, schema: &Map<String, Value>, at: At) -> Made {
        let least = count(schema, "minItems").unwrap_or_default();
        let most = count(schema, "maxItems").unwrap_or(usize::MAX);
        let heads = list(schema, "prefixItems").unwrap_or_default();
        let wanted = match (at.full(), heads.len()) {
            (true, 0) => least.max(1),
            (true, heads) => least.max(heads),
            (false, _) => least,
        };
        if least > MOST_VALUES {
            return Err(Unsatisfiable::Endless);
        }
        let any = Value::Bool(true);
        let items = schema.get("items").unwrap_or(&any);
        let mut made = Vec::new();
        for index in 0..wanted.min(most) {
            let inner = At { index, ..at.deeper() };
            match self.value(heads.get(index).unwrap_or(items), inner) {
                Ok(value) => made.push(value),
                Err(_) if index >= least => break,
                Err(why) => return Err(why),
            }
        }
        Ok(Value::Array(made))
    }
}

/// Puts `more` into `schema`: objects (such as `properties`) are joined, `required` is appended, the rest replaced.
fn merge(schema: &mut Map<String, Value>, more: &Value) -> Result<(), Unsatisfiable> {
    let more = match more {
        Value::Object(more) => more,
        Value::Bool(true) => return Ok(()),
        Value::Bool(false) => return Err(Unsatisfiable::Nothing),
        _ => return Err(Unsatisfiable::NotASchema),
    };
    for (key, value) in more {
        match (schema.get_mut(key), value) {
            (Some(Value::Object(ours)), Value::Object(theirs)) => {
                ours.extend(theirs.clone());
            }
            (Some(Value::Array(ours)), Value::Array(theirs)) if key == "required" => {
                ours.extend(theirs.iter().cloned());
            }
            _ => _ = schema.insert(key.clone(), value.clone()),
        }
    }
    Ok(())
}

fn complexity(schema: &Value) -> usize {
    let simple = |kind: &Value| match kind.as_str() {
        Some("null") => 0,
        Some("object") => 3,
        Some("array") => 2,
        _ => 1,
    };
    match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().map(simple).min().unwrap_or(1),
        Some(kind) => simple(kind),
        None if schema.get("const").is_some() || schema.get("enum").is_some() => 0,
        None => 4,
    }
}

fn kind<'s>(schema: &'s Map<String, Value>, at: At) -> &'s str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => {
            let mut kinds = kinds.iter().filter_map(Value::as_str);
            let null_will_do = !at.full() && kinds.clone().any(|kind| kind == "null");
            match null_will_do {
                true => "null",
                false => kinds.find(|kind| *kind != "null").unwrap_or("null"),
            }
        }
        _ => kind_by_keywords(schema),
    }
}

fn kind_by_keywords(schema: &Map<String, Value>) -> &'static str {
    const TELLING: [(&str, &str); 10] = [
        ("properties", "object"),
        ("required", "object"),
        ("additionalProperties", "object"),
        ("items", "array"),
        ("prefixItems", "array"),
        ("minItems", "array"),
        ("minimum", "number"),
        ("maximum", "number"),
        ("exclusiveMinimum", "number"),
        ("multipleOf", "number"),
    ];
    let told = TELLING.iter().find(|(key, _)| schema.contains_key(*key));
    told.map_or("string", |(_, kind)| kind)
}

fn list<'s>(schema: &'s Map<String, Value>, key: &str) -> Option<&'s [Value]> {
    schema.get(key)?.as_array().map(Vec::as_slice)
}

fn count(schema: &Map<String, Value>, key: &str) -> Option<usize> {
    schema.get(key)?.as_u64()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn made(schema: Value) -> Made {
        let schema = serde_json::value::to_raw_value(&schema).unwrap();
        instance(&schema)
    }

    #[test]
    fn plain_types() {
        assert_eq!(made(json!({"type": "string"})), Ok(json!("text")));
        assert_eq!(made(json!({"type": "integer"})), Ok(json!(1)));
        assert_eq!(made(json!({"type": "boolean"})), Ok(json!(true)));
        assert_eq!(made(json!({"type": "null"})), Ok(json!(null)));
        assert_eq!(made(json!({"type": ["null", "string"]})), Ok(json!("text")));
        assert_eq!(made(json!({"enum": ["b", "a"]})), Ok(json!("b")));
        assert_eq!(made(json!({"const": 7})), Ok(json!(7)));
        assert_eq!(made(json!(false)), Err(Unsatisfiable::Nothing));
    }

    #[test]
    fn bounds_are_kept() {
        let integer = |bounds: Value| {
            let mut schema = json!({"type": "integer"});
            merge(schema.as_object_mut().unwrap(), &bounds).unwrap();
            made(schema).unwrap()
        };
        assert_eq!(integer(json!({"minimum": 5})), json!(5));
        assert_eq!(integer(json!({"exclusiveMinimum": 5})), json!(6));
        assert_eq!(integer(json!({"maximum": -3})), json!(-3));
        assert_eq!(integer(json!({"minimum": 10, "multipleOf": 7})), json!(14));
        let between = made(json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.1}));
        assert_eq!(between, Ok(json!(0.05)));
        let short = made(json!({"type": "string", "maxLength": 2}));
        assert_eq!(short, Ok(json!("te")));
        let long = made(json!({"type": "string", "minLength": 6}));
        assert_eq!(long, Ok(json!("text..")));
    }

    #[test]
    fn objects_and_arrays() {
        let schema = json!({
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": true},
                "unit": {"$ref": "#/$defs/Unit"},
                "when": {"type": "string", "format": "date"},
            },
            "required": ["city", "extra"],
            "$defs": {"Unit": {"type": "string", "enum": ["C", "F"]}},
        });
        let expected = json!({
            "city": "city", "days": [1, 2, 3], "unit": "C", "when": "2026-01-01", "extra": "extra",
        });
        assert_eq!(made(schema), Ok(expected));
    }

    #[test]
    fn branches_and_parts() {
        let either = json!({"anyOf": [{"type": "integer"}, {"type": "null"}], "title": "x"});
        assert_eq!(made(either), Ok(json!(1)));
        let both = json!({"allOf": [
            {"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]},
            {"$ref": "#/$defs/b"},
        ], "$defs": {"b": {"properties": {"b": {"const": 2}}, "required": ["b"]}}});
        assert_eq!(made(both), Ok(json!({"a": 1, "b": 2})));
    }

    #[test]
    fn recursion_ends_if_it_can() {
        let list = json!({
            "type": "object",
            "properties": {"value": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
            "required": ["value", "next"],
        });
        let mut made_list = made(list).unwrap();
        while let Some(next) = made_list.get("next").cloned() {
            assert_eq!(made_list["value"], 1);
            made_list = next;
        }
        assert_eq!(made_list, Value::Null);

        let tree = json!({
            "type": "object",
            "properties": {"children": {"type": "array", "items": {"$ref": "#"}}},
            "required": ["children"],
        });
        assert!(made(tree).is_ok());

        let endless = json!({"type": "object", "properties": {"me": {"$ref": "#"}}, "required": ["me"]});
        assert_eq!(made(endless), Err(Unsatisfiable::Endless));
        let nowhere = json!({"$ref": "#/$defs/gone"});
        assert!(matches!(made(nowhere), Err(Unsatisfiable::Dangling(_))));
    }
}
