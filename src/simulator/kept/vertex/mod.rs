//! Vertex AI's batch prediction jobs, and the part of Cloud Storage that they and its clients need: what `google-genai` and
//! `google-cloud-storage` send and read; Vertex AI's REST reference (`projects.locations.batchPredictionJobs`), Cloud Storage's JSON API.
//!
//! Every bucket is there. A job is shown in `job`, made in `create`, and its answers are written in `output`.

mod create;
mod job;
mod output;
mod place;
mod storage;

use std::time::{Duration, UNIX_EPOCH};

use http::Method;

pub use self::create::Details;
pub use self::place::What;
use super::super::answer::{Answer, bad_value};
use super::Call;
use super::place::Vendor;
use super::stock::Shelves;
use crate::error::Refusal;

const VENDOR: Vendor = Vendor::Vertex;

pub fn answer(shelves: &mut Shelves, what: &What, call: &Call) -> Result<Answer, Refusal> {
    match (what, &call.head.method) {
        (What::Upload { bucket }, _) => storage::upload(shelves, call, bucket),
        (What::Objects { bucket }, _) => storage::list(shelves, call, bucket),
        (What::Object { bucket, name }, &Method::DELETE) => storage::delete(shelves, bucket, name),
        (What::Object { bucket, name }, _) => storage::show(shelves, call, bucket, name),
        (What::Jobs { location }, &Method::POST) => create::create(shelves, call, location),
        (What::Jobs { location }, _) => job::list(shelves, call, location),
        (What::Job(name), &Method::DELETE) => job::delete(shelves, name),
        (What::Job(name), _) => job::show(shelves, name),
        (What::Cancel(name), _) => job::cancel(shelves, name),
    }
}

/// What a page may have: `most` where more is asked for, or nothing.
fn page_size(call: &Call, name: &'static str, most: usize) -> Result<usize, Refusal> {
    match call.parameter(name).as_deref().map(str::parse) {
        None | Some(Ok(0)) => Ok(most),
        Some(Ok(size)) => Ok(most.min(size)),
        Some(Err(_)) => Err(bad_value(name, "is not a whole number")),
    }
}

/// `seconds` since 1970.
fn time(seconds: u64) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}
