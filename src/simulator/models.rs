//! The list of models, in each dialect that has one.

use serde::Serialize;

use super::Behaviour;
use super::answer::Answer;
use crate::dialects::Dialect;
use crate::error::{Kind, Refusal};

/// 2025-01-01, when these models may have been made.
const CREATED: u64 = 1_735_689_600;
const CREATED_AT: &str = "2025-01-01T00:00:00Z";
const MOST_INPUT: u64 = 1_000_000;
const MOST_OUTPUT: u64 = 16_384;

pub fn list(dialect: Dialect, behaviour: &Behaviour) -> Answer {
    let models = behaviour.models();
    match dialect {
        Dialect::Anthropic => Answer::json(&AnthropicList::new(models.map(AnthropicModel::new).collect())),
        Dialect::Gemini => Answer::json(&GeminiList { models: models.map(GeminiModel::new).collect() }),
        _ => Answer::json(&OpenaiList { object: "list", data: models.map(OpenaiModel::new).collect() }),
    }
}

pub fn one(dialect: Dialect, id: &str, behaviour: &Behaviour) -> Result<Answer, Refusal> {
    let model = behaviour.models().find(|model| *model == id).ok_or_else(|| {
        Refusal::new(Kind::NotFound, format!("The model `{id}` is not listed.")).param("model").code("model_not_found")
    })?;
    Ok(match dialect {
        Dialect::Anthropic => Answer::json(&AnthropicModel::new(model)),
        Dialect::Gemini => Answer::json(&GeminiModel::new(model)),
        _ => Answer::json(&OpenaiModel::new(model)),
    })
}

#[derive(Serialize)]
struct OpenaiList<'a> {
    object: &'static str,
    data: Vec<OpenaiModel<'a>>,
}

#[derive(Serialize)]
struct OpenaiModel<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
}

impl<'a> OpenaiModel<'a> {
    fn new(id: &'a str) -> Self {
        Self { id, object: "model", created: CREATED, owned_by: "simulator" }
    }
}

/// One page, however many there are.
#[derive(Serialize)]
struct AnthropicList<'a> {
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
    has_more: bool,
    data: Vec<AnthropicModel<'a>>,
}

#[derive(Serialize)]
struct AnthropicModel<'a> {
    r#type: &'static str,
    id: &'a str,
    display_name: &'a str,
    created_at: &'static str,
    max_input_tokens: u64,
    max_tokens: u64,
}

impl<'a> AnthropicList<'a> {
    fn new(data: Vec<AnthropicModel<'a>>) -> Self {
        let id = |model: &AnthropicModel<'a>| model.id;
        Self { first_id: data.first().map(id), last_id: data.last().map(id), has_more: false, data }
    }
}

impl<'a> AnthropicModel<'a> {
    fn new(id: &'a str) -> Self {
        Self {
            r#type: "model",
            id,
            display_name: id,
            created_at: CREATED_AT,
            max_input_tokens: MOST_INPUT,
            max_tokens: MOST_OUTPUT,
        }
    }
}

#[derive(Serialize)]
struct GeminiList<'a> {
    models: Vec<GeminiModel<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GeminiModel<'a> {
    name: String,
    version: &'static str,
    display_name: &'a str,
    input_token_limit: u64,
    output_token_limit: u64,
    supported_generation_methods: &'static [&'static str],
}

impl<'a> GeminiModel<'a> {
    fn new(id: &'a str) -> Self {
        let supported_generation_methods: &[&str] = match id.contains("embedding") {
            true => &["embedContent", "batchEmbedContents"],
            false => &["generateContent", "streamGenerateContent", "countTokens"],
        };
        Self {
            name: format!("models/{id}"),
            version: "001",
            display_name: id,
            input_token_limit: MOST_INPUT,
            output_token_limit: MOST_OUTPUT,
            supported_generation_methods,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn shown(answer: Answer) -> Value {
        match answer {
            Answer::Whole { body, .. } => serde_json::from_slice(&body).unwrap(),
            _ => panic!("not a whole answer"),
        }
    }

    #[test]
    fn each_dialect_has_its_list() {
        let behaviour = Behaviour { models: vec!["a".to_owned(), "b-embedding".to_owned()], ..Behaviour::default() };
        let list = |dialect| shown(list(dialect, &behaviour));
        assert_eq!(list(Dialect::OpenaiChat)["data"][1]["id"], "b-embedding");
        let anthropic = list(Dialect::Anthropic);
        assert_eq!((&anthropic["last_id"], &anthropic["has_more"]), (&"b-embedding".into(), &false.into()));
        assert_eq!(anthropic["data"][0]["type"], "model");
        let gemini = list(Dialect::Gemini);
        assert_eq!(gemini["models"][0]["name"], "models/a");
        assert_eq!(gemini["models"][1]["supportedGenerationMethods"][0], "embedContent");

        assert_eq!(shown(one(Dialect::Gemini, "a", &behaviour).unwrap())["displayName"], "a");
        let unlisted = one(Dialect::Anthropic, "c", &behaviour).map(|_| ()).unwrap_err();
        assert_eq!(unlisted.kind, Kind::NotFound);
    }
}
