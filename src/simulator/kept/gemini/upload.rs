//! `/upload/v1beta/files`: a file that comes in pieces. The first request tells what is coming and is answered with an address
//! (`x-goog-upload-url`); each piece goes there with the place where it belongs, and the last one has the word `finalize`.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::super::answer::{Answer, write_json};
use super::super::super::discard::Discarded;
use super::super::file::{Content, NewFile, Origin};
use super::super::stock::Shelves;
use super::super::{Call, digest};
use super::files::{self, VENDOR};
use crate::error::{Kind, Refusal};

const MOST_UPLOADS: usize = 100;
const MOST_BYTES: usize = 512 << 20;
const TWO_DAYS: u64 = 48 * 60 * 60;

#[derive(Default)]
pub struct Uploads {
    all: VecDeque<Upload>,
    made: u64,
}

struct Upload {
    id: String,
    told: Told,
    mime: String,
    /// As announced.
    size: Option<usize>,
    received: usize,
    pieces: Pieces,
}

/// What has come of a file.
enum Pieces {
    Kept(BytesMut),
    Discarded(Sha256),
}

impl Pieces {
    fn push(&mut self, piece: &Bytes) {
        match self {
            Self::Kept(bytes) => bytes.extend_from_slice(piece),
            Self::Discarded(hash) => hash.update(piece),
        }
    }

    fn finish(self, bytes: usize) -> Content {
        match self {
            Self::Kept(bytes) => Content::Kept(bytes.freeze()),
            Self::Discarded(hash) => Content::Discarded(Discarded { bytes, sha256: hash.finalize().into() }),
        }
    }
}

/// What the first request says of the file.
#[derive(Default, Deserialize)]
struct Start {
    file: Option<Told>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    name: Option<String>,
    #[serde(alias = "display_name")]
    display_name: Option<String>,
    #[serde(alias = "mime_type")]
    mime_type: Option<String>,
}

#[derive(Serialize)]
struct Finished<'a> {
    file: files::Shown<'a>,
}

pub fn answer(shelves: &mut Shelves, call: &Call) -> Result<Answer, Refusal> {
    let upload = &call.head.upload;
    let Some(command) = text(upload, "x-goog-upload-command") else {
        let message = "The simulator takes resumable uploads only: x-goog-upload-command is missing.";
        return Err(Refusal::invalid(message));
    };
    let mut words = command.split(',').map(str::trim);
    if words.clone().any(|word| word.eq_ignore_ascii_case("start")) {
        return start(shelves, call);
    }
    let id = call.parameter("upload_id").unwrap_or_default();
    let Shelves { files, uploads, .. } = shelves;
    let at = uploads.all.iter().position(|upload| upload.id == id);
    let (at, found) = at
        .and_then(|at| Some((at, uploads.all.get_mut(at)?)))
        .ok_or_else(|| Refusal::new(Kind::NotFound, "There is no upload with this `upload_id`."))?;

    let mut finalizes = false;
    for word in words.by_ref() {
        match word.to_ascii_lowercase().as_str() {
            "upload" => found.append(upload, call.body)?,
            "finalize" => finalizes = true,
            "query" => {}
            "cancel" => {
                uploads.all.remove(at);
                return Ok(told(&[("x-goog-upload-status", "cancelled")], Bytes::new()));
            }
            _ => return Err(Refusal::invalid(format!("x-goog-upload-command has an unknown word: {word}."))),
        }
    }
    if !finalizes {
        let received = found.received.to_string();
        return Ok(told(
            &[("x-goog-upload-status", "active"), ("x-goog-upload-size-received", &received)],
            Bytes::new(),
        ));
    }
    if found.size.is_some_and(|size| size != found.received) {
        let message = format!("{} bytes have come of {}.", found.received, found.size.unwrap_or_default());
        return Err(Refusal::invalid(message));
    }
    let Some(upload) = uploads.all.remove(at) else {
        return Err(Refusal::new(Kind::Internal, "The upload is gone."));
    };
    let file = NewFile {
        vendor: VENDOR,
        name: upload.told.display_name.unwrap_or_default(),
        purpose: String::new(),
        mime: upload.told.mime_type.unwrap_or(upload.mime),
        content: upload.pieces.finish(upload.received),
        origin: Origin::Client,
        expires_in: Some(TWO_DAYS),
    };
    let file = match upload.told.name {
        Some(name) => files.keep_as(name, file),
        None => files.keep(call.host(), "files/", 12, file),
    };
    let mut body = BytesMut::new();
    write_json(&mut body, &Finished { file: files::shown(file) });
    Ok(told(&[("x-goog-upload-status", "final")], body.freeze()))
}

fn start(shelves: &mut Shelves, call: &Call) -> Result<Answer, Refusal> {
    let start: Start = if call.body.is_empty() { Start::default() } else { call.json()? };
    let headers = &call.head.upload;
    let size = text(headers, "x-goog-upload-header-content-length").and_then(|size| size.parse().ok());
    if size.is_some_and(|size| size > MOST_BYTES) {
        return Err(Refusal::new(Kind::TooLarge, format!("A file may have {MOST_BYTES} bytes.")));
    }
    let told_file = start.file.unwrap_or_default();
    if let Some(name) = &told_file.name {
        if !name.starts_with("files/") {
            return Err(Refusal::invalid("`file.name` must begin with files/.").param("file.name"));
        }
        if shelves.files.get(VENDOR, name).is_some() {
            return Err(Refusal::new(Kind::Conflict, format!("There is a {name} already.")));
        }
    }
    let uploads = &mut shelves.uploads;
    uploads.made += 1;
    if uploads.all.len() >= MOST_UPLOADS {
        uploads.all.pop_front();
    }
    let id = digest(uploads.made, &[b"upload"]);
    let mime = text(headers, "x-goog-upload-header-content-type").unwrap_or("application/octet-stream");
    let url = format!("{}?upload_id={id}&upload_protocol=resumable", call.here());
    uploads.all.push_back(Upload {
        id,
        told: told_file,
        mime: mime.to_owned(),
        size,
        received: 0,
        pieces: match call.behaviour.discard_uploads {
            true => Pieces::Discarded(Sha256::new()),
            false => Pieces::Kept(BytesMut::with_capacity(size.unwrap_or_default())),
        },
    });
    let headers = [
        ("x-goog-upload-url", url.as_str()),
        ("x-goog-upload-status", "active"),
        ("x-goog-upload-chunk-granularity", "1"),
    ];
    Ok(told(&headers, Bytes::new()))
}

impl Upload {
    fn append(&mut self, headers: &HeaderMap, piece: &Bytes) -> Result<(), Refusal> {
        let offset: Option<usize> = text(headers, "x-goog-upload-offset").and_then(|offset| offset.parse().ok());
        if offset != Some(self.received) {
            let received = self.received;
            return Err(Refusal::invalid(format!("x-goog-upload-offset must be {received}: so much has come.")));
        }
        let room = self.size.unwrap_or(MOST_BYTES).saturating_sub(self.received);
        if piece.len() > room {
            return Err(Refusal::invalid("More bytes have come than were announced."));
        }
        self.received += piece.len();
        self.pieces.push(piece);
        Ok(())
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn told(headers: &[(&'static str, &str)], body: Bytes) -> Answer {
    let header = |(name, value): &(&'static str, &str)| {
        Some((HeaderName::from_static(name), HeaderValue::try_from(*value).ok()?))
    };
    Answer::Kept { status: StatusCode::OK, headers: headers.iter().filter_map(header).collect(), body }
}
