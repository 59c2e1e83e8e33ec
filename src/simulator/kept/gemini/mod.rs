//! Files and batches as Gemini has them: what the google-genai SDK sends and reads, ai.google.dev ("Files API", "Batch API").

mod batches;
mod create;
mod files;
mod operation;
mod upload;

use std::time::{Duration, UNIX_EPOCH};

use http::Method;

pub use self::create::Details;
pub use self::upload::Uploads;
use super::super::answer::{Answer, bad_value};
use super::Call;
use super::place::{Place, What};
use super::stock::Shelves;
use crate::error::{Kind, Refusal};

pub fn answer(shelves: &mut Shelves, place: &Place, call: &Call) -> Result<Answer, Refusal> {
    match (&place.what, &call.head.method) {
        (What::Upload, _) => upload::answer(shelves, call),
        (What::Files, _) => files::list(shelves, call),
        (What::File(id), &Method::DELETE) => files::delete(shelves, id),
        (What::File(id), _) => files::show(shelves, id),
        (What::Content(id), _) => files::content(shelves, id),
        (What::ModelBatches { model, embeds }, _) => create::create(shelves, call, model, *embeds),
        (What::Batches, _) => batches::list(shelves, call),
        (What::Batch(id), &Method::DELETE) => batches::delete(shelves, id),
        (What::Batch(id), _) => batches::show(shelves, id),
        (What::Cancel(id), _) => batches::cancel(shelves, id),
        _ => Err(Refusal::new(Kind::NotFound, "Gemini has no such thing.")),
    }
}

/// `pageSize` beyond `most` is that.
fn page_size(call: &Call, usual: usize, most: usize) -> Result<usize, Refusal> {
    match call.parameter("pageSize").as_deref().map(str::parse) {
        None | Some(Ok(0)) => Ok(usual),
        Some(Ok(size)) => Ok(most.min(size)),
        Some(Err(_)) => Err(bad_value("pageSize", "is not a whole number")),
    }
}

/// `seconds` since 1970.
fn time(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}
