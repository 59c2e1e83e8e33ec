//! S3, with the bucket in the path: objects are put, had, deleted, and listed in pages.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::super::answer::Answer;
use super::super::file::{Content, File, NewFile, Origin};
use super::super::stock::{Files, Shelves};
use super::super::{Call, time};
use super::VENDOR;
use crate::error::Failure;

const MOST_LISTED: usize = 1000;
/// What `encoding-type=url` leaves as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'*');

/// What an object is called among the files.
pub fn id(bucket: &str, key: &str) -> String {
    format!("{bucket}/{key}")
}

/// Puts an object in the place of the one that was there.
pub fn keep<'f>(files: &'f mut Files, bucket: &str, key: &str, mime: &str, content: Bytes, origin: Origin) -> &'f File {
    let id = id(bucket, key);
    files.remove(VENDOR, &id);
    let file = NewFile {
        vendor: VENDOR,
        name: key.to_owned(),
        purpose: String::new(),
        mime: mime.to_owned(),
        content: Content::Kept(content),
        origin,
        expires_in: None,
    };
    files.keep_as(id, file)
}

pub fn put(shelves: &mut Shelves, call: &Call, bucket: &str, key: &str) -> Answer {
    let mime = call.head.content_type.as_ref().and_then(|mime| mime.to_str().ok()).unwrap_or("binary/octet-stream");
    let file = keep(&mut shelves.files, bucket, key, mime, call.body.clone(), Origin::Client);
    told(StatusCode::OK, &[("etag", &etag(file))], Bytes::new())
}

pub fn get(shelves: &mut Shelves, call: &Call, bucket: &str, key: &str) -> Answer {
    let Some(file) = shelves.files.get(VENDOR, &id(bucket, key)) else {
        let more = format!("<Key>{}</Key>", escaped(key));
        return wrong(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist.", &more, call.head.id());
    };
    file.downloads += 1;
    match file.content.bytes() {
        Ok(bytes) => told(StatusCode::OK, &[("content-type", &file.mime), ("etag", &etag(file))], bytes.clone()),
        Err(refusal) => wrong(StatusCode::CONFLICT, "OperationAborted", &refusal.message, "", call.head.id()),
    }
}

/// Whether or not it was there.
pub fn delete(shelves: &mut Shelves, bucket: &str, key: &str) -> Answer {
    shelves.files.remove(VENDOR, &id(bucket, key));
    told(StatusCode::NO_CONTENT, &[], Bytes::new())
}

/// ListObjectsV2, in the order of the keys.
pub fn list(shelves: &Shelves, call: &Call, bucket: &str) -> Answer {
    let parameter = |name: &str| call.parameter(name);
    if parameter("list-type").as_deref() != Some("2") || parameter("delimiter").is_some() {
        let message = "The simulator lists objects by list-type=2, without a delimiter.";
        return wrong(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message, "", call.head.id());
    }
    let most = match parameter("max-keys").map(|most| most.parse::<usize>()) {
        None => MOST_LISTED,
        Some(Ok(most)) => most.min(MOST_LISTED),
        Some(Err(_)) => {
            let message = "Provided max-keys not an integer or within integer range";
            return wrong(StatusCode::BAD_REQUEST, "InvalidArgument", message, "", call.head.id());
        }
    };
    let prefix = parameter("prefix").unwrap_or_default();
    // Opaque to clients: the last key, turned around.
    let token = parameter("continuation-token");
    let after = token.as_ref().map(|token| token.chars().rev().collect()).or_else(|| parameter("start-after"));
    let is_url = parameter("encoding-type").as_deref() == Some("url");
    let shown = |text: &str| match is_url {
        true => utf8_percent_encode(text, PLAIN).to_string(),
        false => escaped(text),
    };
    let begin = id(bucket, &prefix);
    let mut found: Vec<_> = shelves.files.of(VENDOR).filter(|file| file.id.starts_with(&begin)).collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found.retain(|file| after.as_ref().is_none_or(|after| file.name > *after));
    let is_truncated = found.len() > most;
    found.truncate(most);
    let mut text = format!("<Name>{bucket}</Name><Prefix>{}</Prefix><MaxKeys>{most}</MaxKeys>", shown(&prefix));
    text += if is_url { "<EncodingType>url</EncodingType>" } else { "" };
    text += &format!("<KeyCount>{}</KeyCount><IsTruncated>{is_truncated}</IsTruncated>", found.len());
    if let Some(token) = token {
        text += &format!("<ContinuationToken>{}</ContinuationToken>", escaped(&token));
    }
    if let Some(last) = found.last().filter(|_| is_truncated) {
        let next: String = last.name.chars().rev().collect();
        text += &format!("<NextContinuationToken>{}</NextContinuationToken>", escaped(&next));
    }
    for file in found {
        let (key, made, etag, size) = (shown(&file.name), time(file.made), etag(file), file.content.len());
        text += &format!(
            "<Contents><Key>{key}</Key><LastModified>{made}</LastModified><ETag>{}</ETag><Size>{size}</Size>\
             <StorageClass>STANDARD</StorageClass></Contents>",
            escaped(&etag)
        );
    }
    let root = "ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";
    xml(StatusCode::OK, &format!("<{root}>{text}</ListBucketResult>"))
}

/// Whoever asks for more of S3 than is here.
pub fn not_allowed(call: &Call) -> Answer {
    let message = "The specified method is not allowed against this resource.";
    wrong(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message, "", call.head.id())
}

/// A failure that was ordered, by S3's name for such a one.
pub fn failed(failure: &Failure, request_id: &str) -> Answer {
    let code = match failure.status.as_u16() {
        400 => "InvalidRequest",
        401 | 403 => "AccessDenied",
        404 => "NoSuchBucket",
        405 => "MethodNotAllowed",
        409 => "OperationAborted",
        413 => "EntityTooLarge",
        429 | 503 => "SlowDown",
        501 => "NotImplemented",
        _ => "InternalError",
    };
    wrong(failure.status, code, &failure.message, "", request_id)
}

/// `Error`; `more` is XML that belongs into it.
fn wrong(status: StatusCode, code: &str, message: &str, more: &str, request_id: &str) -> Answer {
    let (message, request_id) = (escaped(message), escaped(request_id));
    let text = format!(
        "<Error><Code>{code}</Code><Message>{message}</Message>{more}<RequestId>{request_id}</RequestId>\
         <HostId>simulator</HostId></Error>"
    );
    xml(status, &text)
}

fn xml(status: StatusCode, text: &str) -> Answer {
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}");
    told(status, &[("content-type", "application/xml")], Bytes::from(body))
}

fn told(status: StatusCode, headers: &[(&'static str, &str)], body: Bytes) -> Answer {
    let header = |(name, value): &(&'static str, &str)| {
        Some((HeaderName::from_static(name), HeaderValue::try_from(*value).ok()?))
    };
    Answer::Kept { status, headers: headers.iter().filter_map(header).collect(), body }
}

/// In quotes, of as many digits as S3's.
fn etag(file: &File) -> String {
    let digits: String = file.sha256().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
