//! The list of models, as the clients of each dialect read it.

use http::StatusCode;
use pingora_proxy::Session;
use serde_json::{Value, json};

use super::admit::{Stop, meant};
use super::context::Exchange;
use super::local::answer;
use crate::error::{Kind, Refusal};
use crate::files::rfc3339;
use crate::gateway::Readiness;
use crate::models::Card;
use crate::routing::{Target, Upstream};

/// A model under a name by which clients may ask for it.
struct Entry {
    id: String,
    /// Unix seconds; 0 where nobody tells.
    created: u64,
    owned_by: String,
    card: Card,
}

/// `GET /v1/models`: everything that a client may ask for, by qualified names, and the names that the user has given.
pub async fn list_models(session: &mut Session, ctx: &mut Exchange) -> Result<(), Stop> {
    let models = all_models(ctx);
    if models.is_empty() && ctx.gateway.readiness() == Readiness::Starting {
        return Err(not_ready().into());
    }
    let list = match Shape::of(session) {
        Shape::Openai => json!({ "object": "list", "data": models.iter().map(openai).collect::<Vec<_>>() }),
        Shape::Gemini => json!({ "models": models.iter().map(gemini).collect::<Vec<_>>() }),
        Shape::Anthropic => json!({
            "first_id": models.first().map(|model| &model.id),
            "last_id": models.last().map(|model| &model.id),
            "has_more": false,
            "data": models.iter().map(anthropic).collect::<Vec<_>>(),
        }),
    };
    answer(session, ctx, StatusCode::OK, &list).await?;
    Ok(())
}

/// `GET /v1beta/models` and `GET /v1beta/models/{id}`: the same as Gemini's SDKs read it.
pub async fn gemini_models(session: &mut Session, ctx: &mut Exchange, tail: &str) -> Result<(), Stop> {
    let body = match tail {
        "" => json!({ "models": all_models(ctx).iter().map(gemini).collect::<Vec<_>>() }),
        tail => gemini(&find_model(ctx, tail)?),
    };
    answer(session, ctx, StatusCode::OK, &body).await?;
    Ok(())
}

/// `GET /v1/models/{id}`: any name that leads somewhere.
pub async fn retrieve_model(session: &mut Session, ctx: &mut Exchange, tail: &str) -> Result<(), Stop> {
    let model = find_model(ctx, tail)?;
    let body = match Shape::of(session) {
        Shape::Openai => openai(&model),
        Shape::Gemini => gemini(&model),
        Shape::Anthropic => anthropic(&model),
    };
    answer(session, ctx, StatusCode::OK, &body).await?;
    Ok(())
}

/// Whose SDK wants to read it.
enum Shape {
    Openai,
    Anthropic,
    Gemini,
}

impl Shape {
    /// Anthropic's SDKs name the version of the API that they speak; Google's name themselves.
    fn of(session: &Session) -> Self {
        let headers = &session.req_header().headers;
        match () {
            () if headers.contains_key("anthropic-version") => Self::Anthropic,
            () if headers.contains_key("x-goog-api-client") => Self::Gemini,
            () => Self::Openai,
        }
    }
}

/// OpenAI's object, and beside its members what clients commonly look for.
fn openai(model: &Entry) -> Value {
    let Entry { id, created, owned_by, card } = model;
    let mut object = json!({ "id": id, "object": "model", "created": created, "owned_by": owned_by });
    let mut add = |name: &str, value: Value| {
        if let (Some(object), false) = (object.as_object_mut(), value.is_null()) {
            object.insert(name.to_owned(), value);
        }
    };
    add("mode", card.mode.map(|mode| mode.name()).into());
    add("context_window", card.context_window.into());
    add("max_output_tokens", card.max_output.into());
    if !card.capabilities.is_empty() {
        add("capabilities", card.capabilities.names().collect());
    }
    let prices = [
        ("input_per_mtok", card.prices.input),
        ("output_per_mtok", card.prices.output),
        ("cached_input_per_mtok", card.prices.cache_read),
        ("cache_write_per_mtok", card.prices.cache_write),
    ];
    let mut pricing: serde_json::Map<_, _> =
        prices.into_iter().filter_map(|(name, price)| Some((name.to_owned(), number(price?)))).collect();
    if !pricing.is_empty() {
        pricing.insert("currency".to_owned(), "USD".into());
        add("pricing", pricing.into());
    }
    object
}

/// Anthropic's `ModelInfo`.
fn anthropic(model: &Entry) -> Value {
    let Entry { id, created, card, .. } = model;
    let (input, output) = (card.context_window, card.max_output);
    json!({
        "type": "model", "id": id, "display_name": id, "created_at": rfc3339(*created),
        "max_input_tokens": input, "max_tokens": output,
    })
}

/// Gemini's `Model`.
fn gemini(model: &Entry) -> Value {
    let Entry { id, card, .. } = model;
    let methods: &[&str] = match card.mode.map(|mode| mode.name()) {
        Some("embedding") => &["embedContent", "batchEmbedContents"],
        _ => &["generateContent", "countTokens"],
    };
    let mut object =
        json!({ "name": format!("models/{id}"), "displayName": id, "supportedGenerationMethods": methods });
    let limits = [("inputTokenLimit", card.context_window), ("outputTokenLimit", card.max_output)];
    for (name, limit) in limits {
        if let (Some(object), Some(limit)) = (object.as_object_mut(), limit) {
            object.insert(name.to_owned(), limit.into());
        }
    }
    object
}

/// `3`, not `3.0`.
fn number(price: f64) -> Value {
    let whole = price as u64;
    if whole as f64 == price { whole.into() } else { price.into() }
}

fn find_model(ctx: &Exchange, tail: &str) -> Result<Entry, Refusal> {
    let id = percent_encoding::percent_decode_str(tail).decode_utf8_lossy();
    let listed = all_models(ctx).into_iter().find(|model| model.id == id);
    listed.or_else(|| named_model(ctx, &id)).ok_or_else(|| {
        if ctx.gateway.readiness() == Readiness::Starting {
            return not_ready();
        }
        let hint = meant(ctx, &id);
        let message = format!("The model `{id}` does not exist here.{hint} /v1/models lists those that do.");
        Refusal::new(Kind::NotFound, message).code("model_not_found").param("model")
    })
}

fn not_ready() -> Refusal {
    let message = "The providers' lists of models are still being fetched.";
    Refusal::new(Kind::Unavailable, message).code("models_not_ready").retry_after(1)
}

/// The models that this tenant may use, sorted by id.
fn all_models(ctx: &Exchange) -> Vec<Entry> {
    let gateway = &ctx.gateway;
    let own = gateway.config.models.iter().map(|entry| Entry {
        id: entry.name.clone(),
        created: 0,
        owned_by: "narthex".to_owned(),
        card: first_target(ctx, &entry.name).map(|target| target.known.card).unwrap_or_default(),
    });
    let listed = gateway.upstreams.iter().flat_map(|upstream| of_upstream(upstream));
    let may_use = |name: &str| ctx.tenant.as_ref().is_none_or(|tenant| tenant.may_use(name));
    // A tenant's list may have names that ours spells otherwise.
    let spelled = ctx.tenant.iter().flat_map(|tenant| tenant.models.iter().flatten());
    let spelled = spelled.filter_map(|name| named_model(ctx, name));
    let mut models: Vec<_> = own.chain(listed).chain(spelled).filter(|model| may_use(&model.id)).collect();
    models.sort_by(|a, b| a.id.cmp(&b.id));
    // A name that the user has given stands before a model that is called the same.
    models.dedup_by(|later, first| later.id == first.id);
    models
}

fn of_upstream(upstream: &Upstream) -> Vec<Entry> {
    let inventory = upstream.inventory.load();
    let entries = inventory.models.iter().map(|model| Entry {
        id: format!("{}/{}", upstream.name(), model.id),
        created: model.created.unwrap_or(0),
        owned_by: upstream.name().to_owned(),
        card: model.known.card,
    });
    entries.collect()
}

/// A name that the list spells otherwise: `gpt-5.5`, or `provider/model` over several instances.
fn named_model(ctx: &Exchange, id: &str) -> Option<Entry> {
    let is_allowed = ctx.tenant.as_ref().is_none_or(|tenant| tenant.may_use(id));
    if !is_allowed {
        return None;
    }
    let target = first_target(ctx, id)?;
    let inventory = target.upstream.inventory.load();
    let created = inventory.models.iter().find(|model| model.id == *target.model).and_then(|model| model.created);
    Some(Entry {
        id: id.to_owned(),
        created: created.unwrap_or(0),
        owned_by: target.upstream.name().to_owned(),
        card: target.known.card,
    })
}

/// Where a listed name leads first.
fn first_target(ctx: &Exchange, name: &str) -> Option<Target> {
    let routes = ctx.gateway.routes.load();
    if !routes.is_listed(name) {
        return None;
    }
    routes.resolve(name).ok()?.targets().first().cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shape_has_its_members() {
        let card = Card::find("anthropic", "claude-sonnet-4-5").expect("a card");
        let model = Entry { id: "a/m".into(), created: 5, owned_by: "a".into(), card };
        let shown = openai(&model);
        assert_eq!((&shown["context_window"], &shown["max_output_tokens"]), (&json!(200_000), &json!(64_000)));
        assert_eq!(
            shown["pricing"],
            json!({
                "currency": "USD", "input_per_mtok": 3, "output_per_mtok": 15,
                "cached_input_per_mtok": 0.3, "cache_write_per_mtok": 3.75,
            })
        );
        assert!(shown["capabilities"].as_array().is_some_and(|names| names.contains(&json!("vision"))));
        let shown = gemini(&model);
        assert_eq!((&shown["inputTokenLimit"], &shown["outputTokenLimit"]), (&json!(200_000), &json!(64_000)));
        let shown = anthropic(&model);
        assert_eq!((&shown["max_input_tokens"], &shown["max_tokens"]), (&json!(200_000), &json!(64_000)));
        let unknown = Entry { card: Card::default(), ..model };
        assert_eq!(openai(&unknown), json!({ "id": "a/m", "object": "model", "created": 5, "owned_by": "a" }));
        assert_eq!(gemini(&unknown).get("inputTokenLimit"), None);
    }
}
