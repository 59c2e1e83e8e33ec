//! `/v1beta/files`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::super::super::answer::Answer;
use super::super::file::{File, Origin};
use super::super::page::page;
use super::super::place::Vendor;
use super::super::stock::Shelves;
use super::super::{Call, download};
use super::{page_size, time};
use crate::error::{Kind, Refusal};

pub const VENDOR: Vendor = Vendor::Gemini;

/// Whoever asks, a file's address is at Google's.
const ADDRESS: &str = "https://generativelanguage.googleapis.com/v1beta/";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    display_name: &'a str,
    mime_type: &'a str,
    /// Numbers of 64 bits are strings.
    size_bytes: String,
    create_time: String,
    update_time: String,
    expiration_time: Option<String>,
    sha256_hash: String,
    uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    download_uri: Option<String>,
    state: &'static str,
    source: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<&'a str>,
}

pub fn shown(file: &File) -> Shown<'_> {
    let is_made = file.origin == Origin::Vendor;
    Shown {
        name: &file.id,
        display_name: &file.name,
        mime_type: &file.mime,
        size_bytes: file.content.len().to_string(),
        create_time: time(file.made),
        update_time: time(file.made),
        expiration_time: file.expires.map(time),
        sha256_hash: STANDARD.encode(file.sha256()),
        uri: format!("{ADDRESS}{}", file.id),
        download_uri: is_made.then(|| format!("{ADDRESS}{}:download?alt=media", file.id)),
        state: "ACTIVE",
        source: if is_made { "GENERATED" } else { "UPLOADED" },
    }
}

pub fn list(shelves: &Shelves, call: &Call) -> Result<Answer, Refusal> {
    let size = page_size(call, 10, 100)?;
    let page = page(shelves.files.of(VENDOR), call.parameter("pageToken").as_deref(), size)?;
    let last = page.items.last().map(|file| file.id.as_str());
    let files = page.items.iter().map(|file| shown(file)).collect();
    Ok(Answer::json(&List { files, next_page_token: last.filter(|_| page.has_more) }))
}

pub fn show(shelves: &mut Shelves, id: &str) -> Result<Answer, Refusal> {
    Ok(Answer::json(&shown(find(shelves, id)?)))
}

/// What a client has uploaded it cannot download, as the SDK says too. The status is a guess.
pub fn content(shelves: &mut Shelves, id: &str) -> Result<Answer, Refusal> {
    let file = find(shelves, id)?;
    if file.origin == Origin::Client {
        return Err(Refusal::invalid(format!(
            "The file {} was uploaded; only generated files can be downloaded.",
            file.id
        )));
    }
    file.downloads += 1;
    Ok(download(&file.mime, file.content.bytes()?.clone()))
}

pub fn delete(shelves: &mut Shelves, id: &str) -> Result<Answer, Refusal> {
    let name = format!("files/{id}");
    let nothing = serde_json::Map::new();
    shelves.files.remove(VENDOR, &name).map(|_| Answer::json(&nothing)).ok_or_else(|| hidden(&name))
}

fn find<'s>(shelves: &'s mut Shelves, id: &str) -> Result<&'s mut File, Refusal> {
    let name = format!("files/{id}");
    shelves.files.get(VENDOR, &name).ok_or_else(|| hidden(&name))
}

/// Whether there is such a file is not told to those who may not know.
fn hidden(name: &str) -> Refusal {
    Refusal::new(Kind::Permission, format!("You may not use {name}, or there is no such file."))
}
