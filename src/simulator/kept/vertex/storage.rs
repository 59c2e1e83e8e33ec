//! Objects of Cloud Storage (cloud.google.com/storage/docs/json_api/v1/objects).

use bytes::Bytes;
use http::HeaderValue;
use memchr::memmem;
use serde::{Deserialize, Serialize};

use super::super::super::answer::{Answer, bad_value, missing};
use super::super::file::{Content, File, NewFile, Origin};
use super::super::stock::{Files, Shelves};
use super::super::{Call, download, nothing};
use super::{VENDOR, page_size, time};
use crate::error::{Kind, Refusal};

const MOST_LISTED: usize = 1000;
const BYTES: &str = "application/octet-stream";

/// Numbers of 64 bits are strings.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    kind: &'static str,
    id: String,
    name: &'a str,
    bucket: &'a str,
    generation: String,
    metageneration: &'static str,
    content_type: &'a str,
    storage_class: &'static str,
    size: String,
    etag: String,
    time_created: String,
    updated: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    items: Vec<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<&'a str>,
}

/// What a multipart upload says of its object.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    name: Option<String>,
    content_type: Option<String>,
}

/// How objects are kept among the files of all vendors.
fn id(bucket: &str, name: &str) -> String {
    format!("{bucket}/{name}")
}

fn shown<'a>(file: &'a File, bucket: &'a str) -> Shown<'a> {
    let generation = (file.made * 1_000_000).to_string();
    Shown {
        kind: "storage#object",
        id: format!("{}/{generation}", file.id),
        name: &file.name,
        bucket,
        etag: format!("C{generation}"),
        generation,
        metageneration: "1",
        content_type: &file.mime,
        storage_class: "STANDARD",
        size: file.content.len().to_string(),
        time_created: time(file.made),
        updated: time(file.made),
    }
}

/// Keeps an object in the place of one of the same name.
pub fn keep(files: &mut Files, bucket: &str, name: &str, mime: &str, content: Bytes, origin: Origin) {
    files.remove(VENDOR, &id(bucket, name));
    let file = NewFile {
        vendor: VENDOR,
        name: name.to_owned(),
        purpose: String::new(),
        mime: mime.to_owned(),
        content: Content::Kept(content),
        origin,
        expires_in: None,
    };
    files.keep_as(id(bucket, name), file);
}

/// The bytes of the object at a `gs://` address.
pub fn bytes(files: &mut Files, uri: &str) -> Option<Bytes> {
    let (bucket, name) = uri.strip_prefix("gs://")?.split_once('/')?;
    files.get(VENDOR, &id(bucket, name))?.content.bytes().ok().cloned()
}

pub fn upload(shelves: &mut Shelves, call: &Call, bucket: &str) -> Result<Answer, Refusal> {
    let said = call.head.content_type.as_ref();
    let (name, mime, content) = match call.parameter("uploadType").as_deref() {
        Some("media") => {
            (call.parameter("name"), said.and_then(|mime| Some(mime.to_str().ok()?.to_owned())), call.body.clone())
        }
        Some("multipart") => {
            let malformed =
                || Refusal::invalid("The body must be multipart/related: the object's metadata, and its bytes.");
            let Related { metadata, mime, content } = related(said, call.body).ok_or_else(malformed)?;
            let said: Said = serde_json::from_slice(&metadata).map_err(|_| malformed())?;
            (said.name.or_else(|| call.parameter("name")), said.content_type.or(mime), content)
        }
        Some(_) => return Err(bad_value("uploadType", "is neither media nor multipart: the simulator knows no other")),
        None => return Err(missing("uploadType")),
    };
    let name = name.filter(|name| !name.is_empty()).ok_or_else(|| missing("name"))?;
    keep(&mut shelves.files, bucket, &name, mime.as_deref().unwrap_or(BYTES), content, Origin::Client);
    Ok(Answer::json(&shown(find(shelves, bucket, &name)?, bucket)))
}

/// By name, as the storage has them; a token is the last name of the page before.
pub fn list(shelves: &Shelves, call: &Call, bucket: &str) -> Result<Answer, Refusal> {
    if call.parameter("delimiter").is_some() {
        return Err(bad_value("delimiter", "is nothing that the simulator knows"));
    }
    let size = page_size(call, "maxResults", MOST_LISTED)?;
    let (prefix, token) =
        (call.parameter("prefix").unwrap_or_default(), call.parameter("pageToken").unwrap_or_default());
    let is_wanted = |file: &&File| {
        let is_here = file.id.strip_prefix(bucket).is_some_and(|rest| rest.starts_with('/'));
        is_here && file.name.starts_with(&prefix) && *file.name > *token
    };
    let mut found: Vec<_> = shelves.files.of(VENDOR).filter(is_wanted).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    let has_more = found.len() > size;
    found.truncate(size);
    let next_page_token = found.last().map(|file| file.name.as_str()).filter(|_| has_more);
    let items = found.iter().map(|file| shown(file, bucket)).collect();
    Ok(Answer::json(&List { kind: "storage#objects", items, next_page_token }))
}

pub fn show(shelves: &mut Shelves, call: &Call, bucket: &str, name: &str) -> Result<Answer, Refusal> {
    let file = find(shelves, bucket, name)?;
    if call.parameter("alt").as_deref() != Some("media") {
        return Ok(Answer::json(&shown(file, bucket)));
    }
    file.downloads += 1;
    Ok(download(&file.mime, file.content.bytes()?.clone()))
}

pub fn delete(shelves: &mut Shelves, bucket: &str, name: &str) -> Result<Answer, Refusal> {
    shelves.files.remove(VENDOR, &id(bucket, name)).map(|_| nothing()).ok_or_else(|| none(bucket, name))
}

fn find<'s>(shelves: &'s mut Shelves, bucket: &str, name: &str) -> Result<&'s mut File, Refusal> {
    shelves.files.get(VENDOR, &id(bucket, name)).ok_or_else(|| none(bucket, name))
}

fn none(bucket: &str, name: &str) -> Refusal {
    Refusal::new(Kind::NotFound, format!("No such object: {bucket}/{name}"))
}

/// What comes as `multipart/related`: an object's metadata, and its bytes with their type.
struct Related {
    metadata: Bytes,
    mime: Option<String>,
    content: Bytes,
}

fn related(content_type: Option<&HeaderValue>, body: &Bytes) -> Option<Related> {
    let content_type = content_type?.to_str().ok()?;
    let parameters = content_type.strip_prefix("multipart/related")?;
    let (_, boundary) = parameters.split_once("boundary=")?;
    let boundary = boundary.split(';').next()?.trim().trim_matches(['"', '\'']);
    let delimiter = format!("--{boundary}");
    let mut ends = memmem::find_iter(body, delimiter.as_bytes());
    let (first, second, last) = (ends.next()?, ends.next()?, ends.next()?);
    let part = |from: usize, to: usize| {
        let part = body.get(from + delimiter.len()..to)?.strip_suffix(b"\r\n")?;
        let (head, content) = part.split_at_checked(memmem::find(part, b"\r\n\r\n")? + 4)?;
        Some((String::from_utf8_lossy(head).into_owned(), body.slice_ref(content)))
    };
    let ((_, metadata), (head, content)) = (part(first, second)?, part(second, last)?);
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let mime = fields
        .map(|(name, value)| (name.trim(), value.trim()))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    Some(Related { metadata, mime: mime.map(|(_, mime)| mime.to_owned()), content })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_may_have_its_metadata_before_it() {
        let kind = HeaderValue::from_static("multipart/related; boundary=\"==b==\"");
        let body = "--==b==\r\ncontent-type: application/json\r\n\r\n{\"name\":\"a\"}\r\n\
                    --==b==\r\ncontent-type: text/plain\r\n\r\nline\r\n\r\nend\r\n--==b==--";
        let parts = related(Some(&kind), &Bytes::from(body)).expect("two parts");
        assert_eq!((&parts.metadata[..], &parts.content[..]), (&b"{\"name\":\"a\"}"[..], &b"line\r\n\r\nend"[..]));
        assert_eq!(parts.mime.as_deref(), Some("text/plain"));
        assert!(related(Some(&kind), &Bytes::from("--==b==--")).is_none());
    }
}
