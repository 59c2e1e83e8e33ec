//! Images and documents of the canonical form → blocks.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::block::{Block, Fields, Source};
use crate::dialects::wire::parse_data_url;
use crate::dialects::{Recipient, ir};
use ir::{Feature, Losses, Media, MediaKind};

/// How the base64 of a file of some kind begins.
const BEGINNINGS: &[(&str, &str)] = &[
    ("/9j/", "image/jpeg"),
    ("iVBORw0KGgo", "image/png"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
    ("JVBER", "application/pdf"),
];

/// Types that are text though they are not called so.
const TEXTS: &[&str] =
    &["application/json", "application/xml", "application/x-yaml", "application/yaml", "application/javascript"];

/// The block that shows this to Claude, if there is one.
pub fn write<'a>(media: &'a Media, recipient: &Recipient<'_>, losses: &mut Losses) -> Option<Block<'a>> {
    match media.kind {
        MediaKind::Audio => {
            losses.note(Feature::AudioInput);
            return None;
        }
        MediaKind::Video => {
            losses.note(Feature::VideoInput);
            return None;
        }
        MediaKind::Image | MediaKind::File => {}
    }
    let told = media.mime.as_deref().filter(|mime| *mime != "application/octet-stream");
    match &media.source {
        ir::Source::Base64(data) => data_block(media, told, data, losses),
        ir::Source::Url(url) => match parse_data_url(url) {
            Some((mime, data)) => data_block(media, Some(mime), data, losses),
            None if recipient.habits.fetches_urls && media.is_on_the_web() => {
                let source = Source { kind: "url", url: Some(url), ..Source::default() };
                Some(block(media, is_image(media, told), source))
            }
            None if is_image(media, told) => {
                losses.note(Feature::ImageUrls);
                None
            }
            None => {
                losses.note(Feature::FileUrls);
                None
            }
        },
        ir::Source::FileId(id) => {
            let source = Source { kind: "file", file_id: Some(id), ..Source::default() };
            Some(block(media, is_image(media, told), source))
        }
        ir::Source::Text(text) => Some(block(media, false, plain(Cow::Borrowed(text)))),
    }
}

fn data_block<'a>(media: &'a Media, told: Option<&'a str>, data: &'a str, losses: &mut Losses) -> Option<Block<'a>> {
    let begins = BEGINNINGS.iter().find(|(beginning, _)| data.starts_with(beginning)).map(|(_, mime)| *mime);
    let mime = match told.or(begins).or(media.name.as_deref().and_then(by_name)) {
        Some("image/jpg") => "image/jpeg",
        Some(mime) => mime,
        None if media.kind == MediaKind::Image => "image/png",
        None => "",
    };
    let base64 =
        |mime| Source { kind: "base64", media_type: Some(mime), data: Some(Cow::Borrowed(data)), ..Source::default() };
    if mime.starts_with("image/") {
        return Some(block(media, true, base64(mime)));
    }
    if mime == "application/pdf" {
        return Some(block(media, false, base64(mime)));
    }
    let is_text =
        mime.starts_with("text/") || TEXTS.contains(&mime) || mime.ends_with("+json") || mime.ends_with("+xml");
    let text = || String::from_utf8(STANDARD.decode(data).ok()?).ok();
    match is_text.then(text).flatten() {
        Some(text) => Some(block(media, false, plain(Cow::Owned(text)))),
        None => {
            losses.refuse("file", "Claude reads PDF, plain text and images, and this is neither");
            None
        }
    }
}

fn block<'a>(media: &'a Media, is_image: bool, source: Source<'a>) -> Block<'a> {
    let title = media.name.as_deref().filter(|title| !is_image && !title.is_empty());
    Block::of(Fields {
        kind: if is_image { "image" } else { "document" },
        source: Some(source),
        title,
        ..Fields::default()
    })
}

fn plain(text: Cow<'_, str>) -> Source<'_> {
    Source { kind: "text", media_type: Some("text/plain"), data: Some(text), ..Source::default() }
}

fn is_image(media: &Media, told: Option<&str>) -> bool {
    media.kind == MediaKind::Image || told.is_some_and(|mime| mime.starts_with("image/"))
}

fn by_name(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    match extension.to_ascii_lowercase().as_str() {
        "pdf" => Some("application/pdf"),
        "txt" | "md" | "csv" | "json" | "xml" | "html" | "yaml" | "yml" | "log" => Some("text/plain"),
        _ => None,
    }
}
