//! Files: put, listed, shown, had, deleted. Where a provider keeps files, they are there, and what is remembered here is whose they
//! are: an id is never shown to another vendor. What only the gateway can keep, requests of batches above all, is in the store.

mod content;
mod list;
mod push;
mod upload;

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};
use pingora_proxy::Session;
use serde_json::Value;
use serde_json::value::to_raw_value;

pub use content::{Source, Writer};
pub use push::{Put, push};

use super::admit::Stop;
use super::context::{Ask as Asked, Exchange};
use super::desk::{Ask, Desk, unavailable};
use super::stored::tenant;
use super::{headers, local};
use crate::endpoints::Endpoint;
use crate::error::{Failure, Kind, Refusal};
use crate::files::{FileObject, Shape, deleted, read_file};
use crate::providers::{FilesApi, UNRESERVED, is_segment};
use crate::routing::Upstream;
use crate::store::{Json, Place, StoredFile};

/// `/v1/files` and what is below.
pub async fn answer(session: &mut Session, ctx: &mut Exchange, desk: &Desk, tail: &str) -> Result<(), Stop> {
    let shape = match session.req_header().headers.contains_key(headers::ANTHROPIC_VERSION) {
        true => Shape::Anthropic,
        false => Shape::Openai,
    };
    if shape == Shape::Anthropic {
        ctx.ask = Asked::Local(Endpoint::AnthropicFiles);
    }
    let (id, rest) = tail.split_once('/').unwrap_or((tail, ""));
    let id = percent_encoding::percent_decode_str(id).decode_utf8_lossy().into_owned();
    // It will be part of a path.
    if !id.is_empty() && !is_segment(&id) {
        return Err(not_found(&id).into());
    }
    let method = session.req_header().method.clone();
    match (&method, id.as_str(), rest) {
        (&Method::POST, "", "") => upload::upload(session, ctx, desk, shape).await,
        (&Method::GET, "", "") => list::list(session, ctx, desk, shape).await,
        (&Method::GET, _, "") => show(session, ctx, desk, shape, &id).await,
        (&Method::GET, _, "content") => content::content(session, ctx, desk, &id).await,
        (&Method::DELETE, _, "") if !id.is_empty() => delete(session, ctx, desk, shape, &id).await,
        _ => {
            let path = session.req_header().uri.path();
            Err(Refusal::new(Kind::NotFound, format!("{method} {path} is not served.")).code("unknown_url").into())
        }
    }
}

async fn show(session: &mut Session, ctx: &mut Exchange, desk: &Desk, shape: Shape, id: &str) -> Result<(), Stop> {
    let (file, upstream, name) = match find(session, ctx, desk, id).await? {
        Found::Here(file) => {
            let body = shown(shape, Shape::Openai, file.object.get().as_bytes(), id);
            return Ok(local::answer_json(session, ctx, StatusCode::OK, body).await?);
        }
        Found::AtProvider { file, upstream, name } => (file, upstream, name),
    };
    let told = desk.ask(&upstream, Ask::get(&path(&upstream, &name))).await;
    let body = match (told, &file) {
        (Ok(told), _) => {
            if let Ok(object) = read_file(native(&upstream), &told.body) {
                remember(ctx, desk, &upstream, id, object, &told.body, file.as_deref()).await?;
            }
            told.body
        }
        (Err(failure), Some(file)) if failure.kind == Kind::NotFound => {
            forget(ctx, desk, &file.id).await?;
            return Err(not_found(id).into());
        }
        // What it was when it was seen last is better than nothing.
        (Err(failure), Some(file)) if failure.status.is_server_error() => {
            Bytes::copy_from_slice(file.object.get().as_bytes())
        }
        (Err(failure), _) => return Err(failure.into()),
    };
    let body = shown(shape, native(&upstream), &body, id);
    Ok(local::answer_json(session, ctx, StatusCode::OK, body).await?)
}

async fn delete(session: &mut Session, ctx: &mut Exchange, desk: &Desk, shape: Shape, id: &str) -> Result<(), Stop> {
    let mut body = None;
    if let Found::AtProvider { upstream, name, .. } = find(session, ctx, desk, id).await? {
        match desk.ask(&upstream, Ask::delete(&path(&upstream, &name))).await {
            Ok(told) => body = (native(&upstream) == shape).then_some(told.body),
            Err(failure) if failure.kind == Kind::NotFound => {
                forget(ctx, desk, id).await?;
                return Err(not_found(id).into());
            }
            Err(failure) => return Err(failure.into()),
        }
    }
    forget(ctx, desk, id).await?;
    let body = body.unwrap_or_else(|| Bytes::from(deleted(shape, id).to_string()));
    Ok(local::answer_json(session, ctx, StatusCode::OK, body).await?)
}

/// Where a file is.
enum Found {
    Here(Box<StoredFile>),
    /// `file`: what is remembered of it, if it is. `name`: what the provider calls it.
    AtProvider {
        file: Option<Box<StoredFile>>,
        upstream: Arc<Upstream>,
        name: String,
    },
}

/// Finds a tenant's file. One that is not remembered can only be at the instance that the client names, or at the only one that keeps
/// files; and only where all of them are one user's.
async fn find(session: &Session, ctx: &Exchange, desk: &Desk, id: &str) -> Result<Found, Stop> {
    let found = desk.gateway.store.file(tenant(ctx), id).await.map_err(|why| unavailable(&why))?;
    let Some(file) = found else {
        let named = wanted_instance(session).and_then(|name| named(desk, &name).ok());
        let upstream = match named {
            Some(upstream) => Some(upstream),
            None => only(keepers(desk)),
        };
        let upstream = upstream.filter(|_| desk.gateway.gate.is_for_one()).ok_or_else(|| not_found(id))?;
        return Ok(Found::AtProvider { file: None, upstream, name: id.to_owned() });
    };
    let Place::AtProvider { instance, id: name } = &file.place else { return Ok(Found::Here(Box::new(file))) };
    let name = name.clone();
    match desk.upstream(instance) {
        Some(upstream) => {
            let upstream = Arc::clone(upstream);
            Ok(Found::AtProvider { file: Some(Box::new(file)), upstream, name })
        }
        None => {
            let message = format!("The file `{id}` is at `{instance}`, which is not configured any more.");
            Err(Refusal::new(Kind::NotFound, message).code("file_not_found").into())
        }
    }
}

/// The instance or provider that a request names for itself: in its query, or in a header.
pub fn wanted_instance(session: &Session) -> Option<String> {
    let request = session.req_header();
    let header = request.headers.get(headers::X_NARTHEX_INSTANCE).and_then(|value| value.to_str().ok());
    query(session, "provider").or_else(|| header.map(str::to_owned)).filter(|name| !name.is_empty())
}

/// A parameter of the query, decoded.
pub fn query(session: &Session, name: &str) -> Option<String> {
    let pairs = url::form_urlencoded::parse(session.req_header().uri.query()?.as_bytes());
    pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The instance of this name, or one of the provider's.
pub fn named(desk: &Desk, name: &str) -> Result<Arc<Upstream>, Refusal> {
    let route = desk.gateway.routes.load().passthrough(name);
    let first = route.and_then(|route| route.order().first().map(|target| Arc::clone(&target.upstream)));
    first.ok_or_else(|| {
        let known: Vec<_> = desk.gateway.upstreams.iter().map(|upstream| upstream.name()).collect();
        let message = format!("`{name}` is not a configured provider; configured are {}.", known.join(", "));
        Refusal::invalid(message).code("unknown_provider").param("provider")
    })
}

/// The instances that keep files.
fn keepers(desk: &Desk) -> impl Iterator<Item = &Arc<Upstream>> {
    desk.gateway.upstreams.iter().filter(|upstream| upstream.instance.provider.files.is_some())
}

fn only<'a>(mut upstreams: impl Iterator<Item = &'a Arc<Upstream>>) -> Option<Arc<Upstream>> {
    upstreams.next().filter(|_| upstreams.next().is_none()).cloned()
}

/// What an instance's objects look like.
pub fn native(upstream: &Upstream) -> Shape {
    match upstream.instance.provider.files {
        Some(FilesApi::Anthropic) => Shape::Anthropic,
        Some(FilesApi::Gemini) => Shape::Gemini,
        Some(FilesApi::Openai) | None => Shape::Openai,
    }
}

/// The path of a file at its provider.
pub fn path(upstream: &Upstream, name: &str) -> String {
    let name = percent_encoding::utf8_percent_encode(name, UNRESERVED);
    match native(upstream) {
        Shape::Gemini => format!("v1beta/files/{name}"),
        Shape::Openai | Shape::Anthropic => format!("files/{name}"),
    }
}

/// An object in the client's shape; as it is where that is the provider's.
fn shown(shape: Shape, native: Shape, object: &[u8], id: &str) -> Bytes {
    match read_file(native, object) {
        Ok(file) if shape != native => Bytes::from(FileObject { id: id.to_owned(), ..file }.shown(shape).to_string()),
        _ => Bytes::copy_from_slice(object),
    }
}

/// Takes note of a file at a provider. `purpose`, where the provider has no word for it, is what was remembered.
async fn remember(
    ctx: &Exchange,
    desk: &Desk,
    upstream: &Upstream,
    id: &str,
    object: FileObject,
    body: &[u8],
    known: Option<&StoredFile>,
) -> Result<(), Stop> {
    let notes = known.map(|file| file.notes.clone());
    let purpose = match (object.purpose.is_empty(), known) {
        (true, Some(file)) => file.purpose.clone(),
        _ => object.purpose.clone(),
    };
    let file = StoredFile {
        id: id.to_owned(),
        tenant: tenant(ctx).map(str::to_owned),
        place: Place::AtProvider { instance: upstream.name().to_owned(), id: object.id },
        purpose,
        filename: object.filename,
        bytes: object.bytes,
        created: object.created,
        expires: object.expires,
        object: json(body)?,
        notes: notes.unwrap_or_else(nothing),
    };
    Ok(desk.gateway.store.put_file(&file).await.map_err(|why| unavailable(&why))?)
}

async fn forget(ctx: &Exchange, desk: &Desk, id: &str) -> Result<(), Refusal> {
    desk.gateway.store.delete_file(tenant(ctx), id).await.map(drop).map_err(|why| unavailable(&why))
}

/// A text that is JSON, to be kept.
pub fn json(text: &[u8]) -> Result<Json, Failure> {
    serde_json::from_slice(text).map_err(|_| Failure::of_kind(Kind::Upstream, "The provider's answer is no JSON."))
}

/// No notes.
pub fn nothing() -> Json {
    to_raw_value(&Value::Null).unwrap_or_default()
}

fn not_found(id: &str) -> Refusal {
    Refusal::new(Kind::NotFound, format!("There is no file `{id}`.")).code("file_not_found").param("file_id")
}
