//! `/files`.

use serde::Serialize;

use super::super::super::answer::{Answer, bad_value, missing};
use super::super::file::{Content, File, NewFile, Origin};
use super::super::form::Upload;
use super::super::page::{limit, page};
use super::super::place::Vendor;
use super::super::stock::Shelves;
use super::super::{Call, download};
use super::{List, not_found};
use crate::error::Refusal;

/// `file-extract` is Alibaba's.
const PURPOSES: [&str; 7] = ["assistants", "batch", "fine-tune", "vision", "user_data", "evals", "file-extract"];
const MOST_LISTED: usize = 10_000;
const BATCH_DAYS: u64 = 30;
const EXPIRY: std::ops::RangeInclusive<u64> = 3600..=2_592_000;

#[derive(Serialize)]
struct Shown<'a> {
    object: &'static str,
    id: &'a str,
    purpose: &'a str,
    filename: &'a str,
    bytes: usize,
    created_at: u64,
    expires_at: Option<u64>,
    /// xAI tells none.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_details: Option<()>,
}

#[derive(Serialize)]
struct Deleted<'a> {
    object: &'static str,
    id: &'a str,
    deleted: bool,
}

fn shown(file: &File) -> Shown<'_> {
    let has_status = file.vendor != Vendor::Xai;
    Shown {
        object: "file",
        id: &file.id,
        purpose: &file.purpose,
        filename: &file.name,
        bytes: file.content.len(),
        created_at: file.made,
        expires_at: file.expires,
        status: has_status.then_some("processed"),
        status_details: has_status.then_some(()),
    }
}

pub fn create(shelves: &mut Shelves, vendor: Vendor, call: &Call) -> Result<Answer, Refusal> {
    let upload = Upload::read(call)?;
    let purpose = match (upload.field("purpose"), vendor) {
        (None, Vendor::Xai) => "",
        (None, _) => return Err(missing("purpose")),
        (Some(purpose), Vendor::Xai) => purpose,
        (Some(purpose), _) if PURPOSES.contains(&purpose) => purpose,
        (Some(_), _) => return Err(bad_value("purpose", &format!("is none of {}", PURPOSES.join(", ")))),
    };
    let expires_in = match expires_in(&upload, vendor)? {
        None if purpose == "batch" => Some(BATCH_DAYS * 24 * 60 * 60),
        said => said,
    };
    if purpose == "batch"
        && let Content::Kept(content) = &upload.content
    {
        check_lines(content)?;
    }
    let prefix = if vendor == Vendor::Xai { "file_" } else { "file-" };
    let file = NewFile {
        vendor,
        purpose: purpose.to_owned(),
        mime: upload.mime.clone().unwrap_or_default(),
        content: upload.content.clone(),
        origin: Origin::Client,
        expires_in,
        name: upload.name,
    };
    Ok(Answer::json(&shown(shelves.files.keep(call.host(), prefix, 24, file))))
}

/// A file for a batch is looked at when it comes, as far as its first line.
fn check_lines(content: &[u8]) -> Result<(), Refusal> {
    let first = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match serde_json::from_slice::<serde::de::IgnoredAny>(first) {
        Ok(_) => Ok(()),
        Err(_) => Err(Refusal::invalid("Invalid file format: a file for batches must be .jsonl, one object a line.")),
    }
}

fn expires_in(upload: &Upload, vendor: Vendor) -> Result<Option<u64>, Refusal> {
    let seconds = upload.field("expires_after[seconds]");
    let (anchor, seconds) = match vendor {
        // xAI says nothing but the seconds.
        Vendor::Xai => (upload.field("expires_after").map(|_| "created_at"), upload.field("expires_after")),
        _ => (upload.field("expires_after[anchor]"), seconds),
    };
    match (anchor, seconds) {
        (None, None) => Ok(None),
        (Some("created_at"), Some(seconds)) => match seconds.parse() {
            Ok(seconds) if EXPIRY.contains(&seconds) => Ok(Some(seconds)),
            _ => Err(bad_value("expires_after.seconds", "is not between 3600 and 2592000")),
        },
        (Some("created_at"), None) => Err(missing("expires_after.seconds")),
        (None, _) => Err(missing("expires_after.anchor")),
        (Some(_), _) => Err(bad_value("expires_after.anchor", "is not created_at")),
    }
}

pub fn list(shelves: &Shelves, vendor: Vendor, call: &Call) -> Result<Answer, Refusal> {
    let limit = limit(call.parameter("limit").as_deref(), MOST_LISTED, MOST_LISTED)?;
    let (after, purpose) = (call.parameter("after"), call.parameter("purpose"));
    let all = shelves.files.of(vendor).filter(|file| purpose.as_ref().is_none_or(|purpose| file.purpose == *purpose));
    let page = match call.parameter("order").as_deref() {
        None | Some("desc") => page(all, after.as_deref(), limit)?,
        Some("asc") => page(all.rev(), after.as_deref(), limit)?,
        Some(_) => return Err(bad_value("order", "is neither asc nor desc")),
    };
    Ok(Answer::json(&List::new(&page, shown)))
}

pub fn show(shelves: &mut Shelves, vendor: Vendor, id: &str) -> Result<Answer, Refusal> {
    let file = shelves.files.get(vendor, id).ok_or_else(|| not_found("file", id))?;
    Ok(Answer::json(&shown(file)))
}

pub fn content(shelves: &mut Shelves, vendor: Vendor, id: &str) -> Result<Answer, Refusal> {
    let file = shelves.files.get(vendor, id).ok_or_else(|| not_found("file", id))?;
    if matches!(file.purpose.as_str(), "assistants" | "user_data") {
        return Err(Refusal::invalid(format!("Files with the purpose {} cannot be downloaded.", file.purpose)));
    }
    file.downloads += 1;
    Ok(download("application/octet-stream", file.content.bytes()?.clone()))
}

pub fn delete(shelves: &mut Shelves, vendor: Vendor, id: &str) -> Result<Answer, Refusal> {
    let file = shelves.files.remove(vendor, id).ok_or_else(|| not_found("file", id))?;
    Ok(Answer::json(&Deleted { object: "file", id: &file.id, deleted: true }))
}
