//! Google's subset of OpenAPI's schemas → JSON schema: types in small letters, `nullable` as a type, counts as numbers.

use serde_json::value::RawValue;

use super::super::raw::{self, Members};
use crate::dialects::ir::Json;

/// Deeper schemas are taken as they are.
const DEEPEST: usize = 64;

/// The JSON schema that says what Google's schema says; key order is kept.
pub fn to_json_schema(schema: &RawValue) -> Json {
    let mut out = String::with_capacity(schema.get().len());
    write_schema(&mut out, schema, DEEPEST);
    RawValue::from_string(out).unwrap_or_else(|_| schema.to_owned())
}

fn write_schema(out: &mut String, schema: &RawValue, depth: usize) {
    let members = if depth == 0 { None } else { Members::of(schema) };
    let Some(Members(members)) = members else {
        out.push_str(schema.get());
        return;
    };
    let is_nullable = members.iter().any(|(name, value)| name == "nullable" && value.get() == "true");
    let has_type = members.iter().any(|(name, _)| name == "type");
    let kept = members
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "nullable" | "propertyOrdering" | "property_ordering"));
    write_object(out, kept, |out, name, value| match name {
        "type" => write_type(out, value, is_nullable),
        "enum" if is_nullable && has_type => write_nullable_enum(out, value),
        "properties" | "defs" | "$defs" => write_each_member(out, value, depth - 1),
        "items" | "additionalProperties" | "additional_properties" => write_schema(out, value, depth - 1),
        "anyOf" | "any_of" | "oneOf" | "allOf" | "prefixItems" => write_each_item(out, value, depth - 1),
        "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties" => {
            out.push_str(&count(value));
        }
        _ => out.push_str(value.get()),
    });
}

fn write_object<'a>(
    out: &mut String,
    members: impl Iterator<Item = &'a (String, &'a RawValue)>,
    mut write_value: impl FnMut(&mut String, &str, &RawValue),
) {
    out.push('{');
    for (at, (name, value)) in members.enumerate() {
        if at > 0 {
            out.push(',');
        }
        let name = match name.as_str() {
            "any_of" => "anyOf",
            "additional_properties" => "additionalProperties",
            name => name,
        };
        out.push_str(raw::json(name).get());
        out.push(':');
        write_value(out, name, value);
    }
    out.push('}');
}

fn write_each_member(out: &mut String, schemas: &RawValue, depth: usize) {
    match Members::of(schemas) {
        None => out.push_str(schemas.get()),
        Some(Members(members)) => {
            out.push('{');
            for (at, (name, schema)) in members.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(raw::json(name).get());
                out.push(':');
                write_schema(out, schema, depth);
            }
            out.push('}');
        }
    }
}

fn write_each_item(out: &mut String, schemas: &RawValue, depth: usize) {
    let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(schemas.get()) else {
        out.push_str(schemas.get());
        return;
    };
    out.push('[');
    for (at, schema) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_schema(out, schema, depth);
    }
    out.push(']');
}

fn write_type(out: &mut String, value: &RawValue, is_nullable: bool) {
    let Some(name) = raw::as_text(value) else {
        out.push_str(value.get());
        return;
    };
    let name = raw::json(&name.to_ascii_lowercase());
    if is_nullable && name.get() != "\"null\"" {
        out.push_str(&format!("[{},\"null\"]", name.get()));
    } else {
        out.push_str(name.get());
    }
}

fn write_nullable_enum(out: &mut String, value: &RawValue) {
    match value.get().strip_suffix(']') {
        Some("[") | None => out.push_str(value.get()),
        Some(_) if value.get().contains("null") => out.push_str(value.get()),
        Some(open) => {
            out.push_str(open);
            out.push_str(",null]");
        }
    }
}

/// Counts are 64-bit integers, which Google's JSON spells as texts.
fn count(value: &RawValue) -> String {
    let digits = raw::as_text(value).filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.unwrap_or_else(|| value.get().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(schema: &str) -> String {
        to_json_schema(&RawValue::from_string(schema.to_owned()).expect("JSON")).get().to_owned()
    }

    #[test]
    fn says_the_same_in_small_letters() {
        let schema = r#"{"type":"OBJECT","propertyOrdering":["type"],"required":["type"],"properties":{
            "type":{"type":"STRING","nullable":true,"enum":["A","B"]},
            "tags":{"type":"ARRAY","minItems":"1","items":{"anyOf":[{"type":"INTEGER","format":"int64"},{"type":"NUMBER"}]}}}}"#;
        assert_eq!(
            converted(schema),
            concat!(
                r#"{"type":"object","required":["type"],"properties":{"#,
                r#""type":{"type":["string","null"],"enum":["A","B",null]},"#,
                r#""tags":{"type":"array","minItems":1,"items":{"anyOf":[{"type":"integer","format":"int64"},{"type":"number"}]}}}}"#
            )
        );
    }

    #[test]
    fn leaves_alone_what_it_does_not_know() {
        for schema in [r#"{"type":["string","null"],"x":{"type":"STRING"}}"#, "true", "[]", r#"{"properties":7}"#] {
            assert_eq!(converted(schema), schema);
        }
        let deep = format!("{}{}", r#"{"items":"#.repeat(5000), "1") + &"}".repeat(5000);
        assert_eq!(converted(&deep), deep);
    }
}
