//! Batches: many requests at once, answered when it suits the provider.
//!
//! `create` makes one of lines by a `plan`, `job` has it in hand, `see` takes it from step to step, in the background as well, by the `flow` of its
//! provider (`openai`, `anthropic`, `gemini`, `xai`, `bedrock` by way of `s3`, `vertex` with `vertex_lines` by way of `cloud_storage`) or without
//! one (`emulated`). Lines are made into what the provider reads by
//! `convert` and `send`, and its results into files by `collect`.

mod anthropic;
mod bedrock;
mod cloud_storage;
mod collect;
mod convert;
mod create;
mod emulated;
mod flow;
mod gemini;
mod job;
mod openai;
mod plan;
mod s3;
mod see;
mod send;
mod vertex;
mod vertex_lines;
mod xai;

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::{Method, StatusCode, header};
use pingora_proxy::Session;
use serde_json::{Value, json};

pub use see::{InHand, Worker};

use super::admit::Stop;
use super::context::{Ask, Exchange};
use super::desk::{Desk, now, now_ms, unavailable};
use super::files::{Source, query};
use super::stored::tenant;
use super::{ResponseHeader, local};
use crate::batches::{Batch, ResultLine, Status, Work};
use crate::endpoints::Endpoint;
use crate::error::{Failure, Kind, Refusal};
use crate::files::{Shape, page_of};
use crate::store::{Page, StoredBatch};
use convert::Reader;

/// A provider is asked no sooner than so after the last time, however often a client asks.
const SOONEST: Duration = Duration::from_secs(1);
/// So long a client waits for news; then it is told what was known before.
const PATIENCE: Duration = Duration::from_secs(10);
const MOST: usize = 100;
const USUAL: usize = 20;

/// `/v1/batches` and `/v1/messages/batches`, and what is below.
pub async fn answer(session: &mut Session, ctx: &mut Exchange, desk: &Arc<Desk>, tail: &str) -> Result<(), Stop> {
    let is_anthropics = matches!(ctx.ask, Ask::Local(Endpoint::MessageBatches));
    let (id, rest) = tail.split_once('/').unwrap_or((tail, ""));
    let method = session.req_header().method.clone();
    match (&method, id, rest) {
        (&Method::POST, "", "") => {
            let id = create::create(session, ctx, desk, is_anthropics).await?;
            show(session, ctx, desk, &id, is_anthropics).await
        }
        (&Method::GET, "", "") => list(session, ctx, desk, is_anthropics).await,
        (&Method::GET, _, "") => {
            look(ctx, desk, id).await?;
            show(session, ctx, desk, id, is_anthropics).await
        }
        (&Method::POST, _, "cancel") => {
            cancel(ctx, desk, id).await?;
            show(session, ctx, desk, id, is_anthropics).await
        }
        (&Method::GET, _, "results") => results(session, ctx, desk, id, is_anthropics).await,
        (&Method::DELETE, _, "") if !id.is_empty() => delete(session, ctx, desk, id, is_anthropics).await,
        _ => {
            let path = session.req_header().uri.path();
            Err(Refusal::new(Kind::NotFound, format!("{method} {path} is not served.")).code("unknown_url").into())
        }
    }
}

async fn find(ctx: &Exchange, desk: &Desk, id: &str) -> Result<(StoredBatch, Batch, Work), Stop> {
    let found = desk.gateway.store.batch(tenant(ctx), id).await.map_err(|why| unavailable(&why))?;
    let not_found = || Refusal::new(Kind::NotFound, format!("There is no batch `{id}`.")).code("batch_not_found");
    let stored = found.ok_or_else(not_found)?;
    let unreadable = |_| Failure::of_kind(Kind::Internal, "The batch was written by another version of the gateway.");
    let batch = serde_json::from_str(stored.object.get()).map_err(unreadable)?;
    let work = serde_json::from_str(stored.work.get()).map_err(unreadable)?;
    Ok((stored, batch, work))
}

/// Asks the provider for news, if it was not asked just now. What cannot be had changes nothing: the client is shown what is known.
async fn look(ctx: &Exchange, desk: &Arc<Desk>, id: &str) -> Result<(), Stop> {
    let (stored, batch, work) = find(ctx, desk, id).await?;
    let is_fresh = now_ms().saturating_sub(work.looked_at) < u64::try_from(SOONEST.as_millis()).unwrap_or(u64::MAX);
    let sooner = desk.gateway.config.batches.poll < SOONEST;
    if !batch.status.is_over() && stored.flow != flow::Flow::Emulated.name() && (!is_fresh || sooner) {
        look_now(ctx, desk, id).await;
    }
    Ok(())
}

async fn look_now(ctx: &Exchange, desk: &Arc<Desk>, id: &str) {
    let (desk, tenant, id) = (Arc::clone(desk), tenant(ctx).map(str::to_owned), id.to_owned());
    // Apart: a step that was begun is ended, whether or not the client waits for it.
    let looking = tokio::spawn(async move { see::look_now(&desk, tenant.as_deref(), &id).await });
    if let Ok(Ok(Err(failure))) = tokio::time::timeout(PATIENCE, looking).await {
        log::warn!("no news of a batch: {}", failure.message);
    }
}

async fn show(
    session: &mut Session,
    ctx: &mut Exchange,
    desk: &Desk,
    id: &str,
    is_anthropics: bool,
) -> Result<(), Stop> {
    let (stored, batch, work) = find(ctx, desk, id).await?;
    let shown = shown(session, &stored, &batch, &work, is_anthropics);
    Ok(local::answer(session, ctx, StatusCode::OK, &shown).await?)
}

fn shown(session: &Session, stored: &StoredBatch, batch: &Batch, work: &Work, is_anthropics: bool) -> Value {
    // Whoever sees to it may not have heard of it yet.
    let cancelling = (stored.is_cancel_wanted && !batch.status.is_over()).then(|| {
        let mut batch = batch.clone();
        batch.enter(Status::Cancelling, now());
        batch
    });
    let batch = cancelling.as_ref().unwrap_or(batch);
    match is_anthropics {
        true => batch.as_message_batch(work.counts, || results_url(session, &batch.id)),
        false => serde_json::to_value(batch).unwrap_or_default(),
    }
}

/// Where the client itself has come in: behind other proxies that may be another name than ours.
fn results_url(session: &Session, id: &str) -> String {
    let headers = &session.req_header().headers;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text("x-forwarded-host").or_else(|| text("host")).unwrap_or("localhost");
    let scheme = text("x-forwarded-proto").filter(|scheme| matches!(*scheme, "http" | "https")).unwrap_or("http");
    format!("{scheme}://{host}/v1/messages/batches/{id}/results")
}

async fn list(session: &mut Session, ctx: &mut Exchange, desk: &Desk, is_anthropics: bool) -> Result<(), Stop> {
    let limit = match query(session, "limit") {
        None => USUAL,
        Some(text) => text.parse().ok().filter(|limit| (1..=1000).contains(limit)).ok_or_else(|| {
            Refusal::invalid(format!("`limit` is a number from 1 to 100, not `{text}`.")).param("limit")
        })?,
    };
    let param = if is_anthropics { "after_id" } else { "after" };
    let after = query(session, param);
    let page = match query(session, "before_id").filter(|_| is_anthropics) {
        Some(before) => page_before(ctx, desk, &before, limit.min(MOST)).await?,
        None => page(ctx, desk, after.as_deref(), limit.min(MOST), param).await?,
    };
    let mut items = Vec::with_capacity(page.items.len());
    for stored in &page.items {
        let read = (serde_json::from_str(stored.object.get()), serde_json::from_str(stored.work.get()));
        if let (Ok(batch), Ok(work)) = read {
            items.push(shown(session, stored, &batch, &work, is_anthropics));
        }
    }
    let shape = if is_anthropics { Shape::Anthropic } else { Shape::Openai };
    Ok(local::answer(session, ctx, StatusCode::OK, &page_of(shape, items, page.has_more)).await?)
}

async fn page(
    ctx: &Exchange,
    desk: &Desk,
    after: Option<&str>,
    limit: usize,
    param: &'static str,
) -> Result<Page<StoredBatch>, Stop> {
    let page = desk.gateway.store.batches(tenant(ctx), after, limit).await.map_err(|why| unavailable(&why))?;
    Ok(page.ok_or_else(|| {
        let id = after.unwrap_or_default();
        Refusal::new(Kind::NotFound, format!("There is no batch `{id}`.")).code("batch_not_found").param(param)
    })?)
}

/// The batches that are next newer than this one: lists are read from their beginning, which is where their readers are.
async fn page_before(ctx: &Exchange, desk: &Desk, before: &str, limit: usize) -> Result<Page<StoredBatch>, Stop> {
    find(ctx, desk, before).await?;
    let (mut newer, mut after) = (Vec::new(), None);
    loop {
        let page = page(ctx, desk, after.as_deref(), MOST, "before_id").await?;
        let place = page.items.iter().position(|stored| stored.id == before);
        after = page.items.last().map(|last| last.id.clone());
        newer.extend(page.items.into_iter().take(place.unwrap_or(usize::MAX)));
        // More than these are not wanted, were they the last.
        let surplus = newer.len().saturating_sub(limit);
        let is_over = place.is_some() || !page.has_more;
        newer.drain(..surplus.saturating_sub(usize::from(!is_over)));
        if is_over {
            return Ok(Page { items: newer, has_more: surplus > 0 });
        }
    }
}

async fn cancel(ctx: &Exchange, desk: &Arc<Desk>, id: &str) -> Result<(), Stop> {
    let (_, batch, _) = find(ctx, desk, id).await?;
    if batch.status.is_over() {
        let message = format!("The batch is {}: there is nothing left to cancel.", batch.status.name());
        return Err(Refusal::new(Kind::Conflict, message).code("batch_not_cancellable").into());
    }
    desk.gateway.store.want_cancel(tenant(ctx), id, now_ms()).await.map_err(|why| unavailable(&why))?;
    look_now(ctx, desk, id).await;
    desk.wake.notify_one();
    Ok(())
}

async fn delete(
    session: &mut Session,
    ctx: &mut Exchange,
    desk: &Desk,
    id: &str,
    is_anthropics: bool,
) -> Result<(), Stop> {
    let (_, batch, _) = find(ctx, desk, id).await?;
    if !batch.status.is_over() {
        let message = format!("The batch is {}: cancel it first, or wait for its end.", batch.status.name());
        return Err(Refusal::new(Kind::Conflict, message).code("batch_not_over").into());
    }
    desk.gateway.store.delete_batch(tenant(ctx), id).await.map_err(|why| unavailable(&why))?;
    let gone = match is_anthropics {
        true => json!({ "id": id, "type": "message_batch_deleted" }),
        false => json!({ "id": id, "object": "batch", "deleted": true }),
    };
    Ok(local::answer(session, ctx, StatusCode::OK, &gone).await?)
}

/// All results as lines: those that were answered, then those that failed.
async fn results(
    session: &mut Session,
    ctx: &mut Exchange,
    desk: &Desk,
    id: &str,
    is_anthropics: bool,
) -> Result<(), Stop> {
    let (_, batch, _) = find(ctx, desk, id).await?;
    if !batch.status.is_over() {
        let message = format!("The results of `{id}` are not ready yet: it is {}.", batch.status.name());
        return Err(Refusal::new(Kind::Conflict, message).code("results_not_ready").into());
    }
    let mut files = Vec::new();
    for file in [&batch.output_file_id, &batch.error_file_id].into_iter().flatten() {
        let found = desk.gateway.store.file(tenant(ctx), file).await.map_err(|why| unavailable(&why))?;
        files.push(found.ok_or_else(|| {
            Refusal::new(Kind::NotFound, format!("The results of `{id}` are not there any more: `{file}` is gone."))
        })?);
    }
    let mut header = ResponseHeader::build_no_case(StatusCode::OK, Some(4)).map_err(Stop::Broken)?;
    header.insert_header(header::CONTENT_TYPE, "application/x-jsonl")?;
    local::begin(session, ctx, header).await?;
    for file in &files {
        let mut reader = match Source::of(desk, file).await {
            Ok(source) => Reader::new(source),
            Err(failure) => return Err(Stop::Broken(local::broken(&failure.message))),
        };
        let mut piece = BytesMut::new();
        loop {
            let next = reader.next().await.map_err(|failure| Stop::Broken(local::broken(&failure.message)))?;
            let is_over = next.is_none();
            if let Some((_, line)) = next {
                piece.put_slice(&as_wanted(line, is_anthropics));
                piece.put_u8(b'\n');
            }
            if !piece.is_empty() && (is_over || piece.len() > 64 << 10) {
                local::go_on(session, ctx, piece.split().freeze()).await?;
            }
            if is_over {
                break;
            }
        }
    }
    Ok(local::end(session, ctx).await?)
}

fn as_wanted(line: Bytes, is_anthropics: bool) -> Bytes {
    match serde_json::from_slice::<ResultLine>(&line) {
        Ok(result) if is_anthropics => Bytes::from(result.as_message_result()),
        _ => line,
    }
}
