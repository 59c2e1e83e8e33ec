//! `/files`.

use serde::Serialize;

use super::super::super::answer::{Answer, bad_value};
use super::super::file::{File, NewFile, Origin};
use super::super::form::Upload;
use super::super::page::{limit, page};
use super::super::place::Vendor;
use super::super::stock::Shelves;
use super::super::{Call, download};
use super::{Deleted, List, not_found, time};
use crate::error::Refusal;

const VENDOR: Vendor = Vendor::Anthropic;

#[derive(Serialize)]
struct Shown<'a> {
    r#type: &'static str,
    id: &'a str,
    size_bytes: usize,
    created_at: String,
    filename: &'a str,
    mime_type: &'a str,
    downloadable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

fn shown(file: &File) -> Shown<'_> {
    Shown {
        r#type: "file",
        id: &file.id,
        size_bytes: file.content.len(),
        created_at: time(file.made),
        filename: &file.name,
        mime_type: &file.mime,
        downloadable: file.origin == Origin::Vendor,
        expires_at: file.expires.map(time),
    }
}

pub fn create(shelves: &mut Shelves, call: &Call) -> Result<Answer, Refusal> {
    let upload = Upload::read(call)?;
    let expires_in = match upload.field("expires_in_seconds").map(str::parse) {
        None => None,
        Some(Ok(seconds @ 3600..=7_776_000)) => Some(seconds),
        Some(_) => return Err(bad_value("expires_in_seconds", "is not between 3600 and 7776000")),
    };
    let file = NewFile {
        vendor: VENDOR,
        // Only the last part of a path is kept.
        name: upload.name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned(),
        purpose: String::new(),
        mime: upload.mime.unwrap_or_else(|| "application/octet-stream".to_owned()),
        content: upload.content,
        origin: Origin::Client,
        expires_in,
    };
    Ok(Answer::json(&shown(shelves.files.keep(call.host(), "file_", 24, file))))
}

/// By a cursor, as the present SDK turns pages, or by an id, as those before it did.
pub fn list(shelves: &Shelves, call: &Call) -> Result<Answer, Refusal> {
    let limit = limit(call.parameter("limit").as_deref(), 20, 1000)?;
    let cursor = call.parameter("page");
    let after = cursor.as_deref().map(|page| page.strip_prefix("page_").unwrap_or(page).to_owned());
    let after = after.or_else(|| call.parameter("after_id"));
    let page = match call.parameter("before_id") {
        Some(before) => page(shelves.files.of(VENDOR).rev(), Some(&before), limit)?.reversed(),
        None => page(shelves.files.of(VENDOR), after.as_deref(), limit)?,
    };
    Ok(Answer::json(&List::new(&page, shown)))
}

pub fn show(shelves: &mut Shelves, id: &str) -> Result<Answer, Refusal> {
    let file = shelves.files.get(VENDOR, id).ok_or_else(|| not_found("file", id))?;
    Ok(Answer::json(&shown(file)))
}

/// Only what a tool has made can be downloaded, and the simulator has no such tools.
pub fn content(shelves: &mut Shelves, id: &str) -> Result<Answer, Refusal> {
    let file = shelves.files.get(VENDOR, id).ok_or_else(|| not_found("file", id))?;
    if file.origin == Origin::Client {
        return Err(Refusal::invalid(format!("The file `{id}` is not downloadable.")));
    }
    file.downloads += 1;
    Ok(download(&file.mime, file.content.bytes()?.clone()))
}

pub fn delete(shelves: &mut Shelves, id: &str) -> Result<Answer, Refusal> {
    let file = shelves.files.remove(VENDOR, id).ok_or_else(|| not_found("file", id))?;
    Ok(Answer::json(&Deleted { id: &file.id, r#type: "file_deleted" }))
}
