//! OpenAI's Responses over providers that forget them: what a request continues is put into it, what is answered is kept, and
//! what was kept is shown. A provider that keeps its responses itself is asked for them instead.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Method, StatusCode};
use pingora_proxy::Session;
use serde_json::json;

use super::admit::Stop;
use super::context::{Ask, Exchange, Rest};
use super::desk::unavailable;
use super::local;
use super::tries::Tries;
use crate::dialects::stored::{self, Answered, Sought, Watch, Wishes};
use crate::error::{Kind, Refusal};
use crate::json::Object;
use crate::payload::Payload;
use crate::providers::is_segment;
use crate::rewrite::{Keep, Rewrite};
use crate::routing::{Target, Upstream};
use crate::store::{History, Kept, StoredResponse, Turn};

/// What must be remembered of a request until its answer can be kept.
#[derive(Clone)]
pub struct Remembered {
    wishes: Wishes,
    /// The request as the client made it.
    original: Object,
    named: HashMap<String, stored::Json>,
}

impl Remembered {
    /// The request as the client made it: answers repeat much of it.
    pub fn request(&self) -> &Object {
        &self.original
    }
}

/// What a request needs before it can be routed.
pub struct Prepared {
    pub payload: Payload,
    pub remembered: Remembered,
    /// The instance that knows what the request continues, where it is known.
    pub pin: Option<String>,
}

/// What a request continues or names.
#[derive(Default)]
struct Past {
    named: HashMap<String, stored::Json>,
    /// `None`: nothing has to be put before what the request says itself.
    before: Option<Vec<stored::Json>>,
    pin: Option<String>,
}

/// Looks up what a request continues or names.
pub async fn prepare(ctx: &Exchange, object: Object) -> Result<Prepared, Refusal> {
    let wishes = Wishes::of(&object);
    let is_alone = wishes.references.is_empty() && wishes.previous.is_none();
    // Asking the store takes a large future, which most requests need not have.
    let Past { named, before, pin } = if is_alone { Past::default() } else { Box::pin(look_up(ctx, &wishes)).await? };
    let payload = match before {
        None => Payload::Json(object.clone()),
        Some(before) => {
            let text = stored::complete(&object, &before, &named);
            let completed =
                Object::read(text).map_err(|why| Refusal::invalid(format!("The input is no JSON: {why}.")))?;
            Payload::Json(completed)
        }
    };
    Ok(Prepared { payload, remembered: Remembered { wishes, original: object, named }, pin })
}

async fn look_up(ctx: &Exchange, wishes: &Wishes) -> Result<Past, Refusal> {
    let (store, tenant) = (&ctx.gateway.store, tenant(ctx));
    store.wait_for_writes(tenant).await;
    let mut named = HashMap::new();
    for id in &wishes.references {
        if let Some(item) = store.item(tenant, id).await.map_err(|why| unavailable(&why))? {
            named.insert(id.clone(), item);
        }
    }
    let Some(previous) = &wishes.previous else {
        let before = (!named.is_empty()).then(Vec::new);
        return Ok(Past { named, before, pin: None });
    };
    let (before, pin) = match store.history(tenant, previous).await.map_err(|why| unavailable(&why))? {
        History::Whole(items) => (Some(items), None),
        History::AtProvider { instance, .. } => (None, Some(instance)),
        // Whose it is would be known.
        History::NotFound if !ctx.gateway.gate.is_for_one() => {
            return Err(not_found(previous).param("previous_response_id"));
        }
        // A provider that speaks Responses itself may know it, or says that it does not; others are not asked.
        History::NotFound | History::Broken => (None, None),
        History::TooLong { turns, bytes } => {
            let message = format!("The conversation is too long to be continued: {turns} turns, {bytes} bytes.");
            return Err(Refusal::new(Kind::TooLarge, message).param("previous_response_id"));
        }
    };
    Ok(Past { named, before, pin })
}

/// Wraps what answers a request, so that the answer is kept: whole where the provider forgets it; and where several keep theirs or
/// several ask, who keeps it and whose it is.
pub fn keeping(ctx: &Exchange, target: &Target, is_native: bool, inner: Box<dyn Rewrite>) -> Box<dyn Rewrite> {
    let Ask::Run(run) = &ctx.ask else { return inner };
    let Some(remembered) = run.remembered.as_ref().filter(|remembered| remembered.wishes.store) else { return inner };
    let is_kept_there = is_native && target.upstream.instance.keeps_responses();
    if is_kept_there && keepers(ctx).count() < 2 && ctx.gateway.gate.is_for_one() {
        return inner;
    }
    let store = Arc::clone(&ctx.gateway.store);
    let remembered = remembered.clone();
    let (tenant, instance, model) =
        (tenant(ctx).map(str::to_owned), target.upstream.name().to_owned(), run.model.clone());
    let keep = move |answered: Answered| {
        let kept = match is_kept_there {
            true => Kept::AtProvider { id: answered.id.clone(), turn: None },
            false => Kept::Here(Turn {
                input: stored::kept_input(&remembered.original, &remembered.named),
                output: answered.output,
                object: answered.object,
            }),
        };
        // Our own clock: it is ours that says when it has been kept long enough.
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let (id, previous) = (answered.id, remembered.wishes.previous);
        store.keep(StoredResponse { id, tenant, instance, model, created, previous, kept });
    };
    let watch = Watch::new(run.wants_stream, if is_kept_there { Sought::Id } else { Sought::Whole });
    Box::new(Keep::new(inner, watch, Box::new(keep)))
}

/// Waits until the answer is kept: the gateway does not stop before that.
pub async fn settle(ctx: &Exchange) {
    if matches!(&ctx.ask, Ask::Run(run) if run.remembered.is_some()) {
        ctx.gateway.store.wait_for_writes(tenant(ctx)).await;
    }
}

/// `/v1/responses/{id}`, `…/input_items`, `…/cancel`. True when it has been answered; else a provider is asked.
pub async fn answer(session: &mut Session, ctx: &mut Exchange, tail: &str) -> Result<bool, Stop> {
    let (id, rest) = tail.split_once('/').unwrap_or((tail, ""));
    let method = session.req_header().method.clone();
    let is_known = matches!(
        (&method, rest),
        (&Method::GET | &Method::HEAD, "" | "input_items") | (&Method::DELETE, "") | (&Method::POST, "cancel")
    );
    if !is_known {
        let message = format!("{method} /v1/responses/{tail} is not served.");
        return Err(Refusal::new(Kind::NotFound, message).code("unknown_url").into());
    }
    // It will be part of a path.
    if !is_segment(id) {
        return Err(not_found(id).into());
    }
    let store = Arc::clone(&ctx.gateway.store);
    let tenant = tenant(ctx).map(str::to_owned);
    store.wait_for_writes(tenant.as_deref()).await;
    let found = store.response(tenant.as_deref(), id).await.map_err(|why| unavailable(&why))?;
    let turn = match found.as_ref().map(|found| &found.kept) {
        Some(Kept::Here(turn)) => turn,
        known => {
            let is_there = known.is_some();
            let instance = found.as_ref().map(|found| found.instance.as_str());
            let may_be_theirs = is_there || ctx.gateway.gate.is_for_one();
            let upstream = keeper(ctx, instance).filter(|_| may_be_theirs).ok_or_else(|| not_found(id))?;
            if method == Method::DELETE && is_there {
                store.delete_response(tenant.as_deref(), id).await.map_err(|why| unavailable(&why))?;
            }
            ask_provider(session, ctx, upstream, tail);
            return Ok(false);
        }
    };
    let body = match (method, rest) {
        (Method::POST, _) => {
            let message =
                "Only responses that are made in the background can be cancelled, and this gateway makes none.";
            return Err(Refusal::invalid(message).code("not_cancellable").into());
        }
        (Method::DELETE, _) => {
            store.delete_response(tenant.as_deref(), id).await.map_err(|why| unavailable(&why))?;
            Bytes::from(json!({ "id": id, "object": "response", "deleted": true }).to_string())
        }
        (_, "") if session.req_header().uri.query().is_some_and(|query| query.contains("stream=true")) => {
            let message = "A response that was kept can be had whole only; leave out `stream`.";
            return Err(Refusal::invalid(message).param("stream").into());
        }
        (_, "") => Bytes::copy_from_slice(turn.object.get().as_bytes()),
        _ => stored::item_list(&turn.input, session.req_header().uri.query().unwrap_or_default()),
    };
    local::answer_json(session, ctx, StatusCode::OK, body).await?;
    Ok(true)
}

fn ask_provider(session: &Session, ctx: &mut Exchange, upstream: Arc<Upstream>, tail: &str) {
    ctx.tries = Tries::new(vec![Target::new(&upstream, "")], 0);
    ctx.ask =
        Ask::Passthrough(Rest { path: format!("responses/{tail}"), is_upgrade: session.is_upgrade_req(), body: None });
}

/// The instance that keeps a response: the one that is named, or the only one that keeps any.
fn keeper(ctx: &Exchange, instance: Option<&str>) -> Option<Arc<Upstream>> {
    let mut keepers = keepers(ctx);
    match instance {
        Some(instance) => keepers.find(|upstream| upstream.name() == instance).cloned(),
        None => keepers.next().filter(|_| keepers.next().is_none()).cloned(),
    }
}

fn keepers(ctx: &Exchange) -> impl Iterator<Item = &Arc<Upstream>> {
    ctx.gateway.upstreams.iter().filter(|upstream| upstream.instance.keeps_responses())
}

pub fn tenant(ctx: &Exchange) -> Option<&str> {
    ctx.tenant.as_ref().map(|tenant| tenant.name.as_str())
}

fn not_found(id: &str) -> Refusal {
    Refusal::new(Kind::NotFound, format!("There is no response `{id}`.")).code("previous_response_not_found")
}
