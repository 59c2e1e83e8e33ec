//! Images, documents, video and audio: Converse names formats where everybody else names media types.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::incoming;
use super::outgoing::{Block, Document, Media, Source};
use crate::dialects::ir::{self, Feature, Losses, MediaKind};
use crate::dialects::wire::parse_data_url;

/// A format, its media type, what base64 of it begins with if that tells. The first of a format is the one that is read.
type Format = (&'static str, &'static str, &'static str);

const IMAGES: &[Format] = &[
    ("png", "image/png", "iVBOR"),
    ("jpeg", "image/jpeg", "/9j/"),
    ("jpeg", "image/jpg", "/9j/"),
    ("gif", "image/gif", "R0lG"),
    ("webp", "image/webp", "UklGR"),
];

const VIDEOS: &[Format] = &[
    ("mp4", "video/mp4", ""),
    ("mkv", "video/x-matroska", ""),
    ("mov", "video/quicktime", ""),
    ("webm", "video/webm", ""),
    ("flv", "video/x-flv", ""),
    ("mpeg", "video/mpeg", ""),
    ("mpg", "video/mpg", ""),
    ("wmv", "video/x-ms-wmv", ""),
    ("three_gp", "video/3gpp", ""),
];

const AUDIOS: &[Format] = &[
    ("mp3", "audio/mpeg", ""),
    ("mp3", "audio/mp3", ""),
    ("opus", "audio/opus", ""),
    ("wav", "audio/wav", ""),
    ("wav", "audio/x-wav", ""),
    ("aac", "audio/aac", ""),
    ("flac", "audio/flac", ""),
    ("mp4", "audio/mp4", ""),
    ("ogg", "audio/ogg", ""),
    ("mkv", "audio/x-matroska", ""),
    ("m4a", "audio/m4a", ""),
    ("pcm", "audio/pcm", ""),
    ("pcm", "audio/pcm16", ""),
    ("webm", "audio/webm", ""),
];

const DOCUMENTS: &[Format] = &[
    ("pdf", "application/pdf", "JVBERi0"),
    ("csv", "text/csv", ""),
    ("doc", "application/msword", ""),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", ""),
    ("xls", "application/vnd.ms-excel", ""),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ""),
    ("html", "text/html", ""),
    ("txt", "text/plain", ""),
    ("txt", "application/json", ""),
    ("md", "text/markdown", ""),
];

fn formats(kind: MediaKind) -> &'static [Format] {
    match kind {
        MediaKind::Image => IMAGES,
        MediaKind::Video => VIDEOS,
        MediaKind::Audio => AUDIOS,
        MediaKind::File => DOCUMENTS,
    }
}

/// The media that a block holds; nothing if it holds no data.
pub fn read(kind: MediaKind, media: incoming::Media) -> Option<ir::Media> {
    let incoming::Media { format, name, source } = media;
    let mime = mime(kind, format.as_deref());
    let source = source?;
    let source = if let Some(bytes) = source.bytes {
        ir::Source::Base64(bytes)
    } else if let Some(uri) = source.s3_location.and_then(|location| location.uri) {
        ir::Source::Url(uri)
    } else if let Some(text) = source.text {
        ir::Source::Text(text)
    } else {
        ir::Source::Text(source.content?.into_iter().filter_map(|item| item.text).collect::<Vec<_>>().join("\n"))
    };
    Some(ir::Media { kind, mime, source, name, detail: None, transcript: None, id: None })
}

/// The media type of a format.
pub fn mime(kind: MediaKind, format: Option<&str>) -> Option<String> {
    let is_format = |(name, ..): &&Format| Some(*name) == format;
    formats(kind).iter().find(is_format).map(|(_, mime, _)| (*mime).to_owned())
}

/// The block for an image of an answer; nothing for what answers cannot show.
pub fn image(media: &ir::Media) -> Option<Media<'_>> {
    match &media.source {
        ir::Source::Base64(data) if media.kind == MediaKind::Image => {
            Some(Media { format: format(media)?, source: Source::Bytes(data.into()) })
        }
        _ => None,
    }
}

/// Writes media of one request. Documents need names that differ.
#[derive(Debug, Default)]
pub struct Writer {
    names: Vec<String>,
}

impl Writer {
    /// The block, or a note of why there is none.
    pub fn block<'a>(&mut self, media: &'a ir::Media, losses: &mut Losses) -> Option<Block<'a>> {
        let Some(source) = source(media) else {
            refuse(media, losses);
            return None;
        };
        let Some(format) = format(media) else {
            let what = media.mime.as_deref().unwrap_or("media of an unknown type");
            losses.note_named(Feature::Media, &format!("{} ({what})", Feature::Media.name()));
            return None;
        };
        Some(match media.kind {
            MediaKind::Image => Block::Image(Media { format, source }),
            MediaKind::Video => Block::Video(Media { format, source }),
            MediaKind::Audio => Block::Audio(Media { format, source }),
            MediaKind::File => {
                Block::Document(Document { format, name: self.name(media.name.as_deref().unwrap_or_default()), source })
            }
        })
    }

    /// Of letters, digits, `-`, round and square brackets, and single spaces between them: at most 200, and not twice the same.
    fn name(&mut self, wish: &str) -> String {
        let stem = wish.rsplit_once('.').map_or(wish, |(stem, _)| stem);
        let is_kept = |c: char| c.is_ascii_alphanumeric() || "-()[]".contains(c);
        let words = stem.split(|c| !is_kept(c)).filter(|word| !word.is_empty());
        let mut name: String = words.collect::<Vec<_>>().join(" ").chars().take(180).collect();
        if name.trim().is_empty() {
            "document".clone_into(&mut name);
        }
        let plain = name.trim_end().to_owned();
        name.clone_from(&plain);
        let mut count = 1;
        while self.names.contains(&name) {
            count += 1;
            name = format!("{plain} {count}");
        }
        self.names.push(name.clone());
        name
    }
}

fn source(media: &ir::Media) -> Option<Source<'_>> {
    Some(match &media.source {
        ir::Source::Base64(data) => Source::Bytes(data.into()),
        ir::Source::Text(text) => Source::Bytes(Cow::Owned(STANDARD.encode(text))),
        ir::Source::Url(uri) if uri.starts_with("s3://") => Source::S3Location { uri },
        ir::Source::Url(url) => Source::Bytes(parse_data_url(url)?.1.into()),
        ir::Source::FileId(_) => return None,
    })
}

/// By the media type, else by what the data begins with, else by the name's ending.
fn format(media: &ir::Media) -> Option<&'static str> {
    let formats = formats(media.kind);
    let of = |is: &dyn Fn(&Format) -> bool| formats.iter().find(|format| is(format)).map(|(format, ..)| *format);
    let told = match &media.source {
        ir::Source::Url(url) => media.mime.as_deref().or_else(|| parse_data_url(url).map(|(mime, _)| mime)),
        ir::Source::Text(_) => media.mime.as_deref().or(Some("text/plain")),
        _ => media.mime.as_deref(),
    };
    let told = told.and_then(|told| told.split(';').next()).map(str::trim).filter(|told| !told.is_empty());
    let by_data = || match &media.source {
        ir::Source::Base64(data) => of(&|(.., magic)| !magic.is_empty() && data.starts_with(magic)),
        _ => None,
    };
    let by_ending = || {
        let name = match &media.source {
            ir::Source::Url(url) => media.name.as_deref().unwrap_or(url),
            _ => media.name.as_deref()?,
        };
        let (_, ending) = name.rsplit_once('.')?;
        match ending.to_ascii_lowercase().as_str() {
            "jpg" if media.kind == MediaKind::Image => Some("jpeg"),
            ending => of(&|(format, ..)| *format == ending),
        }
    };
    told.and_then(|told| of(&|(_, mime, _)| told.eq_ignore_ascii_case(mime)))
        .or_else(by_data)
        .or_else(by_ending)
        .or_else(|| told.filter(|told| media.kind == MediaKind::File && told.starts_with("text/")).map(|_| "txt"))
}

/// What lies elsewhere cannot be fetched: an answer without it would be about something else.
fn refuse(media: &ir::Media, losses: &mut Losses) {
    const WHY: &str = "Amazon Bedrock takes media as base64 or by an s3:// address and fetches nothing itself";
    let feature = match (&media.source, media.kind) {
        (ir::Source::FileId(_), _) => Feature::FileIds,
        (_, MediaKind::Image) => Feature::ImageUrls,
        (_, MediaKind::Video) => Feature::VideoInput,
        (_, MediaKind::Audio) => Feature::AudioInput,
        (_, MediaKind::File) => Feature::FileUrls,
    };
    losses.refuse(feature.name(), WHY);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::ir::loss::Loss;

    fn media(kind: MediaKind, mime: Option<&str>, source: ir::Source, name: Option<&str>) -> ir::Media {
        let (mime, name) = (mime.map(str::to_owned), name.map(str::to_owned));
        ir::Media { kind, mime, source, name, detail: None, transcript: None, id: None }
    }

    #[test]
    fn formats_are_found_by_type_data_or_ending() {
        let base64 = |data: &str| ir::Source::Base64(data.to_owned());
        for (kind, mime, data, name, expected) in [
            (MediaKind::Image, Some("image/jpg"), "AAAA", None, Some("jpeg")),
            (MediaKind::Image, Some("IMAGE/PNG; x=1"), "AAAA", None, Some("png")),
            (MediaKind::Image, None, "UklGRAAA", None, Some("webp")),
            (MediaKind::Image, Some("image/*"), "/9j/4AAQ", None, Some("jpeg")),
            (MediaKind::Image, Some("image/bmp"), "Qk0=", None, None),
            (MediaKind::File, None, "JVBERi0xLjQ=", None, Some("pdf")),
            (MediaKind::File, None, "AAAA", Some("a.b.XLSX"), Some("xlsx")),
            (MediaKind::File, Some("text/x-rust"), "AAAA", None, Some("txt")),
            (MediaKind::Video, Some("video/mp4"), "AAAA", None, Some("mp4")),
            (MediaKind::Audio, Some("audio/x-wav"), "AAAA", None, Some("wav")),
        ] {
            let media = media(kind, mime, base64(data), name);
            assert_eq!(format(&media), expected, "{media:?}");
        }
    }

    #[test]
    fn documents_have_good_names_that_differ() {
        let mut writer = Writer::default();
        let names = ["Q3 report (final).pdf", "q/a_b.c.txt", "", "Q3  report__(final).docx", "ünïcode"];
        let names: Vec<_> = names.iter().map(|name| writer.name(name)).collect();
        assert_eq!(names, ["Q3 report (final)", "q a b c", "document", "Q3 report (final) 2", "n code"]);
        assert!(writer.name(&"x".repeat(400)).len() <= 200);
    }

    #[test]
    fn what_is_elsewhere_is_refused_but_for_s3() {
        const TABLE: &[Loss] = &[];
        let written = |source| {
            let mut losses = Losses::new(TABLE, false);
            let media = media(MediaKind::Image, None, source, None);
            let json = Writer::default().block(&media, &mut losses).map(|block| serde_json::to_string(&block));
            losses.finish().map(|_| json.expect("a block").expect("JSON")).map_err(|refusal| refusal.message)
        };
        let url = |url: &str| ir::Source::Url(url.to_owned());
        assert_eq!(
            written(url("s3://bucket/a.png")).as_deref(),
            Ok(r#"{"image":{"format":"png","source":{"s3Location":{"uri":"s3://bucket/a.png"}}}}"#)
        );
        assert_eq!(
            written(url("data:image/gif;base64,R0lG")).as_deref(),
            Ok(r#"{"image":{"format":"gif","source":{"bytes":"R0lG"}}}"#)
        );
        let refused = written(url("https://example.com/a.png")).expect_err("refused");
        assert!(refused.contains("`image_url`") && refused.contains("base64"), "{refused}");
        assert!(written(ir::Source::FileId("file-1".to_owned())).expect_err("refused").contains("`file_id`"));
    }
}
