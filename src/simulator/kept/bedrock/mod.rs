//! Amazon Bedrock's model invocation jobs, and as much of S3 as they and their clients need: the service models `bedrock` 2023-04-20
//! and `s3` 2006-03-01 of botocore, Amazon Bedrock User Guide ("Format and upload your batch inference data", "View the results
//! of a batch inference job"), Amazon S3 API Reference.
//!
//! Nobody is asked for a signature, and every bucket is there. Not certain: what else than a name and a reason a job has that failed
//! before it ran.

mod create;
mod jobs;
mod output;
pub mod s3;

use http::Method;

pub use self::create::Details;
use super::super::answer::Answer;
use super::Call;
use super::place::{Place, Vendor, What};
use super::stock::Shelves;
use crate::error::{Kind, Refusal};

const VENDOR: Vendor = Vendor::Bedrock;

pub fn answer(shelves: &mut Shelves, place: &Place, call: &Call) -> Result<Answer, Refusal> {
    match (&place.what, &call.head.method) {
        (What::NewBatch, _) => create::create(shelves, call),
        (What::Batches, _) => jobs::list(shelves, call),
        (What::Batch(id), _) => jobs::show(shelves, id),
        (What::Cancel(id), _) => jobs::stop(shelves, id),
        (What::Objects(bucket), &Method::GET) => Ok(s3::list(shelves, call, bucket)),
        (What::Object { bucket, key }, &Method::PUT) => Ok(s3::put(shelves, call, bucket, key)),
        (What::Object { bucket, key }, &Method::GET) => Ok(s3::get(shelves, call, bucket, key)),
        (What::Object { bucket, key }, &Method::DELETE) => Ok(s3::delete(shelves, bucket, key)),
        (What::Objects(_) | What::Object { .. }, _) => Ok(s3::not_allowed(call)),
        _ => Err(Refusal::new(Kind::NotFound, "Amazon has no such thing.")),
    }
}
