//! JSON schemas as Anthropic's structured outputs and strict tools take them ("Structured outputs", JSON schema limitations): closed
//! objects, no recursion, few keywords, few options. What cannot be checked is told in the description; what would mean something
//! else is not done at all. Members keep their order: it is the order of the answer.

use serde_json::value::RawValue;

use super::super::members::Members;
use crate::dialects::ir::Json;

/// So many properties of all schemas of a request may be optional, so many may have several types.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    optional: usize,
    unions: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { optional: 24, unions: 16 }
    }
}

/// How deep schemas may be nested; what is deeper is not looked at.
const DEEPEST: usize = 64;

/// Formats of texts that are checked.
const FORMATS: &[&str] = &["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// What becomes of a keyword.
enum Keyword {
    Kept,
    Schema,
    SchemaList,
    SchemaMap,
    /// It cannot be checked: the description tells it.
    Told,
    /// Without it the schema would mean something else.
    Needed,
    /// It says nothing about the answer.
    Dropped,
}

fn keyword(name: &str) -> Keyword {
    match name {
        "type" | "enum" | "const" | "title" | "description" | "default" | "required" | "$ref" | "format" => {
            Keyword::Kept
        }
        "items" => Keyword::Schema,
        "anyOf" | "oneOf" | "allOf" => Keyword::SchemaList,
        "properties" | "$defs" | "definitions" => Keyword::SchemaMap,
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" | "minLength" | "maxLength"
        | "pattern" | "minItems" | "maxItems" | "uniqueItems" | "minProperties" | "maxProperties" => Keyword::Told,
        "not"
        | "if"
        | "then"
        | "else"
        | "prefixItems"
        | "contains"
        | "patternProperties"
        | "propertyNames"
        | "dependentRequired"
        | "dependentSchemas"
        | "unevaluatedProperties"
        | "$dynamicRef"
        | "$recursiveRef" => Keyword::Needed,
        _ => Keyword::Dropped,
    }
}

/// The schema within the limits; `None` if it cannot be brought within them. `room` shrinks only if it can.
pub fn within_limits(schema: &RawValue, room: &mut Room) -> Option<Json> {
    let mut rewriter = Rewriter { out: String::with_capacity(schema.get().len() + 64), room: *room, refs: Vec::new() };
    rewriter.schema(schema.get(), "#", 0)?;
    if rewriter.is_recursive() {
        return None;
    }
    *room = rewriter.room;
    RawValue::from_string(rewriter.out).ok()
}

struct Rewriter {
    out: String,
    room: Room,
    /// Which definition refers to which.
    refs: Vec<(String, String)>,
}

impl Rewriter {
    /// Writes a schema; `within` is the definition that it belongs to.
    fn schema(&mut self, raw: &str, within: &str, depth: usize) -> Option<()> {
        let members: Members<'_> = serde_json::from_str(raw).ok()?;
        if depth > DEEPEST || members.0.is_empty() {
            return None;
        }
        let get = |name: &str| members.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.get());
        let is_object = get("properties").is_some() || get("type").is_some_and(|kind| kind.contains("\"object\""));
        if is_object {
            self.object(get("properties"), get("required"), get("additionalProperties"))?;
        }
        if get("type").is_some_and(|kind| kind.starts_with('[')) {
            self.room.unions = self.room.unions.checked_sub(1)?;
        }
        let mut told = Vec::new();
        let mut description = None;
        self.out.push('{');
        let start = self.out.len();
        for (name, value) in &members.0 {
            let value = value.get();
            match keyword(name) {
                Keyword::Kept if name == "description" => description = serde_json::from_str::<String>(value).ok(),
                Keyword::Kept if name == "format" && !FORMATS.iter().any(|format| value == format!("\"{format}\"")) => {
                    told.push(format!("{name}: {value}"));
                }
                Keyword::Kept => {
                    if name == "$ref" {
                        self.refs.push((within.to_owned(), serde_json::from_str(value).ok()?));
                    }
                    self.member(start, name, value);
                }
                Keyword::Schema => {
                    self.key(start, name);
                    self.schema(value, within, depth + 1)?;
                }
                Keyword::SchemaList => self.list(start, name, value, within, depth)?,
                Keyword::SchemaMap => self.map(start, name, value, within, depth)?,
                Keyword::Told => told.push(format!("{name}: {value}")),
                Keyword::Needed => return None,
                Keyword::Dropped => {}
            }
        }
        if description.is_some() || !told.is_empty() {
            let said = described(description.unwrap_or_default(), &told);
            self.member(start, "description", &serde_json::to_string(&said).ok()?);
        }
        if is_object {
            self.member(start, "additionalProperties", "false");
        }
        self.out.push('}');
        Some(())
    }

    /// Objects are closed: one that may have any properties cannot be written, and a few may be left out.
    fn object(&mut self, properties: Option<&str>, required: Option<&str>, additional: Option<&str>) -> Option<()> {
        let properties: Members<'_> =
            properties.map_or(Some(Members(Vec::new())), |raw| serde_json::from_str(raw).ok())?;
        let is_closed = additional == Some("false");
        let is_open = additional.is_some_and(|additional| additional.starts_with('{'));
        if is_open || (properties.0.is_empty() && !is_closed) {
            return None;
        }
        let required: Vec<String> = required.map_or(Some(Vec::new()), |raw| serde_json::from_str(raw).ok())?;
        let optional = properties.0.iter().filter(|(name, _)| !required.contains(name)).count();
        self.room.optional = self.room.optional.checked_sub(optional)?;
        Some(())
    }

    fn list(&mut self, start: usize, name: &str, raw: &str, within: &str, depth: usize) -> Option<()> {
        let schemas: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
        if name != "allOf" {
            self.room.unions = self.room.unions.checked_sub(1)?;
        }
        self.key(start, if name == "oneOf" { "anyOf" } else { name });
        self.out.push('[');
        for (at, schema) in schemas.iter().enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            self.schema(schema.get(), within, depth + 1)?;
        }
        self.out.push(']');
        Some(())
    }

    fn map(&mut self, start: usize, name: &str, raw: &str, within: &str, depth: usize) -> Option<()> {
        let members: Members<'_> = serde_json::from_str(raw).ok()?;
        self.key(start, name);
        self.out.push('{');
        let start = self.out.len();
        for (key, schema) in &members.0 {
            let definition = format!("#/{name}/{key}");
            let within = if name == "properties" { within } else { definition.as_str() };
            self.key(start, key);
            self.schema(schema.get(), within, depth + 1)?;
        }
        self.out.push('}');
        Some(())
    }

    /// Writes a key, behind a comma unless it is the first since `start`.
    fn key(&mut self, start: usize, name: &str) {
        if self.out.len() > start {
            self.out.push(',');
        }
        self.out.push_str(&serde_json::to_string(name).unwrap_or_default());
        self.out.push(':');
    }

    fn member(&mut self, start: usize, name: &str, value: &str) {
        self.key(start, name);
        self.out.push_str(value);
    }

    fn is_recursive(&self) -> bool {
        self.refs.iter().any(|(_, to)| to == "#" || self.reaches(to, to, &mut Vec::new()))
    }

    fn reaches<'s>(&'s self, from: &str, goal: &str, seen: &mut Vec<&'s str>) -> bool {
        self.refs.iter().filter(|(source, _)| source == from).any(|(_, to)| {
            if to == goal {
                return true;
            }
            if seen.contains(&to.as_str()) {
                return false;
            }
            seen.push(to);
            self.reaches(to, goal, seen)
        })
    }
}

fn described(description: String, told: &[String]) -> String {
    match (description.is_empty(), told.is_empty()) {
        (_, true) => description,
        (true, false) => told.join(", "),
        (false, false) => format!("{description} ({})", told.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(schema: &str) -> Option<String> {
        let raw = RawValue::from_string(schema.to_owned()).expect("JSON");
        within_limits(&raw, &mut Room::default()).map(|schema| schema.get().to_owned())
    }

    #[test]
    fn closes_objects_and_tells_what_cannot_be_checked() {
        let schema = r##"{"$schema":"x","type":"object","properties":{"z":{"type":"integer","minimum":1,"description":"n"},
            "a":{"type":"array","items":{"$ref":"#/$defs/p"},"minItems":2}},"required":["z","a"],"$defs":{"p":{"type":"string","format":"phone"}}}"##;
        let expected = concat!(
            r##"{"type":"object","properties":{"z":{"type":"integer","description":"n (minimum: 1)"},"##,
            r##""a":{"type":"array","items":{"$ref":"#/$defs/p"},"description":"minItems: 2"}},"required":["z","a"],"##,
            r##""$defs":{"p":{"type":"string","description":"format: \"phone\""}},"additionalProperties":false}"##
        );
        assert_eq!(limited(schema).as_deref(), Some(expected));
        assert_eq!(
            limited(r#"{"oneOf":[{"type":"string"},{"type":"null"}]}"#).as_deref(),
            Some(r#"{"anyOf":[{"type":"string"},{"type":"null"}]}"#)
        );
    }

    #[test]
    fn leaves_alone_what_would_mean_something_else() {
        let many: Vec<_> = (0..25).map(|at| format!(r#""p{at}":{{"type":"string"}}"#)).collect();
        for schema in [
            r#"{"type":"object"}"#,
            r#"{"type":"object","additionalProperties":{"type":"string"}}"#,
            r##"{"$ref":"#/$defs/a","$defs":{"a":{"type":"object","properties":{"b":{"$ref":"#/$defs/a"}}}}}"##,
            r#"{"type":"object","properties":{"a":{"not":{"type":"string"}}}}"#,
            r#"{"type":"object","properties":{"a":true}}"#,
            &format!(r#"{{"type":"object","properties":{{{}}}}}"#, many.join(",")),
            "true",
            "{}",
        ] {
            assert_eq!(limited(schema), None, "{schema}");
        }
        let deep = format!("{}{{\"type\":\"string\"}}{}", "{\"items\":".repeat(100), "}".repeat(100));
        assert_eq!(limited(&deep), None);
    }
}
