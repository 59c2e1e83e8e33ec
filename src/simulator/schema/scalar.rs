//! Strings and numbers within their bounds.

use serde_json::{Map, Number, Value};

use super::{At, MOST_VALUES, count};

pub fn string(schema: &Map<String, Value>, at: At) -> String {
    let format = schema.get("format").and_then(Value::as_str);
    let index = at.index;
    match format {
        Some("date-time") => format!("2026-01-01T00:00:{:02}Z", index % 60),
        Some("date") => format!("2026-01-{:02}", index % 28 + 1),
        Some("time") => format!("00:00:{:02}Z", index % 60),
        Some("duration") => format!("P{}D", index + 1),
        Some("email" | "idn-email") => format!("user{index}@example.com"),
        Some("hostname" | "idn-hostname") => format!("host{index}.example.com"),
        Some("ipv4") => format!("192.0.2.{}", index % 254 + 1),
        Some("ipv6") => format!("2001:db8::{:x}", index % 0xffff + 1),
        Some("uuid") => format!("00000000-0000-4000-8000-{index:012x}"),
        Some("uri" | "iri" | "url" | "uri-reference") => format!("https://example.com/{index}"),
        _ => {
            let least = count(schema, "minLength").unwrap_or_default();
            let most = count(schema, "maxLength").unwrap_or(usize::MAX);
            let suffix = match index {
                0 => String::new(),
                index => format!("-{}", index + 1),
            };
            let own = format!("{}{suffix}", at.name);
            let padding = std::iter::repeat_n('.', least.min(MOST_VALUES));
            let padded = own.chars().chain(padding);
            let length = own.chars().count().max(least).min(most);
            padded.take(length).collect()
        }
    }
}

pub fn number(schema: &Map<String, Value>, at: At, whole: bool) -> Value {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let step = bound("multipleOf").filter(|step| *step > 0.0);
    let grain = match (step, whole) {
        // A whole multiple of a fraction: its smallest whole one is close enough to be tried.
        (Some(step), true) if step.fract() != 0.0 => 1.0,
        (Some(step), _) => step,
        (None, true) => 1.0,
        (None, false) => 0.5,
    };
    let up = |bound: f64| (bound / grain).ceil() * grain;
    let down = |bound: f64| (bound / grain).floor() * grain;

    let least =
        [bound("minimum").map(up), bound("exclusiveMinimum").map(|b| if up(b) > b { up(b) } else { b + grain })];
    let most =
        [bound("maximum").map(down), bound("exclusiveMaximum").map(|b| if down(b) < b { down(b) } else { b - grain })];
    let least = least.into_iter().flatten().reduce(f64::max);
    let most = most.into_iter().flatten().reduce(f64::min);
    let first = match (least, most) {
        (Some(least), Some(most)) if least > most => match (bound("minimum"), bound("maximum")) {
            // The grain does not fit between the bounds: without a step, their middle does.
            (low, high) if !whole && step.is_none() => {
                let low = low.or(bound("exclusiveMinimum")).unwrap_or(least);
                let high = high.or(bound("exclusiveMaximum")).unwrap_or(most);
                (low + high) / 2.0
            }
            _ => least,
        },
        (Some(least), _) => least,
        (None, Some(most)) => most.min(grain),
        (None, None) => grain.max(1.0),
    };
    let own = first + grain * at.index as f64;
    let own = match most {
        Some(most) if own > most => first,
        _ => own,
    };
    match whole || own.fract() == 0.0 {
        // The cast saturates, which is where such a bound wants it.
        true => Value::from(own as i64),
        false => Number::from_f64(own).map_or(Value::Null, Value::Number),
    }
}
