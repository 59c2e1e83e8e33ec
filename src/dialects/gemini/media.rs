//! Media types and addresses: what a file is, and which addresses Gemini reads by itself.

use crate::dialects::ir::MediaKind;

/// Where Google keeps files that were uploaded for Gemini.
const FILES: &str = "https://generativelanguage.googleapis.com/";

/// What a media type (`image/png`) is a kind of.
pub fn kind_of(mime: &str) -> MediaKind {
    match mime.split('/').next() {
        Some("image") => MediaKind::Image,
        Some("audio") => MediaKind::Audio,
        Some("video") => MediaKind::Video,
        _ => MediaKind::File,
    }
}

/// Whether this names a file that Google keeps: of the Files API, or in Cloud Storage.
pub fn is_kept_by_google(uri: &str) -> bool {
    uri.starts_with("gs://") || uri.starts_with(FILES)
}

/// Whether Google reads this without being given it.
pub fn reads_by_itself(uri: &str) -> bool {
    is_kept_by_google(uri) || is_youtube(uri)
}

/// The URI of a file of the Files API that is only named: `files/abc`.
pub fn file_uri(id: &str) -> Option<String> {
    id.starts_with("files/").then(|| format!("{FILES}v1beta/{id}"))
}

/// YouTube's videos are read wherever files of Google's are.
pub fn is_youtube(uri: &str) -> bool {
    let host = uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://")).unwrap_or_default();
    let host = host.split(['/', '?']).next().unwrap_or_default();
    matches!(host, "youtu.be" | "youtube.com" | "www.youtube.com" | "m.youtube.com")
}

/// The media type of base64 data that comes without one.
pub fn sniffed(data: &str, kind: MediaKind) -> &'static str {
    const STARTS: &[(&str, &str)] = &[
        ("iVBORw0KGgo", "image/png"),
        ("/9j/", "image/jpeg"),
        ("R0lGOD", "image/gif"),
        ("JVBERi", "application/pdf"),
        ("SUQz", "audio/mp3"),
        ("T2dnUw", "audio/ogg"),
        ("ZkxhQ", "audio/flac"),
    ];
    let known = STARTS.iter().find(|(start, _)| data.starts_with(start)).map(|(_, mime)| *mime);
    known.unwrap_or_else(|| usual(kind))
}

/// The media type of an address that comes without one: Vertex AI refuses those that have none. Of its own uploads Google knows it.
pub fn of_address(uri: &str, kind: MediaKind) -> Option<&'static str> {
    match uri {
        uri if uri.starts_with(FILES) => None,
        uri if is_youtube(uri) => Some(usual(MediaKind::Video)),
        uri => Some(by_extension(uri, kind)),
    }
}

fn by_extension(url: &str, kind: MediaKind) -> &'static str {
    const ENDS: &[(&str, &str)] = &[
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("jpeg", "image/jpeg"),
        ("gif", "image/gif"),
        ("webp", "image/webp"),
        ("heic", "image/heic"),
        ("pdf", "application/pdf"),
        ("txt", "text/plain"),
        ("csv", "text/csv"),
        ("html", "text/html"),
        ("md", "text/markdown"),
        ("mp3", "audio/mp3"),
        ("wav", "audio/wav"),
        ("flac", "audio/flac"),
        ("ogg", "audio/ogg"),
        ("mp4", "video/mp4"),
        ("mov", "video/quicktime"),
        ("webm", "video/webm"),
    ];
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let end = path.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).unwrap_or_default();
    ENDS.iter().find(|(known, _)| *known == end).map_or_else(|| usual(kind), |(_, mime)| mime)
}

fn usual(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image/jpeg",
        MediaKind::Audio => "audio/wav",
        MediaKind::Video => "video/mp4",
        MediaKind::File => "application/pdf",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_addresses_and_types() {
        assert!(is_youtube("https://www.youtube.com/watch?v=x") && is_youtube("https://youtu.be/x"));
        assert!(!is_youtube("https://youtube.com.example/x") && !is_youtube("ftp://youtu.be/x"));
        assert!(is_kept_by_google("gs://bucket/x") && !is_kept_by_google("https://example.com/files/x"));
        assert_eq!(file_uri("files/x").as_deref(), Some("https://generativelanguage.googleapis.com/v1beta/files/x"));
        assert_eq!(by_extension("https://x/a.PNG?b=.pdf", MediaKind::Image), "image/png");
        assert_eq!(by_extension("https://x/a", MediaKind::File), "application/pdf");
        assert_eq!(of_address("https://youtu.be/x", MediaKind::Image), Some("video/mp4"));
        assert_eq!(of_address("gs://bucket/cat.png", MediaKind::File), Some("image/png"));
        assert_eq!(of_address("https://generativelanguage.googleapis.com/v1beta/files/x", MediaKind::File), None);
        assert_eq!(sniffed("iVBORw0KGgoAAAA", MediaKind::File), "image/png");
        assert_eq!(kind_of("application/pdf"), MediaKind::File);
    }
}
