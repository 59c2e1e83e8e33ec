//! The bytes of files: from the store or through it, in pieces.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, StatusCode, header};
use pingora_proxy::Session;

use super::{Found, Stop, find, native, not_found, path};
use crate::error::{Failure, Kind, Refusal};
use crate::files::Shape;
use crate::proxy::ask::Talk;
use crate::proxy::context::Exchange;
use crate::proxy::desk::{Ask, Desk, unavailable, unreachable};
use crate::proxy::{ResponseHeader, headers, local};
use crate::routing::Upstream;
use crate::store::{Place, Store, StoreError, StoredFile};

/// The size of a piece in the store.
const PIECE: usize = 512 << 10;
const JSON_LINES: &str = "application/jsonl";
const BYTES: &str = "application/octet-stream";

/// `GET /v1/files/{id}/content`.
pub async fn content(session: &mut Session, ctx: &mut Exchange, desk: &Desk, id: &str) -> Result<(), Stop> {
    match find(session, ctx, desk, id).await? {
        Found::Here(file) => {
            let kind = if file.purpose.starts_with("batch") { JSON_LINES } else { BYTES };
            write_file(session, ctx, desk, &file, kind).await
        }
        Found::AtProvider { upstream, name, .. } => {
            let (path, query) = content_path(&upstream, &name);
            let (mut talk, status, headers) = desk.open(&upstream, Ask { query, ..Ask::get(&path) }).await?;
            let mut header = ResponseHeader::build_no_case(status, Some(8)).map_err(Stop::Broken)?;
            let kept = [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_DISPOSITION, header::ETAG];
            for (name, value) in kept.into_iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone()))) {
                header.insert_header(name, value)?;
            }
            header.insert_header(headers::X_NARTHEX_INSTANCE, upstream.label.clone())?;
            local::begin(session, ctx, header).await?;
            loop {
                match talk.read().await {
                    Ok(Some(piece)) => local::go_on(session, ctx, piece).await?,
                    Ok(None) => return Ok(local::end(session, ctx).await?),
                    // Cut short, it must not look whole: the connection is what tells.
                    Err(why) => return Err(Stop::Broken(local::broken(&unreachable(&upstream, &why).message))),
                }
            }
        }
    }
}

/// Where a provider has the bytes of a file.
fn content_path(upstream: &Upstream, name: &str) -> (String, Option<&'static str>) {
    match native(upstream) {
        Shape::Gemini => (format!("download/{}:download", path(upstream, name)), Some("alt=media")),
        Shape::Openai | Shape::Anthropic => (format!("{}/content", path(upstream, name)), None),
    }
}

/// Answers with a file that is kept here.
async fn write_file(
    session: &mut Session,
    ctx: &mut Exchange,
    desk: &Desk,
    file: &StoredFile,
    content_type: &str,
) -> Result<(), Stop> {
    let mut header = ResponseHeader::build_no_case(StatusCode::OK, Some(8)).map_err(Stop::Broken)?;
    header.insert_header(header::CONTENT_TYPE, content_type)?;
    header.insert_header(header::CONTENT_LENGTH, HeaderValue::from(file.bytes))?;
    let mut pieces = Pieces::of_kept(&desk.gateway.store, file);
    // Whether there is anything shows before anything is promised.
    let mut next = pieces.next().await.map_err(|why| unavailable(&why))?;
    if next.is_none() && file.bytes > 0 {
        return Err(not_found(&file.id).into());
    }
    local::begin(session, ctx, header).await?;
    let mut left = file.bytes;
    while let Some(piece) = next {
        left = left.saturating_sub(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        local::go_on(session, ctx, piece).await?;
        next = match pieces.next().await {
            Ok(next) => next,
            Err(why) => return Err(Stop::Broken(local::broken(&unavailable(&why).message))),
        };
    }
    if left > 0 {
        return Err(Stop::Broken(local::broken("the file was deleted while it was read")));
    }
    Ok(local::end(session, ctx).await?)
}

/// A file's bytes, one piece after the other.
pub struct Pieces {
    store: Arc<Store>,
    tenant: Option<String>,
    id: String,
    position: u64,
}

impl Pieces {
    pub fn of_kept(store: &Arc<Store>, file: &StoredFile) -> Self {
        Self { store: Arc::clone(store), tenant: file.tenant.clone(), id: file.id.clone(), position: 0 }
    }

    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        let piece = self.store.piece(self.tenant.as_deref(), &self.id, self.position).await?;
        self.position += 1;
        Ok(piece.map(Bytes::from))
    }
}

/// Puts a file into the store, piece by piece.
pub struct Writer {
    store: Arc<Store>,
    tenant: Option<String>,
    id: String,
    buffer: BytesMut,
    position: u64,
    bytes: u64,
}

impl Writer {
    /// What was there under the file's id is gone.
    pub async fn begin(store: &Arc<Store>, file: StoredFile) -> Result<Self, StoreError> {
        store.begin_file(&file).await?;
        let StoredFile { id, tenant, .. } = file;
        Ok(Self { store: Arc::clone(store), tenant, id, buffer: BytesMut::new(), position: 0, bytes: 0 })
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub async fn write(&mut self, mut content: &[u8]) -> Result<(), StoreError> {
        self.bytes += u64::try_from(content.len()).unwrap_or_default();
        while !content.is_empty() {
            let room = PIECE - self.buffer.len();
            let (now, later) = content.split_at(room.min(content.len()));
            self.buffer.extend_from_slice(now);
            content = later;
            if self.buffer.len() == PIECE {
                self.settle().await?;
            }
        }
        Ok(())
    }

    /// Writes what is held back.
    pub async fn settle(&mut self) -> Result<(), StoreError> {
        if !self.buffer.is_empty() {
            self.store.append_piece(self.tenant.as_deref(), &self.id, self.position, &self.buffer).await?;
            self.buffer.clear();
            self.position += 1;
        }
        Ok(())
    }

    /// From now on it is shown, as `file` says.
    pub async fn finish(mut self, file: &StoredFile) -> Result<(), StoreError> {
        self.settle().await?;
        self.store.finish_file(file).await
    }

    /// It is not wanted any more.
    pub async fn give_up(self) {
        if let Err(why) = self.store.drop_unfinished(self.tenant.as_deref(), &self.id).await {
            log::error!("{why}");
        }
    }
}

/// The bytes of a file, wherever it is.
pub enum Source {
    Kept(Pieces),
    AtProvider(Box<Talk>),
}

impl Source {
    /// A file from its beginning.
    pub async fn of(desk: &Desk, file: &StoredFile) -> Result<Self, Failure> {
        let Place::AtProvider { instance, id } = &file.place else { return Ok(Self::kept(desk, file)) };
        let gone = || {
            let message = format!("The file `{}` is at `{instance}`, which is not configured any more.", file.id);
            Failure::from(&Refusal::new(Kind::NotFound, message).code("file_not_found"))
        };
        Self::at_provider(desk, desk.upstream(instance).ok_or_else(gone)?, id).await
    }

    /// A file that is kept here, from its beginning.
    pub fn kept(desk: &Desk, file: &StoredFile) -> Self {
        Self::Kept(Pieces::of_kept(&desk.gateway.store, file))
    }

    /// A file at a provider, from its beginning.
    pub async fn at_provider(desk: &Desk, upstream: &Upstream, name: &str) -> Result<Self, Failure> {
        let (path, query) = content_path(upstream, name);
        Self::answer(desk, upstream, Ask { query, ..Ask::get(&path) }).await
    }

    /// What a provider answers.
    pub async fn answer(desk: &Desk, upstream: &Upstream, ask: Ask<'_>) -> Result<Self, Failure> {
        let (talk, ..) = desk.open(upstream, ask).await?;
        Ok(Self::AtProvider(Box::new(talk)))
    }

    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        match self {
            Self::Kept(pieces) => pieces.next().await.map_err(|why| Failure::from(&unavailable(&why))),
            Self::AtProvider(talk) => {
                talk.read().await.map_err(|why| Failure::of_kind(Kind::Upstream, format!("A file broke off: {why}.")))
            }
        }
    }
}
