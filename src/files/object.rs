//! A file's facts, as each vendor shows them.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::error::Garbled;

/// What a vendor's objects look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `GET /v1/files` of OpenAI and of all who offer the same.
    Openai,
    /// `GET /v1/files` of Anthropic.
    Anthropic,
    /// `GET /v1beta/files` of Gemini.
    Gemini,
}

/// What is known of a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FileObject {
    pub id: String,
    pub filename: String,
    /// OpenAI's word for what it is for; empty where its vendor has none.
    pub purpose: String,
    pub bytes: u64,
    /// Seconds since 1970.
    pub created: u64,
    /// Seconds since 1970.
    pub expires: Option<u64>,
    pub mime_type: Option<String>,
    /// Whether its content can be had; where its vendor says so.
    pub is_downloadable: Option<bool>,
}

/// Reads a vendor's object.
pub fn read_file(shape: Shape, body: &[u8]) -> Result<FileObject, Garbled> {
    let object: Value = serde_json::from_slice(body).map_err(|_| Garbled::new("it is no JSON"))?;
    // Gemini answers an upload with the file inside of an object.
    let object = object.get("file").filter(|_| shape == Shape::Gemini).unwrap_or(&object);
    read(shape, object).ok_or_else(|| Garbled::new("it shows no file"))
}

/// Reads a vendor's list: the objects as they are, and whether more follow.
pub fn read_list(shape: Shape, body: &[u8]) -> Result<(Vec<(FileObject, Value)>, Next), Garbled> {
    let mut list: Value = serde_json::from_slice(body).map_err(|_| Garbled::new("it is no JSON"))?;
    let member = if shape == Shape::Gemini { "files" } else { "data" };
    let items = match list.get_mut(member).map(Value::take) {
        Some(Value::Array(items)) => items,
        None if shape == Shape::Gemini => Vec::new(),
        _ => return Err(Garbled::new("it is no list of files")),
    };
    let read = |item: Value| Some((read(shape, &item)?, item));
    let files: Vec<_> = items.into_iter().filter_map(read).collect();
    let next = match (shape, list.get("nextPageToken").and_then(Value::as_str)) {
        (Shape::Gemini, Some(token)) if !token.is_empty() => Next::Token(token.to_owned()),
        (Shape::Gemini, _) => Next::None,
        (Shape::Anthropic, _) if list.get("next_page").is_some_and(Value::is_string) => {
            Next::Token(list.get("next_page").and_then(Value::as_str).unwrap_or_default().to_owned())
        }
        _ if list.get("has_more") == Some(&Value::Bool(true)) => {
            files.last().map_or(Next::None, |(last, _)| Next::After(last.id.clone()))
        }
        _ => Next::None,
    };
    Ok((files, next))
}

/// How the next page of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    None,
    After(String),
    Token(String),
}

fn read(shape: Shape, object: &Value) -> Option<FileObject> {
    let text = |name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| object.get(name).and_then(Value::as_u64);
    let time = |name: &str| object.get(name).and_then(Value::as_str).and_then(seconds);
    Some(match shape {
        Shape::Openai => FileObject {
            id: text("id")?,
            filename: text("filename").unwrap_or_default(),
            purpose: text("purpose").unwrap_or_default(),
            bytes: number("bytes").unwrap_or_default(),
            created: number("created_at").unwrap_or_default(),
            expires: number("expires_at"),
            mime_type: text("mimetype"),
            is_downloadable: None,
        },
        Shape::Anthropic => FileObject {
            id: text("id")?,
            filename: text("filename").unwrap_or_default(),
            purpose: String::new(),
            bytes: number("size_bytes").unwrap_or_default(),
            created: time("created_at").unwrap_or_default(),
            expires: None,
            mime_type: text("mime_type"),
            is_downloadable: object.get("downloadable").and_then(Value::as_bool),
        },
        Shape::Gemini => FileObject {
            id: text("name")?.strip_prefix("files/")?.to_owned(),
            filename: text("displayName").unwrap_or_default(),
            purpose: String::new(),
            // Google writes 64-bit numbers as texts.
            bytes: text("sizeBytes").and_then(|size| size.parse().ok()).unwrap_or_default(),
            created: time("createTime").unwrap_or_default(),
            expires: time("expirationTime"),
            mime_type: text("mimeType"),
            is_downloadable: Some(text("source").as_deref() == Some("GENERATED")),
        },
    })
}

impl FileObject {
    /// As clients of this shape read it.
    pub fn shown(&self, shape: Shape) -> Value {
        match shape {
            Shape::Openai => json!({
                "id": self.id,
                "object": "file",
                "bytes": self.bytes,
                "created_at": self.created,
                "expires_at": self.expires,
                "filename": self.filename,
                "purpose": if self.purpose.is_empty() { "user_data" } else { &self.purpose },
                "status": "processed",
                "status_details": null,
            }),
            Shape::Anthropic => json!({
                "type": "file",
                "id": self.id,
                "filename": self.filename,
                "mime_type": self.mime_type.as_deref().unwrap_or("application/octet-stream"),
                "size_bytes": self.bytes,
                "created_at": rfc3339(self.created),
                "downloadable": self.is_downloadable.unwrap_or(true),
            }),
            Shape::Gemini => json!({
                "name": format!("files/{}", self.id),
                "displayName": self.filename,
                "mimeType": self.mime_type,
                "sizeBytes": self.bytes.to_string(),
                "createTime": rfc3339(self.created),
                "expirationTime": self.expires.map(rfc3339),
            }),
        }
    }
}

/// A page of files, or of anything that has an id.
pub fn page_of(shape: Shape, items: Vec<Value>, has_more: bool) -> Value {
    let id = |item: Option<&Value>| item.and_then(|item| item.get("id")).cloned().unwrap_or(Value::Null);
    let mut page = Map::new();
    if shape == Shape::Openai {
        page.insert("object".to_owned(), "list".into());
    }
    page.insert("first_id".to_owned(), id(items.first()));
    page.insert("last_id".to_owned(), id(items.last()));
    page.insert("has_more".to_owned(), has_more.into());
    if shape == Shape::Anthropic {
        // Its cursors may be any text; here they are ids.
        let next = if has_more { id(items.last()) } else { Value::Null };
        page.insert("next_page".to_owned(), next);
    }
    page.insert("data".to_owned(), items.into());
    page.into()
}

/// What is answered when a file is gone.
pub fn deleted(shape: Shape, id: &str) -> Value {
    match shape {
        Shape::Anthropic => json!({ "id": id, "type": "file_deleted" }),
        _ => json!({ "id": id, "object": "file", "deleted": true }),
    }
}

/// Seconds since 1970 of a time in words (RFC 3339).
pub fn seconds(text: &str) -> Option<u64> {
    // What is behind the seconds may be longer than is understood, and the offset anything but `Z`.
    let time = humantime::parse_rfc3339_weak(text.get(..19)?).ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// The last second that RFC 3339 has a year for.
const LAST: u64 = 253_402_300_799;

/// A time in words (RFC 3339). Others' numbers may be no seconds at all: what is later than all words is the last of them.
pub fn rfc3339(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds.min(LAST))).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_each_vendor_shows() {
        let openai = br#"{"object":"file","id":"file-1","purpose":"batch","filename":"a.jsonl","bytes":7,"created_at":5,"expires_at":9}"#;
        let file = read_file(Shape::Openai, openai).expect("a file");
        assert_eq!((file.id.as_str(), file.bytes, file.expires), ("file-1", 7, Some(9)));
        assert_eq!(read_file(Shape::Openai, file.shown(Shape::Openai).to_string().as_bytes()).expect("the same"), file);

        let anthropic = br#"{"type":"file","id":"file_1","filename":"a.pdf","mime_type":"application/pdf","size_bytes":7,"created_at":"2026-06-25T16:16:09.340000Z","downloadable":false}"#;
        let file = read_file(Shape::Anthropic, anthropic).expect("a file");
        assert_eq!((file.created, file.is_downloadable), (1_782_404_169, Some(false)));
        assert_eq!(rfc3339(file.created), "2026-06-25T16:16:09Z");
        assert_eq!((rfc3339(LAST), rfc3339(u64::MAX)), ("9999-12-31T23:59:59Z".into(), "9999-12-31T23:59:59Z".into()));

        let gemini = br#"{"file":{"name":"files/abc","displayName":"a.pdf","mimeType":"application/pdf","sizeBytes":"7","createTime":"2026-06-25T16:16:09.34Z"}}"#;
        let file = read_file(Shape::Gemini, gemini).expect("a file");
        assert_eq!((file.id.as_str(), file.bytes), ("abc", 7));
        assert!(read_file(Shape::Openai, b"[]").is_err());
    }

    #[test]
    fn lists_say_how_to_go_on() {
        let (files, next) =
            read_list(Shape::Openai, br#"{"object":"list","data":[{"id":"a"},{"id":"b"}],"has_more":true}"#)
                .expect("a list");
        assert_eq!((files.len(), next), (2, Next::After("b".to_owned())));
        let (files, next) = read_list(Shape::Gemini, b"{}").expect("an empty list");
        assert_eq!((files.len(), next), (0, Next::None));
        assert!(read_list(Shape::Openai, b"{}").is_err());
    }
}
