//! The parts of a message.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Writer;
use super::body::{AudioIn, CacheControl, Content, File, Part, Url};
use crate::dialects::ir::{CacheMark, Feature, Media, MediaKind, Source};
use crate::dialects::wire::{self, data_url};

impl Writer<'_> {
    pub fn media<'a>(&mut self, media: &'a Media) -> Option<Part<'a>> {
        match media.kind {
            MediaKind::Image => self.image(media),
            MediaKind::Audio => self.audio(media),
            MediaKind::Video => self.video(media),
            MediaKind::File => self.file(media),
        }
    }

    fn image<'a>(&mut self, media: &'a Media) -> Option<Part<'a>> {
        let url = self.url(media, "image/png", Feature::ImageUrls)?;
        let image_url = Some(Url { url, detail: media.detail.as_deref() });
        Some(Part { kind: "image_url", image_url, ..Part::default() })
    }

    fn video<'a>(&mut self, media: &'a Media) -> Option<Part<'a>> {
        if !self.recipient.habits.has_video {
            self.losses.note(Feature::VideoInput);
            return None;
        }
        let url = self.url(media, "video/mp4", Feature::FileUrls)?;
        Some(Part { kind: "video_url", video_url: Some(Url { url, detail: None }), ..Part::default() })
    }

    /// As a URL, if it has one that the provider can read.
    fn url<'a>(&mut self, media: &'a Media, usual: &str, by_url: Feature) -> Option<Cow<'a, str>> {
        match &media.source {
            Source::Base64(data) => {
                let mime = media.mime.as_deref().unwrap_or(usual);
                // A common slip that only some forgive.
                let mime = if mime == "image/jpg" { "image/jpeg" } else { mime };
                return Some(data_url(mime, data).into());
            }
            Source::Url(url) if self.recipient.habits.fetches_urls && media.is_on_the_web() => return Some(url.into()),
            Source::Url(_) => self.losses.note(by_url),
            Source::FileId(_) => self.losses.note(Feature::FileIds),
            Source::Text(_) => self.losses.note(Feature::Media),
        }
        None
    }

    fn audio<'a>(&mut self, media: &'a Media) -> Option<Part<'a>> {
        let habits = self.recipient.habits;
        let data = match &media.source {
            Source::Base64(data) => data,
            Source::Url(url) if habits.fetches_urls && !habits.has_openai_members => url,
            Source::Url(_) | Source::FileId(_) | Source::Text(_) => {
                self.losses.note(Feature::AudioInput);
                return None;
            }
        };
        let input_audio = Some(AudioIn { data, format: media.mime.as_deref().map(audio_format) });
        Some(Part { kind: "input_audio", input_audio, ..Part::default() })
    }

    fn file<'a>(&mut self, media: &'a Media) -> Option<Part<'a>> {
        let habits = self.recipient.habits;
        let name = media.name.as_deref();
        let file = match &media.source {
            Source::Text(text) => return Some(document(name, text.into())),
            Source::Base64(data) => {
                let mime = media.mime.as_deref().unwrap_or("application/pdf");
                // As a file only PDFs are taken everywhere.
                let text = is_text(mime).then(|| STANDARD.decode(data).ok()).flatten();
                if let Some(text) = text.and_then(|bytes| String::from_utf8(bytes).ok()) {
                    return Some(document(name, text.into()));
                }
                let file_data = Some(data_url(mime, data).into());
                File { filename: name.or(Some("document.pdf")), file_data, file_id: None }
            }
            Source::Url(url) if habits.fetches_urls && !habits.has_openai_members => {
                File { filename: name.or(Some("document.pdf")), file_data: Some(url.into()), file_id: None }
            }
            Source::Url(_) => {
                self.losses.note(Feature::FileUrls);
                return None;
            }
            Source::FileId(id) => File { file_id: Some(id), ..File::default() },
        };
        Some(Part { kind: "file", file: Some(file), ..Part::default() })
    }

    /// Marks the last part.
    pub fn mark<'a>(&mut self, parts: &mut [Part<'a>], mark: &'a CacheMark) {
        match parts.last_mut().filter(|_| self.recipient.habits.has_cache_marks) {
            Some(last) => last.cache_control = Some(cache_control(mark)),
            None => self.losses.note(Feature::CacheMarks),
        }
    }

    /// Nothing but text is written as one text: many servers take nothing else. What is marked must be a list.
    pub fn content<'a>(&self, mut parts: Vec<Part<'a>>, between: &str) -> Content<'a> {
        let is_plain = |part: &Part<'_>| part.text.is_some() && part.cache_control.is_none();
        if !parts.iter().all(is_plain)
            || self.recipient.habits.has_openai_members && parts.len() > 1 && !between.is_empty()
        {
            return Content::Parts(parts);
        }
        match parts.len() {
            0 => Content::Text("".into()),
            1 => Content::Text(parts.pop().and_then(|part| part.text).unwrap_or_default()),
            _ => {
                let texts: Vec<_> = parts.into_iter().filter_map(|part| part.text).collect();
                Content::Text(texts.join(between).into())
            }
        }
    }
}

pub fn text<'a>(text: impl Into<Cow<'a, str>>) -> Part<'a> {
    Part { kind: "text", text: Some(text.into()), ..Part::default() }
}

pub fn cache_control(mark: &CacheMark) -> CacheControl<'_> {
    CacheControl { kind: "ephemeral", ttl: mark.ttl.as_deref() }
}

fn document<'a>(name: Option<&str>, words: Cow<'a, str>) -> Part<'a> {
    match name {
        Some(_) => text(wire::titled(name, &words).into_owned()),
        None => text(words),
    }
}

fn is_text(mime: &str) -> bool {
    mime.starts_with("text/") || matches!(mime, "application/json" | "application/xml" | "application/yaml")
}

fn audio_format(mime: &str) -> &str {
    match mime.strip_prefix("audio/").unwrap_or(mime) {
        "mpeg" | "mpga" | "x-mp3" => "mp3",
        "x-wav" | "wave" | "vnd.wave" => "wav",
        "mp4" | "x-m4a" => "m4a",
        "x-flac" => "flac",
        format => format,
    }
}
