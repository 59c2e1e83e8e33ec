//! `POST /moderations`: a category is flagged when the text names it, so that a test can have any verdict it wants.

use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};

use super::super::answer::Answer;
use super::read::{self, Part, Str, TextOr, required};
use crate::error::Refusal;

const CATEGORIES: [&str; 13] = [
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
];

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Option<Str<'a>>,
    #[serde(borrow)]
    input: Option<TextOr<'a, Item<'a>>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Item<'a> {
    #[serde(borrow)]
    Text(Str<'a>),
    Part(Part<'a>),
}

#[derive(Serialize)]
struct Body<'a> {
    id: String,
    model: &'a str,
    results: Vec<Verdict>,
}

#[derive(Serialize)]
struct Verdict {
    flagged: bool,
    categories: PerCategory<bool>,
    category_scores: PerCategory<f64>,
    category_applied_input_types: PerCategory<[&'static str; 1]>,
}

struct PerCategory<T>([T; CATEGORIES.len()]);

impl<T: Serialize> Serialize for PerCategory<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(CATEGORIES.len()))?;
        for (category, value) in CATEGORIES.iter().zip(&self.0) {
            map.serialize_entry(category, value)?;
        }
        map.end()
    }
}

pub fn answer(body: &[u8], nonce: &str) -> Result<Answer, Refusal> {
    let request: Request = read::body(body)?;
    let model = request.model.map(|model| model.0);
    let results = match required(request.input, "input")? {
        TextOr::Text(text) => vec![verdict(&text)],
        TextOr::List(items) => items
            .iter()
            .map(|item| match item {
                Item::Text(text) => verdict(&text.0),
                Item::Part(part) => verdict(part.text.as_ref().map_or("", |text| &text.0)),
            })
            .collect(),
    };
    Ok(Answer::json(&Body { id: format!("modr-{nonce}"), model: model.as_deref().unwrap_or("simulator"), results }))
}

fn verdict(text: &str) -> Verdict {
    let text = text.to_lowercase();
    let categories = CATEGORIES.map(|category| text.contains(category));
    Verdict {
        flagged: categories.contains(&true),
        category_scores: PerCategory(categories.map(|named| if named { 0.99 } else { 0.01 })),
        categories: PerCategory(categories),
        category_applied_input_types: PerCategory([["text"]; CATEGORIES.len()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_flagged_for_what_it_names() {
        assert!(!verdict("a walk in the park").flagged);
        let verdict = verdict("a film with some Violence");
        assert!(verdict.flagged);
        let named = CATEGORIES.iter().zip(verdict.categories.0);
        let named: Vec<_> = named.filter(|(_, flagged)| *flagged).collect();
        assert_eq!(named, [(&"violence", true)]);
    }
}
