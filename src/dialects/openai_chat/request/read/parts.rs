//! What messages consist of.

use super::{cache_mark, wire};
use crate::dialects::ir::{Media, MediaKind, Part, Reasoning, Source, Text};
use crate::dialects::wire::{TextOr, parse_data_url};
use crate::error::Refusal;
use wire::TextOrObject;

/// Reads a message's content. `message` is its place, for refusals.
pub fn read(content: Option<TextOr<wire::Part>>, message: usize) -> Result<Vec<Part>, Refusal> {
    match content {
        None => Ok(Vec::new()),
        Some(TextOr::Text(text)) => Ok(vec![text_part(text)]),
        Some(TextOr::List(list)) => {
            let mut parts = Vec::with_capacity(list.len());
            for (at, part) in list.into_iter().enumerate() {
                read_part(part, Place { message, part: at }, &mut parts)?;
            }
            Ok(parts)
        }
    }
}

pub fn text_part(text: String) -> Part {
    Part::Text(Text { text, ..Text::default() })
}

/// Where a part stands.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub message: usize,
    pub part: usize,
}

impl Place {
    fn refusal(self, member: &str, why: &str) -> Refusal {
        let Self { message, part } = self;
        Refusal::invalid(format!("`messages[{message}].content[{part}]{member}` {why}.")).param("messages")
    }
}

fn read_part(part: wire::Part, place: Place, parts: &mut Vec<Part>) -> Result<(), Refusal> {
    let wire::Part {
        kind,
        text,
        refusal,
        thinking,
        image_url,
        video_url,
        document_url,
        document_name,
        input_audio,
        file,
        cache_control,
        prompt_cache_breakpoint,
        index: _,
    } = part;
    let missing = |member: &str| place.refusal(member, "is missing");
    match kind.as_deref() {
        Some("text") => parts.push(text_part(text.ok_or_else(|| missing(".text"))?)),
        None if text.is_some() => parts.extend(text.map(text_part)),
        Some("refusal") => parts.push(Part::Refusal(refusal.ok_or_else(|| missing(".refusal"))?)),
        Some("thinking") => parts.push(Part::Reasoning(Reasoning { text: thought(thinking), ..Reasoning::default() })),
        Some("image_url") => {
            let (url, detail) = url_of(image_url).ok_or_else(|| missing(".image_url.url"))?;
            parts.push(Part::Media(Media { detail, ..of_url(MediaKind::Image, url) }));
        }
        Some("video_url") => {
            let (url, _) = url_of(video_url).ok_or_else(|| missing(".video_url.url"))?;
            parts.push(Part::Media(of_url(MediaKind::Video, url)));
        }
        Some("document_url") => {
            let (url, _) = url_of(document_url).ok_or_else(|| missing(".document_url"))?;
            parts.push(Part::Media(Media { name: document_name, ..of_url(MediaKind::File, url) }));
        }
        Some("input_audio") => parts.push(Part::Media(audio(input_audio).ok_or_else(|| missing(".input_audio.data"))?)),
        Some("file") => parts.push(Part::Media(file.and_then(of_file).ok_or_else(|| missing(".file.file_data"))?)),
        None => return Err(missing(".type")),
        Some(kind) => return Err(place.refusal(".type", &format!("is `{kind}`, which is not known"))),
    }
    let marks = cache_control.or(prompt_cache_breakpoint);
    parts.extend(marks.map(|mark| Part::CachePoint(cache_mark(mark))));
    Ok(())
}

fn thought(thinking: Option<TextOr<wire::Part>>) -> String {
    match thinking {
        Some(TextOr::Text(text)) => text,
        Some(TextOr::List(parts)) => parts.into_iter().filter_map(|part| part.text).collect(),
        None => String::new(),
    }
}

fn url_of(url: Option<TextOrObject<wire::Url>>) -> Option<(String, Option<String>)> {
    match url? {
        TextOrObject::Text(url) => Some((url, None)),
        TextOrObject::Object(wire::Url { url, detail }) => Some((url?, detail)),
    }
}

fn media(kind: MediaKind, mime: Option<String>, source: Source) -> Media {
    Media { kind, mime, source, name: None, detail: None, transcript: None, id: None }
}

pub fn of_url(kind: MediaKind, url: String) -> Media {
    match parse_data_url(&url) {
        Some((mime, data)) => {
            let mime = Some(mime.to_owned()).filter(|mime| !mime.is_empty());
            media(kind, mime, Source::Base64(data.to_owned()))
        }
        None => media(kind, None, Source::Url(url)),
    }
}

/// Audio comes as base64; some providers take a URL in its place.
fn audio(audio: Option<TextOrObject<wire::AudioIn>>) -> Option<Media> {
    let (data, format) = match audio? {
        TextOrObject::Text(data) => (data, None),
        TextOrObject::Object(wire::AudioIn { data, format }) => (data?, format),
    };
    if data.starts_with("data:") || data.starts_with("http://") || data.starts_with("https://") {
        return Some(of_url(MediaKind::Audio, data));
    }
    let mime = format.map(|format| match format.as_str() {
        "mp3" => "audio/mpeg".to_owned(),
        "m4a" => "audio/mp4".to_owned(),
        format => format!("audio/{format}"),
    });
    Some(media(MediaKind::Audio, mime, Source::Base64(data)))
}

fn of_file(file: wire::File) -> Option<Media> {
    let wire::File { file_id, file_data, filename } = file;
    let of_data = |data: String| match data.split_once(':') {
        Some(("data" | "http" | "https", _)) => of_url(MediaKind::File, data),
        _ => {
            let is_pdf = filename.as_deref().is_some_and(|name| name.to_ascii_lowercase().ends_with(".pdf"));
            media(MediaKind::File, is_pdf.then(|| "application/pdf".to_owned()), Source::Base64(data))
        }
    };
    let found = match (file_data, file_id) {
        (Some(data), _) => of_data(data),
        (None, Some(id)) => media(MediaKind::File, None, Source::FileId(id)),
        (None, None) => return None,
    };
    Some(Media { name: filename, ..found })
}
