//! Media that a client gives by URL, fetched by the gateway for providers that do not fetch: they get the data in the request.
//!
//! The URL is a client's, so where it leads is checked (see `fetch`), and how much comes from there, for how long, and what it is.
//! What was fetched takes the URL's place in the canonical request: all targets of an exchange see the same data.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header;
use url::Url;

use super::context::{Ask, Exchange, Run};
use super::dispatch;
use crate::config::MediaFetch;
use crate::dialects::ir::{Media, MediaKind, Source};
use crate::dialects::{Dialect, gemini};
use crate::endpoints::Operation;
use crate::error::Refusal;
use crate::fetch::{Answer, Client, Failed, Limits, Reach};
use crate::routing::Target;

/// Files of one request.
const MOST_FILES: usize = 20;
/// How many are fetched at a time.
const AT_ONCE: usize = 4;

/// Whether the request has URLs where the target wants data.
pub fn is_wanted(ctx: &mut Exchange, target: &Target) -> bool {
    match &mut ctx.ask {
        Ask::Run(run) if ctx.gateway.config.media.enabled => !wanted(run, target).is_empty(),
        _ => false,
    }
}

/// Puts data in place of URLs. `Err`: some of it cannot be had, now or at another target's try.
pub async fn inline(ctx: &mut Exchange, target: &Target) -> Result<(), Refusal> {
    let Ask::Run(run) = &mut ctx.ask else { return Ok(()) };
    if let Some(refusal) = &ctx.unfetched {
        return Err(refusal.clone());
    }
    let fetched = fetch_all(&ctx.gateway.client, ctx.gateway.config.media, wanted(run, target)).await;
    if let Err(refusal) = &fetched {
        ctx.unfetched = Some(refusal.clone());
    }
    fetched
}

fn wanted<'a>(run: &'a mut Run, target: &Target) -> Vec<&'a mut Media> {
    let mut wanted = Vec::new();
    if run.asked.is_some()
        && let Some(dialect) = fed_dialect(run, target)
        && let Some(asked) = &mut run.asked
    {
        wanted = asked.request.media_mut();
        wanted.retain(|media| match &media.source {
            Source::Url(url) if dialect == Dialect::Gemini && gemini::reads_by_itself(url) => false,
            Source::Url(url) => url.starts_with("http://") || url.starts_with("https://"),
            _ => false,
        });
    }
    wanted
}

/// The dialect in which the target is written to, if it has to be given data.
fn fed_dialect(run: &Run, target: &Target) -> Option<Dialect> {
    let operation = dispatch::door(run, target)?;
    let fetches = target.upstream.instance.provider.habits.fetches_urls && operation.dialect() != Dialect::Converse;
    (!fetches && operation != run.operation && operation != Operation::Embeddings).then(|| operation.dialect())
}

/// What a file turned out to be.
struct Fetched {
    mime: Option<String>,
    data: Bytes,
}

async fn fetch_all(client: &Client, settings: MediaFetch, mut wanted: Vec<&mut Media>) -> Result<(), Refusal> {
    if wanted.len() > MOST_FILES {
        let message =
            format!("The request gives more than {MOST_FILES} files by URL; send their data instead, as base64.");
        return Err(unfetched(MediaKind::Image, message));
    }
    let (mut number, mut total) = (0, 0);
    for some in wanted.chunks_mut(AT_ONCE) {
        // With data of their own: what a future borrows must not change under it.
        let fetches: Vec<_> = some
            .iter()
            .map(|media| {
                number += 1;
                fetch(client, settings, number, Media::clone(media))
            })
            .collect();
        for (media, fetched) in some.iter_mut().zip(futures::future::try_join_all(fetches).await?) {
            total += fetched.data.len();
            if total > settings.max_bytes {
                let message =
                    format!("The files that the request gives by URL have more than {} bytes.", settings.max_bytes);
                return Err(unfetched(media.kind, message));
            }
            media.mime = fetched.mime;
            media.source = Source::Base64(STANDARD.encode(&fetched.data));
        }
    }
    Ok(())
}

/// `number` is the file's among those that are given by URL, for the refusal.
async fn fetch(client: &Client, settings: MediaFetch, number: usize, media: Media) -> Result<Fetched, Refusal> {
    let refuse = |why: String| {
        let param = param(media.kind);
        let message =
            format!("`{param}`: file {number} of those given by URL {why}; send its data instead, as base64.");
        unfetched(media.kind, message)
    };
    let url = match &media.source {
        Source::Url(url) => Url::parse(url).map_err(|_| refuse(Failed::NotHttp.to_string()))?,
        _ => return Err(refuse(Failed::NotHttp.to_string())),
    };
    let reach = if settings.allow_private { Reach::Anywhere } else { Reach::Public };
    let limits = Limits { timeout: settings.timeout, max_bytes: settings.max_bytes, reach };
    let answer = client.get(url, &limits).await.map_err(|failed| refuse(failed.to_string()))?;
    let mime = mime(&media, &answer).map_err(refuse)?;
    Ok(Fetched { mime, data: answer.body })
}

fn unfetched(kind: MediaKind, message: String) -> Refusal {
    Refusal::invalid(message).param(param(kind)).code("media_not_fetched")
}

/// What it is: as the client says, else as its server says, else by its first bytes. `Err`: not what the client says it is.
fn mime(media: &Media, answer: &Answer) -> Result<Option<String>, String> {
    let told = answer.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let told = told.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_told = !told.is_empty() && !told.ends_with("/octet-stream");
    if let Some(encoding) = answer.headers.get(header::CONTENT_ENCODING).filter(|value| *value != "identity") {
        return Err(format!("comes compressed ({})", encoding.to_str().unwrap_or("unknown")));
    }
    let family = match media.kind {
        MediaKind::Image => "image/",
        MediaKind::Audio => "audio/",
        MediaKind::Video => "video/",
        MediaKind::File => return Ok(media.mime.clone().or(is_told.then_some(told))),
    };
    if is_told && !told.starts_with(family) {
        return Err(format!("is of the type {told}, not {family}*"));
    }
    let seen = seen(&answer.body);
    match (is_told, seen) {
        (true, _) => Ok(Some(told)),
        (false, Some(seen)) if seen.starts_with(family) => Ok(Some(seen.to_owned())),
        (false, _) if media.mime.is_some() => Ok(media.mime.clone()),
        (false, _) => Err(format!("comes without a type and does not look like {family}*")),
    }
}

fn seen(body: &[u8]) -> Option<&'static str> {
    const STARTS: &[(&[u8], &str)] = &[
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF8", "image/gif"),
        (b"ID3", "audio/mp3"),
        (b"OggS", "audio/ogg"),
        (b"fLaC", "audio/flac"),
        (b"\x1a\x45\xdf\xa3", "video/webm"),
    ];
    match (body.get(..4), body.get(8..12)) {
        (Some(b"RIFF"), Some(b"WEBP")) => Some("image/webp"),
        (Some(b"RIFF"), Some(b"WAVE")) => Some("audio/wav"),
        (_, Some(b"heic")) => Some("image/heic"),
        _ if body.get(4..8) == Some(b"ftyp") => Some("video/mp4"),
        _ => STARTS.iter().find(|(start, _)| body.starts_with(start)).map(|(_, mime)| *mime),
    }
}

/// What the refusal blames.
fn param(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image_url",
        _ => "file_url",
    }
}
