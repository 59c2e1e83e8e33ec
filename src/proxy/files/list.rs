//! `GET /v1/files`: the files of all instances as one list, the newest first.
//!
//! Where several have keys, the list is what each has put through the gateway: what else an account holds may be another's. Where all
//! is one user's, every instance is asked; a cursor is the id of a file, as OpenAI's is, and means its place by age among all.

use std::cmp::Reverse;

use futures::future::join_all;
use http::StatusCode;
use pingora_proxy::Session;
use serde_json::Value;

use super::{Stop, json, keepers, named, native, not_found, nothing, query, wanted_instance};
use crate::error::{Failure, Kind, Refusal};
use crate::files::{FileObject, Next, Shape, page_of, read_file, read_list};
use crate::proxy::context::Exchange;
use crate::proxy::desk::{Ask, Desk, unavailable};
use crate::proxy::local;
use crate::proxy::stored::tenant;
use crate::routing::Upstream;
use crate::store::{FileQuery, Place, PlaceFilter, StoredFile};

const USUAL: usize = 100;
const MOST: usize = 1000;
/// So many files of an instance are looked through for the place of a cursor.
const MOST_PAGES: usize = 100;

/// What part of the list is wanted.
struct Wanted {
    purpose: Option<String>,
    cursor: Option<String>,
    /// From older to newer, beginning at the cursor.
    is_ascending: bool,
    /// The page is asked for from its other end.
    is_reversed: bool,
    limit: usize,
}

/// A file's place in the list: when it was made, then its id.
type Key = (u64, String);

/// A file, whichever instance has it.
struct Entry {
    key: Key,
    shown: Value,
}

impl Wanted {
    fn read(session: &Session, shape: Shape) -> Result<Self, Refusal> {
        let limit = match query(session, "limit") {
            None => USUAL,
            Some(text) => text.parse().ok().filter(|limit| (1..=10_000).contains(limit)).ok_or_else(|| {
                Refusal::invalid(format!("`limit` is a number from 1 to 10000, not `{text}`.")).param("limit")
            })?,
        };
        let is_ascending = query(session, "order").as_deref() == Some("asc");
        let (cursor, is_reversed) = match (shape, query(session, "before_id")) {
            (Shape::Anthropic, Some(before)) => (Some(before), true),
            // As its present SDKs turn pages, and as those before them did.
            (Shape::Anthropic, None) => (query(session, "page").or_else(|| query(session, "after_id")), false),
            _ => (query(session, "after"), false),
        };
        Ok(Self {
            purpose: query(session, "purpose").filter(|purpose| !purpose.is_empty()),
            cursor,
            is_ascending: is_ascending != is_reversed,
            is_reversed,
            limit: limit.min(MOST),
        })
    }
}

pub async fn list(session: &mut Session, ctx: &mut Exchange, desk: &Desk, shape: Shape) -> Result<(), Stop> {
    let wanted = Wanted::read(session, shape)?;
    let upstream = wanted_instance(session).map(|name| named(desk, &name)).transpose()?;
    let (mut entries, has_more) = match desk.gateway.gate.is_for_one() {
        true => merged(ctx, desk, shape, &wanted, upstream.as_deref()).await?,
        false => remembered(ctx, desk, shape, &wanted, upstream.as_deref()).await?,
    };
    if wanted.is_reversed {
        entries.reverse();
    }
    let items = entries.into_iter().map(|entry| entry.shown).collect();
    Ok(local::answer(session, ctx, StatusCode::OK, &page_of(shape, items, has_more)).await?)
}

/// What the tenant has put through the gateway.
async fn remembered(
    ctx: &Exchange,
    desk: &Desk,
    shape: Shape,
    wanted: &Wanted,
    upstream: Option<&Upstream>,
) -> Result<(Vec<Entry>, bool), Stop> {
    let place = upstream.map(|upstream| PlaceFilter::Instance(upstream.name()));
    let query = FileQuery { purpose: wanted.purpose.as_deref(), place };
    let cursor = wanted.cursor.as_deref();
    let page = desk.gateway.store.files(tenant(ctx), &query, cursor, wanted.is_ascending, wanted.limit).await;
    let page = page.map_err(|why| unavailable(&why))?;
    let page = page.ok_or_else(|| not_found(cursor.unwrap_or_default()))?;
    Ok((page.items.iter().map(|file| kept(desk, shape, file)).collect(), page.has_more))
}

fn kept(desk: &Desk, shape: Shape, file: &StoredFile) -> Entry {
    let upstream = match &file.place {
        Place::Here => None,
        Place::AtProvider { instance, .. } => desk.upstream(instance),
    };
    let native = upstream.map_or(Shape::Openai, |upstream| native(upstream));
    let body = file.object.get().as_bytes();
    let shown = match (native == shape, read_file(native, body)) {
        (false, Ok(object)) => FileObject { id: file.id.clone(), purpose: file.purpose.clone(), ..object }.shown(shape),
        _ => serde_json::from_slice(body).unwrap_or_default(),
    };
    Entry { key: (file.created, file.id.clone()), shown }
}

/// What the instances have, and what is kept here.
async fn merged(
    ctx: &Exchange,
    desk: &Desk,
    shape: Shape,
    wanted: &Wanted,
    upstream: Option<&Upstream>,
) -> Result<(Vec<Entry>, bool), Stop> {
    let cursor = match &wanted.cursor {
        None => None,
        Some(id) => {
            let known = desk.gateway.store.file(tenant(ctx), id).await.map_err(|why| unavailable(&why))?;
            Some(known.map(|file| (file.created, file.id)).ok_or_else(|| not_found(id))?)
        }
    };
    let asked: Vec<_> = keepers(desk)
        .filter(|keeper| upstream.is_none_or(|upstream| upstream.name() == keeper.name()))
        .cloned()
        .collect();
    let lists = join_all(asked.iter().map(|upstream| listed(desk, upstream, wanted, cursor.as_ref()))).await;
    let mut entries = Vec::new();
    let (mut failed, mut is_any) = (None, false);
    for (upstream, list) in asked.iter().zip(lists) {
        match list {
            Ok(files) => {
                is_any = true;
                for (object, own) in files {
                    let shown = match native(upstream) == shape {
                        true => own.clone(),
                        false => object.shown(shape),
                    };
                    entries.push((
                        Entry { key: (object.created, object.id.clone()), shown },
                        Some((upstream, object, own)),
                    ));
                }
            }
            Err(why) => {
                log::warn!("{}: its files cannot be listed: {}", upstream.name(), why.message);
                failed = Some(why);
            }
        }
    }
    if upstream.is_none() {
        let query = FileQuery { purpose: wanted.purpose.as_deref(), place: Some(PlaceFilter::Here) };
        // A cursor that is at an instance means nothing to the store: what is kept here is found by age.
        let most = usize::MAX >> 1;
        let page = desk.gateway.store.files(tenant(ctx), &query, None, wanted.is_ascending, most).await;
        let kept_here = page.map_err(|why| unavailable(&why))?.map(|page| page.items).unwrap_or_default();
        is_any |= !kept_here.is_empty();
        let entry = |file: &StoredFile| (kept(desk, shape, file), None);
        let behind = kept_here.iter().map(entry).filter(|(entry, _)| is_behind(&entry.key, cursor.as_ref(), wanted));
        entries.extend(behind);
    }
    if let Some(failure) = failed.filter(|_| !is_any) {
        return Err(failure.into());
    }
    match wanted.is_ascending {
        true => entries.sort_by(|(one, _), (other, _)| one.key.cmp(&other.key)),
        false => entries.sort_by_key(|(entry, _)| Reverse(entry.key.clone())),
    }
    // Two instances may be of one account.
    entries.dedup_by(|one, other| one.0.key == other.0.key);
    let has_more = entries.len() > wanted.limit;
    entries.truncate(wanted.limit);
    let mut page = Vec::with_capacity(entries.len());
    for (entry, origin) in entries {
        if let Some((upstream, object, own)) = origin {
            note(ctx, desk, upstream, object, &own).await?;
        }
        page.push(entry);
    }
    Ok((page, has_more))
}

/// Remembers where a file is that was listed: it may be asked for next, or be a cursor.
async fn note(
    ctx: &Exchange,
    desk: &Desk,
    upstream: &Upstream,
    object: FileObject,
    own: &Value,
) -> Result<(), Refusal> {
    let store = &desk.gateway.store;
    if store.file(tenant(ctx), &object.id).await.map_err(|why| unavailable(&why))?.is_some() {
        return Ok(());
    }
    let file = StoredFile {
        id: object.id.clone(),
        tenant: tenant(ctx).map(str::to_owned),
        place: Place::AtProvider { instance: upstream.name().to_owned(), id: object.id },
        purpose: object.purpose,
        filename: object.filename,
        bytes: object.bytes,
        created: object.created,
        expires: object.expires,
        object: json(own.to_string().as_bytes()).unwrap_or_else(|_| nothing()),
        notes: nothing(),
    };
    store.put_file(&file).await.map_err(|why| unavailable(&why))
}

/// An instance's files behind the cursor: one more than are wanted, if there are as many.
async fn listed(
    desk: &Desk,
    upstream: &Upstream,
    wanted: &Wanted,
    cursor: Option<&Key>,
) -> Result<Vec<(FileObject, Value)>, Failure> {
    let shape = native(upstream);
    let (path, order) = match shape {
        Shape::Gemini => ("v1beta/files", String::new()),
        Shape::Anthropic => ("files", String::new()),
        Shape::Openai => ("files", format!("&order={}", if wanted.is_ascending { "asc" } else { "desc" })),
    };
    let purpose = wanted.purpose.as_ref().filter(|_| shape == Shape::Openai);
    let purpose = purpose.map(|purpose| format!("&purpose={}", encoded(purpose))).unwrap_or_default();
    let mut found: Vec<(FileObject, Value)> = Vec::new();
    let mut next = Next::None;
    for _ in 0..MOST_PAGES {
        let further = match (&next, shape) {
            (Next::None, _) => String::new(),
            (Next::Token(token), Shape::Gemini) => format!("&pageToken={}", encoded(token)),
            (Next::Token(token), _) => format!("&page={}", encoded(token)),
            (Next::After(id), Shape::Anthropic) => format!("&after_id={}", encoded(id)),
            (Next::After(id), _) => format!("&after={}", encoded(id)),
        };
        let size = if shape == Shape::Gemini { "pageSize=100" } else { "limit=100" };
        let query = format!("{size}{order}{purpose}{further}");
        let told = desk.ask(upstream, Ask { query: Some(&query), ..Ask::get(path) }).await?;
        let (files, then) = read_list(shape, &told.body).map_err(Failure::from)?;
        let is_asked_for = |object: &FileObject| {
            wanted.purpose.as_ref().is_none_or(|purpose| object.purpose == *purpose)
                && is_behind(&(object.created, object.id.clone()), cursor, wanted)
        };
        found.extend(files.into_iter().filter(|(object, _)| is_asked_for(object)));
        // Only OpenAI's lists can be had from either end; the others are read to theirs.
        let is_enough = found.len() > wanted.limit && (shape == Shape::Openai || !wanted.is_ascending);
        if is_enough || then == Next::None || then == next {
            return Ok(found);
        }
        next = then;
    }
    Err(Failure::of_kind(Kind::Upstream, format!("{} has too many files to be listed.", upstream.name())))
}

fn is_behind(key: &Key, cursor: Option<&Key>, wanted: &Wanted) -> bool {
    cursor.is_none_or(|cursor| if wanted.is_ascending { key > cursor } else { key < cursor })
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, crate::providers::UNRESERVED).to_string()
}
