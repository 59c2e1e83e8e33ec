//! Images, files and audio of a request, both ways.

use super::wire::{Content, Item};
use super::written;
use crate::dialects::Habits;
use crate::dialects::ir::{Feature, Losses, Media, MediaKind, Part, Source};
use crate::dialects::wire::{parse_data_url, titled};
use crate::error::Refusal;

pub fn image(content: Content, at: std::fmt::Arguments<'_>) -> Result<Part, Refusal> {
    let (url, detail) = match content.image_url {
        Some(image) => (Some(image.url), content.detail.or(image.detail)),
        None => (None, content.detail),
    };
    let (mime, source) = match (url, content.file_id) {
        (Some(url), _) => of_url(url),
        (None, Some(id)) => (None, Source::FileId(id)),
        (None, None) => {
            let message = format!("`{at}` holds no image: it needs `image_url` or `file_id`.");
            return Err(Refusal::invalid(message).param("input"));
        }
    };
    Ok(Part::Media(Media { mime, source, detail, ..empty(MediaKind::Image) }))
}

pub fn file(content: Content, at: std::fmt::Arguments<'_>) -> Result<Part, Refusal> {
    let (mime, source) = match (content.file_data, content.file_url, content.file_id) {
        // A data URL by the book; plain base64 is taken for what its name says.
        (Some(data), ..) => match of_url(data) {
            (mime @ Some(_), source) => (mime, source),
            (None, Source::Url(data)) => {
                (content.filename.as_deref().and_then(mime_of_name).map(str::to_owned), Source::Base64(data))
            }
            other => other,
        },
        (None, Some(url), _) => of_url(url),
        (None, None, Some(id)) => (None, Source::FileId(id)),
        (None, None, None) => {
            let message = format!("`{at}` holds no file: it needs `file_data`, `file_url` or `file_id`.");
            return Err(Refusal::invalid(message).param("input"));
        }
    };
    let kind = match mime.as_deref().and_then(|mime| mime.split('/').next()) {
        Some("audio") => MediaKind::Audio,
        Some("video") => MediaKind::Video,
        _ => MediaKind::File,
    };
    Ok(Part::Media(Media { mime, source, name: content.filename, detail: content.detail, ..empty(kind) }))
}

pub fn audio(content: Content, at: std::fmt::Arguments<'_>) -> Result<Part, Refusal> {
    let audio = content.input_audio.and_then(|audio| Some((audio.data?, audio.format)));
    let Some((data, format)) = audio else {
        return Err(Refusal::invalid(format!("`{at}.input_audio.data` is missing.")).param("input"));
    };
    let mime = match format.as_deref() {
        Some("mp3") => "audio/mpeg".to_owned(),
        Some(format) => format!("audio/{format}"),
        None => "audio/wav".to_owned(),
    };
    Ok(Part::Media(Media { mime: Some(mime), source: Source::Base64(data), ..empty(MediaKind::Audio) }))
}

/// An image that the model drew.
pub fn generated(item: Item) -> Option<Media> {
    let data = item.result.filter(|data| !data.is_empty())?;
    let mime = format!("image/{}", item.output_format.as_deref().unwrap_or("png"));
    Some(Media { mime: Some(mime), source: Source::Base64(data), id: item.id, ..empty(MediaKind::Image) })
}

fn empty(kind: MediaKind) -> Media {
    let source = Source::Text(String::new());
    Media { kind, mime: None, source, name: None, detail: None, transcript: None, id: None }
}

fn of_url(mut url: String) -> (Option<String>, Source) {
    match parse_data_url(&url).map(|(mime, data)| (mime.to_owned(), url.len() - data.len())) {
        Some((mime, start)) => {
            url.drain(..start);
            (Some(mime), Source::Base64(url))
        }
        None => (None, Source::Url(url)),
    }
}

fn mime_of_name(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "json" => "application/json",
        _ => return None,
    })
}

/// A part of a message; `None`: it has no place there, which is noted.
pub fn write<'a>(media: &'a Media, habits: &Habits, losses: &mut Losses) -> Option<written::Content<'a>> {
    let Media { kind, mime, source, name, detail, transcript: _, id: _ } = media;
    let (name, detail) = (name.as_deref(), detail.as_deref());
    match kind {
        MediaKind::Image => {
            let (image_url, file_id) = match source {
                Source::Base64(data) => {
                    (Some(written::Url::Data { mime: mime.as_deref().unwrap_or("image/png"), data }), None)
                }
                Source::Url(_) if !habits.fetches_urls || !media.is_on_the_web() => {
                    return lost(Feature::ImageUrls, losses);
                }
                Source::Url(url) => (Some(written::Url::Plain(url)), None),
                Source::FileId(id) => (None, Some(id.as_str())),
                Source::Text(_) => return lost(Feature::Media, losses),
            };
            Some(written::Content::InputImage { image_url, file_id, detail: detail.unwrap_or("auto") })
        }
        MediaKind::File => {
            let empty = written::File { detail, ..written::File::default() };
            let file = match source {
                Source::Text(text) => return Some(written::Content::InputText { text: titled(name, text) }),
                Source::Url(_) if !habits.fetches_urls || !media.is_on_the_web() => {
                    return lost(Feature::FileUrls, losses);
                }
                Source::Url(url) => written::File { file_url: Some(url), ..empty },
                Source::FileId(id) => written::File { file_id: Some(id), ..empty },
                Source::Base64(data) => {
                    let mime = mime.as_deref().or(name.and_then(mime_of_name)).unwrap_or("application/pdf");
                    // Data must have a name.
                    let filename =
                        Some(name.unwrap_or(if mime == "application/pdf" { "document.pdf" } else { "document" }));
                    written::File { file_data: Some(written::Url::Data { mime, data }), filename, ..empty }
                }
            };
            Some(written::Content::InputFile(file))
        }
        MediaKind::Audio => match (source, mime.as_deref().and_then(audio_format)) {
            (Source::Base64(data), Some(format)) => {
                Some(written::Content::InputAudio { input_audio: written::InputAudio { data, format } })
            }
            _ => lost(Feature::AudioInput, losses),
        },
        MediaKind::Video => lost(Feature::VideoInput, losses),
    }
}

fn lost<T>(feature: Feature, losses: &mut Losses) -> Option<T> {
    losses.note(feature);
    None
}

fn audio_format(mime: &str) -> Option<&'static str> {
    match mime.split(';').next().unwrap_or_default() {
        "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => Some("wav"),
        "audio/mpeg" | "audio/mp3" => Some("mp3"),
        _ => None,
    }
}
